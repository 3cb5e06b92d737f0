//! A disk for the simulator, beneath the real store: it keeps the promises of a disk and no others.
//!
//! What was synced survives a crash. Of what was written since, each sector holds any of the
//! contents that it had since then, independently of all others: writes are so lost, torn and
//! reordered, as a page cache and a disk's own cache do. The length of the file may be any that it
//! had since. A crash can be armed for an operation to come, so that a run can lose power anywhere;
//! from there on every operation fails, as for a process that is gone.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ::redb::StorageBackend;

use super::{RedbStore, StoreError, redb::Sizes};

/// What a disk writes as a whole.
const SECTOR: usize = 512;

/// A file on a simulated disk. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// What the process sees.
    current: Vec<u8>,
    /// What a crash can't take.
    durable: Vec<u8>,
    /// What came since the last sync, in order.
    unsynced: Vec<Change>,
    /// Raised by every process: handles of earlier ones are dead.
    life: u64,
    /// How many operations are left until the power fails.
    left: Option<u64>,
    /// How many bytes the file may have.
    capacity: Option<usize>,
    /// How many operations did not fit since the power was cut.
    refused: u64,
    /// Operations so far.
    operations: u64,
    /// Bytes written so far.
    written: usize,
    /// Syncs that are acknowledged and not made: a mutation for tests of the simulator itself.
    lies: bool,
}

#[derive(Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

impl SimulatedDisk {
    /// Opens the store on the disk, as a new process does: those before it are gone.
    pub fn open(&self) -> Result<RedbStore, StoreError> {
        let life = {
            let mut inner = self.lock();
            inner.life += 1;
            inner.life
        };
        RedbStore::on(Handle { disk: self.clone(), life }, Sizes::SIMULATED)
    }

    /// The power fails at the operation that is so many ahead.
    pub fn fail_after(&self, operations: u64) {
        self.lock().left = Some(operations);
    }

    /// The power does not fail after all, if it has not yet.
    pub fn spare(&self) {
        let mut inner = self.lock();
        inner.left = inner.left.filter(|left| *left == 0);
    }

    /// Whether the power has failed and nobody has called [`SimulatedDisk::crash`] since.
    pub fn has_failed(&self) -> bool {
        self.lock().left == Some(0)
    }

    /// The file may have so many bytes; no bound if none.
    pub fn bound(&self, capacity: Option<usize>) {
        self.lock().capacity = capacity;
    }

    /// The file may have so many bytes more than it has.
    pub fn fill(&self, room: usize) {
        let mut inner = self.lock();
        inner.capacity = Some(inner.current.len() + room);
    }

    /// Whether something did not fit since anybody has called [`SimulatedDisk::crash`].
    pub fn is_full(&self) -> bool {
        self.lock().refused > 0
    }

    /// How many operations the disk has seen.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// How many bytes were written to the disk.
    pub fn written_bytes(&self) -> usize {
        self.lock().written
    }

    /// From now on syncs do nothing. A simulator that doesn't notice is of no use.
    pub fn lie(&self) {
        self.lock().lies = true;
    }

    /// The disk is lost with all that was on it.
    pub fn lose(&self) {
        let mut inner = self.lock();
        let life = inner.life + 1;
        *inner = Inner { life, ..Inner::default() };
    }

    /// Another disk with the same content, as far as it is durable.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let durable = self.lock().durable.clone();
        let inner = Inner { current: durable.clone(), durable, ..Inner::default() };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// The file is removed; a power failure to come still comes, and there is no more room than before.
    pub fn erase(&self) {
        let mut inner = self.lock();
        let Inner { life, left, capacity, refused, .. } = *inner;
        *inner = Inner { life: life + 1, left, capacity, refused, ..Inner::default() };
    }

