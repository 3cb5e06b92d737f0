//! Keys of validators that are replaced by votes while blocks are made, on real ledgers.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::B256;
use commonware_cryptography::Signer as _;
use rand_core::Rng as _;

use super::{
    council::number,
    machine::{Change, Real},
    network::{Beginning, Network, voting_key},
    simulate_on, simulate_with,
};
use crate::{
    consensus::{exchange::key_bytes, signer::HandleSigner},
    seam::Ledger as _,
};

/// The validators that there are all along.
const VALIDATORS: usize = 4;
/// An epoch of the tests.
const EPOCH: u64 = 16;
/// How long there may be no block while keys or validators change and nobody is killed.
const PAUSE_MS: u64 = 1_000;
/// How long a change may take.
const LIMIT_MS: u64 = 20_000;

/// Transactions that are sent all the time, and what is seen of them.
#[derive(Default)]
struct Load {
    sent: BTreeSet<u64>,
    acknowledged: BTreeSet<u64>,
    /// The newest block, when it was there, and the longest that was waited for one while nobody was
    /// killed.
    tip: u64,
    since_ms: u64,
    now_ms: u64,
    longest_ms: u64,
    /// Who is given none, since it is about to be killed: what it had told nobody would be lost.
    spared: Option<usize>,
}

impl Load {
    /// A millisecond passes.
    async fn tick(&mut self, network: &mut Network<Real>) {
        if self.now_ms.is_multiple_of(20) {
            let mut running = network.running_indices();
            running.retain(|index| *index < VALIDATORS && Some(*index) != self.spared);
            let count = u64::try_from(running.len()).expect("small");
            let to = network.context.next_u64() % count;
            let sent = network.send(running[usize::try_from(to).expect("small")]);
            self.sent.insert(sent);
        }
        network.pass(1).await;
        self.now_ms += 1;
        let tip = network.tip();
        if tip > self.tip {
            self.longest_ms = self.longest_ms.max(self.now_ms - self.since_ms);
            (self.tip, self.since_ms) = (tip, self.now_ms);
        }
    }

    async fn pass(&mut self, network: &mut Network<Real>, duration_ms: u64) {
        for _ in 0..duration_ms {
            self.tick(network).await;
        }
    }

    /// Kills one that has told the others all that it was given.
    async fn kill(&mut self, network: &mut Network<Real>, index: usize) {
        self.spared = Some(index);
        self.pass(network, 200).await;
        network.kill(index).await;
    }

    /// Does without one for two seconds; how long blocks are waited for meanwhile doesn't count.
    async fn do_without(&mut self, network: &mut Network<Real>, index: usize) {
        let longest_ms = self.longest_ms;
        self.kill(network, index).await;
        self.pass(network, 2_000).await;
        network.start(index).await;
        self.spared = None;
        self.until(network, "it is back", |network| network.goes_by(index, (None, None))).await;
        (self.longest_ms, self.since_ms) = (longest_ms, self.now_ms);
    }

    /// Goes on until something holds.
    async fn until(
        &mut self,
        network: &mut Network<Real>,
        what: &str,
        holds: impl Fn(&Network<Real>) -> bool,
    ) {
        for _ in 0..LIMIT_MS {
            if holds(network) {
                return;
            }
            self.tick(network).await;
        }
        // It says how everybody is.
        network.until(what, 0, |_| false).await;
    }

    /// All that was sent is there once, and everything else that must hold of a run.
    async fn check(mut self, network: &mut Network<Real>) {
        let last = network.send(0);
        self.sent.insert(last);
        for number in self.sent.clone() {
            network.included(number, LIMIT_MS).await;
            self.acknowledged.insert(number);
        }
        let tip = network.tip();
        let there = |network: &Network<Real>| {
            network.validators.iter().take(VALIDATORS).all(|one| one.ledger.tip().number == tip)
        };
        network.until("all have the tip", LIMIT_MS, there).await;
        network.pass(1_000).await;
        let all: Vec<usize> = (0..VALIDATORS).collect();
        network.check_nodes(&all, &self.acknowledged);
        network.check_evidence(&all, &[]);
    }
}

