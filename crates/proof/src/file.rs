//! The proof as a file: JSON with hex strings. docs/protocol/proofs.md tells what each field is.

use alloy_primitives::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

use crate::committee::Validator;
use crate::hex;
use crate::limits::{
    MAX_CHANGES, MAX_FILE_BYTES, MAX_HEADERS, MAX_PATH_NODES, MAX_SLOTS, MAX_VALIDATORS,
};

/// What the field `format` of a proof says.
pub const PROOF_FORMAT: &str = "windlass-proof";
/// The version of the format that this library knows.
pub const FORMAT_VERSION: u64 = 1;

/// That something is part of a network's final chain, with all that is needed to check it.
///
/// No field says what another one proves, so that nothing in a file can contradict the rest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "File", into = "File")]
pub struct Proof {
    /// The header of block 0, as RLP.
    pub genesis: Bytes,
    /// The changes of validators from the trust anchor on, in the order of their epochs.
    pub changes: Vec<Change>,
    /// The headers from the proven block to the one that `certificate` is for, as RLP; each is the
    /// parent of the next.
    pub headers: Vec<Bytes>,
    /// The finality certificate of the last of the headers, as nodes store it.
    pub certificate: Bytes,
    /// What is proven about the first of the headers.
    pub claim: Claim,
}

/// A change of validators: the state after an epoch's last block names those of the next epoch.
///
/// The set may be the same as before: so a proof can confirm that nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The header of the epoch's last block, as RLP.
    #[serde(with = "hex::bytes")]
    pub header: Bytes,
    /// The finality certificate of that very block.
    #[serde(with = "hex::bytes")]
    pub certificate: Bytes,
    /// The path of the governance contract's account from the header's state root, as in EIP-1186.
    #[serde(
        serialize_with = "hex::list::serialize",
        deserialize_with = "hex::list::deserialize::<_, MAX_PATH_NODES>"
    )]
    pub account_proof: Vec<Bytes>,
    /// The path of the contract's slot 0 from the account's storage root.
    #[serde(
        serialize_with = "hex::list::serialize",
        deserialize_with = "hex::list::deserialize::<_, MAX_PATH_NODES>"
    )]
    pub storage_proof: Vec<Bytes>,
    /// The whole set that slot 0 has the hash of, in rising order of the node keys.
    #[serde(deserialize_with = "hex::bounded::<_, _, MAX_VALIDATORS>")]
    pub validators: Vec<Validator>,
}

/// What is proven about a block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Claim {
    /// That a transaction is in it, and what it did.
    Transaction(Inclusion),
    /// That a transaction in it logged something.
    Log(LogClaim),
    /// How an account and slots of it are after the block.
    Account(AccountClaim),
}

/// A transaction and its receipt, each with its path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inclusion {
    /// The position of the transaction in the block, from zero.
    pub index: u64,
    /// The transaction, in the encoding of EIP-2718.
    #[serde(with = "hex::bytes")]
    pub transaction: Bytes,
    /// Its path from the header's transactions root.
    #[serde(
        serialize_with = "hex::list::serialize",
        deserialize_with = "hex::list::deserialize::<_, MAX_PATH_NODES>"
    )]
    pub transaction_path: Vec<Bytes>,
    /// The receipt, in the encoding of EIP-2718.
    #[serde(with = "hex::bytes")]
    pub receipt: Bytes,
    /// Its path from the header's receipts root.
    #[serde(
        serialize_with = "hex::list::serialize",
        deserialize_with = "hex::list::deserialize::<_, MAX_PATH_NODES>"
    )]
    pub receipt_path: Vec<Bytes>,
}

/// One log of a transaction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogClaim {
    /// Which of the receipt's logs, from zero.
    pub position: u64,
    /// The transaction that logged it.
    pub inclusion: Inclusion,
}

/// An account, and slots of its storage; either may be absent, which is proven just so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountClaim {
    /// The account's address.
    #[serde(with = "hex::fixed")]
    pub address: Address,
    /// Its path from the header's state root, as in EIP-1186.
    #[serde(
        serialize_with = "hex::list::serialize",
        deserialize_with = "hex::list::deserialize::<_, MAX_PATH_NODES>"
    )]
    pub account_proof: Vec<Bytes>,
    /// The slots.
    #[serde(deserialize_with = "hex::bounded::<_, _, MAX_SLOTS>")]
    pub slots: Vec<SlotClaim>,
}

