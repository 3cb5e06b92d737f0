//! What the service answers without changing anything.

use std::time::Duration;

use futures::{StreamExt as _, future::join_all, stream::BoxStream};
use windlass_model::{
    ErrorCode, OperationId, OrganizationId, Problem, WorkloadId,
    api::{BlockSummary, Organization, Page, PlatformStatus},
    network::{Intent, Network, Operation},
};
use windlass_substrate::SubstrateError;

use crate::{
    authorize::unknown_organization,
    governance::{stopped, unavailable},
    network::{probe, view},
    operation,
    service::{Action, Actor, Answer, Control, Follow, Granted, LogOptions, network_not_found},
    store::{Find, error::causes, rows::Record},
};

/// The most objects of one page.
pub(super) const MAX_PAGE: u32 = 200;
/// The most blocks of one answer.
const MAX_BLOCKS: u32 = 25;

impl Control {
    /// The organizations that the actor may act for.
    pub async fn organizations(&self, actor: &Actor) -> Answer<Vec<Organization>> {
        let mut all = self.inner.store.organizations().await?;
        all.retain(|organization| actor.organizations.contains(&organization.id));
        Ok(all)
    }

    /// One organization, by name or id.
    pub async fn organization(&self, actor: &Actor, name_or_id: &str) -> Answer<Organization> {
        let own = self.organizations(actor).await?;
        own.into_iter()
            .find(|one| one.name.as_str() == name_or_id || one.id.as_str() == name_or_id)
            .ok_or_else(|| unknown_organization(name_or_id))
    }

    /// Every organization: what the platform's own token may act for.
    pub async fn every_organization(&self) -> Answer<Vec<Organization>> {
        Ok(self.inner.store.organizations().await?)
    }

    /// The organization's networks, in the order of their names.
    pub async fn networks(
        &self,
        granted: &Granted,
        cursor: Option<&str>,
        limit: u32,
    ) -> Answer<Page<Network>> {
        let organization = granted.allows(Action::Read)?;
        let limit = limit.clamp(1, MAX_PAGE);
        let after = cursor.unwrap_or_default();
        let mut records = self.inner.store.networks(organization, after, limit + 1).await?;
        let more = records.len() > usize::try_from(limit).unwrap_or(usize::MAX);
        if more {
            records.pop();
        }
        let next_cursor =
            records.last().filter(|_| more).map(|record| record.network.name.to_string());
        let items = records.iter().map(|record| self.view(record)).collect();
        Ok(Page { items, next_cursor })
    }

    /// One network, by name or id.
    pub async fn network(&self, granted: &Granted, name_or_id: &str) -> Answer<Network> {
        let organization = granted.allows(Action::Read)?;
        Ok(self.view(&self.record(organization, name_or_id).await?))
    }

    /// One operation.
    pub async fn operation(&self, granted: &Granted, id: &OperationId) -> Answer<Operation> {
        let organization = granted.allows(Action::Read)?;
        let operation = self.inner.store.operation(organization, id).await?;
        operation.map(|one| self.with_stuck(one)).ok_or_else(|| operation_not_found(id))
    }

    /// The organization's operations, newest first.
    pub async fn operations(
        &self,
        granted: &Granted,
        cursor: Option<&str>,
        limit: u32,
    ) -> Answer<Page<Operation>> {
        let organization = granted.allows(Action::Read)?;
        let limit = limit.clamp(1, MAX_PAGE);
        let (before_ms, before_id) = match cursor {
            None => (u64::MAX, ""),
            Some(cursor) => cursor
                .split_once('.')
                .and_then(|(ms, id)| Some((ms.parse().ok()?, id)))
                .ok_or_else(|| bad_cursor(cursor))?,
        };
        let before = (before_ms, before_id);
        let mut items = self.inner.store.operations(organization, before, limit + 1).await?;
        let more = items.len() > usize::try_from(limit).unwrap_or(usize::MAX);
        if more {
            items.pop();
        }
        let next_cursor =
            items.last().filter(|_| more).map(|one| format!("{}.{}", one.created_at_ms, one.id));
        let items = items.into_iter().map(|one| self.with_stuck(one)).collect();
        Ok(Page { items, next_cursor })
    }

    /// The operation when it has ended, or as it is after the timeout.
    pub async fn wait_operation(
        &self,
        granted: &Granted,
        id: &OperationId,
        timeout: Duration,
    ) -> Answer<Operation> {
        // Subscribed before the first look: a change between the two is not missed.
        let mut changes = self.inner.store.changes();
        let deadline = tokio::time::sleep(timeout);
        tokio::pin!(deadline);
        loop {
            changes.borrow_and_update();
            let operation = self.operation(granted, id).await?;
            if operation::ended(&operation) {
                return Ok(operation);
            }
            // Cancel safety: a change that is not seen here is seen by the next look.
            tokio::select! {
                changed = changes.changed() => {
                    if changed.is_err() {
                        return Ok(operation);
                    }
                }
                () = &mut deadline => return self.operation(granted, id).await,
            }
        }
    }

