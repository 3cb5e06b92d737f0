//! What is asked at a slow beat, and the substrate's own news.

use std::time::Duration;

use futures::StreamExt as _;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use windlass_model::{NetworkId, NodeId, WorkloadId};
use windlass_substrate::{Change, ChangeKind, Usage};

use crate::{
    gateway::{GATEWAY, Gateway},
    monitor::{Monitor, Shared},
};

/// How often memory is measured.
const BEAT: Duration = Duration::from_secs(10);

impl Monitor {
    /// Listens, for as long as the platform runs.
    pub(crate) fn run(
        &self,
        tracker: &TaskTracker,
        shutdown: &CancellationToken,
        gateway: Gateway,
    ) {
        if self.shared.tasks.set((tracker.clone(), shutdown.clone())).is_err() {
            return;
        }
        // It is set once, as the tasks are.
        let _new = self.shared.gateway.set(gateway.clone());
        let (listener, until) = (self.clone(), shutdown.clone());
        tracker.spawn(async move {
            // Cancel safety: a change that is not read is only a hint less at the end.
            tokio::select! {
                () = listener.follow(&gateway) => {}
                () = until.cancelled() => {}
            }
        });
        let (monitor, until) = (self.clone(), shutdown.clone());
        tracker.spawn(async move {
            // Cancel safety: measuring changes nothing.
            tokio::select! {
                () = monitor.measure() => {}
                () = until.cancelled() => {}
            }
        });
    }

    /// Exits wake whoever they concern at once.
    async fn follow(&self, gateway: &Gateway) {
        let mut changes = self.shared.world.substrate.watch();
        while let Some(Change { id, kind }) = changes.next().await {
            match (id, kind) {
                (Some(_), ChangeKind::Started { .. } | ChangeKind::Removed) => {}
                (Some(id), ChangeKind::Exited(_)) if id.as_str() == GATEWAY => gateway.wake(),
                (Some(id), ChangeKind::Exited(_)) => self.wake_owner(&id),
                (Some(_), ChangeKind::Missed) | (None, _) => {
                    gateway.wake();
                    self.shared.wakes.wake_all();
                }
            }
        }
    }

    fn wake_owner(&self, id: &WorkloadId) {
        let Ok(node) = id.as_str().parse::<NodeId>() else { return };
        let networks = self.shared.lock();
        let owners = networks.iter().filter(|(_, one)| one.live.nodes.contains_key(&node));
        for (network, _) in owners {
            self.shared.wakes.wake_known(network);
        }
    }

    async fn measure(&self) {
        loop {
            tokio::time::sleep(BEAT).await;
            for (network, node) in self.shared.running() {
                let id = WorkloadId::of_node(&node);
                if let Ok(usage) = self.shared.world.substrate.usage(&id).await {
                    self.shared.note_usage(&network, &node, usage);
                }
            }
        }
    }
}

impl Shared {
    fn running(&self) -> Vec<(NetworkId, NodeId)> {
        let networks = self.lock();
        let nodes = networks.iter().flat_map(|(network, watched)| {
            let running = watched.live.nodes.iter().filter(|(_, node)| node.process.is_some());
            running.map(|(node, _)| (network.clone(), node.clone()))
        });
        nodes.collect()
    }

    pub(super) fn note_usage(&self, network: &NetworkId, node: &NodeId, usage: Usage) {
        let now_ms = self.world.now_ms();
        self.update(network, |watched| {
            if let Some(live) = watched.live.nodes.get_mut(node) {
                if let Some(process) = &live.process {
                    self.meter.note((network, node), process, (usage, now_ms));
                }
                live.resident_bytes = live.process.as_ref().map(|_| usage.resident_bytes);
                live.disk_bytes = Some(usage.disk_bytes);
            }
        });
    }
}
