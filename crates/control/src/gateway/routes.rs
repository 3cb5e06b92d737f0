//! The route table: which URL leads to which nodes. The JSON is the gateway's, which this crate
//! does not depend on; the end-to-end tests hold the two together.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use windlass_model::{NetworkId, WorkloadId, network::Intent};
use windlass_substrate::Instance;

use crate::{store::rows::Record, world::Engines};

/// Everything that the gateway serves. A table of an older generation is refused by the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RouteTable {
    pub(super) generation: u64,
    pub(super) routes: Vec<Route>,
}

/// One network's URL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Route {
    pub(super) network_id: NetworkId,
    /// The SHA-256 of each key that opens it, in hexadecimal.
    pub(super) key_hashes: Vec<String>,
    /// The nodes' RPC sockets, in the order of the genesis.
    pub(super) upstreams: Vec<PathBuf>,
    pub(super) cors_origins: Vec<String>,
    pub(super) state: RouteState,
}

/// Whether requests are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RouteState {
    Up,
    Stopped,
}

/// The route of a network; `None` if it is to have none.
pub(super) fn route(
    record: &Record,
    instances: &BTreeMap<WorkloadId, Instance>,
    engines: &Engines,
) -> Option<Route> {
    let network = &record.network;
    let state = match network.intent {
        Intent::Running => RouteState::Up,
        Intent::Stopped => RouteState::Stopped,
        Intent::Destroyed => return None,
    };
    let socket = engines.get(network.spec.engine)?.rpc_socket();
    let sockets = record.nodes.iter().filter_map(|node| {
        instances.get(&WorkloadId::of_node(&node.id))?.sockets.get(socket).cloned()
    });
    Some(Route {
        network_id: network.id.clone(),
        key_hashes: vec![hex::encode(Sha256::digest(network.endpoint_key.as_bytes()))],
        upstreams: sockets.collect(),
        cors_origins: network.spec.cors_origins.clone(),
        state,
    })
}
