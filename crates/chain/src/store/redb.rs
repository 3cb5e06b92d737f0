//! The store on disk: one file, a log and redb's table behind it.
//!
//! Every commit is durable at once: by the log at the head of the file, or, if it is a large one, by the
//! table. What only the log has is in memory too, above the table: what changes with every block goes
//! there once for many of them. The log of a ledger has two parts: while what is in one goes to the table,
//! commits go on in the other.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ::redb::{AccessGuard, StorageBackend, backends::FileBackend};

use super::aside::{Aside, Job, Pace};
use super::log::{self, BehindLog, Layout, Log, Record, Room};
use super::recent::Recent;
use super::table::{Table, View, file_error, guarded, open_error, storage_error, verified};
use super::{Batch, Snapshot, Store, StoreError, Visit};

/// How long the log of a new file is, how much redb may keep in memory of the file, and when what is in a
/// full part of the log goes to the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    layout: Layout,
    cache_bytes: usize,
    pace: Pace,
}

impl Sizes {
    const LARGE: Self = Self { layout: log::LARGE, cache_bytes: 8 << 20, pace: Pace::Beside };
    const SMALL: Self = Self { layout: log::SMALL, cache_bytes: 4 << 20, pace: Pace::Beside };
    /// Twice in memory, for the process and for the disk.
    pub(super) const SIMULATED: Self =
        Self { layout: log::SIMULATED, pace: Pace::Later, ..Self::LARGE };
}

/// How redb's part of a file begins; a file that begins so has no log, as it was before there was one.
const REDB: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";

/// The store on disk.
#[derive(Debug)]
pub struct RedbStore {
    shared: Arc<Shared>,
    /// Held during a commit.
    writer: Mutex<Writer>,
}

/// What whoever reads, whoever commits and whoever gives the table what the log has all have.
#[derive(Debug)]
pub(super) struct Shared {
    /// What was committed since the table was written, and the table as it was then.
    newest: Mutex<Newest>,
    table: Table,
    owner: Mutex<Owner>,
}

/// Whoever is told that what went aside did not arrive.
#[derive(Default)]
struct Owner(Option<Box<dyn FnOnce(StoreError) + Send>>);

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Writer {
    log: Log,
    aside: Aside,
    pace: Pace,
}

/// An entry of the table.
type Guarded<'a> = (AccessGuard<'a, &'static [u8]>, AccessGuard<'a, &'static [u8]>);

/// What the last commit left.
#[derive(Debug, Default)]
struct Newest {
    /// The table, once somebody has asked: opening it costs as much as several reads.
    table: Option<Arc<View>>,
    /// All that the table does not have.
    recent: Recent,
    /// Of that, what it will not have either when what goes there now has arrived.
    since: Option<Recent>,
}

struct RedbSnapshot {
    table: Arc<View>,
    recent: Recent,
}

