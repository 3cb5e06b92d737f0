//! The gateway's own answers: problems, and the same as JSON-RPC errors where a client decodes those.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER},
};
use serde::Deserialize;
use serde_json::{Value, json};
use windlass_model::{
    error::{ErrorCode, Problem},
    route::RateLimit,
};

use crate::{
    limit::TooEarly,
    rate::{Refusal, Whose},
};

/// Why a body ends early.
pub(crate) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A body: a node's, streamed, or one of the gateway's own.
pub(crate) type Body = BoxBody<Bytes, Failure>;

/// What a client should wait before it asks again, in seconds.
const RETRY_SECONDS: u16 = 2;

/// The JSON-RPC code for every other refusal of the gateway: the first of the range for servers' own use.
/// The problem's code stands in the error's `data`.
const SERVER_ERROR: i64 = -32000;

/// The JSON-RPC code for what came too often, as nodes and public endpoints have it.
const LIMIT_EXCEEDED: i64 = -32005;

/// More of a batch is not answered one by one.
const LARGEST_BATCH: usize = 1000;

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

pub(crate) fn json(status: StatusCode, value: &impl serde::Serialize) -> Response<Body> {
    let bytes = serde_json::to_vec(value).expect("answers have string keys only");
    let mut response = Response::new(full(bytes));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// A refusal, in the form that the request's sender decodes.
pub(crate) fn refuse(problem: &Problem, request_body: Option<&Bytes>) -> Response<Body> {
    let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = if let Some(ids) = request_body.and_then(|body| envelope(body)) {
        json(status, &json_rpc(problem, ids))
    } else {
        let mut response = json(status, problem);
        let content_type = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    };
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
    }
    response
}

pub(crate) fn unknown_network() -> Problem {
    Problem::new(
        ErrorCode::NetworkNotFound,
        "no network is served at this URL",
        "`windlass network show` prints a network's URL",
    )
}

pub(crate) fn wrong_key() -> Problem {
    Problem::new(
        ErrorCode::Unauthenticated,
        "the key in the URL does not open this network, or does not any more",
        "`windlass network show` prints the URL with the default key; `windlass network key ls` lists all",
    )
}

/// Calls that came too early for a rate, or a batch that is too large for it.
pub(crate) fn too_often(refusal: &Refusal, request_body: &Bytes) -> Response<Body> {
    let mut response = refuse(&beyond_rate(refusal), Some(request_body));
    if let TooEarly::For(wait) = refusal.early {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds(wait)));
    }
    response
}

/// Whole seconds after which a wait is over.
fn seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(1)
}

/// What was asked beyond a rate: whose it is, what it allows, and when to come again.
pub(crate) fn beyond_rate(refusal: &Refusal) -> Problem {
    let Refusal { whose, limit: RateLimit { per_second, burst }, calls, early } = refusal;
    let (who, larger_rate, larger_burst) = match whose {
        Whose::Key(name) => (
            format!("the key `{name}` takes"),
            "use a key with a higher rate",
            "use a key with a higher burst",
        ),
        Whose::Organization => (
            "all networks of the organization together take".to_owned(),
            "have the operator raise it: windlass quota set --requests",
            "have the operator raise it: windlass quota set --requests",
        ),
    };
    let (detail, hint) = match early {
        TooEarly::For(wait) => (
            format!("limit exceeded: {who} {per_second} calls a second, {burst} at once"),
            format!("try again in {} s, or {larger_rate}", seconds(*wait)),
        ),
        TooEarly::AtOnce => (
            format!("limit exceeded: the batch has {calls} calls, and {who} {burst} at once"),
            format!("send smaller batches, or {larger_burst}"),
        ),
    };
    Problem::new(ErrorCode::RateLimited, detail, hint)
}

/// What is sent back over a `WebSocket` for a message that is not passed on: an error for every call in it
/// that has an id, or one without an id where there is none, or none can be read.
pub(crate) fn over_websocket(problem: &Problem, message: &[u8]) -> Vec<u8> {
    let ids = envelope(message).unwrap_or(Ids::One(Value::Null));
    serde_json::to_vec(&json_rpc(problem, ids)).expect("answers have string keys only")
}

pub(crate) fn stopped() -> Problem {
    let problem = Problem::new(
        ErrorCode::NetworkStopped,
        "the network is stopped",
        "`windlass network start` starts it; the URL stays the same",
    );
    Problem { status: StatusCode::SERVICE_UNAVAILABLE.as_u16(), ..problem }
}

/// As many requests wait for a sleeping network as may.
pub(crate) fn too_many_wait() -> Box<Problem> {
    Box::new(Problem::new(
        ErrorCode::NetworkUnavailable,
        "the network sleeps, and as many requests as may wait for it to wake",
        "try again in a moment",
    ))
}

pub(crate) fn still_asleep(waited: Duration) -> Problem {
    Problem::new(
        ErrorCode::NetworkUnavailable,
        format!("the network sleeps, and did not wake within {} s", waited.as_secs()),
        "`windlass network show` says why; it needs the platform (`windlass up`) to wake",
    )
}

pub(crate) fn unavailable(detail: impl Into<String>) -> Problem {
    Problem::new(
        ErrorCode::NetworkUnavailable,
        detail,
        "try again in a moment; `windlass network show` tells how its nodes are",
    )
}

pub(crate) fn origin_refused() -> Problem {
    Problem::new(
        ErrorCode::OriginRefused,
        "web pages of this origin may not use the network",
        "add the origin to `cors_origins` in the network's spec",
    )
}

pub(crate) fn host_refused() -> Problem {
    Problem::new(
        ErrorCode::HostRefused,
        "this host name is not served here",
        "use 127.0.0.1 or localhost",
    )
}

pub(crate) fn too_large(limit: usize) -> Problem {
    Problem::new(
        ErrorCode::PayloadTooLarge,
        format!("a request's body may have {limit} bytes"),
        "send smaller batches",
    )
}

pub(crate) fn malformed(detail: impl Into<String>) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail, "see the message")
}

/// The ids of a JSON-RPC request: one, or those of a batch.
enum Ids {
    One(Value),
    Batch(Vec<Value>),
}

#[derive(Deserialize)]
struct Call {
    #[serde(rename = "jsonrpc")]
    _version: serde::de::IgnoredAny,
    #[serde(default)]
    id: Value,
}

/// The ids in a request's body, if it is JSON-RPC.
fn envelope(body: &[u8]) -> Option<Ids> {
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        let calls: Vec<Call> = serde_json::from_slice(body).ok()?;
        let ids: Vec<_> =
            calls.into_iter().map(|call| call.id).filter(|id| !id.is_null()).collect();
        (!ids.is_empty() && ids.len() <= LARGEST_BATCH).then_some(Ids::Batch(ids))
    } else {
        serde_json::from_slice::<Call>(body).ok().map(|call| Ids::One(call.id))
    }
}

fn json_rpc(problem: &Problem, ids: Ids) -> Value {
    let code = if problem.code == ErrorCode::RateLimited { LIMIT_EXCEEDED } else { SERVER_ERROR };
    let message = format!("{}: {}", problem.detail, problem.hint);
    let error = |id: Value| {
        json!({
            "jsonrpc": "2.0",
            "id": id,
            "error": {
                "code": code,
                "message": message,
                "data": { "code": problem.code, "hint": problem.hint },
            },
        })
    };
    match ids {
        Ids::One(id) => error(id),
        Ids::Batch(ids) => Value::Array(ids.into_iter().map(error).collect()),
    }
}
