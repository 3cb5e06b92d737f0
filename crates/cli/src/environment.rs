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

/// Where private platforms are, in the order in which they are tried. The second is for homes whose path
/// is too long for the sockets of nodes, or that can't be written.
pub(crate) fn private_roots() -> Vec<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let shared = Path::new("/tmp").join(format!("windlass-{user}"));
    below_home("XDG_STATE_HOME", ".local/state").into_iter().chain([shared]).collect()
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

/// How many processors there are for this process: what affinity and control groups leave.
pub(crate) fn processors() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(processors).unwrap_or(u32::MAX)
}

/// The memory that there is for this process, in bytes: the machine's, or what a control group (a
/// container's, a service's) leaves of it.
pub(crate) fn memory_bytes() -> io::Result<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limit = group_limit(Path::new("/sys/fs/cgroup"), &groups);
    let machine = machine_memory(&fs::read_to_string("/proc/meminfo")?)?;
    Ok(limit.map_or(machine, |limit| limit.min(machine)))
}

fn machine_memory(text: &str) -> io::Result<u64> {
    let kilobytes = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .and_then(|rest| rest.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse::<u64>().ok());
    kilobytes
        .and_then(|kilobytes| kilobytes.checked_mul(1024))
        .ok_or_else(|| io::Error::other("no MemTotal in /proc/meminfo"))
}

/// The least limit of the groups that a process is in and of those above them.
fn group_limit(root: &Path, groups: &str) -> Option<u64> {
    let folders = groups.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let path = path.trim_start_matches('/');
        match controllers {
            "" => Some((root.to_owned(), path, "memory.max")),
            "memory" => Some((root.join("memory"), path, "memory.limit_in_bytes")),
            _ => None,
        }
    });
    let limits = folders.flat_map(|(root, path, file)| {
        let ancestors = Path::new(path).ancestors().map(Path::to_owned).collect::<Vec<_>>();
        ancestors.into_iter().filter_map(move |folder| {
            fs::read_to_string(root.join(folder).join(file)).ok()?.trim().parse::<u64>().ok()
        })
    });
    limits.min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_all_groups_counts() {
        let root = tempfile::tempdir().expect("a folder can be made");
        let write = |folder: &str, file: &str, limit: &str| {
            let folder = root.path().join(folder);
            fs::create_dir_all(&folder).expect("it can be made");
            fs::write(folder.join(file), limit).expect("it can be written");
        };
        assert_eq!(group_limit(root.path(), "0::/a/b\n"), None);
        write("a/b", "memory.max", "max\n");
        assert_eq!(group_limit(root.path(), "0::/a/b\n"), None);
        write("a", "memory.max", "4096\n");
        write("", "memory.max", "8192\n");
        assert_eq!(group_limit(root.path(), "0::/a/b\n"), Some(4096));
        assert_eq!(group_limit(root.path(), "0::/\n"), Some(8192));
        write("memory/c", "memory.limit_in_bytes", "512\n");
        assert_eq!(group_limit(root.path(), "1:cpu:/c\n3:memory:/c\n"), Some(512));
        assert_eq!(machine_memory("MemTotal:       16 kB\n").expect("it is there"), 16_384);
    }
}
