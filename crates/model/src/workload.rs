//! What a substrate is asked to run: one process with its files, ports and limits, as plain data.
//!
//! An engine turns a network's spec into workloads, the planner decides which should exist, and a
//! substrate makes it so. None of the three needs to know the others.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};

use crate::WorkloadId;

/// Whether the process should be there. Removal is a verb of the substrate, not a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Desired {
    /// The process runs.
    Running,
    /// No process; its directory and data are kept.
    Stopped,
}

/// One process and everything that belongs to it. Equal workloads are the same workload:
/// a substrate adopts what already runs with an equal description, and restarts what differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its identity on the substrate; also the name of its directory.
    pub id: WorkloadId,
    /// What runs: a program of our own.
    pub program: Program,
    /// Arguments after the verb; the directory is appended by the substrate as `--dir D`.
    /// Nothing secret may stand here.
    pub arguments: Vec<String>,
    /// The whole environment beside what the substrate itself adds. Nothing secret may stand here.
    pub environment: BTreeMap<String, String>,
    /// Files laid into `files/` before the process starts: relative file name → content.
    pub files: BTreeMap<String, String>,
    /// Loopback TCP ports that the process listens on: name → port.
    pub ports: BTreeMap<String, u16>,
    /// Unix sockets that the process listens on, in its own directory: name → file name.
    pub sockets: BTreeMap<String, String>,
    /// What the process may use.
    pub limits: Limits,
    /// What the workload is found by: `installation`, `organization`, `network`, `node`, …
    pub labels: BTreeMap<String, String>,
    /// Whether the process should be there.
    pub desired: Desired,
}

impl Workload {
    /// The arguments by which a program is told to end by itself when nobody holds this lease.
    pub fn under_lease(lease: &Path) -> Vec<String> {
        vec!["--lease".to_owned(), lease.display().to_string()]
    }
}

/// What a workload executes: one of the verbs of the `windlass` binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Program {
    /// `windlass node`: one validator or observer.
    Node,
    /// `windlass gateway`: the stable URLs.
    Gateway,
}

impl Program {
    /// The verb of the `windlass` binary.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Gateway => "gateway",
        }
    }
}

/// What a process may use; `None` is no limit of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Resident memory in bytes.
    pub memory_bytes: Option<u64>,
    /// Processor time, in thousandths of one core.
    pub cpu_millis: Option<u32>,
    /// Processes and threads.
    pub tasks: Option<u32>,
}
