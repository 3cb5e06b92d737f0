//! The control plane beside a reference model: random sequences of what users, clients, machines and
//! bad luck do, and after each of them the world has to be what the model says.
//!
//! A sequence is drawn from a seed (`step`), carried out over the fake world (`run`) and compared with
//! the model (`reference`): what each verb is answered, and, whenever everything is at rest, what is
//! there (`check`). One that fails is made as short as it can be (`shrink`) and printed, as a script
//! and as a literal for `regressions`. What it finds is shown by planted defects (`planted`).

mod ask;
mod check;
mod planted;
mod reference;
mod regressions;
mod run;
mod shrink;
mod step;

use std::{
    num::NonZero,
    ops::Range,
    sync::{
        Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use self::{
    planted::Planted,
    regressions::{REGRESSIONS, Regression},
    run::{Finding, play},
    shrink::shrink,
    step::{Step, draw, script},
};

/// How many sequences are played unless `SEQUENCES` says, if there is time.
const SEQUENCES: u64 = 10_000;
/// How long they may take unless `SEQUENCES` says: `make test` has other things to do.
const AT_MOST: Duration = Duration::from_secs(150);
/// A defect is told in so many steps at most.
const SHORT: usize = 5;

/// What was played: up to which seed, and how many steps.
struct Played {
    end: u64,
    steps: usize,
}

/// The first of some seeds whose sequence fails, made short; else those that there was time for.
fn first_failure(
    seeds: Range<u64>,
    planted: Option<Planted>,
    at_most: Duration,
) -> Result<Played, (u64, Vec<Step>, Finding)> {
    let began = now();
    let next = AtomicU64::new(seeds.start);
    let (first, steps) = (Mutex::new(None::<(u64, Finding)>), AtomicUsize::new(0));
    let work = &|worker: usize| {
        stay_on_processor(worker);
        while began.elapsed() < at_most {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            let end = first.lock().unwrap().as_ref().map_or(seeds.end, |(seed, _)| *seed);
            if seed >= end {
                return;
            }
            let sequence = draw(seed);
            steps.fetch_add(sequence.len(), Ordering::Relaxed);
            if let Err(finding) = play(&sequence, seed, planted) {
                let mut first = first.lock().unwrap();
                if first.as_ref().is_none_or(|(earlier, _)| seed < *earlier) {
                    *first = Some((seed, finding));
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for worker in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(move || work(worker));
        }
    });
    let Some((seed, finding)) = first.into_inner().unwrap() else {
        return Ok(Played { end: next.into_inner().min(seeds.end), steps: steps.into_inner() });
    };
    let (steps, finding) = shrink(draw(seed), finding, |steps| play(steps, seed, planted));
    Err((seed, steps, finding))
}

/// Keeps a thread, and those that it makes, on one processor: a sequence and its database hand each other
/// the word all the time, which costs half as much again between two of them.
fn stay_on_processor(worker: usize) {
    let Ok(all) = sched_getaffinity(None) else { return };
    let own = (0..CpuSet::MAX_CPU).filter(|at| all.is_set(*at)).nth(worker);
    let mut one = CpuSet::new();
    if let Some(own) = own {
        one.set(own);
        // Where it is not allowed, it takes longer.
        sched_setaffinity(None, &one).unwrap_or_default();
    }
}

#[expect(clippy::disallowed_methods, reason = "how long a run is comes from outside")]
fn seeds() -> (Range<u64>, Duration) {
    let Ok(text) = std::env::var("SEQUENCES") else { return (0..SEQUENCES, AT_MOST) };
    let (from, to) = text.split_once("..").unwrap_or(("0", &text));
    let bound = |text: &str| {
        let number = text.trim().parse();
        number.unwrap_or_else(|_| panic!("SEQUENCES is `{text}`; it must be such as 500 or 7..9"))
    };
    (bound(from)..bound(to), Duration::MAX)
}

#[expect(clippy::disallowed_methods, reason = "how long a run takes is bounded, and not judged")]
fn now() -> Instant {
    Instant::now()
}

#[test]
fn the_platform_does_what_the_model_says() {
    let (seeds, at_most) = seeds();
    let wanted = seeds.clone();
    match first_failure(seeds, None, at_most) {
        Ok(Played { end, steps }) => {
            assert!(end > wanted.start, "no sequence was played");
            println!(
                "{} of {} sequences, from {} to {end}, with {steps} steps: all is as the model says",
                end - wanted.start,
                wanted.end - wanted.start,
                wanted.start
            );
        }
        Err((seed, steps, Finding { kind, detail })) => panic!(
            "sequence {seed} fails; `make model SEQUENCES={seed}..{}` repeats it. Made short, it is:\n\
             {}\n{kind}: {detail}",
            seed + 1,
            script(seed, &steps)
        ),
    }
}

#[test]
fn what_failed_once_does_not_fail_again() {
    for Regression { what, seed, steps } in REGRESSIONS {
        if let Err(Finding { kind, detail }) = play(steps, *seed, None) {
            panic!("{what}:\n{}\n{kind}: {detail}", script(*seed, steps));
        }
    }
}

/// A planted defect is found within so many sequences by one of these checks; what is left of the
/// sequence still shows it, and nothing without it. Answers with the script.
#[track_caller]
fn found(planted: Planted, sequences: u64, kinds: &[&str]) -> String {
    let failure = first_failure(0..sequences, Some(planted), Duration::MAX);
    let Err((seed, steps, Finding { kind, detail })) = failure else {
        panic!("{planted:?} is not found in {sequences} sequences");
    };
    assert!(kinds.contains(&kind), "{planted:?} is found by {kinds:?}, not by {kind}: {detail}");
    let told = format!("{planted:?}: sequence {seed}, in short:\n{}", script(seed, &steps));
    // Which of the database's threads answers first is not the script's.
    let shows = |_| play(&steps, seed, Some(planted)).is_err_and(|found| found.kind == kind);
    assert!((0..10).any(shows), "the script shows it again: {told}\n{kind}: {detail}");
    assert_eq!(play(&steps, seed, None), Ok(()), "without {planted:?} the script is right: {told}");
    assert!(steps.len() <= SHORT, "{SHORT} steps at most tell of {told}");
    format!("{told}\n{kind}: {detail}")
}

#[test]
fn a_forgotten_port_is_found() {
    println!("{}", found(Planted::ForgetPorts, 100, &["ports", "promises"]));
}

#[test]
fn a_row_that_goes_first_is_found() {
    println!("{}", found(Planted::RowFirst, 100, &["operations", "processes", "workloads"]));
}

#[test]
fn two_processes_of_one_node_are_found() {
    println!("{}", found(Planted::NoLock, 200, &["fence", "processes"]));
}

#[test]
fn a_request_that_acts_twice_is_found() {
    println!("{}", found(Planted::ForgetRequests, 200, &["replay"]));
}
