//! The keys of a network's endpoint, as the store keeps them.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use sqlx::sqlite::SqliteRow;
use windlass_model::{
    Name,
    key::{DEFAULT, EndpointKey, KeyScope},
    route::{RateLimit, RouteKey, RouteSecret},
};

use crate::store::{
    Change,
    error::StoreError,
    rows::NetworkRow,
    values::{Columns as _, json, signed},
};

/// A key of a network's endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EndpointKeyRow {
    pub(crate) name: Name,
    pub(crate) created_at_ms: u64,
    pub(crate) body: KeyBody,
}

/// What a key allows, and its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyBody {
    pub(crate) scope: KeyScope,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<RateLimit>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rotated_at_ms: Option<u64>,
    /// The newest first; those after it are good until their time is over.
    pub(crate) secrets: Vec<SecretRow>,
}

/// A secret, and until when it is good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SecretRow {
    pub(crate) secret: Secret,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) until_ms: Option<u64>,
}

/// A secret as it is kept.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Secret {
    /// It is shown whenever the network is.
    Shown(String),
    /// It was shown once: its SHA-256 in hexadecimal.
    Hash(String),
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Shown(_) => f.write_str("Shown(redacted)"),
            Self::Hash(hash) => f.debug_tuple("Hash").field(hash).finish(),
        }
    }
}

impl Secret {
    /// As it is kept for a key of this name: the URL of the default key is shown with the network.
    pub(crate) fn of(name: &Name, secret: &str) -> Self {
        if name.as_str() == DEFAULT {
            Self::Shown(secret.to_owned())
        } else {
            Self::Hash(hash_of(secret))
        }
    }

    /// Its SHA-256 in hexadecimal.
    pub(crate) fn hash(&self) -> String {
        match self {
            Self::Shown(secret) => hash_of(secret),
            Self::Hash(hash) => hash.clone(),
        }
    }
}

/// The SHA-256 of a secret in hexadecimal.
pub(crate) fn hash_of(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

impl EndpointKeyRow {
    /// A key with one secret.
    pub(crate) fn new(name: Name, scope: KeyScope, secret: &str, now_ms: u64) -> Self {
        let secret = SecretRow { secret: Secret::of(&name, secret), until_ms: None };
        let body = KeyBody { scope, limit: None, rotated_at_ms: None, secrets: vec![secret] };
        Self { name, created_at_ms: now_ms, body }
    }

    /// The key as it is shown.
    pub(crate) fn shown(&self, now_ms: u64) -> EndpointKey {
        let KeyBody { scope, limit, rotated_at_ms, secrets } = &self.body;
        let former = secrets.iter().filter_map(|secret| secret.until_ms);
        EndpointKey {
            name: self.name.clone(),
            scope: *scope,
            rate: limit.map_or(0, |limit| limit.per_second),
            burst: limit.map_or(0, |limit| limit.burst),
            created_at_ms: self.created_at_ms,
            rotated_at_ms: *rotated_at_ms,
            former_until_ms: former.filter(|until_ms| *until_ms > now_ms).max(),
        }
    }

    /// The key as the gateway knows it.
    pub(crate) fn route(&self) -> RouteKey {
        let secret =
            |row: &SecretRow| RouteSecret { hash: row.secret.hash(), until_ms: row.until_ms };
        RouteKey {
            name: self.name.clone(),
            scope: self.body.scope,
            limit: self.body.limit,
            secrets: self.body.secrets.iter().map(secret).collect(),
        }
    }

    /// Forgets secrets whose time is over.
    pub(crate) fn prune(&mut self, now_ms: u64) {
        self.body.secrets.retain(|secret| secret.until_ms.is_none_or(|until_ms| until_ms > now_ms));
    }

    /// Whether it has this secret.
    pub(crate) fn has(&self, secret: &str) -> bool {
        let hash = hash_of(secret);
        self.body.secrets.iter().any(|row| row.secret.hash() == hash)
    }
}

impl NetworkRow {
    /// The key of this name.
    pub(crate) fn key(&self, name: &str) -> Option<&EndpointKeyRow> {
        self.keys.iter().find(|key| key.name.as_str() == name)
    }

    /// The secret that is shown with the network, if it has the default key.
    pub(crate) fn shown_secret(&self) -> Option<&str> {
        match &self.key(DEFAULT)?.body.secrets.first()?.secret {
            Secret::Shown(secret) => Some(secret),
            Secret::Hash(_) => None,
        }
    }

    /// Takes a secret that was shown out of the URL that the network was proved at.
    pub(crate) fn forget_secret(&mut self, secret: &str) {
        if let Some(evidence) = &mut self.status.evidence
            && let Some(url) = evidence.endpoint.strip_suffix(secret)
        {
            evidence.endpoint = url.to_owned();
        }
    }
}

impl Change {
    /// Takes a secret that was shown out of everything that is kept of earlier answers.
    pub(crate) async fn forget_secret(
        &mut self,
        network: &NetworkRow,
        secret: &str,
    ) -> Result<(), StoreError> {
        let statements = [
            "UPDATE operations SET body = replace(body, $1, '') \
             WHERE organization_id = $2 AND network_id = $3 AND body LIKE '%' || $1 || '%'",
            "UPDATE idempotency SET response = replace(response, $1, '') \
             WHERE organization_id = $2 AND response LIKE '%' || $3 || '/' || $1 || '%'",
        ];
        for statement in statements {
            sqlx::query(statement)
                .bind(secret)
                .bind(network.organization.as_str())
                .bind(network.id.as_str())
                .execute(self.connection())
                .await
                .map_err(StoreError::statement("forget a key's secret"))?;
        }
        Ok(())
    }
}

/// A key from its row.
pub(super) fn read(row: &SqliteRow) -> Result<EndpointKeyRow, StoreError> {
    Ok(EndpointKeyRow {
        name: row.parsed("name")?,
        created_at_ms: row.number("created_at_ms")?,
        body: row.json("body")?,
    })
}

impl Change {
    /// Brings the keys' rows from what they were to what the network has.
    pub(super) async fn save_keys(
        &mut self,
        before: &[EndpointKeyRow],
        network: &NetworkRow,
    ) -> Result<(), StoreError> {
        let failed = StoreError::statement("save an endpoint's keys");
        for old in before.iter().filter(|old| !network.keys.contains(old)) {
            sqlx::query(
                "DELETE FROM network_keys WHERE organization_id = $1 AND network_id = $2 AND name = $3",
            )
            .bind(network.organization.as_str())
            .bind(network.id.as_str())
            .bind(old.name.as_str())
            .execute(self.connection())
            .await
            .map_err(&failed)?;
        }
        for new in network.keys.iter().filter(|new| !before.contains(new)) {
            sqlx::query(
                "INSERT INTO network_keys (network_id, organization_id, name, body, created_at_ms) \
                 VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(network.id.as_str())
            .bind(network.organization.as_str())
            .bind(new.name.as_str())
            .bind(json(&new.body))
            .bind(signed(new.created_at_ms))
            .execute(self.connection())
            .await
            .map_err(&failed)?;
        }
        Ok(())
    }
}
