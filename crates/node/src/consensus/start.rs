//! Puts the parts together, over any runtime and any network.

use std::{num::NonZeroU64, sync::Arc, time::Duration};

use commonware_broadcast::buffered;
use commonware_consensus::{
    marshal::{
        self, Start,
        core::Actor,
        resolver::p2p as backfill,
        standard::{Inline, Standard},
    },
    simplex,
    types::{FixedEpocher, ViewDelta},
};
use commonware_cryptography::{Digested, ed25519::PublicKey};
use commonware_p2p::{Blocker, Provider, Receiver, Sender, utils::mux::prefixed};
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use commonware_utils::{NZDuration, NZU64, NZUsize};
use futures::channel::mpsc;
use rand_core::CryptoRng;

use super::{
    application::ChainApplication,
    bell::Bell,
    block::{BlockLimit, MAX_BLOCK_BYTES, OrderedBlock},
    channels::EngineChannels,
    committees::Committees,
    digest::Digest,
    epochs::{BUFFER, Delivery, EpochError, Epochs, PAGE_SIZE, PAGES, Track},
    exchange::{Connected, Exchange, Heard, max_announcement_size},
    freeze::Brake,
    idle::{self, Progress},
    marker::Marker,
    scheme::Scheme,
    stores::{Archive, BlockArchive, CertificateArchive, StoreError},
    work::Work,
};
use crate::{
    config::MAX_VALIDATORS,
    gossip::{self, Gossip},
    seam::Ledger,
    status::StatusBoard,
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
}

/// What every validator of a network has in common, from the genesis.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Blocks an epoch; at least 2.
    pub epoch_length: NonZeroU64,
    /// The least time between two blocks.
    pub block_interval: Duration,
}

/// What consensus is made of.
pub struct Parts<L, B, P> {
    /// The chain and its pool.
    pub ledger: L,
    /// Where the ledger's calls run.
    pub work: Work,
    /// What the names of this node's storage partitions begin with.
    pub partitions: String,
    /// This node's identity, voting key and fellow validators.
    pub committees: Committees,
    /// From the genesis.
    pub settings: Settings,
    /// Cuts off a peer that breaks the protocol.
    pub blocker: B,
    /// Tells the tracked peers.
    pub peers: P,
    /// Has p2p track an epoch's validators.
    pub track: Track,
    /// Who is connected.
    pub connected: Connected,
    /// Remembers the epochs voted in.
    pub marker: Arc<dyn Marker>,
    /// Where the node tells how it is.
    pub status: StatusBoard,
}

