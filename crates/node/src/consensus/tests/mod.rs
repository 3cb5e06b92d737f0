//! Simulations: real validators, simulated network, clock and ledger; one seed, one run.

mod ledger;
mod network;

use std::time::Duration;

use commonware_runtime::{Runner, deterministic};
use network::Network;

/// Runs a scenario of some validators with a seed.
fn simulate<F>(seed: u64, validators: usize, epoch: u64, scenario: F) -> String
where
    F: AsyncFnOnce(&mut Network),
{
    let config = deterministic::Config::new()
        .with_seed(seed)
        .with_timeout(Some(Duration::from_secs(600)));
    deterministic::Runner::new(config).start(|context| async move {
        let auditor = context.auditor().clone();
        let mut network = Network::new(context, validators, epoch).await;
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
            let took_ms = network.included(sent, 1_500).await;
            println!("validator {index}: {took_ms} ms");
        }
    });
}
