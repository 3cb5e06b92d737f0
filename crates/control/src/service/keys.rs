//! The keys of a network's endpoint: listed, made, given another secret, revoked.
//!
//! A change is written down, and then waited for until the gateway has it in force: whoever revokes a key
//! is answered when nothing is served with it any more. Where the gateway does not answer, the change
//! stands all the same and is in force as soon as it does; the answer says so.
//!
//! A secret is shown once, and kept as its hash; a repeated request is answered with the same secret as
//! login codes are (see [`sessions`](super::sessions)). Only the key called `default` is kept as it is,
//! because its URL is shown with the network.

use serde::{Deserialize, Serialize};
use windlass_model::{
    ErrorCode, Name, OrganizationId, Problem,
    error::Location,
    key::{DEFAULT, EndpointKey, KeyRequest, KeyRotation, NewEndpointKey, RevokedKey},
    network::Intent,
    route::RateLimit,
};

use crate::{
    gateway::{Need, url_with},
    network::{change::destroying, declare::secret_text},
    service::{
        Action, Answer, Control, Granted, RequestMeta,
        mutate::{check_version, key_reused},
        network_not_found,
    },
    store::{
        AuditEntry, Change, Find, Remembered, StoreError,
        keys::{EndpointKeyRow, Secret, SecretRow},
        rows::Record,
    },
};

/// The most keys of a network.
const MOST_KEYS: usize = 64;
/// The most secrets of a key: the newest, and those whose time is not over.
const MOST_SECRETS: usize = 8;

/// What a secret is derived for.
const PURPOSE: &str = "endpoint key";

/// What is remembered of an answer: its secret is not.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Told {
    /// A key has a new secret.
    Secret(Name),
    /// A key is gone.
    Gone(EndpointKey),
}

/// A change of a key, before it is written.
struct Changed {
    before: Record,
    after: Record,
    action: &'static str,
    told: Told,
}

impl Control {
    /// The keys of a network's endpoint, in the order of their making.
    pub async fn keys(&self, granted: &Granted, network: &str) -> Answer<Vec<EndpointKey>> {
        let organization = granted.allows(Action::Read)?;
        let record = self.record(organization, network).await?;
        let now_ms = self.inner.world.now_ms();
        Ok(record.network.keys.iter().map(|key| key.shown(now_ms)).collect())
    }

    /// Makes a key. Its secret is in the answer and is not shown again.
    pub async fn create_key(
        &self,
        granted: &Granted,
        network: &str,
        request: KeyRequest,
        meta: &RequestMeta,
    ) -> Answer<NewEndpointKey> {
        let burst = request.check()?;
        let (mut change, record) = self.begin_with(granted, network).await?;
        if let Some(told) = recall(&mut change, granted.organization(), meta).await? {
            drop(change);
            return self.tell_again(&record, &told, meta).await;
        }
        check_open(&record, meta)?;
        if record.network.key(request.name.as_str()).is_some() {
            return Err(name_taken(&record, &request.name));
        }
        if record.network.keys.len() >= MOST_KEYS {
            return Err(too_many(&record));
        }
        let now_ms = self.inner.world.now_ms();
        let secret = self.endpoint_secret(meta);
        let mut row = EndpointKeyRow::new(request.name.clone(), request.scope, &secret, now_ms);
        let limit = RateLimit { per_second: request.rate, burst };
        row.body.limit = (request.rate > 0).then_some(limit);
        let mut after = record.clone();
        after.network.keys.push(row);
        let told = Told::Secret(request.name.clone());
        let changed = Changed { before: record, after, action: "network.create_key", told };
        let record = self.write_keys(change, granted, changed, meta).await?;
        self.tell(&record, &request.name, secret).await
    }

    /// Gives a key another secret. The one before works on for the overlap.
    pub async fn rotate_key(
        &self,
        granted: &Granted,
        (network, name): (&str, &str),
        rotation: KeyRotation,
        meta: &RequestMeta,
    ) -> Answer<NewEndpointKey> {
        rotation.check()?;
        let (mut change, record) = self.begin_with(granted, network).await?;
        if let Some(told) = recall(&mut change, granted.organization(), meta).await? {
            drop(change);
            return self.tell_again(&record, &told, meta).await;
        }
        check_open(&record, meta)?;
        let now_ms = self.inner.world.now_ms();
        let secret = self.endpoint_secret(meta);
        let mut after = record.clone();
        let key = after.network.keys.iter_mut().find(|key| key.name.as_str() == name);
        let key = key.ok_or_else(|| not_found(&record, name))?;
        rotate(key, &secret, rotation, now_ms);
        let name = key.name.clone();
        let told = Told::Secret(name.clone());
        let changed = Changed { before: record, after, action: "network.rotate_key", told };
        let record = self.write_keys(change, granted, changed, meta).await?;
        self.tell(&record, &name, secret).await
    }

