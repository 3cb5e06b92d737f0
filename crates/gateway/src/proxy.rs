//! A client's request on its way to a node and back.

use std::{
    collections::BTreeSet,
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
    http::request::Parts,
    upgrade::OnUpgrade,
};
use tokio::time::timeout;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use windlass_model::{
    NetworkId,
    error::Problem,
    key::KeyScope,
    route::{CLIENT, REPEATED, SCOPE},
};

use crate::{
    activity::{self, Queue, Use},
    answer::{self, Body, full, refuse},
    calls::Calls,
    client::{ClientError, Upstream},
    key::Pass,
    rate::Rates,
    routes::RouteState,
    streamed::Streamed,
    table::{Current, Network, count},
    target::{Door, Target},
    tunnel::{self, Gate},
};

/// The largest body that is passed on.
pub(crate) const BODY_BYTES: usize = 5 * 1024 * 1024;

/// How long a client may take to send a body.
const BODY_TIME: Duration = Duration::from_secs(30);

/// How often it is looked whether a network is used, and a key's time is over.
const LOOK: Duration = Duration::from_secs(1);

/// How long a request waits for a network that sleeps.
const WAKING: Duration = Duration::from_secs(30);

/// How often a request that a node may have taken is sent again, to another one.
const REPEATS: u32 = 2;

/// Headers that belong to one connection, and what other services on this host gave the browser.
const NOT_PASSED_ON: [HeaderName; 16] = [
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
    HeaderName::from_static(SCOPE),
    HeaderName::from_static(CLIENT),
];

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) table: Current,
    pub(crate) queue: Queue,
    pub(crate) allowed_hosts: Vec<String>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) started: Instant,
}

/// A request on its way.
struct Passing<'a> {
    parts: Parts,
    body: Bytes,
    /// What is asked of the node.
    rest: &'a Uri,
    network: &'a NetworkId,
    /// The protocol that the client wants to change to, and its end of the connection.
    upgrade: Option<(HeaderValue, OnUpgrade)>,
    client: IpAddr,
    /// What its key allows.
    pass: &'a Pass,
    /// How many nodes may have taken it and gave no answer.
    taken: u32,
    in_use: Option<Use>,
}

impl Passing<'_> {
    /// The request as a node gets it.
    fn request(&self) -> Request<Full<Bytes>> {
        let mut outgoing = Request::new(Full::new(self.body.clone()));
        *outgoing.method_mut() = self.parts.method.clone();
        *outgoing.uri_mut() = self.rest.clone();
        *outgoing.headers_mut() = passed_on(&self.parts.headers);
        let headers = outgoing.headers_mut();
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        if let Some((protocol, _)) = &self.upgrade {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, protocol.clone());
        }
        if self.taken > 0 {
            headers.insert(REPEATED, HeaderValue::from_static("1"));
        }
        headers.insert(CLIENT, HeaderValue::from_static("1"));
        match self.pass.key.scope {
            KeyScope::Send => {}
            scope @ KeyScope::Read => {
                headers.insert(SCOPE, HeaderValue::from_static(scope.as_str()));
            }
        }
        outgoing
    }
}

impl Proxy {
    /// Answers a request; what is wrong with it is an answer too.
    pub(crate) async fn serve(
        self: Arc<Self>,
        mut request: Request<Incoming>,
        (door, client): (Door, IpAddr),
    ) -> Response<Body> {
        if !self.serves_host(request.headers()) {
            return refuse(&answer::host_refused(), None);
        }
        let target = Target::of(request.uri(), &door);
        let network = target.as_ref().and_then(|target| {
            let network = self.table.get().network(&target.network)?;
            Some((target, network))
        });
        let Some((target, network)) = network else {
            return self.refuse_reading(&answer::unknown_network(), request).await;
        };
        let Some(pass) = target.pass(&network) else {
            count(&network.counters.refused);
            return self.refuse_reading(&answer::wrong_key(), request).await;
        };
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
            self.forward(request, (target, &pass), network, client).await
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
        (target, pass): (&Target, &Pass),
        network: Arc<Network>,
        client: IpAddr,
    ) -> Response<Body> {
        let in_use = Some(network.activity.begin(self.started));
        let upgrade = upgrade_of(&mut request);
        let (parts, body) = request.into_parts();
        let body = match read(body).await {
            Ok(body) => body,
            Err(problem) => return refuse(&problem, None),
        };
        if let Some(rates) = Rates::of(&pass.key, network.of_all.as_deref())
            && let Err(refusal) = rates.take(Calls::of(&body), self.started.elapsed())
        {
            count(&network.counters.limited);
            return answer::too_often(&refusal, &body);
        }
        let (rest, id, asked) = (&target.rest, &target.network, body.clone());
        let mut passing =
            Passing { parts, body, rest, network: id, upgrade, client, pass, taken: 0, in_use };
        // Cancel safety: a node that has the request may carry it out, and who sent it is told that the
        // key is good no more.
        tokio::select! {
            biased;
            () = pass.cut.cancelled() => {
                count(&network.counters.refused);
                let gone = self.table.get().network(&target.network).is_none();
                let problem = if gone { answer::unknown_network() } else { answer::wrong_key() };
                refuse(&problem, Some(&asked))
            }
            response = self.answer(&mut passing, target, Arc::clone(&network)) => response,
        }
    }

