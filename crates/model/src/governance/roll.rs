//! Who governs a network and who decides its blocks, and by which parameters.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{MemberName, Permission};
use crate::{NodeId, consensus::Missing, spec::Fees};

/// Whether a member or a validator takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum SeatState {
    /// It does.
    Active,
    /// It does not, until the members resume it.
    Suspended,
    /// It is gone for good.
    Removed,
}

/// A validator's id and name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ValidatorName {
    /// Its id.
    pub id: u32,
    /// Its name.
    pub name: String,
}

/// A member of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkMember {
    /// Its id.
    pub id: u32,
    /// Its organization.
    pub organization: String,
    /// The account by which it proposes and votes.
    pub account: String,
    /// Where the other members reach it, if it says so.
    pub endpoint: String,
    /// Whether it takes part.
    pub state: SeatState,
    /// Whether this platform holds the key of its account, and can propose and vote for it.
    pub key_held: bool,
    /// Its validators.
    pub validators: Vec<ValidatorName>,
    /// The node keys of its observers, 64 hex digits each.
    pub observers: Vec<String>,
}

/// A validator of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkValidator {
    /// Its id.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// The member that it belongs to.
    pub member: MemberName,
    /// What was decided about it.
    pub state: SeatState,
    /// Whether it votes in the next epoch: neither it nor its member is suspended.
    pub active: bool,
    /// Whether it votes in the epoch under way; absent where no node has that state any more.
    pub voting: Option<bool>,
    /// Since when all other nodes of this platform miss it, if they do.
    pub missing: Option<Missing>,
    /// Why it does not vote in the epoch under way, if it says so itself and is to vote.
    pub silent: Option<String>,
    /// Its public node key, 64 hex digits.
    pub node_key: String,
    /// Its public consensus key, 64 hex digits.
    pub consensus_key: String,
    /// Its account, if it has one.
    pub account: Option<String>,
    /// Where it is reached, if it says so.
    pub endpoint: String,
    /// The node on this platform that has its node key.
    pub node: Option<NodeId>,
    /// That node's name.
    pub node_name: Option<String>,
}

/// An observer of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkObserver {
    /// Its public node key, 64 hex digits.
    pub node_key: String,
    /// The member that it belongs to.
    pub member: MemberName,
    /// Whether its member is not suspended.
    pub active: bool,
    /// Where it is reached, if it says so.
    pub endpoint: String,
}

/// What a proposal needs to be approved: more than so many percent of the active members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Thresholds {
    /// Percent, for members and validators.
    pub membership: u8,
    /// Percent, for parameters.
    pub parameters: u8,
}

/// A version of the rules that is to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextRules {
    /// The version.
    pub version: u32,
    /// The first block under it.
    pub height: u64,
}

/// What the members decide of blocks and votes, as the contract has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NetworkParameters {
    /// Grows with every change of what nodes read.
    pub revision: u64,
    /// The gas limit of a block.
    pub gas_limit: u64,
    /// What transactions pay.
    pub fees: Fees,
    /// The least time between two blocks, in milliseconds.
    pub min_block_interval_ms: u32,
    /// How long votes on a proposal are taken, in seconds.
    pub proposal_lifetime_s: u32,
    /// What a proposal needs.
    pub thresholds: Thresholds,
    /// What needs a permission.
    pub permissioned: BTreeSet<Permission>,
    /// How many accounts have a permission.
    pub permitted_accounts: u64,
    /// The version of the rules.
    pub rules_version: u32,
    /// The version that is to come, if one is.
    pub next_rules: Option<NextRules>,
}

/// An account with permissions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PermittedAccount {
    /// Its address.
    pub account: String,
    /// What it may do where that needs a permission.
    pub permissions: BTreeSet<Permission>,
}
