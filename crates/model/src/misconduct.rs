//! Validators that voted twice, as the nodes of a network saw it.
//!
//! Each node keeps what it saw itself. What it says is worth what its word is; the votes are what can
//! be checked (docs/protocol/proofs.md, "Evidence").

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::NodeId;

/// What the nodes of a network have seen of validators that voted twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkMisconduct {
    /// What each node of this platform says.
    pub nodes: Vec<NodeMisconduct>,
}

/// What one node has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NodeMisconduct {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// What it has seen, by epoch; absent where it does not answer.
    pub seen: Option<Vec<DoubleVote>>,
    /// Why it does not answer.
    pub unreachable: Option<String>,
}

/// Two votes of one validator of which an honest one casts one at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DoubleVote {
    /// The epoch of both votes.
    pub epoch: u64,
    /// The view of both votes.
    pub view: u64,
    /// The validator's public node key, 64 hex digits.
    pub node_key: String,
    /// The public key that signed both, 64 hex digits.
    pub consensus_key: String,
    /// `notarized_twice`, `finalized_twice` or `finalized_and_nullified`.
    pub kind: String,
    /// Both votes with their signatures, as consensus encodes them: 0x and hex.
    pub votes: String,
    /// When the node saw it, in Unix milliseconds.
    pub seen_at_ms: u64,
}
