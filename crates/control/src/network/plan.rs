//! What is to be done next about a network: a pure function of what was observed.
//!
//! It makes every choice: which keys, which ports, which process is started, stopped or removed,
//! when something is tried again, when an operation has come to its end. The executor chooses
//! nothing. A plan is short: what can be done now, until the world has to be looked at again.
//!
//! | intent | the way there |
//! |---|---|
//! | running | keys → genesis and ports → processes → peers → test transaction (once) → endpoint |
//! | running, a node is added | keys and port → process → its member names it → it has the tip |
//! | running, a node is replaced | its process and disk go → process → it has the tip |
//! | running, a node goes | its member takes that back → process → keys → its row |
//! | sleeping | requests wait → nothing is under way → processes |
//! | stopped | endpoint → processes |
//! | destroyed | endpoint → processes → keys → records; the row last |

use std::collections::BTreeSet;

use windlass_engine::Engine;
use windlass_keys::Purpose;
use windlass_model::{
    ErrorCode, KeyId, Name, NodeId, WorkloadId,
    network::{Intent, NetworkState, OperationKind, Reason},
    receipt::ReleasedKind,
    workload::{Desired, Workload},
};
use windlass_substrate::{Instance, InstanceState, fingerprint};

use crate::{
    network::{
        describe::{inventory, setup_of_running, workload},
        observe::Observation,
        reasons, running, sleeping,
    },
    operation::step,
    store::rows::{NodeRow, ProcessRef, Rank, Setup, TeardownRecord, Thing},
};

/// How long a process may take to end that is told to.
const ENDING_MS: u64 = 15_000;

/// What to do, and when to look again if nothing happens before.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    /// The generation that it was made for; a record of another one is not touched.
    pub(crate) generation: u64,
    pub(crate) actions: Vec<Action>,
    pub(crate) wake_at_ms: Option<u64>,
}

/// One thing to do. Those that touch the world are marked; the others change the record only.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// The network is in this state of its life.
    SetState(NetworkState),
    /// The operation is at this step.
    Reach(&'static str),
    /// How far the step is.
    Detail(String),
    /// Why there is no progress, or that there is no such reason any more.
    Explain(Option<Reason>),
    /// A process was found running.
    NoteStarted { node: NodeId, process: ProcessRef },
    /// A process that was running isn't, or none came to run.
    NoteEnded { node: NodeId, reason: Reason, retry_at_ms: u64 },
    /// A node's damaged ledger is put aside when it starts: its peers have the chain.
    NoteRepair { node: NodeId, reason: Reason },
    /// A process has been running for long enough to forget earlier failures.
    NoteHealthy(NodeId),
    /// A node has no process, and none is wanted.
    NoteStopped(NodeId),
    /// The node listens on this port from now on.
    ChoosePort { node: NodeId, port: u16 },
    /// What a node is to the members has changed.
    NoteRank { node: NodeId, rank: Rank },
    /// A node is started with this.
    NoteSetup { node: NodeId, setup: Setup },
    /// The network knows a node by its new key: the old one is retired.
    NoteReplaced { node: NodeId, purpose: Purpose },
    /// A retired key is gone.
    NoteForgotten { node: NodeId, key: KeyId },
    /// Nothing is left of the disk of a node that gets a new one.
    NoteEmptied(NodeId),
    /// Everything that exists at the beginning of a teardown.
    Inventory(Vec<Thing>),
    /// The same of a node.
    NodeInventory { node: NodeId, things: Vec<Thing> },
    /// A member is to do this about a node.
    Declare { node: NodeId, errand: Errand },
    /// A member has done it.
    NoteDone { node: NodeId, errand: Errand },
    /// It can't be done: the operation that needs it is over.
    GiveUp { node: NodeId, errand: Errand, reason: Reason },
    /// World: a key is made.
    CreateKey { node: NodeId, key: KeyId, purpose: Purpose },
    /// World: the key of a member's account is made; members count from 0 in the spec.
    CreateAccount { member: usize, key: KeyId },
    /// The genesis document and the test transaction are made from the keys.
    MakeGenesis,
    /// World: a process runs, or no process is left.
    Ensure { node: NodeId, workload: Box<Workload> },
    /// World: the test transaction is sent.
    SendTest,
    /// World: every node is asked for the first block, and for the test transaction's receipt.
    CollectEvidence,
    /// Requests wait no longer.
    Admit,
    /// World: the gateway serves the network as its intent says.
    Publish,
    /// World: the endpoint is called like a client calls it.
    ProbeEndpoint,
    /// World: a workload is removed with all it has.
    Remove(WorkloadId),
    /// World: a key is destroyed.
    DestroyKey(KeyId),
    /// The operation is done, and the network is in this state.
    Conclude(NetworkState),
    /// The teardown is done: the receipt is written and the rows go.
    Release,
    /// The teardown of a node is done: its row goes.
    ReleaseNode(NodeId),
}

