//! The record that this validator has voted in an epoch, kept apart from the journal.
//!
//! Whole nodes keep it beside their consensus key ([`VotingRecord`], which says why); simulations
//! keep it in memory.

use std::sync::{Mutex, PoisonError};

use windlass_keys::{KeyError, vault::VotingRecord};

/// Remembers the newest epoch that was entered, durably.
pub trait Marker: Send + Sync {
    /// The newest epoch that was entered.
    fn entered(&self) -> Result<Option<u64>, KeyError>;
    /// Remembers an epoch; durable when it returns. An older one changes nothing.
    fn enter(&self, epoch: u64) -> Result<(), KeyError>;
}

impl Marker for VotingRecord {
    fn entered(&self) -> Result<Option<u64>, KeyError> {
        self.newest()
    }

    fn enter(&self, epoch: u64) -> Result<(), KeyError> {
        self.advance(epoch)
    }
}

/// The record in memory, for simulations: whoever holds it survives the simulated crash.
#[derive(Debug, Default)]
pub struct MemoryMarker {
    entered: Mutex<Option<u64>>,
}

impl Marker for MemoryMarker {
    fn entered(&self) -> Result<Option<u64>, KeyError> {
        Ok(*self.entered.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn enter(&self, epoch: u64) -> Result<(), KeyError> {
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        *entered = (*entered).max(Some(epoch));
        Ok(())
    }
}
