//! Golden plans of nodes that come and go.

use windlass_engine::governance::{ObserverFacts, ValidatorFacts};

use super::*;

/// A network at rest, with one node more that has keys and a port.
fn with_one_more(organization: &str) -> Case {
    declared().founded().running().saying(4, 9).usable().adding(organization).keyed()
}

#[test]
fn an_added_node_gets_keys_and_a_port_and_nobody_is_restarted() {
    declared().founded().running().saying(4, 9).usable().adding("acme").check(
        "step keys
         create node key of validator-4
         create consensus key of validator-4
         step genesis
         port 4001 for validator-4
         step processes",
    );
    declared().founded().running().saying(4, 9).usable().adding("delta").check(
        "step keys
         create node key of validator-4
         create consensus key of validator-4
         create account key of delta
         step genesis
         port 4001 for validator-4
         step processes",
    );
    with_one_more("acme").check(
        "state Usable
         ensure validator-4 Running
         step processes
         detail 0 of 1 nodes answer
         wake in 3000 ms",
    );
}

#[test]
fn an_added_node_is_registered_when_it_answers_and_waited_for_until_it_follows() {
    let answering = || with_one_more("acme").running().said(4, Seat::Unnamed, 0);
    answering().check(
        "state Usable
         declare Register validator-4
         step registration
         detail 0 of 1 nodes are registered
         wake in 3000 ms",
    );
    answering().errand(Errand::Register, OperationState::Running).check(
        "state Usable
         step registration
         detail 0 of 1 nodes are registered
         wake in 3000 ms",
    );
    answering().errand(Errand::Register, OperationState::Succeeded).check(
        "state Usable
         done Register validator-4
         step registration
         detail 0 of 1 nodes are registered
         wake in 3000 ms",
    );
    answering().errand(Errand::Register, OperationState::Failed).check(
        "state Usable
         give up Register validator-4 (op-0r30c1g60r30c1g6 was not carried out)",
    );
    let follows = || Seat::Follows("not a validator".to_owned());
    let registered = |height| {
        let mut case = with_one_more("acme").running().said(4, follows(), height);
        case.record().nodes[4].status.registration.as_mut().unwrap().done = true;
        case.record().nodes[4].status.standing = Some(Standing::Follower);
        case.record().nodes[4].status.blocks = Blocks::All;
        case
    };
    registered(3).check(
        "state Usable
         step blocks
         detail validator-4: block 3 of 9
         wake in 3000 ms",
    );
    let mut taking = registered(3);
    let joins = taking.record().nodes[4].id.clone();
    let report =
        taking.observed.live.get_mut(&joins).and_then(|live| live.report.as_mut()).unwrap();
    (report.state_per_mille, report.left_s) = (Some(345), Some(20));
    taking.check(
        "state Usable
         step blocks
         detail validator-4: 34.5 % of the state, about 20 s left
         wake in 3000 ms",
    );
    registered(8).check(
        "state Usable
         conclude Usable",
    );
    // Nobody names the node of an organization that is no member yet: that it runs is all.
    with_one_more("delta").running().said(4, Seat::Unnamed, 0).check(
        "state Usable
         conclude Usable",
    );
}

#[test]
fn a_start_waits_for_validators_and_not_for_nodes_that_nobody_named() {
    let mut case = with_one_more("delta").running().usable().asked(OperationKind::Start);
    case.record().nodes[4].status.process = None;
    case.record().nodes[4].status.retry_at_ms = NOW_MS + 70;
    case.record().nodes[4].status.failures = 3;
    let mut case = case.ended(4, "it does not start");
    case.check(
        "state Starting
         step endpoint
         Publish
         ProbeEndpoint
         conclude Usable
         wake in 70 ms",
    );
    case.record().nodes[4].status.standing = Some(Standing::Validator);
    case.check(
        "state Starting
         step processes
         wake in 70 ms",
    );
}

