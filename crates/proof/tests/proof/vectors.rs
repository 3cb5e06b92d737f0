//! The test vectors in `crates/proof/vectors`: what docs/protocol/proofs.md is quoted with.
//!
//! They are made by `UPDATE_VECTORS=1 cargo test -p windlass-proof --test proof vectors`, and
//! checked on each run.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use alloy_consensus::Transaction;
use alloy_primitives::{Address, B256, Bytes, hex};
use serde_json::{Value, json};
use windlass_proof::{
    AccountFact, Checkpoint, EvidenceProof, Fact, GOVERNANCE_ADDRESS, Proof, TransactionFact,
    TrustAnchor, Verified, verify, verify_evidence,
};

use crate::chain::{Chain, example};
use crate::evidence::Ballot;
use crate::keys::{account, validators};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

/// Writes a file where the vectors are to be made anew.
fn update(name: &str, content: &str) {
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let path = folder().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Other tests may read it at the same time.
        let fresh = path.with_extension(format!("{:?}", std::thread::current().id()));
        fs::write(&fresh, content).unwrap();
        fs::rename(fresh, path).unwrap();
    }
}

/// The committed file has this content.
fn keep(name: &str, content: &str) {
    update(name, content);
    let found = fs::read_to_string(folder().join(name)).unwrap_or_default();
    assert!(found == content, "{name} is not what the tests make; see UPDATE_VECTORS");
}

/// The committed file has this value; its keys may come in any order.
fn keep_value(name: &str, value: &Value) {
    update(name, &format!("{value:#}\n"));
    let found = fs::read_to_string(folder().join(name)).unwrap_or_default();
    let found: Value = serde_json::from_str(&found).unwrap_or_default();
    assert_eq!(found, *value, "{name} is not what the tests make; see UPDATE_VECTORS");
}

/// What the verifier tells of a committed proof against a committed anchor.
fn outcome(proof: &str, anchor: &str) -> Value {
    let read = |name: &str| fs::read(folder().join(name)).unwrap();
    let anchor = match anchor {
        "genesis.json" => TrustAnchor::from_genesis(&read(anchor)).unwrap(),
        _ => TrustAnchor::from_checkpoint(Checkpoint::from_json(&read(anchor)).unwrap()).unwrap(),
    };
    let proof = Proof::from_json(&read(proof)).unwrap();
    match verify(&proof, &anchor) {
        Ok(verified) => told(&verified),
        Err(error) => json!({
            "refused": { "part": error.part, "reason": error.source().unwrap().to_string() },
        }),
    }
}

fn told(verified: &Verified) -> Value {
    let Verified { genesis, block, finality, fact, checkpoint } = verified;
    let fact = match fact {
        Fact::Transaction(fact) => json!({ "transaction": told_transaction(fact) }),
        Fact::Log(fact) => json!({
            "log": {
                "position": fact.position,
                "address": fact.log.address,
                "topics": fact.log.topics(),
                "data": fact.log.data.data,
                "transaction": told_transaction(&fact.transaction),
            },
        }),
        Fact::Account(fact) => json!({ "account": told_account(fact) }),
    };
    json!({
        "genesis": genesis,
        "block": {
            "number": block.number,
            "hash": block.hash,
            "timestamp_ms": block.timestamp_ms,
            "epoch": block.epoch,
        },
        "finality": {
            "number": finality.number,
            "committee_epoch": finality.committee_epoch,
            "hash": finality.certified.block,
            "epoch": finality.certified.epoch,
            "view": finality.certified.view,
            "seats": finality.certified.seats,
            "signers": finality.certified.signers,
        },
        "fact": fact,
        "checkpoint": checkpoint,
    })
}

fn told_transaction(fact: &TransactionFact) -> Value {
    json!({
        "index": fact.index,
        "hash": fact.hash,
        "sender": fact.sender,
        "nonce": fact.transaction.nonce(),
        "success": fact.receipt.is_success(),
        "cumulative_gas_used": fact.receipt.cumulative_gas_used(),
        "logs": fact.receipt.logs().len(),
    })
}

