//! News over a WebSocket: `eth_subscribe`.
//!
//! Each subscription has a task that waits for the ledger to move and tells what is new, in order. One
//! whose client does not read is ended when it has held its connection's few messages for ten seconds.

use std::time::Duration;

use alloy_rpc_types::{Filter as RpcFilter, Header as RpcHeader};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use jsonrpsee::{PendingSubscriptionSink, RpcModule, SubscriptionSink};
use serde::Serialize;
use serde_json::{Value, json};

use super::filter::{new_logs, next_block};
use super::log::read_filter;
use super::node::syncing;
use super::transaction::get;
use super::{Node, Shared};
use crate::rpc::args::Args;
use crate::rpc::error::RpcError;

/// How long a client may take to make room for one more message.
const PATIENCE: Duration = Duration::from_secs(10);
/// Geth's code for a subscription that there is not.
const NO_SUCH_SUBSCRIPTION: i32 = -32_601;

pub(super) fn register(module: &mut RpcModule<Shared>) {
    let registered = module.register_subscription(
        "eth_subscribe",
        "eth_subscription",
        "eth_unsubscribe",
        async |params, pending, node, _extensions| serve(&params, pending, &node).await,
    );
    registered.expect("every method is named once");
}

/// What a client wants to hear of.
enum Wanted {
    Heads { next: u64 },
    Logs { filter: Box<RpcFilter>, next: u64 },
    Pending { sequence: u64, in_full: bool },
    Syncing { told: Option<Value> },
}

/// Why a subscription ends.
enum End {
    /// Its client has gone, or reads no more.
    Gone,
    /// The ledger can't be read.
    Failed,
}

async fn serve(params: &Params<'_>, pending: PendingSubscriptionSink, node: &Shared) {
    let mut wanted = match wanted(node, params) {
        Ok(wanted) => wanted,
        Err(error) => return pending.reject(error).await,
    };
    let Ok(sink) = pending.accept().await else { return };
    loop {
        // Cancel safety: waiting holds nothing, and what was told is noted before it is waited again.
        let moved = async {
            let revisions = Revisions::now(node);
            let told = wanted.tell(node, &sink).await;
            if told.is_ok() {
                revisions.newer(node, &wanted).await;
            }
            told
        };
        tokio::select! {
            told = moved => match told {
                Ok(()) => {}
                Err(End::Gone) => {
                    tracing::debug!("a subscription ends: its client does not read");
                    return;
                }
                Err(End::Failed) => return,
            },
            () = sink.closed() => return,
        }
    }
}

fn wanted(node: &Node, params: &Params<'_>) -> Result<Wanted, ErrorObjectOwned> {
    let args = Args::parse(params, 2)?;
    let kind: String = args.required(0)?;
    Ok(match kind.as_str() {
        "newHeads" => Wanted::Heads { next: next_block(node) },
        "logs" => {
            let filter = read_filter(&args, 1)?.unwrap_or_default();
            Wanted::Logs { filter: Box::new(filter), next: next_block(node) }
        }
        "newPendingTransactions" => Wanted::Pending {
            sequence: node.ledger.pool_sequence(),
            in_full: args.optional(1)?.unwrap_or(false),
        },
        "syncing" => Wanted::Syncing { told: None },
        other => {
            let name: String = other.chars().take(64).collect();
            let text = format!("no {name:?} subscription in eth namespace");
            return Err(ErrorObjectOwned::owned(NO_SUCH_SUBSCRIPTION, text, None::<()>));
        }
    })
}

/// How far what can be waited for has moved.
struct Revisions {
    ledger: u64,
    pool: u64,
    status: u64,
}

impl Revisions {
    fn now(node: &Node) -> Self {
        Self {
            ledger: node.ledger.changes().revision(),
            pool: node.ledger.pool_changes().revision(),
            status: node.status.get().revision,
        }
    }

    /// Resolves when what is wanted may have moved.
    async fn newer(&self, node: &Node, wanted: &Wanted) {
        match wanted {
            Wanted::Heads { .. } | Wanted::Logs { .. } => {
                node.ledger.changes().after(self.ledger).await;
            }
            Wanted::Pending { .. } => {
                node.ledger.pool_changes().after(self.pool).await;
            }
            Wanted::Syncing { .. } => {
                node.status.newer_than(self.status).await;
            }
        }
    }
}

impl Wanted {
    /// Tells all that is new.
    async fn tell(&mut self, node: &Node, sink: &SubscriptionSink) -> Result<(), End> {
        let tip = node.ledger.chain().tip().number;
        match self {
            Self::Heads { next } => {
                while *next <= tip {
                    let header = node.ledger.chain().header(*next).map_err(failed)?;
                    if let Some(header) = header {
                        push(sink, &RpcHeader::from_consensus(header, None, None)).await?;
                    }
                    *next += 1;
                }
            }
            Self::Logs { filter, next } => {
                while *next <= tip {
                    let (found, told) = new_logs(node, filter, (*next, tip)).map_err(failed)?;
                    for log in found {
                        push(sink, &log).await?;
                    }
                    *next = told + 1;
                }
            }
            Self::Pending { sequence, in_full } => {
                let (last, hashes) = node.ledger.arrived_since(*sequence);
                *sequence = last;
                for hash in hashes {
                    if !*in_full {
                        push(sink, &hash).await?;
                    } else if let Some(one) = get(node, hash).map_err(failed)? {
                        push(sink, &one).await?;
                    }
                }
            }
            Self::Syncing { told } => {
                let now = match syncing(node) {
                    Value::Bool(syncing) => json!(syncing),
                    status => json!({ "syncing": true, "status": status }),
                };
                if told.as_ref() != Some(&now) {
                    push(sink, &now).await?;
                    *told = Some(now);
                }
            }
        }
        Ok(())
    }
}

fn failed(error: impl Into<RpcError>) -> End {
    tracing::warn!(error = %error.into(), "a subscription ends");
    End::Failed
}

async fn push(sink: &SubscriptionSink, news: &impl Serialize) -> Result<(), End> {
    let news = serde_json::value::to_raw_value(news)
        .map_err(|error| failed(RpcError::Internal(error.to_string())))?;
    sink.send_timeout(news, PATIENCE).await.map_err(|_slow| End::Gone)
}
