//! What consensus asks of the ledger: blocks made, judged and made final.

use std::collections::HashSet;

use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, B256, Bytes};
use windlass_chain::{
    At, Attributes, Block, Chain, ChainError, Evidence, Skipped, TransactionError, ValidateError,
    governance::{Committee, RosterNode, SeatedValidator},
};

use super::{NodeLedger, Pending, fee_rule, next_base_fee};
use crate::pool::{Account, PoolError, PoolRules};
use crate::seam::{AdmitError, Known, Ledger, LedgerError, Origin, Proposal, Tip, Verdict, Wake};

/// How far a block's time may be ahead of this node's clock before it is held.
pub const DRIFT_MS: u64 = 2_000;
/// The least gas of a transaction, which bounds how many a block can hold.
const LEAST_TRANSACTION_GAS: u64 = 21_000;
/// About how much one answer of [`Ledger::pending_for_gossip`] holds.
const GOSSIP_BYTES: usize = 1024 * 1024;

impl NodeLedger {
    /// Everything that the parent and the blocks between it and the tip hold.
    fn held_by_ancestors(&self, parent: &Block) -> HashSet<B256> {
        let tip = self.inner.chain.tip();
        let mut held = HashSet::new();
        let known = self.on_the_way();
        let mut block = Some(parent);
        while let Some(current) = block.filter(|block| block.number() > tip.number) {
            held.extend(current.transactions().iter().map(|transaction| *transaction.tx_hash()));
            block = known.get(&current.parent_hash());
        }
        held
    }

    /// Drops what could not be put into a block on the tip; above the tip, only what the final
    /// state rules out, because a block on the way may never become final.
    fn drop_invalid(&self, parent: &Block, skipped: &[Skipped]) {
        if skipped.is_empty() {
            return;
        }
        let on_tip = parent.hash() == self.inner.chain.tip().hash;
        for Skipped { hash, reason } in skipped {
            let Some(pooled) = self.pending(hash) else { continue };
            let sender = pooled.sender();
            let Ok(account) = self.account(sender) else { continue };
            let mut pending = self.lock();
            let mut gone = pending.pool.refresh(sender, account);
            if on_tip && !may_fit_later(reason) && pending.pool.remove(hash).is_some() {
                gone.push(*hash);
            }
            pending.disown(&gone);
            drop(pending);
            tracing::debug!(%hash, %reason, on_tip, "a transaction was left out of a block");
        }
        self.inner.pool_changes.raise();
    }

    /// Why a transaction isn't admitted, and whether that is because it is in the chain.
    fn told(&self, error: PoolError, transaction: &Bytes) -> AdmitError {
        let included = matches!(error, PoolError::NonceTooLow { .. }) && {
            let hash = alloy_primitives::keccak256(transaction);
            self.inner.chain.transaction(hash).is_ok_and(|location| location.is_some())
        };
        let refused = AdmitError::from(error);
        if included { AdmitError { known: Known::Yes, ..refused } } else { refused }
    }

    /// Brings the pool up to date with a block that has become final.
    fn settle(&self, block: &Block, senders: HashSet<Address>) -> Result<(), ChainError> {
        let decided = self.inner.chain.decided()?;
        let base_fee = next_base_fee(&self.inner.chain, &decided.rules)?;
        let before = std::mem::replace(&mut *self.decided(), decided).revision;
        let number = block.number();
        self.on_the_way().retain(|_, other| other.number() > number);
        let state = self.inner.chain.state(At::Latest)?;
        let mut pending = self.lock();
        for sender in senders {
            let account = state.account(sender)?.unwrap_or_default();
            let account = Account { nonce: account.nonce, balance: account.balance };
            let gone = pending.pool.refresh(sender, account);
            pending.disown(&gone);
        }
        pending.pool.set_base_fee(base_fee);
        if before != self.decided().revision {
            self.obey(&mut pending)?;
        }
        pending.compact();
        Ok(())
    }

    /// The members have decided something: what is pending must fit what holds now.
    fn obey(&self, pending: &mut Pending) -> Result<(), ChainError> {
        let rules = self.next_rules();
        let rules = PoolRules {
            fees: fee_rule(&rules),
            block_gas_limit: rules.gas_limit().unwrap_or(u64::MAX),
            ..*pending.pool.rules()
        };
        let mut failed = None;
        let note = |failed: &mut Option<ChainError>, error| {
            failed.get_or_insert(error);
        };
        if rules != *pending.pool.rules() {
            let gone = pending.pool.renew(rules, |sender| {
                self.account(sender).map_err(|error| note(&mut failed, error)).ok()
            });
            pending.disown(&gone);
        }
        let next = self.inner.chain.next_state()?;
        let refused: Vec<B256> = pending
            .pool
            .iter()
            .filter(|pooled| {
                let (sender, to) = (pooled.sender(), pooled.transaction.to());
                let lacks = next.lacks_permission(sender, to);
                lacks.map_err(|error| note(&mut failed, error)).is_ok_and(|lacks| lacks.is_some())
            })
            .map(|pooled| pooled.hash())
            .collect();
        for hash in &refused {
            pending.pool.remove(hash);
        }
        pending.disown(&refused);
        failed.map_or(Ok(()), Err)
    }
}

