//! Filters: what is new since a client last asked.

use alloy_primitives::B256;
use alloy_rpc_types::{Filter as RpcFilter, FilterBlockOption, Log as RpcLog};
use jsonrpsee::RpcModule;
use serde_json::{Value, json};
use tokio::time::Instant;
use windlass_chain::ChainError;

use super::log::{filter, next_matching, search};
use super::transaction::get;
use super::{Node, Shared, method};
use crate::rpc::args::Args;
use crate::rpc::error::RpcError;
use crate::rpc::filters::{Watched, unknown};

pub(super) fn register(module: &mut RpcModule<Shared>) {
    method(module, "eth_newFilter", 1, async |node: Shared, args: Args| {
        let filter = Box::new(filter(&args)?);
        check_order(&filter)?;
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

fn check_order(filter: &RpcFilter) -> Result<(), RpcError> {
    if filter.get_from_block().zip(filter.get_to_block()).is_some_and(|(from, to)| from > to) {
        return Err(RpcError::InvalidParams("invalid block range params".to_owned()));
    }
    Ok(())
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
            let (sequence, hashes) = node.ledger.arrived_since(sequence);
            node.filters.advance(id, Watched::Pending { sequence, in_full });
            if !in_full {
                return Ok(json!(hashes));
            }
            let all: Result<Vec<_>, _> =
                hashes.into_iter().filter_map(|hash| get(node, hash).transpose()).collect();
            Ok(json!(all?))
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

/// All logs that a filter takes, told or not.
fn logs(node: &Node, id: &str) -> Result<Vec<RpcLog>, RpcError> {
    match node.filters.get(id, Instant::now())? {
        Watched::Logs { filter, .. } => search(node, &filter),
        Watched::Blocks { .. } | Watched::Pending { .. } => Err(unknown()),
    }
}
