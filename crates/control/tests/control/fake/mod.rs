//! A world in memory that outlives the control planes that are killed over it: processes on the fake
//! substrate, chains, keys, the gateway's routes. Its script kills and fails at numbered points.

mod clock;
pub(crate) mod engine;
mod gateway;
pub(crate) mod governance;
mod node;
pub(crate) mod script;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use windlass_control::{
    Backoff, Control, Machine, Overcommit, Settings,
    world::{
        Deadlines, Engines, KeyHolder, Message, Pending, PortOffer, Reply, Target, Wire, WireError,
        World,
    },
};
use windlass_keys::{KeyError, PublicKey, Purpose};
use windlass_model::{
    KeyId, WorkloadId,
    workload::{Desired, Workload},
};
use windlass_substrate::{
    ChangeStream, Instance, LabelSelector, LineStream, LogOptions, Removal, Substrate,
    SubstrateError, Usage, fake::FakeSubstrate,
};

pub(crate) use self::clock::{FakeClock, Seeded};
use self::engine::FakeEngine;
pub(crate) use self::gateway::Client;
use self::node::{answered, observers};
use self::script::{Fault, Script};

/// How long a driver of this world is waited for, which otherwise answers at once.
const DEADLINE: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct FakeWorld {
    pub(crate) substrate: FakeSubstrate,
    /// Genesis hash → the transactions of its chain, one a block.
    chains: Mutex<BTreeMap<String, Vec<String>>>,
    pub(crate) keys: Mutex<BTreeSet<KeyId>>,
    pub(crate) routes: Mutex<Value>,
    /// A client waits for whatever sleeps, or uses nothing.
    pub(crate) client: Mutex<Client>,
    /// The gateway's process that does not answer, if one does not.
    silent: Mutex<Option<u32>>,
    /// Nodes that run and do not answer.
    pub(crate) mute: Mutex<BTreeSet<WorkloadId>>,
    /// No gateway answers, and none can be ended.
    pub(crate) wedged: AtomicBool,
    /// Clients have used up the rate of the organization, wherever one is in the routes.
    pub(crate) spent: AtomicBool,
    /// Every key that ever was.
    pub(crate) made: Mutex<BTreeSet<KeyId>>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) entropy: Arc<Seeded>,
    pub(crate) backoff: Backoff,
    /// The ports that there are, from [`FIRST_PORT`] on, and how many were looked at for the next offer.
    ports: (u16, AtomicUsize),
    /// Counts everything that happens.
    moved: watch::Sender<u64>,
    /// Network → when something happened in it last; what its nodes call their revision.
    news: Mutex<BTreeMap<String, u64>>,
    pub(crate) directory: tempfile::TempDir,
}

const FIRST_PORT: u16 = 20_000;

impl FakeWorld {
    /// A world with an hour of patience and all the ports that a machine has.
    pub(crate) fn new() -> Arc<Self> {
        let backoff =
            Backoff { least_ms: 1, most_ms: 4, healthy_after_ms: 60_000, give_up_after_ms: 20 };
        Self::with(backoff, 20_000, Seeded::of_the_machine())
    }

    /// A world with few ports, in which a seed decides.
    pub(crate) fn with(backoff: Backoff, ports: u16, entropy: Seeded) -> Arc<Self> {
        let directory = tempfile::tempdir_in(scratch()).expect("a temporary directory");
        Arc::new(Self {
            substrate: FakeSubstrate::new(),
            chains: Mutex::default(),
            keys: Mutex::default(),
            routes: Mutex::new(json!({"generation": 0, "routes": []})),
            client: Mutex::default(),
            silent: Mutex::default(),
            mute: Mutex::default(),
            wedged: AtomicBool::new(false),
            spent: AtomicBool::new(false),
            made: Mutex::default(),
            clock: Arc::default(),
            entropy: Arc::new(entropy),
            backoff,
            ports: (ports, AtomicUsize::new(0)),
            moved: watch::Sender::new(1),
            news: Mutex::default(),
            directory,
        })
    }

    pub(crate) async fn open(self: &Arc<Self>, script: &Arc<Script>) -> Control {
        let handle = || Handle { world: Arc::clone(self), script: Arc::clone(script) };
        let world = World {
            substrate: Arc::new(handle()),
            engines: Engines::new([Arc::new(FakeEngine) as Arc<dyn windlass_engine::Engine>]),
            keys: Arc::new(handle()),
            wire: Arc::new(handle()),
            ports: Arc::new(handle()),
            clock: Arc::clone(&self.clock) as Arc<dyn windlass_control::world::Clock>,
            entropy: Arc::clone(&self.entropy) as Arc<dyn windlass_control::world::Entropy>,
            points: Arc::clone(script) as Arc<dyn windlass_control::world::Points>,
        };
        Control::open(self.settings(), world).await.expect("the control plane opens")
    }

