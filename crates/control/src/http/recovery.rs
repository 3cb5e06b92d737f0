//! Export and recovery over HTTP.

use std::{io, path::PathBuf};

use axum::{
    Json,
    body::Body,
    extract::{Request, State},
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
use crate::{
    network::shelf,
    service::{Action, Answer, Force, Upload},
};

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
    /// `true` recovers a network that can make blocks by itself, of which a node has newer blocks than
    /// the export, or of which none answers, if every member signed: those of the export, and where
    /// newer blocks are given up those of the newest state as well.
    #[serde(default)]
    force: bool,
}

/// So much of an export is written before it is seen again whether there is room.
const PIECE_BYTES: u64 = 16 << 20;

/// Stores a body whose first line is a recovery file and whose rest is an export. Its hash comes with
/// it. An export may take as much as it leaves free, so that uploads never fill the disk.
async fn receive(
    body: Body,
    path: PathBuf,
    free: impl Fn() -> io::Result<u64>,
) -> Result<(Upload, [u8; 32]), Failure> {
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
    let (mut stored, mut seen) = (0u64, 0u64);
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
        stored = stored.saturating_add(u64::try_from(rest.len()).unwrap_or(u64::MAX));
        if stored - seen >= PIECE_BYTES {
            seen = stored;
            file.flush().await.map_err(|error| unwritten(&error))?;
            if free().map_err(|error| unwritten(&error))? < stored {
                return Err(no_room(stored));
            }
        }
    }
    if first.is_some() {
        return Err(unfinished());
    }
    file.sync_all().await.map_err(|error| unwritten(&error))?;
    Ok((upload, hash.finalize().into()))
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
    request: Request,
) -> Result<(StatusCode, Json<Accepted>), Failure> {
    // Nothing of a body is stored for those who may not.
    let granted = place.granted(&api, &caller, Action::Change).await?;
    let force = if query.force { Force::Unanimous } else { Force::No };
    let (parts, body) = request.into_parts();
    let path = api.control().new_upload();
    let exports = path.parent().unwrap_or(&path).to_owned();
    let (upload, hash) = receive(body, path, || shelf::free_bytes(&exports)).await?;
    let meta = meta_of(&parts, &hash, &api)?;
    let recovered = api.control().recover(&granted, &place.network, (upload, force), meta);
    accepted(Box::pin(recovered).await)
}

fn unwritten(error: &io::Error) -> Failure {
    let full = error.kind() == io::ErrorKind::StorageFull;
    let code = if full { ErrorCode::DiskFull } else { ErrorCode::DataDirectoryUnusable };
    let hint = "see that the platform may write in its data directory, and that its disk has room";
    Problem::new(code, format!("the export cannot be stored: {error}"), hint).into()
}

fn no_room(stored: u64) -> Failure {
    Failure::new(
        ErrorCode::DiskFull,
        format!("the export has more than {stored} bytes, which is more than would stay free"),
        "make room on the disk of the data directory: the export stays there, and each node loads it",
    )
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

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    /// What becomes of an export of so many pieces where so much is free.
    async fn stored(pieces: usize, free: impl Fn() -> u64) -> (Option<ErrorCode>, bool) {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("exports/upload-1");
        let bytes = Bytes::from(vec![b'x'; usize::try_from(PIECE_BYTES).unwrap()]);
        let first = stream::iter([Ok::<_, io::Error>(Bytes::from("{}\n"))]);
        let rest = stream::repeat(bytes).take(pieces).map(Ok);
        let body = Body::from_stream(first.chain(rest));
        let stored = receive(body, path.clone(), || Ok(free())).await;
        let was_there = path.exists();
        let refused = stored.err().map(IntoResponse::into_response);
        assert!(!path.exists(), "it goes with the value");
        (refused.and_then(|answer| answer.extensions().get().copied()), was_there)
    }

    #[tokio::test]
    async fn an_export_takes_no_more_than_it_leaves() {
        assert_eq!(stored(2, || 2 * PIECE_BYTES).await, (None, true));
        assert_eq!(stored(3, || 2 * PIECE_BYTES).await, (Some(ErrorCode::DiskFull), false));
        assert_eq!(stored(0, || 0).await, (None, true));
    }
}
