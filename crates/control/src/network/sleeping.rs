//! The plan for a network that is to sleep: a quiesced stop, from which a request wakes it.
//!
//! The gateway keeps requests from then on, and so it is told before anything ends. What it had passed
//! on is finished: every node has the newest block, and no transaction waits. Then the processes end,
//! each with its pool on disk. Whatever comes in between wakes the network, and is answered.

use windlass_engine::{Engine, Seat, Work};
use windlass_model::network::{Intent, NetworkState, OperationKind};

use crate::{
    monitor::LiveNode,
    network::{
        observe::Observation,
        plan::{Action, Plan, ends},
    },
    operation::step,
    store::rows::Record,
};

/// How long it is waited for that nothing is under way. Pools are on disk: nothing is lost after it.
const QUIET_PATIENCE_MS: u64 = 10_000;

pub(super) fn plan(observed: &Observation, engine: &dyn Engine, plan: &mut Plan) {
    let network = &observed.record.network;
    let ends = match ends(observed, engine, plan) {
        Ok(ends) => ends,
        Err(reason) => return plan.explain(observed, Some(reason)),
    };
    if ends.is_empty() {
        if network.state != NetworkState::Sleeping || network.operation.is_some() {
            plan.push(Action::Publish);
            plan.explain(observed, None);
            plan.push(Action::Conclude(NetworkState::Sleeping));
        }
        return;
    }
    let sleeps = observed.record.operation.as_ref().filter(|_| network.operation.is_some());
    let sleeps = sleeps.is_some_and(|operation| operation.kind == OperationKind::Sleep);
    let told_ms = observed.step_since(step::PROCESSES);
    if network.operation.is_some() && !sleeps {
        // Another one took its place, of which no step says that the gateway was told.
        plan.push(Action::Publish);
    } else if sleeps && told_ms.is_none() {
        plan.push(Action::SetState(NetworkState::Stopping));
        plan.push(Action::Publish);
        return plan.push(Action::Reach(step::PROCESSES));
    }
    let until_ms = told_ms.map_or(0, |told_ms| told_ms.saturating_add(QUIET_PATIENCE_MS));
    let live = observed.record.nodes.iter().filter_map(|node| observed.live.get(&node.id));
    match busy(live) {
        Some(why) if observed.now_ms < until_ms => {
            plan.push(Action::Detail(why.to_owned()));
            plan.wake_at(until_ms);
        }
        Some(_) | None => plan.actions.extend(ends),
    }
}

/// Why a network that nobody asks anything for does not fall asleep now, if it doesn't.
pub(crate) fn kept_awake<'a>(
    record: &Record,
    live: impl Iterator<Item = &'a LiveNode> + Clone,
) -> Option<&'static str> {
    let network = &record.network;
    if network.spec.sleep_after_s == 0 {
        return Some("it is to run all the time");
    }
    let usable = (network.intent, network.state) == (Intent::Running, NetworkState::Usable);
    if !usable || network.operation.is_some() {
        return Some("something else happens to it");
    }
    if live.clone().filter_map(LiveNode::answer).count() < record.nodes.len() {
        return Some("not every node answers");
    }
    if live.clone().filter_map(LiveNode::answer).any(|report| report.earlier_blocks > 0) {
        return Some("a node still fetches blocks");
    }
    busy(live)
}

/// What is under way in a network, as far as its nodes answer.
fn busy<'a>(live: impl Iterator<Item = &'a LiveNode>) -> Option<&'static str> {
    let mut tip = None;
    for report in live.filter_map(LiveNode::answer) {
        if report.syncing || *tip.get_or_insert(&report.tip) != &report.tip {
            return Some("a node is catching up");
        }
        if report.seat == Seat::Votes && report.work == Work::Something {
            return Some("a transaction waits, or a block is being made");
        }
    }
    None
}
