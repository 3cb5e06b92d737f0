//! Processes: whether they are there, answer, see each other, vote, and are in step.

use std::collections::BTreeSet;

use windlass_model::{
    ErrorCode,
    condition::{Cause, Condition, ConditionKind, ConditionStatus, Fault},
    network::Reason,
};

use super::{Facts, NodeFacts, at_rest, owned, seconds, untold, well, wrong};
use crate::monitor::HANGS_AFTER_MS;

/// A process that ended so often in a row ends again and again.
const LOOPS_AFTER: u32 = 3;

/// Whether every node has a process.
pub(super) fn running(facts: &Facts<'_>) -> Condition {
    let kind = ConditionKind::NodesRunning;
    if facts.rests() {
        return at_rest(kind);
    }
    let ended = |node: &&NodeFacts<'_>| {
        let loops = node.known.failures >= LOOPS_AFTER;
        loops || (!node.runs() && node.known.last_end.is_some())
    };
    let ended: Vec<&NodeFacts<'_>> = facts.nodes.iter().filter(ended).collect();
    let Some(first) = ended.first() else {
        let starting = facts.nodes.iter().filter(|node| !node.runs()).count();
        if starting > 0 {
            let message =
                format!("{starting} of {} processes are being started", facts.nodes.len());
            return untold(kind, Cause::InTransition, message);
        }
        return well(kind, format!("all {} processes run", facts.nodes.len()));
    };
    let names: Vec<&str> = ended.iter().map(|node| node.known.name.as_str()).collect();
    let (cause, fault) = first.known.last_end.as_ref().map_or((Cause::Ended, Fault::Node), why);
    let loops = ended.iter().any(|node| node.known.failures >= LOOPS_AFTER);
    let cause = if loops && cause == Cause::Ended { Cause::CrashLoop } else { cause };
    let mut reasons: Vec<String> = Vec::new();
    for node in &ended {
        let said = node.known.last_end.as_ref().and_then(|end| end.message.lines().next());
        let said = said.map_or_else(|| format!("{} does not run", node.known.name), str::to_owned);
        if node.known.failures >= LOOPS_AFTER {
            reasons.push(format!("{said}, as it does again and again"));
        } else {
            reasons.push(said);
        }
    }
    let remedy = first.known.last_end.as_ref().map_or_else(
        || "it is started again by itself".to_owned(),
        |end| end.remedy.lines().next().unwrap_or_default().to_owned(),
    );
    let since =
        ended.iter().filter_map(|node| node.known.last_end.as_ref()).map(|end| end.since_ms);
    Condition {
        nodes: owned(&names),
        command: Some(facts.logs_of(&first.known.name)),
        evidence: ended.iter().map(|node| tries(node, facts.now_ms)).collect(),
        since_ms: since.min().unwrap_or(0),
        ..wrong(kind, (cause, fault, facts.gravity()), reasons.join("; "), remedy)
    }
}

/// How often a node has failed, and when it is started again.
fn tries(node: &NodeFacts<'_>, now_ms: u64) -> String {
    let known = node.known;
    let next = if node.runs() {
        "runs at the moment".to_owned()
    } else if known.retry_at_ms > now_ms {
        format!("is started again in {}", seconds(known.retry_at_ms - now_ms))
    } else {
        "is started again now".to_owned()
    };
    format!("{}: ended {} times in a row; {next}", known.name, known.failures)
}

/// The cause behind a node's end, and whose fault that is.
pub(super) fn why(end: &Reason) -> (Cause, Fault) {
    match end.code {
        ErrorCode::DiskFull => (Cause::DiskFull, Fault::Machine),
        ErrorCode::LedgerDamaged => (Cause::LedgerDamaged, Fault::Machine),
        ErrorCode::OutOfMemory => (Cause::OutOfMemory, Fault::Machine),
        ErrorCode::PortInUse => (Cause::PortInUse, Fault::Machine),
        // As the substrate says it of a process that left no word.
        _ if end.message.contains("signal 9") => (Cause::Killed, Fault::Operator),
        _ => (Cause::Ended, Fault::Node),
    }
}

/// The nodes that have answered, run, and answer no more.
pub(super) fn quiet<'a>(facts: &Facts<'a>) -> impl Iterator<Item = &'a str> {
    facts.nodes.iter().filter_map(|node| {
        let live = node.live?;
        let quiet = node.runs() && live.answer().is_none() && live.answered_at_ms.is_some();
        quiet.then_some(node.known.name.as_str())
    })
}

