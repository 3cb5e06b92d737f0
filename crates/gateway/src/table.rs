//! The route table in force: parsed, with the counters and connections of each network.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde::Serialize;
use tokio::sync::watch;
use windlass_model::{NetworkId, OrganizationId};

use crate::{
    activity::Activity,
    client::Upstream,
    key::{Keys, Pass},
    limit::Meter,
    rate::Organizations,
    routes::{RouteState, RouteTable},
};

/// The schemes of browsers' extensions.
const EXTENSIONS: [&str; 3] =
    ["chrome-extension://", "moz-extension://", "safari-web-extension://"];

/// Why a pushed table was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefusedTable {
    /// Another push was later.
    #[error("generation {pushed} is not newer than {current}")]
    Stale { pushed: u64, current: u64 },
    /// It contradicts itself.
    #[error("the route of {network} is not valid: {reason}")]
    Invalid { network: NetworkId, reason: &'static str },
    /// Nothing at all is no rate.
    #[error("the limit of {organization} is zero")]
    Limit { organization: OrganizationId },
}

/// What the gateway serves now.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) source: RouteTable,
    /// Which network is reached at a local port: of several, the one that was first.
    pub(crate) local: BTreeMap<u16, NetworkId>,
    networks: HashMap<NetworkId, Arc<Network>>,
    organizations: Organizations,
}

/// One network, in force. Survives a new table with its counters, connections and activity.
#[derive(Debug)]
pub(crate) struct Network {
    keys: Keys,
    /// What is left of the rate of the organization whose it is, if that has a limit.
    pub(crate) of_all: Option<Arc<Meter>>,
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) state: RouteState,
    pub(crate) idle_after_ms: u64,
    pub(crate) counters: Arc<Counters>,
    pub(crate) activity: Arc<Activity>,
}

/// What happened at one network's URL since the gateway started.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) requests: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) limited: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) websockets: AtomicU64,
}

/// [`Counters`] as they are reported.
#[derive(Debug, Serialize)]
pub(crate) struct Counts {
    /// Requests that a node answered.
    requests: u64,
    /// Requests with a wrong key or from a refused origin.
    refused: u64,
    /// Requests, and messages over `WebSocket`s, beyond the rate of their key or of the organization.
    limited: u64,
    /// Requests that no node answered.
    failed: u64,
    /// Upgrades that a node granted.
    websockets: u64,
}

impl Table {
    /// Parses a table; what continues from the one before keeps its counters and connections.
    pub(crate) fn next(
        source: RouteTable,
        before: &Self,
        now_ms: u64,
    ) -> Result<Self, RefusedTable> {
        let organizations = Organizations::next(&source, &before.organizations)?;
        let mut networks = HashMap::with_capacity(source.routes.len());
        for route in &source.routes {
            let id = &route.network_id;
            let invalid = |reason| RefusedTable::Invalid { network: id.clone(), reason };
            let earlier = before.networks.get(id);
            let keys = Keys::next(&route.keys, earlier.map(|earlier| &earlier.keys));
            let keys = keys.map_err(invalid)?;
            // Connections from before a sleep, and what is known of nodes from then, are of no use.
            let same = earlier.filter(|earlier| earlier.state == route.state);
            let upstream = |path: &PathBuf| {
                let known = same.into_iter().flat_map(|network| &network.upstreams);
                let known = known.into_iter().find(|upstream| upstream.path() == path);
                known.map_or_else(|| Arc::new(Upstream::new(path.clone())), Arc::clone)
            };
            let network = Network {
                keys,
                of_all: organizations.of(route.organization_id.as_ref()),
                upstreams: route.upstreams.iter().map(upstream).collect(),
                cors_origins: route.cors_origins.clone(),
                state: route.state,
                idle_after_ms: route.idle_after_ms,
                counters: earlier.map(|network| Arc::clone(&network.counters)).unwrap_or_default(),
                activity: earlier.map(|network| Arc::clone(&network.activity)).unwrap_or_default(),
            };
            if same.is_none() {
                network.activity.touch(now_ms);
            }
            if networks.insert(id.clone(), Arc::new(network)).is_some() {
                return Err(invalid("it stands there twice"));
            }
        }
        let local = local_ports(&source, before);
        Ok(Self { source, local, networks, organizations })
    }

    pub(crate) fn network(&self, id: &NetworkId) -> Option<Arc<Network>> {
        self.networks.get(id).map(Arc::clone)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&NetworkId, &Network)> {
        self.networks.iter().map(|(id, network)| (id, &**network))
    }

    pub(crate) fn counts(&self) -> HashMap<NetworkId, Counts> {
        self.networks.iter().map(|(id, network)| (id.clone(), network.counters.read())).collect()
    }
}

/// Which network is reached at which local port: the one that has it keeps it.
fn local_ports(source: &RouteTable, before: &Table) -> BTreeMap<u16, NetworkId> {
    let wanted = source.routes.iter().filter_map(|route| Some((route.local_port?, route)));
    let mut local = BTreeMap::new();
    for (port, route) in wanted.clone() {
        if before.local.get(&port) == Some(&route.network_id) {
            local.insert(port, route.network_id.clone());
        }
    }
    for (port, route) in wanted {
        local.entry(port).or_insert_with(|| route.network_id.clone());
    }
    local
}

impl Network {
    /// What a secret allows, if it opens this network.
    pub(crate) fn opens(&self, secret: &str) -> Option<Pass> {
        self.keys.find(secret)
    }

    /// A wallet in the browser is no page: who has installed it has given it the URL. Its own origin
    /// differs from browser to browser, and in Firefox from installation to installation.
    pub(crate) fn allows_origin(&self, origin: &str) -> bool {
        let is_extension = EXTENSIONS.iter().any(|scheme| origin.starts_with(scheme));
        is_extension || self.cors_origins.iter().any(|allowed| allowed == "*" || allowed == origin)
    }
}

impl Counters {
    fn read(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            requests: read(&self.requests),
            refused: read(&self.refused),
            limited: read(&self.limited),
            failed: read(&self.failed),
            websockets: read(&self.websockets),
        }
    }
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The table in force, shared by all connections.
#[derive(Debug)]
pub(crate) struct Current(watch::Sender<Arc<Table>>);

impl Current {
    pub(crate) fn new(table: Table) -> Self {
        Self(watch::channel(Arc::new(table)).0)
    }

    /// The tables, to wait for another one.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Table>> {
        self.0.subscribe()
    }

    pub(crate) fn get(&self) -> Arc<Table> {
        Arc::clone(&self.0.borrow())
    }

    /// Puts a table in force; what is served with keys that are not in it ends.
    pub(crate) fn set(&self, table: Table) {
        let before = self.0.send_replace(Arc::new(table));
        let now = self.get();
        for (id, network) in before.all() {
            let next = now.networks.get(id).map(|next| &next.keys);
            network.keys.cut_what_is_not_in(next);
        }
    }

    /// Ends what is served with keys whose time is over.
    pub(crate) fn cut_what_is_over(&self) {
        for (_, network) in self.get().all() {
            network.keys.cut_what_is_over();
        }
    }

    /// The network as soon as its route is another one than asleep; `None` if it has none then.
    pub(crate) async fn awake(&self, id: &NetworkId) -> Option<Arc<Network>> {
        let mut tables = self.0.subscribe();
        let other = |table: &Arc<Table>| {
            table.network(id).is_none_or(|network| network.state != RouteState::Asleep)
        };
        tables.wait_for(other).await.ok()?.network(id)
    }
}