impl Ledger for NodeLedger {
    fn chain(&self) -> Option<&Chain> {
        Some(&self.inner.chain)
    }

    fn genesis(&self) -> Block {
        self.inner.genesis.clone()
    }

    fn tip(&self) -> Tip {
        let windlass_chain::Tip { number, hash, timestamp_ms } = self.inner.chain.tip();
        Tip { number, hash, timestamp_ms }
    }

    fn block_by_number(&self, number: u64) -> Result<Option<Block>, LedgerError> {
        self.inner.chain.block(number).map_err(|error| LedgerError::new("reading a block", error))
    }

    fn block_by_hash(&self, hash: B256) -> Result<Option<Block>, LedgerError> {
        self.inner.chain.block(hash).map_err(|error| LedgerError::new("reading a block", error))
    }

    fn certificate(&self, number: u64) -> Result<Option<Bytes>, LedgerError> {
        let read = self.inner.chain.certificate(number);
        read.map_err(|error| LedgerError::new("reading a certificate", error))
    }

    fn next_certificate(&self, number: u64) -> Result<Option<(u64, Bytes)>, LedgerError> {
        let read = self.inner.chain.next_certificate(number);
        read.map_err(|error| LedgerError::new("reading a certificate", error))
    }

    fn put_certificate(
        &self,
        number: u64,
        block_hash: B256,
        certificate: Bytes,
    ) -> Result<(), LedgerError> {
        let kept = self.inner.chain.put_certificate(number, block_hash, certificate);
        kept.map_err(|error| LedgerError::new("keeping a certificate", error))
    }

    fn next_validators(&self) -> Result<Vec<SeatedValidator>, LedgerError> {
        let read = self.inner.chain.next_validators();
        read.map_err(|error| LedgerError::new("reading the next validators", error))
    }

    fn next_validators_hash(&self) -> B256 {
        self.decided().validators
    }

    fn roster(&self) -> Result<Vec<RosterNode>, LedgerError> {
        let read = self.inner.chain.roster();
        read.map_err(|error| LedgerError::new("reading the members' nodes", error))
    }

    fn roster_at(&self, number: u64) -> Result<Option<Vec<RosterNode>>, LedgerError> {
        match self.inner.chain.roster_at(At::Number(number)) {
            Ok(roster) => Ok(Some(roster)),
            Err(
                ChainError::UnknownBlock
                | ChainError::StatePruned { .. }
                | ChainError::HistoryLacking { .. },
            ) => Ok(None),
            Err(error) => Err(LedgerError::new("reading the members' nodes of before", error)),
        }
    }

    fn governance_revision(&self) -> u64 {
        self.decided().revision
    }

    fn obstacle(&self) -> Option<String> {
        self.decided().obstacle.clone()
    }

    fn min_block_interval_ms(&self) -> u64 {
        self.decided().parameters.map_or(0, |known| known.min_block_interval_ms.into())
    }

    fn committee(&self, epoch: u64) -> Result<Option<Committee>, LedgerError> {
        let read = self.inner.chain.committee(epoch);
        read.map_err(|error| LedgerError::new("reading who votes in an epoch", error))
    }

    fn keep_committee(&self, epoch: u64, committee: &Committee) -> Result<(), LedgerError> {
        let kept = self.inner.chain.keep_committee(epoch, committee);
        kept.map_err(|error| LedgerError::new("keeping who votes in an epoch", error))
    }

    fn keep_evidence(&self, evidence: &Evidence) -> Result<bool, LedgerError> {
        let kept = self.inner.chain.keep_evidence(evidence);
        kept.map_err(|error| LedgerError::new("keeping evidence", error))
    }

    fn has_work(&self) -> bool {
        self.lock().pool.has_executable()
    }

