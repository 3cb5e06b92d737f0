//! Processes whose directory was taken from under them.
//!
//! Whoever removes or moves a running workload's directory, or the lock in it, takes away what guards
//! its keys: the process goes on, and nothing that stands in the directory tells of it. So before a
//! process is started, and when a workload is removed, the machine's processes are looked through for
//! one that was started for the directory and holds another lock than the one that is there now. It
//! is ended: what it could still write is lost already.

use std::{fs, os::unix::ffi::OsStrExt, path::Path};

use windlass_substrate::{Released, ReleasedKind, SubstrateError, WorkloadId, resident::layout};

use crate::{
    cgroup,
    directory::Directory,
    driver::Machine,
    process::{Process, file_id, locked_files},
    removal::gone,
};

/// Ends the strays of a directory. What they had that is known is reported as released.
pub(crate) fn end(
    machine: &Machine,
    id: &WorkloadId,
    directory: &Directory,
) -> Result<Vec<Released>, SubstrateError> {
    let mut released = Vec::new();
    for stray in find(directory)? {
        let pid = stray.pid;
        tracing::warn!(workload = %id, pid, "ending a process whose directory was taken away");
        machine.stop(directory, id, stray)?;
        released.push(gone(id, ReleasedKind::Process, format!("pid {pid}"), "ended"));
    }
    Ok(released)
}

/// Removes the control groups of a workload that has no directory which would name them.
pub(crate) fn remove_groups(
    machine: &Machine,
    id: &WorkloadId,
) -> Result<Vec<Released>, SubstrateError> {
    let mut released = Vec::new();
    for group in cgroup::every(&machine.group_name(id)) {
        if cgroup::remove(&group)? {
            let name = group.display().to_string();
            released.push(gone(id, ReleasedKind::Cgroup, name, "no such control group"));
        }
    }
    Ok(released)
}

fn find(directory: &Directory) -> Result<Vec<Process>, SubstrateError> {
    let failed = |source| SubstrateError::io("look at the processes of", directory.path(), source);
    let mut strays = Vec::new();
    for entry in fs::read_dir("/proc").map_err(failed)?.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(pid) = pid.filter(|pid| is_for(*pid, directory.path())) else { continue };
        if holds_another(pid, directory)
            && let Some(process) = Process::open(pid).map_err(failed)?
            && holds_another(pid, directory)
        {
            strays.push(process);
        }
    }
    Ok(strays)
}

/// Whether a process was started for a directory.
fn is_for(pid: u32, directory: &Path) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
    words.windows(2).any(|pair| pair == [b"--dir", directory.as_os_str().as_bytes()])
}

/// Whether it holds a workload's lock that is not the directory's.
fn holds_another(pid: u32, directory: &Directory) -> bool {
    let locks = locked_files(pid).filter(|(path, _)| {
        let path = path.to_string_lossy();
        let name = path.strip_suffix(" (deleted)").unwrap_or(&path).rsplit('/').next();
        name == Some(layout::LOCK)
    });
    let locks: Vec<_> = locks.map(|(_, file)| file).collect();
    // Looked at afterwards: a process that starts meanwhile makes the lock that it holds.
    let present = file_id(&directory.join(layout::LOCK));
    locks.iter().any(|lock| Some(*lock) != present)
}
