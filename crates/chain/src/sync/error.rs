//! Why an answer is refused, and why an import does not go on.

use crate::chain::ChainError;
use crate::store::StoreError;

/// Why an answer counts for nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no answer to what was asked.
    #[error("it is no answer to what was asked")]
    Foreign,
    /// It is of a block that is not certified by the validators that are known.
    #[error("its block is not certified: {0}")]
    Anchor(String),
    /// Changes of validators that do not hold.
    #[error("a change of validators does not hold: {0}")]
    Validators(String),
    /// A range that is not the trie's.
    #[error("a range of the state is not proven: {0}")]
    Range(String),
    /// A code with another hash.
    #[error("a code has not the hash that was asked for")]
    Code,
    /// A block that is not what it should be.
    #[error("a block cannot be taken: {0}")]
    Block(&'static str),
}

/// Why an import does not go on.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The peer's answer counts for nothing; others may answer better.
    #[error("the answer is refused: {0}")]
    Refused(Refusal),
    /// Everything is there and it is not the block's state: what was told to have changed is not what
    /// did. The import begins anew, and whoever told is asked last.
    #[error("what was imported is not the state after block {number}: {why}")]
    Spoilt {
        /// The block.
        number: u64,
        /// What shows it.
        why: String,
    },
    /// The base is older than what peers keep. The import begins anew.
    #[error("the import began at block {base} and the chain is at {tip}: peers keep less")]
    TooOld {
        /// Where it began.
        base: u64,
        /// Where the chain is.
        tip: u64,
    },
    /// This node's store failed.
    #[error("the ledger that is made cannot be used")]
    Chain(#[from] ChainError),
}

impl From<StoreError> for SyncError {
    fn from(error: StoreError) -> Self {
        Self::Chain(error.into())
    }
}
