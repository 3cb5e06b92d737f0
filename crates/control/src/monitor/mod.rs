//! What nodes say of themselves, in memory: one long poll a running node.
//!
//! A poll is answered when something has changed, so nothing is asked twice and an idle network
//! costs one exchange in 25 seconds a node. What is heard goes to three places: to the reconciler,
//! woken while an operation waits for it; to live subscribers, as ticks that are not stored; and
//! into what the API shows. Nothing is written: a block is not a database write.

mod beat;
mod check;
mod health;
mod live;
mod poll;
mod watched;

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use tokio::sync::broadcast;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use windlass_model::{
    NetworkId, NodeId, OrganizationId, WorkloadId,
    network::{BlockRef, Intent, Reason},
};
use windlass_substrate::{Instance, Running};

use self::watched::{Around, Watched};
#[cfg(test)]
pub(crate) use self::{health::judge, live::Silence};
pub(crate) use self::{
    health::{Judgement, quorum},
    live::{FRESH_MS, HANGS_AFTER_MS, LiveNetwork, LiveNode},
    watched::Known,
};
use crate::{
    conditions::GatewaySeen,
    gateway::Gateway,
    meter::Meter,
    network::{Observation, Wakes},
    store::rows::{NetworkRow, Standing},
    world::{Target, World},
};

/// How many ticks a slow subscriber may miss before it is told so.
const TICKS: usize = 1024;
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
    /// The platform's.
    version: String,
    gateway: OnceLock<Gateway>,
}

impl Monitor {
    /// Listens to nobody yet.
    pub(crate) fn new(
        world: World,
        wakes: Arc<Wakes>,
        (meter, version): (Arc<Meter>, &str),
    ) -> Self {
        let (ticks, _) = broadcast::channel(TICKS);
        let (watched, stuck) = (Mutex::default(), Mutex::default());
        let tasks = OnceLock::new();
        let (version, gateway) = (version.to_owned(), OnceLock::new());
        let shared = Shared { watched, stuck, ticks, tasks, world, wakes, meter, version, gateway };
        Self { shared: Arc::new(shared) }
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
        self.shared.update(network, |watched| watched.stuck.clone_from(&reason));
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
            watched.intent() != Intent::Running
                && watched.live.nodes.values().all(|node| node.process.is_none())
        })
    }

    /// What the nodes of a network say.
    pub(crate) fn nodes(&self, network: &NetworkId) -> BTreeMap<NodeId, LiveNode> {
        self.shared.lock().get(network).map(|one| one.live.nodes.clone()).unwrap_or_default()
    }

    /// How a network does at this moment: what nobody has answered for a while is not told as if it were
    /// so now.
    pub(crate) fn network(&self, network: &NetworkId) -> Option<LiveNetwork> {
        self.shared.update(network, |_| {});
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
        let now_ms = self.shared.world.now_ms();
        self.shared.update(&network.id, |watched| watched.learn(&observed.record, now_ms));
    }

    /// The pass that began with it is over.
    pub(crate) fn passed(&self, network: &NetworkId) {
        if let Some(watched) = self.shared.lock().get_mut(network) {
            watched.rest();
        }
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
    fn update(&self, network: &NetworkId, change: impl FnOnce(&mut Watched)) {
        let now_ms = self.world.now_ms();
        let serves = self.gateway.get().is_some_and(|gateway| gateway.facts().pid.is_some());
        let gateway = if serves { GatewaySeen::Up } else { GatewaySeen::Down };
        let around = Around { now_ms, version: &self.version, gateway };
        let mut networks = self.lock();
        let Some(watched) = networks.get_mut(network) else { return };
        let before = watched.live.clone();
        change(watched);
        watched.conclude(&around);
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
