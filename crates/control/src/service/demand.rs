//! What the platform does by itself because of what clients do, or don't: a network that is asked for
//! something wakes, and one that nobody asks anything for as long as its spec says falls asleep.
//!
//! It writes intent, as a user does, and in the audit log stands `platform`. The gateway tells what is
//! wanted as it is, not as it changes: what did not come about is tried again.

use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;
use windlass_model::{
    NetworkId, OrganizationId, Problem,
    api::Accepted,
    network::{Intent, OperationKind},
    route::Demand,
};

use crate::{
    gateway::Listener,
    network::{
        change::{self, Decision},
        sleeping,
    },
    operation::action_of,
    service::{Action, Answer, Control, Granted, RequestMeta},
    store::{Find, error::causes, rows::Record},
};

/// After something that did not come about.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// How long a change waits for a network that sleeps.
const WAKING: Duration = Duration::from_secs(30);

impl Control {
    /// Listens to the gateway for as long as the platform runs.
    pub(super) async fn attend(self, shutdown: CancellationToken) {
        let inner = &self.inner;
        let mut listener = Listener::new(inner.world.clone(), inner.gateway.clone());
        let work = async {
            let mut pause = FIRST_PAUSE;
            loop {
                let settled = match listener.hear().await {
                    Ok(demand) => self.meet(&demand).await,
                    Err(error) => {
                        tracing::debug!("{error}{}", causes(&error));
                        false
                    }
                };
                if settled {
                    pause = FIRST_PAUSE;
                    continue;
                }
                listener.forget();
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LAST_PAUSE);
            }
        };
        // Cancel safety: a change that was not committed has changed nothing.
        tokio::select! {
            () = work => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// Wakes who is wanted, and lets sleep who is not. True if all that is to be done now is done.
    async fn meet(&self, demand: &Demand) -> bool {
        let mut settled = true;
        for network in &demand.wanted {
            settled &= done(network, &self.rouse_by_demand(network).await);
        }
        for network in &demand.idle {
            // One that is kept awake is looked at again at the gateway's next answer.
            done(network, &self.let_sleep(network).await);
        }
        settled
    }

    async fn rouse_by_demand(&self, network: &NetworkId) -> Answer<()> {
        let Some((organization, record)) = self.known(network).await? else { return Ok(()) };
        if record.network.intent != Intent::Sleeping {
            return Ok(());
        }
        self.by_itself(&organization, OperationKind::Wake, &record, change::wake).await.map(drop)
    }

    async fn let_sleep(&self, network: &NetworkId) -> Answer<()> {
        let Some((organization, record)) = self.known(network).await? else { return Ok(()) };
        let nodes = self.inner.monitor.nodes(network);
        let may = |record: &Record| sleeping::kept_awake(record, nodes.values()).is_none();
        let has_ballots = self.inner.store.next_ballot(&organization, network).await?.is_some();
        if has_ballots || !may(&record) {
            return Ok(());
        }
        let decide = |record: &Record| {
            if may(record) { change::sleep(record) } else { Ok(Decision::Nothing) }
        };
        self.by_itself(&organization, OperationKind::Sleep, &record, decide).await.map(drop)
    }

    /// The network as it is when something is to be changed in it: a sleeping one is woken first.
    pub(super) async fn awake(&self, granted: &Granted, record: Record) -> Answer<Record> {
        if record.network.intent != Intent::Sleeping {
            return Ok(record);
        }
        let organization = granted.organization();
        let kind = OperationKind::Wake;
        let accepted = self.by_itself(organization, kind, &record, change::wake).await?;
        if let Some(operation) = accepted.operation {
            self.wait_operation(granted, &operation.id, WAKING).await?;
        }
        self.record(organization, record.network.id.as_str()).await
    }

    async fn known(&self, network: &NetworkId) -> Answer<Option<(OrganizationId, Record)>> {
        let Some(organization) = self.inner.wakes.organization(network) else { return Ok(None) };
        let found = self.inner.store.network(&organization, &Find::Id(network.clone())).await?;
        Ok(found.map(|record| (organization, record)))
    }

    async fn by_itself(
        &self,
        organization: &OrganizationId,
        kind: OperationKind,
        record: &Record,
        decide: impl FnOnce(&Record) -> Result<Decision, Box<Problem>>,
    ) -> Answer<Accepted> {
        let granted = Granted::platform(organization);
        let id = record.network.id.as_str();
        let meta = RequestMeta {
            idempotency_key: None,
            request_hash: Sha256::digest(format!("{} {id}", action_of(kind))).into(),
            if_version: None,
            now_ms: self.inner.world.now_ms(),
        };
        Box::pin(self.intend(&granted, (Action::Change, kind), id, meta, decide)).await
    }
}

/// Whether it came about; if it didn't, the log says why.
fn done(network: &NetworkId, answer: &Answer<()>) -> bool {
    if let Err(problem) = answer {
        tracing::warn!(%network, code = %problem.code, "{}", problem.detail);
    }
    answer.is_ok()
}
