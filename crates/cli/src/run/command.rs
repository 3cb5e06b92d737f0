//! The command: started as a shell would, told every signal, and waited for.

use std::{ffi::OsString, io, os::unix::process::ExitStatusExt as _, process::ExitStatus};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};
use windlass_model::ErrorCode;

use crate::{
    environment::{Outcome, problem},
    output::Output,
};

/// What a shell answers for a command that is not there, and for one that can't be started.
const NOT_FOUND: u8 = 127;
const NOT_STARTED: u8 = 126;
/// What a shell adds to the number of the signal that ended a command.
const SIGNALLED: i32 = 128;
/// What says where a platform is; the command is told by its data directory.
const ELSEWHERE: [&str; 3] = ["WINDLASS_URL", "WINDLASS_CONTEXT", "WINDLASS_TOKEN"];

/// The signals that ask a program to end, but those that were ignored when this one began, as `nohup`
/// and shells have it: the command is to ignore them too.
#[derive(Debug)]
pub(super) struct Signals {
    interrupt: Listener,
    terminate: Listener,
    hangup: Listener,
    quit: Listener,
}

type Listener = Option<tokio::signal::unix::Signal>;

impl Signals {
    /// From here on they end this process no more.
    pub(super) fn listen() -> Outcome<Self> {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let listen = |kind: SignalKind| {
            if is_ignored(&status, kind.as_raw_value()) {
                return Ok(None);
            }
            signal(kind).map(Some).map_err(|error| {
                problem(
                    ErrorCode::Internal,
                    format!("cannot listen for signals: {error}"),
                    "check the limits of this machine (ulimit -a), and try again",
                )
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
            quit: listen(SignalKind::quit())?,
        })
    }

    /// The next one. Cancel-safe.
    pub(super) async fn next(&mut self) -> Signal {
        tokio::select! {
            // `recv` is cancel-safe.
            () = heard(&mut self.interrupt) => Signal::INT,
            () = heard(&mut self.terminate) => Signal::TERM,
            () = heard(&mut self.hangup) => Signal::HUP,
            () = heard(&mut self.quit) => Signal::QUIT,
        }
    }
}

async fn heard(listener: &mut Listener) {
    match listener {
        Some(listener) => {
            listener.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Whether a signal is ignored, by what the kernel says of a process.
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    mask.is_some_and(|mask| {
        mask.checked_shr(u32::try_from(signal - 1).unwrap_or(64)).unwrap_or(0) & 1 == 1
    })
}

/// Runs the command to its end, in this process's group: who ends the group ends the command too.
pub(super) async fn run(
    command: &[OsString],
    environment: &[(String, String)],
    signals: &mut Signals,
    output: Output,
) -> Outcome<u8> {
    let mut child = match start(command, environment) {
        Ok(child) => child,
        Err(error) => {
            let name = command.first().map(|name| name.to_string_lossy()).unwrap_or_default();
            output.problem(&problem(
                ErrorCode::InvalidRequest,
                format!("`{name}` cannot be started: {error}"),
                "give a program that is in the PATH, or its path, after --",
            ));
            let absent = error.kind() == io::ErrorKind::NotFound;
            return Ok(if absent { NOT_FOUND } else { NOT_STARTED });
        }
    };
    loop {
        tokio::select! {
            // Both may be dropped: the child is waited for again, a signal is not taken.
            status = child.wait() => {
                let status = status.map_err(|error| {
                    problem(
                        ErrorCode::Internal,
                        format!("the command cannot be waited for: {error}"),
                        "see whether it still runs",
                    )
                })?;
                return Ok(code_of_status(status));
            }
            signal = signals.next() => pass_on(signal, &child),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that starts what the user names")]
fn start(command: &[OsString], environment: &[(String, String)]) -> io::Result<Child> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    for name in ELSEWHERE {
        command.env_remove(name);
    }
    command.args(arguments).envs(environment.iter().cloned()).spawn()
}

/// Passes a signal on, unless a terminal sent it: then the command has it already.
fn pass_on(signal: Signal, child: &Child) {
    if is_typed(signal) && is_in_foreground() {
        return;
    }
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // Until it is waited for, its number is its own; it may have ended all the same.
    if let Some(pid) = pid
        && let Err(_ended) = kill_process(pid, signal)
    {}
}

/// Whether a terminal makes this signal of a key, for the whole group in its foreground.
fn is_typed(signal: Signal) -> bool {
    signal == Signal::INT || signal == Signal::QUIT
}

/// Whether this process's group has the terminal, if there is one.
fn is_in_foreground() -> bool {
    std::fs::read_to_string("/proc/self/stat").is_ok_and(|stat| has_terminal(&stat))
}

fn has_terminal(stat: &str) -> bool {
    // The program's name stands in parentheses and may contain anything: count from the last one.
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace());
    let fields: Vec<&str> = fields.into_iter().flatten().collect();
    matches!(fields.as_slice(), [_, _, group, _, _, foreground, ..] if group == foreground)
}

/// What a shell answers for a program that a signal ended.
pub(super) fn code_of(signal: Signal) -> u8 {
    u8::try_from(SIGNALLED + signal.as_raw()).unwrap_or(u8::MAX)
}

fn code_of_status(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| SIGNALLED + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(code_of_status(ExitStatus::from_raw(0)), 0);
        assert_eq!(code_of_status(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(code_of_status(ExitStatus::from_raw(9)), 137);
        assert_eq!(code_of(Signal::TERM), 143);
        assert_eq!(code_of(Signal::INT), 130);
    }

    #[test]
    fn ignored_signals_are_seen() {
        let status = "Name:\twindlass\nSigIgn:\t0000000000001005\nSigCgt:\t0000000000000002\n";
        let ignored: Vec<i32> = (1..=64).filter(|signal| is_ignored(status, *signal)).collect();
        assert_eq!(ignored, [1, 3, 13]);
        assert!(!is_ignored("", 1));
    }

    #[test]
    fn the_group_in_the_foreground_is_seen() {
        assert!(has_terminal("7 (a b) c) S 1 7 3 34816 7 4194304 1"));
        assert!(!has_terminal("7 (windlass) S 1 7 3 34816 9 4194304 1"), "in the background");
        assert!(!has_terminal("7 (windlass) S 1 7 7 0 -1 4194304 1"), "without a terminal");
        assert!(!has_terminal(""));
    }
}
