//! The processes of simulated nodes: started, killed, and what one goes on with where it ends by
//! itself, as `run` has it for a real one.

use std::sync::{Arc, Mutex};

use commonware_macros::select;
use commonware_runtime::{Handle, Quota, Spawner as _, Supervisor as _};
use commonware_utils::NZU32;
use rand_core::Rng as _;

use super::{life::Life, machine::Machine, network::Network, surroundings::Local};
use crate::{
    consensus::{
        Settings,
        epochs::EpochError,
        marshal,
        steady::{Steadied, Steady, Wall},
    },
    journals::{Drawer, Journals},
    seam::Ledger as _,
    sync::{JoinError, Joiner},
};

/// Messages a second and peer.
pub(crate) const QUOTA: Quota = Quota::per_second(NZU32!(512));
/// The channels: that of votes, of blocks, of tips, of transactions and of the state, and how many there
/// are.
pub(crate) const VOTES: u64 = 0;
pub(crate) const BLOCKS: u64 = 3;
pub(crate) const TIPS: u64 = 5;
pub(crate) const TRANSACTIONS: u64 = 6;
pub(crate) const STATE: u64 = 7;
pub(crate) const CHANNELS: u64 = 8;

/// What is said where journals do not open although the power has not failed meanwhile.
pub(crate) const NO_JOURNALS: &str = "a crash leaves journals";
/// What is said where consensus ends by itself.
pub(crate) const ENDED: &str = "consensus ended";

/// A node's process. A new one is dead.
#[derive(Default)]
pub(crate) struct Process {
    /// It ends by itself only when its disk fails, or to go on in another way.
    running: Option<Handle<()>>,
    ended: Noted,
}

/// To what a process has come by itself, once it has.
type Noted = Arc<Mutex<Option<Ended>>>;

/// To what a process comes by itself.
#[derive(Clone, Copy)]
enum Ended {
    /// Its peers are far ahead: it takes their state.
    FarBehind,
    /// It has taken it.
    Joined,
    /// Nobody gave any: it goes on block by block.
    Alone,
}

impl Process {
    pub(crate) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Notes to what it has come.
    fn note(ended: &Mutex<Option<Ended>>, what: Ended) {
        *ended.lock().expect("no test panics here") = Some(what);
    }
}

impl<M: Machine> Network<M> {
    /// Starts a node's process; it ends at once if its disk is full.
    pub(crate) async fn start(&mut self, index: usize) {
        let validator = &mut self.validators[index];
        let Some(ledger) = validator.machine.boot() else {
            return validator.machine.crash(|| self.context.next_u64());
        };
        validator.ledger = ledger;
        let far_behind = validator.far_behind;
        self.take_part(index, far_behind).await;
    }

    pub(crate) async fn start_all(&mut self) {
        for index in 0..self.validators.len() {
            if !self.validators[index].process.is_running() {
                self.start(index).await;
            }
        }
    }

    pub(crate) async fn kill(&mut self, index: usize) {
        let validator = &mut self.validators[index];
        let process = std::mem::take(&mut validator.process);
        let running = process.running.expect("it runs");
        running.abort();
        let _aborted = running.await;
        validator.machine.crash(|| self.context.next_u64());
        self.go(index);
    }

    /// Has nodes go on whose processes have ended to do so.
    pub(crate) async fn turn(&mut self) {
        for index in 0..self.validators.len() {
            let validator = &mut self.validators[index];
            let ended = validator.process.ended.lock().expect("no test panics here").take();
            let far_behind = validator.far_behind;
            match ended {
                None => {}
                Some(Ended::FarBehind) => self.join(index).await,
                Some(Ended::Alone) => self.take_part(index, None).await,
                Some(Ended::Joined) => {
                    self.joins += 1;
                    let booted = validator.machine.adopt(&validator.ledger);
                    // Otherwise its power has failed, and it waits to be killed.
                    if let Some(ledger) = booted {
                        validator.ledger = ledger;
                        self.take_part(index, far_behind).await;
                    }
                }
            }
        }
    }

