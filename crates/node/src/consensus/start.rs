//! Puts the parts together, over any runtime and any network.

use std::{num::NonZeroU64, sync::Arc};

use commonware_consensus::{
    Epochable,
    marshal::{
        self,
        core::Mailbox,
        standard::{Inline, Standard},
    },
    simplex::{self, types::Activity},
    types::FixedEpocher,
};
use commonware_cryptography::ed25519::PublicKey;
use commonware_p2p::{Blocker, Provider, Receiver, Sender, utils::mux::prefixed};
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use futures::channel::mpsc;
use rand_core::CryptoRng;

use super::{
    announcement::max_announcement_size,
    application::ChainApplication,
    bell::Bell,
    block::{BlockLimit, MAX_BLOCK_BYTES, OrderedBlock},
    blocking::Counted,
    channels::EngineChannels,
    committees::Committees,
    digest::Digest,
    epochs::{Delivery, Due, EpochError, Epochs, PAGE_SIZE, PAGES},
    evidence::{self, Witness},
    exchange::{Connected, Exchange},
    freeze::Brake,
    heard::Heard,
    idle::{self, Progress},
    marker::{Guard, VotingKey},
    marshal::Marshal,
    peers::{Standing, Track},
    scheme::Scheme,
    steady::Wall,
    stores::{Archive, Finalization, StoreError},
    work::Work,
};
use crate::{
    config::MAX_VALIDATORS,
    diagnosis::Subject,
    gossip::{self, Gossip},
    outgoing::Outgoing,
    seam::Ledger,
    status::StatusBoard,
    sync::Desk,
};

/// A channel to the peers for each purpose.
#[derive(Debug)]
pub struct Channels<S, R> {
    /// Votes.
    pub votes: (S, R),
    /// Certificates.
    pub certificates: (S, R),
    /// The engine's requests for certificates.
    pub resolver: (S, R),
    /// Blocks that are proposed.
    pub blocks: (S, R),
    /// marshal's requests for blocks.
    pub backfill: (S, R),
    /// Tips.
    pub tips: (S, R),
    /// Transactions.
    pub transactions: (S, R),
    /// State, for those who join, and earlier blocks.
    pub state: (S, R),
}

/// What a node goes by beside the chain.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Blocks an epoch; at least 2.
    pub epoch_length: NonZeroU64,
    /// A node that starts more blocks behind than this ends with [`EpochError::FarBehind`], to take
    /// its peers' state.
    pub far_behind: Option<u64>,
}

/// What consensus is made of.
pub struct Parts<L, B, P> {
    /// The chain and its pool.
    pub ledger: L,
    /// Where the ledger's calls run.
    pub work: Work,
    /// Where those run that serve nodes that join.
    pub serving: Work,
    /// What the names of this node's storage partitions begin with.
    pub partitions: String,
    /// The p2p identity that this node goes by.
    pub node_key: PublicKey,
    /// Those that it can have instead: one while its node key is replaced.
    pub other_node_keys: Vec<PublicKey>,
    /// What it can vote with: two keys while one replaces the other.
    pub voting_keys: Vec<VotingKey>,
    /// From the genesis.
    pub settings: Settings,
    /// Cuts off a peer that breaks the protocol.
    pub blocker: B,
    /// Tells the tracked peers.
    pub peers: P,
    /// Has p2p let in whom the members name.
    pub track: Track,
    /// Who is connected.
    pub connected: Connected,
    /// Where the node tells how it is.
    pub status: StatusBoard,
    /// The time of day; timeouts are measured on the context's clock, which nobody may set.
    pub wall: Wall,
}

impl<L, B, P> std::fmt::Debug for Parts<L, B, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<L: Ledger, B, P> Parts<L, B, P> {
    fn committees(&self) -> Committees {
        let signers = self.voting_keys.iter().map(|key| key.signer.clone()).collect();
        let (node_key, others) = (self.node_key.clone(), self.other_node_keys.clone());
        Committees::new(self.ledger.genesis().hash(), node_key, others, signers)
    }
}

/// Why consensus didn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The chain couldn't be read.
    #[error("the chain cannot be read")]
    Store(#[source] StoreError),
    /// Who votes now can't be found out.
    #[error("the validators cannot be read")]
    Epoch(#[source] EpochError),
    /// An epoch must have two blocks at least.
    #[error("an epoch of {0} block is too short")]
    EpochLength(u64),
}

/// The running consensus; ends when it is dropped.
pub struct Consensus {
    /// Ends only by a failure.
    pub epochs: Handle<Result<(), EpochError>>,
    rest: Vec<Handle<()>>,
}

impl std::fmt::Debug for Consensus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consensus").finish_non_exhaustive()
    }
}

impl Consensus {
    /// Stops every part of it.
    pub fn abort(&self) {
        self.epochs.abort();
        for handle in &self.rest {
            handle.abort();
        }
    }
}

impl Drop for Consensus {
    fn drop(&mut self) {
        self.abort();
    }
}

