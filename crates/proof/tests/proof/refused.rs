//! What is refused, in which part, and why.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, keccak256};
use proptest::prelude::*;
use windlass_proof::{
    AnchorError, CertificateError, Checkpoint, Claim, GOVERNANCE_ADDRESS, HeaderError, MAX_CHANGES,
    MAX_HEADERS, MAX_PATH_NODES, PathError, Proof, Reason, TrustAnchor, verify,
};

use crate::chain::{Chain, Vote, example};
use crate::keys::validators;

/// The proof is refused in this part for this reason.
fn check(chain: &Chain, proof: &Proof, part: &str, reason: impl Fn(&Reason) -> bool) {
    let error = verify(proof, &chain.anchor()).unwrap_err();
    assert_eq!(error.part, part, "{}", error.reason);
    assert!(reason(&error.reason), "{:?}", error.reason);
}

/// A proof over both changes of the example.
fn valid(chain: &Chain) -> Proof {
    let proof = chain.proof(&[1, 3], 34, 36, chain.transaction(34, 3));
    assert!(verify(&proof, &chain.anchor()).is_ok());
    proof
}

#[test]
fn another_network_s_proof() {
    let chain = example();
    // The same validators, keys and blocks, and another name in the document.
    let mut other = Chain::new("other", validators(&["a", "b", "c", "d"]), 8);
    other.run_to(5);
    let proof = other.proof(&[], 3, 4, other.account(3, Address::ZERO, &[]));
    assert!(verify(&proof, &other.anchor()).is_ok());
    check(&chain, &proof, "genesis", |reason| matches!(reason, Reason::OtherDocument { .. }));
    // With the right block 0, the votes are another network's.
    let forged = Proof { genesis: chain.block(0).rlp(), ..proof.clone() };
    check(&chain, &forged, "certificate", |reason| {
        matches!(reason, Reason::Certificate(CertificateError::Signature { seat: 0, .. }))
    });
    // With another block 0 that carries the right document's hash, too.
    let header = Header {
        extra_data: chain.block(0).header.extra_data.clone(),
        ..other.block(0).header.clone()
    };
    let forged = Proof { genesis: alloy_rlp::encode(&header).into(), ..proof.clone() };
    check(&chain, &forged, "certificate", |reason| matches!(reason, Reason::Certificate(_)));
    let checkpoint = verify(&valid(&chain), &chain.anchor()).unwrap().checkpoint;
    let anchor = TrustAnchor::from_checkpoint(checkpoint).unwrap();
    let error = verify(&proof, &anchor).unwrap_err();
    assert!(matches!(error.reason, Reason::OtherNetwork { .. }), "{error:?}");
}

#[test]
fn changes_left_out_swapped_doubled_or_old() {
    let chain = example();
    let proof = valid(&chain);
    let with = |changes: &[u64]| Proof {
        changes: changes.iter().map(|epoch| chain.change(*epoch)).collect(),
        ..proof.clone()
    };
    let seats =
        |reason: &Reason| matches!(reason, Reason::Certificate(CertificateError::Seats { .. }));
    check(&chain, &with(&[]), "certificate", seats);
    check(&chain, &with(&[1]), "certificate", seats);
    check(&chain, &with(&[3]), "changes[0].certificate", seats);
    check(&chain, &with(&[3, 1]), "changes[0].certificate", seats);
    let order = |reason: &Reason| matches!(reason, Reason::Order { epoch: 1, before: 1 });
    check(&chain, &with(&[1, 1, 3]), "changes[1].header", order);
    check(&chain, &with(&[1, 3, 1]), "changes[2].header", |reason| {
        matches!(reason, Reason::Order { epoch: 1, before: 3 })
    });
}

#[test]
fn the_validators_of_before_a_change() {
    let chain = example();
    let mut proof = valid(&chain);
    // Those of epoch 2 sign a block of epoch 4.
    let old = chain.committee(2);
    proof.certificate = chain.vote(36).signed(&old, &[0, 1, 2, 3, 4]);
    check(&chain, &proof, "certificate", |reason| {
        matches!(reason, Reason::Certificate(CertificateError::Seats { found: 7, expected: 6 }))
    });
    // In a set of the same size, one has other keys.
    let mut chain = Chain::new("same size", validators(&["a", "b", "c", "d"]), 4);
    chain.elect(validators(&["a", "b again", "c", "d"]));
    chain.run_to(6);
    let mut proof = chain.proof(&[0], 5, 5, chain.account(5, Address::ZERO, &[]));
    assert!(verify(&proof, &chain.anchor()).is_ok());
    proof.certificate = chain.vote(5).signed(&chain.committee(0), &[0, 1, 2, 3]);
    check(&chain, &proof, "certificate", |reason| {
        matches!(reason, Reason::Certificate(CertificateError::Signature { .. }))
    });
}

