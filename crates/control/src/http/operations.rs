//! Operations over HTTP: how far an action is, and what came of it.

use std::time::Duration;

use axum::{Json, extract::State};
use serde::Deserialize;
use windlass_model::{ErrorCode, OperationId, api::Page, network::Operation};

use super::{
    Api,
    access::Caller,
    extract::{PageQuery, Path, Query},
    failure::Failure,
};
use crate::service::Action;

/// The longest that one request waits for an operation.
const WAIT_MAX_MS: u64 = 60_000;

/// Lists the operations of an organization, the newest first.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/operations", tag = "operations",
    operation_id = "list_operations",
    params(("organization" = String, Path, description = "Its name or id"), PageQuery),
    responses((status = 200, description = "One page of operations", body = Page<Operation>)),
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller,
    Path(organization): Path<String>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<Operation>>, Failure> {
    let granted = caller.granted(&api, Action::Read, &organization).await?;
    let (cursor, limit) = page.parts()?;
    Ok(Json(api.control().operations(&granted, cursor.as_deref(), limit).await?))
}

/// What showing an operation takes.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct WaitQuery {
    /// Answer when the operation has ended, or after this many milliseconds (60,000 at most).
    #[param(maximum = 60_000)]
    wait_ms: Option<u64>,
}

/// Shows an operation, at once or when it has ended.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/operations/{operation}", tag = "operations",
    operation_id = "get_operation",
    params(
        ("organization" = String, Path, description = "Its name or id"),
        ("operation" = String, Path, description = "Its id"),
        WaitQuery,
    ),
    responses((status = 200, description = "The operation as it is", body = Operation)),
)]
pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    Path((organization, operation)): Path<(String, String)>,
    Query(query): Query<WaitQuery>,
) -> Result<Json<Operation>, Failure> {
    let granted = caller.granted(&api, Action::Read, &organization).await?;
    let Ok(id) = operation.parse::<OperationId>() else {
        return Err(Failure::new(
            ErrorCode::OperationNotFound,
            format!("there is no operation `{operation}`"),
            "an operation's id has the form op-xxxxxxxxxxxxxxxx; list them to find it",
        ));
    };
    let Some(wait_ms) = query.wait_ms.filter(|wait_ms| *wait_ms > 0) else {
        return Ok(Json(api.control().operation(&granted, &id).await?));
    };
    let timeout = Duration::from_millis(wait_ms.min(WAIT_MAX_MS));
    tokio::select! {
        // Both branches only read, so that dropping either loses nothing.
        operation = api.control().wait_operation(&granted, &id, timeout) => Ok(Json(operation?)),
        () = api.shutdown().cancelled() => Ok(Json(api.control().operation(&granted, &id).await?)),
    }
}
