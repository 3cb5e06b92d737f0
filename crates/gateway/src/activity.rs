//! Whether anybody uses a network, and who waits for one that sleeps.
//!
//! Both are told to the control plane as [`Demand`], as they are and not as they change: it asks with the
//! revision that it has seen, and is answered when that is another one.

use std::{
    collections::BTreeSet,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use tokio::sync::watch;
use windlass_model::{
    NetworkId,
    route::{Demand, LocalPort},
};

use crate::{
    routes::RouteState,
    table::{Network, Table},
};

/// How many requests wait for one network.
const MOST_WAITING: usize = 1_024;
/// How many bytes of bodies wait, for all networks.
const MOST_BYTES: usize = 64 << 20;

/// What happens at a network's URL now. Survives a new table.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    /// Requests that are not answered, and open `WebSocket`s.
    uses: AtomicUsize,
    waiting: AtomicUsize,
    /// When the last use ended, in the gateway's own milliseconds.
    used_at_ms: AtomicU64,
}

impl Activity {
    /// It is in use until this is dropped: with the last of the answer, or the `WebSocket`.
    pub(crate) fn begin(self: &Arc<Self>, started: Instant) -> Use {
        self.uses.fetch_add(1, Ordering::Relaxed);
        Use { activity: Arc::clone(self), started }
    }

    /// Time begins anew.
    pub(crate) fn touch(&self, now_ms: u64) {
        self.used_at_ms.store(now_ms, Ordering::Relaxed);
    }

    fn is_idle(&self, now_ms: u64, after_ms: u64) -> bool {
        let used_at_ms = self.used_at_ms.load(Ordering::Relaxed);
        self.uses.load(Ordering::Relaxed) == 0 && now_ms.saturating_sub(used_at_ms) >= after_ms
    }
}

/// A request under way, or an open `WebSocket`.
#[derive(Debug)]
pub(crate) struct Use {
    activity: Arc<Activity>,
    started: Instant,
}

impl Drop for Use {
    fn drop(&mut self) {
        self.activity.touch(now_ms(self.started));
        self.activity.uses.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The gateway's own milliseconds.
pub(crate) fn now_ms(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Requests that wait for networks that sleep.
#[derive(Debug)]
pub(crate) struct Queue {
    /// Another one whenever there is something to tell.
    revision: watch::Sender<u64>,
    bytes: Arc<AtomicUsize>,
    /// The local ports that are listened on.
    local: Mutex<Vec<LocalPort>>,
}

impl Queue {
    pub(crate) fn new() -> Self {
        // The first is another one in every process.
        let (revision, _) = watch::channel(RandomState::new().hash_one(0));
        Self { revision, bytes: Arc::default(), local: Mutex::default() }
    }

    /// A place for a request, with its body; `None` if as many wait as may.
    pub(crate) fn enter(&self, activity: &Arc<Activity>, bytes: usize) -> Option<Place> {
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > MOST_BYTES {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return None;
        }
        let before = activity.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place { activity: Arc::clone(activity), bytes, all: Arc::clone(&self.bytes) };
        if before >= MOST_WAITING {
            return None;
        }
        if before == 0 {
            self.tell();
        }
        Some(place)
    }

    /// Another table is in force: who waited through it, for a network that sleeps again, is told of anew.
    pub(crate) fn replaced(&self, table: &Table) {
        if table.all().any(|(_, network)| waits(network)) {
            self.tell();
        }
    }

    /// Another set of local ports is listened on.
    pub(crate) fn tell_local(&self, change: impl FnOnce(&mut Vec<LocalPort>)) {
        change(&mut self.local.lock().unwrap_or_else(PoisonError::into_inner));
        self.tell();
    }

    /// Who has asked for what is wanted is answered.
    fn tell(&self) {
        self.revision.send_modify(|revision| *revision = revision.wrapping_add(1));
    }

    /// Its revisions, to wait for another one.
    pub(crate) fn revisions(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Tells of networks that have become idle; which are.
    pub(crate) fn look(
        &self,
        table: &Table,
        now_ms: u64,
        before: &BTreeSet<NetworkId>,
    ) -> BTreeSet<NetworkId> {
        let idle: BTreeSet<NetworkId> = idle(table, now_ms).cloned().collect();
        if !idle.is_subset(before) {
            self.tell();
        }
        idle
    }

    /// What is to be told.
    pub(crate) fn demand(&self, table: &Table, now_ms: u64) -> Demand {
        // Read first: what comes after it is told again.
        let revision = *self.revision.borrow();
        let wanted = table.all().filter(|(_, network)| waits(network));
        let wanted = wanted.map(|(id, _)| id.clone()).collect();
        Demand {
            revision,
            wanted,
            idle: idle(table, now_ms).cloned().collect(),
            local: self.local.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

/// Whether requests wait for a network that sleeps.
fn waits(network: &Network) -> bool {
    network.state == RouteState::Asleep && network.activity.waiting.load(Ordering::Relaxed) > 0
}

/// The networks that nobody has asked anything for as long as their routes say.
fn idle(table: &Table, now_ms: u64) -> impl Iterator<Item = &NetworkId> {
    let is_idle = move |network: &Network| {
        network.state == RouteState::Up
            && network.idle_after_ms > 0
            && network.activity.is_idle(now_ms, network.idle_after_ms)
    };
    table.all().filter(move |(_, network)| is_idle(network)).map(|(id, _)| id)
}

/// A request's place in the queue.
#[derive(Debug)]
pub(crate) struct Place {
    activity: Arc<Activity>,
    bytes: usize,
    all: Arc<AtomicUsize>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.activity.waiting.fetch_sub(1, Ordering::Relaxed);
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
