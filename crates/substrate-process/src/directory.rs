//! A workload's directory: whose it is, what stands in it, and how it comes and goes.

use std::{
    collections::BTreeSet,
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Component, Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use windlass_substrate::{
    ExitRecord, SubstrateError, Workload, WorkloadId,
    resident::{RunRecord, layout, replace, replace_durably},
};

use crate::cgroup::Group;

/// Directories that come or go carry these before their id; ids begin with a letter.
pub(crate) const CREATING: &str = ".creating-";
pub(crate) const REMOVING: &str = ".removing-";

const MANIFEST_VERSION: u32 = 1;

/// Tells the drafts of one platform apart.
static DRAFTS: AtomicU64 = AtomicU64::new(0);

/// What `workload.json` holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    version: u32,
    /// Whose workload it is.
    pub(crate) installation: String,
    /// The fingerprint of `workload`.
    pub(crate) fingerprint: String,
    /// What `ensure` was asked for.
    pub(crate) workload: Workload,
    /// The control groups that belong to it, written down before they are made.
    pub(crate) groups: Vec<Group>,
}

impl Manifest {
    pub(crate) fn new(installation: &str, workload: &Workload, groups: Vec<Group>) -> Self {
        Self {
            version: MANIFEST_VERSION,
            installation: installation.to_owned(),
            fingerprint: windlass_substrate::fingerprint(workload),
            workload: workload.clone(),
            groups,
        }
    }
}

/// A path at which a workload's directory is, or would be.
#[derive(Clone, Debug)]
pub(crate) struct Directory {
    path: PathBuf,
}

impl Directory {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    pub(crate) fn boot_log(&self) -> PathBuf {
        self.join(layout::LOG).join(layout::BOOT_LOG)
    }

    pub(crate) fn current_log(&self) -> PathBuf {
        self.join(layout::LOG).join(layout::CURRENT_LOG)
    }

    /// Reads whose directory this is: `None` if nothing is there, an error if it is foreign.
    pub(crate) fn manifest(&self, installation: &str) -> Result<Option<Manifest>, SubstrateError> {
        let foreign = || SubstrateError::Foreign { path: self.path.clone() };
        match fs::symlink_metadata(&self.path) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(foreign()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(SubstrateError::io("look at", &self.path, error)),
        }
        let path = self.join(layout::WORKLOAD);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(foreign()),
            Err(error) => return Err(SubstrateError::io("read", path, error)),
        };
        match serde_json::from_slice::<Manifest>(&bytes) {
            Ok(manifest)
                if manifest.installation == installation
                    && manifest.version == MANIFEST_VERSION =>
            {
                Ok(Some(manifest))
            }
            Ok(_) | Err(_) => Err(foreign()),
        }
    }

    /// Makes the directory, with its manifest in it from its first moment under its name.
    pub(crate) fn create(&self, manifest: &Manifest) -> Result<(), SubstrateError> {
        let id = &manifest.workload.id;
        let number = DRAFTS.fetch_add(1, Ordering::Relaxed);
        let name = format!("{CREATING}{id}.{}-{number}", std::process::id());
        let draft = Self::at(self.path.with_file_name(name));
        make(&draft.path)?;
        make(&draft.join(layout::LOG))?;
        make(&draft.join(layout::FILES))?;
        make(&draft.join(layout::DATA))?;
        draft.write_manifest(manifest)?;
        match fs::rename(&draft.path, &self.path) {
            Ok(()) => Ok(()),
            // Another driver was faster; what it made is made to agree.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
                remove_tree(&draft.path)?;
                self.manifest(&manifest.installation)?;
                self.write_manifest(manifest)
            }
            Err(error) => Err(SubstrateError::io("make", &self.path, error)),
        }
    }

    pub(crate) fn write_manifest(&self, manifest: &Manifest) -> Result<(), SubstrateError> {
        let path = self.join(layout::WORKLOAD);
        let bytes = serde_json::to_vec_pretty(manifest).expect("manifests have string keys only");
        replace_durably(&path, &bytes).map_err(|source| SubstrateError::io("write", path, source))
    }

    /// Makes `files/` hold the workload's files; those of `earlier` that are no longer named go.
    pub(crate) fn lay_files(
        &self,
        workload: &Workload,
        earlier: Option<&Workload>,
    ) -> Result<(), SubstrateError> {
        let folder = self.join(layout::FILES);
        make(&folder)?;
        for (name, content) in &workload.files {
            let path = folder.join(name);
            if fs::read(&path).is_ok_and(|there| there == content.as_bytes()) {
                continue;
            }
            if let Some(parent) = path.parent() {
                make(parent)?;
            }
            replace(&path, content.as_bytes())
                .map_err(|source| SubstrateError::io("write", &path, source))?;
        }
        let kept: BTreeSet<_> = workload.files.keys().collect();
        let old = earlier.into_iter().flat_map(|earlier| earlier.files.keys());
        for name in old.filter(|name| !kept.contains(name)) {
            remove_file(&folder.join(name))?;
        }
        Ok(())
    }

    /// What the running, or last, program said about itself; whatever can't be read says nothing.
    pub(crate) fn run_record(&self) -> Option<RunRecord> {
        self.read(layout::RUN)
    }

    /// How the last process ended, if that is known.
    pub(crate) fn exit_record(&self) -> Option<ExitRecord> {
        self.read(layout::EXIT)
    }

    pub(crate) fn write_exit_record(&self, record: &ExitRecord) -> io::Result<()> {
        let bytes = serde_json::to_vec_pretty(record).expect("records have string keys only");
        replace(&self.join(layout::EXIT), &bytes)
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.join(name)).ok()?).ok()
    }

    /// Whether a program holds the lock. The glance itself holds it for an instant, in shared mode:
    /// claimants try again for longer than that.
    pub(crate) fn is_held(&self) -> Result<bool, SubstrateError> {
        let path = self.join(layout::LOCK);
        let failed = |source: io::Error| SubstrateError::io("look at", path.clone(), source);
        let lock = match File::open(&path) {
            Ok(lock) => lock,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed(error)),
        };
        match flock(&lock, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// Takes the lock in the program's stead, so that no late process comes to life in a directory
    /// that is about to go. `None` if a program holds it.
    pub(crate) fn seize(&self) -> Result<Option<File>, SubstrateError> {
        let path = self.join(layout::LOCK);
        let failed = |source: io::Error| SubstrateError::io("lock", path.clone(), source);
        let lock = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(lock)),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(failed(error.into())),
        }
    }

    /// What it occupies on disk, in bytes, and how many files that is.
    pub(crate) fn size(&self) -> (u64, u64) {
        tree_size(&self.path)
    }
}

