//! The engine of one epoch: from where it starts, and whether this validator votes in it.

use std::{sync::Arc, time::Duration};

use commonware_consensus::{
    CertifiableAutomaton, Relay, Reporter,
    simplex::{
        self, Floor, ForwardPolicy, Plan, SkipPolicy,
        elector::RoundRobin,
        types::{Activity, Context},
    },
    types::{Epoch, Round, View, ViewDelta},
};
use commonware_cryptography::{Sha256, ed25519::PublicKey};
use commonware_p2p::{Blocker, Sender};
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage};
use commonware_utils::{NZDuration, NZUsize};
use rand_core::CryptoRng;

use super::{
    digest::Digest,
    epochs::{BUFFER, EpochError, Epochs},
    exchange::key_bytes,
    freeze::Braked,
    idle::Observer,
    marker::Admission,
    peers::Standing,
    scheme::{Scheme, Voting},
    scribe::Scribe,
};
use crate::seam::Ledger;

/// Time limits of a view.
const LEADER_TIMEOUT: Duration = Duration::from_millis(800);
const CERTIFICATION_TIMEOUT: Duration = Duration::from_millis(1_400);
const RETRY: Duration = Duration::from_secs(1);
/// When an engine has opened its journal for sure.
const OPENING: Duration = Duration::from_secs(5);

/// The running engine.
pub(super) struct Active {
    pub(super) epoch: Epoch,
    pub(super) engine: Handle<()>,
}

impl Drop for Active {
    fn drop(&mut self) {
        self.engine.abort();
    }
}

