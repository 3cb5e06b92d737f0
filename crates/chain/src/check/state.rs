//! The state at the tip: its root from the flat records, and the tries from the root.

use std::ops::ControlFlow;

use alloy_primitives::{Address, B256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, KECCAK_EMPTY};
use nybbles::Nibbles;

use super::{Faults, Progress, Tell, scan_kind};
use crate::chain::ChainError;
use crate::state::keys::{self, Owner};
use crate::state::record::{read_account, read_slot};
use crate::state::{Account, trie};
use crate::store::Snapshot;

const TELL_EVERY: u64 = 16_384;

/// How much of the state was looked at.
#[derive(Debug, Default)]
pub(super) struct Rebuilt {
    pub(super) accounts: u64,
    pub(super) slots: u64,
    /// Of the trie of accounts.
    pub(super) nodes: u64,
    /// Of the tries of storage.
    pub(super) storage_nodes: u64,
}

/// Builds the root anew, and follows every trie from it.
pub(super) fn rebuild(
    snapshot: &dyn Snapshot,
    root: B256,
    faults: &mut Faults,
    tell: Tell<'_>,
) -> Result<Rebuilt, ChainError> {
    let mut rebuilt = Rebuilt::default();
    let mut builder = HashBuilder::default();
    let mut failed = None;
    let (start, end) = keys::all_accounts();
    let scanned = snapshot.scan(&start, &end, &mut |key, record| {
        rebuilt.accounts += 1;
        if rebuilt.accounts.is_multiple_of(TELL_EVERY) {
            tell(Progress::Accounts(rebuilt.accounts));
        }
        let Some((address, account)) = of_record(key, record) else {
            faults.add("an account's record is not under its address".to_owned());
            return ControlFlow::Continue(());
        };
        builder.add_leaf(Nibbles::unpack(keccak256(address)), &alloy_rlp::encode(account));
        match of_account(snapshot, (&address, &account), &mut rebuilt, faults) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    faults.keep("accounts", scanned.map_err(ChainError::from))?;
    if let Some(error) = failed {
        faults.keep("accounts", Err::<(), _>(error))?;
    }
    let found = builder.root();
    if found != root {
        faults.add(format!("the state has the root {found}, and the tip's header has {root}"));
    }
    let walked = walk(snapshot, Owner::Accounts, root);
    rebuilt.nodes += faults.keep("trie of accounts", walked)?.unwrap_or(0);
    strays(snapshot, &rebuilt, faults)?;
    Ok(rebuilt)
}

fn of_record(key: &[u8], record: &[u8]) -> Option<(Address, Account)> {
    read_account(record).filter(|(address, _)| keys::account(address) == key)
}

/// The storage and the code of an account.
fn of_account(
    snapshot: &dyn Snapshot,
    (address, account): (&Address, &Account),
    rebuilt: &mut Rebuilt,
    faults: &mut Faults,
) -> Result<(), ChainError> {
    if account.code_hash != KECCAK_EMPTY {
        let code = snapshot.get(&keys::code(&account.code_hash))?;
        if code.is_none_or(|code| keccak256(code) != account.code_hash) {
            faults.add(format!("the code {} is not there, or is another one", account.code_hash));
        }
    }
    let mut builder = HashBuilder::default();
    let before = rebuilt.slots;
    let mut misplaced = false;
    let (start, end) = keys::all_slots(&keccak256(address));
    snapshot.scan(&start, &end, &mut |key, record| {
        rebuilt.slots += 1;
        let read = read_slot(record).zip(keys::hash_of(key));
        match read.filter(|((slot, _), at)| keccak256(slot.to_be_bytes::<32>()) == *at) {
            Some(((_, value), at)) => {
                builder.add_leaf(Nibbles::unpack(at), &alloy_rlp::encode(value));
            }
            None => misplaced = true,
        }
        ControlFlow::Continue(())
    })?;
    if misplaced {
        faults.add(format!("a slot of the account {address} is not under its number"));
    }
    let found = if rebuilt.slots == before { EMPTY_ROOT_HASH } else { builder.root() };
    if found != account.storage_root {
        let root = account.storage_root;
        faults.add(format!("the storage of {address} has the root {found}, not {root}"));
    }
    let walked = walk(snapshot, Owner::storage(address), account.storage_root);
    rebuilt.storage_nodes +=
        faults.keep(&format!("storage trie of {address}"), walked)?.unwrap_or(0);
    Ok(())
}

/// Follows a trie from its root, and tells how many nodes it has.
fn walk(snapshot: &dyn Snapshot, owner: Owner, root: B256) -> Result<u64, ChainError> {
    struct At<'a>(&'a dyn Snapshot, Owner);

    impl trie::Nodes for At<'_> {
        type Error = ChainError;

        fn node(&self, path: &Nibbles) -> Result<Option<Vec<u8>>, ChainError> {
            Ok(self.0.get(&keys::node(self.1, path))?)
        }

        fn damaged(what: String) -> ChainError {
            ChainError::Damaged(what)
        }
    }

    trie::walk(&At(snapshot, owner), root)
}

/// What belongs to nothing: slots without an account, nodes that no root leads to.
fn strays(
    snapshot: &dyn Snapshot,
    rebuilt: &Rebuilt,
    faults: &mut Faults,
) -> Result<(), ChainError> {
    let count = |kind| {
        let mut count = 0_u64;
        scan_kind(snapshot, kind, &mut |_, _| {
            count += 1;
            ControlFlow::Continue(())
        })
        .map(|()| count)
    };
    // Where something is damaged already, what hangs below it is no news.
    if !faults.found.is_empty() {
        return Ok(());
    }
    for (kind, expected, what) in [
        (b's', rebuilt.slots, "slots belong to no account"),
        (b'x', rebuilt.nodes, "nodes are not part of the trie of accounts"),
        (b'y', rebuilt.storage_nodes, "nodes are not part of a trie of storage"),
    ] {
        let found = count(kind)?;
        if found != expected {
            faults.add(format!("{} {what}", found.abs_diff(expected)));
        }
    }
    Ok(())
}
