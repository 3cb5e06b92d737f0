//! Login codes and sessions: how a browser comes to act. Only hashes of secrets are stored.
//!
//! A repeated request must be answered as it was the first time, and what was answered is a secret
//! that nobody has kept. So a secret that is asked for with an idempotency key is not drawn but
//! derived: from a key that this process holds in memory, the idempotency key and the request's
//! hash. The store remembers that the request was answered, and not what. After a restart of the
//! platform a repetition finds nothing, and is told so.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use windlass_model::{ErrorCode, OrganizationId, Problem};

use crate::{
    service::{
        Action, Actor, Answer, Control, Granted, LoginCode, NewSession, RequestMeta,
        mutate::key_reused,
    },
    store::{AuditEntry, Change, Remembered, SessionRow, StoreError},
};

const CODE_MS: u64 = 10 * 60 * 1000;
const SESSION_MS: u64 = 12 * 60 * 60 * 1000;

/// What is remembered of an answer that held a secret.
#[derive(Debug, Serialize, Deserialize)]
struct Given {
    expires_at_ms: u64,
}

/// What a shutdown came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownRequest {
    /// It is the first of its idempotency key.
    New,
    /// It was carried out before, by this process or an earlier one.
    Repeated,
}

impl Control {
    /// Makes a one-time login code that stands for the actor.
    pub async fn login_code(&self, actor: &Actor, meta: &RequestMeta) -> Answer<LoginCode> {
        let code = self.secret("login code", meta);
        let mut change = self.inner.store.begin().await?;
        let owner = actor.organizations.first();
        if let Some(Given { expires_at_ms }) = recall(&mut change, owner, meta).await? {
            if !change.has_login_code(&hash(&code)).await? {
                return Err(invalid("the login code of this request is spent or forgotten"));
            }
            return Ok(LoginCode { code, expires_at_ms });
        }
        let expires_at_ms = self.inner.world.now_ms() + CODE_MS;
        change.put_login_code(&hash(&code), &actor.organizations, expires_at_ms).await?;
        let what = (actor.id.as_str(), "login_code.create");
        audit(&mut change, &actor.organizations, what, meta).await?;
        remember(&mut change, owner, meta, &Given { expires_at_ms }).await?;
        change.commit("login code").await?;
        Ok(LoginCode { code, expires_at_ms })
    }

    /// Exchanges a login code for a session; the code is spent.
    pub async fn open_session(&self, code: &str, meta: &RequestMeta) -> Answer<NewSession> {
        let now_ms = self.inner.world.now_ms();
        let secret = self.secret("session", meta);
        let mut change = self.inner.store.begin().await?;
        let Some(organizations) = change.spend_login_code(&hash(code), now_ms).await? else {
            drop(change);
            let again = self.session_again(&secret, meta).await?;
            return again.ok_or_else(|| invalid("the login code is spent, expired or wrong"));
        };
        let owner = organizations.first().cloned();
        if recall(&mut change, owner.as_ref(), meta).await?.is_some() {
            return Err(key_reused(meta));
        }
        let expires_at_ms = now_ms + SESSION_MS;
        let id: [u8; 6] = self.inner.world.random();
        let session = SessionRow { id: hex::encode(id), organizations, expires_at_ms };
        change.put_session(&hash(&secret), &session).await?;
        let actor = actor_id(&session);
        let what = (actor.as_str(), "session.create");
        audit(&mut change, &session.organizations, what, meta).await?;
        remember(&mut change, owner.as_ref(), meta, &Given { expires_at_ms }).await?;
        change.commit("session").await?;
        Ok(NewSession { secret, expires_at_ms })
    }

    /// The session that this very request was answered with before. Who repeats it has shown the
    /// code and the key, and the secret can be had from nothing else.
    async fn session_again(&self, secret: &str, meta: &RequestMeta) -> Answer<Option<NewSession>> {
        if meta.idempotency_key.is_none() {
            return Ok(None);
        }
        let now_ms = self.inner.world.now_ms();
        let session = self.inner.store.session(&hash(secret), now_ms).await?;
        let fresh = session.filter(|row| row.expires_at_ms + CODE_MS > now_ms + SESSION_MS);
        Ok(fresh.map(|SessionRow { expires_at_ms, .. }| NewSession {
            secret: secret.to_owned(),
            expires_at_ms,
        }))
    }

    /// Whom a session stands for.
    pub async fn session(&self, secret: &str) -> Answer<Actor> {
        let now_ms = self.inner.world.now_ms();
        let found = self.inner.store.session(&hash(secret), now_ms).await?;
        let session = found.ok_or_else(|| {
            Box::new(Problem::new(
                ErrorCode::Unauthenticated,
                "the session has ended or is not known",
                "log in again: `windlass login` prints a link",
            ))
        })?;
        Ok(Actor { id: actor_id(&session), organizations: session.organizations })
    }

