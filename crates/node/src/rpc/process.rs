//! What this process uses, as the kernel says.

use std::fs;

use super::metrics::float;

/// What is known of it; each is absent where the kernel doesn't say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    pub(super) resident_bytes: Option<u64>,
    /// User and system.
    pub(super) cpu_seconds: Option<f64>,
    /// Unix seconds.
    pub(super) started_at_s: Option<f64>,
    pub(super) open_files: Option<u64>,
}

pub(super) fn usage() -> Usage {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(0);
    let resident = || {
        let pages = fs::read_to_string("/proc/self/statm").ok()?;
        pages.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let ticks = float(rustix::param::clock_ticks_per_second().max(1));
    let stat = fs::read_to_string("/proc/self/stat").ok();
    // The command's name may contain anything but ends with the last parenthesis.
    let fields: Vec<u64> = stat
        .as_deref()
        .and_then(|stat| stat.rsplit_once(')'))
        .map(|(_, rest)| rest.split_whitespace().map(|one| one.parse().unwrap_or(0)).collect())
        .unwrap_or_default();
    let cpu = || Some(fields.get(11)?.saturating_add(*fields.get(12)?));
    let booted = || {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
        line.trim().parse::<u64>().ok()
    };
    let started = || Some(float(booted()?) + float(*fields.get(19)?) / ticks);
    let open = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
    Usage {
        resident_bytes: resident().map(|pages| pages.saturating_mul(page)),
        cpu_seconds: cpu().map(|used| float(used) / ticks),
        started_at_s: started(),
        open_files: open.and_then(|count| u64::try_from(count).ok()),
    }
}
