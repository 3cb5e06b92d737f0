//! Watching processes by pidfd, whoever started them, and telling everybody of changes.

use std::{
    collections::HashMap,
    io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::broadcast,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use windlass_substrate::{Change, ChangeKind, WorkloadId};

use crate::{directory::Directory, process::Process};

/// Changes that wait for a slow reader before it is told that it missed some.
const CHANGE_QUEUE: usize = 1024;

/// The processes that are being watched, one a workload.
#[derive(Debug)]
pub(crate) struct Watchers {
    runtime: tokio::runtime::Handle,
    tracker: TaskTracker,
    stop: CancellationToken,
    watched: Mutex<HashMap<WorkloadId, Arc<Process>>>,
    changes: broadcast::Sender<Change>,
}

impl Watchers {
    pub(crate) fn new() -> Self {
        Self {
            runtime: tokio::runtime::Handle::current(),
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
            watched: Mutex::default(),
            changes: broadcast::channel(CHANGE_QUEUE).0,
        }
    }

    pub(crate) fn tracker(&self) -> &TaskTracker {
        &self.tracker
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    pub(crate) fn stopped(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Ends the watching; processes go on.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
        self.tracker.close();
    }

    pub(crate) fn announce(&self, id: &WorkloadId, kind: ChangeKind) {
        // Nobody needs to be watching.
        drop(self.changes.send(Change { id: Some(id.clone()), kind }));
    }

    /// Watches a process until it ends, once; returns the one handle that all share.
    pub(crate) fn attach(
        self: &Arc<Self>,
        id: &WorkloadId,
        directory: &Directory,
        process: Process,
    ) -> Arc<Process> {
        let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = watched.get(id)
            && (known.pid, known.start_time_ticks) == (process.pid, process.start_time_ticks)
        {
            return Arc::clone(known);
        }
        let process = Arc::new(process);
        watched.insert(id.clone(), Arc::clone(&process));
        drop(watched);
        self.announce(id, ChangeKind::Started { pid: process.pid });
        match process.pidfd() {
            Ok(pidfd) => {
                let watch = Arc::clone(self).watch(
                    id.clone(),
                    directory.clone(),
                    Arc::clone(&process),
                    pidfd,
                );
                self.tracker.spawn_on(watch, &self.runtime);
            }
            Err(error) => self.give_up(id, &error),
        }
        process
    }

    async fn watch(
        self: Arc<Self>,
        id: WorkloadId,
        directory: Directory,
        process: Arc<Process>,
        pidfd: OwnedFd,
    ) {
        // Both branches are cancel safe: neither takes anything.
        tokio::select! {
            () = self.stop.cancelled() => return,
            ended = end_of(pidfd) => if let Err(error) = ended {
                self.give_up(&id, &error);
                return;
            }
        }
        let settled = Arc::clone(&process);
        let settling = self.tracker.spawn_blocking(move || settled.settle(&directory));
        let Ok(record) = settling.await else { return };
        {
            let mut watched = self.watched.lock().unwrap_or_else(PoisonError::into_inner);
            if watched.get(&id).is_some_and(|current| Arc::ptr_eq(current, &process)) {
                watched.remove(&id);
            }
        }
        self.announce(&id, ChangeKind::Exited(record));
    }

    /// A process that can't be watched is still listed: readers are told to look for themselves.
    fn give_up(&self, id: &WorkloadId, error: &io::Error) {
        tracing::warn!(workload = %id, %error, "could not watch a process");
        drop(self.changes.send(Change { id: None, kind: ChangeKind::Missed }));
    }
}

#[expect(
    deprecated,
    reason = "its successor is an unsafe function for descriptors that could be closed meanwhile; an owned one can't"
)]
async fn end_of(pidfd: OwnedFd) -> io::Result<()> {
    let pidfd = AsyncFd::with_interest(pidfd, Interest::READABLE)?;
    pidfd.readable().await.map(|_| ())
}
