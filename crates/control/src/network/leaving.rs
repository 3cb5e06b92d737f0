//! The plan for a node that goes while its network stays.

use windlass_model::WorkloadId;

use crate::{
    network::{
        describe,
        joining::{Fate, fate},
        observe::Observation,
        plan::{Action, Errand, Plan},
        running::wait,
    },
    operation::step,
    store::rows::{Leaving, NodeRow},
};

/// Takes the next step with every node that goes.
pub(super) fn plan(observed: &Observation, plan: &mut Plan) {
    for node in &observed.record.nodes {
        if let Some(leaving) = &node.status.leaving {
            one(observed, plan, (node, leaving));
        }
    }
}

fn one(observed: &Observation, plan: &mut Plan, (node, leaving): (&NodeRow, &Leaving)) {
    let (id, errand) = (node.id.clone(), Errand::Withdraw);
    if let Some(withdrawal) = leaving.withdrawal.as_ref().filter(|one| !one.done) {
        plan.push(Action::Reach(step::REGISTRATION));
        match fate(observed, withdrawal) {
            Fate::Undeclared => plan.push(Action::Declare { node: id, errand }),
            Fate::Sent(Some(held_up)) => plan.explain(observed, Some(held_up)),
            Fate::Sent(None) => {
                let text =
                    format!("the members' chain has not taken back yet that {} is one", node.name);
                wait(observed, plan, text);
            }
            Fate::Done => plan.push(Action::NoteDone { node: id, errand }),
            Fate::Refused(reason) => plan.push(Action::GiveUp { node: id, errand, reason }),
        }
        return;
    }
    let Some(teardown) = &leaving.teardown else {
        plan.push(Action::Reach(step::PROCESSES));
        let things = describe::of_node(observed, node);
        return plan.push(Action::NodeInventory { node: id, things });
    };
    let workload = WorkloadId::of_node(&node.id);
    if !teardown.removed.contains(&workload) || observed.instances.contains_key(&workload) {
        plan.push(Action::Reach(step::PROCESSES));
        return plan.push(Action::Remove(workload));
    }
    let gone = |name: &str| teardown.released.iter().any(|released| released.name == name);
    let keys = node.key_ids().filter(|id| !gone(id.as_str()) || observed.held_keys.contains(*id));
    plan.push(Action::Reach(step::KEYS));
    let destroy: Vec<Action> = keys.cloned().map(Action::DestroyKey).collect();
    plan.actions.extend(destroy);
    plan.push(Action::Reach(step::RECORDS));
    plan.push(Action::ReleaseNode(id));
}
