//! Who may have a network begin anew, and when.

use std::collections::BTreeSet;

use windlass_engine::{
    GenesisFile,
    governance::MemberFacts,
    recovery::{Judged, Signatory},
};

use super::super::recovering::{Force, Newer, apply, check, endorse, is_more, losses};
use super::*;

/// Files about the network, with so many of its four members' signatures.
fn judged(signed: usize) -> Judged {
    let members = ["acme", "beta", "gamma", "delta"].iter().enumerate();
    Judged {
        predecessor: "0xaa".to_owned(),
        block: BlockRef { number: 9, hash: "0x09".to_owned() },
        export: "0xee".to_owned(),
        genesis: GenesisFile { content: "{\"anew\":1}".to_owned(), hash: "0xbb".to_owned() },
        members: members
            .map(|(index, name)| Signatory {
                organization: (*name).to_owned(),
                account: format!("0x{index}"),
                signed: index < signed,
            })
            .collect(),
        needed: 3,
        others: BTreeSet::new(),
    }
}

/// A network in use of which so many validators vote; the others answer and keep silent.
fn voting(count: usize) -> Case {
    let mut case = declared().founded().running().saying(4, 9).usable();
    for index in count..4 {
        case = case.said(index, Seat::Silent("its journal is lost".to_owned()), 9);
    }
    case
}

/// The active members after a block; one that was suspended has no say.
fn newer(block: u64, judged: &Judged, members: &[(&str, &str)]) -> Newer {
    let member = |state, (organization, account): &(&str, &str)| MemberFacts {
        id: 1,
        state,
        account: (*account).to_owned(),
        organization: (*organization).to_owned(),
        endpoint: String::new(),
    };
    let active = members.iter().map(|one| member(SeatState::Active, one));
    let suspended = member(SeatState::Suspended, &("omega", "0x77"));
    let members: Vec<_> = active.chain([suspended]).collect();
    Newer::new(block, &members, judged)
}

/// Who are members before and after the export.
const FOUNDERS: [(&str, &str); 4] =
    [("acme", "0x0"), ("beta", "0x1"), ("gamma", "0x2"), ("delta", "0x3")];

/// Where no member came or went since the export.
fn told(case: &Case, judged: &Judged, force: Force) -> String {
    told_after(case, judged, force, &FOUNDERS)
}

/// Where these are the active members after block 12.
fn told_after(case: &Case, judged: &Judged, force: Force, members: &[(&str, &str)]) -> String {
    let newer = newer(12, judged, members);
    match check(&case.observed.record, &case.observed.live, judged, (force, Some(&newer))) {
        Ok(()) => "agreed".to_owned(),
        Err(problem) => format!("{}: {}", problem.code, problem.detail),
    }
}

#[test]
fn more_than_two_thirds_sign_or_the_arithmetic_is_told() {
    let case = voting(1);
    assert_eq!(told(&case, &judged(3), Force::No), "agreed");
    assert_eq!(told(&case, &judged(4), Force::No), "agreed");
    assert_eq!(
        told(&case, &judged(2), Force::Unanimous),
        "recovery_refused: 2 of the 4 active members of `trade` signed; more than two thirds have \
         to, which is 3 (not yet: gamma, delta)"
    );
}

#[test]
fn a_network_that_can_go_on_is_left_alone_unless_everybody_signed() {
    for (voters, expected) in [(0, true), (2, true), (3, false), (4, false)] {
        let told = told(&voting(voters), &judged(3), Force::No);
        assert_eq!(told == "agreed", expected, "{voters} vote: {told}");
    }
    let case = voting(3);
    assert_eq!(
        told(&case, &judged(4), Force::No),
        "recovery_refused: `trade` can make blocks by itself: 3 of its 4 validators are there and \
         vote, and 3 are needed"
    );
    assert!(told(&case, &judged(3), Force::Unanimous).contains("all of them have to"));
    assert_eq!(told(&case, &judged(4), Force::Unanimous), "agreed");
}

/// Who has nothing to say: it runs and answers no question, or was not asked yet.
fn quiet(mut case: Case, index: usize, silence: Option<&str>) -> Case {
    let id = case.observed.record.nodes[index].id.clone();
    let live = case.observed.live.get_mut(&id).unwrap();
    live.report = None;
    live.silence = silence.map(|why| Silence { why: why.to_owned(), since_ms: 0, questions: 1 });
    apart(case)
}

/// Nodes are connected with those that answer.
fn apart(mut case: Case) -> Case {
    let live = &mut case.observed.live;
    let answering = live.values().filter(|node| node.answer().is_some()).count();
    for report in live.values_mut().filter_map(|node| node.report.as_mut()) {
        report.connected_validators = u32::try_from(answering).unwrap();
    }
    case
}

