//! Reading networks with everything that they own.

use std::collections::BTreeMap;

use sqlx::{Connection as _, Row as _, Sqlite, SqliteConnection, Transaction, sqlite::SqliteRow};
use windlass_model::{
    KeyId, LeaseId, NetworkId, NodeId, OrganizationId, WorkloadId, network::Operation,
};

use crate::store::{
    Store,
    error::StoreError,
    keys::{self, EndpointKeyRow},
    rows::{KeyRow, NetworkRow, NetworkStatus, NodeRow, NodeStatus, Record},
    values::Columns as _,
};

/// How a user names a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Find {
    Id(NetworkId),
    Name(String),
}

impl Find {
    /// An id if it reads like one, otherwise a name.
    pub(crate) fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Id)
    }
}

/// Everything that the installation's rows name on the substrate and in the vault.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    pub(crate) workloads: std::collections::BTreeSet<WorkloadId>,
    pub(crate) keys: std::collections::BTreeSet<KeyId>,
    pub(crate) ports: std::collections::BTreeSet<u16>,
}

/// The six queries that read some networks whole. $1 organization, $2 what is sought, $3 how many: not
/// as a bare parameter, for whose value `SQLite` compiles a statement anew each time.
struct Queries {
    networks: &'static str,
    nodes: &'static str,
    keys: &'static str,
    ports: &'static str,
    endpoints: &'static str,
    operations: &'static str,
}

macro_rules! queries {
    ($clause:literal) => {
        Queries {
            networks: concat!("SELECT * FROM networks WHERE organization_id = $1 AND ", $clause),
            nodes: owned!("nodes", $clause, " ORDER BY ordinal"),
            keys: owned!("keys", $clause, ""),
            ports: owned!("ports", $clause, ""),
            endpoints: owned!("network_keys", $clause, " ORDER BY created_at_ms, name"),
            operations: concat!(
                "SELECT body FROM operations WHERE organization_id = $1 AND id IN \
                 (SELECT operation_id FROM networks WHERE organization_id = $1 AND ",
                $clause,
                ")"
            ),
        }
    };
}

macro_rules! owned {
    ($table:literal, $clause:literal, $order:literal) => {
        concat!(
            "SELECT * FROM ",
            $table,
            " WHERE organization_id = $1 AND network_id IN \
             (SELECT id FROM networks WHERE organization_id = $1 AND ",
            $clause,
            ")",
            $order
        )
    };
}

const BY_ID: Queries = queries!("id = $2 LIMIT $3 + 0");
const BY_NAME: Queries = queries!("name = $2 LIMIT $3 + 0");
const PAGE: Queries = queries!("name > $2 ORDER BY name LIMIT $3 + 0");

impl Store {
    /// One network, whole.
    pub(crate) async fn network(
        &self,
        organization: &OrganizationId,
        find: &Find,
    ) -> Result<Option<Record>, StoreError> {
        let mut connection = self.read().await?;
        let mut moment = moment(&mut connection).await?;
        load(&mut moment, organization, find).await
    }

    /// The networks after a name, in the order of their names.
    pub(crate) async fn networks(
        &self,
        organization: &OrganizationId,
        after: &str,
        limit: u32,
    ) -> Result<Vec<Record>, StoreError> {
        let mut connection = self.read().await?;
        let mut moment = moment(&mut connection).await?;
        read(&mut moment, &PAGE, organization, after, limit).await
    }

    /// Every network of the installation, for the reconcilers.
    pub(crate) async fn network_ids(&self) -> Result<Vec<(OrganizationId, NetworkId)>, StoreError> {
        let failed = StoreError::statement("list the networks");
        let rows = sqlx::query("SELECT organization_id, id FROM networks ORDER BY id")
            .fetch_all(&mut *self.read().await?)
            .await
            .map_err(failed)?;
        rows.iter().map(|row| Ok((row.parsed("organization_id")?, row.parsed("id")?))).collect()
    }

