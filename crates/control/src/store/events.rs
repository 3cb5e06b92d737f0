//! The outbox: which object changed, in the order of the commits.

use windlass_model::{EventId, OrganizationId};

use crate::store::{
    Change, Store,
    error::StoreError,
    operations::next,
    values::{Columns as _, signed},
};

/// An object changed. What it is now is looked up by whoever reads the entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutboxEntry {
    pub(crate) id: EventId,
    /// `network`, `network_gone` or `operation`.
    pub(crate) kind: String,
    pub(crate) object: String,
    pub(crate) at_ms: u64,
}

impl Store {
    /// The organization's entries after a position, in order.
    pub(crate) async fn events(
        &self,
        organization: &OrganizationId,
        after: EventId,
        limit: u32,
    ) -> Result<Vec<OutboxEntry>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, kind, object_id, at_ms FROM outbox \
             WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT $3 + 0",
        )
        .bind(organization.as_str())
        .bind(after.0)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(StoreError::statement("read events"))?;
        rows.iter()
            .map(|row| {
                Ok(OutboxEntry {
                    id: EventId(signed(row.number("id")?)),
                    kind: row.text("kind")?,
                    object: row.text("object_id")?,
                    at_ms: row.number("at_ms")?,
                })
            })
            .collect()
    }

    /// The newest position.
    pub(crate) async fn newest_event(&self) -> Result<EventId, StoreError> {
        let newest = sqlx::query_scalar("SELECT value FROM counters WHERE name = 'outbox'")
            .fetch_one(&mut *self.read().await?)
            .await
            .map_err(StoreError::statement("read the newest event"))?;
        Ok(EventId(newest))
    }

    /// Forgets what nobody will ask for any more: old events, answers, codes and sessions.
    pub(crate) async fn forget(&self, now_ms: u64) -> Result<(), StoreError> {
        const DAY_MS: u64 = 24 * 60 * 60 * 1000;
        let failed = StoreError::statement("forget old rows");
        let mut change = self.begin().await?;
        for (statement, before) in [
            ("DELETE FROM outbox WHERE at_ms < $1", now_ms.saturating_sub(7 * DAY_MS)),
            ("DELETE FROM idempotency WHERE created_at_ms < $1", now_ms.saturating_sub(DAY_MS)),
            ("DELETE FROM login_codes WHERE expires_at_ms < $1", now_ms),
            ("DELETE FROM sessions WHERE expires_at_ms < $1", now_ms),
        ] {
            sqlx::query(statement)
                .bind(signed(before))
                .execute(change.connection())
                .await
                .map_err(&failed)?;
        }
        change.commit("forget").await
    }
}

impl Change {
    /// Adds an entry.
    pub(crate) async fn announce(
        &mut self,
        organization: &OrganizationId,
        kind: &'static str,
        object: &str,
        at_ms: u64,
    ) -> Result<(), StoreError> {
        let failed = StoreError::statement("write an event");
        let id = next(self.connection(), "outbox").await.map_err(&failed)?;
        sqlx::query(
            "INSERT INTO outbox (id, organization_id, kind, object_id, at_ms) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(id)
        .bind(organization.as_str())
        .bind(kind)
        .bind(object)
        .bind(signed(at_ms))
        .execute(self.connection())
        .await
        .map_err(&failed)?;
        self.announced = true;
        Ok(())
    }
}
