//! Carries a plan out. It chooses nothing.
//!
//! The only caller of `Substrate::ensure` for networks. Neighbouring actions of one kind run at the
//! same time. What happened is written into a copy of the record, and the copy is saved in one
//! transaction at the end; a crash before that is repaired by the next observation, because every
//! action may be repeated. A save against a record that somebody changed meanwhile is dropped: the
//! next pass sees what was done, and why.

use futures::future::join_all;
use windlass_engine::Engine;
use windlass_model::{
    ErrorCode, NodeId,
    network::{Evidence, Intent, NetworkState, Operation, OperationState, Reason},
    workload::{Desired, Workload},
};

use crate::{
    gateway::{Need, Published},
    network::{
        Reconciler, errands, metering, new_disk,
        observe::Observation,
        plan::{Action, Plan},
        probe, reasons, replacing, teardown,
    },
    operation::{self, Ending},
    store::{
        StoreError,
        rows::{Ballot, Blocks, ProcessRef, Rank, Record, TeardownRecord, Thing},
    },
};

/// What a pass has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Something was done or written: look again at once.
    Moved,
    /// There is nothing to do until something happens, or until this time.
    Waiting { wake_at_ms: Option<u64> },
    /// The network is gone.
    Gone,
}

/// A plan under way.
#[expect(clippy::struct_excessive_bools, reason = "two facts that do not depend on each other")]
pub(crate) struct Execution<'a> {
    pub(crate) reconciler: &'a Reconciler,
    pub(crate) observed: &'a Observation,
    pub(crate) engine: &'a dyn Engine,
    /// The record as it becomes.
    pub(crate) after: Record,
    /// What was proved in this plan.
    proof: Option<probe::Proof>,
    endpoint: Option<probe::EndpointProof>,
    url: Option<String>,
    /// What members are to do, declared with what is saved.
    errands: Vec<(Ballot, Operation)>,
    released: bool,
    /// Whether the world was acted upon.
    acted: bool,
}

/// An action of the network itself failed; the rest of the plan is for later.
pub(crate) struct Failure(pub(crate) Reason);

/// Carries the plan out and saves what came of it.
pub(crate) async fn execute(
    reconciler: &Reconciler,
    observed: &Observation,
    engine: &dyn Engine,
    plan: Plan,
) -> Result<Progress, StoreError> {
    if plan.generation != observed.record.network.generation {
        return Ok(Progress::Moved);
    }
    if plan.actions.is_empty() {
        return Ok(Progress::Waiting { wake_at_ms: plan.wake_at_ms });
    }
    let mut execution = Execution {
        reconciler,
        observed,
        engine,
        after: observed.record.clone(),
        proof: None,
        endpoint: None,
        url: None,
        errands: Vec::new(),
        released: false,
        acted: false,
    };
    let mut wake_at_ms = plan.wake_at_ms;
    match execution.run(plan.actions).await {
        Ok(()) => execution.forget_failures(),
        Err(Failure(reason)) => {
            let retry_at_ms = execution.note_failure(reason);
            wake_at_ms = Some(wake_at_ms.map_or(retry_at_ms, |at_ms| at_ms.min(retry_at_ms)));
        }
    }
    execution.save(wake_at_ms).await
}

