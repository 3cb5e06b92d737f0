//! Who may have a network begin anew, and when.

use windlass_engine::{
    GenesisFile,
    recovery::{Judged, Signatory},
};

use super::super::recovering::{Force, apply, check};
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

fn told(case: &Case, judged: &Judged, force: Force) -> String {
    match check(&case.observed.record, &case.observed.live, judged, force) {
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
    apply(&mut case.observed.record, &judged(3), ("{}", Force::No), NOW_MS);
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
