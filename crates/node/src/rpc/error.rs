//! Errors as Geth words them: client libraries decode the codes, the texts and the revert data.

use alloy_primitives::Bytes;
use jsonrpsee::types::ErrorObjectOwned;
use windlass_chain::{CallError, ChainError, EstimateError, LogsError, TraceError, revert_reason};

use super::limits;
use crate::seam::AdmitError;

/// As Geth and EIP-4444's other clients have it.
const HISTORY_LACKING: i32 = 4444;
/// Ours, of the range for servers' own use.
pub(super) const NOT_NAMED: i32 = -32_050;
/// Ours too.
const READ_ONLY: i32 = -32_051;

/// Why a method has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RpcError {
    /// The parameters are not what the method takes.
    #[error("{0}")]
    InvalidParams(String),
    /// The method can't do it.
    #[error("{0}")]
    Server(String),
    /// More than this node gives at once; the text names the limit.
    #[error("{0}")]
    LimitExceeded(String),
    /// A call reverted.
    #[error("{}", revert_text(.0))]
    Reverted(Bytes),
    /// The pool refused a transaction, or the blocks asked for are not here yet.
    #[error("{message}")]
    Refused {
        /// Its code.
        code: i32,
        /// Its text.
        message: String,
    },
    /// Nobody would get a transaction from this node.
    #[error(
        "this node is not part of the network, as far as it has the chain: no member names it, and \
         nobody would get the transaction from it. Send it to a node that is"
    )]
    NotNamed,
    /// The key is one for reading, and the method is not.
    #[error(
        "the key in the URL is for reading, and {0} sends: use a key with the scope `send`, such as \
         `windlass network key create` makes with --scope send"
    )]
    ReadOnly(String),
    /// A transaction was taken and is not in a block in time.
    #[error("the transaction was added to the pool but wasn't final within {waited_ms} ms")]
    NotFinal {
        /// The transaction's hash.
        hash: alloy_primitives::B256,
        /// How long was waited.
        waited_ms: u64,
    },
    /// This node failed.
    #[error("{0}")]
    Internal(String),
}

impl RpcError {
    pub(super) fn header_not_found() -> Self {
        Self::Server("header not found".to_owned())
    }

    pub(super) fn busy() -> Self {
        Self::LimitExceeded(format!(
            "the node is busy: {} requests of this kind are waiting already",
            limits::WAITING_JOBS
        ))
    }

    fn code(&self) -> i32 {
        match self {
            Self::InvalidParams(_) => -32602,
            Self::Server(_) => -32000,
            Self::LimitExceeded(_) => -32005,
            Self::Reverted(_) => 3,
            Self::Refused { code, .. } => *code,
            Self::NotNamed => NOT_NAMED,
            Self::ReadOnly(_) => READ_ONLY,
            Self::NotFinal { .. } => 4,
            Self::Internal(_) => -32603,
        }
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let (code, message) = (error.code(), error.to_string());
        match error {
            RpcError::Reverted(output) => Self::owned(code, message, Some(output)),
            RpcError::NotFinal { hash, .. } => Self::owned(code, message, Some(hash)),
            RpcError::InvalidParams(_)
            | RpcError::Server(_)
            | RpcError::LimitExceeded(_)
            | RpcError::Refused { .. }
            | RpcError::NotNamed
            | RpcError::ReadOnly(_)
            | RpcError::Internal(_) => Self::owned(code, message, None::<()>),
        }
    }
}

