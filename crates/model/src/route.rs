//! The route table: which stable URL leads to which nodes.
//!
//! The control plane writes it; the gateway serves by it and keeps it, so that a gateway goes on
//! when the control plane is dead. Keys stand in it as hashes only.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{Name, NetworkId, OrganizationId, key::KeyScope};

/// The header of a request whose key allows less than everything: the word of its [`KeyScope`]. The
/// node refuses what changes something, whatever the word is; the gateway passes on no other's.
pub const SCOPE: &str = "windlass-scope";

/// The header of every request that comes through the gateway: its client is told less than the platform.
pub const CLIENT: &str = "windlass-client";

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
    /// How often all networks of an organization together may be asked. One that is not here may without
    /// limit.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<OrganizationId, RateLimit>,
}

/// How one network is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The network.
    pub network_id: NetworkId,
    /// Whose it is. None only in tables that were stored before it was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization_id: Option<OrganizationId>,
    /// The keys that open it.
    pub keys: Vec<RouteKey>,
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
    /// A loopback port at which it is reached without a key, while nothing else listens there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_port: Option<u16>,
}

/// A key as the gateway knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteKey {
    /// Its name, unique in the network.
    pub name: Name,
    /// What it allows.
    pub scope: KeyScope,
    /// How often; none is without limit.
    #[serde(default)]
    pub limit: Option<RateLimit>,
    /// What opens it: more than one while a secret replaces another.
    pub secrets: Vec<RouteSecret>,
}

/// How often a key may be used, or an organization's networks asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Calls a second, at least 1.
    pub per_second: u32,
    /// Calls at once, at least 1.
    pub burst: u32,
}

/// A secret, as far as the gateway may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteSecret {
    /// Its SHA-256, in hexadecimal.
    pub hash: String,
    /// Until when it is good, Unix milliseconds; none is for as long as it stands here.
    #[serde(default)]
    pub until_ms: Option<u64>,
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
    /// Local ports that are listened on, each for one network.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub local: Vec<LocalPort>,
}

/// A loopback port at which a network is reached without a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LocalPort {
    /// The port.
    pub port: u16,
    /// The network.
    pub network_id: NetworkId,
}
