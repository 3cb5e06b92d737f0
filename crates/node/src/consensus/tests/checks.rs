//! What must hold when a storm is over.

use std::collections::BTreeSet;

use alloy_primitives::{B256, keccak256};
use windlass_chain::{
    Chain, governance,
    sync::{AccountEntry, Answer, Request, SlotEntry},
};
use windlass_proof::{Committee, Fact, Proof, TrustAnchor, verify};

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

    /// Nobody is accused but these, and what was kept of evidence is there.
    pub(super) fn check_evidence(&self, honest: &[usize], accused: &[usize]) {
        let keys: Vec<B256> =
            accused.iter().map(|index| key_bytes(&self.validators[*index].key)).collect();
        for validator in honest.iter().map(|index| &self.validators[*index]) {
            let evidence = validator.ledger.honest.chain().evidence().expect("it reads");
            for one in &evidence {
                let whose =
                    self.validators.iter().position(|other| key_bytes(&other.key) == one.node_key);
                assert!(keys.contains(&one.node_key), "{VOTED_TWICE}: {whose:?} {one:?}");
            }
            let kept = u64::try_from(evidence.len()).expect("small");
            let told = validator.board().get().evidence;
            assert!(validator.has_new_disk() || kept >= told, "{kept} kept of {told}");
        }
    }

    /// Whether any of these has evidence against a validator.
    pub(super) fn have_evidence(&self, honest: &[usize], against: usize) -> bool {
        let key = key_bytes(&self.validators[against].key);
        honest.iter().any(|index| {
            let chain = self.validators[*index].ledger.honest.chain();
            chain.evidence().expect("it reads").iter().any(|one| one.node_key == key)
        })
    }

    /// The light verifier takes every certificate that a node keeps, and its proofs.
    pub(super) fn check_certificates(&self, ledger: &NodeLedger, acknowledged: &BTreeSet<u64>) {
        let document = self.genesis.canonical_json();
        let anchor = TrustAnchor::from_genesis(&document).expect("it is a document");
        for number in 1..=ledger.tip().number {
            let Some(bytes) = ledger.certificate(number).expect("it reads") else { continue };
            let block = ledger.block_by_number(number).expect("it reads").expect("it is final");
            let epoch = block.extra_data().expect("ours has some").epoch;
            // A node that came later has certificates of epochs that it never entered.
            let mut all = self.validators.iter().map(|one| &one.ledger.honest);
            let kept = all.find_map(|one| one.committee(epoch).expect("it reads"));
            let kept = kept.expect("somebody entered it");
            let committee =
                Committee::new(ledger.genesis().hash(), &kept.seats).expect("they have seats");
            let certified = committee.verify(&bytes, block.hash()).expect(LIGHT_VERIFIER);
            assert_eq!(certified.epoch, epoch);
        }
        for number in acknowledged.iter().take(3) {
            let hash = Real::hash(*number);
            let proof = ledger.chain().prove_transaction(hash, 0).expect("it is final");
            let proof = Proof::from_json(proof.to_json().as_bytes()).expect("it is a proof");
            let Fact::Transaction(fact) = verify(&proof, &anchor).expect("it holds").fact else {
                panic!("it is about a transaction");
            };
            assert_eq!(fact.hash, hash);
        }
    }
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
