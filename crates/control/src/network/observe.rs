//! What is there: the rows, and the world as far as the plan asks for it.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use windlass_engine::NodeReport;
use windlass_keys::KeyError;
use windlass_model::{
    KeyId, NetworkId, NodeId, OperationId, OrganizationId, WorkloadId,
    network::{Intent, Operation, StepState},
};
use windlass_substrate::{Instance, LabelSelector, SubstrateError};

use crate::{
    monitor::LiveNode,
    network::{Reconciler, backoff::Backoff},
    store::{
        Find, StoreError,
        rows::{NodeRow, Rank, Record, Standing},
    },
};

/// Everything that a plan is made from.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    pub(crate) now_ms: u64,
    pub(crate) installation: String,
    /// Where the vault is.
    pub(crate) vault: PathBuf,
    /// Where exports are that networks began with.
    pub(crate) exports: PathBuf,
    /// Where leases are that networks live under.
    pub(crate) leases: PathBuf,
    pub(crate) backoff: Backoff,
    pub(crate) record: Record,
    /// What the substrate has with the network's label, ours or not.
    pub(crate) instances: BTreeMap<WorkloadId, Instance>,
    /// What the nodes say.
    pub(crate) live: BTreeMap<NodeId, LiveNode>,
    /// Free ports, as many as nodes need one.
    pub(crate) offered_ports: Vec<u16>,
    /// Which keys are held; looked up for a teardown only.
    pub(crate) held_keys: BTreeSet<KeyId>,
    /// What has become of what members are to do about nodes.
    pub(crate) errands: BTreeMap<OperationId, Operation>,
}

/// Why the world can't be seen.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObserveError {
    #[error("the rows of the network cannot be read")]
    Store(#[from] StoreError),
    #[error("the substrate does not tell what runs")]
    Substrate(#[from] SubstrateError),
    #[error("the key holder does not tell what it holds")]
    Keys(#[from] KeyError),
}

impl Observation {
    /// The node's workload on the substrate.
    pub(crate) fn instance(&self, node: &NodeRow) -> Option<&Instance> {
        self.instances.get(&WorkloadId::of_node(&node.id))
    }

    /// What the process that runs now has said last, if it answers.
    pub(crate) fn report(&self, node: &NodeRow) -> Option<&NodeReport> {
        let running = self.instance(node)?.running()?;
        self.live.get(&node.id)?.report_of(running)
    }

    /// Since when the process that runs now has not answered, if it hangs.
    pub(crate) fn hangs_since_ms(&self, node: &NodeRow) -> Option<u64> {
        let running = self.instance(node)?.running()?;
        let live = self.live.get(&node.id)?;
        let hangs = live.is_of(running) && live.hangs(self.now_ms);
        hangs.then_some(live.answered_at_ms).flatten()
    }

    /// What the node is to the members: as it says, or as it said last.
    pub(crate) fn standing(&self, node: &NodeRow) -> Standing {
        self.rank(node).standing
    }

    /// How good the node is to ask: as it says, or as it said last.
    pub(crate) fn rank(&self, node: &NodeRow) -> Rank {
        let settled = self.report(node).filter(|report| report.is_settled());
        settled.map_or_else(|| node.rank(), Rank::from)
    }

    /// Since when this step is the one under way, if it is.
    pub(crate) fn step_since(&self, name: &str) -> Option<u64> {
        let mut steps = self.record.operation.iter().flat_map(|operation| &operation.steps);
        let step = steps.find(|step| step.name == name && step.state == StepState::Running)?;
        step.started_at_ms
    }

    /// Since when the step under way is under way.
    pub(crate) fn step_since_ms(&self) -> u64 {
        let steps = self.record.operation.iter().flat_map(|operation| &operation.steps);
        let running = steps.filter(|step| step.state == StepState::Running);
        running.filter_map(|step| step.started_at_ms).max().unwrap_or(self.now_ms)
    }
}

/// Looks. `None` when there is no such network any more.
pub(crate) async fn observe(
    reconciler: &Reconciler,
    organization: &OrganizationId,
    id: &NetworkId,
) -> Result<Option<Observation>, ObserveError> {
    let Some(record) = reconciler.store.network(organization, &Find::Id(id.clone())).await? else {
        return Ok(None);
    };
    let world = &reconciler.world;
    let selector = LabelSelector::all()
        .with("installation", reconciler.installation.as_str())
        .with("network", id.as_str());
    let listed = world.substrate.list(&selector).await?;
    let instances = listed.into_iter().map(|instance| (instance.id.clone(), instance)).collect();
    let leaving = record.nodes.iter().any(NodeRow::is_leaving);
    let held_keys = if leaving || record.network.intent == Intent::Destroyed {
        let ids: Vec<KeyId> = record.key_ids().cloned().collect();
        world.keys.held(&ids).await?.into_iter().collect()
    } else {
        BTreeSet::new()
    };
    let offered_ports = offer_ports(reconciler, &record).await?;
    let errands = errands(reconciler, &record).await?;
    let observed = Observation {
        now_ms: world.now_ms(),
        installation: reconciler.installation.clone(),
        vault: world.keys.directory().to_owned(),
        exports: reconciler.exports.clone(),
        leases: reconciler.leases.folder().to_owned(),
        backoff: reconciler.backoff,
        live: reconciler.monitor.nodes(id),
        record,
        instances,
        offered_ports,
        held_keys,
        errands,
    };
    reconciler.monitor.attend(&observed);
    Ok(Some(observed))
}

/// The operations by which members do something about nodes, as long as they are waited for.
async fn errands(
    reconciler: &Reconciler,
    record: &Record,
) -> Result<BTreeMap<OperationId, Operation>, StoreError> {
    let mut found = BTreeMap::new();
    for node in &record.nodes {
        let leaving = node.status.leaving.as_ref();
        let withdrawal = leaving.and_then(|leaving| leaving.withdrawal.as_ref());
        let waited_for = [node.status.registration.as_ref(), withdrawal];
        for errand in waited_for.into_iter().flatten().filter(|errand| !errand.done) {
            let Some(id) = &errand.operation else { continue };
            let operation = reconciler.store.operation(&record.network.organization, id).await?;
            found.extend(operation.map(|operation| (id.clone(), operation)));
        }
    }
    Ok(found)
}

/// Free ports that no row names: a stopped node's port is kept although nobody listens on it.
async fn offer_ports(reconciler: &Reconciler, record: &Record) -> Result<Vec<u16>, StoreError> {
    let wanted = record.network.intent == Intent::Running;
    let without =
        |node: &&NodeRow| !node.is_leaving() && (node.port.is_none() || node.status.port_taken);
    let missing = record.nodes.iter().filter(without).count();
    if !wanted || missing == 0 {
        return Ok(Vec::new());
    }
    let known = reconciler.store.known().await?;
    let mut ports = reconciler.world.ports.offer(missing + known.ports.len().min(64));
    ports.retain(|port| !known.ports.contains(port));
    ports.truncate(missing);
    Ok(ports)
}
