//! A recovery that members sign, as whoever is given one reads it.
#![no_main]

use windlass_chain::recovery::Recovery;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(recovery) = Recovery::from_json(bytes) {
        let again = Recovery::from_json(recovery.to_json().as_bytes()).expect("it was written");
        assert_eq!(again.digest(), recovery.digest());
    }
});
