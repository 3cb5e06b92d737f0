//! A clock that stands still while there is nothing to agree on.
//!
//! Simplex measures its timeouts on the clock of the context that it is given. This context is the
//! real one but for its clock, which stops when the network is idle: no view times out, no timer
//! fires, nothing is sent or written. When there is work again it goes on from where it stood, so
//! a leader has its whole time, however long the pause was.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use commonware_macros::select;
use commonware_runtime::{
    BlobVersion, Clock, Error, Handle, Metrics, Name, Spawner, Storage, Supervisor, signal,
    telemetry::metrics::{Metric, Registered},
};
use governor::clock::{Clock as GovernorClock, ReasonablyRealtime};
use rand_core::{CryptoRng, TryCryptoRng, TryRng};

use super::bell::Bell;

/// Stops and starts the clocks of all contexts made with it.
#[derive(Clone, Debug, Default)]
pub struct Brake {
    state: Arc<Mutex<State>>,
    changed: Bell,
}

#[derive(Debug, Default)]
struct State {
    /// Since when it stands still.
    since: Option<SystemTime>,
    /// How long it has stood still before.
    lost: Duration,
}

impl Brake {
    /// Stops the clocks; nothing if they stand still.
    pub fn freeze(&self, now: SystemTime) {
        let mut state = self.lock();
        if state.since.is_none() {
            state.since = Some(now);
            drop(state);
            self.changed.ring();
        }
    }

    /// Starts them again; nothing if they run.
    pub fn thaw(&self, now: SystemTime) {
        let mut state = self.lock();
        if let Some(since) = state.since.take() {
            state.lost += now.duration_since(since).unwrap_or_default();
            drop(state);
            self.changed.ring();
        }
    }

    /// What the stopped clock shows when the real one shows `now`.
    fn shown(&self, now: SystemTime) -> SystemTime {
        let state = self.lock();
        let real = state.since.map_or(now, |since| since.min(now));
        real.checked_sub(state.lost).unwrap_or(real)
    }

    fn is_frozen(&self) -> bool {
        self.lock().since.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A context whose clock the brake stops.
pub struct Braked<E> {
    inner: Arc<E>,
    own: E,
    brake: Brake,
}

impl<E> fmt::Debug for Braked<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Braked").field("brake", &self.brake).finish_non_exhaustive()
    }
}

impl<E: Supervisor> Braked<E> {
    /// Puts a brake on a context.
    pub fn new(context: E, brake: Brake) -> Self {
        let inner = Arc::new(context.child("clock"));
        Self { inner, own: context, brake }
    }

    fn wrap(&self, own: E) -> Self {
        Self { inner: Arc::clone(&self.inner), own, brake: self.brake.clone() }
    }
}

impl<E: Supervisor> Supervisor for Braked<E> {
    fn name(&self) -> Name {
        self.own.name()
    }

    fn child(&self, label: &'static str) -> Self {
        self.wrap(self.own.child(label))
    }

    fn with_attribute(self, key: &'static str, value: impl fmt::Display) -> Self {
        Self { own: self.own.with_attribute(key, value), ..self }
    }
}

impl<E: Spawner> Spawner for Braked<E> {
    fn shared(self, blocking: bool) -> Self {
        Self { own: self.own.shared(blocking), ..self }
    }

    fn dedicated(self) -> Self {
        Self { own: self.own.dedicated(), ..self }
    }

    fn spawn<F, Fut, T>(self, f: F) -> Handle<T>
    where
        F: FnOnce(Self) -> Fut + Send + 'static,
        Fut: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let Self { inner, own, brake } = self;
        own.spawn(move |own| f(Self { inner, own, brake }))
    }

    async fn stop(self, value: i32, timeout: Option<Duration>) -> Result<(), Error> {
        self.own.stop(value, timeout).await
    }

    fn stopped(&self) -> signal::Signal {
        self.own.stopped()
    }
}

impl<E: Metrics> Metrics for Braked<E> {
    fn register<N: Into<String>, H: Into<String>, M: Metric>(
        &self,
        name: N,
        help: H,
        metric: M,
    ) -> Registered<M> {
        self.own.register(name, help, metric)
    }

    fn encode(&self) -> String {
        self.own.encode()
    }
}

impl<E: Clock> Clock for Braked<E> {
    fn current(&self) -> SystemTime {
        self.brake.shown(self.inner.current())
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<E> {
        self.sleep_until(self.current() + duration)
    }

    fn sleep_until(
        &self,
        deadline: SystemTime,
    ) -> impl Future<Output = ()> + Send + 'static + use<E> {
        let (clock, brake) = (Arc::clone(&self.inner), self.brake.clone());
        async move {
            loop {
                let rings = brake.changed.rings();
                if brake.is_frozen() {
                    brake.changed.after(rings).await;
                    continue;
                }
                let shown = brake.shown(clock.current());
                let Ok(left) = deadline.duration_since(shown) else {
                    return;
                };
                if left.is_zero() {
                    return;
                }
                // Both branches only wait; whichever loses is dropped without effect.
                select! {
                    () = clock.sleep(left) => {},
                    () = brake.changed.after(rings) => {},
                }
            }
        }
    }
}

impl<E: Clock> GovernorClock for Braked<E> {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.current()
    }
}

impl<E: Clock> ReasonablyRealtime for Braked<E> {}

impl<E: CryptoRng> TryRng for Braked<E> {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.own.next_u32())
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.own.next_u64())
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        self.own.fill_bytes(out);
        Ok(())
    }
}

impl<E: CryptoRng> TryCryptoRng for Braked<E> {}

impl<E: Storage> Storage for Braked<E> {
    type Blob = E::Blob;

    async fn open_versioned(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<BlobVersion>,
    ) -> Result<(E::Blob, u64, BlobVersion), Error> {
        self.own.open_versioned(partition, name, versions).await
    }

    async fn remove(&self, partition: &str, name: Option<&[u8]>) -> Result<(), Error> {
        self.own.remove(partition, name).await
    }

    async fn scan(&self, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
        self.own.scan(partition).await
    }
}
