//! The machines under the nodes: clocks, disks, memory, programs.

use std::collections::BTreeSet;

use windlass_model::condition::{Cause, Condition, ConditionKind, Fault, Gravity};

use super::{Facts, at_rest, bytes, nodes::why, owned, untold, well, wrong};

/// How far a block's time may be ahead of a node's clock: what is further ahead is held.
const DRIFT_MS: u64 = 2_000;
/// Nodes that are further apart do not take each other's handshakes.
const HANDSHAKE_MS: u64 = 30_000;
/// How far a node's clock may seem to be from the platform's: an answer takes its time to be read.
const PLATFORM_MS: u64 = 5_000;
/// With less, a disk is nearly full.
const DISK_LOW_BYTES: u64 = 1 << 30;
/// With less, it is as good as full.
const DISK_FULL_BYTES: u64 = 64 << 20;
/// So many hundredths of what it may have are nearly all.
const LOW_PERCENT: u64 = 90;

/// Whether the clocks agree.
pub(super) fn clock(facts: &Facts<'_>) -> Condition {
    let kind = ConditionKind::ClockInStep;
    if facts.rests() {
        return at_rest(kind);
    }
    let peers: Vec<(&str, i64)> = facts
        .machines()
        .filter_map(|(name, _, machine)| Some((name, machine.clock_ahead_us? / 1_000)))
        .collect();
    let own: Vec<(&str, i64)> =
        facts.machines().filter_map(|(name, live, _)| Some((name, live.clock_ahead_ms?))).collect();
    if peers.is_empty() && own.is_empty() {
        return untold(kind, Cause::NotHeard, "no node says what time it is");
    }
    let text = |ms: i64, whose: &str| {
        let side = if ms < 0 { "behind" } else { "ahead of" };
        let size = ms.unsigned_abs();
        format!("{}.{:03} s {side} {whose}", size / 1_000, size % 1_000)
    };
    let beyond = |limit: u64| move |(_, ms): &&(&str, i64)| ms.unsigned_abs() > limit;
    let off: Vec<_> = peers.iter().filter(beyond(DRIFT_MS)).collect();
    let remedy = "have the machine keep the network's time (NTP); a block of a clock that is ahead is \
                  held until the others' have come near its time";
    let command = Some("timedatectl status".to_owned());
    if let Some(most) = off.iter().map(|(_, ms)| ms.unsigned_abs()).max() {
        let gravity = if most > HANDSHAKE_MS { Gravity::Critical } else { Gravity::Warning };
        let names: Vec<&str> = off.iter().map(|(name, _)| *name).collect();
        let limit = DRIFT_MS / 1_000;
        let message =
            format!("clocks are more than {limit} s from their peers': {}", names.join(", "));
        let told =
            off.iter().map(|(name, ms)| format!("{name}: {}", text(*ms, "its peers' clocks")));
        return Condition {
            nodes: owned(&names),
            command,
            evidence: told.collect(),
            ..wrong(kind, (Cause::ClockOff, Fault::Machine, gravity), message, remedy)
        };
    }
    let off: Vec<_> = own.iter().filter(beyond(PLATFORM_MS)).collect();
    if !off.is_empty() {
        let names: Vec<&str> = off.iter().map(|(name, _)| *name).collect();
        let told =
            off.iter().map(|(name, ms)| format!("{name}: {}", text(*ms, "the platform's clock")));
        let all = off.len() == own.len();
        let message = if all {
            "the platform's clock is off: every node's is another time".to_owned()
        } else {
            format!("clocks are far from the platform's: {}", names.join(", "))
        };
        return Condition {
            nodes: if all { Vec::new() } else { owned(&names) },
            command,
            evidence: told.collect(),
            ..wrong(kind, (Cause::ClockOff, Fault::Machine, Gravity::Warning), message, remedy)
        };
    }
    let apart = peers.iter().chain(&own).map(|(_, ms)| ms.unsigned_abs()).max().unwrap_or(0);
    Condition {
        evidence: vec![format!("at most {apart} ms apart")],
        ..well(kind, "the clocks agree")
    }
}

