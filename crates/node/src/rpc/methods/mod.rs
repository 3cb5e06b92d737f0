//! The methods, one module for each thing they are about.

mod account;
mod block;
mod config;
mod debug;
mod execute;
mod fee;
mod filter;
mod log;
mod node;
mod pool;
mod prove;
mod simulate;
mod subscription;
mod trace;
mod transaction;
mod vote;

use std::path::PathBuf;
use std::sync::Arc;

use alloy_primitives::B256;
use alloy_rpc_types::{BlockId, BlockNumberOrTag};
use jsonrpsee::RpcModule;
use serde::Serialize;
use serde_json::value::RawValue;
use windlass_chain::{At, BlockRef};

use super::args::{Args, Attempt, Reach};
use super::block_param::BlockParam;
use super::brief::Brief;
use super::error::RpcError;
use super::filters::Filters;
use super::recent::{Final, Recent};
use super::workers::{Panics, Workers};
use super::{Beside, Shared};
use crate::diagnosis::{Facts, Report, Work};
use crate::ledger::NodeLedger;
use crate::seam::Ledger as _;
use crate::status::{Status, StatusBoard};

pub(super) use self::transaction::SENDING;

/// What `rpc_discover` answers; [OpenRPC] calls the method `rpc.discover`.
///
/// [OpenRPC]: https://spec.open-rpc.org
const OPEN_RPC: &str = include_str!("../openrpc.json");

/// How nice the threads of calls are: everything else on the machine goes first.
const CALL_NICENESS: i32 = 10;

/// What the methods answer from.
pub(super) struct Node {
    pub(super) ledger: NodeLedger,
    pub(super) status: StatusBoard,
    /// The node's own directory.
    directory: PathBuf,
    pub(super) beside: Beside,
    /// What clients poll.
    pub(super) filters: Filters,
    recent: Recent,
    /// Calls and estimates, which may take their whole deadline.
    calls: Workers,
    /// Calls that are soon over.
    brief: Brief,
    /// Transactions to check and logs to find.
    work: Workers,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}

impl Node {
    pub(super) fn new(
        ledger: NodeLedger,
        status: StatusBoard,
        (directory, beside): (PathBuf, Beside),
    ) -> Arc<Self> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 8);
        Arc::new(Self {
            ledger,
            status,
            directory,
            beside,
            filters: Filters::default(),
            recent: Recent::default(),
            brief: Brief::new(),
            calls: Workers::new("rpc-call", threads, CALL_NICENESS, Panics::Contained),
            work: Workers::new("rpc-work", threads, 0, Panics::End),
        })
    }

    /// What consensus is doing.
    pub(super) fn report(&self, status: &Status, at_ms: u64) -> Report {
        let work = if self.ledger.has_work() { Work::Pending } else { Work::None };
        let facts = Facts { work, obstacle: self.ledger.obstacle() };
        self.status.diagnosis().report(at_ms, status, &facts)
    }
}

/// The methods of a node.
pub(super) fn all(node: Shared) -> RpcModule<Shared> {
    let mut module = RpcModule::new(node);
    node::register(&mut module);
    block::register(&mut module);
    account::register(&mut module);
    transaction::register(&mut module);
    execute::register(&mut module);
    log::register(&mut module);
    fee::register(&mut module);
    prove::register(&mut module);
    config::register(&mut module);
    debug::register(&mut module);
    trace::register(&mut module);
    pool::register(&mut module);
    filter::register(&mut module);
    subscription::register(&mut module);
    simulate::register(&mut module);
    for name in ["rpc_discover", "rpc.discover"] {
        method(&mut module, name, 0, async |_node: Shared, _args| {
            RawValue::from_string(OPEN_RPC.to_owned())
                .map(Arc::<RawValue>::from)
                .map_err(|error| RpcError::Internal(error.to_string()))
        });
    }
    module
}

/// Adds a method that takes at most `most` parameters.
fn method<F, Fut, R>(module: &mut RpcModule<Shared>, name: &'static str, most: usize, answer: F)
where
    F: Fn(Shared, Args) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<R, RpcError>> + Send,
    R: Serialize + Clone + 'static,
{
    let registered = module.register_async_method(name, move |params, node, extensions| {
        let attempt = extensions.get::<Attempt>().copied().unwrap_or_default();
        let reach = extensions.get::<Reach>().copied();
        let args = Args::parse(&params, most).map(|args| args.of(attempt, reach));
        let answer = answer.clone();
        async move { answer(Shared::clone(&node), args?).await }
    });
    registered.expect("every method is named once");
}

/// The block that a parameter names; `None` where it is unknown.
fn block_ref(node: &Node, id: Option<BlockId>) -> Option<BlockRef> {
    let tip = node.ledger.chain().tip();
    match id.unwrap_or_default() {
        BlockId::Hash(hash) => Some(BlockRef::Hash(hash.block_hash)),
        BlockId::Number(BlockNumberOrTag::Earliest) => Some(BlockRef::Number(0)),
        BlockId::Number(BlockNumberOrTag::Number(number)) => {
            (number <= tip.number).then_some(BlockRef::Number(number))
        }
        // Blocks are final at once: there is nothing between these.
        BlockId::Number(
            BlockNumberOrTag::Latest
            | BlockNumberOrTag::Safe
            | BlockNumberOrTag::Finalized
            | BlockNumberOrTag::Pending,
        ) => Some(BlockRef::Hash(tip.hash)),
    }
}

/// The moment whose state a parameter names.
fn state_at(node: &Node, id: Option<BlockParam>) -> Result<At, RpcError> {
    let tip = node.ledger.chain().tip();
    match block_ref(node, id.map(|id| id.0)).ok_or_else(RpcError::header_not_found)? {
        BlockRef::Number(number) if number == tip.number => Ok(At::Latest),
        BlockRef::Number(number) => Ok(At::Number(number)),
        BlockRef::Hash(hash) if hash == tip.hash => Ok(At::Latest),
        BlockRef::Hash(hash) => Ok(At::Hash(hash)),
    }
}

/// A block and its receipts.
fn block_with_receipts(node: &Node, id: BlockId) -> Result<Option<Arc<Final>>, RpcError> {
    let Some(at) = block_ref(node, Some(id)) else { return Ok(None) };
    let chain = node.ledger.chain();
    if let BlockRef::Number(number) = at {
        chain.check_history(number)?;
    }
    node.recent.get(at, || {
        let Some(block) = chain.block(at)? else { return Ok(None) };
        let receipts = chain.receipts(block.hash())?.unwrap_or_default();
        Ok(Some(Final { block, receipts }))
    })
}

/// A final transaction's block, and the transaction's position there.
fn find(node: &Node, hash: B256) -> Result<Option<(Arc<Final>, usize)>, RpcError> {
    let Some(location) = node.ledger.chain().transaction(hash)? else { return Ok(None) };
    let id = BlockId::number(location.block);
    let found = block_with_receipts(node, id)?;
    let index = usize::try_from(location.index).unwrap_or(usize::MAX);
    let is_there = |found: &Arc<Final>| {
        let transaction = found.block.transactions().get(index);
        transaction.is_some_and(|transaction| *transaction.tx_hash() == hash)
    };
    Ok(found.filter(is_there).map(|found| (found, index)))
}
