//! Certificates alone, those that nodes made among them.

use alloy_primitives::{B256, Bytes, keccak256};
use proptest::prelude::*;
use serde::Deserialize;
use windlass_proof::{Certificate, CertificateError, Committee, Validator};

use crate::chain::{Vote, set, set_hash};
use crate::keys::{Keys, validators};

/// Made by `windlass_node::consensus::scheme::Scheme` and commonware-consensus 2026.10.0.
const MADE_BY_NODES: &str = include_str!("../../vectors/certificates.json");

#[derive(Deserialize)]
struct Made {
    genesis: B256,
    block: B256,
    epoch: u64,
    view: u64,
    parent_view: u64,
    signers: Vec<usize>,
    validators: Vec<Validator>,
    certificate: Bytes,
}

#[test]
fn certificates_that_nodes_made_hold() {
    let made: Vec<Made> = serde_json::from_str(MADE_BY_NODES).unwrap();
    assert_eq!(made.len(), 6);
    for made in made {
        let committee = Committee::new(made.genesis, &made.validators).unwrap();
        let certified = committee.verify(&made.certificate, made.block).unwrap();
        assert_eq!((certified.epoch, certified.view), (made.epoch, made.view));
        let seats = committee.validators();
        let signers: Vec<_> = made.signers.iter().map(|seat| seats[*seat]).collect();
        assert_eq!(certified.signers, signers);
        assert_eq!(certified.seats, made.validators.len());
        let decoded = Certificate::decode(&made.certificate).unwrap();
        assert_eq!(decoded.parent_view, made.parent_view);
        let other = Committee::new(keccak256(made.genesis), &made.validators).unwrap();
        let error = other.verify(&made.certificate, made.block).unwrap_err();
        assert!(matches!(error, CertificateError::Signature { seat: 0, .. }), "{error}");
    }
}

/// Four validators in the order of their seats, and what they vote on.
fn four() -> (Vec<Keys>, Vote) {
    let mut keys = validators(&["a", "b", "c", "d"]);
    keys.sort_by_key(|keys| keys.node.public());
    let (genesis, block) = (keccak256("genesis"), keccak256("block"));
    let committee = set_hash(&set(&keys));
    (keys, Vote { genesis, committee, epoch: 5, view: 300, parent_view: 299, block })
}

fn verify(
    keys: &[Keys],
    vote: &Vote,
    certificate: &[u8],
) -> Result<Vec<Validator>, CertificateError> {
    let validators: Vec<_> = keys.iter().map(Keys::validator).collect();
    let committee = Committee::new(vote.genesis, &validators).unwrap();
    committee.verify(certificate, vote.block).map(|certified| certified.signers)
}

#[test]
fn any_quorum_holds_and_less_does_not() {
    let (keys, vote) = four();
    for signed in 0u8..16 {
        let seats: Vec<_> = (0..4).filter(|seat| signed >> seat & 1 == 1).collect();
        let found = verify(&keys, &vote, &vote.signed(&keys, &seats));
        if seats.len() >= 3 {
            let signers: Vec<_> = seats.iter().map(|seat| keys[*seat].validator()).collect();
            assert_eq!(found, Ok(signers));
        } else {
            let found_seats = seats.len();
            let quorum = CertificateError::Quorum { found: found_seats, seats: 4, quorum: 3 };
            assert_eq!(found, Err(quorum));
        }
    }
}

