//! When passes run: one worker a network, woken by a signal, at a time that its last plan named,
//! and by a slow timer for whatever nobody told.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use windlass_model::{NetworkId, OrganizationId};

use crate::{
    network::{Progress, Reconciler, reasons},
    store::error::causes,
};

/// A network that nothing happens to is looked at so often; one of which nothing runs, so seldom.
const SLOW_BEAT: Duration = Duration::from_secs(30);
const RESTING_BEAT: Duration = Duration::from_mins(10);
/// After a pass that came to nothing; doubled by each that follows, up to the longest pause.
const AFTER_ERROR: Duration = Duration::from_millis(500);
const AFTER_ERRORS: Duration = Duration::from_secs(8);
/// So many passes without a pause are a defect; what is left goes on at a walk.
const BUSY_PASSES: u32 = 200;

/// Who is to be woken.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    networks: Mutex<BTreeMap<NetworkId, Entry>>,
    newcomers: Notify,
}

#[derive(Debug)]
struct Entry {
    organization: OrganizationId,
    signal: Arc<Notify>,
    served: bool,
}

impl Wakes {
    /// Something about the network has changed.
    pub(crate) fn wake(&self, organization: &OrganizationId, id: &NetworkId) {
        let mut networks = self.lock();
        let entry = networks.entry(id.clone()).or_insert_with(|| Entry {
            organization: organization.clone(),
            signal: Arc::new(Notify::new()),
            served: false,
        });
        entry.signal.notify_one();
        if !entry.served {
            self.newcomers.notify_one();
        }
    }

    /// Wakes a network that is known here.
    pub(crate) fn wake_known(&self, id: &NetworkId) {
        if let Some(entry) = self.lock().get(id) {
            entry.signal.notify_one();
        }
    }

    /// Whose network it is, if it is known here.
    pub(crate) fn organization(&self, id: &NetworkId) -> Option<OrganizationId> {
        self.lock().get(id).map(|entry| entry.organization.clone())
    }

    /// Wakes everybody.
    pub(crate) fn wake_all(&self) {
        for entry in self.lock().values() {
            entry.signal.notify_one();
        }
    }

    fn newcomers(&self) -> Vec<(OrganizationId, NetworkId, Arc<Notify>)> {
        let mut networks = self.lock();
        let unserved = networks.iter_mut().filter(|(_, entry)| !entry.served);
        let taken = unserved.map(|(id, entry)| {
            entry.served = true;
            (entry.organization.clone(), id.clone(), Arc::clone(&entry.signal))
        });
        taken.collect()
    }

    fn retire(&self, id: &NetworkId) {
        self.lock().remove(id);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NetworkId, Entry>> {
        self.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reconciler {
    /// Wakes every network that there is: the beginning, and the way back after any death.
    pub(crate) async fn wake_everything(&self) {
        loop {
            match self.store.network_ids().await {
                Ok(networks) => {
                    for (organization, id) in networks {
                        self.wakes.wake(&organization, &id);
                    }
                    return;
                }
                Err(error) => {
                    tracing::error!("{error}{}", causes(&error));
                    tokio::time::sleep(AFTER_ERROR).await;
                }
            }
        }
    }

    /// Gives every network its worker, for as long as the platform runs.
    pub(crate) async fn dispatch(self, tracker: TaskTracker, shutdown: CancellationToken) {
        let work = async {
            self.wake_everything().await;
            loop {
                for (organization, id, signal) in self.wakes.newcomers() {
                    let worker = self.clone();
                    let shutdown = shutdown.clone();
                    tracker.spawn(async move {
                        Box::pin(worker.serve(&organization, &id, &signal, &shutdown)).await;
                        worker.wakes.retire(&id);
                    });
                }
                self.wakes.newcomers.notified().await;
            }
        };
        // Cancel safety: both branches may be dropped at any await; nothing is held.
        tokio::select! {
            () = work => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// Passes of one network, until it is gone. A pass under way is finished at a shutdown.
    async fn serve(
        &self,
        organization: &OrganizationId,
        id: &NetworkId,
        signal: &Notify,
        shutdown: &CancellationToken,
    ) {
        let mut passes = 0;
        let mut after_error = AFTER_ERROR;
        while !shutdown.is_cancelled() {
            let passed = Box::pin(self.pass(organization, id)).await;
            let stuck =
                passed.as_ref().err().map(|error| reasons::of_pass(error, self.world.now_ms()));
            if stuck.is_none() {
                after_error = AFTER_ERROR;
            }
            self.monitor.passed(id);
            self.monitor.note_stuck(organization, id, stuck);
            let pause = match passed {
                Ok(Progress::Gone) => return,
                Ok(Progress::Moved) if passes < BUSY_PASSES => {
                    passes += 1;
                    continue;
                }
                Ok(Progress::Moved) => {
                    tracing::error!(network = %id, "the network does not come to rest");
                    AFTER_ERROR
                }
                Ok(Progress::Waiting { wake_at_ms: Some(at_ms) }) => {
                    let left_ms = at_ms.saturating_sub(self.world.now_ms());
                    Duration::from_millis(left_ms).min(SLOW_BEAT)
                }
                Ok(Progress::Waiting { wake_at_ms: None }) if self.monitor.rests(id) => {
                    RESTING_BEAT
                }
                Ok(Progress::Waiting { wake_at_ms: None }) => SLOW_BEAT,
                Err(error) => {
                    tracing::error!(network = %id, "{error}{}", causes(&error));
                    let pause = after_error;
                    after_error = (after_error * 2).min(AFTER_ERRORS);
                    pause
                }
            };
            passes = 0;
            // Cancel safety: a notification that comes while nobody waits is kept by the signal.
            tokio::select! {
                () = signal.notified() => {}
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }
}
