//! The ledger on disk: it opens where it was, and refuses what is damaged, foreign or newer.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::common::{advance, free, genesis, wallet};
use alloy_primitives::{Address, Bytes, TxKind, U256};
use windlass_chain::genesis::Fees;
use windlass_chain::store::{Batch, RedbStore, Store};
use windlass_chain::{At, Chain, ChainError};

const NOBODY: Address = Address::repeat_byte(0x77);

fn fill(chain: &Chain, blocks: u64) {
    for _ in 0..blocks {
        let nonce = chain
            .state(At::Latest)
            .unwrap()
            .account(wallet(1).address)
            .unwrap()
            .map_or(0, |account| account.nonce);
        advance(chain, vec![wallet(1).legacy(nonce, TxKind::Call(NOBODY), 1, &[])]);
    }
}

#[test]
fn a_ledger_opens_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let chain = Chain::open(RedbStore::open(&path).unwrap(), &free()).unwrap();
    fill(&chain, 5);
    let tip = chain.tip();
    chain.put_certificate(5, tip.hash, Bytes::from_static(b"five")).unwrap();
    assert!(RedbStore::open(&path).is_err(), "it is locked");
    drop(chain);
    let chain = Chain::open(RedbStore::open(&path).unwrap(), &free()).unwrap();
    assert_eq!(chain.tip(), tip);
    assert_eq!(chain.certificate(5).unwrap().unwrap(), Bytes::from_static(b"five"));
    assert_eq!(chain.block(3).unwrap().unwrap().number(), 3);
    fill(&chain, 2);
    let state = chain.state(At::Number(4)).unwrap();
    assert_eq!(state.account(NOBODY).unwrap().unwrap().balance, U256::from(4));
}

#[test]
fn another_network_and_another_format_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    drop(Chain::open(RedbStore::open(&path).unwrap(), &free()).unwrap());
    let other = genesis(Fees::Eip1559 { floor_wei: 7 });
    let error = Chain::open(RedbStore::open(&path).unwrap(), &other).unwrap_err();
    assert!(matches!(error, ChainError::OtherGenesis { .. }), "{error}");
    let of_format = |format: u64| {
        let store = RedbStore::open(&path).unwrap();
        let mut batch = Batch::default();
        batch.put(b"m/format".to_vec(), format.to_be_bytes().to_vec());
        store.commit(batch).unwrap();
        Chain::open(store, &free()).unwrap_err()
    };
    let error = of_format(4);
    assert!(matches!(error, ChainError::NewerFormat { found: 4, known: 3 }), "{error}");
    let error = of_format(2);
    assert!(matches!(error, ChainError::OlderFormat { found: 2, known: 3 }), "{error}");
}

/// What a reader sees of a ledger: every block, receipt and balance, or an error.
fn read_all(path: &std::path::Path) -> Result<Vec<String>, String> {
    let text = |error: &dyn std::error::Error| {
        let source = error.source().map(ToString::to_string).unwrap_or_default();
        format!("{error} {source}")
    };
    let store = RedbStore::open(path).map_err(|error| text(&error))?;
    let chain = Chain::open(store, &free()).map_err(|error| text(&error))?;
    let mut seen = Vec::new();
    for number in 0..=chain.tip().number {
        let block = chain.block(number).map_err(|error| text(&error))?;
        seen.push(format!("{:?}", block.map(|block| block.hash())));
        seen.push(format!("{:?}", chain.receipts(number).map_err(|error| text(&error))?));
        let state = chain.state(At::Number(number)).map_err(|error| text(&error))?;
        seen.push(format!("{:?}", state.account(NOBODY).map_err(|error| text(&error))?));
    }
    Ok(seen)
}

#[test]
fn a_flipped_byte_is_an_error_or_harmless_and_never_a_lie() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.redb");
    let chain = Chain::open(RedbStore::open(&path).unwrap(), &free()).unwrap();
    fill(&chain, 12);
    drop(chain);
    let whole = std::fs::read(&path).unwrap();
    let truth = read_all(&path).unwrap();
    let copy = folder.path().join("copy.redb");
    let (mut errors, mut harmless) = (0, 0);
    let used: Vec<usize> = (0..whole.len()).filter(|index| whole[*index] != 0).collect();
    for index in used.iter().step_by((used.len() / 400).max(1)) {
        let mut damaged = whole.clone();
        damaged[*index] ^= 0x55;
        std::fs::write(&copy, &damaged).unwrap();
        match catch_unwind(AssertUnwindSafe(|| read_all(&copy))) {
            Ok(Ok(seen)) => {
                assert_eq!(
                    seen,
                    truth[..seen.len().min(truth.len())],
                    "byte {index} changed what is read"
                );
                harmless += 1;
            }
            Ok(Err(_)) => errors += 1,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    assert!(errors > 5, "{errors} errors, {harmless} harmless: the flips hit nothing");
}