/// What a member does about a node without a vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errand {
    /// It names it as an observer.
    Register,
    /// It takes that back.
    Withdraw,
}

/// Makes the plan.
pub(crate) fn plan(observed: &Observation, engine: &dyn Engine) -> Plan {
    let mut plan = Plan { generation: observed.record.network.generation, ..Plan::default() };
    let status = &observed.record.network.status;
    if observed.backoff.is_pause(status.retry_at_ms, observed.now_ms) {
        plan.wake_at_ms = Some(status.retry_at_ms);
        return plan;
    }
    match observed.record.network.intent {
        Intent::Running => running::plan(observed, engine, &mut plan),
        Intent::Sleeping => sleeping::plan(observed, engine, &mut plan),
        Intent::Stopped => plan_stopped(observed, engine, &mut plan),
        Intent::Destroyed => plan_destroyed(observed, &mut plan),
    }
    plan
}

impl Plan {
    pub(crate) fn push(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Looks again at this time at the latest.
    pub(crate) fn wake_at(&mut self, at_ms: u64) {
        self.wake_at_ms = Some(self.wake_at_ms.map_or(at_ms, |earlier| earlier.min(at_ms)));
    }

    /// Says why there is no progress; the time of a reason that is known already stays.
    pub(crate) fn explain(&mut self, observed: &Observation, reason: Option<Reason>) {
        let known = observed.record.network.status.reason.as_ref();
        let reason = reason.map(|new| match known {
            Some(old) if old.code == new.code && old.message == new.message => old.clone(),
            Some(_) | None => new,
        });
        if known != reason.as_ref() {
            self.push(Action::Explain(reason));
        }
    }
}

/// How the processes that run are ended; what the rows say of those that don't run is put right.
pub(crate) fn ends(
    observed: &Observation,
    engine: &dyn Engine,
    plan: &mut Plan,
) -> Result<Vec<Action>, Reason> {
    let mut ends = Vec::new();
    for node in &observed.record.nodes {
        if observed.instance(node).is_some_and(|instance| instance.running().is_some()) {
            let setup = setup_of_running(&observed.record, node);
            let workload = workload(observed, engine, (node, &setup), Desired::Stopped)?;
            ends.push(Action::Ensure { node: node.id.clone(), workload: Box::new(workload) });
        } else if node.status.process.is_some() || node.status.reason.is_some() {
            plan.push(Action::NoteStopped(node.id.clone()));
        }
    }
    Ok(ends)
}

fn plan_stopped(observed: &Observation, engine: &dyn Engine, plan: &mut Plan) {
    let network = &observed.record.network;
    let ends = match ends(observed, engine, plan) {
        Ok(ends) => ends,
        Err(reason) => return plan.explain(observed, Some(reason)),
    };
    if ends.is_empty() {
        if network.state != NetworkState::Stopped || network.operation.is_some() {
            plan.push(Action::Publish);
            plan.explain(observed, None);
            plan.push(Action::Conclude(NetworkState::Stopped));
        }
        return;
    }
    plan.push(Action::SetState(NetworkState::Stopping));
    plan.push(Action::Publish);
    plan.push(Action::Reach(step::PROCESSES));
    plan.actions.extend(ends);
}

fn plan_destroyed(observed: &Observation, plan: &mut Plan) {
    let record = &observed.record;
    let begun = record.network.status.teardown.as_ref();
    let unserved = |teardown: &&TeardownRecord| {
        teardown.released.iter().any(|released| released.kind == ReleasedKind::Endpoint)
    };
    let Some(teardown) = begun.filter(unserved) else {
        plan.push(Action::SetState(NetworkState::Destroying));
        if begun.is_none() {
            plan.push(Action::Inventory(inventory(observed)));
        }
        plan.push(Action::Reach(step::ENDPOINT));
        plan.push(Action::Publish);
        plan.push(Action::Reach(step::PROCESSES));
        return;
    };
    let gone = |name: &str| teardown.released.iter().any(|released| released.name == name);
    let own = record.nodes.iter().map(|node| WorkloadId::of_node(&node.id));
    let unremoved = own.filter(|id| !teardown.removed.contains(id));
    let remaining: BTreeSet<WorkloadId> =
        unremoved.chain(observed.instances.keys().cloned()).collect();
    if !remaining.is_empty() {
        plan.push(Action::Reach(step::PROCESSES));
        plan.actions.extend(remaining.into_iter().map(Action::Remove));
        plan.push(Action::Reach(step::KEYS));
        return;
    }
    let undestroyed: Vec<KeyId> = record
        .key_ids()
        .filter(|id| !gone(id.as_str()) || observed.held_keys.contains(*id))
        .cloned()
        .collect();
    if !undestroyed.is_empty() {
        plan.push(Action::Reach(step::KEYS));
        plan.actions.extend(undestroyed.into_iter().map(Action::DestroyKey));
    }
    plan.push(Action::Reach(step::RECORDS));
    plan.push(Action::Release);
}

/// What the difference between a node's row and its process adds to the plan. The answer tells
/// whether the node is to be started now.
pub(crate) fn note_process(observed: &Observation, node: &NodeRow, plan: &mut Plan) -> Start {
    let instance = observed.instance(node);
    let now_ms = observed.now_ms;
    let backoff = observed.backoff;
    let running = instance.and_then(Instance::running).map(|running| {
        let process = ProcessRef { pid: running.pid, start_time_ticks: running.start_time_ticks };
        (process, running.started_at_ms)
    });
    match (running, node.status.process) {
        (Some((process, started_at_ms)), known) => {
            if known != Some(process) {
                plan.push(Action::NoteStarted { node: node.id.clone(), process });
            }
            if node.status.failures > 0 {
                let healthy_at_ms = started_at_ms.saturating_add(backoff.healthy_after_ms);
                if healthy_at_ms <= now_ms {
                    plan.push(Action::NoteHealthy(node.id.clone()));
                } else {
                    plan.wake_at(healthy_at_ms);
                }
            }
            Start::Runs
        }
        // It was told to end, for a sleep or a stop from which the network was woken since.
        (None, Some(_)) if observed.record.network.status.held && in_order(observed, instance) => {
            plan.push(Action::NoteStopped(node.id.clone()));
            Start::Now
        }
        (None, Some(_)) => {
            let retry_at_ms = backoff.retry_at_ms(now_ms, node.status.failures);
            let reason = ended_reason(&observed.record.network.name, node, (instance, now_ms));
            plan.push(Action::NoteEnded { node: node.id.clone(), reason, retry_at_ms });
            plan.wake_at(retry_at_ms);
            Start::Later
        }
        (None, None) if backoff.is_pause(node.status.retry_at_ms, now_ms) => {
            plan.wake_at(node.status.retry_at_ms);
            Start::Later
        }
        (None, None) => Start::Now,
    }
}

/// Whether a process ended as one does that is told to, at about the time at which the network was woken.
fn in_order(observed: &Observation, instance: Option<&Instance>) -> bool {
    let state = instance.map(|instance| &instance.state);
    let Some(InstanceState::Stopped { exit: Some(exit) }) = state else { return false };
    let operation = observed.record.operation.as_ref();
    let until_ms = operation.map_or(0, |operation| operation.created_at_ms + ENDING_MS);
    exit.code == Some(0) && exit.at_ms <= until_ms
}

/// Whether a node's process is to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// It runs.
    Runs,
    /// Yes.
    Now,
    /// Not before its time.
    Later,
}

