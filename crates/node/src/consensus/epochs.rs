//! One simplex engine after another: epochs.
//!
//! Every epoch has its own engine, journal partition and sub-channels, and ends at a fixed height.
//! When the last block of an epoch is delivered (and durable), in this order: the next committee is
//! read from the state, kept and made known, the peers are tracked, the new engine starts from the boundary block,
//! the old one is ended, and only then the block is acknowledged: a crash anywhere in between
//! repeats the whole. Then the boundary's certificate is pushed to all peers, since some of them
//! may still wait for it in an epoch that nobody votes in any more.
//!
//! Messages of an epoch that a peer has entered and this node hasn't are kept until it does (a
//! cold start would lose seconds otherwise), and tell it that it is late.

use std::{
    num::{NonZeroU16, NonZeroUsize},
    time::{Duration, SystemTime},
};

use commonware_consensus::{
    CertifiableAutomaton, Relay, Reporter,
    marshal::{Update, core::Mailbox, standard::Standard},
    simplex::{
        Plan,
        types::{Activity, Context},
    },
    types::{Epoch, Epocher, FixedEpocher, Height},
};
use commonware_cryptography::{Digested, ed25519::PublicKey};
use commonware_macros::select;
use commonware_p2p::{Blocker, Channel, Message, Sender};
use commonware_runtime::{Clock, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use commonware_utils::{Acknowledgement, NZU16, NZUsize, acknowledgement::Exact, vec::NonEmptyVec};
use futures::{StreamExt, channel::mpsc};
use rand_core::CryptoRng;

use super::{
    bell::Bell,
    block::OrderedBlock,
    channels::EngineChannels,
    committees::Committees,
    digest::Digest,
    engine::Active,
    evidence::Witness,
    exchange::key_bytes,
    freeze::Brake,
    heard::{Found, Heard, caught_up},
    idle::Progress,
    marker::{Guard, GuardError},
    peers::{Electorate, Peers, Standing, Tenure, Track, Tracking},
    scheme::Scheme,
    steady::Wall,
    stores::{Archive, StoreError},
};
use windlass_chain::governance::{Committee, SeatedValidator, seated, set_hash};

use crate::{
    seam::Ledger,
    status::{StatusBoard, StatusTip},
};

/// A page of the journals' cache, and how many there are.
pub(super) const PAGE_SIZE: NonZeroU16 = NZU16!(4_096);
pub(super) const PAGES: NonZeroUsize = NZUsize!(64);
/// Buffers of journals, in bytes.
pub(super) const BUFFER: NonZeroUsize = NZUsize!(16 * 1_024);

/// How long who has no seat any more keeps its connections: long enough to repeat what clients gave
/// it last.
const FAREWELL: Duration = Duration::from_secs(5);

/// p2p is opened anew by one validator after the other, so long apart, and by all within that time.
const TURN: Duration = Duration::from_millis(500);
const ALL_TURNS: Duration = Duration::from_secs(3);

/// How many epochs before the current one stay verifiable after a restart.
const REMEMBERED_EPOCHS: u64 = 16;

/// Why consensus ended.
#[derive(Debug, thiserror::Error)]
pub enum EpochError {
    /// The chain couldn't be read or written.
    #[error("the chain cannot be stored")]
    Store(#[source] StoreError),
    /// The block before an epoch isn't there.
    #[error("block {0}, which an epoch begins from, is missing")]
    Boundary(u64),
    /// Who votes in an epoch is neither kept nor in the state any more.
    #[error("the validators of epoch {0} are not known")]
    Validators(u64),
    /// A part of consensus ended by itself.
    #[error("{0} has ended")]
    Ended(&'static str),
    /// There are more peers than p2p was opened for.
    #[error("there are more nodes in the network than when this one started")]
    Outgrown,
    /// The epoch has this node by another of its identities.
    #[error("the epoch has this node by its node key {}", key_bytes(.0))]
    OtherIdentity(Box<PublicKey>),
    /// Peers are further than is fetched block by block: the node takes their state.
    #[error("peers claim to have block {claimed}: their state is taken")]
    FarBehind {
        /// The height that they claim.
        claimed: u64,
    },
    /// Whether this validator has voted before can't be found out.
    #[error("whether this validator may vote cannot be found out")]
    Guard(#[source] GuardError),
}

/// What marshal delivers, in order.
#[derive(Clone, Debug)]
pub struct Delivery {
    pub(super) queue: mpsc::UnboundedSender<Update<OrderedBlock>>,
}

impl Reporter for Delivery {
    type Activity = Update<OrderedBlock>;

    fn report(&mut self, update: Self::Activity) -> commonware_actor::Feedback {
        // marshal bounds what is not acknowledged, so the queue is short.
        match self.queue.unbounded_send(update) {
            Ok(()) => commonware_actor::Feedback::Ok,
            Err(_) => commonware_actor::Feedback::Closed,
        }
    }
}

/// Runs the epochs.
pub struct Epochs<E, L, S: Sender, B, A> {
    pub(super) context: E,
    pub(super) ledger: L,
    pub(super) archive: Archive<L>,
    pub(super) committees: Committees,
    pub(super) epocher: FixedEpocher,
    pub(super) marshal: Mailbox<Scheme, Standard<OrderedBlock>>,
    pub(super) application: A,
    pub(super) blocker: B,
    pub(super) channels: EngineChannels<S>,
    pub(super) deliveries: mpsc::UnboundedReceiver<Update<OrderedBlock>>,
    pub(super) progress: Progress,
    pub(super) brake: Brake,
    pub(super) heard: Heard,
    pub(super) status: StatusBoard,
    pub(super) wall: Wall,
    pub(super) boundary: Bell,
    /// Rung when an epoch became known.
    pub(super) learned: Bell,
    /// How many blocks are too many to fetch.
    pub(super) far_behind: Option<u64>,
    pub(super) letting_in: Track,
    /// The revision of the roster that p2p tracks.
    pub(super) tracked: Option<u64>,
    pub(super) due: Due,
    /// Whether the peers' tip was reached.
    pub(super) standing: Standing,
    pub(super) guard: Guard,
    pub(super) witness: Witness,
    pub(super) page_cache: CacheRef,
}

impl<E, L, S: Sender, B, A> std::fmt::Debug for Epochs<E, L, S, B, A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Epochs").finish_non_exhaustive()
    }
}

/// What is done at its time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Due {
    /// Those go who had a seat in the epoch before.
    farewell: Option<SystemTime>,
    /// p2p is opened anew, since there are more peers than it was opened for.
    outgrown: Option<SystemTime>,
}

/// What woke the loop.
enum Event {
    Update(Update<OrderedBlock>),
    Early(Which, (Channel, Message<PublicKey>)),
    FarewellOver,
    Outgrown,
    EngineEnded,
}

#[derive(Clone, Copy)]
enum Which {
    Votes,
    Certificates,
    Resolver,
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
    /// Makes the committees known that certificates may be of.
    pub async fn prepare(&mut self) -> Result<(), EpochError> {
        let epoch = self.epoch_above(self.ledger.tip().number);
        self.remember(epoch).await?;
        self.know(epoch).await?;
        self.track_peers().await
    }

    /// Runs until a part fails.
    pub async fn run(mut self) -> Result<(), EpochError> {
        let mut epoch = self.epoch_above(self.ledger.tip().number);
        self.wait_for_tip(&mut epoch).await?;
        let mut active = self.enter(epoch).await?;
        loop {
            match self.next(Some(&mut active)).await? {
                Event::EngineEnded => return Err(EpochError::Ended("the consensus engine")),
                Event::Outgrown => return Err(EpochError::Outgrown),
                Event::Early(which, message) => self.early(active.epoch, which, message),
                Event::FarewellOver => self.track_peers().await?,
                Event::Update(update) => {
                    let Some((block, acknowledgement)) = self.deliver(update).await? else {
                        continue;
                    };
                    if Some(block.0.number()) == self.last(active.epoch) {
                        let next = active.epoch.next();
                        self.know(next).await?;
                        self.due.farewell = Some(self.context.current() + FAREWELL);
                        active = self.enter(next).await?;
                    }
                    acknowledgement.acknowledge();
                }
            }
        }
    }

    /// Follows the chain without voting until the peers' tip is reached.
    async fn wait_for_tip(&mut self, epoch: &mut Epoch) -> Result<(), EpochError> {
        let (clock, ledger) = (self.context.child("patience"), self.ledger.clone());
        let (heard, committees, far) =
            (self.heard.clone(), self.committees.clone(), self.far_behind);
        let mut caught_up =
            Box::pin(async move { caught_up(&clock, &ledger, &heard, &committees, far).await });
        loop {
            // Dropping `next` loses nothing: it takes a message only when it returns it.
            let event = select! {
                event = self.next(None) => event?,
                found = &mut caught_up => return match found {
                    Found::Tip => Ok(()),
                    Found::FarBehind { claimed } => Err(EpochError::FarBehind { claimed }),
                },
            };
            match event {
                Event::EngineEnded => return Err(EpochError::Ended("the consensus engine")),
                Event::Outgrown => return Err(EpochError::Outgrown),
                Event::Early(which, message) => self.early(*epoch, which, message),
                Event::FarewellOver => self.track_peers().await?,
                Event::Update(update) => {
                    if let Some((block, acknowledgement)) = self.deliver(update).await? {
                        if Some(block.0.number()) == self.last(*epoch) {
                            *epoch = epoch.next();
                            self.know(*epoch).await?;
                            self.due.farewell = Some(self.context.current() + FAREWELL);
                            self.track_peers().await?;
                        }
                        acknowledgement.acknowledge();
                        // The tip may be reached now.
                        self.heard.bell.ring();
                    }
                }
            }
        }
    }

    async fn next(&mut self, active: Option<&mut Active>) -> Result<Event, EpochError> {
        let engine = async {
            match active {
                Some(active) => (&mut active.engine).await,
                None => std::future::pending().await,
            }
        };
        let at = async |due: Option<SystemTime>| match due {
            Some(due) => self.context.sleep_until(due).await,
            None => std::future::pending().await,
        };
        let (farewell, outgrown) = (at(self.due.farewell), at(self.due.outgrown));
        let closed = || EpochError::Ended("the network");
        // Cancel-safe: each branch takes a message only when it completes.
        let event = select! {
            update = self.deliveries.next() => {
                update.map(Event::Update).ok_or(EpochError::Ended("marshal"))
            },
            early = self.channels.votes.early.recv() => {
                early.map(|early| Event::Early(Which::Votes, early)).ok_or_else(closed)
            },
            early = self.channels.certificates.early.recv() => {
                early.map(|early| Event::Early(Which::Certificates, early)).ok_or_else(closed)
            },
            early = self.channels.resolver.early.recv() => {
                early.map(|early| Event::Early(Which::Resolver, early)).ok_or_else(closed)
            },
            () = farewell => Ok(Event::FarewellOver),
            () = outgrown => Ok(Event::Outgrown),
            _ = engine => Ok(Event::EngineEnded),
        };
        if matches!(event, Ok(Event::FarewellOver)) {
            self.due.farewell = None;
        }
        event
    }

    /// Keeps a message for an epoch that isn't entered yet; a sender in a later epoch has the
    /// boundary of this one.
    fn early(&mut self, current: Epoch, which: Which, message: (Channel, Message<PublicKey>)) {
        let (of, sender) = (message.0, message.1.0.clone());
        if of < current.get() {
            return;
        }
        if of > current.get()
            && let Some(last) = self.epocher.last(current)
        {
            self.marshal.hint_finalized(last, NonEmptyVec::new(sender));
        }
        match which {
            Which::Votes => self.channels.votes.keep(message),
            Which::Certificates => self.channels.certificates.keep(message),
            Which::Resolver => self.channels.resolver.keep(message),
        }
    }

    /// Takes an update; a block is durable when this returns, and to be acknowledged.
    async fn deliver(
        &mut self,
        update: Update<OrderedBlock>,
    ) -> Result<Option<(OrderedBlock, Exact)>, EpochError> {
        let (block, acknowledgement): (Digested<OrderedBlock>, Exact) = match update {
            Update::Tip(round, height, _) => {
                self.progress.finalized(round, Some(height.get()));
                let view = (round.epoch().get(), round.view().get());
                self.status.diagnosis().finalized(view, height.get());
                return Ok(None);
            }
            Update::Block(block, acknowledgement) => (block, acknowledgement),
        };
        let block = block.inner().clone();
        if block.0.number() > self.ledger.tip().number {
            self.archive.finalize(block.clone()).await.map_err(EpochError::Store)?;
            let lag = self.wall.now_ms().saturating_sub(block.0.timestamp_ms());
            tracing::debug!(number = block.0.number(), hash = %block.0.hash(), lag_ms = lag, "final");
        }
        let tip = self.ledger.tip();
        self.status.update(|status| {
            status.tip =
                StatusTip { number: tip.number, hash: tip.hash, timestamp_ms: tip.timestamp_ms };
        });
        if self.tracked != Some(self.ledger.governance_revision()) {
            self.track_peers().await?;
        }
        Ok(Some((block, acknowledgement)))
    }

    /// Has p2p let in whom the members name now, those who vote in the newest epoch, and of those who
    /// voted in the one before who has another identity now (it may still wait for what ended it) or
    /// has lost its seat a moment ago.
    pub(super) async fn track_peers(&mut self) -> Result<(), EpochError> {
        let (ledger, standing) = (self.ledger.clone(), self.standing);
        let newest = self.committees.newest();
        let electorate = |epoch: Epoch| Electorate {
            node_keys: self.committees.node_keys_of(epoch),
            elected_at: self.first(epoch) - 1,
            tenure: match self.due.farewell {
                _ if epoch == newest => Tenure::Now,
                Some(_) => Tenure::JustOver,
                None => Tenure::Over,
            },
        };
        let epochs = newest.previous().into_iter().chain([newest]);
        let epochs: Vec<_> = epochs.map(electorate).collect();
        let read =
            move || Ok((ledger.governance_revision(), Peers::read(&ledger, &epochs, standing)?));
        let (revision, peers) = self.archive.call(read).await.map_err(EpochError::Store)?;
        let committee = self.committees.node_keys();
        self.tracked = Some(revision);
        let all: Vec<_> = peers.named().map(|one| key_bytes(&one.node_key)).collect();
        self.status.set_peers(&committee.iter().map(key_bytes).collect::<Vec<_>>(), &all);
        match (self.letting_in)(&peers) {
            Tracking::Done => Ok(()),
            Tracking::Outgrown => {
                self.outgrow();
                Ok(())
            }
        }
    }

    /// p2p is to be opened anew, and this node answers nobody meanwhile: so the validators take turns.
    fn outgrow(&mut self) {
        let committee = self.committees.node_keys();
        let own = committee.iter().position(|key| key == self.committees.node_key());
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let turn = TURN.min(ALL_TURNS / count(committee.len()).max(1));
        let due = self.context.current() + turn * count(own.unwrap_or(committee.len()));
        self.due.outgrown.get_or_insert(due);
    }

    fn epoch_above(&self, height: u64) -> Epoch {
        let next = Height::new(height.saturating_add(1));
        self.epocher.containing(next).expect("no chain reaches the last epoch").epoch()
    }

    pub(super) fn last(&self, epoch: Epoch) -> Option<u64> {
        self.epocher.last(epoch).map(Height::get)
    }

    /// Makes the committee of an epoch known. It is kept when its first block is to come: the state
    /// after the tip has it then.
    async fn know(&self, epoch: Epoch) -> Result<(), EpochError> {
        let ledger = self.ledger.clone();
        let at_boundary = self.epoch_above(ledger.tip().number) == epoch
            && self.first(epoch) == ledger.tip().number + 1;
        let read = move || {
            if let Some(kept) = ledger.committee(epoch.get())? {
                return Ok(Some(kept));
            }
            if !at_boundary {
                return Ok(None);
            }
            let elected = ledger.next_validators()?;
            let hash = set_hash(&elected);
            let (mut seats, without) = seated(elected);
            for SeatedValidator { node_key, .. } in without {
                tracing::warn!(%node_key, "a validator's keys are none, or another's");
            }
            if seats.is_empty()
                && let Some(before) = epoch.previous()
                && let Some(kept) = ledger.committee(before.get())?
            {
                tracing::error!(%epoch, "nobody can have a seat: those of before keep theirs");
                seats = kept.seats;
            }
            let committee = Committee { hash, seats };
            ledger.keep_committee(epoch.get(), &committee)?;
            Ok(Some(committee))
        };
        let committee = self.archive.call(read).await.map_err(EpochError::Store)?;
        let committee = committee.ok_or(EpochError::Validators(epoch.get()))?;
        self.committees.learn(epoch, &committee);
        self.learned.ring();
        Ok(())
    }

    /// Makes the committees of the epochs before one known, for what peers still send of them.
    async fn remember(&self, epoch: Epoch) -> Result<(), EpochError> {
        for earlier in epoch.get().saturating_sub(REMEMBERED_EPOCHS)..epoch.get() {
            let ledger = self.ledger.clone();
            let kept = self.archive.call(move || ledger.committee(earlier)).await;
            if let Some(committee) = kept.map_err(EpochError::Store)? {
                self.committees.learn(Epoch::new(earlier), &committee);
            }
        }
        Ok(())
    }

    /// The first height of an epoch; the genesis belongs to none.
    fn first(&self, epoch: Epoch) -> u64 {
        let before = epoch.previous().and_then(|previous| self.last(previous));
        before.unwrap_or(0) + 1
    }
}
