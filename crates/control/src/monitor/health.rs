//! From what nodes say to how the network does: pure functions.

use std::collections::BTreeMap;

use windlass_engine::NodeReport;
use windlass_model::{
    ErrorCode, NodeId,
    condition::{Cause, Condition, Fault},
    network::{BlockRef, Health, Reason},
};

use crate::{
    monitor::{FRESH_MS, Known, LiveNetwork, LiveNode},
    store::rows::{Rank, Standing},
};

/// What to do where some nodes are missing and enough are there.
const BLOCKS_GO_ON: &str = "blocks are made; a node that ended, or does not answer for 30 s, is \
                            started again by itself";

/// What to do where validators are silent and enough vote.
const SILENT_FOR_AN_EPOCH: &str = "blocks are made; who lost its consensus journal votes again from \
                                   the next epoch on";

/// What to do where so many are silent that there is no next epoch. Never an older copy of a directory:
/// a validator that forgets its votes could vote twice.
const NO_BLOCK_FOR_GOOD: &str = "it does not pass by itself; do not restore a directory from a backup, \
                                 since its validator could vote twice. The members agree to go on from \
                                 an export: `windlass network export`, then `windlass network recovery` \
                                 (docs/operate.md)";

/// What to do where nodes of this platform are missing and needed.
const STARTED_AGAIN: &str = "a node that ended, or does not answer for 30 s, is started again by \
                             itself; the network goes on from its disks";

/// What to do where all of this platform's validators are there and too few.
const OTHERS_MUST_COME: &str = "it goes on when they are connected; `windlass network consensus` names \
                                them. Where they never come, the members agree to go on from an \
                                export: `windlass network export`, then `windlass network recovery` \
                                (docs/operate.md)";

/// How many validators a block needs: more than two thirds.
pub(crate) fn quorum(validators: usize) -> usize {
    validators - validators.saturating_sub(1) / 3
}

/// How good a node is to ask: as it says, or as it said last.
pub(crate) fn rank(live: Option<&LiveNode>, known: Option<&Known>) -> Rank {
    let settled = live.and_then(LiveNode::answer).filter(|report| report.is_settled());
    let noted =
        || known.map_or(Rank { standing: Standing::Unnamed, whole: false }, |known| known.rank);
    settled.map_or_else(noted, Rank::from)
}

/// What the nodes of one standing say.
fn of<'a>(
    nodes: &'a BTreeMap<NodeId, LiveNode>,
    known: &'a BTreeMap<NodeId, Known>,
    wanted: Standing,
) -> impl Iterator<Item = (&'a NodeId, Option<&'a LiveNode>)> {
    let all = known.iter().map(move |(id, known)| (id, known, nodes.get(id)));
    let of = all.filter(move |(_, known, live)| rank(*live, Some(known)).standing == wanted);
    let mut of: Vec<_> = of.collect();
    of.sort_by_key(|(_, known, _)| known.ordinal);
    of.into_iter().map(|(id, _, live)| (id, live))
}

/// What the nodes say of how many validators there are: the one with the newest tip knows it best.
pub(crate) fn validators(
    nodes: &BTreeMap<NodeId, LiveNode>,
    known: &BTreeMap<NodeId, Known>,
) -> Option<u32> {
    let answers = |wanted| of(nodes, known, wanted).filter_map(|(_, live)| live?.answer());
    let newest = |wanted| answers(wanted).max_by_key(|report| report.tip.number);
    let newest = newest(Standing::Validator).or_else(|| newest(Standing::Follower))?;
    Some(newest.validators)
}

/// The newest block that a quorum has reported final; also of nodes that are gone now, as what is
/// final stays final, of the chain with this genesis. Where none of the nodes is a validator, the newest
/// that one follows.
pub(crate) fn tip(
    nodes: &BTreeMap<NodeId, LiveNode>,
    known: &BTreeMap<NodeId, Known>,
    genesis: Option<&str>,
) -> Option<BlockRef> {
    let tips = |wanted| {
        let reports = of(nodes, known, wanted).filter_map(|(_, live)| live?.report.as_ref());
        let reports = reports.filter(|report| genesis.is_none_or(|one| report.genesis_hash == one));
        let mut tips: Vec<&BlockRef> = reports.map(|report| &report.tip).collect();
        tips.sort_by_key(|tip| std::cmp::Reverse(tip.number));
        tips
    };
    let deciding = of(nodes, known, Standing::Validator).count();
    match quorum(deciding).checked_sub(1) {
        Some(at) => tips(Standing::Validator).get(at).map(|tip| (*tip).clone()),
        None => tips(Standing::Follower).first().map(|tip| (*tip).clone()),
    }
}

