//! The platform's API, from the outside.
//!
//! Loopback speaks plain HTTP: for such URLs no certificate store is loaded, which would be most of
//! a short command's time. Every POST carries an `Idempotency-Key`.

mod budgets;
mod keys;
mod streams;

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use reqwest::{Method, Response, StatusCode, redirect};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use windlass_model::{
    ErrorCode, LeaseId, OperationId, Problem,
    api::{Accepted, ApplyPlan, LoginLink, Organization, Page, PlatformStatus},
    condition::Diagnosis,
    consensus::NetworkConsensus,
    governance::{
        BallotPlan, NetworkMember, NetworkObserver, NetworkParameters, NetworkValidator,
        PermittedAccount, Proposal, ProposalRequest, SettleRequest, VoteRequest,
    },
    misconduct::NetworkMisconduct,
    network::{Network, Node, NodesRequest, Operation},
    recovery::{RecoverySignature, SignRecovery},
    spec::Manifest,
};

pub(crate) use streams::lines;

use crate::{
    args::{RecoverArgs, RecoveryFiles},
    context::Platform,
    environment::{self, Outcome, problem},
};

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take beyond what was asked to be waited for.
const ANSWER: Duration = Duration::from_secs(30);

/// How much of a file is sent at a time.
const PIECE_BYTES: usize = 1 << 18;

/// A platform that commands are sent to.
#[derive(Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    platform: Platform,
    organization: String,
}

impl Client {
    pub(crate) fn new(platform: Platform, organization: &str) -> Outcome<Self> {
        let builder = reqwest::Client::builder()
            .connect_timeout(CONNECT)
            .redirect(redirect::Policy::none())
            .tcp_nodelay(true);
        let builder = if platform.url.starts_with("http://") {
            builder.no_proxy().tls_backend_preconfigured(no_tls()?)
        } else {
            builder
        };
        let http = builder.build().map_err(|error| {
            problem(
                ErrorCode::Internal,
                format!("cannot set up HTTP: {}", last_cause(&error)),
                "check the machine's TLS certificates",
            )
        })?;
        Ok(Self { http, platform, organization: organization.to_owned() })
    }

    /// Where the platform is.
    pub(crate) fn url(&self) -> &str {
        &self.platform.url
    }

    /// The same platform, in another organization.
    pub(crate) fn acting_in(&self, organization: &str) -> Self {
        Self {
            http: self.http.clone(),
            platform: self.platform.clone(),
            organization: organization.to_owned(),
        }
    }

    /// Whether anything takes a connection where the platform is.
    pub(crate) async fn is_reachable(&self) -> bool {
        let request = self.request(Method::GET, "/health").timeout(ANSWER).send().await;
        !request.is_err_and(|error| error.is_connect())
    }

    pub(crate) async fn status(&self) -> Outcome<PlatformStatus> {
        self.get("/v1/status").await
    }

    pub(crate) async fn login_link(&self) -> Outcome<LoginLink> {
        self.send(Method::POST, "/v1/login-links", None::<&()>).await
    }

    pub(crate) async fn organizations(&self) -> Outcome<Vec<Organization>> {
        self.pages("/v1/organizations").await
    }

    pub(crate) async fn networks(&self) -> Outcome<Vec<Network>> {
        self.pages(&self.within("networks")).await
    }

    pub(crate) async fn network(&self, network: &str) -> Outcome<Network> {
        self.get(&self.of_network(network, "")).await
    }

    pub(crate) async fn doctor(&self, network: &str) -> Outcome<Diagnosis> {
        self.get(&self.of_network(network, "/doctor")).await
    }

    pub(crate) async fn consensus(&self, network: &str) -> Outcome<NetworkConsensus> {
        self.get(&self.of_network(network, "/consensus")).await
    }

    pub(crate) async fn evidence(&self, network: &str) -> Outcome<NetworkMisconduct> {
        self.get(&self.of_network(network, "/evidence")).await
    }

    pub(crate) async fn create(&self, manifest: &Manifest) -> Outcome<Accepted> {
        self.send(Method::POST, &self.within("networks"), Some(manifest)).await
    }

