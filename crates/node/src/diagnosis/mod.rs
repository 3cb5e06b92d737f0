//! What consensus is doing, as this node sees it: for whoever asks at night why no block comes.
//!
//! Consensus tells the board what it sees (votes and certificates of each view, who is connected,
//! what the exchange of tips measures, blocks that are held); nothing is asked for the board's sake
//! but one answer of a validator that a decision was made without. What it all means is worked out
//! when somebody asks ([`report`]), so that a quiet node does nothing. None of it is in the node's
//! status, which stands still while a network is idle.
//!
//! Consensus itself asks for one thing: the time of day by which it judges blocks, since the clocks of
//! others are measured here ([`Diagnosis::time_ms`]).
//!
//! A validator is *missing*
//! - from when it lost its connection with this node, if no vote of it was seen since;
//! - from the first decision (a final or a given up view) after its last vote, if it was absent from
//!   [`MISSED_DECISIONS`] of them, or from fewer and does not answer when it is asked. A vote that
//!   comes after its certificate counts as present. A validator that got the certificate before the
//!   block may keep its vote to itself, so one decision without it says nothing.
//! - where nothing can be decided, since a quorum hangs: from when its vote began to be waited for, if
//!   it does not answer when it is asked.
//!
//! Memory is bounded: votes of [`KEPT_VIEWS`] views, and a few numbers for each node that the members
//! name.

mod clocks;
mod offences;
mod report;
#[cfg(test)]
mod tests;
mod why;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::B256;

use crate::status::faulty;
use clocks::Samples;
pub use clocks::Stamps;
pub use offences::Subject;
pub use report::{
    Ballot, FinalBlock, LastVote, Link, Missing, NoBlock, Report, ValidatorReport, ViewVotes,
};
pub use why::{Facts, NoBlockCode, Work};

/// How many views' votes are kept: those that late votes may still be for.
const KEPT_VIEWS: usize = 8;
/// How many decisions in a row a connected validator has to be absent from to be called missing.
pub const MISSED_DECISIONS: u64 = 3;
/// How long a validator has to answer when it is asked because a decision was made without it.
const ANSWER_MS: u64 = 3_000;
/// How long the answer of a validator whose vote is waited for counts.
const ASKED_AGAIN_MS: u64 = 10_000;

/// An epoch, and a view in it.
pub type View = (u64, u64);

/// How a view ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its block has the votes to be built on.
    Notarized,
    /// It was given up.
    Nullified,
    /// Its block is final.
    Finalized,
}

/// What consensus is doing. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    seen: Arc<Mutex<Seen>>,
}

/// All that was seen.
#[derive(Debug, Default)]
struct Seen {
    me: B256,
    /// Who votes in the epoch.
    committee: Vec<B256>,
    /// The view that the node is in, as far as it saw the one before end.
    at: View,
    leader: Option<B256>,
    views: BTreeMap<View, ViewSeen>,
    /// The newest view that was decided.
    decided: View,
    last_final: Option<FinalSeen>,
    /// This node itself.
    own: NodeSeen,
    /// Everybody else whom the members name.
    nodes: BTreeMap<B256, NodeSeen>,
    /// A block whose time is ahead of this node's clock.
    held: Option<Held>,
    /// Why this node cannot judge a block: its height, and the reason.
    unable: Option<(u64, String)>,
    /// How often a peer was cut off because of what it sent.
    cut_off: BTreeMap<Subject, u64>,
    /// When a handshake failed last with a node that this one may know.
    handshake_failed_ms: Option<u64>,
}

/// What was seen of a view.
#[derive(Clone, Debug, Default)]
struct ViewSeen {
    leader: Option<B256>,
    votes: [BTreeSet<B256>; 3],
    /// When it was final, or given up.
    decided_at_ms: Option<u64>,
    height: Option<u64>,
}

/// The newest final block whose height is known.
#[derive(Clone, Debug)]
struct FinalSeen {
    view: View,
    height: u64,
    seen: ViewSeen,
}

/// What was seen of a node.
#[derive(Clone, Debug, Default)]
struct NodeSeen {
    connected: bool,
    /// Since when it is, or is not.
    since_ms: u64,
    heard_at_ms: Option<u64>,
    last_vote: Option<VoteSeen>,
    absent: Option<Absent>,
    /// What the last question was stamped with, until it is answered: Unix microseconds.
    asked_us: Option<u64>,
    clocks: Samples,
}

/// A vote.
#[derive(Clone, Copy, Debug)]
struct VoteSeen {
    view: View,
    ballot: Ballot,
    at_ms: u64,
    /// Of the last final block that it voted for.
    height: Option<u64>,
}

/// Decisions were made without a validator.
#[derive(Clone, Copy, Debug)]
struct Absent {
    since_ms: u64,
    decisions: u64,
    /// When it was asked for an answer for that reason.
    asked_at_ms: Option<u64>,
}