/// How a running network does, and why.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judgement {
    pub(crate) health: Health,
    pub(crate) reason: Option<Reason>,
    /// The code of the reason, and whose fault it is.
    pub(crate) cause: Cause,
    pub(crate) fault: Option<Fault>,
    /// The nodes that it is about.
    pub(crate) nodes: Vec<String>,
}

impl Default for Judgement {
    fn default() -> Self {
        Self::of(Health::Unknown, None)
    }
}

impl Judgement {
    fn of(health: Health, reason: Option<Reason>) -> Self {
        Self { health, reason, cause: Cause::AsExpected, fault: None, nodes: Vec::new() }
    }

    fn because(self, (cause, fault): (Cause, Fault), nodes: &[&str]) -> Self {
        let nodes = nodes.iter().map(|name| (*name).to_owned()).collect();
        Self { cause, fault: Some(fault), nodes, ..self }
    }
}

/// Whether a running network can do its work, and why not. What counts are the validators that decide
/// on its blocks; of other nodes that are missing a healthy network has a note.
pub(crate) fn judge(
    nodes: &BTreeMap<NodeId, LiveNode>,
    known: &BTreeMap<NodeId, Known>,
    now_ms: u64,
) -> Judgement {
    let deciding: Vec<_> = of(nodes, known, Standing::Validator).collect();
    if deciding.is_empty() && !known.is_empty() {
        return of_followers(nodes, known, now_ms);
    }
    let answers: Vec<_> =
        deciding.iter().filter_map(|(_, live)| live.and_then(LiveNode::answer)).collect();
    let here = deciding.len();
    let all = validators(nodes, known).and_then(|all| usize::try_from(all).ok()).unwrap_or(here);
    // Those that other platforms have are seen by the nodes alone, as long as they are connected.
    let connections = answers.iter().map(|report| report.connected_validators).max();
    let connections = connections.and_then(|seen| usize::try_from(seen).ok()).unwrap_or(0);
    let away = all.saturating_sub(here);
    let elsewhere = connections.saturating_sub(answers.len()).min(away);
    let missing: Vec<&str> = deciding
        .iter()
        .filter(|(_, live)| live.and_then(LiveNode::answer).is_none())
        .filter_map(|(id, _)| known.get(*id).map(|known| known.name.as_str()))
        .collect();
    let needed = quorum(all);
    let connected = answers.iter().filter(|report| report.quorum_connected()).count();
    if connected == 0 || answers.len() + elsewhere < needed || connected + elsewhere < needed {
        let (there, answering) = (here + elsewhere, answers.len());
        let count = Count { all, there, answering, connected };
        let (why, message, remedy) = without_quorum(&count, &missing);
        return unavailable(message, remedy, now_ms).because(why, &missing);
    }
    let silent = silent(&deciding, known);
    let voting = answers.len() + elsewhere - silent.len();
    if voting < needed {
        let message = format!(
            "{voting} of {all} validators vote, {needed} are needed, so no block can be made; {}",
            told(&silent)
        );
        let names: Vec<&str> = silent.iter().map(|(name, _)| *name).collect();
        let why = (Cause::Silent, Fault::Node);
        return unavailable(message, NO_BLOCK_FOR_GOOD, now_ms).because(why, &names);
    }
    if let Some(stalled) = stalled(&answers, needed.saturating_sub(elsewhere)) {
        return stalled;
    }
    if let Some(unheard) = unheard(&deciding, known, (needed.saturating_sub(elsewhere), now_ms)) {
        return unheard;
    }
    // A node that is gone may have been voted out since: then the others are all that decide.
    let missed = !missing.is_empty() && answers.len() < all;
    let apart = answers.iter().any(|report| !report.quorum_connected() || report.syncing);
    let unseen = away - elsewhere;
    if missed || apart || unseen > 0 {
        let message = if missed {
            format!("{} of {all} nodes answer; missing: {}", answers.len(), missing.join(", "))
        } else if unseen > 0 {
            format!("{unseen} of {all} validators are none of this platform's and not connected")
        } else {
            "a node is catching up or looks for its peers".to_owned()
        };
        return Judgement::of(Health::Degraded, Some(reason(message, BLOCKS_GO_ON, now_ms)));
    }
    if !silent.is_empty() {
        let message = format!("{voting} of {all} validators vote; {}", told(&silent));
        let why = Some(reason(message, SILENT_FOR_AN_EPOCH, now_ms));
        return Judgement::of(Health::Degraded, why);
    }
    Judgement::of(Health::Healthy, note(nodes, known, now_ms))
}

