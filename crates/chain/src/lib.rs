//! Ethereum blocks, genesis, execution, state and finality: deterministic, without clock or network.
//!
//! A [`Chain`] owns one network's ledger. It builds blocks on any block that is final or executed,
//! validates the blocks of others by executing them, and finalises one child of its tip at a time.
//! What is not final lives in memory as a layer above the last final state; what is final is on
//! disk when [`Chain::finalize`] returns. Reads never wait for execution or for the disk's flush.
//!
//! Invariants:
//! - The same genesis and the same blocks give the same bytes everywhere: no clock, no randomness,
//!   and nothing depends on the order of a hash map.
//! - Rules are a value ([`RuleSet`]); one executor serves Windlass networks and Ethereum's suites.
//! - A commit is one atomic, durable batch; a store is at a block's end or at the one before.
#![warn(missing_docs)]

mod block;
mod chain;
pub mod check;
pub mod contain;
mod execute;
pub mod export;
pub mod genesis;
pub mod governance;
mod receipt;
pub mod recovery;
mod rules;
pub mod state;
pub mod store;
pub mod sync;

pub use block::{Block, DecodeError, EXTRA_DATA_VERSION, ExtraData, timestamp_ms};
pub use chain::{
    At, Attributes, BlockRef, BlockRequest, Built, Chain, ChainError, Evidence, ExportPage,
    ExportPageError, Filter, FoundError, Held, InvalidBlock, LogEntry, LogsError, MAX_EVIDENCE,
    MAX_EVIDENCE_OF_ONE, MOST_BLOCKS, NextState, PROOF_WINDOW, ProveError, Room, SimulatedBlock,
    Skipped, Tip, TransactionLocation, ValidateError, found, held,
};
pub use execute::{
    CallError, CallLimits, CallOutcome, CallRequest, CallResult, EstimateError,
    GethDebugTracingOptions, Manner, NoSenders, Overrides, Priced, Senders, SimulateError,
    SimulatedCall, Trace, TraceError, TransactionError, Transfers, Validation, not_permitted,
    revert_reason, trace,
};
pub use receipt::Receipt;
pub use rules::{FeePolicy, Fork, RuleSet, Schedule};
