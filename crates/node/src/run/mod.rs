//! A node, from its directory to its end.
//!
//! The directory holds `files/genesis.json` and `files/node.toml` (written by the engine), `data/`
//! (the ledger and consensus' journals) and, while the node runs, `rpc.sock`. Whoever calls [`run`]
//! holds the directory's lock already, so nobody else uses the keys. After a recovery it also holds
//! what `data/` was before ([`succession`]).
//!
//! Threads: one for consensus and p2p, two for the ledger's calls, one for the journals, those of the RPC
//! server, and the runtime's few for files.

mod error;
pub(crate) mod identity;
mod joining;
mod journals;
mod keys;
mod repair;

use std::{
    fs,
    net::SocketAddr,
    num::NonZeroU64,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use alloy_primitives::B256;
use commonware_cryptography::{Signer as _, ed25519::PublicKey};
use commonware_macros::select;
use commonware_runtime::{Metrics as _, Runner, Spawner, Supervisor, tokio as runtime};
use windlass_chain::{genesis::Genesis, governance::seated};
use windlass_keys::vault::{Vault, VotesIn};

pub use self::error::NodeError;
#[cfg(test)]
pub(crate) use self::joining::carry_over;
use self::{
    identity::{GoingBy, Patience},
    keys::{first_key, signers, voting_keys},
};
use crate::{
    config::{NodeConfig, SyncMode},
    consensus::{
        Consensus, Parts, Settings, StartError,
        epochs::EpochError,
        exchange::key_bytes,
        marker::VotingKey,
        marshal,
        peers::{Electorate, Peers, Standing, Tenure},
        signer::HandleSigner,
        start,
        steady::{Steadied, Steady, Wall},
        work::Work,
    },
    disk::DiskBudget,
    journals::{Drawer, Journals},
    ledger::{self, NodeLedger, States},
    p2p::{self, ColdStart, Roll},
    rpc,
    seam::{Ledger as _, LedgerError},
    status::{Identity, StatusBoard, StatusTip},
    succession,
    sync::JoinError,
};

/// How many threads make the ledger's calls: one executes, one reads meanwhile.
const WORK_THREADS: usize = 2;
/// Joining, and serving who joins, leave the processor to everything else.
const BESIDE_NICENESS: i32 = 10;
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

/// Everything that is opened before the runtime starts.
struct Opened {
    config: NodeConfig,
    genesis: Genesis,
    genesis_hash: B256,
    /// The identity that it goes by, and those that it can have instead.
    node_signer: HandleSigner,
    others: Vec<PublicKey>,
    voting_keys: Vec<VotingKey>,
    peers: Peers,
    ledger: NodeLedger,
    drawer: Arc<Drawer>,
    status: StatusBoard,
}

/// Asked in a panic hook: whether the panic will be caught and become an error.
pub fn contains_panic() -> bool {
    windlass_chain::contain::is_contained()
}

/// Runs the node in a directory until it is told to end, or fails.
pub fn run(directory: &Path, hooks: Hooks) -> Result<Outcome, NodeError> {
    let Hooks { ready, mut shutdown } = hooks;
    let mut ready = Some(ready);
    let config = NodeConfig::load(&directory.join("files").join("node.toml"));
    let config = config.map_err(NodeError::Config)?;
    repair::catch_up(directory, config.repairs)
        .map_err(|source| NodeError::File { path: directory.to_owned(), source })?;
    // Threads may still read it when p2p is opened anew, and a file is opened once only.
    let mut ledger = None;
    let mut drawer = None;
    let mut mode = None;
    let mut going_by = GoingBy::default();
    loop {
        let opened = open(directory, (ledger, drawer), going_by.forced.as_ref())?;
        if mode.is_none() {
            joining::tidy(directory, opened.ledger.tip().number)?;
        }
        ledger = Some(opened.ledger.clone());
        drawer = Some(Arc::clone(&opened.drawer));
        let others = opened.others.clone();
        let now = mode.unwrap_or(Mode::Consensus(opened.config.sync));
        let ended =
            run_once(directory, (opened, going_by.patience), now, (&mut ready, &mut shutdown));
        mode = Some(match ended {
            Err(NodeError::Epochs(EpochError::Outgrown)) => {
                tracing::info!("the network has grown: p2p is opened anew, for more nodes");
                now
            }
            Err(
                NodeError::Epochs(EpochError::OtherIdentity(key))
                | NodeError::Start(StartError::Epoch(EpochError::OtherIdentity(key))),
            ) => {
                tracing::info!(node_key = %key_bytes(&key), "the epoch has this node by another key");
                going_by = GoingBy::sure(*key);
                now
            }
            Ok(Ended::Alone) => {
                tracing::warn!("nobody lets this node in: trying its other node key");
                going_by = going_by.tries(others.into_iter().next());
                now
            }
            Err(NodeError::Epochs(EpochError::FarBehind { claimed })) => {
                tracing::info!(claimed, "far behind: the peers' state is taken");
                Mode::Join
            }
            Err(NodeError::Join(JoinError::Nobody)) => {
                tracing::warn!("no peer serves its state: going on block by block");
                Mode::Consensus(SyncMode::Full)
            }
            Err(NodeError::Join(error @ JoinError::Store(_))) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "going on block by block with the ledger that is there");
                joining::remove_import(directory)?;
                Mode::Consensus(SyncMode::Full)
            }
            Ok(Ended::Joined) => {
                joining::replace_ledger(directory, ledger.take())?;
                Mode::Consensus(SyncMode::Fast)
            }
            Ok(Ended::Shutdown) => return Ok(Outcome::Shutdown),
            Err(error) => return Err(error),
        });
    }
}