    /// Whose each network of the installation is, and its resource version.
    pub(crate) async fn network_versions(
        &self,
    ) -> Result<BTreeMap<NetworkId, (OrganizationId, u64)>, StoreError> {
        let failed = StoreError::statement("list the networks' versions");
        let rows = sqlx::query("SELECT id, organization_id, resource_version FROM networks")
            .fetch_all(&mut *self.read().await?)
            .await
            .map_err(failed)?;
        let version = |row: &SqliteRow| {
            let place = (row.parsed("organization_id")?, row.number("resource_version")?);
            Ok((row.parsed("id")?, place))
        };
        rows.iter().map(version).collect()
    }

    /// The networks that live under a lease and are not to be destroyed anyway.
    pub(crate) async fn leased(
        &self,
    ) -> Result<Vec<(OrganizationId, NetworkId, LeaseId)>, StoreError> {
        let failed = StoreError::statement("list the leased networks");
        let mut leased = Vec::new();
        for row in sqlx::query(
            "SELECT organization_id, id, status FROM networks WHERE intent <> 'destroyed'",
        )
        .fetch_all(&mut *self.read().await?)
        .await
        .map_err(failed)?
        {
            let status: NetworkStatus = row.json("status")?;
            if let Some(lease) = status.lease {
                leased.push((row.parsed("organization_id")?, row.parsed("id")?, lease));
            }
        }
        Ok(leased)
    }

    /// Everything that the installation's rows name, for the sweeper and the choice of ports.
    pub(crate) async fn known(&self) -> Result<Known, StoreError> {
        let failed = StoreError::statement("list what is known");
        let mut connection = self.read().await?;
        let mut known = Known::default();
        for row in sqlx::query("SELECT id, status FROM nodes")
            .fetch_all(&mut *connection)
            .await
            .map_err(&failed)?
        {
            known.workloads.insert(WorkloadId::of_node(&row.parsed::<NodeId>("id")?));
            let status: NodeStatus = row.json("status")?;
            known.keys.extend(status.key_ids().cloned());
        }
        for row in
            sqlx::query("SELECT id FROM keys").fetch_all(&mut *connection).await.map_err(&failed)?
        {
            known.keys.insert(row.parsed("id")?);
        }
        for row in sqlx::query("SELECT status FROM networks")
            .fetch_all(&mut *connection)
            .await
            .map_err(&failed)?
        {
            let status: NetworkStatus = row.json("status")?;
            known.keys.extend(status.accounts.into_iter().filter_map(|account| account.key));
        }
        for row in sqlx::query("SELECT port FROM ports")
            .fetch_all(&mut *connection)
            .await
            .map_err(&failed)?
        {
            known.ports.insert(port(&row)?);
        }
        Ok(known)
    }
}

/// One moment of the database, for several queries: between two of them a network may be changed, or go.
async fn moment(connection: &mut SqliteConnection) -> Result<Transaction<'_, Sqlite>, StoreError> {
    connection.begin().await.map_err(StoreError::statement("begin to read networks"))
}

/// One network, whole, over this connection.
pub(super) async fn load(
    connection: &mut SqliteConnection,
    organization: &OrganizationId,
    find: &Find,
) -> Result<Option<Record>, StoreError> {
    let records = match find {
        Find::Id(id) => read(connection, &BY_ID, organization, id.as_str(), 1).await?,
        Find::Name(name) => read(connection, &BY_NAME, organization, name, 1).await?,
    };
    Ok(records.into_iter().next())
}

async fn read(
    connection: &mut SqliteConnection,
    queries: &Queries,
    organization: &OrganizationId,
    sought: &str,
    limit: u32,
) -> Result<Vec<Record>, StoreError> {
    let failed = StoreError::statement("read networks");
    let mut results = Vec::new();
    for query in [
        queries.networks,
        queries.nodes,
        queries.keys,
        queries.ports,
        queries.endpoints,
        queries.operations,
    ] {
        let rows = sqlx::query(query)
            .bind(organization.as_str())
            .bind(sought)
            .bind(i64::from(limit))
            .fetch_all(&mut *connection)
            .await
            .map_err(&failed)?;
        results.push(rows);
    }
    let [networks, nodes, keys, ports, endpoints, operations] =
        <[Vec<SqliteRow>; 6]>::try_from(results).expect("one result a query");
    let mut parts = Parts::read(&keys, &ports, &endpoints, &operations)?;
    for row in &nodes {
        parts.node(row)?;
    }
    networks.iter().map(|row| parts.network(row)).collect()
}

