//! What must hold when a storm is over.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicU64, Ordering},
};

use alloy_primitives::{B256, keccak256};
use windlass_chain::{
    Chain, governance,
    sync::{AccountEntry, Answer, Request, SlotEntry},
};
use windlass_proof::{Checkpoint, Fact, Proof, TrustAnchor, Voters, verify};

use super::{
    machine::{Machine, Real, hashes},
    network::Network,
};
use crate::{consensus::exchange::key_bytes, ledger::NodeLedger, seam::Ledger as _};

/// What is said where a certificate that a node keeps does not hold.
pub(super) const LIGHT_VERIFIER: &str = "the light verifier takes what is kept";
/// What is said where somebody is accused who is honest.
pub(super) const VOTED_TWICE: &str = "an honest validator voted twice";

/// How long a node may be at fetching the earlier blocks: it asks again after ten minutes at most.
const FETCH_MS: u64 = 1_500_000;
/// Of how many of the newest transactions a node's proofs are verified.
const NEWEST: usize = 3;

/// The most changes of validators that a proof of a transaction went through, in all runs of this process.
pub(super) static PROVEN: AtomicU64 = AtomicU64::new(0);

impl Network<Real> {
    /// Those who took the state of others fetch the earlier blocks.
    pub(super) async fn fetch_blocks(&mut self, honest: &[usize]) {
        let lacks = |network: &Self, index: &usize| {
            let ledger = &network.validators[*index].ledger;
            ledger.honest.chain().first_block().expect("the ledger reads") > 0
        };
        let mut waited_ms = 0;
        while honest.iter().any(|index| lacks(self, index)) {
            assert!(waited_ms < FETCH_MS, "earlier blocks are not fetched");
            self.pass(1_000).await;
            waited_ms += 1_000;
        }
    }

    /// What must hold of every run, beside that there is one chain; `acknowledged` are the numbers
    /// of transactions that somebody has seen in a final block.
    pub(super) fn check_nodes(&self, honest: &[usize], acknowledged: &BTreeSet<u64>) {
        let ledger = &self.validators[honest[0]].ledger;
        let mut seen: BTreeSet<B256> = BTreeSet::new();
        for number in 0..=ledger.tip().number {
            let block = ledger.block_by_number(number).expect("it reads").expect("it is final");
            for transaction in block.transactions() {
                assert!(seen.insert(*transaction.tx_hash()), "a transaction is there twice");
            }
        }
        for number in acknowledged {
            let hash = Real::hash(*number);
            assert!(seen.contains(&hash), "an acknowledged transaction is lost");
        }
        let (chain, state) = (hashes(ledger), whole_state(ledger.honest.chain()));
        for validator in honest.iter().map(|index| &self.validators[*index]) {
            assert_eq!(hashes(&validator.ledger), chain, "one chain");
            assert_eq!(validator.ledger.tip().number, validator.board().get().tip.number);
            assert_eq!(whole_state(validator.ledger.honest.chain()), state, "one state");
            self.check_certificates(&validator.ledger.honest, acknowledged);
        }
    }

    /// Nobody is accused but these, what was kept of evidence is there, and the light verifier, which
    /// trusts the genesis document and nothing else, takes it.
    pub(super) fn check_evidence(&self, honest: &[usize], accused: &[usize]) {
        let keys: Vec<B256> =
            accused.iter().map(|index| key_bytes(&self.validators[*index].key)).collect();
        let voters = self.proven_voters(honest);
        for validator in honest.iter().map(|index| &self.validators[*index]) {
            let evidence = validator.ledger.honest.chain().evidence().expect("it reads");
            for one in &evidence {
                let whose =
                    self.validators.iter().position(|other| key_bytes(&other.key) == one.node_key);
                assert!(keys.contains(&one.node_key), "{VOTED_TWICE}: {whose:?} {one:?}");
                let shown = voters.check(&one.votes).expect(LIGHT_VERIFIER);
                assert_eq!(shown.hash, one.hash(), "it says what the node says");
            }
            let kept = u64::try_from(evidence.len()).expect("small");
            let told = validator.board().get().evidence;
            assert!(validator.has_new_disk() || kept >= told, "{kept} kept of {told}");
        }
    }

    /// Who votes in which epoch, as the one that can prove most of it does.
    fn proven_voters(&self, honest: &[usize]) -> Voters {
        let document = self.genesis.canonical_json();
        let anchor = TrustAnchor::from_genesis(&document).expect("it is a document");
        let proven = honest.iter().map(|index| {
            let chain = self.validators[*index].ledger.honest.chain();
            chain.prove_validators(0).expect("it reads")
        });
        let longest = proven.max_by_key(|(_, changes)| changes.len());
        let (genesis, changes) = longest.expect("somebody is honest");
        Voters::proven(&genesis, &changes, &anchor).expect(LIGHT_VERIFIER)
    }

