//! A lease: what lives on somebody's behalf ends when that somebody is gone, however they went.
//!
//! It is a FIFO in the file system. The holder has it open for writing; whoever lives under the lease
//! opens it for reading, and is told by the kernel when the last writer is gone: after an orderly end,
//! after `kill -9`, after a power cut there is none. It has a name, so that a platform that was killed
//! finds it again, and so that nothing has to be handed from process to process. The holder's end is
//! not inherited by programs that the holder starts.
//!
//! Nobody writes into it. A lease whose file is gone is over.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use rustix::fs::{CWD, FileType, Mode, OFlags};
use tokio::net::unix::pipe::Receiver;

/// A lease that this process holds, until the value is dropped or the process ends.
#[derive(Debug)]
pub struct Hold {
    path: PathBuf,
    /// Held, never written to.
    _writer: File,
}

/// Whether a lease has a holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Somebody holds it.
    Held,
    /// Nobody does, and nobody will again.
    Over,
}

impl Hold {
    /// Makes a lease at a path where nothing is, and holds it.
    pub fn make(path: &Path) -> io::Result<Self> {
        rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        // For reading too: a FIFO that nobody reads yet can't be opened for writing alone.
        let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let writer = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { path: path.to_owned(), _writer: writer.into() })
    }

    /// The same lease, whose file somebody has moved.
    #[must_use]
    pub fn moved_to(self, path: PathBuf) -> Self {
        Self { path, ..self }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Ends the lease, and leaves no file.
    pub fn end(self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Whether somebody holds the lease at a path. What is no lease is held by nobody.
pub fn standing(path: &Path) -> io::Result<Standing> {
    match open(path)? {
        Some(reader) => read(&reader).map(|standing| standing.unwrap_or(Standing::Held)),
        None => Ok(Standing::Over),
    }
}

/// Returns when nobody holds the lease at a path any more. To be called within a tokio runtime.
///
/// It may be dropped at any time, and called again.
pub async fn over(path: &Path) -> io::Result<()> {
    let Some(reader) = open(path)? else { return Ok(()) };
    // The kernel tells only those of a writer's end who came while there was one.
    if read(&reader)? == Some(Standing::Over) {
        return Ok(());
    }
    let reader = Receiver::from_file(reader)?;
    let mut buffer = [0u8; 64];
    loop {
        reader.readable().await?;
        match reader.try_read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Opens a lease to watch it; `None` if there is none. A path that leads elsewhere is not followed.
fn open(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let reader: File = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(reader) => reader.into(),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let kind = FileType::from_raw_mode(rustix::fs::fstat(&reader)?.st_mode);
    Ok((kind == FileType::Fifo).then_some(reader))
}

/// What a look says: over at the end of the file, held if there is something; `None` if nothing is there
/// to be read, which is how a held lease looks.
fn read(reader: &File) -> io::Result<Option<Standing>> {
    let mut buffer = [0u8; 64];
    loop {
        match rustix::io::read(reader, &mut buffer) {
            Ok(0) => return Ok(Some(Standing::Over)),
            Ok(_) => return Ok(Some(Standing::Held)),
            Err(rustix::io::Errno::AGAIN) => return Ok(None),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, time::Duration};

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder can be made")
    }

    fn check(path: &Path, expect: Standing) {
        assert_eq!(standing(path).expect("it can be looked at"), expect);
    }

    async fn soon(future: impl Future<Output = io::Result<()>>) -> Result<(), ()> {
        let ended = tokio::time::timeout(Duration::from_millis(50), future).await;
        ended.map_err(drop).map(|ended| ended.expect("it can be watched"))
    }

    #[tokio::test]
    async fn a_lease_is_over_when_its_holder_is_gone() {
        let folder = folder();
        let path = folder.path().join("lease");
        check(&path, Standing::Over);
        let hold = Hold::make(&path).expect("it can be made");
        assert!(Hold::make(&path).is_err(), "it is made once");
        check(&path, Standing::Held);
        assert!(soon(over(&path)).await.is_err(), "it is held");
        // Neither what somebody writes nor a watcher that comes and goes ends it.
        let mut other = fs::OpenOptions::new().append(true).open(&path).expect("it can be opened");
        other.write_all(b"x").expect("it can be written to");
        drop(other);
        assert!(soon(over(&path)).await.is_err(), "it is held still");
        let (ended, ()) = tokio::join!(over(&path), async {
            tokio::task::yield_now().await;
            drop(hold);
        });
        ended.expect("it can be watched");
        check(&path, Standing::Over);
        // Who comes later is told too.
        assert!(soon(over(&path)).await.is_ok());
    }

    #[tokio::test]
    async fn an_end_leaves_no_file() {
        let folder = folder();
        let (path, elsewhere) = (folder.path().join("lease"), folder.path().join("moved"));
        let hold = Hold::make(&path).expect("it can be made");
        fs::rename(&path, &elsewhere).expect("it can be moved");
        let hold = hold.moved_to(elsewhere.clone());
        check(&path, Standing::Over);
        check(&elsewhere, Standing::Held);
        hold.end().expect("it can be removed");
        assert!(!elsewhere.exists());
    }

    #[tokio::test]
    async fn what_is_no_lease_is_held_by_nobody() {
        let folder = folder();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "x").expect("it can be written");
        let real = folder.path().join("real");
        let _hold = Hold::make(&real).expect("it can be made");
        std::os::unix::fs::symlink(&real, &link).expect("it can be linked");
        for path in [&file, &link, &file.join("below")] {
            check(path, Standing::Over);
            assert!(soon(over(path)).await.is_ok());
        }
    }
}
