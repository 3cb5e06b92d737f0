//! A network that is listened to, and what follows from what is heard.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;
use windlass_model::{
    NodeId, OrganizationId,
    condition::Condition,
    network::{Health, Intent, NetworkState, Operation, Reason, StepState},
};

use super::{Judgement, LiveNetwork, health};
use crate::{
    conditions::{self, About, Doing, Facts, GatewaySeen, NodeFacts},
    store::rows::{NetworkRow, NodeRow, Rank, Record},
    world::Target,
};

/// How long it is told that an endpoint did not answer, without calling it again.
const ENDPOINT_SILENCE_MS: u64 = 60_000;

/// A network that is listened to.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) organization: OrganizationId,
    /// What the rows say of it.
    about: About,
    /// The hash of its genesis, once it has one; another one after a recovery.
    genesis: Option<String>,
    /// What the rows say of the nodes.
    pub(super) known: BTreeMap<NodeId, Known>,
    pub(super) polls: BTreeMap<NodeId, (Target, CancellationToken)>,
    /// The endpoint was called, and did not answer: why, and when.
    pub(super) endpoint_silence: Option<(String, u64)>,
    /// Why passes come to nothing, if they do.
    pub(super) stuck: Option<Reason>,
    pub(super) live: LiveNetwork,
}

/// What conclusions depend on beside the network itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'a> {
    pub(super) now_ms: u64,
    /// The platform's version.
    pub(super) version: &'a str,
    pub(super) gateway: GatewaySeen<'a>,
}

/// What the rows say of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) name: String,
    /// Its place in the network.
    pub(crate) ordinal: u32,
    /// What it is to the members and whether it has all blocks, as it said last.
    pub(crate) rank: Rank,
    /// The identities that it can go by, in hex.
    pub(crate) keys: Vec<String>,
    /// How often in a row it ended or did not start, and when it is started again.
    pub(crate) failures: u32,
    pub(crate) retry_at_ms: u64,
    /// Why it ended last, until it has been running for long enough.
    pub(crate) last_end: Option<Reason>,
}

impl Watched {
    pub(super) fn new(network: &NetworkRow) -> Self {
        Self {
            organization: network.organization.clone(),
            about: about(network, None),
            genesis: network.status.genesis_hash.clone(),
            endpoint_silence: None,
            stuck: None,
            known: BTreeMap::new(),
            polls: BTreeMap::new(),
            live: LiveNetwork {
                health: Health::Unknown,
                reason: None,
                tip: None,
                answered_at_ms: None,
                validators: None,
                nodes: BTreeMap::new(),
                conditions: Vec::new(),
            },
        }
    }

    /// Takes what the rows say, at the beginning of a pass.
    pub(super) fn learn(&mut self, record: &Record, now_ms: u64) {
        let network = &record.network;
        let known = record.nodes.iter().filter(|node| !node.is_leaving());
        let known = known.map(|node| (node.id.clone(), Known::from(node))).collect();
        self.know(known, record);
        let operation = record.operation.as_ref().filter(|_| network.operation.is_some());
        self.about = About { pass_since_ms: Some(now_ms), ..about(network, operation) };
        if self.genesis != network.status.genesis_hash {
            self.genesis.clone_from(&network.status.genesis_hash);
            self.live.tip = None;
        }
    }

    /// The pass is over.
    pub(super) fn rest(&mut self) {
        self.about.pass_since_ms = None;
    }

    /// Whether an operation waits for what nodes say.
    pub(super) fn is_busy(&self) -> bool {
        self.about.operation.is_some()
    }

    /// What its owner wants.
    pub(super) fn intent(&self) -> Intent {
        self.about.intent
    }

    /// Takes what the rows say; nodes that have none are gone.
    fn know(&mut self, known: BTreeMap<NodeId, Known>, record: &Record) {
        let has_row = |id: &NodeId| record.node(id).is_some();
        self.live.nodes.retain(|id, _| has_row(id));
        self.polls.retain(|id, (_, cancel)| {
            let stays = has_row(id);
            if !stays {
                cancel.cancel();
            }
            stays
        });
        self.known = known;
    }

