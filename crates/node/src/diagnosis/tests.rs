//! What is made of what was seen.

use super::*;
use crate::status::{Identity, Status, StatusBoard, StatusTip};

const OWN: u8 = 1;

fn key(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

/// A network of four as the first of them sees it, all connected and in view 1 since time 1,000.
struct Scene {
    board: StatusBoard,
    facts: Facts,
}

impl Scene {
    fn new() -> Self {
        let identity = Identity {
            node_key: key(OWN),
            consensus_key: key(9),
            genesis_hash: key(0),
            chain_id: 7,
            validators: (1..=4).map(key).collect(),
        };
        let scene = Self {
            board: StatusBoard::new(identity, StatusTip::default()),
            facts: Facts { work: Work::Pending, obstacle: None },
        };
        scene.diagnosis().enter((0, 1), (1..=4).map(key).collect(), Some(key(2)));
        scene.connect([2, 3, 4], 1_000);
        scene
    }

    fn diagnosis(&self) -> &Diagnosis {
        self.board.diagnosis()
    }

    fn connect(&self, peers: impl IntoIterator<Item = u8>, at_ms: u64) {
        let now: BTreeSet<B256> = peers.into_iter().map(key).collect();
        self.diagnosis().connected(&now, at_ms);
        self.board.set_connected(&now.into_iter().map(|key| (key, None)).collect());
    }

    /// A view becomes final by the votes of some.
    fn decide(&self, view: u64, voters: impl IntoIterator<Item = u8>, at_ms: u64) {
        let next = u8::try_from(view % 4).expect("small") + 1;
        for voter in voters {
            self.diagnosis().voted(key(voter), (0, view), Ballot::Notarize, at_ms - 2);
            self.diagnosis().voted(key(voter), (0, view), Ballot::Finalize, at_ms - 1);
        }
        let leaders = (Some(key(next)), Some(key(next % 4 + 1)));
        self.diagnosis().ended((0, view), Ending::Finalized, leaders, at_ms);
        self.diagnosis().finalized((0, view), view);
        self.board.update(|status| status.tip.number = view);
    }

    fn report(&self, at_ms: u64) -> Report {
        self.diagnosis().report(at_ms, &self.board.get(), &self.facts)
    }

    /// Who is missing, and since when.
    fn missing(&self, at_ms: u64) -> Vec<(B256, u64)> {
        let report = self.report(at_ms);
        let missing = report
            .validators
            .iter()
            .filter_map(|one| Some((one.link.node_key, one.missing.as_ref()?.since_ms)));
        missing.collect()
    }

    fn check(&self, at_ms: u64, expect: Option<(NoBlockCode, &str, Option<u64>)>) {
        let found = self.report(at_ms).no_block;
        let found = found.as_ref().map(|why| (why.code, why.reason.as_str(), why.since_ms));
        assert_eq!(found, expect);
    }

    fn status(&self, change: impl FnOnce(&mut Status)) {
        self.board.update(change);
    }
}

#[test]
fn votes_are_told_by_view_and_the_last_final_block_by_its_voters() {
    let scene = Scene::new();
    scene.decide(1, [1, 2, 3], 2_000);
    scene.diagnosis().voted(key(3), (0, 2), Ballot::Nullify, 2_500);
    // It comes after the certificate.
    scene.diagnosis().voted(key(4), (0, 1), Ballot::Finalize, 2_600);
    let report = scene.report(3_000);
    assert_eq!((report.epoch, report.view, report.leader), (0, 2, Some(key(3))));
    assert_eq!(report.voted.nullify, [key(3)].into());
    let last = report.last_final.expect("a block is final");
    assert_eq!((last.number, last.view, last.at_ms), (1, 1, Some(2_000)));
    assert_eq!(last.leader, Some(key(2)));
    assert_eq!(last.voted.notarize, (1..=3).map(key).collect());
    assert_eq!(last.voted.finalize, (1..=4).map(key).collect());
    let votes: Vec<_> = report.validators.iter().map(|one| one.last_vote).collect();
    let third = votes[2].expect("it voted");
    assert_eq!((third.view, third.vote, third.at_ms), (2, Ballot::Nullify, 2_500));
    assert_eq!(third.height, Some(1));
    assert_eq!(votes[3].map(|vote| (vote.at_ms, vote.height)), Some((2_600, Some(1))));
}

#[test]
fn whoever_loses_its_connection_is_missing_since_then() {
    let scene = Scene::new();
    assert_eq!(scene.missing(1_500), []);
    scene.connect([2, 3], 5_000);
    scene.connect([2, 3], 9_000);
    assert_eq!(scene.missing(9_000), [(key(4), 5_000)]);
    // Decisions were made without it before the connection broke.
    scene.connect([2, 3, 4], 10_000);
    scene.decide(1, [1, 2, 3], 11_000);
    scene.connect([2, 3], 12_000);
    assert_eq!(scene.missing(12_000), [(key(4), 11_000)]);
    scene.connect([2, 3, 4], 13_000);
    scene.diagnosis().voted(key(4), (0, 2), Ballot::Notarize, 13_100);
    assert_eq!(scene.missing(14_000), []);
}

#[test]
fn whoever_others_hear_is_not_missing() {
    let scene = Scene::new();
    scene.connect([2, 3], 5_000);
    scene.decide(1, [1, 2, 4], 6_000);
    assert_eq!(scene.missing(6_000), []);
}

#[test]
fn a_validator_that_is_connected_may_be_late_and_not_absent() {
    let scene = Scene::new();
    scene.decide(1, [1, 2, 3], 2_000);
    scene.decide(2, [1, 2, 3], 3_000);
    assert_eq!(scene.missing(3_000), [], "twice may be chance");
    scene.decide(3, [1, 2, 3], 4_000);
    assert_eq!(scene.missing(4_000), [(key(4), 2_000)]);
    let reason = &scene.report(4_000).validators[3].missing.clone().expect("it is").reason;
    assert_eq!(reason, "connected, and without a vote in 3 decisions");
    scene.diagnosis().voted(key(4), (0, 2), Ballot::Finalize, 4_500);
    assert_eq!(scene.missing(4_500), [], "its votes come late, but they come");
}

#[test]
fn a_validator_that_is_absent_once_is_asked_and_missing_if_it_does_not_answer() {
    let scene = Scene::new();
    scene.decide(1, [1, 2], 2_000);
    assert_eq!(scene.diagnosis().to_ask(2_100), [key(3), key(4)]);
    assert_eq!(scene.diagnosis().to_ask(2_200), Vec::<B256>::new(), "once is enough");
    scene.diagnosis().heard(&key(3), None, 2_300);
    assert_eq!(scene.missing(4_000), []);
    assert_eq!(scene.missing(5_100), [(key(4), 2_000)]);
}

#[test]
fn given_up_views_are_decisions_too() {
    let scene = Scene::new();
    for view in 1..=3 {
        let leaders = (Some(key(2)), Some(key(2)));
        scene.diagnosis().ended((0, view), Ending::Nullified, leaders, 1_000 * view);
    }
    let missing = scene.missing(9_000);
    assert_eq!(missing, [(key(2), 1_000), (key(3), 1_000), (key(4), 1_000)]);
}

#[test]
fn where_a_quorum_hangs_those_are_named_whose_votes_are_waited_for() {
    let scene = Scene::new();
    scene.connect([2, 3, 4], 500);
    scene.decide(1, [1, 2, 3, 4], 1_000);
    for voter in [1, 2] {
        scene.diagnosis().voted(key(voter), (0, 2), Ballot::Nullify, 3_500);
    }
    scene.diagnosis().waits(2_000, 5_000);
    assert_eq!(scene.diagnosis().to_ask(5_000), [key(3), key(4)]);
    scene.diagnosis().heard(&key(3), None, 5_002);
    assert_eq!(scene.missing(7_900), []);
    assert_eq!(scene.missing(8_000), [(key(4), 2_000)]);
    // The one that answered hangs too, later: an answer does not count for ever.
    scene.diagnosis().waits(2_000, 14_000);
    assert!(scene.diagnosis().to_ask(14_000).is_empty());
    scene.diagnosis().waits(2_000, 15_000);
    assert_eq!(scene.diagnosis().to_ask(15_000), [key(3)]);
    assert_eq!(scene.missing(18_000), [(key(3), 2_000), (key(4), 2_000)]);
    let of = |key: B256| format!("{key} (connected, and neither votes nor answers for 16 s)");
    let why = format!("2 of 4 validators vote, 3 needed; missing: {}, {}", of(key(3)), of(key(4)));
    scene.check(18_000, Some((NoBlockCode::NoQuorum, &why, Some(2_000))));
    scene.diagnosis().voted(key(3), (0, 2), Ballot::Nullify, 19_000);
    assert_eq!(scene.missing(19_500), [(key(4), 2_000)]);
}

#[test]
fn memory_is_bounded_and_old_votes_are_forgotten() {
    let scene = Scene::new();
    for view in 1..=1_000 {
        scene.decide(view, [1, 2, 3, 4], 1_000 + view);
        // Of nobody that the members name.
        scene.diagnosis().voted(key(77), (0, view), Ballot::Notarize, 1);
    }
    scene.diagnosis().voted(key(4), (0, 3), Ballot::Notarize, 5_000);
    let seen = scene.diagnosis().lock();
    assert_eq!((seen.views.len(), seen.nodes.len()), (KEPT_VIEWS, 3));
    assert_eq!(seen.nodes[&key(4)].last_vote.map(|vote| vote.view), Some((0, 1_000)));
    drop(seen);
    scene.diagnosis().know(&[key(1), key(2)]);
    assert_eq!(scene.diagnosis().lock().nodes.len(), 1);
}

#[test]
fn why_there_is_no_block_is_said_in_words() {
    let mut scene = Scene::new();
    scene.decide(1, [1, 2, 3, 4], 2_000);
    scene.check(2_500, None);
    scene.facts.work = Work::None;
    scene.status(|status| status.idle = true);
    let nothing = "nothing to do: no executable transaction is pending";
    scene.check(9_000, Some((NoBlockCode::NothingToDo, nothing, Some(2_000))));
    scene.facts.obstacle = Some("the rules are unknown".to_owned());
    scene.check(9_000, Some((NoBlockCode::Obstacle, "the rules are unknown", None)));
    scene.facts = Facts { work: Work::Pending, obstacle: None };
    scene.status(|status| (status.syncing, status.highest) = (true, 8));
    let behind = "this node has block 1 and is fetching up to 8";
    scene.check(9_000, Some((NoBlockCode::Behind, behind, None)));
    scene.status(|status| status.syncing = false);

    scene.connect([2, 4], 10_000);
    let three = key(3);
    let leader = format!(
        "view 2 is led by {three} (not connected for 4 s); when its time is over, the next \
         validator leads"
    );
    scene.check(14_000, Some((NoBlockCode::LeaderMissing, &leader, Some(10_000))));
    scene.connect([2], 20_000);
    let quorum = format!(
        "2 of 4 validators connected, 3 needed; missing: {three} (not connected for 15 s), {} \
         (not connected for 5 s)",
        key(4)
    );
    scene.check(25_000, Some((NoBlockCode::NoQuorum, &quorum, Some(20_000))));
}

#[test]
fn a_held_block_is_a_reason_until_its_time() {
    let scene = Scene::new();
    scene.diagnosis().held(1, 5_000, 3_000, 2_000);
    let held = "block 1 is held: its time was 5000 ms ahead of this node's clock, 2000 ms are \
                allowed";
    scene.check(2_500, Some((NoBlockCode::ClockAhead, held, Some(2_000))));
    scene.check(5_001, None);
    scene.diagnosis().unable(1, "the disk is full".to_owned());
    let unable = "this node cannot judge block 1: the disk is full";
    scene.check(5_001, Some((NoBlockCode::CannotJudge, unable, None)));
    scene.diagnosis().judged(1);
    scene.check(2_500, None);
}

/// A network whose others' clocks are so many microseconds ahead.
fn measured(offsets: [i64; 3]) -> Scene {
    let scene = Scene::new();
    for (peer, offset) in (2..).zip(offsets) {
        let at = |us: i64| u64::try_from(10_000_000 + us).expect("positive");
        scene.diagnosis().asked(&key(peer), at(0));
        let (received, answered) = (at(offset + 10), at(offset + 20));
        let stamps = Stamps { asked: at(0), received, answered, heard: at(30) };
        scene.diagnosis().heard(&key(peer), Some(stamps), 10_000);
        // It answers a question that nobody asked.
        let forged = Stamps { asked: at(1), ..stamps };
        scene.diagnosis().heard(&key(peer), Some(forged), 10_000);
        let samples = scene.diagnosis().lock().nodes[&key(peer)].clocks.count();
        assert_eq!(samples, 1);
    }
    scene
}

#[test]
fn who_is_late_judges_by_what_more_clocks_show_than_can_be_faulty() {
    let check = |offsets, expect| {
        let scene = measured(offsets);
        assert_eq!(scene.diagnosis().time_ms(100_000), expect, "{offsets:?}");
    };
    check([0, 0, 0], 100_000);
    check([3_600_000_000, 0, -5_000_000], 100_000);
    check([-3_000_000, -3_000_000, -3_000_000], 100_000);
    // Of four one may be faulty: what two show is believed.
    check([7_000_000, 3_000_000, 0], 103_000);
    check([7_000_000, 7_000_000, 7_000_000], 107_000);
    assert_eq!(Scene::new().diagnosis().time_ms(100_000), 100_000, "nothing is measured");
    assert_eq!(Diagnosis::default().time_ms(100_000), 100_000, "nobody votes");
}

#[test]
fn clocks_beyond_the_drift_are_named() {
    let measure = |offsets| measured(offsets).report(10_000).warnings;
    assert_eq!(measure([0, -1_900_000, 1_900_000]), Vec::<String>::new());
    let of = |peer| key(peer);
    assert_eq!(
        measure([0, -3_000_000, 20_000]),
        [format!(
            "the clock of {} is 3.000 s behind this node's clock; 2000 ms are allowed",
            of(3)
        )]
    );
    assert_eq!(
        measure([3_000_000, 2_900_000, 3_100_500]),
        [
            "this node's clock is 3.000 s behind most of its peers'; 2000 ms are allowed. Set its clock"
        ]
    );
}

#[test]
fn handshakes_that_failed_a_moment_ago_are_why_a_quorum_is_not_connected() {
    let scene = Scene::new();
    let told = |at_ms| {
        scene.report(at_ms).no_block.is_some_and(|why| why.reason.contains("another genesis"))
    };
    scene.diagnosis().handshake_failed(5_000);
    assert!(!told(6_000), "the quorum is there");
    scene.connect([2], 7_000);
    assert!(told(8_000));
    assert!(!told(15_000), "it was long ago");
    scene.diagnosis().handshake_failed(15_000);
    assert!(told(16_000));
}

#[test]
fn peers_that_are_cut_off_are_counted_by_what_they_sent() {
    let diagnosis = Diagnosis::default();
    for about in [Subject::Tips, Subject::Votes, Subject::Tips] {
        diagnosis.cut_off(about);
    }
    assert_eq!(Subject::ALL.map(|about| diagnosis.times_cut_off(about)), [1, 0, 2, 0, 0]);
}
