//! The ledger from outside: blocks are built, validated by others, made final and read.

use crate::common::{
    COUNTED, NOBODY, TO_NOBODY, TRANSFER, advance, at_ms, balance_slot, build, burner, counter,
    deploy, deployer, factory, follow, free, genesis, hex, nonce, open, priced, reverter,
    token_deployer, transfer, wallet,
};
use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use windlass_chain::{
    At, Attributes, Block, Chain, ChainError, ExtraData, Filter, InvalidBlock, NoSenders,
    ProveError, TransactionError, ValidateError, genesis::Fees,
};

fn balance(chain: &Chain, address: Address, at: At) -> U256 {
    let account = chain.state(at).unwrap().account(address).unwrap();
    account.map_or(U256::ZERO, |account| account.balance)
}

#[test]
fn a_transfer_is_built_validated_finalised_and_read() {
    let (ours, theirs) = (open(&free()), open(&free()));
    assert_eq!(ours.tip(), theirs.tip());
    let (block, receipts) = advance(
        &ours,
        vec![wallet(1).legacy(0, TO_NOBODY, 7, &[]), wallet(1).legacy(1, TO_NOBODY, 8, &[])],
    );
    follow(&theirs, &block);
    assert_eq!(ours.tip(), theirs.tip());
    assert_eq!(receipts.len(), 2);
    for chain in [&ours, &theirs] {
        assert_eq!(balance(chain, NOBODY, At::Latest), U256::from(15));
        assert_eq!(nonce(chain, wallet(1).address), 2);
        assert_eq!(chain.block(block.hash()).unwrap().unwrap(), block);
        assert_eq!(chain.block(1).unwrap().unwrap().encode(), block.encode());
        assert_eq!(chain.header(1).unwrap().unwrap().seal(), block.hash());
        assert_eq!(chain.receipts(1).unwrap().unwrap(), receipts);
        let location = chain.transaction(receipts[1].transaction_hash).unwrap().unwrap();
        assert_eq!((location.block, location.index), (1, 1));
        assert_eq!(chain.transaction(B256::ZERO).unwrap(), None);
        let mut other = receipts[1].transaction_hash;
        other[31] ^= 1;
        let proof = chain.prove_transaction(other, 0);
        assert!(matches!(proof, Err(ProveError::UnknownTransaction)), "{proof:?}");
        assert_eq!(chain.block(2).unwrap(), None);
        assert_eq!(chain.block(B256::ZERO).unwrap(), None);
    }
}

#[test]
fn an_account_without_balance_sends_for_free_with_any_fee() {
    let (chain, poor) = (open(&free()), wallet(7));
    let (block, receipts) = advance(
        &chain,
        vec![
            poor.eip1559(0, TO_NOBODY, U256::ZERO, &[]),
            poor.legacy(1, TO_NOBODY, 0, &[]),
            poor.eip1559(2, TxKind::Create, U256::ZERO, &deployer(&counter())),
        ],
    );
    assert_eq!(block.header().base_fee_per_gas, Some(0));
    assert!(receipts.iter().all(|receipt| receipt.success && receipt.effective_gas_price == 0));
    assert_eq!(balance(&chain, poor.address, At::Latest), U256::ZERO);
    assert_eq!(balance(&chain, block.header().beneficiary, At::Latest), U256::ZERO);
    let beggar = poor.eip1559(3, TO_NOBODY, U256::from(1), &[]);
    let tip = chain.tip();
    let built = chain.build(tip.hash, at_ms(9_000), &mut [beggar].into_iter()).unwrap();
    assert_eq!(
        built.skipped[0].reason,
        TransactionError::InsufficientFunds { have: U256::ZERO, want: U256::from(1) }
    );
}

