//! The end of a network: the only caller of `Substrate::remove` and `KeyHolder::destroy`.
//!
//! What exists is written down first (the inventory); then the endpoint goes, the processes with
//! their directories, the keys, and last the rows. The receipt accounts for every line of the
//! inventory: what a driver reported gone with its own words, and what went in a moment that a crash
//! cut off from its record with the words of the last look.

use std::collections::BTreeSet;

use futures::future::join_all;
use windlass_model::{
    ErrorCode, KeyId, NodeId, WorkloadId,
    network::{OperationKind, Reason},
    receipt::{ReleaseReceipt, Released, ReleasedKind},
};
use windlass_substrate::{
    LabelSelector,
    lease::{self, Standing},
};

use crate::{
    gateway::Published,
    network::{
        execute::{Execution, Failure},
        reasons, shelf,
    },
    operation::{self, Ending},
    store::rows::{Departed, NodeRow, Record, TeardownRecord, Thing},
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
        let node = execution.after.nodes.iter().find(|node| WorkloadId::of_node(&node.id) == id);
        let node = node.map(|node| node.id.clone());
        let Some(teardown) = teardown_of(&mut execution.after, node.as_ref()) else { continue };
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
        let node = node_of_key(&execution.after, &id).map(|node| node.id.clone());
        let Some(teardown) = teardown_of(&mut execution.after, node.as_ref()) else { continue };
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

/// Where it is noted what is gone: at the network if all of it goes, otherwise at the node.
fn teardown_of<'a>(
    record: &'a mut Record,
    node: Option<&NodeId>,
) -> Option<&'a mut TeardownRecord> {
    if record.network.status.teardown.is_some() {
        return record.network.status.teardown.as_mut();
    }
    record.node_mut(node?)?.status.teardown_mut()?.as_mut()
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
    let own: Vec<KeyId> = execution.after.key_ids().cloned().collect();
    let held = world.keys.held(&own).await;
    let held = held.map_err(|error| Failure(reasons::of_keys(&error, now_ms)))?;
    let left = left.iter().map(|instance| instance.id.to_string());
    let still = left.chain(held.iter().map(ToString::to_string)).next();
    if let Some(still) = still {
        // Somebody brought it back in this moment: the next pass removes it again.
        if let Some(teardown) = &mut execution.after.network.status.teardown {
            teardown.removed.clear();
        }
        return Err(Failure(still_there(&still, now_ms)));
    }
    shelve(execution).await?;
    end_lease(execution)?;
    let now_ms = execution.now_ms();
    let teardown = execution.after.network.status.teardown.clone().unwrap_or_default();
    let receipt = receipt(&execution.after, teardown, now_ms);
    if let Some(operation) = execution.after.current_operation() {
        operation::end(operation, Ending::Released(Box::new(receipt)), now_ms);
    }
    execution.reconciler.monitor.forget(&execution.after.network.id);
    Ok(())
}

/// Removes the exports that the network began with.
async fn shelve(execution: &mut Execution<'_>) -> Result<(), Failure> {
    let now_ms = execution.now_ms();
    let network = &mut execution.after.network;
    let directory = shelf::of_network(&execution.observed.exports, &network.id);
    let removed = shelf::remove(&directory).await;
    let removed =
        removed.map_err(|error| Failure(reasons::of_shelf(&directory, &error, now_ms)))?;
    if let (shelf::Removed::Now, Some(teardown)) = (removed, &mut network.status.teardown) {
        teardown.released.push(Released {
            kind: ReleasedKind::Directory,
            name: directory.display().to_string(),
            owner: network.name.to_string(),
            verified: "no such file or directory".to_owned(),
            released_at_ms: now_ms,
        });
    }
    Ok(())
}