/// What a process does for a while.
#[derive(Clone, Copy)]
enum Mode {
    /// It takes part; if it is far behind, this is how it catches up.
    Consensus(SyncMode),
    /// It makes a ledger from its peers' state.
    Join,
}

/// How that ended well.
enum Ended {
    Shutdown,
    /// The ledger is made.
    Joined,
    /// Nobody lets it in by the identity that it goes by, and it has another one.
    Alone,
}

/// Told once where the node is reached.
type Ready = Option<Box<dyn FnOnce(Ports) + Send>>;
/// Resolves when the node is to end.
type Shutdown = Pin<Box<dyn Future<Output = ()> + Send>>;

fn run_once(
    directory: &Path,
    (mut opened, patience): (Opened, Patience),
    mode: Mode,
    (ready, shutdown): (&mut Ready, &mut Shutdown),
) -> Result<Ended, NodeError> {
    let settings = runtime::Config::new()
        .with_worker_threads(1)
        .with_max_blocking_threads(FILE_THREADS)
        .with_thread_stack_size(STACK_BYTES)
        .with_tcp_nodelay(Some(true))
        .with_storage_directory(journals::files(directory));
    let directory = directory.to_owned();
    runtime::Runner::new(settings).start(|context| async move {
        match mode {
            Mode::Consensus(sync) => {
                opened.config.sync = sync;
                let opened = (opened, patience);
                Box::pin(live(context, directory, opened, ready, shutdown)).await
            }
            Mode::Join => {
                Box::pin(joining::join(context, directory, opened, ready, shutdown)).await
            }
        }
    })
}

