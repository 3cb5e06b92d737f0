//! The crate's API over networks that are made by hand: keys, headers, tries and signatures are
//! built here from the text of docs/protocol/proofs.md, not from the verifier's code.

mod accepted;
mod bytes;
mod certificates;
mod chain;
mod keys;
mod refused;
mod speed;
mod state;
mod vectors;