    /// Has a node take part in consensus, with the ledger that it has.
    async fn take_part(&mut self, index: usize, far_behind: Option<u64>) {
        let (context, wall) = self.surroundings(index);
        let life = self.life(index, far_behind, wall);
        let key = life.known();
        let channels = life.channels(&key).await;
        life.come(&key);
        let validator = &mut self.validators[index];
        let (excuse, ended) = (validator.machine.excuse(), Noted::default());
        let told = Arc::clone(&ended);
        let drawer = validator.machine.journals().open();
        let drawer = drawer.and_then(|store| Drawer::open(store, life.work.clone()));
        let running = context.spawn(move |context| async move {
            let drawer = match drawer {
                Ok(drawer) => drawer,
                Err(error) => return assert!(excuse(), "{NO_JOURNALS}: {error:?}"),
            };
            let journals = Journals::new(context.child("files"), Arc::clone(&drawer))
                .unhurried(marshal::partitions(&life.partitions));
            let context = context.with_storage(journals);
            // Both branches only wait.
            select! {
                ended = life.run(context, (key, channels)) => match ended {
                    Ok(EpochError::FarBehind { .. }) => Process::note(&told, Ended::FarBehind),
                    failed => assert!(excuse(), "{ENDED}: {failed:?}"),
                },
                error = drawer.failure() => assert!(excuse(), "the journals failed: {error:?}"),
            }
        });
        validator.process = Process { running: Some(running), ended };
    }

    /// Has a node make a ledger from the others' state, beside the one that it has.
    async fn join(&mut self, index: usize) {
        let (context, wall) = self.surroundings(index);
        let life = self.life(index, None, wall);
        let key = life.known();
        let (sender, receiver) = life.channels(&key).await.state;
        let (blocker, connected) = (self.oracle.control(key.clone()), life.connected(&key));
        let validator = &mut self.validators[index];
        let beyond = validator.ledger.tip().number;
        let (work, status) = (life.work.clone(), validator.board());
        let open = validator.machine.importer(beyond);
        let (excuse, ended) = (validator.machine.excuse(), Noted::default());
        let told = Arc::clone(&ended);
        let running = context.spawn(move |context| async move {
            let joiner = Joiner { context, work, open, sender, blocker, connected, status };
            match Box::pin(joiner.run(receiver)).await {
                Ok(()) => Process::note(&told, Ended::Joined),
                Err(JoinError::Nobody) => Process::note(&told, Ended::Alone),
                Err(error) => assert!(excuse(), "the join ended: {error:?}"),
            }
        });
        validator.process = Process { running: Some(running), ended };
    }

    fn life(&self, index: usize, far_behind: Option<u64>, wall: Wall) -> Life<M::Ledger> {
        let validator = &self.validators[index];
        Life {
            ledger: validator.ledger.clone(),
            work: validator.oddities.work(&self.context),
            partitions: validator.partitions(index),
            keys: validator.keys(),
            plotter: validator.machine.plotter(),
            voting_keys: validator.voting_keys.clone(),
            settings: Settings { far_behind, ..self.settings },
            status: Arc::clone(&validator.status),
            wall,
            weather: validator.weather.clone(),
            oracle: self.oracle.clone(),
            reach: Arc::clone(&self.reach),
            wires: self.context.child("wires"),
        }
    }

    /// What a process lives in: its context, and the time of day.
    fn surroundings(&mut self, index: usize) -> (Steadied<Local>, Wall) {
        self.starts += 1;
        let context = self
            .context
            .child("validator")
            .with_attribute("index", index)
            .with_attribute("start", self.starts);
        let oddities = &self.validators[index].oddities;
        let context = Local::new(context, oddities.clone());
        let wall = Wall::of(&context);
        let steady = Steady::new(&context, oddities.steady(&self.context));
        (Steadied::new(context, steady), wall)
    }
}
