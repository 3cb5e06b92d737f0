//! The board as `windlass_consensus` answers it: who voted, who is missing since when, and why.

use std::collections::BTreeSet;

use alloy_primitives::B256;
use serde::Serialize;

use super::{
    ANSWER_MS, Diagnosis, Facts, MISSED_DECISIONS, NoBlockCode, NodeSeen, Seen, View, ViewSeen,
    VoteSeen,
};
use crate::status::Status;

/// What consensus is doing, as one node sees it. Times are Unix milliseconds by its own clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The node that says so.
    pub node_key: B256,
    /// When it said so.
    pub at_ms: u64,
    /// The height of its last final block.
    pub height: u64,
    /// The epoch.
    pub epoch: u64,
    /// The view that it is in, as far as it saw the one before end.
    pub view: u64,
    /// Who leads that view; absent while it is not yet in an epoch.
    pub leader: Option<B256>,
    /// Whose votes it has seen in that view.
    pub voted: ViewVotes,
    /// How many votes decide.
    pub quorum: usize,
    /// How many validators are connected, this node counted if it is one.
    pub connected_validators: usize,
    /// Why this node does not vote, if it does not.
    pub not_voting: Option<String>,
    /// The last block that it saw become final.
    pub last_final: Option<FinalBlock>,
    /// The validators of the epoch, in the order of their node keys.
    pub validators: Vec<ValidatorReport>,
    /// The other nodes that the members name.
    pub followers: Vec<Link>,
    /// Why no block is made; absent where blocks are made, or are about to be.
    pub no_block: Option<NoBlock>,
    /// What is not wrong yet.
    pub warnings: Vec<String>,
}

/// A kind of vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Ballot {
    /// For a block.
    Notarize,
    /// To give the view up.
    Nullify,
    /// To make the block final.
    Finalize,
}

impl Ballot {
    /// Where the kind is among the three.
    pub(super) fn index(self) -> usize {
        match self {
            Self::Notarize => 0,
            Self::Nullify => 1,
            Self::Finalize => 2,
        }
    }
}

/// Whose votes were seen in a view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewVotes {
    /// For its block.
    pub notarize: BTreeSet<B256>,
    /// To give it up.
    pub nullify: BTreeSet<B256>,
    /// To make its block final.
    pub finalize: BTreeSet<B256>,
}

/// A final block, and who decided it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FinalBlock {
    /// Its height.
    pub number: u64,
    /// The epoch.
    pub epoch: u64,
    /// The view that decided it.
    pub view: u64,
    /// Who led that view, if this node saw it.
    pub leader: Option<B256>,
    /// When this node saw it decided; absent if it fetched the block later.
    pub at_ms: Option<u64>,
    /// Whose votes it saw.
    pub voted: ViewVotes,
}

/// What a node knows of its connection with another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// The other's p2p identity.
    pub node_key: B256,
    /// Whether they are connected; a node is with itself.
    pub connected: bool,
    /// Since when they are, or are not; absent for the node itself.
    pub since_ms: Option<u64>,
    /// When the other told its tip last.
    pub heard_at_ms: Option<u64>,
    /// Microseconds from a question to its answer: the median of the last few.
    pub round_trip_us: Option<u64>,
    /// Microseconds that the other's clock is ahead of this node's: the median of the last few.
    pub clock_offset_us: Option<i64>,
}

/// What a node knows of a validator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValidatorReport {
    /// The connection.
    #[serde(flatten)]
    pub link: Link,
    /// Its newest vote that was seen.
    pub last_vote: Option<LastVote>,
    /// Since when it is missing, if it is.
    pub missing: Option<Missing>,
}

/// A vote that was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LastVote {
    /// What it was.
    pub vote: Ballot,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Missing {
    /// Since when.
    pub since_ms: u64,
    /// By what this shows, in words.
    pub reason: String,
}

/// Why no block is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NoBlock {
    /// The kind of reason.
    pub code: NoBlockCode,
    /// In words, with the validators that it is about by their node keys.
    pub reason: String,
    /// Since when, if that is known.
    pub since_ms: Option<u64>,
}

