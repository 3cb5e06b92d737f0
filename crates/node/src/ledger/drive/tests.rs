use alloy_primitives::{TxKind, U256};
use windlass_chain::genesis::Fees;

use super::*;
use crate::ledger::{States, open, open_store};
use crate::testing::{Account, NOW_MS, drive, genesis, ledger, proposal, tip_block};

fn send(ledger: &NodeLedger, transaction: &Bytes) -> B256 {
    ledger.admit(transaction.clone(), Origin::Client).unwrap()
}

fn propose(ledger: &NodeLedger, parent: &Block) -> Option<Block> {
    ledger.propose(parent, proposal(NOW_MS)).unwrap()
}

#[test]
fn only_the_parents_time_makes_a_block_invalid() {
    let wait = |wait_ms| Some(Verdict::Early { wait_ms });
    for (parent, block, now, expect) in [
        (1_000, 1_000, 1_000, None),
        (1_000, 1_000, 0, None),
        (1_000, 3_000, 1_000, None),
        (1_000, 3_001, 1_000, wait(1)),
        (1_000, 9_000, 1_000, wait(6_000)),
        // A clock that stepped back an hour holds nothing that is not ahead of the parent.
        (3_600_000, 3_600_000, 0, None),
        (3_600_000, 3_600_001, 0, wait(1)),
        (0, u64::MAX, u64::MAX, None),
    ] {
        assert_eq!(judge_time(parent, block, now), expect, "{parent} {block} {now}");
    }
    assert!(matches!(judge_time(1_000, 999, 5_000), Some(Verdict::Invalid(_))));
}

#[test]
fn one_ledger_proposes_and_another_agrees() {
    let rich = Account::new();
    let [one, two] = [(); 2].map(|()| ledger(Fees::Free, &[rich.address()]));
    let parent = tip_block(&one);
    assert_eq!(propose(&one, &parent), None, "there is nothing to do");
    for nonce in 0..3 {
        send(&one, &rich.transaction(nonce, |_| ()));
    }
    let block = propose(&one, &parent).unwrap();
    assert_eq!(block.transactions().len(), 3);
    assert_eq!(block.timestamp_ms(), NOW_MS);
    assert_eq!(two.verify(&parent, &block, NOW_MS), Verdict::Valid);
    assert_eq!(two.verify(&parent, &block, NOW_MS - 5_000), Verdict::Early { wait_ms: 3_000 });
    let orphan = two.verify(&block, &block, NOW_MS);
    assert!(matches!(orphan, Verdict::Invalid(_)), "{orphan:?}");
    let mut forged = block.as_inner().clone();
    forged.header.state_root = B256::ZERO;
    let forged = two.verify(&parent, &Block::new(forged), NOW_MS);
    assert!(matches!(forged, Verdict::Invalid(_)), "{forged:?}");

    for ledger in [&one, &two] {
        ledger.finalize(&block).unwrap();
        ledger.finalize(&block).unwrap();
        assert_eq!(ledger.tip().hash, block.hash());
        assert!(!ledger.has_work());
        assert_eq!(ledger.pending_len(), 0);
    }
    let refused = two.admit(rich.transaction(0, |_| ()), Origin::Peer).unwrap_err();
    assert_eq!(refused.known, Known::Yes);
    let other = two.admit(rich.transaction(0, |tx| tx.gas_limit = 30_000), Origin::Peer);
    assert_eq!(other.unwrap_err().known, Known::No);
}

#[test]
fn an_empty_block_is_made_only_where_it_is_allowed() {
    let ledger = ledger(Fees::Free, &[]);
    let parent = tip_block(&ledger);
    assert_eq!(propose(&ledger, &parent), None);
    let empty = Proposal { allow_empty: true, ..proposal(NOW_MS) };
    let block = ledger.propose(&parent, empty).unwrap().unwrap();
    assert!(block.transactions().is_empty());
    ledger.finalize(&block).unwrap();
    assert_eq!(ledger.tip().number, 1);
    // The clock stepped back: the block takes its parent's time.
    let back = Proposal { now_ms: 5, ..empty };
    let block = ledger.propose(&tip_block(&ledger), back).unwrap().unwrap();
    assert_eq!(block.timestamp_ms(), NOW_MS);
}

#[test]
fn a_block_on_the_way_keeps_its_transactions_to_itself() {
    let rich = Account::new();
    let ledger = ledger(Fees::Free, &[rich.address()]);
    send(&ledger, &rich.transaction(0, |_| ()));
    let first = propose(&ledger, &tip_block(&ledger)).unwrap();
    assert_eq!(propose(&ledger, &first), None);
    assert!(ledger.has_work(), "nothing is final yet");
    send(&ledger, &rich.transaction(1, |_| ()));
    let second = propose(&ledger, &first).unwrap();
    assert_eq!(second.transactions().len(), 1);
    assert_eq!(propose(&ledger, &second), None);
    // The first never becomes final: its transaction is proposed again.
    let again = propose(&ledger, &tip_block(&ledger)).unwrap();
    assert_eq!(again.transactions().len(), 2);
    ledger.finalize(&again).unwrap();
    assert!(!ledger.has_work());
}

