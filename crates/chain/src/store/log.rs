//! The head of a ledger's file: a log that makes small batches durable with one short write.
//!
//! redb writes every page that a batch touches, which for a block of one transfer is 120 KB and two
//! syncs. So a small batch is written here and synced, and is kept in memory; when the log is full, redb
//! gets what is new in it at once, and the log begins again. A log of two parts goes on in one of them
//! while redb gets what is in the other. Opening a ledger gives redb what only the log has.
//!
//! A part is a sequence of pages. Each has its own checksum, the number of its batch and its place
//! among that batch's pages, so that nothing that a batch says can look like a page, and writing one
//! batch touches no page of another. Numbers rise by one with every batch, whether it is written here
//! or not: pages from before the log began again are told by that.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Bound;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use ::redb::{BackendError, StorageBackend};
use alloy_primitives::Bytes;
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use rustix::fs::OFlags;

use super::{Batch, StoreError};

/// How a log lies in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// How many bytes it takes.
    pub(super) bytes: usize,
    /// In how many parts of the same length. Batches go to one until it is full, and then to the other,
    /// while what is in the first goes to the table.
    parts: usize,
    /// How many a batch may take: to write a larger one twice costs more than the table does.
    most: usize,
}

/// The log of a new ledger, of one that is small, and of one on a simulated disk.
pub(super) const LARGE: Layout = Layout { bytes: 8 << 20, parts: 2, most: 1 << 19 };
pub(super) const SMALL: Layout = Layout { bytes: 1 << 20, parts: 1, most: 1 << 19 };
pub(super) const SIMULATED: Layout = Layout { bytes: 3 << 19, parts: 2, most: 3 << 18 };
/// All that there are, that of a ledger of an earlier version among them. A log is told by its length.
pub(super) const LAYOUTS: [Layout; 4] =
    [SMALL, SIMULATED, Layout { bytes: 2 << 20, parts: 1, most: 1 << 20 }, LARGE];

const PAGE: usize = 4096;
/// Checksum, number of the batch, and of its pages which one this is and how many.
const HEAD: usize = 4 + 8 + 2 + 2;
const BODY: usize = PAGE - HEAD;

/// A batch as it is written, with bytes of its own or of another.
#[derive(Debug, RlpEncodable, RlpDecodable)]
struct Written<B> {
    put: Vec<Entry<B>>,
    deleted: Vec<B>,
}

#[derive(Debug, RlpEncodable, RlpDecodable)]
struct Entry<B> {
    key: B,
    value: B,
}

/// What makes a log durable.
pub(super) trait Durable: fmt::Debug + Send + Sync {
    /// Writes; it is on disk when this returns.
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
}

/// A file that is synced as a whole.
#[derive(Debug)]
pub(super) struct Synced(pub(super) Arc<dyn StorageBackend>);

impl Durable for Synced {
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write(offset, bytes)?;
        self.0.sync_data()
    }
}

/// A file of which only what is written is synced, whoever else has written to it.
#[derive(Debug)]
struct Direct(File);

/// Opens a file for its log.
pub(super) fn direct(path: &Path) -> io::Result<impl Durable + use<>> {
    let flags = i32::try_from(OFlags::DSYNC.bits()).map_err(io::Error::other)?;
    File::options().write(true).custom_flags(flags).open(path).map(Direct)
}

impl Durable for Direct {
    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }
}

/// A batch as it is in the log.
#[derive(Debug)]
pub(super) struct Record {
    content: Vec<u8>,
}

impl Record {
    pub(super) fn of(batch: &Batch) -> Self {
        Self { content: encode(batch) }
    }

    /// How many bytes its pages take.
    fn bytes(&self) -> usize {
        self.content.len().div_ceil(BODY) * PAGE
    }
}

/// Where there is room for a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// Where the log ends.
    Here,
    /// At the beginning of its other part.
    InOtherPart,
    /// In the table only.
    Nowhere,
}

/// Where the log ends.
#[derive(Debug)]
pub(super) struct Log {
    file: Box<dyn Durable>,
    layout: Layout,
    /// The number of the last batch.
    last: u64,
    /// In which part, and where in it.
    part: usize,
    end: usize,
    /// Whether a batch may be there of which nobody was told: there must be no other one of its number.
    doubtful: bool,
}

impl Log {
    /// A log that begins again, after the batch that the table has last.
    pub(super) fn after(file: Box<dyn Durable>, layout: Layout, last: u64) -> Self {
        Self { file, layout, last, part: 0, end: 0, doubtful: false }
    }

