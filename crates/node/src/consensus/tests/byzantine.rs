//! Validators that lie, among honest ones.

use std::sync::atomic::Ordering;

use alloy_primitives::B256;
use windlass_proof::{Committee, ConflictingVotes};

use super::{
    changes::send_some,
    checks::LIGHT_VERIFIER,
    liars::{Accomplice, Lie},
    machine::{Machine as _, Real},
    plot::Plot,
    simulate, simulate_on,
    tampered::Tamper,
};
use crate::{consensus::exchange::key_bytes, seam::Ledger as _};

fn check(seed: u64, lie: Lie, kinds: &[u8]) {
    simulate(seed, 4, 16, async |network| {
        let accomplice = Accomplice::new(network.validators[0].ledger.clone());
        network.lie(3, lie, accomplice).await;
        for index in 0..3 {
            network.start(index).await;
        }
        send_some(network, 25).await;
        let liar = key_bytes(&network.validators[3].key);
        let validators: Vec<_> = network.genesis.validators().map(Into::into).collect();
        let genesis = network.validators[0].ledger.genesis().hash();
        let committee = Committee::new(genesis, &validators).expect("they have seats");
        let elsewhere = Committee::new(B256::ZERO, &validators).expect("they have seats");
        for honest in &network.validators[..3] {
            let evidence = honest.ledger.evidence();
            assert!(!evidence.is_empty(), "each saw it");
            for one in &evidence {
                assert_eq!(one.node_key, liar, "nobody else is accused");
                assert!(kinds.contains(&one.kind), "{one:?}");
                let votes = ConflictingVotes::decode(&one.votes).expect("they contradict");
                assert_eq!(votes.contradiction.number(), one.kind);
                let accused = committee.accuse(&votes).expect(LIGHT_VERIFIER);
                assert_eq!(accused.node_key, liar);
                assert!(elsewhere.accuse(&votes).is_err(), "it is of this network");
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

/// The last of some validators attempt a fork, with two valid blocks in each of their turns; of a thousand
/// such pairs everybody is given both of so many.
fn attempt((seed, validators): (u64, usize), plotters: usize, openly: u64) {
    simulate_on::<Real, _>(seed, validators, 8, async |network| {
        let honest: Vec<usize> = (0..validators - plotters).collect();
        let accused: Vec<usize> = (honest.len()..validators).collect();
        let plot = Plot::new(openly);
        let plotters: Vec<_> =
            accused.iter().map(|index| network.join_plot(*index, &plot)).collect();
        network.start_all().await;
        for round in 0..15 {
            let sent: Vec<u64> =
                (0..3).map(|count| network.send(honest[(round + count) % honest.len()])).collect();
            network
                .until("the honest ones go on", 20_000, |network| {
                    let ledgers = honest.iter().map(|index| &network.validators[*index].ledger);
                    let mut all = ledgers.flat_map(|one| sent.iter().map(move |sent| (one, *sent)));
                    all.all(|(ledger, sent)| Real::contains(ledger, sent))
                })
                .await;
        }
        let [split, open] = [0, 1].map(|which| {
            let told = plotters.iter().map(|one| [&one.told, &one.openly][which]);
            told.map(|told| told.load(Ordering::Relaxed)).collect::<Vec<_>>()
        });
        let seen: Vec<_> =
            accused.iter().map(|index| network.have_evidence(&honest, *index)).collect();
        if openly == 0 {
            assert!(split.iter().any(|told| *told > 0), "each half is given its own block");
        } else {
            assert!(seen.contains(&true), "everybody is given both blocks");
        }
        network.check_evidence(&honest, &accused);
        for (told, seen) in open.iter().zip(seen) {
            assert!(seen || *told == 0, "nobody has evidence");
        }
    });
}

#[test]
fn a_leader_with_a_valid_block_for_each_half_of_the_others_forks_nothing() {
    for (seed, openly) in [(320, 0), (321, 0), (322, 500), (323, 500)] {
        attempt((seed, 4), 1, openly);
    }
}

#[test]
fn two_such_leaders_of_seven_who_vote_for_both_blocks_of_each_other_fork_nothing() {
    for (seed, openly) in [(330, 0), (331, 500)] {
        attempt((seed, 7), 2, openly);
    }
}
