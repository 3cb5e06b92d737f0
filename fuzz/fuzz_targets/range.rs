//! The proof of a range of the state, as a peer sends it to a node that joins: nodes of a trie.
#![no_main]

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Decodable as _;
use windlass_chain::state::check_range;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(proof) = Vec::<Bytes>::decode(&mut &bytes[..]) else { return };
    // Whoever proves chooses the nodes, and so what they hash to.
    let roots = proof.iter().map(keccak256);
    let (first, last) = (B256::ZERO, B256::repeat_byte(0xff));
    for root in roots {
        let middle = root;
        for (from, to) in [(first, last), (first, middle), (middle, middle), (middle, last)] {
            let _verdict = check_range(root, &from, &to, &[], &proof);
        }
    }
});
