//! The network: the noun that every later noun is modelled on.
//!
//! | file | what |
//! |---|---|
//! | `declare` | intent in: checks a manifest and writes the rows |
//! | `capacity` | whether it fits the machine |
//! | `change` | intent changed: stop, start, destroy, apply |
//! | `nodes` | intent in: nodes that are added, and that go |
//! | `recovering` | intent in: a network that begins anew with its own state |
//! | `shelf` | the exports that such networks began with, on disk |
//! | `observe` | what is there: rows and world |
//! | `replacing` | keys that replace others: made, handed to nodes, and the old ones forgotten |
//! | `plan`, `running`, `sleeping`, `joining`, `leaving` | what is to be done: pure, makes every choice |
//! | `execute` | does it: the only caller of `Substrate::ensure` |
//! | `new_disk` | a node that is replaced, intent and plan; `able`: who can vote without it |
//! | `errands` | what members do about nodes without a vote: declared here, sent by the clerk |
//! | `founding` | does it: keys, accounts, genesis |
//! | `teardown` | the end: the only caller of `Substrate::remove` and of key destruction |
//! | `exposition` | what all nodes measure, in one text |
//! | `probe` | questions by which a network shows that it works |
//! | `view` | the network as the API shows it |
//! | `schedule` | one worker a network; woken by signals and a timer |
//!
//! A *pass* is observe, plan, execute. It takes no input but the store and the world: it is never
//! told what changed. The same pass creates, repairs, adopts after a restart and destroys. Passes of
//! different networks run at the same time, those of one network never.

mod able;
mod backoff;
pub(crate) mod capacity;
pub(crate) mod change;
pub(crate) mod declare;
mod describe;
pub(crate) mod ending;
mod errands;
mod execute;
mod exposition;
mod founding;
mod joining;
mod leaving;
mod metering;
pub(crate) mod new_disk;
pub(crate) mod nodes;
mod observe;
mod plan;
pub(crate) mod probe;
pub(crate) mod quota;
pub(crate) mod reasons;
pub(crate) mod recovering;
pub(crate) mod replacing;
mod running;
mod schedule;
pub(crate) mod shelf;
pub(crate) mod sleeping;
mod teardown;
pub(crate) mod view;

#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc};

use tokio::sync::Notify;
use windlass_model::{NetworkId, OrganizationId};

pub use backoff::Backoff;
pub use capacity::{Machine, Overcommit};
pub(crate) use execute::Progress;
pub(crate) use exposition::Exposition;
pub(crate) use observe::{Observation, ObserveError};
pub(crate) use schedule::Wakes;

use crate::{
    gateway::Gateway,
    meter::Meter,
    monitor::Monitor,
    service::Leases,
    store::{Store, StoreError},
    world::World,
};

/// What a pass works with.
#[derive(Clone, Debug)]
pub(crate) struct Reconciler {
    pub(crate) store: Store,
    pub(crate) world: World,
    pub(crate) installation: String,
    /// Where exports are that networks began with.
    pub(crate) exports: PathBuf,
    pub(crate) leases: Arc<Leases>,
    pub(crate) backoff: Backoff,
    pub(crate) monitor: Monitor,
    pub(crate) meter: Arc<Meter>,
    pub(crate) gateway: Gateway,
    pub(crate) wakes: Arc<Wakes>,
    /// Tells the clerk that something was declared that a member is to send.
    pub(crate) bell: Arc<Notify>,
}

/// Why a pass came to nothing; the next one tries again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PassError {
    #[error("the network cannot be observed")]
    Observe(#[from] ObserveError),
    #[error("what was done cannot be written down")]
    Save(#[from] StoreError),
    #[error("this platform does not have the network's engine")]
    Engine,
}

impl Reconciler {
    /// One pass.
    pub(crate) async fn pass(
        &self,
        organization: &OrganizationId,
        id: &NetworkId,
    ) -> Result<Progress, PassError> {
        let Some(observed) = observe::observe(self, organization, id).await? else {
            self.monitor.forget(id);
            return Ok(Progress::Gone);
        };
        let engines = &self.world.engines;
        let engine = engines.get(observed.record.network.spec.engine).ok_or(PassError::Engine)?;
        let plan = plan::plan(&observed, &**engine);
        tracing::debug!(network = %id, actions = plan.actions.len(), "plan");
        Ok(execute::execute(self, &observed, &**engine, plan).await?)
    }
}