#[test]
fn what_a_node_is_to_the_members_is_noted_when_it_says_so() {
    let mut case = declared().founded().running().saying(4, 9).usable();
    let follows = Seat::Follows("not a validator".to_owned());
    case = case.said(3, follows, 9);
    case.check("validator-3 is Follower");
    case.record().nodes[3].status.standing = Some(Standing::Follower);
    case.check("");
    let id = case.record().nodes[2].id.clone();
    let report = case.observed.live.get_mut(&id).and_then(|live| live.report.as_mut());
    report.unwrap().history = History::Lacking;
    case.check("validator-2 is Validator and lacks blocks");
    case.record().nodes[2].status.blocks = Blocks::Some;
    case.check("");
}

#[test]
fn whoever_lacks_blocks_is_asked_only_where_nobody_has_them() {
    let mut case = declared();
    assert_eq!(case.record().best_nodes().count(), 4);
    case.record().nodes[2].status.blocks = Blocks::Some;
    assert_eq!(case.record().best_nodes().count(), 3);
    for node in &mut case.record().nodes {
        node.status.blocks = Blocks::Some;
    }
    assert_eq!(case.record().best_nodes().count(), 4);
}

#[test]
fn nobody_goes_who_alone_has_every_block() {
    let mut case = with_one_more("acme");
    let ids: Vec<NodeId> = case.record().nodes.iter().map(|node| node.id.clone()).collect();
    // The one that was added lacks them until it says otherwise.
    let all: Vec<&NodeId> = ids.iter().collect();
    assert!(case.record().blocks_stay(&all[..3]) && !case.record().blocks_stay(&all[..4]));
    assert!(case.record().blocks_stay(&all[4..]) && case.record().blocks_stay(&all));
    case.record().nodes[3].status.blocks = Blocks::Some;
    assert!(!case.record().blocks_stay(&all[..3]) && case.record().blocks_stay(&all[3..4]));
    case.record().nodes[4].status.blocks = Blocks::All;
    assert!(case.record().blocks_stay(&all[..4]));
}

#[test]
fn a_node_that_goes_is_taken_back_by_its_member_and_its_row_goes_last() {
    let mut case = with_one_more("acme").running().usable().asked(OperationKind::RemoveNode);
    case.record().nodes[4].status.standing = Some(Standing::Follower);
    let withdrawal = case.record().nodes[4].status.registration.clone();
    let leaving = Leaving { withdrawal, teardown: None };
    case.record().nodes[4].status.leaving = Some(leaving);
    case.check(
        "step registration
         declare Withdraw validator-4
         state Usable",
    );
    let refused = case.errand(Errand::Withdraw, OperationState::Failed);
    refused.check(
        "step registration
         give up Withdraw validator-4 (op-0r30c1g60r30c1g6 was not carried out)
         state Usable",
    );
    let mut case = refused;
    let leaving = case.record().nodes[4].status.leaving.as_mut().unwrap();
    leaving.withdrawal = leaving.withdrawal.clone().map(|one| Registration { done: true, ..one });
    case.check(
        "step processes
         inventory of 4 things of validator-4
         state Usable",
    );
    let teardown = || TeardownRecord::default();
    case.record().nodes[4].status.leaving.as_mut().unwrap().teardown = Some(teardown());
    case.check(
        "step processes
         remove validator-4
         state Usable",
    );
    let id = WorkloadId::of_node(&case.record().nodes[4].id);
    case.observed.instances.remove(&id);
    let removed = TeardownRecord { removed: vec![id], ..teardown() };
    case.record().nodes[4].status.leaving.as_mut().unwrap().teardown = Some(removed);
    case.check(
        "step keys
         destroy a key of validator-4
         destroy a key of validator-4
         step records
         release validator-4
         state Usable",
    );
}

