//! What the suites are: names, budgets and steps, as data.

use std::{path::Path, time::Duration};

use anyhow::Result;

use crate::{
    ci::{
        Counts, Run,
        binaries::{self, TestBinary},
        prerequisites,
    },
    exec, tidy,
};

/// A named group of steps with a budget of time.
#[derive(Debug)]
pub(crate) struct Suite {
    /// Its name, also of its log.
    pub(crate) name: &'static str,
    /// What it should take at most; at twice this it is ended.
    pub(crate) budget_minutes: u64,
    /// Its steps, in order.
    pub(crate) steps: &'static [Step],
}

/// One step of a suite.
#[derive(Debug)]
pub(crate) struct Step {
    /// What it does.
    pub(crate) name: &'static str,
    /// Does it, with its output to the log, within the time.
    pub(crate) run: fn(&mut Run, &Path, Duration) -> Result<Counts>,
}

/// Every suite, in the order in which they run.
pub(crate) const SUITES: &[Suite] = &[
    Suite {
        name: "build",
        budget_minutes: 18,
        steps: &[
            Step { name: "tools are there", run: prerequisites::tools },
            Step { name: "format", run: format },
            Step {
                name: "packages of the console",
                run: |_, log, limit| npm_ci("console", log, limit),
            },
            Step {
                name: "the console's API client is fresh",
                run: |_, log, limit| npm_run("console", "check:generated", log, limit),
            },
            Step {
                name: "build the console",
                run: |_, log, limit| npm_run("console", "build", log, limit),
            },
            Step {
                name: "the console is small and has nothing inline",
                run: |_, log, limit| npm_run("console", "check:size", log, limit),
            },
            Step { name: "build the workspace", run: build },
            Step { name: "build the tests", run: binaries::build },
            Step { name: "lints", run: lints },
        ],
    },
    Suite {
        name: "unit",
        budget_minutes: 8,
        steps: &[
            Step { name: "tidy", run: tidy_step },
            Step { name: "unit and conformance tests", run: unit },
            Step { name: "examples in the documentation", run: doc },
            Step {
                name: "the console's logic",
                run: |_, log, limit| npm_run("console", "test", log, limit),
            },
            Step {
                name: "packages of the contracts",
                run: |_, log, limit| npm_ci("contracts", log, limit),
            },
            Step {
                name: "the governance contract, every line of it",
                run: |_, log, limit| npm_run("contracts", "test", log, limit),
            },
        ],
    },
    Suite {
        name: "simulation",
        budget_minutes: 7,
        steps: &[Step { name: "consensus on a deterministic runtime", run: simulation }],
    },
    Suite {
        name: "end-to-end",
        budget_minutes: 12,
        steps: &[
            Step { name: "the control plane beside its reference model", run: model },
            Step { name: "real networks: life, faults, crashes, input", run: system },
        ],
    },
    Suite {
        name: "clients",
        budget_minutes: 12,
        steps: &[
            Step {
                name: "packages of the clients",
                run: |_, log, limit| npm_ci("tests/e2e/clients", log, limit),
            },
            Step {
                name: "packages of the differential test",
                run: |_, log, limit| npm_ci("tests/e2e/differential", log, limit),
            },
            Step {
                name: "Geth, built from its module",
                run: |_, log, limit| prerequisites::geth(log, limit),
            },
            Step {
                name: "Python and web3.py",
                run: |_, log, limit| prerequisites::python(log, limit),
            },
            Step {
                name: "compile the contracts",
                run: |_, log, limit| npm_run("contracts", "build", log, limit),
            },
            Step {
                name: "viem, ethers, web3.py, Alloy, cast, forge, Hardhat, OpenZeppelin, MetaMask, Geth",
                run: clients,
            },
            Step {
                name: "packages of the demo",
                run: |_, log, limit| npm_ci("scripts/demo", log, limit),
            },
            Step { name: "the demo, whole and interrupted", run: demo },
        ],
    },
    Suite {
        name: "browser",
        budget_minutes: 5,
        steps: &[
            Step { name: "Chromium", run: |_, log, limit| prerequisites::browser(log, limit) },
            Step {
                name: "packages of the journey",
                run: |_, log, limit| npm_ci("tests/e2e/browser", log, limit),
            },
            Step { name: "the console in a browser", run: browser },
        ],
    },
];

