//! The gateway as a client of nodes: HTTP over their Unix sockets, on connections that are kept.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Request, Response, Uri,
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
    header::{self, HeaderValue},
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::UnixStream,
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;

/// How long a node's socket may take to accept.
const CONNECT: Duration = Duration::from_secs(2);

/// How long a node may take to answer: longer than the longest call that waits on purpose.
const ANSWER: Duration = Duration::from_mins(2);

/// How long a node may be silent before it is asked whether it lives, and how long that may take.
const SILENCE: Duration = Duration::from_secs(2);
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// Connections that are kept for the next request, per node.
const KEPT: usize = 64;

/// For how long a node that could not be reached is tried last.
const SHUNNED_MS: u64 = 30_000;

/// One node's socket.
#[derive(Debug)]
pub(crate) struct Upstream {
    path: PathBuf,
    idle: Mutex<Vec<SendRequest<Full<Bytes>>>>,
    /// When it was last found unreachable, in the gateway's own milliseconds; zero is never.
    failed_at_ms: AtomicU64,
}

/// Why a node gave no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// It was not reached: another node may be asked.
    #[error("could not connect to the node")]
    Connect(#[source] io::Error),
    /// It has the request, or a part of it, and gave no answer.
    #[error("the node gave no answer")]
    Lost(#[source] hyper::Error),
    /// It has the request and takes too long.
    #[error("the node did not answer within {} s", ANSWER.as_secs())]
    Late,
    /// It does not say that it lives, whether it has the request or not: another node may be asked.
    #[error("the node gives no sign of life")]
    Hung,
}

impl Upstream {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, idle: Mutex::default(), failed_at_ms: AtomicU64::new(0) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it could not be reached a moment ago.
    pub(crate) fn is_shunned(&self, now_ms: u64) -> bool {
        let failed_at_ms = self.failed_at_ms.load(Ordering::Relaxed);
        failed_at_ms != 0 && now_ms.saturating_sub(failed_at_ms) < SHUNNED_MS
    }

    pub(crate) fn shun(&self, now_ms: u64) {
        self.failed_at_ms.store(now_ms.max(1), Ordering::Relaxed);
    }

    /// Sends a request, and waits for the answer as long as the node shows that it lives: a call may
    /// take long, and a node that hangs takes requests too. One that failed before is asked first.
    pub(crate) async fn send(
        &self,
        request: Request<Full<Bytes>>,
        tasks: &TaskTracker,
    ) -> Result<Response<Incoming>, ClientError> {
        if self.failed_at_ms.load(Ordering::Relaxed) != 0 {
            self.check_alive(tasks).await?;
            self.failed_at_ms.store(0, Ordering::Relaxed);
        }
        let answer = self.exchange(request, tasks);
        let life = async {
            loop {
                sleep(SILENCE).await;
                if let Err(error) = self.check_alive(tasks).await {
                    return error;
                }
            }
        };
        // Cancel safety: who loses is dropped, and its connection with it.
        tokio::select! {
            answer = answer => answer,
            error = life => Err(error),
        }
    }

    /// Asks on a connection of its own for a sign of life; whatever the answer is, it is one.
    async fn check_alive(&self, tasks: &TaskTracker) -> Result<(), ClientError> {
        let mut request = Request::new(Full::default());
        *request.uri_mut() = Uri::from_static("/health");
        request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
        let asked = async {
            let mut sender = self.connect(tasks).await?;
            // Nothing of the client's was on this connection: another node may be asked.
            sender.send_request(request).await.map(drop).map_err(|_closed| ClientError::Hung)
        };
        timeout(SIGN_OF_LIFE, asked).await.unwrap_or(Err(ClientError::Hung))
    }

    /// Sends a request on a kept connection if there is one, otherwise on a new one. A kept connection
    /// that turns out to be closed gives the request back unsent, and a new one takes it.
    async fn exchange(
        &self,
        mut request: Request<Full<Bytes>>,
        tasks: &TaskTracker,
    ) -> Result<Response<Incoming>, ClientError> {
        while let Some(mut sender) = self.take_idle() {
            match timeout(ANSWER, sender.try_send_request(request)).await {
                Ok(Ok(response)) => {
                    self.keep(sender);
                    return Ok(response);
                }
                Ok(Err(mut error)) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(ClientError::Lost(error.into_error())),
                },
                Err(_elapsed) => return Err(ClientError::Late),
            }
        }
        let mut sender = self.connect(tasks).await?;
        match timeout(ANSWER, sender.send_request(request)).await {
            Ok(Ok(response)) => {
                if response.status() != hyper::StatusCode::SWITCHING_PROTOCOLS {
                    self.keep(sender);
                }
                Ok(response)
            }
            Ok(Err(error)) => Err(ClientError::Lost(error)),
            Err(_elapsed) => Err(ClientError::Late),
        }
    }

    async fn connect(&self, tasks: &TaskTracker) -> Result<SendRequest<Full<Bytes>>, ClientError> {
        let connecting = timeout(CONNECT, UnixStream::connect(&self.path));
        let stream = match connecting.await {
            Ok(stream) => stream.map_err(ClientError::Connect)?,
            Err(elapsed) => return Err(ClientError::Connect(elapsed.into())),
        };
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| ClientError::Connect(io::Error::other(error)))?;
        // Ends when the sender is dropped and its answer is read, or when the node closes. What goes
        // wrong on it reaches whoever waits for the answer.
        tasks.spawn(async move { drop(connection.with_upgrades().await) });
        Ok(sender)
    }

    /// A kept connection that can take a request now; closed ones are dropped.
    fn take_idle(&self) -> Option<SendRequest<Full<Bytes>>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|sender| !sender.is_closed());
        // One whose answer is still being read is not ready.
        let ready = idle.iter().rposition(SendRequest::is_ready)?;
        Some(idle.swap_remove(ready))
    }

    fn keep(&self, sender: SendRequest<Full<Bytes>>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(sender);
        }
    }
}
