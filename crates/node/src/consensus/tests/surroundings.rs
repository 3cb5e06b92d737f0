//! What a simulated node lives in: a clock that may be wrong and is set while it runs, a disk beneath
//! its journals that may be slow or lie.

use std::{
    convert::Infallible,
    fmt,
    future::Future,
    ops::RangeInclusive,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use commonware_runtime::{
    Blob, BlobVersion, Clock, Error, Handle, IoBufs, IoBufsMut, Metrics, Name, ReadOptions,
    Spawner, Storage, Supervisor, WriteOptions, deterministic, signal,
    telemetry::metrics::{Metric, Registered},
};
use futures::FutureExt as _;
use governor::clock::{Clock as GovernorClock, ReasonablyRealtime};
use rand_core::{Rng as _, TryCryptoRng, TryRng};

use crate::consensus::work::{Pace, Work};

/// What is odd about a node's machine. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oddities {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// What the machine's clock shows too much, and too little.
    ahead: Mutex<(Duration, Duration)>,
    /// How long a sync of the disk, or a call of the ledger, takes.
    slow_ms: AtomicU64,
    /// Whether syncs of the journals are acknowledged and not made.
    lies: AtomicBool,
    /// Whether timeouts are measured on the clock that is set.
    unsteady: AtomicBool,
}

impl Oddities {
    /// Sets the machine's clock, from now on wrong by so much.
    pub(crate) fn set_clock(&self, ahead: Duration, behind: Duration) {
        *self.inner.ahead.lock().expect("no test panics here") = (ahead, behind);
    }

    /// Each sync takes so long.
    pub(crate) fn slow_down(&self, sync_ms: u64) {
        self.inner.slow_ms.store(sync_ms, Ordering::Relaxed);
    }

    /// From now on syncs of journals do nothing.
    pub(crate) fn lie(&self) {
        self.inner.lies.store(true, Ordering::Relaxed);
    }

    /// Timeouts are measured on the clock that is set.
    pub(crate) fn unsettle(&self) {
        self.inner.unsteady.store(true, Ordering::Relaxed);
    }

    /// How long ago this was, on the clock that timeouts are measured on.
    pub(crate) fn steady(
        &self,
        context: &deterministic::Context,
    ) -> impl Fn() -> Duration + Send + Sync + 'static {
        let (clock, oddities, begun) = (context.child("steady"), self.clone(), context.current());
        let shown = self.shown(begun);
        move || {
            let now = clock.current();
            if oddities.inner.unsteady.load(Ordering::Relaxed) {
                oddities.shown(now).duration_since(shown).unwrap_or_default()
            } else {
                now.duration_since(begun).unwrap_or_default()
            }
        }
    }

    /// Where the ledger's calls run: they wait for the disk as the journals do.
    pub(crate) fn work(&self, context: &deterministic::Context) -> Work {
        let (clock, oddities) = (Arc::new(context.child("disk")), self.clone());
        Work::Paced(Pace(Arc::new(move || {
            let (clock, oddities) = (Arc::clone(&clock), oddities.clone());
            async move { oddities.wait(clock.as_ref()).await }.boxed()
        })))
    }

    async fn wait(&self, clock: &impl Clock) {
        let slow_ms = self.inner.slow_ms.load(Ordering::Relaxed);
        if slow_ms > 0 {
            clock.sleep(Duration::from_millis(slow_ms)).await;
        }
    }

    fn shown(&self, real: SystemTime) -> SystemTime {
        let (ahead, behind) = *self.inner.ahead.lock().expect("no test panics here");
        real + ahead - behind
    }
}

/// A node's context: the simulator's, with the machine's oddities.
pub(crate) struct Local {
    own: deterministic::Context,
    oddities: Oddities,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("oddities", &self.oddities).finish_non_exhaustive()
    }
}

impl Local {
    pub(crate) fn new(own: deterministic::Context, oddities: Oddities) -> Self {
        Self { own, oddities }
    }
}

impl Supervisor for Local {
    fn name(&self) -> Name {
        self.own.name()
    }

