//! What the operating system says: processes, ports, files. Independent of what Windlass says.

use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// The time, for limits and measurements.
#[expect(clippy::disallowed_methods, reason = "the harness measures a real system")]
pub fn now() -> Instant {
    Instant::now()
}

/// Looks again and again until there is something to be seen, or fails with what was waited for.
/// The world outside cannot wake a test, so this one place looks at intervals.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let began = now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(began.elapsed() < limit, "not within {} s: {what}", limit.as_secs());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether this process, and whatever it starts, ignores a signal.
pub fn ignores(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal.as_raw() - 1) & 1 == 1
}

/// A process, as `/proc` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its program and arguments.
    pub arguments: Vec<String>,
}

impl Process {
    /// Whether an argument begins with the path.
    fn names(&self, path: &str) -> bool {
        self.arguments.iter().any(|argument| argument.contains(path))
    }

    /// Whether it runs this verb of `windlass`.
    pub fn is(&self, verb: &str) -> bool {
        let program = self.arguments.first().is_some_and(|program| program.ends_with("windlass"));
        program && self.arguments.iter().skip(1).any(|argument| argument == verb)
    }
}

/// Every living process that has the path in its arguments, but not this one.
pub fn processes(path: &Path) -> Vec<Process> {
    let path = path.to_string_lossy();
    let mut found: Vec<_> = all_processes()
        .into_iter()
        .filter(|process| process.names(&path) && process.pid != std::process::id())
        .collect();
    found.sort_by_key(|process| process.pid);
    found
}

fn all_processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let words = line.split(|byte| *byte == 0).filter(|word| !word.is_empty());
        let arguments: Vec<_> =
            words.map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        // A zombie has no arguments.
        (!arguments.is_empty()).then_some(Process { pid, arguments })
    })
    .collect()
}

/// Whether the process is there and not a zombie.
pub fn is_alive(pid: u32) -> bool {
    all_processes().iter().any(|process| process.pid == pid)
}

fn as_pid(pid: u32) -> Pid {
    i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a pid is a positive number")
}

/// Does what a terminal does on Ctrl-C.
pub fn interrupt_group(leader: u32) {
    kill_process_group(as_pid(leader), Signal::INT).expect("the group is there");
}

/// Sends a signal to a process.
pub fn signal(pid: u32, signal: Signal) {
    kill_process(as_pid(pid), signal).expect("the process is there");
}

/// Ends a whole process group at once, as CI systems do.
pub fn kill_group(leader: u32) {
    kill_process_group(as_pid(leader), Signal::KILL).expect("the group is there");
}

/// Ends a process at once, as a power cut would.
pub fn kill(pid: u32) {
    let pid = as_pid(pid);
    // It may have ended by itself in between.
    if let Err(_gone) = kill_process(pid, Signal::KILL) {}
}

/// Whether something accepts connections on the loopback port.
pub fn is_listening(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok()
}

/// Every address that the processes listen on, from `/proc`: port and whether it is loopback.
pub fn listeners(pids: &[u32]) -> Vec<(u16, bool)> {
    let inodes: BTreeSet<String> = pids.iter().flat_map(|pid| socket_inodes(*pid)).collect();
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|table| {
            let text = fs::read_to_string(table).unwrap_or_default();
            text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
        })
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_whitespace().collect();
            let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            let (address, port) = local.split_once(':')?;
            let loopback = address == "0100007F"
                || address == "00000000000000000000000001000000"
                || address == "0000000000000000FFFF00000100007F";
            let ours = *state == "0A" && inodes.contains(*inode);
            ours.then_some((u16::from_str_radix(port, 16).ok()?, loopback))
        })
        .collect()
}

fn socket_inodes(pid: u32) -> Vec<String> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let target = fs::read_link(entry.path()).ok()?;
            let text = target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(text.to_owned())
        })
        .collect()
}

/// Every file and folder below a folder.
pub fn tree(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(folder) = ahead.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                ahead.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// Copies files and folders; sockets are left out.
///
/// # Panics
/// If something cannot be read or written.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder can be made");
    for entry in fs::read_dir(from).expect("it can be read").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else if path.is_file() {
            fs::copy(&path, &target).expect("it can be copied");
        }
    }
}

/// The permission bits of a file or folder.
pub fn mode(path: &Path) -> u32 {
    let metadata = fs::symlink_metadata(path);
    metadata.map_or(0, |metadata| metadata.permissions().mode() & 0o777)
}

/// Sockets in the file system that somebody has open, below a folder.
pub fn unix_sockets(folder: &Path) -> Vec<String> {
    let folder = folder.to_string_lossy().into_owned();
    let text = fs::read_to_string("/proc/net/unix").unwrap_or_default();
    text.lines()
        .filter_map(|line| line.split_whitespace().nth(7))
        .filter(|path| path.starts_with(&folder))
        .map(str::to_owned)
        .collect()
}

/// Bytes that a process has caused to be written to storage, and its resident memory in bytes.
pub fn usage(pid: u32) -> (u64, u64) {
    (field(pid, "io", "write_bytes:"), field(pid, "status", "VmRSS:") * 1024)
}

/// The most bytes that a process ever had in memory.
pub fn most_memory(pid: u32) -> u64 {
    field(pid, "status", "VmHWM:") * 1024
}

/// A number from a file of a process; 0 where it is not there.
fn field(pid: u32, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().split(' ').next()?.parse().ok())
        .unwrap_or(0)
}

/// Removes the control groups of an installation whose processes have all been killed.
pub(crate) fn remove_groups(installation: &str) {
    for _attempt in 0..50 {
        let groups = groups_of(installation);
        if groups.iter().all(|group| fs::remove_dir(group).is_ok()) {
            return;
        }
        // A killed process leaves its group only when the kernel has cleared it away.
        std::thread::yield_now();
    }
}

/// The control groups of an installation.
pub fn groups_of(installation: &str) -> Vec<PathBuf> {
    groups(Path::new("/sys/fs/cgroup"), installation, 6)
}

fn groups(folder: &Path, installation: &str, depth: u32) -> Vec<PathBuf> {
    if depth == 0 {
        return Vec::new();
    }
    let folders = fs::read_dir(folder).into_iter().flatten().flatten();
    let folders = folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders
        .flat_map(|entry| {
            let mut found = groups(&entry.path(), installation, depth - 1);
            if entry.file_name().to_string_lossy().contains(installation) {
                found.push(entry.path());
            }
            found
        })
        .collect()
}
