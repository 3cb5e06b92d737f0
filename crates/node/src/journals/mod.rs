//! The files of consensus, of which most are small and short-lived.
//!
//! The library keeps a file for each view, and to make, sync or remove one is a handful of syncs of files
//! and folders, each of 4 kB at least: 13 a block. Here what is small is in a [`Drawer`]: in memory, and
//! in one store, whose log makes what was written to all of them durable with one short write. What grows
//! is moved to a file of its own, where it stays; a file that was one before there was a drawer is one.
//!
//! Everything that is done to small files becomes durable in the order in which it was done. So to make
//! one, or to remove one, waits for nothing: whatever relies on it is durable later, and who tells others
//! of a new file syncs it first.
//!
//! For the same reason a sync waits only where others are told of what is durable: votes and
//! certificates, four times a block. What nobody is told of but by a vote that is written later, as the
//! blocks that a validator keeps before it votes for them, is [unhurried](Journals::unhurried): it is
//! durable when that vote is.

mod drawer;
mod small;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    ops::RangeInclusive,
    sync::{Arc, OnceLock},
};

use alloy_primitives::hex;
use bytes::BufMut as _;
use commonware_runtime::{
    Blob, BlobVersion, Error, Handle, IoBufMut, IoBufs, IoBufsMut, ReadOptions, Storage,
    WriteOptions,
};

pub use self::drawer::Drawer;
use self::small::Small;

/// How long a small file is at most, and how much is written to one at once.
const SMALL: usize = 128 << 10;
const SHORT: usize = 32 << 10;

/// Where consensus keeps its files.
pub struct Journals<S> {
    files: Arc<S>,
    drawer: Arc<Drawer>,
    /// What the names of unhurried partitions begin with.
    unhurried: Option<String>,
}

/// When a sync of a small file is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sync {
    /// When it is durable.
    Durable,
    /// At once: it is durable before anything that is written later.
    Unhurried,
}

impl<S> fmt::Debug for Journals<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journals").field("drawer", &self.drawer).finish_non_exhaustive()
    }
}

impl<S> Journals<S> {
    /// Keeps what is small in a drawer and the rest in files.
    pub fn new(files: S, drawer: Arc<Drawer>) -> Self {
        Self { files: Arc::new(files), drawer, unhurried: None }
    }

    /// Has the syncs of small files wait for nothing in the partitions whose names begin so.
    #[must_use]
    pub fn unhurried(self, partitions: String) -> Self {
        Self { unhurried: Some(partitions), ..self }
    }
}

impl<S: Storage> Journals<S> {
    fn handle(
        &self,
        partition: &str,
        small: Option<Arc<Small>>,
        large: OnceLock<S::Blob>,
    ) -> Journal<S> {
        let (files, drawer) = (Arc::clone(&self.files), Arc::clone(&self.drawer));
        let unhurried = self.unhurried.as_ref().is_some_and(|begin| partition.starts_with(begin));
        let sync = if unhurried { Sync::Unhurried } else { Sync::Durable };
        Journal { files, drawer, small, large, sync, turn: futures::lock::Mutex::default() }
    }
}

impl<S: Storage> Storage for Journals<S> {
    type Blob = Journal<S>;

    async fn open_versioned(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<BlobVersion>,
    ) -> Result<(Journal<S>, u64, BlobVersion), Error> {
        let mut names = self.drawer.names().await;
        let key = (partition.to_owned(), name.to_vec());
        let small = if let Some(small) = names.small.get(&key) {
            if Arc::strong_count(small) > 1 {
                return Err(Error::BlobAlreadyOpen(key.0, hex::encode(key.1)));
            }
            if !versions.contains(&small.version) {
                return Err(Error::BlobVersionMismatch {
                    expected: versions,
                    found: small.version,
                });
            }
            let small = Arc::clone(small);
            drop(names);
            // What can be read is durable.
            self.drawer.flush().await.await;
            small
        } else if names.large(self.files.as_ref(), partition).await?.contains(name) {
            let (large, length, version) =
                self.files.open_versioned(partition, name, versions).await?;
            return Ok((self.handle(partition, None, OnceLock::from(large)), length, version));
        } else {
            check(partition)?;
            names.create(key, *versions.end(), self.drawer.next())
        };
        let (length, version) = (small.length(), small.version);
        let journal = self.handle(partition, Some(small), OnceLock::new());
        Ok((journal, u64::try_from(length).unwrap_or(u64::MAX), version))
    }

