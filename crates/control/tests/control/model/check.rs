//! What must hold of the world and of what the platform tells: always, at rest, and at the end.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};
use windlass_control::{Control, service::Action, world::Clock as _};
use windlass_model::{
    ErrorCode, NetworkId, WorkloadId,
    network::{Health, Intent, Network, Operation, OperationKind, OperationState, Reason},
    receipt::ReleasedKind,
};

use super::{
    ask::named,
    reference::{Life, Place, State, closure},
    run::{Finding, Play},
    step::NETWORKS,
};
use crate::fake::governance::BALLOT;

/// How long what is due may wait, in milliseconds: the clock is looked at twice a minute.
const LATE_MS: u64 = 60_000;

type Checked = Result<(), Finding>;

/// A network as the platform tells of it, and as the model has it.
type Pair<'a> = (&'a Network, &'a Life);

fn wrong<T>(kind: &'static str, detail: String) -> Result<T, Finding> {
    Err(Finding { kind, detail })
}

fn same<T: PartialEq + std::fmt::Debug>(
    kind: &'static str,
    what: &str,
    found: &T,
    right: &T,
) -> Checked {
    if found == right {
        return Ok(());
    }
    wrong(kind, format!("{what}: {found:?}, and it should be {right:?}"))
}

impl Play<'_> {
    /// What must hold at any time.
    pub(super) fn promises(&self) -> Checked {
        let broken = self.world.substrate.broken_promises();
        if !broken.is_empty() {
            return wrong("promises", broken.join("; "));
        }
        let mut alive = BTreeMap::new();
        for (id, pid) in self.world.substrate.processes() {
            if let Some(other) = alive.insert(id.clone(), pid) {
                return wrong("fence", format!("{id} runs twice, as {other} and as {pid}"));
            }
        }
        Ok(())
    }

    /// What must hold at rest. What the states may be is known afterwards.
    pub(super) async fn look(&mut self, control: &Control) -> Checked {
        self.promises()?;
        let read = self.granted(Action::Read);
        let page = control.networks(&read, None, 10).await;
        let shown = page.map_err(|problem| Finding::new("state", problem.detail.clone()))?.items;
        self.look_at_ends(&shown)?;
        let mut found = Vec::new();
        for network in 0..NETWORKS {
            let name = named(network);
            let shown = shown.iter().find(|one| one.name.as_str() == name);
            let may = closure(&self.states[network], self.weather);
            let rests = |state: &&State| state.is_at_rest(self.weather);
            let state = may.iter().filter(rests).find(|state| agrees(shown, state));
            let Some(state) = state else {
                let may: Vec<_> = may.iter().filter(rests).collect();
                let detail = format!("n{network} is {}, and may be {may:#?}", told(shown));
                return wrong("state", detail);
            };
            found.push((shown, state.clone()));
        }
        let pairs: Vec<Pair<'_>> =
            found.iter().filter_map(|(shown, state)| Some(((*shown)?, state.life()?))).collect();
        self.look_at_processes(&pairs)?;
        self.look_at_ports(&pairs)?;
        self.look_at_keys(&pairs)?;
        self.look_at_routes(&pairs)?;
        self.look_at_chains(&pairs)?;
        self.note(&pairs)?;
        for (network, (_, state)) in found.into_iter().enumerate() {
            self.states[network] = vec![state];
        }
        Ok(())
    }

    /// What was due a while ago is done.
    fn look_at_ends(&mut self, shown: &[Network]) -> Checked {
        self.watch_the_clock();
        let now_ms = self.world.clock.now_ms();
        for one in shown.iter().filter(|one| one.intent != Intent::Destroyed) {
            if let Some(end) = one.end.as_ref().filter(|end| end.due_at_ms() + LATE_MS < now_ms) {
                return wrong("ends", format!("{} at {now_ms}: {end:?}", one.name));
            }
        }
        Ok(())
    }

    fn look_at_processes(&self, pairs: &[Pair<'_>]) -> Checked {
        let nodes = |wanted: fn(Intent) -> bool| -> BTreeSet<WorkloadId> {
            let wanted = pairs.iter().filter(|(shown, _)| wanted(shown.intent));
            wanted
                .flat_map(|(shown, _)| &shown.nodes)
                .map(|one| WorkloadId::of_node(&one.id))
                .collect()
        };
        let run: BTreeSet<_> = self.world.nodes().into_keys().collect();
        same("processes", "what runs", &run, &nodes(|intent| intent == Intent::Running))?;
        let all = self.world.substrate.workloads().into_iter().map(|one| one.id);
        let all: BTreeSet<_> = all.filter(|id| id.as_str() != "gateway").collect();
        // A node of a network that was stopped before it came to be has none yet.
        let named = nodes(|_| true);
        if let Some(orphan) = all.difference(&named).next() {
            return wrong("workloads", format!("{orphan} is on the substrate, and no node's"));
        }
        for (shown, life) in pairs {
            let reason = shown.nodes.iter().find_map(|node| node.reason.as_ref());
            let over = life.end.is_some_and(|end| end.over.is_some());
            let ended = |reason: &&Reason| over && reason.code == ErrorCode::NetworkEnded;
            let own = shown.reason.as_ref().filter(|reason| !ended(reason));
            if let Some(reason) = own.or(reason) {
                return wrong("reason", format!("{} is at rest and says {reason:?}", shown.name));
            }
            if over && shown.reason.is_none() {
                return wrong("reason", format!("{} does not say that it has ended", shown.name));
            }
            let runs = shown.intent == Intent::Running;
            let health = if runs { Health::Healthy } else { Health::Unknown };
            same("health", shown.name.as_str(), &shown.health, &health)?;
        }
        Ok(())
    }

    fn look_at_ports(&self, pairs: &[Pair<'_>]) -> Checked {
        let mut given = BTreeMap::new();
        for workload in self.world.substrate.workloads() {
            for port in workload.ports.values() {
                if let Some(other) = given.insert(*port, workload.id.clone()) {
                    let detail = format!("port {port} is given to {other} and to {}", workload.id);
                    return wrong("ports", detail);
                }
            }
        }
        for (shown, _) in pairs {
            for node in &shown.nodes {
                let id = WorkloadId::of_node(&node.id);
                let port = given.iter().find(|(_, owner)| **owner == id).map(|(port, _)| port);
                if let Some(port) = port {
                    let address = Some(format!("127.0.0.1:{port}"));
                    same("ports", &node.name, &node.address, &address)?;
                }
            }
        }
        Ok(())
    }

    fn look_at_keys(&self, pairs: &[Pair<'_>]) -> Checked {
        let held = self.world.keys.lock().unwrap();
        let public: BTreeSet<String> =
            held.iter().map(|id| hex::encode(Sha256::digest(id.as_str()))).collect();
        let nodes = pairs.iter().flat_map(|(shown, _)| &shown.nodes);
        let keys = nodes.flat_map(|node| [node.node_key.clone(), node.consensus_key.clone()]);
        let keys: Vec<String> = keys.flatten().collect();
        if let Some(lost) = keys.iter().find(|key| !public.contains(*key)) {
            return wrong("keys", format!("nobody holds {lost}"));
        }
        // Those of a node that did not come to be may be made already, and written down later.
        let nodes: usize = pairs.iter().map(|(shown, _)| shown.nodes.len()).sum();
        let (least, most) = (keys.len() + pairs.len(), 2 * nodes + pairs.len());
        if (least..=most).contains(&held.len()) {
            return Ok(());
        }
        wrong("keys", format!("{} are held, and {least} to {most} have an owner", held.len()))
    }

    fn look_at_routes(&self, pairs: &[Pair<'_>]) -> Checked {
        let table = self.world.routes.lock().unwrap().clone();
        let mut served = BTreeMap::new();
        for route in table["routes"].as_array().into_iter().flatten() {
            let upstreams = route["upstreams"].as_array().map_or(0, Vec::len);
            let up = route["state"] == "up";
            let id = route["network_id"].as_str().unwrap_or_default().to_owned();
            let state = route["state"].as_str().unwrap_or_default().to_owned();
            served.insert(id, (state, if up { upstreams } else { 0 }));
        }
        let right = pairs.iter().map(|(shown, life)| {
            let founders = usize::try_from(life.founders()).expect("a small number");
            let (state, upstreams) = match life.intent {
                Intent::Running => ("up", founders),
                Intent::Sleeping => ("asleep", 0),
                Intent::Stopped | Intent::Destroyed => ("stopped", 0),
            };
            (shown.id.to_string(), (state.to_owned(), upstreams))
        });
        same("routes", "what the gateway serves", &served, &right.collect())
    }

    fn look_at_chains(&mut self, pairs: &[Pair<'_>]) -> Checked {
        for (shown, life) in pairs {
            let genesis = shown.genesis_hash.clone().unwrap_or_default();
            let first = self.genesis.entry(shown.id.clone()).or_insert_with(|| genesis.clone());
            same("genesis", shown.name.as_str(), &genesis, &*first)?;
            let (chain, observers) = self.world.chain(&genesis);
            let tests = chain.iter().filter(|one| !one.starts_with(BALLOT)).count();
            same("chain", "test transactions", &tests, &1)?;
            let added = shown.nodes.iter().filter(|node| {
                let ordinal =
                    node.name.strip_prefix("validator-").and_then(|text| text.parse().ok());
                ordinal.is_some_and(|ordinal| life.nodes.get(&ordinal) != Some(&Place::Founder))
            });
            let added: BTreeSet<String> = added.filter_map(|node| node.node_key.clone()).collect();
            let named: BTreeSet<String> = observers.into_iter().collect();
            if life.intent == Intent::Running {
                same("observers", shown.name.as_str(), &named, &added)?;
            } else if !named.is_subset(&added) {
                return wrong("observers", format!("{}: {named:?}, but not {added:?}", shown.name));
            }
        }
        Ok(())
    }

    /// Processes that nothing was done to are those that were there before.
    fn note(&mut self, pairs: &[Pair<'_>]) -> Checked {
        let now = self.world.nodes();
        for (network, disturbed) in self.disturbed.iter().enumerate() {
            let shown = pairs.iter().find(|(shown, _)| shown.name.as_str() == named(network));
            // What has ended was stopped by the platform.
            let runs = |pair: &&&Pair<'_>| !disturbed && pair.0.intent == Intent::Running;
            for node in shown.iter().filter(runs).flat_map(|(shown, _)| &shown.nodes) {
                let id = WorkloadId::of_node(&node.id);
                same("adoption", &node.name, &now.get(&id), &self.pids.get(&id))?;
            }
        }
        self.pids = now;
        self.disturbed = [false; NETWORKS];
        Ok(())
    }

    /// At the end: every operation has come to its end, and receipts list what was.
    pub(super) async fn account(&self, control: &Control) -> Checked {
        let read = self.granted(Action::Read);
        let page = control.operations(&read, None, 200).await;
        let page = page.map_err(|problem| Finding::new("operations", problem.detail.clone()))?;
        let operations = page.items;
        for id in &self.seen {
            if !operations.iter().any(|one| one.id == *id) {
                return wrong("operations", format!("{id} was accepted and is not there"));
            }
        }
        for operation in &operations {
            self.ended(operation, &operations)?;
        }
        self.released(&operations)
    }

    fn ended(&self, operation: &Operation, all: &[Operation]) -> Checked {
        let errand =
            matches!(operation.kind, OperationKind::AddObserver | OperationKind::RemoveObserver);
        let runs = |id: &NetworkId| {
            self.world
                .nodes()
                .keys()
                .any(|one| self.world.network_of(one).as_deref() == Some(id.as_str()))
        };
        let excused = match operation.state {
            OperationState::Succeeded => operation.reason.is_none(),
            // What members are to send waits for the network to run.
            OperationState::Running => errand && !runs(&operation.network),
            OperationState::Superseded => all.iter().any(|other| {
                other.network == operation.network
                    && other.id != operation.id
                    && (!errand || other.kind == OperationKind::Destroy)
            }),
            OperationState::Failed => false,
        };
        if excused {
            Ok(())
        } else {
            wrong("operations", format!("it has not ended well: {operation:#?}"))
        }
    }

    fn released(&self, operations: &[Operation]) -> Checked {
        let mut gone = BTreeSet::new();
        for operation in operations {
            let ends = matches!(operation.kind, OperationKind::Destroy | OperationKind::RemoveNode);
            match &operation.receipt {
                Some(receipt) => {
                    gone.extend(receipt.released.iter().map(|one| (one.kind, one.name.clone())));
                }
                None if !ends => {}
                // Whatever else its user wanted then has its own.
                None if operation.kind == OperationKind::RemoveNode
                    && operation.state == OperationState::Superseded =>
                {
                    return Ok(());
                }
                None => return wrong("receipt", format!("there is none: {operation:#?}")),
            }
        }
        let held = self.world.keys.lock().unwrap().clone();
        for key in self.world.made.lock().unwrap().difference(&held) {
            if !gone.contains(&(ReleasedKind::Key, key.to_string())) {
                return wrong("receipt", format!("no receipt lists the key {key}"));
            }
        }
        Ok(())
    }
}

fn agrees(shown: Option<&Network>, state: &State) -> bool {
    let (Some(shown), State::There(life)) = (shown, state) else {
        return shown.is_none() && *state == State::Absent;
    };
    let names: BTreeSet<&str> = shown.nodes.iter().map(|node| node.name.as_str()).collect();
    let ordinals: Vec<String> =
        life.nodes.keys().map(|ordinal| format!("validator-{ordinal}")).collect();
    (shown.intent, shown.state) == (life.intent, life.state)
        && shown.operation.is_none()
        && shown.spec.node_limits.memory_mib == life.memory_mib
        && names == ordinals.iter().map(String::as_str).collect()
        && shown.spec.ttl_s == life.ttl_s
        && state.told(shown.end.as_ref(), 0).is_some()
}

fn told(shown: Option<&Network>) -> String {
    let Some(shown) = shown else { return "not there".to_owned() };
    let nodes: Vec<String> =
        shown.nodes.iter().map(|node| format!("{} {:?}", node.name, node.state)).collect();
    format!(
        "{:?} {:?} with {} MiB, under way {:?}, nodes {nodes:?}, because {:?}",
        shown.intent, shown.state, shown.spec.node_limits.memory_mib, shown.operation, shown.reason
    )
}
