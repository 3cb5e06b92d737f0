//! The exports that networks began with, on disk: a folder a network, a file an export.
//!
//! They stay as long as their network: a node that is added, or has lost its disk, begins with the
//! same state.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};
use windlass_model::NetworkId;

/// The folder of a network.
pub(crate) fn of_network(exports: &Path, network: &NetworkId) -> PathBuf {
    exports.join(network.as_str())
}

/// The file of an export, by its SHA-256.
pub(crate) fn export(exports: &Path, network: &NetworkId, sha256: &str) -> PathBuf {
    of_network(exports, network).join(format!("{}.export", sha256.trim_start_matches("0x")))
}

/// What the names of files begin with that are being sent.
const UPLOAD: &str = "upload-";

/// A name for a file that is being sent.
pub(crate) fn upload(exports: &Path, random: [u8; 16]) -> PathBuf {
    exports.join(format!("{UPLOAD}{}", hex::encode(random)))
}

/// Removes what was being sent when an earlier platform ended.
pub(crate) async fn forget_uploads(exports: &Path) {
    let Ok(mut entries) = tokio::fs::read_dir(exports).await else { return };
    while let Ok(Some(entry)) = entries.next_entry().await {
        let is_upload = entry.file_name().to_string_lossy().starts_with(UPLOAD);
        if is_upload && let Err(error) = tokio::fs::remove_file(entry.path()).await {
            tracing::warn!(path = %entry.path().display(), %error, "cannot remove an upload");
        }
    }
}

/// How much room the disk of a folder has.
pub(crate) fn free_bytes(directory: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(directory)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// What a removal did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// It was there.
    Now,
    /// Nothing was there.
    Before,
}

/// Removes a network's folder; that none is there is a success.
pub(crate) async fn remove(directory: &Path) -> io::Result<Removed> {
    match tokio::fs::remove_dir_all(directory).await {
        Ok(()) => Ok(Removed::Now),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Removed::Before),
        Err(error) => Err(error),
    }
}

/// Whether a file is there and has this SHA-256. It is read to its end, on a thread of its own.
pub(crate) async fn holds(path: &Path, sha256: &str) -> bool {
    let path = path.to_owned();
    let sum = tokio::task::spawn_blocking(move || {
        let mut hash = Sha256::new();
        io::copy(&mut File::open(path)?, &mut hash)?;
        Ok::<_, io::Error>(hex::encode(hash.finalize()))
    });
    matches!(sum.await, Ok(Ok(sum)) if sum == sha256.trim_start_matches("0x"))
}

/// Gives an export that was written elsewhere in the folder its name, durably.
pub(crate) async fn keep(from: &Path, to: &Path) -> io::Result<()> {
    tokio::fs::rename(from, to).await?;
    match to.parent() {
        Some(parent) => tokio::fs::File::open(parent).await?.sync_all().await,
        None => Ok(()),
    }
}
