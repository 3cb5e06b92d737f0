//! What consensus is doing: each node's account, then each validator as the nodes see it.

use windlass_model::consensus::{
    ConsensusReport, LastVote, NetworkConsensus, NoBlockCode, NodeConsensus, PeerLink,
    ValidatorReport,
};

use super::{Table, append, clock_time, duration};

/// One validator as one node sees it.
struct Sight<'a> {
    from: &'a ConsensusReport,
    validator: &'a ValidatorReport,
}

/// Who leads, who votes, who is missing since when, round trips, clocks, and why no block is made.
pub(crate) fn consensus(all: &NetworkConsensus) -> String {
    let mut table =
        Table::new(&["NODE", "BLOCK", "EPOCH", "VIEW", "LEADER", "CONNECTED", "BLOCKS"]);
    for node in &all.nodes {
        table.row(account(all, node));
    }
    let mut text = table.text();
    text.push('\n');
    let mut table =
        Table::new(&["VALIDATOR", "VOTES", "LAST VOTE", "LAST BLOCK", "ROUND TRIP", "CLOCK"]);
    let mut missing = Vec::new();
    for key in validators(all) {
        let sights = sights(all, &key);
        table.row(seen(all, &key, &sights));
        missing.extend(sights.iter().filter_map(|sight| absence(all, &key, sight)));
    }
    text.push_str(&table.text());
    let mut section = |head: &str, lines: Vec<String>| {
        if !lines.is_empty() {
            append(&mut text, format_args!("\n{head}\n"));
            for line in lines {
                append(&mut text, format_args!("  {line}\n"));
            }
        }
    };
    section("missing", missing);
    section("why no block", reasons(all));
    section("warnings", warnings(all));
    let unreachable = all
        .nodes
        .iter()
        .filter_map(|node| Some(format!("{}: {}", node.name, node.unreachable.as_ref()?)));
    section("unreachable", unreachable.collect());
    text
}

/// What a node says of itself.
fn account(all: &NetworkConsensus, node: &NodeConsensus) -> Vec<String> {
    let Some(report) = &node.report else {
        let mut row = vec![node.name.clone()];
        row.extend(["-", "-", "-", "-", "-", "unreachable"].map(str::to_owned));
        return row;
    };
    let blocks = match (&report.no_block, &report.not_voting) {
        (None, None) => "made".to_owned(),
        (None, Some(_)) => "made; this node does not vote".to_owned(),
        (Some(why), _) if why.code == NoBlockCode::NothingToDo => "nothing to do".to_owned(),
        (Some(why), _) => super::word(&why.code).replace('_', " "),
    };
    vec![
        node.name.clone(),
        report.height.to_string(),
        report.epoch.to_string(),
        report.view.to_string(),
        report.leader.as_ref().map_or_else(|| "-".to_owned(), |leader| name(all, leader)),
        format!("{} of {}", report.connected_validators, report.validators.len()),
        blocks,
    ]
}

/// The node keys of all validators, in the order of the first node that tells them.
fn validators(all: &NetworkConsensus) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    let reports = all.nodes.iter().filter_map(|node| node.report.as_ref());
    for one in reports.flat_map(|report| &report.validators) {
        if !keys.contains(&one.link.node_key) {
            keys.push(one.link.node_key.clone());
        }
    }
    keys.sort_by_cached_key(|key| name(all, key));
    keys
}

/// How the others see a validator; how it sees itself, if nobody else does.
fn sights<'a>(all: &'a NetworkConsensus, key: &str) -> Vec<Sight<'a>> {
    let reports = all.nodes.iter().filter_map(|node| node.report.as_ref());
    let of = |from: &'a ConsensusReport| {
        let validator = from.validators.iter().find(|one| one.link.node_key == key)?;
        Some(Sight { from, validator })
    };
    let (others, own): (Vec<_>, Vec<_>) =
        reports.filter_map(of).partition(|sight| sight.from.node_key != key);
    if others.is_empty() { own } else { others }
}