fn ended_reason(
    network: &Name,
    node: &NodeRow,
    (instance, now_ms): (Option<&Instance>, u64),
) -> Reason {
    let exit = instance.and_then(|instance| match &instance.state {
        InstanceState::Stopped { exit } => exit.clone(),
        InstanceState::Running(_) => None,
    });
    let how = match (&exit, instance) {
        (Some(exit), _) => format!("ended with {exit}"),
        (None, Some(_)) => "ended without a word".to_owned(),
        (None, None) => "is not on the substrate any more".to_owned(),
    };
    let message = format!("{} {how}", node.name);
    let remedy = format!(
        "it is started again by itself; `windlass network logs {network} --node {}` says more",
        node.name
    );
    match exit {
        Some(exit) => {
            let directory = instance.and_then(|instance| instance.directory.as_deref());
            reasons::of_exit(&exit, directory, (message, remedy), now_ms)
        }
        None => Reason { code: ErrorCode::WorkloadFailed, message, remedy, since_ms: now_ms },
    }
}

/// Whether what runs is what is wanted.
pub(crate) fn up_to_date(instance: Option<&Instance>, wanted: &Workload) -> bool {
    instance.is_some_and(|instance| instance.fingerprint == fingerprint(wanted))
}

/// Whether a create has yet to prove that the network works.
pub(crate) fn to_be_proved(observed: &Observation) -> bool {
    let record = &observed.record;
    let creating =
        record.operation.as_ref().is_some_and(|operation| operation.kind == OperationKind::Create);
    creating && record.network.operation.is_some() && record.network.status.evidence.is_none()
}
