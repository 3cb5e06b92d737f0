//! `cargo xtask bench`: builds the release and measures it.
//!
//! The measuring program is `windlass-bench` of the end-to-end tests, since it needs their harness.

use std::process::ExitCode;

use anyhow::Result;

use crate::{exec, say};

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
    let mut bench = exec::command(exec::root().join("target/release/windlass-bench"));
    let ended = bench.args(&options.arguments).status()?;
    Ok(if ended.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
