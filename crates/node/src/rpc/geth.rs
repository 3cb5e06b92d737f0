//! Geth's manners where the server library has its own: the text for an unknown method and for
//! subscriptions over HTTP, in batches too. And a mark on answers that another node would give otherwise.
//! Every call passes here, and so it is here that a key for reading changes nothing.

use std::sync::Arc;

use jsonrpsee::server::middleware::rpc::{
    Batch, BatchEntry, Notification, Request, RpcService, RpcServiceT,
};
use jsonrpsee::server::{BatchResponseBuilder, MethodResponse, Methods};
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::types::error::INTERNAL_ERROR_CODE;
use tower::Layer;

use super::{
    args::Reach,
    error::{NOT_NAMED, RpcError},
    limits,
    methods::SENDING,
    outlet::Outlet,
};

/// What needs a WebSocket; over HTTP the server library calls it an internal error.
const SUBSCRIPTIONS: [&str; 2] = ["eth_subscribe", UNSUBSCRIBE];
const UNSUBSCRIBE: &str = "eth_unsubscribe";

/// Marks an answer: another node of the network is to be asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elsewhere;

/// Puts [`GethService`] around the server's own.
#[derive(Clone, Debug)]
pub(super) struct GethLayer {
    methods: Methods,
    outlet: Arc<Outlet>,
}

/// Answers calls to unknown methods and hands on the others.
#[derive(Clone, Debug)]
pub(super) struct GethService {
    methods: Methods,
    outlet: Arc<Outlet>,
    inner: RpcService,
}

impl GethLayer {
    /// Of one connection.
    pub(super) fn new(methods: Methods, outlet: Arc<Outlet>) -> Self {
        Self { methods, outlet }
    }
}

impl Layer<RpcService> for GethLayer {
    type Service = GethService;

    fn layer(&self, inner: RpcService) -> GethService {
        GethService { methods: self.methods.clone(), outlet: Arc::clone(&self.outlet), inner }
    }
}

impl GethService {
    async fn answer(&self, request: Request<'_>) -> MethodResponse {
        if self.methods.method(request.method_name()).is_none() {
            let name: String = request.method_name().chars().take(128).collect();
            let text = format!("the method {name} does not exist/is not available");
            let error = ErrorObjectOwned::owned(-32601, text, None::<()>);
            return MethodResponse::error(request.id, error);
        }
        let reads_only = request.extensions().get::<Reach>() == Some(&Reach::Reading);
        if reads_only && SENDING.contains(&request.method_name()) {
            let refused = RpcError::ReadOnly(request.method_name().to_owned());
            return MethodResponse::error(request.id, ErrorObjectOwned::from(refused));
        }
        let unsubscribes = request.method_name() == UNSUBSCRIBE;
        let subscribes = SUBSCRIPTIONS.contains(&request.method_name());
        let id = request.id.clone().into_owned();
        let mut answer = self.inner.call(request).await;
        if subscribes && answer.as_error_code() == Some(INTERNAL_ERROR_CODE) {
            let text = "notifications not supported";
            let error = ErrorObjectOwned::owned(-32601, text, None::<()>);
            return MethodResponse::error(id, error);
        }
        // The server library says `false`, and Geth why.
        if unsubscribes && answer.as_json().get().contains("\"result\":false") {
            let error = ErrorObjectOwned::owned(-32000, "subscription not found", None::<()>);
            return MethodResponse::error(id, error);
        }
        if answer.as_error_code() == Some(NOT_NAMED) {
            answer.extensions_mut().insert(Elsewhere);
        }
        answer
    }

    async fn answer_all(&self, batch: Batch<'_>) -> MethodResponse {
        let limit = usize::try_from(limits::RESPONSE_BYTES).unwrap_or(usize::MAX);
        let mut answers = BatchResponseBuilder::new_with_limit(limit);
        let mut notified = false;
        for entry in batch {
            let answer = match entry {
                Ok(BatchEntry::Call(request)) => self.answer(request).await,
                Ok(BatchEntry::Notification(notification)) => {
                    notified = true;
                    self.notification(notification).await;
                    continue;
                }
                Err(malformed) => {
                    let (error, id) = malformed.into_parts();
                    MethodResponse::error(id, error)
                }
            };
            // The library has told of a subscription by itself.
            if answer.is_subscription() {
                notified = true;
                continue;
            }
            if let Err(too_big) = answers.append(answer) {
                return too_big;
            }
        }
        if answers.is_empty() && notified {
            return MethodResponse::notification();
        }
        MethodResponse::from_batch(answers.finish())
    }
}

impl RpcServiceT for GethService {
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.clone();
        async move { service.outlet.make(service.answer(request)).await }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let service = self.clone();
        async move { service.outlet.make(service.answer_all(batch)).await }
    }

    fn notification<'a>(
        &self,
        notification: Notification<'a>,
    ) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}
