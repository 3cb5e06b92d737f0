//! Nodes that come, go and are replaced while a network lives, as the service offers it: what the chain
//! has of them, and intent in.

use windlass_model::{
    OrganizationId, Problem,
    api::Accepted,
    network::{NetworkState, Node, NodesRequest, Operation, OperationKind},
};

use crate::{
    governance,
    network::{new_disk, nodes, quota::Grows, view::find_node},
    operation::action_of,
    service::{
        Action, Answer, Control, Granted, RequestMeta,
        mutate::{Outcome, check_version, recall},
        network_not_found,
        read::node_not_found,
    },
    store::{Change, Find, rows::Record},
};

impl Control {
    /// The nodes of a network, with what the chain has of them; where no node answers, with what they
    /// said last.
    pub async fn nodes(&self, granted: &Granted, network: &str) -> Answer<Vec<Node>> {
        let record = self.record(granted.allows(Action::Read)?, network).await?;
        let mut shown = self.view(&record).nodes;
        if let Ok(council) = self.council(&record).await
            && let Ok(roll) = council.roll().await
        {
            for (id, role) in governance::seats(&record, &roll) {
                for node in shown.iter_mut().filter(|node| node.id == id) {
                    node.role = role;
                }
            }
        }
        Ok(shown)
    }

    /// Adds nodes to a network that runs.
    pub async fn add_nodes(
        &self,
        granted: &Granted,
        network: &str,
        request: NodesRequest,
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        let organization = granted.allows(Action::Change)?.clone();
        let kind = OperationKind::AddNodes;
        if let Some(answer) = self.answered(&organization, &meta).await? {
            return Ok(answer);
        }
        let record = self.record(&organization, network).await?;
        let record = self.awake(granted, record).await?;
        nodes::check_now(&record, kind)?;
        let roll = self.council(&record).await?.roll().await?;
        nodes::addition(&record, &roll, &request)?;

        let mut change = self.inner.store.begin().await?;
        if let Some(answer) = recall(&mut change, &organization, &meta).await? {
            return Ok(answer);
        }
        let before = load(&mut change, &organization, network).await?;
        check_version(&before, &meta)?;
        nodes::check_now(&before, kind)?;
        let addition = nodes::addition(&before, &roll, &request)?;
        let mut after = before.clone();
        let names = nodes::add(&self.inner.world, &mut after, &addition, meta.now_ms);
        let mut warnings =
            self.check_capacity(&mut change, (&after, "count"), Grows::Nodes).await?;
        self.begin(&mut change, &mut after, (granted.actor(), kind)).await?;
        warnings.extend(nodes::tell(&mut after, &addition, names, meta.now_ms));
        let declared = self.declared(change, granted, (kind, before, after, warnings), &meta);
        Box::pin(declared).await
    }

    /// Leaves nothing of a node.
    pub async fn remove_node(
        &self,
        granted: &Granted,
        (network, named): (&str, &str),
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        let organization = granted.allows(Action::Destroy)?.clone();
        let kind = OperationKind::RemoveNode;
        if let Some(answer) = self.answered(&organization, &meta).await? {
            return Ok(answer);
        }
        let record = self.record(&organization, network).await?;
        let record = self.awake(granted, record).await?;
        let node = find_node(&record, named).ok_or_else(|| node_not_found(&record, named))?;
        let (id, name) = (node.id.clone(), node.name.clone());
        if let Some(operation) = under_way(&record, kind, &name) {
            return Ok(self.as_it_is(&record, operation));
        }
        nodes::check_now(&record, kind)?;
        let council = self.council(&record).await?;
        let (roll, voting) = futures::join!(council.roll(), council.voting());
        let standing = self.inner.monitor.standing(&record.network.id, &id);
        let standing = standing.unwrap_or_else(|| node.standing());
        let removal = nodes::removal(&record, node, &roll?, (voting.as_ref(), standing))?;

        let mut change = self.inner.store.begin().await?;
        if let Some(answer) = recall(&mut change, &organization, &meta).await? {
            return Ok(answer);
        }
        let before = load(&mut change, &organization, network).await?;
        check_version(&before, &meta)?;
        nodes::check_now(&before, kind)?;
        if before.node(&id).is_none() {
            return Err(node_not_found(&before, named));
        }
        let mut after = before.clone();
        nodes::leave(&mut after, &id, &removal);
        self.begin(&mut change, &mut after, (granted.actor(), kind)).await?;
        let operation = after.current_operation();
        let warnings = operation.map(|one| nodes::tell_removal(one, (&name, removal), meta.now_ms));
        let warnings = warnings.unwrap_or_default();
        let declared = self.declared(change, granted, (kind, before, after, warnings), &meta);
        Box::pin(declared).await
    }

