//! Quotas, ends that are due, and what was used.

use std::collections::BTreeMap;

use sqlx::{SqliteConnection, sqlite::SqliteRow};
use windlass_model::{
    Name, NetworkId, OrganizationId,
    budget::{HourOfUse, Metered, Quota},
    spec::NetworkSpec,
};

use crate::{
    meter::{Draft, Owner, Reading},
    store::{
        Change, Store,
        error::StoreError,
        values::{Columns as _, json, signed},
    },
};

/// Milliseconds of a second, by which amounts over time are finer in the rows.
const FINER: u64 = 1_000;

impl Store {
    /// The networks about whose end something is due.
    pub(crate) async fn due(
        &self,
        now_ms: u64,
    ) -> Result<Vec<(OrganizationId, NetworkId)>, StoreError> {
        let rows = sqlx::query(
            "SELECT organization_id, id FROM networks WHERE due_at_ms <= $1 ORDER BY due_at_ms",
        )
        .bind(signed(now_ms))
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(StoreError::statement("list the networks whose end is due"))?;
        rows.iter().map(|row| Ok((row.parsed("organization_id")?, row.parsed("id")?))).collect()
    }

    /// When something is due next, Unix milliseconds.
    pub(crate) async fn due_next(&self) -> Result<Option<u64>, StoreError> {
        sqlx::query("SELECT MIN(due_at_ms) AS due_at_ms FROM networks")
            .fetch_one(&mut *self.read().await?)
            .await
            .map_err(StoreError::statement("look for the next end"))?
            .optional_number("due_at_ms")
    }

    /// What an organization may have.
    pub(crate) async fn quota(&self, organization: &OrganizationId) -> Result<Quota, StoreError> {
        let row = sqlx::query("SELECT quota FROM organizations WHERE id = $1")
            .bind(organization.as_str())
            .fetch_optional(&mut *self.read().await?)
            .await
            .map_err(StoreError::statement("read a quota"))?;
        quota(row.as_ref())
    }

    /// What each organization may have.
    pub(crate) async fn quotas(&self) -> Result<BTreeMap<OrganizationId, Quota>, StoreError> {
        let rows = sqlx::query("SELECT id, quota FROM organizations")
            .fetch_all(&mut *self.read().await?)
            .await
            .map_err(StoreError::statement("read the quotas"))?;
        rows.iter().map(|row| Ok((row.parsed("id")?, quota(Some(row))?))).collect()
    }

    /// How many networks an organization has, and how many nodes those have.
    pub(crate) async fn holdings(
        &self,
        organization: &OrganizationId,
    ) -> Result<Holdings, StoreError> {
        let row = sqlx::query(HOLDINGS)
            .bind(organization.as_str())
            .bind("")
            .fetch_one(&mut *self.read().await?)
            .await
            .map_err(StoreError::statement("count what an organization has"))?;
        holdings(&row)
    }

    /// An organization's networks that are to run.
    pub(crate) async fn running(
        &self,
        organization: &OrganizationId,
    ) -> Result<Vec<Running>, StoreError> {
        let mut running = running(&mut *self.read().await?, "").await?;
        running.retain(|one| one.organization == *organization);
        Ok(running)
    }

    /// What an organization's networks used, or one of them, by hour: from the first to before the last, the
    /// latest first.
    pub(crate) async fn usage(
        &self,
        organization: &OrganizationId,
        (from_ms, to_ms): (u64, u64),
        network: Option<&NetworkId>,
    ) -> Result<Vec<HourOfUse>, StoreError> {
        let rows = sqlx::query(
            "SELECT network_id, network_name, hour_ms, cpu_ms, memory_mib_ms, disk_mib_ms, requests \
             FROM usage WHERE organization_id = $1 AND hour_ms >= $2 AND hour_ms < $3 \
             AND network_id = COALESCE($4, network_id) \
             ORDER BY hour_ms DESC, network_name, network_id",
        )
        .bind(organization.as_str())
        .bind(signed(from_ms))
        .bind(signed(to_ms))
        .bind(network.map(NetworkId::as_str))
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(StoreError::statement("read what was used"))?;
        let hour = |row: &SqliteRow| {
            Ok(HourOfUse {
                network: row.parsed("network_id")?,
                name: row.parsed("network_name")?,
                hour_ms: row.number("hour_ms")?,
                used: Metered {
                    cpu_ms: row.number("cpu_ms")?,
                    memory_mib_s: row.number("memory_mib_ms")? / FINER,
                    disk_mib_s: row.number("disk_mib_ms")? / FINER,
                    requests: row.number("requests")?,
                },
            })
        };
        rows.iter().map(hour).collect()
    }

    /// How far each network's meter has read.
    pub(crate) async fn readings(
        &self,
    ) -> Result<BTreeMap<NetworkId, (OrganizationId, Reading)>, StoreError> {
        let rows = sqlx::query("SELECT network_id, organization_id, reading FROM meters")
            .fetch_all(&mut *self.read().await?)
            .await
            .map_err(StoreError::statement("read the meters"))?;
        let reading = |row: &SqliteRow| {
            let owner = row.parsed("organization_id")?;
            Ok((row.parsed("network_id")?, (owner, row.json("reading")?)))
        };
        rows.iter().map(reading).collect()
    }

    /// Every network with whose it is and its name.
    pub(crate) async fn owners(&self) -> Result<BTreeMap<NetworkId, Owner>, StoreError> {
        let rows = sqlx::query("SELECT id, organization_id, name FROM networks")
            .fetch_all(&mut *self.read().await?)
            .await
            .map_err(StoreError::statement("list the networks' owners"))?;
        let owner = |row: &SqliteRow| {
            let name: Name = row.parsed("name")?;
            Ok((row.parsed("id")?, Owner { organization: row.parsed("organization_id")?, name }))
        };
        rows.iter().map(owner).collect()
    }
}

