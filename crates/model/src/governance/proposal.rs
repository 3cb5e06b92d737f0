//! Proposals and votes: what is asked for, and what the chain has of them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Action, Named, ProposedAction};
use crate::{ErrorCode, network::BlockRef};

/// What a member proposes: actions that are executed together or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposalRequest {
    /// The member that proposes; may be left out where the platform holds one member's key only.
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    pub member: Option<Named>,
    /// What is to be done; 1 to 16.
    pub actions: Vec<Action>,
    /// For people; 256 bytes at most.
    #[serde(default)]
    pub reason: String,
    /// The members accept that the validators that come of it may lack a quorum of reachable ones.
    #[serde(default)]
    pub force: bool,
}

/// How a member votes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoteRequest {
    /// The member that votes; may be left out where the platform holds one member's key only.
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    pub member: Option<Named>,
    /// For or against.
    pub vote: Voice,
}

/// Who settles a proposal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettleRequest {
    /// The member that sends it; may be left out where the platform holds one member's key only.
    #[serde(rename = "as", default, skip_serializing_if = "Option::is_none")]
    pub member: Option<Named>,
}

/// For or against.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Voice {
    /// For it.
    Yes,
    /// Against it.
    No,
}

/// A member's id and organization.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberName {
    /// Its id.
    pub id: u32,
    /// Its organization.
    pub organization: String,
}

/// Where a proposal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProposalState {
    /// Votes are taken.
    InProgress,
    /// Its actions were executed by the vote that sufficed.
    Approved,
    /// The votes against suffice.
    Rejected,
    /// Its time was over before; by the platform's clock where no block has told it yet.
    Expired,
    /// It was approved, and an action failed: none took effect.
    ActionFailed,
}

/// A vote that a member cast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MemberVote {
    /// Whose.
    pub member: MemberName,
    /// For or against.
    pub vote: Voice,
    /// When, Unix milliseconds.
    pub cast_at_ms: u64,
}

/// How the votes stand. Those of members that were suspended or removed since don't count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tally {
    /// Votes for it.
    pub votes_for: u64,
    /// Votes against it.
    pub votes_against: u64,
    /// Members that can vote.
    pub active_members: u64,
    /// It takes more than so many percent of them.
    pub threshold_percent: u8,
    /// So many votes for it suffice.
    pub needed_for: u64,
    /// So many votes against it suffice.
    pub needed_against: u64,
    /// The same in words.
    pub arithmetic: String,
}

impl Tally {
    /// Counts.
    pub fn new(
        (votes_for, votes_against): (u64, u64),
        active_members: u64,
        threshold_percent: u8,
    ) -> Self {
        // Approved when 100 × for > threshold × members, rejected when that can't come any more.
        let exceeded = u64::from(threshold_percent) * active_members / 100;
        let (needed_for, needed_against) =
            (exceeded + 1, active_members.saturating_sub(exceeded).max(1));
        let arithmetic = format!(
            "{votes_for} for and {votes_against} against, of {active_members} members; more than \
             {threshold_percent} % is {needed_for} for, and {needed_against} against reject it"
        );
        Self {
            votes_for,
            votes_against,
            active_members,
            threshold_percent,
            needed_for,
            needed_against,
            arithmetic,
        }
    }
}

/// Why an action failed, or would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// The code of the error.
    pub code: ErrorCode,
    /// The contract's own name for it, with its values.
    pub error: String,
    /// What was wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// A proposal, as the chain has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Proposal {
    /// Its number in the network, from 1.
    pub id: u64,
    /// The member that made it.
    pub proposer: MemberName,
    /// What it does.
    pub actions: Vec<ProposedAction>,
    /// Why, for people.
    pub reason: String,
    /// The members accept that the validators that come of it may lack a quorum of reachable ones.
    pub force: bool,
    /// Where it is.
    pub state: ProposalState,
    /// The votes, in the order in which they were cast.
    pub votes: Vec<MemberVote>,
    /// How they stand.
    pub tally: Tally,
    /// Why its execution failed, if it did.
    pub failure: Option<Failure>,
    /// When it was made, Unix milliseconds.
    pub created_at_ms: u64,
    /// Until when votes are taken, Unix milliseconds.
    pub expires_at_ms: u64,
    /// When it came to its end, Unix milliseconds; absent while no block says so.
    pub settled_at_ms: Option<u64>,
}

/// What a decided proposal changed, and when nodes act by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Effect {
    /// What was changed.
    pub words: String,
    /// When it takes effect.
    pub when: String,
    /// The first block that is made by it, where there is one.
    pub from_block: Option<u64>,
}

/// What came of a proposal or a vote that a member sent through the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BallotOutcome {
    /// The member.
    pub member: MemberName,
    /// The hash of its transaction.
    pub transaction: String,
    /// The final block that has it.
    pub block: BlockRef,
    /// The proposal after it.
    pub proposal: Proposal,
    /// What was changed, if this decided the proposal.
    pub effects: Vec<Effect>,
}

/// A transaction that somebody else signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UnsignedTransaction {
    /// The network's chain id.
    pub chain_id: u64,
    /// The member's account: only its signature counts.
    pub from: String,
    /// The governance contract.
    pub to: String,
    /// The value in wei: none.
    pub value: String,
    /// The input.
    pub data: String,
}

/// What a proposal or a vote would send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BallotPlan {
    /// The member.
    pub member: MemberName,
    /// What it would send.
    pub transaction: UnsignedTransaction,
    /// What that is, in words.
    pub words: Vec<String>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arithmetic_is_the_contract_s() {
        for members in 1..=100u64 {
            for threshold in 50..=99u8 {
                let tally = Tally::new((0, 0), members, threshold);
                let approved = |votes: u64| 100 * votes > u64::from(threshold) * members;
                let rejected =
                    |votes: u64| 100 * (members - votes) <= u64::from(threshold) * members;
                assert!(approved(tally.needed_for) && !approved(tally.needed_for - 1));
                assert!(rejected(tally.needed_against) && !rejected(tally.needed_against - 1));
            }
        }
        let tally = Tally::new((1, 0), 3, 50);
        assert_eq!(
            tally.arithmetic,
            "1 for and 0 against, of 3 members; more than 50 % is 2 for, and 2 against reject it"
        );
    }
}