async fn live(
    context: runtime::Context,
    directory: PathBuf,
    (opened, patience): (Opened, Patience),
    ready: &mut Ready,
    shutdown: &mut Shutdown,
) -> Result<Ended, NodeError> {
    let steady = Steadied::new(context.child("steady"), Steady::of_the_system(&context));
    let network = open_network(&context, &steady, &opened).await?;
    let threads = |name, count, niceness| {
        Work::threads(name, count, niceness)
            .map_err(|source| NodeError::File { path: directory.clone(), source })
    };
    let epoch_length = NonZeroU64::new(opened.genesis.epoch_length)
        .ok_or(NodeError::Start(StartError::EpochLength(0)))?;
    let far_behind = (opened.config.sync == SyncMode::Fast).then_some(opened.config.far_behind);
    let parts = Parts {
        ledger: opened.ledger.clone(),
        work: threads("ledger", WORK_THREADS, 0)?,
        serving: threads("state", 1, BESIDE_NICENESS)?,
        partitions: String::new(),
        node_key: opened.node_signer.public_key(),
        other_node_keys: opened.others.clone(),
        voting_keys: opened.voting_keys.clone(),
        settings: Settings { epoch_length, far_behind },
        blocker: network.oracle.clone(),
        peers: network.oracle,
        track: network.track,
        connected: network.connected,
        status: opened.status.clone(),
        wall: Wall::of(&context),
    };
    let journals = Journals::new(context.child("files"), Arc::clone(&opened.drawer))
        .unhurried(marshal::partitions(""));
    let consensus = steady.child("consensus").with_storage(journals);
    let starting = start(consensus, parts, network.channels);
    let mut consensus = Box::pin(starting).await.map_err(NodeError::Start)?;
    let server = serve(&directory, &context, &opened, ready)?;
    let mut p2p_task = network.task;
    let alone = async {
        match opened.others.as_slice() {
            [] => std::future::pending().await,
            [..] => patience.ends(&context, &opened.status).await,
        }
    };
    // Every branch only waits.
    let outcome = select! {
        () = shutdown => Ok(Ended::Shutdown),
        () = alone => Ok(Ended::Alone),
        ended = &mut consensus.epochs => Err(ended_error(ended)),
        error = opened.drawer.failure() => Err(NodeError::Journals(error)),
        error = opened.ledger.failure() => Err(NodeError::Table(error)),
        _ = &mut p2p_task => Err(NodeError::Ended("the p2p network")),
    };
    // Requests first, so that nobody is promised what is not stored.
    drop(server);
    end(context, consensus).await;
    outcome
}

async fn open_network(
    context: &runtime::Context,
    steady: &Steadied<runtime::Context>,
    opened: &Opened,
) -> Result<p2p::Network<Steadied<runtime::Context>>, NodeError> {
    let Opened { config, genesis, genesis_hash, .. } = opened;
    let cold = if opened.ledger.tip().number == 0 { ColdStart::Yes } else { ColdStart::No };
    // The network's own listener only says that it ended; find out why beforehand.
    std::net::TcpListener::bind(config.listen)
        .map_err(|source| NodeError::Listen { address: config.listen, source })?;
    let roll = Roll {
        genesis: *genesis_hash,
        first: genesis.validators().map(|one| one.node_key).collect(),
        founders: identity::founders(&opened.ledger, genesis).map_err(NodeError::Roster)?,
        now: opened.peers.clone(),
        start: cold,
    };
    let (signer, wall) = (opened.node_signer.clone(), Wall::of(context));
    let told = (wall, opened.status.diagnosis().clone());
    p2p::open(steady, config, signer, roll, told).await.map_err(NodeError::P2p)
}

/// Serves JSON-RPC, and tells the caller once where the node is reached.
fn serve(
    directory: &Path,
    context: &runtime::Context,
    opened: &Opened,
    ready: &mut Ready,
) -> Result<rpc::RpcServer, NodeError> {
    let socket = directory.join("rpc.sock");
    let measures = context.child("measures");
    let measure: rpc::Measure = Arc::new(move || p2p::measurements(&measures.encode()));
    let limit_bytes = u64::from(opened.config.disk_mib) << 20;
    let disk = (limit_bytes > 0).then(|| DiskBudget::new(directory, limit_bytes));
    let beside = rpc::Beside { network: Some(measure), disk };
    let server = rpc::serve(&socket, opened.ledger.clone(), opened.status.clone(), beside)
        .map_err(NodeError::Rpc)?;
    if let Some(ready) = ready.take() {
        ready(Ports { p2p: opened.config.listen, rpc: socket });
    }
    Ok(server)
}