/// Refuses what would reach out of the workload's directory.
pub(crate) fn check_paths(workload: &Workload) -> Result<(), SubstrateError> {
    let plain = |path: &str| {
        let mut components = Path::new(path).components();
        !path.is_empty() && components.all(|part| matches!(part, Component::Normal(_)))
    };
    let names = workload.files.keys().chain(workload.sockets.values());
    match names.into_iter().find(|name| !plain(name)) {
        None => Ok(()),
        Some(name) => Err(SubstrateError::Invalid {
            id: workload.id.clone(),
            reason: format!("`{name}` is not a path inside its directory"),
        }),
    }
}

/// The id in the name of a directory that has, or is about to lose, its place.
pub(crate) fn id_of(name: &str) -> Option<WorkloadId> {
    name.strip_prefix(REMOVING).unwrap_or(name).parse().ok()
}

/// The id in the name of a draft.
pub(crate) fn id_of_draft(name: &str) -> Option<WorkloadId> {
    let (id, _) = name.strip_prefix(CREATING)?.split_once('.')?;
    id.parse().ok()
}

pub(crate) fn make(path: &Path) -> Result<(), SubstrateError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| SubstrateError::io("make", path, source))
}

/// Removes a tree, following no symbolic link; absent is success.
pub(crate) fn remove_tree(path: &Path) -> Result<(), SubstrateError> {
    let removed = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    absent_is_success(removed).map_err(|source| SubstrateError::io("remove", path, source))
}

pub(crate) fn remove_file(path: &Path) -> Result<(), SubstrateError> {
    absent_is_success(fs::remove_file(path))
        .map_err(|source| SubstrateError::io("remove", path, source))
}

fn absent_is_success(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Sizes may change while they are read: what went meanwhile counts as nothing.
fn tree_size(path: &Path) -> (u64, u64) {
    let Ok(metadata) = fs::symlink_metadata(path) else { return (0, 0) };
    let own = metadata.blocks() * 512;
    if !metadata.is_dir() {
        return (own, 1);
    }
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries
        .map(|entry| tree_size(&entry.path()))
        .fold((own, 0), |(bytes, files), (b, f)| (bytes + b, files + f))
}