impl<E, L, S, B, A> Epochs<E, L, S, B, A>
where
    E: Clock + CryptoRng + Spawner + Storage + Metrics,
    L: Ledger,
    S: Sender<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey> + Sync,
    A: CertifiableAutomaton<Context = Context<Digest, PublicKey>, Digest = Digest>
        + Relay<Digest = Digest, PublicKey = PublicKey, Plan = Plan<PublicKey>>
        + Reporter<Activity = Activity<Scheme, Digest>>,
{
    /// Starts an epoch's engine.
    ///
    /// Where the epoch has this node by another of its identities, nothing is begun: what this one
    /// would write in the epoch's journal is no vote of the validator's.
    pub(super) async fn enter(&mut self, epoch: Epoch) -> Result<Active, EpochError> {
        if let Some(key) = self.committees.other_identity(epoch) {
            return Err(EpochError::OtherIdentity(Box::new(key)));
        }
        let (floor, from) = self.floor(epoch).await?;
        let voting = self.may_vote(epoch).await?;
        let scheme =
            self.committees.enter(epoch, voting).ok_or(EpochError::Validators(epoch.get()))?;
        let validators = self.committees.node_keys();
        if self.ledger.tip().number >= self.heard.highest(&validators) {
            self.standing = Standing::AtTip;
        }
        self.track_peers().await?;
        let interval_ms = self.ledger.min_block_interval_ms();
        let interval = Duration::from_millis(interval_ms);
        let diagnosis = self.status.diagnosis().clone();
        let wall = self.wall.clone();
        let scribe = Scribe::new(diagnosis, Arc::clone(&scheme), wall, (epoch, from));
        let context = self.context.child("engine").with_attribute("epoch", epoch);
        let engine = simplex::Engine::new(
            Braked::new(context, self.brake.clone()),
            simplex::Config {
                scheme: scheme.as_ref().clone(),
                elector: RoundRobin::<Sha256>::default(),
                blocker: self.blocker.clone(),
                automaton: self.application.clone(),
                relay: self.application.clone(),
                reporter: Observer {
                    progress: self.progress.clone(),
                    witness: self.witness.clone(),
                    scribe,
                    next: self.application.clone(),
                },
                track_historical_votes: true,
                strategy: Sequential,
                partition: self.guard.journal(epoch),
                mailbox_size: NZUsize!(1_024),
                epoch,
                floor,
                replay_buffer: BUFFER,
                write_buffer: BUFFER,
                page_cache: self.page_cache.clone(),
                leader_timeout: LEADER_TIMEOUT + interval,
                certification_timeout: CERTIFICATION_TIMEOUT + interval,
                timeout_retry: RETRY,
                view_retention: ViewDelta::new(64),
                skip: SkipPolicy::Disabled,
                fetch_timeout: NZDuration!(Duration::from_secs(1)),
                fetch_retry_delay: Duration::from_millis(50),
                forward: ForwardPolicy::SilentVoters,
            },
        );
        let ended = || EpochError::Ended("the network");
        let votes = self.channels.votes.open(epoch).await.ok_or_else(ended)?;
        let certificates = self.channels.certificates.open(epoch).await.ok_or_else(ended)?;
        let resolver = self.channels.resolver.open(epoch).await.ok_or_else(ended)?;
        let engine = engine.start(votes, certificates, resolver);
        self.progress.entered(epoch, interval_ms);
        self.boundary.ring();
        tracing::info!(%epoch, tip = self.ledger.tip().number, "entered an epoch");
        if let Some(old) = epoch.previous().and_then(Epoch::previous) {
            self.forget(old);
        }
        Ok(Active { epoch, engine })
    }

    /// Removes the journal of an epoch that nobody votes in any more: its record is newer. Not at
    /// once, since the storage does one such thing at a time and waits for the disk in it, and the
    /// engine that has just started opens its own.
    fn forget(&self, epoch: Epoch) {
        let partitions = self.guard.partitions_of(epoch);
        self.context.child("forget").spawn(|context| async move {
            context.sleep(OPENING).await;
            for partition in partitions {
                // Most often it is absent: this node followed then, or has removed it before.
                let _absent = context.remove(&partition, None).await;
            }
        });
    }

    /// Where an epoch's engine starts from, and in which view that was decided.
    async fn floor(&self, epoch: Epoch) -> Result<(Floor<Scheme, Digest>, Round), EpochError> {
        let before = match epoch.previous() {
            Some(previous) => self.last(previous).unwrap_or(0),
            None => 0,
        };
        let newest = self.archive.newest_certificate().await.map_err(EpochError::Store)?;
        if let Some((height, certificate)) = newest
            && height > before
            && certificate.proposal.round.epoch() == epoch
        {
            let from = certificate.proposal.round;
            return Ok((Floor::Finalized(certificate), from));
        }
        let boundary = self.archive.block(before).await.map_err(EpochError::Store)?;
        let boundary = boundary.ok_or(EpochError::Boundary(before))?;
        Ok((Floor::Genesis(boundary.hash().into()), Round::new(epoch, View::zero())))
    }

    /// Whether this validator votes in an epoch; where not, its status says why.
    async fn may_vote(&mut self, epoch: Epoch) -> Result<Voting, EpochError> {
        let reason = match self.committees.consensus_key(epoch) {
            None => Some("this node is not a validator in this epoch; it follows".to_owned()),
            Some(key) => {
                let admitted = self.guard.admit(&mut self.context, epoch, &key).await;
                match admitted.map_err(EpochError::Guard)? {
                    Admission::Votes => None,
                    Admission::NoKey => Some(
                        "the members gave this validator another consensus key than its own; it \
                         follows"
                            .to_owned(),
                    ),
                    Admission::JournalLost => Some(format!(
                        "this validator's consensus journal of epoch {epoch} is missing; to never \
                         vote twice, it follows in silence until the next epoch"
                    )),
                }
            }
        };
        if let Some(reason) = &reason {
            tracing::warn!(reason);
        }
        let voting = if reason.is_none() { Voting::On } else { Voting::Off };
        let seat = self.committees.consensus_key(epoch);
        self.status.update(|status| {
            status.seated = seat.is_some();
            status.not_voting = reason;
            if let Some(key) = seat.filter(|_| voting == Voting::On) {
                status.consensus_key = key_bytes(&key);
            }
        });
        Ok(voting)
    }
}
