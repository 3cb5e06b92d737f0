//! Whatever bytes a peer sends, a decoder answers: what it takes has one encoding only, and nothing
//! panics. `fuzz/` feeds the same decoders by coverage.

use std::sync::LazyLock;

use alloy_primitives::{B256, hex};
use bytes::Bytes;
use commonware_codec::{Decode as _, DecodeExt as _, Encode as _};
use commonware_consensus::{
    simplex::types::{
        Activity, Certificate, ConflictingFinalize, ConflictingNotarize, Finalize, Notarization,
        Notarize, Nullification, Nullify, NullifyFinalize, Proposal as Proposed, Vote,
    },
    types::{Epoch, Round, View},
};
use commonware_cryptography::Signer as _;
use commonware_parallel::Sequential;
use commonware_utils::{non_empty, ordered::BiMap, test_rng};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::Value;
use windlass_chain::{
    Room,
    sync::{Answer, Request},
};
use windlass_proof::{Committee, Validator};

use super::ledger::{MemoryLedger, transaction};
use crate::{
    config::MAX_VALIDATORS,
    consensus::{
        announcement::Announcement,
        block::{BlockLimit, MAX_BLOCK_BYTES, OrderedBlock},
        digest::Digest,
        scheme::{Scheme, Voting},
        signer::HandleSigner,
        stores::Finalization,
    },
    gossip,
    seam::{Ledger as _, Origin, Proposal},
    sync::Message,
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

/// A question about the state of each kind, and an answer.
static MESSAGES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let (from, to) = (B256::ZERO, B256::repeat_byte(0xff));
    let asked = [
        Request::Validators { since: 3 },
        Request::Accounts { from, to },
        Request::Storage { accounts: vec![to; 3], from },
        Request::Changed { after: 70_000 },
        Request::Blocks { last: u64::MAX, count: 5 },
    ];
    let asked = asked.map(|request| Message::Ask(70_000, request));
    let told = [Message::Tell(1, Answer::Unavailable)];
    asked.iter().chain(&told).map(|message| message.encode().to_vec()).collect()
});

/// The network on which the votes of these tests are votes, and another one.
const HERE: B256 = B256::repeat_byte(1);
const ELSEWHERE: B256 = B256::repeat_byte(2);

/// Four validators, as the one with this seat sees them on a network.
fn scheme(genesis: B256, seat: usize) -> Scheme {
    let keys = |seed| (HandleSigner::from_seed(seed), HandleSigner::from_seed(1_000 + seed));
    let mut keys: Vec<_> = (0..4).map(keys).collect();
    keys.sort_by_key(|(node, _)| node.public_key());
    let pairs: Vec<_> =
        keys.iter().map(|(node, vote)| (node.public_key(), vote.public_key())).collect();
    let committee = BiMap::try_from(pairs).expect("the keys are different");
    let (node, vote) = &keys[seat];
    Scheme::new(genesis, committee, &node.public_key(), std::slice::from_ref(vote), Voting::On)
}

type Ballot = Vote<Scheme, Digest>;
type Quorum = Certificate<Scheme, Digest>;
type Report = Activity<Scheme, Digest>;

/// Votes, certificates, and evidence of votes that contradict each other: each kind of all three.
static SIGNED: LazyLock<[Vec<Vec<u8>>; 3]> = LazyLock::new(|| {
    let schemes = [0, 1, 2].map(|seat| scheme(HERE, seat));
    let round = Round::new(Epoch::new(3), View::new(127));
    let block = |byte: u8| Proposed::new(round, View::new(126), Digest([byte; 32]));
    let notarize = |one: &Scheme, byte| Notarize::sign(one, block(byte)).expect("it votes");
    let nullify = |one: &Scheme| Nullify::sign::<Digest>(one, round).expect("it votes");
    let finalize = |one: &Scheme, byte| Finalize::sign(one, block(byte)).expect("it votes");
    let [one, ..] = &schemes;
    let votes: [Ballot; 3] = [
        Vote::Notarize(notarize(one, 7)),
        Vote::Nullify(nullify(one)),
        Vote::Finalize(finalize(one, 7)),
    ];
    let all = schemes.iter();
    let notarization = Notarization::from_owned_notarizes(
        one,
        non_empty![@all.clone().map(|one| notarize(one, 7))],
        &Sequential,
    );
    let nullification = Nullification::from_owned_nullifies(
        one,
        non_empty![@all.clone().map(nullify)],
        &Sequential,
    );
    let finalization = Finalization::from_owned_finalizes(
        one,
        non_empty![@all.map(|one| finalize(one, 7))],
        &Sequential,
    );
    let certificates: [Quorum; 3] = [
        Certificate::Notarization(notarization.expect("they are a quorum")),
        Certificate::Nullification(nullification.expect("they are a quorum")),
        Certificate::Finalization(finalization.expect("they are a quorum")),
    ];
    let evidence: [Report; 3] = [
        Activity::ConflictingNotarize(ConflictingNotarize::new(notarize(one, 7), notarize(one, 8))),
        Activity::ConflictingFinalize(ConflictingFinalize::new(finalize(one, 7), finalize(one, 8))),
        Activity::NullifyFinalize(NullifyFinalize::new(nullify(one), finalize(one, 7))),
    ];
    [
        votes.iter().map(|one| one.encode().to_vec()).collect(),
        certificates.iter().map(|one| one.encode().to_vec()).collect(),
        evidence.iter().map(|one| one.encode().to_vec()).collect(),
    ]
});

