//! What a node says of the machine under it: clock, disk, memory, and which program it is.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// It, as `windlass_status` tells it; what the machine does not say is absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Machine {
    /// The node's time of day when it answered, in Unix milliseconds.
    at_ms: u64,
    /// The version of its program.
    version: &'static str,
    /// Bytes that the node may still write to the file system of its directory.
    disk_free_bytes: Option<u64>,
    /// How large that file system is.
    disk_bytes: Option<u64>,
    /// Resident memory of its process.
    resident_bytes: Option<u64>,
    /// What its control group allows it, where there is one with a limit.
    memory_limit_bytes: Option<u64>,
    /// How far its clock is ahead of its peers', in microseconds, as far as it was measured.
    clock_ahead_us: Option<i64>,
}

/// Looks.
pub(super) fn look(directory: &Path, at_ms: u64, clock_ahead_us: Option<i64>) -> Machine {
    let disk = rustix::fs::statvfs(directory).ok();
    let bytes = |blocks: u64, of: u64| blocks.saturating_mul(of);
    Machine {
        at_ms,
        version: env!("CARGO_PKG_VERSION"),
        disk_free_bytes: disk.as_ref().map(|disk| bytes(disk.f_bavail, disk.f_frsize)),
        disk_bytes: disk.as_ref().map(|disk| bytes(disk.f_blocks, disk.f_frsize)),
        resident_bytes: resident_bytes(),
        memory_limit_bytes: memory_limit_bytes(),
        clock_ahead_us,
    }
}

fn resident_bytes() -> Option<u64> {
    let page = u64::try_from(rustix::param::page_size()).ok()?;
    let pages = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = pages.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(page))
}

/// The limit of the group itself: those of groups above it are others' too.
fn memory_limit_bytes() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let limit = fs::read_to_string(limit_file(&groups)?).ok()?;
    // A number so great means no limit in the first generation; the second says `max`.
    limit.trim().parse().ok().filter(|bytes| *bytes < 1 << 60)
}

/// The file that has the limit, from the lines of `/proc/self/cgroup`.
fn limit_file(groups: &str) -> Option<PathBuf> {
    let relative = |path: &str| path.trim_start_matches('/').to_owned();
    let first = groups.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|one| one == "memory").then(|| relative(path))
    });
    if let Some(path) = first {
        return Some(Path::new("/sys/fs/cgroup/memory").join(path).join("memory.limit_in_bytes"));
    }
    let path = groups.lines().find_map(|line| line.strip_prefix("0::")).map(relative)?;
    Some(Path::new("/sys/fs/cgroup").join(path).join("memory.max"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_knows_its_disk_its_memory_and_its_clock() {
        let here = look(Path::new("/proc/self/.."), 7_000, Some(-3));
        assert_eq!((here.at_ms, here.clock_ahead_us), (7_000, Some(-3)));
        assert!(here.resident_bytes.is_some_and(|bytes| bytes > 0));
        let nowhere = look(Path::new("/nowhere at all"), 0, None);
        assert_eq!((nowhere.disk_free_bytes, nowhere.disk_bytes), (None, None));
        let root = look(Path::new("/"), 0, None);
        assert!(root.disk_bytes > root.disk_free_bytes, "{root:?}");
    }

    #[test]
    fn the_limit_is_found_in_both_generations() {
        let check = |groups: &str, expect: Option<&str>| {
            assert_eq!(limit_file(groups), expect.map(PathBuf::from), "{groups}");
        };
        check("0::/user/windlass-1\n", Some("/sys/fs/cgroup/user/windlass-1/memory.max"));
        check(
            "4:cpu,cpuacct:/a\n3:memory:/b/c\n0::/\n",
            Some("/sys/fs/cgroup/memory/b/c/memory.limit_in_bytes"),
        );
        check("", None);
    }
}
