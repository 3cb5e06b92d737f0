//! A small file: in memory, and in pieces in the drawer's store.

use std::{
    collections::BTreeMap,
    ops::{ControlFlow, Range},
    sync::{Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::{Bytes, hex};
use alloy_rlp::{Decodable as _, RlpDecodable, RlpEncodable};
use commonware_runtime::BlobVersion;
use windlass_chain::store::{Batch, Store, StoreError};

/// What a piece holds at most. Journals are written in pages whose checksum is at their end, most of
/// them with a vote and zeros: pieces of zeros take no room.
const PIECE: usize = 512;

/// Records of files, and of their pieces.
const FILE: u8 = b'f';
const PIECES: u8 = b'p';
/// Behind all of them.
const END: u8 = b'q';

/// Its partition and its name there.
pub(super) type Name = (String, Vec<u8>);

/// A small file. Its number is that of no other one, not even of one that was removed.
#[derive(Debug)]
pub(super) struct Small {
    pub(super) number: u64,
    pub(super) name: Name,
    pub(super) version: BlobVersion,
    content: Mutex<Content>,
}

#[derive(Debug)]
struct Content {
    bytes: Vec<u8>,
    place: Place,
}

/// Where a file is beside this process's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Drawer,
    /// It was removed, or moved out: what is written to it is nobody's.
    Nowhere,
}

/// How the store has a file.
#[derive(Debug, RlpEncodable, RlpDecodable)]
struct Record {
    version: u16,
    length: u64,
    partition: String,
    name: Bytes,
}

impl Small {
    /// A new one, which is empty and in the drawer once the batch is.
    pub(super) fn create(number: u64, name: Name, version: BlobVersion, batch: &mut Batch) -> Self {
        let content = Content { bytes: Vec::new(), place: Place::Drawer };
        let new = Self { number, name, version, content: Mutex::new(content) };
        new.put_record(0, batch);
        new
    }

    pub(super) fn length(&self) -> usize {
        self.content().bytes.len()
    }

    /// What is in it now.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.content().bytes.clone()
    }

    /// Has `read` see a part of it; `None` if it is shorter.
    pub(super) fn read<T>(&self, range: Range<usize>, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.content().bytes.get(range).map(read)
    }

    /// Writes, here and in the batch that the store gets next.
    pub(super) fn write(&self, offset: usize, bytes: &[u8], batch: &Mutex<Batch>) {
        let mut content = self.content();
        let mut batch = locked(batch);
        let (before, end) = (content.bytes.len(), offset + bytes.len());
        if before < end {
            content.bytes.resize(end, 0);
        }
        let mut at = offset;
        while at < end {
            let until = end.min((at / PIECE + 1) * PIECE);
            let new = &bytes[at - offset..until - offset];
            // A piece that is as it was, as of zeros behind the old end, need not be told.
            if content.bytes[at..until] != *new {
                content.bytes[at..until].copy_from_slice(new);
                self.put_piece(&content, at / PIECE, &mut batch);
            }
            at = until;
        }
        if before < end {
            self.put_length(&content, &mut batch);
        }
    }

    /// Cuts it off, or fills it with zeros.
    pub(super) fn resize(&self, length: usize, batch: &Mutex<Batch>) {
        let mut content = self.content();
        let mut batch = locked(batch);
        let before = content.bytes.len();
        content.bytes.resize(length, 0);
        for index in length / PIECE..before.div_ceil(PIECE) {
            self.put_piece(&content, index, &mut batch);
        }
        self.put_length(&content, &mut batch);
    }

    /// Takes it out of the drawer: what a handle of it has still reads.
    pub(super) fn discard(&self, batch: &Mutex<Batch>) {
        let mut content = self.content();
        content.place = Place::Nowhere;
        let mut batch = locked(batch);
        batch.delete(key(FILE, self.number, &[]));
        for index in 0..content.bytes.len().div_ceil(PIECE) {
            batch.delete(self.piece_key(index));
        }
    }

    fn put_length(&self, content: &Content, batch: &mut Batch) {
        if content.place == Place::Drawer {
            self.put_record(content.bytes.len(), batch);
        }
    }

    fn put_record(&self, length: usize, batch: &mut Batch) {
        let (partition, name) = self.name.clone();
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        let record = Record { version: self.version.get(), length, partition, name: name.into() };
        batch.put(key(FILE, self.number, &[]), alloy_rlp::encode(&record));
    }

    fn put_piece(&self, content: &Content, index: usize, batch: &mut Batch) {
        if content.place == Place::Nowhere {
            return;
        }
        let begin = (index * PIECE).min(content.bytes.len());
        let end = content.bytes.len().min(begin + PIECE);
        let piece = &content.bytes[begin..end];
        match piece.iter().rposition(|byte| *byte != 0) {
            Some(last) => batch.put(self.piece_key(index), piece[..=last].to_vec()),
            None => batch.delete(self.piece_key(index)),
        }
    }

    fn piece_key(&self, index: usize) -> Vec<u8> {
        let index = u32::try_from(index).expect("a small file has few pieces");
        key(PIECES, self.number, &index.to_be_bytes())
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads what a store has: the files, and the next number.
pub(super) fn load(store: &dyn Store) -> Result<(Vec<Small>, u64), StoreError> {
    let mut files = BTreeMap::new();
    let mut damage = None;
    let snapshot = store.snapshot()?;
    snapshot.scan(&[FILE], &[END], &mut |key, value| {
        if take(&mut files, key, value).is_some() {
            return ControlFlow::Continue(());
        }
        damage = Some(format!("{} is no part of a journal", hex::encode(key)));
        ControlFlow::Break(())
    })?;
    if let Some(what) = damage {
        return Err(StoreError::Damaged { what });
    }
    let next = files.keys().next_back().map_or(0, |last| last + 1);
    Ok((files.into_values().collect(), next))
}

/// Takes a record, the files' before those of pieces; `None` if it is not right.
fn take(files: &mut BTreeMap<u64, Small>, key: &[u8], value: &[u8]) -> Option<()> {
    let (kind, rest) = key.split_first()?;
    let (number, rest) = rest.split_first_chunk()?;
    let number = u64::from_be_bytes(*number);
    if *kind == FILE {
        let Record { version, length, partition, name } = Record::decode(&mut &value[..]).ok()?;
        let bytes = vec![0; usize::try_from(length).ok()?];
        let content = Mutex::new(Content { bytes, place: Place::Drawer });
        let (name, version) = ((partition, name.to_vec()), BlobVersion::new(version));
        files.insert(number, Small { number, name, version, content });
        return Some(());
    }
    let index = usize::try_from(u32::from_be_bytes(rest.try_into().ok()?)).ok()?;
    let mut content = files.get(&number)?.content();
    let begin = index.checked_mul(PIECE)?;
    let piece = content.bytes.get_mut(begin..)?.get_mut(..value.len())?;
    piece.copy_from_slice(value);
    Some(())
}

fn key(kind: u8, number: u64, rest: &[u8]) -> Vec<u8> {
    [&[kind][..], &number.to_be_bytes(), rest].concat()
}

pub(super) fn locked<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
