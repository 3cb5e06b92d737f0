//! marshal and what it needs: blocks are spread by the proposer, fetched from peers where they are
//! missing, put in order, and delivered with their certificates.

use std::time::Duration;

use commonware_broadcast::buffered;
use commonware_consensus::{
    marshal::{
        self, Start,
        core::{Actor, Mailbox},
        resolver::p2p as backfill,
        standard::Standard,
    },
    types::{FixedEpocher, ViewDelta},
};
use commonware_cryptography::{Digested, ed25519::PublicKey};
use commonware_p2p::{Blocker, Provider, Receiver, Sender};
use commonware_parallel::Sequential;
use commonware_runtime::{Clock, Handle, Metrics, Spawner, Storage, buffer::paged::CacheRef};
use commonware_utils::{NZDuration, NZU64, NZUsize};
use rand_core::CryptoRng;

use super::{
    block::{BlockLimit, MAX_BLOCK_BYTES, OrderedBlock},
    committees::Committees,
    digest::Digest,
    epochs::{BUFFER, Delivery},
    scheme::Scheme,
    stores::{Archive, BlockArchive, CertificateArchive, Finalization},
};
use crate::seam::Ledger;

/// What the names of marshal's partitions begin with, beneath what all of a node's do. Nobody is told of
/// anything in them but by votes and certificates that are journalled later, so that they are unhurried.
pub(crate) fn partitions(of_node: &str) -> String {
    format!("{of_node}marshal")
}

/// What marshal is made of.
pub(super) struct Marshal<'a, L, B, P> {
    pub(super) ledger: &'a L,
    /// The certificate of the block that the ledger began with, if that is not the genesis.
    pub(super) floor: Option<Finalization>,
    pub(super) archive: Archive<L>,
    pub(super) committees: Committees,
    pub(super) epocher: FixedEpocher,
    pub(super) partitions: &'a str,
    pub(super) page_cache: CacheRef,
    pub(super) blocker: B,
    pub(super) peers: P,
}

/// The handle on marshal, and its tasks.
type Started = (Mailbox<Scheme, Standard<OrderedBlock>>, Vec<Handle<()>>);

impl<L, B, P> Marshal<'_, L, B, P>
where
    L: Ledger,
    B: Blocker<PublicKey = PublicKey> + Sync,
    P: Provider<PublicKey = PublicKey>,
{
    /// Starts it; what is final goes to `delivery`, in order.
    pub(super) async fn start<E, S, R, A, Q>(
        self,
        context: &E,
        delivery: Delivery,
        blocks: (S, R),
        requests: (A, Q),
    ) -> Started
    where
        E: Clock + CryptoRng + Spawner + Storage + Metrics,
        S: Sender<PublicKey = PublicKey>,
        R: Receiver<PublicKey = PublicKey>,
        A: Sender<PublicKey = PublicKey>,
        Q: Receiver<PublicKey = PublicKey>,
    {
        let config = self.config();
        let (actor, mailbox, _floor) = Actor::<_, Standard<OrderedBlock>, _, _, _, _, _>::init(
            context.child("marshal"),
            CertificateArchive(self.archive.clone()),
            BlockArchive(self.archive.clone()),
            config,
        )
        .await;
        let me = self.committees.node_key().clone();
        let resolver = backfill::init(
            context.child("backfill"),
            backfill::Config {
                public_key: me.clone(),
                peer_provider: self.peers.clone(),
                blocker: self.blocker,
                mailbox_size: NZUsize!(256),
                fetch_timeout: NZDuration!(Duration::from_secs(2)),
                fetch_retry_delay: Duration::from_millis(50),
                priority_requests: false,
                priority_responses: false,
            },
            requests,
        );
        let (buffer_engine, buffer) = buffered::Engine::new(
            context.child("blocks"),
            buffered::Config {
                public_key: me,
                mailbox_size: NZUsize!(256),
                deque_size: 4,
                priority: false,
                codec_config: BlockLimit(MAX_BLOCK_BYTES),
                peer_provider: self.peers,
                strategy: Sequential,
            },
        );
        let tasks = vec![buffer_engine.start(blocks), actor.start(delivery, buffer, resolver)];
        (mailbox, tasks)
    }

    fn config(
        &self,
    ) -> marshal::Config<
        Committees,
        FixedEpocher,
        Sequential,
        OrderedBlock,
        Digested<OrderedBlock>,
        Digest,
    > {
        let genesis = OrderedBlock(self.ledger.genesis());
        let digest = Digest::from(genesis.0.hash());
        let start = match &self.floor {
            Some(floor) => Start::Floor(floor.clone()),
            None => Start::Genesis(Digested::precomputed(genesis, digest)),
        };
        marshal::Config {
            provider: self.committees.clone(),
            epocher: self.epocher.clone(),
            start,
            partition_prefix: partitions(self.partitions),
            mailbox_size: NZUsize!(1_024),
            view_retention: ViewDelta::new(64),
            prunable_items_per_section: NZU64!(64),
            page_cache: self.page_cache.clone(),
            replay_buffer: BUFFER,
            key_write_buffer: BUFFER,
            value_write_buffer: BUFFER,
            block_codec_config: BlockLimit(MAX_BLOCK_BYTES),
            max_repair: NZUsize!(32),
            max_pending_acks: NZUsize!(8),
            strategy: Sequential,
        }
    }
}
