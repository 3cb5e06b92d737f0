//! What organizations may have and use, and how long networks live, over HTTP.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use windlass_model::{
    ErrorCode, NetworkId,
    api::Accepted,
    budget::{Extension, HourOfUse, OrganizationBudget, Quota},
};

use super::{
    Api,
    access::Caller,
    extract::{Mutation, Path, Query},
    failure::Failure,
    networks::{InNetwork, accepted},
};
use crate::service::Action;

/// Shows what an organization may have, and what it has.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/budget", tag = "budgets",
    operation_id = "get_budget",
    params(("organization" = String, Path, description = "Its name or id")),
    responses((status = 200, description = "Its quota and what of it is used", body = OrganizationBudget)),
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path(organization): Path<String>,
) -> Result<Json<OrganizationBudget>, Failure> {
    let granted = caller.granted(&api, Action::Read, &organization).await?;
    Ok(Json(api.control().budget(&granted).await?))
}

/// Says what an organization may have from now on; what is absent is not limited. The operator's token
/// alone may.
#[utoipa::path(
    put, path = "/v1/organizations/{organization}/quota", tag = "budgets",
    operation_id = "set_quota",
    params(("organization" = String, Path, description = "Its name or id")),
    request_body = Quota,
    responses((status = 200, description = "The quota and what of it is used", body = OrganizationBudget)),
)]
pub(super) async fn set_quota(
    State(api): State<Api>,
    caller: Caller,
    Path(organization): Path<String>,
    mutation: Mutation,
) -> Result<Json<OrganizationBudget>, Failure> {
    let granted = caller.granted(&api, Action::Administer, &organization).await?;
    caller.by_token()?;
    let (quota, meta) = mutation.json::<Quota>()?;
    Ok(Json(api.control().set_quota(&granted, quota, &meta).await?))
}

/// From when to when.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageQuery {
    /// From the hour of this time on, Unix milliseconds; a day before `to_ms` unless said.
    from_ms: Option<u64>,
    /// Up to this time, Unix milliseconds; now unless said. At most 92 days after `from_ms`.
    to_ms: Option<u64>,
    /// Only of the network with this id; it may be gone by now.
    network: Option<String>,
}

/// Lists what an organization's networks used, by network and hour of the clock, the latest first.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/usage", tag = "budgets",
    operation_id = "get_usage",
    params(("organization" = String, Path, description = "Its name or id"), UsageQuery),
    responses((status = 200, description = "The hours in which something was used", body = Vec<HourOfUse>)),
)]
pub(super) async fn usage(
    State(api): State<Api>,
    caller: Caller,
    Path(organization): Path<String>,
    Query(UsageQuery { from_ms, to_ms, network }): Query<UsageQuery>,
) -> Result<Json<Vec<HourOfUse>>, Failure> {
    let granted = caller.granted(&api, Action::Read, &organization).await?;
    let network = network.as_deref().map(network_id).transpose()?;
    Ok(Json(api.control().usage(&granted, (from_ms, to_ms), network.as_ref()).await?))
}

fn network_id(text: &str) -> Result<NetworkId, Failure> {
    text.parse().map_err(|_error| {
        Failure::new(
            ErrorCode::InvalidRequest,
            format!("`network` is `{text}`, which is no id of a network"),
            "`windlass network show` has a network's id, and `windlass usage` those that are gone too",
        )
    })
}

/// Puts a network's end off. One whose time is over is brought back, as long as it is not destroyed yet.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/networks/{network}/extend", tag = "networks",
    operation_id = "extend_network",
    params(InNetwork),
    request_body = Extension,
    responses((status = 202, description = "Its end is put off; an operation brings it back if it was stopped",
        body = Accepted)),
)]
pub(super) async fn extend(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
    mutation: Mutation,
) -> Result<(StatusCode, Json<Accepted>), Failure> {
    let granted = place.granted(&api, &caller, Action::Change).await?;
    let (extension, meta) = mutation.json::<Extension>()?;
    let extended = api.control().extend(&granted, &place.network, extension, meta);
    accepted(Box::pin(extended).await)
}