    fn propose(&self, parent: &Block, proposal: Proposal) -> Result<Option<Block>, LedgerError> {
        let failed = |error| LedgerError::new("building a block", error);
        let chain = &self.inner.chain;
        let base_fee = self.next_rules().next_base_fee(parent.header()).unwrap_or_default();
        let most = parent.header().gas_limit / LEAST_TRANSACTION_GAS;
        let excluded = self.held_by_ancestors(parent);
        let candidates = self.lock().pool.executable(
            usize::try_from(most).unwrap_or(usize::MAX),
            base_fee,
            &excluded,
        );
        if candidates.is_empty() && !proposal.allow_empty {
            return Ok(None);
        }
        let attributes = Attributes {
            timestamp_ms: parent.timestamp_ms().max(proposal.now_ms),
            epoch: proposal.epoch,
            beneficiary: Address::ZERO,
            room: proposal.room,
        };
        let mut transactions = candidates.iter().map(|pooled| pooled.transaction.clone());
        let built = chain.build(parent.hash(), attributes, &mut transactions).map_err(failed)?;
        self.drop_invalid(parent, &built.skipped);
        if built.block.transactions().is_empty() && !proposal.allow_empty {
            return Ok(None);
        }
        self.on_the_way().insert(built.block.hash(), built.block.clone());
        Ok(Some(built.block))
    }

    fn verify(&self, parent: &Block, block: &Block, now_ms: u64) -> Verdict {
        if block.parent_hash() != parent.hash() || block.number() != parent.number() + 1 {
            return Verdict::Invalid("the block is not a child of its parent".to_owned());
        }
        if let Some(verdict) = judge_time(parent.timestamp_ms(), block.timestamp_ms(), now_ms) {
            return verdict;
        }
        match self.inner.chain.validate(parent.hash(), block, self) {
            Ok(()) => {
                self.on_the_way().insert(block.hash(), block.clone());
                Verdict::Valid
            }
            Err(ValidateError::Invalid(reason)) => Verdict::Invalid(reason.to_string()),
            Err(ValidateError::Chain(error)) => {
                tracing::error!(%error, number = block.number(), "a block could not be judged");
                Verdict::Unknown(error.to_string())
            }
        }
    }

    fn finalize(&self, block: &Block) -> Result<(), LedgerError> {
        if block.number() <= self.inner.chain.tip().number {
            // Repeated after a crash. The chain refuses another block at a final height.
            let repeated = self.inner.chain.finalize(block);
            return repeated
                .map(drop)
                .map_err(|error| LedgerError::new("finalising a block again", error));
        }
        let receipts = self
            .inner
            .chain
            .finalize(block)
            .map_err(|error| LedgerError::new("finalising a block", error))?;
        let senders = receipts.iter().map(|receipt| receipt.from).collect();
        let settled = self.settle(block, senders);
        self.inner.changes.raise();
        self.inner.pool_changes.raise();
        settled.map_err(|error| LedgerError::new("bringing the pool up to date", error))
    }

    fn admit(&self, transaction: Bytes, from: Origin) -> Result<B256, AdmitError> {
        let mut admitted = self.admit_all(&[transaction], from);
        admitted.pop().expect("each has an outcome")
    }

    fn admit_all(&self, transactions: &[Bytes], from: Origin) -> Vec<Result<B256, AdmitError>> {
        let outcomes = self.try_admit(transactions, from).into_iter().zip(transactions);
        let told =
            outcomes.map(|(outcome, bytes)| outcome.map_err(|error| self.told(error, bytes)));
        told.collect()
    }

    fn pending_for_gossip(&self, after: u64) -> (u64, Vec<(B256, Bytes)>) {
        self.lock().pool.since(after, GOSSIP_BYTES)
    }

    fn on_change(&self, wake: Wake) {
        self.inner.changes.on_change(wake);
    }
}

/// What the time says of a block; `None` if nothing is against it.
///
/// Only a time before the parent's is invalid. Clocks may disagree about the rest, so a block that
/// is ahead of this one is held, and voted on later.
fn judge_time(parent_ms: u64, block_ms: u64, now_ms: u64) -> Option<Verdict> {
    if block_ms < parent_ms {
        return Some(Verdict::Invalid(format!(
            "the block's time {block_ms} ms is before its parent's {parent_ms} ms"
        )));
    }
    let latest = parent_ms.max(now_ms.saturating_add(DRIFT_MS));
    (block_ms > latest).then(|| Verdict::Early { wait_ms: block_ms - latest })
}

/// Whether a transaction that found no place in a block on the tip can have one in a later block.
fn may_fit_later(reason: &TransactionError) -> bool {
    matches!(
        reason,
        TransactionError::BlockFull
            | TransactionError::NonceTooHigh { .. }
            | TransactionError::FeeBelowBaseFee
    )
}

#[cfg(test)]
mod tests;