fn unavailable(message: String, remedy: &str, since_ms: u64) -> Judgement {
    Judgement::of(Health::Unavailable, Some(reason(message, remedy, since_ms)))
}

/// Whether so many of the validators that answer say that no block is made, and why.
fn stalled(answers: &[&NodeReport], enough: usize) -> Option<Judgement> {
    let (since_ms, why) = answers.iter().find_map(|report| report.stalled.clone())?;
    let stalled = answers.iter().filter(|report| report.stalled.is_some()).count();
    let message = format!("no block is made: {why}");
    let remedy = "`windlass network logs` shows what the nodes do";
    let judgement = unavailable(message, remedy, since_ms);
    (stalled >= enough).then(|| judgement.because((Cause::Stalled, Fault::Node), &[]))
}

/// Whether fewer than so many have answered lately: then nothing that they said is of now.
fn unheard(
    deciding: &[(&NodeId, Option<&LiveNode>)],
    known: &BTreeMap<NodeId, Known>,
    (enough, now_ms): (usize, u64),
) -> Option<Judgement> {
    let fresh = |answered_at_ms: u64| now_ms.saturating_sub(answered_at_ms) < FRESH_MS;
    let heard = |live: Option<&LiveNode>| {
        live.is_some_and(|live| live.answer().is_some() && live.answered_at_ms.is_some_and(fresh))
    };
    let unheard: Vec<_> = deciding.iter().filter(|(_, live)| !heard(*live)).collect();
    if deciding.len() - unheard.len() >= enough {
        return None;
    }
    let last = unheard.iter().filter_map(|(_, live)| live.as_ref()?.answered_at_ms).max();
    let names: Vec<&str> = unheard
        .iter()
        .filter_map(|(id, _)| known.get(*id).map(|known| known.name.as_str()))
        .collect();
    let message = format!(
        "fewer validators than a block needs have answered within the last {} s",
        FRESH_MS / 1_000
    );
    let reason = reason(message, "they are asked again by themselves", last.unwrap_or(now_ms));
    let judgement = Judgement::of(Health::Unknown, Some(reason));
    Some(judgement.because((Cause::NotHeard, Fault::Machine), &names))
}

/// How many validators there are, and of how many of them something is known.
struct Count {
    all: usize,
    /// Nodes of this platform, and others that these are connected with.
    there: usize,
    /// Nodes of this platform that answer.
    answering: usize,
    /// Those of them that are connected with a quorum.
    connected: usize,
}

/// Why there is no quorum, and what to do.
fn without_quorum(count: &Count, missing: &[&str]) -> ((Cause, Fault), String, &'static str) {
    let Count { all, there, answering, connected } = count;
    let needed = quorum(*all);
    if !missing.is_empty() {
        let names = missing.join(", ");
        let message =
            format!("{answering} of {all} nodes answer, {needed} are needed; missing: {names}");
        return ((Cause::NodesMissing, Fault::Node), message, STARTED_AGAIN);
    }
    if *there < needed {
        let message = format!(
            "{there} of {all} validators are connected, {needed} are needed, so no block can be made; \
             {} are none of this platform's",
            all - there
        );
        return ((Cause::MembersMissing, Fault::Member), message, OTHERS_MUST_COME);
    }
    let message =
        format!("{connected} of {all} nodes are connected with a quorum; no block is made");
    ((Cause::Partitioned, Fault::Network), message, STARTED_AGAIN)
}

/// The validators that say that they do not vote, and why.
fn silent<'a>(
    deciding: &[(&NodeId, Option<&'a LiveNode>)],
    known: &'a BTreeMap<NodeId, Known>,
) -> Vec<(&'a str, &'a str)> {
    let says = |(id, live): &(&NodeId, Option<&'a LiveNode>)| {
        let report = live.and_then(LiveNode::answer).filter(|report| report.is_settled())?;
        let why = report.seat.why_silent()?;
        Some((known.get(*id)?.name.as_str(), why))
    };
    deciding.iter().filter_map(says).collect()
}

/// Who is silent; those who say the same say it together.
fn told(silent: &[(&str, &str)]) -> String {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, why) in silent {
        reasons.entry(why).or_default().push(name);
    }
    let each = reasons.into_iter().map(|(why, names)| format!("{}: {why}", names.join(", ")));
    each.collect::<Vec<_>>().join("; ")
}

