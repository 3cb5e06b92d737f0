//! Whatever bytes come, a decoder answers: records, blocks, genesis documents, answers of the
//! governance contract. What it takes it writes as it was. `fuzz/` feeds the same by coverage.

use std::{fmt::Debug, sync::LazyLock};

use alloy_primitives::{Address, B256, Bytes, TxKind};
use alloy_rlp::{Decodable, Encodable};
use proptest::{collection::vec, prelude::*, sample::Index};
use windlass_chain::{
    Block, Chain, Evidence, ExtraData, Receipt, genesis::Genesis, governance, store::MemoryStore,
};

use crate::common::{advance, free, wallet};

static BLOCKS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let chain = Chain::open(MemoryStore::default(), &free()).unwrap();
    (0..3)
        .map(|nonce| {
            let transfer = wallet(1).legacy(nonce, TxKind::Call(Address::repeat_byte(7)), 1, &[]);
            advance(&chain, vec![transfer]).0.encode().to_vec()
        })
        .collect()
});

static EVIDENCE: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let one = |length: usize| Evidence {
        epoch: 3,
        view: 70_000,
        node_key: B256::repeat_byte(1),
        consensus_key: B256::repeat_byte(2),
        kind: 1,
        votes: Bytes::from(vec![9; length]),
        seen_at_ms: 1_760_000_000_000,
    };
    [0, 1, 200].map(|length| alloy_rlp::encode(one(length))).to_vec()
});

static GENESIS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| vec![free().canonical_json()]);

/// A valid encoding with some bytes changed, taken out and put in; or bytes that mean nothing.
fn bytes_like(valid: &'static [Vec<u8>]) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<Index>(), 0..4_u8, any::<u8>());
    let mutated = (any::<Index>(), vec(edit, 0..6)).prop_map(|(which, edits)| {
        let mut bytes = which.get(valid).clone();
        for (at, kind, byte) in edits {
            if bytes.is_empty() {
                bytes.push(byte);
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] ^= byte,
                1 => bytes[at] = byte,
                2 => bytes.truncate(at),
                _ => bytes.insert(at, byte),
            }
        }
        bytes
    });
    prop_oneof![4 => mutated, 1 => vec(any::<u8>(), 0..300)]
}

/// A record that is taken is written as it was read.
fn record<T: Decodable + Encodable + Debug>(bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut rest = bytes;
    if let Ok(record) = T::decode(&mut rest) {
        prop_assert_eq!(alloy_rlp::encode(&record), &bytes[..bytes.len() - rest.len()]);
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_block_has_one_encoding(bytes in bytes_like(&BLOCKS)) {
        if let Ok(block) = Block::decode(&bytes) {
            prop_assert_eq!(block.encode().to_vec(), bytes);
        }
    }

    #[test]
    fn records_have_one_encoding(bytes in bytes_like(&EVIDENCE)) {
        record::<Evidence>(&bytes)?;
        record::<Receipt>(&bytes)?;
        let _extra = ExtraData::decode(&bytes);
    }

    #[test]
    fn a_genesis_document_is_one_or_is_refused(bytes in bytes_like(&GENESIS)) {
        if let Ok(genesis) = Genesis::parse(&bytes) {
            let again = genesis.canonical_json();
            prop_assert_eq!(Genesis::parse(&again).unwrap().canonical_json(), again);
        }
    }

    #[test]
    fn the_contract_s_answers_are_some_or_are_refused(bytes in vec(any::<u8>(), 0..400)) {
        let _validators = governance::read_validator_set(&bytes);
        let _roster = governance::read_roster(&bytes, &bytes);
    }
}
