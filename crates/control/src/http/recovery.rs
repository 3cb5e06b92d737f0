//! Export and recovery over HTTP.

use axum::{
    Json,
    body::Body,
    extract::{FromRequest, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::StreamExt;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use windlass_model::{
    ErrorCode, Problem,
    api::Accepted,
    recovery::{RecoverySignature, SignRecovery},
};

use super::{
    Api,
    access::Caller,
    extract::{BODY_LIMIT, Mutation, Path, Query, meta_of},
    failure::Failure,
    networks::{InNetwork, accepted},
};
use crate::service::{Action, Answer, Force, RequestMeta, Upload};

/// Streams the whole state of a network after its newest block, with the proof that the block is
/// final: docs/protocol/recovery.md has the format. If the chain moves on meanwhile, the last line is
/// a problem document, and the export is to be begun again.
#[utoipa::path(
    get, path = "/v1/organizations/{organization}/networks/{network}/export", tag = "networks",
    operation_id = "export_network", params(InNetwork),
    responses((
        status = 200, description = "Lines of JSON", body = String,
        content_type = "application/x-ndjson",
    )),
)]
pub(super) async fn export(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
) -> Result<Response, Failure> {
    let granted = place.granted(&api, &caller, Action::Read).await?;
    let lines = api.control().export(&granted, &place.network).await?;
    let lines = lines.map(|piece: Answer<Bytes>| {
        piece.or_else(|problem| {
            let mut line = serde_json::to_vec(&problem)?;
            line.push(b'\n');
            Ok::<_, serde_json::Error>(Bytes::from(line))
        })
    });
    let body = Body::from_stream(lines.take_until(api.shutdown().clone().cancelled_owned()));
    let headers =
        [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, body).into_response())
}

/// Signs a recovery file for a member whose key the platform holds. Nothing is changed: whoever has
/// the signature adds it to the file.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/networks/{network}/recovery/signatures",
    tag = "networks", operation_id = "sign_recovery", params(InNetwork),
    request_body = SignRecovery,
    responses((status = 200, description = "The signature", body = RecoverySignature)),
)]
pub(super) async fn sign(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
    mutation: Mutation,
) -> Result<Json<RecoverySignature>, Failure> {
    let granted = place.granted(&api, &caller, Action::Govern).await?;
    let (request, meta) = mutation.json::<SignRecovery>()?;
    let signed = api.control().sign_recovery(&granted, &place.network, request, meta);
    Ok(Json(signed.await?))
}

/// How a recovery is meant.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RecoverQuery {
    /// `true` recovers a network that can make blocks by itself, if every member signed.
    #[serde(default)]
    force: bool,
}

/// A body whose first line is a recovery file and whose rest is an export.
pub(super) struct Files {
    meta: RequestMeta,
    upload: Upload,
}

impl FromRequest<Api> for Files {
    type Rejection = Failure;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let path = api.control().new_upload();
        let written = async {
            if let Some(exports) = path.parent() {
                tokio::fs::create_dir_all(exports).await?;
            }
            tokio::fs::File::create_new(&path).await
        };
        let mut file = written.await.map_err(|error| unwritten(&error))?;
        // From here on the file goes with the value.
        let mut upload = Upload { recovery: String::new(), export: path };
        let mut hash = Sha256::new();
        let mut first = Some(Vec::new());
        let mut body = body.into_data_stream();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|_broken| unfinished())?;
            hash.update(&chunk);
            let mut rest = &chunk[..];
            if let Some(line) = &mut first {
                let end = rest.iter().position(|byte| *byte == b'\n');
                let (taken, after) = rest.split_at(end.unwrap_or(rest.len()));
                line.extend_from_slice(taken);
                if line.len() > BODY_LIMIT {
                    return Err(too_long());
                }
                rest = match end {
                    Some(_) => {
                        let line = first.take().unwrap_or_default();
                        upload.recovery = String::from_utf8(line).map_err(|_odd| no_text())?;
                        after.get(1..).unwrap_or_default()
                    }
                    None => continue,
                };
            }
            file.write_all(rest).await.map_err(|error| unwritten(&error))?;
        }
        if first.is_some() {
            return Err(unfinished());
        }
        file.sync_all().await.map_err(|error| unwritten(&error))?;
        let meta = meta_of(&parts, &hash.finalize(), api)?;
        Ok(Self { meta, upload })
    }
}

/// Has a network begin anew with the state of an export, because its members signed the recovery file.
/// The body is the recovery file in one line, and behind it the export as it is.
#[utoipa::path(
    post, path = "/v1/organizations/{organization}/networks/{network}/recovery",
    tag = "networks", operation_id = "recover_network",
    params(InNetwork, RecoverQuery),
    request_body(content = String, content_type = "application/x-ndjson"),
    responses((status = 202, description = "Declared; the operation begins anew", body = Accepted)),
)]
pub(super) async fn recover(
    State(api): State<Api>,
    caller: Caller,
    Path(place): Path<InNetwork>,
    Query(query): Query<RecoverQuery>,
    files: Files,
) -> Result<(StatusCode, Json<Accepted>), Failure> {
    let granted = place.granted(&api, &caller, Action::Change).await?;
    let force = if query.force { Force::Unanimous } else { Force::No };
    let Files { meta, upload } = files;
    let recovered = api.control().recover(&granted, &place.network, (upload, force), meta);
    accepted(Box::pin(recovered).await)
}

fn unwritten(error: &std::io::Error) -> Failure {
    let full = error.kind() == std::io::ErrorKind::StorageFull;
    let code = if full { ErrorCode::DiskFull } else { ErrorCode::DataDirectoryUnusable };
    let hint = "see that the platform may write in its data directory, and that its disk has room";
    Problem::new(code, format!("the export cannot be stored: {error}"), hint).into()
}

fn unfinished() -> Failure {
    Failure::new(
        ErrorCode::InvalidRequest,
        "the body ended before it was complete",
        "send the recovery file in one line, and behind it the export",
    )
}

fn too_long() -> Failure {
    Failure::new(
        ErrorCode::PayloadTooLarge,
        format!("the first line has more than {BODY_LIMIT} bytes"),
        "send the recovery file in one line, and behind it the export",
    )
}

fn no_text() -> Failure {
    Failure::new(
        ErrorCode::RecoveryInvalid,
        "the first line is no text",
        "send the recovery file in one line, and behind it the export",
    )
}
