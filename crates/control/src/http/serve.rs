//! Serving the API on a listener, to an end that is bounded by whoever cancels.

use std::io;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use windlass_model::{
    Problem,
    api::{LoginLink, PlatformStatus},
};

use super::{Api, access};
use crate::service::{Actor, RequestMeta};

impl Api {
    /// Serves until the shutdown is asked for; running requests are answered, streams end.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        let listener = listener.tap_io(|stream| {
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "a connection is gone already");
            }
        });
        axum::serve(listener, self.router())
            .with_graceful_shutdown(self.shutdown().clone().cancelled_owned())
            .await
    }

    /// Makes a one-time login link for the operator.
    pub async fn login_link(&self) -> Result<LoginLink, Box<Problem>> {
        let operator = access::operator(self).await?;
        // The platform's own: no request asked for it.
        let meta = RequestMeta {
            idempotency_key: None,
            request_hash: [0; 32],
            if_version: None,
            now_ms: self.now_ms(),
        };
        self.link_for(&operator, &meta).await
    }

    /// Makes a one-time login link that stands for the actor.
    pub(super) async fn link_for(
        &self,
        actor: &Actor,
        meta: &RequestMeta,
    ) -> Result<LoginLink, Box<Problem>> {
        let code = self.control().login_code(actor, meta).await?;
        let url = format!("{}/login#{}", self.public_url(), code.code);
        Ok(LoginLink { url, expires_at_ms: code.expires_at_ms })
    }

    /// The platform itself.
    pub async fn platform_status(&self) -> Result<PlatformStatus, Box<Problem>> {
        self.control().status().await
    }
}
