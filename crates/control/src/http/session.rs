//! One-time login links and the console's sessions.
//!
//! A link carries a code of 256 random bits in its fragment, which browsers do not send; the
//! console posts it and gets a cookie that scripts can't read. The store has the hashes of both,
//! never the secrets.

use axum::{
    Json,
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use windlass_model::{OrganizationId, api::LoginLink};

use super::{
    Api,
    access::{Caller, Credential},
    extract::Mutation,
    failure::Failure,
};
use crate::service::NewSession;

/// A login code to exchange for a session.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoginCode {
    /// What stands after `#` in the login link.
    pub code: String,
}

impl std::fmt::Debug for LoginCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoginCode(redacted)")
    }
}

/// Who is logged in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// On whose behalf.
    pub actor: String,
    /// The organizations that it may act for.
    pub organizations: Vec<OrganizationId>,
    /// Until when, Unix milliseconds; said at the login.
    pub expires_at_ms: Option<u64>,
}

/// Makes a one-time login link. Takes the token only.
#[utoipa::path(
    post, path = "/v1/login-links", tag = "sessions", operation_id = "create_login_link",
    responses((status = 201, description = "The link; it works once, for ten minutes", body = LoginLink)),
)]
pub(super) async fn create_link(
    State(api): State<Api>,
    caller: Caller,
    mutation: Mutation,
) -> Result<(StatusCode, Json<LoginLink>), Failure> {
    caller.by_token()?;
    caller.administers()?;
    let link = api.link_for(&caller.actor, &mutation.meta).await?;
    Ok((StatusCode::CREATED, Json(link)))
}

/// Exchanges a login code for a session.
#[utoipa::path(
    post, path = "/v1/session", tag = "sessions", operation_id = "log_in", security(()),
    request_body = LoginCode,
    responses((status = 201, description = "Logged in; the cookie is set", body = Session)),
)]
pub(super) async fn log_in(
    State(api): State<Api>,
    mutation: Mutation,
) -> Result<Response, Failure> {
    let (LoginCode { code }, meta) = mutation.json()?;
    let NewSession { secret, expires_at_ms } = api.control().open_session(&code, &meta).await?;
    let actor = api.control().session(&secret).await?;
    let session = Session {
        actor: actor.id,
        organizations: actor.organizations,
        expires_at_ms: Some(expires_at_ms),
    };
    let cookie =
        cookie(&api.cookie_name(), &secret, expires_at_ms.saturating_sub(meta.now_ms) / 1_000);
    Ok((StatusCode::CREATED, [(header::SET_COOKIE, cookie)], Json(session)).into_response())
}

/// Shows who is logged in.
#[utoipa::path(
    get, path = "/v1/session", tag = "sessions", operation_id = "get_session",
    responses((status = 200, description = "Who is logged in", body = Session)),
)]
pub(super) async fn show(caller: Caller) -> Json<Session> {
    let Caller { actor, .. } = caller;
    Json(Session { actor: actor.id, organizations: actor.organizations, expires_at_ms: None })
}

/// Ends the session. Success for the token too, which has none.
#[utoipa::path(
    delete, path = "/v1/session", tag = "sessions", operation_id = "log_out",
    responses((status = 204, description = "Logged out; the cookie is gone")),
)]
pub(super) async fn log_out(
    State(api): State<Api>,
    caller: Caller,
    mutation: Mutation,
) -> Result<Response, Failure> {
    match caller.credential {
        Credential::Token => {}
        Credential::Session(secret) => {
            api.control().end_session(secret.expose(), &mutation.meta).await?;
        }
    }
    let cookie = cookie(&api.cookie_name(), "", 0);
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

fn cookie(name: &str, value: &str, seconds: u64) -> HeaderValue {
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict");
    HeaderValue::from_str(&text).expect("a cookie of hex digits is visible ASCII")
}
