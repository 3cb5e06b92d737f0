//! What a block takes, and how much.

use alloy_consensus::TxEnvelope;
use alloy_consensus::transaction::Recovered;
use alloy_primitives::{Address, TxKind, U256};
use windlass_chain::{Attributes, Chain, Room, TransactionError};

use crate::common::{advance, at_ms, burner, free, open, wallet};

const TO_NOBODY: TxKind = TxKind::Call(Address::repeat_byte(0x77));

#[test]
fn a_full_block_leaves_the_rest_for_the_next() {
    let chain = open(&free());
    let transactions: Vec<_> = (0..40)
        .map(|nonce| {
            wallet(1).eip1559_with(nonce, TxKind::Create, U256::ZERO, &burner(), 10_000_000)
        })
        .collect();
    let tip = chain.tip();
    let built = chain.build(tip.hash, at_ms(1), &mut transactions.into_iter()).unwrap();
    assert_eq!(built.block.transactions().len(), 3);
    assert_eq!(built.block.header().gas_used, 30_000_000);
    let over = wallet(1).eip1559_with(0, TO_NOBODY, U256::ZERO, &[], 16_777_217);
    let built = chain.build(tip.hash, at_ms(2), &mut [over].into_iter()).unwrap();
    assert_eq!(
        built.skipped[0].reason,
        TransactionError::GasAboveCap { have: 16_777_217, cap: 16_777_216 }
    );
}

/// How many of these transactions a block takes that has so much room.
fn taken(chain: &Chain, transactions: &[Recovered<TxEnvelope>], room: Room) -> usize {
    let attributes = Attributes { room, ..at_ms(1) };
    let mut transactions = transactions.iter().cloned();
    let built = chain.build(chain.tip().hash, attributes, &mut transactions).unwrap();
    assert!(built.skipped.is_empty(), "what has no room is not refused: {:?}", built.skipped);
    built.block.transactions().len()
}

#[test]
fn a_proposer_may_take_less_of_a_block_but_one_transaction_always() {
    let chain = open(&free());
    let data = vec![0; 10_000];
    let transactions: Vec<_> = (0..6)
        .map(|nonce| wallet(1).eip1559_with(nonce, TO_NOBODY, U256::ZERO, &data, 200_000))
        .collect();
    let taken = |room| taken(&chain, &transactions, room);
    assert_eq!(taken(Room::ALL), 6);
    assert_eq!(taken(Room { bytes: 32_000, ..Room::ALL }), 3);
    // 121,000 gas each; what the next one might use counts whole.
    assert_eq!(taken(Room { gas: 450_000, ..Room::ALL }), 3);
    assert_eq!(taken(Room { bytes: 0, gas: 0 }), 1);
}

#[test]
fn a_beacon_request_is_refused() {
    let chain = open(&free());
    advance(&chain, vec![]);
    let withdrawals = alloy_eips::eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS;
    let request = wallet(1).eip1559(0, TxKind::Call(withdrawals), U256::from(1_000), &[1u8; 56]);
    let tip = chain.tip();
    let built = chain.build(tip.hash, at_ms(9_000), &mut [request].into_iter()).unwrap();
    assert_eq!(built.skipped[0].reason, TransactionError::BeaconRequest);
    assert_eq!(built.block.transactions().len(), 0);
}
