//! What executions did step by step: `debug_trace*`, with Geth's tracers.

use alloy_primitives::{B256, U64};
use alloy_rpc_types::trace::geth::GethDebugTracingCallOptions;
use alloy_rpc_types::{BlockId, TransactionRequest};
use jsonrpsee::RpcModule;
use serde::Serialize;
use windlass_chain::{CallError, GethDebugTracingOptions, Trace, TraceError};

use super::execute::{call_request, overrides, run};
use super::{Node, Shared, block_ref, find, method, state_at};
use crate::rpc::args::Args;
use crate::rpc::block_param::{BlockParam, NumberParam};
use crate::rpc::error::RpcError;

pub(super) fn register(module: &mut RpcModule<Shared>) {
    method(module, "debug_traceTransaction", 2, async |node: Shared, args: Args| {
        let (hash, options) = (args.hash(0)?, options(&args, 1)?);
        transaction(&node, hash, options).await
    });
    method(module, "debug_traceBlockByNumber", 2, async |node: Shared, args: Args| {
        let NumberParam(at) = args.required(0)?;
        block(&node, BlockParam(BlockId::Number(at)), options(&args, 1)?).await
    });
    method(module, "debug_traceBlockByHash", 2, async |node: Shared, args: Args| {
        let hash = args.hash(0)?;
        block(&node, BlockParam(BlockId::from(hash)), options(&args, 1)?).await
    });
    method(module, "debug_traceCall", 3, async |node: Shared, args: Args| {
        let (request, at) = (args.required(0)?, args.optional(1)?);
        call(&node, request, at, args.optional(2)?.unwrap_or_default()).await
    });
}

/// One transaction's trace in a block's.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Traced {
    tx_hash: B256,
    result: Trace,
}

fn options(args: &Args, index: usize) -> Result<GethDebugTracingOptions, RpcError> {
    Ok(args.optional(index)?.unwrap_or_default())
}

async fn transaction(
    node: &Shared,
    hash: B256,
    options: GethDebugTracingOptions,
) -> Result<Trace, RpcError> {
    run(node, move |node, limits| {
        let unknown = || RpcError::Server("transaction not found".to_owned());
        let (found, index) = find(node, hash)?.ok_or_else(unknown)?;
        let chain = node.ledger.chain();
        let traces = chain.trace_block(found.block.number(), Some(index), &options, limits)?;
        traces.into_iter().next().map(|(_, trace)| trace).ok_or_else(unknown)
    })
    .await
}

async fn block(
    node: &Shared,
    at: BlockParam,
    options: GethDebugTracingOptions,
) -> Result<Vec<Traced>, RpcError> {
    run(node, move |node, limits| {
        let number = known(node, &at)?;
        let traces = node.ledger.chain().trace_block(number, None, &options, limits)?;
        Ok(traces.into_iter().map(|(tx_hash, result)| Traced { tx_hash, result }).collect())
    })
    .await
}

async fn call(
    node: &Shared,
    request: TransactionRequest,
    at: Option<BlockParam>,
    options: GethDebugTracingCallOptions,
) -> Result<Trace, RpcError> {
    let GethDebugTracingCallOptions { tracing_options, state_overrides, block_overrides, tx_index } =
        options;
    if let Some(index) = tx_index {
        let index = U64::from(index);
        return Err(RpcError::InvalidParams(format!(
            "invalid argument 2: txIndex {index} is not supported: a call runs after its block"
        )));
    }
    let overrides = overrides(state_overrides, block_overrides)?;
    let request = call_request(node, request, overrides)?;
    if let Some(at) = &at {
        known(node, at)?;
    }
    let at = state_at(node, at)?;
    run(node, move |node, limits| {
        let traced = node.ledger.chain().trace_call(at, &request, &tracing_options, limits);
        traced.map_err(|error| match error {
            TraceError::Call(CallError::Invalid(reason)) => {
                let reason = reason.of_call(request.from, &request.input);
                RpcError::Server(format!("tracing failed: {reason}"))
            }
            other => other.into(),
        })
    })
    .await
}

/// The number of a block that has to be there.
fn known(node: &Node, at: &BlockParam) -> Result<u64, RpcError> {
    let unknown = || RpcError::Server(format!("block {at} not found"));
    let found = block_ref(node, Some(at.0)).ok_or_else(unknown)?;
    Ok(node.ledger.chain().header(found)?.ok_or_else(unknown)?.number)
}
