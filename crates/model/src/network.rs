//! What the platform says of a network, its nodes and the operations on it.
//!
//! A network's life: declared → creating → usable ⇄ sleeping or stopped → destroying → gone. The *state* says
//! where in this life it is; *health* says whether a usable network can do its work now, with the
//! reason and the remedy on the object itself.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    ErrorCode, LeaseId, Name, NetworkId, NodeId, OperationId, OrganizationId, budget::End,
    condition::Condition, governance::BallotOutcome, receipt::ReleaseReceipt, recovery::Recovered,
    spec::NetworkSpec,
};

/// Where in its life a network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NetworkState {
    /// Written down; nothing was done yet.
    Declared,
    /// On its way to usable for the first time.
    Creating,
    /// It finalised a block that every node saw, and its endpoint answered.
    Usable,
    /// On its way to stopped, or to sleeping.
    Stopping,
    /// No process, until somebody asks for something; its data, keys, ports and URL are kept.
    Sleeping,
    /// No process; its data, keys, ports and URL are kept.
    Stopped,
    /// On its way back to usable.
    Starting,
    /// On its way to gone.
    Destroying,
    /// Everything it had is verified gone.
    Gone,
}

/// What its owner wants of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Intent {
    /// It runs.
    Running,
    /// No process, until a request comes: that wakes it. Everything is kept.
    Sleeping,
    /// No process, until it is started; everything is kept.
    Stopped,
    /// Nothing is left.
    Destroyed,
}

/// Whether a network can do its work now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Not known, or not applicable: it does not run.
    Unknown,
    /// Every node is there.
    Healthy,
    /// A quorum is there, but not every node.
    Degraded,
    /// No quorum: no block is made.
    Unavailable,
}

/// Why something is as it is, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reason {
    /// The code of the error behind it.
    pub code: ErrorCode,
    /// What is wrong.
    pub message: String,
    /// What to do; what the platform does by itself is said too.
    pub remedy: String,
    /// Since when, Unix milliseconds.
    pub since_ms: u64,
}

/// A block's number and hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockRef {
    /// The height.
    pub number: u64,
    /// `0x` and 64 hex digits.
    pub hash: String,
}

/// What a node does in its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// It proposes and votes.
    Validator,
    /// It is a validator that the members suspended: it follows.
    Suspended,
    /// It follows.
    Observer,
    /// No member has named it: the others don't let it in.
    Unnamed,
}

/// Where a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// Written down; no process was started.
    Declared,
    /// Its process is being started, or is there and does not answer yet.
    Starting,
    /// Its process is there and answers.
    Running,
    /// Its process is there and answers no more; if that lasts, it is ended and started again.
    Unresponsive,
    /// It has no process, and none is wanted.
    Stopped,
    /// It has no process although one is wanted; it will be restarted.
    Failed,
}

/// One process of a network.
#[expect(clippy::struct_field_names, reason = "a node key is called so everywhere")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Its name in the network, such as `validator-0`.
    pub name: String,
    /// The member that it belongs to.
    pub member: Name,
    /// What it does, as far as it says itself; the list of nodes asks the chain.
    pub role: NodeRole,
    /// Where it is.
    pub state: NodeState,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// When the process started, Unix milliseconds.
    pub started_at_ms: Option<u64>,
    /// The newest final block that it reported.
    pub tip: Option<BlockRef>,
    /// The newest final block that it knows of; above its tip while it is catching up.
    #[serde(default)]
    pub highest: Option<u64>,
    /// Whether it is behind and catching up.
    #[serde(default)]
    pub syncing: Option<bool>,
    /// How much of the others' state it has taken, in thousandths, while it takes it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub state_per_mille: Option<u16>,
    /// How many blocks from before the state that it began with it still fetches, while it follows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub earlier_blocks: Option<u64>,
    /// How many seconds catching up takes, or fetching those, as far as it can tell.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sync_left_s: Option<u64>,
    /// Whether it votes, as it says itself.
    #[serde(default)]
    pub voting: Option<bool>,
    /// Why it does not vote, as it says itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_voting: Option<String>,
    /// Resident memory in bytes.
    pub resident_bytes: Option<u64>,
    /// What it has on disk in bytes, as it was measured last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disk_bytes: Option<u64>,
    /// Validators that it is connected with, itself counted.
    pub connected_validators: Option<u32>,
    /// How often the platform started it again after it had ended by itself.
    pub restarts: u32,
    /// When it last answered, Unix milliseconds.
    pub answered_at_ms: Option<u64>,
    /// Its public node key, 64 hex digits.
    pub node_key: Option<String>,
    /// Its public consensus key, 64 hex digits.
    pub consensus_key: Option<String>,
    /// Its p2p address.
    pub address: Option<String>,
    /// Why it is not running, if it should be.
    pub reason: Option<Reason>,
}

/// What one node reported when the network became usable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeEvidence {
    /// The node's name.
    pub node: String,
    /// Its public node key, 64 hex digits.
    pub node_key: String,
    /// Its public consensus key, 64 hex digits.
    pub consensus_key: String,
    /// The first final block, as this node reports it.
    pub first_block: BlockRef,
}

/// How long one step took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepTiming {
    /// The step's name.
    pub step: String,
    /// Milliseconds.
    pub milliseconds: u64,
}

/// Why a network may be called usable: what was asked of it, and what it answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// The chain id, as the endpoint answered it.
    pub chain_id: u64,
    /// The hash of block 0, which commits to the whole genesis document.
    pub genesis_hash: String,
    /// The first final block, as each node reported it.
    pub nodes: Vec<NodeEvidence>,
    /// The hash of the test transaction; its key is thrown away.
    pub test_transaction: String,
    /// The final block that has the test transaction.
    pub test_block: BlockRef,
    /// The endpoint that answered; without its key's secret when the network has another one since.
    pub endpoint: String,
    /// The block number that the endpoint answered.
    pub endpoint_block: u64,
    /// The milliseconds of each step.
    pub steps: Vec<StepTiming>,
}

