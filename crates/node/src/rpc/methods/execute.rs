//! Calls and gas estimates: on threads of low priority, with a gas cap and a deadline, but for calls that are
//! soon over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use alloy_primitives::{Bytes, TxKind, U64, U256};
use alloy_rpc_types::state::StateOverride;
use alloy_rpc_types::{BlockNumberOrTag, BlockOverrides, TransactionRequest};
use jsonrpsee::RpcModule;
use serde_json::{Value, json};
use windlass_chain::contain::contained;
use windlass_chain::{
    At, CallError, CallLimits, CallOutcome, CallRequest, CallResult, Overrides, TransactionError,
};

use super::{Node, Shared, method, state_at};
use crate::rpc::args::Args;
use crate::rpc::block_param::BlockParam;
use crate::rpc::error::RpcError;
use crate::rpc::limits;
use crate::rpc::now_ms;

pub(super) fn register(module: &mut RpcModule<Shared>) {
    method(module, "eth_call", 4, async |node: Shared, args: Args| {
        let (request, at) = parse(&node, &args, BlockNumberOrTag::Latest)?;
        // Other requests, of the same batch too, are looked at in between.
        tokio::task::yield_now().await;
        if let Some(outcome) = briefly(&node, &request, at) {
            return answer(outcome);
        }
        run(&node, move |node, limits| call(node, &request, at, limits)).await
    });
    method(module, "eth_estimateGas", 4, async |node: Shared, args: Args| {
        // What is estimated is to be in the next block, and the last may be hours old.
        let (request, at) = parse(&node, &args, BlockNumberOrTag::Pending)?;
        run(&node, move |node, limits| {
            Ok(U64::from(node.ledger.chain().estimate_gas(at, &request, limits)?))
        })
        .await
    });
    method(module, "eth_createAccessList", 3, async |node: Shared, args: Args| {
        let (request, at) = parse(&node, &args, BlockNumberOrTag::Latest)?;
        run(&node, move |node, limits| access_list(node, &request, at, limits)).await
    });
}

/// Sets the flag when the request is over, however it ends: answered, late, or its client gone.
#[derive(Debug)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

