//! The head of a ledger's file: a log that makes small batches durable with one short write.
//!
//! redb writes every page that a batch touches, which for a block of one transfer is 120 KB and two
//! syncs. So a small batch is written here and synced, and is kept in memory; when the log is full, redb
//! gets what is new in it at once, and the log begins again. Opening a ledger gives redb what only the
//! log has.
//!
//! The log is a sequence of pages. Each has its own checksum, the number of its batch and its place
//! among that batch's pages, so that nothing that a batch says can look like a page, and writing one
//! batch touches no page of another. Numbers rise by one with every batch, whether it is written here
//! or not: pages from before the log began again are told by that.

use std::io;
use std::ops::Bound;
use std::sync::Arc;

use ::redb::{BackendError, StorageBackend};
use alloy_primitives::Bytes;
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};

use super::{Batch, StoreError};

/// How many bytes a log takes: a new one on disk, and one on a simulated disk or of an earlier version.
pub(super) const LARGE: usize = 2 << 20;
pub(super) const SMALL: usize = 1 << 20;
/// Which part of it a batch may take; a larger one is better off in redb at once.
const MOST: usize = 2;

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

/// Where the log ends.
#[derive(Debug)]
pub(super) struct Log {
    file: Arc<dyn StorageBackend>,
    bytes: usize,
    /// The number of the last batch.
    last: u64,
    end: usize,
}

impl Log {
    /// A log that begins again, after the batch that redb has written last.
    pub(super) fn after(file: Arc<dyn StorageBackend>, bytes: usize, last: u64) -> Self {
        Self { file, bytes, last, end: 0 }
    }

    /// The number of the last batch.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Writes the next batch, durably; where the log ends then. `None` if redb is to write it instead,
    /// as it is large or the log is full.
    pub(super) fn write(&self, batch: &Batch) -> io::Result<Option<usize>> {
        let content = encode(batch);
        let pages = content.len().div_ceil(BODY);
        let end = self.end + pages * PAGE;
        let (Ok(count), true) = (u16::try_from(pages), content.len() <= self.bytes / MOST) else {
            return Ok(None);
        };
        if end > self.bytes {
            return Ok(None);
        }
        let mut written = Vec::with_capacity(pages * PAGE);
        for (index, part) in (0u16..).zip(content.chunks(BODY)) {
            written.extend_from_slice(&page(self.last + 1, (index, count), part));
        }
        self.file.write(self.end.try_into().unwrap_or(u64::MAX), &written)?;
        self.file.sync_data()?;
        Ok(Some(end))
    }

    /// The next batch is where it is to be: the log ends here.
    pub(super) fn advance(&mut self, end: usize) {
        self.last += 1;
        self.end = end;
    }

    /// redb has all until this batch: the log begins again.
    pub(super) fn begin_again(&mut self, last: u64) {
        self.last = last;
        self.end = 0;
    }
}

/// The batches that the log has after the last one that redb has written, in their order.
///
/// The last one that was being written when the power went may be there in part, and is not told:
/// nobody was told that it is durable.
///
/// # Errors
/// If one before the last is not what was written.
pub(super) fn read(
    file: &dyn StorageBackend,
    bytes: usize,
    last: u64,
) -> Result<Vec<Batch>, StoreError> {
    let mut log = vec![0; bytes];
    file.read(0, &mut log).map_err(|error| StoreError::Io(Box::new(error)))?;
    let pages: Vec<Option<Page<'_>>> = log.chunks(PAGE).map(Page::read).collect();
    let mut found = Vec::new();
    let (mut at, mut next) = (0, None);
    while let Some((number, content)) = record(&pages[at..]) {
        if next.is_some_and(|next| next != number) || (next.is_none() && number > last + 1) {
            break;
        }
        at += content.len();
        next = Some(number + 1);
        if number > last {
            found.push(decode(&content.concat())?);
        }
    }
    let after = next.unwrap_or(0).max(last + 1);
    if pages[at..].iter().flatten().any(|page| page.number > after) {
        return Err(StoreError::Damaged { what: "its log has a gap".to_owned() });
    }
    Ok(found)
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

    /// A log with these batches after number 7, and its bytes.
    fn logged(batches: &[Batch]) -> (Arc<dyn StorageBackend>, Vec<usize>) {
        let file: Arc<dyn StorageBackend> = Arc::new(InMemoryBackend::new());
        file.set_len(SMALL.try_into().unwrap()).unwrap();
        let mut log = Log::after(Arc::clone(&file), SMALL, 7);
        let ends = batches.iter().map(|batch| {
            let end = log.write(batch).unwrap().unwrap();
            log.advance(end);
            end
        });
        let ends = ends.collect();
        (file, ends)
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
    fn batches_come_back_from_the_one_on_that_redb_lacks() {
        let batches = [batch(1, 10), batch(2, 9_000), batch(3, 0), batch(4, BODY)];
        let (file, ends) = logged(&batches);
        assert_eq!(ends.iter().map(|end| end / PAGE).collect::<Vec<_>>(), [1, 4, 5, 7]);
        for (last, first) in [(7, 0), (8, 1), (10, 3), (11, 4), (20, 4)] {
            let found = read(file.as_ref(), SMALL, last).unwrap();
            assert_eq!(entries(&found), entries(&batches[first..]), "redb has {last}");
        }
        let error = read(file.as_ref(), SMALL, 5).unwrap_err();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }

    #[test]
    fn a_log_that_began_again_tells_nothing_of_before() {
        let (file, _) = logged(&[batch(1, 9_000), batch(2, 10), batch(3, 10)]);
        let mut log = Log::after(Arc::clone(&file), SMALL, 10);
        assert!(read(file.as_ref(), SMALL, 10).unwrap().is_empty());
        let next = batch(4, 10);
        let end = log.write(&next).unwrap().unwrap();
        log.advance(end);
        assert_eq!(entries(&read(file.as_ref(), SMALL, 10).unwrap()), entries(&[next]));
    }

    #[test]
    fn what_is_damaged_before_the_last_batch_is_told_and_the_last_one_is_taken_for_unfinished() {
        let batches = [batch(1, 10), batch(2, 9_000), batch(3, 10)];
        let (_, ends) = logged(&batches);
        for at in (0..ends[2]).step_by(97).chain([HEAD, ends[2] - 1]) {
            let (file, _) = logged(&batches);
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
    fn what_does_not_fit_is_left_to_redb() {
        let (file, _) = logged(&[]);
        let mut log = Log::after(file, SMALL, 7);
        assert_eq!(log.write(&batch(1, SMALL / MOST)).unwrap(), None);
        let mut written = 0;
        while let Some(end) = log.write(&batch(1, SMALL / MOST - 100)).unwrap() {
            log.advance(end);
            written += 1;
        }
        assert_eq!((written, log.last()), (1, 8));
    }
}
