//! A node that is replaced: nothing is left of its process and its disk, and it begins anew with an empty
//! one, by the same name and keys and at the same port. What it lacks it fetches from the others.
//!
//! If it is a validator it does not vote until its epoch ends: how far it has voted is written down beside
//! its key, with the journal that knows what, and that is gone. So the others have to be a quorum.

use std::collections::BTreeMap;

use windlass_model::{ErrorCode, NodeId, Problem, WorkloadId, network::OperationKind};

use crate::{
    monitor::LiveNode,
    network::{
        able::able,
        describe,
        execute::Execution,
        observe::Observation,
        plan::{Action, Plan},
        teardown,
    },
    operation::{self, step},
    store::rows::{Blocks, NewDisk, NodeRow, Record, Standing},
};

type Checked<T> = Result<T, Box<Problem>>;

/// Whether a node may be replaced, by what the nodes say. Answers what the user should know.
pub(crate) fn check(
    record: &Record,
    live: &BTreeMap<NodeId, LiveNode>,
    node: &NodeRow,
) -> Checked<Vec<String>> {
    let (name, network) = (&node.name, &record.network.name);
    if !record.blocks_stay(&[&node.id]) {
        return Err(Box::new(Problem::new(
            ErrorCode::NetworkBusy,
            format!("{name} alone has every block of `{network}`: the others still fetch old ones"),
            format!("`windlass network node ls {network}` says how many; replace it after that"),
        )));
    }
    let Some(able) = able(live, Some(node)) else {
        return Err(Box::new(Problem::new(
            ErrorCode::NetworkUnavailable,
            format!(
                "no other node of `{network}` answers: {name} has nobody to fetch the chain from"
            ),
            format!("`windlass network doctor {network}` says why"),
        )));
    };
    if standing(live, node) != Standing::Validator {
        return Ok(Vec::new());
    }
    if able.voting < able.quorum {
        return Err(Box::new(Problem::new(
            ErrorCode::QuorumAtRisk,
            format!(
                "without {name} {} of the {} validators of `{network}` vote, and a block needs {}",
                able.voting, able.validators, able.quorum
            ),
            format!(
                "with a new disk it does not vote until the epoch ends: see first that more of the others \
                 vote, `windlass network doctor {network}` says what keeps them; where their disks are \
                 lost, docs/operate.md tells of a recovery"
            ),
        )));
    }
    Ok(vec![format!(
        "{name} votes again from the next epoch on: until then {} of {} validators vote, and a block needs {}",
        able.voting, able.validators, able.quorum
    )])
}

/// What it is to the members: as it says, or as it said last.
fn standing(live: &BTreeMap<NodeId, LiveNode>, node: &NodeRow) -> Standing {
    let report = live.get(&node.id).and_then(LiveNode::answer);
    let settled = report.filter(|report| report.is_settled());
    settled.map_or_else(|| node.standing(), |report| (&report.seat).into())
}

/// Writes down that a node gets a new disk.
pub(crate) fn ask(record: &mut Record, id: &NodeId) {
    if let Some(node) = record.node_mut(id) {
        node.status.new_disk.get_or_insert_default();
    }
}

/// What the operation that replaces it does.
pub(crate) fn tell(record: &mut Record, id: &NodeId, now_ms: u64) {
    let Some(node) = record.node(id) else { return };
    let (name, standing) = (node.name.clone(), node.standing());
    let Some(operation) = record.current_operation() else { return };
    operation.nodes = vec![name];
    if standing == Standing::Unnamed {
        // It has nobody to fetch anything from yet.
        operation::without(operation, &[step::BLOCKS], now_ms);
    }
}

/// Takes the next step with every node that gets a new disk.
pub(super) fn plan(observed: &Observation, plan: &mut Plan) {
    for node in observed.record.nodes.iter().filter(|node| !node.is_leaving()) {
        let Some(NewDisk { teardown }) = &node.status.new_disk else { continue };
        let (id, workload) = (node.id.clone(), WorkloadId::of_node(&node.id));
        plan.push(Action::Reach(step::PROCESSES));
        match teardown {
            None => {
                let things = describe::on_substrate(observed, node);
                plan.push(Action::NodeInventory { node: id, things });
            }
            Some(teardown)
                if !teardown.removed.contains(&workload)
                    || observed.instances.contains_key(&workload) =>
            {
                plan.push(Action::Remove(workload));
            }
            Some(_) => plan.push(Action::NoteEmptied(id)),
        }
    }
}

/// Nothing is left of a node's disk: it is started like one that never was.
pub(crate) fn emptied(execution: &mut Execution<'_>, id: &NodeId) {
    let now_ms = execution.now_ms();
    let after = &mut execution.after;
    let Some(node) = after.node_mut(id) else { return };
    let Some(NewDisk { teardown }) = node.status.new_disk.take() else { return };
    let (name, status) = (node.name.clone(), &mut node.status);
    (status.process, status.reason, status.last_end) = (None, None, None);
    (status.failures, status.retry_at_ms) = (0, 0);
    // They are counted in its directory as well.
    (status.repairs, status.repaired_at_ms) = (0, 0);
    status.blocks = Blocks::Some;
    let receipt = teardown::receipt(after, teardown.unwrap_or_default(), now_ms);
    if let Some(operation) = after.current_operation()
        && operation.kind == OperationKind::ReplaceNode
        && operation.nodes.contains(&name)
    {
        operation.receipt = Some(receipt);
    }
}
