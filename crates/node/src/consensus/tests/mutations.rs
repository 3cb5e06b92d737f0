//! The simulator can fail: what a validator must not do is done on purpose here, in tests only, and
//! the checks that every storm and scenario makes find it out.

use std::{cell::Cell, ops::Range, panic::AssertUnwindSafe, sync::Arc};

use commonware_codec::{DecodeExt as _, Encode as _, ReadExt as _, varint::UInt};
use commonware_consensus::simplex::types::{Certificate, Finalization, Notarize, Vote};
use commonware_cryptography::{Signer as _, certificate::Signers, ed25519};
use commonware_p2p::{Receiver as _, Recipients, Sender as _};
use commonware_runtime::{Spawner as _, Supervisor as _};
use commonware_utils::{Participant, ordered::Set};
use windlass_keys::{KeyError, vault::Voted};

use super::{
    Memory,
    changes::send_some,
    checks::{LIGHT_VERIFIER, VOTED_TWICE},
    machine::{Machine as _, NO_LEDGER, Real},
    network::{FORK, Network},
    plot::Plot,
    process::{ENDED, NO_JOURNALS},
    simulate, simulate_on,
    storm::{LACKS_TIP, NO_BLOCK, storm_over},
    tampered::Tamper,
};
use crate::consensus::{
    digest::Digest,
    marker::{Marker, VotingKey},
    scheme::Scheme,
};

thread_local! {
    static UNCHECKED: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread's simulation skips the check of certificates.
pub(in crate::consensus) fn certificates_go_unchecked() -> bool {
    UNCHECKED.get()
}

/// Skips the check until it is dropped.
struct Unchecked;

impl Unchecked {
    fn begin() -> Self {
        UNCHECKED.set(true);
        Self
    }
}

impl Drop for Unchecked {
    fn drop(&mut self) {
        UNCHECKED.set(false);
    }
}

/// What a run says that waits for a transaction to be final in vain.
pub(super) const NOT_FINAL: &str = " final; tips";

/// Why a run fails, if it does.
fn complaint(run: impl FnOnce()) -> Option<String> {
    let payload = std::panic::catch_unwind(AssertUnwindSafe(run)).err()?;
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    Some(text.expect("whoever panics says why"))
}

/// A run fails, and it is this check that finds it out.
#[track_caller]
pub(super) fn assert_found_out(by: &str, run: impl FnOnce()) {
    let complaint = complaint(run).expect("nobody finds it out");
    assert!(complaint.contains(by), "found out by another check than `{by}`: {complaint}");
}

/// One of these storms finds out what was done to the network, by one of these checks.
#[track_caller]
fn found_out(mut seeds: Range<u64>, by: &[&str], mutate: impl Fn(&mut Network<Real>)) {
    let storm = |seed| Some((seed, complaint(|| drop(storm_over(seed, &mutate)))?));
    let (seed, complaint) = seeds.find_map(storm).expect("no storm finds it out");
    println!("found out by seed {seed}");
    let named = by.iter().any(|check| complaint.contains(check));
    assert!(named, "found out by another check than {by:?}: {complaint}");
}

#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    found_out(0..10, &[NO_LEDGER], |network| {
        for validator in &network.validators {
            validator.machine.disk.lie();
        }
    });
}

#[test]
fn an_exchange_of_tips_that_is_dropped_is_found_out() {
    found_out(0..3, &[NO_BLOCK, LACKS_TIP], |network| {
        for validator in &network.validators {
            validator.weather.drop_tips();
        }
    });
}

