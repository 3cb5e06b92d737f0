//! One `windlass node` process: its files, port, socket, limits and labels.

use std::{collections::BTreeMap, path::PathBuf};

use alloy_primitives::hex;
use serde::Serialize;
use windlass_model::{
    WorkloadId,
    spec::SyncMode,
    workload::{Limits, Program, Workload},
};

use crate::{EngineError, NodeInput, PeerAddress};

/// The socket's name in the workload.
pub(super) const RPC_SOCKET: &str = "rpc";
const RPC_SOCKET_FILE: &str = "rpc.sock";
const P2P_PORT: &str = "p2p";

/// `node.toml`, as `windlass-node` reads it.
#[derive(Serialize)]
struct NodeFile {
    node_key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_node_key: Option<String>,
    consensus_keys: Vec<String>,
    vault: PathBuf,
    listen: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    export: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repairs: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    archive: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sync: Option<SyncMode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disk_mib: Option<u32>,
    addresses: Vec<PeerEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bootstrap: Vec<PeerEntry>,
}

#[derive(Serialize)]
struct PeerEntry {
    node_key: String,
    address: String,
}

fn entry(peer: &PeerAddress) -> PeerEntry {
    PeerEntry { node_key: hex::encode(peer.node_key), address: peer.address.to_string() }
}

pub(super) fn workload(input: &NodeInput<'_>) -> Result<Workload, EngineError> {
    let file = NodeFile {
        node_key: input.node_key.to_string(),
        next_node_key: input.next_node_key.map(ToString::to_string),
        consensus_keys: input.consensus_keys.iter().map(ToString::to_string).collect(),
        vault: input.vault.to_owned(),
        listen: input.listen.to_string(),
        export: input.succession.map(|one| one.export.to_owned()),
        repairs: Some(input.repairs).filter(|repairs| *repairs > 0),
        archive: input.spec.archive.then_some(true),
        sync: (input.spec.sync != SyncMode::default()).then_some(input.spec.sync),
        disk_mib: Some(input.spec.node_limits.disk_mib).filter(|mib| *mib > 0),
        addresses: input.addresses.iter().map(entry).collect(),
        bootstrap: input.bootstrap.iter().map(entry).collect(),
    };
    let recovery = input.succession.map(|one| one.recovery.to_owned());
    let configuration = toml::to_string(&file).map_err(EngineError::Configuration)?;
    let limits = input.spec.node_limits;
    Ok(Workload {
        id: WorkloadId::of_node(input.node),
        program: Program::Node,
        arguments: input.lease.map(Workload::under_lease).unwrap_or_default(),
        environment: BTreeMap::new(),
        files: [
            Some(("genesis.json".to_owned(), input.genesis.to_owned())),
            Some(("node.toml".to_owned(), configuration)),
            recovery.map(|file| ("recovery.json".to_owned(), file)),
        ]
        .into_iter()
        .flatten()
        .collect(),
        ports: BTreeMap::from([(P2P_PORT.to_owned(), input.listen.port())]),
        sockets: BTreeMap::from([(RPC_SOCKET.to_owned(), RPC_SOCKET_FILE.to_owned())]),
        limits: Limits {
            memory_bytes: Some(u64::from(limits.memory_mib) << 20),
            cpu_millis: (limits.cpu_millis > 0).then_some(limits.cpu_millis),
            tasks: Some(256),
        },
        labels: BTreeMap::from([
            ("installation".to_owned(), input.installation.to_owned()),
            ("organization".to_owned(), input.organization.to_string()),
            ("network".to_owned(), input.network.to_string()),
            ("node".to_owned(), input.node.to_string()),
        ]),
        desired: input.desired,
    })
}
