//! An export of a network's state, as whoever is given one reads it.
#![no_main]

use std::io::BufReader;

use windlass_chain::export;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    // Nobody certified it.
    assert!(export::verify(BufReader::new(bytes)).is_err());
});
