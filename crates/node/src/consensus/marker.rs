//! No vote is cast twice: the record that this validator has voted in an epoch, and what it guards.
//!
//! The record lies apart from the journal. Whole nodes keep it beside their consensus key
//! ([`VotingRecord`], which says why); simulations keep it in memory.

use std::sync::{Arc, Mutex, PoisonError};

use commonware_consensus::types::Epoch;
use commonware_cryptography::{Signer as _, ed25519::PublicKey};
use commonware_runtime::{Blob as _, Error, Storage};
use rand_core::CryptoRng;
use windlass_keys::{
    KeyError,
    vault::{Voted, VotingRecord},
};

use super::signer::HandleSigner;

/// Why the guard can't decide.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The record can't be read or written.
    #[error("the record of the epochs this validator voted in cannot be used")]
    Record(#[source] KeyError),
    /// A journal can't be begun.
    #[error("the journal of an epoch cannot be begun")]
    Journal(#[source] Error),
}

/// What the guard says of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// This node votes.
    Votes,
    /// Its key may have voted already, and the journal that knows for what is lost.
    JournalLost,
    /// It has not the key that the members gave it.
    NoKey,
}

/// A key that this node can vote with, and the record of the epochs in which it may have.
#[derive(Clone)]
pub struct VotingKey {
    /// The key.
    pub signer: HandleSigner,
    /// The record.
    pub marker: Arc<dyn Marker>,
}

impl std::fmt::Debug for VotingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VotingKey").field("signer", &self.signer).finish_non_exhaustive()
    }
}

/// Decides in which epochs this validator votes.
pub struct Guard {
    /// The keys that it has: two while one replaces the other.
    pub keys: Vec<VotingKey>,
    /// What the names of the journals begin with.
    pub partitions: String,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl Guard {
    /// The partition of an epoch's journal.
    pub fn journal(&self, epoch: Epoch) -> String {
        format!("{}consensus-{epoch}", self.partitions)
    }

    /// Whether this validator may vote in an epoch that it enters, in which the committee has this
    /// consensus key for it: not if the key may have voted in it, and the journal that knows for
    /// what is not this one.
    ///
    /// A journal is empty until the first vote, and its name is a blob beside it, made before the
    /// record names it: a crash between the two leaves an epoch that was not entered. It gets another
    /// name at each start: a copy of it that was made before the last one is not this journal either.
    pub async fn admit<E: CryptoRng + Storage>(
        &self,
        context: &mut E,
        epoch: Epoch,
        key: &PublicKey,
    ) -> Result<Admission, GuardError> {
        let Some(VotingKey { marker, .. }) =
            self.keys.iter().find(|own| own.signer.public_key() == *key)
        else {
            return Ok(Admission::NoKey);
        };
        let entered = marker.entered().map_err(GuardError::Record)?;
        let names = match context.scan(&self.name(epoch)).await {
            Err(Error::PartitionMissing(_)) => Vec::new(),
            // What can't be read now is not lost.
            names => names.map_err(GuardError::Journal)?,
        };
        let lost = match entered {
            Some(newest) if newest.epoch == epoch.get() => {
                !names.contains(&newest.journal.to_be_bytes().to_vec())
            }
            Some(newest) => newest.epoch > epoch.get(),
            None => false,
        };
        let journal = context.next_u64();
        if !lost {
            let named = context.open(&self.name(epoch), &journal.to_be_bytes()).await;
            let (name, _) = named.map_err(GuardError::Journal)?;
            name.sync().await.map_err(GuardError::Journal)?;
        }
        // Where it is lost, no journal has this number: it stays lost.
        marker.enter(Voted { epoch: epoch.get(), journal }).map_err(GuardError::Record)?;
        if !lost {
            for name in names {
                let removed = context.remove(&self.name(epoch), Some(&name)).await;
                removed.map_err(GuardError::Journal)?;
            }
        }
        Ok(if lost { Admission::JournalLost } else { Admission::Votes })
    }

    /// The partitions that an epoch's journal and its name are in.
    pub fn partitions_of(&self, epoch: Epoch) -> [String; 2] {
        [self.journal(epoch), self.name(epoch)]
    }

    /// Where the name of an epoch's journal is.
    fn name(&self, epoch: Epoch) -> String {
        format!("{}-begun", self.journal(epoch))
    }
}

/// Remembers the newest epoch that was entered, durably.
pub trait Marker: Send + Sync {
    /// The newest epoch that was entered.
    fn entered(&self) -> Result<Option<Voted>, KeyError>;
    /// Remembers an epoch and its journal; durable when it returns. An older one changes nothing.
    fn enter(&self, voted: Voted) -> Result<(), KeyError>;
}

impl Marker for VotingRecord {
    fn entered(&self) -> Result<Option<Voted>, KeyError> {
        self.newest()
    }

    fn enter(&self, voted: Voted) -> Result<(), KeyError> {
        self.advance(voted)
    }
}

/// The record in memory, for simulations: whoever holds it survives the simulated crash.
#[derive(Debug, Default)]
pub struct MemoryMarker {
    entered: Mutex<Option<Voted>>,
}

impl Marker for MemoryMarker {
    fn entered(&self) -> Result<Option<Voted>, KeyError> {
        Ok(*self.entered.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn enter(&self, voted: Voted) -> Result<(), KeyError> {
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        if entered.is_none_or(|newest| newest.epoch <= voted.epoch) {
            *entered = Some(voted);
        }
        Ok(())
    }
}
