//! Validators change while the network runs.

use commonware_runtime::Clock as _;
use windlass_chain::governance::SeatedValidator;

use super::{Memory, link, network::Network, simulate};
use crate::seam::Ledger as _;

/// An epoch of the tests.
const EPOCH: u64 = 16;

impl Network<Memory> {
    /// The first `count` validators, as governance has them.
    pub(super) fn first(&self, count: usize) -> Vec<SeatedValidator> {
        self.genesis.validators().take(count).map(Into::into).collect()
    }

    /// From the next block on, the state has these validators for the next epoch, whose number is
    /// answered. Epoch 0 has the heights from 0 to 15, and so on.
    pub(super) fn elect(&self, validators: &[SeatedValidator]) -> u64 {
        let from = self.tip() + 1;
        for validator in &self.validators {
            validator.ledger.change_validators(from, validators.to_vec());
        }
        from / EPOCH + 1
    }

    pub(super) async fn in_epoch(&mut self, epoch: u64, limit_ms: u64) -> u64 {
        self.until(&format!("epoch {epoch}"), limit_ms, |network| {
            network.running_indices().iter().all(|index| network.status(*index).epoch >= epoch)
        })
        .await
    }
}

pub(super) async fn send_some(network: &mut Network<Memory>, count: usize) {
    for round in 0..count {
        let running = network.running_indices();
        let sent = network.send(running[round % running.len()]);
        network.included(sent, 5_000).await;
    }
}

#[test]
fn a_change_takes_effect_at_once_on_an_idle_network() {
    simulate(100, 7, EPOCH, async |network| {
        let all = network.first(7);
        network.start_all().await;
        send_some(network, 2).await;
        assert_eq!(network.status(0).validators, 7);
        network.elect(&network.first(4));
        // One transaction brings the change; nothing more is sent.
        send_some(network, 1).await;
        let took_ms = network.in_epoch(1, 5_000).await;
        assert!(took_ms < 1_500, "{took_ms} ms to run the epoch out");
        assert_eq!(network.status(0).validators, 4);
        network.pass(1_000).await;
        let tip = network.tip();
        assert!(network.status(0).idle, "{:?}", network.status(0));
        network.pass(60_000).await;
        assert_eq!(network.tip(), tip, "idle stays idle");

        // Four decide now: two of the other three and one of the four may go.
        for index in [3, 5, 6] {
            network.kill(index).await;
        }
        send_some(network, 3).await;
        network.elect(&all);
        for index in [3, 5, 6] {
            network.start(index).await;
        }
        send_some(network, 1).await;
        network.in_epoch(2, 10_000).await;
        assert_eq!(network.status(0).validators, 7);
        // Of seven, two may go, also two of the four.
        network.kill(0).await;
        network.kill(1).await;
        send_some(network, 3).await;
    });
}

#[test]
fn a_removed_validator_follows_without_a_vote() {
    simulate(101, 5, EPOCH, async |network| {
        network.start_all().await;
        send_some(network, 1).await;
        network.elect(&network.first(4));
        send_some(network, 1).await;
        network.in_epoch(1, 5_000).await;
        let reason = network.status(4).not_voting.expect("it has no seat");
        assert!(reason.contains("not a validator"), "{reason}");
        send_some(network, 20).await;
        assert_eq!(network.validators[4].ledger.tip().number, network.tip());
        // It is no part of the quorum: with one of the four gone, three decide.
        network.kill(3).await;
        send_some(network, 3).await;
    });
}

#[test]
fn changes_survive_crashes_at_every_height_around_the_boundary() {
    // The change comes at a height so close to the boundary, and everybody is killed at another.
    let heights = EPOCH - 4..=EPOCH + 1;
    for (change, kill) in heights.flat_map(|at| [1, 2, 4].map(|after| (at, at + after))) {
        simulate(110 + change * 10 + kill, 5, EPOCH, async |network| {
            network.start_all().await;
            while network.tip() < change - 1 {
                send_some(network, 1).await;
            }
            let four = network.first(4);
            let epoch = network.elect(&four);
            let sent = network.send(0);
            let mut last = network.tip();
            while last < kill {
                network.context.sleep(std::time::Duration::from_millis(1)).await;
                last = network.tip();
                if network.status(0).idle && last < kill {
                    send_some(network, 1).await;
                }
            }
            for index in 0..5 {
                network.kill(index).await;
            }
            network.start_all().await;
            network.included(sent, 20_000).await;
            network.in_epoch(epoch, 20_000).await;
            assert_eq!(network.status(0).validators, 4);
            network.kill(4).await;
            network.kill(1).await;
            send_some(network, 3).await;
        });
    }
}

#[test]
fn a_change_passes_although_messages_are_lost() {
    for seed in 160..164 {
        simulate(seed, 7, EPOCH, async |network| {
            network.start_all().await;
            send_some(network, 2).await;
            network.connect_all(&super::faults::lossy()).await;
            for count in [4, 7, 5] {
                let epoch = network.elect(&network.first(count));
                send_some_lossy(network).await;
                network.in_epoch(epoch, 60_000).await;
                assert_eq!(network.status(0).validators, count);
            }
            network.connect_all(&link()).await;
            send_some(network, 3).await;
        });
    }
}

async fn send_some_lossy(network: &mut Network<Memory>) {
    let sent = network.send(0);
    network.included(sent, 60_000).await;
}