    /// The number of the last batch.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Where the next batch may be written.
    pub(super) fn room_for(&self, record: &Record) -> Room {
        let Layout { bytes, parts, most } = self.layout;
        if self.doubtful || record.bytes() > most {
            Room::Nowhere
        } else if self.end + record.bytes() <= bytes / parts {
            Room::Here
        } else if parts == 1 {
            Room::Nowhere
        } else {
            Room::InOtherPart
        }
    }

    /// Goes on at the beginning of the other part.
    pub(super) fn turn(&mut self) {
        self.part = (self.part + 1) % self.layout.parts;
        self.end = 0;
    }

    /// Writes the next batch, durably. There is to be room.
    pub(super) fn append(&mut self, record: &Record) -> io::Result<()> {
        let parts = record.content.chunks(BODY);
        let count = u16::try_from(parts.len()).map_err(io::Error::other)?;
        let mut written = Vec::with_capacity(record.bytes());
        for (index, part) in (0u16..).zip(parts) {
            written.extend_from_slice(&page(self.last + 1, (index, count), part));
        }
        let begin = self.part * (self.layout.bytes / self.layout.parts);
        self.doubtful = true;
        self.file.write((begin + self.end).try_into().unwrap_or(u64::MAX), &written)?;
        self.doubtful = false;
        self.last += 1;
        self.end += written.len();
        Ok(())
    }

    /// The table has all until this batch: the log begins again.
    pub(super) fn begin_again(&mut self, last: u64) {
        self.last = last;
        self.end = 0;
        self.doubtful = false;
    }
}

/// The batches that the log has after the last one that the table has, in their order.
///
/// The last one that was being written when the power went may be there in part, and is not told:
/// nobody was told that it is durable.
///
/// # Errors
/// If one before the last is not what was written.
pub(super) fn read(
    file: &dyn StorageBackend,
    layout: Layout,
    last: u64,
) -> Result<Vec<Batch>, StoreError> {
    let mut log = vec![0; layout.bytes];
    file.read(0, &mut log).map_err(|error| StoreError::Io(Box::new(error)))?;
    let pages: Vec<Option<Page<'_>>> = log.chunks(PAGE).map(Page::read).collect();
    let mut parts: Vec<_> = pages.chunks(pages.len() / layout.parts).map(run).collect();
    parts.sort_by_key(|run| run.first().map(|(number, _)| *number));
    let (mut found, mut next) = (Vec::new(), last + 1);
    for (number, content) in parts.into_iter().flatten() {
        if number == next {
            found.push(decode(&content.concat())?);
            next += 1;
        }
    }
    if pages.iter().flatten().any(|page| page.number > next) {
        return Err(StoreError::Damaged { what: "its log has a gap".to_owned() });
    }
    Ok(found)
}

/// The batches that follow each other from the beginning of a part on.
fn run<'a>(pages: &[Option<Page<'a>>]) -> Vec<(u64, Vec<&'a [u8]>)> {
    let mut found: Vec<(u64, Vec<&[u8]>)> = Vec::new();
    let mut at = 0;
    while let Some((number, content)) = record(&pages[at..]) {
        if found.last().is_some_and(|(before, _)| before + 1 != number) {
            break;
        }
        at += content.len();
        found.push((number, content));
    }
    found
}

/// The batch that begins with these pages: its number, and the content of each page.
fn record<'a>(pages: &[Option<Page<'a>>]) -> Option<(u64, Vec<&'a [u8]>)> {
    let Page { number, count, .. } = *pages.first()?.as_ref()?;
    let pages = pages.get(..usize::from(count))?;
    let parts = (0u16..).zip(pages).map(|(index, page)| {
        let page = page.as_ref()?;
        let expected = (page.number, page.index, page.count) == (number, index, count);
        expected.then_some(page.content)
    });
    let parts: Option<Vec<&[u8]>> = parts.collect();
    Some((number, parts.filter(|parts| !parts.is_empty())?))
}

/// One page of a batch.
#[derive(Debug)]
struct Page<'a> {
    number: u64,
    index: u16,
    count: u16,
    content: &'a [u8],
}

impl<'a> Page<'a> {
    /// `None` if it is not what was written.
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (sum, checked) = bytes.split_first_chunk()?;
        if crc32fast::hash(checked) != u32::from_be_bytes(*sum) {
            return None;
        }
        let (number, rest) = checked.split_first_chunk()?;
        let (index, rest) = rest.split_first_chunk()?;
        let (count, content) = rest.split_first_chunk()?;
        Some(Self {
            number: u64::from_be_bytes(*number),
            index: u16::from_be_bytes(*index),
            count: u16::from_be_bytes(*count),
            content,
        })
    }
}

