//! `eth_simulateV1`: blocks that are made up, and what their calls would do.

use alloy_primitives::{Bytes, U64};
use alloy_rpc_types::simulate::SimulatePayload;
use alloy_rpc_types::{Log as RpcLog, TransactionRequest};
use jsonrpsee::RpcModule;
use serde_json::{Value, json};
use windlass_chain::{
    BlockRequest, CallLimits, CallResult, MOST_BLOCKS, Manner, Overrides, SimulateError,
    SimulatedBlock, SimulatedCall, TransactionError, Transfers, Validation,
};

use super::execute::{call_request, run};
use super::{Node, Shared, method, state_at};
use crate::rpc::args::Args;
use crate::rpc::block_param::BlockParam;
use crate::rpc::convert::{self, Detail, count};
use crate::rpc::error::{RpcError, revert_text};
use crate::rpc::limits;

/// The codes of the execution API.
const NONCE_TOO_LOW: i32 = -38_010;
const NONCE_TOO_HIGH: i32 = -38_011;
const FEE_TOO_LOW: i32 = -38_012;
const INTRINSIC_GAS: i32 = -38_013;
const INSUFFICIENT_FUNDS: i32 = -38_014;
const BLOCK_FULL: i32 = -38_015;
const NUMBER_INVALID: i32 = -38_020;
const TIME_INVALID: i32 = -38_021;
const SENDER_HAS_CODE: i32 = -38_024;
const INIT_CODE_SIZE: i32 = -38_025;
const LIMIT_EXCEEDED: i32 = -38_026;
const INTERNAL: i32 = -32_603;
const INVALID_PARAMS: i32 = -32_602;
/// Codes of calls that failed.
const REVERTED: i32 = 3;
const HALTED: i32 = -32_015;

type Payload = SimulatePayload<TransactionRequest>;

pub(super) fn register(module: &mut RpcModule<Shared>) {
    method(module, "eth_simulateV1", 2, async |node: Shared, args: Args| {
        let (payload, at) = (args.required::<Payload>(0)?, args.optional::<BlockParam>(1)?);
        let at = state_at(&node, at)?;
        let blocks = requests(&node, &payload)?;
        run(&node, move |node, limits| {
            let manner = manner(&payload, limits);
            let simulated = node.ledger.chain().simulate(at, blocks, limits.gas_cap, manner);
            let simulated = simulated.map_err(refused)?;
            let detail =
                if payload.return_full_transactions { Detail::Full } else { Detail::Hashes };
            simulated.into_iter().map(|one| shown(one, detail)).collect::<Result<Vec<_>, _>>()
        })
        .await
    });
}

fn manner<'a>(payload: &Payload, limits: CallLimits<'a>) -> Manner<'a> {
    let validation = if payload.validation { Validation::Full } else { Validation::Lenient };
    let transfers = if payload.trace_transfers { Transfers::Logged } else { Transfers::Silent };
    Manner { validation, transfers, cancel: limits.cancel }
}

fn requests(node: &Node, payload: &Payload) -> Result<Vec<BlockRequest>, RpcError> {
    let blocks = &payload.block_state_calls;
    if blocks.is_empty() {
        return Err(RpcError::InvalidParams("empty input".to_owned()));
    }
    let limit = |message: &str| {
        Err(RpcError::Refused { code: LIMIT_EXCEEDED, message: message.to_owned() })
    };
    if count(blocks.len()) > MOST_BLOCKS {
        return limit("too many blocks");
    }
    if blocks.iter().map(|block| block.calls.len()).sum::<usize>() > limits::SIMULATED_CALLS {
        return limit("too many calls");
    }
    let request = |block: &alloy_rpc_types::simulate::SimBlock| {
        let calls = block.calls.iter().cloned();
        let calls = calls.map(|call| call_request(node, call, Overrides::default()));
        let (state, block) = (block.state_overrides.clone(), block.block_overrides.clone());
        let overrides =
            Overrides { state: state.unwrap_or_default(), block: block.unwrap_or_default() };
        Ok(BlockRequest { overrides, calls: calls.collect::<Result<_, RpcError>>()? })
    };
    blocks.iter().map(request).collect()
}

/// A block as `eth_getBlockByHash` shows it, with what its calls did.
fn shown(simulated: SimulatedBlock, detail: Detail) -> Result<Value, RpcError> {
    let SimulatedBlock { block, receipts, calls } = simulated;
    let shown = convert::block(&block, &receipts, detail)?;
    let mut shown =
        serde_json::to_value(shown).map_err(|error| RpcError::Internal(error.to_string()))?;
    let calls = calls.into_iter().enumerate();
    shown["calls"] = calls.map(|(index, call)| outcome(call, &block, index)).collect();
    Ok(shown)
}

fn outcome(call: SimulatedCall, block: &windlass_chain::Block, index: usize) -> Value {
    let (status, output, error) = match call.result {
        CallResult::Success { output } => (1, output, None),
        CallResult::Revert { output } => {
            let message = revert_text(&output);
            let error = json!({ "code": REVERTED, "message": message, "data": output });
            (0, Bytes::new(), Some(error))
        }
        CallResult::Halt { reason, .. } => {
            (0, Bytes::new(), Some(json!({ "code": HALTED, "message": reason })))
        }
    };
    let logs = call.logs.into_iter().map(|(place, log)| RpcLog {
        inner: log,
        block_hash: Some(block.hash()),
        block_number: Some(block.number()),
        block_timestamp: Some(block.header().timestamp),
        transaction_hash: Some(*call.transaction.tx_hash()),
        transaction_index: Some(count(index)),
        log_index: Some(place),
        removed: false,
    });
    let mut shown = json!({
        "returnData": output,
        "logs": if status == 1 { logs.collect::<Vec<_>>() } else { Vec::new() },
        "gasUsed": U64::from(call.gas_used),
        "maxUsedGas": U64::from(call.most_gas),
        "status": U64::from(status),
    });
    if let Some(error) = error {
        shown["error"] = error;
    }
    shown
}

fn refused(error: SimulateError) -> RpcError {
    let message = error.to_string();
    let code = match error {
        SimulateError::Call(error) => return error.into(),
        SimulateError::Number { .. } => NUMBER_INVALID,
        SimulateError::Time { .. } => TIME_INVALID,
        SimulateError::TooMany => LIMIT_EXCEEDED,
        SimulateError::BlockFull { .. } => BLOCK_FULL,
        SimulateError::Transaction { reason, .. } => match reason {
            TransactionError::NonceTooLow { .. } => NONCE_TOO_LOW,
            TransactionError::NonceTooHigh { .. } => NONCE_TOO_HIGH,
            TransactionError::FeeBelowBaseFee => FEE_TOO_LOW,
            TransactionError::PriorityFeeAboveMaxFee => INVALID_PARAMS,
            TransactionError::IntrinsicGas { .. } => INTRINSIC_GAS,
            TransactionError::InsufficientFunds { .. } => INSUFFICIENT_FUNDS,
            TransactionError::SenderHasCode => SENDER_HAS_CODE,
            TransactionError::InitCodeSize => INIT_CODE_SIZE,
            _ => INTERNAL,
        },
    };
    RpcError::Refused { code, message }
}
