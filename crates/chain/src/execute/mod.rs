//! Execution: blocks, calls and gas estimates on one EVM.

pub(crate) mod access;
pub(crate) mod block;
pub(crate) mod brief;
pub(crate) mod call;
mod cancel;
pub(crate) mod codes;
mod error;
pub(crate) mod estimate;
mod ethereum;
pub(crate) mod header;
pub(crate) mod overrides;
pub(crate) mod revert;
mod rewards;
pub(crate) mod simulate;
mod state;
pub mod trace;

use alloy_consensus::TxEnvelope;
use alloy_consensus::transaction::{Recovered, SignerRecoverable};
use alloy_primitives::{Address, B256};

pub use self::call::{CallError, CallLimits, CallOutcome, CallRequest, CallResult};
pub(crate) use self::error::TransactError;
pub use self::error::{TransactionError, not_permitted};
pub use self::estimate::EstimateError;
pub use self::overrides::Overrides;
pub use self::revert::revert_reason;
pub use self::simulate::{Manner, Priced, SimulateError, SimulatedCall, Transfers, Validation};
pub use self::trace::{GethDebugTracingOptions, Trace, TraceError};
use crate::chain::InvalidBlock;

/// Senders recovered earlier, at admission or for a block.
pub trait Senders {
    /// The sender of the transaction with this hash, if it was recovered before.
    fn sender(&self, transaction: &B256) -> Option<Address>;

    /// Remembers a sender that was recovered for a block.
    fn note(&self, _transaction: B256, _sender: Address) {}
}

/// No sender is known: every signature is recovered.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSenders;

impl Senders for NoSenders {
    fn sender(&self, _: &B256) -> Option<Address> {
        None
    }
}

/// The transactions of a block with their senders.
pub(crate) fn recover(
    transactions: &[TxEnvelope],
    senders: &dyn Senders,
) -> Result<Vec<Recovered<TxEnvelope>>, InvalidBlock> {
    transactions
        .iter()
        .enumerate()
        .map(|(index, transaction)| {
            let sender = if let Some(sender) = senders.sender(transaction.tx_hash()) {
                sender
            } else {
                let recovered = transaction.recover_signer().ok();
                let reason = TransactionError::Signature;
                let sender = recovered.ok_or(InvalidBlock::Transaction { index, reason })?;
                senders.note(*transaction.tx_hash(), sender);
                sender
            };
            Ok(Recovered::new_unchecked(transaction.clone(), sender))
        })
        .collect()
}
