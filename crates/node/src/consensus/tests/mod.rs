//! Simulations: real validators, simulated network, clock and ledger; one seed, one run.

mod byzantine;
mod certificates;
mod changes;
mod checks;
mod clocks;
mod council;
mod decoders;
mod diagnosis;
mod faults;
mod foreign;
mod joins;
mod keys;
pub(crate) mod ledger;
mod liars;
mod life;
mod links;
mod loopback;
mod machine;
mod mutations;
mod network;
mod plot;
mod process;
mod replays;
mod state;
mod storm;
mod surroundings;
mod tampered;
mod time;
mod vices;
mod wire;

use std::time::{Duration, UNIX_EPOCH};

use commonware_runtime::{Runner, deterministic};
use machine::{Machine, Memory, hashes};
pub(super) use mutations::certificates_go_unchecked;
use network::{Beginning, Network, link};

/// What the clocks show when a run begins.
const START: Duration = Duration::from_hours(10_000);

/// Runs a scenario of some validators with ledgers in memory; the run's trace hash.
fn simulate<F>(seed: u64, validators: usize, epoch: u64, scenario: F) -> String
where
    F: AsyncFnOnce(&mut Network<Memory>),
{
    simulate_on(seed, validators, epoch, scenario)
}

/// Runs a scenario of some validators with a seed; the run's trace hash.
fn simulate_on<M, F>(seed: u64, validators: usize, epoch: u64, scenario: F) -> String
where
    M: Machine,
    F: AsyncFnOnce(&mut Network<M>),
{
    simulate_with(seed, Beginning { validators, later: 0, members: 1, epoch }, scenario)
}

/// The same of a network that may have more members, and nodes that the genesis doesn't name.
fn simulate_with<M, F>(seed: u64, beginning: Beginning, scenario: F) -> String
where
    M: Machine,
    F: AsyncFnOnce(&mut Network<M>),
{
    // Clocks are set back, and what is before 1970 is no time.
    let config = deterministic::Config::new()
        .with_seed(seed)
        .with_start_time(UNIX_EPOCH + START)
        .with_timeout(Some(Duration::from_hours(2)));
    deterministic::Runner::new(config).start(|context| async move {
        let auditor = context.auditor();
        let mut network = Network::new(context, beginning).await;
        scenario(&mut network).await;
        network.assert_one_chain();
        auditor.state()
    })
}

#[test]
fn four_validators_finalise_what_is_sent() {
    simulate(1, 4, 1_000, async |network| {
        network.start_all().await;
        for index in 0..4 {
            let sent = network.send(index);
            network.included(sent, 300).await;
        }
    });
}

#[test]
fn networks_of_other_sizes_finalise() {
    for count in [1, 2, 3, 5, 7] {
        simulate(2, count, 1_000, async |network| {
            network.start_all().await;
            for index in 0..count {
                let sent = network.send(index);
                network.included(sent, 500).await;
            }
        });
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        simulate(seed, 4, 8, async |network| {
            network.start_all().await;
            for index in [0, 1, 2, 3, 0, 1, 2, 3, 0, 1] {
                let sent = network.send(index);
                network.included(sent, 5_000).await;
            }
        })
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}

#[test]
fn an_idle_network_stands_still() {
    simulate(3, 4, 1_000, async |network| {
        network.start_all().await;
        let sent = network.send(2);
        network.included(sent, 300).await;
        network.pass(1_000).await;
        let before: Vec<_> = (0..4).map(|index| network.status(index)).collect();
        assert!(before.iter().all(|status| status.idle), "{before:?}");
        network.pass(600_000).await;
        let after: Vec<_> = (0..4).map(|index| network.status(index)).collect();
        assert_eq!(before, after);
        assert_eq!(hashes(&network.validators[0].ledger).len(), 2, "no empty block was made");
        let sent = network.send(1);
        let took_ms = network.included(sent, 300).await;
        assert!(took_ms < 150, "{took_ms} ms to wake");
    });
}

#[test]
fn epochs_follow_each_other() {
    simulate(4, 4, 8, async |network| {
        network.start_all().await;
        for round in 0..40 {
            let sent = network.send(round % 4);
            let took_ms = network.included(sent, 3_000).await;
            assert!(took_ms < 500, "{took_ms} ms at transaction {round}");
        }
        assert!(network.status(0).epoch >= 4, "{:?}", network.status(0));
    });
}

#[test]
fn every_tip_has_a_certificate() {
    simulate(5, 4, 8, async |network| {
        network.start_all().await;
        for round in 0..20 {
            let sent = network.send(round % 4);
            network.included(sent, 3_000).await;
            for validator in network.running() {
                let tip = hashes(&validator.ledger).len() - 1;
                let newest = validator.ledger.certified().last().copied();
                assert_eq!(newest, u64::try_from(tip).ok());
            }
        }
    });
}
