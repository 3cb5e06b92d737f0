//! The data directory: made for one user, held by one platform, of a version that is understood.
//!
//! Everything that can be wrong with a directory is found here, before anything else is opened, and
//! told as a problem that says what to do.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use windlass_model::{ErrorCode, Problem, receipt::ReleaseReceipt};

use crate::{
    context::PlatformFile,
    environment::{self, Outcome, problem},
    files,
    run::private::{GONE, RECEIPTS, remove},
};

/// The lock that a running platform holds.
pub(crate) const LOCK: &str = "lock";
/// What a running platform says of itself.
pub(crate) const PLATFORM: &str = "platform.json";
/// The bearer token.
pub(crate) const TOKEN: &str = "token";
/// Which installation the directory is, and the version of its form.
const INSTALLATION: &str = "installation.json";
/// The version of the directory's form that this program reads and writes.
const FORMAT: u32 = 1;
/// The longest path: a Unix socket's path has 107 bytes, and nodes put theirs 41 bytes deeper.
pub(crate) const PATH_MAX: usize = 66;
/// `windlass status` holds the lock for an instant to see whether it is free.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(5);

#[derive(Debug, Serialize, Deserialize)]
struct Installation {
    id: String,
    format: u32,
}

/// A data directory that this process holds.
#[derive(Debug)]
pub(crate) struct DataDirectory {
    path: PathBuf,
    token: String,
    installation: String,
    /// Held, never read: closing it lets the next platform in.
    _lock: File,
}

impl DataDirectory {
    /// Makes or checks the directory and takes its lock.
    pub(crate) fn open(path: &Path) -> Outcome<Self> {
        let failed = |error: &io::Error| unusable(path, error);
        let path = create(path)?;
        let lock = take_lock(&path)?;
        let installation = installation(&path)?;
        let token = token(&path).map_err(|error| failed(&error))?;
        for folder in ["keys", "leases", "workloads"] {
            files::private_folder(&path.join(folder)).map_err(|error| failed(&error))?;
        }
        Ok(Self { path, token, installation, _lock: lock })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    pub(crate) fn installation(&self) -> &str {
        &self.installation
    }

    /// Says where this platform is.
    pub(crate) fn announce(&self, platform: &PlatformFile) -> Outcome<()> {
        let text = serde_json::to_vec_pretty(platform).expect("it is plain data");
        files::replace_private(&self.path.join(PLATFORM), &text)
            .map_err(|error| unusable(&self.path, &error))
    }

    /// Leaves nothing of the directory but the receipts beside it, whole or not at all.
    pub(crate) fn abolish(self, receipts: &[ReleaseReceipt]) -> io::Result<()> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !receipts.is_empty() {
            let text = serde_json::to_vec(receipts).expect("receipts are plain data");
            files::replace_private(&self.path.with_file_name(format!("{name}{RECEIPTS}")), &text)?;
        }
        let gone = self.path.with_file_name(format!("{GONE}{name}"));
        fs::rename(&self.path, &gone)?;
        remove(&gone)
    }

    /// Takes back what [`Self::announce`] said. Readers trust the lock, so that a failure is harmless.
    pub(crate) fn withdraw(&self) {
        if let Err(error) = fs::remove_file(self.path.join(PLATFORM)) {
            tracing::warn!(%error, "platform.json could not be removed");
        }
    }
}

fn create(path: &Path) -> Outcome<PathBuf> {
    files::private_folder(path).map_err(|error| unusable(path, &error))?;
    let path = fs::canonicalize(path).map_err(|error| unusable(path, &error))?;
    let length = path.as_os_str().as_bytes().len();
    if length > PATH_MAX {
        return Err(problem(
            ErrorCode::DataDirectoryUnusable,
            format!("the path of the data directory has {length} bytes, {PATH_MAX} are allowed"),
            "name a shorter one with --data-dir: nodes' sockets are below it, and the system \
             limits their paths",
        ));
    }
    let metadata = fs::metadata(&path).map_err(|error| unusable(&path, &error))?;
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        return Err(problem(
            ErrorCode::DataDirectoryUnusable,
            format!(
                "{} belongs to the user with id {}, not to you ({user})",
                path.display(),
                metadata.uid()
            ),
            "run windlass as that user, or name a directory of your own with --data-dir",
        ));
    }
    if metadata.mode() & 0o077 != 0 {
        tighten(&path, metadata.mode())?;
    }
    Ok(path)
}