/// A block that is not voted on yet.
#[derive(Clone, Copy, Debug)]
struct Held {
    number: u64,
    ahead_ms: u64,
    since_ms: u64,
    until_ms: u64,
}

impl Diagnosis {
    /// The board of a node that has seen nothing yet.
    pub fn new(me: B256) -> Self {
        Self { seen: Arc::new(Mutex::new(Seen { me, ..Seen::default() })) }
    }

    /// These are the nodes that the members name.
    pub fn know(&self, all: &[B256]) {
        let mut seen = self.lock();
        let me = seen.me;
        let named: BTreeSet<B256> = all.iter().copied().filter(|key| *key != me).collect();
        seen.nodes.retain(|key, _| named.contains(key));
        for key in named {
            seen.nodes.entry(key).or_default();
        }
    }

    /// An epoch is entered at a view: who votes in it, and who leads that view.
    pub fn enter(&self, at: View, committee: Vec<B256>, leader: Option<B256>) {
        let seen = &mut *self.lock();
        for key in committee.iter().filter(|key| **key != seen.me) {
            seen.nodes.entry(*key).or_default();
        }
        seen.committee = committee;
        seen.views.clear();
        (seen.at, seen.leader) = (at, leader);
        seen.decided = seen.decided.max((at.0, at.1.saturating_sub(1)));
    }

    /// A vote was seen, by itself or in a certificate.
    pub fn voted(&self, signer: B256, view: View, ballot: Ballot, at_ms: u64) {
        let seen = &mut *self.lock();
        if view.0 != seen.at.0 {
            return;
        }
        let Some(on) = seen.view(view) else { return };
        if !on.votes[ballot.index()].insert(signer) {
            return;
        }
        let height = on.height;
        if let Some(last) = seen.last_final.as_mut().filter(|last| last.view == view) {
            last.seen.votes[ballot.index()].insert(signer);
        }
        let own = signer == seen.me;
        let node = if own { Some(&mut seen.own) } else { seen.nodes.get_mut(&signer) };
        let Some(node) = node else { return };
        node.absent = None;
        let before = node.last_vote.and_then(|vote| vote.height);
        let newer = node.last_vote.is_none_or(|vote| vote.view <= view);
        if newer {
            node.last_vote = Some(VoteSeen { view, ballot, at_ms, height: height.max(before) });
        } else if let Some(vote) = &mut node.last_vote {
            (vote.at_ms, vote.height) = (at_ms, vote.height.max(height));
        }
    }

    /// A view ended; who led it, and who leads the one after it.
    pub fn ended(
        &self,
        view: View,
        ending: Ending,
        (leader, next): (Option<B256>, Option<B256>),
        at_ms: u64,
    ) {
        let mut seen = self.lock();
        if view.0 != seen.at.0 {
            return;
        }
        if view.1 >= seen.at.1 {
            (seen.at, seen.leader) = ((view.0, view.1 + 1), next);
        }
        let Some(on) = seen.view(view) else { return };
        on.leader = leader;
        if ending == Ending::Notarized {
            return;
        }
        let first = on.decided_at_ms.is_none();
        on.decided_at_ms.get_or_insert(at_ms);
        if first && view > seen.decided {
            seen.decided = view;
            seen.miss(view, at_ms);
        }
    }

    /// A view's block is final, and this is its height.
    pub fn finalized(&self, view: View, height: u64) {
        let mut seen = self.lock();
        if seen.last_final.as_ref().is_some_and(|last| last.height >= height) {
            return;
        }
        let on = if view.0 == seen.at.0 { seen.view(view) } else { None };
        let on = on.map_or_else(ViewSeen::default, |on| {
            on.height = Some(height);
            on.clone()
        });
        let Seen { own, nodes, .. } = &mut *seen;
        for node in nodes.values_mut().chain([own]) {
            // A vote for a later view is for a block on top of this one.
            if let Some(vote) = node.last_vote.as_mut().filter(|vote| vote.view >= view) {
                vote.height = vote.height.max(Some(height));
            }
        }
        seen.last_final = Some(FinalSeen { view, height, seen: on });
    }

    /// These are connected with this node now.
    pub fn connected(&self, now: &BTreeSet<B256>, at_ms: u64) {
        for (key, node) in &mut self.lock().nodes {
            let connected = now.contains(key);
            if node.since_ms == 0 || node.connected != connected {
                (node.connected, node.since_ms) = (connected, at_ms);
            }
        }
    }

    /// A node was asked for an answer, stamped so.
    pub fn asked(&self, node: &B256, at_us: u64) {
        if let Some(node) = self.lock().nodes.get_mut(node) {
            node.asked_us = Some(at_us);
        }
    }

    /// A node told its tip; with the four stamps, if it is the answer to what it was asked last.
    pub fn heard(&self, node: &B256, stamps: Option<Stamps>, at_ms: u64) {
        let mut seen = self.lock();
        let Some(node) = seen.nodes.get_mut(node) else { return };
        node.heard_at_ms = Some(at_ms);
        if let Some(stamps) = stamps.filter(|stamps| node.asked_us == Some(stamps.asked)) {
            node.asked_us = None;
            node.clocks.add(stamps);
        }
    }

