//! What the kernel says that processes used.

use std::{fs, io::Write, os::unix::fs::MetadataExt, path::Path, time::Duration};

use windlass_e2e::world;

use crate::cluster;

/// What a process has used since it started, and what it holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Time on a processor, of all its threads that live.
    pub(crate) cpu: Duration,
    /// Bytes that it caused to be written to storage.
    pub(crate) written: u64,
    /// Bytes that it gave to `write` and its kin: of files and pipes, not of sockets.
    pub(crate) given: u64,
    /// Resident memory in bytes.
    pub(crate) resident: u64,
    /// The part of it that no file backs, in bytes.
    pub(crate) anonymous: u64,
}

/// Asks the kernel.
pub(crate) fn of(pid: u32) -> Usage {
    let (written, resident) = world::usage(pid);
    let given = field(pid, "io", "wchar:");
    Usage {
        cpu: cpu(pid),
        written,
        given,
        resident,
        anonymous: field(pid, "status", "RssAnon:") * 1_024,
    }
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

/// What a process has used of a processor, with all its threads that have ended; in ticks of 10 ms.
pub(crate) fn processor_time(pid: u32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before it may hold anything.
    let (_, fields) = text.rsplit_once(')').unwrap_or_default();
    let times = fields.split_whitespace().skip(11).take(2);
    let ticks: u64 = times.filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_secs(ticks).div_f64(cluster::whole(rustix::param::clock_ticks_per_second()))
}

/// The bytes that a folder takes of its disk, with all that is in it.
pub(crate) fn disk(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(kind) if kind.is_dir() => disk(&entry.path()),
        // POSIX counts them in units of 512 bytes, whatever the file system does.
        Ok(file) => file.blocks() * 512,
        Err(_) => 0,
    });
    sizes.sum()
}

fn field(pid: u32, file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.trim().split(' ').next()?.parse().ok()).unwrap_or(0)
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
