//! Counting what is there.

use std::ops::ControlFlow;

use super::{Progress, Tell, scan_kind};
use crate::chain::ChainError;
use crate::store::{Snapshot, Store};

/// How often is told how far it is.
const TELL_EVERY: u64 = 65_536;

/// The kinds of records by the letter of their keys, and what they are for.
const KINDS: [(u8, &str); 21] = [
    (b'a', "accounts"),
    (b's', "storage slots"),
    (b'c', "contract codes"),
    (b'x', "trie of accounts"),
    (b'y', "tries of storage"),
    (b'A', "earlier accounts"),
    (b'S', "earlier storage slots"),
    (b'g', "accounts and slots that are gone"),
    (b'h', "headers"),
    (b'b', "bodies"),
    (b'r', "receipts"),
    (b'n', "blocks by hash"),
    (b't', "transactions by hash"),
    (b'l', "blocks by log"),
    (b'f', "certificates"),
    (b'v', "committees"),
    (b'w', "changes of validators"),
    (b'W', "blocks before changes of validators"),
    (b'e', "evidence"),
    (b'C', "codes that an import lacks"),
    (b'm', "marks"),
];

/// What the records of one kind take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// What they are.
    pub name: &'static str,
    /// How many there are.
    pub records: u64,
    /// Bytes of their keys.
    pub key_bytes: u64,
    /// Bytes of their values.
    pub value_bytes: u64,
}

/// What is in a store, by kind; kinds of which there is nothing are left out.
pub fn census(store: &impl Store, tell: Tell<'_>) -> Result<Vec<Kind>, ChainError> {
    read_all(store.snapshot()?.as_ref(), tell)
}

pub(super) fn read_all(snapshot: &dyn Snapshot, tell: Tell<'_>) -> Result<Vec<Kind>, ChainError> {
    let mut kinds = Vec::new();
    let mut read = 0_u64;
    for (letter, name) in KINDS {
        let mut kind = Kind { name, records: 0, key_bytes: 0, value_bytes: 0 };
        scan_kind(snapshot, letter, &mut |key, value| {
            kind.records += 1;
            kind.key_bytes += u64::try_from(key.len()).unwrap_or(u64::MAX);
            kind.value_bytes += u64::try_from(value.len()).unwrap_or(u64::MAX);
            read += 1;
            if read.is_multiple_of(TELL_EVERY) {
                tell(Progress::Records(read));
            }
            ControlFlow::Continue(())
        })?;
        if kind.records > 0 {
            kinds.push(kind);
        }
    }
    Ok(kinds)
}