    /// Transactions have been waiting for a block since then: whoever has not voted in the view that
    /// is under way, and is connected, is absent, and is asked for an answer now and then.
    pub fn waits(&self, since_ms: u64, at_ms: u64) {
        let seen = &mut *self.lock();
        let empty = ViewSeen::default();
        let votes = &seen.views.get(&seen.at).unwrap_or(&empty).votes;
        for key in seen.committee.iter().filter(|key| !votes.iter().any(|of| of.contains(*key))) {
            let node = seen.nodes.get_mut(key).filter(|node| node.connected);
            let Some(node) = node else { continue };
            let absent = Absent { since_ms, decisions: 0, asked_at_ms: None };
            let absent = node.absent.get_or_insert(absent);
            let answered = |asked: &u64| node.heard_at_ms.is_some_and(|heard| heard >= *asked);
            let long_ago = |asked: &u64| at_ms.saturating_sub(*asked) >= ASKED_AGAIN_MS;
            absent.asked_at_ms = absent.asked_at_ms.filter(|at| !(answered(at) && long_ago(at)));
        }
    }

    /// Which connected validators a decision was made without, or waits for, that were not asked yet for that
    /// reason; they are now.
    pub fn to_ask(&self, at_ms: u64) -> Vec<B256> {
        let mut seen = self.lock();
        let mut asked = Vec::new();
        for (key, node) in seen.nodes.iter_mut().filter(|(_, node)| node.connected) {
            if let Some(absent) = node.absent.as_mut().filter(|one| one.asked_at_ms.is_none()) {
                absent.asked_at_ms = Some(at_ms);
                asked.push(*key);
            }
        }
        asked
    }

    /// The time of day by which blocks are judged, in Unix milliseconds: this node's own, or what more
    /// validators' clocks show than can be faulty, where that is later. So who is late takes blocks of those
    /// who are right.
    pub fn time_ms(&self, own_ms: u64) -> u64 {
        let seen = self.lock();
        let clock = |key: &B256| {
            if *key == seen.me {
                return Some(own_ms);
            }
            let offset_ms = seen.nodes.get(key)?.clocks.offset_us()? / 1_000;
            own_ms.checked_add_signed(offset_ms)
        };
        let mut clocks: Vec<u64> = seen.committee.iter().filter_map(clock).collect();
        clocks.sort_unstable_by(|left, right| right.cmp(left));
        clocks.get(faulty(seen.committee.len())).map_or(own_ms, |shown| own_ms.max(*shown))
    }

    /// How far this node's clock is ahead of its peers', in microseconds: the median of what each shows.
    /// `None` while none was measured.
    pub fn ahead_us(&self) -> Option<i64> {
        let seen = self.lock();
        let offsets = seen.nodes.values().filter(|node| node.connected);
        let offsets = offsets.filter_map(|node| node.clocks.offset_us()).collect();
        clocks::median(offsets).map(|behind: i64| behind.saturating_neg())
    }

    /// A block's time is so far ahead of this node's clock that it is held.
    pub fn held(&self, number: u64, ahead_ms: u64, wait_ms: u64, at_ms: u64) {
        let mut seen = self.lock();
        let before = seen.held.filter(|held| held.number == number);
        let since_ms = before.map_or(at_ms, |held| held.since_ms);
        let until_ms = at_ms.saturating_add(wait_ms);
        seen.held = Some(Held { number, ahead_ms, since_ms, until_ms });
    }

    /// A block was judged.
    pub fn judged(&self, number: u64) {
        let mut seen = self.lock();
        seen.held = seen.held.filter(|held| held.number != number);
        seen.unable = None;
    }

    /// A block cannot be judged by this node.
    pub fn unable(&self, number: u64, reason: String) {
        self.lock().unable = Some((number, reason));
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        // Nothing here panics half way: each change is a plain assignment.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// What is kept of a view; `None` if it is too old to be kept.
    fn view(&mut self, view: View) -> Option<&mut ViewSeen> {
        if !self.views.contains_key(&view) {
            let full = self.views.len() >= KEPT_VIEWS;
            let oldest = self.views.first_key_value().map(|(oldest, _)| *oldest);
            if full && oldest.is_some_and(|oldest| view < oldest) {
                return None;
            }
            self.views.insert(view, ViewSeen::default());
            if full {
                self.views.pop_first();
            }
        }
        self.views.get_mut(&view)
    }

    /// A view was decided: whoever has not voted since is absent from the decision.
    fn miss(&mut self, view: View, at_ms: u64) {
        for key in &self.committee {
            let Some(node) = self.nodes.get_mut(key) else { continue };
            if node.last_vote.is_some_and(|vote| vote.view >= view) {
                continue;
            }
            let absent = Absent { since_ms: at_ms, decisions: 0, asked_at_ms: None };
            node.absent.get_or_insert(absent).decisions += 1;
        }
    }
}
