//! A message with transactions.
#![no_main]

use bytes::Bytes;
use commonware_codec::Encode as _;
use windlass_node::gossip::decode;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(batch) = decode(Bytes::copy_from_slice(bytes)) {
        assert_eq!(batch.encode(), bytes);
    }
});
