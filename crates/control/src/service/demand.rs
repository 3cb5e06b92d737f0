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
    network::{Intent, OperationKind, Reason},
    route::Demand,
};

use crate::{
    authorize::{Actor, authorize},
    gateway::{HOLD, Listener},
    network::{
        change::{self, Decision},
        sleeping,
    },
    operation::{PLATFORM, action_of},
    service::{Action, Answer, Control, Granted, RequestMeta},
    store::{Find, error::causes, rows::Record},
};

/// After something that did not come about.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// After the gateway did not answer.
const AFTER_SILENCE: Duration = Duration::from_millis(200);
/// How long a change waits for a network that sleeps.
const WAKING: Duration = Duration::from_secs(30);

impl Control {
    /// Listens to the gateway for as long as the platform runs.
    pub(super) async fn attend(self, shutdown: CancellationToken) {
        let inner = &self.inner;
        let mut listener = Listener::new(inner.world.clone(), inner.gateway.clone());
        let work = async {
            let mut hold = HOLD;
            loop {
                match listener.hear(hold).await {
                    // What did not come about is tried again, and does not hold up what is new.
                    Ok(demand) if !Box::pin(self.meet(&listener, &demand)).await => {
                        hold = if hold == HOLD { FIRST_PAUSE } else { (hold * 2).min(LAST_PAUSE) };
                    }
                    Ok(_) => hold = HOLD,
                    Err(error) => {
                        tracing::debug!("{error}{}", causes(&error));
                        tokio::time::sleep(AFTER_SILENCE).await;
                    }
                }
            }
        };
        // Cancel safety: a change that was not committed has changed nothing.
        tokio::select! {
            () = work => {}
            () = shutdown.cancelled() => {}
        }
    }

    /// Wakes who is wanted, and lets sleep who is not. True if all that is to be done now is done.
    async fn meet(&self, listener: &Listener, demand: &Demand) -> bool {
        let mut settled = true;
        for network in &demand.wanted {
            settled &= Box::pin(self.rouse_by_demand(network)).await.is_ok();
        }
        for network in &demand.idle {
            match self.let_sleep(listener, network).await {
                // One that is kept awake is looked at again soon.
                Ok(sleeps) => settled &= sleeps,
                Err(problem) => {
                    settled = false;
                    tracing::warn!(%network, code = %problem.code, "{}", problem.detail);
                }
            }
        }
        settled
    }

    async fn rouse_by_demand(&self, network: &NetworkId) -> Answer<()> {
        let Some((organization, record)) = self.known(network).await? else { return Ok(()) };
        if record.network.intent != Intent::Sleeping {
            return Ok(());
        }
        let woken = self.by_itself(&organization, OperationKind::Wake, &record, change::wake).await;
        if let Err(problem) = &woken {
            self.tell_why(record, problem).await?;
        }
        woken.map(drop)
    }

    /// Has a network say why it does not wake, once.
    async fn tell_why(&self, before: Record, problem: &Problem) -> Answer<()> {
        let known = before.network.status.reason.as_ref();
        if known.is_some_and(|known| known.code == problem.code) {
            return Ok(());
        }
        let network = &before.network.id;
        tracing::warn!(%network, code = %problem.code, "it is wanted: {}", problem.detail);
        let now_ms = self.inner.world.now_ms();
        let mut after = before.clone();
        after.network.status.reason = Some(Reason {
            code: problem.code,
            message: format!("requests wait for it, and it does not wake: {}", problem.detail),
            remedy: format!("{}; it is tried again by itself", problem.hint),
            since_ms: now_ms,
        });
        let mut change = self.inner.store.begin().await?;
        change.save(&before, &mut after, now_ms).await?;
        Ok(change.commit("reason").await?)
    }

    /// Lets a network sleep that nobody uses. False if something keeps it awake at the moment.
    async fn let_sleep(&self, listener: &Listener, network: &NetworkId) -> Answer<bool> {
        let Some((organization, record)) = self.known(network).await? else { return Ok(true) };
        let nodes = self.inner.monitor.nodes(network);
        let may = |record: &Record| sleeping::kept_awake(record, nodes.values()).is_none();
        let has_ballots = self.inner.store.next_ballot(&organization, network).await?.is_some();
        if has_ballots || !may(&record) {
            return Ok(record.network.intent != Intent::Running);
        }
        // What was idle when it was told may be used by now: others were looked at before it.
        let now = listener.now().await;
        if !now.is_ok_and(|demand| demand.idle.contains(network)) {
            return Ok(true);
        }
        let decide = |record: &Record| {
            if may(record) { change::sleep(record) } else { Ok(Decision::Nothing) }
        };
        self.by_itself(&organization, OperationKind::Sleep, &record, decide).await?;
        Ok(true)
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
        let actor = Actor { id: PLATFORM.to_owned(), organizations: vec![organization.clone()] };
        let granted = authorize(&actor, Action::Change, organization)?;
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
