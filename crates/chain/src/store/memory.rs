//! A store in memory, for tests and the simulator.

use super::{Batch, Snapshot, Store, StoreError};

/// A store in memory; clones share it, so that a chain can be opened again over what was committed.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {}

impl Store for MemoryStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        todo!()
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let _ = batch;
        todo!()
    }
}
