//! Who votes, as the governance contract's state has it.

use alloy_primitives::B256;
use windlass_chain::governance::{Committee, SeatedValidator, set_hash};
use windlass_chain::{Evidence, MAX_EVIDENCE_OF_ONE};

use crate::common::{free, open};

#[test]
fn the_validators_of_the_genesis_are_the_first_and_their_hash_is_the_contract_s() {
    let genesis = free();
    let chain = open(&genesis);
    let elected = chain.next_validators().unwrap();
    assert_eq!(elected, genesis.validators().map(SeatedValidator::from).collect::<Vec<_>>());
    assert_eq!(chain.next_validators_hash().unwrap(), set_hash(&elected));
}

#[test]
fn a_hundred_with_the_longest_texts_are_read_where_blocks_have_the_least_gas() {
    let mut genesis = free();
    genesis.gas_limit = 1_000_000;
    genesis.transaction_gas_cap = 1_000_000;
    let one = genesis.members[0].validators[0].clone();
    let many = (0u8..100).map(|index| windlass_chain::genesis::Validator {
        name: format!("{index:064}"),
        node_key: B256::with_last_byte(index + 1),
        consensus_key: B256::with_last_byte(index + 101),
        endpoint: "e".repeat(256),
        ..one.clone()
    });
    genesis.members[0].validators = many.collect();
    let chain = open(&genesis);
    let elected = chain.next_validators().unwrap();
    assert_eq!(elected.len(), 100);
    assert_eq!(chain.next_validators_hash().unwrap(), set_hash(&elected));
}

#[test]
fn who_votes_in_an_epoch_is_kept() {
    let chain = open(&free());
    assert_eq!(chain.committee(3).unwrap(), None);
    let seats = chain.next_validators().unwrap();
    // The hash is of a set that some have no seat of.
    let committee = Committee { hash: B256::repeat_byte(7), seats: seats[..2].to_vec() };
    chain.keep_committee(3, &committee).unwrap();
    assert_eq!(chain.committee(3).unwrap(), Some(committee));
    let nobody = Committee { hash: B256::ZERO, seats: Vec::new() };
    chain.keep_committee(4, &nobody).unwrap();
    assert_eq!(chain.committee(4).unwrap(), Some(nobody));
}

#[test]
fn the_evidence_against_one_validator_leaves_room_for_another_s() {
    let chain = open(&free());
    let seen = |key: u8, epoch: u64, kind: u8| Evidence {
        epoch,
        view: 7,
        node_key: B256::with_last_byte(key),
        consensus_key: B256::with_last_byte(key),
        kind,
        votes: vec![key; 9].into(),
        seen_at_ms: 1,
    };
    let kept: Vec<bool> =
        (0..40).map(|epoch| chain.keep_evidence(&seen(1, epoch, 0)).unwrap()).collect();
    assert_eq!(kept.iter().filter(|kept| **kept).count(), MAX_EVIDENCE_OF_ONE);
    assert!(kept.is_sorted_by(|before, after| before >= after), "the first ones stay");
    assert!(chain.keep_evidence(&seen(2, 39, 2)).unwrap());
    assert!(!chain.keep_evidence(&seen(2, 39, 2)).unwrap(), "it is there");
    assert_eq!(chain.evidence().unwrap().len(), MAX_EVIDENCE_OF_ONE + 1);
}
