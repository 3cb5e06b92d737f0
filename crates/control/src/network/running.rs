//! The plan for a network that is to run: from a declaration to usable, and back to usable after
//! any accident.

use windlass_engine::{Engine, NodeReport};
use windlass_keys::Purpose;
use windlass_model::{
    ErrorCode, Name,
    network::{NetworkState, OperationKind, Reason},
    workload::{Desired, Workload},
};

use crate::{
    monitor::quorum,
    network::{
        describe::{setup, setup_of_running, workload},
        joining, leaving, new_disk,
        observe::Observation,
        plan::{Action, Plan, Start, note_process, to_be_proved, up_to_date},
        replacing,
    },
    operation::step,
    store::rows::{AccountRow, NodeRow, Setup, Standing},
};

/// How long the test transaction is waited for before it is sent again.
const TEST_RETRY_MS: u64 = 500;
/// A ledger that was put aside less than this ago is not put aside again.
const REPAIRED_LATELY_MS: u64 = 3_600_000;
/// How long a step may wait for the world before the object says what it waits for.
const PATIENCE_MS: u64 = 3_000;

pub(super) fn plan(observed: &Observation, engine: &dyn Engine, plan: &mut Plan) {
    note_ranks(observed, plan);
    leaving::plan(observed, plan);
    new_disk::plan(observed, plan);
    replacing::plan(observed, plan);
    if found(observed, plan) {
        return;
    }
    let operation = observed.record.network.operation.is_some();
    if operation {
        plan.push(Action::SetState(on_the_way(observed.record.network.state)));
    }
    let settled = start(observed, engine, plan);
    joining::register(observed, plan);
    match joining::under_way(observed) {
        Some(OperationKind::AddNodes | OperationKind::ReplaceNode) => {
            return joining::plan(observed, plan);
        }
        Some(OperationKind::RemoveNode) => return,
        Some(_) | None if !settled && !enough(observed, plan) => {
            if operation {
                plan.push(Action::Reach(step::PROCESSES));
            }
            return;
        }
        Some(_) => {}
        None => return plan.explain(observed, None),
    }
    if let Err(waiting) = met(observed)
        && !enough(observed, plan)
    {
        plan.push(Action::Reach(step::PEERS));
        plan.push(Action::Detail(waiting.clone()));
        return wait(observed, plan, waiting);
    }
    if to_be_proved(observed) && !prove(observed, plan) {
        return;
    }
    plan.explain(observed, None);
    plan.push(Action::Reach(step::ENDPOINT));
    if observed.record.network.status.held {
        // The gateway is told what is written down.
        return plan.push(Action::Admit);
    }
    plan.push(Action::Publish);
    plan.push(Action::ProbeEndpoint);
    plan.push(Action::Conclude(NetworkState::Usable));
}

/// What nodes say of themselves that is not known of them yet.
fn note_ranks(observed: &Observation, plan: &mut Plan) {
    for node in &observed.record.nodes {
        let rank = observed.rank(node);
        if rank != node.rank() {
            plan.push(Action::NoteRank { node: node.id.clone(), rank });
        }
    }
}

/// Keys, ports and genesis. True if the plan has to be carried out before there can be more.
fn found(observed: &Observation, plan: &mut Plan) -> bool {
    let record = &observed.record;
    let before = plan.actions.len();
    let staying = || record.nodes.iter().filter(|node| !node.is_leaving());
    for node in staying() {
        for (key, purpose) in
            [(&node.node_key, Purpose::Node), (&node.consensus_key, Purpose::Consensus)]
        {
            if key.public.is_none() {
                let (node, key) = (node.id.clone(), key.id.clone());
                plan.push(Action::CreateKey { node, key, purpose });
            }
        }
    }
    for (member, account) in record.network.status.accounts.iter().enumerate() {
        if let AccountRow { key: Some(key), address: None, .. } = account {
            plan.push(Action::CreateAccount { member, key: key.clone() });
        }
    }
    if plan.actions.len() > before {
        plan.actions.insert(before, Action::Reach(step::KEYS));
        if record.network.genesis.is_none() {
            plan.actions.insert(before, Action::SetState(NetworkState::Creating));
        }
        plan.push(Action::Reach(step::GENESIS));
    }
    let without = |node: &&NodeRow| node.port.is_none() || node.status.port_taken;
    let mut offered = observed.offered_ports.iter();
    for node in staying().filter(without) {
        let Some(port) = offered.next() else {
            plan.explain(observed, Some(no_port(observed.now_ms)));
            plan.wake_at(observed.now_ms + PATIENCE_MS);
            return true;
        };
        plan.push(Action::ChoosePort { node: node.id.clone(), port: *port });
    }
    if record.network.genesis.is_none() {
        plan.push(Action::MakeGenesis);
    }
    if plan.actions.len() > before {
        plan.push(Action::Reach(step::PROCESSES));
        return true;
    }
    false
}

