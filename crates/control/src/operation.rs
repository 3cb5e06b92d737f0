//! Operations: what a user asked for, how far it is, and why it goes no further.
//!
//! Pure functions over [`Operation`]; the reconciler that saves the network saves its operation in
//! the same transaction.

use windlass_model::{
    Name, NetworkId, OperationId, OrganizationId,
    governance::BallotOutcome,
    network::{
        Evidence, Operation, OperationKind, OperationState, Reason, Step, StepState, StepTiming,
    },
    receipt::ReleaseReceipt,
};

/// The names of the steps, as users see them.
pub(crate) mod step {
    pub(crate) const KEYS: &str = "keys";
    pub(crate) const GENESIS: &str = "genesis";
    pub(crate) const PROCESSES: &str = "processes";
    pub(crate) const PEERS: &str = "peers";
    pub(crate) const TEST: &str = "test transaction";
    pub(crate) const ENDPOINT: &str = "endpoint";
    pub(crate) const RECORDS: &str = "records";
    pub(crate) const SIGNATURE: &str = "signature";
    pub(crate) const TRANSACTION: &str = "transaction";
    pub(crate) const REGISTRATION: &str = "registration";
    pub(crate) const BLOCKS: &str = "blocks";
}

/// The steps of an operation, in order.
pub(crate) fn steps_of(kind: OperationKind) -> &'static [&'static str] {
    use step::{
        BLOCKS, ENDPOINT, GENESIS, KEYS, PEERS, PROCESSES, RECORDS, REGISTRATION, SIGNATURE, TEST,
        TRANSACTION,
    };
    match kind {
        OperationKind::Create => &[KEYS, GENESIS, PROCESSES, PEERS, TEST, ENDPOINT],
        OperationKind::Stop | OperationKind::Sleep => &[ENDPOINT, PROCESSES],
        OperationKind::Start
        | OperationKind::Wake
        | OperationKind::Update
        | OperationKind::Recover => &[PROCESSES, PEERS, ENDPOINT],
        OperationKind::Destroy => &[ENDPOINT, PROCESSES, KEYS, RECORDS],
        OperationKind::Propose
        | OperationKind::Vote
        | OperationKind::Settle
        | OperationKind::AddObserver
        | OperationKind::RemoveObserver => &[SIGNATURE, TRANSACTION],
        OperationKind::AddNodes => &[KEYS, PROCESSES, REGISTRATION, BLOCKS],
        OperationKind::ReplaceNode => &[PROCESSES, BLOCKS],
        OperationKind::RemoveNode => &[REGISTRATION, PROCESSES, KEYS, RECORDS],
    }
}

/// What an operation is called in the audit log.
pub(crate) fn action_of(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Create => "network.create",
        OperationKind::Stop => "network.stop",
        OperationKind::Start => "network.start",
        OperationKind::Sleep => "network.sleep",
        OperationKind::Wake => "network.wake",
        OperationKind::Destroy => "network.destroy",
        OperationKind::Update => "network.update",
        OperationKind::Propose => "network.propose",
        OperationKind::Vote => "network.vote",
        OperationKind::Settle => "network.settle",
        OperationKind::AddNodes => "network.add_nodes",
        OperationKind::RemoveNode => "network.remove_node",
        OperationKind::ReplaceNode => "network.replace_node",
        OperationKind::AddObserver => "network.add_observer",
        OperationKind::RemoveObserver => "network.remove_observer",
        OperationKind::Recover => "network.recover",
    }
}

/// Who begins what the platform does by itself.
pub(crate) const PLATFORM: &str = "platform";

/// A new operation on a network, begun by this actor.
pub(crate) fn begin(
    id: OperationId,
    (organization, network, name): (&OrganizationId, &NetworkId, &Name),
    kind: OperationKind,
    (actor, now_ms): (&str, u64),
) -> Operation {
    let steps = steps_of(kind).iter().map(|name| Step {
        name: (*name).to_owned(),
        state: StepState::Pending,
        started_at_ms: None,
        finished_at_ms: None,
        detail: None,
    });
    let mut operation = Operation {
        id,
        organization: organization.clone(),
        network: network.clone(),
        network_name: name.clone(),
        kind,
        actor: actor.to_owned(),
        state: OperationState::Running,
        steps: steps.collect(),
        reason: None,
        delayed_by: None,
        evidence: None,
        nodes: Vec::new(),
        next: None,
        receipt: None,
        ballot: None,
        created_at_ms: now_ms,
        finished_at_ms: None,
    };
    let first = steps_of(kind).first().copied();
    if let Some(first) = first {
        reach(&mut operation, first, now_ms);
    }
    operation
}

/// The operation is at this step: what comes before is done, what comes after is yet to be. A step
/// that was done can be under way again, when its work was undone by an accident.
pub(crate) fn reach(operation: &mut Operation, name: &str, now_ms: u64) {
    let Some(position) = operation.steps.iter().position(|step| step.name == name) else { return };
    for (index, step) in operation.steps.iter_mut().enumerate() {
        if index < position {
            finish(step, now_ms);
        } else if index == position {
            if step.state != StepState::Running {
                step.state = StepState::Running;
                step.started_at_ms = step.started_at_ms.or(Some(now_ms));
                step.finished_at_ms = None;
            }
        } else if step.state == StepState::Running {
            step.state = StepState::Pending;
        }
    }
}

