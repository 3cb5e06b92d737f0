//! The REST API, the event stream and the console's files, on one port.
//!
//! A handler does three things, in this order: authenticate (the bearer token of the data
//! directory, or the console's session cookie), authorize (the one function in
//! [`crate::service`]), and call the service once. It decides nothing and touches neither store nor
//! substrate.
//!
//! Before any handler, [`guard`] refuses foreign hosts and origins. After it, every refusal,
//! also one of the router or of an extractor, is a problem document of RFC 9457; one of a mutation
//! is audited ([`audit`]).
//!
//! - [`access`]: who asks; [`guard`]: from where; [`extract`]: reading; [`failure`]: refusing.
//! - [`networks`], [`nodes`], [`budgets`], [`keys`], [`governance`], [`recovery`], [`operations`], [`events`], [`session`], [`platform`]: the paths.
//! - [`openapi`]: the document, made from the handlers; [`console`]: the console's files.

mod access;
mod audit;
mod budgets;
mod console;
mod events;
mod extract;
mod failure;
mod governance;
mod guard;
mod keys;
mod networks;
mod nodes;
mod openapi;
mod operations;
mod platform;
mod recovery;
mod serve;
mod session;

use std::{net::SocketAddr, sync::Arc};

use axum::{Router, extract::DefaultBodyLimit, middleware};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::compression::CompressionLayer;
use utoipa_axum::{router::OpenApiRouter, routes};

pub use openapi::{document, document_json};
pub use platform::{HealthReport, Shutdown};
pub use session::{LoginCode, Session};

use crate::service::Control;

/// What the API is served with.
pub struct ApiSettings {
    /// The bearer token. Only its hash is kept.
    pub token: String,
    /// Where it listens, as the system gave it.
    pub listen: SocketAddr,
    /// Milliseconds since the Unix epoch.
    pub now_ms: fn() -> u64,
    /// Every task that a request leaves behind.
    pub tracker: TaskTracker,
    /// Cancelled when the platform stops: streams end.
    pub shutdown: CancellationToken,
}

impl std::fmt::Debug for ApiSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiSettings").field("listen", &self.listen).finish_non_exhaustive()
    }
}

/// What a client asked the platform's process to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing.
    No,
    /// End, and leave networks and gateway running.
    Platform,
    /// End, and end the gateway before.
    WithGateway,
}

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct Api(Arc<Shared>);

struct Shared {
    control: Control,
    token_hash: access::SecretHash,
    settings: ApiSettings,
    stop: watch::Sender<Stop>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}

impl Api {
    /// Puts the API in front of a control plane.
    pub fn new(control: Control, mut settings: ApiSettings) -> Self {
        let token_hash = access::hash_of(&std::mem::take(&mut settings.token));
        Self(Arc::new(Shared { control, token_hash, settings, stop: watch::Sender::new(Stop::No) }))
    }

    /// The whole service: API and console.
    pub fn router(&self) -> Router {
        let (api, _) = routes().split_for_parts();
        let console =
            Router::new().fallback(console::serve).layer(CompressionLayer::new().gzip(true));
        api.method_not_allowed_fallback(failure::method_not_allowed)
            .fallback_service(console)
            .layer(DefaultBodyLimit::max(extract::BODY_LIMIT))
            .layer(middleware::from_fn_with_state(self.clone(), guard::check))
            .layer(middleware::from_fn_with_state(self.clone(), audit::refusals))
            .with_state(self.clone())
    }

    /// Tells when a client asks the platform to stop.
    pub fn stops(&self) -> watch::Receiver<Stop> {
        self.0.stop.subscribe()
    }

    fn stop(&self, stop: Stop) {
        self.0.stop.send_replace(stop);
    }

    fn control(&self) -> &Control {
        &self.0.control
    }

    fn token_hash(&self) -> &access::SecretHash {
        &self.0.token_hash
    }

    fn listen(&self) -> SocketAddr {
        self.0.settings.listen
    }

    fn public_url(&self) -> String {
        format!("http://{}", self.listen())
    }

    /// Cookies don't know ports: two platforms of one machine must not share a name.
    fn cookie_name(&self) -> String {
        format!("windlass_session_{}", self.listen().port())
    }

    fn now_ms(&self) -> u64 {
        (self.0.settings.now_ms)()
    }

    fn tracker(&self) -> &TaskTracker {
        &self.0.settings.tracker
    }

    fn shutdown(&self) -> &CancellationToken {
        &self.0.settings.shutdown
    }
}

/// Every path of the API with its handlers, and the document that they make.
fn routes() -> OpenApiRouter<Api> {
    let mut router = OpenApiRouter::with_openapi(openapi::base())
        .routes(routes!(platform::health))
        .routes(routes!(platform::document))
        .routes(routes!(platform::status))
        .routes(routes!(platform::organizations))
        .routes(routes!(platform::shut_down))
        .routes(routes!(session::create_link))
        .routes(routes!(session::show, session::log_in, session::log_out))
        .routes(routes!(networks::list, networks::create))
        .routes(routes!(networks::show, networks::apply, networks::destroy))
        .routes(routes!(networks::stop))
        .routes(routes!(networks::start))
        .routes(routes!(networks::sleep))
        .routes(routes!(networks::wake))
        .routes(routes!(networks::blocks))
        .routes(routes!(budgets::show))
        .routes(routes!(budgets::set_quota))
        .routes(routes!(budgets::usage))
        .routes(routes!(budgets::extend))
        .routes(routes!(nodes::list, nodes::add))
        .routes(routes!(nodes::remove))
        .routes(routes!(nodes::replace))
        .routes(routes!(nodes::consensus))
        .routes(routes!(nodes::doctor))
        .routes(routes!(nodes::evidence))
        .routes(routes!(nodes::metrics))
        .routes(routes!(networks::logs))
        .routes(routes!(keys::list, keys::create))
        .routes(routes!(keys::rotate))
        .routes(routes!(keys::revoke))
        .routes(routes!(recovery::export))
        .routes(routes!(recovery::sign))
        .routes(routes!(recovery::recover))
        .routes(routes!(governance::members))
        .routes(routes!(governance::validators))
        .routes(routes!(governance::observers))
        .routes(routes!(governance::parameters))
        .routes(routes!(governance::permissions))
        .routes(routes!(governance::proposals, governance::propose))
        .routes(routes!(governance::proposal))
        .routes(routes!(governance::vote))
        .routes(routes!(governance::settle))
        .routes(routes!(operations::list))
        .routes(routes!(operations::show))
        .routes(routes!(events::stream));
    openapi::complete(router.get_openapi_mut());
    router
}
