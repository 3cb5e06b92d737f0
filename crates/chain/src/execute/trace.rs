//! What an execution does step by step, as Geth's tracers tell it.

use alloy_primitives::B256;
pub use alloy_rpc_types::trace::geth::{GethDebugTracingOptions, GethTrace};
use revm_inspectors::tracing::{
    DebugInspector, DebugInspectorError, TraceLimitBehavior, TraceLimits, TransactionContext,
};

use super::call::{CallError, CallLimits, CallRequest, CallSite, inspect};
use super::cancel::{Cancel, Kept};
use super::error::TransactionError;
use super::words::geth_words;
use crate::chain::ChainError;

/// The most bytes of memory and inputs that one trace keeps.
const MOST_RECORDED_BYTES: usize = 64 << 20;
/// About the most bytes that it keeps of instructions, stacks and calls.
const MOST_KEPT_BYTES: usize = 256 << 20;
/// What a tracer keeps for an instruction, for a word on the stack, and for a call.
const STEP_BYTES: usize = 320;
const WORD_BYTES: usize = 32;
const FRAME_BYTES: usize = 1_024;

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The execution could not run.
    #[error("{0}")]
    Call(#[from] CallError),
    /// The tracer is not known, or its configuration is wrong.
    #[error("{0}")]
    Tracer(String),
    /// The genesis is the result of no execution.
    #[error("genesis is not traceable")]
    Genesis,
    /// The trace would be too large.
    #[error("the trace is too large: it would keep over {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
}

impl From<ChainError> for TraceError {
    fn from(error: ChainError) -> Self {
        Self::Call(error.into())
    }
}

impl From<DebugInspectorError<ChainError>> for TraceError {
    fn from(error: DebugInspectorError<ChainError>) -> Self {
        match error {
            DebugInspectorError::Database(error) => error.into(),
            other => Self::Tracer(other.to_string()),
        }
    }
}

/// A tracer by Geth's options, within what a node's memory holds.
pub(crate) fn tracer(options: &GethDebugTracingOptions) -> Result<DebugInspector, TraceError> {
    let tracer = DebugInspector::new(options.clone());
    let tracer = tracer.map_err(|error| TraceError::Tracer(error.to_string()))?;
    let limits = TraceLimits::default()
        .set_max_recorded_bytes(Some(MOST_RECORDED_BYTES))
        .set_behavior(TraceLimitBehavior::Skip);
    Ok(match tracer {
        DebugInspector::CallTracer(inner, config) => {
            DebugInspector::CallTracer(inner.with_limits(limits), config)
        }
        DebugInspector::PreStateTracer(inner, config) => {
            DebugInspector::PreStateTracer(inner.with_limits(limits), config)
        }
        DebugInspector::FlatCallTracer(inner) => {
            DebugInspector::FlatCallTracer(inner.with_limits(limits))
        }
        DebugInspector::Default(inner, config) => {
            DebugInspector::Default(inner.with_limits(limits), config)
        }
        // It keeps all memory of every step.
        DebugInspector::Erc7562Tracer(..) => {
            return Err(TraceError::Tracer("tracer not found".to_owned()));
        }
        other => other,
    })
}

/// How much a tracer may keep.
pub(crate) fn kept(tracer: &DebugInspector) -> Kept {
    let (step, word) = match tracer {
        DebugInspector::Default(..) | DebugInspector::Mux(..) => (STEP_BYTES, WORD_BYTES),
        _ => (0, 0),
    };
    Kept { left: MOST_KEPT_BYTES, step, word, frame: FRAME_BYTES }
}

/// Whether a tracer kept all that it should.
pub(crate) fn check_whole(cancel: &Cancel<'_>, tracer: &DebugInspector) -> Result<(), TraceError> {
    if cancel.is_full() {
        return Err(TraceError::TooLarge { limit: MOST_KEPT_BYTES });
    }
    if cancel.has_struck() {
        return Err(CallError::Cancelled.into());
    }
    let exceeded = match tracer {
        DebugInspector::CallTracer(inner, _)
        | DebugInspector::PreStateTracer(inner, _)
        | DebugInspector::FlatCallTracer(inner)
        | DebugInspector::Default(inner, _) => inner.limit_exceeded(),
        _ => false,
    };
    if exceeded { Err(TraceError::TooLarge { limit: MOST_RECORDED_BYTES }) } else { Ok(()) }
}

/// Traces a call.
pub(crate) fn trace_call(
    site: CallSite<'_>,
    request: &CallRequest,
    options: &GethDebugTracingOptions,
    limits: CallLimits<'_>,
) -> Result<GethTrace, TraceError> {
    let tracer = tracer(options)?;
    let watching = (Cancel::beside(limits.cancel, kept(&tracer)), tracer);
    inspect(site, request, limits, watching, |evm, ended| {
        let (context, (cancel, tracer)) = (&mut evm.ctx, &mut evm.inspector);
        if let Err(error) = check_whole(cancel, tracer) {
            return Ok(Err(error));
        }
        let state = &mut context.journaled_state.database;
        let trace = tracer.get_result(None, &context.tx, &context.block, &ended, state);
        Ok(trace.map(geth_words).map_err(TraceError::from))
    })?
}

/// Where a transaction is that is traced.
pub(crate) fn place(block: B256, index: usize, hash: B256) -> TransactionContext {
    TransactionContext { block_hash: Some(block), tx_index: Some(index), tx_hash: Some(hash) }
}

/// A transaction of a final block that is not valid any more: the ledger is damaged.
pub(crate) fn unexpected(reason: &TransactionError) -> ChainError {
    ChainError::Damaged(format!("a transaction of a final block is not valid: {reason}"))
}