    /// Whether any of these has evidence against a validator.
    pub(super) fn have_evidence(&self, honest: &[usize], against: usize) -> bool {
        let key = key_bytes(&self.validators[against].key);
        honest.iter().any(|index| {
            let chain = self.validators[*index].ledger.honest.chain();
            chain.evidence().expect("it reads").iter().any(|one| one.node_key == key)
        })
    }

    /// The light verifier, which trusts the genesis document and nothing else, takes every certificate that
    /// a node keeps, and proofs of what was acknowledged first and last.
    pub(super) fn check_certificates(&self, ledger: &NodeLedger, acknowledged: &BTreeSet<u64>) {
        let document = self.genesis.canonical_json();
        let anchor = TrustAnchor::from_genesis(&document).expect("it is a document");
        let committees = self.proven_committees(ledger, &anchor);
        for number in 1..=ledger.tip().number {
            let Some(bytes) = ledger.certificate(number).expect("it reads") else { continue };
            let block = ledger.block_by_number(number).expect("it reads").expect("it is final");
            let epoch = block.extra_data().expect("ours has some").epoch;
            let mut all = committees.iter().rev();
            let ruling = all.find(|one| one.epoch <= epoch).expect("the first one is of epoch 0");
            let header = alloy_rlp::encode(block.header());
            let certified = ruling.certified(&header, &bytes).expect(LIGHT_VERIFIER);
            assert_eq!((certified.epoch, certified.hash), (epoch, block.hash()));
            let kept = ledger.committee(epoch).expect("it reads");
            assert!(kept.is_none_or(|kept| kept.seats == ruling.validators), "who votes is proven");
        }
        let newest = acknowledged.iter().rev().take(NEWEST);
        for number in acknowledged.iter().take(1).chain(newest) {
            let hash = Real::hash(*number);
            let proof = ledger.chain().prove_transaction(hash, 0).expect("it is final");
            let proof = Proof::from_json(proof.to_json().as_bytes()).expect("it is a proof");
            PROVEN.fetch_max(count(&proof), Ordering::Relaxed);
            let Fact::Transaction(fact) = verify(&proof, &anchor).expect(LIGHT_VERIFIER).fact
            else {
                panic!("it is about a transaction");
            };
            assert_eq!(fact.hash, hash);
        }
    }

    /// Who votes from which epoch on up to the tip's, each proven by those before: what the proof of an
    /// account goes by.
    fn proven_committees(&self, ledger: &NodeLedger, anchor: &TrustAnchor) -> Vec<Checkpoint> {
        let proof = ledger.chain().prove_account(governance::ADDRESS, &[], 0);
        let proof = proof.expect("a tip at rest has a certificate");
        let verified = verify(&proof, anchor).expect(LIGHT_VERIFIER);
        assert_eq!(verified.block.hash, ledger.tip().hash, "it is about the tip");
        let mut validators: Vec<_> = self.genesis.validators().map(Into::into).collect();
        validators.sort_unstable();
        let (genesis, epoch_length) = (ledger.genesis().hash(), self.genesis.epoch_length);
        let mut committees = vec![Checkpoint { genesis, epoch: 0, epoch_length, validators }];
        for change in &proof.changes {
            let before = committees.last().expect("there is one");
            let next = before.advance(std::slice::from_ref(change)).expect(LIGHT_VERIFIER);
            committees.push(next);
        }
        assert_eq!(committees.last(), Some(&verified.checkpoint));
        committees
    }
}

/// How many changes of validators a proof goes through.
fn count(proof: &Proof) -> u64 {
    u64::try_from(proof.changes.len()).expect("few")
}

/// All accounts and slots, as a node gives them to one that joins.
fn whole_state(chain: &Chain) -> (Vec<AccountEntry>, Vec<Vec<SlotEntry>>) {
    let all = Request::Accounts { from: B256::ZERO, to: B256::repeat_byte(0xff) };
    let Answer::Accounts(range) = chain.answer(&all, usize::MAX).expect("the ledger reads") else {
        panic!("a tip at rest has a certificate");
    };
    let accounts = vec![keccak256(governance::ADDRESS)];
    let storage = Request::Storage { accounts, from: B256::ZERO };
    let Answer::Storage(storage) = chain.answer(&storage, usize::MAX).expect("the ledger reads")
    else {
        panic!("a tip at rest has a certificate");
    };
    (range.accounts, storage.accounts.into_iter().map(|one| one.slots).collect())
}

impl<M: Machine> Network<M> {
    /// Nobody has seen a validator vote twice.
    pub(super) fn check_honesty(&self) {
        let accused = (0..self.validators.len()).map(|index| self.status(index).evidence);
        assert_eq!(accused.sum::<u64>(), 0, "{VOTED_TWICE}");
    }
}