#[test]
fn nobody_is_configured_anew_because_a_node_came_or_went() {
    let files = |case: &Case| -> BTreeMap<String, String> {
        let record = &case.observed.record;
        let file = |node: &NodeRow| {
            let described = (node, &describe::setup(record, node));
            let workload =
                describe::workload(&case.observed, &WindlassEngine, described, Desired::Running);
            (node.name.clone(), workload.unwrap().files["node.toml"].clone())
        };
        record.nodes.iter().map(file).collect()
    };
    let mut case = declared().founded().running().usable();
    let before = files(&case);
    for _ in 0..3 {
        case.record().network.operation = None;
        case = case.adding("acme").keyed();
    }
    let grown = files(&case);
    for name in ["validator-0", "validator-3"] {
        assert_eq!(grown[name], before[name]);
    }
    assert_eq!(grown["validator-6"].matches("127.0.0.1").count(), 7, "six others and itself");
    for index in [5, 1, 0] {
        let id = case.record().nodes[index].id.clone();
        teardown::depart(case.record(), &id);
    }
    for (name, file) in files(&case) {
        assert_eq!(grown[&name], file, "{name}");
    }
    case.record().network.operation = None;
    let case = case.adding("acme");
    let newest = case.observed.record.nodes.last().unwrap();
    assert_eq!(newest.name, "validator-7", "no name comes back");
    assert_eq!(files(&case)["validator-7"].matches("[[bootstrap]]").count(), 4, "those there are");
    assert_eq!(case.observed.record.network.status.departed.len(), 3);
}

/// Acme with so many observers elsewhere, and so many validators; beta, whose key is not here.
fn roll(observers: u8, validators: u8) -> Roll {
    let key = |byte: u8| format!("{byte:02x}").repeat(32);
    let observer = |byte| ObserverFacts {
        node_key: key(byte),
        member: 1,
        active: true,
        endpoint: String::new(),
    };
    let validator = |byte: u8| ValidatorFacts {
        id: u32::from(byte),
        member: 1,
        state: SeatState::Active,
        active: true,
        name: format!("validator-{byte}"),
        node_key: key(byte),
        consensus_key: key(byte + 100),
        account: None,
        endpoint: String::new(),
    };
    let account = format!("0x{}", "be".repeat(20));
    let beta = MemberFacts { id: 2, organization: "beta".to_owned(), account, ..acme() };
    Roll {
        members: vec![acme(), beta],
        validators: (0..validators).map(validator).collect(),
        observers: (200..200 + observers).map(observer).collect(),
    }
}

#[test]
fn more_observers_than_the_contract_takes_of_a_member_are_refused_beforehand() {
    let check = |case: &Case, roll: &Roll, (member, count), expect: Option<&str>| {
        let request = NodesRequest { member: String::from(member), count };
        let problem = nodes::addition(&case.observed.record, roll, &request).err();
        let found = problem.as_ref().map(|problem| problem.detail.as_str());
        let told = expect.map(|rest| {
            assert_eq!(problem.as_ref().unwrap().code, ErrorCode::TooManyObservers);
            format!("`{member}` has {rest}")
        });
        assert_eq!(found, told.as_deref());
    };
    let four = declared().founded();
    let (none, two, all) = ("so that none fits", "so that 2 more fit", "16, so that 16 more fit");
    check(&four, &roll(0, 4), ("acme", 16), None);
    let seventeen =
        format!("0 observers in `trade` and would have 17 more; a member may have {all}");
    check(&four, &roll(0, 4), ("acme", 17), Some(&seventeen));
    check(&four, &roll(14, 4), ("acme", 2), None);
    let three =
        format!("14 observers in `trade` and would have 3 more; a member may have 16, {two}");
    check(&four, &roll(14, 4), ("acme", 3), Some(&three));
    let full =
        format!("16 observers in `trade` and would have 1 more; a member may have 16, {none}");
    check(&four, &roll(16, 4), ("acme", 1), Some(&full));

    // One that is about to be named counts, and one that became a validator does not.
    let waits = with_one_more("acme");
    check(&waits, &roll(15, 4), ("acme", 1), Some(&full));
    check(&waits, &roll(15, 5), ("acme", 1), None);

    // Whoever acts by a tool of its own, or has the members vote its nodes in, knows what it does.
    check(&four, &roll(0, 4), ("beta", 17), None);
    check(&four, &roll(0, 35), ("delta", 17), None);
    check(&four, &roll(0, 4), ("delta", 16), None);
    check(&four, &roll(0, 4), ("delta", 17), Some(&seventeen));
}

#[test]
fn the_most_observers_of_a_member_are_the_contracts() {
    let types = include_str!("../../../../../contracts/governance/Types.sol");
    let line = format!("MAX_OBSERVERS_OF_MEMBER = {};", nodes::MAX_OBSERVERS_OF_MEMBER);
    assert!(types.contains(&line), "{line}");
}
