//! What an engine does where a network has to begin anew with its own state.

use std::{collections::BTreeSet, fmt, io::BufRead};

use serde_json::Value;
use windlass_model::network::BlockRef;

use crate::{EngineError, GenesisFile, RpcRequest};

/// A part of an export, as a node gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportPage {
    /// The block after which the state is.
    pub block: BlockRef,
    /// Lines, without their ends.
    pub lines: Vec<String>,
    /// How many accounts are in the lines.
    pub accounts: u64,
    /// How many slots are.
    pub slots: u64,
    /// Where the next page begins; none after the last.
    pub next: Option<String>,
}

/// What members agree on in a recovery file, and who is said to have signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// The hash of block 0 of the network that stands still.
    pub predecessor: String,
    /// The hash of block 0 of the network that follows.
    pub successor: String,
    /// What a member's account signs.
    pub digest: [u8; 32],
    /// The accounts that are said to have signed; whether they did is not checked.
    pub accounts: BTreeSet<String>,
}

/// A member of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signatory {
    /// Its name.
    pub organization: String,
    /// Its account: `0x` and 40 hex digits.
    pub account: String,
    /// Whether it signed.
    pub signed: bool,
}

/// An export and a recovery file that hold and fit each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The hash of block 0 of the network that stands still.
    pub predecessor: String,
    /// The block after which its state was exported.
    pub block: BlockRef,
    /// SHA-256 of the export: `0x` and 64 hex digits.
    pub export: String,
    /// The genesis of the network that follows.
    pub genesis: GenesisFile,
    /// The active members, as the export has them.
    pub members: Vec<Signatory>,
    /// How many of them have to sign.
    pub needed: usize,
    /// The accounts that signed beside theirs, as accounts are written: those of members that were let
    /// in after the export, or nobody's.
    pub others: BTreeSet<String>,
}

impl Judged {
    /// How many members signed.
    pub fn signed(&self) -> usize {
        self.members.iter().filter(|member| member.signed).count()
    }

    /// The accounts that signed.
    pub fn signers(&self) -> BTreeSet<&str> {
        let members = self.members.iter().filter(|member| member.signed);
        let others = self.others.iter().map(String::as_str);
        members.map(|member| member.account.as_str()).chain(others).collect()
    }
}

/// Export and recovery of an engine's networks.
pub trait Recovery: fmt::Debug + Send + Sync {
    /// Asks a node for a page of its state; the first without a cursor.
    fn page(&self, cursor: Option<&str>) -> RpcRequest;

    /// Reads the answer.
    fn read_page(&self, answer: &Value) -> Result<ExportPage, EngineError>;

    /// The last line of an export, without its end: what the pages held, and the SHA-256 of all lines
    /// before.
    fn end(&self, accounts: u64, slots: u64, sha256: [u8; 32]) -> String;

    /// Reads what a recovery file is about.
    fn agreement(&self, recovery: &str) -> Result<Agreement, EngineError>;

    /// Checks an export and a recovery file, and counts who signed. It may take long: a state is
    /// read and hashed.
    fn judge(&self, recovery: &str, export: &mut dyn BufRead) -> Result<Judged, EngineError>;
}
