//! The control plane's one door: what the API calls.
//!
//! Mutations write intent and answer at once; what carries it out is the reconciler. Every method
//! that touches an organization's objects takes a [`Granted`]. Errors are [`Problem`]s, with a code
//! and a hint, ready for a user.

mod ballots;
mod budgets;
mod consensus;
mod demand;
mod doctor;
mod ending;
mod events;
mod keys;
mod leases;
mod mutate;
mod nodes;
mod read;
mod recovery;
mod refusals;
mod renewing;
mod sessions;

use std::{path::PathBuf, sync::Arc};

use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use windlass_model::{ErrorCode, LeaseId, OrganizationId, Problem, api::Organization};

pub use self::recovery::{Exporting, Force, Upload};
pub use self::{
    events::{EventQuery, Watching},
    refusals::Refusal,
    sessions::ShutdownRequest,
};
pub(crate) use self::{leases::Leases, read::node_not_found};
pub use crate::{
    authorize::{Action, Actor, Granted, authorize},
    network::{Backoff, Machine, Overcommit},
    world::{Deadlines, World},
};
use crate::{
    gateway::{Gateway, Inbox, Keeper},
    governance::Clerk,
    meter::{Meter, MeterReader},
    monitor::Monitor,
    network::{Reconciler, Wakes, shelf},
    store::{Store, StoreError},
    sweep,
};

/// The database's name in the data directory.
const DATABASE: &str = "windlass.db";
/// The folder in the data directory of exports that networks began with.
const EXPORTS: &str = "exports";
/// The organization that every installation begins with.
const DEFAULT_ORGANIZATION: &str = "default";

/// What a method answers.
pub type Answer<T> = Result<T, Box<Problem>>;

/// What the control plane is told about where it runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The data directory; the database is `windlass.db` in it.
    pub data_dir: PathBuf,
    /// The installation's identity: what its workloads are labelled with.
    pub installation: String,
    /// The program's version, for the platform's status.
    pub version: String,
    /// Where the API listens, for the platform's status.
    pub url: String,
    /// The gateway's port, if the operator names one; otherwise the system gives one and it is kept.
    pub gateway_port: Option<u16>,
    /// The lease that the platform itself lives under, and with it every network of it that names no
    /// other one.
    pub lease: Option<LeaseId>,
    /// What networks must fit into.
    pub machine: Machine,
    /// How things that failed are tried again.
    pub backoff: Backoff,
    /// How long drivers are waited for.
    pub deadlines: Deadlines,
}

/// What comes with a request that changes something.
#[derive(Clone, Debug)]
pub struct RequestMeta {
    /// Replaying a request with the same key acts once.
    pub idempotency_key: Option<String>,
    /// SHA-256 of method, path and body.
    pub request_hash: [u8; 32],
    /// The resource version that the caller has seen; another one is a conflict.
    pub if_version: Option<u64>,
    /// When the request came, Unix milliseconds.
    pub now_ms: u64,
}

/// Which part of a node's log to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Begin with this many of the last lines; `None` begins with the first that is kept.
    pub tail: Option<usize>,
    /// What happens at the end of the log.
    pub follow: Follow,
}

/// What a log stream does at the end of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// The stream ends.
    #[default]
    No,
    /// The stream waits for more lines.
    Yes,
}

/// A one-time code that a browser exchanges for a session.
#[derive(Clone, Debug)]
pub struct LoginCode {
    /// The code; only its hash is stored.
    pub code: String,
    /// Until when it is good, Unix milliseconds.
    pub expires_at_ms: u64,
}

/// A browser's session.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The cookie's value; only its hash is stored.
    pub secret: String,
    /// Until when it is good, Unix milliseconds.
    pub expires_at_ms: u64,
}

/// The control plane. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Control {
    inner: Arc<Inner>,
}