impl Shared {
    fn newest(&self) -> MutexGuard<'_, Newest> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn view(&self) -> Result<RedbSnapshot, StoreError> {
        let mut newest = self.newest();
        let recent = newest.recent.clone();
        if let Some(table) = &newest.table {
            return Ok(RedbSnapshot { table: Arc::clone(table), recent });
        }
        let table = Arc::new(self.table.view()?);
        newest.table = Some(Arc::clone(&table));
        Ok(RedbSnapshot { table, recent })
    }

    fn add(&self, batch: Batch) {
        let mut newest = self.newest();
        if let Some(since) = &mut newest.since {
            since.add(batch.clone());
        }
        newest.recent.add(batch);
    }

    /// What is to go to the table now; what is committed from here on is told apart.
    fn set_aside(&self) -> Recent {
        let mut newest = self.newest();
        newest.since = Some(Recent::default());
        newest.recent.clone()
    }

    /// Gives the table what was set aside, until the batch of this number.
    pub(super) fn arrive(&self, set_aside: &Recent, last: u64) -> Result<(), StoreError> {
        // Whoever looks meanwhile sees the same, in the table or above it.
        self.table.write(set_aside.iter(), last)?;
        let mut newest = self.newest();
        let recent = newest.since.take().unwrap_or_default();
        *newest = Newest { recent, ..Newest::default() };
        Ok(())
    }

    pub(super) fn tell(&self, error: StoreError) {
        let owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner).0.take();
        if let Some(tell) = owner {
            tell(error);
        }
    }
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

    /// Has somebody told, once, if what was committed could not be given to the table beside later commits.
    /// It is durable, but the store has failed: it must be opened anew.
    pub fn on_failure(&self, tell: impl FnOnce(StoreError) + Send + 'static) {
        let mut owner = self.shared.owner.lock().unwrap_or_else(PoisonError::into_inner);
        owner.0 = Some(Box::new(tell));
    }

    /// Makes the file as small as what is in it allows; nobody may have it open.
    pub fn compact(path: &Path) -> Result<(), StoreError> {
        guarded(|| {
            let mut store = Self::open_file(path, Sizes::LARGE)?;
            let shared = Arc::get_mut(&mut store.shared);
            shared.expect("nothing is set aside").table.compact()
        })
    }

    fn open_file(path: &Path, sizes: Sizes) -> Result<Self, StoreError> {
        let file = File::options().read(true).write(true).create(true).truncate(false).open(path);
        let file = FileBackend::new(file.map_err(file_error)?).map_err(open_error)?;
        let direct = log::direct(path).map_err(file_error)?;
        Self::with(Arc::new(file), |_| Box::new(direct), sizes)
    }

    /// Opens or creates the store in something that behaves like a file.
    pub(super) fn on(backend: impl StorageBackend, sizes: Sizes) -> Result<Self, StoreError> {
        Self::with(Arc::new(backend), |file| Box::new(log::Synced(file)), sizes)
    }

    /// The first write makes the tables, gives the table what only the log has, and shows whether writing
    /// is possible.
    fn with(
        file: Arc<dyn StorageBackend>,
        durable: impl FnOnce(Arc<dyn StorageBackend>) -> Box<dyn log::Durable>,
        sizes: Sizes,
    ) -> Result<Self, StoreError> {
        guarded(|| {
            let layout = make_room(file.as_ref(), sizes.layout)?;
            let behind = BehindLog { file: Arc::clone(&file), log_bytes: layout.bytes };
            let table = Table::on(behind, sizes.cache_bytes)?;
            let mut last = table.last_batch()?;
            let mut lacking = Recent::default();
            for batch in log::read(file.as_ref(), layout, last)? {
                lacking.add(batch);
                last += 1;
            }
            table.write(lacking.iter(), last)?;
            let log = Log::after(durable(file), layout, last);
            let writer = Mutex::new(Writer { log, aside: Aside::Nothing, pace: sizes.pace });
            let (newest, owner) = (Mutex::default(), Mutex::default());
            Ok(Self { shared: Arc::new(Shared { newest, table, owner }), writer })
        })
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the table what only the log has, and a batch; the log begins again, after so many batches.
    /// Nothing may be on its way there.
    fn flush(&self, writer: &mut Writer, batch: Batch, last: u64) -> Result<(), StoreError> {
        let mut all = self.shared.newest().recent.clone();
        all.add(batch);
        self.shared.newest().since = None;
        self.shared.arrive(&all, last)?;
        writer.log.begin_again(last);
        writer.aside = Aside::Nothing;
        Ok(())
    }
}

/// What only the log has goes to the table, which tells damage anywhere; the log takes its last batch for
/// one that was being written.
impl Drop for RedbStore {
    fn drop(&mut self) {
        // If it can't be written, it is in the log still.
        let _flushed = guarded(|| {
            let mut writer = self.writer();
            // What did not arrive is tried again.
            let _arrived = writer.aside.settle();
            if self.shared.newest().recent.is_empty() {
                return Ok(());
            }
            let last = writer.log.last();
            self.flush(&mut writer, Batch::default(), last)
        });
        self.shared.newest().table = None;
    }
}

impl Store for RedbStore {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError> {
        guarded(|| {
            let view: Box<dyn Snapshot> = Box::new(self.shared.view()?);
            Ok(view)
        })
    }