/// A fresh folder is closed to others; one that has content has been open to them already, which
/// its owner should know.
fn tighten(path: &Path, mode: u32) -> Outcome<()> {
    let mut entries = fs::read_dir(path).map_err(|error| unusable(path, &error))?;
    if entries.next().is_none() {
        return fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(|error| unusable(path, &error));
    }
    Err(problem(
        ErrorCode::DataDirectoryUnusable,
        format!("{} is open to other users (mode {:o})", path.display(), mode & 0o777),
        format!("it holds private keys: chmod 700 {}", path.display()),
    ))
}

fn take_lock(path: &Path) -> Outcome<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path.join(LOCK))
        .map_err(|error| unusable(path, &error))?;
    for _ in 0..LOCK_ATTEMPTS {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => pause(),
            Err(error) => return Err(unusable(path, &error.into())),
        }
    }
    let running = fs::read_to_string(path.join(PLATFORM))
        .ok()
        .and_then(|text| serde_json::from_str::<PlatformFile>(&text).ok());
    let which = running
        .map_or_else(String::new, |platform| format!(" (pid {}, {})", platform.pid, platform.url));
    Err(problem(
        ErrorCode::PlatformRunning,
        format!("a platform runs on {} already{which}", path.display()),
        "`windlass login` gives a link to it, `windlass down` stops it; another --data-dir makes \
         a second one",
    ))
}

#[expect(
    clippy::disallowed_methods,
    reason = "no runtime is there yet, and it waits 0.1 s at most"
)]
fn pause() {
    thread::sleep(LOCK_PAUSE);
}

fn installation(path: &Path) -> Outcome<String> {
    let file = path.join(INSTALLATION);
    match fs::read_to_string(&file) {
        Ok(text) => read_installation(path, &text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let id = format!("inst-{}", hex::encode(environment::entropy::<8>()?));
            let installation = Installation { id, format: FORMAT };
            let text = serde_json::to_vec_pretty(&installation).expect("it is plain data");
            files::replace_private(&file, &text).map_err(|error| unusable(path, &error))?;
            Ok(installation.id)
        }
        Err(error) => Err(unusable(path, &error)),
    }
}

fn read_installation(path: &Path, text: &str) -> Outcome<String> {
    #[derive(Deserialize)]
    struct Versioned {
        format: u32,
    }
    let newer = serde_json::from_str::<Versioned>(text).is_ok_and(|it| it.format > FORMAT);
    if newer {
        return Err(problem(
            ErrorCode::DataDirectoryNewer,
            format!("{} was written by a newer version of windlass", path.display()),
            "use that version or a newer one; this one would damage it",
        ));
    }
    match serde_json::from_str::<Installation>(text) {
        Ok(installation) => Ok(installation.id),
        Err(error) => Err(problem(
            ErrorCode::DataDirectoryUnusable,
            format!("{INSTALLATION} in {} is not valid: {error}", path.display()),
            "restore the file from a backup: the networks' processes are known by the id in it",
        )),
    }
}

fn token(path: &Path) -> io::Result<String> {
    let file = path.join(TOKEN);
    match fs::read_to_string(&file) {
        Ok(text) if text.trim().len() >= 32 => {
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
            return Ok(text.trim().to_owned());
        }
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes)?;
    let token = hex::encode(bytes);
    files::replace_private(&file, format!("{token}\n").as_bytes())?;
    Ok(token)
}