struct Inner {
    settings: Settings,
    store: Store,
    world: World,
    monitor: Monitor,
    gateway: Gateway,
    wakes: Arc<Wakes>,
    leases: Arc<Leases>,
    /// Tells the clerk that a ballot was declared.
    bell: Arc<Notify>,
    /// Tells that something may be due earlier.
    calendar: Notify,
    meter: Arc<Meter>,
    started_at_ms: u64,
    /// What secrets are derived from that a repeated request is answered with. Never stored.
    derivation_key: [u8; 32],
    allowance: std::sync::Mutex<refusals::Allowance>,
    /// What [`Control::run`] takes; it runs once.
    inbox: std::sync::Mutex<Option<Inbox>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Control {
    /// Opens the store in the data directory and brings it up to date; refuses a newer one. Starts
    /// nothing: that is [`Control::run`].
    pub async fn open(settings: Settings, world: World) -> Answer<Self> {
        let world = world.within(settings.deadlines);
        let path = settings.data_dir.join(DATABASE);
        let store = Store::open(&path, Arc::clone(&world.points)).await?;
        begin_installation(&store, &settings, &world).await?;
        shelf::forget_uploads(&settings.data_dir.join(EXPORTS)).await;
        let wakes = Arc::new(Wakes::default());
        let meter = Arc::new(Meter::default());
        let told = (Arc::clone(&meter), settings.version.as_str());
        let monitor = Monitor::new(world.clone(), Arc::clone(&wakes), told);
        let (gateway, inbox) = Gateway::new();
        let started_at_ms = world.now_ms();
        let inner = Inner {
            derivation_key: world.random(),
            allowance: refusals::Allowance::new(started_at_ms),
            leases: Arc::new(Leases::new(&settings.data_dir)),
            settings,
            store,
            world,
            monitor,
            gateway,
            wakes,
            bell: Arc::default(),
            calendar: Notify::new(),
            meter,
            started_at_ms,
            inbox: std::sync::Mutex::new(Some(inbox)),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Spawns reconcilers, monitor, gateway keeper, keeper of leases and sweeper. What an earlier platform left, dead
    /// or alive, is taken up by the same passes that do everything else. A second call does nothing.
    pub fn run(&self, tracker: &TaskTracker, shutdown: &CancellationToken) {
        let inner = &self.inner;
        let taken = inner.inbox.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let Some(inbox) = taken else { return };
        inner.monitor.run(tracker, shutdown, inner.gateway.clone());
        let keeper = Keeper {
            store: inner.store.clone(),
            world: inner.world.clone(),
            installation: inner.settings.installation.clone(),
            port: inner.settings.gateway_port,
            lease: inner.settings.lease.as_ref().map(|lease| inner.leases.path(lease)),
            backoff: inner.settings.backoff,
            inbox,
        };
        tracker.spawn(keeper.run(shutdown.clone()));
        tracker.spawn(self.clone().attend(shutdown.clone()));
        tracker.spawn(self.clone().keep_time(shutdown.clone()));
        let reader = MeterReader {
            store: inner.store.clone(),
            world: inner.world.clone(),
            meter: Arc::clone(&inner.meter),
            gateway: inner.gateway.clone(),
        };
        tracker.spawn(reader.run(shutdown.clone()));
        tracker.spawn(self.reconciler().dispatch(tracker.clone(), shutdown.clone()));
        tracker.spawn(self.clone().keep_leases(tracker.clone(), shutdown.clone()));
        let clerk = Clerk {
            store: inner.store.clone(),
            world: inner.world.clone(),
            monitor: inner.monitor.clone(),
            bell: Arc::clone(&inner.bell),
            wakes: Arc::clone(&inner.wakes),
            serving: Arc::default(),
        };
        tracker.spawn(clerk.run(tracker.clone(), shutdown.clone()));
        let sweeper = sweep::Sweeper {
            store: inner.store.clone(),
            world: inner.world.clone(),
            installation: inner.settings.installation.clone(),
            leases: Arc::clone(&inner.leases),
        };
        tracker.spawn(sweeper.run(shutdown.clone()));
    }

    /// Closes the store, when everything that [`Control::run`] spawned has ended.
    pub async fn close(&self) {
        self.inner.store.close().await;
    }

    /// What the control plane was told about where it runs.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    #[cfg(test)]
    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    fn reconciler(&self) -> Reconciler {
        let inner = &self.inner;
        Reconciler {
            store: inner.store.clone(),
            world: inner.world.clone(),
            installation: inner.settings.installation.clone(),
            exports: self.exports(),
            leases: Arc::clone(&inner.leases),
            backoff: inner.settings.backoff,
            monitor: inner.monitor.clone(),
            meter: Arc::clone(&inner.meter),
            gateway: inner.gateway.clone(),
            wakes: Arc::clone(&inner.wakes),
            bell: Arc::clone(&inner.bell),
        }
    }
}

/// Writes what every installation has from its first moment on.
async fn begin_installation(
    store: &Store,
    settings: &Settings,
    world: &World,
) -> Result<(), StoreError> {
    let mut change = store.begin().await?;
    match change.platform("installation").await? {
        Some(found) if found != settings.installation => {
            let asked = settings.installation.clone();
            return Err(StoreError::OtherInstallation { found, asked });
        }
        Some(_) => return Ok(()),
        None => change.put_platform("installation", &settings.installation).await?,
    }
    let organization = Organization {
        id: OrganizationId::from_entropy(world.random()),
        name: DEFAULT_ORGANIZATION.parse().expect("a valid name"),
    };
    change.put_organization(&organization, world.now_ms()).await?;
    change.commit("begin").await
}

fn network_not_found(named: &str) -> Box<Problem> {
    Box::new(Problem::new(
        ErrorCode::NetworkNotFound,
        format!("there is no network `{named}`"),
        "`windlass network ls` lists the ones there are",
    ))
}
