//! A checkpoint's file, as whoever trusts it reads it.
#![no_main]

use windlass_proof::{Checkpoint, TrustAnchor};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(checkpoint) = Checkpoint::from_json(bytes) {
        let again = Checkpoint::from_json(checkpoint.to_json().as_bytes());
        assert_eq!(again.expect("what is written is read"), checkpoint);
        let _anchor = TrustAnchor::from_checkpoint(checkpoint);
    }
});