#[test]
fn a_change_by_what_is_not_an_epoch_s_last_block() {
    let chain = example();
    let mut proof = valid(&chain);
    proof.changes[0].header = chain.block(14).rlp();
    proof.changes[0].certificate = chain.certificate(14);
    check(&chain, &proof, "changes[0].header", |reason| {
        matches!(reason, Reason::NotLastOfEpoch { number: 14, epoch_length: 8 })
    });
}

#[test]
fn a_change_to_a_set_that_the_state_does_not_name() {
    let chain = example();
    let mut proof = valid(&chain);
    proof.changes[0].validators.pop();
    check(&chain, &proof, "changes[0].validators", |reason| {
        matches!(reason, Reason::SetHash { .. })
    });
    let mut proof = valid(&chain);
    proof.changes[0].validators.swap(1, 2);
    check(&chain, &proof, "changes[0].validators", |reason| {
        matches!(reason, Reason::Unordered { position: 2 })
    });
    let mut proof = valid(&chain);
    proof.changes[1].storage_proof =
        chain.block(31).state[&GOVERNANCE_ADDRESS].slot_proof(B256::with_last_byte(1));
    let path = |reason: &Reason| matches!(reason, Reason::Path(_));
    check(&chain, &proof, "changes[1].storage_proof", path);
    let mut proof = valid(&chain);
    proof.changes[1].account_proof = proof.changes[0].account_proof.clone();
    check(&chain, &proof, "changes[1].account_proof", path);
}

#[test]
fn epochs_that_do_not_fit_the_height() {
    let chain = example();
    let committee = chain.committee(4);
    let mut proof = valid(&chain);
    // The right committee signs the right block with another epoch.
    for epoch in [3, 5] {
        let vote = Vote { epoch, ..chain.vote(36) };
        proof.certificate = vote.signed(&committee, &[0, 1, 2, 3, 4]);
        check(&chain, &proof, "certificate", |reason| {
            *reason == Reason::Epoch { found: epoch, expected: 4 }
        });
    }
    // A header that says another epoch than its height has.
    let mut header = chain.block(34).header.clone();
    let mut extra = header.extra_data.to_vec();
    extra[8] = 3;
    header.extra_data = extra.into();
    proof.headers = vec![alloy_rlp::encode(&header).into()];
    check(&chain, &proof, "headers[0]", |reason| {
        *reason == Reason::Epoch { found: 3, expected: 4 }
    });
    header.extra_data = Bytes::from_static(b"geth");
    proof.headers = vec![alloy_rlp::encode(&header).into()];
    check(&chain, &proof, "headers[0]", |reason| {
        matches!(reason, Reason::Header(HeaderError::ExtraData { .. }))
    });
}

#[test]
fn headers_that_are_no_chain() {
    let chain = example();
    let valid = valid(&chain);
    let with = |heights: &[u64]| Proof {
        headers: heights.iter().map(|height| chain.block(*height).rlp()).collect(),
        ..valid.clone()
    };
    check(&chain, &with(&[]), "headers", |reason| *reason == Reason::Empty);
    let parent = |reason: &Reason| matches!(reason, Reason::Parent { .. });
    check(&chain, &with(&[34, 36]), "headers[1]", parent);
    check(&chain, &with(&[34, 34, 35, 36]), "headers[1]", parent);
    check(&chain, &with(&[35, 34, 36]), "headers[1]", parent);
    check(&chain, &with(&[34, 35]), "certificate", |reason| {
        matches!(reason, Reason::Certificate(CertificateError::Block { .. }))
    });
    check(&chain, &with(&[36]), "claim.transaction.transaction_path", |reason| {
        matches!(reason, Reason::Path(PathError::Surplus { used: 0 }))
    });
    let mut skipping = chain.block(36).header.clone();
    skipping.parent_hash = chain.block(34).hash();
    let mut proof = with(&[34]);
    proof.headers.push(alloy_rlp::encode(&skipping).into());
    check(&chain, &proof, "headers[1]", |reason| {
        *reason == Reason::Number { found: 36, expected: 35 }
    });
}

