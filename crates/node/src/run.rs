//! A node, from its directory to its end.
//!
//! The directory holds `files/genesis.json` and `files/node.toml` (written by the engine), `data/`
//! (the ledger and consensus' journals) and, while the node runs, `rpc.sock`. Whoever calls [`run`]
//! holds the directory's lock already, so nobody else uses the keys.
//!
//! Threads: one for consensus and p2p, two for the ledger's calls, those of the RPC server, and the
//! runtime's few for files.

use std::{
    fs, io,
    net::SocketAddr,
    num::NonZeroU64,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use alloy_primitives::B256;
use commonware_cryptography::Signer as _;
use commonware_macros::select;
use commonware_runtime::{Runner, Spawner, Supervisor, tokio as runtime};
use windlass_chain::{
    genesis::{Genesis, GenesisError},
    store::StoreError,
};
use windlass_keys::{KeyError, vault::Vault};
use windlass_model::KeyId;

use crate::{
    config::{ConfigError, NodeConfig},
    consensus::{
        Consensus, Parts, Settings, StartError,
        committees::seated,
        epochs::EpochError,
        exchange::key_bytes,
        marker::VotingKey,
        peers::{Peers, Standing},
        signer::{HandleSigner, public_key},
        start,
        steady::{Steadied, Steady, Wall},
        work::Work,
    },
    ledger::{self, NodeLedger},
    p2p::{self, ColdStart, P2pError, Roll},
    rpc,
    seam::{Ledger as _, LedgerError},
    status::{Identity, StatusBoard, StatusTip},
};

/// How many threads make the ledger's calls: one executes, one reads meanwhile.
const WORK_THREADS: usize = 2;
/// How many threads the runtime may use for files.
const FILE_THREADS: usize = 4;
/// The stack of a thread.
const STACK_BYTES: usize = 2 * 1_024 * 1_024;
/// How long an orderly end may take.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// What the caller is told, and tells.
pub struct Hooks {
    /// Called, once, when peers and clients can reach the node.
    pub ready: Box<dyn FnOnce(Ports) + Send>,
    /// The node ends in order when this resolves. It is polled within a tokio runtime, so it may
    /// use tokio's signals.
    pub shutdown: Pin<Box<dyn Future<Output = ()> + Send>>,
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}

/// Where the node is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports {
    /// By other validators.
    pub p2p: SocketAddr,
    /// By clients.
    pub rpc: PathBuf,
}

/// How the node ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was told to.
    Shutdown,
}

