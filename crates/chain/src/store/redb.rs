//! The store on disk: one redb table in one file.
//!
//! Each record ends with a checksum over its key and value, because redb verifies its pages' own
//! checksums after a crash only: a byte that flips on the disk is reported, never believed. Where
//! redb meets a damaged page it returns an error or panics; a panic is caught here, at the seam.
//! Every commit is durable at once: a small one by the log at the head of the file, a larger one, and
//! what is in the log when that is full, by redb with quick repair, so that opening after a crash does
//! not scan the file.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::redb::{
    Builder, Database, DatabaseError, Durability, ReadOnlyTable, ReadableDatabase, StorageBackend,
    StorageError, TableDefinition, TableError, backends::FileBackend,
};

use super::log::{self, BehindLog, LOG_BYTES, Log};
use super::{Batch, Snapshot, Store, StoreError, Visit};
use crate::contain::contained;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("ledger");

/// What redb may keep in memory of the file.
const CACHE_BYTES: usize = 8 << 20;

const CHECKSUM_BYTES: usize = 4;

/// The number of the last batch.
const LAST: TableDefinition<'_, (), u64> = TableDefinition::new("log");

/// How a file begins that redb has for itself alone, as it was before there was a log.
const WITHOUT_LOG: &[u8] = b"redb";

/// The store on disk.
#[derive(Debug)]
pub struct RedbStore {
    /// There until it is closed.
    database: Option<Database>,
    /// The table as the last commit left it, once somebody has asked: opening it costs as much as
    /// several reads.
    table: Mutex<Option<Arc<Table>>>,
    /// Held during a commit.
    log: Mutex<Log>,
}

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

struct RedbSnapshot {
    table: Arc<Table>,
}

impl RedbStore {
    /// Opens or creates the file. A file that is not whole, because the disk was full or the power
    /// went, never has the name: it would look like a damaged one.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        guarded(|| {
            if path.exists() {
                return Self::open_file(path);
            }
            let draft = path.with_extension("draft");
            absent_is_fine(fs::remove_file(&draft))?;
            let store = Self::open_file(&draft)?;
            fs::rename(&draft, path).map_err(file_error)?;
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let folder = File::open(folder.unwrap_or(Path::new(".")));
            folder.and_then(|folder| folder.sync_all()).map_err(file_error)?;
            Ok(store)
        })
    }

    /// Makes the file as small as what is in it allows; nobody may have it open.
    pub fn compact(path: &Path) -> Result<(), StoreError> {
        guarded(|| {
            let mut store = Self::open_file(path)?;
            let database = store.database.as_mut().expect("it is closed with the store only");
            while database.compact().map_err(other_error)? {}
            Ok(())
        })
    }

    fn open_file(path: &Path) -> Result<Self, StoreError> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        Self::on(FileBackend::new(file.map_err(file_error)?).map_err(open_error)?)
    }

    /// Opens or creates the store in something that behaves like a file. The first write makes the
    /// tables, gives redb what only the log has, and shows whether writing is possible.
    pub(super) fn on(backend: impl StorageBackend) -> Result<Self, StoreError> {
        guarded(|| {
            let file: Arc<dyn StorageBackend> = Arc::new(backend);
            make_room(file.as_ref())?;
            let behind = BehindLog(Arc::clone(&file));
            let database = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(behind);
            let database = database.map_err(open_error)?;
            let mut last = last_batch(&database)?;
            let mut lacking = Batch::default();
            for batch in log::read(file.as_ref(), last)? {
                lacking.entries.extend(batch.entries);
                last += 1;
            }
            let log = Mutex::new(Log::after(file, last));
            let store = Self { database: Some(database), table: Mutex::default(), log };
            store.write(lacking, last, Durability::Immediate)?;
            Ok(store)
        })
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("it is closed with the store only")
    }

    /// Gives redb a batch and its number.
    fn write(&self, batch: Batch, number: u64, durability: Durability) -> Result<(), StoreError> {
        let mut transaction = self.database().begin_write().map_err(other_error)?;
        transaction.set_durability(durability).map_err(other_error)?;
        transaction.set_quick_repair(matches!(durability, Durability::Immediate));
        {
            let mut last = transaction.open_table(LAST).map_err(table_error)?;
            last.insert((), number).map_err(storage_error)?;
            let mut table = transaction.open_table(TABLE).map_err(table_error)?;
            let mut record = Vec::new();
            for (key, value) in batch.entries {
                if let Some(value) = value {
                    record.clear();
                    record.extend_from_slice(&value);
                    record.extend_from_slice(&checksum(&key, &value));
                    table.insert(key.as_slice(), record.as_slice()).map_err(storage_error)?;
                } else {
                    table.remove(key.as_slice()).map_err(storage_error)?;
                }
            }
        }
        transaction.commit().map_err(other_error)
    }

    fn table(&self) -> MutexGuard<'_, Option<Arc<Table>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closing writes too, and panics over a damaged page.
