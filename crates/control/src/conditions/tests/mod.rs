//! Conditions from facts: what nodes say on the left, what is told on the right.

mod platform;

use std::collections::BTreeMap;

use windlass_engine::{History, MachineReport, NodeReport, Seat, Work};
use windlass_model::{
    ErrorCode, NodeId, OperationId,
    budget::{End, EndStage},
    condition::{Cause, Condition, ConditionKind, ConditionStatus, Fault, Gravity, findings},
    network::{BlockRef, Intent, NetworkState, OperationKind, Reason},
};
use windlass_substrate::Running;

use super::{About, Doing, Facts, GatewaySeen, NodeFacts, of};
use crate::monitor::{Judgement, Known, LiveNode, Silence, judge};

const NOW_MS: u64 = 1_000_000;
const VERSION: &str = "1.2.3";

/// A network of four validators of which everything is well.
#[derive(Clone)]
struct Scene {
    now_ms: u64,
    about: About,
    known: BTreeMap<NodeId, Known>,
    live: BTreeMap<NodeId, LiveNode>,
    gateway: GatewaySeen<'static>,
    stuck: Option<Reason>,
}

fn id(index: u8) -> NodeId {
    NodeId::from_entropy([index; 10])
}

fn key(index: u8) -> String {
    format!("{index:02x}").repeat(32)
}

fn reason(code: ErrorCode, message: &str, since_ms: u64) -> Reason {
    Reason { code, message: message.to_owned(), remedy: "wait".to_owned(), since_ms }
}

fn says() -> NodeReport {
    NodeReport {
        revision: 1,
        genesis_hash: "0x00".to_owned(),
        chain_id: 1,
        tip: BlockRef { number: 9, hash: "0x9".to_owned() },
        connected_validators: 4,
        quorum: 3,
        validators: 4,
        seat: Seat::Votes,
        seated_by: None,
        work: Work::Nothing,
        syncing: false,
        history: History::Whole,
        highest: 9,
        state_per_mille: None,
        earlier_blocks: 0,
        left_s: None,
        stalled: None,
        peers: (0..4).map(|index| (key(index), true)).collect(),
        machine: MachineReport {
            at_ms: Some(NOW_MS),
            version: Some(VERSION.to_owned()),
            disk_free_bytes: Some(50 << 30),
            disk_bytes: Some(100 << 30),
            resident_bytes: Some(60 << 20),
            memory_limit_bytes: Some(512 << 20),
            clock_ahead_us: Some(700),
        },
    }
}

impl Scene {
    fn well() -> Self {
        let known = |index: u8| Known {
            name: format!("validator-{index}"),
            keys: vec![key(index)],
            ..Known::default()
        };
        let live = |index: u8| LiveNode {
            process: Some(Running {
                pid: u32::from(index) + 100,
                start_time_ticks: 1,
                started_at_ms: 1,
                ready: true,
            }),
            report: Some(says()),
            answered_at_ms: Some(NOW_MS - 2_000),
            clock_ahead_ms: Some(1),
            disk_bytes: Some(1 << 20),
            ..LiveNode::default()
        };
        Self {
            now_ms: NOW_MS,
            about: About {
                name: "trade".parse().expect("a name"),
                intent: Intent::Running,
                state: NetworkState::Usable,
                reason: None,
                operation: None,
                pass_since_ms: None,
                memory_bytes: 512 << 20,
                disk_bytes: Some(10 << 30),
                end: None,
            },
            known: (0..4).map(|index| (id(index), known(index))).collect(),
            live: (0..4).map(|index| (id(index), live(index))).collect(),
            gateway: GatewaySeen::Up,
            stuck: None,
        }
    }

    fn says(mut self, index: u8, change: impl FnOnce(&mut NodeReport)) -> Self {
        change(
            self.live.get_mut(&id(index)).and_then(|live| live.report.as_mut()).expect("it says"),
        );
        self
    }

    fn lives(mut self, index: u8, change: impl FnOnce(&mut LiveNode)) -> Self {
        change(self.live.get_mut(&id(index)).expect("it is there"));
        self
    }

