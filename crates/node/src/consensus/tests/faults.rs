//! What a network survives.

use std::time::Duration;

use commonware_codec::Encode as _;
use commonware_macros::select;
use commonware_p2p::{Receiver as _, Recipients, Sender as _, simulated::Link};
use commonware_runtime::Clock as _;
use commonware_utils::probability;
use windlass_chain::sync::{Answer, Request};

use super::{
    ledger::large_transaction,
    machine::{Machine as _, Memory},
    network::{Network, link},
    process::{CHANNELS, STATE, TIPS, TRANSACTIONS},
    simulate,
};
use crate::{diagnosis::Subject, gossip, seam::Ledger, sync::Message};

/// Sends so many transactions, one after the other, to validators that run.
async fn load(network: &mut Network<Memory>, count: usize, limit_ms: u64) {
    for round in 0..count {
        let running: Vec<usize> = network.running_indices();
        let sent = network.send(running[round % running.len()]);
        network.included(sent, limit_ms).await;
    }
}

#[test]
fn three_of_four_go_on() {
    for dead in 0..4 {
        simulate(10, 4, 1_000, async |network| {
            network.start_all().await;
            load(network, 4, 500).await;
            network.kill(dead).await;
            load(network, 8, 5_000).await;
        });
    }
}

#[test]
fn a_restarted_validator_learns_the_tip_of_an_idle_network() {
    for (seed, dead) in [(20, 0), (21, 1), (22, 2), (23, 3), (24, 0), (25, 3)] {
        simulate(seed, 4, 8, async |network| {
            network.start_all().await;
            load(network, 3, 500).await;
            network.kill(dead).await;
            load(network, 20, 5_000).await;
            network.pass(5_000).await;
            let tip = network.tip();
            network.start(dead).await;
            let took_ms = network
                .until("the tip is known", 10_000, |network| {
                    network.validators[dead].ledger.tip().number == tip
                })
                .await;
            println!("validator {dead} had the tip after {took_ms} ms");
            assert_eq!(network.tip(), tip, "no block was made for it");
            load(network, 4, 2_000).await;
        });
    }
}

#[test]
fn a_transaction_of_a_peer_is_passed_on_where_it_stays_pending() {
    // The second is more than what others share a message with.
    for input in [0, 2 << 20] {
        simulate(60, 4, 1_000, async |network| {
            network.start(0).await;
            let (mut sender, mut receiver) = network.register(1, TRANSACTIONS).await;
            network.pass(2_000).await;
            let transaction = large_transaction(1, input);
            let message = vec![transaction.0.clone()].encode();
            let _sent = sender.send(Recipients::All, message, false);
            // Both only wait.
            let (_, heard) = select! {
                heard = receiver.recv() => heard.expect("the network runs"),
                () = network.context.sleep(Duration::from_secs(5)) => panic!("nobody else has it"),
            };
            assert_eq!(gossip::decode(heard).expect("it is one"), [transaction.0]);
        });
    }
}

#[test]
fn answers_that_nobody_asked_for_cut_their_sender_off() {
    simulate(61, 4, 1_000, async |network| {
        for index in 0..3 {
            network.start(index).await;
        }
        let (mut sender, _receiver) = network.register(3, STATE).await;
        load(network, 2, 5_000).await;
        let answer = Message::Tell(1, Answer::Codes(vec![vec![7; 1 << 20].into()])).encode();
        let question = Message::Ask(1, Request::Changed { after: 0 }).encode();
        for _ in 0..20 {
            let _asked = sender.send(Recipients::All, question.clone(), false);
            let _told = sender.send(Recipients::All, answer.clone(), false);
        }
        load(network, 6, 5_000).await;
        for validator in &network.validators[..3] {
            assert!(validator.board().diagnosis().times_cut_off(Subject::State) > 0);
        }
    });
}