    /// Gives a node a new disk: nothing is left of its process and its directory, and it begins anew by
    /// the same name, with the same keys and at the same port.
    pub async fn replace_node(
        &self,
        granted: &Granted,
        (network, named): (&str, &str),
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        let organization = granted.allows(Action::Change)?.clone();
        let kind = OperationKind::ReplaceNode;
        if let Some(answer) = self.answered(&organization, &meta).await? {
            return Ok(answer);
        }
        let record = self.record(&organization, network).await?;
        let record = self.awake(granted, record).await?;
        let node = find_node(&record, named).ok_or_else(|| node_not_found(&record, named))?;
        let id = node.id.clone();
        if let Some(operation) = under_way(&record, kind, &node.name) {
            return Ok(self.as_it_is(&record, operation));
        }

        let mut change = self.inner.store.begin().await?;
        if let Some(answer) = recall(&mut change, &organization, &meta).await? {
            return Ok(answer);
        }
        let before = load(&mut change, &organization, network).await?;
        check_version(&before, &meta)?;
        nodes::check_now(&before, kind)?;
        let node = before.node(&id).ok_or_else(|| node_not_found(&before, named))?;
        let live = self.inner.monitor.nodes(&before.network.id);
        let warnings = new_disk::check(&before, &live, node)?;
        let mut after = before.clone();
        new_disk::ask(&mut after, &id);
        self.begin(&mut change, &mut after, (granted.actor(), kind)).await?;
        new_disk::tell(&mut after, &id, meta.now_ms);
        let declared = self.declared(change, granted, (kind, before, after, warnings), &meta);
        Box::pin(declared).await
    }

    /// What is asked for is under way already.
    fn as_it_is(&self, record: &Record, operation: Operation) -> Accepted {
        let network = self.view(record);
        Accepted { network, operation: Some(operation), warnings: Vec::new() }
    }

    /// What a request that comes again was answered, whatever the chain says by now.
    async fn answered(
        &self,
        organization: &OrganizationId,
        meta: &RequestMeta,
    ) -> Answer<Option<Accepted>> {
        let mut change = self.inner.store.begin().await?;
        recall(&mut change, organization, meta).await
    }

    async fn declared(
        &self,
        mut change: Change,
        granted: &Granted,
        (kind, before, mut after, warnings): (OperationKind, Record, Record, Vec<String>),
        meta: &RequestMeta,
    ) -> Answer<Accepted> {
        change.save(&before, &mut after, meta.now_ms).await?;
        let operation = after.operation.clone();
        if let Some(operation) = &operation {
            change.put_request(&operation.id, &meta.request_hash).await?;
        }
        let outcome = Outcome { record: after, operation, warnings };
        self.finish(change, granted, action_of(kind), outcome, meta).await
    }
}

async fn load(
    change: &mut Change,
    organization: &OrganizationId,
    network: &str,
) -> Result<Record, Box<Problem>> {
    let found = change.network(organization, &Find::parse(network)).await?;
    found.ok_or_else(|| network_not_found(network))
}

/// The operation that does this to the node, if it is under way.
fn under_way(record: &Record, kind: OperationKind, name: &String) -> Option<Operation> {
    let operation = record.operation_under_way()?;
    let same = operation.kind == kind && operation.nodes.contains(name);
    (same && record.network.state == NetworkState::Usable).then(|| operation.clone())
}
