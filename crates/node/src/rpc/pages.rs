//! What is fetched with GET beside JSON-RPC: `/metrics`, `/health` and `/ready`.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, StatusCode, body::Body};
use jsonrpsee::core::BoxError;
use jsonrpsee::server::{HttpBody, HttpRequest, HttpResponse};
use serde_json::{Value, json};
use tower::{Layer, Service};

use super::methods::Node;
use super::{Shared, metrics, now_ms};

/// Prometheus' text format, as its servers ask for it.
const METRICS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const JSON: &str = "application/json";

/// Puts [`PagesService`] around the server's own.
#[derive(Clone, Debug)]
pub(super) struct PagesLayer {
    pub(super) node: Shared,
}

/// Answers for the pages, and hands on everything else.
#[derive(Clone, Debug)]
pub(super) struct PagesService<S> {
    inner: S,
    node: Shared,
}

impl<S> Layer<S> for PagesLayer {
    type Service = PagesService<S>;

    fn layer(&self, inner: S) -> PagesService<S> {
        PagesService { inner, node: Shared::clone(&self.node) }
    }
}

impl<S, B> Service<HttpRequest<B>> for PagesService<S>
where
    S: Service<HttpRequest<B>, Response = HttpResponse, Error = BoxError>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: HttpRequest<B>) -> Self::Future {
        if request.method() == Method::GET {
            let page = match request.uri().path() {
                "/metrics" => Some(measured(&self.node)),
                "/health" => Some(page(StatusCode::OK, &json!({ "status": "ok" }))),
                "/ready" => Some(ready(&self.node)),
                _ => None,
            };
            if let Some(page) = page {
                return Box::pin(std::future::ready(page));
            }
        }
        Box::pin(self.inner.call(request))
    }
}

fn measured(node: &Node) -> Result<HttpResponse, BoxError> {
    let text = metrics::text(node, now_ms())?;
    answer(StatusCode::OK, METRICS_TEXT, text)
}

/// Whether clients should be sent here: the node has what its peers have, and is connected with
/// enough of them to go on.
fn ready(node: &Node) -> Result<HttpResponse, BoxError> {
    let status = node.status.get();
    let reason = if status.ending {
        Some("the node is about to end".to_owned())
    } else if status.syncing {
        let (own, highest) = (status.tip.number, status.highest);
        Some(format!("the node has block {own} and is fetching up to {highest}"))
    } else if !status.quorum_connected {
        let (seen, needed) = (status.connected_validators, status.quorum);
        Some(format!("{seen} of {} validators connected, {needed} needed", status.validators))
    } else {
        None
    };
    match reason {
        None => page(StatusCode::OK, &json!({ "status": "ready" })),
        Some(reason) => {
            let body = json!({ "status": "not_ready", "reason": reason });
            page(StatusCode::SERVICE_UNAVAILABLE, &body)
        }
    }
}

fn page(status: StatusCode, body: &Value) -> Result<HttpResponse, BoxError> {
    answer(status, JSON, body.to_string())
}

fn answer(status: StatusCode, form: &str, body: String) -> Result<HttpResponse, BoxError> {
    let answer = HttpResponse::builder().status(status).header(CONTENT_TYPE, form);
    Ok(answer.body(HttpBody::from(body))?)
}