fn on_the_way(state: NetworkState) -> NetworkState {
    match state {
        NetworkState::Declared | NetworkState::Creating => NetworkState::Creating,
        NetworkState::Usable => NetworkState::Usable,
        NetworkState::Stopping
        | NetworkState::Sleeping
        | NetworkState::Stopped
        | NetworkState::Starting
        | NetworkState::Destroying
        | NetworkState::Gone => NetworkState::Starting,
    }
}

/// Processes. True if every one runs as it should, or none can be made to without somebody's help.
fn start(observed: &Observation, engine: &dyn Engine, plan: &mut Plan) -> bool {
    let mut due = Vec::new();
    let mut outdated = Vec::new();
    let mut waiting = Vec::new();
    let mut hung = Vec::new();
    for node in observed.record.nodes.iter().filter(|node| node.is_to_run()) {
        if repair(observed, node, plan) {
            continue;
        }
        let process = note_process(observed, node, plan);
        if let Some(since_ms) = observed.hangs_since_ms(node) {
            hung.push((node, since_ms));
            continue;
        }
        let setup = match process {
            Start::Runs => setup_of_running(&observed.record, node),
            Start::Now | Start::Later => setup(&observed.record, node),
        };
        let wanted = match workload(observed, engine, (node, &setup), Desired::Running) {
            Ok(wanted) => (setup, wanted),
            Err(reason) => {
                plan.explain(observed, Some(reason));
                return false;
            }
        };
        match process {
            Start::Now => due.push((node, wanted)),
            Start::Later if !counts(observed, node) || is_broken(observed, node) => {}
            Start::Later => waiting.push(node),
            Start::Runs if up_to_date(observed.instance(node), &wanted.1) => {}
            Start::Runs => outdated.push((node, wanted)),
        }
    }
    end_hung(observed, engine, &hung, plan);
    let settled = due.is_empty() && outdated.is_empty() && waiting.is_empty() && hung.is_empty();
    if let Some(node) = waiting.first() {
        plan.explain(observed, node.status.reason.clone());
    }
    let at_once = observed.record.network.state != NetworkState::Usable;
    let restarted = if at_once { outdated.len() } else { one_at_a_time(observed, &outdated) };
    if let Some((next, _)) = outdated.first()
        && restarted == 0
        && waiting.is_empty()
        && observed.record.network.operation.is_some()
    {
        let text = format!("{} is restarted when every other validator answers", next.name);
        wait(observed, plan, text);
    }
    due.extend(outdated.into_iter().take(restarted));
    for (node, (setup, _)) in due.iter().filter(|(node, wanted)| node.setup() != wanted.0) {
        plan.push(Action::NoteSetup { node: node.id.clone(), setup: setup.clone() });
    }
    let ensure = |(node, (_, wanted)): (&NodeRow, (Setup, Workload))| Action::Ensure {
        node: node.id.clone(),
        workload: Box::new(wanted),
    };
    plan.actions.extend(due.into_iter().map(ensure));
    settled
}

/// Ends processes that hang. They are started again like those that ended by themselves.
fn end_hung(
    observed: &Observation,
    engine: &dyn Engine,
    hung: &[(&NodeRow, u64)],
    plan: &mut Plan,
) {
    for (node, _) in hung {
        let setup = setup_of_running(&observed.record, node);
        match workload(observed, engine, (node, &setup), Desired::Stopped) {
            Ok(workload) => {
                let (node, workload) = (node.id.clone(), Box::new(workload));
                plan.push(Action::Ensure { node, workload });
            }
            Err(reason) => return plan.explain(observed, Some(reason)),
        }
    }
    for (node, since_ms) in hung {
        let retry_at_ms = observed.backoff.retry_at_ms(observed.now_ms, node.status.failures);
        let reason = hung_reason(&observed.record.network.name, node, (*since_ms, observed.now_ms));
        plan.push(Action::NoteEnded { node: node.id.clone(), reason, retry_at_ms });
        plan.wake_at(retry_at_ms);
    }
}

