//! A sequence that fails, made as short as it can be.

use super::{
    run::Finding,
    step::{Step, Verb},
};

/// How many sequences are tried at most.
const TRIES: usize = 400;
/// How often in a row a shorter one has to fail: what a race decides is no script to be repeated.
const IN_A_ROW: usize = 3;

/// Leaves steps out and makes others simpler, as long as what is found stays the same.
pub(super) fn shrink(
    steps: Vec<Step>,
    finding: Finding,
    play: impl Fn(&[Step]) -> Result<(), Finding>,
) -> (Vec<Step>, Finding) {
    let mut left = TRIES;
    let mut best = (steps, finding);
    let mut try_instead = |best: &mut (Vec<Step>, Finding), steps: Vec<Step>| {
        if left == 0 {
            return false;
        }
        left -= 1;
        let fails = || play(&steps).err().filter(|found| found.kind == best.1.kind);
        let found: Option<Vec<Finding>> = (0..IN_A_ROW).map(|_| fails()).collect();
        let Some(found) = found.and_then(|mut found| found.pop()) else { return false };
        *best = (steps, found);
        true
    };
    loop {
        let mut smaller = false;
        // Whole parts first, then single steps, from the end on.
        let mut part = best.0.len().div_ceil(2);
        while part > 0 {
            let mut end = best.0.len();
            while end > 0 {
                let from = end.saturating_sub(part);
                let mut steps = best.0.clone();
                drop(steps.drain(from..end));
                smaller |= try_instead(&mut best, steps);
                end = from;
            }
            part /= 2;
        }
        for at in 0..best.0.len() {
            for simpler in simpler(best.0[at]) {
                let mut steps = best.0.clone();
                steps[at] = simpler;
                if try_instead(&mut best, steps) {
                    smaller = true;
                    break;
                }
            }
        }
        if !smaller {
            return best;
        }
    }
}

/// Steps that could stand in the place of one, the simplest first.
fn simpler(step: Step) -> Vec<Step> {
    match step {
        Step::Ask { network, verb: Verb::Create { validators, ttl_s } } => {
            let fewer = (1..validators).map(|validators| (validators, ttl_s));
            let endless = (ttl_s > 0).then_some((validators, 0));
            let as_step = |(validators, ttl_s)| Step::Ask {
                network,
                verb: Verb::Create { validators, ttl_s },
            };
            endless.into_iter().chain(fewer).map(as_step).collect()
        }
        Step::Crash { points } => (0..points).map(|points| Step::Crash { points }).collect(),
        Step::Fail { calls, fault } => {
            (0..calls).map(|calls| Step::Fail { calls, fault }).collect()
        }
        Step::Ask { .. }
        | Step::Conflict { .. }
        | Step::Replay { .. }
        | Step::Reuse { .. }
        | Step::Rest
        | Step::Pass { .. }
        | Step::KillNode { .. }
        | Step::KillGateway
        | Step::Clients(_)
        | Step::SetClock { .. } => Vec::new(),
    }
}
