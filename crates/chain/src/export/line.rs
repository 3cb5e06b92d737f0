//! The lines of an export.

use alloy_primitives::{Address, B256, Bytes, U256};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_proof::Proof;

/// What the head says to be.
pub const EXPORT_FORMAT: &str = "windlass-export";
/// The version of the format that this program knows.
pub const EXPORT_VERSION: u64 = 1;
/// The most slots of a line, so that a reader needs little memory for one.
pub const MAX_SLOTS_A_LINE: usize = 256;

/// The first line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// [`EXPORT_FORMAT`].
    pub format: String,
    /// [`EXPORT_VERSION`].
    pub version: u64,
    /// The genesis document of the network.
    pub document: Value,
    /// That the block after which the state is exported is final: a proof about the governance
    /// contract's account in it, with every change of validators since genesis.
    pub proof: Proof,
}

/// An account without its storage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountLine {
    /// Its address.
    pub address: Address,
    /// Its balance in wei.
    pub balance: U256,
    /// Its nonce.
    pub nonce: u64,
    /// Its code.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub code: Bytes,
}

/// Slots of the account before: number and value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SlotLine {
    pub(crate) slots: Vec<(U256, U256)>,
}

/// The last line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// How many accounts there are.
    pub accounts: u64,
    /// How many slots they have together.
    pub slots: u64,
    /// SHA-256 of all lines before, their ends included.
    pub sha256: B256,
}

impl Head {
    pub(crate) fn new(document: Value, proof: Proof) -> Self {
        Self { format: EXPORT_FORMAT.to_owned(), version: EXPORT_VERSION, document, proof }
    }
}

fn is_empty(code: &Bytes) -> bool {
    code.is_empty()
}

/// A line without its end.
pub(crate) fn write(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("strings, numbers and lists are written without failing")
}