/// Whether every process answers.
pub(super) fn answer(facts: &Facts<'_>) -> Condition {
    let kind = ConditionKind::NodesAnswer;
    if facts.rests() {
        return at_rest(kind);
    }
    let quiet = |node: &&NodeFacts<'_>| {
        node.runs() && node.live.is_some_and(|live| live.answer().is_none())
    };
    let quiet: Vec<&NodeFacts<'_>> = facts.nodes.iter().filter(quiet).collect();
    let has_answered =
        |node: &&&NodeFacts<'_>| node.live.is_some_and(|live| live.answered_at_ms.is_some());
    let gone: Vec<&NodeFacts<'_>> = quiet.iter().filter(has_answered).copied().collect();
    let Some(first) = gone.first() else {
        let waiting: Vec<&str> = quiet.iter().map(|node| node.known.name.as_str()).collect();
        let (answering, all) = (facts.answers().count(), facts.nodes.len());
        return if !waiting.is_empty() {
            let message = format!("not answering yet: {}", waiting.join(", "));
            Condition { nodes: owned(&waiting), ..untold(kind, Cause::Starting, message) }
        } else if answering == all {
            well(kind, format!("all {all} nodes answer"))
        } else {
            well(kind, "every node answers that has a process")
        };
    };
    let names: Vec<&str> = gone.iter().map(|node| node.known.name.as_str()).collect();
    let told = |node: &&NodeFacts<'_>| {
        let live = node.live?;
        let (silence, answered_at_ms) = (live.silence.as_ref()?, live.answered_at_ms?);
        let ago_ms = facts.now_ms.saturating_sub(answered_at_ms);
        let (name, pid) = (&node.known.name, live.process.as_ref()?.pid);
        Some(format!("{name} (pid {pid}) answered {} ago: {}", seconds(ago_ms), silence.why))
    };
    let since = gone.iter().filter_map(|node| node.live?.answered_at_ms).min();
    let message = format!("running and not answering: {}", names.join(", "));
    let remedy = format!(
        "one that does not answer for {} s is ended and started again by itself; the log says what it \
         did last",
        HANGS_AFTER_MS / 1_000
    );
    Condition {
        nodes: owned(&names),
        command: Some(facts.logs_of(&first.known.name)),
        evidence: gone.iter().filter_map(told).collect(),
        since_ms: since.unwrap_or(0),
        ..wrong(kind, (Cause::Unresponsive, Fault::Node, facts.gravity()), message, remedy)
    }
}

