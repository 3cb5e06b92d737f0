//! `cargo xtask bench`: builds the release and measures it.
//!
//! The measuring program is `windlass-bench` of the end-to-end tests, since it needs their harness.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;

use crate::{ci::prerequisites, exec, say};

/// What `chain` takes beside the release and Geth: contracts and anvil, by npm in these folders.
const OF_CHAIN: [(&str, &[&str]); 3] = [
    ("contracts", &["ci", "--no-audit", "--no-fund"]),
    ("contracts", &["run", "build"]),
    ("tests/e2e/differential", &["ci", "--no-audit", "--no-fund"]),
];
/// How long Geth may take to be built.
const PATIENCE: Duration = Duration::from_mins(15);

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// The benchmark and its options; `--help` lists them
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

/// Builds the programs and runs the benchmark.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    say::progress("building the release (the first time takes minutes)");
    let mut build = exec::command("cargo");
    build.args(["build", "--release", "--workspace", "--bins"]);
    anyhow::ensure!(build.status()?.success(), "the release does not build");
    if options.arguments.first().is_some_and(|benchmark| benchmark == "chain") {
        for (folder, arguments) in OF_CHAIN {
            let mut npm = exec::command("npm");
            let prepared = npm.args(arguments).current_dir(exec::root().join(folder)).status()?;
            anyhow::ensure!(prepared.success(), "`npm {}` failed in {folder}", arguments.join(" "));
        }
        let log = exec::root().join("target/geth.log");
        let built = prerequisites::geth(&log, PATIENCE)?;
        anyhow::ensure!(built.failed == 0, "Geth is not built, see {}", log.display());
    }
    let mut bench = exec::command(exec::root().join("target/release/windlass-bench"));
    let ended = bench.args(&options.arguments).status()?;
    Ok(if ended.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
