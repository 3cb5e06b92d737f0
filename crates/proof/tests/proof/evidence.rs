//! Evidence that a validator voted twice: what holds, and that everything else is refused.

use std::sync::LazyLock;

use alloy_primitives::{B256, Bytes, keccak256};
use proptest::prelude::*;
use windlass_proof::{
    Checkpoint, ConflictingVotes, Contradiction, EvidenceProof, MAX_VOTES_BYTES, ProofError,
    Reason, TrustAnchor, VerifiedEvidence, VotesError, verify_evidence,
};

use crate::bytes::{digits, other_digit};
use crate::chain::{Chain, set, set_hash, varint};
use crate::keys::{Keys, validators};

/// A vote of a seat, as docs/protocol/proofs.md has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ballot {
    pub(crate) kind: &'static [u8],
    pub(crate) epoch: u64,
    pub(crate) view: u64,
    /// Parent's view and block, unless it is to nullify.
    pub(crate) proposal: Option<(u64, u8)>,
    pub(crate) seat: usize,
}

const NOTARIZE: Ballot =
    Ballot { kind: b"_NOTARIZE", epoch: 1, view: 300, proposal: Some((299, 7)), seat: 1 };
const FINALIZE: Ballot = Ballot { kind: b"_FINALIZE", ..NOTARIZE };
const NULLIFY: Ballot = Ballot { kind: b"_NULLIFY", proposal: None, ..NOTARIZE };

impl Ballot {
    /// Its bytes, signed with the keys of its seat in the committee's namespace.
    pub(crate) fn cast(&self, genesis: B256, committee: &[Keys]) -> Vec<u8> {
        let mut content = [varint(self.epoch), varint(self.view)].concat();
        if let Some((parent_view, block)) = self.proposal {
            content.extend(varint(parent_view));
            content.extend([block; 32]);
        }
        let hash = set_hash(&set(committee));
        let namespace = [b"windlass/1/", &genesis[..], &hash[..], self.kind].concat();
        let length = varint(namespace.len() as u64);
        let message = [&length[..], &namespace, &content].concat();
        let signature = committee[self.seat].consensus.sign(&message);
        [&content[..], &varint(self.seat as u64), &signature].concat()
    }
}

/// A network of a, to which b comes in epoch 1, and a goes in epoch 2.
static CHAIN: LazyLock<Chain> = LazyLock::new(|| chain("small"));

fn chain(name: &str) -> Chain {
    let mut chain = Chain::new(name, validators(&["a"]), 4);
    chain.elect(validators(&["a", "b"]));
    chain.run_to(4);
    chain.elect(validators(&["b"]));
    chain.run_to(9);
    chain
}

fn votes(kind: u8, ballots: [Ballot; 2]) -> Vec<u8> {
    let committee = CHAIN.committee(1);
    let [one, other] = ballots.map(|ballot| ballot.cast(CHAIN.genesis(), &committee));
    [&[kind][..], &one, &other].concat()
}

/// Each kind of two votes that contradict each other.
fn kinds() -> [(Contradiction, Vec<u8>); 3] {
    let other = |ballot: Ballot| Ballot { proposal: Some((299, 8)), ..ballot };
    [
        (Contradiction::NotarizedTwice, votes(7, [NOTARIZE, other(NOTARIZE)])),
        (Contradiction::FinalizedTwice, votes(8, [FINALIZE, other(FINALIZE)])),
        (Contradiction::FinalizedAndNullified, votes(9, [NULLIFY, FINALIZE])),
    ]
}

fn evidence(changes: &[u64], votes: &[u8]) -> EvidenceProof {
    EvidenceProof {
        genesis: CHAIN.block(0).rlp(),
        changes: changes.iter().map(|epoch| CHAIN.change(*epoch)).collect(),
        votes: Bytes::copy_from_slice(votes),
    }
}

fn verdict(votes: &[u8]) -> Result<VerifiedEvidence, ProofError> {
    verify_evidence(&evidence(&[0], votes), &CHAIN.anchor())
}

