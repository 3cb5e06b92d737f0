//! The store on disk: one redb table in one file.
//!
//! Each record ends with a checksum over its key and value, because redb verifies its pages' own
//! checksums after a crash only: a byte that flips on the disk is reported, never believed. Where
//! redb meets a damaged page it returns an error or panics; a panic is caught here, at the seam.
//! Every commit is durable at once: a small one by the log at the head of the file, a larger one, and
//! what is in the log when that is full, by redb with quick repair, so that opening after a crash does
//! not scan the file. What only the log has is in memory too, above the table: what changes with every
//! block goes to redb once for many of them.

use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::redb::{
    AccessGuard, Builder, Database, DatabaseError, ReadOnlyTable, ReadableDatabase, StorageBackend,
    StorageError, TableDefinition, TableError, backends::FileBackend,
};

use super::log::{self, BehindLog, Log};
use super::recent::Recent;
use super::{Batch, Snapshot, Store, StoreError, Visit};
use crate::contain::contained;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("ledger");

/// How long the log of a new file is, and how much redb may keep in memory of the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    log_bytes: usize,
    cache_bytes: usize,
}

impl Sizes {
    const LARGE: Self = Self { log_bytes: log::LARGE, cache_bytes: 8 << 20 };
    const SMALL: Self = Self { log_bytes: log::SMALL, cache_bytes: 4 << 20 };
    /// Twice in memory, for the process and for the disk.
    pub(super) const SIMULATED: Self = Self { log_bytes: log::SMALL, ..Self::LARGE };
}

const CHECKSUM_BYTES: usize = 4;

/// The number of the last batch.
const LAST: TableDefinition<'_, (), u64> = TableDefinition::new("log");

/// How redb's part of a file begins; a file that begins so has no log, as it was before there was one.
const REDB: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";

/// The store on disk.
#[derive(Debug)]
pub struct RedbStore {
    /// There until it is closed.
    database: Option<Database>,
    newest: Mutex<Newest>,
    /// Held during a commit.
    log: Mutex<Log>,
}

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;
/// An entry of it.
type Guarded<'a> = (AccessGuard<'a, &'static [u8]>, AccessGuard<'a, &'static [u8]>);

/// What the last commit left.
#[derive(Debug, Default)]
struct Newest {
    /// redb's table, once somebody has asked: opening it costs as much as several reads.
    table: Option<Arc<Table>>,
    recent: Recent,
}

struct RedbSnapshot {
    table: Arc<Table>,
    recent: Recent,
}

impl RedbStore {
    /// Opens or creates the file. A file that is not whole, because the disk was full or the power
    /// went, never has the name: it would look like a damaged one.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Sizes::LARGE)
    }

    /// The same for a little that its user has in memory anyway.
    pub fn open_small(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, Sizes::SMALL)
    }

    fn open_with(path: &Path, sizes: Sizes) -> Result<Self, StoreError> {
        guarded(|| {
            if path.exists() {
                return Self::open_file(path, sizes);
            }
            let draft = path.with_extension("draft");
            absent_is_fine(fs::remove_file(&draft))?;
            let store = Self::open_file(&draft, sizes)?;
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
            let mut store = Self::open_file(path, Sizes::LARGE)?;
            let database = store.database.as_mut().expect("it is closed with the store only");
            while database.compact().map_err(other_error)? {}
            Ok(())
        })
    }

    fn open_file(path: &Path, sizes: Sizes) -> Result<Self, StoreError> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = FileBackend::new(file.map_err(file_error)?).map_err(open_error)?;
        Self::on(file, sizes)
    }

    /// Opens or creates the store in something that behaves like a file. The first write makes the
    /// tables, gives redb what only the log has, and shows whether writing is possible.
    pub(super) fn on(backend: impl StorageBackend, sizes: Sizes) -> Result<Self, StoreError> {
        guarded(|| {
            let file: Arc<dyn StorageBackend> = Arc::new(backend);
            let log_bytes = make_room(file.as_ref(), sizes.log_bytes)?;
            let behind = BehindLog { file: Arc::clone(&file), log_bytes };
            let database =
                Builder::new().set_cache_size(sizes.cache_bytes).create_with_backend(behind);
            let database = database.map_err(open_error)?;
            let mut last = last_batch(&database)?;
            let mut lacking = Batch::default();
            for batch in log::read(file.as_ref(), log_bytes, last)? {
                lacking.entries.extend(batch.entries);
                last += 1;
            }
            let log = Mutex::new(Log::after(file, log_bytes, last));
            let store = Self { database: Some(database), newest: Mutex::default(), log };
            store.write(lacking, last)?;
            Ok(store)
        })
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("it is closed with the store only")
    }

    /// Gives redb a batch, and the number of the last one in it.
    fn write(&self, batch: Batch, number: u64) -> Result<(), StoreError> {
        let mut transaction = self.database().begin_write().map_err(other_error)?;
        transaction.set_quick_repair(true);
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

    /// Gives redb what only the log has, and a batch; the log begins again, after so many batches.
    fn flush(&self, log: &mut Log, batch: Batch, last: u64) -> Result<(), StoreError> {
        // Whoever looks meanwhile sees the table as it was, which has nothing of the batch.
        let all = self.view()?.recent.with(batch);
        self.write(all, last)?;
        *self.newest() = Newest::default();
        log.begin_again(last);
        Ok(())
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn newest(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> Result<RedbSnapshot, StoreError> {
        let mut newest = self.newest();
        let recent = newest.recent.clone();
        if let Some(table) = &newest.table {
            return Ok(RedbSnapshot { table: Arc::clone(table), recent });
        }
        let transaction = self.database().begin_read().map_err(other_error)?;
        let table = Arc::new(transaction.open_table(TABLE).map_err(table_error)?);
        newest.table = Some(Arc::clone(&table));
        Ok(RedbSnapshot { table, recent })
    }
}

/// What only the log has goes to redb, which tells damage anywhere; the log takes its last batch for one
/// that was being written. Closing itself writes too, and panics over a damaged page.
impl Drop for RedbStore {
    fn drop(&mut self) {
        // If it can't be written, it is in the log still.
        let _flushed = guarded(|| {
            if self.newest().recent.is_empty() {
                return Ok(());
            }
            let mut log = self.log();
            let last = log.last();
            self.flush(&mut log, Batch::default(), last)
        });
        self.newest().table = None;
        let database = self.database.take();
        // Nobody is left to tell; what was committed is not touched.
        drop(contained(|| drop(database)));
    }
}

impl Store for RedbStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        guarded(|| {
            let view: Box<dyn Snapshot> = Box::new(self.view()?);
            Ok(view)
        })
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        guarded(|| {
            let mut log = self.log();
            if let Some(end) = log.write(&batch).map_err(file_error)? {
                self.newest().recent.add(batch);
                log.advance(end);
                return Ok(());
            }
            let last = log.last() + 1;
            self.flush(&mut log, batch, last)
        })
    }
}

