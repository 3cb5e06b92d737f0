//! Where consensus' files are in the node's directory, and what happens when they are damaged.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use windlass_chain::store::{RedbStore, StoreError};

use super::NodeError;
use crate::{consensus::work::Work, journals::Drawer};

/// The large ones.
pub(super) fn files(directory: &Path) -> PathBuf {
    directory.join("data").join("consensus")
}

/// The small ones.
fn drawer_file(directory: &Path) -> PathBuf {
    directory.join("data").join("journals.redb")
}

/// Opens the drawer. If it is damaged all journals are thrown away: the record of where the validator may
/// have voted lies with its key, so that it keeps silent until the next epoch.
pub(super) fn open(directory: &Path) -> Result<Arc<Drawer>, NodeError> {
    let path = drawer_file(directory);
    let failed = |source| NodeError::File { path: path.clone(), source };
    let work = Work::threads("journals", 1, 0).map_err(failed)?;
    let open = || RedbStore::open_small(&path).and_then(|store| Drawer::open(store, work.clone()));
    let opened = match open() {
        Err(error) if StoreError::is_damage(&error) => {
            let error: &dyn std::error::Error = &error;
            tracing::error!(
                error,
                "consensus' journals are damaged: this validator begins new ones"
            );
            if files(directory).exists() {
                fs::remove_dir_all(files(directory)).map_err(failed)?;
            }
            fs::remove_file(&path).map_err(failed)?;
            open()
        }
        opened => opened,
    };
    opened.map_err(|error| NodeError::Journals(Arc::new(error)))
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom, Write as _};

    use super::*;

    #[test]
    fn damaged_journals_are_thrown_away_and_others_stay() {
        let folder = tempfile::tempdir().unwrap();
        let (files, path) = (files(folder.path()), drawer_file(folder.path()));
        fs::create_dir_all(&files).unwrap();
        drop(open(folder.path()).unwrap());
        drop(open(folder.path()).unwrap());
        assert!(files.exists());
        let mut file = fs::File::options().write(true).open(&path).unwrap();
        let length = file.metadata().unwrap().len();
        for at in (length / 2..length).step_by(512) {
            file.seek(SeekFrom::Start(at)).unwrap();
            file.write_all(b"something else").unwrap();
        }
        drop(file);
        drop(open(folder.path()).unwrap());
        assert!(!files.exists());
    }
}
