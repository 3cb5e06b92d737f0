//! A context that is the real one but for its clock.

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

/// A context with another clock.
pub struct Clocked<E, D> {
    inner: Arc<E>,
    own: E,
    dial: D,
}

impl<E, D: fmt::Debug> fmt::Debug for Clocked<E, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clocked").field("dial", &self.dial).finish_non_exhaustive()
    }
}

impl<E: Supervisor, D: Dial> Clocked<E, D> {
    /// Gives a context this clock.
    pub fn new(context: E, dial: D) -> Self {
        let inner = Arc::new(context.child("clock"));
        Self { inner, own: context, dial }
    }

    fn wrap(&self, own: E) -> Self {
        Self { inner: Arc::clone(&self.inner), own, dial: self.dial.clone() }
    }
}

impl<E: Supervisor, D: Dial> Supervisor for Clocked<E, D> {
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

impl<E: Spawner, D: Dial> Spawner for Clocked<E, D> {
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
        let Self { inner, own, dial } = self;
        own.spawn(move |own| f(Self { inner, own, dial }))
    }

    async fn stop(self, value: i32, timeout: Option<Duration>) -> Result<(), Error> {
        self.own.stop(value, timeout).await
    }

    fn stopped(&self) -> signal::Signal {
        self.own.stopped()
    }
}

impl<E: Metrics, D: Dial> Metrics for Clocked<E, D> {
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

impl<E: Clock, D: Dial> Clock for Clocked<E, D> {
    fn current(&self) -> SystemTime {
        self.dial.shown(self.inner.as_ref())
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<E, D> {
        self.sleep_until(self.current() + duration)
    }

    fn sleep_until(
        &self,
        deadline: SystemTime,
    ) -> impl Future<Output = ()> + Send + 'static + use<E, D> {
        self.dial.clone().until(Arc::clone(&self.inner), deadline)
    }
}

impl<E: Clock, D: Dial> GovernorClock for Clocked<E, D> {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.current()
    }
}

impl<E: Clock, D: Dial> ReasonablyRealtime for Clocked<E, D> {}

impl<E: CryptoRng, D: Dial> TryRng for Clocked<E, D> {
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

impl<E: CryptoRng, D: Dial> TryCryptoRng for Clocked<E, D> {}

impl<E: Storage, D: Dial> Storage for Clocked<E, D> {
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

impl<E: Network, D: Dial> Network for Clocked<E, D> {
    type Listener = E::Listener;

    async fn bind(&self, socket: SocketAddr) -> Result<E::Listener, Error> {
        self.own.bind(socket).await
    }

    async fn dial(&self, socket: SocketAddr) -> Result<(SinkOf<E>, StreamOf<E>), Error> {
        self.own.dial(socket).await
    }
}

impl<E: Resolver, D: Dial> Resolver for Clocked<E, D> {
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Error> {
        self.own.resolve(host).await
    }
}
