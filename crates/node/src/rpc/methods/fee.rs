//! What gas costs.

use alloy_consensus::Transaction as _;
use alloy_primitives::U256;
use alloy_rpc_types::{BlockId, BlockNumberOrTag, FeeHistory};
use jsonrpsee::RpcModule;
use windlass_chain::{Block, Receipt};

use super::{Node, Shared, block_ref, block_with_receipts, method};
use crate::rpc::args::Args;
use crate::rpc::block_param::NumberParam;
use crate::rpc::error::RpcError;
use crate::rpc::limits;

/// What is proposed as a tip where gas is paid for: blocks are rarely full, so little.
const TIP_WEI: u64 = 1_000_000;
/// The base fee of blobs, of which there are none, has this least value.
const LEAST_BLOB_BASE_FEE: u128 = 1;

pub(super) fn register(module: &mut RpcModule<Shared>) {
    method(module, "eth_gasPrice", 0, async |node: Shared, _args| {
        Ok(U256::from(node.ledger.next_base_fee()?) + U256::from(tip(&node)))
    });
    method(module, "eth_baseFee", 0, async |node: Shared, _args| {
        Ok(U256::from(node.ledger.next_base_fee()?))
    });
    method(module, "eth_maxPriorityFeePerGas", 0, async |node: Shared, _args| {
        Ok(U256::from(tip(&node)))
    });
    method(module, "eth_blobBaseFee", 0, async |node: Shared, _args| {
        let chain = node.ledger.chain();
        let tip = chain.header(chain.tip().hash)?.ok_or_else(RpcError::header_not_found)?;
        let fee = chain.rules().next_blob_fee(&tip);
        Ok(U256::from(fee.unwrap_or(LEAST_BLOB_BASE_FEE)))
    });
    method(module, "eth_feeHistory", 3, async |node: Shared, args: Args| {
        let blocks = quantity(&args.required(0)?)?;
        let NumberParam(newest) = args.required(1)?;
        history(&node, blocks, newest, args.optional(2)?)
    });
}

fn tip(node: &Node) -> u64 {
    if node.ledger.next_rules().fees_are_free() { 0 } else { TIP_WEI }
}

/// A number, which clients send in JSON's form or in hexadecimal digits.
fn quantity(value: &serde_json::Value) -> Result<u64, RpcError> {
    let hexadecimal = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
    value.as_u64().or_else(|| value.as_str().and_then(hexadecimal)).ok_or_else(|| {
        RpcError::InvalidParams(format!(
            "invalid argument 0: invalid hex or decimal integer {value}"
        ))
    })
}

fn history(
    node: &Node,
    blocks: u64,
    newest: BlockNumberOrTag,
    percentiles: Option<Vec<f64>>,
) -> Result<FeeHistory, RpcError> {
    check_percentiles(percentiles.as_deref().unwrap_or_default())?;
    let chain = node.ledger.chain();
    let asked = newest;
    let newest = block_ref(node, Some(BlockId::Number(asked)));
    let newest = newest
        .map(|at| chain.header(at))
        .transpose()?
        .flatten()
        .ok_or_else(|| beyond_head(asked, chain.tip().number))?;
    let count = blocks.min(limits::FEE_HISTORY_BLOCKS).min(newest.number + 1);
    let mut history = FeeHistory { oldest_block: newest.number + 1 - count, ..Default::default() };
    if count == 0 {
        history.oldest_block = 0;
        return Ok(history);
    }
    chain.check_history(history.oldest_block)?;
    let mut rewards = Vec::new();
    for number in history.oldest_block..=newest.number {
        let header = chain.header(number)?.ok_or_else(RpcError::header_not_found)?;
        history.base_fee_per_gas.push(header.base_fee_per_gas.unwrap_or_default().into());
        history.gas_used_ratio.push(ratio(header.gas_used, header.gas_limit));
        let fee = chain.rules().blob_fee(&header);
        history.base_fee_per_blob_gas.push(fee.unwrap_or(LEAST_BLOB_BASE_FEE));
        let blobs = chain.rules().blob_params(header.timestamp);
        let most = blobs.map_or(0, |blobs| blobs.max_blob_gas_per_block());
        history.blob_gas_used_ratio.push(ratio(header.blob_gas_used.unwrap_or(0), most));
        if let Some(percentiles) = &percentiles {
            let found = block_with_receipts(node, BlockId::number(number))?
                .ok_or_else(RpcError::header_not_found)?;
            rewards.push(block_rewards(&found.block, &found.receipts, percentiles));
        }
    }
    let next = node.ledger.next_rules().next_base_fee(&newest).unwrap_or_default();
    history.base_fee_per_gas.push(next.into());
    let fee = chain.rules().next_blob_fee(&newest);
    history.base_fee_per_blob_gas.push(fee.unwrap_or(LEAST_BLOB_BASE_FEE));
    history.reward = percentiles.map(|_| rewards);
    Ok(history)
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    if percentiles.len() > limits::FEE_HISTORY_PERCENTILES {
        return Err(RpcError::Server(format!(
            "invalid reward percentile: over the query limit {}",
            limits::FEE_HISTORY_PERCENTILES
        )));
    }
    let wrong = |what: String| RpcError::Server(format!("invalid reward percentile: {what}"));
    let mut last = None;
    for (at, percentile) in percentiles.iter().enumerate() {
        if !(0.0..=100.0).contains(percentile) {
            return Err(wrong(format!("{percentile:.6}")));
        }
        if let Some((before, least)) = last
            && *percentile <= least
        {
            return Err(wrong(format!("#{before}:{least:.6} >= #{at}:{percentile:.6}")));
        }
        last = Some((at, *percentile));
    }
    Ok(())
}

fn beyond_head(asked: BlockNumberOrTag, head: u64) -> RpcError {
    let asked = asked.as_number().unwrap_or(head);
    RpcError::Server(format!("request beyond head block: requested {asked}, head {head}"))
}

/// The tips at these percentiles of the block's gas.
fn block_rewards(block: &Block, receipts: &[Receipt], percentiles: &[f64]) -> Vec<u128> {
    let base_fee = block.header().base_fee_per_gas.unwrap_or_default();
    let mut tips: Vec<(u128, u64)> = block
        .transactions()
        .iter()
        .zip(receipts)
        .map(|(transaction, receipt)| {
            (transaction.effective_tip_per_gas(base_fee).unwrap_or_default(), receipt.gas_used)
        })
        .collect();
    tips.sort_unstable();
    let all = float(block.header().gas_used);
    let reward = |percentile: &f64| {
        let threshold = all * percentile / 100.0;
        let mut used = 0;
        for (tip, gas) in &tips {
            used += gas;
            if float(used) >= threshold {
                return *tip;
            }
        }
        tips.last().map_or(0, |(tip, _)| *tip)
    };
    percentiles.iter().map(reward).collect()
}

fn ratio(used: u64, limit: u64) -> f64 {
    if limit == 0 { 0.0 } else { float(used) / float(limit) }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::as_conversions,
    reason = "a share of the gas is shown; the last bits of the amount don't matter"
)]
fn float(gas: u64) -> f64 {
    gas as f64
}
