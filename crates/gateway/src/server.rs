//! The listeners: a loopback TCP port for clients, a Unix socket for the control plane.

use std::{
    convert::Infallible,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{Request, Response, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, UnixListener},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    activity::Queue,
    admin::Admin,
    answer::Body,
    local,
    proxy::Proxy,
    store,
    table::{Current, RefusedTable, Table},
    target::Door,
};

/// The admin socket's name in the gateway's directory.
const ADMIN_SOCKET: &str = "admin.sock";

/// Connections served at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 4096;

/// How long a client may take to send a request's head, the pause before it included: a connection
/// that is idle for longer is closed.
const HEADER_TIME: Duration = Duration::from_mins(1);

const HEADERS: usize = 100;
const HEADER_BYTES: usize = 64 * 1024;

/// How long requests under way are given at the end.
const DRAIN: Duration = Duration::from_secs(5);

/// How long to wait when the system has no descriptor left for another connection.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Where the gateway listens and keeps its state.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients connect. Loopback, unless an operator says otherwise by name.
    pub listen: SocketAddr,
    /// The gateway's own directory: `routes.json` and `admin.sock`.
    pub directory: PathBuf,
    /// Host names served beside the loopback's own.
    pub allowed_hosts: Vec<String>,
}

/// Where the gateway listens.
#[derive(Clone, Debug)]
pub struct Listening {
    /// For clients.
    pub address: SocketAddr,
    /// For the control plane.
    pub admin_socket: PathBuf,
}

/// Why the gateway could not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The address can't be listened on.
    #[error("could not listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The admin socket can't be made.
    #[error("could not listen on {}", path.display())]
    Admin {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The stored routes can't be read.
    #[error("could not read the routes in {}", directory.display())]
    Routes {
        /// The gateway's directory.
        directory: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Serves until `shutdown` is done; calls `ready` once both sockets listen. The caller has claimed the
/// directory before.
pub async fn run(
    config: Config,
    ready: impl FnOnce(&Listening),
    shutdown: impl Future<Output = ()>,
) -> Result<(), GatewayError> {
    let Config { listen, directory, allowed_hosts } = config;
    let stored = store::load(&directory)
        .map_err(|source| GatewayError::Routes { directory: directory.clone(), source })?;
    let table =
        Table::next(stored, &Table::default(), 0).unwrap_or_else(|refused: RefusedTable| {
            tracing::error!(%refused, "the stored routes are not valid");
            Table::default()
        });
    let clients = TcpListener::bind(listen).await;
    let clients = clients.map_err(|source| GatewayError::Listen { address: listen, source })?;
    let address =
        clients.local_addr().map_err(|source| GatewayError::Listen { address: listen, source })?;
    let admin_socket = directory.join(ADMIN_SOCKET);
    let control = listen_for_control(&admin_socket)
        .map_err(|source| GatewayError::Admin { path: admin_socket.clone(), source })?;
    let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
    let proxy = Arc::new(Proxy {
        table: Current::new(table),
        queue: Queue::new(),
        allowed_hosts: allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
        tasks: tasks.clone(),
        stop: stop.clone(),
        started: now(),
    });
    let admin = Arc::new(Admin::new(&directory, Arc::clone(&proxy)));
    let front = tasks.spawn(accept_clients(clients, Arc::clone(&proxy), Door::Urls, stop.clone()));
    let beside = tasks.spawn(local::keep(Arc::clone(&proxy)));
    let watch = tasks.spawn(async move { proxy.look_around().await });
    let back = tasks.spawn(accept_control(control, admin, tasks.clone(), stop.clone()));
    ready(&Listening { address, admin_socket });
    tracing::info!(%address, "the gateway serves");
    shutdown.await;
    stop.cancel();
    tasks.close();
    if tokio::time::timeout(DRAIN, tasks.wait()).await.is_err() {
        tracing::warn!(left = tasks.len(), "requests were still under way at the end");
    }
    front.abort();
    beside.abort();
    watch.abort();
    back.abort();
    Ok(())
}

/// Time only spaces retries here; nothing that is stored or answered depends on it.
#[expect(
    clippy::disallowed_methods,
    reason = "the gateway's only reading of a clock, at its start"
)]
fn now() -> Instant {
    Instant::now()
}

fn listen_for_control(path: &PathBuf) -> io::Result<UnixListener> {
    // The directory is claimed: whoever made the socket that is there is gone.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves who connects, until `stop`.
pub(crate) async fn accept_clients(
    listener: TcpListener,
    proxy: Arc<Proxy>,
    door: Door,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // Cancel safe: a connection that is not accepted stays in the kernel's queue.
        let accepted = tokio::select! {
            accepted = accept_one(&listener, &places) => accepted,
            () = stop.cancelled() => return,
        };
        let Some((stream, client, place)) = accepted else {
            tokio::time::sleep(EXHAUSTED).await;
            continue;
        };
        let (serving, door) = (Arc::clone(&proxy), door.clone());
        let connection = serve_connection(stream, stop.clone(), move |request| {
            Arc::clone(&serving).serve(request, (door.clone(), client))
        });
        proxy.tasks.spawn(async move {
            connection.await;
            drop(place);
        });
    }
}

/// The next client, once there is a place for it; `None` if the system has no descriptor for it.
async fn accept_one(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, IpAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.expect("the places are never closed");
    match listener.accept().await {
        Ok((stream, peer)) => {
            // Answers are small and waited for. A socket that refuses this is as good as gone.
            drop(stream.set_nodelay(true));
            Some((stream, peer.ip(), place))
        }
        Err(error) => {
            tracing::warn!(%error, "could not accept a connection");
            None
        }
    }
}

async fn accept_control(
    listener: UnixListener,
    admin: Arc<Admin>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        // Cancel safe: a connection that is not accepted stays in the kernel's queue.
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let admin = Arc::clone(&admin);
                tasks.spawn(serve_connection(stream, stop.clone(), move |request| {
                    Arc::clone(&admin).serve(request)
                }));
            }
            Err(error) => {
                tracing::warn!(%error, "could not accept the control plane's connection");
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

/// Serves a connection until it ends; at the gateway's end, until its present request is answered.
async fn serve_connection<S, F>(
    stream: S,
    stop: CancellationToken,
    answer: impl Fn(Request<Incoming>) -> F,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Response<Body>>,
{
    let service = service_fn(|request| {
        let answered = answer(request);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_headers(HEADERS)
        .max_buf_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    // Cancel safe: the connection is polled on, whichever branch is taken.
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = served {
        // Clients go away; that is no fault of anybody's.
        tracing::debug!(%error, "a connection ended early");
    }
}