/// A node has no process; why, if that is known.
fn down(mut case: Case, index: usize, why: Option<&str>) -> Case {
    let id = case.observed.record.nodes[index].id.clone();
    case.observed.live.get_mut(&id).unwrap().process = None;
    let (code, remedy) = (ErrorCode::NetworkUnavailable, String::new());
    case.observed.record.nodes[index].status.reason =
        why.map(|message| Reason { code, message: message.to_owned(), remedy, since_ms: NOW_MS });
    apart(case)
}

#[test]
fn blocks_that_are_there_are_given_up_only_if_everybody_signed() {
    // An observer is further than the validators that are left.
    let follows = || Seat::Follows("it is an observer".to_owned());
    let case = voting(1).said(0, Seat::Votes, 8).said(2, follows(), 12);
    assert_eq!(
        told(&case, &judged(3), Force::No),
        "recovery_refused: the export of `trade` is not of its newest block: `validator-2` has block \
         12, and the export ends with block 9: blocks 10 to 12 would be given up"
    );
    assert!(told(&case, &judged(3), Force::Unanimous).contains("all of them have to"));
    assert_eq!(told(&case, &judged(4), Force::Unanimous), "agreed");
    let losses = losses(&case.observed.record, &case.observed.live, &judged(4));
    assert_eq!(losses.len(), 1, "{losses:?}");
    assert!(losses[0].contains("blocks 10 to 12"), "{losses:?}");
    // What another network's node says does not count.
    let mut foreign = case;
    let id = foreign.observed.record.nodes[2].id.clone();
    let live = foreign.observed.live.get_mut(&id).unwrap();
    live.report.as_mut().unwrap().genesis_hash = "0xdd".to_owned();
    assert_eq!(told(&foreign, &judged(3), Force::No), "agreed");
}

#[test]
fn whoever_is_a_member_after_newer_blocks_has_a_say_in_giving_them_up() {
    let follows = || Seat::Follows("it is an observer".to_owned());
    let case = voting(1).said(2, follows(), 12);
    let signed_by = |others: &[&str]| {
        let others = others.iter().map(|one| (*one).to_owned()).collect();
        Judged { others, ..judged(4) }
    };
    let refused = "recovery_refused: `validator-2` has block 12, and the export ends with block 9: \
                   blocks 10 to 12 would be given up; against that all have to sign who are active \
                   members after block 12, by the accounts that they have there (not yet: ";
    let check_told = |others: &[&str], members: &[(&str, &str)], missing: Option<&str>| {
        let told = told_after(&case, &signed_by(others), Force::Unanimous, members);
        let expected =
            missing.map_or("agreed".to_owned(), |missing| format!("{refused}{missing})"));
        assert_eq!(told, expected, "{others:?} {members:?}");
    };
    let added = [&FOUNDERS[..], &[("epsilon", "0x9")]].concat();
    check_told(&[], &added, Some("epsilon (0x9)"));
    check_told(&["0x8"], &added, Some("epsilon (0x9)"));
    check_told(&["0x9"], &added, None);
    // Who was removed can't undo that alone; with all others it can.
    check_told(&[], &FOUNDERS[1..], None);
    let removed = told_after(&case, &judged(1), Force::Unanimous, &FOUNDERS[..1]);
    assert!(removed.contains("1 of the 4 active members"), "{removed}");
    // Another account of the same member is what counts there.
    let replaced = [&FOUNDERS[1..], &[("acme", "0x9")]].concat();
    check_told(&[], &replaced, Some("acme (0x9)"));
    check_told(&["0x9"], &replaced, None);
    // Without knowing them nothing is given up, and where nothing is given up nobody else is asked.
    let (record, live) = (&case.observed.record, &case.observed.live);
    let unknown = check(record, live, &judged(4), (Force::Unanimous, None)).unwrap_err();
    assert!(unknown.detail.contains("is not known yet"), "{}", unknown.detail);
    assert_eq!(told_after(&voting(1), &judged(3), Force::No, &added), "agreed");
    assert_eq!(told_after(&voting(4), &judged(4), Force::Unanimous, &added), "agreed");
    // It is told for ever who agreed.
    let mut record = record.clone();
    let both = signed_by(&["0x9"]);
    let newer = newer(12, &both, &added);
    apply(&mut record, &both, ("{}", Force::Unanimous, Some(&newer)), NOW_MS);
    let recovered = &record.network.status.succession.as_ref().unwrap().recovered;
    assert_eq!(recovered.signed_by, ["acme", "beta", "gamma", "delta", "epsilon"]);
    assert_eq!(recovered.members, 5);
}

