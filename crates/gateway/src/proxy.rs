//! A client's request on its way to a node and back.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode, Uri,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
    upgrade::OnUpgrade,
};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use windlass_model::{NetworkId, error::Problem, route::REPEATED};

use crate::{
    answer::{self, Body, full, refuse},
    client::{ClientError, Upstream},
    routes::RouteState,
    table::{Current, Network, count},
};

/// The largest body that is passed on.
pub(crate) const BODY_BYTES: usize = 5 * 1024 * 1024;

/// How long a client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(30);

/// How often a request that a node may have taken is sent again, to another one.
const REPEATS: u32 = 2;

/// Headers that belong to one connection, and what other services on this host gave the browser.
const NOT_PASSED_ON: [HeaderName; 14] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::CONTENT_LENGTH,
    header::UPGRADE,
    header::HOST,
    header::COOKIE,
    header::AUTHORIZATION,
    header::ORIGIN,
    header::REFERER,
    HeaderName::from_static(REPEATED),
];

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) table: Current,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) started: Instant,
}

/// The parts of `/n/<network-id>/<key>[/…]`.
struct Target {
    network: NetworkId,
    key: String,
    /// What is left for the node: a path and a query.
    rest: Uri,
}

impl Proxy {
    /// Answers a request; what is wrong with it is an answer too.
    pub(crate) async fn serve(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        client: IpAddr,
    ) -> Response<Body> {
        if !self.serves_host(request.headers()) {
            return refuse(&answer::host_refused(), None);
        }
        let target = parse(request.uri());
        let network = target.as_ref().and_then(|target| {
            let network = self.table.get().network(&target.network)?;
            Some((target, network))
        });
        let Some((target, network)) = network else {
            return self.refuse_reading(&answer::unknown_network(), request).await;
        };
        if !network.opens(&target.key) {
            count(&network.counters.refused);
            return self.refuse_reading(&answer::wrong_key(), request).await;
        }
        let origin = request.headers_mut().remove(header::ORIGIN);
        if let Some(origin) = &origin
            && !origin.to_str().is_ok_and(|origin| network.allows_origin(origin))
        {
            count(&network.counters.refused);
            return refuse(&answer::origin_refused(), None);
        }
        let mut response = if is_preflight(&request, origin.as_ref()) {
            preflight(request.headers())
        } else {
            self.forward(request, &target.rest, &network, client).await
        };
        if let Some(origin) = origin {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.append(header::VARY, HeaderValue::from_static("origin"));
        }
        response
    }

    /// Names of this machine, against pages that let their own name resolve to it.
    fn serves_host(&self, headers: &HeaderMap) -> bool {
        let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
            return false;
        };
        let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address,
            None => host.rsplit_once(':').map_or(host, |(name, _)| name),
        };
        let name = name.to_ascii_lowercase();
        name == "localhost"
            || name.ends_with(".localhost")
            || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            || self.allowed_hosts.contains(&name)
    }

    /// Refuses in the form that the sender decodes, for which its body has to be read.
    async fn refuse_reading(
        &self,
        problem: &Problem,
        request: Request<Incoming>,
    ) -> Response<Body> {
        if request.method() != Method::POST {
            return refuse(problem, None);
        }
        let body = read(request.into_body()).await.ok();
        refuse(problem, body.as_ref())
    }

    async fn forward(
        &self,
        mut request: Request<Incoming>,
        rest: &Uri,
        network: &Network,
        client: IpAddr,
    ) -> Response<Body> {
        let upgrade = upgrade_of(&mut request);
        let (parts, body) = request.into_parts();
        let body = match read(body).await {
            Ok(body) => body,
            Err(problem) => return refuse(&problem, None),
        };
        if network.state == RouteState::Stopped {
            count(&network.counters.failed);
            return refuse(&answer::stopped(), Some(&body));
        }
        let outgoing = |upgrade: Option<&HeaderValue>| {
            let mut outgoing = Request::new(Full::new(body.clone()));
            *outgoing.method_mut() = parts.method.clone();
            *outgoing.uri_mut() = rest.clone();
            *outgoing.headers_mut() = passed_on(&parts.headers);
            let headers = outgoing.headers_mut();
            headers.insert(header::HOST, HeaderValue::from_static("localhost"));
            if let Some(protocol) = upgrade {
                headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
                headers.insert(header::UPGRADE, protocol.clone());
            }
            outgoing
        };
        let mut last = "it has no nodes".to_owned();
        let mut misdirected = None;
        let mut taken = 0;
        for upstream in self.candidates(network, client) {
            let mut request = outgoing(upgrade.as_ref().map(|(name, _)| name));
            if taken > 0 {
                request.headers_mut().insert(REPEATED, HeaderValue::from_static("1"));
            }
            match upstream.send(request, &self.tasks).await {
                // It is not part of the network any more, or not yet; the routes will say so soon.
                Ok(response) if response.status() == StatusCode::MISDIRECTED_REQUEST => {
                    misdirected = Some(response);
                }
                Ok(response) => {
                    count(&network.counters.requests);
                    return self.passed_back(response, upgrade, network);
                }
                Err(error) => {
                    upstream.shun(self.now_ms());
                    last = error.to_string();
                    tracing::warn!(socket = %upstream.path().display(), %error, "a node gave no answer");
                    match error {
                        ClientError::Connect(_) => {}
                        // What a node took that ended or hangs is the same transaction elsewhere. A
                        // request that is to blame for it does not end all of them.
                        ClientError::Lost(_) | ClientError::Hung if taken < REPEATS => taken += 1,
                        ClientError::Lost(_) | ClientError::Hung | ClientError::Late => break,
                    }
                }
            }
        }
        if let Some(mut response) = misdirected {
            count(&network.counters.requests);
            *response.status_mut() = StatusCode::OK;
            return self.passed_back(response, None, network);
        }
        count(&network.counters.failed);
        let problem = answer::unavailable(format!("no node of the network answers: {last}"));
        refuse(&problem, Some(&body))
    }

    /// The network's nodes in the order in which this client asks them.
    fn candidates(&self, network: &Network, client: IpAddr) -> Vec<Arc<Upstream>> {
        let now_ms = self.now_ms();
        let mut upstreams = network.upstreams.clone();
        upstreams.sort_by_cached_key(|upstream| {
            let mut hasher = DefaultHasher::new();
            (client, upstream.path()).hash(&mut hasher);
            (upstream.is_shunned(now_ms), hasher.finish())
        });
        upstreams
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn passed_back(
        &self,
        mut response: Response<Incoming>,
        upgrade: Option<(HeaderValue, OnUpgrade)>,
        network: &Network,
    ) -> Response<Body> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS
            && let Some((_, of_client)) = upgrade
        {
            count(&network.counters.websockets);
            let of_node = hyper::upgrade::on(&mut response);
            self.tasks.spawn(tunnel(of_client, of_node, self.stop.clone()));
            let (mut parts, _) = response.into_parts();
            parts.headers.remove(header::CONTENT_LENGTH);
            return Response::from_parts(parts, full(Bytes::new()));
        }
        let (mut parts, body) = response.into_parts();
        // What a node says of origins is about its own clients; and the body is framed anew.
        for name in
            [header::CONNECTION, header::TRANSFER_ENCODING, header::ACCESS_CONTROL_ALLOW_ORIGIN]
        {
            parts.headers.remove(name);
        }
        Response::from_parts(parts, body.boxed())
    }
}