/// Tests of the node that simulate a whole network; a suite of their own.
const SIMULATION: &str = "consensus::tests::";

/// Random sequences over the control plane: they take minutes, and are a step of their own.
const MODEL: &str = "model::the_platform_does_what_the_model_says";

fn checked(program: &str, arguments: &[&str], log: &Path, limit: Duration) -> Result<Counts> {
    let ended = exec::run_logged(exec::command(program).args(arguments), log, limit)?;
    Ok(Counts::from(ended.success()))
}

fn format(_run: &mut Run, log: &Path, limit: Duration) -> Result<Counts> {
    checked("cargo", &["fmt", "--all", "--check"], log, limit)
}

fn build(_run: &mut Run, log: &Path, limit: Duration) -> Result<Counts> {
    checked("cargo", &["build", "--workspace"], log, limit)
}

fn lints(_run: &mut Run, log: &Path, limit: Duration) -> Result<Counts> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    checked("cargo", &arguments, log, limit)
}

fn tidy_step(_run: &mut Run, log: &Path, _limit: Duration) -> Result<Counts> {
    tidy::logged(log)
}

fn unit(run: &mut Run, log: &Path, limit: Duration) -> Result<Counts> {
    let arguments = ["--skip", SIMULATION, "--skip", MODEL];
    binaries::run(run, |binary| !binary.is_end_to_end(), &arguments, log, limit)
}

fn model(run: &mut Run, log: &Path, limit: Duration) -> Result<Counts> {
    let control =
        |binary: &TestBinary| binary.package == "windlass-control" && binary.target == "control";
    binaries::run(run, control, &[MODEL, "--nocapture"], log, limit)
}

fn simulation(run: &mut Run, log: &Path, limit: Duration) -> Result<Counts> {
    let node = |binary: &TestBinary| binary.package == "windlass-node";
    binaries::run(run, node, &[SIMULATION], log, limit)
}

fn system(run: &mut Run, log: &Path, limit: Duration) -> Result<Counts> {
    binaries::run(run, |binary| binary.is_end_to_end_of("system"), &[], log, limit)
}

fn clients(run: &mut Run, log: &Path, limit: Duration) -> Result<Counts> {
    binaries::run(run, |binary| binary.is_end_to_end_of("clients"), &[], log, limit)
}

fn demo(run: &mut Run, log: &Path, limit: Duration) -> Result<Counts> {
    binaries::run(run, |binary| binary.is_end_to_end_of("demo"), &[], log, limit)
}

fn browser(run: &mut Run, log: &Path, limit: Duration) -> Result<Counts> {
    binaries::run(run, |binary| binary.is_end_to_end_of("browser"), &[], log, limit)
}

fn npm_ci(folder: &str, log: &Path, limit: Duration) -> Result<Counts> {
    npm(folder, &["ci", "--no-audit", "--no-fund"], log, limit)
}

fn npm_run(folder: &str, script: &str, log: &Path, limit: Duration) -> Result<Counts> {
    npm(folder, &["run", script], log, limit)
}

fn npm(folder: &str, arguments: &[&str], log: &Path, limit: Duration) -> Result<Counts> {
    let mut command = exec::command("npm");
    command.current_dir(exec::root().join(folder)).args(arguments);
    Ok(Counts::from(exec::run_logged(&mut command, log, limit)?.success()))
}

fn doc(_run: &mut Run, log: &Path, limit: Duration) -> Result<Counts> {
    checked("cargo", &["test", "--workspace", "--doc"], log, limit)
}
