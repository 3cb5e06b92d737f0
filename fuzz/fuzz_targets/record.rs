//! What the store and the governance contract give back.
#![no_main]

use alloy_rlp::Decodable as _;
use windlass_chain::{ExtraData, Receipt, governance};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut rest = bytes;
    if let Ok(receipt) = Receipt::decode(&mut rest) {
        assert_eq!(alloy_rlp::encode(&receipt), bytes[..bytes.len() - rest.len()]);
    }
    if let Some(extra) = ExtraData::decode(bytes) {
        assert_eq!(extra.encode()[..], *bytes);
    }
    let _validators = governance::read_validator_set(bytes);
    let _roster = governance::read_roster(bytes, bytes);
});
