//! The control plane: what is wanted, what is there, and the way from one to the other.
//!
//! The API writes *intent* into the [`store`], in one transaction with its audit row; reconcilers
//! read intent and world and act until they agree. Nothing else changes the world, and no request
//! waits on it: long actions are operations.
//!
//! | module | what it does |
//! |---|---|
//! | [`service`] | the one door: what the HTTP API (and nobody else) calls |
//! | [`authorize`] | the one function that decides who may do what |
//! | [`http`] | REST, events and console: authenticate, authorize, one service call |
//! | `store` | the only SQL: rows, migrations, outbox, audit |
//! | `network` | the noun: declare, observe, plan, execute, teardown |
//! | `governance` | proposals and votes: declare, carry out; what the contract says |
//! | `conditions` | what can be said of a network one thing at a time: pure functions over what is known |
//! | `monitor` | what nodes report, in memory; ticks for live subscribers |
//! | `meter` | what networks use, by hour |
//! | `gateway` | the process with the stable URLs, and its route table |
//! | `sweep` | removes what carries our label and no row names |
//! | [`world`] | everything outside: substrate, keys, wire, clock, entropy |
//!
//! Deliberately absent: any knowledge of a concrete substrate or engine (`cli` wires them), any
//! polling that writes, and any state that isn't in the store or in the world.

pub mod authorize;
mod conditions;
mod gateway;
mod governance;
pub mod http;
mod meter;
mod monitor;
mod network;
mod operation;
pub mod service;
mod store;
mod sweep;
pub mod world;

pub use network::{Backoff, Machine, Overcommit};
pub use service::{Control, Settings};
