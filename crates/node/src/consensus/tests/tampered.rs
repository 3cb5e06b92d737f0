//! A validator whose ledger proposes blocks that are wrong in one way, and finds them right; or two that are
//! right.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use alloy_primitives::{B256, Bytes};
use windlass_chain::{
    Block, Chain, Evidence, ExtraData, Room,
    governance::{Committee, RosterNode, SeatedValidator},
};

use super::plot::Plotter;
use crate::{
    consensus::block::MAX_BLOCK_BYTES,
    ledger::NodeLedger,
    seam::{AdmitError, Ledger, LedgerError, Origin, Proposal, Tip, Verdict, Wake},
};

/// What is wrong with a proposed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tamper {
    StateRoot,
    ReceiptsRoot,
    GasUsed,
    GasLimit,
    /// Before its parent.
    Past,
    /// An hour ahead of every clock.
    Future,
    Epoch,
    /// A transaction is there twice.
    Twice,
    /// A signature is of nobody.
    Signature,
    /// More than a block may have.
    Oversized,
}

impl Tamper {
    pub(crate) const ALL: [Self; 10] = [
        Self::StateRoot,
        Self::ReceiptsRoot,
        Self::GasUsed,
        Self::GasLimit,
        Self::Past,
        Self::Future,
        Self::Epoch,
        Self::Twice,
        Self::Signature,
        Self::Oversized,
    ];

    fn apply(self, parent: &Block, block: &Block) -> Block {
        let mut other = block.as_inner().clone();
        let header = &mut other.header;
        match self {
            Self::StateRoot => header.state_root = B256::repeat_byte(1),
            Self::ReceiptsRoot => header.receipts_root = B256::repeat_byte(1),
            Self::GasUsed => header.gas_used += 1,
            Self::GasLimit => header.gas_limit += 1,
            Self::Past => header.timestamp = parent.header().timestamp.saturating_sub(60),
            Self::Future => header.timestamp += 3_600,
            Self::Epoch => {
                let extra = block.extra_data().expect("ours has some");
                header.extra_data = ExtraData { epoch: extra.epoch + 1, ..extra }.encode();
            }
            Self::Twice => {
                let again = other.body.transactions.first().cloned();
                other.body.transactions.extend(again);
            }
            Self::Signature | Self::Oversized => {
                use alloy_consensus::{SignableTransaction as _, TxLegacy};
                // More than a block may have, and no more than p2p takes.
                let length = match self {
                    Self::Oversized => MAX_BLOCK_BYTES + 100 - block.size(),
                    _ => 0,
                };
                let unsigned = TxLegacy {
                    chain_id: Some(super::network::CHAIN_ID),
                    gas_limit: 21_000,
                    input: vec![0; length].into(),
                    ..TxLegacy::default()
                };
                let signature = alloy_primitives::Signature::test_signature();
                other.body.transactions.push(unsigned.into_signed(signature).into());
            }
        }
        if matches!(self, Self::Twice | Self::Signature | Self::Oversized) {
            other.header.transactions_root =
                alloy_consensus::proofs::calculate_transaction_root(&other.body.transactions);
        }
        Block::new(other)
    }
}

/// The real ledger, or one that lies in its proposals.
#[derive(Clone, Debug)]
pub(crate) struct Tampered {
    pub(crate) honest: NodeLedger,
    tamper: Arc<Mutex<Option<Tamper>>>,
    proposed: Arc<Mutex<Vec<B256>>>,
    believes: Arc<AtomicBool>,
    /// Where it proposes two blocks.
    plotter: Option<Plotter>,
}

impl Tampered {
    pub(crate) fn new(honest: NodeLedger, plotter: Option<Plotter>) -> Self {
        let (tamper, proposed, believes) = Default::default();
        Self { honest, tamper, proposed, believes, plotter }
    }

    /// From now on it proposes such blocks.
    pub(crate) fn tamper(&self, with: Tamper) {
        *self.tamper.lock().unwrap_or_else(PoisonError::into_inner) = Some(with);
    }

    /// From now on it finds every block right.
    pub(crate) fn believe(&self) {
        self.believes.store(true, Ordering::Relaxed);
    }

