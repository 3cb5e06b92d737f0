//! Runs a program with its output in a log file and a limit on its time.
//!
//! A program runs in a process group of its own, so that one that overruns its limit ends together
//! with everything that it started.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the repository")
        .to_owned()
}

/// A command with the repository's root as its directory.
#[expect(clippy::disallowed_methods, reason = "the one place of xtask that starts programs")]
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// The time, for measuring.
#[expect(clippy::disallowed_methods, reason = "the one place of xtask that reads the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// An environment variable of whoever started xtask.
#[expect(clippy::disallowed_methods, reason = "the one place of xtask that reads the environment")]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether a program of this name is to be found.
pub(crate) fn exists(program: &str) -> bool {
    variable("PATH").is_some_and(|path| {
        std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
    })
}

/// How a program ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// By itself, or by a signal of somebody else.
    Exited(ExitStatus),
    /// It was ended after its limit.
    TimedOut(Duration),
}

impl Ended {
    /// Whether it ended well.
    pub(crate) fn success(&self) -> bool {
        matches!(self, Self::Exited(status) if status.success())
    }

    /// How it ended, in words.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Exited(status) => match (status.code(), status.signal()) {
                (Some(code), _) => format!("exit code {code}"),
                (None, Some(signal)) => format!("signal {signal}"),
                (None, None) => "an unknown end".to_owned(),
            },
            Self::TimedOut(limit) => format!("ended after its limit of {} s", limit.as_secs()),
        }
    }
}

/// Runs a command to its end or its limit, with its output appended to the log file.
pub(crate) fn run_logged(command: &mut Command, log: &Path, limit: Duration) -> Result<Ended> {
    let mut file = append(log)?;
    writeln!(file, "\n$ {}", line_of(command))?;
    let errors = file.try_clone().context("the log file cannot be shared")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .with_context(|| format!("`{}` cannot be started", line_of(command)))?;
    let began = now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::Exited(status));
        }
        if began.elapsed() > limit {
            let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            if let Some(group) = group {
                kill_process_group(group, Signal::KILL).context("the group cannot be ended")?;
            }
            child.wait()?;
            return Ok(Ended::TimedOut(limit));
        }
        pause(Duration::from_millis(20));
    }
}

/// Waits a little between two looks at something that cannot wake us.
#[expect(clippy::disallowed_methods, reason = "the one place of xtask that waits")]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

/// The command as somebody would type it.
fn line_of(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}

fn append(log: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .with_context(|| format!("the log file {} cannot be opened", log.display()))
}

/// Runs a command and gives its standard output; its errors go to ours.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("`{}` cannot be started", line_of(command)))?;
    anyhow::ensure!(output.status.success(), "`{}` failed: {}", line_of(command), output.status);
    String::from_utf8(output.stdout).context("the output is not text")
}
