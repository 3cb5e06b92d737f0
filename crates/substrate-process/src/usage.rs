//! What a workload uses, from `/proc` and its directory.

use std::fs;

use windlass_substrate::{SubstrateError, Usage};

use crate::{
    directory::Directory,
    process::{Holder, holder},
};

pub(crate) fn measure(directory: &Directory) -> Result<Usage, SubstrateError> {
    let (disk_bytes, _) = directory.size();
    let usage = Usage { disk_bytes, ..Usage::default() };
    Ok(match holder(directory)? {
        // A process that ends while it is measured uses nothing.
        Holder::Process(process, _) => Usage {
            cpu_ms: cpu_ms(process.pid).unwrap_or_default(),
            resident_bytes: resident_bytes(process.pid).unwrap_or_default(),
            written_bytes: written_bytes(process.pid).unwrap_or_default(),
            ..usage
        },
        Holder::Nobody | Holder::Unknown => usage,
    })
}

fn cpu_ms(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name may contain anything but ends with the last parenthesis.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * 1000 / rustix::param::clock_ticks_per_second().max(1))
}

fn resident_bytes(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kibibytes * 1024)
}

fn written_bytes(pid: u32) -> Option<u64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    io.lines().find_map(|line| line.strip_prefix("write_bytes:"))?.trim().parse().ok()
}
