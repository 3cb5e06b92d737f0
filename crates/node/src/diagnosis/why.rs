//! Why no block is made, in words; the first reason that holds, the plainest first.

use alloy_primitives::B256;
use serde::Serialize;

use super::{
    NoBlock, Report, Seen,
    clocks::median,
    report::{Missing, ValidatorReport},
};
use crate::{ledger::DRIFT_MS, status::Status};

/// What the ledger says when it is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether an executable transaction is pending.
    pub work: Work,
    /// Why no block can be made or judged on the tip, if none can.
    pub obstacle: Option<String>,
}

/// Whether there is something to put into a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Work {
    /// Nothing that the next block would hold.
    #[default]
    None,
    /// A transaction at least.
    Pending,
}

/// A kind of reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum NoBlockCode {
    /// No executable transaction is pending: all is well.
    NothingToDo,
    /// This node's ledger cannot go on.
    Obstacle,
    /// Fewer validators than a quorum are there.
    NoQuorum,
    /// This node has less of the chain than others.
    Behind,
    /// A block is held until this node's clock has come near its time.
    ClockAhead,
    /// This node cannot judge a block.
    CannotJudge,
    /// The validator whose turn it is is not there.
    LeaderMissing,
    /// Transactions are pending and all are there, and still no block becomes final.
    Stalled,
}

impl NoBlockCode {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::NothingToDo,
        Self::Obstacle,
        Self::NoQuorum,
        Self::Behind,
        Self::ClockAhead,
        Self::CannotJudge,
        Self::LeaderMissing,
        Self::Stalled,
    ];

    /// What it is called in measurements, as in the platform's API.
    pub fn label(self) -> &'static str {
        match self {
            Self::NothingToDo => "nothing_to_do",
            Self::Obstacle => "obstacle",
            Self::NoQuorum => "no_quorum",
            Self::Behind => "behind",
            Self::ClockAhead => "clock_ahead",
            Self::CannotJudge => "cannot_judge",
            Self::LeaderMissing => "leader_missing",
            Self::Stalled => "stalled",
        }
    }
}

/// Why no block is made, as far as `report` goes already.
pub(super) fn no_block(
    seen: &Seen,
    report: &Report,
    status: &Status,
    facts: &Facts,
) -> Option<NoBlock> {
    let stalled_since_ms = status.stalled.as_ref().map(|stalled| stalled.since_ms);
    let because = |code, reason, since_ms| Some(NoBlock { code, reason, since_ms });
    if let Some(obstacle) = &facts.obstacle {
        return because(NoBlockCode::Obstacle, obstacle.clone(), stalled_since_ms);
    }
    if !status.quorum_connected && !status.named {
        let told = status.stalled.as_ref().map(|stalled| stalled.reason.clone());
        let reason = told.unwrap_or_else(|| "no member has named this node".to_owned());
        return because(NoBlockCode::NoQuorum, reason, stalled_since_ms);
    }
    if let Some(no_quorum) = no_quorum(seen, report, status) {
        return Some(no_quorum);
    }
    if status.syncing {
        let (own, highest) = (report.height, status.highest);
        let reason = format!("this node has block {own} and is fetching up to {highest}");
        return because(NoBlockCode::Behind, reason, None);
    }
    let held = seen.held.filter(|held| held.number > report.height);
    if let Some(held) = held.filter(|held| report.at_ms <= held.until_ms) {
        let reason = format!(
            "block {} is held: its time was {} ms ahead of this node's clock, {DRIFT_MS} ms are \
             allowed",
            held.number, held.ahead_ms
        );
        return because(NoBlockCode::ClockAhead, reason, Some(held.since_ms));
    }
    if let Some((number, why)) = seen.unable.as_ref().filter(|one| one.0 > report.height) {
        let reason = format!("this node cannot judge block {number}: {why}");
        return because(NoBlockCode::CannotJudge, reason, stalled_since_ms);
    }
    if facts.work == Work::None {
        let since_ms = report.last_final.as_ref().and_then(|last| last.at_ms);
        let reason = "nothing to do: no executable transaction is pending".to_owned();
        return status.idle.then_some(NoBlock { code: NoBlockCode::NothingToDo, reason, since_ms });
    }
    leader_missing(report).or_else(|| {
        let (since_ms, reason) = (stalled_since_ms?, &status.stalled.as_ref()?.reason);
        let voted = &report.voted;
        let mut reason = format!(
            "{reason}; in view {} {} voted for a block and {} to give it up, {} are needed",
            report.view,
            voted.notarize.len(),
            voted.nullify.len(),
            report.quorum
        );
        let votes = |key: &B256| voted.notarize.contains(key) || voted.nullify.contains(key);
        let keys = report.validators.iter().map(|one| one.link.node_key);
        let silent: Vec<_> = keys.filter(|key| !votes(key)).map(|key| key.to_string()).collect();
        if !silent.is_empty() {
            reason.push_str("; without a vote in it: ");
            reason.push_str(&silent.join(", "));
        }
        because(NoBlockCode::Stalled, reason, Some(since_ms))
    })
}

