//! What a node hears: messages that come twice, late, or never.

use std::{
    collections::VecDeque,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use commonware_cryptography::ed25519::PublicKey;
use commonware_macros::select;
use commonware_p2p::{Message, Receiver};
use commonware_runtime::{Clock as _, deterministic};
use rand_core::Rng as _;

use super::network::SimulatedReceiver;

/// How long a message is held back at most.
const HELD: Duration = Duration::from_millis(40);

/// How well a node hears. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Of a thousand messages, how many come twice, and how many after those behind them.
    twice: AtomicU64,
    late: AtomicU64,
    /// Whether no tips are heard.
    deaf_to_tips: AtomicBool,
}

impl Weather {
    /// Of a thousand messages, so many come twice, and so many after those behind them.
    pub(crate) fn disturb(&self, twice: u64, late: u64) {
        self.inner.twice.store(twice, Ordering::Relaxed);
        self.inner.late.store(late, Ordering::Relaxed);
    }

    /// From now on no tip of others is heard.
    pub(crate) fn drop_tips(&self) {
        self.inner.deaf_to_tips.store(true, Ordering::Relaxed);
    }
}

/// The end of a channel in the weather.
pub(crate) struct Wire {
    pub(crate) inner: SimulatedReceiver,
    pub(crate) context: deterministic::Context,
    pub(crate) weather: Weather,
    /// What comes next, and what is held back.
    pub(crate) ready: VecDeque<Message<PublicKey>>,
    pub(crate) held: Option<Message<PublicKey>>,
    /// Whether tips come here.
    pub(crate) of_tips: bool,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Wire").field("weather", &self.weather).finish_non_exhaustive()
    }
}

impl Wire {
    /// Whether this happens to a message, which is so likely in a thousand.
    fn happens(&mut self, likely: u64) -> bool {
        likely > 0 && self.context.next_u64() % 1_000 < likely
    }
}

impl Receiver for Wire {
    type Error = <SimulatedReceiver as Receiver>::Error;
    type PublicKey = PublicKey;

    async fn recv(&mut self) -> Result<Message<PublicKey>, Self::Error> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(message);
            }
            let message = if self.held.is_some() {
                // Both branches only wait; what they take goes to this wire's own queues.
                select! {
                    message = self.inner.recv() => Some(message?),
                    () = self.context.sleep(HELD) => None,
                }
            } else {
                Some(self.inner.recv().await?)
            };
            let Some(message) = message else {
                self.ready.extend(self.held.take());
                continue;
            };
            if self.of_tips && self.weather.inner.deaf_to_tips.load(Ordering::Relaxed) {
                continue;
            }
            if self.happens(self.weather.inner.twice.load(Ordering::Relaxed)) {
                self.ready.push_back(message.clone());
            }
            if self.held.is_none() && self.happens(self.weather.inner.late.load(Ordering::Relaxed))
            {
                self.held = Some(message);
                continue;
            }
            self.ready.push_back(message);
            self.ready.extend(self.held.take());
        }
    }

    fn capacity(&self) -> NonZeroUsize {
        self.inner.capacity()
    }
}
