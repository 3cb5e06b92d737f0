//! Links as they are between companies: far, narrow, lossy; and how far behind one is who only follows.

use std::time::Duration;

use commonware_p2p::simulated::Link;
use commonware_utils::probability;

use super::{
    Memory,
    machine::{Real, wide},
    network::{Network, link},
    simulate, simulate_on,
};
use crate::seam::{Ledger as _, Origin};

/// Bytes a second in each direction of a validator.
const NARROW: usize = 1_000_000;
/// Bytes of a large transaction's data: 1.2 million gas, so that a block could hold 3 MB of them.
const WIDE: usize = 120_000;

impl Network<Real> {
    /// Starts, makes a block, and goes on over narrow links that are like this otherwise.
    async fn begin_over_narrow(&mut self, link: &Link) {
        self.start_all().await;
        self.transact(1).await;
        for validator in &self.validators {
            let key = validator.key.clone();
            let limited = self.oracle.limit_bandwidth(key, Some(NARROW), Some(NARROW)).await;
            limited.expect("the network runs");
        }
        self.connect_all(link).await;
    }

    /// Waits until so many large transactions are final everywhere.
    async fn have_wide(&mut self, count: u64, limit_ms: u64) -> u64 {
        let hashes: Vec<_> =
            (0..count).map(|nonce| alloy_primitives::keccak256(wide(nonce, WIDE))).collect();
        self.until("all large transactions are final", limit_ms, |network| {
            network.running().all(|one| {
                let chain = one.ledger.honest.chain();
                let is_there = |hash| chain.transaction(hash).expect("the ledger reads").is_some();
                hashes.iter().rev().all(|hash| is_there(*hash))
            })
        })
        .await
    }
}

#[test]
fn large_blocks_do_not_stop_a_network_whose_links_are_narrow() {
    simulate_on(510, 4, 64, async |network: &mut Network<Real>| {
        let far = Link { latency: Duration::from_millis(75), ..link() };
        network.begin_over_narrow(&far).await;
        for nonce in 0..50 {
            let admitted = network.validators[0].ledger.admit(wide(nonce, WIDE), Origin::Client);
            admitted.expect("it is valid");
        }
        let took_ms = network.have_wide(50, 240_000).await;
        println!("6 MB were final after {took_ms} ms, at block {}", network.tip());
    });
}

#[test]
fn a_quorum_that_is_back_goes_on_over_far_narrow_and_lossy_links() {
    simulate_on(511, 4, 64, async |network: &mut Network<Real>| {
        let bad = Link {
            latency: Duration::from_millis(300),
            jitter: Duration::from_millis(30),
            success_rate: probability!(0.8),
        };
        network.begin_over_narrow(&bad).await;
        for round in 0..3 {
            network.kill(1).await;
            network.kill(2).await;
            network.pass(10_000).await;
            network.start(1).await;
            network.start(2).await;
            let sent = network.send(round);
            let took_ms = network.included(sent, 10_000).await;
            println!("back after {took_ms} ms");
        }
    });
}

#[test]
fn who_only_follows_is_never_more_than_a_block_behind() {
    simulate(512, 5, 16, async |network: &mut Network<Memory>| {
        network.elect(&network.first(4));
        network.start_all().await;
        let sent = network.send(0);
        network.included(sent, 5_000).await;
        let mut furthest = 0;
        for round in 0..60 {
            let sent = network.send(round % 4);
            network
                .until("it is final everywhere", 5_000, |network| {
                    let follower = network.validators[4].ledger.tip().number;
                    furthest = furthest.max(network.tip() - follower);
                    network.running().all(|one| one.ledger.contains(sent))
                })
                .await;
        }
        assert!(furthest <= 1, "it was {furthest} blocks behind");
    });
}
