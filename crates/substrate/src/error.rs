//! What can go wrong on a substrate, each with a code, and a hint that says what to do about it.

use std::{io, path::PathBuf};

use windlass_model::WorkloadId;

use crate::instance::ExitRecord;

/// Why a verb did not do what it was asked. Every verb may be repeated after any of these.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubstrateError {
    /// The program could not be started at all.
    #[error("could not start {program} for {id}")]
    SpawnFailed {
        /// Which workload.
        id: WorkloadId,
        /// The program that was to run.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The process ended before it was ready.
    #[error("{id} ended before it was ready{}{}", describe(exit.as_ref()), quote(last_lines))]
    ExitedEarly {
        /// Which workload.
        id: WorkloadId,
        /// How it ended, as far as is known.
        exit: Option<ExitRecord>,
        /// The last lines that it wrote.
        last_lines: Vec<String>,
    },
    /// The process lives and did not say in time that it serves. It is left running.
    #[error("{id} was not ready within {waited_ms} ms{}", quote(last_lines))]
    NotReady {
        /// Which workload.
        id: WorkloadId,
        /// How long it was given.
        waited_ms: u64,
        /// The last lines that it wrote.
        last_lines: Vec<String>,
    },
    /// A directory or file can't be written: permissions, or a read-only mount.
    #[error("{} is not writable", path.display())]
    NotWritable {
        /// What could not be written.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No space, or no quota, is left.
    #[error("no space is left for {}", path.display())]
    DiskFull {
        /// What could not be written.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The process ended because what it stored is not what it wrote.
    #[error("what {} holds is damaged: {reason}", path.display())]
    DataDamaged {
        /// The workload's directory.
        path: PathBuf,
        /// What it said.
        reason: String,
    },
    /// A port of the workload is listened on by a process that isn't the workload's.
    #[error("port {port} ({name}) of {id} is in use by another process")]
    PortInUse {
        /// Which workload.
        id: WorkloadId,
        /// The port's name in the workload.
        name: String,
        /// The port.
        port: u16,
    },
    /// What stands where the workload's directory belongs isn't this installation's.
    #[error("{} is not a workload of this installation", path.display())]
    Foreign {
        /// What stands there.
        path: PathBuf,
    },
    /// The workload can't be run as described.
    #[error("{id} can't run here: {reason}")]
    Invalid {
        /// Which workload.
        id: WorkloadId,
        /// Why not.
        reason: String,
    },
    /// A process survived being killed; the machine holds it (uninterruptible I/O, a debugger).
    #[error("process {pid} of {id} did not end when killed")]
    WillNotEnd {
        /// Which workload.
        id: WorkloadId,
        /// The process.
        pid: u32,
    },
    /// Something is still there after its removal.
    #[error("{what} of {id} is still there")]
    StillThere {
        /// Which workload.
        id: WorkloadId,
        /// What is left.
        what: String,
    },
    /// More logs are followed than the driver has threads for.
    #[error("{limit} logs are being followed, which is the limit")]
    TooMany {
        /// How many at once.
        limit: usize,
    },
    /// There is no such workload.
    #[error("there is no workload {id}")]
    Unknown {
        /// Which workload.
        id: WorkloadId,
    },
    /// The system refused something else.
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
    /// The driver did not answer in time. What it was asked may still come to its end.
    #[error("the driver did not answer `{verb}` within {waited_ms} ms")]
    Late {
        /// The verb.
        verb: &'static str,
        /// How long it was waited for.
        waited_ms: u64,
    },
    /// The driver itself is broken or was told to fail.
    #[error("{reason}")]
    Failed {
        /// What happened.
        reason: String,
    },
}

impl SubstrateError {
    /// Sorts a failure of the file system into what a user can act on.
    pub fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        let path = path.into();
        match source.kind() {
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::NotWritable { path, source }
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path, source }
            }
            _ => Self::Io { action, path, source },
        }
    }

    /// The stable code of the error, for problems and pages.
    pub fn code(&self) -> &'static str {
        match self {
            Self::SpawnFailed { .. } => "substrate_spawn_failed",
            Self::ExitedEarly { .. } => "substrate_exited_early",
            Self::NotReady { .. } => "substrate_not_ready",
            Self::NotWritable { .. } => "substrate_not_writable",
            Self::DiskFull { .. } => "substrate_disk_full",
            Self::DataDamaged { .. } => "substrate_data_damaged",
            Self::PortInUse { .. } => "substrate_port_in_use",
            Self::Foreign { .. } => "substrate_foreign_directory",
            Self::Invalid { .. } => "substrate_invalid_workload",
            Self::WillNotEnd { .. } => "substrate_will_not_end",
            Self::StillThere { .. } => "substrate_still_there",
            Self::TooMany { .. } => "substrate_too_many",
            Self::Unknown { .. } => "substrate_unknown_workload",
            Self::Io { .. } => "substrate_io",
            Self::Late { .. } => "substrate_late",
            Self::Failed { .. } => "substrate_failed",
        }
    }

    /// What a user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::SpawnFailed { .. } => "check that the windlass binary is there and executable",
            Self::ExitedEarly { .. } => {
                "the last lines above say why; `windlass network logs` has more"
            }
            Self::NotReady { .. } => {
                "the machine may be overloaded; it is looked at again by itself"
            }
            Self::NotWritable { .. } => {
                "give the data directory to this user, or choose another with --data-dir"
            }
            Self::DiskFull { .. } => "free some space; what waits for it goes on by itself",
            Self::DataDamaged { .. } => "restore what the directory held, or remove its data",
            Self::PortInUse { .. } => {
                "end the process that holds the port (`ss -ltnp`), or create the network anew"
            }
            Self::Foreign { .. } => {
                "move it out of the data directory; windlass never touches what isn't its own"
            }
            Self::Invalid { .. } => "change the spec",
            Self::WillNotEnd { .. } => {
                "look at the process (`ps`, `dmesg`); a hung disk holds processes like this"
            }
            Self::StillThere { .. } => "it is tried again by itself; see what holds it",
            Self::TooMany { .. } => "end a `windlass network logs -f`, and try again",
            Self::Unknown { .. } => "`windlass network show` lists what exists",
            Self::Late { .. } => {
                "it is tried again by itself; a hung disk holds drivers like this (`dmesg`)"
            }
            Self::Io { .. } | Self::Failed { .. } => {
                "it is tried again by itself; the cause is in the log"
            }
        }
    }
}

fn describe(exit: Option<&ExitRecord>) -> String {
    exit.map_or_else(String::new, |exit| format!(" ({exit})"))
}

fn quote(lines: &[String]) -> String {
    if lines.is_empty() { String::new() } else { format!("; it last wrote: {}", lines.join(" | ")) }
}
