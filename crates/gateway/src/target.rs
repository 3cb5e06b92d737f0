//! Which network a request is for, and by what it is let in: a key in its URL, or the port that it came to.

use hyper::Uri;
use windlass_model::NetworkId;

use crate::{key::Pass, table::Network};

/// Where a client has connected.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    /// At the port where every network is reached by its URL `/n/<network-id>/<key>[/…]`.
    Urls,
    /// At a local port, which is one network's and asks for no key.
    Local(NetworkId, Pass),
}

/// What a request is for.
pub(crate) struct Target {
    pub(crate) network: NetworkId,
    entry: Entry,
    /// What is left for the node: a path and a query.
    pub(crate) rest: Uri,
}

/// By what it is let in.
enum Entry {
    Key(String),
    Local(Pass),
}

impl Target {
    pub(crate) fn of(uri: &Uri, door: &Door) -> Option<Self> {
        match door {
            Door::Urls => parse(uri),
            Door::Local(network, pass) => Some(Self {
                network: network.clone(),
                entry: Entry::Local(pass.clone()),
                rest: uri.clone(),
            }),
        }
    }

    /// What it may do, if it is let in.
    pub(crate) fn pass(&self, network: &Network) -> Option<Pass> {
        match &self.entry {
            Entry::Key(key) => network.opens(key),
            Entry::Local(pass) => Some(pass.clone()),
        }
    }
}

fn parse(uri: &Uri) -> Option<Target> {
    let mut parts = uri.path().strip_prefix("/n/")?.splitn(3, '/');
    let network = parts.next()?.parse().ok()?;
    let key = parts.next().unwrap_or_default().to_owned();
    let path = parts.next().unwrap_or_default();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let rest = format!("/{path}{query}").parse().ok()?;
    Some(Target { network, entry: Entry::Key(key), rest })
}
