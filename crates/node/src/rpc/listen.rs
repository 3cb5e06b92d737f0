//! The socket, and the loop that accepts connections on it.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jsonrpsee::server::middleware::rpc::RpcServiceBuilder;
use jsonrpsee::server::{
    BatchRequestConfig, ConnectionGuard, Methods, ServerBuilder, ServerConfig, StopHandle,
    serve_with_graceful_shutdown,
};
use tokio_util::task::TaskTracker;

use super::envelope::EnvelopeLayer;
use super::filters::HexIds;
use super::geth::GethLayer;
use super::limits;
use super::outlet::{Metered, Outlet};
use super::pages::PagesLayer;

/// What fits into `sockaddr_un` beside the ending zero.
const MAX_PATH_BYTES: usize = 107;

/// Why nothing can be served at a path.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The path is longer than a socket's address may be.
    #[error(
        "the socket path {} has {} bytes, more than the {MAX_PATH_BYTES} that the system allows; \
         use a data directory with a shorter path",
        path.display(),
        path.as_os_str().len()
    )]
    PathTooLong {
        /// The path.
        path: PathBuf,
    },
    /// Something that is not a socket has the path.
    #[error("{} is in the way of the socket and is not one", path.display())]
    InTheWay {
        /// The path.
        path: PathBuf,
    },
    /// The system refused.
    #[error("could not {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Makes the socket, for its owner only. Whoever calls holds the directory's lock, so that a socket
/// which is there already belongs to a process that is gone.
pub(super) fn bind(path: &Path) -> Result<UnixListener, ServeError> {
    let io = |action| move |source| ServeError::Io { action, path: path.to_owned(), source };
    // The socket appears under its name when it is ready: with its mode set and listening.
    let making = path.with_extension("new");
    let longest = path.as_os_str().as_bytes().len().max(making.as_os_str().as_bytes().len());
    if longest > MAX_PATH_BYTES {
        return Err(ServeError::PathTooLong { path: path.to_owned() });
    }
    for old in [path, &making] {
        remove_stale(old)?;
    }
    let listener = UnixListener::bind(&making).map_err(io("listen on"))?;
    fs::set_permissions(&making, fs::Permissions::from_mode(0o600)).map_err(io("protect"))?;
    fs::rename(&making, path).map_err(io("listen on"))?;
    listener.set_nonblocking(true).map_err(io("listen on"))?;
    Ok(listener)
}

/// Accepts connections until the server is stopped, then gives the requests on the way a moment.
pub(super) async fn accept(
    listener: UnixListener,
    methods: Methods,
    pages: PagesLayer,
    stop: StopHandle,
) {
    let listener = match tokio::net::UnixListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "the RPC socket can't be served");
            return;
        }
    };
    let builder = ServerBuilder::default()
        .set_config(config())
        .set_http_middleware(tower::ServiceBuilder::new().layer(pages).layer(EnvelopeLayer))
        .to_service_builder();
    let guard = ConnectionGuard::new(usize::try_from(limits::CONNECTIONS).unwrap_or(usize::MAX));
    let connections = TaskTracker::new();
    loop {
        // Cancel safety: a connection is either accepted or stays in the kernel's queue.
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.clone().shutdown() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of file descriptors: the others go on, and this one is tried again.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(permit) = guard.try_acquire() else {
            tracing::warn!(limit = limits::CONNECTIONS, "a connection was refused: too many");
            continue;
        };
        let outlet = Outlet::new();
        let geth = GethLayer::new(methods.clone(), Arc::clone(&outlet));
        let builder = builder.clone().set_rpc_middleware(RpcServiceBuilder::new().layer(geth));
        let service = builder.build(methods.clone(), stop.clone());
        let stream = Metered::new(stream, outlet);
        let stopped = stop.clone().shutdown();
        connections.spawn(async move {
            if let Err(error) = serve_with_graceful_shutdown(stream, service, stopped).await {
                tracing::debug!(%error, "a connection ended with an error");
            }
            drop(permit);
        });
    }
    connections.close();
    // A client may wait for news for half a minute; the end of a node doesn't.
    if tokio::time::timeout(limits::SHUTDOWN, connections.wait()).await.is_err() {
        tracing::debug!(open = connections.len(), "connections are cut off at the server's end");
    }
}

fn config() -> ServerConfig {
    ServerConfig::builder()
        .max_request_body_size(limits::REQUEST_BYTES)
        .max_response_body_size(limits::RESPONSE_BYTES)
        .max_connections(limits::CONNECTIONS)
        .set_batch_request_config(BatchRequestConfig::Limit(limits::BATCH_CALLS))
        .set_message_buffer_capacity(limits::WAITING_MESSAGES)
        .max_subscriptions_per_connection(limits::SUBSCRIPTIONS)
        .set_id_provider(HexIds)
        .build()
}

fn remove_stale(path: &Path) -> Result<(), ServeError> {
    let io = |action| move |source| ServeError::Io { action, path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(io("inspect")(source)),
        Ok(metadata) if metadata.file_type().is_socket() => {
            fs::remove_file(path).map_err(io("remove the old socket"))
        }
        Ok(_) => Err(ServeError::InTheWay { path: path.to_owned() }),
    }
}
