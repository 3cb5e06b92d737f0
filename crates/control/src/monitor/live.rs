//! What is known of nodes that are listened to, and of their network.

use std::collections::BTreeMap;

use windlass_engine::NodeReport;
use windlass_model::{
    NodeId,
    condition::Condition,
    network::{BlockRef, Health, Reason},
};
use windlass_substrate::Running;

/// A process that has answered, and then leaves so many questions in a row unanswered for so long,
/// hangs: it is ended and started again. A question waits for seconds, so a busy machine is no hang.
pub(crate) const HANGS_AFTER_MS: u64 = 30_000;
const HANGS_AFTER_QUESTIONS: u32 = 3;

/// An answer of so long ago is no longer told as if it were of now. One that runs is asked every few
/// seconds, and what it leaves unanswered is known before this is over.
pub(crate) const FRESH_MS: u64 = 12_000;

/// What one node says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LiveNode {
    /// Its process, as the substrate reported it last.
    pub(crate) process: Option<Running>,
    pub(crate) report: Option<NodeReport>,
    pub(crate) answered_at_ms: Option<u64>,
    /// It doesn't answer although it runs.
    pub(crate) silence: Option<Silence>,
    pub(crate) resident_bytes: Option<u64>,
    /// What it has on disk.
    pub(crate) disk_bytes: Option<u64>,
    /// How far its clock was ahead of the platform's when it answered last, in milliseconds.
    pub(crate) clock_ahead_ms: Option<i64>,
}

/// A process does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Silence {
    pub(crate) why: String,
    /// When it first didn't.
    pub(crate) since_ms: u64,
    /// How many questions in a row it has left unanswered.
    pub(crate) questions: u32,
}

impl LiveNode {
    /// Its process has answered at this time with what stands in its report.
    pub(super) fn answers(&mut self, now_ms: u64) {
        (self.answered_at_ms, self.silence) = (Some(now_ms), None);
        let at_ms = self.report.as_ref().and_then(|report| report.machine.at_ms);
        self.clock_ahead_ms = at_ms.and_then(|at_ms| at_ms.checked_signed_diff(now_ms));
    }

    /// What this process has said last, if it answers.
    pub(crate) fn report_of(&self, running: &Running) -> Option<&NodeReport> {
        self.report.as_ref().filter(|_| self.is_of(running) && self.silence.is_none())
    }

    /// Whether this is what that process says.
    pub(crate) fn is_of(&self, running: &Running) -> bool {
        self.process.as_ref().is_some_and(|process| {
            (process.pid, process.start_time_ticks) == (running.pid, running.start_time_ticks)
        })
    }

    /// Whether its process is one that has answered, and hangs.
    pub(crate) fn hangs(&self, now_ms: u64) -> bool {
        let long = |silence: &Silence| {
            silence.questions >= HANGS_AFTER_QUESTIONS
                && now_ms.saturating_sub(silence.since_ms) >= HANGS_AFTER_MS
        };
        self.answered_at_ms.is_some() && self.silence.as_ref().is_some_and(long)
    }

    /// What it says, if it answers.
    pub(crate) fn answer(&self) -> Option<&NodeReport> {
        self.process.as_ref().and_then(|running| self.report_of(running))
    }
}

/// How a network does, by what its nodes say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LiveNetwork {
    pub(crate) health: Health,
    pub(crate) reason: Option<Reason>,
    /// The newest block that a quorum reported.
    pub(crate) tip: Option<BlockRef>,
    pub(crate) answered_at_ms: Option<u64>,
    /// How many validators vote now.
    pub(crate) validators: Option<u32>,
    pub(crate) nodes: BTreeMap<NodeId, LiveNode>,
    pub(crate) conditions: Vec<Condition>,
}
