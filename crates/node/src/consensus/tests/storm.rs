//! Storms: real ledgers on disks that lose power, validators that are killed and started, links that
//! are cut, lossy and slow, all at random and at once; then calm, and what must hold.
//!
//! A seed is a run. `SEEDS=1000..2000 make simulate` runs others than `make test` does.

use std::{
    collections::BTreeSet,
    num::NonZero,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use alloy_primitives::{B256, Bytes, keccak256};
use commonware_p2p::simulated::Link;
use commonware_utils::probability;
use rand_core::Rng as _;
use windlass_proof::{Committee, Fact, Proof, TrustAnchor, verify};

use super::{
    machine::{Machine as _, Real, hashes, proposal},
    network::{Network, link},
    simulate_on,
};
use crate::{
    ledger::NodeLedger,
    seam::{Ledger as _, Origin},
    status::faulty,
};

/// The seeds of `make test`.
const SEEDS: Range<u64> = 0..40;
/// How many things happen in a storm.
const EVENTS: usize = 60;
/// What the member proposes, as the governance contract numbers it.
const SUSPEND_VALIDATOR: u8 = 6;
const RESUME_VALIDATOR: u8 = 7;
/// How many validators stay.
const LEAST_VALIDATORS: usize = 3;
/// How long the network has until it makes blocks again after a storm.
const CALM_MS: u64 = 10_000;

/// A storm's state.
struct Storm<'a> {
    network: &'a mut Network<Real>,
    /// Numbers of transactions that somebody has seen in a final block.
    acknowledged: BTreeSet<u64>,
    sent: Vec<u64>,
    /// The proposals that were made, and the one that is on its way.
    proposals: u64,
    proposal: Option<Bytes>,
    /// The validators that the last proposals suspended.
    suspended: BTreeSet<u32>,
    /// Whether validators change in this storm.
    governs: bool,
    /// How many more disks may be lost.
    disks: usize,
}