impl Drop for RedbStore {
    fn drop(&mut self) {
        *self.table() = None;
        let database = self.database.take();
        // Nobody is left to tell; what was committed is not touched.
        drop(contained(|| drop(database)));
    }
}

impl Store for RedbStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        guarded(|| {
            let mut kept = self.table();
            let table = if let Some(table) = kept.as_ref() {
                Arc::clone(table)
            } else {
                let transaction = self.database().begin_read().map_err(other_error)?;
                let table = Arc::new(transaction.open_table(TABLE).map_err(table_error)?);
                Arc::clone(kept.insert(table))
            };
            let snapshot: Box<dyn Snapshot> = Box::new(RedbSnapshot { table });
            Ok(snapshot)
        })
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        guarded(|| {
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            let end = log.write(&batch).map_err(file_error)?;
            let durability = end.map_or(Durability::Immediate, |_| Durability::None);
            self.write(batch, log.next(), durability)?;
            *self.table() = None;
            log.advance(end.unwrap_or(0));
            Ok(())
        })
    }
}

impl Snapshot for RedbSnapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        guarded(|| {
            let Some(record) = self.table.get(key).map_err(storage_error)? else {
                let next = self.check_place(key)?;
                return if next.as_deref() == Some(key) { Err(misled()) } else { Ok(None) };
            };
            Ok(Some(verified(key, record.value())?.to_vec()))
        })
    }

    fn scan(&self, start: &[u8], end: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        if start >= end {
            return Ok(());
        }
        guarded(|| {
            self.check_before(start)?;
            for entry in self.table.range(start..end).map_err(storage_error)? {
                let (key, record) = entry.map_err(storage_error)?;
                let key = within(key.value(), start, end)?;
                if visit(key, verified(key, record.value())?).is_break() {
                    return Ok(());
                }
            }
            self.check_after(end).map(drop)
        })
    }

    fn scan_back(&self, start: &[u8], end: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        if start >= end {
            return Ok(());
        }
        guarded(|| {
            self.check_after(end)?;
            for entry in self.table.range(start..end).map_err(storage_error)?.rev() {
                let (key, record) = entry.map_err(storage_error)?;
                let key = within(key.value(), start, end)?;
                if visit(key, verified(key, record.value())?).is_break() {
                    return Ok(());
                }
            }
            self.check_before(start)
        })
    }
}

/// A damaged key leads past records, which then look absent: one in a branch page to a place in the
/// wrong page, where the keys next to it are on the wrong side; a record's own to the place beside that
/// record, whose checksum then does not match.
impl RedbSnapshot {
    /// Checks the way to the place of a key; the first key at it or after it.
    fn check_place(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.check_before(key)?;
        self.check_after(key)
    }

    fn check_before(&self, key: &[u8]) -> Result<(), StoreError> {
        let mut before = self.table.range(..key).map_err(storage_error)?;
        let Some(entry) = before.next_back() else { return Ok(()) };
        let (found, record) = entry.map_err(storage_error)?;
        verified(found.value(), record.value())?;
        if found.value() < key { Ok(()) } else { Err(misled()) }
    }

    fn check_after(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut after = self.table.range(key..).map_err(storage_error)?;
        let Some(entry) = after.next() else { return Ok(None) };
        let (found, record) = entry.map_err(storage_error)?;
        verified(found.value(), record.value())?;
        if found.value() < key { Err(misled()) } else { Ok(Some(found.value().to_vec())) }
    }
}

