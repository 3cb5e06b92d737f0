//! Conditions: what can be said of a network one thing at a time, each by a pure function over what is
//! written down and what its nodes say.
//!
//! The monitor draws them whenever something is heard, and whenever somebody looks, so that what nobody has
//! answered for a while is not told as if it were so now. The doctor asks everybody anew and draws the same
//! conditions: what it finds is said in the words that stand on the object. A new condition is a type in
//! [`windlass_model::condition`], a function here, and its line in [`ALL`].

mod machine;
mod nodes;
mod platform;
#[cfg(test)]
mod tests;
mod usable;

use windlass_engine::{MachineReport, NodeReport};
use windlass_model::{
    Name, OperationId,
    budget::End,
    condition::{Cause, Condition, ConditionKind, ConditionStatus, Fault, Gravity},
    network::{Health, Intent, NetworkState, OperationKind, Reason},
};

use crate::{
    monitor::{Judgement, Known, LiveNode},
    store::rows::Standing,
};

/// Every condition, in the order in which they are shown.
const ALL: &[fn(&Facts<'_>) -> Condition] = &[
    usable::usable,
    usable::quorum,
    nodes::running,
    nodes::answer,
    nodes::connected,
    nodes::vote,
    nodes::in_step,
    machine::clock,
    machine::disk,
    machine::disk_budget,
    machine::memory,
    machine::versions,
    platform::endpoint,
    platform::progress,
    platform::lifetime,
];

/// What conditions are drawn from.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) now_ms: u64,
    /// The platform's version.
    pub(crate) version: &'a str,
    pub(crate) network: &'a About,
    pub(crate) judgement: &'a Judgement,
    /// Why what the platform does about it comes to nothing, if it does.
    pub(crate) stuck: Option<&'a Reason>,
    pub(crate) answered_at_ms: Option<u64>,
    pub(crate) nodes: Vec<NodeFacts<'a>>,
    pub(crate) gateway: GatewaySeen<'a>,
}

/// What is written down about a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) name: Name,
    pub(crate) intent: Intent,
    pub(crate) state: NetworkState,
    /// Why it is not what its owner wants.
    pub(crate) reason: Option<Reason>,
    pub(crate) operation: Option<Doing>,
    /// Since when the pass is under way that works on it, if one is.
    pub(crate) pass_since_ms: Option<u64>,
    /// What each of its nodes may have.
    pub(crate) memory_bytes: u64,
    /// What each of its nodes may have on disk; none if that has no limit.
    pub(crate) disk_bytes: Option<u64>,
    /// When its time is over, if it has an end.
    pub(crate) end: Option<End>,
}

/// The operation that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Doing {
    pub(crate) id: OperationId,
    pub(crate) kind: OperationKind,
    pub(crate) step: Option<String>,
    pub(crate) reason: Option<Reason>,
}

/// A node: what is written down, and what it says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeFacts<'a> {
    pub(crate) known: &'a Known,
    pub(crate) standing: Standing,
    pub(crate) live: Option<&'a LiveNode>,
}

/// What is known of the way to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GatewaySeen<'a> {
    /// No gateway has said yet where it is.
    Down,
    /// It is there.
    Up,
    /// The endpoint was called lately, and did not answer: why, and when.
    Silent(&'a str, u64),
}

/// Draws every condition. Each keeps the time since when it is so from the ones before.
pub(crate) fn of(facts: &Facts<'_>, before: &[Condition]) -> Vec<Condition> {
    let since = |mut now: Condition| {
        let same = |one: &&Condition| {
            (one.kind, one.status, one.cause) == (now.kind, now.status, now.cause)
        };
        let known = before.iter().find(same).map(|one| one.since_ms);
        now.since_ms = match (known, now.since_ms) {
            (Some(known), 0) => known,
            (Some(known), told) => known.min(told),
            (None, 0) => facts.now_ms,
            (None, told) => told,
        };
        now
    };
    ALL.iter().map(|draw| since(draw(facts))).collect()
}

impl<'a> Facts<'a> {
    /// Whether nothing of it is to run, or not yet.
    fn rests(&self) -> bool {
        self.network.intent != Intent::Running
    }

    /// How grave it is when some of the nodes are not as they should be.
    fn gravity(&self) -> Gravity {
        match self.judgement.health {
            Health::Unavailable => Gravity::Critical,
            Health::Unknown | Health::Healthy | Health::Degraded => Gravity::Warning,
        }
    }

    /// What the nodes say that answer.
    fn answers(&self) -> impl Iterator<Item = (&'a str, &'a LiveNode, &'a NodeReport)> + '_ {
        self.nodes.iter().filter_map(|node| {
            let live = node.live?;
            Some((node.known.name.as_str(), live, live.answer()?))
        })
    }

    /// What they say of the machines under them.
    fn machines(&self) -> impl Iterator<Item = (&'a str, &'a LiveNode, &'a MachineReport)> + '_ {
        self.answers().map(|(name, live, report)| (name, live, &report.machine))
    }

    fn logs_of(&self, node: &str) -> String {
        format!("windlass network logs {} --node {node}", self.network.name)
    }
}

impl NodeFacts<'_> {
    fn runs(&self) -> bool {
        self.live.is_some_and(|live| live.process.is_some())
    }

    fn decides(&self) -> bool {
        self.standing == Standing::Validator
    }
}

/// All is well.
fn well(kind: ConditionKind, message: impl Into<String>) -> Condition {
    Condition {
        kind,
        status: ConditionStatus::True,
        cause: Cause::AsExpected,
        message: message.into(),
        remedy: None,
        command: None,
        gravity: Gravity::None,
        fault: None,
        nodes: Vec::new(),
        evidence: Vec::new(),
        since_ms: 0,
    }
}

/// It cannot be told, and nothing is wrong with that.
fn untold(kind: ConditionKind, cause: Cause, message: impl Into<String>) -> Condition {
    Condition { status: ConditionStatus::Unknown, cause, ..well(kind, message) }
}

/// Nothing of it is to run.
fn at_rest(kind: ConditionKind) -> Condition {
    untold(kind, Cause::AtRest, "the network does not run")
}

/// Something is wrong.
fn wrong(
    kind: ConditionKind,
    (cause, fault, gravity): (Cause, Fault, Gravity),
    message: impl Into<String>,
    remedy: impl Into<String>,
) -> Condition {
    Condition {
        status: ConditionStatus::False,
        cause,
        gravity,
        fault: Some(fault),
        remedy: Some(remedy.into()),
        ..well(kind, message)
    }
}

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Bytes as people read them.
fn bytes(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    let unit = UNITS.into_iter().find(|(_, size)| bytes >= *size);
    unit.map_or_else(
        || format!("{bytes} B"),
        |(name, size)| {
            let tenths = (u128::from(bytes) * 10) / u128::from(size);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        },
    )
}

/// Milliseconds as seconds.
fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1_000, ms % 1_000)
}