/// Some steps have nothing to do this time: they are not shown.
pub(crate) fn without(operation: &mut Operation, names: &[&str], now_ms: u64) {
    operation.steps.retain(|step| !names.contains(&step.name.as_str()));
    if let Some(first) = operation.steps.first().map(|step| step.name.clone()) {
        reach(operation, &first, now_ms);
    }
}

/// Says how far the step under way is.
pub(crate) fn detail(operation: &mut Operation, text: Option<String>) {
    if let Some(step) = operation.steps.iter_mut().find(|step| step.state == StepState::Running) {
        step.detail = text;
    }
}

/// Says why there is no progress, or that there is: what held it up before stays known.
pub(crate) fn explain(operation: &mut Operation, reason: Option<Reason>) {
    if reason.is_none() && operation.reason.is_some() {
        operation.delayed_by = operation.reason.take();
    }
    operation.reason = reason;
}

fn finish(step: &mut Step, now_ms: u64) {
    if step.state == StepState::Done {
        return;
    }
    step.started_at_ms = step.started_at_ms.or(Some(now_ms));
    step.finished_at_ms = Some(now_ms);
    step.state = StepState::Done;
    step.detail = None;
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ending {
    /// Every step is done.
    Succeeded,
    /// A create is done; this is what it proved.
    Proved(Box<Evidence>),
    /// A destroy, or the removal of a node, is done; this is what it released.
    Released(Box<ReleaseReceipt>),
    /// A proposal or a vote is in a final block; this is what came of it.
    Balloted(Box<BallotOutcome>),
    /// It will not be done.
    Failed(Reason),
    /// Another operation took its place.
    Superseded,
}

/// Ends an operation.
pub(crate) fn end(operation: &mut Operation, ending: Ending, now_ms: u64) {
    let state = match ending {
        Ending::Succeeded => OperationState::Succeeded,
        Ending::Proved(evidence) => {
            operation.evidence = Some(*evidence);
            OperationState::Succeeded
        }
        Ending::Released(receipt) => {
            operation.receipt = Some(*receipt);
            OperationState::Succeeded
        }
        Ending::Balloted(outcome) => {
            operation.ballot = Some(outcome);
            OperationState::Succeeded
        }
        Ending::Failed(reason) => {
            operation.reason = Some(reason);
            OperationState::Failed
        }
        Ending::Superseded => OperationState::Superseded,
    };
    if state == OperationState::Succeeded {
        operation.steps.iter_mut().for_each(|step| finish(step, now_ms));
        explain(operation, None);
    }
    operation.state = state;
    operation.finished_at_ms = Some(now_ms);
}

/// How long each step took that is done or under way.
pub(crate) fn timings(operation: &Operation, now_ms: u64) -> Vec<StepTiming> {
    let timed = operation.steps.iter().filter_map(|step| {
        let started = step.started_at_ms?;
        let ended = step.finished_at_ms.unwrap_or(now_ms);
        let milliseconds = ended.saturating_sub(started);
        Some(StepTiming { step: step.name.clone(), milliseconds })
    });
    timed.collect()
}

/// Whether the operation has come to its end.
pub(crate) fn ended(operation: &Operation) -> bool {
    operation.state != OperationState::Running
}

/// What the audit log has of an operation that has ended.
pub(crate) fn outcome_of(operation: &Operation) -> &'static str {
    match operation.state {
        OperationState::Running => "running",
        OperationState::Succeeded => "succeeded",
        OperationState::Failed => "failed",
        OperationState::Superseded => "superseded",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_follow_the_work_and_end_with_it() {
        let (organization, network) =
            (OrganizationId::from_entropy([1; 10]), NetworkId::from_entropy([2; 10]));
        let name: Name = "trade".parse().unwrap();
        let id = OperationId::from_entropy([3; 10]);
        let mut operation =
            begin(id, (&organization, &network, &name), OperationKind::Create, ("test", 100));
        let states = |operation: &Operation| -> String {
            let letter = |step: &Step| match step.state {
                StepState::Pending => 'p',
                StepState::Running => 'r',
                StepState::Done => 'd',
            };
            operation.steps.iter().map(letter).collect()
        };
        assert_eq!(states(&operation), "rppppp");
        reach(&mut operation, step::PROCESSES, 110);
        assert_eq!(states(&operation), "ddrppp");
        reach(&mut operation, step::PEERS, 150);
        reach(&mut operation, step::PROCESSES, 160);
        assert_eq!(states(&operation), "ddrppp", "a process died: back to its start");
        end(&mut operation, Ending::Succeeded, 200);
        assert_eq!(states(&operation), "dddddd");
        assert!(ended(&operation));
        let processes = timings(&operation, 999).into_iter().find(|t| t.step == "processes");
        assert_eq!(processes.unwrap().milliseconds, 90, "from 110 to the end at 200");
    }
}
