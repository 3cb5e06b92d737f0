//! Whatever bytes a peer sends, a decoder answers: what it takes has one encoding only, and nothing
//! panics. `fuzz/` feeds the same decoders by coverage.

use std::sync::LazyLock;

use alloy_primitives::hex;
use bytes::Bytes;
use commonware_codec::{Decode as _, DecodeExt as _, Encode as _};
use commonware_consensus::simplex::types::{Activity, Certificate, Vote};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::Value;
use windlass_chain::Room;
use windlass_proof::{Committee, Validator};

use super::ledger::{MemoryLedger, transaction};
use crate::{
    config::MAX_VALIDATORS,
    consensus::{
        announcement::Announcement,
        block::{BlockLimit, MAX_BLOCK_BYTES, OrderedBlock},
        digest::Digest,
        scheme::Scheme,
        stores::Finalization,
    },
    gossip,
    seam::{Ledger as _, Origin, Proposal},
};

const VECTORS: &str = include_str!("../../../../proof/vectors/certificates.json");

/// Certificates of 1 to 21 validators.
static CERTIFICATES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).expect("they are JSON");
    let certificate = |vector: &Value| hex::decode(vector["certificate"].as_str()?).ok();
    vectors.iter().map(|vector| certificate(vector).expect("it is hexadecimal")).collect()
});

/// Those who signed them.
static COMMITTEES: LazyLock<Vec<Committee>> = LazyLock::new(|| {
    let committee = |vector: &Value| {
        let validators: Vec<Validator> =
            serde_json::from_value(vector["validators"].clone()).ok()?;
        Committee::new(serde_json::from_value(vector["genesis"].clone()).ok()?, &validators)
    };
    let vectors: Vec<Value> = serde_json::from_str(VECTORS).expect("they are JSON");
    vectors.iter().map(|vector| committee(vector).expect("they have seats")).collect()
});

/// Announcements with these certificates, and the one of the genesis.
static ANNOUNCEMENTS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let announcement = |certificate: &[u8]| {
        let certificate = Bytes::copy_from_slice(certificate).encode();
        let head = [&7_u64.to_be_bytes()[..], &[9; 32]].concat();
        let asks = [&head[..], &[1], &[3; 8], &certificate].concat();
        let answers = [&head[..], &[2], &[3; 8], &[2; 16], &certificate].concat();
        [asks, answers]
    };
    let certificates = CERTIFICATES.iter().flat_map(|one| announcement(one));
    certificates.chain(announcement(&[])).collect()
});

/// Blocks with none, one and many transactions.
static BLOCKS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let block = |count: u64| {
        let ledger = MemoryLedger::new(Vec::new());
        for number in 0..count {
            ledger.admit(transaction(number), Origin::Client).expect("it is new");
        }
        let proposal = Proposal { now_ms: 1_234, epoch: 3, allow_empty: true, room: Room::ALL };
        let block = ledger.propose(&ledger.genesis(), proposal).expect("it is sound");
        OrderedBlock(block.expect("it may be empty")).encode().to_vec()
    };
    [0, 1, 30].map(block).to_vec()
});

static BATCHES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let batch = |count: u64| (0..count).map(|number| transaction(number).0).collect::<Vec<_>>();
    [0, 1, 40].map(|count| batch(count).encode().to_vec()).to_vec()
});

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

/// What a decoder takes encodes to the same bytes.
fn canonical(bytes: &[u8], again: Option<Vec<u8>>) -> Result<(), TestCaseError> {
    if let Some(again) = again {
        prop_assert_eq!(again, bytes);
    }
    Ok(())
}

fn owned(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

proptest! {
    #[test]
    fn an_announcement_has_one_encoding(bytes in bytes_like(&ANNOUNCEMENTS)) {
        let decoded = Announcement::decode(owned(&bytes)).ok();
        canonical(&bytes, decoded.map(|one| one.encode().to_vec()))?;
    }

    #[test]
    fn a_block_has_one_encoding(bytes in bytes_like(&BLOCKS)) {
        let decoded = OrderedBlock::decode_cfg(owned(&bytes), &BlockLimit(MAX_BLOCK_BYTES)).ok();
        canonical(&bytes, decoded.map(|one| one.encode().to_vec()))?;
    }

    #[test]
    fn a_gossip_message_has_one_encoding(bytes in bytes_like(&BATCHES)) {
        let decoded = gossip::decode(owned(&bytes)).ok();
        if let Some(batch) = &decoded {
            let ledger = MemoryLedger::new(Vec::new());
            for transaction in batch {
                let _refused = ledger.admit(transaction.clone().into(), Origin::Peer);
            }
        }
        canonical(&bytes, decoded.map(|one| one.encode().to_vec()))?;
    }

    #[test]
    fn a_certificate_has_one_encoding(bytes in bytes_like(&CERTIFICATES)) {
        let decoded = Finalization::decode_cfg(owned(&bytes), &MAX_VALIDATORS).ok();
        canonical(&bytes, decoded.map(|one| one.encode().to_vec()))?;
        // The light verifier takes none of them for a block that they are not about.
        for committee in COMMITTEES.iter() {
            prop_assert!(committee.verify(&bytes, [3; 32].into()).is_err());
        }
    }

    #[test]
    fn votes_and_evidence_of_nobody_are_refused(bytes in bytes_like(&CERTIFICATES)) {
        let _vote = Vote::<Scheme, Digest>::decode(owned(&bytes));
        let _certificate = Certificate::<Scheme, Digest>::decode_cfg(owned(&bytes), &MAX_VALIDATORS);
        let _evidence = Activity::<Scheme, Digest>::decode_cfg(owned(&bytes), &MAX_VALIDATORS);
    }
}

#[test]
fn what_is_valid_is_taken() {
    let limit = BlockLimit(MAX_BLOCK_BYTES);
    assert!(ANNOUNCEMENTS.iter().all(|bytes| Announcement::decode(owned(bytes)).is_ok()));
    assert!(BLOCKS.iter().all(|bytes| OrderedBlock::decode_cfg(owned(bytes), &limit).is_ok()));
    assert!(BATCHES.iter().all(|bytes| gossip::decode(owned(bytes)).is_ok()));
    let taken = |bytes: &Vec<u8>| Finalization::decode_cfg(owned(bytes), &MAX_VALIDATORS).is_ok();
    assert!(CERTIFICATES.iter().all(taken));
}
