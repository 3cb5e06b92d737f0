//! The clients' pending transactions on disk, so that an answered `eth_sendRawTransaction` outlives
//! the process, even when every node of the network is killed at once.
//!
//! An append-only file of records `length (4, big-endian) ‖ checksum (4) ‖ bytes`, the checksum the
//! first bytes of the transaction's keccak-256. One `write` a transaction, without a flush of the
//! disk: what the kernel took survives the process; a power cut may lose the last seconds, and
//! other validators have those by gossip. A torn or damaged tail ends the reading, nothing more.
//!
//! When nothing is pending the file is emptied; when most of it is dead it is written anew.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use alloy_primitives::{Bytes, keccak256};

use super::PENDING_FILE;

/// Rewriting begins above this, if less than half is still pending.
const REWRITE_BYTES: u64 = 4 * 1024 * 1024;
const HEADER_BYTES: usize = 8;

/// The journal of pending transactions.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    length: u64,
}

impl Journal {
    /// Opens the journal and reads what was pending.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Bytes>)> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).mode(0o600).open(path)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let (records, whole) = parse(&content);
        let length = u64::try_from(whole).unwrap_or(u64::MAX);
        // What follows the last whole record would hide the records written after it.
        file.set_len(length)?;
        Ok((Self { path: path.to_owned(), file, length }, records))
    }

    /// Notes a transaction.
    pub(super) fn append(&mut self, transaction: &Bytes) -> io::Result<()> {
        let record = record(transaction);
        if let Err(error) = self.file.write_all(&record) {
            // Half a record would hide those written after it.
            self.file.set_len(self.length)?;
            return Err(error);
        }
        self.length += u64::try_from(record.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Whether [`Self::rewrite`] is worth its cost, `live` bytes being pending.
    pub(super) fn is_wasteful(&self, live: usize) -> bool {
        let live = u64::try_from(live).unwrap_or(u64::MAX);
        (live == 0 && self.length > 0)
            || (self.length > REWRITE_BYTES && live.saturating_mul(2) < self.length)
    }

    /// Keeps these and no others.
    pub(super) fn rewrite(&mut self, pending: &[Bytes]) -> io::Result<()> {
        if pending.is_empty() {
            self.file.set_len(0)?;
            self.length = 0;
            return Ok(());
        }
        let content: Vec<u8> = pending.iter().flat_map(|bytes| record(bytes)).collect();
        let temporary = self.path.with_extension("tmp");
        let mut options = OpenOptions::new();
        let mut file =
            options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&content)?;
        fs::rename(&temporary, &self.path)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.length = u64::try_from(content.len()).unwrap_or(u64::MAX);
        Ok(())
    }
}

/// Takes what clients were told is pending along from one directory of data to another, durably.
pub(crate) fn keep_pending(from: &Path, to: &Path) -> io::Result<()> {
    let kept = to.join(PENDING_FILE);
    match fs::copy(from.join(PENDING_FILE), &kept) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(_) => File::open(&kept)?.sync_all(),
    }
}

fn record(transaction: &[u8]) -> Vec<u8> {
    let length = u32::try_from(transaction.len()).expect("the pool bounds a transaction's size");
    let mut record = Vec::with_capacity(HEADER_BYTES + transaction.len());
    record.extend_from_slice(&length.to_be_bytes());
    record.extend_from_slice(&keccak256(transaction)[..4]);
    record.extend_from_slice(transaction);
    record
}

/// The whole records from the beginning, and how many bytes they take.
fn parse(content: &[u8]) -> (Vec<Bytes>, usize) {
    let mut records = Vec::new();
    let mut rest = content;
    while let Some((header, tail)) = rest.split_first_chunk::<HEADER_BYTES>() {
        let [a, b, c, d, checksum @ ..] = *header;
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        let Some(transaction) = tail.get(..length) else { break };
        if keccak256(transaction)[..4] != checksum {
            break;
        }
        records.push(Bytes::copy_from_slice(transaction));
        rest = &tail[length..];
    }
    (records, content.len() - rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transactions(count: u8) -> Vec<Bytes> {
        (0..count).map(|byte| Bytes::from(vec![byte; usize::from(byte) + 1])).collect()
    }

    #[test]
    fn a_journal_gives_back_what_it_was_given() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pending");
        let (mut journal, found) = Journal::open(&path).unwrap();
        assert_eq!(found, Vec::<Bytes>::new());
        for transaction in transactions(5) {
            journal.append(&transaction).unwrap();
        }
        let (mut journal, found) = Journal::open(&path).unwrap();
        assert_eq!(found, transactions(5));
        journal.rewrite(&transactions(2)).unwrap();
        journal.append(&transactions(3)[2]).unwrap();
        let (mut journal, found) = Journal::open(&path).unwrap();
        assert_eq!(found, transactions(3));
        assert!(journal.is_wasteful(0) && !journal.is_wasteful(1));
        journal.rewrite(&[]).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 0);
        journal.append(&transactions(1)[0]).unwrap();
        assert_eq!(Journal::open(&path).unwrap().1, transactions(1));
    }

    #[test]
    fn every_torn_or_flipped_tail_keeps_what_is_before_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pending");
        let whole: Vec<u8> = transactions(4).iter().flat_map(|bytes| record(bytes)).collect();
        let last = whole.len() - record(&transactions(4)[3]).len();
        for cut in last..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (mut journal, found) = Journal::open(&path).unwrap();
            assert_eq!(found, transactions(3), "cut at {cut}");
            journal.append(&transactions(4)[3]).unwrap();
            assert_eq!(Journal::open(&path).unwrap().1, transactions(4));

            let mut flipped = whole.clone();
            flipped[cut] ^= 0x80;
            fs::write(&path, &flipped).unwrap();
            assert_eq!(Journal::open(&path).unwrap().1, transactions(3), "flipped at {cut}");
        }
    }
}
