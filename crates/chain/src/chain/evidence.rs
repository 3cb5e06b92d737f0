//! Evidence that a validator voted twice: what a node saw, kept for its members.

use std::ops::ControlFlow;

use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use windlass_proof::{Contradiction, Validator, evidence_hash};

use super::{Chain, ChainError};
use crate::state::keys;
use crate::store::Batch;

/// How many pieces of evidence a node keeps: one for each validator, epoch and kind; the first ones
/// stay. None of the at most 100 validators can take another's places.
pub const MAX_EVIDENCE: usize = 4_000;
/// How many of them may be of one validator.
pub const MAX_EVIDENCE_OF_ONE: usize = 32;

/// Two votes of one validator of which an honest one casts one at most.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub struct Evidence {
    /// The epoch of both votes.
    pub epoch: u64,
    /// The view of both votes.
    pub view: u64,
    /// The validator's p2p identity.
    pub node_key: B256,
    /// The key that signed both.
    pub consensus_key: B256,
    /// 0: to notarize two blocks; 1: to finalize two blocks; 2: to finalize a block and to nullify
    /// its view.
    pub kind: u8,
    /// Both votes with their signatures, as consensus encodes them.
    pub votes: Bytes,
    /// When this node saw it, in Unix milliseconds.
    pub seen_at_ms: u64,
}

impl Evidence {
    /// What a proposal names it by. When it was seen is each node's own, and not in it.
    pub fn hash(&self) -> B256 {
        let Self { node_key, consensus_key, .. } = *self;
        let validator = Validator { node_key, consensus_key };
        evidence_hash((self.epoch, self.view), validator, self.contradiction(), &self.votes)
    }

    /// What it shows, in the word that nodes serve.
    pub fn kind_name(&self) -> &'static str {
        self.contradiction().name()
    }

    fn contradiction(&self) -> Contradiction {
        let kind = Contradiction::ALL.into_iter().find(|kind| kind.number() == self.kind);
        kind.unwrap_or(Contradiction::FinalizedAndNullified)
    }
}

impl Chain {
    /// Keeps a piece of evidence, durably when it returns; false if there is one of its validator,
    /// epoch and kind, or there are as many as are kept, of it or of all.
    pub fn keep_evidence(&self, evidence: &Evidence) -> Result<bool, ChainError> {
        let key = keys::evidence(evidence.epoch, &evidence.node_key, evidence.kind);
        let _writer = self.writer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let kept = self.evidence()?;
        let of_it = kept.iter().filter(|one| one.node_key == evidence.node_key).count();
        let is_full = kept.len() >= MAX_EVIDENCE || of_it >= MAX_EVIDENCE_OF_ONE;
        if is_full || self.store.snapshot()?.get(&key)?.is_some() {
            return Ok(false);
        }
        let mut batch = Batch::default();
        batch.put(key, alloy_rlp::encode(evidence));
        self.store.commit(batch)?;
        Ok(true)
    }

    /// All evidence that is kept, by epoch.
    pub fn evidence(&self) -> Result<Vec<Evidence>, ChainError> {
        let (start, end) = keys::all_evidence();
        let mut records = Vec::new();
        self.store.snapshot()?.scan(&start, &end, &mut |_, record| {
            records.push(record.to_vec());
            ControlFlow::Continue(())
        })?;
        let read = |record: &Vec<u8>| {
            Evidence::decode(&mut record.as_slice())
                .map_err(|_malformed| ChainError::Damaged("evidence".to_owned()))
        };
        records.iter().map(read).collect()
    }
}
