//! Execution: blocks, calls and gas estimates on one EVM.

use std::sync::atomic::AtomicBool;

use alloy_eips::eip2930::AccessList;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, B256, Bytes, Log, U256};

use crate::chain::ChainError;

/// Senders recovered earlier, at admission.
pub trait Senders {
    /// The sender of the transaction with this hash, if it was recovered before.
    fn sender(&self, transaction: &B256) -> Option<Address>;
}

/// No sender is known: every signature is recovered.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSenders;

impl Senders for NoSenders {
    fn sender(&self, _: &B256) -> Option<Address> {
        None
    }
}

/// Why a transaction can't be in the block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says it")]
pub enum TransactionError {
    #[error("nonce too low: next nonce {state}, tx nonce {transaction}")]
    NonceTooLow { transaction: u64, state: u64 },
    #[error("nonce too high: next nonce {state}, tx nonce {transaction}")]
    NonceTooHigh { transaction: u64, state: u64 },
    #[error("nonce has max value")]
    NonceOverflow,
    #[error("insufficient funds for gas * price + value: have {have} want {want}")]
    InsufficientFunds { have: U256, want: U256 },
    #[error("max fee per gas less than block base fee")]
    FeeBelowBaseFee,
    #[error("max priority fee per gas higher than max fee per gas")]
    PriorityFeeAboveMaxFee,
    #[error("intrinsic gas too low: have {have}, want {want}")]
    IntrinsicGas { have: u64, want: u64 },
    #[error("insufficient gas for floor data gas cost: have {have}, want {want}")]
    FloorGas { have: u64, want: u64 },
    #[error("transaction gas limit {have} exceeds the cap of {cap}")]
    GasAboveCap { have: u64, cap: u64 },
    #[error("exceeds block gas limit")]
    GasAboveBlock,
    #[error("the block is full")]
    BlockFull,
    #[error("sender not an eoa")]
    SenderHasCode,
    #[error("max initcode size exceeded")]
    InitCodeSize,
    #[error("invalid chain id")]
    ChainId,
    #[error("transaction type not supported")]
    UnsupportedType,
    #[error("the signature is not valid")]
    Signature,
    #[error("requests to a beacon chain are not supported on this network")]
    BeaconRequest,
    #[error("{0}")]
    Other(String),
}

/// A message call, as `eth_call` has it.
#[derive(Clone, Debug, Default)]
pub struct CallRequest {
    /// The sender; the zero address by default.
    pub from: Address,
    /// The callee; `None` creates a contract.
    pub to: Option<Address>,
    /// The gas limit; all that is allowed by default.
    pub gas: Option<u64>,
    /// The legacy gas price.
    pub gas_price: Option<u128>,
    /// EIP-1559's most for a unit of gas.
    pub max_fee_per_gas: Option<u128>,
    /// EIP-1559's tip.
    pub max_priority_fee_per_gas: Option<u128>,
    /// The value sent.
    pub value: U256,
    /// The input data.
    pub input: Bytes,
    /// The nonce; the account's by default.
    pub nonce: Option<u64>,
    /// What is warm from the start (EIP-2930).
    pub access_list: AccessList,
    /// EIP-7702's delegations.
    pub authorization_list: Vec<SignedAuthorization>,
}

/// The bounds of a call.
#[derive(Clone, Copy, Debug)]
pub struct CallLimits<'a> {
    /// The most gas a call may use, whatever it asks for.
    pub gas_cap: u64,
    /// Ends the call soon after it is set.
    pub cancel: Option<&'a AtomicBool>,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// It returned.
    Success {
        /// What it returned; a created contract's code for a creation.
        output: Bytes,
    },
    /// It reverted.
    Revert {
        /// What it reverted with.
        output: Bytes,
    },
    /// It ended exceptionally.
    Halt {
        /// Why, in Geth's words.
        reason: String,
        /// Whether all gas was used up.
        out_of_gas: bool,
    },
}

/// What a call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallOutcome {
    /// How it ended.
    pub result: CallResult,
    /// Gas used, after refunds.
    pub gas_used: u64,
    /// What it logged.
    pub logs: Vec<Log>,
}

/// Why a call could not run.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The state could not be read.
    #[error("the state for the call could not be read")]
    Chain(#[from] ChainError),
    /// The call is not valid as a transaction.
    #[error("{0}")]
    Invalid(TransactionError),
    /// It was cancelled.
    #[error("execution aborted (timeout)")]
    Cancelled,
}

/// Why gas could not be estimated.
#[derive(Debug, thiserror::Error)]
pub enum EstimateError {
    /// The call could not run.
    #[error("{0}")]
    Call(#[from] CallError),
    /// The call reverts with any gas.
    #[error("execution reverted")]
    Revert {
        /// What it reverts with.
        output: Bytes,
    },
    /// The call ends exceptionally with any gas.
    #[error("{reason}")]
    Halt {
        /// Why, in Geth's words.
        reason: String,
    },
    /// The call needs more gas than allowed.
    #[error("gas required exceeds allowance ({allowance})")]
    Allowance {
        /// What is allowed.
        allowance: u64,
    },
}
