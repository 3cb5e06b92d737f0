//! A finality certificate, as validators and the light verifier read it.
#![no_main]

use std::sync::LazyLock;

use alloy_primitives::B256;
use bytes::Bytes;
use commonware_codec::{Decode as _, Encode as _};
use windlass_node::{config::MAX_VALIDATORS, consensus::stores::Finalization};
use windlass_proof::{Committee, Validator};

static COMMITTEE: LazyLock<Committee> = LazyLock::new(|| {
    let vectors = include_str!("../../crates/proof/vectors/certificates.json");
    let vectors: serde_json::Value = serde_json::from_str(vectors).expect("they are JSON");
    let validators: Vec<Validator> =
        serde_json::from_value(vectors[1]["validators"].clone()).expect("they are validators");
    Committee::new(B256::ZERO, &validators).expect("they have seats")
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(one) = Finalization::decode_cfg(Bytes::copy_from_slice(bytes), &MAX_VALIDATORS) {
        assert_eq!(one.encode(), bytes);
    }
    assert!(COMMITTEE.verify(bytes, B256::repeat_byte(3)).is_err());
});