/// A validator's row.
fn seen(all: &NetworkConsensus, key: &str, sights: &[Sight<'_>]) -> Vec<String> {
    let gone = sights.iter().filter(|sight| sight.validator.missing.is_some()).count();
    let votes = match gone {
        0 if all.silent(key).is_some() => "SILENT".to_owned(),
        0 => "yes".to_owned(),
        _ if gone == sights.len() => "MISSING".to_owned(),
        _ => format!("missing for {gone} of {} nodes", sights.len()),
    };
    let newest = sights.iter().filter_map(|sight| Some((sight, sight.validator.last_vote?)));
    let newest = newest.max_by_key(|(_, vote): &(_, LastVote)| (vote.epoch, vote.view));
    let (ago, block) = newest.map_or_else(
        || ("-".to_owned(), "-".to_owned()),
        |(sight, vote)| {
            let ago = sight.from.at_ms.saturating_sub(vote.at_ms);
            let block = vote.height.map_or_else(|| "-".to_owned(), |height| height.to_string());
            (format!("{} ago", duration(ago)), block)
        },
    );
    let trips = range(sights, |link| link.round_trip_us.map(i128::from), "");
    let clocks = range(sights, |link| link.clock_offset_us.map(i128::from), "+");
    vec![name(all, key), votes, ago, block, trips, clocks]
}

/// The least and the greatest of a measurement, in milliseconds.
fn range(sights: &[Sight<'_>], of: impl Fn(&PeerLink) -> Option<i128>, plus: &str) -> String {
    let mut values: Vec<i128> =
        sights.iter().filter_map(|sight| of(&sight.validator.link)).collect();
    values.sort_unstable();
    let (Some(least), Some(most)) = (values.first(), values.last()) else {
        return "-".to_owned();
    };
    let text = |us: i128| {
        let sign = if us < 0 { "-" } else { plus };
        let us = us.unsigned_abs();
        format!("{sign}{}.{}", us / 1_000, us % 1_000 / 100)
    };
    if text(*least) == text(*most) {
        format!("{} ms", text(*least))
    } else {
        format!("{} to {} ms", text(*least), text(*most))
    }
}

/// Since when a node misses a validator.
fn absence(all: &NetworkConsensus, key: &str, sight: &Sight<'_>) -> Option<String> {
    let missing = sight.validator.missing.as_ref()?;
    let ago = sight.from.at_ms.saturating_sub(missing.since_ms);
    Some(format!(
        "{} since {} ({}): {}, says {}",
        name(all, key),
        clock_time(missing.since_ms),
        duration(ago),
        missing.reason,
        name(all, &sight.from.node_key)
    ))
}

/// Why no block is made; what several nodes say is said once.
fn reasons(all: &NetworkConsensus) -> Vec<String> {
    let mut told: Vec<(String, Vec<&str>)> = Vec::new();
    let too_few = too_few(all);
    for node in &all.nodes {
        let why = node.report.as_ref().and_then(|report| report.no_block.as_ref());
        let Some(why) = why else { continue };
        let since = why.since_ms.map(|since| format!(" (since {})", clock_time(since)));
        let since = since.unwrap_or_default();
        // Seconds count on from node to node.
        let known = told.iter_mut().find(|(known, _)| plain(known) == plain(&why.reason));
        match known {
            Some((_, nodes)) => nodes.push(&node.name),
            None => told.push((format!("{}{since}", why.reason), vec![&node.name])),
        }
    }
    let told = told.into_iter().map(|(reason, nodes)| format!("{}: {reason}", nodes.join(", ")));
    too_few.into_iter().chain(told).collect()
}

/// What no node sees alone: that too few vote, since each knows of its own silence only.
fn too_few(all: &NetworkConsensus) -> Option<String> {
    let reports = all.nodes.iter().filter_map(|node| node.report.as_ref());
    let newest = reports.max_by_key(|report| report.height)?;
    let keys = newest.validators.iter().map(|one| one.link.node_key.as_str());
    let mut silent: Vec<String> =
        keys.filter(|key| all.silent(key).is_some()).map(|key| name(all, key)).collect();
    silent.sort_unstable();
    let voting = newest.validators.len() - silent.len();
    let quorum = usize::try_from(newest.quorum).unwrap_or(usize::MAX);
    (voting < quorum).then(|| {
        format!(
            "{voting} of {} validators vote, {quorum} are needed; silent: {}",
            newest.validators.len(),
            silent.join(", ")
        )
    })
}

/// A reason without what differs between nodes that say the same.
fn plain(reason: &str) -> String {
    let reason = reason.split(" (since ").next().unwrap_or(reason);
    reason.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

fn warnings(all: &NetworkConsensus) -> Vec<String> {
    let reports = all.nodes.iter().filter_map(|node| Some((node, node.report.as_ref()?)));
    let mut lines = Vec::new();
    for (node, report) in reports {
        let warned = report.warnings.iter().chain(&report.not_voting);
        lines.extend(warned.map(|warning| format!("{}: {warning}", node.name)));
    }
    lines
}

/// A node's name, or how its key begins.
fn name(all: &NetworkConsensus, key: &str) -> String {
    all.names.get(key).cloned().unwrap_or_else(|| key.chars().take(12).collect())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use windlass_model::{
        NodeId,
        consensus::{Missing, NoBlock, ViewVotes, VoteKind},
    };

    use super::*;

    fn link(key: &str, measured: Option<(u64, i64)>) -> PeerLink {
        PeerLink {
            node_key: key.repeat(64),
            connected: measured.is_some(),
            since_ms: Some(1_000),
            heard_at_ms: None,
            round_trip_us: measured.map(|one| one.0),
            clock_offset_us: measured.map(|one| one.1),
        }
    }

    fn validator(key: &str, missing_since_ms: Option<u64>) -> ValidatorReport {
        let vote = LastVote {
            vote: VoteKind::Finalize,
            epoch: 0,
            view: 8,
            at_ms: 60_000,
            height: Some(7),
        };
        ValidatorReport {
            link: link(key, missing_since_ms.is_none().then_some((240, -1_500))),
            last_vote: Some(vote),
            missing: missing_since_ms
                .map(|since_ms| Missing { since_ms, reason: "not connected".to_owned() }),
        }
    }

    fn node(index: u8, key: &str, lost_at_ms: Option<u64>) -> NodeConsensus {
        let report = lost_at_ms.map(|lost_at_ms| ConsensusReport {
            node_key: key.repeat(64),
            at_ms: 72_300,
            height: 7,
            epoch: 0,
            view: 9,
            leader: Some("c".repeat(64)),
            voted: ViewVotes::default(),
            quorum: 2,
            connected_validators: 2,
            not_voting: None,
            last_final: None,
            validators: vec![
                validator("a", None),
                validator("b", None),
                validator("c", Some(lost_at_ms)),
            ],
            followers: Vec::new(),
            no_block: Some(NoBlock {
                code: NoBlockCode::LeaderMissing,
                reason: format!("view 9 is led by validator-2, gone for {index} s"),
                since_ms: Some(lost_at_ms),
            }),
            warnings: Vec::new(),
        });
        let unreachable = report.is_none().then(|| "no answer within 2000 ms".to_owned());
        let name = format!("validator-{index}");
        NodeConsensus { node: NodeId::from_entropy([index; 10]), name, report, unreachable }
    }

    #[test]
    fn one_look_says_who_is_missing_and_why_no_block_is_made() {
        let names = ["a", "b", "c"].into_iter().zip(0..);
        let names = names.map(|(key, index)| (key.repeat(64), format!("validator-{index}")));
        let all = NetworkConsensus {
            names: names.collect::<BTreeMap<_, _>>(),
            nodes: vec![node(0, "a", Some(61_000)), node(1, "b", Some(61_200)), node(2, "c", None)],
        };
        let expect = "\
NODE         BLOCK  EPOCH  VIEW  LEADER       CONNECTED  BLOCKS
validator-0  7      0      9     validator-2  2 of 3     leader missing
validator-1  7      0      9     validator-2  2 of 3     leader missing
validator-2  -      -      -     -            -          unreachable

VALIDATOR    VOTES    LAST VOTE    LAST BLOCK  ROUND TRIP  CLOCK
validator-0  yes      12.30 s ago  7           0.2 ms      -1.5 ms
validator-1  yes      12.30 s ago  7           0.2 ms      -1.5 ms
validator-2  MISSING  12.30 s ago  7           -           -

missing
  validator-2 since 00:01:01 UTC (11.30 s): not connected, says validator-0
  validator-2 since 00:01:01 UTC (11.10 s): not connected, says validator-1

why no block
  validator-0, validator-1: view 9 is led by validator-2, gone for 0 s (since 00:01:01 UTC)

unreachable
  validator-2: no answer within 2000 ms
";
        assert_eq!(consensus(&all), expect);
    }
}
