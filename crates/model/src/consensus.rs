//! What consensus is doing, as the nodes of a network see it.
//!
//! Each node answers for itself and names others by their node keys; times are Unix milliseconds by
//! its own clock. Where a validator cannot be seen by one node, others may see it: whoever reads
//! compares.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::NodeId;

/// What the nodes of a network say that consensus is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkConsensus {
    /// The names of the nodes that this platform has, by their public node keys (64 hex digits).
    pub names: BTreeMap<String, String>,
    /// What each node of this platform says.
    pub nodes: Vec<NodeConsensus>,
}

/// What one node says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeConsensus {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// What it says; absent where it does not answer.
    pub report: Option<ConsensusReport>,
    /// Why it does not answer.
    pub unreachable: Option<String>,
}

/// What consensus is doing, as one node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConsensusReport {
    /// The node's public key, 64 hex digits, as all node keys here.
    pub node_key: String,
    /// When it said so, by its clock, as all times here: Unix milliseconds.
    pub at_ms: u64,
    /// The height of its last final block.
    pub height: u64,
    /// The epoch that it is in.
    pub epoch: u64,
    /// The view of that epoch that it is in, as far as it saw the one before end.
    pub view: u64,
    /// Who leads that view; absent while the node is not yet in an epoch.
    pub leader: Option<String>,
    /// Whose votes it has seen in that view.
    pub voted: ViewVotes,
    /// How many votes decide.
    pub quorum: u32,
    /// How many validators it is connected with, itself counted if it is one.
    pub connected_validators: u32,
    /// Why it does not vote, if it does not.
    pub not_voting: Option<String>,
    /// The last block that it saw become final.
    pub last_final: Option<FinalBlock>,
    /// The validators of the epoch, in the order of their node keys.
    pub validators: Vec<ValidatorReport>,
    /// The other nodes that the members name.
    pub followers: Vec<PeerLink>,
    /// Why no block is made; absent where blocks are made, or are about to be.
    pub no_block: Option<NoBlock>,
    /// What is not wrong yet, such as clocks that are too far apart.
    pub warnings: Vec<String>,
}

/// A kind of vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum VoteKind {
    /// For a block.
    Notarize,
    /// To give the view up.
    Nullify,
    /// To make the block final.
    Finalize,
}

/// Whose votes were seen in a view, by node keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ViewVotes {
    /// For its block.
    pub notarize: Vec<String>,
    /// To give it up.
    pub nullify: Vec<String>,
    /// To make its block final.
    pub finalize: Vec<String>,
}

/// A final block, and who decided it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FinalBlock {
    /// Its height.
    pub number: u64,
    /// The epoch.
    pub epoch: u64,
    /// The view that decided it.
    pub view: u64,
    /// Who led that view, if the node saw it.
    pub leader: Option<String>,
    /// When the node saw it decided; absent if it fetched the block later.
    pub at_ms: Option<u64>,
    /// Whose votes it saw.
    pub voted: ViewVotes,
}

/// What a node knows of its connection with another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerLink {
    /// The other's node key.
    pub node_key: String,
    /// Whether they are connected; a node is with itself.
    pub connected: bool,
    /// Since when they are, or are not; absent for the node itself.
    pub since_ms: Option<u64>,
    /// When the other told its tip last.
    pub heard_at_ms: Option<u64>,
    /// Microseconds from a question to its answer: the median of the last few.
    pub round_trip_us: Option<u64>,
    /// Microseconds that the other's clock is ahead of the node's: the median of the last few.
    pub clock_offset_us: Option<i64>,
}

/// What a node knows of a validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ValidatorReport {
    /// The connection.
    #[serde(flatten)]
    pub link: PeerLink,
    /// Its newest vote that was seen.
    pub last_vote: Option<LastVote>,
    /// Since when it is missing, if it is.
    pub missing: Option<Missing>,
}

/// A vote that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastVote {
    /// What it was.
    pub vote: VoteKind,
    /// The epoch.
    pub epoch: u64,
    /// The view.
    pub view: u64,
    /// When it was seen.
    pub at_ms: u64,
    /// The height of the last final block that the validator voted for, or on top of.
    pub height: Option<u64>,
}

/// Since when a validator is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Missing {
    /// Since when.
    pub since_ms: u64,
    /// By what this shows, in words.
    pub reason: String,
}

/// Why no block is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NoBlock {
    /// The kind of reason.
    pub code: NoBlockCode,
    /// In words.
    pub reason: String,
    /// Since when, if that is known.
    pub since_ms: Option<u64>,
}

/// A kind of reason why no block is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoBlockCode {
    /// No executable transaction is pending: all is well.
    NothingToDo,
    /// The node's ledger cannot go on.
    Obstacle,
    /// Fewer validators than a quorum are there.
    NoQuorum,
    /// The node has less of the chain than others.
    Behind,
    /// A block is held until the node's clock has come near its time.
    ClockAhead,
    /// The node cannot judge a block.
    CannotJudge,
    /// The validator whose turn it is is not there.
    LeaderMissing,
    /// Transactions are pending and all are there, and still no block becomes final.
    Stalled,
}

impl NetworkConsensus {
    /// Since when a validator is missing for every other node that answers, as the one says that
    /// has missed it longest; `None` as well if none answers.
    #[must_use]
    pub fn missing(&self, node_key: &str) -> Option<&Missing> {
        let others = self.nodes.iter().filter_map(|node| node.report.as_ref());
        let others = others.filter(|report| report.node_key != node_key);
        let sights = others.flat_map(|report| &report.validators);
        let sights = sights.filter(|one| one.link.node_key == node_key);
        let missed: Option<Vec<&Missing>> = sights.map(|one| one.missing.as_ref()).collect();
        missed?.into_iter().min_by_key(|missing| missing.since_ms)
    }

    /// Why a validator does not vote, if it says so itself.
    #[must_use]
    pub fn silent(&self, node_key: &str) -> Option<&str> {
        let mut reports = self.nodes.iter().filter_map(|node| node.report.as_ref());
        reports.find(|report| report.node_key == node_key)?.not_voting.as_deref()
    }
}

impl ConsensusReport {
    /// Puts names in place of node keys in what is said in words.
    #[must_use]
    pub fn with_names(mut self, names: &BTreeMap<String, String>) -> Self {
        let named = |text: &mut String| *text = with_names(text, names);
        if let Some(why) = &mut self.no_block {
            named(&mut why.reason);
        }
        self.warnings.iter_mut().for_each(named);
        self
    }
}

/// Puts the names of nodes in place of their keys, `0x` and 64 hex digits, in what is said in words.
#[must_use]
pub fn with_names(text: &str, names: &BTreeMap<String, String>) -> String {
    let put =
        |text: String, (key, name): (&String, &String)| text.replace(&format!("0x{key}"), name);
    names.iter().fold(text.to_owned(), put)
}
