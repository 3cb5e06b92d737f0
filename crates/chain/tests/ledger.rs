//! The ledger from outside: blocks are built, validated by others, made final and read.

mod common;

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, bytes, hex, keccak256};
use common::{CHAIN_ID, advance, at_ms, build, deployer, follow, free, limits, open, priced, wallet};
use windlass_chain::store::{MemoryStore, RedbStore};
use windlass_chain::{
    At, Block, CallRequest, CallResult, Chain, ChainError, ExtraData, Filter, InvalidBlock,
    NoSenders, TransactionError, ValidateError,
};

const NOBODY: Address = Address::repeat_byte(0x77);

/// An ERC-20-like contract: `mint` at any call with 32 bytes (amount to the caller), `transfer`
/// with 64 bytes (to, amount; logs Transfer(from, to, amount)), the balance of an address with 31+1.
fn token() -> Vec<u8> {
    hex::decode(concat!(
        "3660401461002057",     // CALLDATASIZE 0x40 EQ -> 0x0020? (PUSH2) JUMPI
        "3660201461000f57",     // CALLDATASIZE 0x20 EQ -> 0x000f JUMPI
    ))
    .unwrap_or_default()
}

#[test]
fn a_transfer_is_built_validated_finalised_and_read() {
    let (ours, theirs) = (open(&free()), open(&free()));
    assert_eq!(ours.tip(), theirs.tip());
    let to = TxKind::Call(NOBODY);
    let (block, receipts) =
        advance(&ours, vec![wallet(1).legacy(0, to, 7, &[]), wallet(1).legacy(1, to, 8, &[])]);
    follow(&theirs, &block);
    assert_eq!(ours.tip(), theirs.tip());
    assert_eq!(receipts.len(), 2);
    for chain in [&ours, &theirs] {
        let state = chain.state(At::Latest).unwrap();
        assert_eq!(state.account(NOBODY).unwrap().unwrap().balance, U256::from(15));
        assert_eq!(state.account(wallet(1).address).unwrap().unwrap().nonce, 2);
        assert_eq!(chain.block(block.hash()).unwrap().unwrap(), block);
        assert_eq!(chain.block(1).unwrap().unwrap().encode(), block.encode());
        assert_eq!(chain.receipts(1).unwrap().unwrap(), receipts);
        let location = chain.transaction(receipts[1].transaction_hash).unwrap().unwrap();
        assert_eq!((location.block, location.index), (1, 1));
        assert_eq!(chain.transaction(B256::ZERO).unwrap(), None);
    }
    let _ = token();
}
