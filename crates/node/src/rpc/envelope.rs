//! What is wrong with a request around its method: answered as [JSON-RPC 2.0] asks for.
//!
//! The server library takes a call whose id it can't hold (negative, fractional, a boolean, an
//! object) for one without an id, which is never answered. A client that waits for an answer is told
//! here what is wrong. In a batch, such a call becomes an entry that the library refuses.
//!
//! What the request's key allows goes with it from here on, into every call of a batch and of a `WebSocket`.
//!
//! An answer that another node would give otherwise has the status 421, [Misdirected Request], so that
//! whoever passes requests on asks another node without reading answers.
//!
//! [JSON-RPC 2.0]: https://www.jsonrpc.org/specification
//! [Misdirected Request]: https://www.rfc-editor.org/rfc/rfc9110#status.421

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::{Method, StatusCode, body::Body, header::CONTENT_LENGTH};
use jsonrpsee::core::BoxError;
use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse, http::response};
use jsonrpsee::types::{ErrorObjectOwned, Id, Response, ResponsePayload};
use serde::Deserialize;
use serde_json::value::RawValue;
use tower::{Layer, Service};
use windlass_model::route::{CLIENT, REPEATED, SCOPE};

use super::{
    args::{Attempt, Reach},
    geth::Elsewhere,
    limits,
};

/// Code of a request that is JSON and no JSON-RPC.
const INVALID_REQUEST: i32 = -32600;

/// Puts [`EnvelopeService`] around the server's own.
#[derive(Clone, Copy, Debug)]
pub(super) struct EnvelopeLayer;

/// Answers what is no request, and hands on the others.
#[derive(Clone, Debug)]
pub(super) struct EnvelopeService<S> {
    inner: S,
}

impl<S> Layer<S> for EnvelopeLayer {
    type Service = EnvelopeService<S>;

    fn layer(&self, inner: S) -> EnvelopeService<S> {
        EnvelopeService { inner }
    }
}

impl<S, B> Service<HttpRequest<B>> for EnvelopeService<S>
where
    S: Service<HttpRequest<HttpBody>, Response = HttpResponse, Error = BoxError>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: HttpRequest<B>) -> Self::Future {
        let mut inner = self.inner.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            // Of a WebSocket too: what its first request may, its messages may.
            if parts.headers.contains_key(SCOPE) {
                parts.extensions.insert(Reach::Reading);
            } else if parts.headers.contains_key(CLIENT) {
                parts.extensions.insert(Reach::Sending);
            }
            if parts.method != Method::POST {
                return inner.call(HttpRequest::from_parts(parts, HttpBody::new(body))).await;
            }
            if parts.headers.contains_key(REPEATED) {
                parts.extensions.insert(Attempt::Repeated);
            }
            let limit = usize::try_from(limits::REQUEST_BYTES).unwrap_or(usize::MAX);
            let body = match Limited::new(body, limit).collect().await {
                Ok(body) => body.to_bytes(),
                Err(error) if error.is::<LengthLimitError>() => {
                    return Ok(response::too_large(limits::REQUEST_BYTES));
                }
                Err(error) => return Err(error),
            };
            let body = match judge(&body) {
                Verdict::Fine => HttpBody::from(body.to_vec()),
                Verdict::Mended(mended) => {
                    parts.headers.remove(CONTENT_LENGTH);
                    HttpBody::from(mended)
                }
                Verdict::Refused { id, reason } => return Ok(refused(id, &reason)),
            };
            let mut answer = inner.call(HttpRequest::from_parts(parts, body)).await?;
            if answer.extensions().get::<Elsewhere>().is_some() {
                *answer.status_mut() = StatusCode::MISDIRECTED_REQUEST;
            }
            Ok(answer)
        })
    }
}

#[derive(Debug, PartialEq)]
enum Verdict {
    /// It is left to the server, which also answers what is no JSON.
    Fine,
    /// A batch in which what can't be answered is replaced by `null`, which is refused.
    Mended(String),
    Refused {
        id: Id<'static>,
        reason: String,
    },
}

/// What of a call is looked at.
#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<&'a RawValue>,
}

