//! The program's own log: lines in `current.log`, rotated by size, a fixed number of files.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::layout::CURRENT_LOG;

/// How much log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// A file that would grow beyond this is rotated first.
    pub file_bytes: u64,
    /// How many rotated files are kept beside the current one.
    pub rotated_files: u32,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { file_bytes: 4 * 1024 * 1024, rotated_files: 4 }
    }
}

/// Appends whole writes to `current.log`, and moves it to `current.log.1`, `.2`, … when it is full.
///
/// A write is one record (a line, with its end) and is never split over two files. A failed write
/// leaves the writer usable: a full disk costs lines, not the program.
#[derive(Debug)]
pub struct LogWriter {
    path: PathBuf,
    file: File,
    written: u64,
    limits: LogLimits,
}

impl LogWriter {
    /// Opens the log in a folder that exists, and goes on where it ends.
    pub fn open(folder: &Path, limits: LogLimits) -> io::Result<Self> {
        let path = folder.join(CURRENT_LOG);
        let file = append_to(&path)?;
        let written = file.metadata()?.len();
        Ok(Self { path, file, written, limits })
    }

    fn rotate(&mut self) -> io::Result<()> {
        for number in (1..self.limits.rotated_files).rev() {
            match fs::rename(rotated(&self.path, number), rotated(&self.path, number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        if self.limits.rotated_files == 0 {
            fs::remove_file(&self.path)?;
        } else {
            fs::rename(&self.path, rotated(&self.path, 1))?;
        }
        self.file = append_to(&self.path)?;
        self.written = 0;
        Ok(())
    }
}

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if self.written > 0 && self.written.saturating_add(length) > self.limits.file_bytes {
            self.rotate()?;
        }
        self.file.write_all(bytes)?;
        self.written += length;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The path of the rotated file with this number; 1 is the newest.
fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}
