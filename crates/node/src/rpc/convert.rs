//! From the ledger's types to what JSON-RPC shows.

use alloy_consensus::transaction::Recovered;
use alloy_consensus::{Header, Receipt as LogReceipt, ReceiptEnvelope, Sealed, TxEnvelope};
use alloy_consensus::{Transaction as _, TxType};
use alloy_primitives::{Address, TxKind, U256};
use alloy_rpc_types::{
    Block as RpcBlock, BlockTransactions, Header as RpcHeader, Log as RpcLog, Transaction,
    TransactionReceipt,
};
use windlass_chain::{Block, LogEntry, Receipt};

use super::error::RpcError;

/// How a block shows its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// By their hashes.
    Hashes,
    /// In full.
    Full,
}

/// A block; the receipts say who sent its transactions and are needed in full detail only.
pub(super) fn block(
    block: &Block,
    receipts: &[Receipt],
    detail: Detail,
) -> Result<RpcBlock, RpcError> {
    let transactions = match detail {
        Detail::Hashes => BlockTransactions::Hashes(
            block.transactions().iter().map(|transaction| *transaction.tx_hash()).collect(),
        ),
        Detail::Full => {
            let all: Result<Vec<_>, _> = (0..block.transactions().len())
                .map(|index| transaction(block, receipts, index))
                .collect();
            BlockTransactions::Full(all?)
        }
    };
    let sealed = Sealed::new_unchecked(block.header().clone(), block.hash());
    let size = U256::from(block.size());
    Ok(RpcBlock {
        header: RpcHeader::from_consensus(sealed, None, Some(size)),
        uncles: block.as_inner().body.ommers.iter().map(Header::hash_slow).collect(),
        transactions,
        withdrawals: block.as_inner().body.withdrawals.clone(),
    })
}

/// A transaction of a final block.
pub(super) fn transaction(
    block: &Block,
    receipts: &[Receipt],
    index: usize,
) -> Result<Transaction, RpcError> {
    let (Some(transaction), Some(receipt)) = (block.transactions().get(index), receipts.get(index))
    else {
        return Err(RpcError::Internal("a transaction has no receipt".to_owned()));
    };
    Ok(Transaction {
        inner: Recovered::new_unchecked(transaction.clone(), receipt.from),
        block_hash: Some(block.hash()),
        block_number: Some(block.number()),
        transaction_index: Some(count(index)),
        effective_gas_price: Some(receipt.effective_gas_price),
        block_timestamp: Some(block.header().timestamp),
    })
}

/// A transaction of the pool.
pub(super) fn pending(transaction: &Recovered<TxEnvelope>) -> Transaction {
    Transaction {
        inner: transaction.clone(),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: Some(transaction.max_fee_per_gas()),
        block_timestamp: None,
    }
}

/// The receipts of a block, in which a unit of blob gas cost so much.
pub(super) fn receipts(
    block: &Block,
    receipts: &[Receipt],
    blob_fee: Option<u128>,
) -> Result<Vec<TransactionReceipt>, RpcError> {
    let mut log_index = 0;
    let mut all = Vec::with_capacity(receipts.len());
    for (index, (transaction, receipt)) in block.transactions().iter().zip(receipts).enumerate() {
        let mut one = receipt_at(block, transaction, receipt, (index, log_index))?;
        price_blobs(&mut one, transaction, blob_fee);
        all.push(one);
        log_index += receipt.logs.len();
    }
    Ok(all)
}

/// The receipt of one transaction of a block, in which a unit of blob gas cost so much.
pub(super) fn receipt(
    block: &Block,
    receipts: &[Receipt],
    index: usize,
    blob_fee: Option<u128>,
) -> Result<TransactionReceipt, RpcError> {
    let (Some(transaction), Some(receipt)) = (block.transactions().get(index), receipts.get(index))
    else {
        return Err(RpcError::Internal("a transaction has no receipt".to_owned()));
    };
    let before = receipts.iter().take(index).map(|receipt| receipt.logs.len()).sum();
    let mut receipt = receipt_at(block, transaction, receipt, (index, before))?;
    price_blobs(&mut receipt, transaction, blob_fee);
    Ok(receipt)
}

fn price_blobs(receipt: &mut TransactionReceipt, of: &TxEnvelope, blob_fee: Option<u128>) {
    receipt.blob_gas_used = of.blob_gas_used();
    receipt.blob_gas_price = blob_fee.filter(|_| receipt.blob_gas_used.is_some());
}

/// A log that a query found.
pub(super) fn log(entry: LogEntry) -> RpcLog {
    RpcLog {
        inner: entry.log,
        block_hash: Some(entry.block_hash),
        block_number: Some(entry.block_number),
        block_timestamp: Some(entry.block_timestamp),
        transaction_hash: Some(entry.transaction_hash),
        transaction_index: Some(entry.transaction_index),
        log_index: Some(entry.log_index),
        removed: false,
    }
}

fn receipt_at(
    block: &Block,
    transaction: &TxEnvelope,
    receipt: &Receipt,
    (index, first_log): (usize, usize),
) -> Result<TransactionReceipt, RpcError> {
    let kind = TxType::try_from(receipt.transaction_type)
        .map_err(|error| RpcError::Internal(error.to_string()))?;
    let logs = receipt.logs.iter().enumerate().map(|(position, log)| RpcLog {
        inner: log.clone(),
        block_hash: Some(block.hash()),
        block_number: Some(block.number()),
        block_timestamp: Some(block.header().timestamp),
        transaction_hash: Some(receipt.transaction_hash),
        transaction_index: Some(count(index)),
        log_index: Some(count(first_log + position)),
        removed: false,
    });
    let inner = LogReceipt {
        status: receipt.status(),
        cumulative_gas_used: receipt.cumulative_gas_used,
        logs: logs.collect(),
    };
    let inner = ReceiptEnvelope::from_typed(kind, inner.with_bloom());
    Ok(TransactionReceipt {
        inner,
        transaction_hash: receipt.transaction_hash,
        transaction_index: Some(count(index)),
        block_hash: Some(block.hash()),
        block_number: Some(block.number()),
        gas_used: receipt.gas_used,
        effective_gas_price: receipt.effective_gas_price,
        blob_gas_used: None,
        blob_gas_price: None,
        from: receipt.from,
        to: callee(transaction),
        contract_address: receipt.contract_address,
    })
}

fn callee(transaction: &TxEnvelope) -> Option<Address> {
    match transaction.kind() {
        TxKind::Call(address) => Some(address),
        TxKind::Create => None,
    }
}

/// A position in memory fits in 64 bits.
pub(super) fn count(position: usize) -> u64 {
    u64::try_from(position).unwrap_or(u64::MAX)
}
