//! The end of a network: the only caller of `Substrate::remove` and `KeyHolder::destroy`.
//!
//! What exists is written down first (the inventory); then the endpoint goes, the processes with
//! their directories, the keys, and last the rows. The receipt accounts for every line of the
//! inventory: what a driver reported gone with its own words, and what went in a moment that a crash
//! cut off from its record with the words of the last look.

use std::collections::BTreeSet;

use futures::future::join_all;
use windlass_model::{
    ErrorCode, KeyId, WorkloadId,
    network::Reason,
    receipt::{ReleaseReceipt, Released, ReleasedKind},
};
use windlass_substrate::LabelSelector;

use crate::{
    gateway::Published,
    network::{
        execute::{Execution, Failure},
        reasons,
    },
    operation::{self, Ending},
    store::rows::{Record, TeardownRecord, Thing},
};

/// Removes workloads, all at the same time.
pub(crate) async fn remove(
    execution: &mut Execution<'_>,
    ids: Vec<WorkloadId>,
) -> Result<(), Failure> {
    let substrate = &execution.reconciler.world.substrate;
    let removed = join_all(ids.iter().map(|id| substrate.remove(id))).await;
    let mut failed = None;
    for (id, removed) in ids.into_iter().zip(removed) {
        let now_ms = execution.now_ms();
        execution.reconciler.monitor.forget_workload(&id);
        let owner = owner(&execution.after, &id);
        let Some(teardown) = &mut execution.after.network.status.teardown else { continue };
        match removed {
            Ok(removal) => {
                let lines = removal.released.into_iter();
                let owned = lines.map(|line| Released { owner: owner.clone(), ..line });
                teardown.released.extend(owned);
                teardown.removed.push(id);
            }
            Err(error) => failed = Some(reasons::of_substrate(&error, now_ms)),
        }
    }
    failed.map_or(Ok(()), |reason| Err(Failure(reason)))
}

/// Destroys keys, all at the same time.
pub(crate) async fn destroy_keys(
    execution: &mut Execution<'_>,
    ids: Vec<KeyId>,
) -> Result<(), Failure> {
    let holder = &execution.reconciler.world.keys;
    let destroyed = join_all(ids.iter().map(|id| holder.destroy(id))).await;
    for (id, destroyed) in ids.into_iter().zip(destroyed) {
        let now_ms = execution.now_ms();
        let paths = destroyed.map_err(|error| Failure(reasons::of_keys(&error, now_ms)))?;
        let owner = key_owner(&execution.after, &id);
        let Some(teardown) = &mut execution.after.network.status.teardown else { continue };
        if paths.is_empty() {
            continue;
        }
        let line = |kind, name: String, verified: &str| Released {
            kind,
            name,
            owner: owner.clone(),
            verified: verified.to_owned(),
            released_at_ms: now_ms,
        };
        teardown.released.push(line(ReleasedKind::Key, id.to_string(), "overwritten and unlinked"));
        for path in paths {
            let name = path.display().to_string();
            teardown.released.push(line(ReleasedKind::File, name, "no such file or directory"));
        }
    }
    Ok(())
}

/// The gateway does not serve the network any more.
pub(crate) fn note_endpoint(execution: &mut Execution<'_>, published: &Published) {
    let now_ms = execution.now_ms();
    let network = &mut execution.after.network;
    let Some(teardown) = &mut network.status.teardown else { return };
    teardown.released.push(Released {
        kind: ReleasedKind::Endpoint,
        name: format!("/n/{}", network.id),
        owner: network.name.to_string(),
        verified: published.verified().to_owned(),
        released_at_ms: now_ms,
    });
}

/// Looks once more that nothing is left, and writes the receipt.
pub(crate) async fn release(execution: &mut Execution<'_>) -> Result<(), Failure> {
    let (world, now_ms) = (&execution.reconciler.world, execution.now_ms());
    let selector = LabelSelector::all()
        .with("installation", execution.observed.installation.as_str())
        .with("network", execution.after.network.id.as_str());
    let left = world.substrate.list(&selector).await;
    let left = left.map_err(|error| Failure(reasons::of_substrate(&error, now_ms)))?;
    let held = world.keys.list().await;
    let held = held.map_err(|error| Failure(reasons::of_keys(&error, now_ms)))?;
    let own = execution.after.key_ids();
    let still = left
        .iter()
        .map(|instance| instance.id.to_string())
        .chain(own.filter(|id| held.contains(*id)).map(ToString::to_string))
        .next();
    if let Some(still) = still {
        // Somebody brought it back in this moment: the next pass removes it again.
        if let Some(teardown) = &mut execution.after.network.status.teardown {
            teardown.removed.clear();
        }
        return Err(Failure(still_there(&still, now_ms)));
    }
    let now_ms = execution.now_ms();
    let receipt = receipt(&execution.after, now_ms);
    if let Some(operation) = execution.after.current_operation() {
        operation::end(operation, Ending::Released(Box::new(receipt)), now_ms);
    }
    execution.reconciler.monitor.forget(&execution.after.network.id);
    Ok(())
}

/// The receipt: every line of the inventory, and whatever else was found on the way.
pub(crate) fn receipt(record: &Record, now_ms: u64) -> ReleaseReceipt {
    let TeardownRecord { inventory, released, .. } =
        record.network.status.teardown.clone().unwrap_or_default();
    let mut seen = BTreeSet::new();
    let mut lines: Vec<Released> =
        released.into_iter().filter(|line| seen.insert((line.kind, line.name.clone()))).collect();
    for Thing { kind, name, owner } in inventory {
        if seen.insert((kind, name.clone())) {
            let verified = absent(kind).to_owned();
            lines.push(Released { kind, name, owner, verified, released_at_ms: now_ms });
        }
    }
    let requested_at_ms =
        record.operation.as_ref().map_or(now_ms, |operation| operation.created_at_ms);
    ReleaseReceipt {
        network: record.network.id.clone(),
        name: record.network.name.clone(),
        requested_at_ms,
        completed_at_ms: now_ms,
        released: lines,
    }
}

fn absent(kind: ReleasedKind) -> &'static str {
    match kind {
        ReleasedKind::Key => "not held by the key holder",
        ReleasedKind::Endpoint => "not in the gateway's routes",
        ReleasedKind::Process
        | ReleasedKind::Port
        | ReleasedKind::Socket
        | ReleasedKind::Directory
        | ReleasedKind::File
        | ReleasedKind::Cgroup => "not known to the substrate",
    }
}

fn owner(record: &Record, id: &WorkloadId) -> String {
    let node = record.nodes.iter().find(|node| WorkloadId::of_node(&node.id) == *id);
    node.map_or_else(|| id.to_string(), |node| node.name.clone())
}

fn key_owner(record: &Record, id: &KeyId) -> String {
    let node =
        record.nodes.iter().find(|node| node.node_key.id == *id || node.consensus_key.id == *id);
    let accounts = record.network.status.accounts.iter();
    let members = record.network.spec.members.iter().zip(accounts);
    let mut members = members.filter(|(_, account)| account.key.as_ref() == Some(id));
    match (node, members.next()) {
        (Some(node), _) => node.name.clone(),
        (None, Some((member, _))) => member.organization.to_string(),
        (None, None) => record.network.name.to_string(),
    }
}

fn still_there(what: &str, now_ms: u64) -> Reason {
    Reason {
        code: ErrorCode::WorkloadFailed,
        message: format!("{what} is still there after its removal"),
        remedy: "it is removed again by itself; see what holds it".to_owned(),
        since_ms: now_ms,
    }
}