/// None of the nodes decides: what they can do is follow.
fn of_followers(
    nodes: &BTreeMap<NodeId, LiveNode>,
    known: &BTreeMap<NodeId, Known>,
    now_ms: u64,
) -> Judgement {
    let followers = of(nodes, known, Standing::Follower).filter_map(|(_, live)| live?.answer());
    if followers.filter(|report| report.quorum_connected()).count() > 0 {
        return Judgement::of(Health::Healthy, note(nodes, known, now_ms));
    }
    let message = "none of the nodes here is connected with the network's validators".to_owned();
    let remedy = "`windlass network node ls` says what each is to the members";
    unavailable(message, remedy, now_ms).because((Cause::Partitioned, Fault::Network), &[])
}

/// What is missing without harm.
fn note(
    nodes: &BTreeMap<NodeId, LiveNode>,
    known: &BTreeMap<NodeId, Known>,
    now_ms: u64,
) -> Option<Reason> {
    let others = [Standing::Follower, Standing::Unnamed];
    let others = others.into_iter().flat_map(|wanted| of(nodes, known, wanted));
    let silent: Vec<&str> = others
        .filter(|(_, live)| live.and_then(LiveNode::answer).is_none())
        .filter_map(|(id, _)| known.get(id).map(|known| known.name.as_str()))
        .collect();
    let message = format!("nodes that do not decide do not answer: {}", silent.join(", "));
    (!silent.is_empty()).then(|| reason(message, BLOCKS_GO_ON, now_ms))
}

fn reason(message: String, remedy: &str, since_ms: u64) -> Reason {
    let code = ErrorCode::NetworkUnavailable;
    Reason { code, message, remedy: remedy.to_owned(), since_ms }
}

/// What about a network is worth a tick of its own, beside its tip.
pub(crate) fn shape(live: &LiveNetwork) -> impl PartialEq + use<> {
    let nodes: Vec<_> = live
        .nodes
        .iter()
        .map(|(id, node)| {
            let process = node.process.as_ref().map(|running| running.pid);
            let said = node
                .answer()
                .map(|report| (report.connected_validators, report.seat.clone(), report.syncing));
            (id.clone(), process, said, node.resident_bytes.map(|bytes| bytes >> 19))
        })
        .collect();
    let said = |one: &Condition| {
        (one.kind, one.status, one.cause, one.gravity, one.message.clone(), one.nodes.clone())
    };
    let conditions: Vec<_> = live.conditions.iter().map(said).collect();
    (live.health, live.reason.clone(), live.validators, nodes, conditions)
}

#[cfg(test)]
mod tests {
    use windlass_engine::{History, MachineReport, Seat, Work};
    use windlass_substrate::Running;

    use super::*;

    fn node(height: u64, connected: u32) -> LiveNode {
        seated(height, connected, Seat::Votes)
    }

    fn seated(height: u64, connected: u32, seat: Seat) -> LiveNode {
        let process = Running { pid: 1, start_time_ticks: 1, started_at_ms: 1, ready: true };
        let report = NodeReport {
            revision: 1,
            genesis_hash: "0x00".to_owned(),
            chain_id: 1,
            tip: BlockRef { number: height, hash: format!("0x{height}") },
            connected_validators: connected,
            quorum: 3,
            validators: 4,
            seat,
            seated_by: None,
            work: Work::Nothing,
            syncing: false,
            history: History::Whole,
            highest: height,
            state_per_mille: None,
            earlier_blocks: 0,
            left_s: None,
            stalled: None,
            peers: Vec::new(),
            machine: MachineReport::default(),
        };
        let answered_at_ms = Some(7);
        let (process, report) = (Some(process), Some(report));
        LiveNode { process, report, answered_at_ms, ..LiveNode::default() }
    }

    /// The first four are validators as far as is known, and whoever comes after is nothing yet.
    fn check<const N: usize>(nodes: [LiveNode; N], expect: (Health, Option<&str>, u64)) {
        let ids = (0u8..).map(|index| NodeId::from_entropy([index; 10])).take(N);
        let known = ids.clone().zip(0..).map(|(id, n)| {
            let standing = if n < 4 { Standing::Validator } else { Standing::Unnamed };
            let (name, rank) = (format!("validator-{n}"), Rank { standing, whole: true });
            (id, Known { name, rank, ..Known::default() })
        });
        let known = known.collect();
        let nodes: BTreeMap<_, _> = ids.zip(nodes).collect();
        let Judgement { health, reason, .. } = judge(&nodes, &known, 7);
        assert_eq!(health, expect.0, "{reason:?}");
        assert_eq!(reason.map(|reason| reason.message).as_deref(), expect.1);
        let tip = |genesis| tip(&nodes, &known, genesis).map(|tip| tip.number);
        assert_eq!(tip(Some("0x00")), Some(expect.2));
        assert_eq!(tip(Some("0x01")), None, "that is another chain");
    }

