//! What goes into the ledger and comes out of it.

use alloy_primitives::{Address, B256, Log};

use crate::block::Block;
use crate::execute::TransactionError;
use crate::store::StoreError;

/// The last final block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its Unix time in milliseconds.
    pub timestamp_ms: u64,
}

/// What a proposer chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Unix time in milliseconds, at least the parent's.
    pub timestamp_ms: u64,
    /// The epoch whose validators make the block.
    pub epoch: u64,
    /// Who gets the tips.
    pub beneficiary: Address,
    /// How much it takes of what a block may hold.
    pub room: Room,
}

/// How much a proposer takes of what a block may hold; one transaction in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes.
    pub bytes: usize,
    /// Gas, of what its transactions may use together.
    pub gas: u64,
}

impl Room {
    /// All that a block may hold.
    pub const ALL: Self = Self { bytes: usize::MAX, gas: u64::MAX };
}

/// A block that was built; it is executed and may be finalised.
#[derive(Clone, Debug)]
pub struct Built {
    /// The block.
    pub block: Block,
    /// What was left out, and why.
    pub skipped: Vec<Skipped>,
}

/// A transaction that was left out of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its hash.
    pub hash: B256,
    /// Why.
    pub reason: TransactionError,
}

/// A block, by number or hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockRef {
    /// By number.
    Number(u64),
    /// By hash.
    Hash(B256),
}

impl From<u64> for BlockRef {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

impl From<B256> for BlockRef {
    fn from(hash: B256) -> Self {
        Self::Hash(hash)
    }
}

/// A final block's end, as a moment to read the state at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The last final block.
    Latest,
    /// By number.
    Number(u64),
    /// By hash.
    Hash(B256),
}

/// Where a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionLocation {
    /// The number of its block.
    pub block: u64,
    /// Its position there.
    pub index: u32,
}

/// Which logs are asked for: an empty list matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Any of these contracts.
    pub addresses: Vec<Address>,
    /// At each position any of these topics.
    pub topics: Vec<Vec<B256>>,
}

/// A log and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogEntry {
    /// The log.
    pub log: Log,
    /// The number of its block.
    pub block_number: u64,
    /// The hash of its block.
    pub block_hash: B256,
    /// Unix time of its block, in seconds.
    pub block_timestamp: u64,
    /// The hash of its transaction.
    pub transaction_hash: B256,
    /// The position of its transaction in the block.
    pub transaction_index: u64,
    /// Its own position in the block.
    pub log_index: u64,
}

/// Why the ledger could not answer.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The store failed.
    #[error("the ledger's store failed")]
    Store(#[from] StoreError),
    /// There is no such block.
    #[error("block not found")]
    UnknownBlock,
    /// The state at that block is no longer kept.
    #[error("state at block {number} is not available; the oldest kept is {oldest}")]
    StatePruned {
        /// The block asked for.
        number: u64,
        /// The oldest block whose state is kept.
        oldest: u64,
    },
    /// The tries of the state at that block are no longer kept.
    #[error(
        "proofs at block {number} are not available; the oldest block that has some is {oldest}"
    )]
    ProofPruned {
        /// The block asked for.
        number: u64,
        /// The oldest block whose state can be proven.
        oldest: u64,
    },
    /// Who asked does not wait for it any more.
    #[error("it took too long")]
    Cancelled,
    /// The ledger was begun with a later state, and the blocks before are not there yet.
    #[error("pruned history unavailable: blocks before {first} are not here yet")]
    HistoryLacking {
        /// The first block from which on all are there.
        first: u64,
    },
    /// The block to build on is neither final nor executed.
    #[error("the parent block {0} is neither the tip nor executed above it")]
    UnknownParent(B256),
    /// The store is of another network.
    #[error("the database belongs to the network with genesis {found}, not {expected}")]
    OtherGenesis {
        /// What the store holds.
        found: B256,
        /// What was asked for.
        expected: B256,
    },
    /// The network begins with the state of another one, which the store hasn't got.
    #[error("the network begins with the state of another one: load the export of that first")]
    Unfounded,
    /// The store is of a newer format.
    #[error("the database has format {found}, this program knows up to {known}; use a newer one")]
    NewerFormat {
        /// What the store holds.
        found: u64,
        /// What this program knows.
        known: u64,
    },
    /// The store is of a format that was given up before the first release.
    #[error(
        "the database has format {found}, this program reads format {known} only; use the program \
         that made it, or make the network anew"
    )]
    OlderFormat {
        /// What the store holds.
        found: u64,
        /// What this program knows.
        known: u64,
    },
    /// A block can't be finalised where the ledger stands.
    #[error("block {number} can't be finalised: {reason}")]
    NotFinalizable {
        /// The block's number.
        number: u64,
        /// Why.
        reason: String,
    },
    /// The attributes of a new block break a rule.
    #[error("{0}")]
    Attributes(InvalidBlock),
    /// The members upgraded the rules to a version of which this program knows nothing.
    #[error(
        "from block {number} on the network has version {version} of the rules, which this program \
         does not know: install one that does"
    )]
    UnknownRules {
        /// The block that can't be made or judged.
        number: u64,
        /// The version.
        version: u32,
    },
    /// What is stored can't be read.
    #[error("the ledger holds a damaged record: {0}")]
    Damaged(String),
    /// The EVM failed for no fault of a transaction.
    #[error("the EVM failed: {0}")]
    Execution(String),
}

/// Why a block breaks the rules.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBlock {
    /// A header field is not what the rules or the execution give.
    #[error("header field {field} is {found}, expected {expected}")]
    Header {
        /// The field, as JSON-RPC names it.
        field: &'static str,
        /// What the block has.
        found: String,
        /// What it should have.
        expected: String,
    },
    /// A transaction can't be executed.
    #[error("transaction {index} is invalid: {reason}")]
    Transaction {
        /// Its position.
        index: usize,
        /// Why.
        reason: TransactionError,
    },
    /// The block's time is before its parent's.
    #[error("the block's time {timestamp_ms} ms is before its parent's {parent_ms} ms")]
    Time {
        /// The block's.
        timestamp_ms: u64,
        /// Its parent's.
        parent_ms: u64,
    },
    /// The body holds what the rules don't allow.
    #[error("the block's body is invalid: {0}")]
    Body(String),
}

/// Why a block was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// The block breaks the rules: nobody can accept it.
    #[error("the block is invalid")]
    Invalid(#[from] InvalidBlock),
    /// This node could not tell.
    #[error("the block could not be validated")]
    Chain(#[from] ChainError),
}

/// Why logs could not be searched.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The ledger could not answer.
    #[error("the logs could not be read")]
    Chain(#[from] ChainError),
    /// There are too many.
    #[error("query returns more than {limit} results")]
    TooMany {
        /// The limit.
        limit: usize,
    },
}