    async fn remove(&self, partition: &str, name: Option<&[u8]>) -> Result<(), Error> {
        let mut names = self.drawer.names().await;
        let of_it = |key: &small::Name| key.0 == partition && name.is_none_or(|name| key.1 == name);
        let small: Vec<_> =
            names.small.extract_if(.., |key, _| of_it(key)).map(|(_, small)| small).collect();
        let large = names.large(self.files.as_ref(), partition).await?;
        let is_file = name.map_or(!large.is_empty(), |name| large.contains(name));
        if small.is_empty() && !is_file {
            let missing = Error::PartitionMissing(partition.to_owned());
            return Err(name.map_or(missing, |name| {
                Error::BlobMissing(partition.to_owned(), hex::encode(name))
            }));
        }
        // The file first: one that a crash leaves would come back when the small one is gone.
        if is_file {
            self.files.remove(partition, name).await?;
            large.retain(|file| name.is_some_and(|name| name != file));
        }
        for one in small {
            one.discard(self.drawer.next());
        }
        Ok(())
    }

    async fn scan(&self, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
        let mut names = self.drawer.names().await;
        let mut found = names.large(self.files.as_ref(), partition).await?.clone();
        found.extend(names.small.keys().filter(|key| key.0 == partition).map(|key| key.1.clone()));
        if found.is_empty() {
            return Err(Error::PartitionMissing(partition.to_owned()));
        }
        Ok(found.into_iter().collect())
    }
}

/// The library's rule for names of partitions.
fn check(partition: &str) -> Result<(), Error> {
    let is_right = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if partition.is_empty() || !partition.bytes().all(is_right) {
        return Err(Error::PartitionNameInvalid(partition.to_owned()));
    }
    Ok(())
}

/// A file of consensus.
pub struct Journal<S: Storage> {
    files: Arc<S>,
    drawer: Arc<Drawer>,
    /// As it is in the drawer, if it was when it was opened.
    small: Option<Arc<Small>>,
    /// As it is a file of its own, from when it is one.
    large: OnceLock<S::Blob>,
    sync: Sync,
    /// Held while a small one changes.
    turn: futures::lock::Mutex<()>,
}

impl<S: Storage> fmt::Debug for Journal<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("small", &self.small).finish_non_exhaustive()
    }
}

/// Where a file is.
enum Place<'a, S: Storage> {
    Drawer(&'a Arc<Small>),
    File(&'a S::Blob),
}

impl<S: Storage> Journal<S> {
    fn place(&self) -> Place<'_, S> {
        match (self.large.get(), &self.small) {
            (Some(large), _) => Place::File(large),
            (None, Some(small)) => Place::Drawer(small),
            (None, None) => unreachable!("a file is in the drawer or not"),
        }
    }

    /// Where it is, once it has room for what ends there; and if so much may be written to it at once.
    async fn place_for(&self, end: u64, bytes: usize) -> Result<Place<'_, S>, Error> {
        let fits = usize::try_from(end).is_ok_and(|end| end <= SMALL) && bytes <= SHORT;
        match self.place() {
            Place::Drawer(small) if !fits => self.move_out(small).await,
            place => Ok(place),
        }
    }

    /// Has what was written to a small one become durable, as its partition has it; the future ends when
    /// that may be relied on.
    async fn lasts(&self) -> impl Future<Output = ()> + Send + 'static {
        let flushed = if self.sync == Sync::Durable || self.drawer.is_full() {
            Some(self.drawer.flush().await)
        } else {
            None
        };
        async {
            if let Some(flushed) = flushed {
                flushed.await;
            }
        }
    }

    /// Makes it a file of its own, unless it was removed. Until that is durable the drawer has it.
    async fn move_out<'a>(&'a self, small: &'a Arc<Small>) -> Result<Place<'a, S>, Error> {
        let mut names = self.drawer.names().await;
        if !names.small.get(&small.name).is_some_and(|one| Arc::ptr_eq(one, small)) {
            return Ok(Place::Drawer(small));
        }
        let (partition, name) = &small.name;
        let versions = small.version..=small.version;
        let (file, length, _) = self.files.open_versioned(partition, name, versions).await?;
        if length > 0 {
            // Left by a move that a crash cut off.
            file.resize(0).await?;
        }
        file.write_at(0, small.bytes(), WriteOptions::default()).await?;
        file.sync().await?;
        names.large(self.files.as_ref(), partition).await?.insert(name.clone());
        names.small.remove(&small.name);
        small.discard(self.drawer.next());
        drop(names);
        self.drawer.flush().await.await;
        Ok(Place::File(self.large.get_or_init(|| file)))
    }
}