    /// Cuts the power: what was not synced survives as `entropy` has it.
    pub fn crash(&self, mut entropy: impl FnMut() -> u64) {
        let mut inner = self.lock();
        inner.life += 1;
        inner.left = None;
        inner.refused = 0;
        let changes = std::mem::take(&mut inner.unsynced);
        let mut lengths = vec![inner.durable.len()];
        let mut sectors: BTreeMap<usize, Vec<(usize, &[u8])>> = BTreeMap::new();
        for change in &changes {
            match change {
                Change::Length(length) => lengths.push(*length),
                Change::Write { offset, bytes } => {
                    lengths.push((*offset + bytes.len()).max(*lengths.last().unwrap_or(&0)));
                    split(*offset, bytes, |sector, at, part| {
                        sectors.entry(sector).or_default().push((at, part));
                    });
                }
            }
        }
        for (sector, versions) in sectors {
            let survived = pick(versions.len() + 1, &mut entropy);
            let begin = sector * SECTOR;
            for (at, part) in versions.into_iter().take(survived) {
                let end = begin + at + part.len();
                if inner.durable.len() < end {
                    inner.durable.resize(end, 0);
                }
                inner.durable[begin + at..end].copy_from_slice(part);
            }
        }
        let length = lengths[pick(lengths.len(), &mut entropy)];
        inner.durable.resize(length, 0);
        let Inner { current, durable, .. } = &mut *inner;
        current.clone_from(durable);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number below `count`, which is at least 1.
fn pick(count: usize, entropy: &mut impl FnMut() -> u64) -> usize {
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    usize::try_from(entropy() % count).expect("it is below a usize")
}

/// Calls with each sector that the bytes lie in: its number, where within it, and what.
fn split<'a>(offset: usize, bytes: &'a [u8], mut each: impl FnMut(usize, usize, &'a [u8])) {
    let mut rest = bytes;
    let mut at = offset;
    while !rest.is_empty() {
        let within = at % SECTOR;
        let (part, tail) = rest.split_at(rest.len().min(SECTOR - within));
        each(at / SECTOR, within, part);
        at += part.len();
        rest = tail;
    }
}

/// One process's handle on the disk.
#[derive(Debug)]
struct Handle {
    disk: SimulatedDisk,
    life: u64,
}

impl Handle {
    /// Counts an operation and lets it happen, unless the power has failed.
    fn operate<T>(&self, operation: impl FnOnce(&mut Inner) -> io::Result<T>) -> io::Result<T> {
        let mut inner = self.disk.lock();
        inner.operations += 1;
        match &mut inner.left {
            Some(0) => return Err(gone()),
            Some(left) => *left -= 1,
            None => {}
        }
        if inner.life != self.life || inner.left == Some(0) {
            return Err(gone());
        }
        operation(&mut inner)
    }
}

impl StorageBackend for Handle {
    fn len(&self) -> io::Result<u64> {
        self.operate(|inner| Ok(u64::try_from(inner.current.len()).unwrap_or(u64::MAX)))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.operate(|inner| {
            let begin = position(offset)?;
            let read = begin.checked_add(out.len()).and_then(|end| inner.current.get(begin..end));
            out.copy_from_slice(read.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.operate(|inner| {
            let length = position(length)?;
            inner.admit(length)?;
            inner.current.resize(length, 0);
            inner.unsynced.push(Change::Length(length));
            Ok(())
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        self.operate(|inner| {
            if !inner.lies {
                inner.settle();
            }
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.operate(|inner| {
            let offset = position(offset)?;
            let end = offset.checked_add(data.len()).ok_or(io::ErrorKind::InvalidInput)?;
            inner.admit(end)?;
            if inner.current.len() < end {
                inner.current.resize(end, 0);
            }
            inner.written += data.len();
            inner.current[offset..end].copy_from_slice(data);
            inner.unsynced.push(Change::Write { offset, bytes: data.to_vec() });
            Ok(())
        })
    }
}

impl Inner {
    /// Makes what came since the last sync durable.
    fn settle(&mut self) {
        for change in self.unsynced.drain(..) {
            match change {
                Change::Length(length) => self.durable.resize(length, 0),
                Change::Write { offset, bytes } => {
                    let end = offset + bytes.len();
                    if self.durable.len() < end {
                        self.durable.resize(end, 0);
                    }
                    self.durable[offset..end].copy_from_slice(&bytes);
                }
            }
        }
    }

    /// Whether the file may have this length.
    fn admit(&mut self, length: usize) -> io::Result<()> {
        let fits = self.capacity.is_none_or(|capacity| length <= capacity.max(self.current.len()));
        if fits {
            return Ok(());
        }
        self.refused += 1;
        Err(io::ErrorKind::StorageFull.into())
    }
}

fn position(offset: u64) -> io::Result<usize> {
    usize::try_from(offset).map_err(|_too_large| io::ErrorKind::InvalidInput.into())
}

fn gone() -> io::Error {
    io::Error::other("the power has failed")
}
