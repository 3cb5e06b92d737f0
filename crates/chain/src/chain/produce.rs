//! Blocks above the tip: building our own, validating others'.

use std::sync::Arc;

use alloy_consensus::proofs::calculate_transaction_root;
use alloy_consensus::transaction::{Recovered, TxHashRef};
use alloy_consensus::{BlockBody, Transaction as _, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::B256;

use super::types::{Attributes, Built, ChainError, InvalidBlock, Skipped, ValidateError};
use super::{Chain, Ground};
use crate::block::Block;
use crate::execute::block::BlockExecutor;
use crate::execute::header::{self, MAX_BLOCK_BYTES, Parent};
use crate::execute::{Senders, TransactError, TransactionError, recover};
use crate::governance::InForce;
use crate::state::layer::Layer;

/// What a block's RLP may have besides its transactions.
const HEADER_BYTES: usize = 1_024;
/// Less gas than any transaction needs.
const LEAST_GAS: u64 = 21_000;

impl Chain {
    /// Builds a block on `parent`, which is the tip or executed above it.
    ///
    /// Transactions are tried in the order given until no other fits; one that is not valid there
    /// is left out with the reason. The block is executed and may be finalised. It takes no more than
    /// the attributes' room, but for its first transaction.
    pub fn build(
        &self,
        parent: B256,
        attributes: Attributes,
        transactions: &mut dyn Iterator<Item = Recovered<TxEnvelope>>,
    ) -> Result<Built, ChainError> {
        let ground = self.ground(parent)?;
        let above = Parent { hash: parent, header: &ground.header };
        let in_force = self.in_force(&ground)?;
        let mut header =
            header::proposed(&in_force.rules, above, attributes).map_err(ChainError::Attributes)?;
        let before = header.clone();
        let mut executor = BlockExecutor::begin(&in_force, &before, &ground.base, &self.codes)?;
        let mut included = Vec::new();
        let mut skipped = Vec::new();
        let mut bytes = HEADER_BYTES;
        while executor.gas_left() >= LEAST_GAS {
            let Some(transaction) = transactions.next() else { break };
            let hash = *transaction.tx_hash();
            let length = transaction.encode_2718_len() + 8;
            if bytes + length > MAX_BLOCK_BYTES {
                skipped.push(Skipped { hash, reason: TransactionError::BlockFull });
                continue;
            }
            let gas = before.gas_limit - executor.gas_left() + transaction.gas_limit();
            let is_over = bytes + length > attributes.room.bytes || gas > attributes.room.gas;
            if is_over && !included.is_empty() {
                break;
            }
            match executor.transact(&transaction) {
                Ok(()) => {
                    bytes += length;
                    included.push(transaction.into_inner());
                }
                Err(TransactError::Invalid(reason)) => skipped.push(Skipped { hash, reason }),
                Err(TransactError::Chain(error)) => return Err(error),
            }
        }
        let executed = executor.finish(&[], None).map_err(|error| match error {
            TransactError::Chain(error) => error,
            TransactError::Invalid(reason) => ChainError::Execution(reason.to_string()),
        })?;
        header.transactions_root = calculate_transaction_root(&included);
        header::complete(&mut header, &executed);
        let body = BlockBody {
            transactions: included,
            ommers: Vec::new(),
            withdrawals: Some(Vec::new().into()),
        };
        let block = Block::new(alloy_consensus::Block { header, body });
        self.keep(Layer {
            block: block.clone(),
            receipts: executed.receipts,
            changes: executed.changes,
        });
        Ok(Built { block, skipped })
    }

    /// Executes a block on its parent and checks every field; `Ok` at once for one executed before.
    ///
    /// That its time is not ahead of the clock is the caller's to check: this crate has no clock.
    pub fn validate(
        &self,
        parent: B256,
        block: &Block,
        senders: &dyn Senders,
    ) -> Result<(), ValidateError> {
        header::same_parent(block, parent)?;
        if self.is_executed(block.hash()) {
            return Ok(());
        }
        let ground = self.ground(parent)?;
        let layer = self.execute(&ground, block, senders)?;
        self.keep(layer);
        Ok(())
    }

    fn execute(
        &self,
        ground: &Ground,
        block: &Block,
        senders: &dyn Senders,
    ) -> Result<Layer, ValidateError> {
        let parent = Parent { hash: block.parent_hash(), header: &ground.header };
        let in_force = self.in_force(ground)?;
        header::check_before(&in_force.rules, parent, block)?;
        header::check_ancestry(&in_force.rules, block, &ground.base)?;
        let transactions = recover(block.transactions(), senders)?;
        let mut executor =
            BlockExecutor::begin(&in_force, block.header(), &ground.base, &self.codes)?;
        for (index, transaction) in transactions.iter().enumerate() {
            executor.transact(transaction).map_err(|error| refused(error, index))?;
        }
        let body = &block.as_inner().body;
        let executed = executor.finish(&body.ommers, body.withdrawals.as_ref()).map_err(
            |error| match error {
                TransactError::Chain(error) => ValidateError::Chain(error),
                TransactError::Invalid(reason) => {
                    ValidateError::Invalid(InvalidBlock::Body(reason.to_string()))
                }
            },
        )?;
        header::check_after(block.header(), &executed)?;
        Ok(Layer { block: block.clone(), receipts: executed.receipts, changes: executed.changes })
    }

    /// The rules of the block on this ground, which this program has to know.
    fn in_force(&self, ground: &Ground) -> Result<InForce<'_>, ChainError> {
        let number = ground.header.number.saturating_add(1);
        let in_force = InForce::read(self.rules(), &ground.base, number)?;
        in_force.check_known(number)?;
        Ok(in_force)
    }

    /// Keeps an executed block above the tip; one that came too late is dropped.
    fn keep(&self, layer: Layer) {
        let mut head = self.head();
        let parent = layer.block.parent_hash();
        if parent == head.tip.hash || head.layers.contains_key(&parent) {
            head.layers.insert(layer.block.hash(), Arc::new(layer));
        }
    }
}

fn refused(error: TransactError, index: usize) -> ValidateError {
    match error {
        TransactError::Chain(error) => ValidateError::Chain(error),
        TransactError::Invalid(reason) => {
            ValidateError::Invalid(InvalidBlock::Transaction { index, reason })
        }
    }
}