/// A network, as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Network {
    /// Its id.
    pub id: NetworkId,
    /// The organization that it belongs to.
    pub organization: OrganizationId,
    /// Its name, unique in the organization.
    pub name: Name,
    /// Where in its life it is.
    pub state: NetworkState,
    /// What its owner wants.
    pub intent: Intent,
    /// Whether it can do its work now.
    pub health: Health,
    /// Why it is not (yet) what its owner wants.
    pub reason: Option<Reason>,
    /// What was declared.
    pub spec: NetworkSpec,
    /// Rises with every change of the spec or the intent.
    pub generation: u64,
    /// Rises with every change of the object; send it back to change the object safely.
    pub resource_version: u64,
    /// The hash of block 0, once the genesis is made.
    pub genesis_hash: Option<String>,
    /// The stable URL, once there is one. It holds its own key: whoever has it can use the network.
    pub endpoint: Option<String>,
    /// The URL at which programs of this machine reach it without a key, while it is served there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_endpoint: Option<String>,
    /// The newest block that a quorum of nodes reported final.
    pub tip: Option<BlockRef>,
    /// How many validators vote now, as its nodes say.
    #[serde(default)]
    pub voting_validators: Option<u32>,
    /// Its nodes: those of the genesis in its order, then those that were added.
    pub nodes: Vec<Node>,
    /// The evidence of the last time that it became usable from nothing.
    pub evidence: Option<Evidence>,
    /// What it began with, if it began anew after a recovery.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub recovered: Option<Box<Recovered>>,
    /// The lease that it lives under: when nobody holds it any more, the network is destroyed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub lease: Option<LeaseId>,
    /// When its time is over, if it has an end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub end: Option<End>,
    /// What its nodes have on disk in bytes, as it was measured last.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub disk_bytes: Option<u64>,
    /// The operation that is under way.
    pub operation: Option<OperationId>,
    /// And what that does.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub operation_kind: Option<OperationKind>,
    /// When it was declared, Unix milliseconds.
    pub created_at_ms: u64,
    /// When it last answered, Unix milliseconds.
    pub answered_at_ms: Option<u64>,
    /// What can be said of it one thing at a time, with what is wrong, whose fault it is and what to do.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Brings a network from declared to usable.
    Create,
    /// Ends its processes and keeps everything else.
    Stop,
    /// Brings it back.
    Start,
    /// Ends its processes until a request comes, and keeps everything else.
    Sleep,
    /// Brings it back from its sleep.
    Wake,
    /// Leaves nothing.
    Destroy,
    /// Brings it to a changed spec.
    Update,
    /// Sends a member's proposal.
    Propose,
    /// Sends a member's vote.
    Vote,
    /// Has a proposal settled that no vote settled.
    Settle,
    /// Adds nodes to a network that runs.
    AddNodes,
    /// Leaves nothing of a node.
    RemoveNode,
    /// Gives a node a new disk.
    ReplaceNode,
    /// Has a member name a node as its observer.
    AddObserver,
    /// Has a member take back that a node is its observer.
    RemoveObserver,
    /// Has a network begin anew with its own state.
    Recover,
}

/// Nodes that a network is to have besides those that it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodesRequest {
    /// The organization that they belong to; it need not be a member yet.
    pub member: String,
    /// How many; 1 unless said.
    #[serde(default = "one")]
    pub count: u32,
}

fn one() -> u32 {
    1
}

/// Where an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OperationState {
    /// Under way.
    Running,
    /// Done.
    Succeeded,
    /// It will not be done; the reason is on it.
    Failed,
    /// Another operation took its place, such as a destroy during a create.
    Superseded,
}

/// Where a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// Not begun.
    Pending,
    /// Under way.
    Running,
    /// Done.
    Done,
}

/// One step of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// Its name, in the words of the user: `keys`, `genesis`, `processes`, `peers`, …
    pub name: String,
    /// Where it is.
    pub state: StepState,
    /// When it began, Unix milliseconds.
    pub started_at_ms: Option<u64>,
    /// When it was done, Unix milliseconds.
    pub finished_at_ms: Option<u64>,
    /// Progress in words, such as `3 of 4 nodes`.
    pub detail: Option<String>,
}

/// An asynchronous action on a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Operation {
    /// Its id.
    pub id: OperationId,
    /// The organization.
    pub organization: OrganizationId,
    /// The network that it acts on.
    pub network: NetworkId,
    /// The network's name.
    pub network_name: Name,
    /// What it does.
    pub kind: OperationKind,
    /// Who began it, as the audit log has it: `user:…`, `token:…`, or `platform` for what it does by
    /// itself. Empty for those that an earlier version began.
    #[serde(default)]
    pub actor: String,
    /// Where it is.
    pub state: OperationState,
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// Why it makes no progress or has failed, with the remedy.
    pub reason: Option<Reason>,
    /// Why it made no progress the last time that it did not, once it went on; for one that nobody
    /// asked for, why the platform began it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delayed_by: Option<Reason>,
    /// What a create proved.
    pub evidence: Option<Evidence>,
    /// The nodes that it adds or removes, by name.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub nodes: Vec<String>,
    /// The command that goes on from here, where there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
    /// What a destroy, or the removal of a node, released.
    pub receipt: Option<ReleaseReceipt>,
    /// What came of a proposal or a vote.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ballot: Option<Box<BallotOutcome>>,
    /// When it was asked for, Unix milliseconds.
    pub created_at_ms: u64,
    /// When it ended, Unix milliseconds.
    pub finished_at_ms: Option<u64>,
}
