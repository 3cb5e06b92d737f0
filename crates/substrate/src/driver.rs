//! The driver trait: five verbs and the logs.

use std::pin::Pin;

use futures::Stream;
use sha2::{Digest, Sha256};
use windlass_model::{
    WorkloadId,
    workload::{Desired, Workload},
};

use crate::{
    error::SubstrateError,
    instance::{Change, Instance, LabelSelector, Removal, Usage},
};

/// Changes as they happen; ends when the driver does.
pub type ChangeStream = Pin<Box<dyn Stream<Item = Change> + Send>>;

/// Lines of a workload's log, without their line ends.
pub type LineStream = Pin<Box<dyn Stream<Item = Result<String, SubstrateError>> + Send>>;

/// Which part of a log to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// What happens at the end of the log.
    pub follow: Follow,
    /// Begin with this many of the last lines; `None` begins with the first one that is kept.
    pub tail: Option<usize>,
}

/// What a log stream does at the end of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// The stream ends.
    #[default]
    No,
    /// The stream waits for more lines, through rotations and restarts.
    Yes,
}

/// A place where workloads run.
///
/// # The hard truths
/// - **Two live processes may claim one identity.** The platform can be killed after a process was
///   started and before anything was recorded; its successor then starts another one. What keeps
///   this harmless is that a program holds an exclusive lock before it opens keys, journal or ports
///   ([`crate::resident`]): the second process ends by itself. A driver trusts the lock (or the
///   container's label), never a database.
/// - **A signal is not an exit.** Between asking a process to end and its end it may finish a block,
///   hang, or refuse. A driver reports an end that it has seen, never one that it has asked for.
/// - **A pid is not a process.** It is reused. Pid and start time together name a process.
/// - **Absent is success on `remove`**, and every verb may be repeated: after a failure, after a
///   success whose answer was lost, and while another caller does the same.
/// - **A report is old when it is read.** `list` and `watch` say how the world was. Nothing but
///   another `ensure` or `remove` makes it so.
/// - **A dropped future has not undone anything.** Verbs may complete although nobody waits.
///
/// Drivers do not restart what crashed: whether and when is the caller's decision.
#[async_trait::async_trait]
pub trait Substrate: Send + Sync {
    /// Makes the world agree with the workload and reports the instance.
    ///
    /// With [`Desired::Running`], returns when the process has said that it serves. A running
    /// process with the same [`fingerprint`] is adopted as it is; with another one it is stopped
    /// gracefully and started anew over the same data. With [`Desired::Stopped`], returns when no
    /// process is left; files and data are kept.
    async fn ensure(&self, workload: &Workload) -> Result<Instance, SubstrateError>;

    /// Ends the process and removes everything that the workload owned, and reports each thing that
    /// existed with when and how it was verified gone. Success with an empty list if nothing is
    /// there. What isn't this installation's is never touched.
    async fn remove(&self, id: &WorkloadId) -> Result<Removal, SubstrateError>;

    /// Reports all instances with these labels, running or not, whoever started them.
    async fn list(&self, selector: &LabelSelector) -> Result<Vec<Instance>, SubstrateError>;

    /// Reports changes from now on, of adopted processes too. A change is a hint to look again; a
    /// reader that is too slow is told that it has missed some.
    fn watch(&self) -> ChangeStream;

    /// Reports what a workload uses.
    async fn usage(&self, id: &WorkloadId) -> Result<Usage, SubstrateError>;

    /// Streams a workload's log.
    async fn logs(
        &self,
        id: &WorkloadId,
        options: LogOptions,
    ) -> Result<LineStream, SubstrateError>;
}

/// What decides whether a running process is the one that was asked for: the SHA-256 of the
/// workload but for its labels and desired state, which change without a restart.
pub fn fingerprint(workload: &Workload) -> String {
    let essence = Workload {
        labels: std::collections::BTreeMap::new(),
        desired: Desired::Running,
        ..workload.clone()
    };
    let bytes = serde_json::to_vec(&essence).expect("a workload is plain data with string keys");
    hex::encode(Sha256::digest(bytes))
}