    /// Its process is gone, for this reason, and not for the first time.
    fn ended(mut self, index: u8, code: ErrorCode, (how, failures): (&str, u32)) -> Self {
        let message = format!("validator-{index} ended with {how}");
        let known = self.known.get_mut(&id(index)).expect("it is known");
        known.failures = failures;
        known.retry_at_ms = NOW_MS + 4_000;
        known.last_end = Some(reason(code, &message, NOW_MS - 9_000));
        self.lives(index, |live| (live.process, live.report) = (None, None))
    }

    fn silent(self, index: u8, for_ms: u64) -> Self {
        self.lives(index, |live| {
            live.answered_at_ms = Some(NOW_MS - for_ms);
            let why = "no answer within 5 s".to_owned();
            live.silence = Some(Silence { why, since_ms: NOW_MS - for_ms, questions: 1 });
        })
    }

    fn about(mut self, change: impl FnOnce(&mut About)) -> Self {
        change(&mut self.about);
        self
    }

    fn conditions(&self, before: &[Condition]) -> Vec<Condition> {
        let runs = (self.about.intent, self.about.state) == (Intent::Running, NetworkState::Usable);
        let judgement =
            if runs { judge(&self.live, &self.known, self.now_ms) } else { Judgement::default() };
        let nodes = self.known.iter().map(|(id, known)| NodeFacts {
            known,
            standing: known.rank.standing,
            live: self.live.get(id),
        });
        let facts = Facts {
            now_ms: self.now_ms,
            version: VERSION,
            network: &self.about,
            judgement: &judgement,
            stuck: self.stuck.as_ref(),
            answered_at_ms: self.live.values().filter_map(|live| live.answered_at_ms).max(),
            nodes: nodes.collect(),
            gateway: self.gateway,
        };
        of(&facts, before)
    }

    fn one(&self, kind: ConditionKind) -> Condition {
        let all = self.conditions(&[]);
        all.into_iter().find(|one| one.kind == kind).expect("every condition is drawn")
    }
}