/// Whether there is room on the disks.
pub(super) fn disk(facts: &Facts<'_>) -> Condition {
    let kind = ConditionKind::DiskSpace;
    if facts.rests() {
        return at_rest(kind);
    }
    let full: Vec<&str> = facts
        .nodes
        .iter()
        .filter(|node| !node.runs())
        .filter(|node| node.known.last_end.as_ref().map(|end| why(end).0) == Some(Cause::DiskFull))
        .map(|node| node.known.name.as_str())
        .collect();
    let free: Vec<(&str, u64, String)> = facts
        .machines()
        .filter_map(|(name, _, machine)| {
            let (free, size) = (machine.disk_free_bytes?, machine.disk_bytes?);
            Some((name, free, format!("{name}: {} of {} are free", bytes(free), bytes(size))))
        })
        .collect();
    let remedy = "free space on the disk, or give it more; nodes go on by themselves";
    let command = Some("df -h".to_owned());
    let least = free.iter().map(|(_, free, _)| *free).min();
    let evidence: Vec<String> = free.iter().map(|(.., told)| told.clone()).collect();
    if !full.is_empty() || least.is_some_and(|least| least < DISK_FULL_BYTES) {
        let near = free.iter().filter(|(_, free, _)| *free < DISK_FULL_BYTES);
        let names: Vec<&str> = full.iter().copied().chain(near.map(|(name, ..)| *name)).collect();
        let message = format!("the disk is full under {}", names.join(", "));
        let fault = (Cause::DiskFull, Fault::Machine, Gravity::Critical);
        return Condition {
            nodes: owned(&names),
            command,
            evidence,
            ..wrong(kind, fault, message, remedy)
        };
    }
    if free.is_empty() {
        return untold(kind, Cause::NotHeard, "no node says how much room it has");
    }
    let low: Vec<&str> =
        free.iter().filter(|(_, free, _)| *free < DISK_LOW_BYTES).map(|(name, ..)| *name).collect();
    if !low.is_empty() {
        let message =
            format!("less than {} is free under {}", bytes(DISK_LOW_BYTES), low.join(", "));
        let fault = (Cause::DiskLow, Fault::Machine, Gravity::Warning);
        return Condition {
            nodes: owned(&low),
            command,
            evidence,
            ..wrong(kind, fault, message, remedy)
        };
    }
    let least = least.map(|least| format!("at least {} are free", bytes(least)));
    Condition { evidence: least.into_iter().collect(), ..well(kind, "there is room on the disks") }
}

/// Whether no node has as much on disk as it may have: one that has takes no transactions.
pub(super) fn disk_budget(facts: &Facts<'_>) -> Condition {
    let kind = ConditionKind::DiskBudget;
    if facts.rests() {
        return at_rest(kind);
    }
    let Some(limit) = facts.network.disk_bytes else {
        return well(kind, "its nodes have no limit on disk");
    };
    let used = facts.nodes.iter().filter_map(|node| {
        Some((node.known.name.as_str(), node.live.and_then(|live| live.disk_bytes)?))
    });
    let used: Vec<(&str, u64)> = used.collect();
    if used.is_empty() {
        return untold(
            kind,
            Cause::NotHeard,
            "it was not measured yet what its nodes have on disk",
        );
    }
    let told = |(name, used): &(&str, u64)| format!("{name}: {} of {}", bytes(*used), bytes(limit));
    let beyond = |percent: u64| {
        let least = u128::from(limit) * u128::from(percent);
        used.iter().filter(move |(_, used)| u128::from(*used) * 100 >= least)
    };
    let spent: Vec<_> = beyond(100).collect();
    let low: Vec<_> = if spent.is_empty() { beyond(LOW_PERCENT).collect() } else { spent.clone() };
    let names: Vec<&str> = low.iter().map(|(name, _)| *name).collect();
    let (cause, gravity, message) = if !spent.is_empty() {
        let message = format!(
            "as much on disk as they may have, so that they take no transactions: {}",
            names.join(", ")
        );
        (Cause::DiskBudgetSpent, Gravity::Critical, message)
    } else if !low.is_empty() {
        let message = format!(
            "more than {LOW_PERCENT} % of what they may have on disk is taken by {}",
            names.join(", ")
        );
        (Cause::DiskBudgetLow, Gravity::Warning, message)
    } else {
        let most = used.iter().max_by_key(|(_, used)| *used).map(told);
        let message = "no node has as much on disk as it may have";
        return Condition { evidence: most.into_iter().collect(), ..well(kind, message) };
    };
    let remedy = "raise `node_limits.disk_mib` in the spec and apply it, or stop the network and prune its \
                  ledgers (`windlass node db prune`); nothing is lost meanwhile";
    Condition {
        nodes: owned(&names),
        command: Some(format!("windlass apply -f {}.toml", facts.network.name)),
        evidence: low.into_iter().map(told).collect(),
        ..wrong(kind, (cause, Fault::Operator, gravity), message, remedy)
    }
}

