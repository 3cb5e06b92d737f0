//! A genesis document, as the light verifier reads it.
#![no_main]

use windlass_chain::genesis::Genesis;
use windlass_proof::TrustAnchor;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let anchor = TrustAnchor::from_genesis(bytes);
    // What a node takes is to the verifier what its canonical form is, with the same hash.
    if let Ok(genesis) = Genesis::parse(bytes) {
        let canonical = TrustAnchor::from_genesis(&genesis.canonical_json());
        match (anchor, canonical) {
            (Ok(read), Ok(canonical)) => assert_eq!(read, canonical),
            (Err(read), Err(canonical)) => assert_eq!(read.to_string(), canonical.to_string()),
            (read, canonical) => panic!("{read:?} but {canonical:?}"),
        }
    }
});
