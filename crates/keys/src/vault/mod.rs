//! The software vault: private keys as files that only their owner can read.
//!
//! ```text
//! <vault>/                 0700, refused if wider or somebody else's
//!   <key-id>/              0700
//!     key.json             0600, see the format's version inside
//!     voted                0600, a consensus key's newest epoch: see [`VotingRecord`]
//!     voted-<genesis>      0600, the same in a network that follows after a recovery
//! ```
//!
//! Every verb can be repeated: creating a key that exists returns it, destroying one that is gone
//! succeeds. A crash leaves a whole key, or none and a temporary file that the next `create` or
//! `destroy` of the same id overwrites and removes.
//!
//! Destroying overwrites a file before it unlinks it. Flash storage and copying file systems may
//! keep the old blocks all the same; whoever must rule that out encrypts the disk or uses an HSM.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use windlass_model::KeyId;

pub use self::voted::{Voted, VotesIn, VotingRecord};
use crate::file::{self, KEY_FILE, StoredKey, TEMPORARY_PREFIX};
use crate::software::{self, SoftwareEd25519, SoftwareSecp256k1};
use crate::{Ed25519Signer, KeyError, PublicKey, Purpose, Secp256k1Signer};

/// A directory of private keys.
#[derive(Debug)]
pub struct Vault {
    directory: PathBuf,
    /// Creating and destroying one at a time, so that neither removes the other's temporary file.
    changing: Mutex<()>,
}

/// A key that is in the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// Its id.
    pub id: KeyId,
    /// What it is for.
    pub purpose: Purpose,
    /// Its public half.
    pub public_key: PublicKey,
}

/// What destroying a key found and removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destroyed {
    /// The key that is gone.
    pub id: KeyId,
    /// What it was, if its file could still be read.
    pub key: Option<KeyInfo>,
    /// Every path that was there and is not any more; empty if the key was gone already.
    pub removed: Vec<PathBuf>,
}

impl Vault {
    /// Opens the vault; makes the directory (not its parents) if it is absent.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, KeyError> {
        let directory = directory.into();
        file::private_directory(&directory)?;
        Ok(Self { directory, changing: Mutex::new(()) })
    }

    /// Makes a key and returns its public half, or returns the one that this id has already.
    pub fn create(&self, id: &KeyId, purpose: Purpose) -> Result<PublicKey, KeyError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = self.key_directory(id);
        if directory.exists() {
            file::private_directory(&directory)?;
            if let Some(key) = file::read(&directory, id)? {
                return expect_purpose(id, &key, &[purpose]).map(|()| key.public);
            }
            for leftover in entries(&directory)?.into_iter().filter(|path| is_temporary(path)) {
                file::erase(&leftover)?;
            }
        } else {
            file::private_directory(&directory)?;
        }
        let secret = software::generate(purpose)?;
        let public = software::public_of(purpose, &secret).ok_or(KeyError::Signing)?;
        if file::write_new(&directory, id, &StoredKey { purpose, public, secret })? {
            return Ok(public);
        }
        // Another process made it in this moment: its key is the key.
        let key = self.load(id)?;
        expect_purpose(id, &key, &[purpose]).map(|()| key.public)
    }

    /// A signer with a node or consensus key.
    pub fn ed25519(&self, id: &KeyId) -> Result<Arc<dyn Ed25519Signer>, KeyError> {
        let key = self.load(id)?;
        expect_purpose(id, &key, &[Purpose::Node, Purpose::Consensus])?;
        let signer = SoftwareEd25519::new(&key.secret).ok_or(KeyError::Signing)?;
        Ok(Arc::new(signer))
    }

    /// A signer with an account's key.
    pub fn secp256k1(&self, id: &KeyId) -> Result<Arc<dyn Secp256k1Signer>, KeyError> {
        let key = self.load(id)?;
        expect_purpose(id, &key, &[Purpose::Account])?;
        let signer = SoftwareSecp256k1::new(key.secret).ok_or(KeyError::Signing)?;
        Ok(Arc::new(signer))
    }

    /// Every key, in the order of their ids. Directories without a whole key are left out.
    pub fn list(&self) -> Result<Vec<KeyInfo>, KeyError> {
        let mut keys = Vec::new();
        for path in entries(&self.directory)? {
            let Some(id) = key_id(&path) else { continue };
            if let Some(key) = file::read(&path, &id)? {
                keys.push(KeyInfo { id, purpose: key.purpose, public_key: key.public });
            }
        }
        Ok(keys)
    }

    /// Whether anything of a key is there, damaged or not. Nothing of it is read.
    pub fn has(&self, id: &KeyId) -> Result<bool, KeyError> {
        let directory = self.key_directory(id);
        match fs::symlink_metadata(&directory) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(file::io_error("inspect", &directory, source)),
        }
    }

    /// Overwrites and removes a key, damaged ones too. A key that is gone is a success.
    pub fn destroy(&self, id: &KeyId) -> Result<Destroyed, KeyError> {
        let _one = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let directory = self.key_directory(id);
        let mut destroyed = Destroyed { id: id.clone(), key: None, removed: Vec::new() };
        match fs::symlink_metadata(&directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // A removal that wasn't durable yet when its machine lost power.
                file::sync_directory(&self.directory)?;
                return Ok(destroyed);
            }
            Err(source) => return Err(file::io_error("inspect", &directory, source)),
            Ok(metadata) if !metadata.is_dir() => {
                return Err(KeyError::WrongKind { path: directory, wanted: "directory" });
            }
            Ok(_) => {}
        }
        if let Ok(Some(key)) = file::read(&directory, id) {
            destroyed.key =
                Some(KeyInfo { id: id.clone(), purpose: key.purpose, public_key: key.public });
        }
        for path in entries(&directory)? {
            if !is_ours(&path) && !is_temporary(&path) {
                return Err(KeyError::WrongKind { path, wanted: "file of this vault" });
            }
            file::erase(&path)?;
            destroyed.removed.push(path);
        }
        fs::remove_dir(&directory)
            .map_err(|source| file::io_error("remove", &directory, source))?;
        file::sync_directory(&self.directory)?;
        destroyed.removed.push(directory);
        Ok(destroyed)
    }

    /// Where the vault is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn key_directory(&self, id: &KeyId) -> PathBuf {
        self.directory.join(id.to_string())
    }

    fn load(&self, id: &KeyId) -> Result<StoredKey, KeyError> {
        let directory = self.key_directory(id);
        if !directory.exists() {
            return Err(KeyError::NotFound(id.clone()));
        }
        file::private_directory(&directory)?;
        file::read(&directory, id)?.ok_or_else(|| KeyError::NotFound(id.clone()))
    }
}

fn expect_purpose(id: &KeyId, key: &StoredKey, wanted: &[Purpose]) -> Result<(), KeyError> {
    if wanted.contains(&key.purpose) {
        return Ok(());
    }
    let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    Err(KeyError::OtherPurpose { id: id.clone(), is: key.purpose, wanted: wanted.join(" or ") })
}

/// The paths in a directory, sorted.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, KeyError> {
    let listed: io::Result<Vec<PathBuf>> = fs::read_dir(directory)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    let mut paths = listed.map_err(|source| file::io_error("list", directory, source))?;
    paths.sort();
    Ok(paths)
}

fn key_id(path: &Path) -> Option<KeyId> {
    path.file_name()?.to_str()?.parse().ok()
}

fn is_ours(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name == KEY_FILE || voted::is_record(name))
}

fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(TEMPORARY_PREFIX))
}

#[cfg(test)]
mod tests;
mod voted;
