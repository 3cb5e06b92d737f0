//! Networks that live on somebody's behalf: whoever declared one holds its lease, and when nobody does
//! any more, the platform intends the network's destruction as a user would.
//!
//! A request names a lease by its id. Where it is, the platform alone decides: in a folder of its data
//! directory. Leases have names, so that a platform that was killed finds out at its next start which of
//! their holders went meanwhile. Nodes watch the same lease themselves, and need no platform to end.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use windlass_model::{
    ErrorCode, LeaseId, NetworkId, OrganizationId, Problem,
    network::{Intent, OperationKind, Reason},
    receipt::ReleaseReceipt,
};
use windlass_substrate::lease::{self, Standing};

use crate::{
    authorize::{Actor, authorize},
    service::{Action, Answer, Control, read::MAX_PAGE},
    store::{Find, error::causes},
};

/// The folder of leases in the data directory.
const FOLDER: &str = "leases";
/// After something that did not succeed.
const AGAIN: Duration = Duration::from_secs(1);
/// A lease that was just made is named by no row yet.
const FRESH_MS: u64 = 60_000;

/// The leases of this platform.
#[derive(Debug)]
pub(crate) struct Leases {
    folder: PathBuf,
    /// Rung when a network is declared under a lease.
    bell: Notify,
    /// The networks whose lease is watched.
    watched: Mutex<BTreeSet<NetworkId>>,
}

impl Leases {
    pub(crate) fn new(data_dir: &Path) -> Self {
        let folder = data_dir.join(FOLDER);
        Self { folder, bell: Notify::new(), watched: Mutex::default() }
    }

    /// Where they are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn path(&self, lease: &LeaseId) -> PathBuf {
        self.folder.join(lease.as_str())
    }

    /// Refuses a lease that nobody holds.
    pub(super) fn check(&self, id: &LeaseId) -> Answer<()> {
        match lease::standing(&self.path(id)) {
            Ok(Standing::Held) => Ok(()),
            Ok(Standing::Over) => Err(Box::new(Problem::new(
                ErrorCode::LeaseNotHeld,
                format!("nobody holds {id}: it is not in {}", self.folder.display()),
                "make and hold it before a network is declared under it, as `windlass run` does",
            ))),
            Err(error) => Err(Box::new(Problem::new(
                ErrorCode::Internal,
                format!("{id} cannot be looked at: {error}"),
                "check the limits of this machine (ulimit -a), and try again",
            ))),
        }
    }

    /// Removes what was left by holders that never came to declare anything.
    pub(crate) fn sweep(&self, now_ms: u64) -> std::io::Result<()> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let made = entry.metadata()?.modified()?.duration_since(std::time::UNIX_EPOCH);
            let made_ms = made.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
            let old = now_ms.saturating_sub(made_ms) > FRESH_MS;
            if old && lease::standing(&entry.path())? == Standing::Over {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn watched(&self) -> MutexGuard<'_, BTreeSet<NetworkId>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ring(&self) {
        self.bell.notify_one();
    }
}

impl Control {
    /// Watches every lease that a network lives under, from the platform's start on.
    pub(super) async fn keep_leases(self, tracker: TaskTracker, shutdown: CancellationToken) {
        let work = async {
            loop {
                match self.inner.store.leased().await {
                    Ok(leased) => {
                        for one in leased {
                            self.watch_lease(one, &tracker, &shutdown);
                        }
                        self.inner.leases.bell.notified().await;
                    }
                    Err(error) => {
                        tracing::error!("{error}{}", causes(&error));
                        tokio::time::sleep(AGAIN).await;
                    }
                }
            }
        };
        // Cancel safety: nothing is held at any await.
        tokio::select! {
            () = work => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// Watches a network's lease, if nobody does yet.
    fn watch_lease(
        &self,
        (organization, network, lease): (OrganizationId, NetworkId, LeaseId),
        tracker: &TaskTracker,
        shutdown: &CancellationToken,
    ) {
        if !self.inner.leases.watched().insert(network.clone()) {
            return;
        }
        let (keeper, shutdown) = (self.clone(), shutdown.clone());
        tracker.spawn(async move {
            // Cancel safety: the next platform watches it anew.
            tokio::select! {
                () = keeper.keep(&organization, &network, &lease) => {}
                () = shutdown.cancelled() => {}
            }
        });
    }

    /// Waits until nobody holds a lease, and has its network destroyed.
    async fn keep(&self, organization: &OrganizationId, network: &NetworkId, lease: &LeaseId) {
        let path = self.inner.leases.path(lease);
        while let Err(error) = lease::over(&path).await {
            tracing::warn!(%lease, %error, "a lease cannot be watched");
            tokio::time::sleep(AGAIN).await;
        }
        while let Err(problem) = self.expire(organization, network, lease).await {
            tracing::warn!(%lease, %network, code = %problem.code, "{problem}");
            tokio::time::sleep(AGAIN).await;
        }
        self.inner.leases.watched().remove(network);
    }

    /// Intends what a user's destroy would, with the same rows.
    async fn expire(
        &self,
        organization: &OrganizationId,
        network: &NetworkId,
        lease: &LeaseId,
    ) -> Answer<()> {
        let actor =
            Actor { id: format!("platform:{lease}"), organizations: vec![organization.clone()] };
        let granted = authorize(&actor, Action::Destroy, organization)?;
        let mut change = self.inner.store.begin().await?;
        let found = change.network(granted.organization(), &Find::Id(network.clone())).await?;
        let Some(record) = found else { return Ok(()) };
        if record.network.intent == Intent::Destroyed {
            return Ok(());
        }
        tracing::info!(%network, %lease, "the lease's holder is gone: destroying its network");
        let reason = Reason {
            code: ErrorCode::LeaseNotHeld,
            message: "the lease's holder is gone".to_owned(),
            remedy: "the network is destroyed by itself; nothing is to be done".to_owned(),
            since_ms: self.inner.world.now_ms(),
        };
        let records = (&record, record.clone());
        Box::pin(self.impose(change, &granted, records, (OperationKind::Destroy, reason))).await
    }

    /// Returns when no network is there any more.
    pub async fn vacated(&self) {
        let mut changes = self.inner.store.changes();
        loop {
            changes.borrow_and_update();
            match self.inner.store.network_count().await {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!("{error}{}", causes(&error));
                    tokio::time::sleep(AGAIN).await;
                    continue;
                }
            }
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// What networks handed back that are gone, the newest first.
    pub async fn receipts(&self) -> Answer<Vec<ReleaseReceipt>> {
        let mut receipts = Vec::new();
        for organization in self.inner.store.organizations().await? {
            let before = (u64::MAX, "");
            let operations =
                self.inner.store.operations(&organization.id, before, MAX_PAGE).await?;
            let destroys = operations.into_iter().filter(|one| one.kind == OperationKind::Destroy);
            receipts.extend(destroys.filter_map(|operation| operation.receipt));
        }
        Ok(receipts)
    }
}
