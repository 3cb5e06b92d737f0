//! Agreement: which block is at which height, for ever.
//!
//! commonware's simplex finds agreement on digests, view by view; its marshal turns final digests
//! into a chain of blocks in order, fetching what is missing. Here they are put together with what
//! a permissioned chain needs around them:
//!
//! - [`scheme`], [`signer`], [`committees`]: two keys a validator, and who votes in which epoch.
//! - [`block`], [`digest`], [`stores`]: the chain's own blocks and its own store; no second copy.
//! - [`application`]: blocks only when there is work, judged without trusting any clock.
//! - `room`: blocks as large as links and machines take.
//! - [`epochs`]: one engine an epoch, handed over at the boundary.
//! - [`idle`], [`freeze`]: the clock stands still while there is nothing to do.
//! - [`steady`], [`clocked`]: nobody sets the clock that timeouts are measured on.
//! - [`exchange`], [`heard`]: tips are exchanged outside that clock.
//! - [`peers`]: whom the members name is let in, and nobody else.
//! - [`evidence`]: what proves that a validator voted twice is kept.
//! - [`scribe`]: what the engines report is written down for whoever asks what they do.
//! - [`marker`]: a validator whose journal is lost does not vote.
//!
//! Invariants:
//! 1. A block is acknowledged to marshal only after the ledger has made it durable.
//! 2. No vote is cast before the journal has it, nor in an epoch whose journal is lost.
//! 3. `verify = false` is said of blocks only that can never be valid, on any node, at any time.
//! 4. Time and randomness come from the runtime's context, so that a seed reproduces a run.

pub mod announcement;
pub mod application;
pub mod bell;
pub mod block;
pub(crate) mod blocking;
mod channels;
pub mod clocked;
pub mod committees;
pub mod digest;
mod engine;
pub mod epochs;
pub mod evidence;
pub mod exchange;
pub mod freeze;
pub mod heard;
pub mod idle;
pub mod marker;
pub(crate) mod marshal;
pub(crate) mod pace;
pub mod peers;
mod room;
pub mod scheme;
pub mod scribe;
pub mod signer;
mod start;
pub mod steady;
pub mod stores;
#[cfg(test)]
pub(crate) mod tests;
pub mod work;

pub use start::{Channels, Consensus, Parts, Settings, StartError, max_message_size, start};
