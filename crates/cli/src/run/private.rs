//! A platform that is started for one command, in a session of its own, so that a signal to the
//! command's group does not end it halfway. It lives under the command's lease, and its directory goes
//! with it.
//!
//! The directories of all of a user's private platforms lie side by side in a folder, each named by its
//! lease. One gets its name only when its lease is held, and whoever looks for what was left looks while
//! nobody is making one: so a directory is dead if neither its lease nor its lock is held.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use tokio::{
    io::AsyncReadExt as _,
    process::{Child, Command},
};
use windlass_model::{ErrorCode, LeaseId, Problem, receipt::ReleaseReceipt};
use windlass_substrate::lease::{self, Hold, Standing};

use crate::{
    context::{self, Platform},
    environment::{self, Outcome, problem},
    files,
    up::directory::{LOCK, PATH_MAX},
};

/// What a directory is called before it is whole, and when it is about to be gone.
const DRAFT: &str = ".new-";
pub(crate) const GONE: &str = ".gone-";
/// What is said of networks that nobody waited for, beside the directory that they were in.
pub(crate) const RECEIPTS: &str = ".receipts.json";
/// The folder of leases in a data directory.
const LEASES: &str = "leases";
/// Where the platform's log is, in its directory.
const LOG: &str = "platform.log";
/// Whoever makes a directory holds this, shared; whoever looks for dead ones, alone.
const GATE: &str = "lock";
/// How long the end of a platform may take.
const END: Duration = Duration::from_mins(1);
/// The longest name of a directory: a lease's id.
const NAME_BYTES: usize = 22;

/// A private platform that this process has started.
#[derive(Debug)]
pub(super) struct Private {
    root: Root,
    lease: LeaseId,
    directory: PathBuf,
    child: Child,
}

impl Private {
    /// Makes a directory with a lease, and starts a platform there.
    pub(super) fn start() -> Outcome<(Self, LeaseId, Hold)> {
        let root = Root::choose()?;
        let lease = LeaseId::from_entropy(environment::entropy()?);
        let hold = root.make(&lease).map_err(|error| failed("make", &root.path, &error))?;
        let directory = root.directory(&lease);
        let child = spawn(&directory, &lease);
        let child = child.map_err(|error| failed("start a platform in", &directory, &error))?;
        let private = Self { root, lease: lease.clone(), directory, child };
        Ok((private, lease, hold))
    }

    pub(super) fn data_dir(&self) -> &Path {
        &self.directory
    }

    /// Waits until it says that it listens. Cancel-safe.
    pub(super) async fn answers(&mut self) -> Outcome<Platform> {
        let said = match &mut self.child.stdout {
            // Where it is stands in its directory by then.
            Some(stdout) => stdout.read(&mut [0u8; 1]).await,
            None => Ok(0),
        };
        match said {
            Ok(read) if read > 0 => context::in_directory(&self.directory),
            Ok(_) | Err(_) => Err(refusal(&self.directory)),
        }
    }

    /// Waits for the platform's end, which comes with the end of its lease. If it was killed, another
    /// one takes its place for that.
    pub(super) async fn ended(mut self) -> Outcome<()> {
        let ended = tokio::time::timeout(END, self.child.wait()).await;
        match ended {
            Ok(_) if !self.directory.exists() => {}
            Ok(_) => finish(&self.root, &self.lease).await?,
            Err(_) => return Err(still_there(&self.directory)),
        }
        // The command's own receipt says the same.
        drop(self.root.take_receipts(&self.lease));
        Ok(())
    }
}

/// A folder of private platforms.
#[derive(Debug)]
pub(super) struct Root {
    path: PathBuf,
}

impl Root {
    /// The first of the user's folders that can be used.
    fn choose() -> Outcome<Self> {
        let mut refused = None;
        for path in environment::private_roots() {
            let made = files::private_folder(&path).and_then(|()| Self::open(&path));
            match made {
                Ok(root) if root.path.as_os_str().len() + 1 + NAME_BYTES <= PATH_MAX => {
                    return Ok(root);
                }
                Ok(_too_long) => {}
                Err(error) => refused = Some(failed("use", &path, &error)),
            }
        }
        Err(refused.unwrap_or_else(|| {
            problem(
                ErrorCode::DataDirectoryUnusable,
                "there is no place for a private platform",
                "set XDG_STATE_HOME to a folder of yours whose path is short",
            )
        }))
    }

