//! Where small files are: in memory, and in one store, which gets what was written by all of them in one
//! batch.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    future::Future,
    mem,
    sync::{Arc, Mutex},
};

use commonware_runtime::{BlobVersion, Error, Storage};
use windlass_chain::store::{Batch, Store, StoreError};

use super::small::{Name, Small, load, locked};
use crate::consensus::{bell::Bell, work::Work};

/// How many pieces of files wait at most for somebody who needs something durable. Who votes does all the
/// time; who only follows never does.
pub(super) const WAITING: usize = 256;

/// The small files of a node.
pub struct Drawer {
    store: Box<dyn Store>,
    /// One thread: a batch after the other.
    work: Work,
    names: futures::lock::Mutex<Names>,
    /// What was written since the last batch.
    next: Mutex<Batch>,
    /// Held while a batch is written; whether all were until now.
    written: Mutex<Result<(), Arc<StoreError>>>,
    failed: Bell,
}

/// What there is.
pub(super) struct Names {
    pub(super) small: BTreeMap<Name, Arc<Small>>,
    /// The files that are not in the drawer, of the partitions that were asked for.
    large: BTreeMap<String, BTreeSet<Vec<u8>>>,
    /// The number of the next small one.
    next: u64,
}

impl fmt::Debug for Drawer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drawer").finish_non_exhaustive()
    }
}

impl Drawer {
    /// Opens what is in a store, which is of nobody else; `work` has one thread.
    ///
    /// # Errors
    /// If the store fails, or has something else.
    pub fn open(store: impl Store, work: Work) -> Result<Arc<Self>, StoreError> {
        let (files, next) = load(&store)?;
        let small = files.into_iter().map(|file| (file.name.clone(), Arc::new(file))).collect();
        Ok(Arc::new(Self {
            store: Box::new(store),
            work,
            names: futures::lock::Mutex::new(Names { small, large: BTreeMap::new(), next }),
            next: Mutex::default(),
            written: Mutex::new(Ok(())),
            failed: Bell::default(),
        }))
    }

    /// Waits until the store has failed: from then on nothing becomes durable, and whoever waits for it
    /// waits for ever.
    pub async fn failure(&self) -> Arc<StoreError> {
        loop {
            let rings = self.failed.rings();
            if let Err(error) = &*locked(&self.written) {
                return Arc::clone(error);
            }
            self.failed.after(rings).await;
        }
    }

    pub(super) async fn names(&self) -> futures::lock::MutexGuard<'_, Names> {
        self.names.lock().await
    }

    /// What the store gets next.
    pub(super) fn next(&self) -> &Mutex<Batch> {
        &self.next
    }

    /// Whether so much was written since the last batch that it is to be the next one.
    pub(super) fn is_full(&self) -> bool {
        locked(&self.next).len() >= WAITING
    }

    /// Has everything that was written become durable, whether anybody waits for it or not. Who comes
    /// while a batch is written is in the next one, with all others that do.
    pub(crate) async fn flush(self: &Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let drawer = Arc::clone(self);
        let begun = self.work.begin(move || drawer.write()).await;
        async move {
            if begun.await != Ok(Written::Durable) {
                std::future::pending::<()>().await;
            }
        }
    }

    fn write(&self) -> Written {
        let mut written = locked(&self.written);
        if written.is_err() {
            return Written::Not;
        }
        let batch = mem::take(&mut *locked(&self.next));
        if batch.is_empty() {
            return Written::Durable;
        }
        match self.store.commit(batch) {
            Ok(()) => Written::Durable,
            Err(error) => {
                *written = Err(Arc::new(error));
                drop(written);
                self.failed.ring();
                Written::Not
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Durable,
    Not,
}

impl Names {
    /// A new small file, durable once the batch is.
    pub(super) fn create(
        &mut self,
        name: Name,
        version: BlobVersion,
        batch: &Mutex<Batch>,
    ) -> Arc<Small> {
        let new = Arc::new(Small::create(self.next, name, version, &mut locked(batch)));
        self.next += 1;
        self.small.insert(new.name.clone(), Arc::clone(&new));
        new
    }

    /// The files of a partition that are not in the drawer.
    pub(super) async fn large<S: Storage>(
        &mut self,
        files: &S,
        partition: &str,
    ) -> Result<&mut BTreeSet<Vec<u8>>, Error> {
        if !self.large.contains_key(partition) {
            let found = match files.scan(partition).await {
                Ok(found) => found.into_iter().collect(),
                Err(Error::PartitionMissing(_)) => BTreeSet::new(),
                Err(error) => return Err(error),
            };
            self.large.insert(partition.to_owned(), found);
        }
        Ok(self.large.get_mut(partition).expect("it was just put there"))
    }
}