/// Whether the validators see each other.
pub(super) fn connected(facts: &Facts<'_>) -> Condition {
    let kind = ConditionKind::PeersConnected;
    if facts.rests() {
        return at_rest(kind);
    }
    let deciding: Vec<&NodeFacts<'_>> = facts.nodes.iter().filter(|node| node.decides()).collect();
    let answering: Vec<(&str, &NodeFacts<'_>)> = deciding
        .iter()
        .filter(|node| node.live.and_then(|live| live.answer()).is_some())
        .map(|node| (node.known.name.as_str(), *node))
        .collect();
    if answering.is_empty() {
        return untold(kind, Cause::NotHeard, "no validator says whom it sees");
    }
    let sides = sides(&answering);
    let sees = |(name, node): &(&str, &NodeFacts<'_>)| {
        let report = node.live?.answer()?;
        let (seen, all) = (report.connected_validators, report.validators);
        Some(format!("{name} is connected with {seen} of {all} validators, itself counted"))
    };
    let evidence = || answering.iter().filter_map(sees).collect::<Vec<_>>();
    if let [one, others @ ..] = &*sides
        && !others.is_empty()
    {
        let told: Vec<String> = sides.iter().map(|side| side.join(", ")).collect();
        let message = format!("validators do not see each other: {}", told.join(" | "));
        let remedy = "see that each can reach the other's p2p port: firewalls, routes, and whether the \
                      machine is overloaded; they connect again by themselves";
        let smaller = others.iter().fold(
            one,
            |least, side| {
                if side.len() < least.len() { side } else { least }
            },
        );
        return Condition {
            nodes: owned(smaller),
            command: Some(format!("windlass network consensus {}", facts.network.name)),
            evidence: evidence(),
            ..wrong(kind, (Cause::Partitioned, Fault::Network, facts.gravity()), message, remedy)
        };
    }
    let here = deciding.len();
    let reports = || answering.iter().filter_map(|(_, node)| node.live?.answer());
    let all = reports().map(|report| report.validators).max().unwrap_or(0);
    let seen = reports().map(|report| report.connected_validators).max().unwrap_or(0);
    let elsewhere = usize::try_from(all).unwrap_or(0).saturating_sub(here);
    let connected = usize::try_from(seen).unwrap_or(0).saturating_sub(answering.len());
    if elsewhere > connected {
        let away = elsewhere - connected;
        let message = format!("{away} of {all} validators are other members' and not connected");
        let remedy = "ask the members that run them; they connect again by themselves";
        return Condition {
            command: Some(format!("windlass network consensus {}", facts.network.name)),
            evidence: evidence(),
            ..wrong(kind, (Cause::MembersMissing, Fault::Member, facts.gravity()), message, remedy)
        };
    }
    well(kind, "the validators that answer see each other")
}

/// The groups of nodes that see each other, the largest first. Nodes that do not say whom they see, as those
/// of earlier versions, are taken to see everybody.
fn sides<'a>(nodes: &[(&'a str, &NodeFacts<'_>)]) -> Vec<Vec<&'a str>> {
    let sees = |one: &NodeFacts<'_>, other: &NodeFacts<'_>| {
        let peers = one.live.and_then(|live| live.answer()).map(|report| &report.peers);
        let key = |(key, _): &&(String, bool)| other.known.keys.contains(key);
        let link = peers.and_then(|peers| peers.iter().find(key));
        link.is_none_or(|(_, connected)| *connected)
    };
    let mut left: BTreeSet<usize> = (0..nodes.len()).collect();
    let mut sides = Vec::new();
    while let Some(first) = left.pop_first() {
        let mut side = vec![first];
        let mut at = 0;
        while let Some(&one) = side.get(at) {
            let mutual = |other: &usize| {
                sees(nodes[one].1, nodes[*other].1) && sees(nodes[*other].1, nodes[one].1)
            };
            let found: Vec<usize> = left.iter().copied().filter(mutual).collect();
            left.retain(|other| !found.contains(other));
            side.extend(found);
            at += 1;
        }
        side.sort_unstable();
        sides.push(side.into_iter().map(|index| nodes[index].0).collect::<Vec<_>>());
    }
    sides.sort_by_key(|side| std::cmp::Reverse(side.len()));
    sides
}

/// Whether every validator votes.
pub(super) fn vote(facts: &Facts<'_>) -> Condition {
    let kind = ConditionKind::ValidatorsVote;
    if facts.rests() {
        return at_rest(kind);
    }
    let silent = facts.nodes.iter().filter(|node| node.decides()).filter_map(|node| {
        let report = node.live?.answer().filter(|report| report.is_settled())?;
        Some((node.known.name.as_str(), report.seat.why_silent()?))
    });
    let silent: Vec<(&str, &str)> = silent.collect();
    if silent.is_empty() {
        return well(kind, "every validator votes that answers");
    }
    let names: Vec<&str> = silent.iter().map(|(name, _)| *name).collect();
    let each: Vec<String> = silent.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    let remedy = "one that lost its voting record votes again from the next epoch on; do not restore its \
                  directory from a backup, since it could vote twice";
    Condition {
        nodes: owned(&names),
        command: Some(format!("windlass network consensus {}", facts.network.name)),
        ..wrong(kind, (Cause::Silent, Fault::Node, facts.gravity()), each.join("; "), remedy)
    }
}

/// Whether no node is behind.
pub(super) fn in_step(facts: &Facts<'_>) -> Condition {
    let kind = ConditionKind::NodesInStep;
    if facts.rests() {
        return at_rest(kind);
    }
    let behind: Vec<_> = facts.answers().filter(|(_, _, report)| report.syncing).collect();
    if behind.is_empty() {
        return well(kind, "every node that answers has the newest block");
    }
    let names: Vec<&str> = behind.iter().map(|(name, ..)| *name).collect();
    let told = behind.iter().map(|(name, _, report)| {
        let left = report.left_s.map_or_else(String::new, |left| format!(", about {left} s left"));
        format!("{name}: block {} of {}{left}", report.tip.number, report.highest)
    });
    Condition {
        status: ConditionStatus::False,
        nodes: owned(&names),
        evidence: told.collect(),
        remedy: Some("it goes on by itself".to_owned()),
        ..untold(kind, Cause::CatchingUp, format!("catching up: {}", names.join(", ")))
    }
}
