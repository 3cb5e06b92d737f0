//! What holds, and what is told of it.

use alloy_consensus::Transaction;
use alloy_primitives::{Address, B256, U256, keccak256};
use windlass_proof::{
    Checkpoint, Committee, Fact, GOVERNANCE_ADDRESS, Proof, TrustAnchor, Validator, Verified,
    verify,
};

use crate::chain::{Chain, example};
use crate::keys::{Keys, account, validators};

/// The proof holds, as it is and after it was written and read.
fn check(chain: &Chain, proof: &Proof) -> Verified {
    let verified = verify(proof, &chain.anchor()).unwrap();
    let read = Proof::from_json(proof.to_json().as_bytes()).unwrap();
    assert_eq!(read, *proof);
    assert_eq!(verified.genesis, chain.genesis());
    verified
}

/// Validators in the order of their seats.
fn seats(keys: &[Keys]) -> Vec<Validator> {
    let mut seats: Vec<_> = keys.iter().map(Keys::validator).collect();
    seats.sort();
    seats
}

#[test]
fn a_transaction_with_its_receipt() {
    let chain = example();
    let proof = chain.proof(&[], 3, 3, chain.transaction(3, 1));
    let verified = check(&chain, &proof);
    assert_eq!(verified.block.number, 3);
    assert_eq!(verified.block.hash, chain.block(3).hash());
    assert_eq!(verified.block.timestamp_ms, 1_700_000_003_253);
    assert_eq!(verified.block.epoch, 0);
    assert_eq!(verified.block.header, chain.block(3).header);
    assert_eq!(verified.finality.number, 3);
    assert_eq!(verified.finality.certified.signers, seats(&validators(&["a", "b", "c", "d"]))[..3]);
    assert_eq!((verified.finality.certified.seats, verified.finality.certified.view), (4, 203));
    let Fact::Transaction(fact) = verified.fact else { panic!("{:?}", verified.fact) };
    assert_eq!((fact.index, fact.sender), (1, account("account 1").1));
    assert_eq!(fact.hash, keccak256(&chain.block(3).transactions[1]));
    assert_eq!(fact.transaction.nonce(), 3_001);
    assert!(fact.receipt.is_success());
    assert_eq!(fact.receipt.logs().len(), 1);
    let checkpoint = Checkpoint {
        genesis: chain.genesis(),
        epoch: 0,
        epoch_length: 8,
        validators: seats(&validators(&["a", "b", "c", "d"])),
    };
    assert_eq!(verified.checkpoint, checkpoint);
}

#[test]
fn each_transaction_of_a_large_block() {
    let chain = example();
    for index in 0..140 {
        let verified = check(&chain, &chain.proof(&[1], 18, 20, chain.transaction(18, index)));
        let Fact::Transaction(fact) = verified.fact else { panic!("{:?}", verified.fact) };
        assert_eq!(fact.hash, keccak256(&chain.block(18).transactions[index]));
    }
}

#[test]
fn a_log() {
    let chain = example();
    let verified = check(&chain, &chain.proof(&[1, 3], 34, 36, chain.log(34, 3, 2)));
    assert_eq!((verified.block.number, verified.finality.number), (34, 36));
    let Fact::Log(fact) = verified.fact else { panic!("{:?}", verified.fact) };
    assert_eq!(fact.position, 2);
    assert_eq!(fact.log.topics()[1], B256::with_last_byte(2));
    assert_eq!(fact.log.address, account("a contract").1);
    assert_eq!(fact.transaction.index, 3);
    assert_eq!(fact.transaction.hash, keccak256(&chain.block(34).transactions[3]));
}

#[test]
fn an_account_and_slots_and_what_is_not_there() {
    let chain = example();
    let (there, no_slot) = (B256::with_last_byte(5), B256::repeat_byte(9));
    let claim = chain.account(12, GOVERNANCE_ADDRESS, &[there, no_slot]);
    let Fact::Account(fact) = check(&chain, &chain.proof(&[], 12, 14, claim)).fact else {
        panic!("no account")
    };
    assert_eq!(fact.account, Some(chain.block(12).state[&GOVERNANCE_ADDRESS].trie_account()));
    assert_eq!((fact.slots[0].slot, fact.slots[0].value), (there, U256::from(160)));
    assert_eq!((fact.slots[1].slot, fact.slots[1].value), (no_slot, U256::ZERO));

    let nobody = Address::repeat_byte(0x77);
    let Fact::Account(fact) =
        check(&chain, &chain.proof(&[], 12, 12, chain.account(12, nobody, &[there]))).fact
    else {
        panic!("no account")
    };
    assert_eq!((fact.address, fact.account, fact.slots[0].value), (nobody, None, U256::ZERO));

    let bare = account("account 7").1;
    let Fact::Account(fact) =
        check(&chain, &chain.proof(&[], 12, 12, chain.account(12, bare, &[there]))).fact
    else {
        panic!("no account")
    };
    assert_eq!(fact.account.unwrap().balance, U256::from(8_000_000_000_000_000_000u64));
    assert_eq!(fact.slots[0].value, U256::ZERO);
}

