//! The record that this validator has voted in an epoch, kept apart from the journal.
//!
//! The journal says what was voted for. When it is lost while the rest is there, its absence looks
//! like a validator that has never voted, and that would be free to vote for something else. So the
//! epoch is also written to a file of its own, outside the journal's directory, before the first
//! vote: an epoch that the record knows and the journal doesn't is one to keep silent in.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

/// Remembers the newest epoch that was entered, durably.
pub trait Marker: Send + Sync {
    /// The newest epoch that was entered.
    fn entered(&self) -> Result<Option<u64>, MarkerError>;
    /// Remembers an epoch; durable when it returns.
    fn enter(&self, epoch: u64) -> Result<(), MarkerError>;
}

/// Why the record can't be used.
#[derive(Debug, thiserror::Error)]
pub enum MarkerError {
    /// The file can't be read or written.
    #[error("cannot use {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It holds something else than an epoch.
    #[error("{} does not hold an epoch", .0.display())]
    Content(PathBuf),
}

/// The record in a file.
#[derive(Debug)]
pub struct FileMarker {
    path: PathBuf,
}

impl FileMarker {
    /// At a path whose directory exists.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    fn failed(&self, source: io::Error) -> MarkerError {
        MarkerError::Io { path: self.path.clone(), source }
    }

    fn write(&self, epoch: u64) -> io::Result<()> {
        let new = self.path.with_extension("new");
        let mut file = File::create(&new)?;
        writeln!(file, "{epoch}")?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        match self.path.parent() {
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }
}

impl Marker for FileMarker {
    fn entered(&self) -> Result<Option<u64>, MarkerError> {
        match fs::read_to_string(&self.path) {
            Ok(text) => text
                .trim()
                .parse()
                .map(Some)
                .map_err(|_not_a_number| MarkerError::Content(self.path.clone())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    fn enter(&self, epoch: u64) -> Result<(), MarkerError> {
        if self.entered()? == Some(epoch) {
            return Ok(());
        }
        self.write(epoch).map_err(|error| self.failed(error))
    }
}

/// The record in memory, for simulations: whoever holds it survives the simulated crash.
#[derive(Debug, Default)]
pub struct MemoryMarker {
    entered: Mutex<Option<u64>>,
}

impl Marker for MemoryMarker {
    fn entered(&self) -> Result<Option<u64>, MarkerError> {
        Ok(*self.entered.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn enter(&self, epoch: u64) -> Result<(), MarkerError> {
        *self.entered.lock().unwrap_or_else(PoisonError::into_inner) = Some(epoch);
        Ok(())
    }
}
