//! The route table as it is pushed and stored.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use windlass_model::NetworkId;

/// Everything that the gateway serves. Replaced as a whole; a lower generation never replaces a
/// higher one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteTable {
    /// Rises with every change.
    pub generation: u64,
    /// One for each network.
    pub routes: Vec<Route>,
}

/// How one network is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The network.
    pub network_id: NetworkId,
    /// The SHA-256 of each key that opens it, in hexadecimal.
    pub key_hashes: Vec<String>,
    /// The Unix sockets of its nodes.
    pub upstreams: Vec<PathBuf>,
    /// The web origins that may use it from a browser; `*` is any.
    #[serde(default)]
    pub cors_origins: Vec<String>,
    /// Whether its nodes are meant to be there.
    pub state: RouteState,
}

/// Whether a network's nodes are meant to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteState {
    /// They are.
    Up,
    /// They were stopped; the URL answers that.
    Stopped,
}

/// The SHA-256 of a key, in hexadecimal, as a route table names it.
pub fn hash_key(key: &str) -> String {
    use sha2::{Digest, Sha256};
    hex::encode(Sha256::digest(key.as_bytes()))
}
