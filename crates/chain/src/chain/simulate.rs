//! Blocks that are made up, above a final one: `eth_simulateV1`, as Geth does it.

use std::sync::Arc;

use alloy_consensus::constants::EMPTY_WITHDRAWALS;
use alloy_consensus::proofs::calculate_transaction_root;
use alloy_consensus::{BlockBody, EMPTY_OMMER_ROOT_HASH, EMPTY_ROOT_HASH, Header, TxEnvelope};
use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::{B256, U256};
use alloy_rpc_types::BlockOverrides;

use super::{At, Chain, ChainError, stored_header};
use crate::block::Block;
use crate::execute::block::BlockExecutor;
use crate::execute::header;
use crate::execute::simulate::{Manner, SimulateError, SimulatedCall, Validation};
use crate::execute::{CallRequest, Overrides, TransactError};
use crate::governance::InForce;
use crate::receipt::Receipt;
use crate::rules::{Fork, RuleSet};
use crate::state::StateView;
use crate::state::layer::Layer;

/// How many blocks are simulated at once.
pub const MOST_BLOCKS: u64 = 256;
/// How much later a block is than the one before where nothing says otherwise, in seconds.
const SECONDS_BETWEEN: u64 = 12;

/// A block to be made up.
#[derive(Clone, Debug, Default)]
pub struct BlockRequest {
    /// What it finds otherwise.
    pub overrides: Overrides,
    /// What is called in it.
    pub calls: Vec<CallRequest>,
}

/// A block that was made up.
#[derive(Clone, Debug)]
pub struct SimulatedBlock {
    /// The block.
    pub block: Block,
    /// Its receipts.
    pub receipts: Vec<Receipt>,
    /// What its calls did.
    pub calls: Vec<SimulatedCall>,
}

impl Chain {
    /// Makes up blocks above a final one, each on the state that the one before left. All calls
    /// together have at most so much gas.
    pub fn simulate(
        &self,
        at: At,
        blocks: Vec<BlockRequest>,
        gas_cap: u64,
        manner: Manner<'_>,
    ) -> Result<Vec<SimulatedBlock>, SimulateError> {
        let view = self.state(at)?;
        let parent = stored_header(view.base.snapshot(), view.number)?;
        let (mut parent, mut parent_hash) = parent.ok_or(ChainError::UnknownBlock)?.into_parts();
        let blocks = in_order(&parent, blocks)?;
        let StateView { mut base, .. } =
            self.state_with_tries(At::Hash(parent_hash), manner.cancel)?;
        let mut gas_left = gas_cap;
        let mut simulated = Vec::with_capacity(blocks.len());
        for BlockRequest { overrides, calls } in blocks {
            let in_force = InForce::read(self.rules(), &base, parent.number.saturating_add(1))?;
            let mut header =
                made_up(&in_force.rules, &parent, parent_hash, &overrides.block, manner);
            let before = header.clone();
            let site = (&base, &self.codes);
            let mut executor =
                BlockExecutor::begin_simulated(&in_force, &before, site, &overrides, manner)?;
            let mut told = Vec::with_capacity(calls.len());
            for call in &calls {
                told.push(executor.simulate(call, &mut gas_left, manner)?);
            }
            let transactions: Vec<_> = told.iter().map(|call| call.transaction.clone()).collect();
            let executed = executor.finish(&[], Some(&Withdrawals::default()));
            let executed = executed.map_err(|error| match error {
                TransactError::Chain(error) => error,
                TransactError::Invalid(reason) => ChainError::Execution(reason.to_string()),
            })?;
            header::complete(&mut header, &executed);
            header.transactions_root = calculate_transaction_root(&transactions);
            header.blob_gas_used = header.excess_blob_gas.map(|_| executed.blob_gas_used);
            let withdrawals = header.withdrawals_root.map(|_| Withdrawals::default());
            let body = BlockBody { transactions, ommers: Vec::new(), withdrawals };
            let block = Block::new(alloy_consensus::Block::<TxEnvelope> { header, body });
            (parent, parent_hash) = (block.header().clone(), block.hash());
            let receipts = executed.receipts;
            let layer =
                Layer { block: block.clone(), receipts: Vec::new(), changes: executed.changes };
            base = base.above(Arc::new(layer));
            simulated.push(SimulatedBlock { block, receipts, calls: told });
        }
        Ok(simulated)
    }
}