    /// A folder that is there, if it is the user's own and closed to others.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        let own = metadata.is_dir()
            && metadata.uid() == rustix::process::geteuid().as_raw()
            && metadata.mode() & 0o022 == 0;
        if !own {
            return Err(io::Error::other("it is no folder that only you can write"));
        }
        Ok(Self { path: fs::canonicalize(path)? })
    }

    pub(super) fn directory(&self, lease: &LeaseId) -> PathBuf {
        self.path.join(lease.as_str())
    }

    /// Makes a directory that is held from the moment on that it has its name.
    fn make(&self, id: &LeaseId) -> io::Result<Hold> {
        let _gate = self.gate(FlockOperation::LockShared)?;
        let draft = self.path.join(format!("{DRAFT}{id}"));
        files::private_folder(&draft.join(LEASES))?;
        let hold = Hold::make(&draft.join(LEASES).join(id.as_str()))?;
        fs::rename(&draft, self.directory(id))?;
        Ok(hold.moved_to(lease_of(&self.directory(id), id)))
    }

    fn gate(&self, operation: FlockOperation) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let gate = options.open(self.path.join(GATE))?;
        flock(&gate, operation)?;
        Ok(gate)
    }

    /// The directories of platforms that are dead, as nobody holds them. What needs no platform to go is
    /// removed meanwhile.
    pub(super) fn dead(&self) -> io::Result<Vec<LeaseId>> {
        let _gate = self.gate(FlockOperation::NonBlockingLockExclusive)?;
        let mut dead = Vec::new();
        for name in self.names()? {
            let path = self.path.join(&name);
            if name.starts_with(DRAFT) || name.starts_with(GONE) {
                // Its platform may be removing it too.
                drop(remove(&path));
            } else if let Ok(id) = name.parse::<LeaseId>()
                && path.is_dir()
                && lease::standing(&lease_of(&path, &id))? == Standing::Over
                && !context::is_held(&path.join(LOCK))
            {
                dead.push(id);
            }
        }
        Ok(dead)
    }

    /// Whose receipts nobody has seen.
    pub(super) fn told(&self) -> io::Result<Vec<LeaseId>> {
        let names = self.names()?;
        let told = names.iter().filter_map(|name| name.strip_suffix(RECEIPTS));
        Ok(told.filter_map(|id| id.parse().ok()).collect())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.path)?;
        entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    }

    /// Takes the receipts of a platform, so that nobody else shows them.
    pub(super) fn take_receipts(&self, lease: &LeaseId) -> io::Result<Vec<ReleaseReceipt>> {
        let path = self.path.join(format!("{lease}{RECEIPTS}"));
        let mine = files::beside(&path);
        fs::rename(&path, &mine)?;
        let text = fs::read(&mine);
        fs::remove_file(&mine)?;
        Ok(serde_json::from_slice(&text?)?)
    }
}

/// Brings a dead platform to its end: another one takes its place, finds that nobody holds the lease, and
/// does what the first one would have done.
pub(super) async fn finish(root: &Root, lease: &LeaseId) -> Outcome<()> {
    let directory = root.directory(lease);
    let mut child = spawn(&directory, lease)
        .map_err(|error| failed("start a platform in", &directory, &error))?;
    match tokio::time::timeout(END, child.wait()).await {
        Err(_) => return Err(still_there(&directory)),
        Ok(_) if !directory.exists() => return Ok(()),
        Ok(_) => {}
    }
    let refusal = refusal(&directory);
    if refusal.code == ErrorCode::PlatformRunning {
        // Somebody else does it.
        return Ok(());
    }
    if context::running_workloads(&directory) > 0 {
        return Err(refusal);
    }
    // Where no platform can be, such as on a full disk, nothing but files is left.
    let gone = root.path.join(format!("{GONE}{lease}"));
    fs::rename(&directory, &gone)
        .and_then(|()| remove(&gone))
        .map_err(|error| failed("remove", &directory, &error))
}