/// What networks are put together from.
#[derive(Default)]
struct Parts {
    keys: BTreeMap<(String, String), KeyRow>,
    ports: BTreeMap<String, u16>,
    endpoints: BTreeMap<String, Vec<EndpointKeyRow>>,
    operations: BTreeMap<String, Operation>,
    nodes: BTreeMap<String, Vec<NodeRow>>,
}

impl Parts {
    fn read(
        keys: &[SqliteRow],
        ports: &[SqliteRow],
        endpoints: &[SqliteRow],
        operations: &[SqliteRow],
    ) -> Result<Self, StoreError> {
        let mut parts = Self::default();
        for row in keys {
            let key = KeyRow { id: row.parsed("id")?, public: public_key(row)? };
            parts.keys.insert((row.text("node_id")?, row.text("purpose")?), key);
        }
        for row in ports {
            parts.ports.insert(row.text("node_id")?, port(row)?);
        }
        for row in endpoints {
            let of_network = parts.endpoints.entry(row.text("network_id")?).or_default();
            of_network.push(keys::read(row)?);
        }
        for row in operations {
            let operation: Operation = row.json("body")?;
            parts.operations.insert(operation.id.to_string(), operation);
        }
        Ok(parts)
    }

    fn node(&mut self, row: &SqliteRow) -> Result<(), StoreError> {
        let id: NodeId = row.parsed("id")?;
        let mut key = |purpose: &str| {
            self.keys.remove(&(id.to_string(), purpose.to_owned())).ok_or(StoreError::Damaged {
                what: "node",
                reason: format!("{id} has no {purpose} key"),
            })
        };
        let node = NodeRow {
            node_key: key("node")?,
            consensus_key: key("consensus")?,
            name: row.text("name")?,
            member: row.parsed("member")?,
            ordinal: row.number("ordinal")?.try_into().unwrap_or(u32::MAX),
            added_at_ms: row.optional_number("added_at_ms")?,
            port: self.ports.remove(id.as_str()),
            status: row.json("status")?,
            id,
        };
        self.nodes.entry(row.text("network_id")?).or_default().push(node);
        Ok(())
    }

    fn network(&mut self, row: &SqliteRow) -> Result<Record, StoreError> {
        let id: NetworkId = row.parsed("id")?;
        let operation = row.optional_text("operation_id")?;
        let network = NetworkRow {
            organization: row.parsed("organization_id")?,
            name: row.parsed("name")?,
            intent: row.word("intent")?,
            state: row.word("state")?,
            generation: row.number("generation")?,
            resource_version: row.number("resource_version")?,
            operation: match &operation {
                Some(_) => Some(row.parsed("operation_id")?),
                None => None,
            },
            spec: row.json("spec")?,
            status: row.json("status")?,
            genesis: row.optional_text("genesis")?,
            keys: self.endpoints.remove(id.as_str()).unwrap_or_default(),
            created_at_ms: row.number("created_at_ms")?,
            id: id.clone(),
        };
        let operation = operation.and_then(|id| self.operations.remove(&id));
        let nodes = self.nodes.remove(id.as_str()).unwrap_or_default();
        Ok(Record { network, nodes, operation })
    }
}

fn port(row: &SqliteRow) -> Result<u16, StoreError> {
    let number: i64 = row.try_get("port").map_err(StoreError::statement("read a port"))?;
    u16::try_from(number)
        .map_err(|error| StoreError::Damaged { what: "port", reason: error.to_string() })
}

fn public_key(row: &SqliteRow) -> Result<Option<[u8; 32]>, StoreError> {
    let Some(text) = row.optional_text("public_key")? else { return Ok(None) };
    let mut key = [0; 32];
    hex::decode_to_slice(&text, &mut key)
        .map_err(|error| StoreError::Damaged { what: "public_key", reason: error.to_string() })?;
    Ok(Some(key))
}
