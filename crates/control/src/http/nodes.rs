//! Nodes over HTTP: those that a network has, and those that come and go while it lives.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use windlass_model::{
    api::Accepted,
    condition::Diagnosis,
    consensus::NetworkConsensus,
    misconduct::NetworkMisconduct,
    network::{Node, NodesRequest},
};

use super::{
    Api,
    access::Caller,
    extract::{Mutation, Path},
    failure::Failure,
    networks::{InNetwork, accepted},
};
use crate::service::Action;

/// Prometheus' text format.
const METRICS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Lists the nodes of a network, with what the chain has of each.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}/nodes", tag = "networks",
    operation_id = "list_nodes", params(InNetwork),
    responses((status = 200, description = "At most 100 nodes", body = Vec<Node>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
) -> Result<Json<Vec<Node>>, Failure> {
    let granted = place.granted(&api, &caller, Action::Read).await?;
    Ok(Json(api.control().nodes(&granted, &place.network).await?))
}

/// Says what consensus is doing, as each node sees it: who leads, who votes, who is missing since
/// when, round-trip times, clock offsets, why no block is made. Nodes that don't answer are named.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}/consensus", tag = "networks",
    operation_id = "show_consensus", params(InNetwork),
    responses((status = 200, description = "What each node says", body = NetworkConsensus)),
)]
pub(super) async fn consensus(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
) -> Result<Json<NetworkConsensus>, Failure> {
    let granted = place.granted(&api, &caller, Action::Read).await?;
    Ok(Json(api.control().consensus(&granted, &place.network).await?))
}

/// Looks at a network now: asks every node, the substrate and the endpoint, each for a few seconds at most,
/// and says what is wrong, since when, whose fault it is and what to do. Of a network that sleeps or is
/// stopped nobody is asked, and nothing wakes it.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}/doctor", tag = "networks",
    operation_id = "examine_network", params(InNetwork),
    responses((status = 200, description = "What is wrong, the gravest first", body = Diagnosis)),
)]
pub(super) async fn doctor(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
) -> Result<Json<Diagnosis>, Failure> {
    let granted = place.granted(&api, &caller, Action::Read).await?;
    Ok(Json(Box::pin(api.control().doctor(&granted, &place.network)).await?))
}

/// Tells which validators each node saw vote twice. Nothing of it is checked here: `windlass network
/// evidence` does, and nodes that don't answer are named.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}/evidence", tag = "networks",
    operation_id = "list_evidence", params(InNetwork),
    responses((status = 200, description = "What each node saw", body = NetworkMisconduct)),
)]
pub(super) async fn evidence(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
) -> Result<Json<NetworkMisconduct>, Failure> {
    let granted = place.granted(&api, &caller, Action::Read).await?;
    Ok(Json(api.control().misconduct(&granted, &place.network).await?))
}

/// Tells what all nodes measure, in Prometheus' text format; the label `node` says of which.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}/metrics", tag = "networks",
    operation_id = "read_metrics", params(InNetwork),
    responses((
        status = 200, description = "The measurements", body = String, content_type = "text/plain"
    )),
)]
pub(super) async fn metrics(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
) -> Result<Response, Failure> {
    let granted = place.granted(&api, &caller, Action::Read).await?;
    let text = api.control().metrics(&granted, &place.network).await?;
    let headers = [(header::CONTENT_TYPE, METRICS_TEXT), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, text).into_response())
}

/// Adds nodes to a network that runs. Those of a member whose key is held here are registered as its
/// observers; the operation's `next` says how they are voted in.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/networks/{network}/nodes", tag = "networks",
    operation_id = "add_nodes", params(InNetwork), request_body = NodesRequest,
    responses((status = 202, description = "Declared; the operation starts them", body = Accepted)),
)]
pub(super) async fn add(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
    mutation: Mutation,
) -> Result<(StatusCode, Json<Accepted>), Failure> {
    let granted = place.granted(&api, &caller, Action::Change).await?;
    let (request, meta) = mutation.json::<NodesRequest>()?;
    let added = api.control().add_nodes(&granted, &place.network, request, meta);
    accepted(Box::pin(added).await)
}

/// Gives a node a new disk: its process and its directory go, and it begins anew by the same name, with the
/// same keys and at the same port, and fetches the chain from the others. A validator does not vote until the
/// epoch ends; where the others would be no quorum, or lack blocks that it has, it is refused. The operation's
/// receipt says what is gone.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/networks/{network}/nodes/{node}/replace",
    tag = "networks", operation_id = "replace_node",
    params(
        ("organization" = String, Path, description = "Its name or id"),
        ("network" = String, Path, description = "Its name or id"),
        ("node" = String, Path, description = "Its name, its id or its index"),
    ),
    responses((status = 202, description = "The operation replaces it", body = Accepted)),
)]
pub(super) async fn replace(
    State(api): State<Api>,
    caller: Caller,
    Path((organization, network, node)): Path<(String, String, String)>,
    mutation: Mutation,
) -> Result<(StatusCode, Json<Accepted>), Failure> {
    let granted = caller.granted(&api, Action::Change, &organization).await?;
    let replaced = api.control().replace_node(&granted, (&network, &node), mutation.meta);
    accepted(Box::pin(replaced).await)
}

/// Leaves nothing of a node. One that votes is refused; the operation's receipt says what is gone.
#[utoipa::path(
    delete, path = "/v1/organizations/{organization}/networks/{network}/nodes/{node}",
    tag = "networks", operation_id = "remove_node",
    params(
        ("organization" = String, Path, description = "Its name or id"),
        ("network" = String, Path, description = "Its name or id"),
        ("node" = String, Path, description = "Its name, its id or its index"),
    ),
    responses((status = 202, description = "The operation takes it apart", body = Accepted)),
)]
pub(super) async fn remove(
    State(api): State<Api>,
    caller: Caller,
    Path((organization, network, node)): Path<(String, String, String)>,
    mutation: Mutation,
) -> Result<(StatusCode, Json<Accepted>), Failure> {
    let granted = caller.granted(&api, Action::Destroy, &organization).await?;
    let removed = api.control().remove_node(&granted, (&network, &node), mutation.meta);
    accepted(Box::pin(removed).await)
}