    /// Revokes a key: nothing is served with it when this is answered without a warning.
    pub async fn revoke_key(
        &self,
        granted: &Granted,
        (network, name): (&str, &str),
        meta: &RequestMeta,
    ) -> Answer<RevokedKey> {
        let (mut change, record) = self.begin_with(granted, network).await?;
        if let Some(told) = recall(&mut change, granted.organization(), meta).await? {
            let Told::Gone(key) = told else { return Err(key_reused(meta)) };
            drop(change);
            return Ok(RevokedKey { key, warnings: self.in_force().await });
        }
        check_open(&record, meta)?;
        let row = record.network.key(name).ok_or_else(|| not_found(&record, name))?;
        let key = row.shown(self.inner.world.now_ms());
        let mut after = record.clone();
        after.network.keys.retain(|other| other.name.as_str() != name);
        let told = Told::Gone(key.clone());
        let changed = Changed { before: record, after, action: "network.revoke_key", told };
        self.write_keys(change, granted, changed, meta).await?;
        let mut warnings = self.in_force().await;
        if name == DEFAULT {
            warnings.push(
                "the network shows no endpoint any more; a key that is created under the name `default` \
                 gives it one"
                    .to_owned(),
            );
        }
        Ok(RevokedKey { key, warnings })
    }

    async fn begin_with(&self, granted: &Granted, network: &str) -> Answer<(Change, Record)> {
        let organization = granted.allows(Action::Change)?;
        let mut change = self.inner.store.begin().await?;
        let found = change.network(organization, &Find::parse(network)).await?;
        Ok((change, found.ok_or_else(|| network_not_found(network))?))
    }

    /// Writes keys, audits, remembers and commits. The record as it is then.
    async fn write_keys(
        &self,
        mut change: Change,
        granted: &Granted,
        changed: Changed,
        meta: &RequestMeta,
    ) -> Answer<Record> {
        let Changed { before, mut after, action, told } = changed;
        let now_ms = self.inner.world.now_ms();
        for key in &mut after.network.keys {
            key.prune(now_ms);
        }
        if let Some(secret) = before.network.shown_secret()
            && after.network.shown_secret() != Some(secret)
        {
            after.network.forget_secret(secret);
            change.forget_secret(&after.network, secret).await?;
        }
        change.save(&before, &mut after, meta.now_ms).await?;
        let name = match &told {
            Told::Secret(name) | Told::Gone(EndpointKey { name, .. }) => name,
        };
        let network = &after.network;
        let object = format!("{}/{name}", network.id);
        let entry = AuditEntry {
            organization: Some(&network.organization),
            at_ms: meta.now_ms,
            actor: granted.actor(),
            action,
            object: &object,
            request_hash: &meta.request_hash,
            outcome: "succeeded",
        };
        change.audit(&entry).await?;
        if let Some(key) = &meta.idempotency_key {
            let remembered = Remembered {
                request_hash: hex::encode(meta.request_hash),
                response: serde_json::to_string(&told).expect("an answer is plain data"),
            };
            change.remember(&network.organization, key, &remembered, meta.now_ms).await?;
        }
        change.commit("endpoint key").await?;
        self.inner.wakes.wake(&after.network.organization, &after.network.id);
        Ok(after)
    }

    /// Waits until the gateway has what is written down in force. What the user should know if it has not.
    pub(super) async fn in_force(&self) -> Vec<String> {
        match self.inner.gateway.publish(Need::Served).await {
            Ok(_) => Vec::new(),
            Err(error) => vec![format!(
                "the change is written down, and the gateway does not have it yet: {error}. It takes effect \
                 as soon as the gateway answers; `windlass status` shows its process"
            )],
        }
    }

    async fn tell(&self, record: &Record, name: &Name, secret: String) -> Answer<NewEndpointKey> {
        let warnings = self.in_force().await;
        let row = record.network.key(name.as_str()).ok_or_else(|| forgotten(record, name))?;
        let gateway = self.inner.gateway.facts().url;
        Ok(NewEndpointKey {
            key: row.shown(self.inner.world.now_ms()),
            url: gateway.map(|base| url_with(&base, &record.network.id, &secret)),
            secret,
            warnings,
        })
    }

