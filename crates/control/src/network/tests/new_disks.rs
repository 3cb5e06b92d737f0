//! Golden plans of nodes that are replaced, and whom a network can do without.

use super::*;
use crate::network::{able::able, new_disk};

/// The second node of a network at rest gets a new disk.
fn replaced() -> Case {
    let mut case = declared().founded().running().saying(4, 9).usable();
    let id = case.record().nodes[1].id.clone();
    new_disk::ask(case.record(), &id);
    case = case.asked(OperationKind::ReplaceNode);
    new_disk::tell(case.record(), &id, NOW_MS);
    case
}

impl Case {
    /// It is noted what is there of the old disk, and what of it is gone.
    fn torn_down(mut self, removed: &[usize]) -> Self {
        let ids = removed.iter().map(|index| WorkloadId::of_node(&self.record().nodes[*index].id));
        let removed: Vec<WorkloadId> = ids.collect();
        let teardown = TeardownRecord { removed, ..TeardownRecord::default() };
        self.record().nodes[1].status.new_disk.as_mut().unwrap().teardown = Some(teardown);
        self
    }

    fn without(mut self, index: usize) -> Self {
        let id = WorkloadId::of_node(&self.record().nodes[index].id);
        self.observed.instances.remove(&id);
        self
    }

    /// What the executor writes when the old disk is gone.
    fn emptied(mut self) -> Self {
        let status = &mut self.record().nodes[1].status;
        (status.new_disk, status.process, status.blocks) = (None, None, Blocks::Some);
        self
    }
}

#[test]
fn the_old_disk_goes_before_the_node_is_started_and_the_others_stay() {
    let waits = "state Usable
         step processes
         detail 0 of 1 nodes answer
         wake in 3000 ms";
    replaced().check(&format!(
        "step processes
         inventory of 2 things of validator-1
         {waits}"
    ));
    let removes = format!(
        "step processes
         remove validator-1
         {waits}"
    );
    replaced().torn_down(&[]).check(&removes);
    // Gone, and that was not written down: it is removed once more.
    replaced().torn_down(&[]).without(1).check(&removes);
    // Somebody brought it back.
    replaced().torn_down(&[1]).check(&removes);
    replaced().torn_down(&[1]).without(1).check(&format!(
        "step processes
         nothing is left of the disk of validator-1
         {waits}"
    ));
    replaced().torn_down(&[1]).without(1).emptied().check(
        "state Usable
         ensure validator-1 Running
         step processes
         detail 0 of 1 nodes answer
         wake in 3000 ms",
    );
}

#[test]
fn a_node_with_a_new_disk_is_waited_for_until_it_follows() {
    let anew = |height| {
        let silent = Seat::Silent("it may have voted in this epoch".to_owned());
        let mut case = replaced().emptied().running().said(1, silent, height);
        case.record().nodes[1].status.blocks = Blocks::All;
        case
    };
    anew(3).check(
        "state Usable
         step blocks
         detail validator-1: block 3 of 9
         wake in 3000 ms",
    );
    anew(8).check(
        "state Usable
         conclude Usable",
    );
}

#[test]
fn what_is_left_of_a_disk_goes_whatever_else_is_asked_meanwhile() {
    // It was stopped meanwhile, and is started again.
    let case = replaced().torn_down(&[]).asked(OperationKind::Stop).asked(OperationKind::Start);
    let plan = plan(&case.observed, &WindlassEngine);
    let lines: Vec<String> = plan.actions.iter().map(|action| case.line(action)).collect();
    assert!(lines.contains(&"remove validator-1".to_owned()), "{lines:?}");
    let ensured = lines.iter().filter(|line| line.starts_with("ensure validator-1"));
    assert_eq!(ensured.count(), 0, "not before that: {lines:?}");
}

#[test]
fn a_validator_is_replaced_where_the_others_are_a_quorum_that_votes() {
    let check = |case: &Case, index: usize| {
        let Observation { record, live, .. } = &case.observed;
        new_disk::check(record, live, &record.nodes[index]).map_err(|problem| problem.code)
    };
    let at_rest = || declared().founded().running().saying(4, 9).usable();
    let told = check(&at_rest(), 1).unwrap();
    assert!(told[0].contains("until then 3 of 4 validators vote, and a block needs 3"), "{told:?}");
    let silent = || Seat::Silent("it may have voted in this epoch".to_owned());
    let case = at_rest().said(2, silent(), 9);
    assert_eq!(check(&case, 1), Err(ErrorCode::QuorumAtRisk), "two would be left");
    assert!(check(&case, 2).is_ok(), "it does not vote anyway");
    // One that does not answer is counted out, be it connected or not.
    let mut case = at_rest();
    let id = case.record().nodes[3].id.clone();
    case.observed.live.get_mut(&id).unwrap().process = None;
    for live in case.observed.live.values_mut() {
        live.report.as_mut().unwrap().connected_validators = 3;
    }
    assert_eq!(check(&case, 1), Err(ErrorCode::QuorumAtRisk));
    assert!(check(&case, 3).is_ok());
    // Nobody is there to fetch from.
    let mut case = at_rest();
    case.observed.live.retain(|other, _| *other == id);
    assert_eq!(check(&case, 3), Err(ErrorCode::NetworkUnavailable));
    // What one alone has is not thrown away.
    let mut case = at_rest();
    for node in case.record().nodes.iter_mut().skip(1) {
        node.status.blocks = Blocks::Some;
    }
    assert_eq!(check(&case, 0), Err(ErrorCode::NetworkBusy));
    assert!(check(&case, 1).is_ok());
}

#[test]
fn validators_elsewhere_count_by_their_connections_and_the_replaced_one_never() {
    let mut case = declared().founded().running().saying(4, 9).usable();
    let replaced = case.record().nodes[1].clone();
    let key = hex::encode(replaced.node_key.public.unwrap());
    // It runs and leaves the platform's questions unanswered: its peers still see it.
    case.observed.live.get_mut(&replaced.id).unwrap().process = None;
    let able = |case: &Case| able(&case.observed.live, Some(&replaced)).unwrap();
    for live in case.observed.live.values_mut() {
        live.report.as_mut().unwrap().peers = vec![(key.clone(), true)];
    }
    assert_eq!((able(&case).voting, able(&case).quorum, able(&case).validators), (3, 3, 4));
    for live in case.observed.live.values_mut() {
        live.report.as_mut().unwrap().peers = vec![(key.clone(), false)];
    }
    assert_eq!(able(&case).voting, 4, "the fourth connection is somebody else's");
}
