//! The project's own chores: `cargo xtask ci`, `tidy`, and what comes to help them.
//!
//! `make test` and `make demo` are the only two commands that a user is promised; both end up here.
//! Each chore has its own module, and [`say`] is the only place that prints.

mod bench;
mod ci;
mod exec;
mod leaks;
mod say;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's own chores.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Builds the release and measures it, such as `cargo xtask bench network`
    Bench(bench::Options),
    /// Runs every suite, each against its time budget, and closes with the counts
    Ci(ci::Options),
    /// Looks for what Windlass left behind: processes, ports, sockets, directories, keys, cgroups
    Leaks(leaks::Options),
    /// Checks what the compiler does not: sizes, arrows between crates, licences, pages
    Tidy,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().chore {
        Chore::Bench(options) => bench::run(&options),
        Chore::Ci(options) => ci::run(&options),
        Chore::Leaks(options) => leaks::run(&options),
        Chore::Tidy => tidy::run(),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            say::problem(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