/// Why the node didn't start, or didn't go on.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// `node.toml` can't be used.
    #[error("the node's configuration cannot be used")]
    Config(#[source] ConfigError),
    /// A file can't be read, or a directory made.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The genesis document isn't one.
    #[error("the genesis document cannot be used")]
    Genesis(#[source] GenesisError),
    /// Keys in the genesis are no keys, or not different ones.
    #[error("the genesis' validator keys are not different Ed25519 public keys")]
    ValidatorKeys,
    /// A key's id isn't one.
    #[error("{0:?} is not a key id")]
    KeyId(String),
    /// The vault doesn't give a key.
    #[error("the key {id} cannot be used")]
    Key {
        /// Which.
        id: String,
        /// Why.
        #[source]
        source: KeyError,
    },
    /// A key of the vault is no public key, which can't be.
    #[error("the key {0} is not an Ed25519 key")]
    NoKey(String),
    /// The ledger doesn't open.
    #[error("the ledger cannot be opened")]
    Ledger(#[source] ledger::OpenError),
    /// The chain doesn't tell the members' nodes.
    #[error("the members' nodes cannot be read from the ledger")]
    Roster(#[source] LedgerError),
    /// The RPC socket can't be served.
    #[error("the RPC socket cannot be served")]
    Rpc(#[source] rpc::ServeError),
    /// The p2p network can't be opened.
    #[error("the p2p network cannot be opened")]
    P2p(#[source] P2pError),
    /// The listening address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Consensus doesn't start.
    #[error("consensus cannot start")]
    Start(#[source] StartError),
    /// Consensus ended by itself.
    #[error("consensus has ended")]
    Epochs(#[source] EpochError),
    /// A task of the node ended by itself.
    #[error("{0} has ended by itself")]
    Ended(&'static str),
}

/// Everything that is opened before the runtime starts.
struct Opened {
    config: NodeConfig,
    genesis: Genesis,
    genesis_hash: B256,
    node_signer: HandleSigner,
    voting_keys: Vec<VotingKey>,
    peers: Peers,
    ledger: NodeLedger,
    status: StatusBoard,
}

impl NodeError {
    /// Whether the node ended because its ledger is not what was written.
    pub fn is_damage(&self) -> bool {
        StoreError::is_damage(self)
    }
}

/// Asked in a panic hook: whether the panic will be caught and become an error.
pub fn contains_panic() -> bool {
    windlass_chain::contain::is_contained()
}

/// Runs the node in a directory until it is told to end, or fails.
pub fn run(directory: &Path, hooks: Hooks) -> Result<Outcome, NodeError> {
    let Hooks { ready, mut shutdown } = hooks;
    let mut ready = Some(ready);
    // Threads may still read it when p2p is opened anew, and a file is opened once only.
    let mut ledger = None;
    loop {
        let opened = open(directory, ledger)?;
        ledger = Some(opened.ledger.clone());
        match run_once(directory, opened, &mut ready, &mut shutdown) {
            Err(
                NodeError::Epochs(EpochError::Outgrown)
                | NodeError::Start(StartError::Epoch(EpochError::Outgrown)),
            ) => tracing::info!("the network has grown: p2p is opened anew, for more nodes"),
            outcome => return outcome,
        }
    }
}

/// Told once where the node is reached.
type Ready = Option<Box<dyn FnOnce(Ports) + Send>>;
/// Resolves when the node is to end.
type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;

fn run_once(
    directory: &Path,
    opened: Opened,
    ready: &mut Ready,
    shutdown: &mut Shutdown,
) -> Result<Outcome, NodeError> {
    let settings = runtime::Config::new()
        .with_worker_threads(1)
        .with_max_blocking_threads(FILE_THREADS)
        .with_thread_stack_size(STACK_BYTES)
        .with_tcp_nodelay(Some(true))
        .with_storage_directory(directory.join("data").join("consensus"));
    let directory = directory.to_owned();
    runtime::Runner::new(settings).start(|context| async move {
        Box::pin(live(context, directory, opened, ready, shutdown)).await
    })
}

async fn live(
    context: runtime::Context,
    directory: PathBuf,
    opened: Opened,
    ready: &mut Ready,
    shutdown: &mut Shutdown,
) -> Result<Outcome, NodeError> {
    let Opened { config, genesis, genesis_hash, .. } = &opened;
    let cold = if opened.ledger.tip().number == 0 { ColdStart::Yes } else { ColdStart::No };
    // The network's own listener only says that it ended; find out why beforehand.
    std::net::TcpListener::bind(config.listen)
        .map_err(|source| NodeError::Listen { address: config.listen, source })?;
    let work = Work::threads(WORK_THREADS)
        .map_err(|source| NodeError::File { path: directory.clone(), source })?;
    let roll = Roll {
        genesis: *genesis_hash,
        first: genesis.validators().map(|one| one.node_key).collect(),
        now: opened.peers.clone(),
        start: cold,
    };
    let steady = Steadied::new(context.child("steady"), Steady::of_the_system(&context));
    let network = p2p::open(&steady, config, opened.node_signer.clone(), roll, Wall::of(&context))
        .await
        .map_err(NodeError::P2p)?;
    let epoch_length = NonZeroU64::new(genesis.epoch_length)
        .ok_or(NodeError::Start(StartError::EpochLength(0)))?;
    let parts = Parts {
        ledger: opened.ledger.clone(),
        work,
        partitions: String::new(),
        node_key: opened.node_signer.public_key(),
        voting_keys: opened.voting_keys.clone(),
        settings: Settings { epoch_length },
        blocker: network.oracle.clone(),
        peers: network.oracle,
        track: network.track,
        connected: network.connected,
        status: opened.status.clone(),
        wall: Wall::of(&context),
    };
    let starting = start(steady.child("consensus"), parts, network.channels);
    let mut consensus = Box::pin(starting).await.map_err(NodeError::Start)?;
    let socket = directory.join("rpc.sock");
    let server = rpc::serve(&socket, opened.ledger.clone(), opened.status.clone())
        .map_err(NodeError::Rpc)?;
    if let Some(ready) = ready.take() {
        ready(Ports { p2p: config.listen, rpc: socket });
    }
    let mut p2p_task = network.task;
    // Every branch only waits.
    let outcome = select! {
        () = shutdown => Ok(Outcome::Shutdown),
        ended = &mut consensus.epochs => Err(ended_error(ended)),
        _ = &mut p2p_task => Err(NodeError::Ended("the p2p network")),
    };
    // Requests first, so that nobody is promised what is not stored.
    drop(server);
    end(context, consensus).await;
    outcome
}

/// Ends consensus: nothing of it runs when this returns.
async fn end(context: runtime::Context, consensus: Consensus) {
    if context.stop(0, Some(END_TIMEOUT)).await.is_err() {
        tracing::warn!("not all tasks ended in time");
    }
    drop(consensus);
}

fn ended_error(ended: Result<Result<(), EpochError>, commonware_runtime::Error>) -> NodeError {
    match ended {
        Ok(Err(error)) => NodeError::Epochs(error),
        Ok(Ok(())) | Err(_) => NodeError::Ended("consensus"),
    }
}

fn open(directory: &Path, ledger: Option<NodeLedger>) -> Result<Opened, NodeError> {
    let files = directory.join("files");
    let config = NodeConfig::load(&files.join("node.toml")).map_err(NodeError::Config)?;
    let path = files.join("genesis.json");
    let bytes = fs::read(&path).map_err(|source| NodeError::File { path, source })?;
    let genesis = Genesis::parse(&bytes).map_err(NodeError::Genesis)?;
    let vault = Vault::open(&config.vault)
        .map_err(|source| NodeError::Key { id: config.vault.display().to_string(), source })?;
    let node_signer = signer(&vault, &config.node_key)?;
    let voting_keys = config
        .consensus_keys
        .iter()
        .map(|id| voting_key(&vault, id))
        .collect::<Result<Vec<_>, _>>()?;
    let validators = genesis.validators().map(Into::into).collect::<Vec<_>>();
    if seated(validators.clone()).len() < validators.len() {
        return Err(NodeError::ValidatorKeys);
    }
    let data = directory.join("data");
    fs::create_dir_all(&data).map_err(|source| NodeError::File { path: data.clone(), source })?;
    let ledger = match ledger {
        Some(ledger) => ledger,
        None => ledger::open(&data.join("ledger.redb"), &genesis).map_err(NodeError::Ledger)?,
    };
    let (tip, genesis_hash) = (ledger.tip(), ledger.genesis().hash());
    let peers = peers(&ledger, genesis.epoch_length).map_err(NodeError::Roster)?;
    let identity = Identity {
        node_key: key_bytes(&node_signer.public_key()),
        consensus_key: first_key(&voting_keys),
        genesis_hash,
        chain_id: genesis.chain_id,
        validators: validators.iter().map(|one| one.node_key).collect(),
    };
    let tip = StatusTip { number: tip.number, hash: tip.hash, timestamp_ms: tip.timestamp_ms };
    let status = StatusBoard::new(identity, tip);
    Ok(Opened { config, genesis, genesis_hash, node_signer, voting_keys, peers, ledger, status })
}

/// Whom p2p has to have room for: who is named now, and who votes until the epoch is over.
fn peers(ledger: &NodeLedger, epoch_length: u64) -> Result<Peers, LedgerError> {
    let epoch = ledger.tip().number.saturating_add(1) / epoch_length.max(1);
    let committee = ledger.committee(epoch)?.map(|kept| kept.seats).unwrap_or_default();
    let committee: Vec<_> =
        committee.iter().filter_map(|seat| public_key(&seat.node_key.0)).collect();
    Ok(Peers::new(&committee, &ledger.roster()?, Standing::Behind))
}

fn key_id(id: &str) -> Result<KeyId, NodeError> {
    id.parse().map_err(|_invalid| NodeError::KeyId(id.to_owned()))
}

fn signer(vault: &Vault, id: &str) -> Result<HandleSigner, NodeError> {
    let handle = vault
        .ed25519(&key_id(id)?)
        .map_err(|source| NodeError::Key { id: id.to_owned(), source })?;
    HandleSigner::new(handle).ok_or_else(|| NodeError::NoKey(id.to_owned()))
}

fn voting_key(vault: &Vault, id: &str) -> Result<VotingKey, NodeError> {
    let marker = vault
        .voting_record(&key_id(id)?)
        .map_err(|source| NodeError::Key { id: id.to_owned(), source })?;
    Ok(VotingKey { signer: signer(vault, id)?, marker: Arc::new(marker) })
}

/// The voting key that the status shows: the newest.
fn first_key(keys: &[VotingKey]) -> B256 {
    keys.first().map_or(B256::ZERO, |key| key_bytes(&key.signer.public_key()))
}
