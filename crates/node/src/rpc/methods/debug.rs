//! What is stored, in its own encoding: `debug_getRaw*`.

use std::sync::Arc;

use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{B256, Bytes};
use jsonrpsee::RpcModule;
use windlass_chain::Receipt;

use super::{Node, Shared, block_with_receipts, find, method};
use crate::rpc::args::Args;
use crate::rpc::block_param::BlockParam;
use crate::rpc::error::RpcError;
use crate::rpc::recent::Final;

pub(super) fn register(module: &mut RpcModule<Shared>) {
    method(module, "debug_getRawHeader", 1, async |node: Shared, args: Args| {
        let found = get(&node, args.required(0)?)?;
        Ok(Bytes::from(alloy_rlp::encode(found.block.header())))
    });
    method(module, "debug_getRawBlock", 1, async |node: Shared, args: Args| {
        Ok(get(&node, args.required(0)?)?.block.encode())
    });
    method(module, "debug_getRawReceipts", 1, async |node: Shared, args: Args| {
        let found = get(&node, args.required(0)?)?;
        Ok(found.receipts.iter().map(Receipt::consensus_bytes).collect::<Vec<_>>())
    });
    method(module, "debug_getRawTransaction", 1, async |node: Shared, args: Args| {
        raw_transaction(&node, args.hash(0)?)
    });
}

fn get(node: &Node, at: BlockParam) -> Result<Arc<Final>, RpcError> {
    let unknown = || RpcError::Server(format!("block {at} not found"));
    block_with_receipts(node, at.0)?.ok_or_else(unknown)
}

/// Empty where nobody knows the transaction, as Geth answers.
pub(super) fn raw_transaction(node: &Node, hash: B256) -> Result<Bytes, RpcError> {
    // The pool first: what leaves it in between is final by then, never the other way round.
    let pending = node.ledger.pending(&hash);
    if let Some((found, index)) = find(node, hash)? {
        let transaction = found.block.transactions().get(index);
        return Ok(transaction.map(|one| Bytes::from(one.encoded_2718())).unwrap_or_default());
    }
    Ok(pending.map(|pending| pending.bytes.clone()).unwrap_or_default())
}
