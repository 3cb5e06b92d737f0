//! Logs.

use alloy_rpc_types::{
    BlockNumberOrTag, Filter as RpcFilter, FilterBlockOption, FilterSet, Log as RpcLog,
};
use jsonrpsee::RpcModule;
use serde_json::{Map, Value};
use windlass_chain::Filter;

use super::{Node, Shared, method};
use crate::rpc::args::{Args, invalid};
use crate::rpc::convert;
use crate::rpc::error::RpcError;
use crate::rpc::limits;

pub(super) fn register(module: &mut RpcModule<Shared>) {
    method(module, "eth_getLogs", 1, async |node: Shared, args: Args| {
        let filter = filter(&args)?;
        let shared = Shared::clone(&node);
        node.work.run(move || search(&shared, &filter)).await
    });
}

/// The filter that a method needs.
pub(super) fn filter(args: &Args) -> Result<RpcFilter, RpcError> {
    read_filter(args, 0)?
        .ok_or_else(|| RpcError::InvalidParams("missing value for required argument 0".to_owned()))
}

/// A filter, with Geth's words where it names blocks in both ways.
pub(super) fn read_filter(args: &Args, index: usize) -> Result<Option<RpcFilter>, RpcError> {
    let Some(fields) = args.optional::<Map<String, Value>>(index)? else { return Ok(None) };
    let has = |name| fields.get(name).is_some_and(|value| !value.is_null());
    if has("blockHash") && (has("fromBlock") || has("toBlock")) {
        let text = "cannot specify both BlockHash and FromBlock/ToBlock, choose one or the other";
        return Err(invalid(index, text));
    }
    let filter: Option<RpcFilter> = args.optional(index)?;
    if let Some(filter) = &filter {
        check_size(filter)?;
    }
    Ok(filter)
}

/// As many alternatives at each place as Geth takes.
fn check_size(filter: &RpcFilter) -> Result<(), RpcError> {
    let topics = filter.topics.iter().map(|topics| topics.iter().count());
    if topics.chain([filter.address.iter().count()]).all(|count| count <= limits::LOG_PLACES) {
        return Ok(());
    }
    Err(RpcError::Server("exceed max addresses or topics per search position".to_owned()))
}

/// The logs that a filter takes.
pub(super) fn search(node: &Node, filter: &RpcFilter) -> Result<Vec<RpcLog>, RpcError> {
    matching(node, filter, range(node, &filter.block_option)?)
}

/// The first logs of these blocks that a filter takes, and the block up to which they are told.
pub(super) fn next_matching(
    node: &Node,
    filter: &RpcFilter,
    (from, to): (u64, u64),
) -> Result<(Vec<RpcLog>, u64), RpcError> {
    let filter = Filter { addresses: list(&filter.address), topics: topics(filter) };
    let (entries, told) = node.ledger.chain().next_logs(from..=to, &filter, limits::LOGS)?;
    Ok((entries.into_iter().map(convert::log).collect(), told))
}

/// The logs of these blocks that a filter takes.
pub(super) fn matching(
    node: &Node,
    filter: &RpcFilter,
    (from, to): (u64, u64),
) -> Result<Vec<RpcLog>, RpcError> {
    let filter = Filter { addresses: list(&filter.address), topics: topics(filter) };
    let entries = node.ledger.chain().logs(from..=to, &filter, limits::LOGS)?;
    Ok(entries.into_iter().map(convert::log).collect())
}

/// The blocks asked for.
fn range(node: &Node, option: &FilterBlockOption) -> Result<(u64, u64), RpcError> {
    let chain = node.ledger.chain();
    let tip = chain.tip().number;
    let (from, to) = match option {
        FilterBlockOption::AtBlockHash(hash) => {
            let header = chain.header(*hash)?;
            let unknown = || RpcError::Server("unknown block".to_owned());
            let number = header.ok_or_else(unknown)?.number;
            (number, number)
        }
        FilterBlockOption::Range { from_block, to_block } => {
            (number(*from_block, tip), number(*to_block, tip))
        }
    };
    if from > to {
        return Err(RpcError::InvalidParams("invalid block range params".to_owned()));
    }
    if to > tip {
        let text = "block range extends beyond current head block";
        return Err(RpcError::InvalidParams(text.to_owned()));
    }
    if to - from >= limits::LOG_BLOCKS {
        return Err(RpcError::LimitExceeded(format!(
            "query spans {} blocks, at most {} are allowed",
            to - from + 1,
            limits::LOG_BLOCKS
        )));
    }
    Ok((from, to))
}

fn number(block: Option<BlockNumberOrTag>, tip: u64) -> u64 {
    match block {
        Some(BlockNumberOrTag::Number(number)) => number,
        Some(BlockNumberOrTag::Earliest) => 0,
        Some(
            BlockNumberOrTag::Latest
            | BlockNumberOrTag::Safe
            | BlockNumberOrTag::Finalized
            | BlockNumberOrTag::Pending,
        )
        | None => tip,
    }
}

/// The alternatives at each position, without the positions at the end that take anything.
fn topics(filter: &RpcFilter) -> Vec<Vec<alloy_primitives::B256>> {
    let mut topics: Vec<_> = filter.topics.iter().map(list).collect();
    while topics.last().is_some_and(Vec::is_empty) {
        topics.pop();
    }
    topics
}

/// Sorted, so that equal queries are equal.
fn list<T: Copy + Ord + std::hash::Hash>(set: &FilterSet<T>) -> Vec<T> {
    let mut all: Vec<T> = set.iter().copied().collect();
    all.sort_unstable();
    all
}
