//! Handshakes that come to nothing, on either side, are counted, and told in the log once a minute at
//! most.
//!
//! A stranger, a peer of another network or with another key, somebody who sends garbage or nothing:
//! each costs a handshake and nothing more, of which only so many run at a time. Who is refused learns
//! no reason from the other side, which owes a stranger none; so it says itself what it may be.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use commonware_runtime::{
    Clock, Metrics, Sink, Stream,
    telemetry::metrics::{Counter, MetricsExt as _},
};
use commonware_stream::Upgrader;
use rand_core::CryptoRng;

use super::dated::Dated;
use crate::consensus::steady::Wall;

/// How often the log may say that handshakes come to nothing.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// A count of handshakes that came to nothing. A clone is the same count.
#[derive(Clone, Debug)]
struct Failures {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    count: Counter,
    told: Mutex<Option<SystemTime>>,
}

impl Failures {
    fn new(count: Counter) -> Self {
        Self { inner: Arc::new(Inner { count, told: Mutex::new(None) }) }
    }

    /// Counts one; how many there were, if the log may say so.
    fn note(&self, now: SystemTime) -> Option<u64> {
        let count = self.inner.count.inc() + 1;
        let mut told = self.inner.told.lock().unwrap_or_else(PoisonError::into_inner);
        let due =
            told.is_none_or(|last| now.duration_since(last).unwrap_or_default() >= TOLD_EVERY);
        due.then(|| {
            *told = Some(now);
            count
        })
    }
}

/// The handshake, with counts of those that fail.
#[derive(Clone, Debug)]
pub(super) struct Gate<U> {
    handshake: U,
    refused: Failures,
    turned_away: Failures,
    wall: Wall,
}

impl<U> Gate<U> {
    /// The counts are among what the context measures.
    pub(super) fn new(handshake: U, context: &impl Metrics, wall: Wall) -> Self {
        let refused = context
            .counter("handshakes_refused", "Connections to this node whose handshake failed");
        let turned_away = context
            .counter("handshakes_turned_away", "Connections to peers whose handshake failed");
        Self {
            handshake,
            refused: Failures::new(refused),
            turned_away: Failures::new(turned_away),
            wall,
        }
    }
}

/// A handshake that nobody has ended yet: who is silent is cut off from outside.
struct Attempt<F: FnMut(&dyn fmt::Display)> {
    ended: bool,
    failed: F,
}

impl<F: FnMut(&dyn fmt::Display)> Attempt<F> {
    /// Waits for the end of a handshake, and says why it failed if it does.
    async fn run<T, E: fmt::Display>(
        failed: F,
        handshake: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let mut attempt = Self { ended: false, failed };
        let outcome = handshake.await;
        attempt.ended = true;
        if let Err(error) = &outcome {
            (attempt.failed)(error);
        }
        outcome
    }
}

impl<F: FnMut(&dyn fmt::Display)> Drop for Attempt<F> {
    fn drop(&mut self) {
        if !self.ended {
            (self.failed)(&"it took too long");
        }
    }
}

impl<U: Upgrader> Upgrader for Gate<U>
where
    U::PublicKey: fmt::Display + Send,
{
    const MAX_SIZE: u32 = U::MAX_SIZE;

    type PublicKey = U::PublicKey;
    type Error = U::Error;
    type Sender<I: Stream, O: Sink> = U::Sender<I, O>;
    type Receiver<I: Stream, O: Sink> = U::Receiver<I, O>;

    fn public_key(&self) -> U::PublicKey {
        self.handshake.public_key()
    }

    async fn dial<C, I, O>(
        self,
        context: C,
        namespace: &[u8],
        max_message_size: u32,
        peer: U::PublicKey,
        stream: I,
        sink: O,
    ) -> Result<(U::Sender<I, O>, U::Receiver<I, O>), U::Error>
    where
        C: Clock + CryptoRng,
        I: Stream,
        O: Sink,
    {
        let (begun, known) = (context.current(), peer.to_string());
        let failed = |reason: &dyn fmt::Display| {
            if let Some(count) = self.turned_away.note(begun) {
                tracing::warn!(
                    count, peer = known, %reason,
                    "a peer did not take this node's handshake: one of the two has another genesis, \
                     another node key than the other one knows, or a clock that is off"
                );
            }
        };
        let context = Dated::new(context, &self.wall);
        let handshake = self.handshake;
        let dialled = handshake.dial(context, namespace, max_message_size, peer, stream, sink);
        Attempt::run(failed, dialled).await
    }

    async fn listen<C, I, O, B, F>(
        self,
        context: C,
        namespace: &[u8],
        max_message_size: u32,
        bouncer: B,
        stream: I,
        sink: O,
    ) -> Result<(U::PublicKey, U::Sender<I, O>, U::Receiver<I, O>), U::Error>
    where
        C: Clock + CryptoRng,
        I: Stream,
        O: Sink,
        B: FnOnce(U::PublicKey) -> F + Send,
        F: Future<Output = bool> + Send,
    {
        let begun = context.current();
        let failed = |reason: &dyn fmt::Display| {
            if let Some(count) = self.refused.note(begun) {
                tracing::info!(count, %reason, "connections to the p2p port were refused");
            }
        };
        let context = Dated::new(context, &self.wall);
        let handshake = self.handshake;
        let heard = handshake.listen(context, namespace, max_message_size, bouncer, stream, sink);
        Attempt::run(failed, heard).await
    }
}
