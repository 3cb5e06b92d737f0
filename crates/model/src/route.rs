//! The route table: which stable URL leads to which nodes.
//!
//! The control plane writes it; the gateway serves by it and keeps it, so that a gateway goes on
//! when the control plane is dead. Keys stand in it as hashes only.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::NetworkId;

/// The header of a request that an earlier node may have taken, and gave no answer to: that it has the
/// request's transaction already is no error.
pub const REPEATED: &str = "windlass-repeated";

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
    /// The Unix sockets of its nodes, in the order of the genesis.
    pub upstreams: Vec<PathBuf>,
    /// The web origins that may use it from a browser; `*` is any.
    #[serde(default)]
    pub cors_origins: Vec<String>,
    /// Whether its nodes are meant to be there.
    pub state: RouteState,
    /// After so many milliseconds without a request it is idle; 0 is never.
    #[serde(default)]
    pub idle_after_ms: u64,
}

/// Whether a network's nodes are meant to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteState {
    /// They are.
    Up,
    /// They sleep, or are on their way: requests wait for them, and are told of as demand.
    Asleep,
    /// They were stopped; the URL answers that.
    Stopped,
}

/// What clients want of networks, as the gateway sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demand {
    /// Another one with every change; that of another process of the gateway is another one too.
    pub revision: u64,
    /// Networks that sleep and that requests wait for.
    pub wanted: Vec<NetworkId>,
    /// Networks that were not asked anything for as long as their routes say.
    pub idle: Vec<NetworkId>,
}