impl Execution<'_> {
    pub(crate) fn now_ms(&self) -> u64 {
        self.reconciler.world.now_ms()
    }

    async fn run(&mut self, actions: Vec<Action>) -> Result<(), Failure> {
        let mut actions = actions.into_iter().peekable();
        while let Some(action) = actions.next() {
            let mut batch = vec![action];
            while let Some(next) = actions.next_if(|next| alongside(&batch[0], next)) {
                batch.push(next);
            }
            self.batch(batch).await?;
        }
        Ok(())
    }

    async fn batch(&mut self, batch: Vec<Action>) -> Result<(), Failure> {
        let mut keys = Vec::new();
        let mut accounts = Vec::new();
        let mut workloads = Vec::new();
        let mut removals = Vec::new();
        let mut destructions = Vec::new();
        for action in batch {
            match action {
                Action::CreateKey { node, key, purpose } => keys.push((node, key, purpose)),
                Action::CreateAccount { member, key } => accounts.push((member, key)),
                Action::Ensure { node, workload } => workloads.push((node, workload)),
                Action::Remove(id) => removals.push(id),
                Action::DestroyKey(id) => destructions.push(id),
                other => self.one(other).await?,
            }
        }
        self.create_keys(keys).await?;
        self.create_accounts(accounts).await?;
        let stopped = workloads.iter().filter(|(_, one)| one.desired == Desired::Stopped);
        let ending: Vec<_> = stopped.map(|(_, one)| &one.id).chain(&removals).collect();
        if !ending.is_empty() {
            Box::pin(metering::measure(self, &ending)).await;
        }
        self.ensure(workloads).await?;
        teardown::remove(self, removals).await?;
        teardown::destroy_keys(self, destructions).await
    }

    /// One action that has no company.
    async fn one(&mut self, action: Action) -> Result<(), Failure> {
        let now_ms = self.now_ms();
        match action {
            Action::SetState(state) => self.after.network.state = state,
            Action::Reach(step) => self.with_operation(|one| operation::reach(one, step, now_ms)),
            Action::Detail(text) => self.with_operation(|one| operation::detail(one, Some(text))),
            Action::Explain(reason) => self.explain(reason),
            Action::NoteStarted { node, process } => self.note_started(&node, process),
            Action::NoteEnded { node, reason, retry_at_ms } => {
                self.note_ended(&node, reason, retry_at_ms);
            }
            Action::NoteRepair { node, reason } => self.note_repair(&node, reason, now_ms),
            Action::NoteHealthy(node) => self.note_healthy(&node),
            Action::NoteStopped(node) => self.note_stopped(&node),
            Action::ChoosePort { node, port } => {
                if let Some(node) = self.after.node_mut(&node) {
                    node.port = Some(port);
                    node.status.port_taken = false;
                }
            }
            Action::NoteRank { node, rank } => {
                if let Some(node) = self.after.node_mut(&node) {
                    node.status.standing = Some(rank.standing);
                    node.status.blocks = if rank.whole { Blocks::All } else { Blocks::Some };
                }
            }
            Action::NoteSetup { node, setup } => {
                if let Some(node) = self.after.node_mut(&node) {
                    node.status.setup = Some(setup);
                }
            }
            Action::NoteReplaced { node, purpose } => {
                if let Some(node) = self.after.node_mut(&node) {
                    replacing::note(node, purpose);
                }
            }
            Action::NoteForgotten { node, key } => {
                if let Some(node) = self.after.node_mut(&node) {
                    node.status.retired.retain(|retired| *retired != key);
                }
            }
            Action::NoteEmptied(node) => new_disk::emptied(self, &node),
            Action::Inventory(inventory) => self.begin_teardown(inventory),
            Action::NodeInventory { node, things } => errands::inventory(self, &node, things),
            Action::Declare { node, errand } => errands::declare(self, &node, errand)?,
            Action::NoteDone { node, errand } => errands::done(self, &node, errand),
            Action::GiveUp { node, errand, reason } => {
                errands::give_up(self, &node, errand, reason);
            }
            Action::MakeGenesis => self.make_genesis(now_ms)?,
            Action::SendTest => self.send_test().await,
            Action::CollectEvidence => self.collect_evidence().await?,
            Action::Admit => self.after.network.status.held = false,
            Action::Publish => self.publish().await?,
            Action::ProbeEndpoint => self.probe_endpoint().await?,
            Action::Conclude(state) => self.conclude(state),
            Action::Release => {
                Box::pin(teardown::release(self)).await?;
                self.released = true;
            }
            Action::ReleaseNode(node) => teardown::release_node(self, &node).await?,
            Action::CreateKey { .. }
            | Action::CreateAccount { .. }
            | Action::Ensure { .. }
            | Action::Remove(_)
            | Action::DestroyKey(_) => unreachable!("these are carried out in batches"),
        }
        Ok(())
    }

    /// What was gone of nodes that were going already belongs to the receipt too.
    fn begin_teardown(&mut self, inventory: Vec<Thing>) {
        let begun = self.after.nodes.iter_mut().filter_map(|node| node.status.teardown_mut());
        let released = begun.flatten().flat_map(|one| one.released.clone()).collect();
        let teardown = TeardownRecord { inventory, released, ..TeardownRecord::default() };
        self.after.network.status.teardown = Some(teardown);
    }

    pub(crate) fn with_operation(&mut self, change: impl FnOnce(&mut Operation)) {
        if let Some(operation) = self.after.current_operation() {
            change(operation);
        }
    }

    /// Declares what a member is to do; the clerk does it.
    pub(crate) fn ballot(&mut self, ballot: Ballot, operation: Operation) {
        self.errands.push((ballot, operation));
    }

    pub(crate) fn explain(&mut self, reason: Option<Reason>) {
        self.after.network.status.reason.clone_from(&reason);
        self.with_operation(|operation| operation::explain(operation, reason));
    }

    fn note_started(&mut self, node: &NodeId, process: ProcessRef) {
        if let Some(node) = self.after.node_mut(node) {
            if node.status.failures > 0 {
                node.status.restarts += 1;
            }
            node.status.process = Some(process);
            node.status.reason = None;
        }
    }

    fn note_ended(&mut self, node: &NodeId, reason: Reason, retry_at_ms: u64) {
        let Some(row) = self.after.node_mut(node) else { return };
        row.status.process = None;
        row.status.failures = row.status.failures.saturating_add(1);
        row.status.retry_at_ms = retry_at_ms;
        row.status.port_taken = reason.code == ErrorCode::PortInUse;
        row.status.last_end = Some(reason.clone());
        row.status.reason = Some(reason.clone());
        if self.after.network.operation.is_some() {
            self.explain(Some(reason));
        }
    }

    fn note_healthy(&mut self, node: &NodeId) {
        if let Some(node) = self.after.node_mut(node) {
            node.status.failures = 0;
            node.status.last_end = None;
        }
    }

    fn note_repair(&mut self, node: &NodeId, reason: Reason, now_ms: u64) {
        if let Some(node) = self.after.node_mut(node) {
            node.status.repairs = node.status.repairs.saturating_add(1);
            (node.status.repaired_at_ms, node.status.retry_at_ms) = (now_ms, 0);
            node.status.reason = Some(reason);
        }
    }

    fn note_stopped(&mut self, node: &NodeId) {
        if let Some(node) = self.after.node_mut(node) {
            node.status.process = None;
            node.status.failures = 0;
            node.status.retry_at_ms = 0;
            node.status.reason = None;
            node.status.last_end = None;
        }
    }

    /// Each node by itself: one that doesn't start is noted on the node, and the others go on.
    async fn ensure(&mut self, workloads: Vec<(NodeId, Box<Workload>)>) -> Result<(), Failure> {
        if workloads.is_empty() {
            return Ok(());
        }
        self.acted = true;
        let mut unstopped = None;
        let substrate = &self.reconciler.world.substrate;
        let ensured =
            join_all(workloads.iter().map(|(_, workload)| substrate.ensure(workload))).await;
        for ((node, workload), ensured) in workloads.into_iter().zip(ensured) {
            let now_ms = self.now_ms();
            match (ensured, workload.desired) {
                (Ok(_), Desired::Stopped) => self.note_stopped(&node),
                (Ok(instance), Desired::Running) => {
                    if let Some(running) = instance.running() {
                        self.note_started(&node, running.into());
                        self.reconciler.monitor.attend_node(&self.after.network, &node, &instance);
                    }
                }
                (Err(error), Desired::Running) => {
                    let failures = self.after.node(&node).map_or(0, |node| node.status.failures);
                    let retry_at_ms = self.reconciler.backoff.retry_at_ms(now_ms, failures);
                    self.note_ended(&node, reasons::of_substrate(&error, now_ms), retry_at_ms);
                }
                (Err(error), Desired::Stopped) => {
                    unstopped = Some(reasons::of_substrate(&error, now_ms));
                }
            }
        }
        unstopped.map_or(Ok(()), |reason| Err(Failure(reason)))
    }

    async fn send_test(&mut self) {
        let Some(test) = &self.after.network.status.test_transaction else { return };
        probe::send_test(self.reconciler, self.observed, self.engine, test).await;
    }

    async fn collect_evidence(&mut self) -> Result<(), Failure> {
        let proof = probe::collect(self.reconciler, self.observed, self.engine).await;
        let proof = proof.map_err(|error| Failure(reasons::of_answer(&error, self.now_ms())))?;
        self.proof = Some(proof);
        Ok(())
    }

    async fn publish(&mut self) -> Result<(), Failure> {
        let need = match self.after.network.intent {
            Intent::Running => Need::Served,
            Intent::Sleeping | Intent::Stopped | Intent::Destroyed => Need::NotServed,
        };
        Box::pin(metering::count(self)).await;
        let published = self.reconciler.gateway.publish(need).await;
        let published =
            published.map_err(|error| Failure(reasons::of_gateway(&error, self.now_ms())))?;
        teardown::note_endpoint(self, &published);
        self.url = match published {
            Published::At(url) => Some(url),
            Published::Down | Published::Silent => None,
        };
        Ok(())
    }

    async fn probe_endpoint(&mut self) -> Result<(), Failure> {
        let Some(base) = &self.url else { return Ok(()) };
        let world = &self.reconciler.world;
        let network = (base.as_str(), &self.after.network);
        let proof = probe::served(world, self.engine, network, probe::ANSWER_TIMEOUT).await;
        self.endpoint =
            proof.map_err(|error| Failure(reasons::of_answer(&error, self.now_ms())))?;
        Ok(())
    }

    fn conclude(&mut self, state: NetworkState) {
        let now_ms = self.now_ms();
        self.after.network.state = state;
        let evidence = self.evidence(now_ms);
        if let Some(evidence) = &evidence {
            self.after.network.status.evidence = Some(evidence.clone());
        }
        let ending = evidence.map_or(Ending::Succeeded, |one| Ending::Proved(Box::new(one)));
        self.with_operation(|operation| operation::end(operation, ending, now_ms));
        self.after.network.operation = None;
    }

    /// The proof of a create, if this plan made one.
    fn evidence(&mut self, now_ms: u64) -> Option<Evidence> {
        let (proof, endpoint) = (self.proof.take()?, self.endpoint.take()?);
        let mut steps = Vec::new();
        self.with_operation(|operation| steps = operation::timings(operation, now_ms));
        Some(Evidence {
            chain_id: endpoint.chain_id,
            genesis_hash: self.after.network.status.genesis_hash.clone()?,
            nodes: proof.nodes,
            test_transaction: proof.test_transaction,
            test_block: proof.test_block,
            endpoint: endpoint.url,
            endpoint_block: endpoint.block,
            steps,
        })
    }

    fn forget_failures(&mut self) {
        self.after.network.status.failures = 0;
        self.after.network.status.retry_at_ms = 0;
    }

    fn note_failure(&mut self, reason: Reason) -> u64 {
        let status = &mut self.after.network.status;
        let retry_at_ms =
            self.reconciler.backoff.retry_at_ms(self.reconciler.world.now_ms(), status.failures);
        status.failures = status.failures.saturating_add(1);
        status.retry_at_ms = retry_at_ms;
        tracing::warn!(network = %self.after.network.id, code = %reason.code, "{}", reason.message);
        self.explain(Some(reason.clone()));
        if reason.code == ErrorCode::InvalidSpec {
            // No waiting mends a spec that the engine can't take: the operation is over.
            let now_ms = self.now_ms();
            self.with_operation(|one| operation::end(one, Ending::Failed(reason), now_ms));
            self.after.network.operation = None;
        }
        retry_at_ms
    }

    async fn save(mut self, wake_at_ms: Option<u64>) -> Result<Progress, StoreError> {
        let before = &self.observed.record;
        if self.after == *before && !self.released {
            return Ok(if self.acted { Progress::Moved } else { Progress::Waiting { wake_at_ms } });
        }
        let now_ms = self.now_ms();
        let mut change = self.reconciler.store.begin().await?;
        let written = if self.released {
            change.remove(&self.after, now_ms).await
        } else {
            change.save(before, &mut self.after, now_ms).await
        };
        match written {
            Err(StoreError::Stale) => return Ok(Progress::Moved),
            other => other?,
        }
        if let Some((operation, outcome)) = outcome(before, &self.after) {
            change.audit_outcome(operation, outcome, now_ms).await?;
        }
        for (ballot, operation) in &self.errands {
            change.put_ballot(ballot).await?;
            change.put_operation(operation).await?;
            if let Some(asked) = &before.network.operation {
                change.share_request(&operation.id, asked).await?;
            }
            let (organization, id) = (&operation.organization, operation.id.as_str());
            change.announce(organization, "operation", id, now_ms).await?;
        }
        change.commit(if self.released { "release" } else { "save" }).await?;
        if !self.errands.is_empty() {
            self.reconciler.bell.notify_one();
        }
        if routed(before) != routed(&self.after) {
            self.reconciler.gateway.wake();
        }
        Ok(if self.released { Progress::Gone } else { Progress::Moved })
    }
}

