//! What one request may ask of this node. Every error that comes of a limit names it.

use std::time::Duration;

/// The most bytes of a request, a batch being one.
pub(super) const REQUEST_BYTES: u32 = 5 * 1024 * 1024;
/// The most bytes of an answer, a batch's being one.
pub(super) const RESPONSE_BYTES: u32 = 25 * 1024 * 1024;
/// The most calls in a batch.
pub(super) const BATCH_CALLS: u32 = 1_000;
/// The most connections at once.
pub(super) const CONNECTIONS: u32 = 1_024;
/// The most answers that wait for a WebSocket client to read before its calls are held.
pub(super) const WAITING_MESSAGES: u32 = 64;
/// The most calls of one connection that run at once, a batch being one.
pub(super) const CONNECTION_CALLS: usize = 64;
/// The most calls of one connection that have been read and wait; then no more is read from it.
pub(super) const CONNECTION_WAITING: usize = 128;
/// With more bytes of answers that a connection has not taken, its calls wait.
pub(super) const CONNECTION_BYTES: usize = 4 * 1024 * 1024;
/// How long a client may take nothing of what waits for it before it is cut off.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);
/// The most gas of a call, whatever it asks for.
pub(super) const CALL_GAS: u64 = 50_000_000;
/// How long a call may run, its wait for a thread included.
pub(super) const CALL_DEADLINE: Duration = Duration::from_secs(5);
/// The most jobs that wait for a thread.
pub(super) const WAITING_JOBS: usize = 1_024;
/// The most logs in an answer.
pub(super) const LOGS: usize = 10_000;
/// The most addresses of a log query, and topics at one place of it.
pub(super) const LOG_PLACES: usize = 1_000;
/// The most blocks that a log query spans.
pub(super) const LOG_BLOCKS: u64 = 100_000;
/// The most blocks of a fee history.
pub(super) const FEE_HISTORY_BLOCKS: u64 = 1_024;
/// The most percentiles of a fee history.
pub(super) const FEE_HISTORY_PERCENTILES: usize = 100;
/// The most filters that a node keeps.
pub(super) const FILTERS: usize = 1_000;
/// The most subscriptions of a connection.
pub(super) const SUBSCRIPTIONS: u32 = 128;
/// The most slots that are read at once.
pub(super) const STORAGE_VALUES: usize = 1_024;
/// The most pending transactions that are shown at once.
pub(super) const POOL_CONTENT: usize = 10_000;
/// The most calls of a simulation.
pub(super) const SIMULATED_CALLS: usize = 5_000;
/// The most slots in a proof.
pub(super) const PROOF_SLOTS: usize = 1_024;
/// About how many bytes a page of an export has.
pub(super) const EXPORT_PAGE_BYTES: usize = 1024 * 1024;
/// The longest wait for a newer status, and for a receipt.
pub(super) const WAIT: Duration = Duration::from_secs(30);
/// How long the receipt of a pending transaction is waited for before the answer is that there is
/// none yet.
pub(super) const RECEIPT_HOLD: Duration = Duration::from_secs(2);

/// The wait for a receipt where the client names none.
pub(super) const RECEIPT_WAIT: Duration = Duration::from_secs(10);
/// How long requests on the way may take when the server ends.
pub(super) const SHUTDOWN: Duration = Duration::from_secs(1);