    /// How good a node is to ask: as it says, or as it said last.
    pub(super) fn rank(&self, id: &NodeId) -> Rank {
        health::rank(self.live.nodes.get(id), self.known.get(id))
    }

    /// Draws the conclusions from what is known at this time.
    pub(super) fn conclude(&mut self, around: &Around<'_>) {
        let now_ms = around.now_ms;
        let live = &mut self.live;
        live.answered_at_ms = live.nodes.values().filter_map(|node| node.answered_at_ms).max();
        live.validators = health::validators(&live.nodes, &self.known);
        if let Some(tip) = health::tip(&live.nodes, &self.known, self.genesis.as_deref())
            && live.tip.as_ref().is_none_or(|known| known.number <= tip.number)
        {
            live.tip = Some(tip);
        }
        let runs = (self.about.intent, self.about.state) == (Intent::Running, NetworkState::Usable);
        let mut judgement = if runs {
            health::judge(&live.nodes, &self.known, now_ms)
        } else {
            Judgement::default()
        };
        if let (Some(new), Some(old)) = (&mut judgement.reason, &live.reason)
            && (new.code, &new.message) == (old.code, &old.message)
        {
            new.since_ms = new.since_ms.min(old.since_ms);
        }
        live.health = judgement.health;
        live.reason.clone_from(&judgement.reason);
        self.live.conditions = self.draw(around, &judgement);
    }

    fn draw(&self, around: &Around<'_>, judgement: &Judgement) -> Vec<Condition> {
        let live = &self.live;
        let nodes = self.known.iter().map(|(id, known)| {
            let live = live.nodes.get(id);
            NodeFacts { known, standing: health::rank(live, Some(known)).standing, live }
        });
        let mut nodes: Vec<NodeFacts<'_>> = nodes.collect();
        nodes.sort_by_key(|node| node.known.ordinal);
        let lately = |(_, at_ms): &&(String, u64)| {
            around.now_ms.saturating_sub(*at_ms) < ENDPOINT_SILENCE_MS
        };
        let silence = self.endpoint_silence.as_ref().filter(lately);
        let facts = Facts {
            now_ms: around.now_ms,
            version: around.version,
            network: &self.about,
            judgement,
            stuck: self.stuck.as_ref(),
            answered_at_ms: live.answered_at_ms,
            nodes,
            gateway: match (around.gateway, silence) {
                (GatewaySeen::Up, Some((why, at_ms))) => GatewaySeen::Silent(why, *at_ms),
                (gateway, _) => gateway,
            },
        };
        conditions::of(&facts, &live.conditions)
    }
}

#[cfg(test)]
impl Default for Known {
    fn default() -> Self {
        Self {
            name: String::new(),
            ordinal: 0,
            rank: Rank { standing: crate::store::rows::Standing::Validator, whole: true },
            keys: Vec::new(),
            failures: 0,
            retry_at_ms: 0,
            last_end: None,
        }
    }
}

impl From<&NodeRow> for Known {
    fn from(node: &NodeRow) -> Self {
        Self {
            name: node.name.clone(),
            ordinal: node.ordinal,
            rank: node.rank(),
            keys: node.node_keys().collect(),
            failures: node.status.failures,
            retry_at_ms: node.status.retry_at_ms,
            last_end: node.status.last_end.clone(),
        }
    }
}

/// What the rows say of a network.
fn about(network: &NetworkRow, operation: Option<&Operation>) -> About {
    let step = |operation: &Operation| {
        let running = operation.steps.iter().find(|step| step.state == StepState::Running);
        running.map(|step| step.name.clone())
    };
    About {
        name: network.name.clone(),
        intent: network.intent,
        state: network.state,
        reason: network.status.reason.clone(),
        operation: operation.map(|operation| Doing {
            id: operation.id.clone(),
            kind: operation.kind,
            step: step(operation),
            reason: operation.reason.clone(),
        }),
        pass_since_ms: None,
        memory_bytes: u64::from(network.spec.node_limits.memory_mib) << 20,
        disk_bytes: Some(u64::from(network.spec.node_limits.disk_mib) << 20)
            .filter(|most| *most > 0),
        end: network.status.end.clone(),
    }
}
