//! A genesis document.
#![no_main]

use windlass_chain::genesis::Genesis;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(genesis) = Genesis::parse(bytes) {
        let canonical = genesis.canonical_json();
        let again = Genesis::parse(&canonical).expect("what is written is read");
        assert_eq!(again.canonical_json(), canonical);
    }
});
