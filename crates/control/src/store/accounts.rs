//! The installation's own rows, organizations, login codes and sessions.

use sqlx::sqlite::SqliteRow;
use windlass_model::{OrganizationId, api::Organization};

use crate::store::{
    Change, Store,
    error::StoreError,
    values::{Columns as _, json, signed},
};

/// A session as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SessionRow {
    pub(crate) id: String,
    pub(crate) organizations: Vec<OrganizationId>,
    pub(crate) expires_at_ms: u64,
}

impl Store {
    /// A value of the installation's own.
    pub(crate) async fn platform(&self, name: &str) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT value FROM platform WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut *self.read().await?)
            .await
            .map_err(StoreError::statement("read the installation's settings"))
    }

    /// Every organization, in the order of their names.
    pub(crate) async fn organizations(&self) -> Result<Vec<Organization>, StoreError> {
        let rows = sqlx::query("SELECT id, name FROM organizations ORDER BY name")
            .fetch_all(&mut *self.read().await?)
            .await
            .map_err(StoreError::statement("list the organizations"))?;
        rows.iter()
            .map(|row| Ok(Organization { id: row.parsed("id")?, name: row.parsed("name")? }))
            .collect()
    }

    /// How many networks the installation has.
    pub(crate) async fn network_count(&self) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) AS found FROM networks")
            .fetch_one(&mut *self.read().await?)
            .await
            .map_err(StoreError::statement("count the networks"))?;
        row.number("found")
    }

    /// The session of this hash, if it is still good.
    pub(crate) async fn session(
        &self,
        hash: &str,
        now_ms: u64,
    ) -> Result<Option<SessionRow>, StoreError> {
        let row = sqlx::query(
            "SELECT id, organizations, expires_at_ms FROM sessions \
             WHERE hash = $1 AND expires_at_ms > $2",
        )
        .bind(hash)
        .bind(signed(now_ms))
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(StoreError::statement("look up a session"))?;
        row.as_ref().map(session).transpose()
    }
}

impl Change {
    /// A value of the installation's own, as this transaction sees it.
    pub(crate) async fn platform(&mut self, name: &str) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT value FROM platform WHERE name = $1")
            .bind(name)
            .fetch_optional(self.connection())
            .await
            .map_err(StoreError::statement("read the installation's settings"))
    }

    /// Writes a value of the installation's own.
    pub(crate) async fn put_platform(&mut self, name: &str, value: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO platform (name, value) VALUES ($1, $2) \
             ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        )
        .bind(name)
        .bind(value)
        .execute(self.connection())
        .await
        .map(drop)
        .map_err(StoreError::statement("write the installation's settings"))
    }

    /// Writes an organization, unless one of its name is there.
    pub(crate) async fn put_organization(
        &mut self,
        organization: &Organization,
        at_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO organizations (id, name, created_at_ms) VALUES ($1, $2, $3) \
             ON CONFLICT (name) DO NOTHING",
        )
        .bind(organization.id.as_str())
        .bind(organization.name.as_str())
        .bind(signed(at_ms))
        .execute(self.connection())
        .await
        .map(drop)
        .map_err(StoreError::statement("write an organization"))
    }

    /// Writes a login code.
    pub(crate) async fn put_login_code(
        &mut self,
        hash: &str,
        organizations: &[OrganizationId],
        expires_at_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO login_codes (hash, organizations, expires_at_ms) VALUES ($1, $2, $3)",
        )
        .bind(hash)
        .bind(json(&organizations))
        .bind(signed(expires_at_ms))
        .execute(self.connection())
        .await
        .map(drop)
        .map_err(StoreError::statement("write a login code"))
    }

    /// Whether a login code is there, good or expired.
    pub(crate) async fn has_login_code(&mut self, hash: &str) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) AS found FROM login_codes WHERE hash = $1")
            .bind(hash)
            .fetch_one(self.connection())
            .await
            .map_err(StoreError::statement("look for a login code"))?;
        Ok(row.number("found")? > 0)
    }

    /// Takes a login code away, and tells for whom it stood if it was still good.
    pub(crate) async fn spend_login_code(
        &mut self,
        hash: &str,
        now_ms: u64,
    ) -> Result<Option<Vec<OrganizationId>>, StoreError> {
        let row = sqlx::query(
            "DELETE FROM login_codes WHERE hash = $1 RETURNING organizations, expires_at_ms",
        )
        .bind(hash)
        .fetch_optional(self.connection())
        .await
        .map_err(StoreError::statement("spend a login code"))?;
        let Some(row) = row else { return Ok(None) };
        if row.number("expires_at_ms")? <= now_ms {
            return Ok(None);
        }
        row.json("organizations").map(Some)
    }

    /// Writes a session.
    pub(crate) async fn put_session(
        &mut self,
        hash: &str,
        session: &SessionRow,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO sessions (hash, id, organizations, expires_at_ms) VALUES ($1, $2, $3, $4)",
        )
        .bind(hash)
        .bind(session.id.as_str())
        .bind(json(&session.organizations))
        .bind(signed(session.expires_at_ms))
        .execute(self.connection())
        .await
        .map(drop)
        .map_err(StoreError::statement("write a session"))
    }

    /// Ends a session and tells which; none if it is not there.
    pub(crate) async fn end_session(
        &mut self,
        hash: &str,
    ) -> Result<Option<SessionRow>, StoreError> {
        let row = sqlx::query(
            "DELETE FROM sessions WHERE hash = $1 RETURNING id, organizations, expires_at_ms",
        )
        .bind(hash)
        .fetch_optional(self.connection())
        .await
        .map_err(StoreError::statement("end a session"))?;
        row.as_ref().map(session).transpose()
    }
}

fn session(row: &SqliteRow) -> Result<SessionRow, StoreError> {
    Ok(SessionRow {
        id: row.text("id")?,
        organizations: row.json("organizations")?,
        expires_at_ms: row.number("expires_at_ms")?,
    })
}
