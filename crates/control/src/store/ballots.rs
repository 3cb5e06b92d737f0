//! Proposals and votes that are on their way.

use windlass_model::{NetworkId, OrganizationId};

use crate::store::{
    Change, Store,
    error::StoreError,
    rows::Ballot,
    values::{Columns as _, json, signed},
};

impl Store {
    /// The networks for which something is on its way.
    pub(crate) async fn networks_with_ballots(
        &self,
    ) -> Result<Vec<(OrganizationId, NetworkId)>, StoreError> {
        let rows = sqlx::query("SELECT DISTINCT organization_id, network_id FROM ballots")
            .fetch_all(&mut *self.read().await?)
            .await
            .map_err(StoreError::statement("list the ballots"))?;
        let network = |row| -> Result<_, StoreError> {
            let row: &sqlx::sqlite::SqliteRow = row;
            Ok((row.parsed("organization_id")?, row.parsed("network_id")?))
        };
        rows.iter().map(network).collect()
    }

    /// The one that was declared first of those of a network.
    pub(crate) async fn next_ballot(
        &self,
        organization: &OrganizationId,
        network: &NetworkId,
    ) -> Result<Option<Ballot>, StoreError> {
        let row = sqlx::query(
            "SELECT body FROM ballots WHERE organization_id = $1 AND network_id = $2 \
             ORDER BY created_at_ms, operation_id LIMIT 1",
        )
        .bind(organization.as_str())
        .bind(network.as_str())
        .fetch_optional(&mut *self.read().await?)
        .await
        .map_err(StoreError::statement("read a ballot"))?;
        row.map(|row| row.json("body")).transpose()
    }
}

impl Change {
    /// Writes a ballot as it is now.
    pub(crate) async fn put_ballot(&mut self, ballot: &Ballot) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO ballots (operation_id, organization_id, network_id, body, created_at_ms) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (operation_id) DO UPDATE SET body = excluded.body",
        )
        .bind(ballot.operation.as_str())
        .bind(ballot.organization.as_str())
        .bind(ballot.network.as_str())
        .bind(json(ballot))
        .bind(signed(ballot.created_at_ms))
        .execute(self.connection())
        .await
        .map(drop)
        .map_err(StoreError::statement("write a ballot"))
    }

    /// Removes a ballot whose operation has ended.
    pub(crate) async fn remove_ballot(&mut self, ballot: &Ballot) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM ballots WHERE organization_id = $1 AND operation_id = $2")
            .bind(ballot.organization.as_str())
            .bind(ballot.operation.as_str())
            .execute(self.connection())
            .await
            .map(drop)
            .map_err(StoreError::statement("remove a ballot"))
    }
}
