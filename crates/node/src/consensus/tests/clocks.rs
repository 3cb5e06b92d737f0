//! Clocks that are wrong, and clocks that are set.

use super::{
    Memory,
    changes::send_some,
    mutations::{NOT_FINAL, assert_found_out},
    network::Network,
    simulate,
};

const HOUR_MS: u64 = 3_600_000;

/// Sends so many transactions, each of which is final in time.
async fn load(network: &mut Network<Memory>, count: usize, limit_ms: u64) {
    for round in 0..count {
        let running = network.running_indices();
        let sent = network.send(running[round % running.len()]);
        network.included(sent, limit_ms).await;
    }
}

#[test]
fn clocks_that_are_ten_seconds_apart_halt_nothing() {
    for seed in 400..403 {
        simulate(seed, 4, 16, async |network| {
            for (index, ahead_ms) in [3_300, 10_000, 0, 6_700].into_iter().enumerate() {
                network.set_clock(index, ahead_ms, 0);
            }
            network.start_all().await;
            load(network, 30, 10_000).await;
        });
    }
}

/// All clocks are set by an hour, and then the next leaders are killed one after another: their
/// views must time out.
fn all_clocks_are_set(seed: u64, steps: &[(u64, u64)], prepare: impl Fn(&mut Network<Memory>)) {
    simulate(seed, 4, 1_000, async |network| {
        prepare(network);
        network.start_all().await;
        send_some(network, 3).await;
        for (ahead_ms, behind_ms) in steps {
            for dead in 0..4 {
                for index in 0..4 {
                    network.set_clock(index, *ahead_ms, *behind_ms);
                }
                network.kill(dead).await;
                load(network, 3, 10_000).await;
                network.start(dead).await;
                network.pass(2_000).await;
                for index in 0..4 {
                    network.set_clock(index, 0, 0);
                }
                load(network, 2, 10_000).await;
            }
        }
    });
}

#[test]
fn clocks_that_are_set_an_hour_back_and_forth_halt_nothing() {
    all_clocks_are_set(410, &[(0, HOUR_MS), (HOUR_MS, 0)], |_| {});
}

#[test]
fn timeouts_on_a_clock_that_is_set_are_found_out() {
    let run = || {
        all_clocks_are_set(410, &[(0, HOUR_MS)], |network| {
            for validator in &network.validators {
                validator.oddities.unsettle();
            }
        });
    };
    // Nothing goes on for an hour.
    assert_found_out(NOT_FINAL, run);
}

#[test]
fn one_clock_that_is_an_hour_wrong_halts_nothing() {
    for (seed, by) in (420..).zip([(HOUR_MS, 0), (0, HOUR_MS)]) {
        simulate(seed, 4, 16, async |network| {
            network.start_all().await;
            send_some(network, 3).await;
            network.set_clock(1, by.0, by.1);
            load(network, 20, 10_000).await;
            network.kill(1).await;
            network.start(1).await;
            load(network, 20, 10_000).await;
            network.set_clock(1, 0, 0);
            load(network, 20, 10_000).await;
        });
    }
}