/// Removes the file of the lease that the network lived under, if nobody holds it any more: whoever does
/// may have other networks under it.
fn end_lease(execution: &mut Execution<'_>) -> Result<(), Failure> {
    let now_ms = execution.now_ms();
    let network = &mut execution.after.network;
    let Some(lease) = &network.status.lease else { return Ok(()) };
    let path = execution.reconciler.leases.path(lease);
    let removed = match lease::standing(&path) {
        Ok(Standing::Held) => return Ok(()),
        Ok(Standing::Over) => std::fs::remove_file(&path),
        Err(error) => Err(error),
    };
    match removed {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Failure(reasons::of_shelf(&path, &error, now_ms))),
    }
    if let Some(teardown) = &mut network.status.teardown {
        teardown.released.push(Released {
            kind: ReleasedKind::File,
            name: path.display().to_string(),
            owner: network.name.to_string(),
            verified: "no such file or directory".to_owned(),
            released_at_ms: now_ms,
        });
    }
    Ok(())
}

/// Looks once more that nothing of a node is left, and takes its row away.
pub(crate) async fn release_node(
    execution: &mut Execution<'_>,
    id: &NodeId,
) -> Result<(), Failure> {
    let (world, now_ms) = (&execution.reconciler.world, execution.now_ms());
    let Some(node) = execution.after.node(id).cloned() else { return Ok(()) };
    let selector = LabelSelector::all()
        .with("installation", execution.observed.installation.as_str())
        .with("node", id.as_str());
    let left = world.substrate.list(&selector).await;
    let left = left.map_err(|error| Failure(reasons::of_substrate(&error, now_ms)))?;
    let own: Vec<KeyId> = node.key_ids().cloned().collect();
    let held = world.keys.held(&own).await;
    let held = held.map_err(|error| Failure(reasons::of_keys(&error, now_ms)))?;
    let left = left.iter().map(|instance| instance.id.to_string());
    let still = left.chain(held.iter().map(ToString::to_string)).next();
    let mut teardown = node.status.leaving.unwrap_or_default().teardown.unwrap_or_default();
    if let Some(still) = still {
        teardown.removed.clear();
        if let Some(known) = teardown_of(&mut execution.after, Some(id)) {
            *known = teardown;
        }
        return Err(Failure(still_there(&still, now_ms)));
    }
    let now_ms = execution.now_ms();
    let receipt = receipt(&execution.after, teardown, now_ms);
    let after = &mut execution.after;
    if let Some(operation) = after.current_operation()
        && operation.kind == OperationKind::RemoveNode
        && operation.nodes.contains(&node.name)
    {
        operation::end(operation, Ending::Released(Box::new(receipt)), now_ms);
        after.network.operation = None;
    }
    depart(after, id);
    Ok(())
}

/// Takes a node's row away, and keeps its address as long as others are configured with it.
pub(crate) fn depart(record: &mut Record, id: &NodeId) {
    let until = record.next_ordinal();
    record.network.status.next_ordinal = until;
    let Some(at) = record.nodes.iter().position(|node| node.id == *id) else { return };
    let node = record.nodes.remove(at);
    let departed = &mut record.network.status.departed;
    if let (Some(node_key), Some(port)) = (node.configured_key(), node.port) {
        let (ordinal, founder) = (node.ordinal, node.is_founder());
        departed.push(Departed { ordinal, founder, node_key, port, until });
    }
    departed.retain(|gone| {
        record.nodes.iter().any(|node| {
            if node.is_founder() {
                gone.founder
            } else {
                (gone.ordinal..gone.until).contains(&node.ordinal)
            }
        })
    });
}

/// The receipt: every line of the inventory, and whatever else was found on the way.
pub(super) fn receipt(record: &Record, teardown: TeardownRecord, now_ms: u64) -> ReleaseReceipt {
    let TeardownRecord { inventory, released, .. } = teardown;
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

fn node_of_key<'a>(record: &'a Record, id: &KeyId) -> Option<&'a NodeRow> {
    record.nodes.iter().find(|node| node.key_ids().any(|own| own == id))
}

fn key_owner(record: &Record, id: &KeyId) -> String {
    let node = node_of_key(record, id);
    let mut members = record.accounts().filter(|(_, account)| account.key.as_ref() == Some(id));
    match (node, members.next()) {
        (Some(node), _) => node.name.clone(),
        (None, Some((member, _))) => member.to_string(),
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