impl<L, B, P> std::fmt::Debug for Parts<L, B, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Why consensus didn't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The chain couldn't be read.
    #[error("the chain cannot be read")]
    Store(#[source] StoreError),
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
#[expect(clippy::too_many_lines, reason = "it only wires the parts, each named once")]
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
    let Parts {
        ledger,
        work,
        partitions,
        committees,
        settings,
        blocker,
        peers,
        track,
        connected,
        marker,
        status,
    } = parts;
    if settings.epoch_length.get() < 2 {
        return Err(StartError::EpochLength(settings.epoch_length.get()));
    }
    let epocher = FixedEpocher::new(settings.epoch_length);
    let archive = Archive::open(ledger.clone(), work.clone()).map_err(StartError::Store)?;
    let bell = Bell::default();
    ledger.on_change({
        let bell = bell.clone();
        Arc::new(move || bell.ring())
    });
    let progress = Progress::new(bell.clone(), ledger.tip().number);
    let page_cache = CacheRef::new(PAGE_SIZE, PAGES);

    let genesis = OrderedBlock(ledger.genesis());
    let digest = Digest::from(genesis.0.hash());
    let (actor, mailbox, _floor) = Actor::<_, Standard<OrderedBlock>, _, _, _, _, _>::init(
        context.child("marshal"),
        CertificateArchive(archive.clone()),
        BlockArchive(archive.clone()),
        marshal::Config {
            provider: committees.clone(),
            epocher: epocher.clone(),
            start: Start::Genesis(Digested::precomputed(genesis, digest)),
            partition_prefix: format!("{partitions}marshal"),
            mailbox_size: NZUsize!(1_024),
            view_retention: ViewDelta::new(64),
            prunable_items_per_section: NZU64!(64),
            page_cache: page_cache.clone(),
            replay_buffer: BUFFER,
            key_write_buffer: BUFFER,
            value_write_buffer: BUFFER,
            block_codec_config: BlockLimit(MAX_BLOCK_BYTES),
            max_repair: NZUsize!(32),
            max_pending_acks: NZUsize!(8),
            strategy: Sequential,
        },
    )
    .await;

    let me = committees.node_key().clone();
    let resolver = backfill::init(
        context.child("backfill"),
        backfill::Config {
            public_key: me.clone(),
            peer_provider: peers.clone(),
            blocker: blocker.clone(),
            mailbox_size: NZUsize!(256),
            fetch_timeout: NZDuration!(Duration::from_secs(2)),
            fetch_retry_delay: Duration::from_millis(50),
            priority_requests: false,
            priority_responses: false,
        },
        channels.backfill,
    );
    let (buffer_engine, buffer) = buffered::Engine::new(
        context.child("blocks"),
        buffered::Config {
            public_key: me,
            mailbox_size: NZUsize!(256),
            deque_size: 4,
            priority: false,
            codec_config: BlockLimit(MAX_BLOCK_BYTES),
            peer_provider: peers,
            strategy: Sequential,
        },
    );
    let (queue, deliveries) = mpsc::unbounded();
    let mut rest = vec![buffer_engine.start(channels.blocks)];
    rest.push(actor.start(Delivery { queue }, buffer, resolver));

    let application = ChainApplication::new(
        ledger.clone(),
        work.clone(),
        progress.clone(),
        bell.clone(),
        settings.block_interval,
    );
    let inline =
        Inline::new(context.child("inline"), application, mailbox.clone(), epocher.clone());
    let heard = Heard::new(bell.clone());
    let boundary = Bell::default();
    let brake = Brake::default();

    let exchange = Exchange {
        context: context.child("exchange"),
        ledger: ledger.clone(),
        archive: archive.clone(),
        committees: committees.clone(),
        epocher: epocher.clone(),
        marshal: mailbox.clone(),
        sender: channels.tips.0,
        blocker: blocker.clone(),
        connected,
        heard: heard.clone(),
        status: status.clone(),
        boundary: boundary.clone(),
    };
    rest.push(context.child("tips").spawn(move |_| exchange.run(channels.tips.1)));
    let gossip = Gossip {
        context: context.child("gossip"),
        ledger: ledger.clone(),
        work,
        sender: channels.transactions.0,
        blocker: blocker.clone(),
        bell,
        heard: heard.clone(),
    };
    rest.push(context.child("transactions").spawn(move |_| gossip.run(channels.transactions.1)));
    let watch = idle::watch(
        context.child("brake"),
        ledger.clone(),
        progress.clone(),
        brake.clone(),
        status.clone(),
    );
    rest.push(context.child("idle").spawn(move |_| watch));

    let engine_channels =
        EngineChannels::start(&context, channels.votes, channels.certificates, channels.resolver);
    let epochs = Epochs {
        context: context.child("epochs"),
        ledger,
        archive,
        committees,
        epocher,
        marshal: mailbox,
        application: inline,
        blocker,
        partitions,
        channels: engine_channels,
        deliveries,
        progress,
        brake,
        heard,
        status,
        boundary,
        track,
        marker,
        block_interval: settings.block_interval,
        page_cache,
    };
    let epochs = context.child("driver").spawn(move |_| epochs.run());
    Ok(Consensus { epochs, rest })
}
