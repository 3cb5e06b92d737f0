//! A validator that lies, among honest ones.

use super::{
    changes::send_some,
    liars::{Accomplice, Lie},
    machine::{Machine as _, Real},
    simulate, simulate_on,
    tampered::Tamper,
};
use crate::consensus::exchange::key_bytes;

fn check(seed: u64, lie: Lie, kinds: &[u8]) {
    simulate(seed, 4, 16, async |network| {
        let accomplice = Accomplice::new(network.validators[0].ledger.clone());
        network.lie(3, lie, accomplice).await;
        for index in 0..3 {
            network.start(index).await;
        }
        send_some(network, 25).await;
        let liar = key_bytes(&network.validators[3].key);
        for honest in &network.validators[..3] {
            let evidence = honest.ledger.evidence();
            assert!(!evidence.is_empty(), "each saw it");
            for one in &evidence {
                assert_eq!(one.node_key, liar, "nobody else is accused");
                assert!(kinds.contains(&one.kind), "{one:?}");
            }
        }
        assert!((0..3).all(|index| network.status(index).evidence > 0));
        network.assert_one_chain();
    });
}

#[test]
fn a_validator_that_votes_for_two_blocks_is_found_out_and_forks_nothing() {
    check(300, Lie::Equivocates, &[0, 1]);
}

#[test]
fn a_validator_that_nullifies_what_it_finalizes_is_found_out() {
    check(301, Lie::NullifiesWhatItFinalizes, &[2]);
}

#[test]
fn a_proposer_of_wrong_blocks_of_every_kind_is_outvoted() {
    for (seed, tamper) in (310..).zip(Tamper::ALL) {
        simulate_on::<Real, _>(seed, 4, 1_000, async |network| {
            network.start_all().await;
            let first = network.send(0);
            network.included(first, 5_000).await;
            network.validators[3].ledger.tamper(tamper);
            for round in 0..4 {
                let sent = network.send(round % 3);
                network
                    .until("the honest ones go on", 20_000, |network| {
                        network.validators[..3].iter().all(|one| Real::contains(&one.ledger, sent))
                    })
                    .await;
            }
            assert!(network.validators[3].ledger.lies() > 0, "{tamper:?}: it had its turn");
            assert_eq!(
                network.status(0).evidence,
                0,
                "{tamper:?}: a wrong block is no second vote"
            );
        });
    }
}
