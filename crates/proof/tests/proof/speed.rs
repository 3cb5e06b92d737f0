//! How long a check takes.

use std::hint::black_box;

use windlass_proof::{Proof, verify};

use crate::chain::example;

/// A transaction's proof over two changes, of four, seven and six validators; with the file's
/// reading and the anchor's. In a release build one check takes less than 2 ms.
#[test]
fn a_check_is_quick() {
    let chain = example();
    let four = chain.proof(&[], 3, 3, chain.transaction(3, 1)).to_json();
    let changed = chain.proof(&[1, 3], 34, 36, chain.transaction(34, 3)).to_json();
    for (name, text) in [("no change", four), ("two changes", changed)] {
        let mut times: Vec<_> = (0..41)
            .map(|_| {
                let begin = now();
                let proof = Proof::from_json(text.as_bytes()).unwrap();
                black_box(verify(&proof, &chain.anchor()).unwrap());
                begin.elapsed()
            })
            .collect();
        times.sort();
        println!("{name}: {:?}, {} bytes", times[20], text.len());
        if !cfg!(debug_assertions) && name == "no change" {
            assert!(times[20].as_micros() < 2_000, "{:?}", times[20]);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the test is about time")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}