fn hung_reason(network: &Name, node: &NodeRow, (since_ms, now_ms): (u64, u64)) -> Reason {
    let seconds = now_ms.saturating_sub(since_ms) / 1_000;
    let name = &node.name;
    Reason {
        code: ErrorCode::WorkloadFailed,
        message: format!("{name} ran and did not answer for {seconds} s, and was ended"),
        remedy: format!(
            "it is started again by itself; `windlass network logs {network} --node {name}` says \
             what it did"
        ),
        since_ms: now_ms,
    }
}

/// Whether the network needs the node to be what it is for: those that decide its blocks.
fn counts(observed: &Observation, node: &NodeRow) -> bool {
    !node.is_leaving() && observed.standing(node) == Standing::Validator
}

/// Has a damaged ledger put aside where others have the chain: then its node fetches it. True if so. What
/// is damaged again soon is not the ledger's fault, and waits for somebody to look at the disk.
fn repair(observed: &Observation, node: &NodeRow, plan: &mut Plan) -> bool {
    let since_ms = observed.now_ms.saturating_sub(node.status.repaired_at_ms);
    let lately = node.status.repairs > 0 && since_ms < REPAIRED_LATELY_MS;
    let others = observed.record.nodes.iter().filter(|other| other.id != node.id);
    let have_it = |report: &NodeReport| report.quorum_connected() && !report.syncing;
    let is_there = others.filter_map(|other| observed.report(other)).any(have_it);
    if !is_damaged(node) || lately || !is_there || to_be_proved(observed) {
        return false;
    }
    let reason = Reason {
        code: ErrorCode::LedgerDamaged,
        message: format!("the ledger of {} was damaged, and is put aside", node.name),
        remedy:
            "it fetches the chain from its peers by itself, and votes again from the next epoch \
                 on. What was damaged stays as `data.damaged` in its directory; look at the disk"
                .to_owned(),
        since_ms: observed.now_ms,
    };
    plan.push(Action::NoteRepair { node: node.id.clone(), reason });
    plan.wake_at(observed.now_ms);
    true
}

fn is_damaged(node: &NodeRow) -> bool {
    let reason = node.status.reason.as_ref();
    let damaged = reason.is_some_and(|reason| reason.code == ErrorCode::LedgerDamaged);
    node.status.process.is_none() && damaged
}

/// Whether a node waits for somebody to repair it. A network that works without it does not; one
/// that is being created has to be proven by every node.
fn is_broken(observed: &Observation, node: &NodeRow) -> bool {
    let nodes: Vec<&NodeRow> =
        observed.record.nodes.iter().filter(|node| counts(observed, node)).collect();
    let sound = nodes.iter().filter(|node| !is_damaged(node)).count();
    is_damaged(node) && sound >= quorum(nodes.len()) && !to_be_proved(observed)
}

/// A network in use is changed one node at a time, and only while all the others answer.
fn one_at_a_time<T>(observed: &Observation, outdated: &[(&NodeRow, T)]) -> usize {
    let Some((next, _)) = outdated.first() else { return 0 };
    let others = observed.record.nodes.iter().filter(|node| counts(observed, node));
    let others = others.filter(|node| node.id != next.id);
    usize::from(others.map(|node| observed.report(node)).all(|report| report.is_some()))
}

