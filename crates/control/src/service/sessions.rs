//! Login codes and sessions: how a browser comes to act. Only hashes of secrets are stored.

use sha2::{Digest as _, Sha256};
use windlass_model::{ErrorCode, OrganizationId, Problem};

use crate::{
    service::{Actor, Answer, Control, LoginCode, NewSession},
    store::{AuditEntry, Change, SessionRow, StoreError},
};

const CODE_MS: u64 = 10 * 60 * 1000;
const SESSION_MS: u64 = 12 * 60 * 60 * 1000;

impl Control {
    /// Makes a one-time login code that stands for the actor.
    pub async fn login_code(&self, actor: &Actor) -> Answer<LoginCode> {
        let now_ms = self.inner.world.now_ms();
        let code = self.secret();
        let expires_at_ms = now_ms + CODE_MS;
        let mut change = self.inner.store.begin().await?;
        change.put_login_code(&hash(&code), &actor.organizations, expires_at_ms).await?;
        audit(&mut change, &actor.organizations, (&actor.id, "login_code.create"), now_ms).await?;
        change.commit("login code").await?;
        Ok(LoginCode { code, expires_at_ms })
    }

    /// Exchanges a login code for a session; the code is spent.
    pub async fn open_session(&self, code: &str) -> Answer<NewSession> {
        let now_ms = self.inner.world.now_ms();
        let mut change = self.inner.store.begin().await?;
        let Some(organizations) = change.spend_login_code(&hash(code), now_ms).await? else {
            return Err(Box::new(Problem::new(
                ErrorCode::LoginLinkInvalid,
                "the login code is spent, expired or wrong",
                "`windlass console` prints a new link; each works once",
            )));
        };
        let secret = self.secret();
        let expires_at_ms = now_ms + SESSION_MS;
        let id: [u8; 6] = self.inner.world.random();
        let session = SessionRow { id: hex::encode(id), organizations, expires_at_ms };
        change.put_session(&hash(&secret), &session).await?;
        let actor = actor_id(&session);
        let what = (actor.as_str(), "session.create");
        audit(&mut change, &session.organizations, what, now_ms).await?;
        change.commit("session").await?;
        Ok(NewSession { secret, expires_at_ms })
    }

    /// Whom a session stands for.
    pub async fn session(&self, secret: &str) -> Answer<Actor> {
        let now_ms = self.inner.world.now_ms();
        let found = self.inner.store.session(&hash(secret), now_ms).await?;
        let session = found.ok_or_else(|| {
            Box::new(Problem::new(
                ErrorCode::Unauthenticated,
                "the session has ended or is not known",
                "log in again: `windlass console` prints a link",
            ))
        })?;
        Ok(Actor { id: actor_id(&session), organizations: session.organizations })
    }

    /// Ends a session; one that is not known is ended already.
    pub async fn end_session(&self, secret: &str) -> Answer<()> {
        let now_ms = self.inner.world.now_ms();
        let mut change = self.inner.store.begin().await?;
        let Some(session) = change.end_session(&hash(secret)).await? else { return Ok(()) };
        let actor = actor_id(&session);
        let what = (actor.as_str(), "session.destroy");
        audit(&mut change, &session.organizations, what, now_ms).await?;
        change.commit("end session").await?;
        Ok(())
    }

    /// 256 random bits that nobody guesses, safe in a URL and a cookie.
    fn secret(&self) -> String {
        hex::encode(self.inner.world.random::<32>())
    }
}

fn actor_id(session: &SessionRow) -> String {
    format!("session:{}", session.id)
}

fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

/// A line in the log of every organization that the credential stands for.
async fn audit(
    change: &mut Change,
    organizations: &[OrganizationId],
    (actor, action): (&str, &str),
    at_ms: u64,
) -> Result<(), StoreError> {
    for organization in organizations {
        let entry = AuditEntry {
            organization,
            at_ms,
            actor,
            action: action.to_owned(),
            object: actor,
            request_hash: &[0; 32],
            outcome: "succeeded",
        };
        change.audit(&entry).await?;
    }
    Ok(())
}
