//! Networks over HTTP: intent in, objects and logs out.

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::StreamExt;
use serde::Deserialize;
use windlass_model::{
    LeaseId,
    api::{Accepted, ApplyPlan, BlockSummary, Page},
    network::Network,
    spec::Manifest,
};

use super::{
    Api,
    access::Caller,
    extract::{Mutation, PageQuery, Path, Query, check_limit},
    failure::Failure,
};
use crate::service::{Action, Answer, Follow, Granted, LogOptions};

/// The most blocks of one answer.
const BLOCKS_MAX: u32 = 25;
/// The most lines that a tail may ask for.
const TAIL_MAX: u32 = 100_000;

/// Which network.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct InNetwork {
    /// Its name or id
    pub(super) organization: String,
    /// Its name or id
    pub(super) network: String,
}

impl InNetwork {
    pub(super) async fn granted(
        &self,
        api: &Api,
        caller: &Caller,
        action: Action,
    ) -> Result<Granted, Failure> {
        caller.granted(api, action, &self.organization).await
    }
}

/// The answer to a change: it is written down, and its operation carries it out.
pub(super) fn accepted(answer: Answer<Accepted>) -> Result<(StatusCode, Json<Accepted>), Failure> {
    Ok((StatusCode::ACCEPTED, Json(answer?)))
}

/// Lists the networks of an organization.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks", tag = "networks",
    operation_id = "list_networks",
    params(("organization" = String, Path, description = "Its name or id"), PageQuery),
    responses((status = 200, description = "One page of networks", body = Page<Network>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(organization): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Network>>, Failure> {
    let granted = caller.granted(&api, Action::Read, &organization).await?;
    let (cursor, limit) = page.parts()?;
    Ok(Json(api.control().networks(&granted, cursor.as_deref(), limit).await?))
}

/// What a create takes beside the spec.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateQuery {
    /// A lease in the platform's data directory that the caller holds: when nobody holds it any more,
    /// the network is destroyed. `windlass run` makes one.
    lease: Option<LeaseId>,
}

/// Declares a network. The answer's operation tells when it is usable.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/networks", tag = "networks",
    operation_id = "create_network",
    params(("organization" = String, Path, description = "Its name or id"), CreateQuery),
    request_body = Manifest,
    responses((status = 202, description = "Declared; the operation brings it up", body = Accepted)),
)]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Path(organization): Path<String>,
    Query(CreateQuery { lease }): Query<CreateQuery>,
    mutation: Mutation,
) -> Result<(StatusCode, Json<Accepted>), Failure> {
    let granted = caller.granted(&api, Action::Create, &organization).await?;
    let (manifest, meta) = mutation.spec::<Manifest>()?;
    accepted(Box::pin(api.control().declare_under(&granted, manifest, lease, meta)).await)
}

/// Shows a network.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}", tag = "networks",
    operation_id = "get_network",
    params(InNetwork),
    responses((status = 200, description = "The network", body = Network)),
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
) -> Result<Response, Failure> {
    let granted = place.granted(&api, &caller, Action::Read).await?;
    let network = api.control().network(&granted, &place.network).await?;
    let tag = HeaderValue::from_str(&format!("\"{}\"", network.resource_version));
    let mut response = Json(network).into_response();
    response.headers_mut().insert(header::ETAG, tag.expect("digits in quotes are visible ASCII"));
    Ok(response)
}

/// What an apply takes.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ApplyQuery {
    /// `true` answers what would change, and changes nothing.
    #[serde(default)]
    dry_run: bool,
}

/// Makes a network what the spec says: declares it, changes it, or leaves it.
#[utoipa::path(
    put, path = "/v1/organizations/{organization}/networks/{network}", tag = "networks",
    operation_id = "apply_network",
    params(
        InNetwork,
        ApplyQuery,
    ),
    request_body = Manifest,
    responses(
        (status = 200, description = "With dry_run: what would change", body = ApplyPlan),
        (status = 202, description = "Written down; no operation where nothing was to be done",
         body = Accepted),
    ),
)]
pub(super) async fn apply(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
    Query(query): Query<ApplyQuery>,
    mutation: Mutation,
) -> Result<Response, Failure> {
    let granted = place.granted(&api, &caller, Action::Change).await?;
    let (manifest, meta) = mutation.spec::<Manifest>()?;
    if query.dry_run {
        let plan = api.control().plan_apply(&granted, &place.network, &manifest).await?;
        return Ok(Json(plan).into_response());
    }
    let applied = api.control().apply(&granted, &place.network, manifest, meta);
    Ok(accepted(Box::pin(applied).await)?.into_response())
}

/// Destroys a network: nothing of it is left, and the operation's receipt says so.
#[utoipa::path(
    delete, path = "/v1/organizations/{organization}/networks/{network}", tag = "networks",
    operation_id = "destroy_network",
    params(InNetwork),
    responses((status = 202, description = "The operation takes it apart", body = Accepted)),
)]
pub(super) async fn destroy(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
    mutation: Mutation,
) -> Result<(StatusCode, Json<Accepted>), Failure> {
    let granted = place.granted(&api, &caller, Action::Destroy).await?;
    accepted(Box::pin(api.control().destroy(&granted, &place.network, mutation.meta)).await)
}

