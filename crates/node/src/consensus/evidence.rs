//! Validators that vote twice: what proves it is verified, kept and told.
//!
//! The engine reports votes of one validator that contradict each other, and cuts it off. Whether
//! their signatures hold is for whoever is told to find out. Votes are tracked for the views of
//! `view_retention` (64), two of a validator and view; of the evidence the ledger keeps
//! [`windlass_chain::MAX_EVIDENCE_OF_ONE`] pieces of a validator.

use commonware_codec::Encode;
use commonware_consensus::{
    Epochable, Viewable,
    simplex::types::{Activity, Attributable},
    types::{Epoch, View},
};
use commonware_parallel::Sequential;
use commonware_utils::Participant;
use futures::{StreamExt, channel::mpsc};
use rand_core::CryptoRng;
use windlass_chain::Evidence;

use super::{
    committees::Committees, digest::Digest, scheme::Scheme, steady::Wall, stores::Archive,
};
use crate::{seam::Ledger, status::StatusBoard};

/// How much evidence may wait to be verified; more is dropped, and seen again if it goes on.
const WAITING: usize = 64;

/// Where the engine's reports of contradictions go. A clone is another handle on the same.
#[derive(Clone, Debug)]
pub struct Witness {
    queue: mpsc::Sender<Activity<Scheme, Digest>>,
}

/// What a contradiction is about.
struct Contradiction {
    epoch: Epoch,
    view: View,
    signer: Participant,
    kind: u8,
}

impl Witness {
    /// A witness, and what it has seen.
    pub fn new() -> (Self, mpsc::Receiver<Activity<Scheme, Digest>>) {
        let (queue, seen) = mpsc::channel(WAITING);
        (Self { queue }, seen)
    }

    /// Takes note of a report, if it is one of a contradiction.
    pub fn note(&mut self, activity: &Activity<Scheme, Digest>) {
        if contradiction(activity).is_some() && self.queue.try_send(activity.clone()).is_err() {
            tracing::warn!("more contradictory votes come than can be verified");
        }
    }
}

/// Keeps evidence.
pub struct Keeper<L> {
    /// Whose votes they may be.
    pub committees: Committees,
    /// Where it is kept.
    pub archive: Archive<L>,
    /// Where it is told.
    pub status: StatusBoard,
    /// When it was seen.
    pub wall: Wall,
}

impl<L> std::fmt::Debug for Keeper<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl<L: Ledger> Keeper<L> {
    /// Verifies what was seen and keeps what holds, until nothing more can be seen.
    pub async fn keep<E: CryptoRng>(
        self,
        mut context: E,
        mut seen: mpsc::Receiver<Activity<Scheme, Digest>>,
    ) {
        while let Some(activity) = seen.next().await {
            let Some(found) = contradiction(&activity) else { continue };
            let Some(scheme) = self.committees.of(found.epoch) else { continue };
            if !activity.verify(&mut context, scheme.as_ref(), &Sequential) {
                tracing::debug!(epoch = %found.epoch, "contradictory votes whose signatures don't hold");
                continue;
            }
            let Some(seat) = scheme.seat(found.signer) else { continue };
            tracing::error!(node_key = %seat.node_key, epoch = %found.epoch, view = %found.view, "a validator voted twice");
            let evidence = Evidence {
                epoch: found.epoch.get(),
                view: found.view.get(),
                node_key: seat.node_key,
                consensus_key: seat.consensus_key,
                kind: found.kind,
                votes: activity.encode().into(),
                seen_at_ms: self.wall.now_ms(),
            };
            match self.archive.keep_evidence(evidence).await {
                Ok(true) => self.status.update(|status| status.evidence += 1),
                Ok(false) => {}
                Err(error) => tracing::error!(%error, "evidence could not be kept"),
            }
        }
    }
}

fn contradiction(activity: &Activity<Scheme, Digest>) -> Option<Contradiction> {
    fn of<T: Attributable + Epochable + Viewable>(votes: &T, kind: u8) -> Contradiction {
        Contradiction { epoch: votes.epoch(), view: votes.view(), signer: votes.signer(), kind }
    }
    match activity {
        Activity::ConflictingNotarize(votes) => Some(of(votes, 0)),
        Activity::ConflictingFinalize(votes) => Some(of(votes, 1)),
        Activity::NullifyFinalize(votes) => Some(of(votes, 2)),
        Activity::Notarize(_)
        | Activity::Notarization(_)
        | Activity::Certification(_)
        | Activity::Nullify(_)
        | Activity::Nullification(_)
        | Activity::Finalize(_)
        | Activity::Finalization(_) => None,
    }
}