#[test]
fn a_signature_counts_once_and_for_its_own_seat_only() {
    let (keys, vote) = four();
    let sign = |seat: usize| keys[seat].consensus.sign(&vote.message());
    let check = |certificate: Bytes, seat: usize| {
        let consensus_key = keys[seat].consensus.public();
        let error = CertificateError::Signature { seat, consensus_key };
        assert_eq!(verify(&keys, &vote, &certificate), Err(error));
    };
    // One signature for two seats, signatures in another order, one of nobody here, one by the
    // node key.
    check(vote.certificate(4, &[0, 1, 2], &[sign(0), sign(1), sign(1)]), 2);
    check(vote.certificate(4, &[0, 1, 2], &[sign(1), sign(0), sign(2)]), 0);
    let stranger = Keys::named("stranger").consensus.sign(&vote.message());
    check(vote.certificate(4, &[0, 1, 2, 3], &[sign(0), sign(1), sign(2), stranger]), 3);
    let node = keys[1].node.sign(&vote.message());
    check(vote.certificate(4, &[0, 1, 2], &[sign(0), node, sign(2)]), 1);
    let more = vote.certificate(4, &[0, 1, 2], &[sign(0), sign(1), sign(2), sign(2)]);
    let error = CertificateError::Signatures { signatures: 4, signers: 3 };
    assert_eq!(verify(&keys, &vote, &more), Err(error));
}

#[test]
fn what_is_signed_is_epoch_view_parent_block_and_network() {
    let (keys, vote) = four();
    let signatures: Vec<_> =
        (0..3).map(|seat| keys[seat].consensus.sign(&vote.message())).collect();
    let others = [
        Vote { epoch: 6, ..vote },
        Vote { view: 301, ..vote },
        Vote { parent_view: 298, ..vote },
        Vote { block: keccak256("other"), ..vote },
        Vote { genesis: keccak256("other"), ..vote },
    ];
    for other in others {
        let certificate = other.certificate(4, &[0, 1, 2], &signatures);
        let error = verify(&keys, &other, &certificate).unwrap_err();
        assert!(matches!(error, CertificateError::Signature { seat: 0, .. }), "{error}");
    }
    // A vote to notarize is none to finalize.
    let notarize: Vec<_> = (0..3)
        .map(|seat| {
            let message = vote.message();
            let (start, end) = message.split_at(1 + 11 + 32 + 32);
            let other = [&[84], &start[1..], b"_NOTARIZE", &end[9..]].concat();
            keys[seat].consensus.sign(&other)
        })
        .collect();
    let certificate = vote.certificate(4, &[0, 1, 2], &notarize);
    assert!(verify(&keys, &vote, &certificate).is_err());
}

#[test]
fn another_committee_s_certificate_is_refused() {
    let (keys, vote) = four();
    let certificate = vote.signed(&keys, &[0, 1, 2]);
    let five = [&keys[..], &validators(&["e"])].concat();
    let error = CertificateError::Seats { found: 4, expected: 5 };
    assert_eq!(verify(&five, &vote, &certificate), Err(error));
    // As many seats, and the same signers: their votes were for another committee.
    let other = Vote { committee: set_hash(&set(&five)), ..vote };
    let error = verify(&keys, &vote, &other.signed(&keys, &[0, 1, 2])).unwrap_err();
    assert!(matches!(error, CertificateError::Signature { seat: 0, .. }), "{error}");
    let other = Vote { block: keccak256("other"), ..vote };
    let error = CertificateError::Block { found: vote.block, expected: other.block };
    assert_eq!(verify(&keys, &other, &certificate), Err(error));
}

#[test]
fn every_single_changed_byte_is_refused() {
    let (keys, vote) = four();
    let certificate = vote.signed(&keys, &[0, 2, 3]);
    for position in 0..certificate.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut other = certificate.to_vec();
            other[position] ^= mask;
            assert!(verify(&keys, &vote, &other).is_err(), "byte {position} ^ {mask:#x}");
        }
        assert!(verify(&keys, &vote, &certificate[..position]).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_numbers_are_signed_and_verified(epoch: u64, view: u64, parent_view: u64, block: [u8; 32]) {
        let (keys, vote) = four();
        let vote = Vote { epoch, view, parent_view, block: block.into(), ..vote };
        prop_assert!(verify(&keys, &vote, &vote.signed(&keys, &[1, 2, 3])).is_ok());
    }
}