/// Ends a network's processes and keeps everything else.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/networks/{network}/stop", tag = "networks",
    operation_id = "stop_network",
    params(InNetwork),
    responses((status = 202, description = "The operation stops it", body = Accepted)),
)]
pub(super) async fn stop(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
    mutation: Mutation,
) -> Result<(StatusCode, Json<Accepted>), Failure> {
    let granted = place.granted(&api, &caller, Action::Change).await?;
    accepted(Box::pin(api.control().stop(&granted, &place.network, mutation.meta)).await)
}

/// Brings a stopped network back, at the same endpoint.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/networks/{network}/start", tag = "networks",
    operation_id = "start_network",
    params(InNetwork),
    responses((status = 202, description = "The operation starts it", body = Accepted)),
)]
pub(super) async fn start(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
    mutation: Mutation,
) -> Result<(StatusCode, Json<Accepted>), Failure> {
    let granted = place.granted(&api, &caller, Action::Change).await?;
    accepted(Box::pin(api.control().start(&granted, &place.network, mutation.meta)).await)
}

/// Ends a network's processes until the next request to its endpoint wakes it.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/networks/{network}/sleep", tag = "networks",
    operation_id = "sleep_network",
    params(InNetwork),
    responses((status = 202, description = "The operation lets it sleep", body = Accepted)),
)]
pub(super) async fn sleep(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
    mutation: Mutation,
) -> Result<(StatusCode, Json<Accepted>), Failure> {
    let granted = place.granted(&api, &caller, Action::Change).await?;
    accepted(Box::pin(api.control().sleep(&granted, &place.network, mutation.meta)).await)
}

/// Wakes a network that sleeps, before a request does.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/networks/{network}/wake", tag = "networks",
    operation_id = "wake_network",
    params(InNetwork),
    responses((status = 202, description = "The operation wakes it", body = Accepted)),
)]
pub(super) async fn wake(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
    mutation: Mutation,
) -> Result<(StatusCode, Json<Accepted>), Failure> {
    let granted = place.granted(&api, &caller, Action::Change).await?;
    accepted(Box::pin(api.control().wake(&granted, &place.network, mutation.meta)).await)
}

/// What a list of blocks takes.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct BlocksQuery {
    /// How many blocks at most, 1 to 25; 10 unless said.
    #[param(minimum = 1, maximum = 25)]
    limit: Option<u32>,
}

/// Lists a network's last blocks, the newest first.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}/blocks", tag = "networks",
    operation_id = "list_blocks",
    params(
        InNetwork,
        BlocksQuery,
    ),
    responses((status = 200, description = "The last blocks", body = Vec<BlockSummary>)),
)]
pub(super) async fn blocks(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
    Query(query): Query<BlocksQuery>,
) -> Result<Json<Vec<BlockSummary>>, Failure> {
    let granted = place.granted(&api, &caller, Action::Read).await?;
    let limit = query.limit.unwrap_or(10);
    check_limit(limit, BLOCKS_MAX)?;
    Ok(Json(api.control().blocks(&granted, &place.network, limit).await?))
}

/// What reading a log takes.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LogsQuery {
    /// How many of the last lines to begin with; all that are kept unless said.
    tail: Option<u32>,
    /// `true` waits for new lines.
    #[serde(default)]
    follow: bool,
}

/// Streams a node's log, one line of JSON at a time.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}/nodes/{node}/logs",
    tag = "networks", operation_id = "read_logs",
    params(
        ("organization" = String, Path, description = "Its name or id"),
        ("network" = String, Path, description = "Its name or id"),
        ("node" = String, Path, description = "Its name, its id or its index"),
        LogsQuery,
    ),
    responses((status = 200, description = "The lines", body = String, content_type = "text/plain")),
)]
pub(super) async fn logs(
    State(api): State<Api>,
    caller: Caller,
    Path((organization, network, node)): Path<(String, String, String)>,
    Query(query): Query<LogsQuery>,
) -> Result<Response, Failure> {
    let granted = caller.granted(&api, Action::Read, &organization).await?;
    if let Some(tail) = query.tail.filter(|tail| *tail > 0) {
        check_limit(tail, TAIL_MAX)?;
    }
    let options = LogOptions {
        follow: if query.follow { Follow::Yes } else { Follow::No },
        tail: query.tail.and_then(|tail| usize::try_from(tail).ok()),
    };
    let lines = api.control().logs(&granted, &network, &node, options).await?;
    let lines = lines.map(|line: Answer<String>| {
        line.map(|mut line| {
            line.push('\n');
            Bytes::from(line)
        })
    });
    let body = Body::from_stream(lines.take_until(api.shutdown().clone().cancelled_owned()));
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}
