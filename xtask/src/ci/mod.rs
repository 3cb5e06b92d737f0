//! `cargo xtask ci`: every suite, each against its time budget.
//!
//! All suites run even if one fails. The output of every step goes to `artifacts/<suite>.log`; the
//! terminal gets one line a step, the end of the log of what failed, a table, what failed once more
//! by name, and the closing line `N passed, M failed`. Nothing is skipped: a suite whose parts cannot
//! be had has failed.

mod binaries;
mod failures;
pub(crate) mod prerequisites;
mod suites;

use std::{fs, path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context, Result};

use crate::{
    ci::{
        binaries::TestBinary,
        failures::Failure,
        suites::{SUITES, Suite},
    },
    exec, say,
};

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only these suites; all of them unless given
    #[arg(long = "suite", value_name = "SUITE")]
    suites: Vec<String>,
}

/// How many tests ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// They did what they should.
    pub(crate) passed: u64,
    /// They did not, or could not be run.
    pub(crate) failed: u64,
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// One check, and whether it passed.
impl From<bool> for Counts {
    fn from(passed: bool) -> Self {
        Self { passed: u64::from(passed), failed: u64::from(!passed) }
    }
}

/// What the steps of a run share.
#[derive(Debug)]
pub(crate) struct Run {
    /// Where logs, screenshots and the like are put.
    pub(crate) artifacts: PathBuf,
    /// The test programs, once they are built.
    pub(crate) binaries: Vec<TestBinary>,
    /// What failed until now.
    pub(crate) failures: Vec<Failure>,
}

impl Run {
    /// The log of a suite.
    pub(crate) fn log(&self, suite: &str) -> PathBuf {
        self.artifacts.join(format!("{suite}.log"))
    }
}

struct Line {
    suite: &'static Suite,
    time: Duration,
    counts: Counts,
}

/// Runs the suites.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let chosen = choose(&options.suites)?;
    let artifacts = exec::root().join("artifacts");
    fs::create_dir_all(&artifacts).context("the folder artifacts cannot be made")?;
    let mut run = Run { artifacts, binaries: Vec::new(), failures: Vec::new() };
    let mut lines = Vec::new();
    for suite in chosen {
        lines.push(run_suite(suite, &mut run));
    }
    let total = report(&lines, &run.failures);
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn choose(names: &[String]) -> Result<Vec<&'static Suite>> {
    for name in names {
        let known = SUITES.iter().any(|suite| suite.name == name);
        let all: Vec<_> = SUITES.iter().map(|suite| suite.name).collect();
        anyhow::ensure!(known, "there is no suite `{name}`; there are {}", all.join(", "));
    }
    // What the test programs are is known from building them, so this suite always runs.
    Ok(SUITES
        .iter()
        .filter(|suite| {
            names.is_empty() || suite.name == "build" || names.iter().any(|name| name == suite.name)
        })
        .collect())
}

fn run_suite(suite: &'static Suite, run: &mut Run) -> Line {
    let log = run.log(suite.name);
    // A log of an earlier run; it need not be there.
    if let Err(_absent) = fs::remove_file(&log) {}
    say::result(&format!("── {} (budget {} min)", suite.name, suite.budget_minutes));
    let began = exec::now();
    let mut counts = Counts::default();
    for step in suite.steps {
        let step_began = exec::now();
        let limit = Duration::from_secs(suite.budget_minutes * 120);
        let left = limit.saturating_sub(began.elapsed()).max(Duration::from_secs(1));
        let known = run.failures.len();
        let outcome = (step.run)(run, &log, left).unwrap_or_else(|error| {
            let said = format!("{error:#}");
            say::problem(&format!("{}: {said}", step.name));
            let name = format!("{}: {}", suite.name, step.name);
            run.failures.push(Failure { name, said: vec![said] });
            Counts::from(false)
        });
        say::result(&format!(
            "   {:<44} {:>8}  {} passed, {} failed in it",
            step.name,
            seconds(step_began.elapsed()),
            outcome.passed,
            outcome.failed
        ));
        if outcome.failed > 0 {
            show_end(&log);
            if run.failures.len() == known {
                let name = format!("{}: {}", suite.name, step.name);
                run.failures.push(Failure::of_step(name, &log));
            }
        }
        counts.add(outcome);
    }
    Line { suite, time: began.elapsed(), counts }
}

fn show_end(log: &PathBuf) {
    const LINES: usize = 60;
    let Ok(bytes) = fs::read(log) else { return };
    say::result(&format!("   the end of {}:", log.display()));
    for line in failures::last(&String::from_utf8_lossy(&bytes), LINES) {
        say::result(&format!("   | {line}"));
    }
}

fn report(lines: &[Line], failures: &[Failure]) -> Counts {
    let mut total = Counts::default();
    say::result("");
    say::result(&format!(
        "{:<14} {:>10} {:>10} {:>8} {:>8}",
        "suite", "time", "budget", "passed", "failed"
    ));
    for line in lines {
        total.add(line.counts);
        let budget = Duration::from_secs(line.suite.budget_minutes * 60);
        let note = if line.time > budget { "  OVER ITS BUDGET" } else { "" };
        say::result(&format!(
            "{:<14} {:>10} {:>10} {:>8} {:>8}{note}",
            line.suite.name,
            seconds(line.time),
            seconds(budget),
            line.counts.passed,
            line.counts.failed
        ));
    }
    let time: Duration = lines.iter().map(|line| line.time).sum();
    say::result(&format!("{:<14} {:>10}", "all", seconds(time)));
    for failure in failures {
        say::result("");
        say::result(&format!("failed: {}", failure.name));
        for line in &failure.said {
            say::result(&format!("   | {line}"));
        }
    }
    say::result("");
    say::result(&format!("{} passed, {} failed", total.passed, total.failed));
    total
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