/// Copies both ways until one side ends or the gateway does.
async fn tunnel(of_client: OnUpgrade, of_node: OnUpgrade, stop: CancellationToken) {
    let copying = async {
        let (Ok(client), Ok(node)) = tokio::join!(of_client, of_node) else { return };
        // However it ends, both sides are closed by being dropped.
        drop(
            tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(node)).await,
        );
    };
    // Cancel safe: whatever is cancelled is dropped and both sides with it.
    tokio::select! {
        () = copying => {}
        () = stop.cancelled() => {}
    }
}

fn parse(uri: &Uri) -> Option<Target> {
    let mut parts = uri.path().strip_prefix("/n/")?.splitn(3, '/');
    let network = parts.next()?.parse().ok()?;
    let key = parts.next().unwrap_or_default().to_owned();
    let path = parts.next().unwrap_or_default();
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let rest = format!("/{path}{query}").parse().ok()?;
    Some(Target { network, key, rest })
}

async fn read(body: Incoming) -> Result<Bytes, Box<Problem>> {
    let reading = timeout(BODY_TIME, Limited::new(body, BODY_BYTES).collect());
    let Ok(read) = reading.await else {
        return Err(answer::malformed("the body did not arrive in time").into());
    };
    match read {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(answer::too_large(BODY_BYTES).into()),
        Err(error) => Err(answer::malformed(format!("the body could not be read: {error}")).into()),
    }
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let named = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<_> = named.flat_map(|value| value.split(',')).map(str::trim).collect();
    let passes = |name: &HeaderName| {
        !NOT_PASSED_ON.contains(name)
            && name != "keep-alive"
            && !named.iter().any(|listed| listed.eq_ignore_ascii_case(name.as_str()))
    };
    let kept = headers.iter().filter(|(name, _)| passes(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The protocol that a client wants to change to, and its end of the connection.
fn upgrade_of(request: &mut Request<Incoming>) -> Option<(HeaderValue, OnUpgrade)> {
    let connection = request.headers().get(header::CONNECTION)?.to_str().ok()?;
    let asks = connection.split(',').any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    let protocol = request.headers().get(header::UPGRADE).filter(|_| asks)?.clone();
    Some((protocol, hyper::upgrade::on(request)))
}

fn is_preflight(request: &Request<Incoming>, origin: Option<&HeaderValue>) -> bool {
    request.method() == Method::OPTIONS
        && origin.is_some()
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a browser's question whether a page may ask; its origin is already allowed.
fn preflight(headers: &HeaderMap) -> Response<Body> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    let answered = response.headers_mut();
    answered.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, POST, OPTIONS"),
    );
    let asked = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let allowed = asked.cloned().unwrap_or_else(|| HeaderValue::from_static("content-type"));
    answered.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    answered.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    // Pages on the web ask before they reach into a private network.
    answered.insert("access-control-allow-private-network", HeaderValue::from_static("true"));
    response
}
