//! Drivers that answer in time.
//!
//! A driver may hang: on a disk that does not come back, a container engine, a key holder elsewhere. Whoever
//! waits for it hears after a while that it did not answer, says so, and asks again. What was given up may
//! still come to its end, as drivers' verbs may ([`Substrate`]); asked again, it agrees with that.

use std::{
    fmt,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use windlass_keys::{KeyError, PublicKey, Purpose};
use windlass_model::{KeyId, WorkloadId, workload::Workload};
use windlass_substrate::{
    ChangeStream, Instance, LabelSelector, LineStream, LogOptions, Removal, Substrate,
    SubstrateError, Usage,
};

use crate::world::{KeyHolder, Pending, World};

/// How long drivers are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// What only looks, or works on one key.
    pub answer: Duration,
    /// What starts, ends and removes processes: more than twice as long as the process driver takes
    /// for one that neither ends nor becomes ready, since another call for the same may be ahead.
    pub change: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { answer: Duration::from_secs(20), change: Duration::from_mins(2) }
    }
}

impl World {
    /// The same world, whose drivers answer in time.
    pub(crate) fn within(self, deadlines: Deadlines) -> Self {
        Self {
            substrate: Arc::new(TimelySubstrate { driver: self.substrate, deadlines }),
            keys: Arc::new(TimelyKeys { holder: self.keys, deadline: deadlines.answer }),
            ..self
        }
    }
}

struct TimelySubstrate {
    driver: Arc<dyn Substrate>,
    deadlines: Deadlines,
}

async fn within<T>(
    deadline: Duration,
    verb: &'static str,
    call: impl Future<Output = Result<T, SubstrateError>>,
) -> Result<T, SubstrateError> {
    let late = |_elapsed| SubstrateError::Late { verb, waited_ms: milliseconds(deadline) };
    tokio::time::timeout(deadline, call).await.map_err(late)?
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[async_trait::async_trait]
impl Substrate for TimelySubstrate {
    async fn ensure(&self, workload: &Workload) -> Result<Instance, SubstrateError> {
        within(self.deadlines.change, "ensure", self.driver.ensure(workload)).await
    }

    async fn remove(&self, id: &WorkloadId) -> Result<Removal, SubstrateError> {
        within(self.deadlines.change, "remove", self.driver.remove(id)).await
    }

    async fn list(&self, selector: &LabelSelector) -> Result<Vec<Instance>, SubstrateError> {
        within(self.deadlines.answer, "list", self.driver.list(selector)).await
    }

    fn watch(&self) -> ChangeStream {
        self.driver.watch()
    }

    async fn usage(&self, id: &WorkloadId) -> Result<Usage, SubstrateError> {
        within(self.deadlines.answer, "usage", self.driver.usage(id)).await
    }

    async fn logs(
        &self,
        id: &WorkloadId,
        options: LogOptions,
    ) -> Result<LineStream, SubstrateError> {
        within(self.deadlines.answer, "logs", self.driver.logs(id, options)).await
    }
}

struct TimelyKeys {
    holder: Arc<dyn KeyHolder>,
    deadline: Duration,
}

impl fmt::Debug for TimelyKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TimelyKeys").field(&self.holder).finish()
    }
}

impl TimelyKeys {
    fn within<'a, T: 'a>(
        &self,
        verb: &'static str,
        call: Pending<'a, Result<T, KeyError>>,
    ) -> Pending<'a, Result<T, KeyError>> {
        let deadline = self.deadline;
        let late = move |_elapsed| KeyError::Late { verb, waited_ms: milliseconds(deadline) };
        Box::pin(async move { tokio::time::timeout(deadline, call).await.map_err(late)? })
    }
}

impl KeyHolder for TimelyKeys {
    fn directory(&self) -> &Path {
        self.holder.directory()
    }

    fn create<'a>(
        &'a self,
        id: &'a KeyId,
        purpose: Purpose,
    ) -> Pending<'a, Result<PublicKey, KeyError>> {
        self.within("create", self.holder.create(id, purpose))
    }

    fn sign_hash<'a>(
        &'a self,
        id: &'a KeyId,
        hash: [u8; 32],
    ) -> Pending<'a, Result<[u8; 65], KeyError>> {
        self.within("sign", self.holder.sign_hash(id, hash))
    }

    fn list(&self) -> Pending<'_, Result<Vec<KeyId>, KeyError>> {
        self.within("list", self.holder.list())
    }

    fn held<'a>(&'a self, ids: &'a [KeyId]) -> Pending<'a, Result<Vec<KeyId>, KeyError>> {
        self.within("look at", self.holder.held(ids))
    }

    fn destroy<'a>(&'a self, id: &'a KeyId) -> Pending<'a, Result<Vec<PathBuf>, KeyError>> {
        self.within("destroy", self.holder.destroy(id))
    }
}