/// The largest message on any channel: what p2p must admit, the same on every node.
pub fn max_message_size() -> u32 {
    let validators = u32::try_from(MAX_VALIDATORS).expect("a small number");
    let limit = BlockLimit(MAX_BLOCK_BYTES);
    commonware_p2p::max_message_size(&[
        prefixed(simplex::max_payload_size::<Scheme, Digest>(validators)),
        marshal::max_payload_size::<Standard<OrderedBlock>, Scheme>(validators, &limit),
        max_announcement_size(),
        gossip::MAX_MESSAGE_BYTES,
    ])
}

/// Starts consensus.
pub async fn start<E, L, S, R, B, P>(
    context: E,
    parts: Parts<L, B, P>,
    channels: Channels<S, R>,
) -> Result<Consensus, StartError>
where
    E: Clock + CryptoRng + Spawner + Storage + Metrics,
    L: Ledger,
    S: Sender<PublicKey = PublicKey>,
    R: Receiver<PublicKey = PublicKey>,
    B: Blocker<PublicKey = PublicKey> + Sync,
    P: Provider<PublicKey = PublicKey>,
{
    let (settings, blocker) = (parts.settings, parts.blocker.clone());
    if settings.epoch_length.get() < 2 {
        return Err(StartError::EpochLength(settings.epoch_length.get()));
    }
    let epocher = FixedEpocher::new(settings.epoch_length);
    let archive =
        Archive::open(parts.ledger.clone(), parts.work.clone()).map_err(StartError::Store)?;
    let page_cache = CacheRef::new(PAGE_SIZE, PAGES);
    let committees = parts.committees();
    let floor = floor(&archive, &committees).await.map_err(StartError::Store)?;
    let marshal = Marshal {
        ledger: &parts.ledger,
        floor,
        archive: archive.clone(),
        committees: committees.clone(),
        epocher: epocher.clone(),
        partitions: &parts.partitions,
        page_cache: page_cache.clone(),
        blocker: Counted::new(blocker.clone(), Subject::Blocks, parts.status.diagnosis()),
        peers: parts.peers.clone(),
    };
    let (queue, deliveries) = mpsc::unbounded();
    let delivery = Delivery { queue };
    let backfill = Outgoing::resolving(channels.backfill);
    let (marshal, mut rest) = marshal.start(&context, delivery, channels.blocks, backfill).await;
    let shared = Shared::new(&parts, committees, epocher, archive, marshal);
    let application = shared.application(&context);
    let (witness, seen) = Witness::new();
    let mut epochs = Epochs {
        context: context.child("epochs"),
        ledger: shared.ledger.clone(),
        archive: shared.archive.clone(),
        committees: shared.committees.clone(),
        epocher: shared.epocher.clone(),
        marshal: shared.marshal.clone(),
        application,
        blocker: Counted::new(blocker.clone(), Subject::Votes, shared.status.diagnosis()),
        channels: EngineChannels::start(
            &context,
            channels.votes,
            channels.certificates,
            channels.resolver,
        ),
        deliveries,
        progress: shared.progress.clone(),
        brake: shared.brake.clone(),
        heard: shared.heard.clone(),
        status: shared.status.clone(),
        wall: shared.wall.clone(),
        boundary: shared.boundary.clone(),
        learned: shared.learned.clone(),
        far_behind: settings.far_behind,
        letting_in: parts.track,
        tracked: None,
        due: Due::default(),
        standing: Standing::Behind,
        witness,
        guard: Guard { keys: parts.voting_keys, partitions: parts.partitions },
        page_cache,
    };
    // What peers announce is proven by these.
    Box::pin(epochs.prepare()).await.map_err(StartError::Epoch)?;
    rest.push(shared.exchange(&context, blocker.clone(), parts.connected, channels.tips));
    rest.push(shared.gossip(&context, blocker.clone(), channels.transactions));
    rest.push(shared.desk(&context, blocker, parts.serving, Outgoing::answering(channels.state)));
    rest.push(shared.watch(&context));
    rest.push(shared.witness(&context, seen));
    let epochs = context.child("driver").spawn(move |_| epochs.run());
    Ok(Consensus { epochs, rest })
}

/// The certificate of the block that the ledger began with, where that is not the genesis; those who
/// signed it are made known.
async fn floor<L: Ledger>(
    archive: &Archive<L>,
    committees: &Committees,
) -> Result<Option<Finalization>, StoreError> {
    let Some(floor) = archive.floor().await? else { return Ok(None) };
    if let Some(committee) = archive.committee(floor.epoch()).await? {
        committees.learn(floor.epoch(), &committee);
    }
    Ok(Some(floor))
}

/// What the tasks have in common.
struct Shared<L> {
    ledger: L,
    work: Work,
    archive: Archive<L>,
    committees: Committees,
    epocher: FixedEpocher,
    marshal: Mailbox<Scheme, Standard<OrderedBlock>>,
    status: StatusBoard,
    wall: Wall,
    /// Rung when there is work, and when the tip or a view moves.
    bell: Bell,
    progress: Progress,
    heard: Heard,
    /// Rung when an epoch is entered.
    boundary: Bell,
    /// Rung when an epoch became known.
    learned: Bell,
    brake: Brake,
}

