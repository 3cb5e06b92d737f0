//! The program's side of the contract with the process substrate.
//!
//! A program that runs as a workload is given its directory (`--dir D`) and does, in this order:
//!
//! 1. [`Resident::claim`]: detach from whoever started it, then hold the exclusive lock on `D/lock`
//!    for its whole life. Only then may it open keys, journal or ports. A second process for the same
//!    directory ends here, whoever started it and for whatever reason: this lock, not any database,
//!    is what makes two validators with one key impossible.
//! 2. [`Resident::announce`]: once it serves, say so in `D/run.json`, with its ports and sockets.
//! 3. [`Resident::log_writer`]: write its log itself, as lines, rotated and bounded in size, so that
//!    it needs no parent that reads a pipe.
//! 4. [`Resident::exit`]: leave `D/exit.json`, whether it ends in order or fails.
//!
//! The kernel releases the lock at the process's end, however it ends; a stale `run.json` is harmless
//! because readers believe it only if the lock is held and pid and start time fit a live process.

mod log;

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use rustix::fs::{FlockOperation, Mode, flock};
use serde::{Deserialize, Serialize};

use crate::{clock::now_ms, instance::ExitRecord};

pub use log::{LogLimits, LogWriter};

/// The environment variable by which a driver says what it started: the workload's fingerprint.
pub const FINGERPRINT_VARIABLE: &str = "WINDLASS_WORKLOAD_FINGERPRINT";

/// The exit code of a process that found its directory claimed (BSD's `EX_TEMPFAIL`).
pub const ALREADY_RUNNING_CODE: u8 = 75;

/// The exit code of a process that ended because its disk is full (BSD's `EX_IOERR`): where no
/// record can be written, the code still tells.
pub const DISK_FULL_CODE: u8 = 74;

/// The exit code of a process that ended because what it stored is damaged (BSD's `EX_DATAERR`):
/// starting it again changes nothing.
pub const DATA_DAMAGED_CODE: u8 = 65;

/// How long a claim tries again: a driver that looks whether the lock is held holds it for an
/// instant itself, and that must not turn a rightful claimant away.
const CLAIM_ATTEMPTS: u32 = 50;
const CLAIM_PAUSE: Duration = Duration::from_millis(4);

/// Tells the drafts of one process apart.
static DRAFTS: AtomicU64 = AtomicU64::new(0);

/// The names of what stands in a workload's directory.
pub mod layout {
    /// What `ensure` was asked for; written by the driver.
    pub const WORKLOAD: &str = "workload.json";
    /// The lock that the running program holds.
    pub const LOCK: &str = "lock";
    /// What the running program announced.
    pub const RUN: &str = "run.json";
    /// How the last process ended.
    pub const EXIT: &str = "exit.json";
    /// The folder of logs.
    pub const LOG: &str = "log";
    /// The log that is being written, within [`LOG`].
    pub const CURRENT_LOG: &str = "current.log";
    /// The process's standard output and error, within [`LOG`].
    pub const BOOT_LOG: &str = "boot.log";
    /// The workload's files.
    pub const FILES: &str = "files";
    /// The program's own data.
    pub const DATA: &str = "data";
}

/// What a running program says about itself in `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRecord {
    /// Its process id.
    pub pid: u32,
    /// When the kernel started it, in clock ticks since boot; tells it from a later owner of the pid.
    pub start_time_ticks: u64,
    /// When it claimed the directory, Unix milliseconds.
    pub started_at_ms: u64,
    /// The TCP ports it listens on, by name.
    #[serde(default)]
    pub ports: BTreeMap<String, u16>,
    /// The Unix sockets it listens on, by name, as absolute paths.
    #[serde(default)]
    pub sockets: BTreeMap<String, PathBuf>,
    /// Whether it serves.
    pub ready: bool,
    /// The fingerprint of the workload that it was started for, if a driver started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// Why a program could not take up its place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResidentError {
    /// Another process holds the directory.
    #[error("{} is already held by {}", directory.display(), holder(*pid))]
    AlreadyRunning {
        /// The directory.
        directory: PathBuf,
        /// The process that announced itself there, if it has.
        pid: Option<u32>,
    },
    /// The system refused.
    #[error("could not {action} {}", path.display())]
    Io {
        /// What was attempted, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl ResidentError {
    /// Whether no space, or no quota, was left.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::AlreadyRunning { .. } => false,
            Self::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
        }
    }

    fn io(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Io { action, path: path.to_owned(), source: source.into() }
    }
}

