//! Reading requests: every way in which one can be malformed ends in a problem document.

use axum::{
    body::to_bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{HeaderMap, header, request::Parts},
};
use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};
use windlass_model::ErrorCode;

use super::{
    Api,
    audit::{Note, request_hash},
    failure::Failure,
};
use crate::service::RequestMeta;

/// The most bytes of a request's body.
pub(super) const BODY_LIMIT: usize = 1 << 20;
/// The header that makes a repeated POST act once.
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Items of a page unless said.
const PAGE_DEFAULT: u32 = 50;
/// The most items of a page.
const PAGE_MAX: u32 = 200;

/// Values of the path.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Path), rejection(Failure))]
pub(super) struct Path<T>(pub(super) T);

/// Values of the query.
#[derive(Debug, FromRequestParts)]
#[from_request(via(axum::extract::Query), rejection(Failure))]
pub(super) struct Query<T>(pub(super) T);

/// What every list takes.
#[derive(Clone, Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    /// Where to begin: `next_cursor` of the page before.
    cursor: Option<String>,
    /// How many items at most, 1 to 200; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
}

impl PageQuery {
    /// The cursor and the limit, checked.
    pub(super) fn parts(self) -> Result<(Option<String>, u32), Failure> {
        let limit = self.limit.unwrap_or(PAGE_DEFAULT);
        check_limit(limit, PAGE_MAX)?;
        Ok((self.cursor, limit))
    }
}

/// Refuses a limit outside 1 to `most`.
pub(super) fn check_limit(limit: u32, most: u32) -> Result<(), Failure> {
    if (1..=most).contains(&limit) {
        return Ok(());
    }
    Err(Failure::new(
        ErrorCode::InvalidRequest,
        format!("`limit` is {limit}; it must be from 1 to {most}"),
        format!("give `limit` a value from 1 to {most}, or leave it out"),
    ))
}

/// A request that changes something: its body, and what makes it safe to repeat.
#[derive(Debug)]
pub(super) struct Mutation {
    /// Idempotency key, request hash, expected version and time.
    pub(super) meta: RequestMeta,
    body: Bytes,
    json: bool,
}

impl FromRequest<Api> for Mutation {
    type Rejection = Failure;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, BODY_LIMIT).await.map_err(|error| unreadable(&error))?;
        let meta = meta_of(&parts, &body, api)?;
        Ok(Self { meta, body, json: has_json(&parts.headers) })
    }
}

/// What makes a change safe to repeat, and stands for it in the audit log. Of a body that is too long
/// to be held, `body` is its hash.
pub(super) fn meta_of(parts: &Parts, body: &[u8], api: &Api) -> Result<RequestMeta, Failure> {
    let request_hash = request_hash(&parts.method, &parts.uri, body);
    if let Some(note) = parts.extensions.get::<Note>() {
        note.request(request_hash);
    }
    Ok(RequestMeta {
        idempotency_key: idempotency_key(&parts.headers)?,
        request_hash,
        if_version: if_version(&parts.headers)?,
        now_ms: api.now_ms(),
    })
}

impl Mutation {
    /// The body as JSON, and the rest.
    pub(super) fn json<T: DeserializeOwned>(self) -> Result<(T, RequestMeta), Failure> {
        self.parse(ErrorCode::InvalidRequest)
    }

    /// The body as a spec: a wrong field of it has the code of a wrong spec.
    pub(super) fn spec<T: DeserializeOwned>(self) -> Result<(T, RequestMeta), Failure> {
        self.parse(ErrorCode::InvalidSpec)
    }

    fn parse<T: DeserializeOwned>(self, wrong: ErrorCode) -> Result<(T, RequestMeta), Failure> {
        if !self.json {
            return Err(Failure::new(
                ErrorCode::InvalidRequest,
                "the body is not declared as JSON",
                "send it with `Content-Type: application/json`",
            ));
        }
        Ok((windlass_model::read::json(&self.body, wrong)?, self.meta))
    }
}

fn unreadable(error: &axum::Error) -> Failure {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(cause) = source {
        if cause.is::<http_body_util::LengthLimitError>() {
            return Failure::new(
                ErrorCode::PayloadTooLarge,
                format!("the body has more than {BODY_LIMIT} bytes"),
                "send a smaller body; a spec of a network needs a few kilobytes",
            );
        }
        source = cause.source();
    }
    Failure::new(
        ErrorCode::InvalidRequest,
        "the body ended before it was complete",
        "send the request again",
    )
}

fn has_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = declared.and_then(|value| value.split(';').next()).map(str::trim);
    essence.is_some_and(|essence| {
        essence.eq_ignore_ascii_case("application/json") || essence.ends_with("+json")
    })
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Failure> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    match value.to_str() {
        Ok(key) if !key.is_empty() && key.len() <= 200 => Ok(Some(key.to_owned())),
        Ok(_) | Err(_) => Err(Failure::new(
            ErrorCode::InvalidRequest,
            "the Idempotency-Key is not 1 to 200 visible ASCII characters",
            "send a random UUID, a new one for every new request",
        )),
    }
}

fn if_version(headers: &HeaderMap) -> Result<Option<u64>, Failure> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    match text.trim_matches('"').parse() {
        Ok(version) => Ok(Some(version)),
        Err(_) => Err(Failure::new(
            ErrorCode::InvalidRequest,
            "the If-Match header is not a resource version",
            "send the object's `resource_version`, such as If-Match: \"17\"",
        )),
    }
}
