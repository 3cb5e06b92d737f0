//! The keys of a network's endpoint over HTTP.

use axum::{Json, extract::State, http::StatusCode};
use windlass_model::key::{EndpointKey, KeyRequest, KeyRotation, NewEndpointKey, RevokedKey};

use super::{
    Api,
    access::Caller,
    extract::{Mutation, Path},
    failure::Failure,
    networks::InNetwork,
};
use crate::service::Action;

/// Lists the keys of a network's endpoint, in the order of their making. Their secrets are not shown.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}/keys", tag = "networks",
    operation_id = "list_keys", params(InNetwork),
    responses((status = 200, description = "At most 64 keys", body = Vec<EndpointKey>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
) -> Result<Json<Vec<EndpointKey>>, Failure> {
    let granted = place.granted(&api, &caller, Action::Read).await?;
    Ok(Json(api.control().keys(&granted, &place.network).await?))
}

/// Makes a key for a network's endpoint. Its secret is in the answer and is not shown again; a request
/// that is repeated with its Idempotency-Key is answered with the same one, until the platform ends.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/networks/{network}/keys", tag = "networks",
    operation_id = "create_key", params(InNetwork), request_body = KeyRequest,
    responses((status = 201, description = "The key is in force", body = NewEndpointKey)),
)]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
    mutation: Mutation,
) -> Result<(StatusCode, Json<NewEndpointKey>), Failure> {
    let granted = place.granted(&api, &caller, Action::Change).await?;
    let (request, meta) = mutation.json::<KeyRequest>()?;
    let made = api.control().create_key(&granted, &place.network, request, &meta);
    Ok((StatusCode::CREATED, Json(Box::pin(made).await?)))
}

/// Gives a key another secret. The one before works on for the overlap; without one, what is being
/// served with it is cut.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/networks/{network}/keys/{key}/rotate",
    tag = "networks", operation_id = "rotate_key",
    params(
        ("organization" = String, Path, description = "Its name or id"),
        ("network" = String, Path, description = "Its name or id"),
        ("key" = String, Path, description = "Its name"),
    ),
    request_body = KeyRotation,
    responses((status = 200, description = "The new secret is in force", body = NewEndpointKey)),
)]
pub(super) async fn rotate(
    State(api): State<Api>,
    caller: Caller,
    Path((organization, network, key)): Path<(String, String, String)>,
    mutation: Mutation,
) -> Result<Json<NewEndpointKey>, Failure> {
    let granted = caller.granted(&api, Action::Change, &organization).await?;
    let (rotation, meta) = mutation.json::<KeyRotation>()?;
    let rotated = api.control().rotate_key(&granted, (&network, &key), rotation, &meta);
    Ok(Json(Box::pin(rotated).await?))
}

/// Revokes a key at once: what is being served with it is cut, an open WebSocket too, and the next request
/// with it is refused.
#[utoipa::path(
    delete, path = "/v1/organizations/{organization}/networks/{network}/keys/{key}",
    tag = "networks", operation_id = "revoke_key",
    params(
        ("organization" = String, Path, description = "Its name or id"),
        ("network" = String, Path, description = "Its name or id"),
        ("key" = String, Path, description = "Its name"),
    ),
    responses((status = 200, description = "Nothing is served with it any more", body = RevokedKey)),
)]
pub(super) async fn revoke(
    State(api): State<Api>,
    caller: Caller,
    Path((organization, network, key)): Path<(String, String, String)>,
    mutation: Mutation,
) -> Result<Json<RevokedKey>, Failure> {
    let granted = caller.granted(&api, Action::Change, &organization).await?;
    let revoked = api.control().revoke_key(&granted, (&network, &key), &mutation.meta);
    Ok(Json(Box::pin(revoked).await?))
}
