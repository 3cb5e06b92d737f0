//! Storms: real ledgers on disks that lose power, validators that are killed and started, links that
//! are cut, lossy and slow, nodes that take the state of others, and validators that lie, all at random
//! and at once; then calm, and what must hold.
//!
//! A seed is a run. `SEEDS=1000..2000 make simulate` runs others than `make test` does.

use std::{
    collections::BTreeSet,
    num::NonZero,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use commonware_p2p::simulated::Link;
use commonware_utils::probability;
use rand_core::Rng as _;

use super::{
    checks::PROVEN,
    council::{CHANGES, Council},
    machine::{Machine as _, Real},
    network::{Beginning, Network, link},
    plot::Plot,
    simulate_with,
    vices::{JOINS, LIES, Liar},
};
use crate::{seam::Ledger as _, status::faulty};

/// The seeds of `make test`.
const SEEDS: Range<u64> = 0..100;
/// How many things happen in a storm.
const EVENTS: usize = 60;
/// How many blocks there are before a storm, so that who comes with nothing is far behind.
const BEFORE: usize = 12;
/// What is said where there is no block after the calm, and where somebody lacks the tip.
pub(super) const NO_BLOCK: &str = "those who follow every block have a new transaction";
pub(super) const LACKS_TIP: &str = "everybody has the tip";
/// How long the network has until it makes blocks again after a storm.
const CALM_MS: u64 = 10_000;
/// How long it has until it rests where clocks are wrong: blocks of who is ahead are held, and a view in
/// two times out.
const SKEWED_REST_MS: u64 = 120_000;
/// How long a node that takes the state of others has until it has the tip: an answer that was lost
/// with the storm is waited for, and whom it was asked of rests.
const JOIN_MS: u64 = 60_000;
/// How far clocks are apart in a storm in which they are wrong, and how far one is set.
const APART_MS: usize = 10_000;
const STEP_MS: u64 = 3_600_000;
/// Of a thousand pairs of blocks, how many those who attempt a fork give both of to everybody.
const OPENLY: u64 = 250;

/// How often a node had no room for something, in all storms of this process.
static FULL: AtomicU64 = AtomicU64::new(0);

/// What befalls the validators of a storm, beside everything else.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plight {
    /// Disks are lost.
    Disks,
    /// The members change them.
    Changes,
    /// Some lie.
    Liars,
}

/// A storm's state.
pub(super) struct Storm<'a> {
    pub(super) network: &'a mut Network<Real>,
    /// Numbers of transactions that somebody has seen in a final block.
    pub(super) acknowledged: BTreeSet<u64>,
    sent: Vec<u64>,
    /// The members, where they change something.
    pub(super) council: Option<Council>,
    /// Whether clocks are wrong.
    skewed: bool,
    /// How many can be wrong at a time, those that lie counted among them.
    faulty: usize,
    /// How many more may become faulty: lose their disk, or have a clock that is an hour wrong.
    spare: usize,
    /// How many have had such a clock: the first ones.
    clocks: usize,
    pub(super) liars: Vec<Liar>,
    pub(super) plot: Plot,
}

