//! Everything outside of the control plane, behind traits: what runs workloads, who holds keys, the
//! wire to nodes and gateway, free ports, the clock, randomness.
//!
//! `cli` builds a [`World`] of the real things; tests build one that fails, repeats and crashes on
//! command. Nothing else in this crate touches the machine.

mod deadline;
mod keys;
mod machine;
mod wire;

use std::{collections::BTreeMap, fmt, sync::Arc};

use futures::future::BoxFuture;
use windlass_engine::Engine;
use windlass_model::spec::EngineName;
use windlass_substrate::Substrate;

pub use deadline::Deadlines;
pub use keys::{KeyHolder, VaultKeys};
pub use machine::{LoopbackPorts, MachineClock, MachineEntropy};
pub use wire::{HttpWire, Message, Reply, Target, Wire, WireError};
pub(crate) use wire::{RpcError, rpc, rpc_first};

/// Tells the time. Times are stamped on facts and decide when something is tried again.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Unix milliseconds.
    fn now_ms(&self) -> u64;
}

/// Gives randomness.
pub trait Entropy: fmt::Debug + Send + Sync {
    /// Fills the buffer with bytes that nobody can guess.
    fn fill(&self, buffer: &mut [u8]);
}

/// Offers TCP ports of the loopback interface that nobody listens on.
pub trait PortOffer: fmt::Debug + Send + Sync {
    /// As many different ports as asked for; fewer if the machine has no more.
    fn offer(&self, count: usize) -> Vec<u16>;
}

/// Whether a point of the program is passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// The program goes on.
    Go,
    /// The program is as good as killed here: this point is never passed.
    Never,
}

/// Numbered points around every commit, at which a test kills the control plane.
pub trait Points: fmt::Debug + Send + Sync {
    /// Called when a point is reached.
    fn reach(&self, when: &'static str, name: &'static str) -> Passage;

    /// Called when the store begins to wait for its own threads; what is answered is dropped when it
    /// does so no more. A test whose clock goes on when the runtime has nothing to do holds it by this.
    fn working(&self) -> Working {
        None
    }

    /// How many may read the store at once. Each reader has a thread, and compiles its own statements.
    fn readers(&self) -> u32 {
        4
    }
}

/// Held as long as somebody waits for threads beside the runtime.
pub type Working = Option<Box<dyn fmt::Debug + Send + Sync>>;

/// Production: every point is passed.
#[derive(Clone, Copy, Debug, Default)]
pub struct EveryPointPassed;

impl Points for EveryPointPassed {
    fn reach(&self, _when: &'static str, _name: &'static str) -> Passage {
        Passage::Go
    }
}

/// Passes a point, or waits for the end of the program.
pub(crate) async fn pass(points: &dyn Points, when: &'static str, name: &'static str) {
    match points.reach(when, name) {
        Passage::Go => {}
        Passage::Never => std::future::pending().await,
    }
}

/// The engines that networks can have.
#[derive(Clone, Debug, Default)]
pub struct Engines(BTreeMap<String, Arc<dyn Engine>>);

impl Engines {
    /// These engines.
    pub fn new(engines: impl IntoIterator<Item = Arc<dyn Engine>>) -> Self {
        let named = engines.into_iter().map(|engine| (key(engine.name()), engine));
        Self(named.collect())
    }

    /// The engine of this name, if the platform has it.
    pub fn get(&self, name: EngineName) -> Option<&Arc<dyn Engine>> {
        self.0.get(&key(name))
    }
}

fn key(name: EngineName) -> String {
    match name {
        EngineName::Windlass => "windlass".to_owned(),
    }
}

/// Everything outside of the control plane.
#[derive(Clone)]
pub struct World {
    /// What runs workloads.
    pub substrate: Arc<dyn Substrate>,
    /// The engines that networks can have.
    pub engines: Engines,
    /// Who holds the private keys.
    pub keys: Arc<dyn KeyHolder>,
    /// How nodes and the gateway are spoken with.
    pub wire: Arc<dyn Wire>,
    /// Where free ports come from.
    pub ports: Arc<dyn PortOffer>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Where tests kill the control plane.
    pub points: Arc<dyn Points>,
}

impl World {
    /// This machine: a substrate, its engines and a software vault, and the real rest.
    pub fn machine(
        substrate: Arc<dyn Substrate>,
        engines: Engines,
        vault: Arc<windlass_keys::vault::Vault>,
    ) -> Self {
        Self {
            substrate,
            engines,
            keys: Arc::new(VaultKeys::new(vault)),
            wire: Arc::new(HttpWire),
            ports: Arc::new(LoopbackPorts),
            clock: Arc::new(MachineClock),
            entropy: Arc::new(MachineEntropy),
            points: Arc::new(EveryPointPassed),
        }
    }

    /// Random bytes.
    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// Unix milliseconds.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("engines", &self.engines).finish_non_exhaustive()
    }
}

/// What the traits of this module answer with.
pub type Pending<'a, T> = BoxFuture<'a, T>;
