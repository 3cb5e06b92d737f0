//! The process with the stable URLs, as the control plane keeps it: one workload of the platform,
//! one port that is kept, and the route table that it is sent.
//!
//! The gateway serves on when the platform is dead, so it is adopted like a node and never told
//! less than the truth: the whole table goes over its admin socket whenever a network's endpoint
//! changes or its process is a new one. One task does all of it, so that tables are sent in order.
//!
//! A gateway that does not answer, or does not understand its routes since it is of another version, is
//! replaced after a while. If it cannot be replaced either, it holds up no destroy: what a stale route
//! names is gone by then, and the table is sent anew as soon as somebody takes it.

mod demand;
mod keeper;
mod routes;
mod stats;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::sync::{Notify, mpsc, oneshot};
use windlass_model::{NetworkId, route::LocalPort};
use windlass_substrate::SubstrateError;

use crate::{
    store::{StoreError, rows::NetworkRow},
    world::WireError,
};

pub(crate) use demand::{HOLD, Listener};
pub(crate) use keeper::Keeper;

/// The gateway's workload.
pub(crate) const GATEWAY: &str = "gateway";

/// How many requests may wait for the one task.
const QUEUE: usize = 1024;
/// How long a publication may take, with a start of the gateway in it: longer than the task itself
/// is patient, so that it is the task that answers.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a network needs of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It serves the table as it is now.
    Served,
    /// It doesn't serve an older one; a gateway that isn't there doesn't.
    NotServed,
}

/// What came of a publication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Published {
    /// The table is served, at this URL.
    At(String),
    /// No gateway runs that could serve an older one.
    Down,
    /// It could not be told for so long that nobody waits for it any more. As soon as it can be, it
    /// is told the table as it is then.
    Silent,
}

impl Published {
    /// How it was seen that a network that is not to be served is not.
    pub(crate) fn verified(&self) -> &'static str {
        match self {
            Self::At(_) => "not in the gateway's routes",
            Self::Down => "no gateway runs that could serve it",
            Self::Silent => {
                "the gateway does not answer, and nothing is behind the route; it is told as soon \
                 as it answers"
            }
        }
    }
}

/// Why the gateway doesn't serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GatewayError {
    #[error("the gateway does not start")]
    Substrate(#[from] SubstrateError),
    #[error("the routes cannot be read")]
    Store(#[from] StoreError),
    #[error("the gateway does not take its routes")]
    Wire(#[from] WireError),
    #[error("the gateway refused its routes with status {status}: {text}")]
    Refused { status: u16, text: String },
    #[error("the machine has no free loopback port for the gateway")]
    NoPort,
    #[error("the gateway does not start within {} s", .0.as_secs())]
    Slow(Duration),
    #[error("the gateway is not kept at the moment")]
    NotRunning,
}

impl GatewayError {
    /// Whether another process may do what the gateway's does not: it does not answer, or it is of another
    /// version and does not know what stands in a route.
    fn is_of_its_process(&self) -> bool {
        match self {
            Self::Wire(_) | Self::Slow(_) | Self::Substrate(SubstrateError::NotReady { .. }) => {
                true
            }
            // Two tables crossed each other with 409, and a full disk is no fault of the process.
            Self::Refused { status, .. } => (400..500).contains(status) && *status != 409,
            Self::Substrate(_) | Self::Store(_) | Self::NoPort | Self::NotRunning => false,
        }
    }
}

/// What is known of the gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GatewayFacts {
    pub(crate) url: Option<String>,
    pub(crate) pid: Option<u32>,
    /// The socket that it is told its routes by.
    pub(crate) admin: Option<PathBuf>,
    /// The networks that it serves at ports of their own.
    pub(crate) local: Vec<LocalPort>,
}

impl GatewayFacts {
    /// The URL at which a network is reached without a key, if it is.
    pub(crate) fn local_url(&self, network: &NetworkId) -> Option<String> {
        let served = self.local.iter().find(|local| local.network_id == *network)?;
        Some(format!("http://127.0.0.1:{}", served.port))
    }
}

type Answer = Result<Published, Arc<GatewayError>>;

struct Request {
    need: Need,
    answer: oneshot::Sender<Answer>,
}

/// A handle onto the gateway's task.
#[derive(Clone, Debug)]
pub(crate) struct Gateway {
    requests: mpsc::Sender<Request>,
    woken: Arc<Notify>,
    facts: Arc<Mutex<GatewayFacts>>,
}

/// The task's side of the handle.
#[derive(Debug)]
pub(crate) struct Inbox {
    requests: mpsc::Receiver<Request>,
    woken: Arc<Notify>,
    facts: Arc<Mutex<GatewayFacts>>,
}

impl Gateway {
    /// A handle and the inbox for [`Keeper`].
    pub(crate) fn new() -> (Self, Inbox) {
        let (sender, requests) = mpsc::channel(QUEUE);
        let woken = Arc::new(Notify::new());
        let facts = Arc::new(Mutex::new(GatewayFacts::default()));
        let handle =
            Self { requests: sender, woken: Arc::clone(&woken), facts: Arc::clone(&facts) };
        (handle, Inbox { requests, woken, facts })
    }

    /// Sends the route table as it is now, and answers the gateway's URL when it is served.
    pub(crate) async fn publish(&self, need: Need) -> Answer {
        let (answer, answered) = oneshot::channel();
        let published = async {
            self.requests.send(Request { need, answer }).await.ok()?;
            answered.await.ok()
        };
        match tokio::time::timeout(PATIENCE, published).await {
            Ok(Some(answer)) => answer,
            Ok(None) | Err(_) => Err(Arc::new(GatewayError::NotRunning)),
        }
    }

    /// Something about its process has changed.
    pub(crate) fn wake(&self) {
        self.woken.notify_one();
    }

    /// It has said which networks it serves at ports of their own.
    pub(crate) fn note_local(&self, local: &[LocalPort]) {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        if facts.local != local {
            facts.local = local.to_vec();
        }
    }

    /// What is known of it.
    pub(crate) fn facts(&self) -> GatewayFacts {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A network's stable URL at a gateway, with the default key's secret; none if it has no such key.
pub(crate) fn endpoint(base: &str, network: &NetworkRow) -> Option<String> {
    Some(url_with(base, &network.id, network.shown_secret()?))
}

/// The URL of a network at a gateway, with a secret.
pub(crate) fn url_with(base: &str, network: &NetworkId, secret: &str) -> String {
    format!("{base}/n/{network}/{secret}")
}