#[test]
fn signatures_that_a_node_waits_for_are_taken_later() {
    let mut case = voting(1);
    apply(&mut case.observed.record, &judged(3), ("three", Force::No, None), NOW_MS);
    let had: BTreeSet<String> = judged(3).signers().into_iter().map(str::to_owned).collect();
    assert!(!is_more(&judged(3), &had), "the same");
    assert!(!is_more(&judged(2), &had), "fewer");
    let other = Judged { others: ["0x8".to_owned(), "0x9".to_owned()].into(), ..judged(2) };
    assert!(!is_more(&other, &had), "others in place of one");
    assert!(is_more(&judged(4), &had));
    endorse(&mut case.observed.record, &judged(4), "four");
    let kept = case.observed.record.network.status.succession.as_ref().unwrap();
    assert_eq!(kept.recovery, "four");
    assert_eq!(kept.recovered.signed_by, ["acme", "beta", "gamma", "delta"]);
    assert_eq!(kept.recovered.members, 4);
}

#[test]
fn nothing_is_decided_before_the_nodes_were_asked() {
    let mut unseen = voting(1);
    unseen.observed.live.clear();
    let refused =
        "recovery_refused: `validator-0` of `trade` is there and has not said yet how far it is";
    assert_eq!(told(&unseen, &judged(3), Force::No), refused);
    let unasked = quiet(voting(1), 0, None);
    assert_eq!(told(&unasked, &judged(3), Force::No), refused);
    assert_eq!(told(&down(voting(1), 0, None), &judged(3), Force::No), refused);
    assert_eq!(told(&unasked, &judged(4), Force::Unanimous), "agreed");
    // Who can't be asked is named.
    let mut case = quiet(voting(1), 3, Some("it hangs"));
    assert_eq!(told(&case, &judged(3), Force::No), "agreed");
    case = down(case.said(2, Seat::Votes, 11), 2, Some("it ended"));
    assert_eq!(told(&case, &judged(3), Force::No), "agreed");
    assert_eq!(
        losses(&case.observed.record, &case.observed.live, &judged(3)),
        [
            "`validator-2` does not answer and had block 11: what it alone has after block 9 is \
             given up",
            "`validator-3` does not answer: what it alone has after block 9 is given up",
        ]
    );
    for index in 0..4 {
        case = quiet(case, index, Some("it hangs"));
    }
    assert!(told(&case, &judged(3), Force::No).contains("none of the nodes of `trade` answers"));
    assert_eq!(told(&case, &judged(4), Force::Unanimous), "agreed");
}

#[test]
fn the_files_are_about_this_network_as_it_is() {
    let case = voting(1);
    let mut other = judged(4);
    other.predecessor = "0xcc".to_owned();
    assert!(told(&case, &other, Force::Unanimous).starts_with("recovery_invalid: "));
    let mut again = judged(4);
    again.genesis.hash = "0xaa".to_owned();
    assert!(told(&case, &again, Force::Unanimous).contains("already"));
    let stopped = case.asked(OperationKind::Stop);
    assert!(told(&stopped, &judged(4), Force::Unanimous).starts_with("network_stopped: "));
}

#[test]
fn the_nodes_are_restarted_with_the_new_genesis_and_keep_everything_else() {
    let mut case = voting(1);
    let before = case.observed.record.clone();
    apply(&mut case.observed.record, &judged(3), ("{}", Force::No, None), NOW_MS);
    let case = case.asked(OperationKind::Recover);
    let planned = plan(&case.observed, &WindlassEngine);
    let restarted: Vec<_> = planned
        .actions
        .iter()
        .filter_map(|action| match action {
            Action::Ensure { workload, .. } => Some(&workload.files),
            _ => None,
        })
        .collect();
    assert_eq!(restarted.len(), 4, "all at once: {planned:?}");
    for files in restarted {
        assert_eq!(files["genesis.json"], "{\"anew\":1}");
        assert_eq!(files["recovery.json"], "{}");
        assert!(files["node.toml"].contains("ee.export"), "{}", files["node.toml"]);
    }
    let record = &case.observed.record;
    let recovered = &record.network.status.succession.as_ref().unwrap().recovered;
    assert_eq!((&*recovered.predecessor, recovered.members), ("0xaa", 4));
    assert_eq!(recovered.signed_by, ["acme", "beta", "gamma"]);
    let keys = |record: &Record| record.key_ids().cloned().collect::<Vec<_>>();
    assert_eq!(keys(record), keys(&before));
}