    /// Declares a network that lives as long as somebody holds the lease.
    pub(crate) async fn create_leased(
        &self,
        manifest: &Manifest,
        lease: &LeaseId,
    ) -> Outcome<Accepted> {
        let path = self.within(&format!("networks?lease={lease}"));
        self.send(Method::POST, &path, Some(manifest)).await
    }

    pub(crate) async fn apply(&self, network: &str, manifest: &Manifest) -> Outcome<Accepted> {
        self.send(Method::PUT, &self.of_network(network, ""), Some(manifest)).await
    }

    pub(crate) async fn plan(&self, network: &str, manifest: &Manifest) -> Outcome<ApplyPlan> {
        let path = self.of_network(network, "?dry_run=true");
        self.send(Method::PUT, &path, Some(manifest)).await
    }

    pub(crate) async fn stop(&self, network: &str) -> Outcome<Accepted> {
        self.send(Method::POST, &self.of_network(network, "/stop"), None::<&()>).await
    }

    pub(crate) async fn start(&self, network: &str) -> Outcome<Accepted> {
        self.send(Method::POST, &self.of_network(network, "/start"), None::<&()>).await
    }

    pub(crate) async fn sleep(&self, network: &str) -> Outcome<Accepted> {
        self.send(Method::POST, &self.of_network(network, "/sleep"), None::<&()>).await
    }

    pub(crate) async fn wake(&self, network: &str) -> Outcome<Accepted> {
        self.send(Method::POST, &self.of_network(network, "/wake"), None::<&()>).await
    }

    pub(crate) async fn destroy(&self, network: &str) -> Outcome<Accepted> {
        self.send(Method::DELETE, &self.of_network(network, ""), None::<&()>).await
    }

    pub(crate) async fn nodes(&self, network: &str) -> Outcome<Vec<Node>> {
        self.get(&self.of_network(network, "/nodes")).await
    }

    pub(crate) async fn add_nodes(
        &self,
        network: &str,
        request: &NodesRequest,
    ) -> Outcome<Accepted> {
        self.send(Method::POST, &self.of_network(network, "/nodes"), Some(request)).await
    }

    pub(crate) async fn replace_node(&self, network: &str, node: &str) -> Outcome<Accepted> {
        let path = self.of_network(network, &format!("/nodes/{}/replace", encode(node)));
        self.send(Method::POST, &path, None::<&()>).await
    }

    pub(crate) async fn remove_node(&self, network: &str, node: &str) -> Outcome<Accepted> {
        let path = self.of_network(network, &format!("/nodes/{}", encode(node)));
        self.send(Method::DELETE, &path, None::<&()>).await
    }

    pub(crate) async fn members(&self, network: &str) -> Outcome<Vec<NetworkMember>> {
        self.get(&self.of_network(network, "/members")).await
    }

    pub(crate) async fn validators(&self, network: &str) -> Outcome<Vec<NetworkValidator>> {
        self.get(&self.of_network(network, "/validators")).await
    }

    pub(crate) async fn observers(&self, network: &str) -> Outcome<Vec<NetworkObserver>> {
        self.get(&self.of_network(network, "/observers")).await
    }

    pub(crate) async fn parameters(&self, network: &str) -> Outcome<NetworkParameters> {
        self.get(&self.of_network(network, "/parameters")).await
    }

    pub(crate) async fn permissions(&self, network: &str) -> Outcome<Vec<PermittedAccount>> {
        self.pages(&self.of_network(network, "/permissions")).await
    }

    pub(crate) async fn proposals(&self, network: &str) -> Outcome<Vec<Proposal>> {
        self.pages(&self.of_network(network, "/proposals")).await
    }

    pub(crate) async fn proposal(&self, network: &str, id: u64) -> Outcome<Proposal> {
        self.get(&self.of_network(network, &format!("/proposals/{id}"))).await
    }

    pub(crate) async fn propose(
        &self,
        network: &str,
        request: &ProposalRequest,
    ) -> Outcome<Accepted> {
        self.send(Method::POST, &self.of_network(network, "/proposals"), Some(request)).await
    }

    pub(crate) async fn plan_propose(
        &self,
        network: &str,
        request: &ProposalRequest,
    ) -> Outcome<BallotPlan> {
        let path = self.of_network(network, "/proposals?dry_run=true");
        self.send(Method::POST, &path, Some(request)).await
    }