    fn commit(&self, batch: Batch) -> Result<(), StoreError> {
        guarded(|| {
            let mut writer = self.writer();
            let Writer { log, aside, pace } = &mut *writer;
            let record = Record::of(&batch);
            let mut room = log.room_for(&record);
            if room != Room::Here {
                // What is in the other part is to be in the table before it is written over; if it could
                // not be, it goes there with the rest.
                let arrived = aside.settle();
                if room == Room::InOtherPart && arrived.is_ok() {
                    let job = Job::new(&self.shared, self.shared.set_aside(), log.last());
                    *aside = pace.begin(job);
                    log.turn();
                    room = Room::Here;
                }
            }
            if room != Room::Here {
                let last = log.last() + 1;
                return self.flush(&mut writer, batch, last);
            }
            log.append(&record).map_err(file_error)?;
            self.shared.add(batch);
            aside.pass();
            Ok(())
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

/// How long the log is: a new file is made as long as the new one is to be. What is no ledger is left as
/// it is.
fn make_room(file: &dyn StorageBackend, new: Layout) -> Result<Layout, StoreError> {
    let as_length = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    let found = file.len().map_err(file_error)?;
    if found == 0 {
        return file.set_len(as_length(new.bytes)).map(|()| new).map_err(file_error);
    }
    let mut begin = [0; REDB.len()];
    if found >= u64::try_from(begin.len()).unwrap_or(u64::MAX) {
        file.read(0, &mut begin).map_err(file_error)?;
    }
    if begin == REDB {
        let what = "an earlier version wrote this ledger, and this one cannot read it";
        return Err(file_error(io::Error::new(io::ErrorKind::Unsupported, what)));
    }
    for layout in log::LAYOUTS {
        // The power went before redb made anything.
        if found == as_length(layout.bytes) && new == layout {
            return Ok(layout);
        }
        if found >= as_length(layout.bytes + REDB.len()) {
            file.read(as_length(layout.bytes), &mut begin).map_err(file_error)?;
            if begin == REDB {
                return Ok(layout);
            }
        }
    }
    Err(StoreError::Damaged { what: format!("there is no table in its {found} bytes") })
}

fn absent_is_fine(removed: io::Result<()>) -> Result<(), StoreError> {
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(file_error(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_ledger_without_a_log_and_what_is_none_are_refused_and_left_as_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        drop(::redb::Database::create(&path).unwrap());
        for (found, expect) in [(fs::read(&path).unwrap(), "earlier"), (vec![b'x'; 99], "99 bytes")]
        {
            fs::write(&path, &found).unwrap();
            let error = RedbStore::open(&path).unwrap_err();
            assert!(format!("{error:?}").contains(expect), "{error:?}");
            assert_eq!(fs::read(&path).unwrap(), found);
        }
    }

    /// Batches that fill the log's parts several times, of keys that come again.
    fn batches() -> impl Iterator<Item = Batch> {
        (0..80_u8).map(|index| {
            let mut batch = Batch::default();
            for key in 0..40_u8 {
                batch.put(vec![key, index % 3], vec![index; 10_000]);
            }
            batch.delete(vec![index % 40, (index + 1) % 3]);
            batch
        })
    }

    fn all(store: &RedbStore) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut found = BTreeMap::new();
        let view = store.snapshot().unwrap();
        view.scan(&[], &[0xff], &mut |key, value| {
            found.insert(key.to_vec(), value.to_vec());
            ControlFlow::Continue(())
        })
        .unwrap();
        found
    }

    #[test]
    fn what_goes_to_the_table_beside_commits_is_always_there_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        let store = RedbStore::open(&path).unwrap();
        let mut model = BTreeMap::new();
        let (mut beside, mut views) = (0, Vec::new());
        for batch in batches() {
            for (key, value) in batch.entries.clone() {
                match value {
                    Some(value) => model.insert(key, value),
                    None => model.remove(&key),
                };
            }
            store.commit(batch).unwrap();
            beside += usize::from(store.shared.newest().since.is_some());
            assert!(all(&store) == model, "what was committed is there");
            views.push((store.snapshot().unwrap(), model.get(&vec![7, 1]).cloned()));
        }
        assert!(beside > 3, "{beside} commits were made while something went there");
        for (view, expect) in views {
            assert!(view.get(&[7, 1]).unwrap() == expect, "a view stays as it was");
        }
        drop(store);
        let store = RedbStore::open(&path).unwrap();
        assert!(all(&store) == model, "it is all there again");
        assert!(store.shared.newest().recent.is_empty());
    }
}