    /// The answer to a request that comes again.
    async fn tell_again(
        &self,
        record: &Record,
        told: &Told,
        meta: &RequestMeta,
    ) -> Answer<NewEndpointKey> {
        let Told::Secret(name) = told else { return Err(key_reused(meta)) };
        let secret = self.endpoint_secret(meta);
        let row = record.network.key(name.as_str()).filter(|row| row.has(&secret));
        if row.is_none() {
            return Err(forgotten(record, name));
        }
        self.tell(record, name, secret).await
    }

    fn endpoint_secret(&self, meta: &RequestMeta) -> String {
        secret_text(self.secret_bytes(PURPOSE, meta))
    }
}

/// Gives a key another secret; those before keep no longer than the overlap.
fn rotate(key: &mut EndpointKeyRow, secret: &str, rotation: KeyRotation, now_ms: u64) {
    let until_ms = now_ms.saturating_add(u64::from(rotation.overlap_s) * 1_000);
    let newest = SecretRow { secret: Secret::of(&key.name, secret), until_ms: None };
    let former = std::mem::replace(&mut key.body.secrets, vec![newest]);
    let former = former.into_iter().take(MOST_SECRETS - 1).map(|row| SecretRow {
        // It is compared from now on, and shown no more.
        secret: Secret::Hash(row.secret.hash()),
        until_ms: Some(row.until_ms.map_or(until_ms, |earlier_ms| earlier_ms.min(until_ms))),
    });
    key.body.secrets.extend(former);
    key.body.rotated_at_ms = Some(now_ms);
    key.prune(now_ms);
}

/// Whether the keys of a network can be changed now.
fn check_open(record: &Record, meta: &RequestMeta) -> Answer<()> {
    check_version(record, meta)?;
    let network = &record.network;
    if network.intent == Intent::Destroyed {
        return Err(destroying(record));
    }
    if network.status.evidence.is_none() {
        return Err(Box::new(Problem::new(
            ErrorCode::NetworkBusy,
            format!(
                "`{}` is being created, and is shown to work through its first key",
                network.name
            ),
            "change its keys when it is usable",
        )));
    }
    Ok(())
}

async fn recall(
    change: &mut Change,
    organization: &OrganizationId,
    meta: &RequestMeta,
) -> Answer<Option<Told>> {
    let Some(key) = &meta.idempotency_key else { return Ok(None) };
    let Some(remembered) = change.recall(organization, key).await? else { return Ok(None) };
    if remembered.request_hash != hex::encode(meta.request_hash) {
        return Err(key_reused(meta));
    }
    let told = serde_json::from_str(&remembered.response).map_err(|error| StoreError::Damaged {
        what: "remembered answer",
        reason: error.to_string(),
    })?;
    Ok(Some(told))
}

fn not_found(record: &Record, name: &str) -> Box<Problem> {
    let keys = &record.network.keys;
    let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    let hint = if names.is_empty() {
        format!(
            "it has none; `windlass network key create {} --name …` makes one",
            record.network.name
        )
    } else {
        format!("its keys are {}", names.join(", "))
    };
    let detail = format!("`{}` has no key `{name}`", record.network.name);
    Box::new(Problem::new(ErrorCode::KeyNotFound, detail, hint))
}

fn name_taken(record: &Record, name: &Name) -> Box<Problem> {
    let network = &record.network.name;
    let problem = Problem::new(
        ErrorCode::NameTaken,
        format!("`{network}` has a key `{name}` already"),
        format!(
            "choose another name; `windlass network key rotate {network} {name}` gives this one another \
             secret"
        ),
    );
    Box::new(problem.at(Location { field: Some("name".to_owned()), ..Location::default() }))
}

fn too_many(record: &Record) -> Box<Problem> {
    Box::new(Problem::new(
        ErrorCode::TooManyKeys,
        format!("`{}` has {MOST_KEYS} keys, and may have no more", record.network.name),
        "revoke those that nobody uses; `windlass network key ls` lists them",
    ))
}

/// The secret of a repeated request can't be had again.
fn forgotten(record: &Record, name: &Name) -> Box<Problem> {
    let network = &record.network.name;
    Box::new(Problem::new(
        ErrorCode::VersionConflict,
        format!(
            "this request was carried out, and its secret is not known any more: the key `{name}` was \
             changed since, or the platform was started anew"
        ),
        format!("`windlass network key rotate {network} {name}` gives the key another secret"),
    ))
}
