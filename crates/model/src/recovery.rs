//! A network that began anew with its own state, as its members agreed.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::network::BlockRef;

/// What a network began with after a recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recovered {
    /// The hash of block 0 of the network before.
    pub predecessor: String,
    /// Its last block that is carried over: the state is the one after it.
    pub block: BlockRef,
    /// SHA-256 of the export with that state: `0x` and 64 hex digits.
    pub export: String,
    /// The members who signed the recovery.
    pub signed_by: Vec<String>,
    /// How many active members there were.
    pub members: u32,
    /// Whether the network could still make blocks, and all members wanted it all the same.
    #[serde(default)]
    pub forced: bool,
    /// When it was asked for, Unix milliseconds.
    pub at_ms: u64,
}

/// Asks the platform to sign a recovery file for a member whose key it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignRecovery {
    /// The member; may be left out where the platform holds the key of one only.
    #[serde(default)]
    pub member: Option<String>,
    /// The recovery file, as text.
    pub recovery: String,
}

/// A member's signature on a recovery file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecoverySignature {
    /// The member.
    pub member: String,
    /// Its account.
    pub account: String,
    /// r, s and v: `0x` and 130 hex digits.
    pub signature: String,
}
