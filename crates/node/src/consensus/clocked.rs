//! A context that is the real one but for its clock, and for where files are kept.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, SystemTime},
};

use commonware_runtime::{
    BlobVersion, Clock, Error, Handle, Metrics, Name, Network, Resolver, SinkOf, Spawner, Storage,
    StreamOf, Supervisor, signal,
    telemetry::metrics::{Metric, Registered},
};
use governor::clock::{Clock as GovernorClock, ReasonablyRealtime};
use rand_core::{CryptoRng, TryCryptoRng, TryRng};

/// What a clock shows, and how long one waits by it.
pub trait Dial: Clone + Send + Sync + 'static {
    /// What it shows now.
    fn shown<E: Clock>(&self, clock: &E) -> SystemTime;

    /// Waits until it shows this.
    fn until<E: Clock>(
        self,
        clock: Arc<E>,
        deadline: SystemTime,
    ) -> impl Future<Output = ()> + Send + 'static;
}

/// A context with another clock, and another storage if it is given one.
pub struct Clocked<E, D, S = E> {
    inner: Arc<E>,
    own: E,
    dial: D,
    storage: Arc<S>,
}

impl<E, D: fmt::Debug, S> fmt::Debug for Clocked<E, D, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clocked").field("dial", &self.dial).finish_non_exhaustive()
    }
}

impl<E: Supervisor, D: Dial> Clocked<E, D> {
    /// Gives a context this clock.
    pub fn new(context: E, dial: D) -> Self {
        let inner = Arc::new(context.child("clock"));
        let storage = Arc::clone(&inner);
        Self { inner, own: context, dial, storage }
    }

    /// The same with its files elsewhere.
    pub fn with_storage<S>(self, storage: S) -> Clocked<E, D, S> {
        let Self { inner, own, dial, storage: _ } = self;
        Clocked { inner, own, dial, storage: Arc::new(storage) }
    }
}

impl<E: Supervisor, D: Dial, S: Send + Sync + 'static> Supervisor for Clocked<E, D, S> {
    fn name(&self) -> Name {
        self.own.name()
    }

    fn child(&self, label: &'static str) -> Self {
        let (inner, storage) = (Arc::clone(&self.inner), Arc::clone(&self.storage));
        Self { inner, own: self.own.child(label), dial: self.dial.clone(), storage }
    }

    fn with_attribute(self, key: &'static str, value: impl fmt::Display) -> Self {
        Self { own: self.own.with_attribute(key, value), ..self }
    }
}

impl<E: Spawner, D: Dial, S: Send + Sync + 'static> Spawner for Clocked<E, D, S> {
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
        let Self { inner, own, dial, storage } = self;
        own.spawn(move |own| f(Self { inner, own, dial, storage }))
    }

    async fn stop(self, value: i32, timeout: Option<Duration>) -> Result<(), Error> {
        self.own.stop(value, timeout).await
    }

    fn stopped(&self) -> signal::Signal {
        self.own.stopped()
    }
}

impl<E: Metrics, D: Dial, S: Send + Sync + 'static> Metrics for Clocked<E, D, S> {
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

impl<E: Clock, D: Dial, S: Send + Sync + 'static> Clock for Clocked<E, D, S> {
    fn current(&self) -> SystemTime {
        self.dial.shown(self.inner.as_ref())
    }

    fn sleep(
        &self,
        duration: Duration,
    ) -> impl Future<Output = ()> + Send + 'static + use<E, D, S> {
        self.sleep_until(self.current() + duration)
    }

    fn sleep_until(
        &self,
        deadline: SystemTime,
    ) -> impl Future<Output = ()> + Send + 'static + use<E, D, S> {
        self.dial.clone().until(Arc::clone(&self.inner), deadline)
    }
}

impl<E: Clock, D: Dial, S: Send + Sync + 'static> GovernorClock for Clocked<E, D, S> {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.current()
    }
}

impl<E: Clock, D: Dial, S: Send + Sync + 'static> ReasonablyRealtime for Clocked<E, D, S> {}

impl<E: CryptoRng, D: Dial, S> TryRng for Clocked<E, D, S> {
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

impl<E: CryptoRng, D: Dial, S> TryCryptoRng for Clocked<E, D, S> {}

impl<E: Supervisor, D: Dial, S: Storage> Storage for Clocked<E, D, S> {
    type Blob = S::Blob;

    async fn open_versioned(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<BlobVersion>,
    ) -> Result<(S::Blob, u64, BlobVersion), Error> {
        self.storage.open_versioned(partition, name, versions).await
    }

    async fn remove(&self, partition: &str, name: Option<&[u8]>) -> Result<(), Error> {
        self.storage.remove(partition, name).await
    }

    async fn scan(&self, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
        self.storage.scan(partition).await
    }
}

impl<E: Network, D: Dial, S: Send + Sync + 'static> Network for Clocked<E, D, S> {
    type Listener = E::Listener;

    async fn bind(&self, socket: SocketAddr) -> Result<E::Listener, Error> {
        self.own.bind(socket).await
    }

    async fn dial(&self, socket: SocketAddr) -> Result<(SinkOf<E>, StreamOf<E>), Error> {
        self.own.dial(socket).await
    }
}

impl<E: Resolver, D: Dial, S: Send + Sync + 'static> Resolver for Clocked<E, D, S> {
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Error> {
        self.own.resolve(host).await
    }
}
