//! The one task that keeps the gateway.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use windlass_model::{
    NetworkId, OrganizationId, WorkloadId,
    route::{RateLimit, Route, RouteTable},
    workload::{Desired, Limits, Program, Workload},
};
use windlass_substrate::{
    Instance, LabelSelector, Running, SubstrateError, fingerprint,
    lease::{self, Standing},
};

use crate::{
    gateway::{Answer, GATEWAY, GatewayError, Inbox, Need, Published, Request, routes::route},
    network::Backoff,
    store::{Find, Store, error::causes},
    world::{Message, Reply, Target, World},
};

const INSTALLATION: &str = "installation";
const ROLE: &str = "role";
const PORT: &str = "http";
const ADMIN: &str = "admin";
/// The gateway's port in the platform's rows.
const KEPT_PORT: &str = "gateway_port";
/// Whether somebody may know a URL with that port.
const PORT_KNOWN: &str = "gateway_port_known";
/// How often the gateway is looked at when nothing happens.
const SLOW_BEAT: Duration = Duration::from_secs(30);
const ADMIN_TIMEOUT: Duration = Duration::from_secs(3);
/// How long bringing it up and telling it may take; a start that takes longer goes on meanwhile.
const SETTLING: Duration = Duration::from_secs(20);
/// So many failures in a row at least, before a process is replaced: one may be a machine's hiccup.
const FAILURES: u32 = 3;

/// Keeps the gateway's process and its routes.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) store: Store,
    pub(crate) world: World,
    pub(crate) installation: String,
    /// The port that the operator named.
    pub(crate) port: Option<u16>,
    /// The lease that the platform lives under, and the gateway with it.
    pub(crate) lease: Option<PathBuf>,
    pub(crate) backoff: Backoff,
    pub(crate) inbox: Inbox,
}

/// What the gateway was sent last.
#[derive(Debug, Default)]
struct Sent {
    process: Option<Running>,
    table: RouteTable,
    /// The routes of networks as they are at these versions.
    routes: BTreeMap<NetworkId, (u64, Option<Route>)>,
}

/// The gateway can't be told its routes.
#[derive(Debug)]
struct Trouble {
    since_ms: u64,
    failures: u32,
    replaced_at_ms: Option<u64>,
}

impl Trouble {
    fn since(since_ms: u64) -> Self {
        Self { since_ms, failures: 0, replaced_at_ms: None }
    }

    fn lasts_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.since_ms)
    }
}

