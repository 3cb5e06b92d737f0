//! What the platform does for the network: its endpoint, and the operation that is under way.

use windlass_model::{
    ErrorCode,
    budget::EndStage,
    condition::{Cause, Condition, ConditionKind, Fault, Gravity},
    network::{NetworkState, OperationKind, Reason},
};

use super::{Facts, GatewaySeen, at_rest, untold, well, wrong};

/// A pass takes less, but where a driver hangs: it is given up later ([`Deadlines`](crate::world::Deadlines)).
const PASS_MS: u64 = 60_000;

/// Whether the stable URL is served.
pub(super) fn endpoint(facts: &Facts<'_>) -> Condition {
    let kind = ConditionKind::EndpointAnswers;
    if facts.rests() {
        return at_rest(kind);
    }
    if facts.network.state != NetworkState::Usable {
        return untold(kind, Cause::InTransition, "it is served once the network is usable");
    }
    let remedy = "the gateway is started again by itself; the platform's log says more";
    match facts.gateway {
        GatewaySeen::Up => well(kind, "the gateway serves it"),
        GatewaySeen::Down => {
            let fault = (Cause::GatewayDown, Fault::Operator, Gravity::Critical);
            let message = "no gateway runs that could serve it";
            Condition {
                command: Some("windlass status".to_owned()),
                ..wrong(kind, fault, message, remedy)
            }
        }
        GatewaySeen::Silent(why, since_ms) => {
            let message = "it was called like a client calls it, and did not answer";
            let quiet: Vec<&str> = super::nodes::quiet(facts).collect();
            if !quiet.is_empty() {
                // The gateway has asked one of them.
                let fault = (Cause::EndpointSilent, Fault::Node, facts.gravity());
                let remedy =
                    "it answers when they do; the gateway asks others once it knows of them";
                return Condition {
                    nodes: super::owned(&quiet),
                    command: Some(format!("windlass network doctor {}", facts.network.name)),
                    evidence: vec![why.to_owned()],
                    since_ms,
                    ..wrong(kind, fault, message, remedy)
                };
            }
            let fault = (Cause::EndpointSilent, Fault::Operator, Gravity::Critical);
            Condition {
                command: Some("windlass status".to_owned()),
                evidence: vec![why.to_owned()],
                since_ms,
                ..wrong(kind, fault, message, remedy)
            }
        }
    }
}

/// Whether what is under way gets on.
pub(super) fn progress(facts: &Facts<'_>) -> Condition {
    let kind = ConditionKind::OperationProgress;
    let network = facts.network;
    let served = network.state == NetworkState::Usable;
    let gravity = if served { Gravity::Warning } else { Gravity::Critical };
    if let Some(since_ms) = network.pass_since_ms
        && facts.now_ms.saturating_sub(since_ms) > PASS_MS
    {
        let message = "what the platform does about the network does not come back";
        let remedy = "see what the platform's log says, and whether the disk and the programs that it \
                      calls answer; restarting the platform leaves nodes running";
        return Condition {
            since_ms,
            command: Some("windlass status".to_owned()),
            ..wrong(kind, (Cause::Stuck, Fault::Operator, gravity), message, remedy)
        };
    }
    if let Some(reason) = facts.stuck {
        return held_up(kind, reason, (Cause::Stuck, gravity));
    }
    let Some(doing) = &network.operation else {
        // Of a network that is as it is wanted, the nodes' own reasons stand in their conditions.
        return network.reason.as_ref().map_or_else(
            || well(kind, "nothing is under way"),
            |reason| held_up(kind, reason, (Cause::Stuck, gravity)),
        );
    };
    let step = doing.step.as_deref().unwrap_or("its end");
    let what = format!("{} is at `{step}`", word(doing.kind));
    let Some(reason) = &doing.reason else { return well(kind, format!("{what}, and gets on")) };
    let held_up = held_up(kind, reason, (Cause::Waiting, gravity));
    Condition {
        message: format!("{what}, and waits: {}", held_up.message),
        command: Some(format!("windlass operation show {}", doing.id)),
        ..held_up
    }
}

/// Whether it has time left.
pub(super) fn lifetime(facts: &Facts<'_>) -> Condition {
    let kind = ConditionKind::Lifetime;
    let Some(end) = &facts.network.end else { return well(kind, "it has no end") };
    // What changes by the minute stands beside: a change of the message is an event.
    let left = |until_ms: u64| {
        vec![format!("{} minutes are left", until_ms.saturating_sub(facts.now_ms).div_ceil(60_000))]
    };
    let name = &facts.network.name;
    let (cause, gravity, message, (since_ms, until_ms)) = match end.stage {
        EndStage::Ahead => {
            let evidence = left(end.at_ms);
            return Condition { evidence, ..well(kind, "its time is not over soon") };
        }
        EndStage::Soon => {
            let message = "its time is nearly over: it is stopped then, and later destroyed";
            (Cause::EndsSoon, Gravity::Warning, message, (end.soon_at_ms, end.at_ms))
        }
        EndStage::Over => {
            let message = "its time is over, and it is destroyed after its grace";
            (Cause::TimeOver, Gravity::Critical, message, (end.at_ms, end.destroyed_at_ms))
        }
    };
    Condition {
        since_ms,
        evidence: left(until_ms),
        command: Some(format!("windlass network extend {name} --by 1d")),
        ..wrong(kind, (cause, Fault::Operator, gravity), message, "put its end off, to keep it")
    }
}

fn held_up(kind: ConditionKind, reason: &Reason, (cause, gravity): (Cause, Gravity)) -> Condition {
    let fault = match reason.code {
        ErrorCode::DiskFull
        | ErrorCode::OutOfMemory
        | ErrorCode::PortInUse
        | ErrorCode::DataDirectoryUnusable
        | ErrorCode::LedgerDamaged
        | ErrorCode::InsufficientMemory
        | ErrorCode::InsufficientProcessors => Fault::Machine,
        ErrorCode::WorkloadFailed | ErrorCode::NetworkUnavailable => Fault::Node,
        _ => Fault::Operator,
    };
    let message = reason.message.lines().next().unwrap_or_default();
    Condition {
        evidence: vec![format!("code {}", reason.code)],
        since_ms: reason.since_ms,
        ..wrong(kind, (cause, fault, gravity), message, reason.remedy.clone())
    }
}

fn word(kind: OperationKind) -> String {
    let text = serde_json::to_value(kind).ok();
    let text = text.as_ref().and_then(serde_json::Value::as_str).unwrap_or_default();
    text.replace('_', " ")
}
