//! How much of the disk a node has, against what it may have.
//!
//! A node that has reached its limit takes no transactions from clients any more. What is on its way still
//! comes into blocks, and blocks of others are kept: the limit bounds what a network grows to, and costs no
//! node its ledger.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// It is measured at most so often.
const FRESH: Duration = Duration::from_secs(2);

/// A directory and the most that it may take, in bytes.
#[derive(Debug)]
pub struct DiskBudget {
    directory: PathBuf,
    limit_bytes: u64,
    measured: Mutex<Option<(Instant, u64)>>,
}

/// A node has as much on disk as it may have, or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this node has {} MiB on disk and may have {}: it takes no transactions. Give its network a greater \
     `node_limits.disk_mib`, or prune its ledger",
    used_bytes >> 20,
    limit_bytes >> 20
)]
pub struct Exhausted {
    /// What it has in bytes.
    pub used_bytes: u64,
    /// What it may have in bytes.
    pub limit_bytes: u64,
}

impl DiskBudget {
    /// A budget of so many bytes for a directory with all that is in it.
    pub fn new(directory: &Path, limit_bytes: u64) -> Self {
        Self { directory: directory.to_owned(), limit_bytes, measured: Mutex::default() }
    }

    /// Refuses what would need more of the disk. Reads the directory, unless it was read just now.
    pub fn check(&self) -> Result<(), Exhausted> {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        let used_bytes = match *measured {
            Some((at, used_bytes)) if at.elapsed() < FRESH => used_bytes,
            Some(_) | None => {
                let used_bytes = size(&self.directory);
                *measured = Some((Instant::now(), used_bytes));
                used_bytes
            }
        };
        drop(measured);
        let limit_bytes = self.limit_bytes;
        if used_bytes < limit_bytes { Ok(()) } else { Err(Exhausted { used_bytes, limit_bytes }) }
    }
}

/// What a directory occupies. Files may come and go meanwhile: what went counts as nothing.
fn size(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    let own = metadata.blocks() * 512;
    if !metadata.is_dir() {
        return own;
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.map(|entry| size(&entry.path())).fold(own, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_folders_counts_too() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("data");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("ledger"), vec![1; 1 << 20]).unwrap();
        assert_eq!(DiskBudget::new(directory.path(), 2 << 20).check(), Ok(()));
        let exhausted = DiskBudget::new(directory.path(), 1 << 20).check().unwrap_err();
        assert!(exhausted.used_bytes >= 1 << 20, "{exhausted:?}");
        assert!(exhausted.to_string().contains("1 MiB on disk and may have 1:"), "{exhausted}");
        assert_eq!(DiskBudget::new(&inner.join("absent"), 1).check(), Ok(()));
    }
}
