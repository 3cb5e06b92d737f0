//! Refused mutations on their way to the audit log.
//!
//! Outside of everything else stands one layer that knows which requests are mutations. On the way
//! in it gives a request a [`Note`]; who authenticates, authorizes and reads the request writes down
//! what it learns. On the way out a refusal is written to the log, whoever refused. What was
//! accepted is not its business: that is audited in the mutation's own transaction.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    extract::{Request, State},
    http::{Method, Uri},
    middleware::Next,
    response::Response,
};
use sha2::{Digest, Sha256};
use windlass_model::{ErrorCode, OrganizationId};

use super::Api;
use crate::service::Refusal;

/// What is learned of a mutation while it is looked at.
#[derive(Clone, Debug, Default)]
pub(super) struct Note(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    actor: Option<String>,
    organization: Option<OrganizationId>,
    request_hash: Option<[u8; 32]>,
}

impl Note {
    /// The request has a valid credential.
    pub(super) fn actor(&self, id: &str) {
        self.lock().actor = Some(id.to_owned());
    }

    /// It names an organization that the actor may act for.
    pub(super) fn organization(&self, id: &OrganizationId) {
        self.lock().organization = Some(id.clone());
    }

    /// Its body was read.
    pub(super) fn request(&self, hash: [u8; 32]) {
        self.lock().request_hash = Some(hash);
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Audits a mutation if it is refused.
pub(super) async fn refusals(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let Some((action, object)) = mutation(request.method(), request.uri()) else {
        return next.run(request).await;
    };
    let unread = request_hash(request.method(), request.uri(), &[]);
    let note = Note::default();
    request.extensions_mut().insert(note.clone());
    let response = next.run(request).await;
    let Some(code) = response.extensions().get::<ErrorCode>().copied() else { return response };
    let Noted { actor, organization, request_hash } = std::mem::take(&mut *note.lock());
    let refusal = Refusal {
        organization,
        actor,
        action,
        object,
        request_hash: request_hash.unwrap_or(unread),
        code,
        at_ms: api.now_ms(),
    };
    api.control().note_refusal(refusal).await;
    response
}

/// What a request would change, and on what; `None` if it only reads.
fn mutation(method: &Method, uri: &Uri) -> Option<(&'static str, String)> {
    let path = uri.path();
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let dry = uri.query().is_some_and(|query| query.split('&').any(|one| one == "dry_run=true"));
    let (action, object) = match (method.as_str(), parts.as_slice()) {
        ("POST", ["v1", "organizations", _, "networks"]) => ("network.create", path),
        ("PUT", ["v1", "organizations", _, "networks", name]) if !dry => ("network.apply", *name),
        ("DELETE", ["v1", "organizations", _, "networks", name]) => ("network.destroy", *name),
        ("POST", ["v1", "organizations", _, "networks", name, "stop"]) => ("network.stop", *name),
        ("POST", ["v1", "organizations", _, "networks", name, "start"]) => ("network.start", *name),
        ("POST", ["v1", "organizations", _, "networks", name, "sleep"]) => ("network.sleep", *name),
        ("POST", ["v1", "organizations", _, "networks", name, "wake"]) => ("network.wake", *name),
        ("POST", ["v1", "organizations", _, "networks", name, "extend"]) => {
            ("network.extend", *name)
        }
        ("PUT", ["v1", "organizations", organization, "quota"]) => {
            ("organization.set_quota", *organization)
        }
        ("POST", ["v1", "organizations", _, "networks", name, "nodes"]) => {
            ("network.add_nodes", *name)
        }
        ("POST", ["v1", "organizations", _, "networks", name, "keys"]) => {
            ("network.create_key", *name)
        }
        ("POST", ["v1", "organizations", _, "networks", name, "keys", _, "rotate"]) => {
            ("network.rotate_key", *name)
        }
        ("DELETE", ["v1", "organizations", _, "networks", name, "keys", _]) => {
            ("network.revoke_key", *name)
        }
        ("POST", ["v1", "organizations", _, "networks", name, "recovery"]) => {
            ("network.recover", *name)
        }
        ("POST", ["v1", "organizations", _, "networks", name, "recovery", "signatures"]) => {
            ("network.sign_recovery", *name)
        }
        ("DELETE", ["v1", "organizations", _, "networks", name, "nodes", _]) => {
            ("network.remove_node", *name)
        }
        ("POST", ["v1", "organizations", _, "networks", name, "nodes", _, "replace"]) => {
            ("network.replace_node", *name)
        }
        ("POST", ["v1", "organizations", _, "networks", name, "proposals"]) if !dry => {
            ("network.propose", *name)
        }
        ("POST", ["v1", "organizations", _, "networks", name, "proposals", _, "votes"]) if !dry => {
            ("network.vote", *name)
        }
        ("POST", ["v1", "organizations", _, "networks", name, "proposals", _, "settlement"])
            if !dry =>
        {
            ("network.settle", *name)
        }
        ("POST", ["v1", "login-links"]) => ("login_code.create", path),
        ("POST", ["v1", "session"]) => ("session.create", path),
        ("DELETE", ["v1", "session"]) => ("session.destroy", path),
        ("POST", ["v1", "shutdown"]) => ("platform.shutdown", path),
        _ => return None,
    };
    Some((action, object.to_owned()))
}

/// What stands for a request in the audit log and beside an idempotency key.
pub(super) fn request_hash(method: &Method, uri: &Uri, body: &[u8]) -> [u8; 32] {
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let mut hash = Sha256::new();
    for part in [method.as_str().as_bytes(), target.as_bytes(), body] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests;
