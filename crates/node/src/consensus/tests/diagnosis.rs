//! What the validators say of each other while some of them are gone, cut off, or have wrong clocks.

use std::{collections::BTreeSet, time::Duration};

use alloy_primitives::B256;
use commonware_runtime::Clock as _;

use super::{
    Machine as _, Memory,
    network::{Network, link},
    simulate,
};
use crate::{
    consensus::{application::unix_ms, exchange::key_bytes},
    diagnosis::{Facts, NoBlockCode, Report, Work},
    seam::Ledger as _,
};

/// How long the exchange takes to look who is connected.
const LOOK_MS: u64 = 1_100;

impl Network<Memory> {
    fn now_ms(&self) -> u64 {
        unix_ms(self.context.current())
    }

    fn node_key(&self, index: usize) -> B256 {
        key_bytes(&self.validators[index].key)
    }

    /// What a validator says.
    fn report(&self, index: usize) -> Report {
        let ledger = &self.validators[index].ledger;
        let work = if ledger.has_work() { Work::Pending } else { Work::None };
        let facts = Facts { work, obstacle: ledger.obstacle() };
        let board = self.validators[index].board();
        let now = self.context.current() - self.validators[index].behind;
        board.diagnosis().report(unix_ms(now), &board.get(), &facts)
    }

    /// Whom a validator misses, and since when.
    fn missing(&self, index: usize) -> Vec<(B256, u64)> {
        let report = self.report(index);
        let missing = report
            .validators
            .iter()
            .filter_map(|one| Some((one.link.node_key, one.missing.as_ref()?.since_ms)));
        missing.collect()
    }

    /// Some say that just these are missing, since a time and at most one look later.
    fn assert_missing(&self, who: impl IntoIterator<Item = usize>, gone: &[usize], since_ms: u64) {
        let gone: BTreeSet<B256> = gone.iter().map(|index| self.node_key(*index)).collect();
        for index in who {
            let missing = self.missing(index);
            let named: BTreeSet<B256> = missing.iter().map(|(key, _)| *key).collect();
            assert_eq!(named, gone, "as {index} says: {:#?}", self.report(index));
            for (key, since) in missing {
                let late = since.checked_sub(since_ms);
                assert!(late.is_some_and(|late| late <= LOOK_MS), "{key}: {since} for {since_ms}");
            }
        }
    }

    async fn send_and_settle(&mut self, index: usize) {
        let sent = self.send(index);
        self.included(sent, 5_000).await;
        self.pass(500).await;
    }
}

#[test]
fn all_say_who_leads_and_who_voted() {
    simulate(200, 4, 1_000, async |network| {
        network.start_all().await;
        for index in [0, 1, 2, 3, 0] {
            network.send_and_settle(index).await;
        }
        let all: BTreeSet<B256> = (0..4).map(|index| network.node_key(index)).collect();
        for index in 0..4 {
            let report = network.report(index);
            let last = report.last_final.as_ref().expect("blocks are final");
            assert_eq!((last.number, report.height), (5, 5));
            assert_eq!(last.voted.finalize, all, "votes after the certificate count");
            assert!(last.leader.is_some_and(|leader| all.contains(&leader)));
            assert!(report.leader.is_some_and(|leader| all.contains(&leader)));
            assert_eq!(report.leader, network.report(0).leader, "all wait for the same one");
            for one in &report.validators {
                let vote = one.last_vote.expect("all have voted");
                assert_eq!((vote.view, vote.height), (last.view, Some(5)));
            }
            let why = report.no_block.expect("nothing is sent");
            assert_eq!(why.code, NoBlockCode::NothingToDo);
            assert_eq!(why.since_ms, last.at_ms);
            assert_eq!(report.warnings, Vec::<String>::new());
        }
        network.assert_missing(0..4, &[], 0);
    });
}

#[test]
fn a_killed_validator_is_named_by_the_others_and_no_more_when_it_is_back() {
    for (seed, dead) in [(210, 0), (211, 1), (212, 2), (213, 3)] {
        simulate(seed, 4, 1_000, async |network| {
            network.start_all().await;
            network.send_and_settle(0).await;
            network.pass(100_000).await;
            network.kill(dead).await;
            let killed_ms = network.now_ms();
            network.pass(LOOK_MS).await;
            let others: Vec<usize> = (0..4).filter(|index| *index != dead).collect();
            network.assert_missing(others.clone(), &[dead], killed_ms);
            for round in 0..6 {
                network.send_and_settle(others[round % 3]).await;
            }
            network.assert_missing(others.clone(), &[dead], killed_ms);
            let last = network.report(others[0]).last_final.expect("blocks are final");
            assert!(!last.voted.finalize.contains(&network.node_key(dead)));

            network.start(dead).await;
            network.pass(5_000).await;
            for round in 0..4 {
                network.send_and_settle(round).await;
            }
            network.assert_missing(0..4, &[], 0);
        });
    }
}