#[test]
fn a_longer_pause_between_blocks_waits_for_time_limits_that_have_room_for_it() {
    simulate(63, 4, 8, async |network| {
        network.start_all().await;
        load(network, 3, 500).await;
        for validator in &network.validators {
            validator.ledger.change_interval(5_000);
        }
        let epoch_end = 7 - network.tip();
        load(network, usize::try_from(epoch_end).expect("few"), 1_000).await;
        let begun = network.tip();
        load(network, 4, 7_000).await;
        for index in 0..4 {
            let status = network.status(index);
            assert_eq!(status.epoch, 1);
            assert!(status.view <= network.tip() - begun + 2, "view {}", status.view);
        }
        for validator in &network.validators {
            validator.ledger.change_interval(10);
        }
        // Who leads now waits still.
        load(network, 1, 7_000).await;
        load(network, 2, 1_000).await;
    });
}

#[test]
fn a_restart_without_any_change_goes_on() {
    for dead in 0..4 {
        simulate(30, 4, 1_000, async |network| {
            network.start_all().await;
            load(network, 3, 500).await;
            network.pass(2_000).await;
            network.kill(dead).await;
            network.pass(2_000).await;
            network.start(dead).await;
            network.pass(2_000).await;
            load(network, 8, 3_000).await;
            assert_eq!(network.running_indices().len(), 4);
        });
    }
}

#[test]
fn all_at_once_go_on_from_their_disks() {
    for after_ms in (0..100).step_by(7) {
        simulate(40 + after_ms, 4, 8, async |network| {
            network.start_all().await;
            load(network, 9, 3_000).await;
            let sent = network.send(1);
            network.pass(after_ms).await;
            let acknowledged = network.running().any(|validator| validator.ledger.contains(sent));
            let tip = network.tip();
            for index in 0..4 {
                network.kill(index).await;
            }
            network.start_all().await;
            load(network, 5, 5_000).await;
            assert!(network.tip() > tip);
            if acknowledged {
                network.included(sent, 1).await;
            }
        });
    }
}

#[test]
fn the_tip_of_an_idle_network_outlives_all_its_processes() {
    for (seed, away) in (55..).zip([0, 1, 2, 3, 0, 1, 2, 3]) {
        simulate(seed, 4, 1_000, async |network| {
            network.start_all().await;
            load(network, 3, 500).await;
            network.kill(away).await;
            load(network, 5, 5_000).await;
            network.pass(2_000).await;
            let tip = network.tip();
            for index in network.running_indices() {
                network.kill(index).await;
            }
            network.start_all().await;
            network
                .until("the tip is known", 10_000, |network| {
                    network.validators[away].ledger.tip().number == tip
                })
                .await;
            assert_eq!(network.tip(), tip, "no block was made for it");
        });
    }
}

#[test]
fn two_of_four_stall_and_say_so() {
    simulate(50, 4, 1_000, async |network| {
        network.start_all().await;
        load(network, 3, 500).await;
        network.kill(1).await;
        network.kill(2).await;
        let sent = network.send(0);
        network.pass(3_000).await;
        for index in [0, 3] {
            let stalled = network.status(index).stalled.expect("it stalls");
            assert_eq!(stalled.reason, "2 of 4 validators connected, 3 needed");
        }
        network.pass(60_000).await;
        assert!(!network.validators[0].ledger.contains(sent));
        network.start(2).await;
        let took_ms = network.included(sent, 20_000).await;
        println!("went on after {took_ms} ms");
        network.pass(2_000).await;
        assert_eq!(network.status(0).stalled, None);
        network.start(1).await;
        load(network, 4, 3_000).await;
    });
}

#[test]
fn epochs_pass_although_messages_are_lost() {
    for seed in 60..66 {
        simulate(seed, 4, 8, async |network| {
            network.start_all().await;
            load(network, 2, 1_000).await;
            network.connect_all(&lossy()).await;
            load(network, 30, 30_000).await;
            assert!(network.tip() >= 30);
        });
    }
}

#[test]
fn a_validator_that_lost_its_journal_keeps_silent_until_the_next_epoch() {
    simulate(70, 4, 16, async |network| {
        network.start_all().await;
        load(network, 4, 1_000).await;
        network.kill(2).await;
        network.lose_journal(2, 0).await;
        network.start(2).await;
        load(network, 4, 5_000).await;
        silent_for_the_epoch(network, 0).await;
    });
}

