//! Merkle proofs, at the tip and before it.

use std::sync::atomic::AtomicBool;

use alloy_primitives::{Address, TxKind, U256, keccak256};
use nybbles::Nibbles;
use windlass_chain::{At, Chain, ChainError, PROOF_WINDOW};

use crate::common::{
    NOBODY, TO_NOBODY, advance, balance_slot, deploy, free, open, token_deployer, transfer, wallet,
};

/// Checks a proof against its block's header, and what it shows against the state there.
fn verify(chain: &Chain, at: At, address: Address, slots: &[U256]) {
    let proof = chain.proof(at, address, slots, None).unwrap();
    let header = chain.header(proof.block_hash).unwrap().unwrap();
    let state = chain.state(at).unwrap();
    assert_eq!(proof.account, state.account(address).unwrap());
    alloy_trie::proof::verify_proof(
        header.state_root,
        Nibbles::unpack(keccak256(address)),
        proof.account.map(alloy_rlp::encode),
        &proof.account_proof,
    )
    .unwrap();
    for slot in proof.storage {
        assert_eq!(slot.value, state.storage(address, slot.slot).unwrap());
        let value = (!slot.value.is_zero()).then(|| alloy_rlp::encode(slot.value));
        let root = proof.account.unwrap_or_default().storage_root;
        let key = Nibbles::unpack(keccak256(slot.slot.to_be_bytes::<32>()));
        alloy_trie::proof::verify_proof(root, key, value, &slot.proof).unwrap();
    }
}

#[test]
fn proofs_lead_to_the_state_root_of_each_block() {
    let chain = open(&free());
    let token_at = deploy(&chain, &token_deployer(1_000));
    let token = TxKind::Call(token_at);
    let slots = [balance_slot(wallet(1).address), balance_slot(NOBODY), U256::from(77)];
    for amount in 1..=4 {
        let nonce = 2 * amount - 1;
        let calls = vec![
            wallet(1).legacy(nonce, token, 0, &transfer(NOBODY, amount)),
            wallet(1).legacy(nonce + 1, TO_NOBODY, 2, &[]),
        ];
        advance(&chain, calls);
    }
    // All that is left goes: a slot becomes zero again.
    advance(&chain, vec![wallet(1).legacy(9, token, 0, &transfer(NOBODY, 990))]);
    let tip = chain.tip().number;
    for number in 0..=tip {
        for address in [token_at, NOBODY, wallet(1).address, wallet(9).address] {
            verify(&chain, At::Number(number), address, &slots);
        }
    }
    verify(&chain, At::Latest, token_at, &slots);
}

#[test]
fn proofs_before_their_window_are_refused() {
    let chain = open(&free());
    for nonce in 0..PROOF_WINDOW + 2 {
        advance(&chain, vec![wallet(1).legacy(nonce, TO_NOBODY, 1, &[])]);
    }
    let oldest = chain.tip().number - PROOF_WINDOW;
    verify(&chain, At::Number(oldest), NOBODY, &[]);
    let refused = chain.proof(At::Number(oldest - 1), NOBODY, &[], None).unwrap_err();
    assert!(matches!(refused, ChainError::ProofPruned { oldest: told, .. } if told == oldest));
    let unknown = chain.proof(At::Number(chain.tip().number + 1), NOBODY, &[], None);
    assert!(matches!(unknown, Err(ChainError::UnknownBlock)));
}

#[test]
fn an_archive_proves_and_reads_each_state_and_takes_its_time() {
    let chain = open(&free()).with_state_window(2).with_archive();
    for nonce in 0..PROOF_WINDOW + 20 {
        advance(&chain, vec![wallet(1).legacy(nonce, TO_NOBODY, 1, &[])]);
    }
    for number in [0, 1, 7, PROOF_WINDOW] {
        verify(&chain, At::Number(number), NOBODY, &[]);
        let state = chain.state(At::Number(number)).unwrap();
        let balance = state.account(NOBODY).unwrap().map_or(U256::ZERO, |one| one.balance);
        assert_eq!(balance, U256::from(number));
    }
    let over = AtomicBool::new(true);
    let ended = chain.proof(At::Number(1), NOBODY, &[], Some(&over));
    assert!(matches!(ended, Err(ChainError::Cancelled)));
}
