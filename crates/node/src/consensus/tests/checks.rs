//! What must hold when a storm is over.

use std::collections::BTreeSet;

use alloy_primitives::{B256, keccak256};
use windlass_proof::{Committee, Fact, Proof, TrustAnchor, verify};

use super::{
    machine::{Machine, Real, hashes},
    network::Network,
};
use crate::{ledger::NodeLedger, seam::Ledger as _};

impl Network<Real> {
    /// What must hold of every run, beside that there is one chain; `acknowledged` are the numbers
    /// of transactions that somebody has seen in a final block.
    pub(super) fn check(&self, acknowledged: &BTreeSet<u64>) {
        let ledger = &self.validators[0].ledger;
        let mut seen: BTreeSet<B256> = BTreeSet::new();
        for number in 0..=ledger.tip().number {
            let block = ledger.block_by_number(number).expect("it reads").expect("it is final");
            for transaction in block.transactions() {
                assert!(seen.insert(*transaction.tx_hash()), "a transaction is there twice");
            }
        }
        for number in acknowledged {
            let hash = keccak256(Real::transaction(*number));
            assert!(seen.contains(&hash), "an acknowledged transaction is lost");
        }
        let chain = hashes(ledger);
        for validator in &self.validators {
            assert_eq!(hashes(&validator.ledger), chain, "one chain");
            self.check_certificates(&validator.ledger.honest, acknowledged);
        }
        self.check_honesty();
    }

    /// The light verifier takes every certificate that a node keeps, and its proofs.
    pub(super) fn check_certificates(&self, ledger: &NodeLedger, acknowledged: &BTreeSet<u64>) {
        let document = self.genesis.canonical_json();
        let anchor = TrustAnchor::from_genesis(&document).expect("it is a document");
        for number in 1..=ledger.tip().number {
            let Some(bytes) = ledger.certificate(number).expect("it reads") else { continue };
            let block = ledger.block_by_number(number).expect("it reads").expect("it is final");
            let epoch = block.extra_data().expect("ours has some").epoch;
            let kept = ledger.committee(epoch).expect("it reads").expect("it was entered");
            let committee =
                Committee::new(ledger.genesis().hash(), &kept.seats).expect("they have seats");
            let certified = committee.verify(&bytes, block.hash()).expect("it holds");
            assert_eq!(certified.epoch, epoch);
        }
        for number in acknowledged.iter().take(3) {
            let hash = keccak256(Real::transaction(*number));
            let proof = ledger.chain().prove_transaction(hash, 0).expect("it is final");
            let proof = Proof::from_json(proof.to_json().as_bytes()).expect("it is a proof");
            let Fact::Transaction(fact) = verify(&proof, &anchor).expect("it holds").fact else {
                panic!("it is about a transaction");
            };
            assert_eq!(fact.hash, hash);
        }
    }
}

impl<M: Machine> Network<M> {
    /// Nobody has seen a validator vote twice.
    pub(super) fn check_honesty(&self) {
        let accused = (0..self.validators.len()).map(|index| self.status(index).evidence);
        assert_eq!(accused.sum::<u64>(), 0, "an honest validator voted twice");
    }
}