    /// The network's newest blocks, newest first; at most 25.
    pub async fn blocks(
        &self,
        granted: &Granted,
        name_or_id: &str,
        limit: u32,
    ) -> Answer<Vec<BlockSummary>> {
        let organization = granted.allows(Action::Read)?;
        let record = self.record(organization, name_or_id).await?;
        if record.network.intent != Intent::Running {
            return Err(stopped(&record));
        }
        let world = &self.inner.world;
        let engine = world
            .engines
            .get(record.network.spec.engine)
            .ok_or_else(|| unavailable(&record, "this platform does not have its engine"))?;
        let (targets, tip) = self
            .inner
            .monitor
            .best_nodes(&record.network.id)
            .ok_or_else(|| unavailable(&record, "no node answers at the moment"))?;
        let count = u64::from(limit.clamp(1, MAX_BLOCKS));
        let numbers = (tip.saturating_sub(count - 1)..=tip).rev();
        let asked = numbers.map(|number| {
            let request = engine.block_request(number);
            let targets = &targets;
            async move {
                let answer = probe::ask_first(world, targets, &request)
                    .await
                    .map_err(|error| format!("{error}{}", causes(&error)))?;
                engine.read_block(&answer).map_err(|error| error.to_string())
            }
        });
        let mut blocks = Vec::new();
        for answer in join_all(asked).await {
            blocks.extend(answer.map_err(|why| unavailable(&record, &why))?);
        }
        Ok(blocks)
    }

    /// Lines of a node's log. The node is named by its name, its id or its index.
    pub async fn logs(
        &self,
        granted: &Granted,
        name_or_id: &str,
        node: &str,
        options: LogOptions,
    ) -> Answer<BoxStream<'static, Answer<String>>> {
        let organization = granted.allows(Action::Read)?;
        let record = self.record(organization, name_or_id).await?;
        let found = view::find_node(&record, node).ok_or_else(|| node_not_found(&record, node))?;
        let follow = match options.follow {
            Follow::No => windlass_substrate::driver::Follow::No,
            Follow::Yes => windlass_substrate::driver::Follow::Yes,
        };
        let options = windlass_substrate::LogOptions { follow, tail: options.tail };
        let id = WorkloadId::of_node(&found.id);
        match self.inner.world.substrate.logs(&id, options).await {
            Ok(lines) => Ok(lines.map(|line| line.map_err(|error| no_log(&error))).boxed()),
            Err(SubstrateError::Unknown { .. }) => Ok(futures::stream::empty().boxed()),
            Err(error) => Err(no_log(&error)),
        }
    }

    /// The platform itself.
    pub async fn status(&self) -> Answer<PlatformStatus> {
        let inner = &self.inner;
        let gateway = inner.gateway.facts();
        Ok(PlatformStatus {
            version: inner.settings.version.clone(),
            pid: std::process::id(),
            url: inner.settings.url.clone(),
            gateway_url: gateway.url,
            gateway_pid: gateway.pid,
            data_dir: inner.settings.data_dir.display().to_string(),
            started_at_ms: inner.started_at_ms,
            networks: inner.store.network_count().await?,
            running_nodes: inner.monitor.running_nodes(),
        })
    }

    pub(super) async fn record(
        &self,
        organization: &OrganizationId,
        name_or_id: &str,
    ) -> Answer<Record> {
        let found = self.inner.store.network(organization, &Find::parse(name_or_id)).await?;
        found.ok_or_else(|| network_not_found(name_or_id))
    }

    pub(super) fn view(&self, record: &Record) -> Network {
        let id = &record.network.id;
        let beside = view::Beside {
            live: self.inner.monitor.network(id),
            stuck: self.inner.monitor.stuck(id),
            gateway: self.inner.gateway.facts(),
            disks: self.inner.meter.disks_of(id),
        };
        view::network(record, beside)
    }

    /// The operation with what keeps it from being written on, if something does.
    fn with_stuck(&self, operation: Operation) -> Operation {
        if operation::ended(&operation) {
            return operation;
        }
        let stuck = self.inner.monitor.stuck(&operation.network);
        Operation { reason: stuck.or(operation.reason), ..operation }
    }
}

fn operation_not_found(id: &OperationId) -> Box<Problem> {
    Box::new(Problem::new(
        ErrorCode::OperationNotFound,
        format!("there is no operation {id}"),
        "the answer to the request that began it has its id",
    ))
}

pub(crate) fn node_not_found(record: &Record, node: &str) -> Box<Problem> {
    let names: Vec<&str> = record.nodes.iter().map(|node| node.name.as_str()).collect();
    Box::new(Problem::new(
        ErrorCode::NodeNotFound,
        format!("`{}` has no node `{node}`", record.network.name),
        format!("its nodes are {}", names.join(", ")),
    ))
}

pub(super) fn bad_cursor(cursor: &str) -> Box<Problem> {
    Box::new(Problem::new(
        ErrorCode::InvalidRequest,
        format!("`{cursor}` is not a cursor"),
        "a cursor is taken from `next_cursor` of the page before",
    ))
}

fn no_log(error: &SubstrateError) -> Box<Problem> {
    let code = match error {
        SubstrateError::TooMany { .. } => ErrorCode::TooManyRequests,
        _ => ErrorCode::WorkloadFailed,
    };
    Box::new(Problem::new(
        code,
        format!("the log cannot be read: {error}{}", causes(error)),
        error.hint(),
    ))
}