#[test]
fn eip1559_charges_and_never_falls_below_the_floor() {
    let chain = open(&priced());
    let before = balance(&chain, wallet(1).address, At::Latest);
    let (block, receipts) =
        advance(&chain, vec![wallet(1).eip1559(0, TO_NOBODY, U256::from(1), &[])]);
    assert_eq!(block.header().base_fee_per_gas, Some(1_000_000_000));
    assert_eq!(receipts[0].effective_gas_price, 2_000_000_000);
    let cost = U256::from(21_000u64 * 2_000_000_000 + 1);
    assert_eq!(before - balance(&chain, wallet(1).address, At::Latest), cost);
    let tip = balance(&chain, block.header().beneficiary, At::Latest);
    assert_eq!(tip, U256::from(21_000u64 * 1_000_000_000));
    let (next, _) = advance(&chain, vec![]);
    assert_eq!(next.header().base_fee_per_gas, Some(1_000_000_000));
    let broke = wallet(7).eip1559(0, TO_NOBODY, U256::ZERO, &[]);
    let built = chain.build(chain.tip().hash, at_ms(9_000), &mut [broke].into_iter()).unwrap();
    assert!(matches!(built.skipped[0].reason, TransactionError::InsufficientFunds { .. }));
}

#[test]
fn a_base_fee_of_zero_shows_that_nothing_is_charged() {
    let floorless = Fees::Eip1559 { floor_wei: 0 };
    for (fees, expect) in [(Fees::Free, 0), (floorless, 1)] {
        let chain = open(&genesis(fees));
        for _ in 0..3 {
            let (block, _) = advance(&chain, vec![]);
            assert_eq!(block.header().base_fee_per_gas, Some(expect));
        }
    }
}

#[test]
fn contracts_of_every_kind_give_the_same_root_elsewhere() {
    let (ours, theirs) = (open(&free()), open(&free()));
    let sender = wallet(1);
    let mut blocks = Vec::new();
    let mut make = |transactions| {
        let (block, receipts) = advance(&ours, transactions);
        blocks.push(block);
        receipts
    };
    let created = make(vec![
        sender.legacy(0, TxKind::Create, 0, &token_deployer(1_000)),
        sender.legacy(1, TxKind::Create, 0, &deployer(&factory())),
        sender.legacy(2, TxKind::Create, 0, &deployer(&reverter())),
        sender.legacy(3, TxKind::Create, 0, &deployer(&burner())),
        // Destroys itself while it is created: nothing stays, its value goes to the sender.
        sender.legacy(4, TxKind::Create, 3, &hex("33ff")),
        sender.legacy(5, TxKind::Create, 0, &deployer(&counter())),
    ]);
    assert!(created.iter().all(|receipt| receipt.success));
    let address = |index: usize| created[index].contract_address.unwrap();
    let to = |index: usize| TxKind::Call(address(index));
    let receipts = make(vec![
        sender.legacy(6, to(0), 0, &transfer(NOBODY, 300)),
        wallet(2).legacy(0, to(0), 0, &transfer(NOBODY, 1)),
        sender.legacy(7, to(1), 0, &deployer(&counter())),
        sender.legacy(8, to(2), 0, &[]),
        sender.legacy(9, to(3), 0, &[]),
        sender.legacy(10, to(5), 0, &[]),
        sender.legacy(11, to(0), 0, &transfer(wallet(2).address, 700)),
    ]);
    let success: Vec<bool> = receipts.iter().map(|receipt| receipt.success).collect();
    assert_eq!(success, [true, false, true, false, false, true, true]);
    assert_eq!(receipts[4].gas_used, 1_000_000, "out of gas takes all");
    assert_eq!(receipts[0].logs.len(), 1);
    assert_eq!(receipts[5].logs[0].topics(), [COUNTED, sender.address.into_word()]);
    // The wallet becomes the counter (EIP-7702), is called, and is an account again.
    make(vec![
        wallet(2).eip7702(1, wallet(3).address, vec![wallet(3).authorize(0, address(5))]),
        sender.legacy(12, TxKind::Call(wallet(3).address), 0, &[]),
    ]);
    let state = ours.state(At::Latest).unwrap();
    assert_eq!(state.storage(wallet(3).address, U256::ZERO).unwrap(), U256::from(2));
    assert_eq!(state.code(wallet(3).address).unwrap().len(), 23);
    make(vec![wallet(2).eip7702(2, NOBODY, vec![wallet(3).authorize(1, Address::ZERO)])]);
    assert!(ours.state(At::Latest).unwrap().code(wallet(3).address).unwrap().is_empty());
    for block in &blocks {
        follow(&theirs, block);
    }
    assert_eq!(ours.tip(), theirs.tip());
    let state = theirs.state(At::Latest).unwrap();
    let holder = |address| state.storage(address, balance_slot(address)).unwrap();
    assert_eq!(holder(NOBODY), U256::ZERO);
    let balance = |holder| state.storage(address(0), balance_slot(holder)).unwrap();
    assert_eq!(balance(NOBODY), U256::from(300));
    assert_eq!(balance(sender.address), U256::ZERO, "a slot that became zero is gone");
    assert_eq!(state.account(address(4)).unwrap(), None);
}

