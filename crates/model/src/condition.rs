//! Conditions: what can be said of a network one thing at a time, and the doctor's answer.
//!
//! They are in Kubernetes' manner: a stable type, `true`, `false` or `unknown`, a code of the cause, a
//! sentence, since when. `true` is well, for every type. Beside it stands whose fault it is, which nodes
//! it is about, and what to do. What the doctor finds are the same conditions, after it has asked
//! everybody anew.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Name;

/// What a condition is about.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
pub enum ConditionKind {
    /// The network does what it is for, and has shown so within the last few seconds.
    Usable,
    /// As many validators are there as a block needs.
    QuorumPresent,
    /// Every node has a process.
    NodesRunning,
    /// Every process answers.
    NodesAnswer,
    /// Every validator is connected with every other one.
    PeersConnected,
    /// Every validator votes.
    ValidatorsVote,
    /// No node is behind.
    NodesInStep,
    /// The clocks of the nodes and of the platform agree.
    ClockInStep,
    /// There is room on the disks.
    DiskSpace,
    /// No node has as much on disk as its limit lets it.
    DiskBudget,
    /// There is room in memory.
    Memory,
    /// Nodes and platform are of one version.
    VersionsAgree,
    /// The stable URL is served.
    EndpointAnswers,
    /// The operation that is under way gets on.
    OperationProgress,
    /// Its time to live is not nearly over.
    Lifetime,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConditionStatus {
    /// All is well.
    True,
    /// It is not so.
    False,
    /// It cannot be told.
    Unknown,
}

/// Why a condition is as it is; stable, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum Cause {
    /// It is as it should be.
    AsExpected,
    /// The network does not run, and is not meant to: a stop, or its sleep.
    AtRest,
    /// An operation brings it to another state.
    InTransition,
    /// The platform has not looked at it yet.
    NotLookedAt,
    /// Too few answered within the last few seconds.
    NotHeard,
    /// Nodes of this platform are missing.
    NodesMissing,
    /// Validators that other platforms have are missing.
    MembersMissing,
    /// Validators do not see each other.
    Partitioned,
    /// Validators have lost their voting record and are silent.
    Silent,
    /// All are there, and no block is made although there is work.
    Stalled,
    /// A process ended by itself.
    Ended,
    /// A process ends again and again.
    CrashLoop,
    /// The disk is full.
    DiskFull,
    /// The disk is nearly full.
    DiskLow,
    /// A node has as much on disk as it may have, and takes no transactions.
    DiskBudgetSpent,
    /// A node has nearly as much on disk as it may have.
    DiskBudgetLow,
    /// What a node has stored is damaged.
    LedgerDamaged,
    /// The kernel ended a process for want of memory.
    OutOfMemory,
    /// A process has nearly all memory that it may have.
    MemoryLow,
    /// A process was killed with signal 9, which it had not been asked to expect.
    Killed,
    /// A port is another program's.
    PortInUse,
    /// A process is there and has not answered yet.
    Starting,
    /// A process is there and answers no more.
    Unresponsive,
    /// A node fetches blocks.
    CatchingUp,
    /// A clock is off.
    ClockOff,
    /// Versions differ.
    VersionSkew,
    /// The gateway does not serve.
    GatewayDown,
    /// The endpoint was asked and did not answer as it should.
    EndpointSilent,
    /// Its time to live is nearly over.
    EndsSoon,
    /// Its time to live is over: it is destroyed after its grace.
    TimeOver,
    /// An operation waits for something.
    Waiting,
    /// What the platform does about it cannot be done, or does not come back.
    Stuck,
}

/// Whose fault something is: who can do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fault {
    /// The node's program.
    Node,
    /// The machine under it: disk, memory, clock, ports.
    Machine,
    /// What is between the nodes.
    Network,
    /// Whoever runs this platform.
    Operator,
    /// Another member, on its own platform.
    Member,
}

/// How bad it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Gravity {
    /// Nothing is wrong.
    None,
    /// The network goes on, and with less to spare.
    Warning,
    /// The network does not do what it is for, or soon will not.
    Critical,
}

/// One thing that is, is not, or cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Condition {
    /// What it is about.
    #[serde(rename = "type")]
    pub kind: ConditionKind,
    /// Whether it holds: `true` is well.
    pub status: ConditionStatus,
    /// Why it is so, as a code.
    #[serde(rename = "reason")]
    pub cause: Cause,
    /// Why it is so, in a sentence.
    pub message: String,
    /// What to do; what the platform does by itself is said too. Absent where nothing is to be done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remedy: Option<String>,
    /// The command to do it with, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub command: Option<String>,
    /// How bad it is.
    pub gravity: Gravity,
    /// Whose fault it is, if something is wrong.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<Fault>,
    /// The nodes that it is about, by name.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub nodes: Vec<String>,
    /// What was measured, with units. It changes from one look to the next.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub evidence: Vec<String>,
    /// Since when it is so, Unix milliseconds; after a restart of the platform, since it was seen.
    pub since_ms: u64,
}

/// What the doctor did to find out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Check {
    /// What was asked: `validator-0`, `endpoint`, `processes`, …
    pub name: String,
    /// What came of it.
    pub outcome: CheckOutcome,
    /// What was seen, or why it was not asked.
    pub detail: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What came of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum CheckOutcome {
    /// It is as it should be.
    Passed,
    /// It is not.
    Failed,
    /// There was nothing to ask.
    Skipped,
}

/// What the doctor found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Diagnosis {
    /// The network's name.
    pub network: Name,
    /// When it was looked at, Unix milliseconds.
    pub at_ms: u64,
    /// The gravest of the findings.
    pub gravity: Gravity,
    /// The answer in one sentence.
    pub summary: String,
    /// What is wrong, the gravest first.
    pub findings: Vec<Condition>,
    /// Every condition.
    pub conditions: Vec<Condition>,
    /// What was asked to find out.
    pub checks: Vec<Check>,
}

impl Condition {
    /// Whether something is wrong.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        self.gravity > Gravity::None
    }

    /// Whether another one says the same; what was measured and since when aside.
    #[must_use]
    pub fn says_as(&self, other: &Self) -> bool {
        let said = |one: &Self| (one.kind, one.status, one.cause, one.gravity);
        said(self) == said(other) && self.message == other.message && self.nodes == other.nodes
    }
}

/// What is wrong, the gravest first; of what is equally grave, in the order of the conditions. What
/// several conditions say of the same nodes for the same cause is found once.
#[must_use]
pub fn findings(conditions: &[Condition]) -> Vec<Condition> {
    let mut wrong: Vec<&Condition> = conditions.iter().filter(|one| one.is_wrong()).collect();
    wrong.sort_by_key(|one| std::cmp::Reverse(one.gravity));
    let mut found: Vec<Condition> = Vec::new();
    for one in wrong {
        let same = |other: &Condition| other.cause == one.cause && other.nodes == one.nodes;
        if !found.iter().any(same) {
            found.push(one.clone());
        }
    }
    found
}