pub(super) async fn run<T, F>(node: &Shared, job: F) -> Result<T, RpcError>
where
    T: Send + 'static,
    F: FnOnce(&Node, CallLimits<'_>) -> Result<T, RpcError> + Send + 'static,
{
    let cancelled = CancelOnDrop(Arc::new(AtomicBool::new(false)));
    let flag = Arc::clone(&cancelled.0);
    let shared = Shared::clone(node);
    let late = || {
        let seconds = limits::CALL_DEADLINE.as_secs();
        RpcError::Server(format!("execution aborted (timeout = {seconds}s)"))
    };
    let expired = late();
    let running = node.calls.run(move || {
        // It waited for a thread until its deadline, or its client went away.
        if flag.load(Ordering::Relaxed) {
            return Err(expired);
        }
        job(&shared, CallLimits { gas_cap: limits::CALL_GAS, cancel: Some(&flag) })
    });
    let answered = tokio::time::timeout(limits::CALL_DEADLINE, running).await;
    drop(cancelled);
    answered.unwrap_or_else(|_elapsed| Err(late()))
}

fn call(
    node: &Node,
    request: &CallRequest,
    at: At,
    limits: CallLimits<'_>,
) -> Result<Bytes, RpcError> {
    let ended = node.ledger.chain().call(at, request, limits);
    let ended = ended.map_err(|error| match error {
        CallError::Invalid(reason) => invalid(&reason, request, limits),
        other => other.into(),
    });
    answer(ended?)
}

/// A call that is soon over, run by the server's own thread: to hand it to another one takes longer. Whatever
/// is wrong with a call, they tell.
fn briefly(node: &Node, request: &CallRequest, at: At) -> Option<CallOutcome> {
    let call = || node.ledger.chain().call_briefly(at, request);
    node.brief.run(|| contained(call).ok()?.ok()?)
}

fn answer(outcome: CallOutcome) -> Result<Bytes, RpcError> {
    match outcome.result {
        CallResult::Success { output } => Ok(output),
        CallResult::Revert { output } => Err(RpcError::Reverted(output)),
        CallResult::Halt { reason, .. } => Err(RpcError::Server(reason)),
    }
}

/// Why a call can't run, as Geth words it for `eth_call`.
fn invalid(reason: &TransactionError, request: &CallRequest, limits: CallLimits<'_>) -> RpcError {
    let gas = request.gas.map_or(limits.gas_cap, |gas| gas.min(limits.gas_cap));
    let reason = reason.of_call(request.from, &request.input);
    RpcError::Server(format!("err: {reason} (supplied gas {gas})"))
}

/// As Geth answers: a call that fails has a list too, and says how it failed.
fn access_list(
    node: &Node,
    request: &CallRequest,
    at: At,
    limits: CallLimits<'_>,
) -> Result<Value, RpcError> {
    let answer = node.ledger.chain().access_list(at, request, limits);
    let (list, outcome) = answer.map_err(|error| match error {
        CallError::Invalid(reason) => {
            let reason = reason.of_call(request.from, &request.input);
            RpcError::Server(format!("failed to apply transaction: err: {reason}"))
        }
        other => other.into(),
    })?;
    let mut answer = json!({ "accessList": list, "gasUsed": U64::from(outcome.gas_used) });
    let failure = match outcome.result {
        CallResult::Success { .. } => None,
        CallResult::Revert { .. } => Some("execution reverted".to_owned()),
        CallResult::Halt { reason, .. } => Some(reason),
    };
    if let Some(failure) = failure {
        answer["error"] = Value::String(failure);
    }
    Ok(answer)
}

fn parse(
    node: &Node,
    args: &Args,
    by_default: BlockNumberOrTag,
) -> Result<(CallRequest, At), RpcError> {
    let mut overrides = overrides(args.optional(2)?, args.optional(3)?)?;
    let at = args.optional::<BlockParam>(1)?.unwrap_or(BlockParam(by_default.into()));
    if at.0.is_pending() {
        show_next(node, &mut overrides.block);
    }
    let request = call_request(node, args.required(0)?, overrides)?;
    Ok((request, state_at(node, Some(at))?))
}

/// Has a call find the number and the time of the block that could come next, on the state of the tip.
fn show_next(node: &Node, block: &mut BlockOverrides) {
    let tip = node.ledger.chain().tip();
    let now_s = now_ms().max(tip.timestamp_ms) / 1_000;
    block.number.get_or_insert(U256::from(tip.number.saturating_add(1)));
    block.time.get_or_insert(now_s);
}

/// What a call is to find otherwise. What has no effect on a call is refused, in Geth's words.
pub(super) fn overrides(
    state: Option<StateOverride>,
    block: Option<BlockOverrides>,
) -> Result<Overrides, RpcError> {
    let (state, block) = (state.unwrap_or_default(), block.unwrap_or_default());
    if block.beacon_root.is_some() {
        let text = "block override \"beaconRoot\" is not supported for this RPC method";
        return Err(RpcError::Server(text.to_owned()));
    }
    Ok(Overrides { state, block })
}

pub(super) fn call_request(
    node: &Node,
    request: TransactionRequest,
    overrides: Overrides,
) -> Result<CallRequest, RpcError> {
    let want = node.ledger.chain().rules().chain_id();
    match request.chain_id {
        Some(have) if have != want => {
            let text = format!("chainId does not match node's (have={have}, want={want})");
            return Err(RpcError::Server(text));
        }
        Some(_) | None => {}
    }
    let blobs = request.blob_versioned_hashes.unwrap_or_default();
    if !blobs.is_empty() && request.to.is_none_or(|to| to.is_create()) {
        return Err(RpcError::Server("blob transaction of type create".to_owned()));
    }
    if request.gas_price.is_some()
        && (request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some())
    {
        let text = "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified";
        return Err(RpcError::Server(text.to_owned()));
    }
    // Geth takes `input` of a call where both are given.
    let input = request.input.into_input();
    Ok(CallRequest {
        from: request.from.unwrap_or_default(),
        to: request.to.and_then(|to| match to {
            TxKind::Call(address) => Some(address),
            TxKind::Create => None,
        }),
        gas: request.gas,
        gas_price: request.gas_price,
        max_fee_per_gas: request.max_fee_per_gas,
        max_priority_fee_per_gas: request.max_priority_fee_per_gas,
        value: request.value.unwrap_or_default(),
        input: input.unwrap_or_default(),
        nonce: request.nonce,
        access_list: request.access_list.unwrap_or_default(),
        authorization_list: request.authorization_list.unwrap_or_default(),
        max_fee_per_blob_gas: request.max_fee_per_blob_gas,
        blob_versioned_hashes: blobs,
        overrides: Arc::new(overrides),
    })
}