    #[test]
    fn nodes_that_do_not_decide_do_not_count() {
        let dead = LiveNode { process: None, ..node(0, 0) };
        let follows = || seated(9, 4, Seat::Follows("not a validator".to_owned()));
        let all = || node(9, 4);
        check([all(), all(), all(), all(), follows()], (Health::Healthy, None, 9));
        check(
            [all(), all(), all(), all(), dead.clone(), seated(0, 0, Seat::Unnamed)],
            (Health::Healthy, Some("nodes that do not decide do not answer: validator-4"), 9),
        );
        // A follower is no substitute for a validator.
        let two = || node(5, 2);
        check(
            [two(), two(), dead.clone(), dead, follows()],
            (
                Health::Unavailable,
                Some("2 of 4 nodes answer, 3 are needed; missing: validator-2, validator-3"),
                0,
            ),
        );
        // One that was voted out says so, and another has taken its place.
        check([all(), all(), all(), follows(), all()], (Health::Healthy, None, 9));
        check([follows(), follows(), follows(), follows()], (Health::Healthy, None, 9));
    }

    #[test]
    fn validators_elsewhere_count_while_they_are_connected() {
        let of_six = |connected| {
            let mut node = node(9, connected);
            if let Some(report) = &mut node.report {
                (report.validators, report.quorum) = (6, 5);
            }
            node
        };
        let all = |connected| [0; 4].map(|_| of_six(connected));
        check(all(6), (Health::Healthy, None, 9));
        let one = "1 of 6 validators are none of this platform's and not connected";
        check(all(5), (Health::Degraded, Some(one), 9));
        let none = "4 of 6 validators are connected, 5 are needed, so no block can be made; 2 are none \
                    of this platform's";
        check(all(4), (Health::Unavailable, Some(none), 9));
    }

    #[test]
    fn who_is_silent_does_not_count_as_voting() {
        let silent = || seated(9, 4, Seat::Silent("its journal is lost".to_owned()));
        check(
            [silent(), node(9, 4), node(9, 4), node(9, 4)],
            (Health::Degraded, Some("3 of 4 validators vote; validator-0: its journal is lost"), 9),
        );
        let none = "2 of 4 validators vote, 3 are needed, so no block can be made; validator-0, \
                    validator-2: its journal is lost";
        check([silent(), node(9, 4), silent(), node(9, 4)], (Health::Unavailable, Some(none), 9));
    }

    #[test]
    fn what_was_said_long_ago_is_no_answer_of_now() {
        let ids = (0u8..4).map(|index| NodeId::from_entropy([index; 10]));
        let known: BTreeMap<_, _> = ids.clone().map(|id| (id, Known::default())).collect();
        let check = |answered: [u64; 4], expect: Health| {
            let answered = answered.map(|ms| LiveNode { answered_at_ms: Some(ms), ..node(9, 4) });
            let nodes: BTreeMap<_, _> = ids.clone().zip(answered).collect();
            let judgement = judge(&nodes, &known, 100_000);
            assert_eq!(judgement.health, expect, "{judgement:?}");
            judgement
        };
        let old = 100_000 - FRESH_MS;
        check([old + 1; 4], Health::Healthy);
        check([old, old + 1, old + 1, old + 1], Health::Healthy);
        let judgement = check([old, old - 5, old + 1, old + 1], Health::Unknown);
        assert_eq!(judgement.cause, Cause::NotHeard);
        assert_eq!(judgement.reason.map(|reason| reason.since_ms), Some(old));
        check([0; 4], Health::Unknown);
    }

    #[test]
    fn health_is_what_a_quorum_can_do() {
        let dead = |height| LiveNode { process: None, ..node(height, 0) };
        check([node(9, 4), node(9, 4), node(9, 4), node(9, 4)], (Health::Healthy, None, 9));
        check([node(9, 4), node(8, 4), node(7, 4), node(6, 4)], (Health::Healthy, None, 7));
        check(
            [dead(5), node(9, 3), node(9, 3), node(9, 3)],
            (Health::Degraded, Some("3 of 4 nodes answer; missing: validator-0"), 9),
        );
        check(
            [dead(5), dead(5), node(5, 2), node(5, 2)],
            (
                Health::Unavailable,
                Some("2 of 4 nodes answer, 3 are needed; missing: validator-0, validator-1"),
                5,
            ),
        );
        check(
            [node(5, 2), node(5, 2), node(5, 2), node(5, 2)],
            (
                Health::Unavailable,
                Some("0 of 4 nodes are connected with a quorum; no block is made"),
                5,
            ),
        );
    }
}