#[test]
fn without_the_exchange_of_tips_an_idle_network_leaves_somebody_behind() {
    let cut_off = |mutate: fn(&Network<Memory>)| {
        simulate(430, 4, 1_000, async |network| {
            network.start_all().await;
            send_some(network, 3).await;
            mutate(network);
            for other in 1..4 {
                network.cut(0, other).await;
                network.cut(other, 0).await;
            }
            let sent = network.send(1);
            network
                .until("three go on", 10_000, |network| {
                    network.validators[1..].iter().all(|one| Memory::contains(&one.ledger, sent))
                })
                .await;
            network.pass(5_000).await;
            network.connect_all(&super::link()).await;
            network.included(sent, 60_000).await;
        });
    };
    cut_off(|_| {});
    let deaf = || {
        cut_off(|network| {
            for validator in &network.validators {
                validator.weather.drop_tips();
            }
        });
    };
    // Nobody has told the one that was cut off.
    assert_found_out(NOT_FINAL, deaf);
}

/// The wrong root is proposed by one validator; the others judge it, or don't.
fn wrong_root(judge: impl Fn(&Network<Real>)) {
    simulate_on::<Real, _>(440, 4, 1_000, async |network| {
        network.start_all().await;
        judge(network);
        network.validators[3].ledger.tamper(Tamper::StateRoot);
        for round in 0..4 {
            let sent = network.send(round % 3);
            network.included(sent, 20_000).await;
        }
    });
}

#[test]
fn a_wrong_state_root_that_is_accepted_is_found_out() {
    wrong_root(|_| {});
    let believed = || {
        wrong_root(|network| {
            for validator in &network.validators {
                validator.ledger.believe();
            }
        });
    };
    // All have accepted it, and none can make it final.
    assert_found_out(ENDED, believed);
}

/// The first of four validators attempt a fork; the last two don't hear each other.
fn halves(plotters: usize) {
    simulate_on::<Real, _>(470, 4, 1_000, async |network| {
        let plot = Plot::new(0);
        for index in 0..plotters {
            network.join_plot(index, &plot);
        }
        network.cut(2, 3).await;
        network.cut(3, 2).await;
        network.start_all().await;
        for round in 0..6 {
            let sent = network.send(round % 4);
            network
                .until("both have it", 60_000, |network| {
                    let halves = &network.validators[2..];
                    halves.iter().all(|half| Real::contains(&half.ledger, sent))
                })
                .await;
            network.assert_one_chain();
        }
    });
}

#[test]
fn more_who_vote_for_two_blocks_than_can_be_faulty_fork_the_chain_and_that_is_found_out() {
    halves(1);
    assert_found_out(FORK, || halves(2));
}

/// A record of votes that is empty whatever was written to it.
struct Forgetful;

impl Marker for Forgetful {
    fn entered(&self) -> Result<Option<Voted>, KeyError> {
        Ok(None)
    }

    fn enter(&self, _voted: Voted) -> Result<(), KeyError> {
        Ok(())
    }
}

fn forget(network: &mut Network<Memory>) {
    for validator in &mut network.validators {
        let signer = validator.voting_keys[0].signer.clone();
        validator.voting_keys = vec![VotingKey { signer, marker: Arc::new(Forgetful) }];
    }
}

/// What becomes of a validator's journal when its process is gone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Journal {
    Lost,
    Kept,
    /// It is kept as far as it was synced, and it is synced no more.
    Unsynced,
}

/// A leader dies when one other has its vote for a block, while the remaining ones are away, so that
/// the view stays open; then it comes back.
fn leader_comes_back(
    (seed, leader): (u64, usize),
    journal: Journal,
    mutate: impl Fn(&mut Network<Memory>),
) {
    simulate(seed, 4, 1_000, async |network| {
        mutate(network);
        network.start_all().await;
        send_some(network, 4).await;
        network.pass(1_000).await;
        if journal == Journal::Unsynced {
            for validator in &network.validators {
                validator.machine.journals().lie();
                validator.oddities.lie();
            }
        }
        let away = [(leader + 2) % 4, (leader + 3) % 4];
        for index in away {
            network.kill(index).await;
        }
        network.send(leader);
        network.pass(200).await;
        network.kill(leader).await;
        if journal == Journal::Lost {
            network.lose_journal(leader, 0).await;
        }
        network.start(leader).await;
        network.start(away[0]).await;
        let other = network.send(leader);
        network.pass(3_000).await;
        network.start(away[1]).await;
        network.included(other, 20_000).await;
        network.check_honesty();
    });
}