    /// Makes another valid block of the same parent, which is later and has one transaction at most, and
    /// has the plot know of both.
    fn fork(&self, parent: &Block, block: &Block, proposal: Proposal) -> Result<(), LedgerError> {
        let Some(plotter) = &self.plotter else { return Ok(()) };
        let Some(committee) = self.honest.committee(proposal.epoch)? else { return Ok(()) };
        let now_ms = block.timestamp_ms() + 1;
        let room = Room { bytes: 0, gas: 0 };
        let other = Proposal { now_ms, allow_empty: true, room, ..proposal };
        if let Some(other) = self.honest.propose(parent, other)? {
            plotter.make([block.clone(), other], &committee.seats);
        }
        Ok(())
    }

    /// How many wrong blocks it has proposed.
    pub(crate) fn lies(&self) -> usize {
        self.proposed.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Ledger for Tampered {
    fn propose(&self, parent: &Block, proposal: Proposal) -> Result<Option<Block>, LedgerError> {
        let Some(block) = self.honest.propose(parent, proposal)? else { return Ok(None) };
        self.fork(parent, &block, proposal)?;
        let tamper = *self.tamper.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tamper) = tamper else { return Ok(Some(block)) };
        let wrong = tamper.apply(parent, &block);
        let mut proposed = self.proposed.lock().unwrap_or_else(PoisonError::into_inner);
        proposed.push(wrong.hash());
        Ok(Some(wrong))
    }

    fn verify(&self, parent: &Block, block: &Block, now_ms: u64) -> Verdict {
        let proposed = self.proposed.lock().unwrap_or_else(PoisonError::into_inner);
        if proposed.contains(&block.hash()) || self.believes.load(Ordering::Relaxed) {
            return Verdict::Valid;
        }
        drop(proposed);
        self.honest.verify(parent, block, now_ms)
    }

    fn chain(&self) -> Option<&Chain> {
        Some(self.honest.chain())
    }

    fn genesis(&self) -> Block {
        self.honest.genesis()
    }

    fn tip(&self) -> Tip {
        self.honest.tip()
    }

    fn block_by_number(&self, number: u64) -> Result<Option<Block>, LedgerError> {
        self.honest.block_by_number(number)
    }

    fn block_by_hash(&self, hash: B256) -> Result<Option<Block>, LedgerError> {
        self.honest.block_by_hash(hash)
    }

    fn certificate(&self, number: u64) -> Result<Option<Bytes>, LedgerError> {
        self.honest.certificate(number)
    }

    fn next_certificate(&self, number: u64) -> Result<Option<(u64, Bytes)>, LedgerError> {
        self.honest.next_certificate(number)
    }

    fn put_certificate(
        &self,
        number: u64,
        block_hash: B256,
        certificate: Bytes,
    ) -> Result<(), LedgerError> {
        self.honest.put_certificate(number, block_hash, certificate)
    }

    fn next_validators(&self) -> Result<Vec<SeatedValidator>, LedgerError> {
        self.honest.next_validators()
    }

    fn next_validators_hash(&self) -> B256 {
        self.honest.next_validators_hash()
    }

    fn roster(&self) -> Result<Vec<RosterNode>, LedgerError> {
        self.honest.roster()
    }

    fn roster_at(&self, number: u64) -> Result<Option<Vec<RosterNode>>, LedgerError> {
        self.honest.roster_at(number)
    }

    fn governance_revision(&self) -> u64 {
        self.honest.governance_revision()
    }

    fn obstacle(&self) -> Option<String> {
        self.honest.obstacle()
    }

    fn min_block_interval_ms(&self) -> u64 {
        self.honest.min_block_interval_ms()
    }

    fn committee(&self, epoch: u64) -> Result<Option<Committee>, LedgerError> {
        self.honest.committee(epoch)
    }

    fn keep_committee(&self, epoch: u64, committee: &Committee) -> Result<(), LedgerError> {
        self.honest.keep_committee(epoch, committee)
    }

    fn keep_evidence(&self, evidence: &Evidence) -> Result<bool, LedgerError> {
        self.honest.keep_evidence(evidence)
    }

    fn has_work(&self) -> bool {
        self.honest.has_work()
    }

    fn finalize(&self, block: &Block) -> Result<(), LedgerError> {
        self.honest.finalize(block)
    }

    fn admit(&self, transaction: Bytes, from: Origin) -> Result<B256, AdmitError> {
        self.honest.admit(transaction, from)
    }

    fn pending_for_gossip(&self, after: u64) -> (u64, Vec<(B256, Bytes)>) {
        self.honest.pending_for_gossip(after)
    }

    fn on_change(&self, wake: Wake) {
        self.honest.on_change(wake);
    }
}