fn holder(pid: Option<u32>) -> String {
    pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
}

/// A program's claim on its directory; lasts until it is dropped or the process ends.
#[derive(Debug)]
pub struct Resident {
    directory: PathBuf,
    run: RunRecord,
    /// Held, never read: closing it releases the claim.
    _lock: File,
}

impl Resident {
    /// Detaches the process and takes the directory's lock.
    ///
    /// Detaching means: a session of its own (no terminal's Ctrl-C or hang-up reaches it), files
    /// for this user only, and no way to gain privileges. A session leader stays one. To be called
    /// before the program starts any thread: those that run already would keep their privileges.
    pub fn claim(directory: &Path) -> Result<Self, ResidentError> {
        detach().map_err(|source| ResidentError::io("detach for", directory, source))?;
        Self::claim_attached(directory)
    }

    /// Takes the directory's lock and leaves the process in its session: for a program that a person
    /// runs by hand.
    pub fn claim_attached(directory: &Path) -> Result<Self, ResidentError> {
        let directory = fs::canonicalize(directory)
            .map_err(|source| ResidentError::io("open", directory, source))?;
        let lock = take_lock(&directory)?;
        let run = RunRecord {
            pid: std::process::id(),
            start_time_ticks: own_start_time(&directory)?,
            started_at_ms: now_ms(),
            ports: BTreeMap::new(),
            sockets: BTreeMap::new(),
            ready: false,
            fingerprint: started_for(),
        };
        let resident = Self { directory, run, _lock: lock };
        resident.remove_stale(layout::EXIT)?;
        resident.write(layout::RUN, &resident.run)?;
        Ok(resident)
    }

    /// Says that the program serves, and where. May be called again when that changes.
    pub fn announce(
        &mut self,
        ports: BTreeMap<String, u16>,
        sockets: BTreeMap<String, PathBuf>,
    ) -> Result<(), ResidentError> {
        self.run = RunRecord { ports, sockets, ready: true, ..self.run.clone() };
        self.write(layout::RUN, &self.run)
    }

    /// Leaves the record of this process's end. The claim itself ends with the process.
    pub fn exit(&self, code: u8, reason: impl Into<String>) -> Result<(), ResidentError> {
        let record = ExitRecord {
            code: Some(i32::from(code)),
            signal: None,
            reason: reason.into(),
            at_ms: now_ms(),
            pid: Some(self.run.pid),
        };
        self.write(layout::EXIT, &record)
    }

    /// A writer of the workload's log. Wrapped in a `std::sync::Mutex` it is what
    /// `tracing_subscriber`'s `with_writer` takes.
    pub fn log_writer(&self, limits: LogLimits) -> Result<LogWriter, ResidentError> {
        let folder = self.directory.join(layout::LOG);
        make_directory(&folder)?;
        LogWriter::open(&folder, limits)
            .map_err(|source| ResidentError::io("open the log in", &folder, source))
    }

    /// The workload's directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the workload's files are.
    pub fn files(&self) -> PathBuf {
        self.directory.join(layout::FILES)
    }

    /// Where the program keeps its data; made if it isn't there.
    pub fn data(&self) -> Result<PathBuf, ResidentError> {
        let data = self.directory.join(layout::DATA);
        make_directory(&data)?;
        Ok(data)
    }

    /// What the program last announced.
    pub fn record(&self) -> &RunRecord {
        &self.run
    }