fn told_account(fact: &AccountFact) -> Value {
    let slots = fact.slots.iter().map(|slot| json!({ "slot": slot.slot, "value": slot.value }));
    json!({
        "address": fact.address,
        "account": fact.account.as_ref().map(|account| json!({
            "nonce": account.nonce,
            "balance": account.balance,
            "storage_root": account.storage_root,
            "code_hash": account.code_hash,
        })),
        "slots": slots.collect::<Vec<_>>(),
    })
}

/// Keeps a proof and what is told of it.
fn check(name: &str, anchor: &str, proof: &Proof) -> Value {
    keep(&format!("{name}.json"), &proof.to_json());
    let outcome = outcome(&format!("{name}.json"), anchor);
    let expected = json!({ "anchor": anchor, "outcome": outcome });
    keep_value(&format!("{name}.expected.json"), &expected);
    outcome
}

fn check_holds(name: &str, anchor: &str, proof: &Proof) {
    let outcome = check(name, anchor, proof);
    assert!(outcome.get("refused").is_none(), "{name}: {outcome}");
}

fn check_refused(name: &str, proof: &Proof) {
    let outcome = check(&format!("refused/{name}"), "genesis.json", proof);
    assert!(outcome.get("refused").is_some(), "{name}: {outcome}");
}

#[test]
fn proofs_that_hold_and_what_they_tell() {
    let chain = example();
    keep("genesis.json", &chain.document);
    check_holds("transaction", "genesis.json", &chain.proof(&[], 3, 3, chain.transaction(3, 1)));
    check_holds("log", "genesis.json", &chain.proof(&[], 3, 5, chain.log(3, 1, 0)));
    let slots = [B256::ZERO, B256::with_last_byte(5), B256::repeat_byte(9)];
    let claim = chain.account(12, GOVERNANCE_ADDRESS, &slots);
    check_holds("account", "genesis.json", &chain.proof(&[], 12, 12, claim));
    let claim = chain.account(12, Address::repeat_byte(0x77), &[B256::ZERO]);
    check_holds("absent-account", "genesis.json", &chain.proof(&[], 12, 12, claim));
    let claim = chain.account(0, account("account 0").1, &[]);
    check_holds("block-zero", "genesis.json", &chain.proof(&[], 0, 1, claim));
    let changed = chain.proof(&[1], 18, 20, chain.transaction(18, 130));
    check_holds("changed-validators", "genesis.json", &changed);
    let checkpoint = verify(&changed, &chain.anchor()).unwrap().checkpoint;
    keep("checkpoint.json", &checkpoint.to_json());
    let later = chain.proof(&[3], 34, 36, chain.transaction(34, 3));
    check_holds("since-checkpoint", "checkpoint.json", &later);
}

#[test]
fn proofs_that_are_refused_and_why() {
    let chain = example();
    keep("genesis.json", &chain.document);
    let valid = chain.proof(&[1, 3], 34, 36, chain.transaction(34, 3));
    let edited = |edit: &dyn Fn(&mut Proof)| {
        let mut proof = valid.clone();
        edit(&mut proof);
        proof
    };
    let mut other = Chain::new("other", validators(&["a", "b", "c", "d"]), 8);
    other.run_to(3);
    let foreign = other.proof(&[], 3, 3, other.account(3, Address::ZERO, &[]));
    check_refused("another-network", &foreign);
    let forged = Proof { genesis: chain.block(0).rlp(), ..foreign };
    check_refused("another-network-s-votes", &forged);
    check_refused("change-left-out", &edited(&|proof| drop(proof.changes.remove(0))));
    check_refused("change-twice", &edited(&|proof| proof.changes.insert(0, chain.change(1))));
    let committee = chain.committee(4);
    let too_few = chain.vote(36).signed(&committee, &[0, 1, 2, 3]);
    check_refused("too-few-signatures", &edited(&|proof| proof.certificate = too_few.clone()));
    let message = chain.vote(36).message();
    let signatures: Vec<_> =
        [0, 1, 2, 3, 3].map(|seat| committee[seat].consensus.sign(&message)).to_vec();
    let twice = chain.vote(36).certificate(6, &[0, 1, 2, 3, 4], &signatures);
    check_refused("one-signer-twice", &edited(&|proof| proof.certificate = twice.clone()));
    check_refused(
        "changed-receipt",
        &edited(&|proof| {
            let windlass_proof::Claim::Transaction(inclusion) = &mut proof.claim else {
                panic!("no transaction")
            };
            let mut receipt = inclusion.receipt.to_vec();
            *receipt.last_mut().unwrap() ^= 1;
            inclusion.receipt = receipt.into();
        }),
    );
    check_refused(
        "cut-path",
        &edited(&|proof| {
            let windlass_proof::Claim::Transaction(inclusion) = &mut proof.claim else {
                panic!("no transaction")
            };
            inclusion.transaction_path.pop();
        }),
    );
}

