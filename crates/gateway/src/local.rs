//! Ports of this machine at which one network is reached without a key: where tools for local development
//! look for a node.
//!
//! A port that another program has is tried again and again, and is told of as [`Demand`] when it is had.
//! Whoever may connect to this machine's loopback may send transactions there; pages in a browser are held
//! to the network's web origins as they are at its URL.
//!
//! [`Demand`]: windlass_model::route::Demand

use std::{collections::BTreeMap, io, net::Ipv4Addr, sync::Arc, time::Duration};

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use windlass_model::{NetworkId, key::KeyScope, route::LocalPort};

use crate::{
    key::{Key, Pass},
    proxy::Proxy,
    server::accept_clients,
    target::Door,
};

/// How often a port is tried that another program has.
const RETRY: Duration = Duration::from_secs(2);

/// A port that is one network's, for as long as this lives.
struct Held {
    network: NetworkId,
    /// Ends the listening, and with it the connections.
    closed: CancellationToken,
    /// Ends what is being served.
    cut: CancellationToken,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.closed.cancel();
        self.cut.cancel();
    }
}

/// Listens where the tables say, until the gateway ends.
pub(crate) async fn keep(proxy: Arc<Proxy>) {
    let mut tables = proxy.table.subscribe();
    let mut held: BTreeMap<u16, Held> = BTreeMap::new();
    loop {
        let table = Arc::clone(&tables.borrow_and_update());
        held.retain(|port, held| table.local.get(port) == Some(&held.network));
        for (port, network) in &table.local {
            held.entry(*port).or_insert_with(|| open(&proxy, *port, network));
        }
        // Cancel safe: a table that is not seen is seen the next time.
        tokio::select! {
            changed = tables.changed() => if changed.is_err() { break },
            () = proxy.stop.cancelled() => break,
        }
    }
    // What is being served has its time to end, as everything at the gateway's end.
    for held in held.values_mut() {
        held.cut = CancellationToken::new();
    }
}

fn open(proxy: &Arc<Proxy>, port: u16, network: &NetworkId) -> Held {
    let (closed, cut) = (proxy.stop.child_token(), CancellationToken::new());
    let name = "local".parse().expect("it is a name");
    let key = Arc::new(Key { name, scope: KeyScope::Send, meter: None });
    let door = Door::Local(network.clone(), Pass { key, cut: cut.clone() });
    let local = LocalPort { port, network_id: network.clone() };
    proxy.tasks.spawn(serve(Arc::clone(proxy), local, door, closed.clone()));
    Held { network: network.clone(), closed, cut }
}

/// Serves at a port as soon as it can be had, until it is closed.
async fn serve(proxy: Arc<Proxy>, local: LocalPort, door: Door, closed: CancellationToken) {
    // Cancel safe: a port that is not bound is nobody's.
    let listener = tokio::select! {
        listener = bind(local.port) => listener,
        () = closed.cancelled() => return,
    };
    proxy.queue.tell_local(|all| all.push(local.clone()));
    accept_clients(listener, Arc::clone(&proxy), door, closed).await;
    proxy.queue.tell_local(|all| all.retain(|other| *other != local));
}

async fn bind(port: u16) -> TcpListener {
    let mut told = None;
    loop {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => {
                tracing::info!(port, "a network is served at its local port");
                return listener;
            }
            Err(error) => {
                if told.replace(error.kind()) != Some(error.kind()) {
                    let taken = error.kind() == io::ErrorKind::AddrInUse;
                    tracing::warn!(port, %error, taken, "a network is not served at its local port");
                }
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}
