//! JSON-RPC over HTTP and WebSocket, on a Unix socket in the node's own directory.
//!
//! The methods, codes and texts are those of [Ethereum's execution API] as Geth answers it, so that
//! every Ethereum library works unmodified, and `windlass_status` beside them. Blocks are final when
//! they can be seen, so `latest`, `safe` and `finalized` are one block; `pending` is that block and
//! the pool's nonces.
//!
//! The server has one thread and runtime of its own, where calls run that 100,000 gas and what
//! is at hand suffice for; whenever one took longer than a millisecond, the next ones run elsewhere for a
//! while. All other calls and gas estimates run on a few threads of low priority, with a gas cap and a
//! deadline; transactions are checked on others. So neither a call that burns all its gas nor a flood of
//! transactions takes the processor from consensus.
//!
//! Beside JSON-RPC the same socket answers `GET /metrics` (Prometheus' text format), `GET /health` (200
//! while the process lives) and `GET /ready` (200 when clients should be sent here, else 503 with the
//! reason).
//!
//! Everything that a request can make grow is bounded (see `limits`), and the error that comes of a
//! bound names it.
//!
//! [Ethereum's execution API]: https://ethereum.github.io/execution-apis/

mod args;
mod block_param;
mod brief;
mod convert;
mod envelope;
mod error;
mod filters;
mod geth;
mod hex_param;
mod limits;
mod listen;
mod machine;
mod methods;
mod metrics;
mod outlet;
mod pages;
mod process;
mod recent;
mod workers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonrpsee::server::{ServerHandle, stop_channel};

pub use self::listen::ServeError;
use self::methods::Node;
use self::pages::PagesLayer;
use crate::disk::DiskBudget;
use crate::ledger::NodeLedger;
use crate::status::StatusBoard;

/// A server that runs. Dropping it stops it.
#[derive(Debug)]
pub struct RpcServer {
    path: PathBuf,
    status: StatusBoard,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

/// Tells more measurements, in Prometheus' text format: those of the p2p network.
pub type Measure = Arc<dyn Fn() -> String + Send + Sync>;

/// What a node has beside its ledger.
#[derive(Default)]
pub struct Beside {
    /// Measurements of the network.
    pub network: Option<Measure>,
    /// What it may have on disk, if that is limited.
    pub disk: Option<DiskBudget>,
}

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Beside").field("disk", &self.disk).finish_non_exhaustive()
    }
}

/// Serves a node's RPC at this path; it is answered when this returns.
pub fn serve(
    path: &Path,
    ledger: NodeLedger,
    status: StatusBoard,
    beside: Beside,
) -> Result<RpcServer, ServeError> {
    let listener = listen::bind(path)?;
    let io = |source| ServeError::Io { action: "serve", path: path.to_owned(), source };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .map_err(io)?;
    let (stop, handle) = stop_channel();
    let directory = path.parent().unwrap_or(path).to_owned();
    let node = Node::new(ledger.clone(), status.clone(), (directory, beside));
    let pages = PagesLayer { node: Shared::clone(&node) };
    let methods = methods::all(node);
    let board = status.clone();
    let serving = async move {
        let counting = count_pending(ledger, status);
        // Cancel safety: counting holds nothing between two counts.
        tokio::select! {
            () = listen::accept(listener, methods.into(), pages, stop) => {}
            () = counting => {}
        }
    };
    let thread = std::thread::Builder::new()
        .name("rpc".to_owned())
        .spawn(move || runtime.block_on(serving))
        .map_err(io)?;
    Ok(RpcServer { path: path.to_owned(), status: board, handle, thread: Some(thread) })
}

impl RpcServer {
    /// Where it is served.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Stops accepting, gives the requests on the way a second to end, and removes the socket.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        // Whoever waits for news would hold up the end.
        self.status.update(|status| status.ending = true);
        if self.handle.stop().is_err() {
            tracing::debug!("the RPC server had stopped already");
        }
        if thread.join().is_err() {
            tracing::error!("the RPC server's thread panicked");
        }
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::debug!(%error, "the RPC socket was gone already");
        }
    }
}

impl Drop for RpcServer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Keeps the status' count of pending transactions.
async fn count_pending(ledger: NodeLedger, status: StatusBoard) {
    let mut revision = 0;
    loop {
        let pending = ledger.pending_len();
        status.update(|status| status.pending_transactions = pending);
        revision = ledger.pool_changes().after(revision).await;
    }
}

/// Unix milliseconds.
#[expect(clippy::disallowed_methods, reason = "what is answered says when it was true")]
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Shared by the modules that answer.
type Shared = Arc<Node>;

#[cfg(test)]
mod tests;
