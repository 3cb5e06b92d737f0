//! What a connection has not taken yet. It is bounded, so that a client that asks and does not read holds
//! neither memory nor anybody else up: its questions wait, are not read from its socket any more, and in
//! the end it is cut off.
//!
//! The server library runs every message that has come over a WebSocket at once, whatever waits to be sent.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Sleep;

use super::limits;

/// What one connection has not taken yet.
#[derive(Debug)]
pub(super) struct Outlet {
    /// Bytes of answers that were made and are not written.
    unsent: AtomicUsize,
    /// Calls that have been read and are not answered.
    calls: AtomicUsize,
    running: Semaphore,
    room: Notify,
    reader: Mutex<Option<Waker>>,
}

/// A call that has been read, until its answer is made.
#[derive(Debug)]
struct Call<'a>(&'a Outlet);

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
        self.0.moved();
    }
}

impl Outlet {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            unsent: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            running: Semaphore::new(limits::CONNECTION_CALLS),
            room: Notify::new(),
            reader: Mutex::default(),
        })
    }

    /// Makes an answer when it is its turn, and there is room for it.
    pub(super) async fn make<T: AsRef<str>>(&self, answer: impl Future<Output = T>) -> T {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let call = Call(self);
        // Never closed: what waits here ends with its connection.
        let turn = self.running.acquire().await;
        loop {
            let room = self.room.notified();
            if self.unsent.load(Ordering::Acquire) < limits::CONNECTION_BYTES {
                break;
            }
            room.await;
        }
        let answer = answer.await;
        self.unsent.fetch_add(answer.as_ref().len(), Ordering::AcqRel);
        drop(turn);
        drop(call);
        answer
    }

    /// Whether more can be read.
    fn takes(&self) -> bool {
        self.calls.load(Ordering::Relaxed) < limits::CONNECTION_WAITING
            && self.unsent.load(Ordering::Acquire) < limits::CONNECTION_BYTES
    }

    /// So many bytes are written: more than the answers themselves, frames and news being among them.
    fn wrote(&self, bytes: usize) {
        let less = |unsent: usize| Some(unsent.saturating_sub(bytes));
        let _before = self.unsent.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        self.room.notify_waiters();
        self.moved();
    }

    fn moved(&self) {
        let reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    fn wait(&self, context: &Context<'_>) {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        *reader = Some(context.waker().clone());
    }
}

/// A connection's socket.
#[derive(Debug)]
pub(super) struct Metered<S> {
    socket: S,
    outlet: Arc<Outlet>,
    /// Until when its client may take nothing of what waits for it.
    patience: Option<Pin<Box<Sleep>>>,
}

impl<S> Metered<S> {
    pub(super) fn new(socket: S, outlet: Arc<Outlet>) -> Self {
        Self { socket, outlet, patience: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.outlet.wait(context);
        // Looked at after the waker is there: what moves in between wakes it.
        if !self.outlet.takes() {
            return Poll::Pending;
        }
        Pin::new(&mut self.socket).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.socket).poll_write(context, bytes) {
            Poll::Ready(written) => {
                self.patience = None;
                if let Ok(count) = &written {
                    self.outlet.wrote(*count);
                }
                Poll::Ready(written)
            }
            Poll::Pending => {
                let patience = self
                    .patience
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep(limits::PATIENCE)));
                ready!(patience.as_mut().poll(context));
                tracing::info!("a client is cut off: it does not take its answers");
                let what = "the client does not take its answers";
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, what)))
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    fn long() -> String {
        "x".repeat(limits::CONNECTION_BYTES)
    }

    #[tokio::test]
    async fn who_does_not_take_answers_is_neither_answered_nor_read() {
        let (mut client, server) = tokio::io::duplex(1_024);
        let outlet = Outlet::new();
        let mut socket = Metered::new(server, Arc::clone(&outlet));
        outlet.make(async { long() }).await;
        assert!(timeout(SOON, outlet.make(async { long() })).await.is_err(), "there is no room");
        client.write_all(b"more").await.unwrap();
        let mut read = [0; 4];
        assert!(timeout(SOON, socket.read_exact(&mut read)).await.is_err(), "nothing is read");
        // As much as is written makes room.
        let written = long();
        let mut taken = vec![0; written.len()];
        let (sent, got) =
            tokio::join!(socket.write_all(written.as_bytes()), client.read_exact(&mut taken));
        sent.unwrap();
        got.unwrap();
        timeout(SOON, socket.read_exact(&mut read)).await.unwrap().unwrap();
        assert_eq!(&read, b"more");
        timeout(SOON, outlet.make(async { long() })).await.unwrap();
    }

    #[tokio::test]
    async fn so_many_calls_run_at_once_and_what_is_given_up_leaves_no_trace() {
        let outlet = Outlet::new();
        let running: Vec<_> = (0..limits::CONNECTION_WAITING)
            .map(|_| Box::pin(outlet.make(std::future::pending::<String>())))
            .collect();
        let mut all = futures::future::select_all(running);
        assert!(timeout(SOON, &mut all).await.is_err());
        assert_eq!(outlet.running.available_permits(), 0);
        assert!(!outlet.takes(), "no more is read");
        drop(all);
        assert!(outlet.takes());
        assert_eq!(outlet.running.available_permits(), limits::CONNECTION_CALLS);
    }
}
