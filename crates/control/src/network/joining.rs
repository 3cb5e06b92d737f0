//! The plan for nodes that come to a network that runs: their members name them, they catch up.

use windlass_engine::NodeReport;
use windlass_model::{
    ErrorCode,
    network::{NetworkState, OperationKind, OperationState, Reason},
};

use crate::{
    network::{
        observe::Observation,
        plan::{Action, Errand, Plan},
        running::wait,
    },
    operation::step,
    store::rows::{NodeRow, Registration, Standing},
};

/// A node that is so many blocks behind the newest tip follows: under load nobody is ever at it.
const FOLLOWS: u64 = 2;

/// What has become of what a member is to do about a node.
pub(super) enum Fate {
    /// It is to be declared.
    Undeclared,
    /// It is on its way, or why it is held up.
    Sent(Option<Reason>),
    /// It is on the chain, and that is not noted yet.
    Done,
    /// It can't be done.
    Refused(Reason),
}

pub(super) fn fate(observed: &Observation, errand: &Registration) -> Fate {
    let Some(id) = &errand.operation else { return Fate::Undeclared };
    let Some(operation) = observed.errands.get(id) else { return Fate::Sent(None) };
    let unknown = || Reason {
        code: ErrorCode::OperationFailed,
        message: format!("{id} was not carried out"),
        remedy: "see `windlass operation show`, and try again".to_owned(),
        since_ms: observed.now_ms,
    };
    match operation.state {
        OperationState::Running => Fate::Sent(operation.reason.clone()),
        OperationState::Succeeded => Fate::Done,
        OperationState::Failed | OperationState::Superseded => {
            Fate::Refused(operation.reason.clone().unwrap_or_else(unknown))
        }
    }
}

/// Registers every node that is to be registered and answers, whether somebody waits for it or not.
pub(super) fn register(observed: &Observation, plan: &mut Plan) {
    let errand = Errand::Register;
    for node in observed.record.nodes.iter().filter(|node| !node.is_leaving()) {
        let Some(registration) = &node.status.registration else { continue };
        let id = node.id.clone();
        match fate(observed, registration) {
            _ if registration.done => {}
            Fate::Undeclared if observed.report(node).is_none() => {}
            Fate::Undeclared => plan.push(Action::Declare { node: id, errand }),
            Fate::Sent(_) => {}
            Fate::Done => plan.push(Action::NoteDone { node: id, errand }),
            Fate::Refused(reason) => plan.push(Action::GiveUp { node: id, errand, reason }),
        }
    }
}

/// How far an operation is that adds nodes, or replaces one.
pub(super) fn plan(observed: &Observation, plan: &mut Plan) {
    let gives_up = |action: &Action| matches!(action, Action::GiveUp { .. });
    if plan.actions.iter().any(gives_up) {
        return;
    }
    let names = observed.record.operation.iter().flat_map(|operation| &operation.nodes);
    let names: Vec<&String> = names.collect();
    let own = |node: &&NodeRow| names.contains(&&node.name) && !node.is_leaving();
    let nodes: Vec<&NodeRow> = observed.record.nodes.iter().filter(own).collect();
    let answers = |node: &&&NodeRow| node.is_to_run() && observed.report(node).is_some();
    let answering = nodes.iter().filter(answers).count();
    if answering < nodes.len() {
        let text = format!("{answering} of {} nodes answer", nodes.len());
        let failed = nodes.iter().find_map(|node| node.status.reason.clone());
        return at(observed, plan, (step::PROCESSES, text), failed);
    }
    let registrations = nodes.iter().filter_map(|node| node.status.registration.as_ref());
    let registrations: Vec<&Registration> = registrations.collect();
    let done = registrations.iter().filter(|registration| registration.done).count();
    if done < registrations.len() {
        let text = format!("{done} of {} nodes are registered", registrations.len());
        let held_up = registrations.iter().find_map(|one| match fate(observed, one) {
            Fate::Sent(reason) => reason,
            Fate::Undeclared | Fate::Done | Fate::Refused(_) => None,
        });
        return at(observed, plan, (step::REGISTRATION, text), held_up);
    }
    let newest = newest(observed);
    let operation = observed.record.operation_under_way();
    let waits = operation.is_some_and(|one| one.steps.iter().any(|one| one.name == step::BLOCKS));
    for node in nodes.iter().filter(|_| waits) {
        let Some(report) = observed.report(node) else { continue };
        let follows = observed.standing(node) != Standing::Unnamed
            && report.quorum_connected()
            && !report.syncing
            && report.tip.number.saturating_add(FOLLOWS) >= newest;
        if !follows {
            let text = format!("{}: {}", node.name, progress(report, newest));
            return at(observed, plan, (step::BLOCKS, text), None);
        }
    }
    plan.explain(observed, None);
    plan.push(Action::Conclude(NetworkState::Usable));
}

/// How far a node is that joins, and how long the rest takes as it says.
fn progress(report: &NodeReport, newest: u64) -> String {
    let done = match report.state_per_mille {
        Some(per_mille) => format!("{}.{} % of the state", per_mille / 10, per_mille % 10),
        None => format!("block {} of {}", report.tip.number, newest.max(report.highest)),
    };
    match report.left_s {
        Some(left) => format!("{done}, about {left} s left"),
        None => done,
    }
}

/// The newest block that a validator has.
fn newest(observed: &Observation) -> u64 {
    let validators = observed.record.nodes.iter();
    let validators = validators.filter(|node| observed.standing(node) == Standing::Validator);
    let tips = validators.filter_map(|node| observed.report(node)).map(|report| report.tip.number);
    tips.max().unwrap_or(0)
}

/// The operation is at this step; what holds it up is told, or that it takes long.
fn at(
    observed: &Observation,
    plan: &mut Plan,
    (step, text): (&'static str, String),
    held_up: Option<Reason>,
) {
    plan.push(Action::Reach(step));
    plan.push(Action::Detail(text.clone()));
    match held_up {
        Some(reason) => plan.explain(observed, Some(reason)),
        None => wait(observed, plan, text),
    }
}

/// The kind of the operation that is under way.
pub(super) fn under_way(observed: &Observation) -> Option<OperationKind> {
    observed.record.operation_under_way().map(|operation| operation.kind)
}