/// Each validator is that leader once.
fn each_leader_comes_back(journal: Journal, mutate: impl Fn(&mut Network<Memory>)) {
    for leader in 0..4 {
        leader_comes_back((450, leader), journal, &mutate);
    }
}

#[test]
fn a_vote_twice_after_a_restart_is_found_out() {
    each_leader_comes_back(Journal::Kept, |_| {});
    each_leader_comes_back(Journal::Lost, |_| {});
    assert_found_out(VOTED_TWICE, || each_leader_comes_back(Journal::Lost, forget));
}

#[test]
fn a_journal_that_is_not_synced_is_found_out() {
    // A vote is sent before it is durable. Where a part of what was written is on the disk, and another
    // one is not, the journals do not open.
    let mut runs = (450..460).flat_map(|seed| (0..4).map(move |leader| (seed, leader)));
    let twice = runs.find(|run| {
        let run = || leader_comes_back(*run, Journal::Unsynced, |_| {});
        complaint(run).is_some_and(|complaint| {
            let is_twice = complaint.contains(VOTED_TWICE);
            assert!(is_twice || complaint.contains(NO_JOURNALS), "{complaint}");
            is_twice
        })
    });
    println!("found out by seed and leader {twice:?}");
    assert!(twice.is_some(), "nobody finds it out");
}

/// A quorum's signatures, all of them worth nothing.
fn forged(
    keys: &Set<ed25519::PublicKey>,
) -> <Scheme as commonware_cryptography::certificate::Verifier>::Certificate {
    let signers = (0..3).map(Participant::new).collect::<Vec<_>>();
    let signature = ed25519::PrivateKey::from_seed(9).sign(b"another", b"message");
    ed25519::certificate::Certificate {
        signers: Signers::try_from((keys, signers)).expect("they are in order"),
        signatures: vec![signature.into(); 3],
    }
}

impl Network<Real> {
    /// Has a validator that doesn't run answer each vote for a block with a forged certificate that
    /// the block is final.
    async fn forge(&mut self, index: usize) {
        let keys = self.validators.iter().map(|one| one.key.clone()).collect::<Vec<_>>();
        let keys = Set::try_from(keys).expect("they are in order");
        let (_, mut votes) = self.register(index, 0).await;
        let (mut certificates, receiver) = self.register(index, 1).await;
        self.come(index);
        self.context.child("forger").spawn(move |_| async move {
            let _open = receiver;
            while let Ok((_, mut message)) = votes.recv().await {
                let Ok(epoch) = UInt::<u64>::read(&mut message) else { continue };
                let Ok(Vote::Notarize(Notarize { proposal, .. })) =
                    Vote::<Scheme, Digest>::decode(message)
                else {
                    continue;
                };
                let finalization = Finalization { proposal, certificate: forged(&keys) };
                let certificate: Certificate<Scheme, Digest> =
                    Certificate::Finalization(finalization);
                let mut message = epoch.encode().to_vec();
                message.extend_from_slice(&certificate.encode());
                let message = bytes::Bytes::from(message);
                let _sent = certificates.send(Recipients::All, message, true);
            }
        });
    }
}

fn forger() {
    simulate_on::<Real, _>(460, 4, 1_000, async |network| {
        network.forge(3).await;
        for index in 0..3 {
            network.start(index).await;
        }
        for round in 0..6 {
            let sent = network.send(round % 3);
            network.included(sent, 20_000).await;
        }
        for index in 0..3 {
            let ledger = network.validators[index].ledger.honest.clone();
            network.check_certificates(&ledger, &[1, 2].into());
        }
    });
}

#[test]
fn a_certificate_that_is_not_checked_is_found_out() {
    forger();
    let unchecked = Unchecked::begin();
    assert_found_out(LIGHT_VERIFIER, forger);
    drop(unchecked);
}
