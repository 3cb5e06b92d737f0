//! One running process: named for ever by pid and start time, signalled and awaited by pidfd.

use std::{
    fs, io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::MetadataExt,
    },
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{
        Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
    },
};
use windlass_substrate::{
    ExitRecord, OUT_OF_MEMORY, SubstrateError, WorkloadId,
    clock::{Deadline, now_ms},
    resident::{RunRecord, layout, start_time_ticks},
};

use crate::{cgroup::Shortages, directory::Directory};

/// A process that lived when its pidfd was opened. The pidfd names it however long it is kept.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) start_time_ticks: u64,
    pidfd: OwnedFd,
    /// Where it is told how often memory was wanting, and how often that was when it was opened.
    shortages: Option<Box<Shortages>>,
    /// How it ended, once somebody has looked. Behind a lock because an exit status can be taken
    /// from the kernel only once, and several may come for it.
    ended: Mutex<Option<ExitRecord>>,
}

impl Process {
    /// Opens a process; `None` if it is gone.
    pub(crate) fn open(pid: u32) -> io::Result<Option<Self>> {
        let Some(kernel_pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
            return Ok(None);
        };
        let pidfd = match pidfd_open(kernel_pid, PidfdFlags::empty()) {
            Ok(pidfd) => pidfd,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Read after the pidfd was opened: if it still names a living process then both are one.
        let Some(start_time_ticks) = start_time_ticks(pid)? else { return Ok(None) };
        let shortages = Shortages::of(pid).map(Box::new);
        let process = Self { pid, start_time_ticks, pidfd, shortages, ended: Mutex::new(None) };
        Ok((!process.has_ended()?).then_some(process))
    }

    /// Opens a child that nobody has waited for, so that its pid can't be another's, dead or alive.
    pub(crate) fn open_child(pid: u32) -> io::Result<Self> {
        let gone = || io::Error::other("the process vanished before it was looked at");
        let kernel_pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
        let pidfd = pidfd_open(kernel_pid, PidfdFlags::empty())?;
        let start_time_ticks = start_time_ticks(pid)?.ok_or_else(gone)?;
        let shortages = Shortages::of(pid).map(Box::new);
        Ok(Self { pid, start_time_ticks, pidfd, shortages, ended: Mutex::new(None) })
    }

    pub(crate) fn pidfd(&self) -> io::Result<OwnedFd> {
        self.pidfd.try_clone()
    }

    /// Whether this process is the one that a record speaks of.
    pub(crate) fn is(&self, run: &RunRecord) -> bool {
        (self.pid, self.start_time_ticks) == (run.pid, run.start_time_ticks)
    }

    pub(crate) fn has_ended(&self) -> io::Result<bool> {
        self.wait(Duration::ZERO)
    }

    /// Waits for the process's end, however it is parented; false if time ran out first.
    pub(crate) fn wait(&self, patience: Duration) -> io::Result<bool> {
        let deadline = Deadline::after(patience);
        loop {
            let left = deadline.left();
            let timeout = timespec(left);
            let mut fds = [PollFd::new(&self.pidfd, PollFlags::IN)];
            match poll(&mut fds, Some(&timeout)) {
                Ok(0) if left.is_zero() => return Ok(false),
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        match pidfd_send_signal(&self.pidfd, signal) {
            // It ended in the meantime, which is what a signal is for.
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Asks the process to end, insists when it doesn't, and returns when it has.
    pub(crate) fn stop(
        &self,
        id: &WorkloadId,
        grace: Duration,
        insistence: Duration,
    ) -> Result<(), SubstrateError> {
        let failed = |source| SubstrateError::io("end", format!("process {}", self.pid), source);
        self.signal(Signal::TERM).map_err(failed)?;
        if self.wait(grace).map_err(failed)? {
            return Ok(());
        }
        tracing::warn!(workload = %id, pid = self.pid, "killing a process that did not end when asked");
        self.signal(Signal::KILL).map_err(failed)?;
        if self.wait(insistence).map_err(failed)? {
            return Ok(());
        }
        Err(SubstrateError::WillNotEnd { id: id.clone(), pid: self.pid })
    }

    /// Takes note of how an ended process ended, and leaves it no zombie if it is our child. What the
    /// process itself recorded is kept; otherwise what the kernel says is recorded in its place.
    pub(crate) fn settle(&self, directory: &Directory) -> ExitRecord {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(record) = &*ended {
            return record.clone();
        }
        let (code, signal) = self.reap();
        let own = directory.exit_record().filter(|record| record.pid == Some(self.pid));
        let record = own.unwrap_or_else(|| {
            let short = self.shortages.as_ref().and_then(|known| known.since());
            let reason = match (code, signal, short) {
                (Some(_), ..) => "ended without a record of its own".to_owned(),
                (None, _, Some(told)) => format!("{OUT_OF_MEMORY}: {told}"),
                (None, Some(_), None) => "killed".to_owned(),
                (None, None, None) => "ended unseen: killed, or the machine stopped".to_owned(),
            };
            let record = ExitRecord { code, signal, reason, at_ms: now_ms(), pid: Some(self.pid) };
            if let Err(error) = directory.write_exit_record(&record)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(directory = %directory.path().display(), %error, "could not leave an exit record");
            }
            record
        });
        *ended = Some(record.clone());
        record
    }
}

impl Process {
    /// Leaves a child that ended without ever holding the lock no zombie. It has left no record.
    pub(crate) fn reap(&self) -> (Option<i32>, Option<i32>) {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        // ECHILD: somebody else's child, or already waited for.
        let status = waitid(WaitId::PidFd(self.pidfd.as_fd()), options).ok().flatten();
        status.map_or((None, None), |status| (status.exit_status(), status.terminating_signal()))
    }
}

/// Who holds a workload's lock.
#[derive(Debug)]
pub(crate) enum Holder {
    /// Nobody: the workload doesn't run.
    Nobody,
    /// This process, with what it said about itself.
    Process(Process, RunRecord),
    /// Somebody who can't be told yet: about to announce itself, or just gone.
    Unknown,
}

/// Finds out who holds the lock. `run.json` is a hint: what it names must have the lock.
pub(crate) fn holder(directory: &Directory) -> Result<Holder, SubstrateError> {
    if !directory.is_held()? {
        return Ok(Holder::Nobody);
    }
    let failed = |source| SubstrateError::io("look at the processes of", directory.path(), source);
    let Some(lock) = file_id(&directory.join(layout::LOCK)) else {
        return Ok(Holder::Unknown);
    };
    if let Some(run) = directory.run_record()
        && let Some(process) = Process::open(run.pid).map_err(failed)?
        && process.is(&run)
        && holds(run.pid, lock)
    {
        return Ok(Holder::Process(process, run));
    }
    // The record is stale or broken. Whoever holds the lock has it open.
    for entry in fs::read_dir("/proc").map_err(failed)?.flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        // This process holds locks only while it removes what they guard.
        let other = pid.filter(|pid| *pid != std::process::id() && holds(*pid, lock));
        let Some(pid) = other else { continue };
        if let Some(process) = Process::open(pid).map_err(failed)?
            && holds(pid, lock)
        {
            let run = unannounced(&process, directory.run_record());
            return Ok(Holder::Process(process, run));
        }
    }
    Ok(Holder::Unknown)
}

/// What is known of a process that holds the lock: its announcement if it has come meanwhile.
fn unannounced(process: &Process, record: Option<RunRecord>) -> RunRecord {
    record.filter(|run| process.is(run)).unwrap_or_else(|| RunRecord {
        pid: process.pid,
        start_time_ticks: process.start_time_ticks,
        started_at_ms: 0,
        ports: std::collections::BTreeMap::new(),
        sockets: std::collections::BTreeMap::new(),
        ready: false,
        fingerprint: None,
    })
}

/// Whether a process has a file open and locked. Other users' processes can't be looked into and
/// can't have opened a file of ours either.
fn holds(pid: u32, file: FileId) -> bool {
    locked_files(pid).any(|(_, locked)| locked == file)
}

/// What tells one file from another, whatever its name: device and inode.
pub(crate) type FileId = (u64, u64);

/// The identity of the file at a path; `None` if there is none.
pub(crate) fn file_id(path: &Path) -> Option<FileId> {
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// The files that a process has open and locked, each with the name that the kernel shows for it.
pub(crate) fn locked_files(pid: u32) -> impl Iterator<Item = (PathBuf, FileId)> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    descriptors.filter_map(move |descriptor| {
        let number = descriptor.file_name();
        let info = format!("/proc/{pid}/fdinfo/{}", number.to_string_lossy());
        let info = fs::read_to_string(info).ok()?;
        let locked = info.lines().any(|line| line.contains("FLOCK") && line.contains("WRITE"));
        let name = fs::read_link(descriptor.path()).ok()?;
        locked.then(|| file_id(&descriptor.path()).map(|file| (name, file)))?
    })
}

pub(crate) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
