//! The `windlass` command: every verb of the platform, and the platform itself, in one program.
//!
//! - [`args`]: the command line as types; [`output`]: the only place that prints.
//! - [`up`]: the platform; the only place that wires substrates, engines and keys together.
//! - [`mod@run`]: a network for as long as a command runs, and what such networks leave when everything
//!   is killed.
//! - [`workload`]: `node` and `gateway`, which the platform starts as processes of their own.
//! - [`verbs`]: everything that talks to a platform through its [`client`].
//!
//! Short-lived verbs run on one thread and set nothing up that they don't need.

mod args;
mod client;
mod context;
mod environment;
mod files;
mod logging;
mod output;
mod progress;
mod render;
mod run;
mod spec;
mod up;
mod verbs;
mod workload;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, error::ErrorKind};
use windlass_model::{ErrorCode, Problem};

use crate::{
    args::{Cli, NodeProcessVerb, Verb},
    environment::{Outcome, problem},
    output::{Format, Output},
};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli.without_empty(),
        Err(error) => return misunderstood(&error),
    };
    let output = Output::new(if cli.global.json { Format::Json } else { Format::Text });
    match run(cli, output).and_then(|code| output::written().map(|()| code)) {
        Ok(code) => code,
        Err(problem) => {
            output.problem(&problem);
            ExitCode::from(problem.code.exit().code())
        }
    }
}

fn run(cli: Cli, output: Output) -> Outcome<ExitCode> {
    match &cli.verb {
        Verb::Up(args) => {
            if args.lease.is_none() {
                run::sweep(output);
            }
            up::run(args, cli.global.data_dir.clone(), output)?;
        }
        Verb::Run(args) => {
            run::sweep(output);
            return run::run(args, &cli.global, output);
        }
        Verb::Node(args) => match (&args.verb, &args.dir) {
            (Some(NodeProcessVerb::Db(verb)), _) => verbs::database::run(verb, output)?,
            (None, dir) => {
                let dir = dir.as_deref().expect("a node without a verb has a directory");
                return Ok(workload::node(dir, args.lease.clone(), output));
            }
        },
        Verb::Gateway(args) => {
            return Ok(workload::gateway(&args.dir, args.lease.clone(), output));
        }
        Verb::Context(verb) => verbs::context(verb, &cli.global, output)?,
        Verb::Init(args) => verbs::template::init(args, output)?,
        Verb::Template(verb) => verbs::template::run(verb, output),
        Verb::Verify(args) => verbs::verify::run(args, output)?,
        Verb::Completions { shell } => completions(*shell),
        Verb::Version => {
            let version = env!("CARGO_PKG_VERSION");
            let value = serde_json::json!({ "version": version });
            output.result(&value, || format!("windlass {version}"));
        }
        Verb::Down(_)
        | Verb::Status
        | Verb::Login
        | Verb::Network(_)
        | Verb::Proof(_)
        | Verb::Apply(_)
        | Verb::Operation(_)
        | Verb::Quota(_)
        | Verb::Usage(_)
        | Verb::Events(_) => {
            run::sweep(output);
            return online(cli, output);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn online(cli: Cli, output: Output) -> Outcome<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| {
        problem(ErrorCode::Internal, format!("cannot wait for the network: {error}"), "try again")
    })?;
    runtime.block_on(async {
        tokio::select! {
            // What the platform was asked to do goes on there whichever branch ends.
            outcome = verbs::online(cli, output) => outcome,
            _ = tokio::signal::ctrl_c() => Err(problem(
                ErrorCode::OperationTimeout,
                "interrupted",
                "what was begun goes on: see `windlass operation ls`",
            )),
        }
    })
}

fn completions(shell: clap_complete::Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "windlass", &mut script);
    output::line(String::from_utf8_lossy(&script).trim_end());
}

/// Help and version are results; everything else that the parser says is wrong input.
fn misunderstood(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    let is_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if is_help {
        // A reader that has gone away can't be told.
        drop(error.print());
    } else {
        let format = if json { Format::Json } else { Format::Text };
        Output::new(format).problem(&explained(&error.to_string()));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// What clap says of arguments, as a problem: what is wrong in its first paragraph, then tips and the
/// usage.
fn explained(said: &str) -> Problem {
    let lines = |paragraph: &str| paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let mut paragraphs = said.split("\n\n").map(lines).filter(|text| !text.is_empty());
    let first = paragraphs.next().unwrap_or_default();
    let detail = first.strip_prefix("error: ").unwrap_or(&first);
    let rest = paragraphs.filter(|text| !text.starts_with("For more information"));
    let rest = rest.map(|text| text.replace("tip: ", "").replace("Usage: ", "usage: "));
    let mut hint = rest.collect::<Vec<_>>().join("; ");
    if hint.is_empty() {
        "`windlass help` shows the verbs, `--help` after a verb its options".clone_into(&mut hint);
    }
    Problem::new(ErrorCode::InvalidRequest, detail, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_arguments_are_problems() {
        let said = |words: &[&str]| {
            let error = Cli::try_parse_from(words).expect_err("it is a mistake");
            explained(&error.to_string())
        };
        let unknown = said(&["windlass", "network", "creat", "x"]);
        assert!(unknown.detail.contains("'creat'"), "{unknown:?}");
        assert!(unknown.hint.contains("'create'"), "{unknown:?}");
        let lacking = said(&["windlass", "network", "show"]);
        assert!(lacking.detail.contains("<NETWORK>"), "{lacking:?}");
        assert!(lacking.hint.starts_with("usage: windlass network show"), "{lacking:?}");
        assert!(!said(&["windlass", "--foo"]).detail.starts_with("error"));
    }
}
