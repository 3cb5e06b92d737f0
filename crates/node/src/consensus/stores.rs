//! marshal's stores of final blocks and certificates, over the ledger: one copy of the chain.
//!
//! marshal archives a final block before it delivers it, and believes it durable then. Here it only
//! waits in memory until it is delivered: the ledger makes it durable (executed, with its
//! certificate) before the delivery is acknowledged. What a crash takes in between is not marked as
//! processed, and a quorum holds each such block in marshal's own cache, synced before it voted to
//! finalise; so it is found there or fetched from a peer.
//!
//! A certificate goes to the ledger together with its block, never before it, so that the highest
//! certificate found at the next start has its block.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::{B256, Bytes};
use commonware_codec::{Copying, Decode, Encode};
use commonware_consensus::{
    Heightable,
    marshal::store::{Blocks, Certificates},
    simplex::types,
    types::{Epoch, Height},
};
use commonware_cryptography::{Digestible, certificate::Verifier};
use commonware_storage::archive::Identifier;
use windlass_chain::{Block, Evidence, governance::Committee};

use super::{block::OrderedBlock, digest::Digest, scheme::Scheme, work::Work};
use crate::seam::{Ledger, LedgerError};

/// A finality certificate with what it is about.
pub type Finalization = types::Finalization<Scheme, Digest>;

/// How far below the tip the newest certificate is looked for; seen: 4.
const CERTIFICATE_SEARCH: u64 = 1_024;
/// How many heights of certificates are remembered.
const REMEMBERED: usize = 1_024;

/// Why a store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The ledger did.
    #[error("the ledger cannot be used")]
    Ledger(#[source] LedgerError),
    /// A stored certificate doesn't decode.
    #[error("the certificate stored at height {height} does not decode")]
    Certificate {
        /// Where it is stored.
        height: u64,
        /// Why it doesn't.
        #[source]
        source: commonware_codec::Error,
    },
    /// The work threads are gone.
    #[error("the ledger's threads have ended")]
    Ended,
}

/// The chain as marshal stores it. A clone is another handle on the same.
#[derive(Clone, Debug)]
pub struct Archive<L> {
    ledger: L,
    work: Work,
    pending: Arc<Mutex<Pending>>,
}

/// What is final and not in the ledger yet.
#[derive(Debug, Default)]
struct Pending {
    blocks: BTreeMap<u64, OrderedBlock>,
    certificates: BTreeMap<u64, (Digest, Bytes)>,
    /// The newest heights with a certificate, pending or stored.
    certified: BTreeSet<u64>,
}

/// The blocks' side of the archive.
#[derive(Debug)]
pub struct BlockArchive<L>(pub Archive<L>);

/// The certificates' side of the archive.
#[derive(Debug)]
pub struct CertificateArchive<L>(pub Archive<L>);

impl<L: Ledger> Archive<L> {
    /// Opens the archive: finds the newest certificate.
    pub fn open(ledger: L, work: Work) -> Result<Self, StoreError> {
        let tip = ledger.tip().number;
        let mut pending = Pending::default();
        for height in (tip.saturating_sub(CERTIFICATE_SEARCH)..=tip).rev() {
            if ledger.certificate(height).map_err(StoreError::Ledger)?.is_some() {
                pending.certified.insert(height);
                break;
            }
        }
        Ok(Self { ledger, work, pending: Arc::new(Mutex::new(pending)) })
    }

    /// Makes a delivered block durable, with its certificate.
    pub async fn finalize(&self, block: OrderedBlock) -> Result<(), StoreError> {
        let height = block.0.number();
        let certificate = self.lock().certificates.get(&height).cloned();
        let ledger = self.ledger.clone();
        self.call(move || {
            if let Some((digest, bytes)) = certificate {
                ledger.put_certificate(height, digest.into(), bytes)?;
            }
            ledger.finalize(&block.0)
        })
        .await?;
        let mut pending = self.lock();
        pending.blocks = pending.blocks.split_off(&(height + 1));
        pending.certificates = pending.certificates.split_off(&(height + 1));
        Ok(())
    }