#[test]
fn a_validator_that_is_cut_off_is_named_and_names_the_others() {
    simulate(220, 4, 1_000, async |network| {
        network.start_all().await;
        network.send_and_settle(0).await;
        network.kill(3).await;
        let killed_ms = network.now_ms();
        network.pass(10_000).await;
        for other in 0..3 {
            network.cut(other, 2).await;
            network.cut(2, other).await;
        }
        let cut_ms = network.now_ms();
        let sent = network.send(0);
        network.pass(20_000).await;
        for index in [0, 1] {
            let missing: std::collections::BTreeMap<_, _> =
                network.missing(index).into_iter().collect();
            assert_eq!(missing.len(), 2);
            for (gone, since_ms) in [(3, killed_ms), (2, cut_ms)] {
                let late = missing[&network.node_key(gone)].checked_sub(since_ms);
                assert!(late.is_some_and(|late| late <= LOOK_MS), "{gone}: {late:?}");
            }
            let why = network.report(index).no_block.expect("two of four decide nothing");
            assert_eq!(why.code, NoBlockCode::NoQuorum);
            assert!(why.reason.starts_with("2 of 4 validators connected, 3 needed; missing: "));
            let late = why.since_ms.and_then(|since| since.checked_sub(cut_ms));
            assert!(late.is_some_and(|late| late <= LOOK_MS), "{why:?}");
        }
        let alone = network.missing(2);
        assert_eq!(alone.len(), 3, "the one that is cut off misses all others: {alone:?}");

        network.connect_all(&link()).await;
        network.start(3).await;
        network.included(sent, 20_000).await;
        network.pass(5_000).await;
        for round in 0..4 {
            network.send_and_settle(round).await;
        }
        network.assert_missing(0..4, &[], 0);
        assert!((0..4).all(|index| network.report(index).connected_validators == 4));
    });
}

#[test]
fn clocks_and_round_trips_are_measured_within_the_jitter() {
    simulate(230, 4, 1_000, async |network| {
        network.pass(60_000).await;
        network.set_back(1, Duration::from_secs(3));
        network.start_all().await;
        // One question at the start, and one at each slow beat: more than the median is of.
        network.pass(300_000).await;
        // That of the way there and of the way back.
        let jitter_us = 6_000;
        for (asker, answerer, expect_us) in
            [(0, 2, 0), (2, 3, 0), (0, 1, -3_000_000), (1, 0, 3_000_000), (1, 3, 3_000_000)]
        {
            let report = network.report(asker);
            let key = network.node_key(answerer);
            let one = report.validators.iter().find(|one| one.link.node_key == key);
            let link = &one.expect("it is of the committee").link;
            let offset_us: i64 = link.clock_offset_us.expect("it was measured");
            assert!((offset_us - expect_us).abs() <= jitter_us, "{asker}-{answerer}: {offset_us}");
            let round_trip_us = link.round_trip_us.expect("it was measured");
            // Two links, and what the simulated runtime takes for each step.
            assert!((14_000..=40_000).contains(&round_trip_us), "{round_trip_us}");
        }
        let key = network.node_key(1);
        let warnings = network.report(0).warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with(&format!("the clock of {key} is ")), "{warnings:?}");
        assert!(network.report(1).warnings[0].starts_with("this node's clock is "));

        // The one that is behind judges by what the others' clocks show, and holds nothing.
        assert!(!holds(network, 1).await);
        // One that is ahead alone is held up, and the others say so.
        network.set_clock(2, 5_000, 0);
        assert!(holds(network, 0).await, "the one that is ahead leads too");
    });
}

/// Whether a validator holds a block while each of the four leads.
async fn holds(network: &mut Network<Memory>, index: usize) -> bool {
    let mut held = false;
    for _ in 0..4 {
        let sent = network.send(0);
        while !Memory::contains(&network.validators[index].ledger, sent) {
            let why = network.report(index).no_block;
            held |= why.is_some_and(|why| why.code == NoBlockCode::ClockAhead);
            network.pass(1).await;
        }
    }
    held
}