impl<S: Storage> Blob for Journal<S> {
    async fn read_at_buf(
        &self,
        offset: u64,
        len: usize,
        bufs: impl Into<IoBufsMut> + Send,
        options: ReadOptions,
    ) -> Result<IoBufsMut, Error> {
        let small = match self.place() {
            Place::File(large) => return large.read_at_buf(offset, len, bufs, options).await,
            Place::Drawer(small) => small,
        };
        let begin = position(offset)?;
        let end = begin.checked_add(len).ok_or(Error::OffsetOverflow)?;
        let bufs = bufs.into();
        small.read(begin..end, |bytes| filled(bufs, bytes)).ok_or(Error::BlobInsufficientLength)
    }

    async fn read_at(
        &self,
        offset: u64,
        len: usize,
        options: ReadOptions,
    ) -> Result<IoBufsMut, Error> {
        if let Place::File(large) = self.place() {
            return large.read_at(offset, len, options).await;
        }
        self.read_at_buf(offset, len, IoBufMut::zeroed(len), options).await
    }

    async fn write_at(
        &self,
        offset: u64,
        bufs: impl Into<IoBufs> + Send,
        options: WriteOptions,
    ) -> Result<(), Error> {
        let bytes = bufs.into().coalesce();
        let turn = self.turn.lock().await;
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let end = offset.checked_add(length).ok_or(Error::OffsetOverflow)?;
        match self.place_for(end, bytes.len()).await? {
            Place::File(large) => {
                drop(turn);
                return large.write_at(offset, bytes, options).await;
            }
            Place::Drawer(small) => {
                small.write(position(offset)?, bytes.as_ref(), self.drawer.next());
            }
        }
        drop(turn);
        if options.contains(WriteOptions::SYNC) {
            self.lasts().await.await;
        }
        Ok(())
    }

    async fn resize(&self, len: u64) -> Result<(), Error> {
        let turn = self.turn.lock().await;
        match self.place_for(len, 0).await? {
            Place::File(large) => {
                drop(turn);
                large.resize(len).await
            }
            Place::Drawer(small) => {
                small.resize(position(len)?, self.drawer.next());
                Ok(())
            }
        }
    }

    async fn sync(&self) -> Result<(), Error> {
        if let Place::File(large) = self.place() {
            return large.sync().await;
        }
        self.lasts().await.await;
        Ok(())
    }

    async fn start_sync(&self) -> Handle<()> {
        if let Place::File(large) = self.place() {
            return large.start_sync().await;
        }
        let lasts = self.lasts().await;
        Handle::from_future(async {
            lasts.await;
            Ok(())
        })
    }
}

/// These buffers with this in them, whatever their length is; or another one if that cannot be changed.
fn filled(mut bufs: IoBufsMut, bytes: &[u8]) -> IoBufsMut {
    if let Some(one) = bufs.as_single_mut() {
        one.clear();
        one.put_slice(bytes);
    } else if bufs.is_empty() && bufs.capacity() >= bytes.len() {
        bufs.put_slice(bytes);
    } else if bufs.len() == bytes.len() {
        bufs.copy_from_slice(bytes);
    } else {
        return IoBufMut::from(bytes).into();
    }
    bufs
}

fn position(offset: u64) -> Result<usize, Error> {
    usize::try_from(offset).map_err(|_too_large| Error::OffsetOverflow)
}
