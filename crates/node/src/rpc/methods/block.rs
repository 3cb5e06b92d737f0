//! Blocks and what is in them.

use alloy_primitives::{B256, U64, U256};
use alloy_rpc_types::{Block as RpcBlock, BlockId, BlockNumberOrTag, TransactionReceipt};
use jsonrpsee::RpcModule;

use super::{Node, Shared, block_with_receipts, method};
use crate::rpc::args::Args;
use crate::rpc::convert::{self, Detail};
use crate::rpc::error::RpcError;

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
    method(module, "eth_getBlockReceipts", 1, async |node: Shared, args: Args| {
        receipts(&node, args.required(0)?)
    });
    method(module, "eth_getBlockTransactionCountByNumber", 1, async |node: Shared, args: Args| {
        transaction_count(&node, by_number(&args)?)
    });
    method(module, "eth_getBlockTransactionCountByHash", 1, async |node: Shared, args: Args| {
        transaction_count(&node, by_hash(&args)?)
    });
    // There are no uncles.
    method(module, "eth_getUncleCountByBlockNumber", 1, async |node: Shared, args: Args| {
        Ok(transaction_count(&node, by_number(&args)?)?.map(|_| U64::ZERO))
    });
    method(module, "eth_getUncleCountByBlockHash", 1, async |node: Shared, args: Args| {
        Ok(transaction_count(&node, by_hash(&args)?)?.map(|_| U64::ZERO))
    });
    for name in ["eth_getUncleByBlockNumberAndIndex", "eth_getUncleByBlockHashAndIndex"] {
        method(module, name, 2, async |_node: Shared, _args| Ok(None::<U256>));
    }
}

pub(super) fn by_number(args: &Args) -> Result<BlockId, RpcError> {
    args.required::<BlockNumberOrTag>(0).map(BlockId::Number)
}

pub(super) fn by_hash(args: &Args) -> Result<BlockId, RpcError> {
    args.required::<B256>(0).map(BlockId::from)
}

fn get(node: &Node, id: BlockId, full: Option<bool>) -> Result<Option<RpcBlock>, RpcError> {
    let detail = if full == Some(true) { Detail::Full } else { Detail::Hashes };
    let Some((block, receipts)) = block_with_receipts(node, id)? else { return Ok(None) };
    convert::block(&block, &receipts, detail).map(Some)
}

fn receipts(node: &Node, id: BlockId) -> Result<Option<Vec<TransactionReceipt>>, RpcError> {
    let Some((block, receipts)) = block_with_receipts(node, id)? else { return Ok(None) };
    convert::receipts(&block, &receipts).map(Some)
}

fn transaction_count(node: &Node, id: BlockId) -> Result<Option<U64>, RpcError> {
    let found = block_with_receipts(node, id)?;
    Ok(found.map(|(block, _)| U64::from(block.transactions().len())))
}
