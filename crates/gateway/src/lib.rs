//! The gateway: stable URLs in front of networks, in a process of its own.
//!
//! `http://<listen>/n/<network-id>/<key>[/…]` reaches a network's nodes over their Unix sockets,
//! HTTP and `WebSocket` alike. The URL outlives nodes, their restarts, and the control plane: what the
//! gateway serves stands in `routes.json` in its own directory, replaced as a whole by `PUT /routes`
//! on its admin socket and in force again after a restart, whether or not anybody is there to push.
//!
//! The invariants:
//! - **A key is compared as a hash, in constant time**, and neither keys nor URLs are logged. The
//!   route table holds hashes only.
//! - **A key that is good no more serves nothing**, what is under way with it included: when a table
//!   without it comes into force, or its time is over, answers that are being read and open `WebSockets`
//!   end. How often a key may be used, and all networks of an organization asked, is held here ([`rate`]);
//!   what a key may ask is held by the node, which is told of it in a header that clients can't set.
//! - **A request is sent once.** Another node is tried only when the first could not be connected to,
//!   or when it is certain that it has read nothing.
//! - **One client sees one node** while that node is well. Nodes of a network are equal but not at the
//!   same instant: a client that read a nonce from one and sent to another would see time step back.
//!   So the choice is a hash of client and network, which spreads clients evenly; a node that failed
//!   a moment ago comes last.
//! - **What a browser may do is the network's choice**: a request that carries an `Origin` which the
//!   spec does not name is refused, upgrades included. Cookies and credentials of other services on
//!   this host are not passed on.
//! - **A network that sleeps is woken by a request**, which waits for it and is answered then. The
//!   control plane asks here who is wanted, and who was not used for as long as its route says.
//! - Sizes, times and numbers are bounded: header, body, connections, waiting.
//!
//! Deliberately absent: any knowledge of JSON-RPC methods (only of its envelope, so that a refusal is
//! an error that clients decode), any database, and any call to the control plane.

mod activity;
mod admin;
mod answer;
mod calls;
mod client;
mod key;
mod limit;
mod local;
mod proxy;
mod rate;
pub mod routes;
mod server;
mod store;
mod streamed;
mod table;
mod target;
mod tunnel;

pub use server::{Config, GatewayError, Listening, run};
