//! Whether the network does what it is for, and whether enough validators are there.

use windlass_model::{
    condition::{Cause, Condition, ConditionKind, ConditionStatus, Fault, Gravity},
    network::{Health, NetworkState, OperationKind},
};

use super::{Facts, at_rest, untold, well, wrong};
use crate::monitor::FRESH_MS;

const KIND: ConditionKind = ConditionKind::Usable;

/// Whether it does what it is for.
pub(super) fn usable(facts: &Facts<'_>) -> Condition {
    let network = facts.network;
    let not = |cause, message: &str| Condition {
        status: ConditionStatus::False,
        ..untold(KIND, cause, message)
    };
    let name = &network.name;
    match network.state {
        NetworkState::Usable if !facts.rests() => running(facts),
        NetworkState::Usable | NetworkState::Stopping => {
            not(Cause::InTransition, "its processes are being ended")
        }
        NetworkState::Declared | NetworkState::Creating => {
            not(Cause::InTransition, "it is being created")
        }
        NetworkState::Starting => not(Cause::InTransition, "it is being started"),
        NetworkState::Sleeping => Condition {
            remedy: Some("nothing: the next request to its endpoint wakes it".to_owned()),
            command: Some(format!("windlass network wake {name}")),
            ..not(Cause::AtRest, "it sleeps")
        },
        NetworkState::Stopped => Condition {
            remedy: Some("start it, if it is to run".to_owned()),
            command: Some(format!("windlass network start {name}")),
            ..not(Cause::AtRest, "somebody has stopped it")
        },
        NetworkState::Destroying | NetworkState::Gone => {
            not(Cause::InTransition, "it is being destroyed")
        }
    }
}

fn running(facts: &Facts<'_>) -> Condition {
    let judgement = facts.judgement;
    let reason = judgement.reason.as_ref();
    let message = reason.map(|reason| reason.message.clone()).unwrap_or_default();
    match judgement.health {
        Health::Healthy => well(KIND, "enough validators answer, and blocks are made"),
        Health::Degraded => well(KIND, "blocks are made, with fewer validators than there are"),
        Health::Unavailable => {
            let fault = judgement.fault.unwrap_or(Fault::Node);
            let remedy = reason.map(|reason| reason.remedy.clone()).unwrap_or_default();
            Condition {
                nodes: judgement.nodes.clone(),
                command: Some(format!("windlass network consensus {}", facts.network.name)),
                since_ms: reason.map_or(0, |reason| reason.since_ms),
                ..wrong(KIND, (judgement.cause, fault, Gravity::Critical), message, remedy)
            }
        }
        Health::Unknown => unheard(facts),
    }
}

/// It was usable, and nobody has said so lately.
fn unheard(facts: &Facts<'_>) -> Condition {
    let Some(answered_at_ms) = facts.answered_at_ms else {
        let message = "the platform has not heard of its nodes since it was started";
        return untold(KIND, Cause::NotLookedAt, message);
    };
    let ago_ms = facts.now_ms.saturating_sub(answered_at_ms);
    let message = format!(
        "fewer validators than a block needs answered within the last {} s",
        FRESH_MS / 1_000
    );
    let remedy = "they are asked again by themselves; where that lasts, see that the machine is not \
                  overloaded and what the platform's log says";
    Condition {
        status: ConditionStatus::Unknown,
        nodes: facts.judgement.nodes.clone(),
        evidence: vec![format!("the last answer came {} s ago", ago_ms / 1_000)],
        command: Some(format!("windlass network doctor {}", facts.network.name)),
        since_ms: answered_at_ms,
        ..wrong(KIND, (Cause::NotHeard, Fault::Machine, Gravity::Critical), message, remedy)
    }
}

/// Whether as many validators are there as a block needs.
pub(super) fn quorum(facts: &Facts<'_>) -> Condition {
    let kind = ConditionKind::QuorumPresent;
    if facts.rests() {
        return at_rest(kind);
    }
    if facts.network.state != NetworkState::Usable {
        let starts = facts.network.operation.as_ref().map(|doing| doing.kind);
        let message = match starts {
            Some(OperationKind::Create) => "it is being created",
            Some(_) | None => "it is being started",
        };
        return untold(kind, Cause::InTransition, message);
    }
    match (facts.judgement.health, facts.judgement.cause) {
        (Health::Unavailable, Cause::Stalled) => {
            well(kind, "as many validators are there as a block needs")
        }
        (Health::Healthy | Health::Degraded, _) => {
            well(kind, "as many validators are there and vote as a block needs")
        }
        (Health::Unavailable, _) => Condition { kind, ..running(facts) },
        (Health::Unknown, _) => {
            let Condition { cause, message, since_ms, .. } = unheard(facts);
            Condition { since_ms, ..untold(kind, cause, message) }
        }
    }
}
