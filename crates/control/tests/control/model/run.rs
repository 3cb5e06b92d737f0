//! A sequence carried out: over the fake world, on a clock that goes on when nobody has anything to do,
//! with the reference model beside it.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::OpenOptionsExt as _,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use windlass_control::{Backoff, Control, world::Clock as _};
use windlass_model::{NetworkId, OperationId, OrganizationId, WorkloadId};

use super::{
    ask::Request,
    planted::Planted,
    reference::{Says, State, Weather, closure},
    step::{NETWORKS, Step},
};
use crate::fake::{Client, FakeWorld, Seeded, script::Script};

/// When every sequence begins, Unix milliseconds.
const BEGIN_MS: u64 = 1_800_000_000_000;
/// How long everything may take to come to rest, on the world's clock.
const PATIENCE: Duration = Duration::from_mins(15);
/// How long it has to stay so at the end.
const CALM: Duration = Duration::from_secs(3);
const FIRST_LOOK: Duration = Duration::from_millis(30);
const LAST_LOOK: Duration = Duration::from_secs(4);
/// The ports that the machine has: few, so that what is forgotten is soon given to another.
const PORTS: u16 = 64;

/// What the platform did wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// Which check says so.
    pub(super) kind: &'static str,
    pub(super) detail: String,
}

impl Finding {
    pub(super) fn new(kind: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

/// A sequence under way. It outlives the platforms that are killed.
pub(super) struct Play<'a> {
    pub(super) world: Arc<FakeWorld>,
    script: Arc<Script>,
    steps: &'a [Step],
    at: usize,
    pub(super) states: [Vec<State>; NETWORKS],
    pub(super) weather: Weather,
    /// Operations may have begun that nobody was told of.
    pub(super) acts_by_itself: bool,
    /// The request that is to be answered, and which comes again if the platform dies over it.
    pending: Option<Request>,
    /// What two users ask for of what they saw, and how many of them were answered.
    pub(super) conflict: Option<(Request, Request, Option<Says>)>,
    /// The id of each network that there was last of its name.
    pub(super) ids: [Option<NetworkId>; NETWORKS],
    pub(super) requests: u8,
    pub(super) accepted: Vec<(Request, Option<OperationId>)>,
    pub(super) seen: BTreeSet<OperationId>,
    /// The processes at the last rest, and the networks that something was done to since.
    pub(super) pids: BTreeMap<WorkloadId, u32>,
    pub(super) disturbed: [bool; NETWORKS],
    /// The genesis of each network that ever was.
    pub(super) genesis: BTreeMap<NetworkId, String>,
    pub(super) organization: Option<OrganizationId>,
}

/// Carries a sequence out, and says what was wrong first.
pub(super) fn play(steps: &[Step], seed: u64, planted: Option<Planted>) -> Result<(), Finding> {
    let world = FakeWorld::with(Backoff::default(), PORTS, Seeded::new(seed));
    world.clock.set(BEGIN_MS);
    let mut file = std::fs::OpenOptions::new();
    let path = world.directory.path().join("windlass.db");
    let mut file = file.write(true).create_new(true).mode(0o600).open(&path).expect("a new file");
    std::io::Write::write_all(&mut file, fresh_database()).expect("the database is written");
    if let Some(planted) = planted {
        planted.plant(&world, &path);
    }
    let script = Arc::new(Script::frugal());
    let mut play = Play {
        world,
        script,
        steps,
        at: 0,
        states: [(); NETWORKS].map(|()| vec![State::Absent]),
        weather: Weather { client: Client::Uses, shaken: false, latest_ms: 0 },
        acts_by_itself: false,
        pending: None,
        conflict: None,
        ids: [const { None }; NETWORKS],
        requests: 0,
        accepted: Vec::new(),
        seen: BTreeSet::new(),
        pids: BTreeMap::new(),
        disturbed: [false; NETWORKS],
        genesis: BTreeMap::new(),
        organization: None,
    };
    loop {
        play.script = Arc::new(Script::frugal());
        let (world, script) = (Arc::clone(&play.world), Arc::clone(&play.script));
        if let Some(ended) = live(&world, &script, async |control| play.go(&control).await) {
            return ended;
        }
        play.weather.shaken = true;
    }
}

/// One life of the platform; `None` if it was killed.
fn live<T>(
    world: &Arc<FakeWorld>,
    script: &Arc<Script>,
    work: impl AsyncFnOnce(Control) -> T,
) -> Option<T> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    let (tracker, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let alive = async {
        world.clock.resume();
        let alive = async {
            let control = world.open(script).await;
            control.run(&tracker, &shutdown);
            work(control).await
        };
        let ended = tokio::select! {
            ended = Box::pin(alive) => Some(ended),
            () = script.killed() => None,
        };
        world.clock.pause();
        ended
    };
    runtime.block_on(alive)
}

/// The database of a platform that was started once: to make it anew takes longer than a short sequence.
fn fresh_database() -> &'static [u8] {
    static FRESH: OnceLock<Vec<u8>> = OnceLock::new();
    FRESH.get_or_init(|| {
        let world = FakeWorld::new();
        world.clock.set(BEGIN_MS);
        let script = Arc::new(Script::new(None, None));
        live(&world, &script, async |control| control.close().await).expect("nobody kills it");
        std::fs::read(world.directory.path().join("windlass.db")).expect("a database")
    })
}

