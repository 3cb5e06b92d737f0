//! What the kernel says that processes used.

use std::{fs, io::Write, path::Path, time::Duration};

use windlass_e2e::world;

/// What a process has used since it started, and what it holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Time on a processor, of all its threads that live.
    pub(crate) cpu: Duration,
    /// Bytes that it caused to be written to storage.
    pub(crate) written: u64,
    /// Resident memory in bytes.
    pub(crate) resident: u64,
    /// The part of it that no file backs, in bytes.
    pub(crate) anonymous: u64,
}

/// Asks the kernel.
pub(crate) fn of(pid: u32) -> Usage {
    let (written, resident) = world::usage(pid);
    Usage { cpu: cpu(pid), written, resident, anonymous: anonymous(pid) }
}

/// Nanoseconds are exact; the ticks of `stat` are 10 ms and would hide an idle process.
fn cpu(pid: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let times = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(times.sum())
}

fn anonymous(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}

/// How long the disk below a folder takes to make 4 KiB durable, `count` times.
pub(crate) fn sync_times(folder: &Path, count: u32) -> Vec<Duration> {
    let path = folder.join("sync-probe");
    let mut file = fs::File::create(&path).expect("the folder can be written to");
    let times = (0..count)
        .map(|_| {
            let began = world::now();
            file.write_all(&[0x5a; 4_096]).expect("the probe can be written");
            file.sync_data().expect("the probe can be synced");
            began.elapsed()
        })
        .collect();
    fs::remove_file(&path).expect("the probe can be removed");
    times
}
