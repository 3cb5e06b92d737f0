//! A world in memory that outlives the control planes that are killed over it: processes on the fake
//! substrate, chains, keys, the gateway's routes. Its script kills and fails at numbered points.

pub(crate) mod engine;
mod gateway;
pub(crate) mod governance;
pub(crate) mod script;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use windlass_control::{
    Backoff, Control, Machine, Overcommit, Settings,
    world::{
        Clock, Deadlines, Engines, KeyHolder, MachineClock, MachineEntropy, Message, Pending,
        PortOffer, Reply, Target, Wire, WireError, World,
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

use self::engine::{FakeEngine, genesis_hash};
pub(crate) use self::gateway::Client;
use self::governance::{BALLOT, FORGET, OBSERVE, REVERT};
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
    /// How far the platform's clock is ahead of the machine's, in milliseconds.
    pub(crate) ahead_ms: AtomicU64,
    /// No gateway answers, and none can be ended.
    pub(crate) wedged: AtomicBool,
    ports: AtomicU16,
    /// Counts everything that happens; what nodes call their revision.
    moved: watch::Sender<u64>,
    pub(crate) directory: tempfile::TempDir,
}

impl FakeWorld {
    pub(crate) fn new() -> Arc<Self> {
        let directory = tempfile::tempdir_in(scratch()).expect("a temporary directory");
        Arc::new(Self {
            substrate: FakeSubstrate::new(),
            chains: Mutex::default(),
            keys: Mutex::default(),
            routes: Mutex::new(json!({"generation": 0, "routes": []})),
            client: Mutex::default(),
            silent: Mutex::default(),
            mute: Mutex::default(),
            ahead_ms: AtomicU64::new(0),
            wedged: AtomicBool::new(false),
            ports: AtomicU16::new(20_000),
            moved: watch::Sender::new(1),
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
            clock: Arc::new(handle()),
            entropy: Arc::new(MachineEntropy),
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
            backoff: Backoff {
                least_ms: 1,
                most_ms: 4,
                healthy_after_ms: 60_000,
                give_up_after_ms: 20,
            },
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
        self.substrate.kill(id);
        self.moved();
    }

    fn moved(&self) {
        self.moved.send_modify(|count| *count += 1);
    }

    fn running(&self, id: &str) -> Option<Workload> {
        let alive = self.substrate.processes().iter().any(|(one, _)| one.as_str() == id);
        self.substrate.workloads().into_iter().find(|one| alive && one.id.as_str() == id)
    }

    fn status(&self, node: &Workload) -> Value {
        let revision = *self.moved.borrow();
        let genesis = &node.files["genesis.json"];
        let hash = genesis_hash(genesis);
        let parsed: Value = serde_json::from_str(genesis).expect("the fake engine wrote JSON");
        let network = &node.labels["network"];
        let alive = self.nodes();
        let peers = self.substrate.workloads().into_iter().filter(|one| {
            one.labels.get("network") == Some(network) && alive.contains_key(&one.id)
        });
        let validators = parsed["keys"].as_object().expect("keys").len();
        let chains = self.chains.lock().unwrap();
        let chain = chains.get(&hash).map(Vec::as_slice).unwrap_or_default();
        let (height, key) = (chain.len(), node_key(node));
        let founds = parsed["keys"].as_object().expect("keys").values();
        let seat = if founds.into_iter().any(|one| one[0] == key.as_str()) {
            "votes"
        } else if observers(chain).contains(&key) {
            "follows"
        } else {
            "unnamed"
        };
        drop(chains);
        json!({
            "validators": validators, "seat": seat,
            "revision": revision, "genesis": hash, "chain_id": parsed["chain_id"],
            "tip": block(height), "connected": peers.count(),
            "quorum": validators - (validators - 1) / 3,
        })
    }

    fn answer(&self, node: &Workload, method: &str, params: &Value) -> Value {
        let status = self.status(node);
        let hash = status["genesis"].as_str().expect("a hash").to_owned();
        let mut chains = self.chains.lock().unwrap();
        let chain = chains.entry(hash).or_default();
        let argument = params.get(0).and_then(Value::as_str).unwrap_or_default().to_owned();
        match method {
            "status" | "await" => status,
            "height" => json!(chain.len()),
            "send" if argument.contains("refused by the node") => {
                json!({"refusal": "it would leave 2 of 4 validators, and 3 are needed"})
            }
            "send" => {
                if status["connected"].as_u64() >= status["quorum"].as_u64()
                    && !chain.contains(&argument)
                {
                    chain.push(argument);
                    drop(chains);
                    self.moved();
                }
                Value::Null
            }
            "receipt" => chain.iter().position(|one| *one == argument).map_or(Value::Null, |at| {
                let mut receipt = block(at + 1);
                if !(argument.contains(OBSERVE) || argument.contains(FORGET)) {
                    receipt["proposal"] = json!(ballots(&chain[..=at]));
                }
                receipt
            }),
            "head" => block(chain.len()),
            "roll" => {
                let genesis = &node.files["genesis.json"];
                let genesis: Value = serde_json::from_str(genesis).expect("JSON");
                json!({
                    "members": genesis["members"], "validators": genesis["keys"],
                    "observers": observers(chain),
                })
            }
            "ballots" => json!(ballots(chain)),
            "proposals" => {
                let (from, count) = (params[0].as_u64().unwrap(), params[1].as_u64().unwrap());
                let last = (from + count - 1).min(ballots(chain));
                json!((from..=last).collect::<Vec<_>>())
            }
            "rehearse" if argument.starts_with("vote:") => json!({"revert": REVERT}),
            "rehearse" | "former" => Value::Null,
            "block" => {
                let number = params[0].as_u64().expect("a number");
                let number = usize::try_from(number).expect("a small number");
                if number <= chain.len() { block(number) } else { Value::Null }
            }
            other => panic!("a fake node does not know {other}"),
        }
    }
}

/// A node's public key, from the id that its file names.
fn node_key(node: &Workload) -> String {
    let mut lines = node.files["node.toml"].lines();
    let named =
        |line: &str| Some(line.strip_prefix("node_key = \"")?.trim_end_matches('"').to_owned());
    let id = lines.find_map(named).expect("the file names the node's key");
    hex::encode(Sha256::digest(id))
}

/// The node keys of observers, as the transactions of a chain leave them.
fn observers(chain: &[String]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let named = |one: &str, what: &str| {
        let (_, rest) = one.split_once(what)?;
        rest.get(..64).map(str::to_owned)
    };
    for one in chain {
        keys.extend(named(one, OBSERVE));
        if let Some(gone) = named(one, FORGET) {
            keys.retain(|key| *key != gone);
        }
    }
    keys
}

/// How many transactions of members there are.
fn ballots(chain: &[String]) -> u64 {
    chain.iter().map(|one| u64::from(one.starts_with(BALLOT))).sum()
}

/// What a node's answer is on the wire: what was refused is an error, with data if it reverted.
fn answered(answer: &Value) -> Value {
    let error = match (answer.get("revert"), answer.get("refusal")) {
        (Some(data), _) => json!({"code": 3, "message": "execution reverted", "data": data}),
        (None, Some(message)) => json!({"code": -32000, "message": message}),
        (None, None) => return json!({"jsonrpc": "2.0", "id": 1, "result": answer}),
    };
    json!({"jsonrpc": "2.0", "id": 1, "error": error})
}

fn block(number: usize) -> Value {
    json!({"number": number, "hash": format!("0x{number:064x}")})
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

fn told() -> SubstrateError {
    SubstrateError::Failed { reason: "told to fail".to_owned() }
}

fn key_told() -> KeyError {
    KeyError::Signing
}

#[async_trait::async_trait]
impl Substrate for Handle {
    async fn ensure(&self, workload: &Workload) -> Result<Instance, SubstrateError> {
        let ends = workload.id.as_str() == "gateway" && workload.desired == Desired::Stopped;
        if ends && self.world.wedged.load(Ordering::SeqCst) {
            return Err(told());
        }
        let call = || async {
            let ensured = self.world.substrate.ensure(workload).await;
            self.world.moved();
            ensured
        };
        self.script.call("ensure", call, told).await
    }

    async fn remove(&self, id: &WorkloadId) -> Result<Removal, SubstrateError> {
        let call = || async {
            let removed = self.world.substrate.remove(id).await;
            self.world.moved();
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
    fn offer(&self, count: usize) -> Vec<u16> {
        (0..count).map(|_| self.world.ports.fetch_add(1, Ordering::Relaxed)).collect()
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
                        self.world.moved();
                        Ok(())
                    };
                    let told = || {
                        if self.script.is(Fault::Silence) {
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
            let mut moved = self.world.moved.subscribe();
            let newer = moved.wait_for(|count| *count > revision);
            // Either something has happened, or the poll is answered as it is.
            drop(tokio::time::timeout(Duration::from_millis(held), newer).await);
        }
        let node = self.world.running(id)?;
        let mute = self.world.mute.lock().unwrap().contains(&node.id);
        (!mute).then(|| self.world.answer(&node, method, params))
    }
}

impl Clock for Handle {
    fn now_ms(&self) -> u64 {
        MachineClock.now_ms() + self.world.ahead_ms.load(Ordering::SeqCst)
    }
}
