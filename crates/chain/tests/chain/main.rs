//! The crate from outside: the ledger in memory and on disk.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail like the test")]

mod calls;
mod certificates;
mod check;
mod common;
mod decoders;
mod disk;
mod full;
mod keys;
mod kill;
mod ledger;
mod parameters;
mod power;
mod proofs;
mod recovery;
mod sync;
mod traces;
mod validators;
