//! Operations, the audit log and remembered answers: what stays of a mutation.

use sqlx::SqliteConnection;
use windlass_model::{OperationId, OrganizationId, network::Operation};

use crate::{
    operation::action_of,
    store::{
        Change, Store,
        error::StoreError,
        values::{Columns as _, json, signed, word},
    },
};

/// One line of the audit log.
#[derive(Clone, Debug)]
pub(crate) struct AuditEntry<'a> {
    /// None where a refused request named none that its caller may know; stored as empty.
    pub(crate) organization: Option<&'a OrganizationId>,
    pub(crate) at_ms: u64,
    /// `token:cli`, `session:…`, `anonymous`, or `platform` for what reconcilers carried out.
    pub(crate) actor: &'a str,
    /// `network.create`, …
    pub(crate) action: &'a str,
    /// The object's id; of what was refused, the name that the caller gave.
    pub(crate) object: &'a str,
    /// Of the request that asked for it.
    pub(crate) request_hash: &'a [u8; 32],
    /// `accepted`, `succeeded`, `failed`, `superseded`, or the code of the refusal.
    pub(crate) outcome: &'a str,
}

/// What an idempotency key was used for.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    pub(crate) request_hash: String,
    pub(crate) response: String,
}

impl Store {
    /// One operation.
    pub(crate) async fn operation(
        &self,
        organization: &OrganizationId,
        id: &OperationId,
    ) -> Result<Option<Operation>, StoreError> {
        let row = sqlx::query("SELECT body FROM operations WHERE organization_id = $1 AND id = $2")
            .bind(organization.as_str())
            .bind(id.as_str())
            .fetch_optional(&mut *self.read().await?)
            .await
            .map_err(StoreError::statement("read an operation"))?;
        row.map(|row| row.json("body")).transpose()
    }

    /// Operations before a time and id, newest first.
    pub(crate) async fn operations(
        &self,
        organization: &OrganizationId,
        before: (u64, &str),
        limit: u32,
    ) -> Result<Vec<Operation>, StoreError> {
        let rows = sqlx::query(
            "SELECT body FROM operations WHERE organization_id = $1 \
             AND (created_at_ms < $2 OR (created_at_ms = $2 AND id < $3)) \
             ORDER BY created_at_ms DESC, id DESC LIMIT $4 + 0",
        )
        .bind(organization.as_str())
        .bind(signed(before.0))
        .bind(before.1)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(StoreError::statement("list the operations"))?;
        rows.iter().map(|row| row.json("body")).collect()
    }
}

impl Change {
    /// Writes an operation as it is now.
    pub(crate) async fn put_operation(&mut self, operation: &Operation) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO operations \
             (id, organization_id, network_id, kind, state, body, created_at_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (id) DO UPDATE SET state = excluded.state, body = excluded.body",
        )
        .bind(operation.id.as_str())
        .bind(operation.organization.as_str())
        .bind(operation.network.as_str())
        .bind(word(&operation.kind))
        .bind(word(&operation.state))
        .bind(json(operation))
        .bind(signed(operation.created_at_ms))
        .execute(self.connection())
        .await
        .map(drop)
        .map_err(StoreError::statement("write an operation"))
    }

    /// Notes which request began an operation.
    pub(crate) async fn put_request(
        &mut self,
        operation: &OperationId,
        request_hash: &[u8; 32],
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE operations SET request_hash = $1 WHERE id = $2")
            .bind(hex::encode(request_hash))
            .bind(operation.as_str())
            .execute(self.connection())
            .await
            .map(drop)
            .map_err(StoreError::statement("note an operation's request"))
    }

    /// Notes that an operation was begun for the request that began another one.
    pub(crate) async fn share_request(
        &mut self,
        operation: &OperationId,
        of: &OperationId,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE operations SET request_hash = \
             (SELECT request_hash FROM operations WHERE id = $1) WHERE id = $2",
        )
        .bind(of.as_str())
        .bind(operation.as_str())
        .execute(self.connection())
        .await
        .map(drop)
        .map_err(StoreError::statement("note an operation's request"))
    }

    /// Adds the line that an operation has ended, with the request that began it.
    pub(crate) async fn audit_outcome(
        &mut self,
        operation: &Operation,
        outcome: &str,
        at_ms: u64,
    ) -> Result<(), StoreError> {
        let stored: Option<String> =
            sqlx::query_scalar("SELECT request_hash FROM operations WHERE id = $1")
                .bind(operation.id.as_str())
                .fetch_optional(self.connection())
                .await
                .map(Option::flatten)
                .map_err(StoreError::Audit)?;
        // An operation that an older version began has none.
        let mut request_hash = [0; 32];
        if let Some(text) = stored {
            hex::decode_to_slice(&text, &mut request_hash).map_err(|error| {
                StoreError::Damaged { what: "request_hash", reason: error.to_string() }
            })?;
        }
        self.audit(&AuditEntry {
            organization: Some(&operation.organization),
            at_ms,
            actor: "platform",
            action: action_of(operation.kind),
            object: operation.network.as_str(),
            request_hash: &request_hash,
            outcome,
        })
        .await
    }

    /// Adds a line to the audit log. If it can't, the whole change must not be.
    pub(crate) async fn audit(&mut self, entry: &AuditEntry<'_>) -> Result<(), StoreError> {
        let id = next(self.connection(), "audit").await.map_err(StoreError::Audit)?;
        sqlx::query(
            "INSERT INTO audit \
             (id, organization_id, at_ms, actor, action, object, request_hash, outcome) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(id)
        .bind(entry.organization.map_or("", OrganizationId::as_str))
        .bind(signed(entry.at_ms))
        .bind(entry.actor)
        .bind(entry.action)
        .bind(entry.object)
        .bind(hex::encode(entry.request_hash))
        .bind(entry.outcome)
        .execute(self.connection())
        .await
        .map(drop)
        .map_err(StoreError::Audit)
    }

    /// What an idempotency key was used for before.
    pub(crate) async fn recall(
        &mut self,
        organization: &OrganizationId,
        key: &str,
    ) -> Result<Option<Remembered>, StoreError> {
        let row = sqlx::query(
            "SELECT request_hash, response FROM idempotency \
             WHERE organization_id = $1 AND key = $2",
        )
        .bind(organization.as_str())
        .bind(key)
        .fetch_optional(self.connection())
        .await
        .map_err(StoreError::statement("look up an idempotency key"))?;
        row.map(|row| {
            Ok(Remembered {
                request_hash: row.text("request_hash")?,
                response: row.text("response")?,
            })
        })
        .transpose()
    }

    /// Remembers what a request with this key was answered.
    pub(crate) async fn remember(
        &mut self,
        organization: &OrganizationId,
        key: &str,
        remembered: &Remembered,
        at_ms: u64,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO idempotency (organization_id, key, request_hash, response, created_at_ms) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(organization.as_str())
        .bind(key)
        .bind(remembered.request_hash.as_str())
        .bind(remembered.response.as_str())
        .bind(signed(at_ms))
        .execute(self.connection())
        .await
        .map(drop)
        .map_err(StoreError::statement("remember an idempotency key"))
    }
}

/// The next number of a counter. The row's lock orders the numbers like the commits.
pub(crate) async fn next(
    connection: &mut SqliteConnection,
    counter: &'static str,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("UPDATE counters SET value = value + 1 WHERE name = $1 RETURNING value")
        .bind(counter)
        .fetch_one(connection)
        .await
}
