//! A network's record in the words of engine and substrate.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
};

use windlass_engine::{
    Engine, EngineError, GenesisInput, MemberKeys, NodeInput, PeerAddress, Succession,
    ValidatorKeys,
};
use windlass_model::{
    ErrorCode, KeyId, WorkloadId,
    network::Reason,
    receipt::ReleasedKind,
    workload::{Desired, Workload},
};

use crate::{
    network::{observe::Observation, shelf},
    store::{
        error::causes,
        rows::{AccountRow, KeyRow, NodeRow, Record, Replacements, Setup, Thing},
    },
};

/// A node's workload. An error says what is wrong with the spec.
pub(crate) fn workload(
    observed: &Observation,
    engine: &dyn Engine,
    (node, setup): (&NodeRow, &Setup),
    desired: Desired,
) -> Result<Workload, Reason> {
    let record = &observed.record;
    let known = peers(record, node);
    let (addresses, mut bootstrap) =
        if node.is_founder() { (known, Vec::new()) } else { (Vec::new(), known) };
    let renewed = setup.renewed.iter();
    bootstrap.extend(
        renewed.map(|(key, port)| PeerAddress { node_key: *key, address: loopback(*port) }),
    );
    let succession = record.network.status.succession.as_ref();
    let export = succession
        .map(|one| shelf::export(&observed.exports, &record.network.id, &one.recovered.export));
    let lease = record.network.status.lease.as_ref();
    let lease = lease.map(|lease| observed.leases.join(lease.as_str()));
    let input = NodeInput {
        installation: &observed.installation,
        organization: &record.network.organization,
        network: &record.network.id,
        node: &node.id,
        listen: loopback(node.port.unwrap_or_default()),
        genesis: record.network.genesis.as_deref().unwrap_or_default(),
        node_key: &setup.node_key,
        next_node_key: setup.next_node_key.as_ref(),
        repairs: setup.repairs,
        consensus_keys: &setup.consensus_keys,
        vault: &observed.vault,
        addresses: &addresses,
        bootstrap: &bootstrap,
        succession: succession
            .zip(export.as_deref())
            .map(|(one, export)| Succession { recovery: &one.recovery, export }),
        lease: lease.as_deref(),
        spec: &record.network.spec,
        desired,
    };
    engine.workload(&input).map_err(|error| engine_reason(&error, observed.now_ms))
}

/// What a node that is started is configured with.
pub(crate) fn setup(record: &Record, node: &NodeRow) -> Setup {
    let made = |key: &Option<KeyRow>| key.as_ref().filter(|key| key.public.is_some()).cloned();
    let Replacements { node: next, consensus } = &node.status.replacements;
    let consensus_keys = [Some(node.consensus_key.clone()), made(consensus)];
    let others = record.nodes.iter().filter(|other| other.id != node.id);
    let renewed = others.filter(|other| other.status.first_node_key.is_some());
    Setup {
        node_key: node.node_key.id.clone(),
        next_node_key: made(next).map(|key| key.id),
        consensus_keys: consensus_keys.into_iter().flatten().map(|key| key.id).collect(),
        renewed: renewed.filter_map(|other| Some((other.node_key.public?, other.port?))).collect(),
        repairs: node.status.repairs,
    }
}

/// The same for a node that runs: as it was started, as long as that has every key that it needs. It
/// is not restarted to forget one, nor for what it learns from the chain by itself.
pub(crate) fn setup_of_running(record: &Record, node: &NodeRow) -> Setup {
    let (was, is) = (node.setup(), setup(record, node));
    let node_keys = |setup: &Setup| -> BTreeSet<KeyId> {
        [Some(&setup.node_key), setup.next_node_key.as_ref()]
            .into_iter()
            .flatten()
            .cloned()
            .collect()
    };
    let votes = |key: &KeyId| was.consensus_keys.contains(key);
    let suffices =
        node_keys(&was).is_superset(&node_keys(&is)) && is.consensus_keys.iter().all(votes);
    if suffices { was } else { is }
}

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The nodes that one is configured with, in the order in which they came: founders have each other,
/// and who comes later has those that were there. Neither changes when nodes come or go: a node that
/// is configured anew has to be restarted.
fn peers(record: &Record, node: &NodeRow) -> Vec<PeerAddress> {
    let knows = |founder: bool, ordinal: u32| {
        if node.is_founder() { founder } else { ordinal < node.ordinal }
    };
    let here =
        record.nodes.iter().filter(|peer| knows(peer.is_founder(), peer.ordinal)).map(|peer| {
            let node_key = peer.configured_key().unwrap_or_default();
            (peer.ordinal, node_key, peer.port.unwrap_or_default())
        });
    let departed = record.network.status.departed.iter();
    let gone = departed
        .filter(|peer| knows(peer.founder, peer.ordinal) && node.ordinal < peer.until)
        .map(|peer| (peer.ordinal, peer.node_key, peer.port));
    let mut peers: Vec<(u32, [u8; 32], u16)> = here.chain(gone).collect();
    peers.sort_unstable();
    let peer = |(_, node_key, port)| PeerAddress { node_key, address: loopback(port) };
    peers.into_iter().map(peer).collect()
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
        things.extend(of_node(observed, node));
    }
    for (member, account) in record.accounts() {
        let AccountRow { key: Some(key), address, .. } = account else { continue };
        if address.is_some() || observed.held_keys.contains(key) {
            things.push(thing(ReleasedKind::Key, key.to_string(), member.as_str()));
        }
    }
    things
}

/// Everything that one node has.
pub(crate) fn of_node(observed: &Observation, node: &NodeRow) -> Vec<Thing> {
    let mut things = on_substrate(observed, node);
    let made = [&node.node_key, &node.consensus_key].map(|key| key.public.map(|_| &key.id));
    for id in node.key_ids() {
        if made.contains(&Some(id)) || observed.held_keys.contains(id) {
            let (name, owner) = (id.to_string(), node.name.clone());
            things.push(Thing { kind: ReleasedKind::Key, name, owner });
        }
    }
    things
}

/// The process of a node and what it has.
pub(crate) fn on_substrate(observed: &Observation, node: &NodeRow) -> Vec<Thing> {
    let thing = |kind, name: String| Thing { kind, name, owner: node.name.clone() };
    let mut things = Vec::new();
    if let Some(instance) = observed.instances.get(&WorkloadId::of_node(&node.id)) {
        if let Some(pid) = instance.pid() {
            things.push(thing(ReleasedKind::Process, format!("pid {pid}")));
        }
        for port in instance.ports.values() {
            things.push(thing(ReleasedKind::Port, format!("127.0.0.1:{port}")));
        }
        for socket in instance.sockets.values() {
            things.push(thing(ReleasedKind::Socket, socket.display().to_string()));
        }
        if let Some(directory) = &instance.directory {
            things.push(thing(ReleasedKind::Directory, directory.display().to_string()));
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
