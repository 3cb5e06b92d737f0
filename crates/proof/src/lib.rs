//! Proof without trust: whether something is part of a Windlass network's final chain, checked
//! offline and on nobody's word.
//!
//! A [`Proof`] is a file that says "this transaction", "this log" or "this account" is part of the
//! chain. [`verify`] checks it against a [`TrustAnchor`]: the genesis document of the network, or a
//! [`Checkpoint`] of its validators. It reads no clock and no disk, asks nobody, and needs no other
//! part of Windlass. docs/protocol/proofs.md has the format and the algorithm to the last byte, with
//! test vectors, so that it can be done again in another language.
//!
//! ```
//! # fn check(file: &[u8], genesis: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! use windlass_proof::{Fact, Proof, TrustAnchor, verify};
//!
//! let anchor = TrustAnchor::from_genesis(genesis)?;
//! let verified = verify(&Proof::from_json(file)?, &anchor)?;
//! if let Fact::Transaction(fact) = verified.fact {
//!     println!("{} is in block {}", fact.hash, verified.block.number);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **How it holds together.** Validators vote on the hash of an Ethereum header. A quorum's votes
//! are a certificate; it makes the block and its ancestors final, so headers that are linked by
//! their parents' hashes lead from it to the proven block. That header has the roots of the tries of
//! transactions, receipts and state, and a path through one of them leads to what is claimed. Who
//! the validators are: at first, those of the genesis document. After an epoch's last block the
//! state of the governance contract has, in slot 0, the hash of the next epoch's set; a path to it
//! from a header that the present validators certified proves a change, and so on.
//!
//! **Block 0** need not be trusted: it carries the hash of the genesis document as its `extraData`,
//! and every vote is signed in a namespace that contains the hash of block 0. Another block 0 for
//! the same document would be another network, on which the document's validators signed nothing.
//!
//! **What is trusted**: that in each committee that the proof uses, less than a third of the seats
//! are or ever come into hostile hands. A quorum of keys of a former committee can sign a chain that
//! never was, in which no change followed; whoever may fear that verifies against a newer
//! [`Checkpoint`]. docs/protocol/proofs.md says more.
//!
//! **Evidence** that a validator voted twice is checked in the same way: an [`EvidenceProof`] has both votes
//! and the changes that show who votes in their epoch, and [`verify_evidence`] checks it.
//!
//! **Limits** are the constants below; a file beyond one is refused. No input causes a panic.
#![warn(missing_docs)]

mod anchor;
mod certificate;
mod claim;
mod codec;
mod committee;
mod document;
mod ed25519;
mod error;
mod evidence;
mod file;
mod header;
mod hex;
mod limits;
mod path;
pub mod prove;
mod verify;
mod votes;

pub use crate::anchor::{AnchorError, CHECKPOINT_FORMAT, Checkpoint, TrustAnchor};
pub use crate::certificate::{Certificate, CertificateError};
pub use crate::claim::{AccountFact, Fact, LogFact, SlotFact, TransactionFact, proven_account};
pub use crate::codec::Malformed;
pub use crate::committee::{Certified, Committee, Validator, set_hash};
pub use crate::document::DocumentError;
pub use crate::ed25519::is_public_key;
pub use crate::error::{ProofError, Reason};
pub use crate::evidence::{
    EVIDENCE_FORMAT, EvidenceProof, VerifiedEvidence, Voters, evidence_hash, verify_evidence,
};
pub use crate::file::{
    AccountClaim, Change, Claim, FORMAT_VERSION, FileError, Inclusion, LogClaim, PROOF_FORMAT,
    Proof, SlotClaim,
};
pub use crate::header::HeaderError;
pub use crate::limits::{
    MAX_CHANGES, MAX_DOCUMENT_BYTES, MAX_FILE_BYTES, MAX_HEADER_BYTES, MAX_HEADERS, MAX_PATH_NODES,
    MAX_SLOTS, MAX_VALIDATORS, MAX_VOTES_BYTES,
};
pub use crate::path::PathError;
pub use crate::verify::{
    Finality, GOVERNANCE_ADDRESS, ProvenBlock, VALIDATOR_SET_HASH_SLOT, Verified, verify,
};
pub use crate::votes::{ConflictingVotes, Contradiction, Proposal, Vote, VoteKind, VotesError};
