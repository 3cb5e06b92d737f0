//! Who is of another network, though its keys are right here: what it signs is signed for another genesis.

use std::{
    collections::BTreeSet,
    slice,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use alloy_primitives::B256;
use commonware_codec::{DecodeExt as _, Encode as _, ReadExt as _, varint::UInt};
use commonware_consensus::{
    Viewable as _,
    simplex::types::{Finalize, Notarize, Nullify, Vote},
};
use commonware_cryptography::Signer as _;
use commonware_p2p::{Receiver as _, Recipients, Sender as _};
use commonware_runtime::{Spawner as _, Supervisor as _};
use commonware_utils::ordered::BiMap;
use windlass_chain::genesis::Genesis;

use super::{
    Memory,
    changes::send_some,
    machine::{Machine, Real},
    network::{CHAIN_ID, Network},
    simulate, simulate_on,
};
use crate::{
    consensus::{
        digest::Digest,
        scheme::{Scheme, Voting},
    },
    diagnosis::Subject,
    seam::Ledger as _,
};

impl<M: Machine> Network<M> {
    /// The committee of all first validators as one of them sees it, on the network of a genesis.
    fn scheme(&self, index: usize, genesis: B256) -> Scheme {
        let seat = |one: &super::network::Validator<M>| {
            (one.key.clone(), one.voting_keys[0].signer.public_key())
        };
        let seats: Vec<_> = self.validators.iter().map(seat).collect();
        let committee = BiMap::try_from(seats).expect("the keys are different");
        let me = &self.validators[index];
        Scheme::new(
            genesis,
            committee,
            &me.key,
            slice::from_ref(&me.voting_keys[0].signer),
            Voting::On,
        )
    }

    /// Has a validator that doesn't run vote for whatever others vote for, on the network of a genesis;
    /// how often it did.
    async fn agree(&mut self, index: usize, genesis: B256) -> Arc<AtomicU64> {
        let scheme = self.scheme(index, genesis);
        let (mut sender, mut receiver) = self.register(index, 0).await;
        self.come(index);
        let voted = Arc::new(AtomicU64::new(0));
        let told = Arc::clone(&voted);
        self.context.child("agreeing").spawn(move |_| async move {
            let (mut nullified, mut finalized) = (BTreeSet::new(), BTreeSet::new());
            while let Ok((_, mut message)) = receiver.recv().await {
                let Ok(epoch) = UInt::<u64>::read(&mut message) else { continue };
                let Ok(vote) = Vote::<Scheme, Digest>::decode(message) else { continue };
                let view = vote.view();
                // It votes for no view twice.
                let agreed = match vote {
                    Vote::Notarize(vote) => {
                        Notarize::sign(&scheme, vote.proposal).map(Vote::Notarize)
                    }
                    Vote::Nullify(vote) if !finalized.contains(&view) => {
                        nullified.insert(view);
                        Nullify::sign::<Digest>(&scheme, vote.round).map(Vote::Nullify)
                    }
                    Vote::Finalize(vote) if !nullified.contains(&view) => {
                        finalized.insert(view);
                        Finalize::sign(&scheme, vote.proposal).map(Vote::Finalize)
                    }
                    Vote::Nullify(_) | Vote::Finalize(_) => continue,
                };
                let agreed: Vote<Scheme, Digest> = agreed.expect("it has the key");
                let mut message = epoch.encode().to_vec();
                message.extend_from_slice(&agreed.encode());
                let _sent = sender.send(Recipients::All, bytes::Bytes::from(message), true);
                told.fetch_add(1, Ordering::Relaxed);
            }
        });
        voted
    }

    /// How often a validator has cut somebody off because of votes and the like.
    fn cut_off(&self, index: usize, about: Subject) -> u64 {
        self.validators[index].board().diagnosis().times_cut_off(about)
    }
}

/// Two of four validators are left, and a third one votes with them on the network of a genesis.
async fn left_with(network: &mut Network<Memory>, genesis: B256) -> (u64, Arc<AtomicU64>) {
    for index in 0..3 {
        network.start(index).await;
    }
    send_some(network, 4).await;
    network.kill(2).await;
    let voted = network.agree(3, genesis).await;
    (network.send(0), voted)
}

#[test]
fn a_vote_for_this_network_makes_a_quorum() {
    simulate(500, 4, 1_000, async |network| {
        let genesis = network.validators[0].ledger.genesis().hash();
        let (sent, voted) = left_with(network, genesis).await;
        network.included(sent, 20_000).await;
        assert!(voted.load(Ordering::Relaxed) > 0, "it voted");
        assert_eq!([0, 1].map(|index| network.cut_off(index, Subject::Votes)), [0, 0]);
    });
}

#[test]
fn a_vote_for_another_network_is_refused_and_counted_and_cuts_its_sender_off() {
    simulate(501, 4, 1_000, async |network| {
        let (sent, voted) = left_with(network, B256::repeat_byte(9)).await;
        network.pass(20_000).await;
        assert!(voted.load(Ordering::Relaxed) > 0, "it voted");
        let blocked = network.oracle.blocked().await.expect("the network runs");
        let foreign = &network.validators[3].key;
        for (index, validator) in network.validators[..2].iter().enumerate() {
            assert!(!validator.ledger.contains(sent), "two votes are no quorum");
            assert!(blocked.contains(&(validator.key.clone(), foreign.clone())), "{index}");
            assert_eq!(network.cut_off(index, Subject::Votes), 1, "it is counted");
            assert_eq!(network.status(index).evidence, 0, "it has not voted here at all");
        }
        assert!(blocked.iter().all(|(_, whom)| whom == foreign), "nobody else is cut off");
        network.start(2).await;
        network.included(sent, 20_000).await;
        send_some(network, 8).await;
        network.check_honesty();
    });
}

#[test]
fn a_node_of_another_genesis_has_no_part_in_the_network() {
    simulate_on::<Real, _>(510, 4, 1_000, async |network| {
        let other = Genesis { chain_id: CHAIN_ID + 1, ..network.genesis.clone() };
        network.validators[3].machine = Real::new(&other);
        network.start_all().await;
        for round in 0..8 {
            let sent = network.send(round % 3);
            network
                .until("the others go on", 20_000, |network| {
                    network.validators[..3].iter().all(|one| Real::contains(&one.ledger, sent))
                })
                .await;
        }
        network.check_honesty();
        let [first, foreign] = [0, 3].map(|index| &network.validators[index].ledger);
        assert_ne!(first.genesis().hash(), foreign.genesis().hash());
        assert_eq!(foreign.tip().number, 0, "nothing of theirs is a block of its chain");
        let blocked = network.oracle.blocked().await.expect("the network runs");
        let foreign = &network.validators[3].key;
        assert!(!blocked.is_empty(), "what one side says holds on the other nowhere");
        assert!(blocked.iter().all(|(by, whom)| by == foreign || whom == foreign), "{blocked:?}");
        // With the genesis of all it is one of them.
        network.kill(3).await;
        network.lose_disk(3);
        let ledger = network.validators[3].machine.boot().expect("a new disk opens");
        assert_eq!(ledger.genesis().hash(), network.validators[0].ledger.genesis().hash());
        network.validators[3].ledger = ledger;
    });
}
