//! Why transactions are refused and calls fail, in Geth's words.

use alloy_primitives::{Address, U256};
use revm::context::result::{EVMError, HaltReason, InvalidTransaction, OutOfGasError};
use revm::primitives::eip3860::MAX_INITCODE_SIZE;

use crate::chain::ChainError;
use crate::governance::Permission;

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
    #[error("transaction gas limit too high (cap: {cap}, tx: {have})")]
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
    #[error("{}", not_permitted(*.sender, *.lacks))]
    NotPermitted { sender: Address, lacks: Permission },
    #[error("requests to a beacon chain are not supported on this network")]
    BeaconRequest,
    #[error("{0}")]
    Other(String),
}

impl TransactionError {
    /// Why a call of this sender with this input is refused: Geth says more of a call than the EVM.
    pub fn of_call(&self, sender: Address, input: &[u8]) -> String {
        match self {
            Self::InsufficientFunds { have, want } => format!(
                "insufficient funds for gas * price + value: address {sender} have {have} want {want}"
            ),
            Self::InitCodeSize => {
                format!("{self}: code size {} limit {MAX_INITCODE_SIZE}", input.len())
            }
            other => other.to_string(),
        }
    }
}

/// What is told whom the members did not permit something.
pub fn not_permitted(sender: Address, lacks: Permission) -> String {
    let what = match lacks {
        Permission::Send => "send transactions",
        Permission::Deploy => "deploy contracts",
    };
    format!("sender {sender} is not permitted to {what} on this network: its members decide that")
}

impl From<InvalidTransaction> for TransactionError {
    fn from(error: InvalidTransaction) -> Self {
        use InvalidTransaction as Evm;
        match error {
            Evm::NonceTooLow { tx, state } => Self::NonceTooLow { transaction: tx, state },
            Evm::NonceTooHigh { tx, state } => Self::NonceTooHigh { transaction: tx, state },
            Evm::NonceOverflowInTransaction => Self::NonceOverflow,
            Evm::LackOfFundForMaxFee { fee, balance } => {
                Self::InsufficientFunds { have: *balance, want: *fee }
            }
            Evm::GasPriceLessThanBasefee => Self::FeeBelowBaseFee,
            Evm::PriorityFeeGreaterThanMaxFee => Self::PriorityFeeAboveMaxFee,
            Evm::CallGasCostMoreThanGasLimit { initial_gas, gas_limit } => {
                Self::IntrinsicGas { have: gas_limit, want: initial_gas }
            }
            Evm::GasFloorMoreThanGasLimit { gas_floor, gas_limit } => {
                Self::FloorGas { have: gas_limit, want: gas_floor }
            }
            Evm::TxGasLimitGreaterThanCap { gas_limit, cap } => {
                Self::GasAboveCap { have: gas_limit, cap }
            }
            Evm::CallerGasLimitMoreThanBlock => Self::GasAboveBlock,
            Evm::RejectCallerWithCode => Self::SenderHasCode,
            Evm::CreateInitCodeSizeLimit => Self::InitCodeSize,
            Evm::InvalidChainId | Evm::MissingChainId => Self::ChainId,
            Evm::Eip2930NotSupported
            | Evm::Eip1559NotSupported
            | Evm::Eip4844NotSupported
            | Evm::Eip7702NotSupported
            | Evm::Eip7873NotSupported => Self::UnsupportedType,
            other => Self::Other(other.to_string()),
        }
    }
}

/// Why the EVM did not run a transaction.
#[derive(Debug)]
pub(crate) enum TransactError {
    /// The transaction is not valid here.
    Invalid(TransactionError),
    /// The state could not be read.
    Chain(ChainError),
}

impl From<EVMError<ChainError>> for TransactError {
    fn from(error: EVMError<ChainError>) -> Self {
        match error {
            EVMError::Transaction(error) => Self::Invalid(error.into()),
            EVMError::Database(error) => Self::Chain(error),
            EVMError::Header(error) => Self::Chain(ChainError::Execution(error.to_string())),
            EVMError::Custom(error) => Self::Chain(ChainError::Execution(error)),
            EVMError::CustomAny(error) => Self::Chain(ChainError::Execution(error.to_string())),
        }
    }
}

/// An exceptional end in Geth's words.
pub(crate) fn halt_text(reason: &HaltReason) -> String {
    let text = match reason {
        HaltReason::OutOfGas(OutOfGasError::InvalidOperand) => "gas uint64 overflow",
        HaltReason::OutOfGas(OutOfGasError::ReentrancySentry) => {
            "out of gas: not enough gas for reentrancy sentry"
        }
        HaltReason::OutOfGas(_) => "out of gas",
        HaltReason::OpcodeNotFound | HaltReason::NotActivated => "invalid opcode",
        HaltReason::InvalidFEOpcode => "invalid opcode: INVALID",
        HaltReason::InvalidJump => "invalid jump destination",
        HaltReason::StackUnderflow => "stack underflow",
        HaltReason::StackOverflow => "stack limit reached 1024 (1023)",
        HaltReason::OutOfOffset => "return data out of bounds",
        HaltReason::CreateCollision => "contract address collision",
        HaltReason::NonceOverflow => "nonce uint64 overflow",
        HaltReason::CreateContractSizeLimit => "max code size exceeded",
        HaltReason::CreateContractStartingWithEF => "invalid code: must not begin with 0xef",
        HaltReason::CreateInitCodeSizeLimit => "max initcode size exceeded",
        HaltReason::StateChangeDuringStaticCall | HaltReason::CallNotAllowedInsideStatic => {
            "write protection"
        }
        HaltReason::OutOfFunds | HaltReason::OverflowPayment => "insufficient balance for transfer",
        HaltReason::CallTooDeep => "max call depth exceeded",
        HaltReason::PrecompileError | HaltReason::PrecompileErrorWithContext(_) => {
            return reason.to_string();
        }
    };
    text.to_owned()
}