/// Too few validators are there to decide anything.
fn no_quorum(seen: &Seen, report: &Report, status: &Status) -> Option<NoBlock> {
    let missing: Vec<_> = report.validators.iter().filter_map(gone).collect();
    let (all, needed) = (report.validators.len(), report.quorum);
    let there = all.saturating_sub(missing.len());
    if status.quorum_connected && (there >= needed || all == 0) {
        return None;
    }
    let mut reason = if status.quorum_connected {
        format!("{there} of {all} validators vote, {needed} needed")
    } else {
        format!("{} of {all} validators connected, {needed} needed", report.connected_validators)
    };
    let names: Vec<_> =
        missing.iter().map(|(one, missing)| named(one, missing, report.at_ms)).collect();
    if !names.is_empty() {
        reason.push_str("; missing: ");
        reason.push_str(&names.join(", "));
    }
    if let Some(why) = seen.estrangement(report.at_ms).filter(|_| !status.quorum_connected) {
        reason.push_str("; ");
        reason.push_str(why);
    }
    // So many may be missing; with the next one that went the quorum was lost.
    let mut since: Vec<u64> = missing.iter().map(|(_, missing)| missing.since_ms).collect();
    since.sort_unstable();
    let since_ms = since.get(all.saturating_sub(needed)).copied();
    Some(NoBlock { code: NoBlockCode::NoQuorum, reason, since_ms })
}

/// The turn is of a validator that is not there.
fn leader_missing(report: &Report) -> Option<NoBlock> {
    let leader = report.leader?;
    let found = report.validators.iter().filter_map(gone);
    let (one, missing) = found.into_iter().find(|(one, _)| one.link.node_key == leader)?;
    Some(NoBlock {
        code: NoBlockCode::LeaderMissing,
        reason: format!(
            "view {} is led by {}; when its time is over, the next validator leads",
            report.view,
            named(one, missing, report.at_ms)
        ),
        since_ms: Some(missing.since_ms),
    })
}

fn gone(one: &ValidatorReport) -> Option<(&ValidatorReport, &Missing)> {
    Some((one, one.missing.as_ref()?))
}

fn named(one: &ValidatorReport, missing: &Missing, at_ms: u64) -> String {
    let seconds = at_ms.saturating_sub(missing.since_ms) / 1_000;
    format!("{} ({} for {seconds} s)", one.link.node_key, missing.reason)
}

/// Clocks that are so far apart that blocks are held.
pub(super) fn warnings(report: &Report) -> Vec<String> {
    let drift_us = i64::try_from(DRIFT_MS * 1_000).unwrap_or(i64::MAX);
    let links = report.validators.iter().map(|one| &one.link);
    let links: Vec<_> = links.chain(&report.followers).collect();
    let offsets: Vec<i64> = links.iter().filter_map(|link| link.clock_offset_us).collect();
    let measured = offsets.len();
    let (peers, own) = (median(offsets).unwrap_or(0), "this node's clock");
    let text = |offset_us: i64| {
        let (ms, side) =
            (offset_us.unsigned_abs() / 1_000, if offset_us > 0 { "ahead of" } else { "behind" });
        format!("{}.{:03} s {side}", ms / 1_000, ms % 1_000)
    };
    // Where most of the others agree against this node, it is the one that is wrong.
    if peers.abs() > drift_us && measured > 1 {
        return vec![format!(
            "{own} is {} most of its peers'; {DRIFT_MS} ms are allowed. Set its clock",
            text(-peers)
        )];
    }
    let off = |offset_us: &i64| offset_us.abs() > drift_us;
    let off = links.iter().filter_map(|link| {
        let offset_us = link.clock_offset_us.filter(off)?;
        Some(format!(
            "the clock of {} is {} {own}; {DRIFT_MS} ms are allowed",
            link.node_key,
            text(offset_us)
        ))
    });
    off.collect()
}
