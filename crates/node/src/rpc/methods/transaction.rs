//! Transactions: sending them, finding them, and their receipts.

use std::time::Duration;

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rpc_types::{BlockId, Transaction, TransactionReceipt};
use jsonrpsee::RpcModule;

use super::block::{by_hash, by_number};
use super::debug::raw_transaction;
use super::{Node, Shared, block_with_receipts, find, method, vote};
use crate::rpc::args::{Args, Attempt};
use crate::rpc::convert;
use crate::rpc::error::RpcError;
use crate::rpc::limits;
use crate::rpc::recent::Final;
use crate::seam::{Ledger as _, Origin};

const SEND: &str = "eth_sendRawTransaction";
const SEND_SYNC: &str = "eth_sendRawTransactionSync";

/// The methods that change something. All others read; a filter is the client's own.
pub(in crate::rpc) const SENDING: [&str; 2] = [SEND, SEND_SYNC];

pub(super) fn register(module: &mut RpcModule<Shared>) {
    method(module, SEND, 1, async |node: Shared, args: Args| {
        send(&node, args.bytes(0)?, args.attempt()).await
    });
    method(module, SEND_SYNC, 2, async |node: Shared, args: Args| {
        let (transaction, wait) = (args.bytes(0)?, args.optional(1)?);
        send_and_wait(&node, (transaction, args.attempt()), wait).await
    });
    method(module, "eth_getTransactionByHash", 1, async |node: Shared, args: Args| {
        get(&node, args.hash(0)?)
    });
    method(module, "eth_getTransactionReceipt", 1, async |node: Shared, args: Args| {
        receipt_soon(&node, args.hash(0)?).await
    });
    method(module, "eth_getRawTransactionByHash", 1, async |node: Shared, args: Args| {
        raw_transaction(&node, args.hash(0)?)
    });
    method(
        module,
        "eth_getTransactionByBlockNumberAndIndex",
        2,
        async |node: Shared, args: Args| at(&node, by_number(&args)?, args.place(1)?),
    );
    method(module, "eth_getTransactionByBlockHashAndIndex", 2, async |node: Shared, args: Args| {
        at(&node, by_hash(&args)?, args.place(1)?)
    });
}

/// Recovers the sender and takes the transaction into the pool, on a thread of its own. To send one
/// again that came here another way is no error.
async fn send(node: &Shared, transaction: Bytes, attempt: Attempt) -> Result<B256, RpcError> {
    if !node.status.get().named {
        return Err(RpcError::NotNamed);
    }
    let hash = keccak256(&transaction);
    let mut looks = 0;
    let sent = loop {
        let (worker, transaction) = (Shared::clone(node), transaction.clone());
        let job = move || {
            if let Some(disk) = &worker.beside.disk {
                disk.check().map_err(|exhausted| RpcError::LimitExceeded(exhausted.to_string()))?;
            }
            match vote::check(&worker, &transaction)? {
                Some(lacking) => Ok(Err(lacking)),
                None => Ok(Ok(worker.ledger.admit(transaction, Origin::Client)?)),
            }
        };
        match node.work.run(job).await {
            Ok(Err(_lacking)) if looks < vote::LOOKS => {
                looks += 1;
                tokio::time::sleep(vote::LOOK).await;
            }
            Ok(sent) => break sent.map_err(RpcError::from),
            Err(error) => break Err(error),
        }
    };
    let is_here = || -> Result<bool, RpcError> {
        let is_pending = node.ledger.pending(&hash).is_some();
        Ok(is_pending || node.ledger.chain().transaction(hash)?.is_some())
    };
    match sent {
        Err(_refused) if attempt == Attempt::Repeated && is_here()? => Ok(hash),
        sent => sent,
    }
}

/// EIP-7966: answers with the receipt, which here is that of a final block.
async fn send_and_wait(
    node: &Shared,
    (transaction, attempt): (Bytes, Attempt),
    wait_ms: Option<u64>,
) -> Result<TransactionReceipt, RpcError> {
    let wait = wait_ms.map_or(limits::RECEIPT_WAIT, Duration::from_millis).min(limits::WAIT);
    let mut revision = node.ledger.changes().revision();
    let hash = send(node, transaction, attempt).await?;
    let receipt = async {
        loop {
            if let Some(receipt) = receipt(node, hash)? {
                return Ok(receipt);
            }
            revision = node.ledger.changes().after(revision).await;
        }
    };
    let late = |_elapsed| {
        let waited_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        Err(RpcError::NotFinal { hash, waited_ms })
    };
    tokio::time::timeout(wait, receipt).await.unwrap_or_else(late)
}

/// A transaction that is final or pending.
pub(super) fn get(node: &Node, hash: B256) -> Result<Option<Transaction>, RpcError> {
    // The pool first: what leaves it in between is final by then, never the other way round.
    let pending = node.ledger.pending(&hash);
    if let Some((found, index)) = find(node, hash)? {
        return convert::transaction(&found.block, &found.receipts, index).map(Some);
    }
    Ok(pending.map(|pending| convert::pending(&pending.transaction)))
}

fn receipt(node: &Node, hash: B256) -> Result<Option<TransactionReceipt>, RpcError> {
    let Some((found, index)) = find(node, hash)? else { return Ok(None) };
    let Final { block, receipts } = found.as_ref();
    let blob_fee = node.ledger.chain().rules().blob_fee(block.header());
    convert::receipt(block, receipts, index, blob_fee).map(Some)
}

/// The receipt, which a pending transaction is given a moment for.
///
/// Clients ask once, then wait for the next block to ask again. Here the block that they wait for is
/// often the last for hours: one that is made between their question and the beginning of their
/// watch would leave them waiting for a block that nobody has a reason to make.
async fn receipt_soon(node: &Shared, hash: B256) -> Result<Option<TransactionReceipt>, RpcError> {
    let soon = async {
        let mut revision = node.ledger.changes().revision();
        loop {
            // The pool first: what leaves it in between is final by then.
            let pending = node.ledger.pending(&hash).is_some();
            let found = receipt(node, hash)?;
            if found.is_some() || !pending {
                return Ok(found);
            }
            revision = node.ledger.changes().after(revision).await;
        }
    };
    tokio::time::timeout(limits::RECEIPT_HOLD, soon).await.unwrap_or(Ok(None))
}

fn at(node: &Node, id: BlockId, index: u64) -> Result<Option<Transaction>, RpcError> {
    let Some(found) = block_with_receipts(node, id)? else { return Ok(None) };
    let Final { block, receipts } = found.as_ref();
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    if index >= block.transactions().len() {
        return Ok(None);
    }
    convert::transaction(block, receipts, index).map(Some)
}
