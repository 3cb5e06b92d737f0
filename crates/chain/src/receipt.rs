//! What a transaction did: the consensus receipt and what clients ask for beside it.

use alloy_consensus::{Eip658Value, TxType};
use alloy_primitives::{Address, B256, Bloom, Bytes, Log};
use alloy_rlp::{RlpDecodable, RlpEncodable};

/// A transaction's receipt, with all that JSON-RPC tells about it.
///
/// `transaction_type`, `success`, `cumulative_gas_used`, the bloom and `logs` are what the block's
/// receipts root commits to; the rest is derived by execution and stored so that no reader has to
/// execute or recover a signature again.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
#[rlp(trailing)]
pub struct Receipt {
    /// The EIP-2718 type of the transaction.
    pub transaction_type: u8,
    /// Whether the transaction succeeded (EIP-658).
    pub success: bool,
    /// Gas used in the block up to and with this transaction.
    pub cumulative_gas_used: u64,
    /// Gas that this transaction used.
    pub gas_used: u64,
    /// What a unit of gas cost; zero on a network with free fees.
    pub effective_gas_price: u128,
    /// The hash of the transaction.
    pub transaction_hash: B256,
    /// The recovered sender.
    pub from: Address,
    /// What the transaction logged.
    pub logs: Vec<Log>,
    /// The address of the contract that the transaction created, where it is a creation.
    pub contract_address: Option<Address>,
    /// The state's root after it, which receipts had before EIP-658 in the place of `success`.
    pub state_root: Option<B256>,
}

impl Receipt {
    /// The bloom filter over the logs.
    pub fn bloom(&self) -> Bloom {
        alloy_primitives::logs_bloom(&self.logs)
    }

    /// The receipt as consensus encodes it (`type ‖ rlp([status, gas, bloom, logs])`).
    pub fn consensus_bytes(&self) -> Bytes {
        use alloy_eips::eip2718::Encodable2718;
        self.envelope().encoded_2718().into()
    }

    /// What the receipt says of how it ended.
    pub fn status(&self) -> Eip658Value {
        self.state_root.map_or(Eip658Value::Eip658(self.success), Eip658Value::PostState)
    }

    /// The receipt in the type that alloy hashes and encodes.
    pub fn envelope(&self) -> alloy_consensus::ReceiptEnvelope {
        let receipt = alloy_consensus::Receipt {
            status: self.status(),
            cumulative_gas_used: self.cumulative_gas_used,
            logs: self.logs.clone(),
        }
        .with_bloom();
        let kind = TxType::try_from(self.transaction_type)
            .expect("a receipt is made from a decoded transaction");
        alloy_consensus::ReceiptEnvelope::from_typed(kind, receipt)
    }
}
