//! Who knocks and isn't let in is counted, and told in the log once a minute at most.
//!
//! A stranger, a peer of another network or with another key, somebody who sends garbage or nothing:
//! each costs a handshake and nothing more, of which only so many run at a time.

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use commonware_runtime::{Clock, Sink, Stream};
use commonware_stream::Upgrader;
use rand_core::CryptoRng;

use super::dated::Dated;
use crate::consensus::steady::Wall;

/// How often the log may say that somebody was refused.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// How many connections were refused. A clone is the same count.
#[derive(Clone, Debug, Default)]
pub struct Refused {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    count: AtomicU64,
    told: Mutex<Option<SystemTime>>,
}

impl Refused {
    /// How many, since the node started.
    pub fn count(&self) -> u64 {
        self.inner.count.load(Ordering::Relaxed)
    }

    fn note(&self, now: SystemTime, reason: &dyn fmt::Display) {
        let count = self.inner.count.fetch_add(1, Ordering::Relaxed) + 1;
        let mut told = self.inner.told.lock().unwrap_or_else(PoisonError::into_inner);
        let due =
            told.is_none_or(|last| now.duration_since(last).unwrap_or_default() >= TOLD_EVERY);
        if due {
            *told = Some(now);
            drop(told);
            tracing::info!(count, %reason, "connections to the p2p port were refused");
        }
    }
}

/// The handshake, with a count of those that fail.
#[derive(Clone, Debug)]
pub(super) struct Gate<U> {
    pub(super) handshake: U,
    pub(super) refused: Refused,
    pub(super) wall: Wall,
}

/// A handshake that nobody has ended yet: who is silent is cut off from outside.
struct Attempt {
    begun: SystemTime,
    refused: Refused,
    ended: bool,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.ended {
            self.refused.note(self.begun, &"the handshake took too long");
        }
    }
}

impl<U: Upgrader> Upgrader for Gate<U>
where
    U::PublicKey: Send,
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
        let context = Dated::new(context, &self.wall);
        self.handshake.dial(context, namespace, max_message_size, peer, stream, sink).await
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
        let mut attempt =
            Attempt { ended: false, refused: self.refused.clone(), begun: context.current() };
        let context = Dated::new(context, &self.wall);
        let outcome = self
            .handshake
            .listen(context, namespace, max_message_size, bouncer, stream, sink)
            .await;
        attempt.ended = true;
        if let Err(error) = &outcome {
            self.refused.note(attempt.begun, error);
        }
        outcome
    }
}
