//! Tells the diagnosis what the engine of an epoch reports: whose votes, and how views end.
//!
//! A certificate shows the votes of its signers too, so a node that follows, or is cut off from some
//! of the validators, sees who votes all the same.

use std::{fmt, sync::Arc};

use commonware_consensus::{
    simplex::{
        elector::{Config as _, Elector as _, RoundRobin, RoundRobinElector},
        types::{Activity, Attributable},
    },
    types::{Epoch, Round, View},
};
use commonware_cryptography::{Sha256, certificate::Scheme as _, ed25519::PublicKey};
use commonware_utils::Participant;

use super::{digest::Digest, exchange::key_bytes, scheme::Scheme, steady::Wall};
use crate::diagnosis::{Ballot, Diagnosis, Ending};

/// One epoch's scribe. A clone writes into the same diagnosis.
#[derive(Clone)]
pub struct Scribe {
    diagnosis: Diagnosis,
    scheme: Arc<Scheme>,
    elector: RoundRobinElector<Scheme>,
    wall: Wall,
    /// What the engine starts from: it reports that again, and nothing of it is news.
    floor: Round,
}

impl fmt::Debug for Scribe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scribe").field("floor", &self.floor).finish_non_exhaustive()
    }
}

impl Scribe {
    /// The scribe of an epoch whose engine starts from `floor`.
    pub fn new(
        diagnosis: Diagnosis,
        scheme: Arc<Scheme>,
        wall: Wall,
        (epoch, floor): (Epoch, Round),
    ) -> Self {
        let elector = RoundRobin::<Sha256>::default().build(scheme.participants());
        let scribe = Self { diagnosis, scheme, elector, wall, floor };
        let committee = scribe.scheme.participants().iter().map(key_bytes).collect();
        let at = floor.view().next();
        let leader = scribe.leader(Round::new(epoch, at));
        scribe.diagnosis.enter((epoch.get(), at.get()), committee, leader);
        scribe
    }

    /// Writes down what the engine reports.
    pub fn note(&self, activity: &Activity<Scheme, Digest>) {
        match activity {
            Activity::Notarize(vote) => self.voted(vote.round(), vote.signer(), Ballot::Notarize),
            Activity::Nullify(vote) => self.voted(vote.round(), vote.signer(), Ballot::Nullify),
            Activity::Finalize(vote) => self.voted(vote.round(), vote.signer(), Ballot::Finalize),
            Activity::Notarization(one) => {
                let signers = one.certificate.signers.iter();
                self.ended(one.round(), (Ending::Notarized, Ballot::Notarize), signers);
            }
            Activity::Nullification(one) => {
                let signers = one.certificate.signers.iter();
                self.ended(one.round(), (Ending::Nullified, Ballot::Nullify), signers);
            }
            Activity::Finalization(one) => {
                let signers = one.certificate.signers.iter();
                self.ended(one.round(), (Ending::Finalized, Ballot::Finalize), signers);
            }
            Activity::Certification(_)
            | Activity::ConflictingNotarize(_)
            | Activity::ConflictingFinalize(_)
            | Activity::NullifyFinalize(_) => {}
        }
    }

    fn voted(&self, round: Round, signer: Participant, ballot: Ballot) {
        if round <= self.floor {
            return;
        }
        if let Some(seat) = self.scheme.seat(signer) {
            let view = (round.epoch().get(), round.view().get());
            self.diagnosis.voted(seat.node_key, view, ballot, self.wall.now_ms());
        }
    }

    fn ended(
        &self,
        round: Round,
        (ending, ballot): (Ending, Ballot),
        signers: impl Iterator<Item = Participant>,
    ) {
        if round <= self.floor {
            return;
        }
        for signer in signers {
            self.voted(round, signer, ballot);
        }
        let view = (round.epoch().get(), round.view().get());
        let next = Round::new(round.epoch(), round.view().next());
        let leaders = (self.leader(round), self.leader(next));
        self.diagnosis.ended(view, ending, leaders, self.wall.now_ms());
    }

    fn leader(&self, round: Round) -> Option<alloy_primitives::B256> {
        if round.view() == View::zero() {
            return None;
        }
        let leader: &PublicKey =
            self.scheme.participants().get(self.elector.elect(round, ()).into())?;
        Some(key_bytes(leader))
    }
}
