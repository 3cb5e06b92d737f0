//! What a driver reports about the world: facts, each as true as the moment it was read.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{Deserialize, Serialize};
use windlass_model::{WorkloadId, receipt::Released};

use crate::resident::{DATA_DAMAGED_CODE, DISK_FULL_CODE};

/// A workload as it exists on the substrate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Which workload.
    pub id: WorkloadId,
    /// The labels of the last `ensure`.
    pub labels: BTreeMap<String, String>,
    /// The fingerprint of the last `ensure`: what runs, or would run.
    pub fingerprint: String,
    /// Whether a process is there.
    pub state: InstanceState,
    /// Its TCP ports by name: while it runs those it announced, otherwise those it was given.
    pub ports: BTreeMap<String, u16>,
    /// Its Unix sockets by name, as absolute paths.
    pub sockets: BTreeMap<String, PathBuf>,
    /// Where its files, data and logs are, where the substrate has directories.
    pub directory: Option<PathBuf>,
    /// Which layers of isolation hold, and why the others don't.
    pub layers: Vec<Layer>,
}

impl Instance {
    /// The running process, if there is one.
    pub fn running(&self) -> Option<&Running> {
        match &self.state {
            InstanceState::Running(running) => Some(running),
            InstanceState::Stopped { .. } => None,
        }
    }

    /// The process id, if a process is there.
    pub fn pid(&self) -> Option<u32> {
        self.running().map(|running| running.pid)
    }
}

/// Whether a process is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstanceState {
    /// A process holds the workload's identity.
    Running(Running),
    /// No process; what it owned is kept.
    Stopped {
        /// How the last process ended, if one ran and left a trace.
        exit: Option<ExitRecord>,
    },
}

/// A running process. The pair of pid and start time names it for ever; a pid alone is reused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// The process id.
    pub pid: u32,
    /// When the kernel started it, in clock ticks since boot.
    pub start_time_ticks: u64,
    /// When it claimed its identity, Unix milliseconds.
    pub started_at_ms: u64,
    /// Whether it said that it serves.
    pub ready: bool,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// The exit code, if it exited by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that killed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// What it said, or what is known.
    pub reason: String,
    /// When, Unix milliseconds.
    pub at_ms: u64,
    /// Which process it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
}

/// How the reason begins of a process that the kernel ended because its control group had no memory left.
pub const OUT_OF_MEMORY: &str = "killed for want of memory";

impl ExitRecord {
    /// Whether the kernel ended it for want of memory, where a control group tells.
    pub fn is_out_of_memory(&self) -> bool {
        self.code.is_none() && self.reason.starts_with(OUT_OF_MEMORY)
    }

    /// Whether it ended because its disk is full.
    pub fn is_disk_full(&self) -> bool {
        self.code == Some(i32::from(DISK_FULL_CODE))
    }

    /// Whether it ended because what it stored is damaged.
    pub fn is_data_damaged(&self) -> bool {
        self.code == Some(i32::from(DATA_DAMAGED_CODE))
    }
}

impl fmt::Display for ExitRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (Some(code), _) => write!(f, "exit code {code}: {}", self.reason),
            (None, Some(signal)) => write!(f, "signal {signal}: {}", self.reason),
            (None, None) => f.write_str(&self.reason),
        }
    }
}

/// A layer of isolation or limitation, and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// `no_new_privs`, `cgroup-memory`, …
    pub name: String,
    /// Whether it holds for this instance.
    pub holds: bool,
    /// How it holds, or why it doesn't.
    pub detail: String,
}

/// Something happened to an instance. A change is a hint to look again, never the truth itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which workload; `None` when changes were lost and all of them should be looked at.
    pub id: Option<WorkloadId>,
    /// What happened.
    pub kind: ChangeKind,
}

/// What happened to an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// A process runs that did not, or was found running.
    Started {
        /// Its process id.
        pid: u32,
    },
    /// A process ended.
    Exited(ExitRecord),
    /// The workload was removed.
    Removed,
    /// The reader was too slow and changes were dropped: list again.
    Missed,
}

/// What a workload uses now, or has used since its process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Processor time, user and system.
    pub cpu_ms: u64,
    /// Resident memory.
    pub resident_bytes: u64,
    /// What its directory occupies on disk.
    pub disk_bytes: u64,
    /// What it caused to be written to disk.
    pub written_bytes: u64,
}

/// What a `remove` found and verified gone, in the order in which it went. Empty when there was
/// nothing: absent is success.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// Each thing, with when and how it was verified gone.
    pub released: Vec<Released>,
}

/// Chooses instances by their labels; every pair must match. Empty matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(BTreeMap<String, String>);

impl LabelSelector {
    /// Matches everything that this driver manages.
    pub fn all() -> Self {
        Self::default()
    }

    /// Narrows the selection to instances whose label `key` is `value`.
    #[must_use]
    pub fn with(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    /// Whether the labels have every chosen pair.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|(key, value)| labels.get(key) == Some(value))
    }
}
