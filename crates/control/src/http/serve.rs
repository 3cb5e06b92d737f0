//! Serving the API on a listener, to an end that is bounded by whoever cancels.

use std::io;

use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use windlass_model::{
    Problem,
    api::{LoginLink, PlatformStatus},
};

use super::{Api, access};

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
        let code = self.control().login_code(&operator).await?;
        let url = format!("{}/login#{}", self.public_url(), code.code);
        Ok(LoginLink { url, expires_at_ms: code.expires_at_ms })
    }

    /// The platform itself.
    pub async fn platform_status(&self) -> Result<PlatformStatus, Box<Problem>> {
        self.control().status().await
    }
}
