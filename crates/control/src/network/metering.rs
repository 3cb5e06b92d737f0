//! What nodes have used is measured before they end: afterwards nobody can tell.

use futures::future::join_all;
use windlass_model::{NodeId, WorkloadId, network::Intent};
use windlass_substrate::Instance;

use crate::{meter::Owner, network::execute::Execution};

/// Measures those of the nodes that run.
pub(crate) async fn measure(execution: &Execution<'_>, ending: &[&WorkloadId]) {
    let reconciler = execution.reconciler;
    let network = &execution.after.network;
    let owner = Owner { organization: network.organization.clone(), name: network.name.clone() };
    reconciler.meter.own(&network.id, owner);
    let measured = ending.iter().filter_map(|id| {
        let node: NodeId = id.as_str().parse().ok()?;
        let running = execution.observed.instances.get(*id).and_then(Instance::running)?;
        Some(async move { (node, running, reconciler.world.substrate.usage(id).await) })
    });
    for (node, running, usage) in join_all(measured).await {
        // It may have ended by itself in between.
        let Ok(usage) = usage else { continue };
        reconciler.meter.note((&network.id, &node), running, (usage, execution.now_ms()));
    }
}

/// Counts a network's last requests, while the gateway still knows it.
pub(crate) async fn count(execution: &Execution<'_>) {
    let reconciler = execution.reconciler;
    let network = &execution.after.network;
    if network.intent != Intent::Destroyed {
        return;
    }
    let counts = reconciler.gateway.requests(&reconciler.world).await;
    if let Some(count) = counts.and_then(|mut counts| counts.remove(&network.id)) {
        reconciler.meter.note_requests(&network.id, count, execution.now_ms());
    }
}