impl From<ChainError> for RpcError {
    fn from(error: ChainError) -> Self {
        match error {
            // A number beyond the tip is seen before: this one was named by its hash.
            ChainError::UnknownBlock => Self::Server("header for hash not found".to_owned()),
            ChainError::HistoryLacking { .. } => {
                Self::Refused { code: HISTORY_LACKING, message: error.to_string() }
            }
            ChainError::StatePruned { .. }
            | ChainError::ProofPruned { .. }
            | ChainError::Cancelled
            | ChainError::UnknownRules { .. } => Self::Server(error.to_string()),
            ChainError::Store(ref source) => {
                tracing::error!(%error, %source, "a request failed because the ledger did");
                Self::Internal(format!("{error}: {source}"))
            }
            ChainError::UnknownParent(_)
            | ChainError::OtherGenesis { .. }
            | ChainError::Unfounded
            | ChainError::NewerFormat { .. }
            | ChainError::OlderFormat { .. }
            | ChainError::NotFinalizable { .. }
            | ChainError::Attributes(_)
            | ChainError::Execution(_)
            | ChainError::Damaged(_) => {
                tracing::error!(%error, "a request failed because the ledger did");
                Self::Internal(error.to_string())
            }
        }
    }
}

impl From<LogsError> for RpcError {
    fn from(error: LogsError) -> Self {
        match error {
            LogsError::Chain(error) => error.into(),
            LogsError::TooMany { limit } => {
                Self::LimitExceeded(format!("query returned more than {limit} results"))
            }
        }
    }
}

impl From<CallError> for RpcError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Chain(error) => error.into(),
            CallError::Invalid(reason) => Self::Server(format!("err: {reason}")),
            CallError::Overrides(reason) => Self::Server(reason),
            CallError::Cancelled => Self::Server(format!(
                "execution aborted (timeout = {}s)",
                limits::CALL_DEADLINE.as_secs()
            )),
        }
    }
}

impl From<TraceError> for RpcError {
    fn from(error: TraceError) -> Self {
        match error {
            TraceError::Call(error) => error.into(),
            TraceError::Genesis => Self::Server(error.to_string()),
            TraceError::Tracer(reason) => Self::Server(reason),
            TraceError::TooLarge { .. } => Self::LimitExceeded(error.to_string()),
        }
    }
}

impl From<EstimateError> for RpcError {
    fn from(error: EstimateError) -> Self {
        match error {
            EstimateError::Call(error) => error.into(),
            EstimateError::Revert { output } => Self::Reverted(output),
            EstimateError::Halt { reason } => Self::Server(reason),
            EstimateError::Invalid { .. }
            | EstimateError::Funds
            | EstimateError::Allowance { .. } => Self::Server(error.to_string()),
        }
    }
}

impl From<AdmitError> for RpcError {
    fn from(error: AdmitError) -> Self {
        Self::Refused { code: error.code, message: error.message }
    }
}

/// "execution reverted", with the reason where Solidity's `require` or a panic gave one.
pub(super) fn revert_text(output: &Bytes) -> String {
    match revert_reason(output) {
        Some(reason) => format!("execution reverted: {reason}"),
        None => "execution reverted".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;

    use super::*;

    #[test]
    fn reverts_say_their_reason() {
        for (output, expect) in [
            ("", "execution reverted"),
            ("08c379a0", "execution reverted"),
            ("deadbeef00", "execution reverted"),
            (
                "08c379a00000000000000000000000000000000000000000000000000000000000000020\
                 0000000000000000000000000000000000000000000000000000000000000004\
                 6e6f706500000000000000000000000000000000000000000000000000000000",
                "execution reverted: nope",
            ),
            // An offset and a length that lead out of the data.
            (
                "08c379a0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
                "execution reverted",
            ),
            (
                "08c379a00000000000000000000000000000000000000000000000000000000000000020\
                 000000000000000000000000000000000000000000000000ffffffffffffffff",
                "execution reverted",
            ),
            (
                "4e487b710000000000000000000000000000000000000000000000000000000000000011",
                "execution reverted: arithmetic underflow or overflow",
            ),
            (
                "4e487b710000000000000000000000000000000000000000000000000000000000000099",
                "execution reverted: unknown panic code: 0x99",
            ),
        ] {
            let error = RpcError::Reverted(hex::decode(output).unwrap().into());
            assert_eq!(error.to_string(), expect);
            assert_eq!(ErrorObjectOwned::from(error).code(), 3);
        }
    }
}
