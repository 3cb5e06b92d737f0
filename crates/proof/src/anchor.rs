//! What the verifier trusts to begin with: a genesis document, or a checkpoint.

use alloy_primitives::B256;
use serde::{Deserialize, Serialize};

use crate::committee::{Committee, Validator};
use crate::document::{Document, DocumentError};
use crate::error::{ProofError, Reason, at};
use crate::file::{self, FORMAT_VERSION, FileError, check_head};
use crate::header::Sealed;
use crate::hex;
use crate::limits::MAX_VALIDATORS;

/// What the field `format` of a checkpoint says.
pub const CHECKPOINT_FORMAT: &str = "windlass-checkpoint";

/// What the verifier trusts without proof.
///
/// **A genesis document.** Its validators rule from epoch 0 on. The header of block 0 comes with
/// each proof and need not be trusted: it has to carry the document's hash, and every certificate
/// is signed in a namespace that contains the header's hash, by validators whom the document names.
/// Somebody who makes another block 0 for the document has no such signatures.
///
/// **A checkpoint.** Its validators rule from its epoch on, on the network with its block 0. Take it
/// from a proof that was verified ([`Verified`](crate::Verified)) or from somebody who is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustAnchor {
    origin: Origin,
    epoch: u64,
    epoch_length: u64,
    validators: Vec<Validator>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// The hash of the genesis document.
    Document(B256),
    /// The hash of block 0.
    Block(B256),
}

/// The validators of a network from an epoch on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "File", into = "File")]
pub struct Checkpoint {
    /// The hash of block 0.
    pub genesis: B256,
    /// The first epoch that the validators rule.
    pub epoch: u64,
    /// How many blocks an epoch has.
    pub epoch_length: u64,
    /// Who has a seat, in rising order of the node keys.
    pub validators: Vec<Validator>,
}

/// Why something can't be trusted as it is.
#[derive(Debug, thiserror::Error)]
pub enum AnchorError {
    /// The genesis document is none.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// An epoch is too short.
    #[error("an epoch of {epoch_length} blocks: no network has less than 2")]
    EpochLength {
        /// How many blocks it has.
        epoch_length: u64,
    },
    /// There are too many validators.
    #[error("there are {found} validators, and no network has more than {MAX_VALIDATORS}")]
    TooMany {
        /// How many there are.
        found: usize,
    },
    /// Nobody can vote.
    #[error("no validator has usable keys")]
    NoSeat,
}

impl TrustAnchor {
    /// Trusts a genesis document, in any layout.
    ///
    /// # Errors
    /// If the bytes are no genesis document of a known version, or its validators can't vote.
    pub fn from_genesis(document: &[u8]) -> Result<Self, AnchorError> {
        let Document { hash, epoch_length, validators } = Document::read(document)?;
        Self { origin: Origin::Document(hash), epoch: 0, epoch_length, validators }.checked()
    }

    /// Trusts a checkpoint.
    ///
    /// # Errors
    /// If its validators can't vote, or its epochs have less than two blocks.
    pub fn from_checkpoint(checkpoint: Checkpoint) -> Result<Self, AnchorError> {
        let Checkpoint { genesis, epoch, epoch_length, validators } = checkpoint;
        Self { origin: Origin::Block(genesis), epoch, epoch_length, validators }.checked()
    }

    fn checked(self) -> Result<Self, AnchorError> {
        let (epoch_length, found) = (self.epoch_length, self.validators.len());
        if epoch_length < 2 {
            return Err(AnchorError::EpochLength { epoch_length });
        }
        if found > MAX_VALIDATORS {
            return Err(AnchorError::TooMany { found });
        }
        // Who can have a seat does not depend on the network.
        Committee::new(B256::ZERO, &self.validators).map(|_| self).ok_or(AnchorError::NoSeat)
    }

    /// The first epoch that it speaks of.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// How many blocks an epoch has; at least 2.
    pub(crate) fn epoch_length(&self) -> u64 {
        self.epoch_length
    }

    /// The hash of block 0, if this is the network's.
    pub(crate) fn block_zero(&self, header: &[u8]) -> Result<B256, ProofError> {
        let Sealed { header, hash } =
            Sealed::decode(header).map_err(|error| at("genesis", error))?;
        if header.number != 0 {
            return Err(at("genesis", Reason::NotBlockZero { found: header.number }));
        }
        match self.origin {
            Origin::Document(expected) if header.extra_data[..] != expected[..] => {
                let found = header.extra_data;
                Err(at("genesis", Reason::OtherDocument { found, expected }))
            }
            Origin::Block(expected) if hash != expected => {
                Err(at("genesis", Reason::OtherNetwork { found: hash, expected }))
            }
            Origin::Document(_) | Origin::Block(_) => Ok(hash),
        }
    }

    /// Who rules the first epoch, on the network with this hash of block 0.
    pub(crate) fn committee(&self, genesis: B256) -> Committee {
        Committee::new(genesis, &self.validators).expect("an anchor has a validator with a seat")
    }
}

impl Checkpoint {
    /// Reads a file.
    ///
    /// # Errors
    /// If the bytes are too many, of another format or version, or not of its fields.
    pub fn from_json(bytes: &[u8]) -> Result<Self, FileError> {
        file::read(bytes, CHECKPOINT_FORMAT)
    }

    /// Writes a file: indented, each field in a line of its own.
    pub fn to_json(&self) -> String {
        file::write(self)
    }
}

/// A checkpoint as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u64,
    #[serde(with = "hex::fixed")]
    genesis: B256,
    epoch: u64,
    epoch_length: u64,
    #[serde(deserialize_with = "hex::bounded::<_, _, MAX_VALIDATORS>")]
    validators: Vec<Validator>,
}

impl From<Checkpoint> for File {
    fn from(checkpoint: Checkpoint) -> Self {
        let Checkpoint { genesis, epoch, epoch_length, validators } = checkpoint;
        let format = CHECKPOINT_FORMAT.to_owned();
        Self { format, version: FORMAT_VERSION, genesis, epoch, epoch_length, validators }
    }
}

impl TryFrom<File> for Checkpoint {
    type Error = FileError;

    fn try_from(file: File) -> Result<Self, FileError> {
        let File { format, version, genesis, epoch, epoch_length, validators } = file;
        check_head(&format, version, CHECKPOINT_FORMAT)?;
        Ok(Self { genesis, epoch, epoch_length, validators })
    }
}
