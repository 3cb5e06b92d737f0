//! Writing networks with everything that they own.

use windlass_model::{NetworkId, OrganizationId};

use crate::store::{
    Change,
    budgets::{Running, running},
    error::StoreError,
    networks::{Find, load},
    rows::{NetworkRow, NodeRow, Record},
    values::{Columns as _, json, signed, word},
};

impl Change {
    /// One network, whole, as this transaction sees it.
    pub(crate) async fn network(
        &mut self,
        organization: &OrganizationId,
        find: &Find,
    ) -> Result<Option<Record>, StoreError> {
        load(self.connection(), organization, find).await
    }

    /// The networks whose owner wants them to run, but this one: that is what it shares memory with.
    pub(crate) async fn running_beside(
        &mut self,
        network: &NetworkId,
    ) -> Result<Vec<Running>, StoreError> {
        running(self.connection(), network.as_str()).await
    }

    /// Whether a network of this installation has the chain id.
    pub(crate) async fn chain_id_taken(&mut self, chain_id: u64) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT COUNT(*) AS found FROM networks WHERE chain_id = $1")
            .bind(signed(chain_id))
            .fetch_one(self.connection())
            .await
            .map_err(StoreError::statement("look for a chain id"))?;
        Ok(row.number("found")? > 0)
    }

    /// Writes a new network with everything that it owns.
    pub(crate) async fn insert(&mut self, record: &Record, at_ms: u64) -> Result<(), StoreError> {
        let failed = StoreError::statement("write a network");
        let network = &record.network;
        sqlx::query(
            "INSERT INTO networks (id, organization_id, name, engine, chain_id, intent, state, \
             generation, resource_version, operation_id, spec, status, genesis, created_at_ms, due_at_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)",
        )
        .bind(network.id.as_str())
        .bind(network.organization.as_str())
        .bind(network.name.as_str())
        .bind(word(&network.spec.engine))
        .bind(signed(network.spec.chain_id))
        .bind(word(&network.intent))
        .bind(word(&network.state))
        .bind(signed(network.generation))
        .bind(signed(network.resource_version))
        .bind(network.operation.as_ref().map(windlass_model::OperationId::as_str))
        .bind(json(&network.spec))
        .bind(json(&network.status))
        .bind(network.genesis.as_deref())
        .bind(signed(network.created_at_ms))
        .bind(network.due_at_ms().map(signed))
        .execute(self.connection())
        .await
        .map_err(&failed)?;
        self.save_keys(&[], network).await?;
        for node in &record.nodes {
            self.insert_node(network, node).await?;
        }
        self.after_write(record, at_ms).await
    }

    async fn insert_node(
        &mut self,
        network: &NetworkRow,
        node: &NodeRow,
    ) -> Result<(), StoreError> {
        let failed = StoreError::statement("write a node");
        sqlx::query(
            "INSERT INTO nodes (id, organization_id, network_id, ordinal, name, member, status, \
             added_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(node.id.as_str())
        .bind(network.organization.as_str())
        .bind(network.id.as_str())
        .bind(i64::from(node.ordinal))
        .bind(node.name.as_str())
        .bind(node.member.as_str())
        .bind(json(&node.status))
        .bind(node.added_at_ms.map(signed))
        .execute(self.connection())
        .await
        .map_err(&failed)?;
        for (purpose, key) in [("node", &node.node_key), ("consensus", &node.consensus_key)] {
            sqlx::query(
                "INSERT INTO keys (id, organization_id, network_id, node_id, purpose, public_key) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(key.id.as_str())
            .bind(network.organization.as_str())
            .bind(network.id.as_str())
            .bind(node.id.as_str())
            .bind(purpose)
            .bind(key.public.map(hex::encode))
            .execute(self.connection())
            .await
            .map_err(&failed)?;
        }
        Ok(())
    }

    /// Saves a record as it has become. [`StoreError::Stale`] if somebody saved it in between.
    /// The resource version of `after` is set to the new one.
    pub(crate) async fn save(
        &mut self,
        before: &Record,
        after: &mut Record,
        at_ms: u64,
    ) -> Result<(), StoreError> {
        after.network.resource_version = before.network.resource_version + 1;
        let network = &after.network;
        let saved = sqlx::query(
            "UPDATE networks SET intent = $1, state = $2, generation = $3, resource_version = $4, \
             operation_id = $5, spec = $6, status = $7, genesis = $8, due_at_ms = $9 \
             WHERE organization_id = $10 AND id = $11 AND resource_version = $12",
        )
        .bind(word(&network.intent))
        .bind(word(&network.state))
        .bind(signed(network.generation))
        .bind(signed(network.resource_version))
        .bind(network.operation.as_ref().map(windlass_model::OperationId::as_str))
        .bind(json(&network.spec))
        .bind(json(&network.status))
        .bind(network.genesis.as_deref())
        .bind(network.due_at_ms().map(signed))
        .bind(network.organization.as_str())
        .bind(network.id.as_str())
        .bind(signed(before.network.resource_version))
        .execute(self.connection())
        .await
        .map_err(StoreError::statement("save a network"))?;
        if saved.rows_affected() != 1 {
            return Err(StoreError::Stale);
        }
        self.save_keys(&before.network.keys, network).await?;
        for new in &after.nodes {
            match before.node(&new.id) {
                Some(old) if old == new => {}
                Some(old) => self.save_node(network, old, new).await?,
                None => self.insert_node(network, new).await?,
            }
        }
        for old in before.nodes.iter().filter(|old| after.node(&old.id).is_none()) {
            self.remove_node(network, old).await?;
        }
        self.after_write(after, at_ms).await
    }

    async fn save_node(
        &mut self,
        network: &NetworkRow,
        old: &NodeRow,
        new: &NodeRow,
    ) -> Result<(), StoreError> {
        let failed = StoreError::statement("save a node");
        let organization = network.organization.as_str();
        sqlx::query("UPDATE nodes SET status = $1 WHERE organization_id = $2 AND id = $3")
            .bind(json(&new.status))
            .bind(organization)
            .bind(new.id.as_str())
            .execute(self.connection())
            .await
            .map_err(&failed)?;
        for (purpose, key) in [("node", &new.node_key), ("consensus", &new.consensus_key)] {
            sqlx::query(
                "UPDATE keys SET id = $1, public_key = $2 \
                 WHERE organization_id = $3 AND node_id = $4 AND purpose = $5",
            )
            .bind(key.id.as_str())
            .bind(key.public.map(hex::encode))
            .bind(organization)
            .bind(new.id.as_str())
            .bind(purpose)
            .execute(self.connection())
            .await
            .map_err(&failed)?;
        }
        if old.port == new.port {
            return Ok(());
        }
        sqlx::query("DELETE FROM ports WHERE organization_id = $1 AND node_id = $2")
            .bind(organization)
            .bind(new.id.as_str())
            .execute(self.connection())
            .await
            .map_err(&failed)?;
        let Some(port) = new.port else { return Ok(()) };
        sqlx::query(
            "INSERT INTO ports (port, organization_id, network_id, node_id, name) \
             VALUES ($1, $2, $3, $4, 'p2p')",
        )
        .bind(i64::from(port))
        .bind(organization)
        .bind(network.id.as_str())
        .bind(new.id.as_str())
        .execute(self.connection())
        .await
        .map_err(&failed)?;
        Ok(())
    }

    async fn remove_node(
        &mut self,
        network: &NetworkRow,
        node: &NodeRow,
    ) -> Result<(), StoreError> {
        for statement in [
            "DELETE FROM ports WHERE organization_id = $1 AND node_id = $2",
            "DELETE FROM keys WHERE organization_id = $1 AND node_id = $2",
            "DELETE FROM nodes WHERE organization_id = $1 AND id = $2",
        ] {
            sqlx::query(statement)
                .bind(network.organization.as_str())
                .bind(node.id.as_str())
                .execute(self.connection())
                .await
                .map_err(StoreError::statement("remove a node"))?;
        }
        Ok(())
    }

    /// Removes every row of a network but its operations; the record goes last of all it named.
    pub(crate) async fn remove(&mut self, record: &Record, at_ms: u64) -> Result<(), StoreError> {
        let failed = StoreError::statement("remove a network");
        let network = &record.network;
        for statement in [
            "DELETE FROM ports WHERE organization_id = $1 AND network_id = $2",
            "DELETE FROM keys WHERE organization_id = $1 AND network_id = $2",
            "DELETE FROM network_keys WHERE organization_id = $1 AND network_id = $2",
            "DELETE FROM nodes WHERE organization_id = $1 AND network_id = $2",
        ] {
            sqlx::query(statement)
                .bind(network.organization.as_str())
                .bind(network.id.as_str())
                .execute(self.connection())
                .await
                .map_err(&failed)?;
        }
        let removed = sqlx::query(
            "DELETE FROM networks WHERE organization_id = $1 AND id = $2 AND resource_version = $3",
        )
        .bind(network.organization.as_str())
        .bind(network.id.as_str())
        .bind(signed(network.resource_version))
        .execute(self.connection())
        .await
        .map_err(&failed)?;
        if removed.rows_affected() != 1 {
            return Err(StoreError::Stale);
        }
        if let Some(operation) = &record.operation {
            self.put_operation(operation).await?;
            self.announce(&network.organization, "operation", operation.id.as_str(), at_ms).await?;
        }
        self.announce(&network.organization, "network_gone", network.id.as_str(), at_ms).await
    }

    async fn after_write(&mut self, record: &Record, at_ms: u64) -> Result<(), StoreError> {
        let network = &record.network;
        if let Some(operation) = &record.operation {
            self.put_operation(operation).await?;
            self.announce(&network.organization, "operation", operation.id.as_str(), at_ms).await?;
        }
        self.announce(&network.organization, "network", network.id.as_str(), at_ms).await
    }
}