impl Network<Real> {
    /// Restarts a validator with a second identity and a second voting key; those keys.
    async fn equip(&mut self, index: usize, seed: u64) -> (B256, B256) {
        let seed = seed + u64::try_from(index).expect("small");
        let node = HandleSigner::from_seed(3_000 + seed).public_key();
        let vote = HandleSigner::from_seed(4_000 + seed);
        let keys = (key_bytes(&node), key_bytes(&vote.public_key()));
        self.kill(index).await;
        self.give_identity(index, node).await;
        self.validators[index].voting_keys.insert(0, voting_key(vote));
        self.start(index).await;
        keys
    }

    /// Whether a validator votes with these keys.
    fn goes_by(&self, index: usize, keys: (Option<B256>, Option<B256>)) -> bool {
        let status = self.status(index);
        keys.0.is_none_or(|key| key == status.node_key)
            && keys.1.is_none_or(|key| key == status.consensus_key)
            && status.not_voting.is_none()
            && !status.syncing
            && status.quorum_connected
    }

    /// The validators' keys as the state has them.
    fn seats(&self) -> BTreeMap<B256, B256> {
        let seats = self.validators[0].ledger.next_validators().expect("the ledger reads");
        seats.iter().map(|seat| (seat.node_key, seat.consensus_key)).collect()
    }
}

#[test]
fn all_keys_are_replaced_one_after_another_while_blocks_are_made() {
    for seed in [260, 261] {
        simulate_on::<Real, _>(seed, 4, EPOCH, async |network| {
            network.start_all().await;
            let mut load = Load::default();
            load.pass(network, 300).await;
            let before = network.seats();
            let mut nonce = 0;
            for index in 0..4 {
                load.spared = Some(index);
                load.pass(network, 200).await;
                let (node, vote) = network.equip(index, seed * 10).await;
                load.spared = None;
                load.pass(network, 500).await;
                network.decide(nonce, Change::ReplaceNode(number(index), node));
                load.until(network, "it votes under its new identity", |network| {
                    network.goes_by(index, (Some(node), None))
                })
                .await;
                network.decide(nonce + 1, Change::ReplaceConsensus(number(index), vote));
                load.until(network, "it votes with its new key", |network| {
                    network.goes_by(index, (Some(node), Some(vote)))
                })
                .await;
                nonce += 2;
                // Of four three must vote: without the new keys' votes nothing would go on.
                load.do_without(network, (index + 1) % 4).await;
            }
            let after = network.seats();
            assert!(before.iter().all(|(node, vote)| {
                !after.contains_key(node) && after.values().all(|new| new != vote)
            }));
            let Load { tip, longest_ms, .. } = load;
            assert!(longest_ms <= PAUSE_MS, "seed {seed}: no block for {longest_ms} ms of {tip}");
            load.check(network).await;
        });
    }
}

#[test]
fn four_validators_become_seven_and_four_again_without_a_pause() {
    for seed in 250..252 {
        let beginning = Beginning { validators: VALIDATORS, later: 3, members: 1, epoch: EPOCH };
        simulate_with::<Real, _>(seed, beginning, async |network| {
            network.start_all().await;
            let mut load = Load::default();
            load.pass(network, 500).await;
            let later = (VALIDATORS..7).map(|index| {
                let (node, vote) = network.keys_of(index);
                Change::Add(node, vote)
            });
            let later: Vec<Change> = later.collect();
            let gone = (VALIDATORS..7).map(|index| Change::Remove(number(index)));
            let mut nonce = 0;
            for (voters, changes) in [(7, later), (VALIDATORS, gone.collect())] {
                for change in changes {
                    network.decide(nonce, change);
                    nonce += 1;
                    load.pass(network, 300).await;
                }
                load.until(network, "others vote", |network| {
                    (0..VALIDATORS).all(|index| network.status(index).validators == voters)
                })
                .await;
                load.pass(network, 1_000).await;
            }
            let Load { tip, longest_ms, .. } = load;
            assert!(longest_ms <= PAUSE_MS, "seed {seed}: no block for {longest_ms} ms of {tip}");
            load.check(network).await;
        });
    }
}

