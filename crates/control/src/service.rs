//! The control plane's one door: what the API calls.
//!
//! Mutations write intent and answer at once; what carries it out is the reconciler. Every method
//! that touches an organization's objects takes a [`Granted`]. Errors are [`Problem`]s, with a code
//! and a hint, ready for a user.

use std::{path::PathBuf, time::Duration};

use futures::stream::BoxStream;
use windlass_model::{
    EventId, OperationId, Problem,
    api::{Accepted, ApplyPlan, BlockSummary, Event, Organization, Page, PlatformStatus},
    network::{Network, Operation},
    spec::Manifest,
};

pub use crate::authorize::{Action, Actor, Granted, authorize};

/// What a method answers.
pub type Answer<T> = Result<T, Box<Problem>>;

/// What the control plane is told about where it runs.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The data directory; the database is `windlass.db` in it.
    pub data_dir: PathBuf,
    /// The installation's identity: what its workloads are labelled with.
    pub installation: String,
    /// The program's version, for the platform's status.
    pub version: String,
    /// Where the API listens, for the platform's status.
    pub url: String,
    /// The gateway's port, if the operator names one; otherwise the system gives one and it is kept.
    pub gateway_port: Option<u16>,
    /// The machine's memory: what networks must fit into.
    pub machine_memory_bytes: u64,
}

/// What comes with a request that changes something.
#[derive(Clone, Debug)]
pub struct RequestMeta {
    /// Replaying a request with the same key acts once.
    pub idempotency_key: Option<String>,
    /// SHA-256 of method, path and body.
    pub request_hash: [u8; 32],
    /// The resource version that the caller has seen; another one is a conflict.
    pub if_version: Option<u64>,
    /// When the request came, Unix milliseconds.
    pub now_ms: u64,
}

/// Which part of a node's log to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Begin with this many of the last lines; `None` begins with the first that is kept.
    pub tail: Option<usize>,
    /// What happens at the end of the log.
    pub follow: Follow,
}

/// What a log stream does at the end of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// The stream ends.
    #[default]
    No,
    /// The stream waits for more lines.
    Yes,
}

/// A one-time code that a browser exchanges for a session.
#[derive(Clone, Debug)]
pub struct LoginCode {
    /// The code; only its hash is stored.
    pub code: String,
    /// Until when it is good, Unix milliseconds.
    pub expires_at_ms: u64,
}

/// A browser's session.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The cookie's value; only its hash is stored.
    pub secret: String,
    /// Until when it is good, Unix milliseconds.
    pub expires_at_ms: u64,
}

/// The control plane. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Control {
    settings: std::sync::Arc<Settings>,
}

impl Control {
    /// What the control plane was told about where it runs.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The organizations that the actor may act for.
    pub async fn organizations(&self, _actor: &Actor) -> Answer<Vec<Organization>> {
        unimplemented!()
    }

    /// One organization, by name or id.
    pub async fn organization(&self, _actor: &Actor, _name_or_id: &str) -> Answer<Organization> {
        unimplemented!()
    }

    /// Every organization: what the platform's own token may act for.
    pub async fn every_organization(&self) -> Answer<Vec<Organization>> {
        unimplemented!()
    }

    /// The organization's networks, in the order of their names.
    pub async fn networks(
        &self,
        _granted: &Granted,
        _cursor: Option<&str>,
        _limit: u32,
    ) -> Answer<Page<Network>> {
        unimplemented!()
    }

    /// One network, by name or id.
    pub async fn network(&self, _granted: &Granted, _name_or_id: &str) -> Answer<Network> {
        unimplemented!()
    }

    /// Declares a network.
    pub async fn declare(
        &self,
        _granted: &Granted,
        _manifest: Manifest,
        _meta: RequestMeta,
    ) -> Answer<Accepted> {
        unimplemented!()
    }

    /// Declares the network if it is absent, and changes it to the manifest if it differs.
    pub async fn apply(
        &self,
        _granted: &Granted,
        _name_or_id: &str,
        _manifest: Manifest,
        _meta: RequestMeta,
    ) -> Answer<Accepted> {
        unimplemented!()
    }

    /// What [`Control::apply`] would do.
    pub async fn plan_apply(
        &self,
        _granted: &Granted,
        _name_or_id: &str,
        _manifest: &Manifest,
    ) -> Answer<ApplyPlan> {
        unimplemented!()
    }

    /// Ends a network's processes and keeps everything else.
    pub async fn stop(
        &self,
        _granted: &Granted,
        _name_or_id: &str,
        _meta: RequestMeta,
    ) -> Answer<Accepted> {
        unimplemented!()
    }

    /// Brings a stopped network back.
    pub async fn start(
        &self,
        _granted: &Granted,
        _name_or_id: &str,
        _meta: RequestMeta,
    ) -> Answer<Accepted> {
        unimplemented!()
    }

    /// Leaves nothing of a network. A second destroy of one under way answers the same operation.
    pub async fn destroy(
        &self,
        _granted: &Granted,
        _name_or_id: &str,
        _meta: RequestMeta,
    ) -> Answer<Accepted> {
        unimplemented!()
    }

    /// One operation.
    pub async fn operation(&self, _granted: &Granted, _id: &OperationId) -> Answer<Operation> {
        unimplemented!()
    }

    /// The organization's operations, newest first.
    pub async fn operations(
        &self,
        _granted: &Granted,
        _cursor: Option<&str>,
        _limit: u32,
    ) -> Answer<Page<Operation>> {
        unimplemented!()
    }

    /// The operation when it has ended, or as it is after the timeout.
    pub async fn wait_operation(
        &self,
        _granted: &Granted,
        _id: &OperationId,
        _timeout: Duration,
    ) -> Answer<Operation> {
        unimplemented!()
    }

    /// The network's newest blocks, newest first; at most 25.
    pub async fn blocks(
        &self,
        _granted: &Granted,
        _name_or_id: &str,
        _limit: u32,
    ) -> Answer<Vec<BlockSummary>> {
        unimplemented!()
    }

    /// Lines of a node's log. The node is named by its name, its id or its index.
    pub async fn logs(
        &self,
        _granted: &Granted,
        _name_or_id: &str,
        _node: &str,
        _options: LogOptions,
    ) -> Answer<BoxStream<'static, Answer<String>>> {
        unimplemented!()
    }

    /// The organization's events after the given one, then live, with ticks in between. Without
    /// one, live from now on.
    pub async fn events(
        &self,
        _granted: &Granted,
        _after: Option<EventId>,
    ) -> Answer<BoxStream<'static, Event>> {
        unimplemented!()
    }

    /// The platform itself.
    pub async fn status(&self) -> Answer<PlatformStatus> {
        unimplemented!()
    }

    /// Makes a one-time login code that stands for the actor.
    pub async fn login_code(&self, _actor: &Actor) -> Answer<LoginCode> {
        unimplemented!()
    }

    /// Exchanges a login code for a session; the code is spent.
    pub async fn open_session(&self, _code: &str) -> Answer<NewSession> {
        unimplemented!()
    }

    /// Whom a session stands for.
    pub async fn session(&self, _secret: &str) -> Answer<Actor> {
        unimplemented!()
    }

    /// Ends a session; one that is not known is ended already.
    pub async fn end_session(&self, _secret: &str) -> Answer<()> {
        unimplemented!()
    }
}
