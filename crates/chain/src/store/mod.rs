//! Where bytes are kept: an ordered map with snapshots and one atomic batch a commit.

mod aside;
mod log;
mod memory;
mod recent;
mod redb;
mod simulated;
mod table;

pub use self::memory::MemoryStore;
pub use self::redb::RedbStore;
pub use self::simulated::SimulatedDisk;

use std::error::Error;
use std::ops::ControlFlow;

use crate::ChainError;

/// An ordered key-value store.
pub trait Store: Send + Sync + 'static {
    /// A consistent view of the last commit; cheap, and never waits for a writer.
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError>;

    /// Applies a batch atomically; it is on disk when this returns.
    fn commit(&self, batch: Batch) -> Result<(), StoreError>;
}

/// A consistent view of a store.
pub trait Snapshot: Send + Sync {
    /// The value of a key.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits entries with `start <= key < end` in rising order until told to stop.
    fn scan(&self, start: &[u8], end: &[u8], visit: Visit<'_>) -> Result<(), StoreError>;

    /// Visits entries with `start <= key < end` in falling order until told to stop.
    fn scan_back(&self, start: &[u8], end: &[u8], visit: Visit<'_>) -> Result<(), StoreError>;
}

/// What a scan calls for each entry.
pub type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> ControlFlow<()>;

/// Changes that become visible together: in the order of their keys, the last one to a key holds.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) entries: std::collections::BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Batch {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many keys it changes.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it sets or removes a key.
    pub fn changes(&self, key: &[u8]) -> bool {
        self.entries.contains_key(key)
    }

    /// Sets a key.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.entries.insert(key, Some(value));
    }

    /// Removes a key.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.entries.insert(key, None);
    }
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The disk or the file system failed.
    #[error("the ledger's database could not be read or written")]
    Io(#[source] Box<dyn Error + Send + Sync>),
    /// Another process has the database open.
    #[error("the ledger's database is open in another process")]
    Locked,
    /// What is stored is not what was written.
    #[error("the ledger's database is damaged: {what}")]
    Damaged {
        /// What was found.
        what: String,
    },
}

impl StoreError {
    /// Whether an error, or what caused it, is that the ledger is not what was written.
    pub fn is_damage(error: &(dyn Error + 'static)) -> bool {
        let damaged = matches!(error.downcast_ref(), Some(Self::Damaged { .. }))
            || matches!(error.downcast_ref(), Some(ChainError::Damaged(_)));
        damaged || error.source().is_some_and(Self::is_damage)
    }
}