#[test]
fn four_identities_are_replaced_at_once() {
    simulate_on::<Real, _>(270, 4, EPOCH, async |network| {
        network.start_all().await;
        let mut load = Load::default();
        load.pass(network, 300).await;
        let mut nodes = Vec::new();
        for index in 0..4 {
            load.spared = Some(index);
            load.pass(network, 200).await;
            nodes.push(network.equip(index, 500).await.0);
            load.pass(network, 500).await;
        }
        for (nonce, node) in (0..).zip(&nodes) {
            let index = usize::try_from(nonce).expect("small");
            network.decide(nonce, Change::ReplaceNode(number(index), *node));
        }
        load.until(network, "all vote under their new identities", |network| {
            (0..4).all(|index| network.goes_by(index, (Some(nodes[index]), None)))
        })
        .await;
        load.pass(network, 500).await;
        load.check(network).await;
    });
}

#[test]
fn a_node_that_is_killed_while_its_keys_are_replaced_comes_back_by_the_right_ones() {
    for seed in 280..292 {
        simulate_on::<Real, _>(seed, 4, EPOCH, async |network| {
            network.start_all().await;
            let mut load = Load::default();
            load.pass(network, 300).await;
            load.spared = Some(2);
            load.pass(network, 200).await;
            let (node, vote) = network.equip(2, seed * 10).await;
            load.until(network, "it is back", |network| network.goes_by(2, (None, None))).await;
            network.decide(0, Change::ReplaceNode(3, node));
            network.decide(1, Change::ReplaceConsensus(3, vote));
            // Killed at any moment around the change, once for a moment and once for long.
            let moment_ms = network.context.next_u64() % 900;
            load.pass(network, moment_ms).await;
            network.kill(2).await;
            let away_ms = [5, 400, 3_000][usize::try_from(seed % 3).expect("small")];
            load.pass(network, away_ms).await;
            network.start(2).await;
            load.pass(network, moment_ms / 7).await;
            network.kill(2).await;
            network.start(2).await;
            load.until(network, "it votes by its new keys", |network| {
                network.goes_by(2, (Some(node), Some(vote)))
            })
            .await;
            load.kill(network, 0).await;
            load.pass(network, 2_000).await;
            network.start(0).await;
            load.check(network).await;
        });
    }
}

#[test]
fn what_is_no_replacement_changes_nothing() {
    simulate_on::<Real, _>(295, 4, EPOCH, async |network| {
        network.start_all().await;
        network.transact(2).await;
        let before = network.seats();
        let used: Vec<(B256, B256)> = before.clone().into_iter().collect();
        let refused = [
            Change::ReplaceNode(1, used[1].0),
            Change::ReplaceNode(1, used[0].0),
            Change::ReplaceNode(1, used[2].1),
            Change::ReplaceConsensus(1, used[2].0),
            Change::ReplaceNode(1, B256::ZERO),
            Change::ReplaceNode(9, B256::repeat_byte(5)),
        ];
        for (nonce, change) in (0..).zip(refused) {
            network.decide(nonce, change);
            network.transact(1).await;
            assert_eq!(network.seats(), before, "{change:?}");
        }
        // A key that was replaced never comes back.
        let (node, _) = network.equip(0, 700).await;
        network.decide(6, Change::ReplaceNode(1, node));
        network
            .until("it goes by its new key", LIMIT_MS, |network| {
                network.goes_by(0, (Some(node), None))
            })
            .await;
        let after = network.seats();
        network.decide(7, Change::ReplaceNode(1, used[0].0));
        network.transact(2).await;
        assert_eq!(network.seats(), after);
    });
}
