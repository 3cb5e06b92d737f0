//! The whole state of a network after one final block, as a file: docs/protocol/recovery.md.
//!
//! The file is lines of JSON: a head with the genesis document and the proof that the block is final
//! ([`windlass_proof`]), a line an account, lines with the slots of its storage behind it, and an end
//! with the SHA-256 of all lines before. [`Chain::export`](crate::Chain::export) makes it a page at a
//! time, and [`verify`] checks it against nothing but itself: the root of the state that the lines
//! hold is the one in a header that the validators of the genesis document, or those whom they were
//! followed by, made final. Which genesis that is, is for the reader to compare with what it trusts.

mod line;
mod read;
mod verify;

use std::io;

use alloy_primitives::{Address, B256, Bytes};
use windlass_proof::ProofError;

pub use self::line::{AccountLine, EXPORT_FORMAT, EXPORT_VERSION, End, Head, MAX_SLOTS_A_LINE};
pub(crate) use self::line::{SlotLine, write};
pub use self::read::{Entry, Reader, Summary};
pub use self::verify::{Exported, verify, verify_of};
use crate::genesis::GenesisError;

/// Why bytes are no export, or one that does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// They can't be read.
    #[error("the export cannot be read")]
    Read(#[source] io::Error),
    /// A line is not of the format.
    #[error("line {line} of the export is not of its format: {reason}")]
    Line {
        /// Which, from one.
        line: u64,
        /// What is wrong.
        reason: String,
    },
    /// The end is missing.
    #[error("the export has no end: it was cut off after {lines} lines")]
    Cut {
        /// How many lines there are.
        lines: u64,
    },
    /// The lines are not those that the end speaks of.
    #[error("the export is not what was written: its end has {expected} of {what}, found {found}")]
    Sum {
        /// What was counted.
        what: &'static str,
        /// What the lines give.
        found: String,
        /// What the end has.
        expected: String,
    },
    /// It is another network's.
    #[error("the export is of the network with genesis {found}, not {expected}")]
    OtherNetwork {
        /// The hash of its block 0.
        found: B256,
        /// Of the network that it should be of.
        expected: B256,
    },
    /// The genesis document is not the one that block 0 names.
    #[error(
        "block 0 of the export names a genesis document with the hash {expected}, and the export's has {found}"
    )]
    OtherDocument {
        /// Of what is in the file.
        found: B256,
        /// What the block has.
        expected: Bytes,
    },
    /// The genesis document is none.
    #[error("the export's genesis document cannot be used")]
    Genesis(#[source] GenesisError),
    /// The genesis document can't be trusted by anybody.
    #[error("the validators of the export's genesis document cannot vote")]
    Anchor(#[source] windlass_proof::AnchorError),
    /// The header of block 0 is none.
    #[error("block 0 of the export is not the header of a block: {0}")]
    BlockZero(String),
    /// The block is not shown to be final.
    #[error("the export does not show that its block is final")]
    Proof(#[source] ProofError),
    /// An account or a slot is there twice.
    #[error("{what} of the export is there twice")]
    Twice {
        /// What.
        what: String,
    },
    /// There is no governance contract.
    #[error("the export has no governance contract at {0}")]
    NoContract(Address),
    /// What is there is another contract.
    #[error("the contract at {0} in the export is not the governance contract of this program")]
    OtherContract(Address),
    /// The state is another one than that of the block.
    #[error("the state in the export has the root {found}, and that of its block is {expected}")]
    Root {
        /// The root of what is in the file.
        found: B256,
        /// The root in the block's header.
        expected: B256,
    },
}
