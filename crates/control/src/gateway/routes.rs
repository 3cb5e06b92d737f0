//! The route table: which URL leads to which nodes.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
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
    pub(super) network: NetworkId,
    pub(super) key: String,
    pub(super) state: RouteState,
    pub(super) cors_origins: Vec<String>,
    /// The nodes' RPC sockets, in the order of the genesis.
    pub(super) upstreams: Vec<PathBuf>,
}

/// Whether requests are passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum RouteState {
    Serving,
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
        Intent::Running => RouteState::Serving,
        Intent::Stopped => RouteState::Stopped,
        Intent::Destroyed => return None,
    };
    let socket = engines.get(network.spec.engine)?.rpc_socket();
    let sockets = record.nodes.iter().filter_map(|node| {
        instances.get(&WorkloadId::of_node(&node.id))?.sockets.get(socket).cloned()
    });
    Some(Route {
        network: network.id.clone(),
        key: network.endpoint_key.clone(),
        state,
        cors_origins: network.spec.cors_origins.clone(),
        upstreams: sockets.collect(),
    })
}
