//! Why a transaction is refused, in Geth's words, which client libraries match on.

use alloy_primitives::{Address, U256};

use windlass_chain::governance::Permission;

use crate::seam::{AdmitError, Known};

/// Why a transaction is not in the pool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "each variant's text says it")]
pub enum PoolError {
    #[error("rlp: {0}")]
    Encoding(String),
    #[error("typed transaction too short")]
    TooShort,
    #[error("transaction type not supported")]
    UnknownType,
    #[error("transaction type not supported: blob transactions have no place on this network")]
    Blob,
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized { size: usize, limit: usize },
    #[error("only replay-protected (EIP-155) transactions allowed over RPC")]
    Unprotected,
    #[error("invalid sender: invalid chain id for signer: have {have} want {want}")]
    ChainId { have: u64, want: u64 },
    #[error("invalid sender: invalid transaction v, r, s values")]
    Signature,
    #[error("set code tx must have at least one authorization tuple")]
    NoAuthorization,
    #[error("max initcode size exceeded: code size {size} limit {limit}")]
    InitCode { size: usize, limit: usize },
    #[error("exceeds block gas limit")]
    BlockGas,
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas})")]
    GasCap { cap: u64, gas: u64 },
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFeeCap,
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas { gas: u64, needed: u64 },
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorGas { gas: u64, needed: u64 },
    #[error("transaction underpriced: gas fee cap {fee_cap}, minimum needed {needed}")]
    Underpriced { fee_cap: u128, needed: u64 },
    #[error("nonce has max value")]
    NonceMax,
    #[error("sender not an eoa: address {address}, len(code): {length}")]
    SenderHasCode { address: Address, length: usize },
    #[error("{}", windlass_chain::not_permitted(*.sender, *.lacks))]
    NotPermitted { sender: Address, lacks: Permission },
    #[error("already known")]
    Known,
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow { next: u64, nonce: u64 },
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot {}",
        cost.saturating_sub(*balance)
    )]
    Funds { balance: U256, cost: U256 },
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx \
         cost {cost}, overshot {}",
        queued.saturating_add(*cost).saturating_sub(*balance)
    )]
    QueuedFunds { balance: U256, queued: U256, cost: U256 },
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    #[error("account limit exceeded: {limit} pending transactions of one sender")]
    SenderLimit { limit: usize },
    #[error("txpool is full: {count} transactions, {bytes} bytes")]
    Full { count: usize, bytes: usize },
    #[error("the node could not read its state")]
    Unavailable,
    #[error("the node could not note the transaction on its disk")]
    NotNoted,
}

impl From<PoolError> for AdmitError {
    fn from(error: PoolError) -> Self {
        let known = if error == PoolError::Known { Known::Yes } else { Known::No };
        let own_fault = matches!(error, PoolError::Unavailable | PoolError::NotNoted);
        let code = if own_fault { -32603 } else { -32000 };
        Self { code, message: error.to_string(), known }
    }
}