#[test]
fn block_zero_through_its_descendants() {
    let chain = example();
    let verified =
        check(&chain, &chain.proof(&[], 0, 2, chain.account(0, GOVERNANCE_ADDRESS, &[])));
    assert_eq!((verified.block.number, verified.block.epoch), (0, 0));
    assert_eq!(verified.block.timestamp_ms, 1_700_000_000_000);
    assert_eq!(verified.finality.number, 2);
}

#[test]
fn validators_that_changed() {
    let chain = example();
    let verified = check(&chain, &chain.proof(&[1, 3], 34, 34, chain.transaction(34, 0)));
    let now = seats(&validators(&["b again", "c", "d", "e", "f", "g"]));
    assert_eq!(verified.finality.certified.seats, 6);
    assert_eq!((verified.finality.committee_epoch, verified.finality.certified.epoch), (4, 4));
    assert_eq!((verified.checkpoint.epoch, verified.checkpoint.validators), (4, now));
    // A block from before a change, by a certificate from after it.
    let verified = check(&chain, &chain.proof(&[1], 12, 19, chain.account(12, Address::ZERO, &[])));
    assert_eq!((verified.block.epoch, verified.finality.certified.epoch), (1, 2));
    assert_eq!(verified.checkpoint.epoch, 2);
    // Changes after the claim give the newer checkpoint.
    let verified = check(&chain, &chain.proof(&[1, 3], 3, 3, chain.transaction(3, 0)));
    assert_eq!((verified.block.number, verified.checkpoint.epoch), (3, 4));
    assert_eq!(verified.finality.committee_epoch, 0);
    // A set that stays the same can be shown, too.
    let verified = check(&chain, &chain.proof(&[0, 1, 2], 18, 18, chain.transaction(18, 0)));
    assert_eq!((verified.checkpoint.epoch, verified.checkpoint.validators.len()), (3, 7));
}

#[test]
fn a_checkpoint_to_go_on_from() {
    let chain = example();
    let proof = chain.proof(&[1, 3], 34, 34, chain.transaction(34, 0));
    let first = chain.proof(&[1], 18, 18, chain.transaction(18, 0));
    let checkpoint = verify(&first, &chain.anchor()).unwrap().checkpoint;
    assert_eq!(Checkpoint::from_json(checkpoint.to_json().as_bytes()).unwrap(), checkpoint);
    let anchor = TrustAnchor::from_checkpoint(checkpoint).unwrap();
    let expected = verify(&proof, &chain.anchor()).unwrap();
    // With the change that the checkpoint stands for, and without it.
    assert_eq!(verify(&proof, &anchor), Ok(expected.clone()));
    let short = chain.proof(&[3], 34, 34, chain.transaction(34, 0));
    assert_eq!(verify(&short, &anchor), Ok(expected));
}

#[test]
fn who_has_no_usable_keys_has_no_seat_and_a_set_of_such_changes_nothing() {
    let unusable = |key: B256| Validator { node_key: key, consensus_key: key };
    let unusable = (0..=u8::MAX)
        .map(|byte| unusable(B256::repeat_byte(byte)))
        .find(|one| Committee::new(B256::ZERO, &[*one]).is_none())
        .unwrap();
    let mut chain = Chain::new("odd", validators(&["a", "b"]), 4);
    chain.elect_odd(vec![validators(&["c"])[0].validator(), unusable], validators(&["c"]));
    chain.run_to(3);
    chain.elect_odd(vec![unusable], validators(&["c"]));
    chain.run_to(9);
    let verified = check(&chain, &chain.proof(&[0, 1], 9, 9, chain.account(9, Address::ZERO, &[])));
    assert_eq!(verified.finality.certified.seats, 1);
    assert_eq!(verified.checkpoint.validators, seats(&validators(&["c"])));
    assert_eq!(verified.checkpoint.epoch, 2);
}