    /// A node's answer, as soon as one can be had.
    async fn answer(
        &self,
        passing: &mut Passing<'_>,
        target: &Target,
        mut network: Arc<Network>,
    ) -> Response<Body> {
        loop {
            let problem = match network.state {
                RouteState::Stopped => answer::stopped(),
                RouteState::Asleep => match self.wake(target, &network, passing.body.len()).await {
                    Ok(awake) => {
                        network = awake;
                        continue;
                    }
                    Err(problem) => *problem,
                },
                RouteState::Up => match self.pass_on(passing, &network).await {
                    Ok(response) => return response,
                    Err(problem) => {
                        // Its nodes end when it falls asleep.
                        let now = self.table.get().network(&target.network);
                        if let Some(asleep) = now.filter(|now| now.state == RouteState::Asleep) {
                            network = asleep;
                            continue;
                        }
                        *problem
                    }
                },
            };
            count(&network.counters.failed);
            return refuse(&problem, Some(&passing.body));
        }
    }

    /// The network, once it is awake. What happened to its key meanwhile counts.
    async fn wake(
        &self,
        target: &Target,
        network: &Network,
        bytes: usize,
    ) -> Result<Arc<Network>, Box<Problem>> {
        let place = self.queue.enter(&network.activity, bytes);
        let _place = place.ok_or_else(answer::too_many_wait)?;
        // Cancel safe: nothing is taken from the table.
        let waking = tokio::select! {
            waking = timeout(WAKING, self.table.awake(&target.network)) => waking,
            () = self.stop.cancelled() => {
                return Err(Box::new(answer::unavailable("the gateway ends")));
            }
        };
        match waking {
            Ok(Some(awake)) if target.pass(&awake).is_some() => Ok(awake),
            Ok(Some(_)) => Err(Box::new(answer::wrong_key())),
            Ok(None) => Err(Box::new(answer::unknown_network())),
            Err(_elapsed) => Err(Box::new(answer::still_asleep(WAKING))),
        }
    }

    /// Asks the nodes of a network, one after the other, until one answers.
    async fn pass_on(
        &self,
        passing: &mut Passing<'_>,
        network: &Network,
    ) -> Result<Response<Body>, Box<Problem>> {
        let mut last = "it has no nodes".to_owned();
        let mut misdirected = None;
        for upstream in self.candidates(network, passing.client) {
            match upstream.send(passing.request(), &self.tasks).await {
                // It is not part of the network any more, or not yet; the routes will say so soon.
                Ok(response) if response.status() == StatusCode::MISDIRECTED_REQUEST => {
                    misdirected = Some(response);
                }
                Ok(response) => {
                    count(&network.counters.requests);
                    return Ok(self.passed_back(response, passing, network));
                }
                Err(error) => {
                    upstream.shun(self.now_ms());
                    last = error.to_string();
                    tracing::warn!(socket = %upstream.path().display(), %error, "a node gave no answer");
                    match error {
                        ClientError::Connect(_) => {}
                        // What a node took that ended or hangs is the same transaction elsewhere. A
                        // request that is to blame for it does not end all of them.
                        ClientError::Lost(_) | ClientError::Hung if passing.taken < REPEATS => {
                            passing.taken += 1;
                        }
                        ClientError::Lost(_) | ClientError::Hung | ClientError::Late => break,
                    }
                }
            }
        }
        if let Some(mut response) = misdirected {
            count(&network.counters.requests);
            *response.status_mut() = StatusCode::OK;
            return Ok(self.passed_back(response, passing, network));
        }
        Err(answer::unavailable(format!("no node of the network answers: {last}")).into())
    }

    /// Looks for networks that nobody uses and for keys whose time is over, until the gateway ends.
    pub(crate) async fn look_around(&self) {
        let mut idle = BTreeSet::new();
        let work = async {
            loop {
                tokio::time::sleep(LOOK).await;
                self.table.cut_what_is_over();
                idle = self.queue.look(&self.table.get(), self.now_ms(), &idle);
            }
        };
        // Cancel safe: looking changes nothing.
        tokio::select! {
            () = work => {}
            () = self.stop.cancelled() => {}
        }
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

    pub(crate) fn now_ms(&self) -> u64 {
        activity::now_ms(self.started)
    }

    fn passed_back(
        &self,
        mut response: Response<Incoming>,
        passing: &mut Passing<'_>,
        network: &Network,
    ) -> Response<Body> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS
            && let Some((_, of_client)) = passing.upgrade.take()
        {
            count(&network.counters.websockets);
            let of_node = hyper::upgrade::on(&mut response);
            let in_use = passing.in_use.take();
            let gate = Gate::new(
                passing.pass.clone(),
                (passing.network.clone(), self.table.subscribe()),
                self.started,
            );
            let stop = self.stop.clone();
            self.tasks.spawn(async move {
                tunnel::run((of_client, of_node), gate, stop).await;
                drop(in_use);
            });
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
        let body = Streamed::new(body, passing.in_use.take(), passing.pass.cut.clone());
        Response::from_parts(parts, body.boxed())
    }
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