fn misled() -> StoreError {
    StoreError::Damaged { what: "a page leads to the wrong place".to_owned() }
}

fn within<'a>(key: &'a [u8], start: &[u8], end: &[u8]) -> Result<&'a [u8], StoreError> {
    if (start..end).contains(&key) { Ok(key) } else { Err(misled()) }
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(value);
    hasher.finalize().to_be_bytes()
}

fn verified<'a>(key: &[u8], record: &'a [u8]) -> Result<&'a [u8], StoreError> {
    let damaged = || StoreError::Damaged { what: "a record's checksum does not match".to_owned() };
    let split = record.len().checked_sub(CHECKSUM_BYTES).ok_or_else(damaged)?;
    let (value, sum) = record.split_at(split);
    if checksum(key, value) == sum { Ok(value) } else { Err(damaged()) }
}

/// Makes a new file as long as the log is. What is no ledger is left as it is.
fn make_room(file: &dyn StorageBackend) -> Result<(), StoreError> {
    let length = u64::try_from(LOG_BYTES).unwrap_or(u64::MAX);
    let found = file.len().map_err(file_error)?;
    if found == 0 {
        return file.set_len(length).map_err(file_error);
    }
    let mut begin = [0; WITHOUT_LOG.len()];
    if found >= u64::try_from(begin.len()).unwrap_or(u64::MAX) {
        file.read(0, &mut begin).map_err(file_error)?;
    }
    if begin == WITHOUT_LOG {
        let what = "an earlier version wrote this ledger, and this one cannot read it";
        return Err(file_error(io::Error::new(io::ErrorKind::Unsupported, what)));
    }
    let cut = || StoreError::Damaged { what: format!("it has {found} bytes") };
    if found < length { Err(cut()) } else { Ok(()) }
}

fn last_batch(database: &Database) -> Result<u64, StoreError> {
    let transaction = database.begin_read().map_err(other_error)?;
    match transaction.open_table(LAST) {
        Ok(table) => {
            let last = table.get(()).map_err(storage_error)?;
            Ok(last.map_or(0, |last| last.value()))
        }
        Err(TableError::TableDoesNotExist(_)) => Ok(0),
        Err(error) => Err(table_error(error)),
    }
}

/// Runs what calls redb, and turns its panic over a damaged page into an error.
fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    contained(work).unwrap_or_else(|what| Err(StoreError::Damaged { what }))
}

fn absent_is_fine(removed: io::Result<()>) -> Result<(), StoreError> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn file_error(error: io::Error) -> StoreError {
    StoreError::Io(Box::new(error))
}

fn open_error(error: DatabaseError) -> StoreError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            StoreError::Locked
        }
        DatabaseError::Storage(error) => storage_error(error),
        error => other_error(error),
    }
}

fn table_error(error: TableError) -> StoreError {
    match error {
        TableError::Storage(error) => storage_error(error),
        error => StoreError::Damaged { what: error.to_string() },
    }
}

fn storage_error(error: StorageError) -> StoreError {
    match error {
        StorageError::Corrupted(what) => StoreError::Damaged { what },
        StorageError::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            StoreError::Damaged { what: error.to_string() }
        }
        error => StoreError::Io(Box::new(error)),
    }
}

fn other_error(error: impl Into<::redb::Error>) -> StoreError {
    match error.into() {
        ::redb::Error::Corrupted(what) => StoreError::Damaged { what },
        error => StoreError::Io(Box::new(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_without_a_log_and_what_is_none_are_refused_and_left_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        drop(Builder::new().create(&path).unwrap());
        for (found, expect) in [(fs::read(&path).unwrap(), "earlier"), (vec![b'x'; 99], "99 bytes")]
        {
            fs::write(&path, &found).unwrap();
            let error = RedbStore::open(&path).unwrap_err();
            assert!(format!("{error:?}").contains(expect), "{error:?}");
            assert_eq!(fs::read(&path).unwrap(), found);
        }
    }
}
