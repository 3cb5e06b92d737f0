//! What was read of manifests, so that it is not read again while the file is the same.
//!
//! A manifest holds the workload's files, a genesis among them, and a list looks at every workload of
//! the machine. Kept is all but those files. Nothing is decided by it that the disk does not say: names
//! come from the root, and a manifest counts as read as long as its file's inode, size and time are what
//! they were. Only the labels of workloads that a list does not ask for are taken as they were: ids are
//! never given twice, and what changes labels goes through this driver.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs, io,
    os::unix::fs::MetadataExt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use windlass_substrate::{LabelSelector, SubstrateError, resident::layout};

use crate::directory::{Directory, Manifest};

/// So many more than there are may be kept before those that are gone are forgotten.
const SLACK: usize = 64;

/// Manifests by the names of their directories.
#[derive(Debug, Default)]
pub(crate) struct Index {
    kept: Mutex<HashMap<String, Kept>>,
}

#[derive(Debug)]
struct Kept {
    stamp: Stamp,
    manifest: Arc<Manifest>,
}

/// What another file under the same name would differ in.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

impl Index {
    /// Those of the names of which it is not known that their workloads have other labels.
    pub(crate) fn candidates<'a>(
        &self,
        names: &'a [String],
        selector: &LabelSelector,
    ) -> Vec<&'a String> {
        let kept = self.lock();
        let excluded = |name: &String| {
            kept.get(name).is_some_and(|kept| !selector.matches(&kept.manifest.workload.labels))
        };
        names.iter().filter(|name| !excluded(name)).collect()
    }

    /// A manifest without the workload's files; `None` if nothing is there, an error if it is foreign.
    pub(crate) fn manifest(
        &self,
        directory: &Directory,
        installation: &str,
    ) -> Result<Option<Arc<Manifest>>, SubstrateError> {
        let name = directory.path().file_name().unwrap_or_default().to_string_lossy();
        // Looked at before it is read: what replaces it meanwhile is found out by the next look.
        let stamp = stamp(directory);
        if let Some(stamp) = &stamp
            && let Some(kept) = self.lock().get(&*name)
            && kept.stamp == *stamp
        {
            return Ok(Some(Arc::clone(&kept.manifest)));
        }
        let Some(mut manifest) = directory.manifest(installation)? else {
            self.forget(&name);
            return Ok(None);
        };
        manifest.workload.files = BTreeMap::new();
        let manifest = Arc::new(manifest);
        if let Some(stamp) = stamp {
            let kept = Kept { stamp, manifest: Arc::clone(&manifest) };
            self.lock().insert(name.into_owned(), kept);
        }
        Ok(Some(manifest))
    }

    /// It is about to be another one, or none.
    pub(crate) fn forget(&self, name: &str) {
        self.lock().remove(name);
    }

    /// Forgets those that are gone.
    pub(crate) fn keep(&self, names: &[String]) {
        let mut kept = self.lock();
        if kept.len() > names.len() + SLACK {
            let there: HashSet<&String> = names.iter().collect();
            kept.retain(|name, _| there.contains(name));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The stamp of a directory's manifest; none if it is not a file of a directory, which reading it finds out.
fn stamp(directory: &Directory) -> Option<Stamp> {
    let look = || -> io::Result<Option<Stamp>> {
        let folder = fs::symlink_metadata(directory.path())?;
        let file = fs::symlink_metadata(directory.join(layout::WORKLOAD))?;
        let modified = (file.mtime(), file.mtime_nsec());
        let stamp = Stamp { inode: file.ino(), bytes: file.size(), modified };
        Ok((folder.is_dir() && file.is_file()).then_some(stamp))
    };
    look().ok().flatten()
}