/// Whether a network that starts or wakes goes on without nodes that do not come, as one that runs does
/// when they fail: a quorum is there, and the others were waited for.
fn enough(observed: &Observation, plan: &mut Plan) -> bool {
    let kind = joining::under_way(observed);
    let starts = plan.actions.iter().any(|action| matches!(action, Action::Ensure { .. }));
    if starts || !matches!(kind, Some(OperationKind::Start | OperationKind::Wake)) {
        return false;
    }
    let operation = observed.record.operation.as_ref();
    let begun_ms = operation.map_or(observed.now_ms, |operation| operation.created_at_ms);
    let until_ms = begun_ms.saturating_add(PATIENCE_MS);
    // One that has not begun yet did so before the clock was set back.
    if (begun_ms..until_ms).contains(&observed.now_ms) {
        plan.wake_at(until_ms);
        return false;
    }
    let counted: Vec<&NodeRow> =
        observed.record.nodes.iter().filter(|node| counts(observed, node)).collect();
    let answers = |node: &&&NodeRow| {
        let report = observed.report(node);
        report.is_some_and(|report| report.quorum_connected() && !report.syncing)
    };
    counted.iter().filter(answers).count() >= quorum(counted.len())
}

/// Whether the nodes have found each other; otherwise what is waited for.
fn met(observed: &Observation) -> Result<(), String> {
    let counted = observed.record.nodes.iter().filter(|node| counts(observed, node));
    let nodes: Vec<&NodeRow> = counted.filter(|node| !is_broken(observed, node)).collect();
    let all = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    let hash = observed.record.network.status.genesis_hash.as_deref();
    let reports: Vec<(&NodeRow, Option<&NodeReport>)> =
        nodes.iter().map(|node| (*node, observed.report(node))).collect();
    let answering = reports.iter().filter(|(_, report)| report.is_some()).count();
    if answering < nodes.len() {
        return Err(format!("{answering} of {all} nodes answer"));
    }
    let proving = to_be_proved(observed);
    for (node, report) in &reports {
        let Some(report) = report else { continue };
        if Some(report.genesis_hash.as_str()) != hash {
            return Err(format!("{} has the genesis {}", node.name, report.genesis_hash));
        }
        let connected = report.connected_validators;
        if !report.quorum_connected() || (proving && connected < all) {
            return Err(format!("{} is connected with {connected} of {all} nodes", node.name));
        }
        if report.syncing {
            return Err(format!("{} is catching up", node.name));
        }
    }
    let mut tips = reports.iter().filter_map(|(_, report)| report.map(|report| &report.tip));
    let first = tips.next();
    if proving || tips.all(|tip| Some(tip) == first) {
        Ok(())
    } else {
        Err("the nodes do not report one tip yet".to_owned())
    }
}

/// The test transaction. True if it is in a block that every node has, and the proof can be
/// collected in this plan.
fn prove(observed: &Observation, plan: &mut Plan) -> bool {
    plan.push(Action::Reach(step::TEST));
    let heights: Vec<u64> = observed
        .record
        .nodes
        .iter()
        .filter_map(|node| observed.report(node))
        .map(|report| report.tip.number)
        .collect();
    if heights.iter().all(|height| *height > 0) {
        plan.push(Action::CollectEvidence);
        return true;
    }
    let since_ms = observed.step_since(step::TEST);
    let again = since_ms.is_none_or(|ms| observed.now_ms.saturating_sub(ms) >= TEST_RETRY_MS);
    if again && heights.iter().all(|height| *height == 0) {
        plan.push(Action::SendTest);
    }
    let have = heights.iter().filter(|height| **height > 0).count();
    let waiting = format!("{have} of {} nodes have the first block", heights.len());
    plan.push(Action::Detail(waiting.clone()));
    plan.wake_at(observed.now_ms + TEST_RETRY_MS);
    wait(observed, plan, waiting);
    false
}

/// Waits for the world; after some patience the object says what for.
pub(super) fn wait(observed: &Observation, plan: &mut Plan, waiting: String) {
    let since_ms = observed.step_since_ms();
    if observed.now_ms.saturating_sub(since_ms) < PATIENCE_MS {
        plan.wake_at(since_ms.saturating_add(PATIENCE_MS));
        return;
    }
    let reason = Reason {
        code: ErrorCode::NetworkUnavailable,
        message: waiting,
        remedy: "it goes on by itself; `windlass network logs` shows what the nodes do".to_owned(),
        since_ms,
    };
    plan.explain(observed, Some(reason));
}

fn no_port(now_ms: u64) -> Reason {
    Reason {
        code: ErrorCode::PortInUse,
        message: "the machine has no free loopback port".to_owned(),
        remedy: "end programs that hold ports; it is tried again by itself".to_owned(),
        since_ms: now_ms,
    }
}