/// What a vote, a certificate or evidence is encoded as again, and whether it holds on a network; `None`
/// where the bytes are none.
type Judged = Option<(Vec<u8>, bool)>;

fn judged_vote(bytes: &[u8], genesis: B256) -> Judged {
    let (scheme, rng) = (&scheme(genesis, 3), &mut test_rng());
    let vote = Ballot::decode(owned(bytes)).ok()?;
    let again = vote.encode().to_vec();
    let holds = match vote {
        Vote::Notarize(vote) => vote.verify(rng, scheme, &Sequential),
        Vote::Nullify(vote) => vote.verify::<_, Digest>(rng, scheme, &Sequential),
        Vote::Finalize(vote) => vote.verify(rng, scheme, &Sequential),
    };
    Some((again, holds))
}

fn judged_certificate(bytes: &[u8], genesis: B256) -> Judged {
    let one = Quorum::decode_cfg(owned(bytes), &MAX_VALIDATORS).ok()?;
    let holds = one.verify(&mut test_rng(), &scheme(genesis, 3), &Sequential);
    Some((one.encode().to_vec(), holds))
}

fn judged_evidence(bytes: &[u8], genesis: B256) -> Judged {
    let one = Report::decode_cfg(owned(bytes), &MAX_VALIDATORS).ok()?;
    let holds = one.verify(&mut test_rng(), &scheme(genesis, 3), &Sequential);
    Some((one.encode().to_vec(), holds))
}

/// What is taken has one encoding, holds here only as it was signed, and nowhere else at all.
fn refused(
    bytes: &[u8],
    signed: &[Vec<u8>],
    judged: fn(&[u8], B256) -> Judged,
) -> Result<(), TestCaseError> {
    if let Some((again, holds)) = judged(bytes, HERE) {
        prop_assert_eq!(again, bytes);
        prop_assert_eq!(holds, signed.iter().any(|one| one == bytes));
    }
    let elsewhere = judged(bytes, ELSEWHERE);
    prop_assert!(elsewhere.is_none_or(|(_, holds)| !holds));
    Ok(())
}

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
    fn votes_of_nobody_are_refused(bytes in bytes_like(&SIGNED[0])) {
        refused(&bytes, &SIGNED[0], judged_vote)?;
    }

    #[test]
    fn certificates_of_nobody_are_refused(bytes in bytes_like(&SIGNED[1])) {
        refused(&bytes, &SIGNED[1], judged_certificate)?;
    }

    #[test]
    fn evidence_of_nobody_is_refused(bytes in bytes_like(&SIGNED[2])) {
        refused(&bytes, &SIGNED[2], judged_evidence)?;
    }

    #[test]
    fn a_message_about_the_state_has_one_encoding(bytes in bytes_like(&MESSAGES)) {
        let decoded = Message::decode(&bytes);
        canonical(&bytes, decoded.map(|one| one.encode().to_vec()))?;
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
    assert!(MESSAGES.iter().all(|bytes| Message::decode(bytes).is_some()));
    let judges = [judged_vote, judged_certificate, judged_evidence];
    for (signed, judged) in SIGNED.iter().zip(judges) {
        for bytes in signed {
            assert_eq!(judged(bytes, HERE), Some((bytes.clone(), true)));
            assert_eq!(judged(bytes, ELSEWHERE), Some((bytes.clone(), false)));
        }
    }
}
