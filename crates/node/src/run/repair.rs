//! Putting a damaged ledger aside, once each time that whoever runs the node asks for it.
//!
//! The configuration counts the repairs that were asked for, the directory those that were done. What is
//! put aside stays as `data.damaged` until the next repair; transactions that clients were told are pending
//! come along. The record of where the validator may have voted lies with its key, so that it keeps silent
//! until the next epoch.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use crate::ledger;

/// How many repairs were done.
const DONE_FILE: &str = "repairs";
const ASIDE: &str = "data.damaged";
/// What comes along, until the repair is noted.
const FRESH: &str = "data.repaired";

/// Does the repairs that are asked for and not done.
pub(super) fn catch_up(directory: &Path, asked: u32) -> io::Result<()> {
    if asked > done(directory)? {
        put_aside(directory)?;
        note(directory, asked)?;
    }
    let (data, fresh) = (directory.join("data"), directory.join(FRESH));
    if fresh.exists() && !data.exists() {
        fs::rename(&fresh, &data)?;
    }
    Ok(())
}

fn put_aside(directory: &Path) -> io::Result<()> {
    let (data, aside) = (directory.join("data"), directory.join(ASIDE));
    // What was put aside before a crash is not thrown away for nothing.
    if data.exists() {
        match fs::remove_dir_all(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        fs::rename(&data, &aside)?;
        tracing::warn!(aside = %aside.display(), "the ledger was damaged: it is fetched from the peers");
    }
    if aside.join(ledger::PENDING_FILE).exists() {
        let fresh = directory.join(FRESH);
        fs::create_dir_all(&fresh)?;
        ledger::keep_pending(&aside, &fresh)?;
        File::open(&fresh)?.sync_all()?;
    }
    Ok(())
}

fn note(directory: &Path, asked: u32) -> io::Result<()> {
    let draft = directory.join("repairs.new");
    let mut file = File::create(&draft)?;
    write!(file, "{asked}")?;
    file.sync_all()?;
    fs::rename(&draft, directory.join(DONE_FILE))?;
    File::open(directory)?.sync_all()
}

fn done(directory: &Path) -> io::Result<u32> {
    match fs::read_to_string(directory.join(DONE_FILE)) {
        Ok(text) => text.trim().parse().map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::PENDING_FILE;

    #[test]
    fn what_is_pending_comes_along() {
        let folder = tempfile::tempdir().unwrap();
        let [data, fresh] = ["data", FRESH].map(|name| folder.path().join(name));
        fs::create_dir_all(&data).unwrap();
        fs::write(data.join("ledger"), "damaged").unwrap();
        fs::write(data.join(PENDING_FILE), "sent").unwrap();
        catch_up(folder.path(), 1).unwrap();
        let pending = || fs::read_to_string(data.join(PENDING_FILE)).ok();
        assert_eq!(pending().as_deref(), Some("sent"));
        assert!(!data.join("ledger").exists() && !fresh.exists());
        // A crash after it was noted, and one before.
        fs::rename(&data, &fresh).unwrap();
        catch_up(folder.path(), 1).unwrap();
        assert_eq!(pending().as_deref(), Some("sent"));
        fs::rename(&data, &fresh).unwrap();
        fs::write(folder.path().join(DONE_FILE), "0").unwrap();
        catch_up(folder.path(), 1).unwrap();
        assert_eq!(pending().as_deref(), Some("sent"));
    }

    #[test]
    fn each_repair_is_done_once_and_keeps_what_it_puts_aside() {
        let folder = tempfile::tempdir().unwrap();
        let (data, aside) = (folder.path().join("data"), folder.path().join(ASIDE));
        let fill = |what: &str| {
            fs::create_dir_all(&data).unwrap();
            fs::write(data.join("ledger"), what).unwrap();
        };
        let kept = || fs::read_to_string(aside.join("ledger")).ok();
        fill("one");
        catch_up(folder.path(), 0).unwrap();
        assert!(data.exists());
        catch_up(folder.path(), 1).unwrap();
        assert_eq!((data.exists(), kept().as_deref()), (false, Some("one")));
        fill("two");
        catch_up(folder.path(), 1).unwrap();
        assert!(data.exists(), "it was done");
        catch_up(folder.path(), 2).unwrap();
        assert_eq!(kept().as_deref(), Some("two"));
        // A crash before it was noted: nothing is there to put aside, and what is aside stays.
        fs::write(folder.path().join(DONE_FILE), "1").unwrap();
        catch_up(folder.path(), 2).unwrap();
        assert_eq!(kept().as_deref(), Some("two"));
    }
}