#[test]
fn a_validator_whose_journal_is_an_older_copy_keeps_silent_until_the_next_epoch() {
    // The epoch is the same, and so is the journal's partition: the copy lacks the last votes.
    simulate(73, 4, 16, async |network| {
        network.start_all().await;
        load(network, 2, 1_000).await;
        network.kill(2).await;
        let copy = network.validators[2].machine.journals().duplicate();
        network.start(2).await;
        load(network, 2, 1_000).await;
        assert_eq!(network.status(2).not_voting, None, "its own journal is there");
        network.kill(2).await;
        network.validators[2].machine.replace_journals(copy);
        network.start(2).await;
        load(network, 4, 5_000).await;
        silent_for_the_epoch(network, 0).await;
    });
}

#[test]
fn a_validator_that_lost_all_but_its_key_keeps_silent_until_the_next_epoch() {
    for (seed, blocks, epoch) in [(71, 4, 0), (72, 20, 1)] {
        simulate(seed, 4, 16, async |network| {
            network.start_all().await;
            load(network, blocks, 1_000).await;
            network.kill(2).await;
            network.lose_disk(2);
            network.start(2).await;
            load(network, 4, 5_000).await;
            silent_for_the_epoch(network, epoch).await;
        });
    }
}

/// Validator 2 has forgotten its votes of the epoch: it keeps silent to the end of it, whatever
/// happens, and votes in the next.
async fn silent_for_the_epoch(network: &mut Network<Memory>, epoch: u64) {
    let reason = network.status(2).not_voting.expect("it must not vote");
    assert!(reason.contains(&format!("journal of epoch {epoch} is missing")), "{reason}");
    // What it has heard since is in its journal; its own votes are not.
    network.kill(2).await;
    network.start(2).await;
    load(network, 2, 5_000).await;
    assert!(network.status(2).not_voting.is_some(), "a restart does not make it forget");
    load(network, 12, 5_000).await;
    assert_eq!(network.status(2).not_voting, None, "a new epoch, a new journal");
    network.kill(0).await;
    load(network, 4, 5_000).await;
}

#[test]
fn nonsense_on_any_channel_is_counted_and_harms_nobody_else() {
    for channel in 0..CHANNELS {
        simulate(80, 4, 1_000, async |network| {
            for index in 0..3 {
                network.start(index).await;
            }
            load(network, 2, 5_000).await;
            network.send_nonsense(3, channel).await;
            load(network, 6, 5_000).await;
            let about = match channel {
                0 | 1 => Some(Subject::Votes),
                TIPS => Some(Subject::Tips),
                TRANSACTIONS => Some(Subject::Transactions),
                STATE => Some(Subject::State),
                // Blocks and requests that are none are passed over.
                _ => None,
            };
            for validator in &network.validators[..3] {
                for other in Subject::ALL {
                    let times = validator.board().diagnosis().times_cut_off(other);
                    assert_eq!(
                        times > 0,
                        Some(other) == about,
                        "{other:?} on channel {channel}: {times}"
                    );
                }
            }
        });
    }
}

/// A link that loses every fifth message.
pub(super) fn lossy() -> Link {
    Link {
        latency: Duration::from_millis(10),
        jitter: Duration::from_millis(3),
        success_rate: probability!(0.8),
    }
}

#[test]
fn two_halves_that_were_apart_for_an_hour_go_on_within_ten_seconds() {
    simulate(490, 4, 64, async |network| {
        network.start_all().await;
        let sent = network.send(0);
        network.included(sent, 5_000).await;
        for (from, to) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
            network.cut(from, to).await;
            network.cut(to, from).await;
        }
        let tip = network.tip();
        let (left, right) = (network.send(0), network.send(2));
        network.pass(3_600_000).await;
        assert_eq!(network.tip(), tip, "half of the validators decide nothing");
        network.connect_all(&link()).await;
        network.included(left, 10_000).await;
        network.included(right, 10_000).await;
        network.check_honesty();
    });
}