    fn remove_stale(&self, name: &str) -> Result<(), ResidentError> {
        let path = self.directory.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ResidentError::io("remove", &path, error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn write(&self, name: &str, value: &impl Serialize) -> Result<(), ResidentError> {
        let path = self.directory.join(name);
        let bytes = serde_json::to_vec_pretty(value).expect("records have string keys only");
        replace(&path, &bytes).map_err(|source| ResidentError::io("write", &path, source))
    }
}

/// Replaces a file so that a reader sees the old or the new content and nothing between. For this
/// user only. After a power cut the file may be empty or old: see [`replace_durably`].
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, bytes, |_| Ok(()))
}

/// As [`replace`], and a machine that loses power finds the old or the new content too.
pub fn replace_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_with(path, bytes, File::sync_data)
}

fn replace_with(
    path: &Path,
    bytes: &[u8],
    settle: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    // Two platforms that race each other must not write into one draft.
    let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
    let draft = format!(".{}.{}-{number}", name.to_string_lossy(), std::process::id());
    let draft = folder.join(draft);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    let written = file.write_all(bytes).and_then(|()| settle(&file));
    let replaced = written.and_then(|()| fs::rename(&draft, path));
    if replaced.is_err() {
        // The first failure is the one to tell of.
        drop(fs::remove_file(&draft));
    }
    replaced
}

/// When the kernel started a process, in clock ticks since boot; `None` if there is no such process.
pub fn start_time_ticks(pid: u32) -> io::Result<Option<u64>> {
    let stat = match fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat,
        // ESRCH: it went between the open and the read.
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    // The command's name stands in parentheses and may contain anything: count from the last one.
    let ticks = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(19));
    let ticks = ticks.and_then(|ticks| ticks.parse().ok());
    ticks.map(Some).ok_or_else(|| io::Error::other("the kernel's process status has another form"))
}

fn own_start_time(directory: &Path) -> Result<u64, ResidentError> {
    start_time_ticks(std::process::id())
        .and_then(|ticks| ticks.ok_or_else(|| io::Error::other("/proc does not show this process")))
        .map_err(|source| {
            ResidentError::io("read this process's start time for", directory, source)
        })
}

#[expect(clippy::disallowed_methods, reason = "the variable is this module's own")]
fn started_for() -> Option<String> {
    std::env::var(FINGERPRINT_VARIABLE).ok()
}

fn detach() -> io::Result<()> {
    match rustix::process::setsid() {
        // A process that leads its group already can't, and needn't, begin a session again.
        Ok(_) | Err(rustix::io::Errno::PERM) => {}
        Err(error) => return Err(error.into()),
    }
    rustix::process::umask(Mode::RWXG | Mode::RWXO);
    rustix::thread::set_no_new_privs(true)?;
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a claim, before there is any runtime, waits out a driver's glance"
)]
fn pause() {
    std::thread::sleep(CLAIM_PAUSE);
}

fn take_lock(directory: &Path) -> Result<File, ResidentError> {
    let path = directory.join(layout::LOCK);
    let lock = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|source| ResidentError::io("open", &path, source))?;
    for _ in 0..CLAIM_ATTEMPTS {
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(lock),
            Err(rustix::io::Errno::WOULDBLOCK) => pause(),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(ResidentError::io("lock", &path, error)),
        }
    }
    Err(ResidentError::AlreadyRunning {
        directory: directory.to_owned(),
        pid: announced(directory),
    })
}

fn announced(directory: &Path) -> Option<u32> {
    let bytes = fs::read(directory.join(layout::RUN)).ok()?;
    let run: RunRecord = serde_json::from_slice(&bytes).ok()?;
    let alive = start_time_ticks(run.pid).ok()? == Some(run.start_time_ticks);
    alive.then_some(run.pid)
}

fn make_directory(path: &Path) -> Result<(), ResidentError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| ResidentError::io("make", path, source))
}

#[cfg(test)]
mod tests;