#[test]
fn what_turned_invalid_is_dropped_and_makes_no_more_work() {
    let rich = Account::new();
    let [poor, heir] = [(); 2].map(|()| Account::new());
    let ledger = ledger(Fees::Free, &[rich.address()]);
    let pay = |tx: &mut alloy_consensus::TxEip1559, to: &Account, wei: u64| {
        (tx.to, tx.value) = (TxKind::Call(to.address()), U256::from(wei));
    };
    send(&ledger, &rich.transaction(0, |tx| pay(tx, &poor, 10)));
    drive(&ledger);
    // Each can be paid for alone, and the pool refuses the two together.
    send(&ledger, &poor.transaction(0, |tx| pay(tx, &heir, 7)));
    let both = ledger.admit(poor.transaction(1, |tx| pay(tx, &heir, 7)), Origin::Client);
    let text = both.unwrap_err().message;
    assert!(text.contains("balance 10, queued cost 7, tx cost 7, overshot 4"), "{text}");
    // Another ledger makes a block that spends the money first.
    let parent = tip_block(&ledger);
    let other = open_store(
        windlass_chain::store::MemoryStore::default(),
        &genesis(Fees::Free, &[rich.address()]),
        None,
    )
    .unwrap();
    other.finalize(&parent).unwrap();
    send(&other, &poor.transaction(0, |tx| pay(tx, &heir, 10)));
    let spent = propose(&other, &tip_block(&other)).unwrap();
    ledger.finalize(&spent).unwrap();
    assert_eq!(ledger.pending_len(), 0);
    assert!(!ledger.has_work());
}

#[test]
fn what_does_not_fit_waits_for_the_next_block() {
    let rich = Account::new();
    let ledger = ledger(Fees::Free, &[rich.address()]);
    // Each burns all its gas, which is more than half of a block's.
    let endless = Bytes::from_static(&[0x5b, 0x5f, 0x56]);
    for nonce in 0..2 {
        let burning = rich.transaction(nonce, |tx| {
            (tx.gas_limit, tx.to, tx.input) = (16_000_000, TxKind::Create, endless.clone());
        });
        send(&ledger, &burning);
    }
    assert_eq!(drive(&ledger), 2);
    assert_eq!(ledger.pending_len(), 0);
    assert_eq!(ledger.pending_nonce(rich.address()).unwrap(), 2);
}

#[test]
fn an_account_with_code_cannot_send_unless_it_delegates() {
    let [contract, delegating] = [(); 2].map(|()| Account::new());
    let mut genesis = genesis(Fees::Free, &[contract.address(), delegating.address()]);
    let mut set_code = |account: &Account, code: Vec<u8>| {
        genesis.alloc.entry(account.address()).or_default().code = code.into();
    };
    set_code(&contract, vec![0x00]);
    set_code(&delegating, [&[0xef, 0x01, 0x00][..], &[9; 20]].concat());
    let store = windlass_chain::store::MemoryStore::default();
    let ledger = open_store(store, &genesis, None).unwrap();
    let refused = ledger.admit(contract.transaction(0, |_| ()), Origin::Client).unwrap_err();
    assert!(refused.message.starts_with("sender not an eoa: address 0x"), "{refused}");
    send(&ledger, &delegating.transaction(0, |_| ()));
    assert_eq!(drive(&ledger), 1);
}

#[test]
fn consensus_is_woken_for_what_it_can_do() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    let rich = Account::new();
    let ledger = ledger(Fees::Free, &[rich.address()]);
    let woken = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&woken);
    ledger.on_change(Arc::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    }));
    send(&ledger, &rich.transaction(1, |_| ()));
    assert_eq!((woken.load(Ordering::SeqCst), ledger.has_work()), (0, false));
    send(&ledger, &rich.transaction(0, |_| ()));
    assert_eq!((woken.load(Ordering::SeqCst), ledger.has_work()), (1, true));
    drive(&ledger);
    assert_eq!((woken.load(Ordering::SeqCst), ledger.has_work()), (2, false));
    let (sequence, sent) = ledger.pending_for_gossip(0);
    assert_eq!((sequence, sent.len()), (2, 0));
}

#[test]
fn what_clients_sent_is_pending_again_after_a_restart() {
    let rich = Account::new();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.redb");
    let genesis = genesis(Fees::Free, &[rich.address()]);
    let first = open(&path, &genesis, States::Recent).unwrap();
    send(&first, &rich.transaction(0, |_| ()));
    drive(&first);
    let own = send(&first, &rich.transaction(1, |_| ()));
    let gossiped = rich.transaction(2, |_| ());
    first.admit(gossiped, Origin::Peer).unwrap();
    drop(first);

    let second = open(&path, &genesis, States::Recent).unwrap();
    assert_eq!(second.tip().number, 1);
    assert_eq!(second.pending_len(), 1);
    assert!(second.pending(&own).is_some() && second.has_work());
    drive(&second);
    assert_eq!(std::fs::metadata(path.with_extension("pending")).unwrap().len(), 0);
    drop(second);
    let third = open(&path, &genesis, States::Recent).unwrap();
    assert_eq!((third.pending_len(), third.tip().number), (0, 2));
}
