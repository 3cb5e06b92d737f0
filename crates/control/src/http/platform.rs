//! The platform itself over HTTP: health, status, organizations, shutdown, the API's document.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use windlass_model::api::{Organization, Page, PlatformStatus};

use super::{
    Api, Stop,
    access::Caller,
    extract::{Mutation, PageQuery, Query},
    failure::Failure,
    openapi,
};
use crate::service::ShutdownRequest;

/// That the platform's process serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HealthReport {
    /// Always `serving`: who can answer serves.
    pub status: String,
}

/// Answers that the process serves; needs no credential and tells nothing else.
#[utoipa::path(
    get, path = "/health", tag = "platform", operation_id = "get_health", security(()),
    responses((status = 200, description = "It serves", body = HealthReport)),
)]
pub(super) async fn health() -> Json<HealthReport> {
    Json(HealthReport { status: "serving".to_owned() })
}

/// The document that describes this API.
#[utoipa::path(
    get, path = "/v1/openapi.json", tag = "platform", operation_id = "get_openapi", security(()),
    responses((status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value)),
)]
pub(super) async fn document() -> Response {
    let headers = [(header::CONTENT_TYPE, "application/json")];
    (headers, openapi::document_json()).into_response()
}

/// Shows the platform.
#[utoipa::path(
    get, path = "/v1/status", tag = "platform", operation_id = "get_status",
    responses((status = 200, description = "The platform", body = PlatformStatus)),
)]
pub(super) async fn status(
    State(api): State<Api>,
    _caller: Caller,
) -> Result<Json<PlatformStatus>, Failure> {
    Ok(Json(api.control().status().await?))
}

/// Lists the organizations that the caller may act for.
#[utoipa::path(
    get, path = "/v1/organizations", tag = "platform", operation_id = "list_organizations",
    params(PageQuery),
    responses((status = 200, description = "The organizations", body = Page<Organization>)),
)]
pub(super) async fn organizations(
    State(api): State<Api>,
    caller: Caller,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Organization>>, Failure> {
    let (cursor, limit) = page.parts()?;
    let mut organizations = api.control().organizations(&caller.actor).await?;
    organizations.sort_by(|one, other| one.name.cmp(&other.name));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let begins = cursor.map_or(0, |cursor| {
        organizations.partition_point(|organization| organization.name.as_str() <= &*cursor)
    });
    let more = organizations.len() > begins.saturating_add(limit);
    let items: Vec<_> = organizations.into_iter().skip(begins).take(limit).collect();
    let last = items.last().map(|organization| organization.name.as_str().to_owned());
    Ok(Json(Page { items, next_cursor: last.filter(|_| more) }))
}

/// How the platform is to stop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    /// `true` ends the gateway too: endpoints then answer nothing until the next `up`.
    #[serde(default)]
    pub gateway: bool,
}

/// Ends the platform's process. Networks are not touched.
#[utoipa::path(
    post, path = "/v1/shutdown", tag = "platform", operation_id = "shut_down",
    request_body = Shutdown,
    responses((status = 202, description = "It ends when running requests have been answered")),
)]
pub(super) async fn shut_down(
    State(api): State<Api>,
    caller: Caller,
    mutation: Mutation,
) -> Result<StatusCode, Failure> {
    caller.by_token()?;
    let granted = caller.administers()?;
    let (shutdown, meta) = mutation.json::<Shutdown>()?;
    match api.control().shut_down(&granted, &meta).await? {
        ShutdownRequest::New => {
            api.stop(if shutdown.gateway { Stop::WithGateway } else { Stop::Platform });
        }
        ShutdownRequest::Repeated => {}
    }
    Ok(StatusCode::ACCEPTED)
}