    /// The newest certificate of a durable block, with the block's height.
    pub async fn newest_certificate(&self) -> Result<Option<(u64, Finalization)>, StoreError> {
        let tip = self.ledger.tip().number;
        let height = self.lock().certified.range(..=tip).next_back().copied();
        let Some(height) = height else {
            return Ok(None);
        };
        Ok(self.certificate(height).await?.map(|certificate| (height, certificate)))
    }

    /// The certificate at exactly this height.
    pub async fn certificate(&self, height: u64) -> Result<Option<Finalization>, StoreError> {
        let pending = self.lock().certificates.get(&height).map(|(_, bytes)| bytes.clone());
        let bytes = if pending.is_some() {
            pending
        } else {
            let ledger = self.ledger.clone();
            self.call(move || ledger.certificate(height)).await?
        };
        let Some(bytes) = bytes else {
            return Ok(None);
        };
        let limit = <Scheme as Verifier>::certificate_codec_config_unbounded();
        Finalization::decode_cfg(Copying(&bytes), &limit)
            .map(Some)
            .map_err(|source| StoreError::Certificate { height, source })
    }

    /// The certificate of the block that the ledger began with, where that is not the genesis.
    pub async fn floor(&self) -> Result<Option<Finalization>, StoreError> {
        let ledger = self.ledger.clone();
        let read = move || match ledger.chain() {
            Some(chain) => {
                chain.floor().map_err(|error| LedgerError::new("reading where it began", error))
            }
            None => Ok(0),
        };
        match self.call(read).await? {
            0 => Ok(None),
            floor => self.certificate(floor).await,
        }
    }

    /// Who votes in an epoch, if it was kept.
    pub async fn committee(&self, epoch: Epoch) -> Result<Option<Committee>, StoreError> {
        let ledger = self.ledger.clone();
        self.call(move || ledger.committee(epoch.get())).await
    }

    /// Keeps evidence; false if there was some of it.
    pub async fn keep_evidence(&self, evidence: Evidence) -> Result<bool, StoreError> {
        let ledger = self.ledger.clone();
        self.call(move || ledger.keep_evidence(&evidence)).await
    }

    /// A final block.
    pub async fn block(&self, height: u64) -> Result<Option<Block>, StoreError> {
        if let Some(block) = self.lock().blocks.get(&height) {
            return Ok(Some(block.0.clone()));
        }
        let ledger = self.ledger.clone();
        self.call(move || ledger.block_by_number(height)).await
    }

    async fn block_by_hash(&self, digest: Digest) -> Result<Option<Block>, StoreError> {
        let pending = {
            let pending = self.lock();
            pending.blocks.values().find(|block| block.digest() == digest).cloned()
        };
        if let Some(block) = pending {
            return Ok(Some(block.0));
        }
        let (ledger, hash) = (self.ledger.clone(), B256::from(digest));
        self.call(move || ledger.block_by_hash(hash)).await
    }

    /// The ranges of heights that are stored or pending, in order.
    fn ranges(&self) -> Vec<(u64, u64)> {
        let tip = self.ledger.tip().number;
        // Where that can't be read the chain can't either, and consensus ends with it.
        let first = self.ledger.chain().and_then(|chain| chain.first_block().ok()).unwrap_or(0);
        let mut ranges = vec![(first, tip)];
        for height in self.lock().blocks.keys().copied().filter(|height| *height > tip) {
            match ranges.last_mut() {
                Some((_, end)) if *end + 1 == height => *end = height,
                Some(_) | None => ranges.push((height, height)),
            }
        }
        ranges
    }

