//! Runs a program and keeps what it said.

use std::{
    ffi::OsStr,
    path::PathBuf,
    process::{Command, Output, Stdio},
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

/// The program under test.
pub(crate) fn binary() -> PathBuf {
    let built = root().join("target/debug/windlass");
    assert!(built.is_file(), "{} is not built: `cargo build --workspace`", built.display());
    built
}

/// Runs a program of the repository's folder to its end.
pub async fn run_tool(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Finished {
    let mut command = command(program);
    command.current_dir(root()).args(arguments).envs(environment.iter().copied());
    finish(command).await
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