fn ledger_file(directory: &Path) -> PathBuf {
    directory.join("data").join(ledger::FILE)
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

fn open(
    directory: &Path,
    (ledger, drawer): (Option<NodeLedger>, Option<Arc<Drawer>>),
    forced: Option<&PublicKey>,
) -> Result<Opened, NodeError> {
    let files = directory.join("files");
    let config = NodeConfig::load(&files.join("node.toml")).map_err(NodeError::Config)?;
    let path = files.join("genesis.json");
    let bytes = fs::read(&path).map_err(|source| NodeError::File { path, source })?;
    let genesis = Genesis::parse(&bytes).map_err(NodeError::Genesis)?;
    let vault = Vault::open(&config.vault)
        .map_err(|source| NodeError::Key { id: config.vault.display().to_string(), source })?;
    let signers = signers(&vault, &config.node_key, config.next_node_key.as_deref())?;
    let votes_in = match &genesis.predecessor {
        Some(_) => VotesIn::Successor(genesis.hash().0),
        None => VotesIn::First,
    };
    let voting_keys = voting_keys(&vault, &config.consensus_keys, votes_in)?;
    let validators = genesis.validators().map(Into::into).collect::<Vec<_>>();
    // What members voted in once, whatever bytes these are, is in a document that follows.
    let (_, without_seat) = seated(validators.clone());
    if !without_seat.is_empty() && genesis.predecessor.is_none() {
        return Err(NodeError::ValidatorKeys);
    }
    let ledger = match ledger {
        Some(ledger) => ledger,
        None => open_ledger(directory, &config, &genesis)?,
    };
    let drawer = drawer.map_or_else(|| journals::open(directory), Ok)?;
    let (tip, genesis_hash) = (ledger.tip(), ledger.genesis().hash());
    let peers = peers(&ledger, genesis.epoch_length).map_err(NodeError::Roster)?;
    let (node_signer, others) = identity::chosen(&ledger, genesis.epoch_length, signers, forced)
        .map_err(NodeError::Roster)?;
    let identity = Identity {
        node_key: key_bytes(&node_signer.public_key()),
        consensus_key: first_key(&voting_keys),
        genesis_hash,
        chain_id: genesis.chain_id,
        validators: validators.iter().map(|one| one.node_key).collect(),
    };
    let tip = StatusTip { number: tip.number, hash: tip.hash, timestamp_ms: tip.timestamp_ms };
    let status = StatusBoard::new(identity, tip);
    Ok(Opened {
        config,
        genesis,
        genesis_hash,
        node_signer,
        others,
        voting_keys,
        peers,
        ledger,
        drawer,
        status,
    })
}

fn open_ledger(
    directory: &Path,
    config: &NodeConfig,
    genesis: &Genesis,
) -> Result<NodeLedger, NodeError> {
    succession::prepare(directory, config.export.as_deref(), genesis)
        .map_err(NodeError::Succession)?;
    let data = directory.join("data");
    fs::create_dir_all(&data).map_err(|source| NodeError::File { path: data.clone(), source })?;
    let states = if config.archive { States::All } else { States::Recent };
    ledger::open(&ledger_file(directory), genesis, states).map_err(NodeError::Ledger)
}

/// Whom p2p has to have room for: who is named now, and who votes until the epoch is over, or voted in
/// the one before.
fn peers(ledger: &NodeLedger, epoch_length: u64) -> Result<Peers, LedgerError> {
    let epoch = identity::epoch_above(ledger.tip().number, epoch_length);
    let electorate = |of: u64| {
        let voting = identity::electorate(ledger, of, epoch_length)?;
        let tenure = if of < epoch { Tenure::JustOver } else { Tenure::Now };
        Ok(Electorate { tenure, ..voting })
    };
    let epochs: Result<Vec<_>, LedgerError> =
        (epoch.saturating_sub(1)..=epoch).map(electorate).collect();
    Peers::read(ledger, &epochs?, Standing::Behind)
}
