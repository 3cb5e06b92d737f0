//! Files that only their user may read, and files that are whole or as they were.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Creates a folder with mode 0700, and those above it; one that is there is left as it is.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file with mode 0600 so that a reader sees all of the old one or all of the new one.
pub(crate) fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = beside(path);
    let written = write_new(&fresh, bytes).and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        // The error that is told is the first one.
        drop(fs::remove_file(&fresh));
    }
    written
}

/// Writes a file that others may read too, so that whatever fails the old one is still there. What is
/// no file, such as `/dev/stdout`, is written as it is.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = &fs::canonicalize(path).unwrap_or_else(|_new| path.to_owned());
    let before = fs::metadata(path).ok();
    if before.as_ref().is_some_and(|before| !before.is_file()) {
        return fs::write(path, bytes);
    }
    let fresh = beside(path);
    let written = fs::File::create(&fresh).and_then(|mut file| {
        file.write_all(bytes)?;
        if let Some(before) = before {
            file.set_permissions(before.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&fresh, path)
    });
    if written.is_err() {
        drop(fs::remove_file(&fresh));
    }
    written
}

/// A name beside a file that nobody else uses, for what it is to become.
pub(crate) fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_was_there_is_not_touched_before_all_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("recovery.json");
        replace(&path, b"signed by one").unwrap();
        let mut before = fs::File::open(&path).unwrap();
        replace(&path, b"signed by two").unwrap();
        let mut text = String::new();
        before.read_to_string(&mut text).unwrap();
        assert_eq!(text, "signed by one", "who reads has the old one");
        assert_eq!(fs::read_to_string(&path).unwrap(), "signed by two");
        // Nor if nothing can be written.
        assert!(replace(&folder.path().join("none/recovery.json"), b"").is_err());
        let names = fs::read_dir(folder.path()).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["recovery.json"], "no draft is left");
    }

    #[test]
    fn drafts_do_not_take_names_of_others() {
        let draft = beside(Path::new("exports/trade.export"));
        assert_eq!(draft.parent(), Some(Path::new("exports")));
        let name = draft.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(".trade.export."), "{name}");
    }
}
