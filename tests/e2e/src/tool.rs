//! Runs a program and keeps what it said.

use std::{
    ffi::{OsStr, OsString},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// How a program ended and what it said.
#[derive(Clone, Debug)]
pub struct Finished {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Its result.
    pub stdout: String,
    /// What it said beside.
    pub stderr: String,
}

/// A command; the one place of the harness that makes them.
#[expect(clippy::disallowed_methods, reason = "the harness starts real programs")]
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// The root of the repository.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).canonicalize().expect("it exists")
}

/// The program under test: the one that was built with whoever asks, so that a test runs the
/// development build and a benchmark the release.
pub fn binary() -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    // A test program lies in `deps`, below the folder of the programs.
    let built = own.ancestors().skip(1).take(2).map(|folder| folder.join("windlass"));
    built
        .into_iter()
        .find(|program| program.is_file())
        .unwrap_or_else(|| panic!("there is no `windlass` beside {}: build it", own.display()))
}

/// Runs a program of the repository's folder to its end.
pub async fn run_tool(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    let mut command = command(program);
    command.current_dir(root()).args(arguments).envs(environment.iter().copied());
    finish(command).await
}

/// Starts a program of the repository's folder in a process group of its own, as a terminal does.
pub fn start_tool(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Child {
    let mut command = command(program);
    command.current_dir(root()).args(arguments).envs(environment.iter().copied()).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap_or_else(|error| panic!("{program} cannot be run: {error}"))
}

/// Starts a node in its directory, without a platform, with this in its environment.
pub fn start_node(directory: &Path, environment: &[(String, OsString)]) -> Child {
    let mut command = command(binary());
    command.envs(environment.iter().cloned());
    command.arg("node").arg("--dir").arg(directory);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap_or_else(|error| panic!("a node cannot be started: {error}"))
}

/// Runs a command to its end.
pub(crate) async fn finish(mut command: Command) -> Finished {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let name = format!("{command:?}");
    let ended = tokio::task::spawn_blocking(move || command.output()).await;
    let Output { status, stdout, stderr } = ended
        .expect("the wait is not cancelled")
        .unwrap_or_else(|error| panic!("{name} cannot be run: {error}"));
    Finished {
        code: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}