impl Change {
    /// What an organization may have.
    pub(crate) async fn quota(
        &mut self,
        organization: &OrganizationId,
    ) -> Result<Quota, StoreError> {
        let row = sqlx::query("SELECT quota FROM organizations WHERE id = $1")
            .bind(organization.as_str())
            .fetch_optional(self.connection())
            .await
            .map_err(StoreError::statement("read a quota"))?;
        quota(row.as_ref())
    }

    /// Says what an organization may have.
    pub(crate) async fn put_quota(
        &mut self,
        organization: &OrganizationId,
        quota: &Quota,
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE organizations SET quota = $1 WHERE id = $2")
            .bind(json(quota))
            .bind(organization.as_str())
            .execute(self.connection())
            .await
            .map(drop)
            .map_err(StoreError::statement("write a quota"))
    }

    /// What an organization has beside a network.
    pub(crate) async fn holdings_beside(
        &mut self,
        organization: &OrganizationId,
        network: &NetworkId,
    ) -> Result<Holdings, StoreError> {
        let row = sqlx::query(HOLDINGS)
            .bind(organization.as_str())
            .bind(network.as_str())
            .fetch_one(self.connection())
            .await
            .map_err(StoreError::statement("count what an organization has"))?;
        holdings(&row)
    }

    /// Adds what a network used in an hour.
    pub(crate) async fn add_use(
        &mut self,
        network: &NetworkId,
        owner: &Owner,
        (hour_ms, draft): (u64, Draft),
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO usage (organization_id, network_id, network_name, hour_ms, cpu_ms, \
             memory_mib_ms, disk_mib_ms, requests) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (organization_id, hour_ms, network_id) DO UPDATE SET \
             cpu_ms = usage.cpu_ms + excluded.cpu_ms, \
             memory_mib_ms = usage.memory_mib_ms + excluded.memory_mib_ms, \
             disk_mib_ms = usage.disk_mib_ms + excluded.disk_mib_ms, \
             requests = usage.requests + excluded.requests",
        )
        .bind(owner.organization.as_str())
        .bind(network.as_str())
        .bind(owner.name.as_str())
        .bind(signed(hour_ms))
        .bind(signed(draft.cpu_ms))
        .bind(signed(draft.memory_mib_ms))
        .bind(signed(draft.disk_mib_ms))
        .bind(signed(draft.requests))
        .execute(self.connection())
        .await
        .map(drop)
        .map_err(StoreError::statement("write what was used"))
    }

    /// Says how far a network's meter has read.
    pub(crate) async fn put_reading(
        &mut self,
        network: &NetworkId,
        owner: &Owner,
        reading: &Reading,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO meters (network_id, organization_id, reading) VALUES ($1, $2, $3) \
             ON CONFLICT (network_id) DO UPDATE SET reading = excluded.reading",
        )
        .bind(network.as_str())
        .bind(owner.organization.as_str())
        .bind(json(reading))
        .execute(self.connection())
        .await
        .map(drop)
        .map_err(StoreError::statement("write a meter's reading"))
    }

    /// Forgets the meter of a network that is gone.
    pub(crate) async fn forget_reading(&mut self, network: &NetworkId) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM meters WHERE network_id = $1")
            .bind(network.as_str())
            .execute(self.connection())
            .await
            .map(drop)
            .map_err(StoreError::statement("forget a meter"))
    }
}

/// A network that is to run, by what it needs.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) organization: OrganizationId,
    pub(crate) spec: NetworkSpec,
    pub(crate) nodes: u32,
}

/// The networks that are to run, but one.
pub(super) async fn running(
    connection: &mut SqliteConnection,
    but: &str,
) -> Result<Vec<Running>, StoreError> {
    let rows = sqlx::query(
        "SELECT organization_id, spec, \
         (SELECT COUNT(*) FROM nodes WHERE network_id = networks.id) AS nodes \
         FROM networks WHERE intent = 'running' AND id <> $1",
    )
    .bind(but)
    .fetch_all(connection)
    .await
    .map_err(StoreError::statement("sum the memory of the networks"))?;
    let size = |row: &SqliteRow| {
        let nodes = row.number("nodes")?.try_into().unwrap_or(u32::MAX);
        let organization = row.parsed("organization_id")?;
        Ok(Running { organization, spec: row.json("spec")?, nodes })
    };
    rows.iter().map(size).collect()
}

/// How much an organization has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holdings {
    pub(crate) networks: u32,
    pub(crate) nodes: u32,
}

/// $1 organization, $2 a network that is not counted.
const HOLDINGS: &str = "SELECT COUNT(*) AS networks, \
     (SELECT COUNT(*) FROM nodes WHERE organization_id = $1 AND network_id <> $2) AS nodes \
     FROM networks WHERE organization_id = $1 AND id <> $2";

fn holdings(row: &SqliteRow) -> Result<Holdings, StoreError> {
    let count = |column| Ok(u32::try_from(row.number(column)?).unwrap_or(u32::MAX));
    Ok(Holdings { networks: count("networks")?, nodes: count("nodes")? })
}

fn quota(row: Option<&SqliteRow>) -> Result<Quota, StoreError> {
    let said = row.map(|row| row.optional_text("quota")).transpose()?.flatten();
    let Some(text) = said else { return Ok(Quota::default()) };
    serde_json::from_str(&text)
        .map_err(|error| StoreError::Damaged { what: "quota", reason: error.to_string() })
}