/// A page as it is written; what is short is filled with zeros.
fn page(number: u64, (index, count): (u16, u16), part: &[u8]) -> [u8; PAGE] {
    let mut page = [0; PAGE];
    page[4..12].copy_from_slice(&number.to_be_bytes());
    page[12..14].copy_from_slice(&index.to_be_bytes());
    page[14..16].copy_from_slice(&count.to_be_bytes());
    page[HEAD..HEAD + part.len()].copy_from_slice(part);
    let sum = crc32fast::hash(&page[4..]);
    page[..4].copy_from_slice(&sum.to_be_bytes());
    page
}

fn encode(batch: &Batch) -> Vec<u8> {
    let mut written: Written<&[u8]> = Written { put: Vec::new(), deleted: Vec::new() };
    for (key, value) in &batch.entries {
        match value {
            Some(value) => written.put.push(Entry { key, value }),
            None => written.deleted.push(key),
        }
    }
    alloy_rlp::encode(&written)
}

/// Behind a batch are the zeros that its last page was filled with.
fn decode(content: &[u8]) -> Result<Batch, StoreError> {
    let written = Written::<Bytes>::decode(&mut &content[..]).map_err(|error| {
        StoreError::Damaged { what: format!("a batch in its log cannot be read: {error}") }
    })?;
    let mut batch = Batch::default();
    for Entry { key, value } in written.put {
        batch.put(key.to_vec(), value.to_vec());
    }
    for key in written.deleted {
        batch.delete(key.to_vec());
    }
    Ok(batch)
}

/// What redb has of a ledger's file: all that is behind the log.
#[derive(Debug)]
pub(super) struct BehindLog {
    pub(super) file: Arc<dyn StorageBackend>,
    pub(super) log_bytes: usize,
}

impl BehindLog {
    fn place(&self, offset: u64) -> io::Result<u64> {
        let place = u64::try_from(self.log_bytes).ok().and_then(|log| log.checked_add(offset));
        place.ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }
}