/// The votes are refused for this reason.
fn refused(votes: &[u8], expect: impl Fn(&VotesError) -> bool) {
    let error = verdict(votes).unwrap_err();
    assert_eq!(error.part, "votes");
    match &error.reason {
        Reason::Votes(error) => assert!(expect(error), "{error:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_kind_names_its_validator() {
    let signer = CHAIN.committee(1)[1].validator();
    for (kind, votes) in kinds() {
        let shown = verdict(&votes).unwrap();
        assert_eq!(shown.validator, signer);
        assert_eq!((shown.genesis, shown.epoch, shown.view), (CHAIN.genesis(), 1, 300));
        assert_eq!(shown.conflicting.contradiction, kind);
        assert_eq!(shown.committee_epoch, 1);
        let (node_key, consensus_key) = (signer.node_key, signer.consensus_key);
        let head = [&1u64.to_be_bytes()[..], &300u64.to_be_bytes()].concat();
        let keys = [node_key.as_slice(), consensus_key.as_slice()].concat();
        let whole = [&head[..], &keys, &[kind.number()], &votes].concat();
        assert_eq!(shown.hash, keccak256(whole), "as docs/protocol/governance.md has it");
        let file = evidence(&[0], &votes);
        assert_eq!(EvidenceProof::from_json(file.to_json().as_bytes()).unwrap(), file);
    }
}

#[test]
fn another_parent_is_another_proposal() {
    let other = Ballot { proposal: Some((298, 7)), ..NOTARIZE };
    assert!(verdict(&votes(7, [NOTARIZE, other])).is_ok());
}

#[test]
fn a_file_has_no_change_from_after_the_votes() {
    let [(_, votes), ..] = kinds();
    let changes = [CHAIN.change(0), CHAIN.change(1)];
    let file = EvidenceProof::new(CHAIN.block(0).rlp(), &changes, votes.clone().into()).unwrap();
    assert_eq!(file, evidence(&[0], &votes));
    assert!(verify_evidence(&evidence(&[0, 1], &votes), &CHAIN.anchor()).is_ok());
}

#[test]
fn every_single_byte_matters() {
    for (_, votes) in kinds() {
        let text = evidence(&[0], &votes).to_json();
        let read = |text: &[u8]| {
            verify_evidence(&EvidenceProof::from_json(text).ok()?, &CHAIN.anchor()).ok()
        };
        assert!(read(text.as_bytes()).is_some());
        let digits = digits(&text);
        assert!(digits.len() > 1_000, "{} bytes", digits.len());
        for position in digits {
            assert_eq!(read(&other_digit(&text, position)), None, "at {position}");
        }
        for length in 0..votes.len() {
            assert!(verdict(&votes[..length]).is_err(), "cut at {length}");
        }
        refused(&[&votes[..], &[0]].concat(), |error| *error == VotesError::Trailing { bytes: 1 });
    }
}

#[test]
fn the_order_of_two_votes_of_a_kind_means_nothing() {
    for (kind, votes) in kinds() {
        let (first, [one, other]) = (votes[0], halves(&votes));
        let swapped = [&[first][..], other, one].concat();
        match kind {
            Contradiction::NotarizedTwice | Contradiction::FinalizedTwice => {
                let (one, other) = (verdict(&votes).unwrap(), verdict(&swapped).unwrap());
                assert_eq!(one.validator, other.validator);
                assert_ne!(one.hash, other.hash, "it is made from the bytes");
            }
            Contradiction::FinalizedAndNullified => assert!(verdict(&swapped).is_err()),
        }
    }
}

/// The two votes of some bytes.
fn halves(votes: &[u8]) -> [&[u8]; 2] {
    let first = if votes[0] == 9 { 3 + 1 + 64 } else { 5 + 32 + 1 + 64 };
    let (one, other) = votes[1..].split_at(first);
    [one, other]
}

#[test]
fn votes_that_do_not_contradict_each_other_are_no_evidence() {
    refused(&votes(7, [NOTARIZE; 2]), |error| *error == VotesError::Same);
    refused(&votes(8, [FINALIZE; 2]), |error| *error == VotesError::Same);
    refused(&votes(6, [FINALIZE; 2]), |error| *error == VotesError::Kind { found: 6 });
    let other = Ballot { proposal: Some((299, 8)), ..FINALIZE };
    let apart = |error: &VotesError| matches!(error, VotesError::Apart { .. });
    refused(&votes(8, [FINALIZE, Ballot { view: 301, ..other }]), apart);
    refused(&votes(8, [FINALIZE, Ballot { epoch: 2, ..other }]), apart);
    refused(&votes(8, [FINALIZE, Ballot { seat: 0, ..other }]), apart);
    let signature = |error: &VotesError| matches!(error, VotesError::Signature { .. });
    refused(&votes(7, [FINALIZE, other]), signature);
    refused(&votes(8, [NOTARIZE, other]), signature);
}

#[test]
fn a_seat_that_there_is_not_has_not_voted() {
    let committee = CHAIN.committee(1);
    let three = [committee, validators(&["c"])].concat();
    let cast = |block| {
        Ballot { seat: 2, proposal: Some((1, block)), ..NOTARIZE }.cast(CHAIN.genesis(), &three)
    };
    let votes = [vec![7], cast(1), cast(2)].concat();
    refused(&votes, |error| *error == VotesError::NoSeat { seat: 2, seats: 2 });
}

#[test]
fn votes_of_another_network_or_committee_are_no_evidence() {
    let other = chain("another");
    let [(_, valid), ..] = kinds();
    let foreign = verify_evidence(&evidence(&[0], &valid), &other.anchor()).unwrap_err();
    assert_eq!(foreign.part, "genesis");
    let signature = |error: &VotesError| matches!(error, VotesError::Signature { vote: 0, .. });
    let cast = |genesis, committee: &[Keys], block| {
        Ballot { proposal: Some((1, block)), ..NOTARIZE }.cast(genesis, committee)
    };
    let committee = CHAIN.committee(1);
    let elsewhere = other.genesis();
    let two = [cast(elsewhere, &committee, 1), cast(elsewhere, &committee, 2)];
    refused(&[&[7][..], &two.concat()].concat(), signature);
    let strangers = [committee, validators(&["c"])].concat();
    let two = [1, 2].map(|block| cast(CHAIN.genesis(), &strangers, block));
    refused(&[&[7][..], &two.concat()].concat(), signature);
}

#[test]
fn a_change_that_is_left_out_is_noticed() {
    let [(_, votes), ..] = kinds();
    let error = verify_evidence(&evidence(&[], &votes), &CHAIN.anchor()).unwrap_err();
    assert_eq!(error.part, "votes", "the founder alone never had a seat 1");
}

#[test]
fn a_checkpoint_speaks_of_no_epoch_before_it() {
    let [(_, votes), ..] = kinds();
    let at = |epoch, members: &[&str]| {
        TrustAnchor::from_checkpoint(Checkpoint {
            genesis: CHAIN.genesis(),
            epoch,
            epoch_length: 4,
            validators: set(&validators(members)),
        })
        .unwrap()
    };
    let shown = verify_evidence(&evidence(&[0], &votes), &at(1, &["a", "b"])).unwrap();
    assert_eq!(shown.committee_epoch, 1);
    let error = verify_evidence(&evidence(&[0], &votes), &at(2, &["b"])).unwrap_err();
    assert_eq!(error.reason, Reason::BeforeCheckpoint { epoch: 1, checkpoint: 2 });
}

#[test]
fn too_many_bytes_are_not_read() {
    let error = verdict(&[7; MAX_VOTES_BYTES + 1]).unwrap_err();
    let (found, most) = (MAX_VOTES_BYTES + 1, MAX_VOTES_BYTES);
    assert_eq!(error.reason, Reason::TooMany { found, most });
    let largest = Ballot { epoch: u64::MAX, view: u64::MAX, ..FINALIZE };
    let largest = [7, 8].map(|byte| Ballot { proposal: Some((u64::MAX, byte)), ..largest });
    assert!(votes(8, largest).len() <= MAX_VOTES_BYTES);
}

proptest! {
    #[test]
    fn any_bytes_are_decoded_or_refused(
        first in 7..10u8,
        rest in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let votes = [&[first][..], &rest].concat();
        prop_assert!(verdict(&votes).is_err());
        if let Ok(conflicting) = ConflictingVotes::decode(&votes) {
            prop_assert_eq!(conflicting.votes[0].view, conflicting.votes[1].view);
        }
    }
}