    fn child(&self, label: &'static str) -> Self {
        Self { own: self.own.child(label), oddities: self.oddities.clone() }
    }

    fn with_attribute(self, key: &'static str, value: impl fmt::Display) -> Self {
        Self { own: self.own.with_attribute(key, value), ..self }
    }
}

impl Spawner for Local {
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
        let oddities = self.oddities;
        self.own.spawn(move |own| f(Self { own, oddities }))
    }

    async fn stop(self, value: i32, timeout: Option<Duration>) -> Result<(), Error> {
        self.own.stop(value, timeout).await
    }

    fn stopped(&self) -> signal::Signal {
        self.own.stopped()
    }
}

impl Metrics for Local {
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

/// As the runtime of whole nodes has it: what is shown can be set; a sleep takes as long as was
/// worked out when it began.
impl Clock for Local {
    fn current(&self) -> SystemTime {
        self.oddities.shown(self.own.current())
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.own.sleep(duration)
    }

    fn sleep_until(
        &self,
        deadline: SystemTime,
    ) -> impl Future<Output = ()> + Send + 'static + use<> {
        self.own.sleep(deadline.duration_since(self.current()).unwrap_or_default())
    }
}

impl GovernorClock for Local {
    type Instant = SystemTime;

    fn now(&self) -> SystemTime {
        self.current()
    }
}

impl ReasonablyRealtime for Local {}

impl TryRng for Local {
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

impl TryCryptoRng for Local {}

type Inside = <deterministic::Context as Storage>::Blob;

impl Storage for Local {
    type Blob = OddBlob;

    async fn open_versioned(
        &self,
        partition: &str,
        name: &[u8],
        versions: RangeInclusive<BlobVersion>,
    ) -> Result<(OddBlob, u64, BlobVersion), Error> {
        let (inner, size, version) = self.own.open_versioned(partition, name, versions).await?;
        let (clock, oddities) = (self.own.child("disk"), self.oddities.clone());
        Ok((OddBlob { inner, clock, oddities }, size, version))
    }

    async fn remove(&self, partition: &str, name: Option<&[u8]>) -> Result<(), Error> {
        self.own.remove(partition, name).await
    }

    async fn scan(&self, partition: &str) -> Result<Vec<Vec<u8>>, Error> {
        self.own.scan(partition).await
    }
}

/// A file of a journal, on the machine's disk.
pub(crate) struct OddBlob {
    inner: Inside,
    clock: deterministic::Context,
    oddities: Oddities,
}

impl OddBlob {
    fn lies(&self) -> bool {
        self.oddities.inner.lies.load(Ordering::Relaxed)
    }
}

impl Blob for OddBlob {
    async fn read_at_buf(
        &self,
        offset: u64,
        len: usize,
        bufs: impl Into<IoBufsMut> + Send,
        options: ReadOptions,
    ) -> Result<IoBufsMut, Error> {
        self.inner.read_at_buf(offset, len, bufs, options).await
    }

    async fn read_at(
        &self,
        offset: u64,
        len: usize,
        options: ReadOptions,
    ) -> Result<IoBufsMut, Error> {
        self.inner.read_at(offset, len, options).await
    }

    async fn write_at(
        &self,
        offset: u64,
        bufs: impl Into<IoBufs> + Send,
        options: WriteOptions,
    ) -> Result<(), Error> {
        if options.contains(WriteOptions::SYNC) {
            self.oddities.wait(&self.clock).await;
            if self.lies() {
                return self.inner.write_at(offset, bufs, WriteOptions::default()).await;
            }
        }
        self.inner.write_at(offset, bufs, options).await
    }

    async fn resize(&self, len: u64) -> Result<(), Error> {
        self.inner.resize(len).await
    }

    async fn sync(&self) -> Result<(), Error> {
        self.oddities.wait(&self.clock).await;
        if self.lies() { Ok(()) } else { self.inner.sync().await }
    }

    async fn start_sync(&self) -> Handle<()> {
        self.oddities.wait(&self.clock).await;
        if self.lies() { Handle::ready(Ok(())) } else { self.inner.start_sync().await }
    }
}