impl StorageBackend for BehindLog {
    fn len(&self) -> io::Result<u64> {
        Ok(self.file.len()?.saturating_sub(self.place(0)?))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(self.place(offset)?, out)
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.file.set_len(self.place(length)?)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(self.place(offset)?, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    // What is locked is the file, whichever range of it redb names.

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}

#[cfg(test)]
mod tests {
    use ::redb::backends::InMemoryBackend;

    use super::*;

    fn batch(fill: u8, bytes: usize) -> Batch {
        let mut batch = Batch::default();
        batch.put(vec![fill], vec![fill; bytes]);
        batch.put(vec![fill, 1], Vec::new());
        batch.delete(vec![fill, 2]);
        batch
    }

    fn empty(layout: Layout) -> (Arc<dyn StorageBackend>, Log) {
        let file: Arc<dyn StorageBackend> = Arc::new(InMemoryBackend::new());
        file.set_len(layout.bytes.try_into().unwrap()).unwrap();
        let log = Log::after(Box::new(Synced(Arc::clone(&file))), layout, 7);
        (file, log)
    }

    /// A log with these batches after number 7, and where each of them ends.
    fn logged(batches: &[Batch]) -> (Arc<dyn StorageBackend>, Log, Vec<usize>) {
        let (file, mut log) = empty(SMALL);
        let ends = batches.iter().map(|batch| append(&mut log, batch));
        let ends = ends.collect();
        (file, log, ends)
    }

    fn append(log: &mut Log, batch: &Batch) -> usize {
        let record = Record::of(batch);
        assert_eq!(log.room_for(&record), Room::Here);
        log.append(&record).unwrap();
        log.end
    }

    fn entries(found: &[Batch]) -> Vec<&std::collections::BTreeMap<Vec<u8>, Option<Vec<u8>>>> {
        found.iter().map(|batch| &batch.entries).collect()
    }

    fn flip(file: &dyn StorageBackend, at: usize) {
        let mut byte = [0];
        let at = u64::try_from(at).unwrap();
        file.read(at, &mut byte).unwrap();
        file.write(at, &[byte[0] ^ 1]).unwrap();
    }

    #[test]
    fn batches_come_back_from_the_one_on_that_the_table_lacks() {
        let batches = [batch(1, 10), batch(2, 9_000), batch(3, 0), batch(4, BODY)];
        let (file, _, ends) = logged(&batches);
        assert_eq!(ends.iter().map(|end| end / PAGE).collect::<Vec<_>>(), [1, 4, 5, 7]);
        for (last, first) in [(7, 0), (8, 1), (10, 3), (11, 4), (20, 4)] {
            let found = read(file.as_ref(), SMALL, last).unwrap();
            assert_eq!(entries(&found), entries(&batches[first..]), "the table has {last}");
        }
        let error = read(file.as_ref(), SMALL, 5).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }

    #[test]
    fn a_log_that_began_again_tells_nothing_of_before() {
        let (file, mut log, _) = logged(&[batch(1, 9_000), batch(2, 10), batch(3, 10)]);
        log.begin_again(10);
        assert!(read(file.as_ref(), SMALL, 10).unwrap().is_empty());
        let next = batch(4, 10);
        append(&mut log, &next);
        assert_eq!(entries(&read(file.as_ref(), SMALL, 10).unwrap()), entries(&[next]));
    }

    #[test]
    fn what_is_damaged_before_the_last_batch_is_told_and_the_last_one_is_taken_for_unfinished() {
        let batches = [batch(1, 10), batch(2, 9_000), batch(3, 10)];
        let (_, _, ends) = logged(&batches);
        for at in (0..ends[2]).step_by(97).chain([HEAD, ends[2] - 1]) {
            let (file, _, _) = logged(&batches);
            flip(file.as_ref(), at);
            match read(file.as_ref(), SMALL, 7) {
                Ok(found) => {
                    assert!(at >= ends[1], "byte {at}");
                    assert_eq!(entries(&found), entries(&batches[..2]), "byte {at}");
                }
                Err(error) => {
                    assert!(matches!(error, StoreError::Damaged { .. }), "byte {at}: {error}");
                    assert!(at < ends[1], "byte {at}");
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_left_to_the_table() {
        let (_, mut log) = empty(SMALL);
        let large = Record::of(&batch(1, SMALL.most));
        assert_eq!(log.room_for(&large), Room::Nowhere);
        append(&mut log, &batch(1, SMALL.most - 9_000));
        append(&mut log, &batch(1, SMALL.most - 9_000));
        assert_eq!(log.room_for(&Record::of(&batch(1, 20_000))), Room::Nowhere);
        let (_, log) = empty(LARGE);
        assert_eq!(log.room_for(&Record::of(&batch(1, LARGE.most))), Room::Nowhere);
    }

    /// Fills the first part, and begins the other one: 8 and 9 in the first, 10 and 11 in the other, then 12
    /// in the first again, in the place of 8.
    fn turned(batches: &[Batch]) -> Arc<dyn StorageBackend> {
        let (file, mut log) = empty(SIMULATED);
        for (index, batch) in batches.iter().enumerate() {
            let record = Record::of(batch);
            let room = if matches!(index, 2 | 4) { Room::InOtherPart } else { Room::Here };
            assert_eq!(log.room_for(&record), room, "batch {index}");
            if room == Room::InOtherPart {
                log.turn();
            }
            log.append(&record).unwrap();
        }
        file
    }

    #[test]
    fn batches_of_two_parts_come_back_in_their_order() {
        let most = SIMULATED.bytes / 2 - 3 * PAGE;
        let batches = [batch(1, most), batch(2, 10), batch(3, most), batch(4, 10), batch(5, 9_000)];
        let file = turned(&batches[..4]);
        for (last, first) in [(7, 0), (8, 1), (9, 2), (10, 3), (11, 4)] {
            let found = read(file.as_ref(), SIMULATED, last).unwrap();
            assert_eq!(entries(&found), entries(&batches[first..4]), "the table has {last}");
        }
        // What lies in the first part is older when it has been gone on with, and 8 is gone.
        let file = turned(&batches);
        for (last, first) in [(9, 2), (10, 3), (11, 4), (12, 5)] {
            let found = read(file.as_ref(), SIMULATED, last).unwrap();
            assert_eq!(entries(&found), entries(&batches[first..]), "the table has {last}");
        }
        assert!(read(file.as_ref(), SIMULATED, 8).is_err(), "9 is behind what replaced 8");
        // The last of the first part is not the last of all.
        let file = turned(&batches[..4]);
        flip(file.as_ref(), SIMULATED.bytes / 2 - 2 * PAGE);
        assert!(read(file.as_ref(), SIMULATED, 7).is_err());
        let file = turned(&batches[..4]);
        flip(file.as_ref(), SIMULATED.bytes - 2 * PAGE);
        assert_eq!(entries(&read(file.as_ref(), SIMULATED, 7).unwrap()), entries(&batches[..3]));
    }

    #[test]
    fn a_number_is_not_given_twice_where_writing_failed() {
        #[derive(Debug)]
        struct Full;
        impl Durable for Full {
            fn write(&self, _: u64, _: &[u8]) -> io::Result<()> {
                Err(io::ErrorKind::StorageFull.into())
            }
        }
        let mut log = Log::after(Box::new(Full), LARGE, 7);
        let record = Record::of(&batch(1, 10));
        assert_eq!(log.room_for(&record), Room::Here);
        log.append(&record).unwrap_err();
        assert_eq!((log.room_for(&record), log.last()), (Room::Nowhere, 7));
        log.begin_again(8);
        assert_eq!(log.room_for(&record), Room::Here);
    }
}
