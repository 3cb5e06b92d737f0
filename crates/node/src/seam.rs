//! The seam between consensus and the ledger.
//!
//! Consensus orders opaque blocks; the ledger makes, judges, executes and stores them. The two
//! meet only here, so that either can be replaced: the deterministic tests put a ledger in memory
//! beneath the real consensus, and the real ledger is tested without any network.
//!
//! Every call may block (execution, disk), so consensus makes them through
//! its work threads, never on its own. No call reads a clock: time is
//! an argument.
//!
//! What consensus promises:
//! - [`Ledger::finalize`] is called for each height once and in order, except that the heights
//!   since the last durable one are repeated after a crash: a repeat is a success without effect.
//! - the parent given to [`Ledger::propose`] and [`Ledger::verify`] is final, or has itself been
//!   proposed or verified here before, or else (after a restart) its parents are given first.

use std::{fmt, sync::Arc};

use alloy_primitives::{B256, Bytes};
use windlass_chain::{
    Block, Chain, Evidence, Room,
    governance::{Committee, RosterNode, SeatedValidator},
};

/// The last block that is final and durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// Its height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its time in Unix milliseconds.
    pub timestamp_ms: u64,
}

/// What a new block is to be made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The proposer's clock; the block takes max(parent's time, this).
    pub now_ms: u64,
    /// The epoch, for `extraData`.
    pub epoch: u64,
    /// Whether a block without transactions is wanted where there is no work: to finalise a
    /// notarised tip, or to reach an epoch's end. Otherwise `propose` answers `None` there.
    pub allow_empty: bool,
    /// How much it takes of what a block may hold.
    pub room: Room,
}

/// What the ledger says of another's block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It executes to what its header says.
    Valid,
    /// It never can be valid, on any node, at any time.
    Invalid(String),
    /// Its time is ahead of this node's clock and drift: ask again after the wait.
    Early {
        /// How long to wait.
        wait_ms: u64,
    },
    /// This node can't tell (its disk fails): not voted on.
    Unknown(String),
}

/// Who brought a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client, over JSON-RPC.
    Client,
    /// Another validator, by gossip.
    Peer,
}

/// Why a transaction is not in the pool. Codes and texts are Geth's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct AdmitError {
    /// The JSON-RPC error code.
    pub code: i32,
    /// What a client is told.
    pub message: String,
    /// Whether it is in the pool or the chain already: gossip stops silently.
    pub known: Known,
}

/// Whether a refused transaction is one that the node has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is in the pool or in a block.
    Yes,
    /// It is not.
    No,
}

/// The ledger failed: its disk, or an invariant.
#[derive(Debug, thiserror::Error)]
#[error("the ledger failed while {doing}")]
pub struct LedgerError {
    /// What it was at, as a phrase with "-ing".
    pub doing: String,
    /// The cause.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl LedgerError {
    /// Wraps a cause.
    pub fn new(
        doing: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { doing: doing.into(), source: source.into() }
    }
}

/// Called when the pool gains executable work or the tip moves.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// The ledger, as consensus sees it. A clone is another handle on the same ledger.
pub trait Ledger: Clone + Send + Sync + fmt::Debug + 'static {
    /// Block 0.
    fn genesis(&self) -> Block;

    /// The last block that is final and durable.
    fn tip(&self) -> Tip;

    /// The chain with its state, where there is one: what a node serves to those who join.
    fn chain(&self) -> Option<&Chain>;

    /// A final block by height.
    fn block_by_number(&self, number: u64) -> Result<Option<Block>, LedgerError>;

    /// A final block by hash.
    fn block_by_hash(&self, hash: B256) -> Result<Option<Block>, LedgerError>;

    /// The finality certificate that formed at exactly this height.
    fn certificate(&self, number: u64) -> Result<Option<Bytes>, LedgerError>;

    /// The nearest finality certificate at this height or above.
    fn next_certificate(&self, number: u64) -> Result<Option<(u64, Bytes)>, LedgerError>;

    /// Keeps a certificate; it may come before its block and must be durable with it at the latest.
    fn put_certificate(
        &self,
        number: u64,
        block_hash: B256,
        certificate: Bytes,
    ) -> Result<(), LedgerError>;

    /// The validators that the state after the tip has for the next epoch, in rising order of their
    /// node keys.
    fn next_validators(&self) -> Result<Vec<SeatedValidator>, LedgerError>;

    /// The hash of those validators ([`windlass_chain::governance::set_hash`]). It is asked often,
    /// and does not block.
    fn next_validators_hash(&self) -> B256;

    /// All nodes that the members have, as the state after the tip has them.
    fn roster(&self) -> Result<Vec<RosterNode>, LedgerError>;

    /// The same as the state after an earlier block had them; `None` where that state is gone.
    fn roster_at(&self, number: u64) -> Result<Option<Vec<RosterNode>>, LedgerError>;

    /// The number that grows with every change of the roster. It is asked often, and does not block.
    fn governance_revision(&self) -> u64;

    /// The least time between two blocks that the state after the tip has, in milliseconds. It is
    /// asked often, and does not block.
    fn min_block_interval_ms(&self) -> u64;

    /// Why no block can be made or judged on the tip, if none can. It is asked often, and does not
    /// block.
    fn obstacle(&self) -> Option<String>;

    /// Who votes in an epoch, if it was kept.
    fn committee(&self, epoch: u64) -> Result<Option<Committee>, LedgerError>;

    /// Keeps who votes in an epoch; durable when it returns.
    fn keep_committee(&self, epoch: u64, committee: &Committee) -> Result<(), LedgerError>;

    /// Keeps evidence of a validator that voted twice, durably; false if there was some of it.
    fn keep_evidence(&self, evidence: &Evidence) -> Result<bool, LedgerError>;

    /// Whether an executable transaction is pending: one that the next block would hold.
    fn has_work(&self) -> bool;

    /// Makes a block on `parent`; `None` where there is nothing to put in and an empty
    /// block isn't allowed.
    fn propose(&self, parent: &Block, proposal: Proposal) -> Result<Option<Block>, LedgerError>;

    /// Judges a block on `parent`.
    fn verify(&self, parent: &Block, block: &Block, now_ms: u64) -> Verdict;

    /// Executes the block if it wasn't, makes it durable before it returns, updates the pool and
    /// wakes subscribers.
    fn finalize(&self, block: &Block) -> Result<(), LedgerError>;

    /// Takes a transaction (EIP-2718 bytes) into the pool.
    fn admit(&self, transaction: Bytes, from: Origin) -> Result<B256, AdmitError>;

    /// Takes several, which costs less than one after the other; an outcome for each, in their order.
    fn admit_all(&self, transactions: &[Bytes], from: Origin) -> Vec<Result<B256, AdmitError>> {
        transactions.iter().map(|transaction| self.admit(transaction.clone(), from)).collect()
    }

    /// What entered the pool after the sequence and is still pending, with hashes, and the sequence now.
    fn pending_for_gossip(&self, after: u64) -> (u64, Vec<(B256, Bytes)>);

    /// Registers the one who is to be woken.
    fn on_change(&self, wake: Wake);
}
