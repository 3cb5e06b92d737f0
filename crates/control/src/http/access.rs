//! Who asks: the bearer token of the command line, or the session cookie of the console.
//!
//! The token lies in a file that only the platform's user can read; a cookie is had for a one-time
//! login code. Both are compared by what does not leak: the token in constant time, a session by
//! the hash of its secret, which alone is in the store.

use axum::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    http::{HeaderMap, Method, header, request::Parts},
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use windlass_model::{ErrorCode, OrganizationId, Problem, api::Organization};

use super::{Api, audit::Note, failure::Failure, guard};
use crate::service::{Action, Actor, Granted, authorize};

/// The SHA-256 of a secret: what is compared in its place.
pub(super) type SecretHash = [u8; 32];

/// The hash of a secret.
pub(super) fn hash_of(secret: &str) -> SecretHash {
    Sha256::digest(secret.as_bytes()).into()
}

/// Whom the token stands for: the operator of the installation, in every organization.
pub(super) async fn operator(api: &Api) -> Result<Actor, Box<Problem>> {
    let organizations = api.control().every_organization().await?;
    let organizations = organizations.into_iter().map(|organization| organization.id).collect();
    Ok(Actor { id: "token:cli".to_owned(), organizations })
}

/// The secret in a session's cookie.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SessionSecret(String);

impl SessionSecret {
    /// The text, for the service alone.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionSecret(redacted)")
    }
}

/// Which of the two credentials a request came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Credential {
    /// The bearer token.
    Token,
    /// A session of the console.
    Session(SessionSecret),
}

/// An authenticated caller.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// On whose behalf.
    pub(super) actor: Actor,
    /// How it was shown.
    pub(super) credential: Credential,
    note: Option<Note>,
}

impl Caller {
    fn noted(actor: Actor, credential: Credential, parts: &Parts) -> Self {
        let note = parts.extensions.get::<Note>().cloned();
        if let Some(note) = &note {
            note.actor(&actor.id);
        }
        Self { actor, credential, note }
    }

    /// Resolves the organization and asks the one authorization function.
    pub(super) async fn granted(
        &self,
        api: &Api,
        action: Action,
        organization: &str,
    ) -> Result<Granted, Failure> {
        let organization: Organization =
            api.control().organization(&self.actor, organization).await?;
        if let Some(note) = &self.note {
            note.organization(&organization.id);
        }
        self.granted_on(action, &organization.id)
    }

    /// Asks the one authorization function.
    pub(super) fn granted_on(
        &self,
        action: Action,
        organization: &OrganizationId,
    ) -> Result<Granted, Failure> {
        Ok(authorize(&self.actor, action, organization)?)
    }

    /// Asks for the right to act on the platform itself.
    pub(super) fn administers(&self) -> Result<Vec<Granted>, Failure> {
        let organizations = self.actor.organizations.iter();
        organizations.map(|one| self.granted_on(Action::Administer, one)).collect()
    }

    /// Refuses everything but the token: a session must not make further logins.
    pub(super) fn by_token(&self) -> Result<(), Failure> {
        match self.credential {
            Credential::Token => Ok(()),
            Credential::Session(..) => Err(Failure::new(
                ErrorCode::Forbidden,
                "a session of the console may not do this",
                "use the command line on the platform's machine: it holds the token",
            )),
        }
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        if let Some(token) = bearer(&parts.headers)? {
            if !bool::from(hash_of(token).ct_eq(api.token_hash())) {
                return Err(unauthenticated("the bearer token is not this platform's"));
            }
            return Ok(Self::noted(operator(api).await?, Credential::Token, parts));
        }
        let Some(secret) = cookie(&parts.headers, &api.cookie_name()) else {
            return Err(unauthenticated("the request has no credential"));
        };
        if !matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            guard::require_same_origin(&parts.headers)?;
        }
        let actor = api.control().session(secret).await?;
        let credential = Credential::Session(SessionSecret(secret.to_owned()));
        Ok(Self::noted(actor, credential, parts))
    }
}

impl OptionalFromRequestParts<Api> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Option<Self>, Failure> {
        let bare = bearer(&parts.headers)?.is_none()
            && cookie(&parts.headers, &api.cookie_name()).is_none();
        if bare {
            return Ok(None);
        }
        <Self as FromRequestParts<Api>>::from_request_parts(parts, api).await.map(Some)
    }
}

fn unauthenticated(detail: &str) -> Failure {
    Failure::new(
        ErrorCode::Unauthenticated,
        detail,
        "send `Authorization: Bearer` with the token of the data directory's `token` file, or log \
         in with a link from `windlass login`",
    )
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Failure> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match token {
        Some(token) if !token.is_empty() => Ok(Some(token)),
        Some(_) | None => Err(unauthenticated("the Authorization header holds no bearer token")),
    }
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, value)| *key == name && !value.is_empty())
        .map(|(_, value)| value)
}
