//! What nodes say of themselves, in memory: one long poll a running node.
//!
//! A poll is answered when something has changed, so nothing is asked twice and an idle network
//! costs one exchange in 25 seconds a node. What is heard goes to three places: to the reconciler,
//! woken while an operation waits for it; to live subscribers, as ticks that are not stored; and
//! into what the API shows. Nothing is written: a block is not a database write.

mod beat;
mod health;
mod poll;

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use tokio::sync::broadcast;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use windlass_engine::NodeReport;
use windlass_model::{
    NetworkId, NodeId, OrganizationId, WorkloadId,
    network::{BlockRef, Health, Intent, NetworkState, Reason},
};
use windlass_substrate::{Instance, Running};

pub(crate) use self::health::quorum;
use crate::{
    meter::Meter,
    network::{Observation, Wakes},
    store::rows::{NetworkRow, Rank, Standing},
    world::{Target, World},
};

/// How many ticks a slow subscriber may miss before it is told so.
const TICKS: usize = 1024;
/// A process that has answered, and then leaves so many questions in a row unanswered for so long,
/// hangs: it is ended and started again. A question waits for seconds, so a busy machine is no hang.
pub(crate) const HANGS_AFTER_MS: u64 = 30_000;
const HANGS_AFTER_QUESTIONS: u32 = 3;

/// What one node says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LiveNode {
    /// Its process, as the substrate reported it last.
    pub(crate) process: Option<Running>,
    pub(crate) report: Option<NodeReport>,
    pub(crate) answered_at_ms: Option<u64>,
    /// It doesn't answer although it runs.
    pub(crate) silence: Option<Silence>,
    pub(crate) resident_bytes: Option<u64>,
}

/// A process does not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Silence {
    pub(crate) why: String,
    /// When it first didn't.
    pub(crate) since_ms: u64,
    /// How many questions in a row it has left unanswered.
    pub(crate) questions: u32,
}

impl LiveNode {
    /// What this process has said last, if it answers.
    pub(crate) fn report_of(&self, running: &Running) -> Option<&NodeReport> {
        self.report.as_ref().filter(|_| self.is_of(running) && self.silence.is_none())
    }

    /// Whether this is what that process says.
    pub(crate) fn is_of(&self, running: &Running) -> bool {
        self.process.as_ref().is_some_and(|process| {
            (process.pid, process.start_time_ticks) == (running.pid, running.start_time_ticks)
        })
    }

    /// Whether its process is one that has answered, and hangs.
    pub(crate) fn hangs(&self, now_ms: u64) -> bool {
        let long = |silence: &Silence| {
            silence.questions >= HANGS_AFTER_QUESTIONS
                && now_ms.saturating_sub(silence.since_ms) >= HANGS_AFTER_MS
        };
        self.answered_at_ms.is_some() && self.silence.as_ref().is_some_and(long)
    }

    /// What it says, if it answers.
    pub(crate) fn answer(&self) -> Option<&NodeReport> {
        self.process.as_ref().and_then(|running| self.report_of(running))
    }
}

/// How a network does, by what its nodes say.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LiveNetwork {
    pub(crate) health: Health,
    pub(crate) reason: Option<Reason>,
    /// The newest block that a quorum reported.
    pub(crate) tip: Option<BlockRef>,
    pub(crate) answered_at_ms: Option<u64>,
    /// How many validators vote now.
    pub(crate) validators: Option<u32>,
    pub(crate) nodes: BTreeMap<NodeId, LiveNode>,
}

/// Something that subscribers see and nobody stores.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) organization: OrganizationId,
    pub(crate) network: NetworkId,
    /// The new tip; `None` if something else about the network is new.
    pub(crate) tip: Option<BlockRef>,
    pub(crate) at_ms: u64,
}

/// Listens to nodes. Clones share what was heard.
#[derive(Clone, Debug)]
pub(crate) struct Monitor {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    watched: Mutex<BTreeMap<NetworkId, Watched>>,
    /// Why a network's passes come to nothing: what a store that takes nothing can't be told.
    stuck: Mutex<BTreeMap<NetworkId, Reason>>,
    ticks: broadcast::Sender<Tick>,
    tasks: OnceLock<(TaskTracker, CancellationToken)>,
    world: World,
    wakes: Arc<Wakes>,
    meter: Arc<Meter>,
}

