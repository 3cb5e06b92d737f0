//! redb's part of a ledger's file: the table, behind the log.
//!
//! Each record ends with a checksum over its key and value, because redb verifies its pages' own
//! checksums after a crash only: a byte that flips on the disk is reported, never believed. Where redb
//! meets a damaged page it returns an error or panics; a panic is caught here, at the seam. Commits are
//! made with quick repair, so that opening after a crash does not scan the file.

use std::io;

use ::redb::{
    Builder, Database, DatabaseError, ReadOnlyTable, ReadableDatabase, StorageError,
    TableDefinition, TableError,
};

use super::StoreError;
use super::log::BehindLog;
use crate::contain::contained;

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("ledger");
/// The number of the last batch.
const LAST: TableDefinition<'_, (), u64> = TableDefinition::new("log");

const CHECKSUM_BYTES: usize = 4;

/// One state of the table: each key with its record.
pub(super) type View = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// The table.
#[derive(Debug)]
pub(super) struct Table {
    /// There until it is closed.
    database: Option<Database>,
}

impl Table {
    pub(super) fn on(behind: BehindLog, cache_bytes: usize) -> Result<Self, StoreError> {
        let database = Builder::new().set_cache_size(cache_bytes).create_with_backend(behind);
        Ok(Self { database: Some(database.map_err(open_error)?) })
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("it is closed with the table only")
    }

    /// The number of the last batch that it has.
    pub(super) fn last_batch(&self) -> Result<u64, StoreError> {
        let transaction = self.database().begin_read().map_err(other_error)?;
        match transaction.open_table(LAST) {
            Ok(table) => {
                let last = table.get(()).map_err(storage_error)?;
                Ok(last.map_or(0, |last| last.value()))
            }
            Err(TableError::TableDoesNotExist(_)) => Ok(0),
            Err(error) => Err(table_error(error)),
        }
    }

    /// Sets and removes keys, in rising order, and the number of the last batch among them.
    pub(super) fn write<'a>(
        &self,
        entries: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>,
        number: u64,
    ) -> Result<(), StoreError> {
        let mut transaction = self.database().begin_write().map_err(other_error)?;
        transaction.set_quick_repair(true);
        {
            let mut last = transaction.open_table(LAST).map_err(table_error)?;
            last.insert((), number).map_err(storage_error)?;
            let mut table = transaction.open_table(TABLE).map_err(table_error)?;
            let mut record = Vec::new();
            for (key, value) in entries {
                if let Some(value) = value {
                    record.clear();
                    record.extend_from_slice(value);
                    record.extend_from_slice(&checksum(key, value));
                    table.insert(key, record.as_slice()).map_err(storage_error)?;
                } else {
                    table.remove(key).map_err(storage_error)?;
                }
            }
        }
        transaction.commit().map_err(other_error)
    }

    /// As it is now.
    pub(super) fn view(&self) -> Result<View, StoreError> {
        let transaction = self.database().begin_read().map_err(other_error)?;
        transaction.open_table(TABLE).map_err(table_error)
    }

    /// Makes the file as small as what is in it allows.
    pub(super) fn compact(&mut self) -> Result<(), StoreError> {
        let database = self.database.as_mut().expect("it is closed with the table only");
        while database.compact().map_err(other_error)? {}
        Ok(())
    }
}

/// Closing writes too, and panics over a damaged page.
impl Drop for Table {
    fn drop(&mut self) {
        let database = self.database.take();
        // Nobody is left to tell; what was committed is not touched.
        drop(contained(|| drop(database)));
    }
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(key);
    hasher.update(value);
    hasher.finalize().to_be_bytes()
}

pub(super) fn verified<'a>(key: &[u8], record: &'a [u8]) -> Result<&'a [u8], StoreError> {
    let damaged = || StoreError::Damaged { what: "a record's checksum does not match".to_owned() };
    let split = record.len().checked_sub(CHECKSUM_BYTES).ok_or_else(damaged)?;
    let (value, sum) = record.split_at(split);
    if checksum(key, value) == sum { Ok(value) } else { Err(damaged()) }
}

/// Runs what calls redb, and turns its panic over a damaged page into an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
    contained(work).unwrap_or_else(|what| Err(StoreError::Damaged { what }))
}

pub(super) fn file_error(error: io::Error) -> StoreError {
    StoreError::Io(Box::new(error))
}

pub(super) fn open_error(error: DatabaseError) -> StoreError {
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

pub(super) fn storage_error(error: StorageError) -> StoreError {
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