impl Storm<'_> {
    /// A number below `count`.
    fn pick(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).expect("small");
        usize::try_from(self.network.context.next_u64() % count).expect("small")
    }

    async fn event(&mut self) {
        let pause_ms = [1, 5, 20, 60, 150, 400][self.pick(6)];
        self.network.pass(pause_ms).await;
        self.bury().await;
        match self.pick(100) {
            0..40 => self.send(),
            40..54 => self.kill().await,
            54..76 => self.start().await,
            76..82 => self.fail_a_disk(),
            82..84 => self.lose_a_disk().await,
            84..90 => self.partition().await,
            90..93 => self.slow_down().await,
            93..97 => self.govern(),
            _ => self.network.connect_all(&link()).await,
        }
        self.acknowledge();
        self.settle();
    }

    /// Whose disk has lost power is gone altogether.
    async fn bury(&mut self) {
        for index in self.network.running_indices() {
            if self.network.validators[index].machine.disk.has_failed() {
                self.network.kill(index).await;
            }
        }
    }

    fn send(&mut self) {
        let running = self.network.running_indices();
        if running.is_empty() {
            return;
        }
        for _ in 0..=self.pick(4) {
            let to = running[self.pick(running.len())];
            if !self.network.validators[to].machine.disk.has_failed() {
                self.sent.push(self.network.send(to));
            }
        }
    }

    async fn kill(&mut self) {
        let running = self.network.running_indices();
        if !running.is_empty() {
            let index = running[self.pick(running.len())];
            self.network.kill(index).await;
        }
    }

    async fn start(&mut self) {
        let running = self.network.running_indices();
        let all = 0..self.network.validators.len();
        let dead: Vec<usize> = all.filter(|index| !running.contains(index)).collect();
        if !dead.is_empty() {
            let index = dead[self.pick(dead.len())];
            self.network.start(index).await;
        }
    }

    fn fail_a_disk(&mut self) {
        let running = self.network.running_indices();
        if !running.is_empty() {
            let index = running[self.pick(running.len())];
            let after = 1 + self.pick(120);
            let after = u64::try_from(after).expect("small");
            self.network.validators[index].machine.disk.fail_after(after);
        }
    }

    /// A validator comes back with an empty disk: only its keys are left, with the record of votes.
    async fn lose_a_disk(&mut self) {
        let running = self.network.running_indices();
        if self.disks == 0 || running.is_empty() {
            return;
        }
        self.disks -= 1;
        let index = running[self.pick(running.len())];
        self.network.kill(index).await;
        self.network.lose_disk(index);
        self.network.start(index).await;
    }

    /// The member suspends a validator or takes one back; a proposal that is lost is made again.
    fn govern(&mut self) {
        let running = self.network.running_indices();
        if !self.governs || running.is_empty() {
            return;
        }
        let to = running[self.pick(running.len())];
        if self.proposal.is_none() {
            let all = self.network.validators.len();
            let validator = u32::try_from(1 + self.pick(all)).expect("small");
            let kind = if self.suspended.contains(&validator) {
                RESUME_VALIDATOR
            } else if all - self.suspended.len() > LEAST_VALIDATORS {
                SUSPEND_VALIDATOR
            } else {
                return;
            };
            if kind == RESUME_VALIDATOR {
                self.suspended.remove(&validator);
            } else {
                self.suspended.insert(validator);
            }
            self.proposal = Some(proposal(self.proposals, kind, validator));
            self.proposals += 1;
        }
        self.submit(to);
    }

    /// Gives the proposal on its way to a validator.
    fn submit(&mut self, to: usize) {
        let validator = &self.network.validators[to];
        if let Some(bytes) = &self.proposal
            && !validator.machine.disk.has_failed()
        {
            // It may be there already.
            let _known = validator.ledger.admit(bytes.clone(), Origin::Client);
        }
    }

    /// Whether the proposal on its way has arrived.
    fn settle(&mut self) {
        let Some(bytes) = &self.proposal else { return };
        let hash = keccak256(bytes);
        let there = self.network.running_indices().into_iter().any(|index| {
            let validator = &self.network.validators[index];
            !validator.machine.disk.has_failed()
                && validator
                    .ledger
                    .honest
                    .chain()
                    .transaction(hash)
                    .expect("the ledger reads")
                    .is_some()
        });
        if there {
            self.proposal = None;
        }
    }

    /// Two sides that don't hear each other.
    async fn partition(&mut self) {
        let count = self.network.validators.len();
        let sides: Vec<usize> = (0..count).map(|_| self.pick(2)).collect();
        for from in 0..count {
            for to in (0..count).filter(|to| sides[from] != sides[*to]) {
                self.network.cut(from, to).await;
            }
        }
    }

    async fn slow_down(&mut self) {
        let rates = [probability!(1.0), probability!(0.95), probability!(0.8)];
        let latency_ms = [1, 30, 150, 300][self.pick(4)];
        let bad = Link {
            latency: Duration::from_millis(latency_ms),
            jitter: Duration::from_millis(latency_ms / 3),
            success_rate: rates[self.pick(3)],
        };
        self.network.connect_all(&bad).await;
    }

    /// Notes what a client could have seen.
    fn acknowledge(&mut self) {
        for index in self.network.running_indices() {
            let validator = &self.network.validators[index];
            if validator.machine.disk.has_failed() {
                continue;
            }
            let open = self.sent.iter().filter(|number| !self.acknowledged.contains(*number));
            let seen: Vec<u64> =
                open.copied().filter(|number| Real::contains(&validator.ledger, *number)).collect();
            self.acknowledged.extend(seen);
        }
    }

    /// The storm is over: everybody is there and hears everybody.
    async fn calm(&mut self) {
        self.network.connect_all(&link()).await;
        for index in self.network.running_indices() {
            self.network.validators[index].machine.disk.spare();
        }
        self.bury().await;
        self.network.start_all().await;
        self.submit(0);
        let sent = self.network.send(0);
        self.network.included(sent, CALM_MS).await;
        self.network.pass(2_000).await;
        let tip = self.network.tip();
        for validator in &self.network.validators {
            assert_eq!(validator.ledger.tip().number, tip, "everybody has the tip");
        }
        self.network.pass(60_000).await;
        assert_eq!(self.network.tip(), tip, "an idle network makes no block");
    }

    /// What must hold of every run, beside that there is one chain.
    fn check(&self) {
        let ledger = &self.network.validators[0].ledger;
        let mut seen: BTreeSet<B256> = BTreeSet::new();
        for number in 0..=ledger.tip().number {
            let block = ledger.block_by_number(number).expect("it reads").expect("it is final");
            for transaction in block.transactions() {
                assert!(seen.insert(*transaction.tx_hash()), "a transaction is there twice");
            }
        }
        for number in &self.acknowledged {
            let hash = keccak256(Real::transaction(*number));
            assert!(seen.contains(&hash), "an acknowledged transaction is lost");
        }
        let chain = hashes(ledger);
        for validator in &self.network.validators {
            assert_eq!(hashes(&validator.ledger), chain, "one chain");
            self.check_certificates(&validator.ledger.honest);
        }
    }

    /// The light verifier takes every certificate that a node keeps, and its proofs.
    fn check_certificates(&self, ledger: &NodeLedger) {
        let document = self.network.genesis.canonical_json();
        let anchor = TrustAnchor::from_genesis(&document).expect("it is a document");
        for number in 1..=ledger.tip().number {
            let Some(bytes) = ledger.certificate(number).expect("it reads") else { continue };
            let block = ledger.block_by_number(number).expect("it reads").expect("it is final");
            let epoch = block.extra_data().expect("ours has some").epoch;
            let kept = ledger.committee(epoch).expect("it reads").expect("it was entered");
            let committee =
                Committee::new(ledger.genesis().hash(), &kept.seats).expect("they have seats");
            let certified = committee.verify(&bytes, block.hash()).expect("it holds");
            assert_eq!(certified.epoch, epoch);
        }
        for number in self.acknowledged.iter().take(3) {
            let hash = keccak256(Real::transaction(*number));
            let proof = ledger.chain().prove_transaction(hash, 0).expect("it is final");
            let proof = Proof::from_json(proof.to_json().as_bytes()).expect("it is a proof");
            let Fact::Transaction(fact) = verify(&proof, &anchor).expect("it holds").fact else {
                panic!("it is about a transaction");
            };
            assert_eq!(fact.hash, hash);
        }
    }
}