    fn settings(&self) -> Settings {
        Settings {
            data_dir: self.directory.path().to_owned(),
            installation: "test".to_owned(),
            version: "0".to_owned(),
            url: "http://127.0.0.1:1".to_owned(),
            gateway_port: None,
            lease: None,
            machine: Machine {
                memory_bytes: 8 << 30,
                processors: 64,
                overcommit: Overcommit::Refuse,
            },
            backoff: self.backoff,
            deadlines: Deadlines { answer: DEADLINE, change: DEADLINE },
        }
    }

    pub(crate) fn chains(&self) -> Vec<Vec<String>> {
        self.chains.lock().unwrap().values().cloned().collect()
    }

    /// Node processes: workload → pid.
    pub(crate) fn nodes(&self) -> BTreeMap<WorkloadId, u32> {
        let all = self.substrate.processes().into_iter();
        all.filter(|(id, _)| id.as_str() != "gateway").collect()
    }

    pub(crate) fn kill(&self, id: &WorkloadId) {
        let network = self.network_of(id);
        self.substrate.kill(id);
        self.moved(network.as_deref());
    }

    /// What the gateway's client does from now on.
    pub(crate) fn clients(&self, client: Client) {
        *self.client.lock().unwrap() = client;
        self.moved(None);
    }

    /// The transactions of the chain with this genesis, and the node keys of its observers.
    pub(crate) fn chain(&self, genesis: &str) -> (Vec<String>, Vec<String>) {
        let chain = self.chains.lock().unwrap().get(genesis).cloned().unwrap_or_default();
        let observers = observers(&chain);
        (chain, observers)
    }

    /// Which network a workload is of.
    pub(crate) fn network_of(&self, id: &WorkloadId) -> Option<String> {
        self.substrate.label(id, "network")
    }

    /// Something has happened, in this network if it is one.
    fn moved(&self, network: Option<&str>) {
        self.moved.send_modify(|count| {
            *count += 1;
            if let Some(network) = network {
                self.news.lock().unwrap().insert(network.to_owned(), *count);
            }
        });
    }

    /// When something happened in a network last.
    fn news(&self, network: &str) -> u64 {
        self.news.lock().unwrap().get(network).copied().unwrap_or(1)
    }

    fn running(&self, id: &str) -> Option<Workload> {
        let id = id.parse().ok()?;
        let alive = self.substrate.processes().iter().any(|(one, _)| *one == id);
        self.substrate.workload(&id).filter(|_| alive)
    }
}

fn owner(socket: &Path) -> &str {
    socket.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default()
}

fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}

/// What one control plane holds of the world.
#[derive(Clone, Debug)]
struct Handle {
    world: Arc<FakeWorld>,
    script: Arc<Script>,
}

fn told(_: Fault) -> SubstrateError {
    SubstrateError::Failed { reason: "told to fail".to_owned() }
}

fn key_told(_: Fault) -> KeyError {
    KeyError::Signing
}

#[async_trait::async_trait]
impl Substrate for Handle {
    async fn ensure(&self, workload: &Workload) -> Result<Instance, SubstrateError> {
        let ends = workload.id.as_str() == "gateway" && workload.desired == Desired::Stopped;
        if ends && self.world.wedged.load(Ordering::SeqCst) {
            return Err(told(Fault::FailBefore));
        }
        let call = || async {
            let ensured = self.world.substrate.ensure(workload).await;
            self.world.moved(workload.labels.get("network").map(String::as_str));
            ensured
        };
        self.script.call("ensure", call, told).await
    }

    async fn remove(&self, id: &WorkloadId) -> Result<Removal, SubstrateError> {
        let call = || async {
            let network = self.world.network_of(id);
            let removed = self.world.substrate.remove(id).await;
            self.world.moved(network.as_deref());
            removed
        };
        self.script.call("remove", call, told).await
    }

    async fn list(&self, selector: &LabelSelector) -> Result<Vec<Instance>, SubstrateError> {
        self.script.look(self.world.substrate.list(selector), told).await
    }

    fn watch(&self) -> ChangeStream {
        self.world.substrate.watch()
    }

    async fn usage(&self, id: &WorkloadId) -> Result<Usage, SubstrateError> {
        self.script.look(self.world.substrate.usage(id), told).await
    }

    async fn logs(
        &self,
        id: &WorkloadId,
        options: LogOptions,
    ) -> Result<LineStream, SubstrateError> {
        self.world.substrate.logs(id, options).await
    }
}

impl KeyHolder for Handle {
    fn directory(&self) -> &Path {
        Path::new("/fake/keys")
    }

