//! Which part of a proof does not hold, and why.

use alloy_primitives::{B256, U256};

use crate::certificate::CertificateError;
use crate::header::HeaderError;
use crate::path::PathError;
use crate::votes::VotesError;

/// A proof that proves nothing: the first part of it that does not hold, and why as the source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{part} of the proof does not hold")]
pub struct ProofError {
    /// The field's path in the file, such as `changes[0].certificate`.
    pub part: String,
    /// Why it does not hold.
    #[source]
    pub reason: Reason,
}

/// Why a part of a proof does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// A list is too long.
    #[error("it has {found} entries, and may have {most}")]
    TooMany {
        /// How many there are.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A list is empty that can't be.
    #[error("it is empty")]
    Empty,
    /// The checkpoint to go on from can't be trusted as it is.
    #[error("{0}")]
    Checkpoint(String),
    /// A header is none.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A certificate does not hold.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Votes are none that contradict each other.
    #[error(transparent)]
    Votes(#[from] VotesError),
    /// A path through a trie does not hold.
    #[error(transparent)]
    Path(#[from] PathError),
    /// Block 0 has another number.
    #[error("it is the header of block {found}, not of block 0")]
    NotBlockZero {
        /// Its number.
        found: u64,
    },
    /// Block 0 carries another document's hash.
    #[error("block 0 is that of the genesis document with hash {found}, not {expected}")]
    OtherDocument {
        /// What its `extraData` is.
        found: alloy_primitives::Bytes,
        /// The hash of the document that is trusted.
        expected: B256,
    },
    /// Block 0 is that of another network.
    #[error("block 0 is {found}, not {expected}")]
    OtherNetwork {
        /// Its hash.
        found: B256,
        /// The hash that is trusted.
        expected: B256,
    },
    /// A change is shown by a block that does not end an epoch.
    #[error("block {number} is not the last of an epoch of {epoch_length} blocks")]
    NotLastOfEpoch {
        /// The block's number.
        number: u64,
        /// How many blocks an epoch has.
        epoch_length: u64,
    },
    /// The changes are not in the order of their epochs, or one is there twice.
    #[error("it ends epoch {epoch}, and the change before it ends epoch {before}")]
    Order {
        /// The epoch that this change ends.
        epoch: u64,
        /// The epoch that the change before it ends.
        before: u64,
    },
    /// A block or a certificate is of another epoch than its height.
    #[error("it is of epoch {found}, and the block's height is in epoch {expected}")]
    Epoch {
        /// The epoch that it says.
        found: u64,
        /// The epoch of the height.
        expected: u64,
    },
    /// The block is older than what the checkpoint speaks of.
    #[error("it is of epoch {epoch}, before the checkpoint's epoch {checkpoint}")]
    BeforeCheckpoint {
        /// The epoch of the certificate.
        epoch: u64,
        /// The first epoch of the checkpoint's validators.
        checkpoint: u64,
    },
    /// A set of validators is not in rising order of the node keys.
    #[error("validator {position} does not come after the one before it in order of node keys")]
    Unordered {
        /// Which, from zero.
        position: usize,
    },
    /// The contract has another set's hash.
    #[error("the set has the hash {found}, and the contract's slot 0 is {expected}")]
    SetHash {
        /// The hash of the set in the file.
        found: B256,
        /// What the slot is.
        expected: U256,
    },
    /// A header is not the child of the one before it.
    #[error("its parent is {found}, and the block before it is {expected}")]
    Parent {
        /// The parent that it names.
        found: B256,
        /// The hash of the header before it.
        expected: B256,
    },
    /// A header's number does not follow.
    #[error("it has number {found}, not {expected}")]
    Number {
        /// Its number.
        found: u64,
        /// The number after the header before it.
        expected: u64,
    },
    /// The certificate is for block 0, which has none.
    #[error("block 0 has no certificate: its descendants have")]
    BlockZero,
    /// The trie has nothing there.
    #[error("the trie has nothing at this place")]
    Absent,
    /// The trie has something else there.
    #[error("the trie has other bytes at this place")]
    Differs,
    /// The bytes are authentic and not understood.
    #[error("the bytes are {what} that this library does not know: {reason}")]
    Unknown {
        /// What they are.
        what: &'static str,
        /// Why they do not decode.
        reason: String,
    },
    /// The transaction's signature gives no sender.
    #[error("no account has signed the transaction")]
    Sender,
    /// The receipt has no such log.
    #[error("there is no log {position}: the receipt has {logs}")]
    NoLog {
        /// Which was asked for, from zero.
        position: u64,
        /// How many there are.
        logs: usize,
    },
}

/// An error about a part.
pub(crate) fn at(part: impl Into<String>, reason: impl Into<Reason>) -> ProofError {
    ProofError { part: part.into(), reason: reason.into() }
}
