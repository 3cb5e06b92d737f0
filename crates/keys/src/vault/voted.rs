//! The newest epoch that a consensus key has voted in, kept beside the key.
//!
//! A validator's journal says what it voted for. When the journal is lost, its absence looks like a
//! validator that has never voted, and that would be free to vote for something else. So before the
//! first vote of an epoch the epoch is also written here, with a random number that names the journal:
//! a validator that finds another journal than the one named, or none, has to keep silent. It lies
//! with the key, since whoever has the key can vote: a node whose whole directory is lost still has
//! its record, and a copied key brings it along.

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

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Voted {
    /// The newest epoch that the key may have voted in.
    pub epoch: u64,
    /// The number of the journal that knows its votes.
    pub journal: u64,
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
    pub fn newest(&self) -> Result<Option<Voted>, KeyError> {
        let path = self.path();
        match fs::read_to_string(&path) {
            Ok(text) => parse(&text).map(Some).ok_or_else(|| {
                let reason = "it does not hold the numbers of an epoch and a journal".to_owned();
                KeyError::Damaged { path, reason }
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(file::io_error("read", &path, source)),
        }
    }

    /// Remembers an epoch and its journal, durably when it returns. An older epoch than is known
    /// changes nothing.
    pub fn advance(&self, voted: Voted) -> Result<(), KeyError> {
        if self.newest()?.is_some_and(|newest| newest.epoch > voted.epoch || newest == voted) {
            return Ok(());
        }
        // Only the process that has the key writes, so one name will do.
        let temporary = self.directory.join(format!("{TEMPORARY_PREFIX}{VOTED_FILE}"));
        file::erase(&temporary)?;
        let text = format!("{} {:016x}\n", voted.epoch, voted.journal);
        file::write_synced(&temporary, text.as_bytes())
            .map_err(|source| file::io_error("write", &temporary, source))?;
        let path = self.path();
        fs::rename(&temporary, &path).map_err(|source| file::io_error("create", &path, source))?;
        file::sync_directory(&self.directory)
    }

    fn path(&self) -> PathBuf {
        self.directory.join(VOTED_FILE)
    }
}

fn parse(text: &str) -> Option<Voted> {
    let (epoch, journal) = text.trim().split_once(' ')?;
    Some(Voted { epoch: epoch.parse().ok()?, journal: u64::from_str_radix(journal, 16).ok()? })
}