#[test]
fn block_zero_by_itself_or_of_another_network() {
    let chain = example();
    let claim = || chain.account(0, GOVERNANCE_ADDRESS, &[]);
    let mut proof = chain.proof(&[], 0, 1, claim());
    proof.headers.pop();
    let vote = Vote { epoch: 0, block: chain.genesis(), ..chain.vote(1) };
    proof.certificate = vote.signed(&chain.committee(0), &[0, 1, 2]);
    check(&chain, &proof, "certificate", |reason| *reason == Reason::BlockZero);
    let mut proof = chain.proof(&[], 0, 1, claim());
    let other = Header { timestamp: 1, ..chain.block(0).header.clone() };
    proof.headers[0] = alloy_rlp::encode(&other).into();
    check(&chain, &proof, "headers[0]", |reason| matches!(reason, Reason::OtherNetwork { .. }));
    let mut proof = chain.proof(&[], 0, 1, claim());
    proof.genesis = chain.block(1).rlp();
    check(&chain, &proof, "genesis", |reason| *reason == Reason::NotBlockZero { found: 1 });
}

#[test]
fn paths_that_are_cut_or_go_elsewhere() {
    let chain = example();
    let valid = valid(&chain);
    let with = |edit: &dyn Fn(&mut windlass_proof::Inclusion)| {
        let mut inclusion = chain.inclusion(34, 3);
        edit(&mut inclusion);
        Proof { claim: Claim::Transaction(inclusion), ..valid.clone() }
    };
    let truncated = |reason: &Reason| matches!(reason, Reason::Path(PathError::Truncated { .. }));
    let part = "claim.transaction.transaction_path";
    check(&chain, &with(&|one| drop(one.transaction_path.pop())), part, truncated);
    check(&chain, &with(&|one| one.transaction_path.clear()), part, truncated);
    check(&chain, &with(&|one| one.transaction_path.push(Bytes::new())), part, |reason| {
        matches!(reason, Reason::Path(PathError::Surplus { .. }))
    });
    check(&chain, &with(&|one| one.index = 2), part, |reason| {
        matches!(reason, Reason::Path(PathError::Hash { .. }))
    });
    check(&chain, &with(&|one| one.index = 77), part, |reason| {
        matches!(reason, Reason::Path(_) | Reason::Absent)
    });
    let other = chain.inclusion(34, 2);
    check(&chain, &with(&|one| one.transaction = other.transaction.clone()), part, |reason| {
        *reason == Reason::Differs
    });
    let part = "claim.transaction.receipt_path";
    check(&chain, &with(&|one| one.receipt = other.receipt.clone()), part, |reason| {
        *reason == Reason::Differs
    });
    check(&chain, &with(&|one| one.receipt_path = other.receipt_path.clone()), part, |reason| {
        matches!(reason, Reason::Path(PathError::Hash { .. }))
    });
    let log = Proof { claim: chain.log(34, 3, 3), ..valid.clone() };
    check(&chain, &log, "claim.log.position", |reason| {
        *reason == Reason::NoLog { position: 3, logs: 3 }
    });
}

#[test]
fn the_absence_of_what_is_there() {
    let chain = example();
    let proof = |claim: Claim| chain.proof(&[], 12, 12, claim);
    let Claim::Account(mut claim) = chain.account(12, GOVERNANCE_ADDRESS, &[B256::ZERO]) else {
        panic!("no account")
    };
    // The path of somebody who is not there does not decide somebody who is.
    let Claim::Account(absent) = chain.account(12, Address::repeat_byte(0x77), &[]) else {
        panic!("no account")
    };
    let mut other = claim.clone();
    other.account_proof = absent.account_proof;
    let path = |reason: &Reason| matches!(reason, Reason::Path(_));
    check(&chain, &proof(Claim::Account(other)), "claim.account.account_proof", path);
    claim.slots[0].proof.clear();
    check(&chain, &proof(Claim::Account(claim.clone())), "claim.account.slots[0].proof", path);
    claim.account_proof.pop();
    check(&chain, &proof(Claim::Account(claim)), "claim.account.account_proof", path);
}

#[test]
fn what_is_older_than_a_checkpoint() {
    let chain = example();
    let checkpoint = verify(&valid(&chain), &chain.anchor()).unwrap().checkpoint;
    let anchor = TrustAnchor::from_checkpoint(checkpoint.clone()).unwrap();
    let proof = chain.proof(&[1], 18, 18, chain.transaction(18, 0));
    let error = verify(&proof, &anchor).unwrap_err();
    assert_eq!(error.part, "certificate");
    assert_eq!(error.reason, Reason::BeforeCheckpoint { epoch: 2, checkpoint: 4 });
    let wrong = |edit: &dyn Fn(&mut Checkpoint)| {
        let mut checkpoint = checkpoint.clone();
        edit(&mut checkpoint);
        TrustAnchor::from_checkpoint(checkpoint).unwrap_err()
    };
    assert!(matches!(wrong(&|one| one.validators.clear()), AnchorError::NoSeat));
    assert!(matches!(wrong(&|one| one.epoch_length = 1), AnchorError::EpochLength { .. }));
    let one = checkpoint.validators[0];
    assert!(matches!(
        wrong(&|checkpoint| checkpoint.validators = vec![one; 101]),
        AnchorError::TooMany { found: 101 }
    ));
    // Another epoch length, and other validators.
    let other = Checkpoint { epoch_length: 9, ..checkpoint.clone() };
    let anchor = TrustAnchor::from_checkpoint(other).unwrap();
    assert!(verify(&valid(&chain), &anchor).is_err());
    let other = Checkpoint { validators: checkpoint.validators[1..].to_vec(), ..checkpoint };
    let anchor = TrustAnchor::from_checkpoint(other).unwrap();
    assert!(verify(&valid(&chain), &anchor).is_err());
}

