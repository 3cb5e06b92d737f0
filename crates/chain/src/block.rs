//! The block that consensus votes on: an Ethereum block, sealed by its own hash.
//!
//! One encoding only: the canonical RLP of the Ethereum yellow paper. A block that decodes encodes
//! to the same bytes again, so that the hash of what was received is the hash of what is stored.
//!
//! `extraData` of every block but the genesis is exactly 32 bytes:
//! version (1) ‖ epoch (8, big-endian) ‖ milliseconds within the second (2, big-endian) ‖ zeroes (21).
//! The genesis block's `extraData` is the hash of the genesis document, so that its block hash
//! commits to every parameter of the network.

use alloy_consensus::{EthereumTxEnvelope, Header, TxEip4844, TxEnvelope};
use alloy_primitives::{B256, Bytes, Sealed};
use alloy_rlp::{Decodable, Encodable};

/// The version that `extraData` carries in its first byte.
pub const EXTRA_DATA_VERSION: u8 = 1;

/// A sealed block: its header's hash is computed once, when it is made or decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    inner: Sealed<alloy_consensus::Block<TxEnvelope>>,
}

/// Why bytes are not a block.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are not the RLP of a block.
    #[error("the bytes are not the RLP encoding of a block")]
    Rlp(#[source] alloy_rlp::Error),
    /// The bytes decode, but are not what the block encodes to.
    #[error("the block is not in its canonical encoding")]
    NotCanonical,
}

/// What a block's `extraData` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtraData {
    /// The epoch whose validators made the block.
    pub epoch: u64,
    /// Milliseconds within the second of the header's timestamp, below 1,000.
    pub milliseconds: u16,
}

impl ExtraData {
    /// The 32 bytes of the header field.
    pub fn encode(self) -> Bytes {
        let mut bytes = [0u8; 32];
        bytes[0] = EXTRA_DATA_VERSION;
        bytes[1..9].copy_from_slice(&self.epoch.to_be_bytes());
        bytes[9..11].copy_from_slice(&self.milliseconds.to_be_bytes());
        Bytes::copy_from_slice(&bytes)
    }

    /// Reads the header field; `None` where it is not of this version's form.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; 32] = bytes.try_into().ok()?;
        let (head, zeroes) = bytes.split_at(11);
        if head[0] != EXTRA_DATA_VERSION || zeroes.iter().any(|byte| *byte != 0) {
            return None;
        }
        let epoch = u64::from_be_bytes(head[1..9].try_into().ok()?);
        let milliseconds = u16::from_be_bytes(head[9..11].try_into().ok()?);
        (milliseconds < 1_000).then_some(Self { epoch, milliseconds })
    }
}

impl Block {
    /// Seals a block.
    pub fn new(block: alloy_consensus::Block<TxEnvelope>) -> Self {
        let hash = block.header.hash_slow();
        Self { inner: Sealed::new_unchecked(block, hash) }
    }

    /// A block whose hash was computed before.
    pub(crate) fn from_sealed(inner: Sealed<alloy_consensus::Block<TxEnvelope>>) -> Self {
        Self { inner }
    }

    /// The Ethereum block hash: keccak-256 of the header's RLP.
    pub fn hash(&self) -> B256 {
        self.inner.seal()
    }

    /// The block's height; the genesis has 0.
    pub fn number(&self) -> u64 {
        self.inner.header.number
    }

    /// The hash of the block before.
    pub fn parent_hash(&self) -> B256 {
        self.inner.header.parent_hash
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.inner.header
    }

    /// The transactions, in the order they execute in.
    pub fn transactions(&self) -> &[TxEnvelope] {
        &self.inner.body.transactions
    }

    /// The whole block, unsealed.
    pub fn as_inner(&self) -> &alloy_consensus::Block<TxEnvelope> {
        &self.inner
    }

    /// What `extraData` says; `None` for the genesis and for foreign blocks.
    pub fn extra_data(&self) -> Option<ExtraData> {
        ExtraData::decode(&self.header().extra_data)
    }

    /// Unix time in milliseconds: the header's seconds and the milliseconds of `extraData`.
    pub fn timestamp_ms(&self) -> u64 {
        timestamp_ms(self.header())
    }

    /// The canonical RLP.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.size());
        self.inner.inner().encode(&mut out);
        out.into()
    }

    /// How many bytes the canonical RLP has.
    pub fn size(&self) -> usize {
        self.inner.length()
    }

    /// Reads the canonical RLP, and nothing else.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut rest = bytes;
        // In blocks no transaction carries its blobs, which are large and decoded on the stack.
        let block = alloy_consensus::Block::<EthereumTxEnvelope<TxEip4844>>::decode(&mut rest)
            .map_err(DecodeError::Rlp)?;
        let block = Self::new(block.map_transactions(TxEnvelope::from));
        if !rest.is_empty() || *block.encode() != *bytes {
            return Err(DecodeError::NotCanonical);
        }
        Ok(block)
    }
}

/// Unix time of a header in milliseconds.
pub fn timestamp_ms(header: &Header) -> u64 {
    let milliseconds =
        ExtraData::decode(&header.extra_data).map_or(0, |extra| u64::from(extra.milliseconds));
    header.timestamp.saturating_mul(1_000).saturating_add(milliseconds)
}