impl Play<'_> {
    /// Goes on where the last platform died.
    async fn go(&mut self, control: &Control) -> Result<(), Finding> {
        if self.organization.is_none() {
            let all = control.every_organization().await.expect("organizations");
            self.organization = Some(all[0].id.clone());
        }
        while let Some(step) = self.steps.get(self.at).copied() {
            Box::pin(self.step(control, step)).await?;
            self.at += 1;
        }
        Box::pin(self.rest(control)).await?;
        tokio::time::sleep(CALM).await;
        Box::pin(self.look(control)).await?;
        Box::pin(self.account(control)).await
    }

    async fn step(&mut self, control: &Control, step: Step) -> Result<(), Finding> {
        match step {
            Step::Ask { network, verb } => {
                let request = match self.pending.take() {
                    Some(request) => request,
                    None => self.request(network, verb, None),
                };
                self.pending = Some(request.clone());
                self.disturbed[network] = true;
                self.asked(control, &request).await?;
                self.pending = None;
            }
            Step::Conflict { network } => self.conflict(control, network).await?,
            Step::Replay { back } => self.replay(control, back).await?,
            Step::Reuse { back } => self.reuse(control, back).await?,
            Step::Rest => self.rest(control).await?,
            Step::Pass { ms } => tokio::time::sleep(Duration::from_millis(ms)).await,
            Step::Crash { points } => self.script.kill_after(points),
            Step::Fail { calls, fault } => {
                self.shake();
                self.script.fail_after(calls, fault);
            }
            Step::KillNode { network, node } => self.kill_node(network, node),
            Step::KillGateway => {
                self.weather.shaken = true;
                self.world.kill(&"gateway".parse().expect("an id"));
            }
            Step::Clients(client) => {
                self.settle_states();
                self.shake();
                self.acts_by_itself = true;
                self.weather.client = client;
                self.world.clients(client);
            }
            Step::SetClock { seconds } => {
                self.watch_the_clock();
                self.world.clock.step(seconds);
            }
        }
        Ok(())
    }

    /// To be called before the clock is set, and before what may be due is thought about.
    pub(super) fn watch_the_clock(&mut self) {
        self.weather.latest_ms = self.weather.latest_ms.max(self.world.clock.now_ms());
    }

    /// Something was done to every network.
    fn shake(&mut self) {
        self.weather.shaken = true;
        self.disturbed = [true; NETWORKS];
    }

    /// What they may have become is taken in, before something changes of which that depends.
    fn settle_states(&mut self) {
        self.watch_the_clock();
        for states in &mut self.states {
            *states = closure(states, self.weather);
        }
    }

    fn kill_node(&mut self, network: usize, node: usize) {
        let Some(own) = self.ids[network].clone() else { return };
        let is_own = |id: &WorkloadId| self.world.network_of(id).as_deref() == Some(own.as_str());
        let victim = self.world.nodes().into_keys().filter(is_own).nth(node);
        if let Some(victim) = victim {
            self.weather.shaken = true;
            self.disturbed[network] = true;
            self.world.kill(&victim);
        }
    }

    /// Everything comes to rest, and is as the model has it.
    async fn rest(&mut self, control: &Control) -> Result<(), Finding> {
        let until = tokio::time::Instant::now() + PATIENCE;
        let mut pause = FIRST_LOOK;
        loop {
            tokio::time::sleep(pause).await;
            self.promises()?;
            match self.look(control).await {
                Ok(()) => break,
                Err(finding) if tokio::time::Instant::now() >= until => return Err(finding),
                Err(_) => pause = (pause * 4).min(LAST_LOOK),
            }
        }
        self.weather.shaken = false;
        self.weather.latest_ms = self.world.clock.now_ms();
        Ok(())
    }
}
