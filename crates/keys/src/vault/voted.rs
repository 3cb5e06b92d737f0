//! The newest epoch that a consensus key has voted in, kept beside the key.
//!
//! A validator's journal says what it voted for. When the journal is lost, its absence looks like a
//! validator that has never voted, and that would be free to vote for something else. So the epoch
//! is also written here before the first vote: an epoch that the record knows and the journal
//! doesn't is one to keep silent in. It lies with the key, since whoever has the key can vote: a
//! node whose whole directory is lost still has its record, and a copied key brings it along.

use std::fs;
use std::io;
use std::path::PathBuf;

use windlass_model::KeyId;

use super::Vault;
use crate::file::{self, TEMPORARY_PREFIX, VOTED_FILE};
use crate::{KeyError, Purpose};

/// The record of one consensus key.
#[derive(Debug)]
pub struct VotingRecord {
    directory: PathBuf,
}

impl Vault {
    /// The record of a consensus key that is in the vault.
    pub fn voting_record(&self, id: &KeyId) -> Result<VotingRecord, KeyError> {
        let key = self.load(id)?;
        super::expect_purpose(id, &key, &[Purpose::Consensus])?;
        Ok(VotingRecord { directory: self.key_directory(id) })
    }
}

impl VotingRecord {
    /// The newest epoch that the key may have voted in; `None` if it never has.
    pub fn newest(&self) -> Result<Option<u64>, KeyError> {
        let path = self.path();
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map(Some).map_err(|_not_a_number| {
                let reason = "it does not hold the number of an epoch".to_owned();
                KeyError::Damaged { path, reason }
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(file::io_error("read", &path, source)),
        }
    }

    /// Remembers an epoch, durably when it returns. An older one than is known changes nothing.
    pub fn advance(&self, epoch: u64) -> Result<(), KeyError> {
        if self.newest()?.is_some_and(|newest| newest >= epoch) {
            return Ok(());
        }
        // Only the process that has the key writes, so one name will do.
        let temporary = self.directory.join(format!("{TEMPORARY_PREFIX}{VOTED_FILE}"));
        file::erase(&temporary)?;
        file::write_synced(&temporary, format!("{epoch}\n").as_bytes())
            .map_err(|source| file::io_error("write", &temporary, source))?;
        let path = self.path();
        fs::rename(&temporary, &path).map_err(|source| file::io_error("create", &path, source))?;
        file::sync_directory(&self.directory)
    }

    fn path(&self) -> PathBuf {
        self.directory.join(VOTED_FILE)
    }
}
