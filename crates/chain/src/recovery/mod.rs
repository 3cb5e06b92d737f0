//! Recovery where more than a third of the disks are lost: a successor network begins with the state of
//! an export, because the members say so. docs/protocol/recovery.md.
//!
//! Everything follows from the export: [`successor`] makes the one genesis document that it can be
//! followed by, with the members, validators and parameters that the exported contract has. A
//! [`Recovery`] names the export and that document's block 0, and has signatures of members' accounts
//! on it. [`judge`] makes the document anew, compares, and counts: who the members are says the
//! exported contract. Where somebody has later blocks, that are given up, the members of their state
//! are asked as well ([`Judgement::missing`]): else a few who were members once could undo what all
//! decided since.
//!
//! The successor's block 0 has another hash, and every vote is signed with the hash of block 0: votes
//! and certificates of one network say nothing on the other.

mod file;
mod judge;
mod successor;

use alloy_primitives::{Address, B256};

pub use self::file::{Approval, RECOVERY_FORMAT, RECOVERY_VERSION, Recovery};
pub use self::judge::{Judgement, Seat, judge};
pub use self::successor::{propose, successor};

/// Why there is no recovery.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The bytes are no recovery file.
    #[error("that is no recovery file: {0}")]
    File(String),
    /// The exported contract does not answer.
    #[error("the governance contract in the export does not answer: {0}")]
    Contract(String),
    /// The members upgraded the rules.
    #[error(
        "the members upgraded the rules at block {height}: heights begin anew, and the rules would go \
         back"
    )]
    RulesUpgraded {
        /// The block.
        height: u64,
    },
    /// Nobody can vote.
    #[error("no validator of the export has a seat")]
    NoValidator,
    /// The file speaks of something else.
    #[error("the recovery file names {what} {named}, and the export gives {given}")]
    Differs {
        /// What.
        what: &'static str,
        /// What the file has.
        named: String,
        /// What the export has.
        given: String,
    },
    /// A signature is not of the account that it is said to be of.
    #[error("the signature of {account} does not hold{}", signer.map(|other| format!(": it is {other}'s, or of another file")).unwrap_or_default())]
    Signature {
        /// Whose it is said to be.
        account: Address,
        /// Whom the signature gives.
        signer: Option<Address>,
    },
    /// An account signed twice.
    #[error("{0} signed twice")]
    Twice(Address),
}

impl RecoveryError {
    fn differs(what: &'static str, named: B256, given: B256) -> Self {
        Self::Differs { what, named: named.to_string(), given: given.to_string() }
    }
}
