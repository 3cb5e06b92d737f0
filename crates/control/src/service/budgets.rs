//! What organizations may have, have, and have used.

use windlass_model::{
    ErrorCode, NetworkId, Problem,
    budget::{HourOfUse, Metered, OrganizationBudget, Quota, Used},
};

use crate::{
    meter::hour_of,
    network::capacity,
    service::{Action, Answer, Control, Granted, RequestMeta},
    store::{AuditEntry, Running},
};

/// The longest span that is answered at once: a quarter of a year.
const LONGEST_SPAN_MS: u64 = 92 * 24 * 3_600_000;

impl Control {
    /// What the organization may have, and what it has.
    pub async fn budget(&self, granted: &Granted) -> Answer<OrganizationBudget> {
        let organization = granted.allows(Action::Read)?.clone();
        let store = &self.inner.store;
        let quota = store.quota(&organization).await?;
        let holdings = store.holdings(&organization).await?;
        let running = store.running(&organization).await?;
        let now_ms = self.inner.world.now_ms();
        let hour_ms = hour_of(now_ms);
        let hour = store.usage(&organization, (hour_ms, now_ms.saturating_add(1)), None).await?;
        let used = Used {
            networks: holdings.networks,
            nodes: holdings.nodes,
            memory_mib: running.iter().map(|one| self.need_mib(one)).sum(),
            disk_mib: self.inner.meter.disk_bytes(&organization) >> 20,
            requests_this_hour: hour.iter().map(|one| one.used.requests).sum(),
        };
        Ok(OrganizationBudget { organization, quota, used, warnings: Vec::new() })
    }

    pub(super) fn need_mib(&self, running: &Running) -> u64 {
        capacity::need_mib(&self.inner.world.engines, &running.spec, running.nodes)
    }

    /// Says what the organization may have from now on. What it has above that, it keeps. The gateway has
    /// the limit of its requests in force when this is answered without a warning.
    pub async fn set_quota(
        &self,
        granted: &Granted,
        quota: Quota,
        meta: &RequestMeta,
    ) -> Answer<OrganizationBudget> {
        let organization = granted.allows(Action::Administer)?.clone();
        quota.check()?;
        let mut change = self.inner.store.begin().await?;
        change.put_quota(&organization, &quota).await?;
        let entry = AuditEntry {
            organization: Some(&organization),
            at_ms: meta.now_ms,
            actor: granted.actor(),
            action: "organization.set_quota",
            object: organization.as_str(),
            request_hash: &meta.request_hash,
            outcome: "accepted",
        };
        change.audit(&entry).await?;
        change.commit("quota").await?;
        let warnings = self.in_force().await;
        Ok(OrganizationBudget { warnings, ..self.budget(granted).await? })
    }

    /// What the organization's networks used, or one of them, by network and hour of the clock, the latest
    /// first.
    pub async fn usage(
        &self,
        granted: &Granted,
        (from_ms, to_ms): (Option<u64>, Option<u64>),
        network: Option<&NetworkId>,
    ) -> Answer<Vec<HourOfUse>> {
        const DAY_MS: u64 = 24 * 3_600_000;
        let organization = granted.allows(Action::Read)?;
        let to_ms = to_ms.unwrap_or_else(|| self.inner.world.now_ms().saturating_add(1));
        let from_ms = from_ms.unwrap_or_else(|| to_ms.saturating_sub(DAY_MS));
        if from_ms > to_ms || to_ms - from_ms > LONGEST_SPAN_MS {
            return Err(Box::new(Problem::new(
                ErrorCode::InvalidRequest,
                format!("from {from_ms} to {to_ms} is no span of at most 92 days"),
                "ask for less at once, the earlier time first",
            )));
        }
        let mut hours =
            self.inner.store.usage(organization, (hour_of(from_ms), to_ms), network).await?;
        // An hour in which nothing came of it is none.
        hours.retain(|hour| hour.used != Metered::default());
        Ok(hours)
    }
}
