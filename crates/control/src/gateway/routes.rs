//! The route of one network, from what is recorded and what runs.

use std::collections::BTreeMap;

use windlass_model::{
    WorkloadId,
    network::Intent,
    route::{Route, RouteState},
};
use windlass_substrate::Instance;

use crate::{
    store::{keys::EndpointKeyRow, rows::Record},
    world::Engines,
};

/// The route of a network; `None` if it is to have none.
pub(super) fn route(
    record: &Record,
    instances: &BTreeMap<WorkloadId, Instance>,
    engines: &Engines,
) -> Option<Route> {
    let network = &record.network;
    let state = match network.intent {
        Intent::Running | Intent::Sleeping if network.status.held => RouteState::Asleep,
        Intent::Running | Intent::Sleeping => RouteState::Up,
        Intent::Stopped => RouteState::Stopped,
        Intent::Destroyed => return None,
    };
    let socket = engines.get(network.spec.engine)?.rpc_socket();
    let sockets = record.best_nodes().filter_map(|node| {
        instances.get(&WorkloadId::of_node(&node.id))?.sockets.get(socket).cloned()
    });
    let local_port = network.spec.local_port;
    Some(Route {
        network_id: network.id.clone(),
        organization_id: Some(network.organization.clone()),
        keys: network.keys.iter().map(EndpointKeyRow::route).collect(),
        upstreams: sockets.collect(),
        cors_origins: network.spec.cors_origins.clone(),
        state,
        idle_after_ms: u64::from(network.spec.sleep_after_s) * 1_000,
        // Another program may have the port of a network that is stopped.
        local_port: (local_port > 0 && state != RouteState::Stopped).then_some(local_port),
    })
}
