//! Begins the ledger of a network with the state of another one.

use std::io::BufRead;

use alloy_primitives::{Address, B256, U256, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY};

use super::finalize::{batch, put_state};
use super::{ChainError, FORMAT};
use crate::export::{AccountLine, Entry, ExportError, Reader};
use crate::genesis::Genesis;
use crate::state::base::Base;
use crate::state::layer::{Change, Changes};
use crate::state::{Account, keys, root};
use crate::store::{Batch, Store, StoreError};

/// So many accounts and slots are written at a time: what is held in memory.
const ENTRIES_A_BATCH: usize = 8_192;
/// And not much more code than this.
const CODE_A_BATCH: usize = 16 << 20;

/// Why a ledger could not be begun.
#[derive(Debug, thiserror::Error)]
pub enum FoundError {
    /// The network has no predecessor.
    #[error("the genesis document names no predecessor")]
    NoPredecessor,
    /// The export can't be used.
    #[error("the export of the predecessor cannot be used")]
    Export(#[from] ExportError),
    /// It is another one than the document names.
    #[error("the export has the SHA-256 {found}, and the genesis document names {expected}")]
    OtherExport {
        /// That of the file.
        found: B256,
        /// That of the document.
        expected: B256,
    },
    /// Its state is another one than the document names.
    #[error("the export has the state root {found}, and the genesis document names {expected}")]
    OtherState {
        /// That of the file.
        found: B256,
        /// That of the document.
        expected: B256,
    },
    /// The state can't be written.
    #[error("the ledger cannot be begun")]
    Chain(#[from] ChainError),
}

impl From<StoreError> for FoundError {
    fn from(error: StoreError) -> Self {
        Self::Chain(error.into())
    }
}

/// Writes the state of an export, and block 0, into an empty store. Where this fails or is broken off,
/// the store is of no use: it is to be thrown away.
///
/// That the members agreed on the export and the document, the caller has checked:
/// [`crate::recovery`].
pub fn found(store: &impl Store, genesis: &Genesis, from: impl BufRead) -> Result<(), FoundError> {
    let predecessor = genesis.predecessor.as_ref().ok_or(FoundError::NoPredecessor)?;
    let mut loading = Loading::new(store);
    let summary = Reader::open(from)?.read(|entry| loading.take(entry))?;
    if summary.sha256 != predecessor.export {
        let (found, expected) = (summary.sha256, predecessor.export);
        return Err(FoundError::OtherExport { found, expected });
    }
    let found = loading.write()?;
    if found != predecessor.state_root {
        return Err(FoundError::OtherState { found, expected: predecessor.state_root });
    }
    let block = genesis.block();
    let mut first = batch(&block, &[], &Changes::default(), None)?;
    first.put(keys::FORMAT.to_vec(), FORMAT.to_be_bytes().to_vec());
    first.put(keys::GENESIS.to_vec(), block.hash().to_vec());
    Ok(store.commit(first)?)
}

struct Loading<'a, S> {
    store: &'a S,
    /// What is not written yet.
    changes: Changes,
    entries: usize,
    code_bytes: usize,
    /// The account whose slots may follow.
    current: Option<(Address, Account)>,
}

impl<'a, S: Store> Loading<'a, S> {
    fn new(store: &'a S) -> Self {
        Self { store, changes: Changes::default(), entries: 0, code_bytes: 0, current: None }
    }

    fn take(&mut self, entry: Entry) -> Result<(), FoundError> {
        match entry {
            Entry::Account(line) => self.begin(line),
            Entry::Slots(slots) => {
                let Some((address, account)) = self.current else { return Ok(()) };
                // The account may be written already: its storage root becomes another.
                self.put(address, account);
                self.entries += slots.len();
                let storage = self.changes.storage.entry(address).or_default();
                let change = |after| Change { before: U256::ZERO, after };
                storage.extend(slots.into_iter().map(|(slot, value)| (slot, change(value))));
            }
        }
        if self.entries >= ENTRIES_A_BATCH || self.code_bytes >= CODE_A_BATCH {
            self.write()?;
        }
        Ok(())
    }

    fn begin(&mut self, line: AccountLine) {
        let AccountLine { address, balance, nonce, code } = line;
        let code_hash = if code.is_empty() { KECCAK_EMPTY } else { keccak256(&code) };
        if !code.is_empty() {
            self.code_bytes += code.len();
            self.changes.codes.insert(code_hash, code);
        }
        let account = Account { nonce, balance, storage_root: EMPTY_ROOT_HASH, code_hash };
        self.current = Some((address, account));
        self.entries += 1;
        self.put(address, account);
    }

    /// Puts an account among what is to be written.
    fn put(&mut self, address: Address, account: Account) {
        self.changes.accounts.insert(address, Change { before: None, after: Some(account) });
    }

    /// Writes what was read, and answers the root of the state so far.
    fn write(&mut self) -> Result<B256, FoundError> {
        let mut changes = std::mem::take(&mut self.changes);
        (self.entries, self.code_bytes) = (0, 0);
        let base = Base::new(Vec::new(), self.store.snapshot()?, None);
        let found = root::seal(&base, &mut changes, &[])?;
        let mut batch = Batch::default();
        put_state(&mut batch, &changes);
        self.store.commit(batch)?;
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Bytes;

    use super::*;
    use crate::store::MemoryStore;

    #[test]
    fn codes_are_written_by_their_size_too() {
        let store = MemoryStore::default();
        let mut loading = Loading::new(&store);
        let bytes = CODE_A_BATCH / 4;
        for number in 0u8..10 {
            let (address, code) = (Address::repeat_byte(number), Bytes::from(vec![number; bytes]));
            let line = AccountLine { address, balance: U256::ZERO, nonce: 1, code };
            loading.take(Entry::Account(line)).unwrap();
            let slots = vec![(U256::from(1), U256::from(2))];
            loading.take(Entry::Slots(slots)).unwrap();
            let held: usize = loading.changes.codes.values().map(|code| code.len()).sum();
            assert!(held < CODE_A_BATCH, "{held} after account {number}");
        }
        loading.write().unwrap();
        let snapshot = store.snapshot().unwrap();
        for number in 0u8..10 {
            let code = snapshot.get(&keys::code(&keccak256(vec![number; bytes]))).unwrap();
            assert_eq!(code.map(|code| code.len()), Some(bytes));
        }
    }
}
