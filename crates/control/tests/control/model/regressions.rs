//! Sequences that failed once, made short: each with its seed, of which ids, keys and pauses come.

use super::step::{Step, Verb};

/// One of them.
#[derive(Debug)]
pub(super) struct Regression {
    /// What was wrong.
    pub(super) what: &'static str,
    pub(super) seed: u64,
    pub(super) steps: &'static [Step],
}

pub(super) const REGRESSIONS: &[Regression] = &[Regression {
    what: "a network whose time is over is extended, and runs again",
    seed: 0,
    steps: &[
        Step::Ask { network: 0, verb: Verb::Create { validators: 1, ttl_s: 3_600 } },
        Step::Rest,
        Step::SetClock { seconds: 3_600 },
        Step::Pass { ms: 60_000 },
        Step::Rest,
        Step::Ask { network: 0, verb: Verb::Extend { by_s: 600 } },
        Step::Rest,
        Step::SetClock { seconds: 3_600 },
        Step::Pass { ms: 60_000 },
        Step::SetClock { seconds: 3_600 },
        Step::Rest,
    ],
}];