impl Diagnosis {
    /// What all that was seen means now.
    pub fn report(&self, at_ms: u64, status: &Status, facts: &Facts) -> Report {
        let seen = &*self.lock();
        let votes = |view: Option<&ViewSeen>| view.map(ViewSeen::voted).unwrap_or_default();
        let last_final = seen.last_final.as_ref().map(|last| FinalBlock {
            number: last.height,
            epoch: last.view.0,
            view: last.view.1,
            leader: last.seen.leader,
            at_ms: last.seen.decided_at_ms,
            voted: last.seen.voted(),
        });
        let mut report = Report {
            node_key: seen.me,
            at_ms,
            height: status.tip.number,
            epoch: seen.at.0,
            view: seen.at.1,
            leader: seen.leader,
            voted: votes(seen.views.get(&seen.at)),
            quorum: status.quorum,
            connected_validators: status.connected_validators,
            not_voting: status.not_voting.clone(),
            last_final,
            validators: seen.committee.iter().map(|key| seen.validator(key, at_ms)).collect(),
            followers: seen.followers(),
            no_block: None,
            warnings: Vec::new(),
        };
        report.no_block = super::why::no_block(seen, &report, status, facts);
        report.warnings = super::why::warnings(&report);
        report
    }
}

impl Seen {
    fn validator(&self, key: &B256, at_ms: u64) -> ValidatorReport {
        if *key == self.me {
            let last_vote = self.own.last_vote.map(LastVote::from);
            let link = Link { connected: true, since_ms: None, ..self.own.link(*key) };
            return ValidatorReport { link, last_vote, missing: None };
        }
        let unseen = NodeSeen::default();
        let node = self.nodes.get(key).unwrap_or(&unseen);
        ValidatorReport {
            link: node.link(*key),
            last_vote: node.last_vote.map(LastVote::from),
            missing: node.missing(at_ms),
        }
    }

    fn followers(&self) -> Vec<Link> {
        let others = self.nodes.iter().filter(|(key, _)| !self.committee.contains(*key));
        others.map(|(key, node)| node.link(*key)).collect()
    }
}

impl NodeSeen {
    fn link(&self, node_key: B256) -> Link {
        Link {
            node_key,
            connected: self.connected,
            since_ms: (self.since_ms > 0).then_some(self.since_ms),
            heard_at_ms: self.heard_at_ms,
            round_trip_us: self.clocks.round_trip_us(),
            clock_offset_us: self.clocks.offset_us(),
        }
    }

    fn missing(&self, at_ms: u64) -> Option<Missing> {
        let absent_since = self.absent.map(|absent| absent.since_ms);
        if !self.connected {
            // It has just started, and has not looked yet.
            if self.since_ms == 0 {
                return None;
            }
            let since_ms = absent_since.map_or(self.since_ms, |absent| absent.min(self.since_ms));
            let votes_reach_us = self.last_vote.is_some_and(|vote| vote.at_ms > self.since_ms);
            // Others are connected with it, and its votes come in their certificates.
            if votes_reach_us && self.absent.is_none() {
                return None;
            }
            return Some(Missing { since_ms, reason: "not connected".to_owned() });
        }
        let absent = self.absent?;
        if absent.decisions >= MISSED_DECISIONS {
            let reason = format!("connected, and without a vote in {} decisions", absent.decisions);
            return Some(Missing { since_ms: absent.since_ms, reason });
        }
        let asked_at_ms = absent.asked_at_ms?;
        let answered = self.heard_at_ms.is_some_and(|heard| heard >= asked_at_ms);
        let late = at_ms.saturating_sub(asked_at_ms) >= ANSWER_MS;
        (late && !answered).then(|| Missing {
            since_ms: absent.since_ms,
            reason: "connected, and neither votes nor answers".to_owned(),
        })
    }
}

impl ViewSeen {
    fn voted(&self) -> ViewVotes {
        let of = |ballot: Ballot| self.votes[ballot.index()].clone();
        ViewVotes {
            notarize: of(Ballot::Notarize),
            nullify: of(Ballot::Nullify),
            finalize: of(Ballot::Finalize),
        }
    }
}

impl From<VoteSeen> for LastVote {
    fn from(seen: VoteSeen) -> Self {
        let (epoch, view): View = seen.view;
        Self { vote: seen.ballot, epoch, view, at_ms: seen.at_ms, height: seen.height }
    }
}
