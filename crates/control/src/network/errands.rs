//! What members do about nodes without a vote: they name one as an observer, and take that back.
//!
//! The reconciler declares it, together with what it saves; the clerk signs it, writes the signed
//! bytes down and sends them, as it does with proposals and votes ([`crate::governance`]). What became
//! of it is read from its operation by the next observation.

use windlass_engine::governance::Act;
use windlass_model::{
    ErrorCode, NodeId, OperationId,
    network::{OperationKind, Reason},
};

use crate::{
    network::{
        execute::{Execution, Failure},
        plan::Errand,
    },
    operation::{self, Ending},
    store::rows::{Ballot, NodeRow, Registration, TeardownRecord, Thing},
};

impl Errand {
    fn kind(self) -> OperationKind {
        match self {
            Self::Register => OperationKind::AddObserver,
            Self::Withdraw => OperationKind::RemoveObserver,
        }
    }
}

/// What a member is to do about a node, as it is written down.
fn registration(node: &mut NodeRow, errand: Errand) -> Option<&mut Registration> {
    match errand {
        Errand::Register => node.status.registration.as_mut(),
        Errand::Withdraw => node.status.leaving.as_mut()?.withdrawal.as_mut(),
    }
}

/// Declares it.
pub(crate) fn declare(
    execution: &mut Execution<'_>,
    id: &NodeId,
    errand: Errand,
) -> Result<(), Failure> {
    let now_ms = execution.now_ms();
    let operation_id = OperationId::from_entropy(execution.reconciler.world.random());
    let Some(contract) = execution.engine.governance() else { return Ok(()) };
    let network = execution.after.network.clone();
    let Some(node) = execution.after.node_mut(id) else { return Ok(()) };
    let name = node.name.clone();
    let (Some(node_key), Some(port)) = (node.node_key.public, node.port) else { return Ok(()) };
    let act = match errand {
        Errand::Register => Act::AddObserver { node_key, endpoint: format!("127.0.0.1:{port}") },
        Errand::Withdraw => Act::RemoveObserver { node_key },
    };
    let data = contract.input(&act).map_err(|error| Failure(undeclared(&error, now_ms)))?;
    let Some(registration) = registration(node, errand) else { return Ok(()) };
    registration.operation = Some(operation_id.clone());
    let ballot = Ballot {
        operation: operation_id.clone(),
        organization: network.organization.clone(),
        network: network.id.clone(),
        member: registration.member.clone(),
        account: registration.account.clone(),
        key: registration.key.clone(),
        data,
        transaction: None,
        created_at_ms: now_ms,
    };
    let object = (&network.organization, &network.id, &network.name);
    // It is part of what somebody asked for, if somebody did.
    let asked = execution.after.operation.as_ref().filter(|_| network.operation.is_some());
    let actor = asked.map_or(operation::PLATFORM, |asked| asked.actor.as_str());
    let mut operation = operation::begin(operation_id, object, errand.kind(), (actor, now_ms));
    operation.nodes = vec![name];
    execution.ballot(ballot, operation);
    Ok(())
}

/// It is in a final block.
pub(crate) fn done(execution: &mut Execution<'_>, id: &NodeId, errand: Errand) {
    let node = execution.after.node_mut(id);
    if let Some(registration) = node.and_then(|node| registration(node, errand)) {
        registration.done = true;
    }
}

/// It can't be done. A node that was to be registered is there and is not; one that was to go stays.
pub(crate) fn give_up(execution: &mut Execution<'_>, id: &NodeId, errand: Errand, reason: Reason) {
    let now_ms = execution.now_ms();
    let Some(node) = execution.after.node_mut(id) else { return };
    let name = node.name.clone();
    match errand {
        Errand::Register => node.status.registration = None,
        Errand::Withdraw => node.status.leaving = None,
    }
    let after = &mut execution.after;
    let Some(operation) = after.current_operation() else { return };
    let about = match errand {
        Errand::Register => OperationKind::AddNodes,
        Errand::Withdraw => OperationKind::RemoveNode,
    };
    if operation.kind == about && operation.nodes.contains(&name) {
        operation::end(operation, Ending::Failed(reason), now_ms);
        after.network.operation = None;
        after.network.status.reason = None;
    }
}

/// Begins to note what is gone of a node.
pub(crate) fn inventory(execution: &mut Execution<'_>, id: &NodeId, inventory: Vec<Thing>) {
    let node = execution.after.node_mut(id);
    if let Some(teardown) = node.and_then(|node| node.status.teardown_mut()) {
        *teardown = Some(TeardownRecord { inventory, ..TeardownRecord::default() });
    }
}

fn undeclared(error: &windlass_engine::EngineError, now_ms: u64) -> Reason {
    Reason {
        code: ErrorCode::Internal,
        message: error.to_string(),
        remedy: "this is a defect of Windlass: please report it".to_owned(),
        since_ms: now_ms,
    }
}
