//! Golden plans of a network that falls asleep and wakes.

use super::*;
use crate::{
    network::sleeping::kept_awake,
    operation::{self, step},
};

/// It runs, and nobody asks it for anything.
fn usable() -> Case {
    declared().founded().running().saying(4, 9).usable()
}

/// The gateway has been told that requests are to wait.
fn told(mut case: Case, since_ms: u64) -> Case {
    let operation = case.record().operation.as_mut().unwrap();
    operation::reach(operation, step::PROCESSES, since_ms);
    case
}

const ENDS: &str = "ensure validator-0 Stopped
     ensure validator-1 Stopped
     ensure validator-2 Stopped
     ensure validator-3 Stopped";

#[test]
fn requests_wait_before_anything_ends() {
    let case = usable().asked(OperationKind::Sleep);
    assert!(case.observed.record.network.status.held, "what is served is what is written down");
    case.check("state Stopping\nPublish\nstep processes");
    told(usable().asked(OperationKind::Sleep), NOW_MS).check(ENDS);
}

#[test]
fn what_is_under_way_is_finished_first() {
    let mut case = told(usable().asked(OperationKind::Sleep), NOW_MS);
    let node = case.observed.record.nodes[2].id.clone();
    let report = |case: &mut Case, change: &dyn Fn(&mut NodeReport)| {
        let live = case.observed.live.get_mut(&node).unwrap();
        change(live.report.as_mut().unwrap());
    };
    report(&mut case, &|report| report.work = Work::Something);
    case.check("detail a transaction waits, or a block is being made\nwake in 10000 ms");
    report(&mut case, &|report| {
        report.work = Work::Nothing;
        report.tip.number += 1;
    });
    case.check("detail a node is catching up\nwake in 10000 ms");
    // A network that stands still has it in its pools on disk.
    case.observed.now_ms += 10_000;
    case.check(ENDS);
}

#[test]
fn it_sleeps_when_nothing_runs_and_stays_so() {
    let mut case = declared().founded().usable().asked(OperationKind::Sleep);
    case.check("Publish\nconclude Sleeping");
    case.record().network.state = NetworkState::Sleeping;
    case.record().network.operation = None;
    case.check("");
    // What somebody started by hand ends.
    let mut case = usable().asked(OperationKind::Sleep);
    case.record().network.state = NetworkState::Sleeping;
    case.record().network.operation = None;
    case.check(ENDS);
}

#[test]
fn whatever_took_the_place_of_a_sleep_tells_the_gateway_first() {
    let case = usable().asked(OperationKind::Sleep).asked(OperationKind::Update);
    case.check(&format!("Publish\n{ENDS}"));
}

#[test]
fn it_wakes_before_requests_are_let_in() {
    let mut case = declared().founded().usable().asked(OperationKind::Sleep);
    case.record().network.state = NetworkState::Sleeping;
    case.record().network.operation = None;
    let case = case.asked(OperationKind::Wake);
    case.check(
        "state Starting
         ensure validator-0 Running
         ensure validator-1 Running
         ensure validator-2 Running
         ensure validator-3 Running
         step processes",
    );
    // Woken while it falls asleep: nothing has ended yet.
    let mut case = usable().asked(OperationKind::Sleep).asked(OperationKind::Wake);
    case.check("state Starting\nstep endpoint\nAdmit");
    case.record().network.status.held = false;
    case.check("state Starting\nstep endpoint\nPublish\nProbeEndpoint\nconclude Usable");
}

#[test]
fn it_wakes_without_a_node_that_does_not_come_as_it_would_have_gone_on_without_it() {
    let woken = || {
        let mut case = usable();
        case = case.asked(OperationKind::Sleep).asked(OperationKind::Wake);
        let id = case.observed.record.nodes[3].id.clone();
        case.observed.live.remove(&id);
        case
    };
    let waits = "state Starting
         step peers
         detail 3 of 4 nodes answer";
    let case = woken();
    case.check(&format!("{waits}\nwake in 3000 ms"));
    let mut case = woken();
    case.observed.now_ms += 3_000;
    case.check("state Starting\nstep endpoint\nAdmit");
    // But not without a quorum.
    let id = case.observed.record.nodes[2].id.clone();
    case.observed.live.remove(&id);
    case.check(
        "state Starting
         step peers
         detail 2 of 4 nodes answer
         explain Some(\"2 of 4 nodes answer\")",
    );
}

#[test]
fn an_end_that_was_asked_for_is_no_failure_when_it_is_woken_meanwhile() {
    let case = usable().asked(OperationKind::Sleep).asked(OperationKind::Wake);
    let mut case = case.ended(0, "panicked");
    let id = WorkloadId::of_node(&case.observed.record.nodes[1].id);
    let exit = ExitRecord {
        code: Some(0),
        signal: None,
        reason: "it was told to end".to_owned(),
        at_ms: NOW_MS,
        pid: None,
    };
    let instance = case.observed.instances.get_mut(&id).unwrap();
    instance.state = InstanceState::Stopped { exit: Some(exit) };
    case.check(
        "state Starting
         validator-0 is down (validator-0 ended with signal 9: panicked), again in 250 ms
         validator-1 is stopped
         ensure validator-1 Running
         step processes
         wake in 250 ms",
    );
}

#[test]
fn only_a_network_that_has_nothing_to_do_falls_asleep_by_itself() {
    let why = |case: &Case| kept_awake(&case.observed.record, case.observed.live.values());
    assert_eq!(why(&usable()), None);
    let mut always = usable();
    always.record().network.spec.sleep_after_s = 0;
    assert_eq!(why(&always), Some("it is to run all the time"));
    assert_eq!(why(&usable().asked(OperationKind::Update)), Some("something else happens to it"));
    assert_eq!(why(&declared().founded().running().usable()), Some("not every node answers"));
    let mut busy = usable();
    let live = busy.observed.live.values_mut().next().unwrap();
    live.report.as_mut().unwrap().work = Work::Something;
    assert_eq!(why(&busy), Some("a transaction waits, or a block is being made"));
    let live = busy.observed.live.values_mut().next().unwrap();
    live.report.as_mut().unwrap().earlier_blocks = 5;
    assert_eq!(why(&busy), Some("a node still fetches blocks"));
}