/// A slot of an account's storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotClaim {
    /// The number of the slot, as 32 bytes.
    #[serde(with = "hex::fixed")]
    pub slot: B256,
    /// Its path from the account's storage root; empty where the account has no storage.
    #[serde(
        serialize_with = "hex::list::serialize",
        deserialize_with = "hex::list::deserialize::<_, MAX_PATH_NODES>"
    )]
    pub proof: Vec<Bytes>,
}

/// Why bytes are not a file of this library.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// There are too many.
    #[error("the file has {found} bytes, and at most {MAX_FILE_BYTES} are read")]
    TooLong {
        /// How many there are.
        found: usize,
    },
    /// It is another format, or of another version.
    #[error(
        "the file says to be {format:?} version {version}, not {expected:?} version {FORMAT_VERSION}"
    )]
    Format {
        /// What it says to be.
        format: String,
        /// Which version.
        version: u64,
        /// What it was to be.
        expected: &'static str,
    },
    /// It is not JSON, or not of the format's fields.
    #[error("the file is not of the form that its format has")]
    Json(#[source] serde_json::Error),
}

impl Proof {
    /// Reads a file.
    ///
    /// # Errors
    /// If the bytes are more than [`MAX_FILE_BYTES`], of another format or version, not of its
    /// fields (an unknown one among them), or a list is longer than its limit.
    pub fn from_json(bytes: &[u8]) -> Result<Self, FileError> {
        read(bytes, PROOF_FORMAT)
    }

    /// Writes a file: indented, each field in a line of its own.
    pub fn to_json(&self) -> String {
        write(self)
    }
}

/// Reads a file of a format, which names itself and its version.
pub(crate) fn read<'a, T: Deserialize<'a>>(
    bytes: &'a [u8],
    expected: &'static str,
) -> Result<T, FileError> {
    /// What every version has.
    #[derive(Deserialize)]
    struct Head {
        format: String,
        version: u64,
    }

    if bytes.len() > MAX_FILE_BYTES {
        return Err(FileError::TooLong { found: bytes.len() });
    }
    let Head { format, version } = serde_json::from_slice(bytes).map_err(FileError::Json)?;
    check_head(&format, version, expected)?;
    serde_json::from_slice(bytes).map_err(FileError::Json)
}

/// Writes a file.
pub(crate) fn write(file: &impl Serialize) -> String {
    let mut text = serde_json::to_string_pretty(file)
        .expect("strings, numbers and lists are written to memory without failing");
    text.push('\n');
    text
}

/// A proof as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: String,
    version: u64,
    #[serde(with = "hex::bytes")]
    genesis: Bytes,
    #[serde(deserialize_with = "hex::bounded::<_, _, MAX_CHANGES>")]
    changes: Vec<Change>,
    #[serde(
        serialize_with = "hex::list::serialize",
        deserialize_with = "hex::list::deserialize::<_, MAX_HEADERS>"
    )]
    headers: Vec<Bytes>,
    #[serde(with = "hex::bytes")]
    certificate: Bytes,
    claim: Claim,
}

impl From<Proof> for File {
    fn from(proof: Proof) -> Self {
        let Proof { genesis, changes, headers, certificate, claim } = proof;
        let format = PROOF_FORMAT.to_owned();
        Self { format, version: FORMAT_VERSION, genesis, changes, headers, certificate, claim }
    }
}

impl TryFrom<File> for Proof {
    type Error = FileError;

    fn try_from(file: File) -> Result<Self, FileError> {
        let File { format, version, genesis, changes, headers, certificate, claim } = file;
        check_head(&format, version, PROOF_FORMAT)?;
        Ok(Self { genesis, changes, headers, certificate, claim })
    }
}

/// Checks what a file says to be.
pub(crate) fn check_head(
    format: &str,
    version: u64,
    expected: &'static str,
) -> Result<(), FileError> {
    if format == expected && version == FORMAT_VERSION {
        return Ok(());
    }
    // A hostile file may have a name of megabytes.
    let format = format.chars().take(64).collect();
    Err(FileError::Format { format, version, expected })
}
