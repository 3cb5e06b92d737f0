//! The one place that reads the process's surroundings: variables, clock, randomness, user.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use windlass_model::{ErrorCode, Problem};

/// What a command answers, or why it could not.
pub(crate) type Outcome<T> = Result<T, Box<Problem>>;

/// A problem, boxed.
pub(crate) fn problem(
    code: ErrorCode,
    detail: impl Into<String>,
    hint: impl Into<String>,
) -> Box<Problem> {
    Box::new(Problem::new(code, detail, hint))
}

#[expect(clippy::disallowed_methods, reason = "this is the module that reads the environment")]
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The token of the environment, if there is one.
pub(crate) fn token() -> Option<String> {
    variable("WINDLASS_TOKEN")
}

fn below_home(variable_name: &str, otherwise: &str) -> Outcome<PathBuf> {
    if let Some(folder) = variable(variable_name).map(PathBuf::from).filter(|it| it.is_absolute()) {
        return Ok(folder.join("windlass"));
    }
    variable("HOME").map(|home| Path::new(&home).join(otherwise).join("windlass")).ok_or_else(
        || {
            problem(
                ErrorCode::InvalidRequest,
                format!("neither ${variable_name} nor $HOME is set"),
                "set HOME, or name the directory with --data-dir",
            )
        },
    )
}

/// Where a platform keeps its data unless said.
pub(crate) fn default_data_dir() -> Outcome<PathBuf> {
    below_home("XDG_DATA_HOME", ".local/share")
}

/// Where the names of platforms are kept.
pub(crate) fn contexts_file() -> Outcome<PathBuf> {
    Ok(below_home("XDG_CONFIG_HOME", ".config")?.join("contexts.toml"))
}

/// What to log, in the syntax of `RUST_LOG`.
pub(crate) fn log_filter(otherwise: &str) -> String {
    variable("WINDLASS_LOG").unwrap_or_else(|| otherwise.to_owned())
}

/// Random bytes of the system.
pub(crate) fn entropy<const N: usize>() -> Outcome<[u8; N]> {
    let mut bytes = [0u8; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) => Err(problem(
            ErrorCode::Internal,
            format!("the system gives no random bytes: {error}"),
            "try again; if it stays so, the machine's getrandom call is broken",
        )),
    }
}

/// The machine's memory in bytes.
pub(crate) fn machine_memory() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/meminfo")?;
    let kilobytes = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse::<u64>().ok());
    kilobytes
        .and_then(|kilobytes| kilobytes.checked_mul(1024))
        .ok_or_else(|| io::Error::other("no MemTotal in /proc/meminfo"))
}
