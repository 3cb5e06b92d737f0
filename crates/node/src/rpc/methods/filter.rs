//! Filters: what is new since a client last asked.

use alloy_primitives::{B256, keccak256};
use alloy_rpc_types::{Filter as RpcFilter, FilterBlockOption, Log as RpcLog};
use jsonrpsee::RpcModule;
use serde_json::{Value, json};
use tokio::time::Instant;
use windlass_chain::ChainError;

use super::log::{filter, next_matching, search};
use super::{Node, Shared, method};
use crate::rpc::args::Args;
use crate::rpc::convert;
use crate::rpc::error::RpcError;
use crate::rpc::filters::{Watched, unknown};
use crate::seam::Ledger as _;

pub(super) fn register(module: &mut RpcModule<Shared>) {
    method(module, "eth_newFilter", 1, async |node: Shared, args: Args| {
        let filter = Box::new(filter(&args)?);
        node.filters.install(Watched::Logs { filter, next: next_block(&node) }, Instant::now())
    });
    method(module, "eth_newBlockFilter", 0, async |node: Shared, _args| {
        node.filters.install(Watched::Blocks { next: next_block(&node) }, Instant::now())
    });
    method(module, "eth_newPendingTransactionFilter", 1, async |node: Shared, args: Args| {
        let in_full = args.optional(0)?.unwrap_or(false);
        let sequence = node.ledger.pool_sequence();
        node.filters.install(Watched::Pending { sequence, in_full }, Instant::now())
    });
    method(module, "eth_uninstallFilter", 1, async |node: Shared, args: Args| {
        Ok(node.filters.uninstall(&args.required::<String>(0)?))
    });
    method(module, "eth_getFilterChanges", 1, async |node: Shared, args: Args| {
        let id: String = args.required(0)?;
        let shared = Shared::clone(&node);
        node.work.run(move || changes(&shared, &id)).await
    });
    method(module, "eth_getFilterLogs", 1, async |node: Shared, args: Args| {
        let id: String = args.required(0)?;
        let shared = Shared::clone(&node);
        node.work.run(move || logs(&shared, &id)).await
    });
}

pub(super) fn next_block(node: &Node) -> u64 {
    node.ledger.chain().tip().number.saturating_add(1)
}

fn changes(node: &Node, id: &str) -> Result<Value, RpcError> {
    let tip = node.ledger.chain().tip().number;
    match node.filters.get(id, Instant::now())? {
        Watched::Logs { filter, next } => {
            let (found, told) = new_logs(node, &filter, (next, tip))?;
            node.filters.advance(id, Watched::Logs { filter, next: next.max(told + 1) });
            Ok(json!(found))
        }
        Watched::Blocks { next } => {
            let hashes: Result<Vec<B256>, ChainError> = (next..=tip)
                .filter_map(|number| node.ledger.chain().header(number).transpose())
                .map(|header| Ok(header?.seal()))
                .collect();
            let hashes = hashes?;
            node.filters.advance(id, Watched::Blocks { next: next.max(tip + 1) });
            Ok(json!(hashes))
        }
        Watched::Pending { sequence, in_full } => {
            let (hashes, sequence) = new_pending(node, sequence);
            node.filters.advance(id, Watched::Pending { sequence, in_full });
            if !in_full {
                return Ok(json!(hashes));
            }
            let pending = hashes.iter().filter_map(|hash| node.ledger.pending(hash));
            Ok(pending.map(|one| json!(convert::pending(&one.transaction))).collect())
        }
    }
}

/// Logs of the blocks from the one to the other that a filter takes, not many more than an answer may
/// have, and the block up to which they are told.
pub(super) fn new_logs(
    node: &Node,
    filter: &RpcFilter,
    (from, last): (u64, u64),
) -> Result<(Vec<RpcLog>, u64), RpcError> {
    let (mut from, mut to) = (from, last);
    if let FilterBlockOption::Range { from_block, to_block } = &filter.block_option {
        let number = |block: &Option<alloy_rpc_types::BlockNumberOrTag>| {
            block.and_then(|block| block.as_number())
        };
        from = from.max(number(from_block).unwrap_or(0));
        to = to.min(number(to_block).unwrap_or(u64::MAX));
    }
    if from > to {
        return Ok((Vec::new(), last));
    }
    let (found, told) = next_matching(node, filter, (from, to))?;
    Ok((found, if told == to { last } else { told }))
}

/// The transactions that came into the pool after one, and the last of them.
pub(super) fn new_pending(node: &Node, mut sequence: u64) -> (Vec<B256>, u64) {
    let mut hashes = Vec::new();
    loop {
        let (next, pending) = node.ledger.pending_for_gossip(sequence);
        let is_last = next == sequence || pending.is_empty();
        sequence = next;
        hashes.extend(pending.iter().map(keccak256));
        if is_last {
            return (hashes, sequence);
        }
    }
}

/// All logs that a filter takes, told or not.
fn logs(node: &Node, id: &str) -> Result<Vec<RpcLog>, RpcError> {
    match node.filters.get(id, Instant::now())? {
        Watched::Logs { filter, .. } => search(node, &filter),
        Watched::Blocks { .. } | Watched::Pending { .. } => Err(unknown()),
    }
}