/// Whether there is room in memory.
pub(super) fn memory(facts: &Facts<'_>) -> Condition {
    let kind = ConditionKind::Memory;
    if facts.rests() {
        return at_rest(kind);
    }
    let remedy =
        "raise `node_limits.memory_mib` in the spec and apply it, or give the machine more";
    let command = Some(format!("windlass apply -f {}.toml", facts.network.name));
    let ended = |node: &&super::NodeFacts<'_>| {
        node.known.last_end.as_ref().map(|end| why(end).0) == Some(Cause::OutOfMemory)
    };
    let ended: Vec<&super::NodeFacts<'_>> = facts.nodes.iter().filter(ended).collect();
    if !ended.is_empty() {
        let names: Vec<&str> = ended.iter().map(|node| node.known.name.as_str()).collect();
        let told = ended.iter().filter_map(|node| node.known.last_end.as_ref());
        let evidence = told.filter_map(|end| end.message.lines().next()).map(str::to_owned);
        let message = format!("the kernel ended for want of memory: {}", names.join(", "));
        let fault = (Cause::OutOfMemory, Fault::Machine, facts.gravity());
        return Condition {
            nodes: owned(&names),
            command,
            evidence: evidence.collect(),
            ..wrong(kind, fault, message, remedy)
        };
    }
    let used: Vec<(&str, u64, u64)> = facts
        .machines()
        .filter_map(|(name, live, machine)| {
            let limit = machine.memory_limit_bytes.unwrap_or(facts.network.memory_bytes);
            Some((name, live.resident_bytes.or(machine.resident_bytes)?, limit))
        })
        .collect();
    if used.is_empty() {
        return untold(kind, Cause::NotHeard, "no node says how much memory it has");
    }
    let told = |(name, used, limit): &(&str, u64, u64)| {
        format!("{name}: {} of {}", bytes(*used), bytes(*limit))
    };
    let near = |(_, used, limit): &&(&str, u64, u64)| {
        u128::from(*used) * 100 >= u128::from(*limit) * u128::from(LOW_PERCENT)
    };
    let low: Vec<_> = used.iter().filter(near).collect();
    if !low.is_empty() {
        let names: Vec<&str> = low.iter().map(|(name, ..)| *name).collect();
        let message = format!(
            "more than {LOW_PERCENT} % of what they may have is taken by {}",
            names.join(", ")
        );
        let fault = (Cause::MemoryLow, Fault::Machine, Gravity::Warning);
        return Condition {
            nodes: owned(&names),
            command,
            evidence: low.into_iter().map(told).collect(),
            ..wrong(kind, fault, message, remedy)
        };
    }
    let most = used.iter().max_by_key(|(_, used, _)| *used).map(told);
    Condition { evidence: most.into_iter().collect(), ..well(kind, "there is room in memory") }
}

/// Whether nodes and platform are of one version.
pub(super) fn versions(facts: &Facts<'_>) -> Condition {
    let kind = ConditionKind::VersionsAgree;
    if facts.rests() {
        return at_rest(kind);
    }
    let told: Vec<(&str, &str)> = facts
        .machines()
        .map(|(name, _, machine)| (name, machine.version.as_deref().unwrap_or("an earlier one")))
        .collect();
    if told.is_empty() {
        return untold(kind, Cause::NotHeard, "no node says of which version it is");
    }
    let others: Vec<&(&str, &str)> =
        told.iter().filter(|(_, version)| *version != facts.version).collect();
    if others.is_empty() {
        return well(kind, format!("nodes and platform are of version {}", facts.version));
    }
    let names: Vec<&str> = others.iter().map(|(name, _)| *name).collect();
    let versions: BTreeSet<&str> = others.iter().map(|(_, version)| *version).collect();
    let versions: Vec<&str> = versions.into_iter().collect();
    let message = format!(
        "of another version than the platform's {}: {} ({})",
        facts.version,
        names.join(", "),
        versions.join(", ")
    );
    let remedy = "nodes take the platform's program when they are started again: stop the network and \
                  start it when that suits its users";
    let name = &facts.network.name;
    Condition {
        nodes: owned(&names),
        command: Some(format!("windlass network stop {name} && windlass network start {name}")),
        evidence: others.iter().map(|(name, version)| format!("{name}: {version}")).collect(),
        ..wrong(kind, (Cause::VersionSkew, Fault::Operator, Gravity::Warning), message, remedy)
    }
}