/// What is wrong: of which type, why, whose fault, with whom, since how many seconds.
type Told<'a> = (ConditionKind, Cause, Option<Fault>, &'a [&'a str], u64);

#[track_caller]
fn check(scene: &Scene, usable: ConditionStatus, expect: &[Told<'_>]) {
    let all = scene.conditions(&[]);
    let found = findings(&all);
    let names: Vec<Vec<&str>> =
        found.iter().map(|one| one.nodes.iter().map(String::as_str).collect()).collect();
    let found: Vec<Told<'_>> = found
        .iter()
        .zip(&names)
        .map(|(one, names)| {
            let ago_s = (NOW_MS - one.since_ms) / 1_000;
            (one.kind, one.cause, one.fault, names.as_slice(), ago_s)
        })
        .collect();
    assert_eq!(found, expect);
    assert_eq!(all[0].kind, Usable);
    assert_eq!(all[0].status, usable, "{:?}", all[0]);
    for one in findings(&all) {
        let remedy = one.remedy.unwrap_or_default();
        assert!(!remedy.is_empty() && !one.message.is_empty(), "{:?} says what to do", one.kind);
    }
}

use ConditionKind::{
    ClockInStep, DiskBudget, DiskSpace, EndpointAnswers, Lifetime, Memory, NodesAnswer,
    NodesInStep, NodesRunning, OperationProgress, PeersConnected, QuorumPresent, Usable,
    ValidatorsVote, VersionsAgree,
};
use ConditionStatus::{False, True, Unknown};

#[test]
fn of_a_network_that_is_well_every_condition_holds() {
    let all = Scene::well().conditions(&[]);
    for one in &all {
        assert_eq!(
            (one.status, one.gravity, one.since_ms),
            (True, Gravity::None, NOW_MS),
            "{one:?}"
        );
    }
    assert_eq!(all.len(), 15);
    check(&Scene::well(), True, &[]);
}

#[test]
fn a_validator_that_ended_is_named_with_its_reason() {
    let killed = Scene::well().ended(2, ErrorCode::WorkloadFailed, ("signal 9: killed", 1));
    let fault = Some(Fault::Operator);
    check(&killed, True, &[(NodesRunning, Cause::Killed, fault, &["validator-2"], 9)]);
    let one = killed.one(NodesRunning);
    assert_eq!(one.message, "validator-2 ended with signal 9: killed");
    assert_eq!(one.evidence, ["validator-2: ended 1 times in a row; is started again in 4.000 s"]);
    assert_eq!(one.command.as_deref(), Some("windlass network logs trade --node validator-2"));

    let node = Some(Fault::Node);
    let ended = Scene::well().ended(2, ErrorCode::WorkloadFailed, ("exit code 1", 2));
    check(&ended, True, &[(NodesRunning, Cause::Ended, node, &["validator-2"], 9)]);
    // One that ends again and again is told as that, also while it runs for a moment.
    let loops = Scene::well().ended(2, ErrorCode::WorkloadFailed, ("exit code 1", 3));
    let runs = loops.clone().lives(2, |live| *live = Scene::well().live[&id(2)].clone());
    for scene in [loops, runs] {
        check(&scene, True, &[(NodesRunning, Cause::CrashLoop, node, &["validator-2"], 9)]);
    }
    let port = Scene::well().ended(1, ErrorCode::PortInUse, ("port_in_use", 1));
    let machine = Some(Fault::Machine);
    check(&port, True, &[(NodesRunning, Cause::PortInUse, machine, &["validator-1"], 9)]);
}

#[test]
fn without_a_quorum_the_network_is_not_usable() {
    let two = Scene::well()
        .ended(0, ErrorCode::WorkloadFailed, ("exit code 1", 1))
        .ended(1, ErrorCode::WorkloadFailed, ("exit code 1", 1))
        .says(2, |report| report.connected_validators = 2)
        .says(3, |report| report.connected_validators = 2);
    let node = Some(Fault::Node);
    let names: &[&str] = &["validator-0", "validator-1"];
    check(
        &two,
        False,
        &[
            (Usable, Cause::NodesMissing, node, names, 0),
            (NodesRunning, Cause::Ended, node, names, 9),
        ],
    );
    assert_eq!(two.one(NodesRunning).gravity, Gravity::Critical);
    let quorum = two.one(QuorumPresent);
    assert_eq!((quorum.status, quorum.cause), (False, Cause::NodesMissing));
    assert_eq!(
        two.one(Usable).message,
        "2 of 4 nodes answer, 3 are needed; missing: validator-0, validator-1"
    );
}

#[test]
fn a_process_that_hangs_is_told_since_its_last_answer() {
    let scene = Scene::well().silent(3, 8_000);
    let node = Some(Fault::Node);
    check(&scene, True, &[(NodesAnswer, Cause::Unresponsive, node, &["validator-3"], 8)]);
    let one = scene.one(NodesAnswer);
    assert_eq!(one.evidence, ["validator-3 (pid 103) answered 8.000 s ago: no answer within 5 s"]);
    // One that has never answered is starting, and nothing is wrong with that.
    let scene = Scene::well().lives(3, |live| (live.report, live.answered_at_ms) = (None, None));
    check(&scene, True, &[]);
    assert_eq!(scene.one(NodesAnswer).cause, Cause::Starting);
}

#[test]
fn what_nobody_has_said_lately_is_not_told_as_if_it_were_so() {
    let mut scene = Scene::well();
    for index in 0..4 {
        let ago_ms = 13_000 + 1_000 * u64::from(index);
        scene = scene.lives(index, |live| live.answered_at_ms = Some(NOW_MS - ago_ms));
    }
    let names: &[&str] = &["validator-0", "validator-1", "validator-2", "validator-3"];
    check(&scene, Unknown, &[(Usable, Cause::NotHeard, Some(Fault::Machine), names, 13)]);
    assert_eq!(scene.one(Usable).evidence, ["the last answer came 13 s ago"]);
    assert_eq!(scene.one(QuorumPresent).status, Unknown);
    // A quorum that was heard is enough.
    for index in 0..3 {
        scene = scene.lives(index, |live| live.answered_at_ms = Some(NOW_MS - 11_000));
    }
    check(&scene, True, &[]);
}

#[test]
fn both_sides_of_a_partition_are_named() {
    let sees = |scene: Scene, index: u8, whom: [bool; 4]| {
        let peers = (0..4).zip(whom).map(|(peer, sees)| (key(peer), sees)).collect();
        scene.says(index, |report| {
            report.connected_validators = 2;
            report.peers = peers;
        })
    };
    let mut scene = Scene::well();
    for index in 0..4 {
        let left = index < 2;
        scene = sees(scene, index, [left, left, !left, !left]);
    }
    let network = Some(Fault::Network);
    check(
        &scene,
        False,
        &[
            (Usable, Cause::Partitioned, network, &[], 0),
            (PeersConnected, Cause::Partitioned, network, &["validator-0", "validator-1"], 0),
        ],
    );
    let message = scene.one(PeersConnected).message;
    assert!(message.ends_with("validator-0, validator-1 | validator-2, validator-3"), "{message}");
    // A link that one end alone has is none.
    let scene = sees(Scene::well(), 3, [false, false, false, true]);
    assert_eq!(scene.one(PeersConnected).nodes, ["validator-3"]);
    // Who does not say whom it sees, as earlier versions do not, is no side.
    let old = Scene::well().says(1, |report| report.peers = Vec::new());
    check(&old, True, &[]);
}

#[test]
fn validators_of_other_members_are_their_members_matter() {
    let mut scene = Scene::well();
    for index in 0..4 {
        scene = scene.says(index, |report| {
            (report.validators, report.quorum) = (5, 4);
        });
    }
    let member = Some(Fault::Member);
    check(&scene, True, &[(PeersConnected, Cause::MembersMissing, member, &[], 0)]);
}

#[test]
fn who_does_not_vote_and_who_is_behind_is_named() {
    let silent = |report: &mut NodeReport| {
        report.seat = Seat::Silent("its journal is lost".to_owned());
    };
    let node = Some(Fault::Node);
    let scene = Scene::well().says(1, silent);
    check(&scene, True, &[(ValidatorsVote, Cause::Silent, node, &["validator-1"], 0)]);
    let behind = Scene::well().says(1, |report| {
        (report.syncing, report.highest, report.left_s) = (true, 40, Some(3));
    });
    check(&behind, True, &[]);
    let one = behind.one(NodesInStep);
    assert_eq!((one.status, one.cause), (False, Cause::CatchingUp));
    assert_eq!(one.evidence, ["validator-1: block 9 of 40, about 3 s left"]);
}

#[test]
fn a_clock_is_compared_with_peers_and_platform() {
    let machine = Some(Fault::Machine);
    let ahead = |us: i64| Scene::well().says(2, |report| report.machine.clock_ahead_us = Some(us));
    check(&ahead(2_000_000), True, &[]);
    check(&ahead(-1_999_999), True, &[]);
    let scene = ahead(-4_250_000);
    check(&scene, True, &[(ClockInStep, Cause::ClockOff, machine, &["validator-2"], 0)]);
    let one = scene.one(ClockInStep);
    assert_eq!(one.evidence, ["validator-2: 4.250 s behind its peers' clocks"]);
    assert_eq!(one.gravity, Gravity::Warning);
    // Beyond the bound of handshakes its peers do not let it in.
    assert_eq!(ahead(30_001_000).one(ClockInStep).gravity, Gravity::Critical);

    let platform = |off: &[u8]| {
        off.iter().fold(Scene::well(), |scene, index| {
            scene.lives(*index, |live| live.clock_ahead_ms = Some(-6_000))
        })
    };
    let one = platform(&[1]).one(ClockInStep);
    assert_eq!((one.cause, one.nodes), (Cause::ClockOff, vec!["validator-1".to_owned()]));
    let one = platform(&[0, 1, 2, 3]).one(ClockInStep);
    assert!(one.message.starts_with("the platform's clock is off"), "{one:?}");
    // Of nodes that do not tell the time nothing is known.
    let mut old = Scene::well();
    for index in 0..4 {
        old = old.says(index, |report| report.machine = MachineReport::default());
        old = old.lives(index, |live| live.clock_ahead_ms = None);
    }
    assert_eq!(old.one(ClockInStep).status, Unknown);
    assert_eq!(old.one(DiskSpace).status, Unknown);
    assert_eq!(old.one(VersionsAgree).cause, Cause::VersionSkew, "they are of an earlier version");
}

#[test]
fn disks_and_memory_are_told_before_they_are_gone() {
    let machine = Some(Fault::Machine);
    let free =
        |bytes: u64| Scene::well().says(0, |report| report.machine.disk_free_bytes = Some(bytes));
    check(&free(1 << 30), True, &[]);
    check(&free((1 << 30) - 1), True, &[(DiskSpace, Cause::DiskLow, machine, &["validator-0"], 0)]);
    check(&free(1 << 20), True, &[(DiskSpace, Cause::DiskFull, machine, &["validator-0"], 0)]);
    let full = Scene::well().ended(1, ErrorCode::DiskFull, ("exit code 28: disk full", 1));
    check(&full, True, &[(DiskSpace, Cause::DiskFull, machine, &["validator-1"], 0)]);
    let used = |mib: u64| Scene::well().lives(3, |live| live.resident_bytes = Some(mib << 20));
    check(&used(460), True, &[]);
    check(&used(461), True, &[(Memory, Cause::MemoryLow, machine, &["validator-3"], 0)]);
    assert_eq!(used(461).one(Memory).evidence, ["validator-3: 461.0 MiB of 512.0 MiB"]);
    let killed = "signal 9: killed for want of memory: memory.events had oom_kill 0, and has 1";
    assert_eq!(full.one(NodesRunning).cause, Cause::DiskFull);
    let killed = Scene::well().ended(1, ErrorCode::OutOfMemory, (killed, 1));
    check(&killed, True, &[(NodesRunning, Cause::OutOfMemory, machine, &["validator-1"], 9)]);
}

#[test]
fn a_node_that_has_its_whole_share_of_the_disk_is_told_before_and_then() {
    let operator = Some(Fault::Operator);
    let has = |mib: u64| Scene::well().lives(2, |live| live.disk_bytes = Some(mib << 20));
    check(
        &has(9 * 1024),
        True,
        &[(DiskBudget, Cause::DiskBudgetLow, operator, &["validator-2"], 0)],
    );
    check(&has(9 * 1024 - 1), True, &[]);
    let spent = has(10 * 1024).lives(0, |live| live.disk_bytes = Some(9_800 << 20));
    check(&spent, True, &[(DiskBudget, Cause::DiskBudgetSpent, operator, &["validator-2"], 0)]);
    assert_eq!(spent.one(DiskBudget).gravity, Gravity::Critical);
    assert_eq!(spent.one(DiskBudget).evidence, ["validator-2: 10.0 GiB of 10.0 GiB"]);
    let mut unlimited = has(1 << 30);
    unlimited.about.disk_bytes = None;
    check(&unlimited, True, &[]);
    let unmeasured = Scene::well();
    let unmeasured =
        (0..4).fold(unmeasured, |scene, index| scene.lives(index, |live| live.disk_bytes = None));
    assert_eq!(unmeasured.one(DiskBudget).status, Unknown);
}

#[test]
fn a_node_of_another_version_is_told() {
    let scene = Scene::well().says(1, |report| report.machine.version = Some("1.2.2".to_owned()));
    let operator = Some(Fault::Operator);
    check(&scene, True, &[(VersionsAgree, Cause::VersionSkew, operator, &["validator-1"], 0)]);
    assert_eq!(
        scene.one(VersionsAgree).message,
        "of another version than the platform's 1.2.3: validator-1 (1.2.2)"
    );
}

#[test]
fn nothing_is_wrong_with_a_network_at_rest() {
    let rests = [
        (Intent::Sleeping, NetworkState::Sleeping, Cause::AtRest),
        (Intent::Stopped, NetworkState::Stopped, Cause::AtRest),
        (Intent::Stopped, NetworkState::Stopping, Cause::InTransition),
        (Intent::Destroyed, NetworkState::Destroying, Cause::InTransition),
        (Intent::Running, NetworkState::Starting, Cause::InTransition),
    ];
    for (intent, state, cause) in rests {
        let mut scene = Scene::well().about(|about| (about.intent, about.state) = (intent, state));
        scene.live.clear();
        check(&scene, False, &[]);
        assert_eq!(scene.one(Usable).cause, cause, "{state:?}");
    }
}

#[test]
fn since_when_it_is_so_stays_until_it_is_not_so() {
    let mut scene = Scene::well();
    let first = scene.conditions(&[]);
    scene.now_ms += 1_000;
    let second = scene.conditions(&first);
    assert_eq!(first, second, "nothing has changed");
    let full = scene.says(0, |report| report.machine.disk_free_bytes = Some(0));
    let third = full.conditions(&second);
    let changed: Vec<_> =
        third.iter().filter(|one| !second.iter().any(|before| before.says_as(one))).collect();
    assert_eq!(changed.len(), 1);
    assert_eq!((changed[0].kind, changed[0].since_ms), (DiskSpace, NOW_MS + 1_000));
}
