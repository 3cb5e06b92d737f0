//! Nodes that join from the state of others, with real ledgers.

use std::sync::{Arc, Mutex, atomic::Ordering};

use commonware_runtime::Supervisor as _;
use windlass_chain::{store::SimulatedDisk, sync::Importer};

use super::{
    liars::Accomplice,
    machine::{Change, LAST_BLOCKS, Real, hashes, proposal},
    network::{Network, link},
    process::STATE,
    simulate_on,
};
use crate::{
    consensus::work::Work,
    seam::{Ledger as _, Origin},
    sync::{Begin, Joiner},
};

/// An epoch of the tests.
const EPOCH: u64 = 16;

impl Network<Real> {
    /// Has a node that doesn't run make its ledger from the others' state, on a new disk.
    async fn join_by_state(&mut self, index: usize) {
        let (sender, receiver) = self.register(index, STATE).await;
        let genesis = self.genesis.clone();
        let disk = Arc::new(Mutex::new(SimulatedDisk::default()));
        let opened = Arc::clone(&disk);
        let joiner = Joiner {
            context: self.context.child("join").with_attribute("index", index),
            work: Work::Inline,
            open: Box::new(move |begin| {
                let mut disk = opened.lock().expect("no test panics here");
                if begin == Begin::Anew {
                    *disk = SimulatedDisk::default();
                }
                let store = disk.open().expect("a disk that has power opens");
                Ok(Importer::open(store, &genesis, 0)?.with_last_blocks(LAST_BLOCKS))
            }),
            sender,
            blocker: self.control(index),
            connected: self.connected(index),
            status: self.validators[index].board(),
        };
        Box::pin(joiner.run(receiver)).await.expect("the state is taken");
        let disk = disk.lock().expect("no test panics here").clone();
        self.validators[index].machine.disk = disk;
    }

    /// Sends and waits until it is final everywhere.
    pub(super) async fn transact(&mut self, count: usize) {
        let running = self.running_indices();
        for round in 0..count {
            let sent = self.send(running[round % running.len()]);
            self.included(sent, 5_000).await;
        }
    }

    /// All blocks are there, and those of the others.
    async fn has_all_blocks(&mut self, index: usize) {
        self.until("all earlier blocks are there", 30_000, |network| {
            let ledger = &network.validators[index].ledger;
            ledger.chain().expect("it is real").first_block().expect("the ledger reads") == 0
        })
        .await;
    }

    /// Has the only member decide about a validator.
    pub(super) fn decide(&mut self, nonce: u64, change: Change) {
        let to = self.running_indices()[0];
        let bytes = proposal(0, nonce, change);
        self.validators[to].ledger.admit(bytes, Origin::Client).expect("it is new");
    }
}

#[test]
fn a_node_takes_the_state_while_blocks_are_made_then_votes_and_fetches_the_earlier_blocks() {
    for seed in 300..302 {
        simulate_on::<Real, _>(seed, 5, EPOCH, async |network| {
            for index in 0..4 {
                network.start(index).await;
            }
            network.transact(70).await;
            network.join_by_state(4).await;
            network.transact(10).await;
            network.start(4).await;
            let tip = network.tip();
            network
                .until("it has the tip", 10_000, |network| {
                    network.validators[4].ledger.tip().number >= tip
                })
                .await;
            let chain = network.validators[4].ledger.chain().expect("it is real");
            assert!(chain.floor().expect("the ledger reads") >= 70);
            network.has_all_blocks(4).await;
            // Of five four must vote: without the new one nothing would go on.
            network.kill(0).await;
            network.transact(20).await;
            // It starts from what it took, again and again.
            network.kill(4).await;
            network.start(4).await;
            network.transact(3).await;
        });
    }
}