    pub(crate) async fn vote(
        &self,
        network: &str,
        proposal: u64,
        request: &VoteRequest,
    ) -> Outcome<Accepted> {
        let path = self.of_network(network, &format!("/proposals/{proposal}/votes"));
        self.send(Method::POST, &path, Some(request)).await
    }

    pub(crate) async fn plan_vote(
        &self,
        network: &str,
        proposal: u64,
        request: &VoteRequest,
    ) -> Outcome<BallotPlan> {
        let path = self.of_network(network, &format!("/proposals/{proposal}/votes?dry_run=true"));
        self.send(Method::POST, &path, Some(request)).await
    }

    pub(crate) async fn settle(
        &self,
        network: &str,
        proposal: u64,
        request: &SettleRequest,
    ) -> Outcome<Accepted> {
        let path = self.of_network(network, &format!("/proposals/{proposal}/settlement"));
        self.send(Method::POST, &path, Some(request)).await
    }

    pub(crate) async fn plan_settle(
        &self,
        network: &str,
        proposal: u64,
        request: &SettleRequest,
    ) -> Outcome<BallotPlan> {
        let path = format!("/proposals/{proposal}/settlement?dry_run=true");
        self.send(Method::POST, &self.of_network(network, &path), Some(request)).await
    }

    pub(crate) async fn operations(&self) -> Outcome<Vec<Operation>> {
        self.pages(&self.within("operations")).await
    }

    /// The operation as it is when it has ended, or after the wait.
    pub(crate) async fn operation(&self, id: &OperationId, wait: Duration) -> Outcome<Operation> {
        let path = self.within(&format!("operations/{id}?wait_ms={}", wait.as_millis()));
        let request = self.request(Method::GET, &path).timeout(wait + ANSWER);
        read(self.answer(request).await?).await
    }

    pub(crate) async fn sign_recovery(
        &self,
        network: &str,
        request: &SignRecovery,
    ) -> Outcome<RecoverySignature> {
        let path = self.of_network(network, "/recovery/signatures");
        self.send(Method::POST, &path, Some(request)).await
    }

    /// Sends a recovery file in one line, and behind it an export.
    pub(crate) async fn recover(&self, args: &RecoverArgs, recovery: String) -> Outcome<Accepted> {
        let RecoverArgs { network, files: RecoveryFiles { export, .. }, force, .. } = args;
        let path = self.of_network(network, &format!("/recovery?force={force}"));
        let key = hex::encode(environment::entropy::<16>()?);
        let file = tokio::fs::File::open(export).await.map_err(|error| {
            problem(
                ErrorCode::InvalidRequest,
                format!("cannot read {}: {error}", export.display()),
                "name a file that is there and may be read",
            )
        })?;
        let first = stream::once(async move { Ok(Bytes::from(recovery + "\n")) });
        let body = reqwest::Body::wrap_stream(first.chain(pieces(file)));
        let request = self.request(Method::POST, &path).header("Idempotency-Key", key);
        let request = request.header("Content-Type", "application/x-ndjson").body(body);
        read(self.answer(request).await?).await
    }

    /// Ends the platform's process, and the gateway's if asked.
    pub(crate) async fn shut_down(
        &self,
        shutdown: &windlass_control::http::Shutdown,
    ) -> Outcome<()> {
        let request = self.request(Method::POST, "/v1/shutdown").json(shutdown).timeout(ANSWER);
        self.answer(request).await.map(drop)
    }

    /// A call of a network's JSON-RPC, at its endpoint: the answer as it is, an error of the network
    /// too.
    pub(crate) async fn ask(
        &self,
        endpoint: &str,
        method: &str,
        params: Vec<Value>,
    ) -> Outcome<Value> {
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let request = self.http.post(endpoint).json(&call).timeout(ANSWER);
        // The URL holds a key: it is not shown.
        let answer = request.send().await.map_err(|error| {
            problem(
                ErrorCode::NetworkBusy,
                format!(
                    "the network's endpoint does not answer: {}",
                    last_cause(&error.without_url())
                ),
                "see that it runs: windlass network show",
            )
        })?;
        read(answer).await
    }

    fn within(&self, rest: &str) -> String {
        format!("/v1/organizations/{}/{rest}", encode(&self.organization))
    }

