//! A store in memory, for tests and the simulator.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Batch, Snapshot, Store, StoreError, Visit};

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A store in memory; clones share it, so that a chain can be opened again over what was committed.
///
/// A commit copies the map where a snapshot of it is alive: right for the sizes of tests.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    map: Arc<Mutex<Arc<Map>>>,
}

struct MemorySnapshot {
    map: Arc<Map>,
}

impl Store for MemoryStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        let map = Arc::clone(&self.map.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(Box::new(MemorySnapshot { map }))
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        let mut guard = self.map.lock().unwrap_or_else(PoisonError::into_inner);
        let map = Arc::make_mut(&mut guard);
        for (key, value) in batch.entries {
            match value {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
        Ok(())
    }
}

impl MemorySnapshot {
    fn range(
        &self,
        start: &[u8],
        end: &[u8],
    ) -> std::collections::btree_map::Range<'_, Vec<u8>, Vec<u8>> {
        let end = end.max(start);
        self.map.range::<[u8], _>((Bound::Included(start), Bound::Excluded(end)))
    }
}

impl Snapshot for MemorySnapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.map.get(key).cloned())
    }

    fn scan(&self, start: &[u8], end: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        if start < end {
            for (key, value) in self.range(start, end) {
                if visit(key, value).is_break() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn scan_back(&self, start: &[u8], end: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        if start < end {
            for (key, value) in self.range(start, end).rev() {
                if visit(key, value).is_break() {
                    break;
                }
            }
        }
        Ok(())
    }
}
