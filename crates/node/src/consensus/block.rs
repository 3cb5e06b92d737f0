//! The chain's block, as consensus sees it: opaque bytes with a height, a parent and a digest.
//!
//! On the wire and in marshal's cache a block is its length and its canonical RLP; anything else
//! doesn't decode, so a block has one encoding only.

use bytes::{BufMut, Bytes};
use commonware_codec::{Buf, EncodeSize, Error as CodecError, RangeCfg, Read, Write};
use commonware_consensus::{BoundedBlock, Heightable, types::Height};
use commonware_cryptography::Digestible;
use windlass_chain::Block;

use super::digest::Digest;

/// The largest block that is sent or accepted (EIP-7934 allows 8 MiB of RLP).
pub const MAX_BLOCK_BYTES: usize = 8 * 1_024 * 1_024;

/// How many bytes the length before the RLP takes at most.
const LENGTH_BYTES: usize = 5;

/// The largest block to decode.
#[derive(Clone, Copy, Debug)]
pub struct BlockLimit(pub usize);

/// A block that consensus orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderedBlock(pub Block);

impl Write for OrderedBlock {
    fn write(&self, buf: &mut impl BufMut) {
        self.0.encode().0.write(buf);
    }
}

impl EncodeSize for OrderedBlock {
    fn encode_size(&self) -> usize {
        self.0.encode().0.encode_size()
    }
}

impl Read for OrderedBlock {
    type Cfg = BlockLimit;

    fn read_cfg(buf: &mut impl Buf, limit: &BlockLimit) -> Result<Self, CodecError> {
        let rlp = Bytes::read_cfg(buf, &RangeCfg::from(..=limit.0))?;
        Block::decode(&rlp)
            .map(Self)
            .map_err(|error| CodecError::Wrapped("windlass::OrderedBlock", Box::new(error)))
    }
}

impl Heightable for OrderedBlock {
    fn height(&self) -> Height {
        Height::new(self.0.number())
    }
}

impl Digestible for OrderedBlock {
    type Digest = Digest;

    fn digest(&self) -> Digest {
        self.0.hash().into()
    }
}

impl commonware_consensus::Block for OrderedBlock {
    fn parent(&self) -> Digest {
        self.0.parent_hash().into()
    }
}

impl BoundedBlock for OrderedBlock {
    fn max_encode_size(limit: &BlockLimit) -> usize {
        limit.0 + LENGTH_BYTES
    }
}