/// Removes a directory that may be gone already.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn lease_of(directory: &Path, id: &LeaseId) -> PathBuf {
    directory.join(LEASES).join(id.as_str())
}

#[expect(clippy::disallowed_methods, reason = "the one place that starts private platforms")]
fn spawn(directory: &Path, lease: &LeaseId) -> io::Result<Child> {
    let mut options = OpenOptions::new();
    let log = options.append(true).create(true).mode(0o600).open(directory.join(LOG))?;
    Command::new(std::env::current_exe()?)
        .args(["up", "--json", "--listen", "127.0.0.1:0", "--lease", lease.as_str(), "--data-dir"])
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
}

/// Why a platform did not come up, in its own words.
fn refusal(directory: &Path) -> Box<Problem> {
    let log = fs::read_to_string(directory.join(LOG)).unwrap_or_default();
    let said = log.lines().rev().find_map(|line| serde_json::from_str::<Problem>(line).ok());
    said.map_or_else(
        || {
            let last = log.lines().last().unwrap_or("it wrote nothing");
            problem(
                ErrorCode::PlatformNotRunning,
                format!("the platform in {} ended at once: {last}", directory.display()),
                "try again; with `windlass up` in another terminal it says more",
            )
        },
        Box::new,
    )
}

pub(super) fn failed(what: &str, path: &Path, error: &io::Error) -> Box<Problem> {
    let code = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorCode::DiskFull,
        _ => ErrorCode::DataDirectoryUnusable,
    };
    problem(
        code,
        format!("cannot {what} {}: {error}", path.display()),
        "see that it is yours, writable and has space; XDG_STATE_HOME names another place for \
         private platforms",
    )
}

fn still_there(directory: &Path) -> Box<Problem> {
    problem(
        ErrorCode::OperationTimeout,
        format!("the platform in {} has not ended yet", directory.display()),
        "it goes on by itself; the next `windlass` looks for what is left",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(folder: &Path) -> Root {
        Root::open(folder).expect("it is ours")
    }

    #[test]
    fn a_directory_is_dead_when_nobody_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(folder.path());
        let (one, two) = (LeaseId::from_entropy([1; 10]), LeaseId::from_entropy([2; 10]));
        let (held, over) = (root.make(&one).unwrap(), root.make(&two).unwrap());
        assert_eq!(root.dead().unwrap(), []);
        drop(over);
        assert_eq!(root.dead().unwrap(), std::slice::from_ref(&two));
        let lock = File::create(root.directory(&two).join(LOCK)).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        assert_eq!(root.dead().unwrap(), [], "its platform lives");
        assert_eq!(held.path(), lease_of(&root.directory(&one), &one));
        // What was never whole, or is gone but for a rest, needs no platform.
        for name in [format!("{DRAFT}{one}"), format!("{GONE}{two}")] {
            fs::create_dir_all(root.path.join(&name).join("keys")).unwrap();
        }
        fs::create_dir(root.path.join("logs")).unwrap();
        root.dead().unwrap();
        let mut names = root.names().unwrap();
        names.sort();
        assert_eq!(names, [one.as_str(), two.as_str(), GATE, "logs"]);
    }

    #[test]
    fn nobody_looks_for_dead_ones_while_one_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(folder.path());
        let making = root.gate(FlockOperation::LockShared).unwrap();
        assert!(root.dead().is_err());
        drop(making);
        assert!(root.dead().is_ok());
    }

    #[test]
    fn a_folder_that_others_write_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(Root::open(folder.path()).is_err());
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/", &link).unwrap();
        assert!(Root::open(&link).is_err());
    }

    #[test]
    fn receipts_are_taken_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = root(folder.path());
        let lease = LeaseId::from_entropy([1; 10]);
        fs::write(root.path.join(format!("{lease}{RECEIPTS}")), "[]").unwrap();
        assert_eq!(root.told().unwrap(), std::slice::from_ref(&lease));
        assert_eq!(root.take_receipts(&lease).unwrap(), []);
        assert!(root.take_receipts(&lease).is_err());
        assert_eq!(root.told().unwrap(), []);
    }
}
