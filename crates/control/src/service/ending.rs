//! What the platform does about networks' ends when their time has come, and how users put them off.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use windlass_model::{
    ErrorCode, NetworkId, OrganizationId,
    api::Accepted,
    budget::{EndStage, Extension},
    network::{OperationKind, Reason},
};

use crate::{
    authorize::{Actor, authorize},
    network::{
        change::Decision,
        ending::{self, Due},
        quota::Grows,
    },
    service::{
        Action, Answer, Control, Granted, RequestMeta,
        mutate::{Outcome, check_version, recall},
        network_not_found,
    },
    store::{Change, Find, error::causes, rows::Record},
};

/// It is looked at least so often: the clock may have been set meanwhile.
const SLOW_BEAT: Duration = Duration::from_secs(30);
/// And not more often, while something that is due cannot be done.
const FAST_BEAT: Duration = Duration::from_secs(1);

impl Control {
    /// Does what is due, for as long as the platform runs.
    pub(super) async fn keep_time(self, shutdown: CancellationToken) {
        let work = async {
            loop {
                Box::pin(self.do_what_is_due()).await;
                let pause = self.until_next().await;
                // Cancel safety: a bell that rings while nobody waits is kept.
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = self.inner.calendar.notified() => {}
                }
            }
        };
        // Cancel safety: a change that was not committed has changed nothing.
        tokio::select! {
            () = work => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn until_next(&self) -> Duration {
        let next_ms = match self.inner.store.due_next().await {
            Ok(next_ms) => next_ms.unwrap_or(u64::MAX),
            Err(error) => {
                tracing::error!("{error}{}", causes(&error));
                return SLOW_BEAT;
            }
        };
        let left_ms = next_ms.saturating_sub(self.inner.world.now_ms());
        Duration::from_millis(left_ms).clamp(FAST_BEAT, SLOW_BEAT)
    }

    async fn do_what_is_due(&self) {
        let due = match self.inner.store.due(self.inner.world.now_ms()).await {
            Ok(due) => due,
            Err(error) => return tracing::error!("{error}{}", causes(&error)),
        };
        for (organization, network) in due {
            if let Err(problem) = Box::pin(self.come_due(&organization, &network)).await {
                tracing::warn!(%network, code = %problem.code, "its end: {problem}");
            }
        }
    }

    async fn come_due(&self, organization: &OrganizationId, network: &NetworkId) -> Answer<()> {
        let id = "platform:ttl".to_owned();
        let actor = Actor { id, organizations: vec![organization.clone()] };
        let granted = authorize(&actor, Action::Destroy, organization)?;
        let mut change = self.inner.store.begin().await?;
        let found = change.network(granted.organization(), &Find::Id(network.clone())).await?;
        let Some(record) = found else { return Ok(()) };
        let now_ms = self.inner.world.now_ms();
        let Some(due) = ending::due(&record, now_ms) else { return Ok(()) };
        let mut after = record.clone();
        let kind = match due {
            Due::Tell => {
                if let Some(end) = &mut after.network.status.end {
                    end.stage = EndStage::Soon;
                }
                return self.note(change, (&record, after), now_ms).await;
            }
            Due::Stop(decision) => {
                after.network.status.end = ending::over(&record, now_ms);
                let Decision::Begin(kind) = decision else {
                    return self.note(change, (&record, after), now_ms).await;
                };
                kind
            }
            Due::Destroy => OperationKind::Destroy,
        };
        tracing::info!(%network, ?kind, "its time to live is over");
        let reason = Reason {
            code: ErrorCode::NetworkEnded,
            message: "its time to live is over".to_owned(),
            remedy: match kind {
                OperationKind::Destroy => {
                    "it is destroyed by itself; nothing is to be done".to_owned()
                }
                _ => format!("windlass network extend {} --by 1d", record.network.name),
            },
            since_ms: now_ms,
        };
        Box::pin(self.impose(change, &granted, (&record, after), (kind, reason))).await
    }

    /// Saves what needs no operation.
    async fn note(
        &self,
        mut change: Change,
        (before, mut after): (&Record, Record),
        now_ms: u64,
    ) -> Answer<()> {
        change.save(before, &mut after, now_ms).await?;
        Ok(change.commit("end").await?)
    }

    /// Puts a network's end off; one that was stopped for it is brought back.
    pub async fn extend(
        &self,
        granted: &Granted,
        name_or_id: &str,
        extension: Extension,
        meta: RequestMeta,
    ) -> Answer<Accepted> {
        let organization = granted.allows(Action::Change)?.clone();
        let mut change = self.inner.store.begin().await?;
        if let Some(answer) = recall(&mut change, &organization, &meta).await? {
            return Ok(answer);
        }
        let found = change.network(&organization, &Find::parse(name_or_id)).await?;
        let before = found.ok_or_else(|| network_not_found(name_or_id))?;
        check_version(&before, &meta)?;
        let now_ms = self.inner.world.now_ms();
        let longest_ttl_s = change.quota(&organization).await?.longest_ttl_s;
        let (end, decision) = ending::extend(&before, extension, (now_ms, longest_ttl_s))?;
        let mut after = before.clone();
        after.network.status.end = end;
        let (mut warnings, mut operation) = (Vec::new(), None);
        if let Decision::Begin(kind) = decision {
            let asked = (&before, "validators");
            warnings = self.check_capacity(&mut change, asked, Grows::Running).await?;
            self.begin(&mut change, &mut after, (granted.actor(), kind)).await?;
            operation.clone_from(&after.operation);
        }
        change.save(&before, &mut after, meta.now_ms).await?;
        if let Some(operation) = &operation {
            change.put_request(&operation.id, &meta.request_hash).await?;
        }
        let outcome = Outcome { record: after, operation, warnings };
        Box::pin(self.finish(change, granted, "network.extend", outcome, &meta)).await
    }
}
