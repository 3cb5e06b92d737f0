//! The sweeper: what carries our label and no row names is an orphan, and goes.
//!
//! It can't meet anything that is being made: rows are written before what they name exists, and
//! the rows are read after the world. What isn't labelled with this installation is never touched.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use windlass_substrate::LabelSelector;

use crate::{
    gateway::GATEWAY,
    service::Leases,
    store::{Store, StoreError, error::causes},
    world::World,
};

/// How often it sweeps after the first time.
const BEAT: Duration = Duration::from_mins(10);

/// Removes orphans and old rows.
#[derive(Clone, Debug)]
pub(crate) struct Sweeper {
    pub(crate) store: Store,
    pub(crate) world: World,
    pub(crate) installation: String,
    pub(crate) leases: Arc<Leases>,
}

#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error("the rows cannot be read")]
    Store(#[from] StoreError),
    #[error("the substrate does not tell what runs, or does not remove an orphan")]
    Substrate(#[from] windlass_substrate::SubstrateError),
    #[error("the key holder does not tell what it holds, or does not destroy an orphan")]
    Keys(#[from] windlass_keys::KeyError),
    #[error("leases that nobody holds cannot be removed")]
    Leases(#[from] std::io::Error),
}

impl Sweeper {
    /// Sweeps now and at every beat.
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        let work = async {
            loop {
                if let Err(error) = self.sweep().await {
                    tracing::warn!("{error}{}", causes(&error));
                }
                tokio::time::sleep(BEAT).await;
            }
        };
        // Cancel safety: every step may be repeated by the next platform.
        tokio::select! {
            () = work => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn sweep(&self) -> Result<(), SweepError> {
        let ours = LabelSelector::all().with("installation", self.installation.as_str());
        let instances = self.world.substrate.list(&ours).await?;
        let keys = self.world.keys.list().await?;
        let known = self.store.known().await?;
        for instance in instances {
            if instance.id.as_str() == GATEWAY || known.workloads.contains(&instance.id) {
                continue;
            }
            tracing::warn!(workload = %instance.id, "removing an orphan that no row names");
            self.world.substrate.remove(&instance.id).await?;
        }
        for key in keys.into_iter().filter(|key| !known.keys.contains(key)) {
            tracing::warn!(%key, "destroying an orphan that no row names");
            self.world.keys.destroy(&key).await?;
        }
        self.store.forget(self.world.now_ms()).await?;
        self.leases.sweep(self.world.now_ms())?;
        Ok(())
    }
}
