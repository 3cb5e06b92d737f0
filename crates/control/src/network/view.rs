//! The network as the API shows it: its rows, and over them what its nodes say now.

use std::collections::BTreeMap;

use windlass_engine::Seat;
use windlass_model::{
    ErrorCode, NodeId,
    network::{Health, Intent, Network, NetworkState, Node, NodeRole, NodeState, Reason},
};

use crate::{
    gateway::{GatewayFacts, endpoint},
    monitor::{HANGS_AFTER_MS, LiveNetwork, LiveNode},
    network::ending,
    store::rows::{NodeRow, Record, Standing},
};

/// What is not in the rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beside {
    /// What its nodes say.
    pub(crate) live: Option<LiveNetwork>,
    /// Why nothing can be written down about it.
    pub(crate) stuck: Option<Reason>,
    /// What is known of the gateway.
    pub(crate) gateway: GatewayFacts,
    /// What each of its nodes has on disk in bytes, as it was measured last.
    pub(crate) disks: BTreeMap<NodeId, u64>,
}

/// Puts the two together.
pub(crate) fn network(record: &Record, beside: Beside) -> Network {
    let Beside { live, stuck, gateway, disks } = beside;
    let live = live.as_ref();
    let row = &record.network;
    let nodes = record
        .nodes
        .iter()
        .map(|one| {
            let live = live.and_then(|live| live.nodes.get(&one.id));
            node(record, one, live, disks.get(&one.id).copied())
        })
        .collect();
    let proved = row.status.evidence.is_some();
    let running = row.state == NetworkState::Usable;
    let health = live.filter(|_| running).map_or(Health::Unknown, |live| live.health);
    let said = live.filter(|_| running).and_then(|live| live.reason.clone());
    Network {
        id: row.id.clone(),
        organization: row.organization.clone(),
        name: row.name.clone(),
        state: row.state,
        intent: row.intent,
        health,
        reason: stuck
            .or_else(|| row.status.reason.clone())
            .or(said)
            .or_else(|| ending::reason(row)),
        spec: row.spec.clone(),
        generation: row.generation,
        resource_version: row.resource_version,
        genesis_hash: row.status.genesis_hash.clone(),
        local_endpoint: gateway.local_url(&row.id).filter(|_| proved),
        endpoint: gateway.url.filter(|_| proved).and_then(|base| endpoint(&base, row)),
        tip: live.and_then(|live| live.tip.clone()),
        voting_validators: live.and_then(|live| live.validators),
        nodes,
        evidence: row.status.evidence.clone(),
        recovered: row.status.succession.as_ref().map(|one| Box::new(one.recovered.clone())),
        lease: row.status.lease.clone(),
        end: row.status.end.clone(),
        disk_bytes: (!disks.is_empty())
            .then(|| disks.values().copied().fold(0, u64::saturating_add)),
        operation: row.operation.clone(),
        operation_kind: record.operation_under_way().map(|operation| operation.kind),
        created_at_ms: row.created_at_ms,
        answered_at_ms: live.and_then(|live| live.answered_at_ms),
        conditions: live.map(|live| live.conditions.clone()).unwrap_or_default(),
    }
}

fn node(record: &Record, row: &NodeRow, live: Option<&LiveNode>, disk_bytes: Option<u64>) -> Node {
    let process = live.and_then(|live| live.process.as_ref());
    let answer = live.and_then(LiveNode::answer);
    let state = state(record, row, live);
    let said = answer.filter(|report| report.is_settled());
    let standing = said.map_or_else(|| row.standing(), |report| (&report.seat).into());
    Node {
        id: row.id.clone(),
        name: row.name.clone(),
        member: row.member.clone(),
        role: match standing {
            Standing::Validator => NodeRole::Validator,
            Standing::Follower => NodeRole::Observer,
            Standing::Unnamed => NodeRole::Unnamed,
        },
        state,
        pid: process.map(|process| process.pid),
        started_at_ms: process.map(|process| process.started_at_ms),
        tip: live.and_then(|live| live.report.as_ref()).map(|report| report.tip.clone()),
        highest: answer.map(|report| report.highest),
        syncing: answer.map(|report| report.syncing),
        state_per_mille: answer.and_then(|report| report.state_per_mille),
        earlier_blocks: answer.map(|report| report.earlier_blocks).filter(|blocks| *blocks > 0),
        sync_left_s: answer.and_then(|report| report.left_s),
        voting: said.map(|report| report.seat == Seat::Votes),
        not_voting: said.and_then(|report| report.seat.why_silent()).map(str::to_owned),
        resident_bytes: live.and_then(|live| live.resident_bytes),
        disk_bytes,
        connected_validators: answer.map(|report| report.connected_validators),
        restarts: row.status.restarts,
        answered_at_ms: live.and_then(|live| live.answered_at_ms),
        node_key: row.node_key.public.map(hex::encode),
        consensus_key: row.consensus_key.public.map(hex::encode),
        address: row.port.map(|port| format!("127.0.0.1:{port}")),
        reason: reason(row, live),
    }
}

fn state(record: &Record, row: &NodeRow, live: Option<&LiveNode>) -> NodeState {
    let runs = live.is_some_and(|live| live.process.is_some());
    let answers = live.is_some_and(|live| live.answer().is_some());
    let has_answered = live.is_some_and(|live| live.answered_at_ms.is_some());
    match (runs, answers, record.network.intent) {
        (true, true, _) => NodeState::Running,
        (true, false, _) if has_answered => NodeState::Unresponsive,
        (true, false, _) => NodeState::Starting,
        (false, _, Intent::Sleeping | Intent::Stopped | Intent::Destroyed) => NodeState::Stopped,
        (false, _, Intent::Running) if row.status.failures > 0 => NodeState::Failed,
        (false, _, Intent::Running) if row.status.process.is_some() => NodeState::Failed,
        (false, _, Intent::Running) if record.network.genesis.is_some() => NodeState::Starting,
        (false, _, Intent::Running) => NodeState::Declared,
    }
}

fn reason(row: &NodeRow, live: Option<&LiveNode>) -> Option<Reason> {
    if let Some(reason) = &row.status.reason {
        return Some(reason.clone());
    }
    let live = live?;
    let silence = live.silence.as_ref()?;
    let remedy = if live.answered_at_ms.is_some() {
        format!(
            "if it does not answer for {} s, it is ended and started again by itself; \
             `windlass network logs` shows what it did",
            HANGS_AFTER_MS / 1_000
        )
    } else {
        "it is asked again by itself; `windlass network logs` shows what it does".to_owned()
    };
    Some(Reason {
        code: ErrorCode::NetworkUnavailable,
        message: format!("{} runs and does not answer: {}", row.name, silence.why),
        remedy,
        since_ms: live.answered_at_ms.unwrap_or(silence.since_ms),
    })
}

/// A node by its name, its id or its index.
pub(crate) fn find_node<'a>(record: &'a Record, named: &str) -> Option<&'a NodeRow> {
    let index = named.parse::<u32>().ok();
    let id = named.parse::<NodeId>().ok();
    let same = |node: &&NodeRow| node.name == named || Some(&node.id) == id.as_ref();
    let by_index = record.nodes.iter().find(|node| Some(node.ordinal) == index);
    record.nodes.iter().find(same).or(by_index)
}
