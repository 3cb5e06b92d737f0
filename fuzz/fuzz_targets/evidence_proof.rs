//! A file of evidence, against the genesis of the committed vectors.
#![no_main]

use std::sync::LazyLock;

use windlass_proof::{EvidenceProof, TrustAnchor, verify_evidence};

static ANCHOR: LazyLock<TrustAnchor> = LazyLock::new(|| {
    let document = include_bytes!("../../crates/proof/vectors/genesis.json");
    TrustAnchor::from_genesis(document).expect("it is a document")
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(evidence) = EvidenceProof::from_json(bytes) {
        let _verdict = verify_evidence(&evidence, &ANCHOR);
    }
});
