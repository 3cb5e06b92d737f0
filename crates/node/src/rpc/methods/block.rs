//! Blocks and what is in them.

use alloy_consensus::Header;
use alloy_primitives::U64;
use alloy_rpc_types::{Block as RpcBlock, BlockId, Header as RpcHeader, TransactionReceipt};
use jsonrpsee::RpcModule;

use super::{Node, Shared, block_with_receipts, method};
use crate::rpc::args::Args;
use crate::rpc::block_param::{BlockParam, NumberParam};
use crate::rpc::convert::{self, Detail};
use crate::rpc::error::RpcError;
use crate::rpc::recent::Final;

pub(super) fn register(module: &mut RpcModule<Shared>) {
    method(module, "eth_blockNumber", 0, async |node: Shared, _args| {
        Ok(U64::from(node.ledger.chain().tip().number))
    });
    method(module, "eth_getBlockByNumber", 2, async |node: Shared, args: Args| {
        get(&node, by_number(&args)?, args.optional(1)?)
    });
    method(module, "eth_getBlockByHash", 2, async |node: Shared, args: Args| {
        get(&node, by_hash(&args)?, args.optional(1)?)
    });
    method(module, "eth_getHeaderByNumber", 1, async |node: Shared, args: Args| {
        header(&node, by_number(&args)?)
    });
    method(module, "eth_getHeaderByHash", 1, async |node: Shared, args: Args| {
        header(&node, by_hash(&args)?)
    });
    method(module, "eth_getBlockReceipts", 1, async |node: Shared, args: Args| {
        receipts(&node, args.required::<BlockParam>(0)?.0)
    });
    method(module, "eth_getBlockTransactionCountByNumber", 1, async |node: Shared, args: Args| {
        transaction_count(&node, by_number(&args)?)
    });
    method(module, "eth_getBlockTransactionCountByHash", 1, async |node: Shared, args: Args| {
        transaction_count(&node, by_hash(&args)?)
    });
    // Blocks of our own networks have no uncles; Ethereum's had.
    method(module, "eth_getUncleCountByBlockNumber", 1, async |node: Shared, args: Args| {
        Ok(uncles(&node, by_number(&args)?)?.map(|uncles| U64::from(uncles.len())))
    });
    method(module, "eth_getUncleCountByBlockHash", 1, async |node: Shared, args: Args| {
        Ok(uncles(&node, by_hash(&args)?)?.map(|uncles| U64::from(uncles.len())))
    });
    method(module, "eth_getUncleByBlockNumberAndIndex", 2, async |node: Shared, args: Args| {
        uncle(&node, by_number(&args)?, args.place(1)?)
    });
    method(module, "eth_getUncleByBlockHashAndIndex", 2, async |node: Shared, args: Args| {
        uncle(&node, by_hash(&args)?, args.place(1)?)
    });
}

pub(super) fn by_number(args: &Args) -> Result<BlockId, RpcError> {
    args.required::<NumberParam>(0).map(|param| BlockId::Number(param.0))
}

pub(super) fn by_hash(args: &Args) -> Result<BlockId, RpcError> {
    args.hash(0).map(BlockId::from)
}

fn get(node: &Node, id: BlockId, full: Option<bool>) -> Result<Option<RpcBlock>, RpcError> {
    let detail = if full == Some(true) { Detail::Full } else { Detail::Hashes };
    let Some(found) = block_with_receipts(node, id)? else { return Ok(None) };
    let Final { block, receipts } = found.as_ref();
    convert::block(block, receipts, detail).map(Some)
}

/// What a block has but its size and what is in it.
fn header(node: &Node, id: BlockId) -> Result<Option<RpcHeader>, RpcError> {
    Ok(get(node, id, None)?.map(|block| RpcHeader { size: None, ..block.header }))
}

fn uncles(node: &Node, id: BlockId) -> Result<Option<Vec<Header>>, RpcError> {
    let found = block_with_receipts(node, id)?;
    Ok(found.map(|found| found.block.as_inner().body.ommers.clone()))
}

fn uncle(node: &Node, id: BlockId, index: u64) -> Result<Option<RpcBlock>, RpcError> {
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    let uncle = uncles(node, id)?.and_then(|uncles| uncles.into_iter().nth(index));
    Ok(uncle.map(RpcBlock::uncle_from_header))
}

fn receipts(node: &Node, id: BlockId) -> Result<Option<Vec<TransactionReceipt>>, RpcError> {
    let Some(found) = block_with_receipts(node, id)? else { return Ok(None) };
    let Final { block, receipts } = found.as_ref();
    let blob_fee = node.ledger.chain().rules().blob_fee(block.header());
    convert::receipts(block, receipts, blob_fee).map(Some)
}

fn transaction_count(node: &Node, id: BlockId) -> Result<Option<U64>, RpcError> {
    let found = block_with_receipts(node, id)?;
    Ok(found.map(|found| U64::from(found.block.transactions().len())))
}
