//! Two votes of one validator that contradict each other, as a node keeps them and as consensus
//! encodes them.
#![no_main]

use alloy_rlp::Decodable as _;
use bytes::Bytes;
use commonware_codec::Decode as _;
use commonware_consensus::simplex::types::Activity;
use windlass_chain::Evidence;
use windlass_node::{
    config::MAX_VALIDATORS,
    consensus::{digest::Digest, scheme::Scheme},
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    if let Ok(evidence) = Evidence::decode(&mut rest) {
        assert_eq!(alloy_rlp::encode(&evidence), bytes[..bytes.len() - rest.len()]);
    }
    let _votes = Activity::<Scheme, Digest>::decode_cfg(Bytes::copy_from_slice(bytes), &MAX_VALIDATORS);
});