/// A network that is listened to.
#[derive(Debug)]
struct Watched {
    organization: OrganizationId,
    intent: Intent,
    state: NetworkState,
    /// The hash of its genesis, once it has one; another one after a recovery.
    genesis: Option<String>,
    /// An operation waits for what nodes say.
    busy: bool,
    /// What the rows say of the nodes.
    known: BTreeMap<NodeId, Known>,
    polls: BTreeMap<NodeId, (Target, CancellationToken)>,
    live: LiveNetwork,
}

/// What the rows say of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) name: String,
    /// What it is to the members and whether it has all blocks, as it said last.
    pub(crate) rank: Rank,
}

impl Monitor {
    /// Listens to nobody yet.
    pub(crate) fn new(world: World, wakes: Arc<Wakes>, meter: Arc<Meter>) -> Self {
        let (ticks, tasks) = (broadcast::channel(TICKS).0, OnceLock::new());
        let (watched, stuck) = (Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { watched, stuck, ticks, tasks, world, wakes, meter }) }
    }

    /// Notes why a network's passes come to nothing, or that they don't any more.
    pub(crate) fn note_stuck(
        &self,
        organization: &OrganizationId,
        network: &NetworkId,
        reason: Option<Reason>,
    ) {
        let mut stuck = self.shared.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        let message = |reason: &Reason| (reason.code, reason.message.clone());
        if stuck.get(network).map(message) == reason.as_ref().map(message) {
            return;
        }
        match reason {
            Some(reason) => stuck.insert(network.clone(), reason),
            None => stuck.remove(network),
        };
        drop(stuck);
        let at_ms = self.shared.world.now_ms();
        let tick =
            Tick { organization: organization.clone(), network: network.clone(), tip: None, at_ms };
        // Nobody needs to listen.
        drop(self.shared.ticks.send(tick));
    }

    /// Why a network's passes come to nothing, if they do.
    pub(crate) fn stuck(&self, network: &NetworkId) -> Option<Reason> {
        let stuck = self.shared.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        stuck.get(network).cloned()
    }

    /// Ticks from now on.
    pub(crate) fn ticks(&self) -> broadcast::Receiver<Tick> {
        self.shared.ticks.subscribe()
    }

    /// Whether no process of a network runs and none is wanted, as the last pass found.
    pub(crate) fn rests(&self, network: &NetworkId) -> bool {
        self.shared.lock().get(network).is_some_and(|watched| {
            watched.intent != Intent::Running
                && watched.live.nodes.values().all(|node| node.process.is_none())
        })
    }

    /// What the nodes of a network say.
    pub(crate) fn nodes(&self, network: &NetworkId) -> BTreeMap<NodeId, LiveNode> {
        self.shared.lock().get(network).map(|one| one.live.nodes.clone()).unwrap_or_default()
    }

    /// How a network does.
    pub(crate) fn network(&self, network: &NetworkId) -> Option<LiveNetwork> {
        self.shared.lock().get(network).map(|watched| watched.live.clone())
    }

    /// Where the nodes answer that are asked for a network, and the height of the first one's tip: who
    /// has the newest comes first, and the others of its rank are there for when it has just gone.
    /// Validators are asked before others: what those have may be of another day.
    pub(crate) fn best_nodes(&self, network: &NetworkId) -> Option<(Vec<Target>, u64)> {
        let networks = self.shared.lock();
        let watched = networks.get(network)?;
        let answering = watched.live.nodes.iter().filter_map(|(id, node)| {
            let height = node.answer()?.tip.number;
            let (target, _) = watched.polls.get(id)?;
            Some((watched.rank(id), height, target))
        });
        let mut nodes: Vec<_> = answering.collect();
        nodes.sort_by_key(|(rank, height, _)| Reverse((*rank, *height)));
        let &(rank, height, _) = nodes.first()?;
        let of_rank = nodes.iter().take_while(|(its, ..)| *its == rank);
        Some((of_rank.map(|(_, _, target)| (*target).clone()).collect(), height))
    }

    /// Where the nodes answer that have the newest block: what they have is all that is final here.
    /// Validators come first.
    pub(crate) fn newest_nodes(&self, network: &NetworkId) -> Vec<Target> {
        let networks = self.shared.lock();
        let Some(watched) = networks.get(network) else { return Vec::new() };
        let answering = watched.live.nodes.iter().filter_map(|(id, node)| {
            let report = node.answer()?;
            let (target, _) = watched.polls.get(id)?;
            Some((report.tip.number, report.seat.is_validator(), target))
        });
        newest(answering).into_iter().cloned().collect()
    }

    /// Where the nodes of a network answer that have a process.
    pub(crate) fn targets(&self, network: &NetworkId) -> BTreeMap<NodeId, Target> {
        let networks = self.shared.lock();
        let polls = networks.get(network).into_iter().flat_map(|watched| &watched.polls);
        polls.map(|(node, (target, _))| (node.clone(), target.clone())).collect()
    }

    /// What a node is to the members: as it says, or as it said last.
    pub(crate) fn standing(&self, network: &NetworkId, node: &NodeId) -> Option<Standing> {
        let networks = self.shared.lock();
        let watched = networks.get(network)?;
        watched.known.contains_key(node).then(|| watched.rank(node).standing)
    }

    /// How many node processes run.
    pub(crate) fn running_nodes(&self) -> u64 {
        let watched = self.shared.lock();
        let nodes = watched.values().flat_map(|one| one.live.nodes.values());
        u64::try_from(nodes.filter(|node| node.process.is_some()).count()).unwrap_or(u64::MAX)
    }

    /// Listens to what was observed to run, and no more to what was not.
    pub(crate) fn attend(&self, observed: &Observation) {
        let network = &observed.record.network;
        for node in &observed.record.nodes {
            match observed.instance(node) {
                Some(instance) if instance.running().is_some() => {
                    self.attend_node(network, &node.id, instance);
                }
                Some(_) | None => self.shared.silence(network, &node.id),
            }
        }
        let known =
            observed.record.nodes.iter().map(|node| {
                (node.id.clone(), Known { name: node.name.clone(), rank: node.rank() })
            });
        self.shared.update(&network.id, self.shared.world.now_ms(), |watched| {
            watched.know(known.collect());
            watched.intent = network.intent;
            watched.state = network.state;
            watched.busy = network.operation.is_some();
            if watched.genesis != network.status.genesis_hash {
                watched.genesis.clone_from(&network.status.genesis_hash);
                watched.live.tip = None;
            }
        });
    }

    /// Listens to one node's process.
    pub(crate) fn attend_node(&self, network: &NetworkRow, node: &NodeId, instance: &Instance) {
        let Some((tracker, shutdown)) = self.shared.tasks.get() else { return };
        let Some(engine) = self.shared.world.engines.get(network.spec.engine).cloned() else {
            return;
        };
        let (Some(running), Some(socket)) =
            (instance.running(), instance.sockets.get(engine.rpc_socket()))
        else {
            return;
        };
        let target = Target::Socket(socket.clone());
        let taken = self.shared.take_up(network, node, (running, &target), shutdown);
        let Some(cancel) = taken else { return };
        let poll = poll::Poll {
            network: network.id.clone(),
            node: node.clone(),
            process: running.clone(),
            target,
            engine,
        };
        let shared = Arc::clone(&self.shared);
        tracker.spawn(async move {
            // Cancel safety: a poll that is dropped has changed nothing but its own connection.
            tokio::select! {
                () = poll.run(&shared) => {}
                () = cancel.cancelled() => {}
            }
        });
    }

    /// A workload is gone: whoever it was, nobody listens to it any more.
    pub(crate) fn forget_workload(&self, id: &WorkloadId) {
        let Ok(node) = id.as_str().parse::<NodeId>() else { return };
        for watched in self.shared.lock().values_mut() {
            if let Some(poll) = watched.polls.remove(&node) {
                poll.1.cancel();
            }
        }
    }

    /// The network is gone.
    pub(crate) fn forget(&self, network: &NetworkId) {
        let forgotten = self.shared.lock().remove(network);
        for (_, poll) in forgotten.into_iter().flat_map(|watched| watched.polls.into_values()) {
            poll.cancel();
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<NetworkId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the process; `None` if it is listened to already.
    fn take_up(
        &self,
        network: &NetworkRow,
        node: &NodeId,
        (running, target): (&Running, &Target),
        shutdown: &CancellationToken,
    ) -> Option<CancellationToken> {
        let mut networks = self.lock();
        let watched = networks.entry(network.id.clone()).or_insert_with(|| Watched::new(network));
        let live = watched.live.nodes.entry(node.clone()).or_default();
        if live.process.as_ref() == Some(running) && watched.polls.contains_key(node) {
            return None;
        }
        *live = LiveNode { process: Some(running.clone()), ..LiveNode::default() };
        let cancel = shutdown.child_token();
        if let Some(earlier) = watched.polls.insert(node.clone(), (target.clone(), cancel.clone()))
        {
            earlier.1.cancel();
        }
        Some(cancel)
    }

    /// The node has no process.
    fn silence(&self, network: &NetworkRow, node: &NodeId) {
        let mut networks = self.lock();
        let watched = networks.entry(network.id.clone()).or_insert_with(|| Watched::new(network));
        if let Some(poll) = watched.polls.remove(node) {
            poll.1.cancel();
        }
        let live = watched.live.nodes.entry(node.clone()).or_default();
        let tip = live.report.take();
        *live = LiveNode { report: tip, ..LiveNode::default() };
    }

    /// Changes what is known of a network, draws the conclusions and tells who listens.
    fn update(&self, network: &NetworkId, now_ms: u64, change: impl FnOnce(&mut Watched)) {
        let mut networks = self.lock();
        let Some(watched) = networks.get_mut(network) else { return };
        let before = watched.live.clone();
        change(watched);
        watched.conclude(now_ms);
        let organization = watched.organization.clone();
        let after = &watched.live;
        let tip = (before.tip != after.tip).then(|| after.tip.clone()).flatten();
        let other = health::shape(&before) != health::shape(after);
        drop(networks);
        let tick = |tip| Tick {
            organization: organization.clone(),
            network: network.clone(),
            tip,
            at_ms: now_ms,
        };
        // Nobody needs to listen.
        if other {
            drop(self.ticks.send(tick(None)));
        }
        if tip.is_some() {
            drop(self.ticks.send(tick(tip)));
        }
    }
}

impl Watched {
    fn new(network: &NetworkRow) -> Self {
        Self {
            organization: network.organization.clone(),
            intent: network.intent,
            state: network.state,
            genesis: network.status.genesis_hash.clone(),
            busy: network.operation.is_some(),
            known: BTreeMap::new(),
            polls: BTreeMap::new(),
            live: LiveNetwork {
                health: Health::Unknown,
                reason: None,
                tip: None,
                answered_at_ms: None,
                validators: None,
                nodes: BTreeMap::new(),
            },
        }
    }

    /// Takes what the rows say; nodes that have none are gone.
    fn know(&mut self, known: BTreeMap<NodeId, Known>) {
        self.live.nodes.retain(|id, _| known.contains_key(id));
        self.polls.retain(|id, (_, cancel)| {
            let stays = known.contains_key(id);
            if !stays {
                cancel.cancel();
            }
            stays
        });
        self.known = known;
    }

    /// How good a node is to ask: as it says, or as it said last.
    fn rank(&self, id: &NodeId) -> Rank {
        health::rank(self.live.nodes.get(id), self.known.get(id))
    }

    fn conclude(&mut self, now_ms: u64) {
        let live = &mut self.live;
        live.answered_at_ms = live.nodes.values().filter_map(|node| node.answered_at_ms).max();
        live.validators = health::validators(&live.nodes, &self.known);
        if let Some(tip) = health::tip(&live.nodes, &self.known, self.genesis.as_deref())
            && live.tip.as_ref().is_none_or(|known| known.number <= tip.number)
        {
            live.tip = Some(tip);
        }
        let (health, reason) =
            if self.intent == Intent::Running && self.state == NetworkState::Usable {
                health::judge(&live.nodes, &self.known, now_ms)
            } else {
                (Health::Unknown, None)
            };
        live.health = health;
        live.reason = match (reason, live.reason.take()) {
            (Some(new), Some(old)) if new.code == old.code && new.message == old.message => {
                Some(old)
            }
            (new, _) => new,
        };
    }
}

/// Those with the greatest height, validators first.
fn newest<T>(nodes: impl Iterator<Item = (u64, bool, T)>) -> Vec<T> {
    let mut nodes: Vec<_> = nodes.collect();
    nodes.sort_by_key(|(height, is_validator, _)| Reverse((*height, *is_validator)));
    let greatest = nodes.first().map(|(height, _, _)| *height);
    let nodes = nodes.into_iter().take_while(|(height, _, _)| Some(*height) == greatest);
    nodes.map(|(_, _, node)| node).collect()
}

#[cfg(test)]
mod tests {
    use super::newest;

    #[test]
    fn an_export_comes_from_whoever_has_the_newest_block() {
        let nodes = [(118, true, "validator-0"), (120, false, "observer-0"), (119, true, "v1")];
        assert_eq!(newest(nodes.into_iter()), ["observer-0"]);
        let nodes = [(9, false, "observer-0"), (9, true, "validator-0"), (8, true, "validator-1")];
        assert_eq!(newest(nodes.into_iter()), ["validator-0", "observer-0"]);
        assert!(newest::<u8>(std::iter::empty()).is_empty());
    }
}