/// Numbers and times for all, with empty blocks where numbers are left out.
fn in_order(base: &Header, blocks: Vec<BlockRequest>) -> Result<Vec<BlockRequest>, SimulateError> {
    let mut all = Vec::new();
    let (mut number, mut time) = (base.number, base.timestamp);
    for mut block in blocks {
        let next = U256::from(number) + U256::from(1);
        let wanted = block.overrides.block.number.unwrap_or(next);
        if wanted < next {
            return Err(SimulateError::Number { number: wanted, before: number });
        }
        let most = U256::from(base.number.saturating_add(MOST_BLOCKS));
        if wanted > most {
            return Err(SimulateError::TooMany);
        }
        let wanted: u64 = wanted.saturating_to();
        while number.saturating_add(1) < wanted {
            number += 1;
            time = time.saturating_add(SECONDS_BETWEEN);
            all.push(numbered(BlockRequest::default(), number, time));
        }
        number = wanted;
        time = match block.overrides.block.time.take() {
            Some(wanted) if wanted <= time => {
                return Err(SimulateError::Time { time: wanted, before: time });
            }
            Some(wanted) => wanted,
            None => time.saturating_add(SECONDS_BETWEEN),
        };
        all.push(numbered(block, number, time));
    }
    Ok(all)
}

fn numbered(mut block: BlockRequest, number: u64, time: u64) -> BlockRequest {
    block.overrides.block.number = Some(U256::from(number));
    block.overrides.block.time = Some(time);
    block
}

/// The header of a block that is made up, as far as it is known before execution.
fn made_up(
    rules: &RuleSet,
    parent: &Header,
    parent_hash: B256,
    overrides: &BlockOverrides,
    manner: Manner<'_>,
) -> Header {
    let number = overrides.number.map_or(parent.number + 1, |number| number.saturating_to());
    let timestamp = overrides.time.unwrap_or(parent.timestamp);
    let fork = rules.fork(number, timestamp);
    let from = |first: Fork| fork >= first;
    let base_fee = match overrides.base_fee {
        Some(fee) => fee.saturating_to(),
        None if manner.validation == Validation::Full => {
            rules.next_base_fee(parent).unwrap_or_default()
        }
        None => 0,
    };
    let difficulty = if from(Fork::Merge) { U256::ZERO } else { parent.difficulty };
    let excess = || {
        let (before, used) = (parent.excess_blob_gas?, parent.blob_gas_used?);
        let fee = parent.base_fee_per_gas.unwrap_or(0);
        Some(rules.blob_params(timestamp)?.next_block_excess_blob_gas_osaka(before, used, fee))
    };
    Header {
        parent_hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        transactions_root: EMPTY_ROOT_HASH,
        receipts_root: EMPTY_ROOT_HASH,
        number,
        timestamp,
        beneficiary: overrides.coinbase.unwrap_or(parent.beneficiary),
        difficulty: overrides.difficulty.unwrap_or(difficulty),
        gas_limit: overrides.gas_limit.unwrap_or(parent.gas_limit),
        mix_hash: overrides.random.unwrap_or_default(),
        base_fee_per_gas: from(Fork::London).then_some(base_fee),
        withdrawals_root: from(Fork::Shanghai).then_some(EMPTY_WITHDRAWALS),
        excess_blob_gas: from(Fork::Cancun).then(|| excess().unwrap_or(0)),
        parent_beacon_block_root: from(Fork::Cancun)
            .then(|| overrides.beacon_root.unwrap_or_default()),
        ..Header::default()
    }
}