impl From<&windlass_substrate::Running> for ProcessRef {
    fn from(running: &windlass_substrate::Running) -> Self {
        Self { pid: running.pid, start_time_ticks: running.start_time_ticks }
    }
}

/// Whether two neighbours may run at the same time.
fn alongside(one: &Action, other: &Action) -> bool {
    matches!(
        (one, other),
        (Action::CreateKey { .. }, Action::CreateKey { .. })
            | (Action::CreateAccount { .. }, Action::CreateAccount { .. })
            | (Action::Ensure { .. }, Action::Ensure { .. })
            | (Action::Remove(_), Action::Remove(_))
            | (Action::DestroyKey(_), Action::DestroyKey(_))
    )
}

/// What the gateway's routes depend on, of the nodes.
fn routed(record: &Record) -> Vec<(&NodeId, Rank)> {
    record.nodes.iter().map(|node| (&node.id, node.rank())).collect()
}

/// The operation that was under way and has ended, and how.
fn outcome<'a>(before: &Record, after: &'a Record) -> Option<(&'a Operation, &'static str)> {
    before.network.operation.as_ref()?;
    let operation = after.operation.as_ref()?;
    let outcome = match operation.state {
        OperationState::Running | OperationState::Superseded => return None,
        OperationState::Succeeded => "succeeded",
        OperationState::Failed => "failed",
    };
    Some((operation, outcome))
}