/// What the system said of a data directory, with what to do about it.
fn unusable(path: &Path, error: &io::Error) -> Box<Problem> {
    let path = path.display();
    let (code, detail, hint) = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => (
            ErrorCode::DiskFull,
            format!("no space is left for the data directory {path}"),
            "free some space, or name a directory on another disk with --data-dir",
        ),
        io::ErrorKind::ReadOnlyFilesystem => (
            ErrorCode::DataDirectoryUnusable,
            format!("the data directory {path} is on a read-only file system"),
            "mount it writable, or name another directory with --data-dir",
        ),
        io::ErrorKind::PermissionDenied => (
            ErrorCode::DataDirectoryUnusable,
            format!("the data directory {path} is not yours to write"),
            "run windlass as its owner, or name a directory of your own with --data-dir",
        ),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => (
            ErrorCode::DataDirectoryUnusable,
            format!("the data directory {path} is a file, or lies below one"),
            "name a directory with --data-dir",
        ),
        _ => (
            ErrorCode::DataDirectoryUnusable,
            format!("the data directory {path} cannot be used: {error}"),
            "check the disk, or name another directory with --data-dir",
        ),
    };
    problem(code, detail, hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> ErrorCode {
        DataDirectory::open(path).expect_err("it cannot be used").code
    }

    #[test]
    fn a_directory_is_private_and_held_by_one() {
        let home = tempfile::tempdir().expect("a folder can be made");
        let path = home.path().join("a/b");
        let held = DataDirectory::open(&path).expect("it can be made");
        assert_eq!(refusal(&path), ErrorCode::PlatformRunning);
        let mode = |name: &str| {
            fs::metadata(path.join(name)).expect("it is there").permissions().mode() & 0o777
        };
        assert_eq!((mode(""), mode("token"), mode("keys")), (0o700, 0o600, 0o700));
        let (token, installation) = (held.token.clone(), held.installation.clone());
        drop(held);
        let again = DataDirectory::open(&path).expect("it is free again");
        assert_eq!((again.token, again.installation), (token, installation));
    }

    #[test]
    fn what_cannot_be_used_is_refused() {
        let home = tempfile::tempdir().expect("a folder can be made");
        let file = home.path().join("file");
        fs::write(&file, "x").expect("it can be written");
        assert_eq!(refusal(&file), ErrorCode::DataDirectoryUnusable);
        assert_eq!(refusal(&file.join("below")), ErrorCode::DataDirectoryUnusable);
        assert_eq!(refusal(&home.path().join("d".repeat(80))), ErrorCode::DataDirectoryUnusable);

        let open = home.path().join("open");
        fs::create_dir(&open).expect("it can be made");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).expect("it is ours");
        drop(DataDirectory::open(&open).expect("an empty one is closed to others"));
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).expect("it is ours");
        assert_eq!(refusal(&open), ErrorCode::DataDirectoryUnusable);
    }

    #[test]
    fn a_newer_one_is_refused() {
        let home = tempfile::tempdir().expect("a folder can be made");
        let path = home.path().join("d");
        drop(DataDirectory::open(&path).expect("it can be made"));
        let newer = r#"{"id":"inst-1","format":2,"more":true}"#;
        fs::write(path.join(INSTALLATION), newer).expect("it can be written");
        assert_eq!(refusal(&path), ErrorCode::DataDirectoryNewer);
        fs::write(path.join(INSTALLATION), "{").expect("it can be written");
        assert_eq!(refusal(&path), ErrorCode::DataDirectoryUnusable);
    }

    #[test]
    fn what_the_system_says_has_a_code() {
        let code = |kind: io::ErrorKind| unusable(Path::new("/d"), &kind.into()).code;
        assert_eq!(code(io::ErrorKind::StorageFull), ErrorCode::DiskFull);
        assert_eq!(code(io::ErrorKind::ReadOnlyFilesystem), ErrorCode::DataDirectoryUnusable);
        assert_eq!(code(io::ErrorKind::PermissionDenied), ErrorCode::DataDirectoryUnusable);
    }
}