#[test]
fn a_node_joins_an_idle_network_and_one_whose_validators_have_changed() {
    simulate_on::<Real, _>(310, 5, 8, async |network| {
        for index in 0..5 {
            network.start(index).await;
        }
        network.transact(10).await;
        for nonce in 0..6 {
            let change = if nonce % 2 == 0 { Change::Suspend(1) } else { Change::Resume(1) };
            network.decide(nonce, change);
            network.transact(12).await;
        }
        network.kill(4).await;
        network.transact(12).await;
        network.pass(60_000).await;
        network.lose_disk(4);
        network.join_by_state(4).await;
        network.start(4).await;
        let tip = network.tip();
        network
            .until("it has the tip", 10_000, |network| {
                network.validators[4].ledger.tip().number >= tip
            })
            .await;
        network.has_all_blocks(4).await;
        network.transact(20).await;
    });
}

#[test]
fn a_node_joins_where_the_last_block_is_the_one_that_changed_the_validators() {
    simulate_on::<Real, _>(350, 5, 8, async |network| {
        for index in 0..4 {
            network.start(index).await;
        }
        network.transact(10).await;
        network.decide(0, Change::Suspend(5));
        // The rest of the epoch is run out, and nothing is done after that.
        network
            .until("everybody rests", 10_000, |network| {
                (0..4).all(|index| network.status(index).idle)
            })
            .await;
        network.pass(2_000).await;
        assert_eq!(network.tip(), 15, "the last block of an epoch");
        network.join_by_state(4).await;
        network.start(4).await;
        network.has_all_blocks(4).await;
        assert_eq!(network.validators[4].ledger.tip().number, 15);
        // It goes on with those who vote now, and after it was started anew.
        network.transact(3).await;
        network.kill(4).await;
        network.start(4).await;
        network.transact(9).await;
    });
}

#[test]
fn a_node_joins_although_links_lose_messages() {
    simulate_on::<Real, _>(320, 5, EPOCH, async |network| {
        for index in 0..4 {
            network.start(index).await;
        }
        network.transact(60).await;
        network.connect_all(&super::faults::lossy()).await;
        network.join_by_state(4).await;
        network.connect_all(&link()).await;
        network.start(4).await;
        network.transact(5).await;
        network.has_all_blocks(4).await;
    });
}

#[test]
fn a_node_joins_although_its_power_fails_again_and_again() {
    for seed in 340..344 {
        simulate_on::<Real, _>(seed, 5, EPOCH, async |network| {
            for index in 0..4 {
                network.start(index).await;
            }
            network.transact(60).await;
            network.validators[4].far_behind = Some(8);
            network.start(4).await;
            for round in 0..16 {
                network.validators[4].machine.fail_after(1 + round * 9);
                network.pass(50 + round * 10).await;
                network.turn().await;
                let has_failed = network.validators[4].machine.has_failed();
                if has_failed || round % 3 == 0 {
                    network.kill(4).await;
                    network.start(4).await;
                }
            }
            network.validators[4].machine.spare();
            let tip = network.tip();
            network
                .until("it has the tip", 30_000, |network| {
                    network.validators[4].ledger.tip().number >= tip
                })
                .await;
            assert!(network.joins > 0, "it has taken the state of others");
            network.has_all_blocks(4).await;
            network.kill(0).await;
            network.transact(5).await;
        });
    }
}

#[test]
fn liars_delay_a_join_and_no_more() {
    simulate_on::<Real, _>(330, 7, EPOCH, async |network| {
        for index in 0..5 {
            network.start(index).await;
        }
        network.transact(40).await;
        // The sixth answers from the first one's ledger, and lies.
        let accomplice = Accomplice::new(network.validators[0].ledger.clone());
        let lies = network.lie_in_sync(5, accomplice).await;
        network.join_by_state(6).await;
        assert!(lies.load(Ordering::Relaxed) > 0, "nobody asked the liar");
        network.start(6).await;
        network.transact(5).await;
        network.has_all_blocks(6).await;
        let joined = hashes(&network.validators[6].ledger);
        assert_eq!(joined.last(), hashes(&network.validators[0].ledger).last());
    });
}
