//! A validator that lies, among honest ones.

use commonware_codec::{DecodeExt, Encode, ReadExt, varint::UInt};
use commonware_consensus::{
    simplex::types::{Finalize, Notarize, Nullify, Proposal, Vote},
    types::Epoch,
};
use commonware_cryptography::Signer as _;
use commonware_p2p::{Receiver as _, Recipients, Sender as _};
use commonware_runtime::{Spawner as _, Supervisor as _};
use commonware_utils::ordered::BiMap;
use rand_core::Rng as _;

use super::{
    Memory,
    changes::send_some,
    machine::{Machine as _, Real},
    network::Network,
    simulate, simulate_on,
    tampered::Tamper,
};
use crate::{
    consensus::{
        digest::Digest,
        exchange::key_bytes,
        scheme::{Scheme, Voting},
    },
    seam::Ledger as _,
};

/// How a validator votes that lies.
#[derive(Clone, Copy, Debug)]
enum Lie {
    /// For each block that others vote for, and for one that is nowhere.
    Equivocates,
    /// It finalizes each block, and nullifies its view.
    NullifiesWhatItFinalizes,
}

impl Network<Memory> {
    /// Has a validator that doesn't run answer each vote with two that contradict each other.
    async fn lie(&mut self, index: usize, lie: Lie) {
        let validator = &self.validators[index];
        let pairs = self
            .validators
            .iter()
            .map(|one| (one.key.clone(), one.voting_keys[0].signer.public_key()));
        let committee = BiMap::try_from(pairs.collect::<Vec<_>>()).expect("all are different");
        let signers = [validator.voting_keys[0].signer.clone()];
        let genesis = self.validators[0].ledger.genesis().hash();
        let scheme = Scheme::new(genesis, committee, &validator.key, &signers, Voting::On);
        let (mut sender, mut receiver) = self.register(index, 0).await;
        self.come(index);
        self.context.child("liar").spawn(move |mut context| async move {
            while let Ok((_, mut message)) = receiver.recv().await {
                let Ok(epoch) = UInt::<u64>::read(&mut message) else { continue };
                let epoch: u64 = epoch.into();
                let Ok(vote) = Vote::<Scheme, Digest>::decode(message) else { continue };
                let other = |proposal: &Proposal<Digest>, payload: [u8; 32]| {
                    Proposal::new(proposal.round, proposal.parent, Digest(payload))
                };
                let mut nowhere = [0u8; 32];
                context.fill_bytes(&mut nowhere);
                let votes: Vec<Vote<Scheme, Digest>> = match (vote, lie) {
                    (Vote::Notarize(vote), Lie::Equivocates) => {
                        [other(&vote.proposal, nowhere), vote.proposal]
                            .into_iter()
                            .filter_map(|one| Notarize::sign(&scheme, one).map(Vote::Notarize))
                            .collect()
                    }
                    (Vote::Finalize(vote), Lie::Equivocates) => {
                        [other(&vote.proposal, nowhere), vote.proposal]
                            .into_iter()
                            .filter_map(|one| Finalize::sign(&scheme, one).map(Vote::Finalize))
                            .collect()
                    }
                    (Vote::Finalize(vote), Lie::NullifiesWhatItFinalizes) => {
                        let round = vote.proposal.round;
                        let both = [
                            Nullify::sign::<Digest>(&scheme, round).map(Vote::Nullify),
                            Finalize::sign(&scheme, vote.proposal).map(Vote::Finalize),
                        ];
                        both.into_iter().flatten().collect()
                    }
                    (Vote::Notarize(_) | Vote::Nullify(_), _) => continue,
                };
                for vote in votes {
                    let mut message = UInt(Epoch::new(epoch).get()).encode().to_vec();
                    message.extend_from_slice(&vote.encode());
                    let _sent = sender.send(Recipients::All, bytes::Bytes::from(message), true);
                }
            }
        });
    }
}

fn check(seed: u64, lie: Lie, kinds: &[u8]) {
    simulate(seed, 4, 16, async |network| {
        network.lie(3, lie).await;
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