impl Keeper {
    /// Keeps it for as long as the platform runs. The process goes on afterwards.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut sent = Sent::default();
        let mut trouble: Option<Trouble> = None;
        let mut pause = Duration::ZERO;
        loop {
            // Cancel safety: a request that is not taken stays in the queue; the rest is repeated.
            let first = tokio::select! {
                request = self.inbox.requests.recv() => match request {
                    Some(request) => Some(request),
                    None => return,
                },
                () = self.inbox.woken.notified() => None,
                () = tokio::time::sleep(pause) => None,
                () = shutdown.cancelled() => return,
            };
            let mut requests: VecDeque<Request> = first.into_iter().collect();
            while let Ok(request) = self.inbox.requests.try_recv() {
                requests.push_back(request);
            }
            let began_ms = self.world.now_ms();
            let settled = self.settle_in_time(&mut sent).await.map_err(Arc::new);
            match &settled {
                Ok(_) => {
                    trouble = None;
                    pause = SLOW_BEAT;
                }
                Err(error) => {
                    tracing::warn!("{error}{}", causes(&**error));
                    // What it has taken nobody knows: it is asked before it is told again.
                    sent = Sent { routes: std::mem::take(&mut sent.routes), ..Sent::default() };
                    let trouble = trouble.get_or_insert_with(|| Trouble::since(began_ms));
                    trouble.failures += 1;
                    pause = Duration::from_millis(self.backoff.retry_at_ms(0, trouble.failures));
                }
            }
            for request in requests {
                let answer = self.answer(&settled, request.need, trouble.as_ref()).await;
                // Who has stopped waiting asks again.
                drop(request.answer.send(answer));
            }
            if let (Err(error), Some(trouble)) = (&settled, &mut trouble)
                && error.is_of_its_process()
            {
                self.replace(trouble).await;
            }
        }
    }

    async fn answer(
        &self,
        settled: &Result<String, Arc<GatewayError>>,
        need: Need,
        trouble: Option<&Trouble>,
    ) -> Answer {
        match (settled, need) {
            (Ok(url), _) => Ok(Published::At(url.clone())),
            (Err(_), Need::NotServed) if self.is_down().await => Ok(Published::Down),
            (Err(error), Need::NotServed) => {
                let patience = self.backoff.give_up_after_ms.saturating_mul(2);
                let lasts =
                    trouble.is_some_and(|one| one.lasts_ms(self.world.now_ms()) >= patience);
                if lasts { Ok(Published::Silent) } else { Err(Arc::clone(error)) }
            }
            (Err(error), Need::Served) => Err(Arc::clone(error)),
        }
    }

    /// Ends a process that has not answered for long: it serves nobody. The next pass starts
    /// another, which is sent the routes as they are then.
    async fn replace(&self, trouble: &mut Trouble) {
        let now_ms = self.world.now_ms();
        let lasts_ms = now_ms.saturating_sub(trouble.replaced_at_ms.unwrap_or(trouble.since_ms));
        if trouble.failures < FAILURES || lasts_ms < self.backoff.give_up_after_ms {
            return;
        }
        trouble.replaced_at_ms = Some(now_ms);
        let stopped = async {
            let port = self.kept_port().await?;
            let workload = Workload { desired: Desired::Stopped, ..self.workload(port) };
            Ok::<_, GatewayError>(self.world.substrate.ensure(&workload).await?)
        };
        match stopped.await {
            Ok(_) => tracing::warn!(lasts_ms, "replacing a gateway that does not take its routes"),
            Err(error) => tracing::error!("{error}{}", causes(&error)),
        }
    }

    async fn settle_in_time(&self, sent: &mut Sent) -> Result<String, GatewayError> {
        // Cancel safety: every step may be repeated, and what was sent is asked for after an error.
        tokio::time::timeout(SETTLING, self.settle(sent))
            .await
            .unwrap_or(Err(GatewayError::Slow(SETTLING)))
    }

    /// Brings process and routes to what they should be, and answers the URL.
    async fn settle(&self, sent: &mut Sent) -> Result<String, GatewayError> {
        let found = self.found().await?;
        let (gateway, port) = self.ensure(found.as_ref()).await?;
        self.note(port, &gateway);
        self.read_routes(&mut sent.routes).await?;
        let routes: Vec<Route> =
            sent.routes.values().filter_map(|(_, route)| route.clone()).collect();
        let limits = self.limits(&routes).await?;
        let running = gateway.running().cloned();
        if sent.process != running {
            // A process that was found, or restarted: it serves what it was sent before.
            sent.table = self.served(&gateway).await?;
            sent.process.clone_from(&running);
        }
        if (&sent.table.routes, &sent.table.limits) != (&routes, &limits) {
            let table = RouteTable { generation: sent.table.generation + 1, routes, limits };
            if !table.routes.is_empty() {
                self.remember(PORT_KNOWN, "true").await?;
            }
            self.send(&gateway, &table).await?;
            sent.table = table;
        }
        Ok(url(port))
    }

    /// The gateway's workload, if there is one.
    async fn found(&self) -> Result<Option<Instance>, SubstrateError> {
        let listed = self.instances((ROLE, GATEWAY)).await?;
        Ok(listed.into_iter().find(|instance| instance.id == id()))
    }

    async fn instances(&self, label: (&str, &str)) -> Result<Vec<Instance>, SubstrateError> {
        let ours = LabelSelector::all().with(INSTALLATION, self.installation.as_str());
        self.world.substrate.list(&ours.with(label.0, label.1)).await
    }

    /// The gateway's process, on its kept port. As long as nobody can know a URL with it, a port
    /// that is taken is given up for another.
    async fn ensure(&self, found: Option<&Instance>) -> Result<(Instance, u16), GatewayError> {
        let mut port = self.kept_port().await?;
        if let Some(found) = found
            && found.running().is_some()
            && found.fingerprint == fingerprint(&self.workload(port))
        {
            return Ok((found.clone(), port));
        }
        if self.lease.as_deref().is_some_and(is_over) {
            // It would end at once.
            return Err(GatewayError::NotRunning);
        }
        let mut attempts = 0;
        loop {
            match self.world.substrate.ensure(&self.workload(port)).await {
                Ok(instance) => return Ok((instance, port)),
                Err(error) if port_taken(&error) && attempts < 5 && self.movable().await? => {
                    attempts += 1;
                    port = self.new_port().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn movable(&self) -> Result<bool, GatewayError> {
        Ok(self.port.is_none() && self.store.platform(PORT_KNOWN).await?.is_none())
    }

    async fn kept_port(&self) -> Result<u16, GatewayError> {
        if let Some(port) = self.port {
            return Ok(port);
        }
        let kept = self.store.platform(KEPT_PORT).await?;
        match kept.and_then(|text| text.parse().ok()) {
            Some(port) => Ok(port),
            None => self.new_port().await,
        }
    }

    async fn new_port(&self) -> Result<u16, GatewayError> {
        let known = self.store.known().await?;
        let offered = self.world.ports.offer(1 + known.ports.len().min(64));
        let free = offered.into_iter().find(|port| !known.ports.contains(port));
        let port = free.ok_or(GatewayError::NoPort)?;
        self.remember(KEPT_PORT, &port.to_string()).await?;
        Ok(port)
    }

    async fn remember(&self, name: &'static str, value: &str) -> Result<(), GatewayError> {
        if self.store.platform(name).await?.as_deref() == Some(value) {
            return Ok(());
        }
        let mut change = self.store.begin().await?;
        change.put_platform(name, value).await?;
        change.commit("gateway").await?;
        Ok(())
    }

    fn workload(&self, port: u16) -> Workload {
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Workload {
            id: id(),
            program: Program::Gateway,
            arguments: self.lease.as_deref().map(Workload::under_lease).unwrap_or_default(),
            environment: BTreeMap::new(),
            files: BTreeMap::new(),
            ports: BTreeMap::from([(PORT.to_owned(), port)]),
            sockets: BTreeMap::from([(ADMIN.to_owned(), "admin.sock".to_owned())]),
            limits: Limits::default(),
            labels: BTreeMap::from([label(INSTALLATION, &self.installation), label(ROLE, GATEWAY)]),
            desired: Desired::Running,
        }
    }

    /// Brings the routes to what is recorded; networks that have not changed are not read.
    async fn read_routes(
        &self,
        routes: &mut BTreeMap<NetworkId, (u64, Option<Route>)>,
    ) -> Result<(), GatewayError> {
        let versions = self.store.network_versions().await?;
        routes.retain(|id, _| versions.contains_key(id));
        for (id, (organization, version)) in versions {
            if routes.get(&id).is_some_and(|(known, _)| *known == version) {
                continue;
            }
            let Some(record) = self.store.network(&organization, &Find::Id(id.clone())).await?
            else {
                routes.remove(&id);
                continue;
            };
            let listed = self.instances(("network", id.as_str())).await?;
            let instances =
                listed.into_iter().map(|instance| (instance.id.clone(), instance)).collect();
            let route = route(&record, &instances, &self.world.engines);
            routes.insert(id, (record.network.resource_version, route));
        }
        Ok(())
    }

    /// What the owners of the routes are held to.
    async fn limits(
        &self,
        routes: &[Route],
    ) -> Result<BTreeMap<OrganizationId, RateLimit>, GatewayError> {
        let owners: BTreeSet<&OrganizationId> =
            routes.iter().filter_map(|route| route.organization_id.as_ref()).collect();
        let quotas = self.store.quotas().await?;
        let limited = quotas.into_iter().filter(|(id, _)| owners.contains(id));
        Ok(limited.filter_map(|(id, quota)| Some((id, quota.rate()?))).collect())
    }

    async fn served(&self, gateway: &Instance) -> Result<RouteTable, GatewayError> {
        let reply = self.admin(gateway, "GET", Vec::new()).await?;
        serde_json::from_slice(&reply.body).map_err(|error| GatewayError::Refused {
            status: reply.status,
            text: error.to_string(),
        })
    }

    async fn send(&self, gateway: &Instance, table: &RouteTable) -> Result<(), GatewayError> {
        let body = serde_json::to_vec(table).expect("a route table is plain data");
        self.admin(gateway, "PUT", body).await.map(drop)
    }

    async fn admin(
        &self,
        gateway: &Instance,
        method: &'static str,
        body: Vec<u8>,
    ) -> Result<Reply, GatewayError> {
        let socket: PathBuf = gateway.sockets.get(ADMIN).cloned().unwrap_or_default();
        let message = Message {
            target: Target::Socket(socket),
            method,
            path: "/routes".to_owned(),
            body,
            timeout: ADMIN_TIMEOUT,
        };
        let reply = self.world.wire.exchange(message).await?;
        if (200..300).contains(&reply.status) {
            return Ok(reply);
        }
        let text = String::from_utf8_lossy(&reply.body).chars().take(200).collect();
        Err(GatewayError::Refused { status: reply.status, text })
    }

    /// Whether no gateway runs that could serve an old table.
    async fn is_down(&self) -> bool {
        match self.found().await {
            Ok(found) => found.is_none_or(|gateway| gateway.running().is_none()),
            Err(_) => false,
        }
    }

    fn note(&self, port: u16, gateway: &Instance) {
        let mut facts = self.inbox.facts.lock().unwrap_or_else(PoisonError::into_inner);
        facts.url = Some(url(port));
        facts.pid = gateway.pid();
        facts.admin = gateway.sockets.get(ADMIN).cloned();
    }
}

fn id() -> WorkloadId {
    GATEWAY.parse().expect("the gateway's name is a workload's id")
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

fn is_over(lease: &Path) -> bool {
    lease::standing(lease).is_ok_and(|standing| standing == Standing::Over)
}

fn port_taken(error: &SubstrateError) -> bool {
    match error {
        SubstrateError::PortInUse { .. } => true,
        SubstrateError::ExitedEarly { exit: Some(exit), .. } => exit.reason.contains("port_in_use"),
        _ => false,
    }
}