/// One storm; the run's trace hash.
fn storm(seed: u64) -> String {
    let validators = [4, 4, 4, 5, 7][usize::try_from(seed % 5).expect("small")];
    let epoch = [4, 8, 32, 1_000][usize::try_from(seed / 5 % 4).expect("small")];
    simulate_on::<Real, _>(seed, validators, epoch, async |network| {
        network.start_all().await;
        // Either disks are lost, fewer than a third of them, and all validators are needed; or
        // validators change, where it takes no thousand blocks until they do.
        let disks = if seed.is_multiple_of(3) { faulty(validators) } else { 0 };
        let governs = disks == 0 && epoch < 100;
        let mut storm = Storm {
            network,
            acknowledged: BTreeSet::new(),
            sent: Vec::new(),
            proposals: 0,
            proposal: None,
            suspended: BTreeSet::new(),
            governs,
            disks,
        };
        for _ in 0..EVENTS {
            storm.event().await;
        }
        storm.calm().await;
        storm.check();
    })
}

/// The seeds to run: `SEEDS=from..to`, or those of `make test`.
#[expect(clippy::disallowed_methods, reason = "the seeds of a longer run come from outside")]
fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("SEEDS") else { return SEEDS };
    let bounds = text
        .split_once("..")
        .and_then(|(from, to)| Some(from.trim().parse().ok()?..to.trim().parse().ok()?));
    bounds.unwrap_or_else(|| panic!("SEEDS is `{text}`; it must be such as 1000..2000"))
}

#[test]
fn the_chain_outlives_every_storm() {
    let seeds = seeds();
    let next = AtomicU64::new(seeds.start);
    let run = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return;
            }
            let ended = std::panic::catch_unwind(|| storm(seed));
            assert!(ended.is_ok(), "seed {seed} failed: SEEDS={seed}..{} repeats it", seed + 1);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(run);
        }
    });
    println!("storms {} to {} are survived", seeds.start, seeds.end - 1);
}

#[test]
fn a_storm_of_the_same_seed_is_the_same_storm() {
    assert_eq!(storm(3), storm(3));
}