    fn create<'a>(
        &'a self,
        id: &'a KeyId,
        purpose: Purpose,
    ) -> Pending<'a, Result<PublicKey, KeyError>> {
        let call = move || async move {
            self.world.keys.lock().unwrap().insert(id.clone());
            self.world.made.lock().unwrap().insert(id.clone());
            let digest: [u8; 32] = Sha256::digest(id.as_str()).into();
            let [account @ .., _, _, _, _, _, _, _, _, _, _, _, _] = digest;
            Ok(match purpose {
                Purpose::Node | Purpose::Consensus => PublicKey::Ed25519(digest),
                Purpose::Account => PublicKey::Account(account),
            })
        };
        Box::pin(self.script.call("create key", call, key_told))
    }

    fn sign_hash<'a>(
        &'a self,
        id: &'a KeyId,
        hash: [u8; 32],
    ) -> Pending<'a, Result<[u8; 65], KeyError>> {
        let call = move || async move {
            let held = self.world.keys.lock().unwrap().contains(id);
            let mut signature = [0; 65];
            signature[..32].copy_from_slice(&hash);
            held.then_some(signature).ok_or_else(|| KeyError::NotFound(id.clone()))
        };
        Box::pin(self.script.call("sign", call, key_told))
    }

    fn list(&self) -> Pending<'_, Result<Vec<KeyId>, KeyError>> {
        let look = async { Ok(self.world.keys.lock().unwrap().iter().cloned().collect()) };
        Box::pin(self.script.look(look, key_told))
    }

    fn held<'a>(&'a self, ids: &'a [KeyId]) -> Pending<'a, Result<Vec<KeyId>, KeyError>> {
        let look = async {
            let keys = self.world.keys.lock().unwrap();
            Ok(ids.iter().filter(|id| keys.contains(*id)).cloned().collect())
        };
        Box::pin(self.script.look(look, key_told))
    }

    fn destroy<'a>(&'a self, id: &'a KeyId) -> Pending<'a, Result<Vec<PathBuf>, KeyError>> {
        let call = move || async move {
            let was = self.world.keys.lock().unwrap().remove(id);
            let path = PathBuf::from("/fake/keys").join(id.as_str());
            Ok(if was { vec![path] } else { Vec::new() })
        };
        Box::pin(self.script.call("destroy key", call, key_told))
    }
}

impl PortOffer for Handle {
    /// As a machine does: ports that nobody listens on at the moment, whoever's they are.
    fn offer(&self, count: usize) -> Vec<u16> {
        let taken = self.world.substrate.ports();
        let (all, next) = &self.world.ports;
        let looked = (0..*all).map(|_| {
            let at = next.fetch_add(1, Ordering::Relaxed) % usize::from(*all);
            FIRST_PORT + u16::try_from(at).expect("it is less than there are ports")
        });
        looked.filter(|port| !taken.contains(port)).take(count).collect()
    }
}

impl Wire for Handle {
    fn exchange(&self, message: Message) -> Pending<'_, Result<Reply, WireError>> {
        Box::pin(async move {
            let refused = || WireError::Connect(std::io::ErrorKind::ConnectionRefused.into());
            let gateway = self.world.gateway_answers();
            let body: Value = serde_json::from_slice(&message.body).unwrap_or_default();
            let reply = |body: Value| Ok(Reply { status: 200, body: body.to_string().into() });
            match &message.target {
                Target::Socket(path) if owner(path) == "gateway" => {
                    if !gateway {
                        return Err(refused());
                    }
                    if message.path.starts_with("/demand") {
                        return reply(self.demand(&message.path).await);
                    }
                    if message.method == "GET" {
                        return reply(self.world.routes.lock().unwrap().clone());
                    }
                    let put = || async {
                        *self.world.routes.lock().unwrap() = body.clone();
                        self.world.moved(None);
                        Ok(())
                    };
                    let told = |fault| {
                        if fault == Fault::Silence {
                            *self.world.silent.lock().unwrap() = self.world.gateway();
                        }
                        refused()
                    };
                    let put = self.script.call("put routes", put, told);
                    let late = |_elapsed| WireError::Timeout(DEADLINE);
                    tokio::time::timeout(DEADLINE, put).await.map_err(late)??;
                    reply(body.clone())
                }
                Target::Socket(path) => self
                    .rpc(owner(path), &body)
                    .await
                    .map_or_else(|| Err(refused()), |answer| reply(answered(&answer))),
                Target::Address(_) => {
                    if gateway && self.world.is_locked(&message.path) {
                        return Ok(Reply { status: 401, body: Vec::new() });
                    }
                    let node = self.world.routed(&message.path).filter(|_| gateway);
                    let node = node.ok_or_else(refused)?;
                    if self.world.is_spent() {
                        let body = json!({"id": 1, "error": {"code": -32005, "message": "no"}});
                        return Ok(Reply { status: 429, body: body.to_string().into() });
                    }
                    let answer = self.rpc(node.id.as_str(), &body).await.ok_or_else(refused)?;
                    reply(answered(&answer))
                }
            }
        })
    }
}

impl Handle {
    async fn rpc(&self, id: &str, call: &Value) -> Option<Value> {
        let (method, params) = (call["method"].as_str()?, &call["params"]);
        if method == "await" {
            let (revision, held) = (params[0].as_u64()?, params[1].as_u64()?);
            let network = self.world.running(id)?.labels["network"].clone();
            let mut moved = self.world.moved.subscribe();
            let newer = moved.wait_for(|_| self.world.news(&network) > revision);
            // Either something has happened, or the poll is answered as it is.
            drop(tokio::time::timeout(Duration::from_millis(held), newer).await);
        }
        let node = self.world.running(id)?;
        let mute = self.world.mute.lock().unwrap().contains(&node.id);
        (!mute).then(|| self.world.answer(&node, method, params))
    }
}
