//! One key's file, and the checks on who else could read it.
//!
//! A file is written under a temporary name, synced, moved to its final name without ever replacing
//! what is there, and the directory is synced: after a crash there is a whole key or none. Format
//! version 1 is a JSON object of `version`, `id`, `purpose`, `public_key` and `secret_key` (32
//! bytes in hexadecimal digits). Reading derives the public half again and compares, so that a
//! flipped bit is an error rather than another key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, OFlags, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};
use windlass_model::KeyId;
use zeroize::{Zeroize as _, Zeroizing};

use crate::software::{Secret, public_of, random};
use crate::{KeyError, PublicKey, Purpose};

/// The name of the file in a key's directory.
pub(crate) const KEY_FILE: &str = "key.json";
/// The name of a consensus key's voting record, beside it.
pub(crate) const VOTED_FILE: &str = "voted";
/// What a file is called until it is complete.
pub(crate) const TEMPORARY_PREFIX: &str = "key.json.tmp-";
/// Written into every key file; a greater one is refused.
const FORMAT_VERSION: u64 = 1;
/// A key file is a few hundred bytes; more is not one.
const MAX_FILE_BYTES: u64 = 16 * 1024;

/// A key as it was read from disk.
pub(crate) struct StoredKey {
    pub(crate) purpose: Purpose,
    pub(crate) public: PublicKey,
    pub(crate) secret: Secret,
}

/// The file's content; `secret_key` is overwritten when it is dropped.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    version: u64,
    id: String,
    purpose: Purpose,
    public_key: String,
    secret_key: String,
}

/// Read first, so that a later format is recognised whatever else it holds.
#[derive(Deserialize)]
struct VersionOnly {
    version: u64,
}

/// Writes a new key; `Ok(false)` if a key file was there already, which stays as it is.
pub(crate) fn write_new(directory: &Path, id: &KeyId, key: &StoredKey) -> Result<bool, KeyError> {
    let content = Content {
        version: FORMAT_VERSION,
        id: id.to_string(),
        purpose: key.purpose,
        public_key: key.public.to_string(),
        secret_key: hex::encode(*key.secret),
    };
    // Allocated at once, so that growing leaves no copy behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
    serde_json::to_writer(&mut *bytes, &content)
        .map_err(|source| io_error("encode", directory, source.into()))?;
    let mut suffix = [0u8; 8];
    random(&mut suffix)?;
    let temporary = directory.join(format!("{TEMPORARY_PREFIX}{}", hex::encode(suffix)));
    let target = directory.join(KEY_FILE);

    write_synced(&temporary, &bytes).map_err(|source| io_error("write", &temporary, source))?;
    match renameat_with(CWD, &temporary, CWD, &target, RenameFlags::NOREPLACE) {
        Ok(()) => {
            sync_directory(directory)?;
            Ok(true)
        }
        Err(rustix::io::Errno::EXIST) => {
            erase(&temporary)?;
            Ok(false)
        }
        Err(error) => Err(io_error("create", &target, error.into())),
    }
}

/// Reads and checks a key; `None` if there is no key file.
pub(crate) fn read(directory: &Path, id: &KeyId) -> Result<Option<StoredKey>, KeyError> {
    let path = directory.join(KEY_FILE);
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(no_follow());
    let file = match options.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::LOOP) => {
            return Err(KeyError::WrongKind { path, wanted: "regular file" });
        }
        Err(source) => return Err(io_error("open", &path, source)),
    };
    let metadata = file.metadata().map_err(|source| io_error("inspect", &path, source))?;
    if !metadata.is_file() {
        return Err(KeyError::WrongKind { path, wanted: "regular file" });
    }
    check_private(&path, &metadata)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(2048));
    file.take(MAX_FILE_BYTES)
        .read_to_end(&mut bytes)
        .map_err(|source| io_error("read", &path, source))?;
    parse(&path, id, &bytes).map(Some)
}

/// Overwrites a file's content with zeroes, then unlinks it. Absent is success.
pub(crate) fn erase(path: &Path) -> Result<(), KeyError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(source) => return Err(io_error("inspect", path, source)),
    };
    if metadata.is_file() {
        overwrite(path, metadata.len()).map_err(|source| io_error("overwrite", path, source))?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(io_error("remove", path, error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes the directory with mode 0700 if it is absent, and refuses it if others could enter.
pub(crate) fn private_directory(path: &Path) -> Result<(), KeyError> {
    let made = fs::DirBuilder::new().mode(0o700).create(path);
    match made {
        Ok(()) => sync_parent(path)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(io_error("create", path, source)),
    }
    let metadata =
        fs::symlink_metadata(path).map_err(|source| io_error("inspect", path, source))?;
    if !metadata.is_dir() {
        return Err(KeyError::WrongKind { path: path.to_owned(), wanted: "directory" });
    }
    check_private(path, &metadata)
}

/// Makes what was created or removed in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), KeyError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| io_error("sync", path, source))
}

pub(crate) fn sync_parent(path: &Path) -> Result<(), KeyError> {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => sync_directory(Path::new(".")),
        Some(parent) => sync_directory(parent),
        None => Ok(()),
    }
}

pub(crate) fn io_error(action: &'static str, path: &Path, source: io::Error) -> KeyError {
    KeyError::Io { action, path: path.to_owned(), source }
}

fn parse(path: &Path, id: &KeyId, bytes: &[u8]) -> Result<StoredKey, KeyError> {
    let damaged = |reason: String| KeyError::Damaged { path: PathBuf::from(path), reason };
    // The parser's own text may quote the file, so only the place is told.
    let place = |error: &serde_json::Error| {
        damaged(format!("it is not a key at line {}, column {}", error.line(), error.column()))
    };
    let VersionOnly { version } = serde_json::from_slice(bytes).map_err(|error| place(&error))?;
    if version > FORMAT_VERSION {
        return Err(KeyError::NewerFormat { path: path.to_owned(), version });
    }
    if version != FORMAT_VERSION {
        return Err(damaged(format!("format version {version} was never written")));
    }
    let content: Content = serde_json::from_slice(bytes).map_err(|error| place(&error))?;
    if content.id != id.to_string() {
        return Err(damaged("it holds another key's id".to_owned()));
    }
    let mut secret = Secret::default();
    hex::decode_to_slice(content.secret_key.as_bytes(), secret.as_mut()).map_err(
        |_quotes_the_file| damaged("the private key is not 32 bytes in hexadecimal".to_owned()),
    )?;
    let public = public_of(content.purpose, &secret)
        .filter(|public| public.to_string() == content.public_key)
        .ok_or_else(|| damaged("the public key does not belong to the private key".to_owned()))?;
    Ok(StoredKey { purpose: content.purpose, public, secret })
}

fn check_private(path: &Path, metadata: &fs::Metadata) -> Result<(), KeyError> {
    let owner = metadata.uid();
    if owner != rustix::process::geteuid().as_raw() {
        return Err(KeyError::NotOurs { path: path.to_owned(), owner });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(KeyError::TooOpen { path: path.to_owned(), mode });
    }
    Ok(())
}

pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).custom_flags(no_follow());
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn overwrite(path: &Path, length: u64) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(no_follow());
    let mut file = options.open(path)?;
    io::copy(&mut io::repeat(0).take(length), &mut file)?;
    file.sync_all()
}

fn no_follow() -> i32 {
    i32::try_from(OFlags::NOFOLLOW.bits()).expect("the flag is a small bit of a C int")
}

impl Drop for Content {
    fn drop(&mut self) {
        self.secret_key.zeroize();
    }
}
