//! What a node says of itself: `web3_`, `net_`, `windlass_`.

use std::time::Duration;

use alloy_primitives::{Address, Bytes, U64, keccak256};
use jsonrpsee::RpcModule;
use serde::Serialize;
use serde_json::{Value, json};

use super::{Node, Shared, method};
use crate::rpc::args::{Args, Reach};
use crate::rpc::error::RpcError;
use crate::rpc::limits;
use crate::rpc::machine::{self, Machine};
use crate::rpc::now_ms;
use crate::status::Status;

pub(super) fn register(module: &mut RpcModule<Shared>) {
    method(module, "web3_clientVersion", 0, async |_node: Shared, _args| Ok(client_version()));
    method(module, "web3_sha3", 1, async |_node: Shared, args: Args| {
        Ok(keccak256(args.required::<Bytes>(0)?))
    });
    method(module, "net_version", 0, async |node: Shared, _args| Ok(chain_id(&node).to_string()));
    method(module, "net_listening", 0, async |_node: Shared, _args| Ok(true));
    method(module, "net_peerCount", 0, async |node: Shared, _args| Ok(peer_count(&node)));
    method(module, "eth_chainId", 0, async |node: Shared, _args| Ok(U64::from(chain_id(&node))));
    method(module, "eth_syncing", 0, async |node: Shared, _args| Ok(syncing(&node)));
    method(module, "eth_accounts", 0, async |_node: Shared, _args| Ok(Vec::<Address>::new()));
    method(module, "eth_coinbase", 0, async |_node: Shared, _args| Ok(Address::ZERO));
    method(module, "eth_mining", 0, async |_node: Shared, _args| Ok(false));
    method(module, "windlass_status", 0, async |node: Shared, args: Args| {
        Ok(node.told(node.status.get(), args.reach()))
    });
    method(module, "windlass_awaitStatus", 2, await_status);
    method(module, "windlass_consensus", 0, async |node: Shared, _args| {
        Ok(node.report(&node.status.get(), now_ms()))
    });
    method(module, "windlass_evidence", 0, async |node: Shared, _args| evidence(&node));
}

/// A status, with what the node says of the machine under it at this moment. That is no part of the
/// status, which stands still while nothing happens; and no client's business, who may be a stranger to
/// whoever runs the machine.
#[derive(Clone, Debug, Serialize)]
struct Told {
    #[serde(flatten)]
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<Machine>,
}

impl Node {
    fn told(&self, status: Status, asker: Option<Reach>) -> Told {
        let look = || machine::look(&self.directory, now_ms(), self.status.diagnosis().ahead_us());
        Told { status, machine: asker.is_none().then(look) }
    }
}

/// `Name/vVersion/os-arch/language`, as Geth has it.
fn client_version() -> String {
    format!(
        "Windlass/v{}/{}-{}/rust",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

fn chain_id(node: &Node) -> u64 {
    node.ledger.chain().rules().chain_id()
}

fn peer_count(node: &Node) -> U64 {
    U64::from(node.status.get().peers.iter().filter(|peer| peer.connected).count())
}

/// `false`, or where the node stands while others are ahead of it.
pub(super) fn syncing(node: &Node) -> Value {
    let status = node.status.get();
    if !status.syncing {
        return Value::Bool(false);
    }
    let current = node.ledger.chain().tip().number;
    let highest = U64::from(status.highest.max(current));
    let mut syncing = json!({ "startingBlock": U64::ZERO, "currentBlock": U64::from(current), "highestBlock": highest });
    if let Some(sync) = status.sync {
        // As Geth names them.
        syncing["syncedAccounts"] = json!(U64::from(sync.accounts));
        syncing["syncedStorage"] = json!(U64::from(sync.slots));
    }
    syncing
}

/// Validators that voted twice, as this node saw it.
fn evidence(node: &Node) -> Result<Vec<Value>, RpcError> {
    let all = node.ledger.chain().evidence()?;
    let shown = all.into_iter().map(|one| {
        json!({
            "hash": one.hash(),
            "epoch": U64::from(one.epoch),
            "view": U64::from(one.view),
            "nodeKey": one.node_key,
            "consensusKey": one.consensus_key,
            "kind": one.kind_name(),
            "votes": one.votes,
            "seenAtMs": one.seen_at_ms,
        })
    });
    Ok(shown.collect())
}

/// The first status with a greater revision, or the present one when the wait is over or the node
/// ends.
async fn await_status(node: Shared, args: Args) -> Result<Told, RpcError> {
    let revision = args.required(0)?;
    let now = node.status.get();
    if now.ending {
        return Ok(node.told(now, args.reach()));
    }
    let wait = args.optional(1)?.map_or(limits::WAIT, Duration::from_millis).min(limits::WAIT);
    let newer = tokio::time::timeout(wait, node.status.newer_than(revision)).await;
    Ok(node.told(newer.unwrap_or_else(|_elapsed| node.status.get()), args.reach()))
}