    pub(super) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> Result<T, LedgerError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.work.run(call).await.ok_or(StoreError::Ended)?.map_err(StoreError::Ledger)
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<L: Ledger> Blocks for BlockArchive<L> {
    type Block = Arc<OrderedBlock>;
    type Error = StoreError;

    async fn put(self, _digest: Digest, block: &Arc<OrderedBlock>) -> Result<Self, StoreError> {
        let height = block.height().get();
        if height > self.0.ledger.tip().number {
            self.0.lock().blocks.entry(height).or_insert_with(|| block.as_ref().clone());
        }
        Ok(self)
    }

    async fn sync(self) -> Result<Self, StoreError> {
        Ok(self)
    }

    async fn get(
        &self,
        id: Identifier<'_, Digest>,
    ) -> Result<Option<Arc<OrderedBlock>>, StoreError> {
        let block = match id {
            Identifier::Index(height) => self.0.block(height).await?,
            Identifier::Key(digest) => self.0.block_by_hash(*digest).await?,
        };
        Ok(block.map(|block| Arc::new(OrderedBlock(block))))
    }

    async fn prune(self, _min: Height) -> Result<Self, StoreError> {
        Ok(self)
    }

    fn missing_items(&self, start: Height, max: usize) -> Vec<Height> {
        let ranges = self.0.ranges();
        let gaps = ranges.windows(2).flat_map(|pair| pair[0].1 + 1..pair[1].0);
        gaps.filter(|height| *height >= start.get()).take(max).map(Height::new).collect()
    }

    fn next_gap(&self, value: Height) -> (Option<Height>, Option<Height>) {
        let (value, ranges) = (value.get(), self.0.ranges());
        let current = ranges.iter().find(|(start, end)| (*start..=*end).contains(&value));
        let next = ranges.iter().find(|(start, _)| *start > value);
        (current.map(|(_, end)| Height::new(*end)), next.map(|(start, _)| Height::new(*start)))
    }

    fn last_index(&self) -> Option<Height> {
        self.0.ranges().last().map(|(_, end)| Height::new(*end))
    }
}

impl<L: Ledger> Certificates for CertificateArchive<L> {
    type BlockDigest = Digest;
    type Commitment = Digest;
    type Scheme = Scheme;
    type Error = StoreError;

    async fn put(
        self,
        height: Height,
        digest: Digest,
        finalization: &Finalization,
    ) -> Result<Self, StoreError> {
        let height = height.get();
        let bytes = Bytes::from(finalization.encode());
        let durable = height <= self.0.ledger.tip().number;
        if durable {
            let ledger = self.0.ledger.clone();
            self.0
                .call(move || {
                    if ledger.certificate(height)?.is_none() {
                        ledger.put_certificate(height, digest.into(), bytes)?;
                    }
                    Ok(())
                })
                .await?;
        }
        {
            let mut pending = self.0.lock();
            if !durable {
                let bytes = Bytes::from(finalization.encode());
                pending.certificates.entry(height).or_insert((digest, bytes));
            }
            pending.certified.insert(height);
            while pending.certified.len() > REMEMBERED {
                pending.certified.pop_first();
            }
        }
        Ok(self)
    }

    async fn sync(self) -> Result<Self, StoreError> {
        Ok(self)
    }

    async fn get(&self, id: Identifier<'_, Digest>) -> Result<Option<Finalization>, StoreError> {
        match id {
            Identifier::Index(height) => self.0.certificate(height).await,
            Identifier::Key(digest) => match self.0.block_by_hash(*digest).await? {
                Some(block) => self.0.certificate(block.number()).await,
                None => Ok(None),
            },
        }
    }

    async fn has(&self, height: Height) -> Result<bool, StoreError> {
        Ok(self.0.certificate(height.get()).await?.is_some())
    }

    async fn prune(self, _min: Height) -> Result<Self, StoreError> {
        Ok(self)
    }

    fn last_index(&self) -> Option<Height> {
        self.0.lock().certified.last().copied().map(Height::new)
    }

    fn ranges_from(&self, from: Height) -> impl Iterator<Item = (Height, Height)> {
        let known: Vec<u64> = self.0.lock().certified.range(from.get()..).copied().collect();
        known.into_iter().map(|height| (Height::new(height), Height::new(height)))
    }
}
