//! What nodes ask each other for on the channel of blocks that are lacking, and what they are answered.
#![no_main]

use bytes::Bytes;
use commonware_codec::{Decode as _, DecodeExt as _, Encode as _};
use commonware_consensus::{marshal::resolver::handler::Key, simplex::types::Notarization};
use windlass_node::{
    config::MAX_VALIDATORS,
    consensus::{
        block::{BlockLimit, MAX_BLOCK_BYTES, OrderedBlock},
        digest::Digest,
        scheme::Scheme,
        stores::Finalization,
    },
};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let message = Bytes::copy_from_slice(bytes);
    if let Ok(key) = Key::<Digest>::decode(message.clone()) {
        assert_eq!(key.encode(), message);
    }
    let limits = (MAX_VALIDATORS, BlockLimit(MAX_BLOCK_BYTES));
    if let Ok(pair) = <(Finalization, OrderedBlock)>::decode_cfg(message.clone(), &limits) {
        assert_eq!(pair.encode(), message);
    }
    type Notarized = (Notarization<Scheme, Digest>, OrderedBlock);
    if let Ok(pair) = Notarized::decode_cfg(message.clone(), &limits) {
        assert_eq!(pair.encode(), message);
    }
});