impl<L: Ledger> Shared<L> {
    fn new<B, P>(
        parts: &Parts<L, B, P>,
        committees: Committees,
        epocher: FixedEpocher,
        archive: Archive<L>,
        marshal: Mailbox<Scheme, Standard<OrderedBlock>>,
    ) -> Self {
        let bell = Bell::default();
        parts.ledger.on_change({
            let bell = bell.clone();
            Arc::new(move || bell.ring())
        });
        Self {
            ledger: parts.ledger.clone(),
            work: parts.work.clone(),
            archive,
            committees,
            epocher,
            marshal,
            status: parts.status.clone(),
            wall: parts.wall.clone(),
            progress: Progress::new(bell.clone(), parts.ledger.tip().number),
            heard: Heard::new(bell.clone()),
            bell,
            boundary: Bell::default(),
            learned: Bell::default(),
            brake: Brake::default(),
        }
    }

    /// The chain's side of simplex.
    fn application<E: Clock + CryptoRng + Spawner + Storage + Metrics>(
        &self,
        context: &E,
    ) -> Inline<E, Scheme, ChainApplication<L>, OrderedBlock, FixedEpocher> {
        let application = ChainApplication::new(
            self.ledger.clone(),
            self.work.clone(),
            self.committees.clone(),
            self.progress.clone(),
            self.wall.clone(),
        )
        .telling(self.status.diagnosis().clone());
        let (marshal, epocher) = (self.marshal.clone(), self.epocher.clone());
        Inline::new(context.child("inline"), application, marshal, epocher)
    }

    /// The exchange of tips.
    fn exchange<E, S, R, B>(
        &self,
        context: &E,
        blocker: B,
        connected: Connected,
        (sender, receiver): (S, R),
    ) -> Handle<()>
    where
        E: Clock + CryptoRng + Spawner + Metrics,
        S: Sender<PublicKey = PublicKey>,
        R: Receiver<PublicKey = PublicKey>,
        B: Blocker<PublicKey = PublicKey> + Sync,
    {
        let exchange = Exchange {
            context: context.child("exchange"),
            ledger: self.ledger.clone(),
            archive: self.archive.clone(),
            committees: self.committees.clone(),
            epocher: self.epocher.clone(),
            marshal: self.marshal.clone(),
            sender,
            blocker: Counted::new(blocker, Subject::Tips, self.status.diagnosis()),
            connected,
            heard: self.heard.clone(),
            status: self.status.clone(),
            wall: self.wall.clone(),
            boundary: self.boundary.clone(),
            learned: self.learned.clone(),
        };
        context.child("tips").spawn(move |_| exchange.run(receiver))
    }

    /// The gossip of transactions.
    fn gossip<E, S, R, B>(&self, context: &E, blocker: B, (sender, receiver): (S, R)) -> Handle<()>
    where
        E: Clock + Spawner + Metrics,
        S: Sender<PublicKey = PublicKey>,
        R: Receiver<PublicKey = PublicKey>,
        B: Blocker<PublicKey = PublicKey> + Sync,
    {
        let gossip = Gossip {
            context: context.child("gossip"),
            ledger: self.ledger.clone(),
            work: self.work.clone(),
            sender,
            blocker: Counted::new(blocker, Subject::Transactions, self.status.diagnosis()),
            bell: self.bell.clone(),
            heard: self.heard.clone(),
        };
        context.child("transactions").spawn(move |_| gossip.run(receiver))
    }

    /// The desk for those who join.
    fn desk<E, S, R, B>(
        &self,
        context: &E,
        blocker: B,
        work: Work,
        (sender, receiver): (S, R),
    ) -> Handle<()>
    where
        E: Clock + Spawner + Metrics,
        S: Sender<PublicKey = PublicKey>,
        R: Receiver<PublicKey = PublicKey>,
        B: Blocker<PublicKey = PublicKey> + Sync,
    {
        let desk = Desk {
            context: context.child("desk"),
            ledger: self.ledger.clone(),
            work,
            sender,
            blocker: Counted::new(blocker, Subject::State, self.status.diagnosis()),
            heard: self.heard.clone(),
            status: self.status.clone(),
        };
        context.child("state").spawn(move |_| desk.run(receiver))
    }

    /// The keeper of evidence.
    fn witness<E>(&self, context: &E, seen: mpsc::Receiver<Activity<Scheme, Digest>>) -> Handle<()>
    where
        E: Clock + CryptoRng + Spawner + Metrics,
    {
        let keeper = evidence::Keeper {
            committees: self.committees.clone(),
            archive: self.archive.clone(),
            status: self.status.clone(),
            wall: self.wall.clone(),
        };
        context.child("evidence").spawn(move |context| keeper.keep(context, seen))
    }

    /// The watch over the engine's clock.
    fn watch<E: Clock + Spawner + Metrics>(&self, context: &E) -> Handle<()> {
        let (ledger, committees) = (self.ledger.clone(), self.committees.clone());
        let watch = idle::watch(
            context.child("brake"),
            move || ledger.has_work() || committees.are_to_change(&ledger),
            self.progress.clone(),
            self.brake.clone(),
            self.status.clone(),
        );
        context.child("idle").spawn(move |_| watch)
    }
}
