//! What is pending: `txpool_`, as Geth shows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_consensus::Transaction as _;
use alloy_primitives::U64;
use jsonrpsee::RpcModule;
use serde_json::{Map, Value, json};

use super::{Node, Shared, method};
use crate::pool::Pooled;
use crate::rpc::args::Args;
use crate::rpc::convert;
use crate::rpc::error::RpcError;
use crate::rpc::limits;

pub(super) fn register(module: &mut RpcModule<Shared>) {
    method(module, "txpool_status", 0, async |node: Shared, _args| {
        let (pending, queued) = node.ledger.pending_counts();
        Ok(json!({ "pending": U64::from(pending), "queued": U64::from(queued) }))
    });
    method(module, "txpool_content", 0, async |node: Shared, _args| both(&node, in_full));
    method(module, "txpool_inspect", 0, async |node: Shared, _args| {
        both(&node, |pooled| Value::String(summary(pooled)))
    });
    method(module, "txpool_contentFrom", 1, async |node: Shared, args: Args| {
        let sender = args.address(0)?;
        let [pending, queued] = node.ledger.pool_content(Some(sender));
        let by_nonce = |list: Vec<Arc<Pooled>>| -> Map<String, Value> {
            list.iter().map(|pooled| (pooled.nonce().to_string(), in_full(pooled))).collect()
        };
        Ok(json!({ "pending": by_nonce(pending), "queued": by_nonce(queued) }))
    });
}

fn both(node: &Node, show: impl Fn(&Pooled) -> Value) -> Result<Value, RpcError> {
    let [pending, queued] = node.ledger.pool_content(None);
    let count = pending.len() + queued.len();
    if count > limits::POOL_CONTENT {
        return Err(RpcError::LimitExceeded(format!(
            "the pool holds {count} transactions, and at most {} are shown at once; \
             txpool_contentFrom shows those of one sender",
            limits::POOL_CONTENT
        )));
    }
    Ok(json!({ "pending": by_sender(pending, &show), "queued": by_sender(queued, &show) }))
}

/// By sender in mixed case (EIP-55), then by nonce.
fn by_sender(
    list: Vec<Arc<Pooled>>,
    show: impl Fn(&Pooled) -> Value,
) -> BTreeMap<String, Map<String, Value>> {
    let mut senders: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for pooled in list {
        let sender = senders.entry(pooled.sender().to_checksum(None)).or_default();
        sender.insert(pooled.nonce().to_string(), show(&pooled));
    }
    senders
}

fn in_full(pooled: &Pooled) -> Value {
    json!(convert::pending(&pooled.transaction))
}

fn summary(pooled: &Pooled) -> String {
    let transaction = &pooled.transaction;
    let to = match transaction.to() {
        Some(to) => to.to_checksum(None),
        None => "contract creation".to_owned(),
    };
    format!(
        "{to}: {} wei + {} gas × {} wei",
        transaction.value(),
        transaction.gas_limit(),
        transaction.max_fee_per_gas()
    )
}