/// Each kind of two votes in epoch 2, after a change.
#[test]
fn evidence_and_what_it_tells() {
    let chain = example();
    keep("genesis.json", &chain.document);
    let changes = [chain.change(1)];
    let committee = chain.committee(2);
    let ballot = Ballot { kind: b"", epoch: 2, view: 300, proposal: Some((299, 7)), seat: 5 };
    let other = Ballot { proposal: Some((299, 8)), ..ballot };
    let as_votes = |kind, ballot: Ballot| Ballot { kind, ..ballot };
    let (notarize, finalize): (&[u8], &[u8]) = (b"_NOTARIZE", b"_FINALIZE");
    let nullify = Ballot { kind: b"_NULLIFY", proposal: None, ..ballot };
    let all = [
        ("notarized-twice", 7, as_votes(notarize, ballot), as_votes(notarize, other)),
        ("finalized-twice", 8, as_votes(finalize, ballot), as_votes(finalize, other)),
        ("finalized-and-nullified", 9, nullify, as_votes(finalize, ballot)),
    ];
    for (name, first, one, other) in all {
        let [one, other] = [one, other].map(|one| one.cast(chain.genesis(), &committee));
        let votes = [&[first][..], &one, &other].concat();
        let evidence = EvidenceProof::new(chain.block(0).rlp(), &changes, votes.into()).unwrap();
        keep(&format!("evidence/{name}.json"), &evidence.to_json());
        let shown = verify_evidence(&evidence, &chain.anchor()).unwrap();
        let told = json!({
            "genesis": shown.genesis,
            "hash": shown.hash,
            "kind": shown.conflicting.contradiction.name(),
            "epoch": shown.epoch,
            "view": shown.view,
            "validator": shown.validator,
            "committee_epoch": shown.committee_epoch,
            "checkpoint": shown.checkpoint,
        });
        let expected = json!({ "anchor": "genesis.json", "outcome": told });
        keep_value(&format!("evidence/{name}.expected.json"), &expected);
    }
}

/// The signed bytes and the certificate of the first vector, piece by piece.
#[test]
fn a_message_and_its_certificate() {
    let chain = example();
    let vote = chain.vote(3);
    let message = vote.message();
    let certificate = chain.certificate(3);
    let (split, rest) = (message.split_at(85), certificate.split_at(37));
    assert_eq!(split.1, rest.0, "the message ends with what the certificate begins with");
    let hex = |bytes: &[u8]| Bytes::copy_from_slice(bytes).to_string();
    let content = json!({
        "genesis": vote.genesis,
        "committee_hash": vote.committee,
        "epoch": vote.epoch,
        "view": vote.view,
        "parent_view": vote.parent_view,
        "block": vote.block,
        "namespace": hex(&split.0[1..]),
        "message": hex(&message),
        "signatures": rest.1[10..].chunks(64).map(hex::encode_prefixed).collect::<Vec<_>>(),
        "certificate": certificate,
        "committee": chain.committee(0).iter().map(crate::keys::Keys::validator).collect::<Vec<_>>(),
    });
    keep_value("message.json", &content);
}