impl Snapshot for RedbSnapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        guarded(|| {
            if let Some(value) = self.recent.get(key) {
                return Ok(value.clone());
            }
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
            let older = self.table.range(start..end).map_err(storage_error)?;
            let older = older.map(|entry| entry.map_err(storage_error));
            match self.recent.scan(
                (start, end),
                older,
                |entry: &Guarded<'_>| read(entry, (start, end)),
                visit,
            )? {
                ControlFlow::Break(()) => Ok(()),
                ControlFlow::Continue(()) => self.check_after(end).map(drop),
            }
        })
    }

    fn scan_back(&self, start: &[u8], end: &[u8], visit: Visit<'_>) -> Result<(), StoreError> {
        if start >= end {
            return Ok(());
        }
        guarded(|| {
            self.check_after(end)?;
            let older = self.table.range(start..end).map_err(storage_error)?.rev();
            let older = older.map(|entry| entry.map_err(storage_error));
            match self.recent.scan_back(
                (start, end),
                older,
                |entry: &Guarded<'_>| read(entry, (start, end)),
                visit,
            )? {
                ControlFlow::Break(()) => Ok(()),
                ControlFlow::Continue(()) => self.check_before(start),
            }
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

/// Key and value of an entry that is to be within bounds.
fn read<'a>(
    (key, record): &'a Guarded<'_>,
    (start, end): (&[u8], &[u8]),
) -> Result<(&'a [u8], &'a [u8]), StoreError> {
    let key = key.value();
    if !(start..end).contains(&key) {
        return Err(misled());
    }
    Ok((key, verified(key, record.value())?))
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

/// How long the log is: a new file is made as long as the new one is to be. What is no ledger is left as
/// it is.
fn make_room(file: &dyn StorageBackend, new_bytes: usize) -> Result<usize, StoreError> {
    let as_length = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    let found = file.len().map_err(file_error)?;
    if found == 0 {
        return file.set_len(as_length(new_bytes)).map(|()| new_bytes).map_err(file_error);
    }
    let mut begin = [0; REDB.len()];
    if found >= u64::try_from(begin.len()).unwrap_or(u64::MAX) {
        file.read(0, &mut begin).map_err(file_error)?;
    }
    if begin == REDB {
        let what = "an earlier version wrote this ledger, and this one cannot read it";
        return Err(file_error(io::Error::new(io::ErrorKind::Unsupported, what)));
    }
    for log_bytes in [log::SMALL, log::LARGE] {
        // The power went before redb made anything.
        if found == as_length(log_bytes) && new_bytes == log_bytes {
            return Ok(log_bytes);
        }
        if found >= as_length(log_bytes + REDB.len()) {
            file.read(as_length(log_bytes), &mut begin).map_err(file_error)?;
            if begin == REDB {
                return Ok(log_bytes);
            }
        }
    }
    Err(StoreError::Damaged { what: format!("there is no table in its {found} bytes") })
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