#[test]
fn a_wrong_header_field_is_refused_each() {
    let (ours, theirs) = (open(&priced()), open(&priced()));
    let block = build(&ours, vec![wallet(1).eip1559(0, TO_NOBODY, U256::from(7), &[])]);
    let refuse = |field: &str, change: &dyn Fn(&mut Header)| {
        let mut inner = block.as_inner().clone();
        change(&mut inner.header);
        let forged = Block::new(inner);
        let parent = forged.parent_hash();
        match theirs.validate(parent, &forged, &NoSenders) {
            Err(ValidateError::Invalid(InvalidBlock::Header { field: found, .. })) => {
                assert_eq!(found, field);
            }
            other => panic!("{field}: {other:?}"),
        }
    };
    refuse("number", &|header| header.number += 1);
    refuse("sha3Uncles", &|header| header.ommers_hash = B256::ZERO);
    refuse("stateRoot", &|header| header.state_root = B256::ZERO);
    refuse("transactionsRoot", &|header| header.transactions_root = B256::ZERO);
    refuse("receiptsRoot", &|header| header.receipts_root = B256::ZERO);
    refuse("logsBloom", &|header| header.logs_bloom.0[0] = 1);
    refuse("difficulty", &|header| header.difficulty = U256::from(1));
    refuse("gasLimit", &|header| header.gas_limit += 1);
    refuse("gasUsed", &|header| header.gas_used += 1);
    refuse("extraData", &|header| header.extra_data = Bytes::new());
    refuse("extraData", &|header| header.extra_data = Bytes::from(vec![1u8; 32]));
    refuse("mixHash", &|header| header.mix_hash = B256::ZERO);
    refuse("nonce", &|header| header.nonce.0[7] = 1);
    refuse("baseFeePerGas", &|header| header.base_fee_per_gas = Some(7));
    refuse("withdrawalsRoot", &|header| header.withdrawals_root = Some(B256::ZERO));
    refuse("blobGasUsed", &|header| header.blob_gas_used = Some(131_072));
    refuse("excessBlobGas", &|header| header.excess_blob_gas = Some(1));
    refuse("parentBeaconBlockRoot", &|header| {
        header.parent_beacon_block_root = Some(B256::repeat_byte(1));
    });
    refuse("requestsHash", &|header| header.requests_hash = Some(B256::ZERO));
    // The tips go to another: the state is another.
    refuse("stateRoot", &|header| header.beneficiary = NOBODY);
    let unknown = Block::new({
        let mut inner = block.as_inner().clone();
        inner.header.parent_hash = B256::repeat_byte(9);
        inner
    });
    let parent = unknown.parent_hash();
    assert!(matches!(
        theirs.validate(parent, &unknown, &NoSenders),
        Err(ValidateError::Chain(ChainError::UnknownParent(_)))
    ));
    follow(&theirs, &block);
}

