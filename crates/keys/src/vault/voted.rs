//! The newest epoch that a consensus key has voted in, kept beside the key.
//!
//! A validator's journal says what it voted for. When the journal is lost, its absence looks like a
//! validator that has never voted, and that would be free to vote for something else. So before the
//! first vote of an epoch the epoch is also written here, with a random number that names the journal:
//! a validator that finds another journal than the one named, or none, has to keep silent. It lies
//! with the key, since whoever has the key can vote: a node whose whole directory is lost still has
//! its record, and a copied key brings it along.
//!
//! A network that follows another one after a recovery counts its epochs anew, and votes are signed
//! with its own genesis: it has a record of its own, and the one before stays as it is, so that the
//! key never votes again in the network that stood still.

use std::fs;
use std::io;
use std::path::PathBuf;

use windlass_model::KeyId;

use super::Vault;
use crate::file::{self, TEMPORARY_PREFIX, VOTED_FILE};
use crate::{KeyError, Purpose};

/// The record of one consensus key in one network.
#[derive(Debug)]
pub struct VotingRecord {
    directory: PathBuf,
    name: String,
}

/// In which network a key votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VotesIn {
    /// In the one that it was made for.
    First,
    /// In one that follows after a recovery, by the hash of its block 0.
    Successor([u8; 32]),
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
    pub fn voting_record(&self, id: &KeyId, network: VotesIn) -> Result<VotingRecord, KeyError> {
        let key = self.load(id)?;
        super::expect_purpose(id, &key, &[Purpose::Consensus])?;
        let name = match network {
            VotesIn::First => VOTED_FILE.to_owned(),
            VotesIn::Successor(genesis) => format!("{VOTED_FILE}-{}", hex::encode(genesis)),
        };
        Ok(VotingRecord { directory: self.key_directory(id), name })
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
        let temporary = self.directory.join(format!("{TEMPORARY_PREFIX}{}", self.name));
        file::erase(&temporary)?;
        let text = format!("{} {:016x}\n", voted.epoch, voted.journal);
        file::write_synced(&temporary, text.as_bytes())
            .map_err(|source| file::io_error("write", &temporary, source))?;
        let path = self.path();
        fs::rename(&temporary, &path).map_err(|source| file::io_error("create", &path, source))?;
        file::sync_directory(&self.directory)
    }

    fn path(&self) -> PathBuf {
        self.directory.join(&self.name)
    }
}

fn parse(text: &str) -> Option<Voted> {
    let (epoch, journal) = text.trim().split_once(' ')?;
    Some(Voted { epoch: epoch.parse().ok()?, journal: u64::from_str_radix(journal, 16).ok()? })
}

/// Whether a file in a key's directory is a record.
pub(super) fn is_record(name: &str) -> bool {
    name.strip_prefix(VOTED_FILE).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}
