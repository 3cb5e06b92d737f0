//! The process substrate: a workload is a process of this machine with a directory of its own.
//!
//! The embedded default. It needs no daemon, no root and no container engine. Each workload has one
//! directory under the driver's root; what stands there is the whole truth about it:
//!
//! ```text
//! workload.json  what `ensure` was asked for, and the installation it belongs to
//! lock           held by the running program for its whole life (flock)
//! run.json       the running program's pid, start time, ports, sockets, readiness
//! exit.json      how the last process ended
//! log/ files/ data/
//! ```
//!
//! The invariants:
//! - **The lock is life.** A workload runs exactly while its lock is held. Who holds it is read from
//!   `run.json`, and believed only if that process has the lock file open and locked and started
//!   when the record says. Neither this driver's memory nor anybody's database is asked.
//! - **Looking costs what is looked for**: a list reads no manifest twice, and of workloads with other labels
//!   nothing.
//! - **The platform need not be the parent.** Programs detach themselves, write their own logs, and
//!   are watched by pidfd, whoever started them. Killing the platform ends nothing.
//! - **Verbs on one workload run one after another**, on blocking threads: a verb whose caller went
//!   away still completes. Two drivers over one root (a platform and its successor in a race) are
//!   held apart by the lock: the process that comes second ends by itself.
//! - **What isn't ours is not touched**: a directory without our `workload.json` of this
//!   installation is foreign; no symbolic link is followed; a signal goes to a pidfd whose start
//!   time was compared after it was opened, so that a reused pid is never hit.
//!
//! Deliberately absent: restarting what crashed, and any knowledge of what a workload does.

mod cgroup;
mod directory;
mod driver;
mod index;
mod logs;
pub mod ports;
mod process;
mod removal;
mod roll;
mod start;
mod stray;
mod usage;
mod watch;

pub use driver::{Config, Patience, ProcessSubstrate};
