//! A network's record in the words of engine and substrate.

use std::net::{Ipv4Addr, SocketAddr};

use windlass_engine::{
    Engine, EngineError, GenesisInput, MemberKeys, NodeInput, PeerAddress, ValidatorKeys,
};
use windlass_model::{
    ErrorCode, WorkloadId,
    network::Reason,
    receipt::ReleasedKind,
    workload::{Desired, Workload},
};

use crate::{
    network::observe::Observation,
    store::{
        error::causes,
        rows::{AccountRow, NodeRow, Record, Thing},
    },
};

/// A node's workload. An error says what is wrong with the spec.
pub(crate) fn workload(
    observed: &Observation,
    engine: &dyn Engine,
    node: &NodeRow,
    desired: Desired,
) -> Result<Workload, Reason> {
    let record = &observed.record;
    let peers: Vec<PeerAddress> = record
        .nodes
        .iter()
        .map(|peer| PeerAddress {
            node_key: peer.node_key.public.unwrap_or_default(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, peer.port.unwrap_or_default())),
        })
        .collect();
    let index = record.nodes.iter().position(|one| one.id == node.id).unwrap_or_default();
    let input = NodeInput {
        installation: &observed.installation,
        organization: &record.network.organization,
        network: &record.network.id,
        node: &node.id,
        index,
        genesis: record.network.genesis.as_deref().unwrap_or_default(),
        node_key: &node.node_key.id,
        consensus_key: &node.consensus_key.id,
        vault: &observed.vault,
        peers: &peers,
        spec: &record.network.spec,
        desired,
    };
    engine.workload(&input).map_err(|error| engine_reason(&error, observed.now_ms))
}

/// What the genesis is made from; `None` while a key is missing.
pub(crate) fn genesis_input(record: &Record, probe_account: [u8; 20]) -> Option<GenesisInput<'_>> {
    let mut nodes = record.nodes.iter();
    let mut members = Vec::new();
    let accounts = &record.network.status.accounts;
    for (member, account) in record.network.spec.members.iter().zip(accounts) {
        let mut validators = Vec::new();
        for _ in 0..member.validators {
            let node = nodes.next()?;
            validators.push(ValidatorKeys {
                name: node.name.clone(),
                node_key: node.node_key.public?,
                consensus_key: node.consensus_key.public?,
            });
        }
        let organization = member.organization.clone();
        members.push(MemberKeys { organization, account: account.bytes()?, validators });
    }
    Some(GenesisInput {
        spec: &record.network.spec,
        members,
        declared_at_s: record.network.created_at_ms / 1000,
        probe_account,
    })
}

/// Everything that the network has: what a receipt has to account for.
pub(crate) fn inventory(observed: &Observation) -> Vec<Thing> {
    let record = &observed.record;
    let thing = |kind, name: String, owner: &str| Thing { kind, name, owner: owner.to_owned() };
    let mut things = vec![thing(
        ReleasedKind::Endpoint,
        format!("/n/{}", record.network.id),
        record.network.name.as_str(),
    )];
    for node in &record.nodes {
        let owner = node.name.as_str();
        if let Some(instance) = observed.instances.get(&WorkloadId::of_node(&node.id)) {
            if let Some(pid) = instance.pid() {
                things.push(thing(ReleasedKind::Process, format!("pid {pid}"), owner));
            }
            for port in instance.ports.values() {
                things.push(thing(ReleasedKind::Port, format!("127.0.0.1:{port}"), owner));
            }
            for socket in instance.sockets.values() {
                things.push(thing(ReleasedKind::Socket, socket.display().to_string(), owner));
            }
            if let Some(directory) = &instance.directory {
                let name = directory.display().to_string();
                things.push(thing(ReleasedKind::Directory, name, owner));
            }
        }
        for key in [&node.node_key, &node.consensus_key] {
            if key.public.is_some() || observed.held_keys.contains(&key.id) {
                things.push(thing(ReleasedKind::Key, key.id.to_string(), owner));
            }
        }
    }
    let accounts = &record.network.status.accounts;
    for (member, account) in record.network.spec.members.iter().zip(accounts) {
        let AccountRow { key: Some(key), address } = account else { continue };
        if address.is_some() || observed.held_keys.contains(key) {
            things.push(thing(ReleasedKind::Key, key.to_string(), member.organization.as_str()));
        }
    }
    things
}

/// Why the engine can't do something.
pub(crate) fn engine_reason(error: &EngineError, now_ms: u64) -> Reason {
    Reason {
        code: ErrorCode::InvalidSpec,
        message: format!("{error}{}", causes(error)),
        remedy: "destroy the network and declare it with a corrected spec".to_owned(),
        since_ms: now_ms,
    }
}