    /// Ends a session; one that is not known is ended already.
    pub async fn end_session(&self, secret: &str, meta: &RequestMeta) -> Answer<()> {
        let mut change = self.inner.store.begin().await?;
        let Some(session) = change.end_session(&hash(secret)).await? else { return Ok(()) };
        let actor = actor_id(&session);
        let what = (actor.as_str(), "session.destroy");
        audit(&mut change, &session.organizations, what, meta).await?;
        change.commit("end session").await?;
        Ok(())
    }

    /// Notes that the platform is to end. A request that was carried out before is not again: the
    /// platform that it ended may have been started since.
    pub async fn shut_down(
        &self,
        granted: &[Granted],
        meta: &RequestMeta,
    ) -> Answer<ShutdownRequest> {
        let organizations = granted.iter().map(|one| one.allows(Action::Administer).cloned());
        let organizations = organizations.collect::<Result<Vec<_>, _>>()?;
        let actor = granted.first().map(Granted::actor).unwrap_or_default();
        let mut change = self.inner.store.begin().await?;
        let owner = organizations.first();
        if recall(&mut change, owner, meta).await?.is_some() {
            return Ok(ShutdownRequest::Repeated);
        }
        audit(&mut change, &organizations, (actor, "platform.shutdown"), meta).await?;
        remember(&mut change, owner, meta, &Given { expires_at_ms: 0 }).await?;
        change.commit("shutdown").await?;
        Ok(ShutdownRequest::New)
    }

    /// 256 bits that nobody guesses, safe in a URL and a cookie: random, or for a request with an
    /// idempotency key the same ones each time.
    fn secret(&self, purpose: &str, meta: &RequestMeta) -> String {
        hex::encode(self.secret_bytes(purpose, meta))
    }

    /// The bits of a secret.
    pub(super) fn secret_bytes(&self, purpose: &str, meta: &RequestMeta) -> [u8; 32] {
        let Some(key) = &meta.idempotency_key else { return self.inner.world.random() };
        let request = Sha256::new()
            .chain_update(hash(purpose))
            .chain_update(hash(key))
            .chain_update(meta.request_hash)
            .finalize();
        let held = self.inner.derivation_key;
        let inner = Sha256::new().chain_update(held).chain_update(request).finalize();
        Sha256::new().chain_update(held).chain_update(inner).finalize().into()
    }
}

fn actor_id(session: &SessionRow) -> String {
    format!("session:{}", session.id)
}

fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

fn invalid(detail: &str) -> Box<Problem> {
    Box::new(Problem::new(
        ErrorCode::LoginLinkInvalid,
        detail,
        "`windlass login` prints a new link; each works once",
    ))
}

async fn recall(
    change: &mut Change,
    organization: Option<&OrganizationId>,
    meta: &RequestMeta,
) -> Answer<Option<Given>> {
    let (Some(organization), Some(key)) = (organization, &meta.idempotency_key) else {
        return Ok(None);
    };
    let Some(remembered) = change.recall(organization, key).await? else { return Ok(None) };
    if remembered.request_hash != hex::encode(meta.request_hash) {
        return Err(key_reused(meta));
    }
    let given = serde_json::from_str(&remembered.response).map_err(|error| {
        StoreError::Damaged { what: "remembered answer", reason: error.to_string() }
    })?;
    Ok(Some(given))
}

async fn remember(
    change: &mut Change,
    organization: Option<&OrganizationId>,
    meta: &RequestMeta,
    given: &Given,
) -> Result<(), StoreError> {
    let (Some(organization), Some(key)) = (organization, &meta.idempotency_key) else {
        return Ok(());
    };
    let remembered = Remembered {
        request_hash: hex::encode(meta.request_hash),
        response: serde_json::to_string(given).expect("an answer is plain data"),
    };
    change.remember(organization, key, &remembered, meta.now_ms).await
}

/// A line in the log of every organization that the credential stands for.
async fn audit(
    change: &mut Change,
    organizations: &[OrganizationId],
    (actor, action): (&str, &str),
    meta: &RequestMeta,
) -> Result<(), StoreError> {
    for organization in organizations {
        let entry = AuditEntry {
            organization: Some(organization),
            at_ms: meta.now_ms,
            actor,
            action,
            object: actor,
            request_hash: &meta.request_hash,
            outcome: "succeeded",
        };
        change.audit(&entry).await?;
    }
    Ok(())
}