#[test]
fn too_much_of_anything() {
    let chain = example();
    let valid = valid(&chain);
    let too_many =
        |most: usize| move |reason: &Reason| *reason == Reason::TooMany { found: most + 1, most };
    let check_both = |proof: &Proof, part: &str, most: usize| {
        check(&chain, proof, part, too_many(most));
        let error = Proof::from_json(proof.to_json().as_bytes()).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(&format!("more than {most} entries")), "{source}");
    };
    let headers = vec![Bytes::new(); MAX_HEADERS + 1];
    check_both(&Proof { headers, ..valid.clone() }, "headers", MAX_HEADERS);
    let changes = vec![valid.changes[0].clone(); MAX_CHANGES + 1];
    check_both(&Proof { changes, ..valid.clone() }, "changes", MAX_CHANGES);
    let mut long = valid.clone();
    long.changes[0].account_proof = vec![Bytes::new(); MAX_PATH_NODES + 1];
    check_both(&long, "changes[0].account_proof", MAX_PATH_NODES);
    let slots = vec![keccak256("slot"); 1_025];
    let claim = chain.account(34, GOVERNANCE_ADDRESS, &slots);
    check_both(&Proof { claim, ..valid.clone() }, "claim.account.slots", 1_024);
    let mut many = valid;
    many.changes[0].validators = vec![many.changes[0].validators[0]; 101];
    check_both(&many, "changes[0].validators", 100);
    assert!(Proof::from_json(&vec![b' '; (32 << 20) + 1]).is_err());
}

#[test]
fn files_of_another_form() {
    let chain = example();
    let text = valid(&chain).to_json();
    let check = |from: &str, to: &str, expect: &str| {
        assert!(text.contains(from), "{from}");
        let error = Proof::from_json(text.replacen(from, to, 1).as_bytes()).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let told = format!("{error}: {}", source.unwrap_or_default());
        assert!(told.contains(expect), "{told}");
    };
    check("windlass-proof", "windlass-checkpoint", "\"windlass-checkpoint\" version 1");
    check("\"version\": 1", "\"version\": 2", "version 2");
    check("\"version\": 1", "\"version\": \"1\"", "invalid type");
    check("\"version\": 1,", "\"version\": 1, \"more\": 1,", "unknown field `more`");
    check("\"index\": 3,", "\"index\": 3, \"more\": 1,", "unknown field `more`");
    check("\"index\": 3,", "\"index\": 3, \"index\": 3,", "duplicate field `index`");
    check("\"index\": 3,", "", "missing field `index`");
    check("\"index\": 3,", "\"index\": -3,", "invalid value");
    check("\"transaction\": {", "\"deposit\": {", "unknown variant `deposit`");
    check("\"genesis\": \"0x", "\"genesis\": \"", "begin with 0x");
    check("\"genesis\": \"0x", "\"genesis\": \"0x0x", "begin with 0x");
    check("\"genesis\": \"0x", "\"genesis\": \"0x0", "odd");
    check("\"genesis\": \"0x", "\"genesis\": \"0xg0", "invalid character");
    check("\"node_key\": \"0x", "\"node_key\": \"0x00", "33 bytes");
    let deep = format!("{{\"format\":{}", "[".repeat(1_000_000));
    assert!(Proof::from_json(deep.as_bytes()).is_err());
}

proptest! {
    #[test]
    fn any_bytes_are_no_proof(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(Proof::from_json(&bytes).is_err());
        prop_assert!(Checkpoint::from_json(&bytes).is_err());
    }
}

/// Those who voted before and after a change can't be made to have voted as the committee of before.
#[test]
fn a_change_that_is_left_out_is_not_hidden_by_votes_of_members_who_stayed() {
    let chain = example();
    let mut proof = chain.proof(&[], 18, 18, chain.transaction(18, 0));
    let before = chain.committee(0);
    proof.certificate = chain.vote(18).signed(&before, &[0, 1, 2]);
    assert!(verify(&proof, &chain.anchor()).is_err());
}
