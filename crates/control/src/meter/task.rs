//! The reader of the meters: once a minute, what was used is written down.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;
use windlass_model::NetworkId;

use super::{Count, Draft, Gauge, Meter, Owner, hour_of};
use crate::{
    gateway::Gateway,
    store::{Store, StoreError, error::causes},
    world::World,
};

/// How often the meters are read.
const BEAT: Duration = Duration::from_mins(1);

/// Reads the meters for as long as the platform runs.
#[derive(Clone, Debug)]
pub(crate) struct MeterReader {
    pub(crate) store: Store,
    pub(crate) world: World,
    pub(crate) meter: Arc<Meter>,
    pub(crate) gateway: Gateway,
}

/// One network's part of what is written.
struct Entry {
    network: NetworkId,
    owner: Owner,
    gauge: Gauge,
    gone: bool,
}

impl MeterReader {
    pub(crate) async fn run(self, shutdown: CancellationToken) {
        while let Err(error) = self.begin().await {
            tracing::warn!("{error}{}", causes(&error));
            // Cancel safety: nothing is held.
            tokio::select! {
                () = tokio::time::sleep(BEAT) => {}
                () = shutdown.cancelled() => return,
            }
        }
        loop {
            // Cancel safety: nothing is held; at the end the meters are read once more.
            let ends = tokio::select! {
                () = tokio::time::sleep(BEAT) => false,
                () = shutdown.cancelled() => true,
            };
            if let Err(error) = self.read().await {
                tracing::warn!("{error}{}", causes(&error));
            }
            if ends {
                return;
            }
        }
    }

    async fn begin(&self) -> Result<(), StoreError> {
        self.meter.begin(self.store.readings().await?);
        for (network, owner) in self.store.owners().await? {
            self.meter.own(&network, owner);
        }
        Ok(())
    }

    /// Writes down what was used since the last time.
    pub(crate) async fn read(&self) -> Result<(), StoreError> {
        let owners = self.store.owners().await?;
        let counts = self.gateway.requests(&self.world).await;
        let now_ms = self.world.now_ms();
        let entries = self.collect(&owners, counts, now_ms);
        if entries.is_empty() {
            return Ok(());
        }
        let mut change = self.store.begin().await?;
        for Entry { network, owner, gauge, gone } in &entries {
            for draft in &gauge.drafts {
                change.add_use(network, owner, (*draft.0, *draft.1)).await?;
            }
            if *gone {
                change.forget_reading(network).await?;
            } else {
                change.put_reading(network, owner, &gauge.reading).await?;
            }
        }
        change.commit("meters").await?;
        self.written(&entries);
        Ok(())
    }

    /// What is to be written: of networks that ran since, or whose hour is over, or that are gone.
    fn collect(
        &self,
        owners: &BTreeMap<NetworkId, Owner>,
        counts: Option<BTreeMap<NetworkId, Count>>,
        now_ms: u64,
    ) -> Vec<Entry> {
        let mut gauges = self.meter.lock();
        for (network, owner) in owners {
            gauges.entry(network.clone()).or_default().owner = Some(owner.clone());
        }
        for (network, count) in counts.into_iter().flatten() {
            if let Some(gauge) = gauges.get_mut(&network) {
                gauge.note_requests(count, now_ms);
            }
        }
        let mut entries = Vec::new();
        for (network, gauge) in gauges.iter_mut() {
            let gone = !owners.contains_key(network);
            let hour_over = hour_of(gauge.reading.at_ms) != hour_of(now_ms);
            let has_disk = !gauge.reading.nodes.is_empty();
            if !(gauge.moved || gone || (hour_over && has_disk)) {
                continue;
            }
            gauge.note_disk(now_ms);
            let Some(owner) = gauge.owner.clone() else { continue };
            entries.push(Entry { network: network.clone(), owner, gauge: gauge.clone(), gone });
        }
        entries
    }

    /// Takes away what was written; what came in between stays.
    fn written(&self, entries: &[Entry]) {
        let mut gauges = self.meter.lock();
        for Entry { network, gauge: written, gone, .. } in entries {
            let Some(gauge) = gauges.get_mut(network) else { continue };
            for (hour_ms, draft) in &written.drafts {
                if let Some(left) = gauge.drafts.get_mut(hour_ms) {
                    left.take(draft);
                }
            }
            gauge.drafts.retain(|_, draft| *draft != Draft::default());
            gauge.moved = gauge.reading != written.reading;
            if *gone && gauge.drafts.is_empty() {
                gauges.remove(network);
            }
        }
    }
}

impl Draft {
    fn take(&mut self, written: &Self) {
        let Self { cpu_ms, memory_mib_ms, disk_mib_ms, requests } = written;
        self.cpu_ms -= cpu_ms;
        self.memory_mib_ms -= memory_mib_ms;
        self.disk_mib_ms -= disk_mib_ms;
        self.requests -= requests;
    }
}