#[test]
fn a_wrong_body_is_refused() {
    let (ours, theirs) = (open(&free()), open(&free()));
    let block = build(&ours, vec![wallet(1).legacy(0, TO_NOBODY, 7, &[])]);
    let refuse = |change: &dyn Fn(&mut alloy_consensus::Block<alloy_consensus::TxEnvelope>)| {
        let mut inner = block.as_inner().clone();
        change(&mut inner);
        inner.header.transactions_root =
            alloy_consensus::proofs::calculate_transaction_root(&inner.body.transactions);
        let forged = Block::new(inner);
        match theirs.validate(forged.parent_hash(), &forged, &NoSenders) {
            Err(ValidateError::Invalid(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let twice = refuse(&|block| {
        let transaction = block.body.transactions[0].clone();
        block.body.transactions.push(transaction);
    });
    assert_eq!(
        twice,
        InvalidBlock::Transaction {
            index: 1,
            reason: TransactionError::NonceTooLow { transaction: 0, state: 1 },
        }
    );
    assert!(matches!(
        refuse(&|block| block.body.ommers.push(Header::default())),
        InvalidBlock::Body(_)
    ));
    assert!(matches!(refuse(&|block| block.body.withdrawals = None), InvalidBlock::Body(_)));
    let none = refuse(&|block| block.body.transactions.clear());
    assert!(matches!(none, InvalidBlock::Header { field: "gasUsed", .. }), "{none:?}");
}

#[test]
fn time_may_stand_still_but_not_go_back() {
    let chain = open(&free());
    let genesis = chain.tip();
    let attempt = |parent, offset_ms| {
        chain.build(parent, Attributes { epoch: 3, ..at_ms(offset_ms) }, &mut std::iter::empty())
    };
    let first = attempt(genesis.hash, 1_250).unwrap().block;
    assert_eq!(first.extra_data(), Some(ExtraData { epoch: 3, milliseconds: 250 }));
    assert_eq!(first.timestamp_ms(), at_ms(1_250).timestamp_ms);
    let same = attempt(first.hash(), 1_250).unwrap().block;
    assert_eq!(same.timestamp_ms(), first.timestamp_ms());
    for offset_ms in [1_249, 999, 0] {
        assert!(matches!(
            attempt(first.hash(), offset_ms),
            Err(ChainError::Attributes(InvalidBlock::Time { .. }))
        ));
    }
    let other = open(&free());
    other.validate(genesis.hash, &first, &NoSenders).unwrap();
    let mut inner = same.as_inner().clone();
    inner.header.extra_data = ExtraData { epoch: 3, milliseconds: 249 }.encode();
    let back = Block::new(inner);
    assert!(matches!(
        other.validate(first.hash(), &back, &NoSenders),
        Err(ValidateError::Invalid(InvalidBlock::Time { .. }))
    ));
}

#[test]
fn competing_children_are_dropped_when_one_is_final() {
    let chain = open(&free());
    let genesis = chain.tip().hash;
    let child = |parent, value, offset_ms| {
        let nonce = u64::from(parent != genesis);
        let mut transactions = [wallet(1).legacy(nonce, TO_NOBODY, value, &[])].into_iter();
        chain.build(parent, at_ms(offset_ms), &mut transactions).unwrap().block
    };
    let (left, right) = (child(genesis, 1, 10), child(genesis, 2, 20));
    let (left_child, right_child) = (child(left.hash(), 3, 30), child(right.hash(), 4, 40));
    assert_eq!(balance(&chain, NOBODY, At::Latest), U256::ZERO);
    assert!(matches!(
        chain.finalize(&left_child),
        Err(ValidateError::Chain(ChainError::NotFinalizable { .. }))
    ));
    chain.finalize(&left).unwrap();
    assert!(chain.is_executed(left_child.hash()));
    assert!(!chain.is_executed(right.hash()) && !chain.is_executed(right_child.hash()));
    assert!(matches!(
        chain.finalize(&right),
        Err(ValidateError::Chain(ChainError::NotFinalizable { .. }))
    ));
    let again = chain.finalize(&left).unwrap();
    assert_eq!(again, chain.receipts(1).unwrap().unwrap());
    chain.finalize(&left_child).unwrap();
    assert_eq!(balance(&chain, NOBODY, At::Latest), U256::from(4));
    assert!(matches!(
        chain.build(right.hash(), at_ms(99), &mut std::iter::empty()),
        Err(ChainError::UnknownParent(_))
    ));
}

#[test]
fn logs_are_found_by_address_and_topics() {
    let chain = open(&free());
    let token_at = deploy(&chain, &token_deployer(10_000));
    let counter_at = deploy(&chain, &deployer(&counter()));
    for step in 0..20u64 {
        let sender = wallet(1);
        let nonce = nonce(&chain, sender.address);
        let to = if step == 13 { wallet(2).address } else { NOBODY };
        advance(
            &chain,
            vec![
                sender.legacy(nonce, TxKind::Call(token_at), 0, &transfer(to, step + 1)),
                sender.legacy(nonce + 1, TxKind::Call(counter_at), 0, &[]),
            ],
        );
    }
    let find = |addresses: Vec<Address>, topics: Vec<Vec<B256>>, range| {
        let filter = Filter { addresses, topics };
        chain.logs(range, &filter, 1_000).unwrap()
    };
    assert_eq!(find(vec![], vec![], 0..=u64::MAX).len(), 40);
    assert_eq!(find(vec![token_at], vec![], 0..=100).len(), 20);
    assert_eq!(find(vec![token_at, counter_at], vec![], 5..=6).len(), 4);
    let sparse = vec![vec![TRANSFER], vec![], vec![wallet(2).address.into_word()]];
    let found = find(vec![], sparse.clone(), 0..=100);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].block_number, found[0].transaction_index, found[0].log_index), (16, 0, 0));
    assert_eq!(found[0].block_hash, chain.header(16).unwrap().unwrap().seal());
    assert_eq!(find(vec![counter_at], sparse, 0..=100), vec![]);
    let either = vec![vec![TRANSFER, COUNTED]];
    let found = find(vec![], either, 3..=3);
    let positions: Vec<u64> = found.iter().map(|entry| entry.log_index).collect();
    assert_eq!(positions, [0, 1]);
    assert!(chain.logs(0..=100, &Filter::default(), 39).is_err());
}

#[test]
fn older_states_are_read_within_the_window() {
    let chain = open(&free()).with_state_window(6);
    let token_at = deploy(&chain, &token_deployer(1_000));
    let slot = balance_slot(NOBODY);
    for _ in 0..10 {
        let nonce = nonce(&chain, wallet(1).address);
        advance(
            &chain,
            vec![
                wallet(1).legacy(nonce, TxKind::Call(token_at), 0, &transfer(NOBODY, 1)),
                wallet(1).legacy(nonce + 1, TO_NOBODY, 2, &[]),
            ],
        );
    }
    let tip = chain.tip().number;
    for number in tip - 6..=tip {
        let steps = number - 1;
        let state = chain.state(At::Number(number)).unwrap();
        assert_eq!(state.storage(token_at, slot).unwrap(), U256::from(steps), "block {number}");
        assert_eq!(balance(&chain, NOBODY, At::Number(number)), U256::from(steps * 2));
        let hash = chain.header(number).unwrap().unwrap().seal();
        assert_eq!(balance(&chain, NOBODY, At::Hash(hash)), U256::from(steps * 2));
    }
    assert!(matches!(
        chain.state(At::Number(tip - 7)),
        Err(ChainError::StatePruned { oldest, .. }) if oldest == tip - 6
    ));
    assert!(matches!(chain.state(At::Number(tip + 1)), Err(ChainError::UnknownBlock)));
}
