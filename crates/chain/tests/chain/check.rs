//! A look at a whole ledger finds whatever is not as it was written.

use std::ops::ControlFlow;

use alloy_primitives::{TxKind, U256};
use windlass_chain::Chain;
use windlass_chain::check::{Checked, census, check};
use windlass_chain::store::{Batch, MemoryStore, RedbStore, Store};

use crate::common::{
    NOBODY, advance, counter, deploy, deployer, free, nonce, token_deployer, transfer, wallet,
};

/// A ledger with contracts, storage and logs.
fn ledger() -> MemoryStore {
    let store = MemoryStore::default();
    let chain = Chain::open(store.clone(), &free()).unwrap();
    let token = deploy(&chain, &token_deployer(1_000));
    let counter = deploy(&chain, &deployer(&counter()));
    for round in 1..4 {
        let next = nonce(&chain, wallet(1).address);
        let pay = transfer(NOBODY, round);
        advance(
            &chain,
            vec![
                wallet(1).legacy(next, TxKind::Call(token), 0, &pay),
                wallet(1).eip1559(next + 1, TxKind::Call(counter), U256::ZERO, &[]),
                wallet(1).legacy(next + 2, TxKind::Call(NOBODY), 7, &[]),
            ],
        );
    }
    drop(chain);
    store
}

fn look(store: &impl Store) -> Result<Checked, String> {
    check(store, &mut |_| ()).map_err(|error| error.to_string())
}

fn records(store: &MemoryStore) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut found = Vec::new();
    store
        .snapshot()
        .unwrap()
        .scan(&[0], &[0xff], &mut |key, value| {
            found.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .unwrap();
    found
}

#[test]
fn a_sound_ledger_has_no_faults_and_is_counted() {
    let store = ledger();
    let found = look(&store).unwrap();
    assert_eq!(found.faults, Vec::<String>::new());
    assert_eq!((found.tip.number, found.first_block, found.blocks), (5, 0, 6));
    assert_eq!(found.transactions, 2 + 3 * 3);
    let kinds = census(&store, &mut |_| ()).unwrap();
    let count =
        |name: &str| kinds.iter().find(|kind| kind.name == name).map_or(0, |kind| kind.records);
    assert_eq!((count("headers"), count("transactions by hash")), (6, 11));
    assert_eq!((count("accounts"), count("storage slots")), (found.accounts, found.slots));
    assert_eq!(count("accounts and slots that are gone"), 2);
    assert_eq!(count("trie of accounts") + count("tries of storage"), found.nodes);
    let all = u64::try_from(records(&store).len()).unwrap();
    assert_eq!(kinds.iter().map(|kind| kind.records).sum::<u64>(), all, "no kind is forgotten");
}

#[test]
fn a_record_that_is_gone_or_another_is_found() {
    let store = ledger();
    let mut tried = 0;
    for (key, value) in records(&store) {
        if key[0] == b'm' {
            continue;
        }
        let put = |value: Option<Vec<u8>>| {
            let mut batch = Batch::default();
            match value {
                Some(value) => batch.put(key.clone(), value),
                None => batch.delete(key.clone()),
            }
            store.commit(batch).unwrap();
        };
        put(None);
        let found = look(&store);
        assert!(found.is_err() || !found.unwrap().faults.is_empty(), "{key:x?} is gone");
        // What a block replaced is compared with nothing, but where it is and what it leads to is.
        let places = if b"AS".contains(&key[0]) { 1 } else { value.len() };
        for place in (0..value.len()).rev().take(places).step_by(1 + value.len() / 3) {
            let mut other = value.clone();
            other[place] ^= 1;
            put(Some(other));
            let found = look(&store);
            let is_found = found.is_err() || !found.unwrap().faults.is_empty();
            assert!(is_found, "byte {place} of {key:x?} is another");
        }
        put(Some(value));
        tried += 1;
    }
    assert!(tried > 100, "{tried}");
    assert_eq!(look(&store).unwrap().faults, Vec::<String>::new());
}

#[test]
fn each_damaged_record_on_disk_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let chain = Chain::open(RedbStore::open(&path).unwrap(), &free()).unwrap();
    for _ in 0..20 {
        let next = nonce(&chain, wallet(1).address);
        advance(&chain, vec![wallet(1).legacy(next, TxKind::Call(NOBODY), 7, &[0xdb; 300])]);
    }
    drop(chain);
    // Not in the log at the head of the file: what redb has by now is not read from there.
    let mut bytes = std::fs::read(&path).unwrap();
    let copies = bytes.windows(300).enumerate().skip(2 << 20);
    let copies = copies.filter(|(_, window)| *window == [0xdb; 300]);
    let (input, _) = copies.min_by_key(|(at, _)| *at).unwrap();
    bytes[input + 7] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let found = look(&RedbStore::open(&path).unwrap()).unwrap();
    assert!(found.faults[0].starts_with("records: "), "{:?}", found.faults);
    assert!(found.faults[1].starts_with("block "), "{:?}", found.faults);
    assert!(found.faults.iter().all(|fault| fault.contains("checksum")), "{:?}", found.faults);
}
