//! A block, as validators send it and as it is stored.
#![no_main]

use bytes::Bytes;
use commonware_codec::{Decode as _, Encode as _};
use windlass_chain::Block;
use windlass_node::consensus::block::{BlockLimit, MAX_BLOCK_BYTES, OrderedBlock};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(block) = Block::decode(bytes) {
        assert_eq!(block.encode()[..], *bytes);
    }
    let limit = BlockLimit(MAX_BLOCK_BYTES);
    if let Ok(block) = OrderedBlock::decode_cfg(Bytes::copy_from_slice(bytes), &limit) {
        assert_eq!(block.encode(), bytes);
    }
});
