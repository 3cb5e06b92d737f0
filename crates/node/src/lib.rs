//! The validator: consensus, p2p, transaction pool and JSON-RPC over a ledger.
//!
//! Two halves meet at [`seam::Ledger`]. Below it the ledger makes, judges and stores blocks (crate
//! `chain`); above it [`consensus`] agrees on their order with the other validators over [`p2p`].
//! Both publish what they know on the [`status::StatusBoard`].

pub mod config;
pub mod consensus;
pub mod diagnosis;
pub mod disk;
pub mod gossip;
mod intake;
pub mod journals;
pub mod ledger;
mod outgoing;
pub mod p2p;
pub mod pool;
pub mod rpc;
pub mod run;
pub mod seam;
pub mod status;
pub mod succession;
pub mod sync;

#[cfg(test)]
mod testing;
