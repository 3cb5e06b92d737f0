//! Nodes that come later, nodes that replace others, and keys that replace others.

use super::{Memory, changes::send_some, network::Network, network::voting_key, simulate};
use crate::{consensus::exchange::key_bytes, consensus::signer::HandleSigner, seam::Ledger as _};
use commonware_cryptography::Signer as _;

/// An epoch of the tests.
const EPOCH: u64 = 16;

impl Network<Memory> {
    /// Waits until a node has the tip of all.
    async fn follows(&mut self, index: usize, limit_ms: u64) -> u64 {
        let tip = self.tip();
        self.until(&format!("node {index} has block {tip}"), limit_ms, |network| {
            network.validators[index].ledger.tip().number >= tip
        })
        .await
    }
}

#[test]
fn a_node_that_was_never_there_fetches_the_chain_follows_and_votes() {
    simulate(200, 5, EPOCH, async |network| {
        let all = network.first(5);
        network.elect(&network.first(4));
        for index in 0..4 {
            network.start(index).await;
        }
        send_some(network, 80).await;
        network.start(4).await;
        let took_ms = network.follows(4, 20_000).await;
        assert!(took_ms < 5_000, "{took_ms} ms for {} blocks", network.tip());
        // Now it is told of each block at once.
        send_some(network, 3).await;
        let reason = network.status(4).not_voting.expect("it has no seat yet");
        assert!(reason.contains("not a validator"), "{reason}");
        let epoch = network.elect(&all);
        send_some(network, 1).await;
        network.in_epoch(epoch, 5_000).await;
        assert_eq!(network.status(4).not_voting, None);
        // Of five four must vote: without the new one nothing would go on.
        network.kill(3).await;
        send_some(network, 3).await;
    });
}

#[test]
fn a_node_joins_while_messages_are_lost_and_blocks_are_made() {
    for seed in 210..212 {
        simulate(seed, 5, EPOCH, async |network| {
            network.elect(&network.first(4));
            for index in 0..4 {
                network.start(index).await;
            }
            send_some(network, 60).await;
            network.connect_all(&super::faults::lossy()).await;
            network.start(4).await;
            let mut sent = 0;
            for round in 0..40 {
                sent = network.send(round % 4);
                network.pass(40).await;
            }
            network.included(sent, 60_000).await;
        });
    }
}

#[test]
fn a_node_joins_although_none_of_the_first_validators_is_left() {
    simulate(220, 9, EPOCH, async |network| {
        let all = network.first(9);
        network.elect(&all[..4]);
        for index in 0..8 {
            network.start(index).await;
        }
        send_some(network, 40).await;
        let epoch = network.elect(&all[4..8]);
        send_some(network, 1).await;
        network.in_epoch(epoch, 5_000).await;
        for index in 0..4 {
            network.kill(index).await;
        }
        send_some(network, 40).await;
        // Of the nine that the genesis names four are there: no quorum of them is ever heard.
        network.start(8).await;
        network.follows(8, 20_000).await;
        send_some(network, 3).await;
    });
}

#[test]
fn all_consensus_keys_are_replaced_one_after_another() {
    simulate(230, 4, EPOCH, async |network| {
        network.start_all().await;
        send_some(network, 3).await;
        let mut validators = network.first(4);
        for index in 0..4 {
            let signer = HandleSigner::from_seed(2_000 + u64::try_from(index).expect("small"));
            let node_key = key_bytes(&network.validators[index].key);
            let mine = validators.iter_mut().find(|one| one.node_key == node_key);
            mine.expect("it is one of them").consensus_key = key_bytes(&signer.public_key());
            // It is given the new key, and keeps the old one until the members have replaced it.
            network.kill(index).await;
            network.validators[index].voting_keys.insert(0, voting_key(signer));
            network.start(index).await;
            send_some(network, 1).await;
            let epoch = network.elect(&validators);
            send_some(network, 1).await;
            network.in_epoch(epoch, 5_000).await;
            assert_eq!(network.status(index).not_voting, None);
            // Of four three must vote: without the new key's vote nothing would go on.
            let other = (index + 1) % 4;
            network.kill(other).await;
            send_some(network, 3).await;
            network.start(other).await;
            send_some(network, 1).await;
        }
    });
}

#[test]
fn a_validator_without_the_key_that_it_was_given_follows_and_says_so() {
    simulate(240, 5, EPOCH, async |network| {
        network.start_all().await;
        let mut validators = network.first(5);
        validators[2].consensus_key = key_bytes(&HandleSigner::from_seed(2_000).public_key());
        let epoch = network.elect(&validators);
        send_some(network, 1).await;
        network.in_epoch(epoch, 5_000).await;
        let reason = network.status(2).not_voting.expect("it has not the key");
        assert!(reason.contains("another consensus key"), "{reason}");
        send_some(network, 3).await;
        assert_eq!(network.validators[2].ledger.tip().number, network.tip());
    });
}