impl Storm<'_> {
    /// A number below `count`.
    pub(super) fn pick(&mut self, count: usize) -> usize {
        let count = u64::try_from(count).expect("small");
        usize::try_from(self.network.context.next_u64() % count).expect("small")
    }

    /// Who lies, whose clock is wrong, and who starts first.
    async fn set_out(&mut self, plan: &Plan) {
        let Beginning { validators, later, .. } = plan.beginning;
        let liars = match plan.plight {
            Plight::Disks => 0,
            Plight::Changes => self.pick(self.faulty + 1),
            Plight::Liars => 1 + self.pick(self.faulty),
        };
        let first = self.pick(validators);
        for count in 0..liars {
            self.tempt((first + count) % validators).await;
        }
        self.spare = self.faulty - liars;
        if later > 0 {
            self.network.validators[validators].far_behind = self.distance();
        }
        for index in 0..validators {
            if self.skewed {
                let ahead_ms = u64::try_from(self.pick(APART_MS)).expect("small");
                self.network.set_clock(index, ahead_ms, 0);
            }
            if self.is_a_node(index) {
                self.begin(index).await;
            }
        }
        self.begin_the_chain().await;
    }

    /// Blocks that there are before anything happens.
    async fn begin_the_chain(&mut self) {
        let honest = self.running();
        for round in 0..BEFORE {
            let sent = self.network.send(honest[round % honest.len()]);
            self.network
                .until("the network makes blocks", SKEWED_REST_MS, |network| {
                    let ledger = |index: &usize| &network.validators[*index].ledger;
                    honest.iter().all(|index| Real::contains(ledger(index), sent))
                })
                .await;
            self.acknowledged.insert(sent);
        }
    }

    async fn event(&mut self) {
        let pause_ms = [1, 5, 20, 60, 150, 400][self.pick(6)];
        self.network.pass(pause_ms).await;
        self.bury().await;
        self.network.turn().await;
        self.conspire();
        match self.pick(100) {
            0..16 if self.council.is_some() => self.govern().await,
            0..40 => self.send(),
            40..54 => self.kill().await,
            54..76 => self.start().await,
            76..82 => self.fail_a_disk(),
            82..85 => self.lose_a_disk().await,
            85..90 => self.partition().await,
            90..93 => self.slow_down().await,
            93..95 => self.fill_a_disk(),
            95..97 => self.set_a_clock(),
            97 => self.slow_a_disk(),
            98 => self.disturb(),
            _ => self.network.connect_all(&link()).await,
        }
        self.acknowledge();
        self.settle();
    }

    /// Whose disk has lost power is gone altogether, and whose disk is full has ended.
    async fn bury(&mut self) {
        for index in self.network.running_indices() {
            let machine = &self.network.validators[index].machine;
            if machine.is_full() {
                FULL.fetch_add(1, Ordering::Relaxed);
            }
            if machine.has_failed() {
                self.network.kill(index).await;
            }
        }
    }

    fn send(&mut self) {
        let running = self.running();
        if running.is_empty() {
            return;
        }
        for _ in 0..=self.pick(4) {
            let to = running[self.pick(running.len())];
            if !self.network.validators[to].machine.has_failed() {
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
        let dead: Vec<usize> =
            all.filter(|index| !running.contains(index) && self.is_a_node(*index)).collect();
        if !dead.is_empty() {
            let index = dead[self.pick(dead.len())];
            if self.pick(2) == 0 {
                self.network.validators[index].machine.make_room();
            }
            self.begin(index).await;
        }
    }

    /// Somebody's disk has little room left, until somebody makes some before it starts again.
    fn fill_a_disk(&mut self) {
        let index = self.pick(self.network.validators.len());
        let room_bytes = [0, 10_000, 100_000, 1_000_000][self.pick(4)];
        self.network.validators[index].machine.fill(room_bytes);
    }

    fn fail_a_disk(&mut self) {
        let running = self.network.running_indices();
        if !running.is_empty() {
            let index = running[self.pick(running.len())];
            let after = 1 + self.pick(120);
            let after = u64::try_from(after).expect("small");
            self.network.validators[index].machine.fail_after(after);
        }
    }

    /// A validator comes back with an empty disk: only its keys are left, with the record of votes.
    async fn lose_a_disk(&mut self) {
        let running = self.running();
        if self.council.is_some() || self.spare == 0 || running.is_empty() {
            return;
        }
        self.spare -= 1;
        let index = running[self.pick(running.len())];
        self.network.kill(index).await;
        self.network.lose_disk(index);
        self.network.validators[index].far_behind = self.distance();
        self.begin(index).await;
    }

    /// How many blocks behind a node takes the state of others, if it does.
    fn distance(&mut self) -> Option<u64> {
        [None, Some(2), Some(8)][self.pick(3)]
    }

    /// Somebody's clock is set an hour forth or back, or right; of fewer than a third, those that lie and
    /// lost disks counted among them: whose clock is an hour late takes no blocks of the others.
    fn set_a_clock(&mut self) {
        if !self.skewed {
            return;
        }
        if self.spare > 0 {
            self.spare -= 1;
            self.clocks += 1;
        }
        if self.clocks > 0 {
            let index = self.pick(self.clocks);
            let (ahead_ms, behind_ms) = [(STEP_MS, 0), (0, STEP_MS), (0, 0)][self.pick(3)];
            self.network.set_clock(index, ahead_ms, behind_ms);
        }
    }

    /// Somebody's disk takes its time.
    fn slow_a_disk(&mut self) {
        let index = self.pick(self.network.validators.len());
        let sync_ms = [0, 5, 30, 100][self.pick(4)];
        self.network.validators[index].oddities.slow_down(sync_ms);
    }

    /// Somebody hears messages twice and in another order.
    fn disturb(&mut self) {
        let index = self.pick(self.network.validators.len());
        let (twice, late) = [(0, 0), (200, 0), (0, 200), (300, 300)][self.pick(4)];
        self.network.validators[index].weather.disturb(twice, late);
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
        for index in self.running() {
            let validator = &self.network.validators[index];
            if validator.machine.has_failed() {
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
        for validator in &self.network.validators {
            validator.machine.spare();
            validator.machine.make_room();
            validator.oddities.slow_down(0);
            validator.weather.disturb(0, 0);
        }
        self.bury().await;
        self.network.turn().await;
        for index in 0..self.network.validators.len() {
            if self.is_a_node(index) && !self.network.running_indices().contains(&index) {
                self.begin(index).await;
            }
        }
        self.conspire();
        let honest = self.running();
        // What one is told that takes the state of others waits until it has it.
        let to = *honest
            .iter()
            .find(|index| !self.network.takes_states(**index))
            .expect("most follow every block");
        self.submit(to);
        let sent = self.network.send(to);
        let has = |network: &Network<Real>, index: usize| {
            Real::contains(&network.validators[index].ledger, sent)
        };
        if self.needs_joiners() {
            // There is no quorum before.
            self.network
                .until("those who are needed have the state of others", JOIN_MS, |network| {
                    let mut joiners = honest.iter().filter(|index| network.takes_states(**index));
                    let tip = network.tip();
                    joiners.all(|index| network.validators[*index].ledger.tip().number + 1 >= tip)
                })
                .await;
        }
        self.network
            .until(NO_BLOCK, CALM_MS, |network| {
                let mut all = honest.iter().filter(|index| !network.takes_states(**index));
                all.all(|index| has(network, *index))
            })
            .await;
        self.network
            .until("those who take the state of others are there too", JOIN_MS, |network| {
                honest.iter().all(|index| has(network, *index))
            })
            .await;
        self.silence_proposers().await;
        // Validators may be about to change: the rest of the epoch is run out before.
        let limit_ms = if self.skewed { SKEWED_REST_MS } else { CALM_MS };
        self.network
            .until("everybody rests", limit_ms, |network| {
                honest.iter().all(|index| network.status(*index).idle)
            })
            .await;
        self.network.pass(2_000).await;
        let tip = self.network.tip();
        for index in &honest {
            let validator = &self.network.validators[*index];
            assert_eq!(validator.ledger.tip().number, tip, "{LACKS_TIP}");
        }
        self.acknowledged.insert(sent);
        self.network.fetch_blocks(&honest).await;
        self.network.pass(60_000).await;
        assert_eq!(self.network.tip(), tip, "an idle network makes no block");
    }
}

/// One storm; the run's trace hash.
fn storm(seed: u64) -> String {
    storm_over(seed, |_| {})
}

/// What kind of storm a seed is.
struct Plan {
    beginning: Beginning,
    plight: Plight,
    skewed: bool,
}

impl Plan {
    fn of(seed: u64) -> Self {
        let [ten, four] =
            [seed % 10, seed / 10 % 4].map(|place| usize::try_from(place).expect("small"));
        let validators = [4, 4, 4, 5, 7, 4, 4, 4, 5, 10][ten];
        let epoch = [4, 8, 32, 1_000][four];
        // Where validators change it takes no thousand blocks until they do.
        let plight = match seed % 3 {
            0 => Plight::Disks,
            1 if epoch < 100 => Plight::Changes,
            _ => Plight::Liars,
        };
        // One more node comes, and is to become a validator where they change.
        let later = usize::from(plight != Plight::Disks);
        let members = if plight == Plight::Changes && (seed / 3).is_multiple_of(2) { 3 } else { 1 };
        let beginning = Beginning { validators, later, members, epoch };
        Self { beginning, plight, skewed: seed % 4 == 1 }
    }

    /// How many validators there are at least, whatever the members decide.
    fn least(&self) -> usize {
        match self.plight {
            Plight::Disks | Plight::Liars => self.beginning.validators,
            Plight::Changes if self.beginning.validators == 10 => 7,
            Plight::Changes if self.beginning.validators == 7 || self.skewed => 4,
            Plight::Changes => 3,
        }
    }
}

/// One storm over a network to which something is done when it has its first blocks; the trace hash.
pub(super) fn storm_over(seed: u64, mutate: impl Fn(&mut Network<Real>)) -> String {
    let plan = Plan::of(seed);
    simulate_with::<Real, _>(seed, plan.beginning, async |network| {
        let council = plan.plight == Plight::Changes;
        let council = council.then(|| Council::new(network, plan.least()));
        let mut storm = Storm {
            network,
            acknowledged: BTreeSet::new(),
            sent: Vec::new(),
            council,
            skewed: plan.skewed,
            faulty: faulty(plan.least()),
            spare: 0,
            clocks: 0,
            liars: Vec::new(),
            plot: Plot::new(OPENLY),
        };
        storm.set_out(&plan).await;
        mutate(storm.network);
        for _ in 0..EVENTS {
            storm.event().await;
        }
        storm.calm().await;
        storm.check();
        storm.count();
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
    let [joins, lies, changes, proven, full] =
        [&JOINS, &LIES, &CHANGES, &PROVEN, &FULL].map(|count| count.load(Ordering::Relaxed));
    let (first, last) = (seeds.start, seeds.end - 1);
    println!(
        "storms {first} to {last} are survived, with {joins} joins by state, {lies} lies, {changes} \
         changes, of which one proof went through {proven}, and {full} times no room on a disk"
    );
}

#[test]
fn a_storm_of_the_same_seed_is_the_same_storm() {
    // Lost disks; three members who change validators; and one who attempts a fork while a node joins.
    for seed in [3, 7, 38] {
        assert_eq!(storm(seed), storm(seed), "seed {seed}");
    }
}
