//! The store on disk: one redb table in one file.

use std::path::Path;

use super::{Batch, Snapshot, Store, StoreError};

/// The store on disk.
#[derive(Debug)]
pub struct RedbStore {}

impl RedbStore {
    /// Opens or creates the file.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let _ = path;
        todo!()
    }
}

impl Store for RedbStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        todo!()
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let _ = batch;
        todo!()
    }
}
