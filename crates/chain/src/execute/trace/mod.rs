//! What an execution does step by step, as Geth's tracers tell it.
//!
//! Tools were written against Geth's answers, so these are the same to the letter, flaws included: which
//! instruction is told to have failed and what it would have cost (`cost`), the words for why a call
//! failed (`flaw`, `precompile`), and the shape of what each tracer tells. [`Watcher`] sees the EVM's
//! events and tells them to a [`Tracer`] at the moments at which Geth would
//! ([its tracers](https://geth.ethereum.org/docs/developers/evm-tracing/built-in-tracers)).
//!
//! Nothing here touches what it looks at: a tracer reads accounts and slots beside the EVM, so that none
//! becomes warm and no gas is another's.

mod calls;
mod cost;
mod flat;
mod flaw;
mod opcode;
mod precompile;
mod prestate;
mod price;
mod selectors;
mod steps;
mod tracer;
mod view;
mod watch;

use alloy_primitives::Bytes;
pub use alloy_rpc_types::trace::geth::GethDebugTracingOptions;

pub use self::calls::{Call, CallLog};
pub use self::flat::{FlatAction, FlatCall, FlatResult};
pub(crate) use self::flaw::Flaw;
pub use self::prestate::{Accounts, Difference, TracedAccount};
pub use self::steps::{StepLog, Steps};
pub use self::tracer::Trace;
pub(crate) use self::tracer::Tracer;
pub(crate) use self::watch::{Opening, Place, Watcher};
use super::call::{CallError, CallLimits, CallRequest, CallSite, inspect};
use super::cancel::Cancel;
use super::error::TransactionError;
use crate::chain::ChainError;

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

/// Whether a tracer was told all that happened.
pub(crate) fn check_whole(cancel: &Cancel<'_>, watcher: &Watcher) -> Result<(), TraceError> {
    if watcher.is_full() {
        return Err(TraceError::TooLarge { limit: watch::MOST_KEPT_BYTES });
    }
    if cancel.has_struck() {
        return Err(CallError::Cancelled.into());
    }
    Ok(())
}

/// Traces a call.
pub(crate) fn trace_call(
    site: CallSite<'_>,
    request: &CallRequest,
    options: &GethDebugTracingOptions,
    limits: CallLimits<'_>,
) -> Result<Trace, TraceError> {
    let watcher = Watcher::new(Tracer::new(options)?).with_overrides(&request.overrides);
    let watching = (Cancel::new(limits.cancel), watcher);
    inspect(site, request, limits, watching, |evm, ended| {
        let (cancel, watcher) = &mut evm.inspector;
        if let Err(error) = check_whole(cancel, watcher) {
            return Ok(Err(error));
        }
        let told = watcher.end(&ended, &evm.ctx.journaled_state.database);
        Ok(told.map_err(TraceError::from))
    })?
}

/// Why a call fails, in Geth's words: it is run once more for that, and watched.
pub(crate) fn flaw_of_call(
    site: CallSite<'_>,
    request: &CallRequest,
    limits: CallLimits<'_>,
) -> Result<Option<Flaw>, CallError> {
    let watcher = Watcher::new(Tracer::nothing()).with_overrides(&request.overrides);
    let watching = (Cancel::new(limits.cancel), watcher);
    inspect(site, request, limits, watching, |evm, _| Ok(evm.inspector.1.take_flaw()))
}

/// A transaction of a final block that is not valid any more: the ledger is damaged.
pub(crate) fn unexpected(reason: &TransactionError) -> ChainError {
    ChainError::Damaged(format!("a transaction of a final block is not valid: {reason}"))
}

/// Whether there are no bytes, so that they are not told.
fn is_blank(bytes: &Bytes) -> bool {
    bytes.is_empty()
}
