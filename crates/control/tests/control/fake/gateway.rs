//! The fake gateway: its routes, and what its client does.

use std::{path::Path, sync::atomic::Ordering, time::Duration};

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use windlass_model::workload::Workload;

use super::{FakeWorld, Handle, owner};

/// What the gateway's one client does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Client {
    /// It uses the network, and asks for nothing that it would have to wait for.
    #[default]
    Uses,
    /// It waits for networks that sleep.
    Waits,
    /// It has not come for long.
    Leaves,
}

impl FakeWorld {
    pub(super) fn gateway(&self) -> Option<u32> {
        let all = self.substrate.processes().into_iter();
        all.filter(|(id, _)| id.as_str() == "gateway").map(|(_, pid)| pid).next()
    }

    /// Whether a gateway runs and answers.
    pub(super) fn gateway_answers(&self) -> bool {
        let gateway = self.gateway();
        let silent = *self.silent.lock().unwrap();
        gateway.is_some() && gateway != silent && !self.wedged.load(Ordering::SeqCst)
    }

    /// Whether a URL is a network's, and its key is none of the network's.
    pub(super) fn is_locked(&self, path: &str) -> bool {
        let routes = self.routes.lock().unwrap();
        route(&routes, path).is_some_and(|(route, hash)| !opens(route, &hash))
    }

    /// Whether nothing more is taken from clients.
    pub(super) fn is_spent(&self) -> bool {
        let limits = &self.routes.lock().unwrap()["limits"];
        limits.is_object() && self.spent.load(Ordering::SeqCst)
    }

    /// The node behind a network's URL.
    pub(super) fn routed(&self, path: &str) -> Option<Workload> {
        let routes = self.routes.lock().unwrap();
        let (route, _) = route(&routes, path).filter(|(route, hash)| opens(route, hash))?;
        let sockets = route["upstreams"].as_array()?.iter().filter_map(Value::as_str);
        sockets.into_iter().find_map(|socket| self.running(owner(Path::new(socket))))
    }
}

/// The route of a URL, and the hash of the key in it.
fn route<'a>(routes: &'a Value, path: &str) -> Option<(&'a Value, String)> {
    let mut parts = path.trim_start_matches("/n/").split('/');
    let (network, key) = (parts.next()?, parts.next()?);
    let route = routes["routes"].as_array()?.iter().find(|route| route["network_id"] == network)?;
    Some((route, hex::encode(Sha256::digest(key))))
}

fn opens(route: &Value, hash: &str) -> bool {
    let keys = route["keys"].as_array().into_iter().flatten();
    let mut secrets = keys.flat_map(|key| key["secrets"].as_array().into_iter().flatten());
    secrets.any(|secret| secret["hash"] == hash)
}

impl Handle {
    /// What the gateway tells of its clients, when something has happened.
    pub(super) async fn demand(&self, path: &str) -> Value {
        let number = |name: &str| -> Option<u64> {
            let (_, rest) = path.split_once(name)?;
            rest.split('&').next()?.parse().ok()
        };
        let hold = Duration::from_millis(number("hold_ms=").unwrap_or(0));
        let seen = number("seen=");
        if let Some(seen) = seen {
            let mut moved = self.world.moved.subscribe();
            let other = moved.wait_for(|count| *count != seen);
            // Either something has happened, or the poll is answered as it is.
            drop(tokio::time::timeout(hold, other).await);
        }
        let revision = *self.world.moved.borrow();
        let client = *self.world.client.lock().unwrap();
        let routes = self.world.routes.lock().unwrap();
        let routes = routes["routes"].as_array().expect("routes").iter();
        let are = |state: &str| {
            let sleeps = |route: &&Value| state != "up" || route["idle_after_ms"] != 0;
            let routes = routes.clone().filter(|route| route["state"] == state);
            routes.filter(sleeps).map(|route| route["network_id"].clone()).collect::<Vec<_>>()
        };
        let wanted = if client == Client::Waits { are("asleep") } else { Vec::new() };
        let idle = if client == Client::Leaves { are("up") } else { Vec::new() };
        json!({"revision": revision, "wanted": wanted, "idle": idle})
    }
}
