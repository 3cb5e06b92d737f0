//! The genesis document: its hash, and what a verifier needs of it.
//!
//! A document may be written with any white space, order of keys and case of hex; its hash is the
//! keccak-256 of its one canonical form: sorted keys, no white space, lower-case hex, numbers in
//! decimal, every account with all its fields. Block 0 carries that hash as its `extraData`, so the
//! hash of block 0 commits to everything in the document.
//!
//! This is no check that nodes would take the document: one that they refuse has a hash that no
//! block 0 of a network carries.

mod json;
mod shape;
#[cfg(test)]
mod tests;

use alloy_primitives::{B256, hex, keccak256};
use serde::Deserialize;

use self::json::Json;
use crate::committee::Validator;
use crate::limits::MAX_DOCUMENT_BYTES;

/// The version of the document that this library knows.
const VERSION: u64 = 2;
/// The most that a number of the document may be: what every JSON reader holds exactly.
const MAX_NUMBER: u64 = (1 << 53) - 1;

/// What a verifier needs of a genesis document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Document {
    /// keccak-256 of the canonical form.
    pub(crate) hash: B256,
    /// How many blocks an epoch has.
    pub(crate) epoch_length: u64,
    /// The validators of all members, in the document's order.
    pub(crate) validators: Vec<Validator>,
}

/// Why bytes are not a genesis document.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// There are too many.
    #[error("the genesis document has {found} bytes, and at most {MAX_DOCUMENT_BYTES} are read")]
    TooLong {
        /// How many there are.
        found: usize,
    },
    /// The bytes are not JSON, or of another kind than a document's.
    #[error("the genesis document is not valid JSON")]
    Json(#[source] serde_json::Error),
    /// A field is wrong.
    #[error("genesis field {field}: {reason}")]
    Field {
        /// The path of the field.
        field: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl Document {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, DocumentError> {
        /// The canonical form, as far as it is needed.
        #[derive(Deserialize)]
        struct Needed {
            epoch_length: u64,
            members: Vec<Member>,
            signature_scheme: String,
            version: u64,
        }

        #[derive(Deserialize)]
        struct Member {
            validators: Vec<Keys>,
        }

        #[derive(Deserialize)]
        struct Keys {
            node_key: String,
            consensus_key: String,
        }

        let canonical = canonical(bytes)?;
        let needed: Needed = serde_json::from_str(&canonical).map_err(DocumentError::Json)?;
        if needed.version != VERSION {
            return Err(wrong("version", format!("must be {VERSION}, not {}", needed.version)));
        }
        if needed.signature_scheme != "ed25519" {
            return Err(wrong("signature_scheme", "is unknown; there is \"ed25519\""));
        }
        let keys = needed.members.into_iter().flat_map(|member| member.validators);
        let validators = keys.map(|keys| {
            Some(Validator {
                node_key: key(&keys.node_key)?,
                consensus_key: key(&keys.consensus_key)?,
            })
        });
        let validators = validators.collect::<Option<Vec<_>>>();
        let validators = validators.ok_or_else(|| wrong("members", "have keys that are none"))?;
        let hash = keccak256(&canonical);
        Ok(Self { hash, epoch_length: needed.epoch_length, validators })
    }
}

/// The document's one encoding.
fn canonical(bytes: &[u8]) -> Result<String, DocumentError> {
    if bytes.len() > MAX_DOCUMENT_BYTES {
        return Err(DocumentError::TooLong { found: bytes.len() });
    }
    let json: Json = serde_json::from_slice(bytes).map_err(DocumentError::Json)?;
    let mut out = String::with_capacity(bytes.len());
    shape::write(shape::DOCUMENT, json, "", &mut out)?;
    Ok(out)
}

fn key(digits: &str) -> Option<B256> {
    hex::decode_to_array::<_, 32>(digits).ok().map(B256::from)
}

fn wrong(field: &str, reason: impl Into<String>) -> DocumentError {
    DocumentError::Field { field: field.to_owned(), reason: reason.into() }
}
