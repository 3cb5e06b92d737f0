//! The crate's API over networks that are made by hand: keys, headers, tries and signatures are
//! built here from the text of docs/protocol/proofs.md, not from the verifier's code.
#![expect(clippy::unwrap_used, reason = "a helper of a test may fail like the test")]
#![expect(clippy::as_conversions, reason = "small numbers of a test's own making")]
#![expect(clippy::cast_possible_truncation, reason = "small numbers of a test's own making")]

mod accepted;
mod bytes;
mod certificates;
mod chain;
mod evidence;
mod keys;
mod refused;
mod state;
mod vectors;