    fn of_network(&self, network: &str, rest: &str) -> String {
        self.within(&format!("networks/{}{rest}", encode(network)))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Outcome<T> {
        let request = self.request(Method::GET, path).timeout(ANSWER);
        read(self.answer(request).await?).await
    }

    async fn pages<T: DeserializeOwned>(&self, path: &str) -> Outcome<Vec<T>> {
        let mut items = Vec::new();
        let mut page: Page<T> = self.get(&format!("{path}?limit=200")).await?;
        loop {
            items.append(&mut page.items);
            let Some(cursor) = page.next_cursor else { return Ok(items) };
            page = self.get(&format!("{path}?limit=200&cursor={}", encode(&cursor))).await?;
        }
    }

    async fn send<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&B>,
    ) -> Outcome<T> {
        let key = hex::encode(environment::entropy::<16>()?);
        let request = self.request(method, path).timeout(ANSWER).header("Idempotency-Key", key);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        read(self.answer(request).await?).await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.platform.url);
        self.http.request(method, url).bearer_auth(&self.platform.token)
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Outcome<Response> {
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.bytes().await.map_err(|error| lost(self.url(), &error))?;
        Err(Box::new(serde_json::from_slice(&body).unwrap_or_else(|_| self.foreign(status))))
    }

    fn unreachable(&self, error: &reqwest::Error) -> Box<Problem> {
        if error.is_timeout() {
            return problem(
                ErrorCode::OperationTimeout,
                format!("the platform at {} does not answer in time", self.url()),
                "look at its log, and try again",
            );
        }
        problem(
            ErrorCode::PlatformNotRunning,
            format!("no platform answers at {}: {}", self.url(), last_cause(error)),
            "start it with `windlass up`, or name another one with --data-dir, --url or --context",
        )
    }

    fn foreign(&self, status: StatusCode) -> Problem {
        Problem::new(
            ErrorCode::PlatformNotRunning,
            format!("what answers {status} at {} is no Windlass platform", self.url()),
            "check the URL; a proxy in between may have answered",
        )
    }
}

/// A file in pieces.
fn pieces(file: tokio::fs::File) -> impl Stream<Item = std::io::Result<Bytes>> {
    stream::try_unfold(file, |mut file| async move {
        let mut piece = vec![0; PIECE_BYTES];
        let read = file.read(&mut piece).await?;
        piece.truncate(read);
        Ok((read > 0).then(|| (Bytes::from(piece), file)))
    })
}

async fn read<T: DeserializeOwned>(response: Response) -> Outcome<T> {
    let url = response.url().clone();
    let body = response.bytes().await.map_err(|error| lost(url.as_str(), &error))?;
    serde_json::from_slice(&body).map_err(|error| {
        problem(
            ErrorCode::Internal,
            format!("the answer of {url} cannot be read: {error}"),
            "use a `windlass` of the platform's version; `windlass status` tells it",
        )
    })
}

fn lost(url: &str, error: &reqwest::Error) -> Box<Problem> {
    problem(
        ErrorCode::PlatformNotRunning,
        format!("the connection to {url} was lost: {}", last_cause(error)),
        "see `windlass status`; what was begun is carried to its end by the platform",
    )
}

/// A TLS setting that trusts nobody: it is given to a client that speaks plain HTTP only.
fn no_tls() -> Outcome<rustls::ClientConfig> {
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| {
            problem(
                ErrorCode::Internal,
                format!("TLS cannot be set up: {error}"),
                "this is a defect of Windlass: please report it",
            )
        })?;
    Ok(versions.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
}

/// The last of an error's causes, which is what a user can act on.
fn last_cause(error: &dyn std::error::Error) -> String {
    let mut last = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        last = cause.to_string();
        source = cause.source();
    }
    last.to_lowercase()
}

/// Percent-encodes one segment of a path or one value of a query.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&hex::encode_upper([byte]));
        }
    }
    // A segment of dots alone would be taken for a step in the path.
    if out.bytes().all(|byte| byte == b'.') { out.replace('.', "%2E") } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_stay_one_segment() {
        assert_eq!(encode("trade-2"), "trade-2");
        assert_eq!(encode("a/b?c#d"), "a%2Fb%3Fc%23d");
        assert_eq!(encode("ä"), "%C3%A4");
        assert_eq!(encode(""), "");
    }
}