fn judge(body: &[u8]) -> Verdict {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => match serde_json::from_slice(body) {
            Ok(envelope) => judge_one(&envelope),
            // A field twice: which of the two is meant?
            Err(error) if error.is_data() => {
                let reason = "a field is there twice".to_owned();
                Verdict::Refused { id: Id::Null, reason }
            }
            Err(_) => Verdict::Fine,
        },
        Some(b'[') => judge_batch(body).unwrap_or(Verdict::Fine),
        _ => Verdict::Fine,
    }
}

fn judge_one(envelope: &Envelope<'_>) -> Verdict {
    let id = match envelope.id.map(|raw| serde_json::from_str::<Id<'_>>(raw.get())) {
        None => Id::Null,
        Some(Ok(id)) => id.into_owned(),
        Some(Err(_)) => {
            let reason = "id must be a string, an integer from 0 to 2^64-1, or null".to_owned();
            return Verdict::Refused { id: Id::Null, reason };
        }
    };
    if envelope.method.is_none() {
        return Verdict::Refused { id, reason: "method is missing".to_owned() };
    }
    Verdict::Fine
}

fn judge_batch(body: &[u8]) -> Option<Verdict> {
    let calls: Vec<&RawValue> = serde_json::from_slice(body).ok()?;
    let answerable = |call: &&RawValue| {
        let envelope = serde_json::from_str(call.get());
        !envelope.is_ok_and(|envelope| {
            matches!(judge_one(&envelope), Verdict::Refused { id: Id::Null, .. })
        })
    };
    if calls.iter().all(answerable) {
        return Some(Verdict::Fine);
    }
    let mended: Vec<&str> =
        calls.iter().map(|call| if answerable(call) { call.get() } else { "null" }).collect();
    Some(Verdict::Mended(format!("[{}]", mended.join(","))))
}

fn refused(id: Id<'static>, reason: &str) -> HttpResponse {
    let error =
        ErrorObjectOwned::owned(INVALID_REQUEST, format!("invalid request: {reason}"), None::<()>);
    let answer = Response::new(ResponsePayload::<()>::error(error), id);
    response::ok_response(serde_json::to_string(&answer).expect("an error serialises"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(body: &str) -> Option<(Id<'static>, String)> {
        match judge(body.as_bytes()) {
            Verdict::Refused { id, reason } => Some((id, reason)),
            Verdict::Fine | Verdict::Mended(_) => None,
        }
    }

    #[test]
    fn ids_that_cannot_be_answered_are_refused() {
        for id in ["-1", "1.5", "true", "{}", "[1]", "18446744073709551616"] {
            let (answered, reason) =
                refusal(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_chainId"}}"#))
                    .unwrap_or_else(|| panic!("{id} was accepted"));
            assert_eq!(answered, Id::Null);
            assert!(reason.starts_with("id must be"), "{reason}");
        }
        for id in ["0", "18446744073709551615", "null", r#""""#, r#""\u0041""#] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"eth_chainId"}}"#);
            assert_eq!(judge(body.as_bytes()), Verdict::Fine, "{id}");
        }
        assert_eq!(judge(br#"{"jsonrpc":"2.0","method":"a notification"}"#), Verdict::Fine);
    }

    #[test]
    fn what_names_no_method_is_refused_with_its_id() {
        assert_eq!(refusal("{}"), Some((Id::Null, "method is missing".to_owned())));
        assert_eq!(refusal(r#" {"id":7}"#), Some((Id::Number(7), "method is missing".to_owned())));
        let twice = refusal(r#"{"id":1,"id":2,"method":"eth_chainId"}"#).map(|(id, _)| id);
        assert_eq!(twice, Some(Id::Null));
        for left in ["", "1", "{", "nonsense"] {
            assert_eq!(judge(left.as_bytes()), Verdict::Fine, "the server answers {left:?}");
        }
    }

    #[test]
    fn a_batch_keeps_what_is_fine() {
        let fine = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
        assert_eq!(judge(format!("[{fine},{fine}]").as_bytes()), Verdict::Fine);
        let mixed = format!(r#"[{fine},{{"id":-1,"method":"eth_chainId"}},3]"#);
        assert_eq!(judge(mixed.as_bytes()), Verdict::Mended(format!("[{fine},null,3]")));
        assert_eq!(judge(b"[]"), Verdict::Fine);
    }
}
