//! The API from outside, over the router alone: who is let in, what is refused, and how.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::Body,
    http::{Method, Request, Response, StatusCode, header},
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt;
use windlass_control::{
    http::{Api, ApiSettings, document},
    service::{Backoff, Control, Machine, Overcommit, Settings},
    world::{Deadlines, Engines, World},
};
use windlass_engine::{Engine, windlass::WindlassEngine};
use windlass_keys::vault::Vault;
use windlass_model::{ErrorCode, Problem};
use windlass_substrate::fake::FakeSubstrate;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const HOST: &str = "127.0.0.1:7300";
const NETWORKS: &str = "/v1/organizations/default/networks";

struct Platform {
    router: Router,
    home: TempDir,
}

impl Platform {
    async fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder can be made");
        let vault = Vault::open(home.path().join("keys")).expect("a vault can be made");
        let engines: [Arc<dyn Engine>; 1] = [Arc::new(WindlassEngine)];
        let substrate = Arc::new(FakeSubstrate::new());
        let settings = Settings {
            data_dir: home.path().to_owned(),
            installation: "inst-test".to_owned(),
            version: "test".to_owned(),
            url: format!("http://{HOST}"),
            gateway_port: None,
            lease: None,
            machine: Machine {
                memory_bytes: 8 << 30,
                processors: 2,
                overcommit: Overcommit::Refuse,
            },
            backoff: Backoff::default(),
            deadlines: Deadlines::default(),
        };
        let world = World::machine(substrate, Engines::new(engines), Arc::new(vault));
        let control = Control::open(settings, world).await.expect("a store can be made");
        let settings = ApiSettings {
            token: TOKEN.to_owned(),
            listen: HOST.parse().expect("it is an address"),
            now_ms: windlass_substrate::clock::now_ms,
            tracker: TaskTracker::new(),
            shutdown: CancellationToken::new(),
        };
        Self { router: Api::new(control, settings).router(), home }
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.expect("the router answers")
    }

    /// Sends a request and expects the problem, in its whole shape.
    async fn refused(&self, request: Request<Body>, expect: ErrorCode) -> Problem {
        let what = format!("{} {}", request.method(), request.uri());
        let response = self.send(request).await;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("a body comes").to_bytes();
        let text = String::from_utf8_lossy(&body);
        let problem: Problem =
            serde_json::from_slice(&body).unwrap_or_else(|_| panic!("{what}: {text}"));
        assert_eq!(problem.code, expect, "{what}: {text}");
        assert_eq!(parts.status.as_u16(), expect.http_status(), "{what}");
        assert_eq!(problem.status, expect.http_status(), "{what}");
        assert_eq!(parts.headers[header::CONTENT_TYPE], "application/problem+json", "{what}");
        assert!(!problem.hint.is_empty() && !problem.detail.is_empty(), "{what}: {text}");
        assert!(parts.headers.contains_key(header::CONTENT_SECURITY_POLICY), "{what}");
        problem
    }
}

async fn json_of(response: Response<Body>) -> Value {
    let body = response.into_body().collect().await.expect("a body comes").to_bytes();
    serde_json::from_slice(&body).expect("it is JSON")
}

/// A request with the right host and nothing else.
fn bare(method: &Method, path: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header(header::HOST, HOST);
    request.body(Body::empty()).expect("the request is well-formed")
}

fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, value.parse().expect("a header's value"));
    request
}

fn by_token(request: Request<Body>) -> Request<Body> {
    with(request, "authorization", &format!("Bearer {TOKEN}"))
}

fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    let mut request = with(bare(&Method::POST, path), "content-type", "application/json");
    *request.body_mut() = body.into();
    request
}

#[tokio::test]
async fn nothing_but_the_named_paths_is_open() {
    const OPEN: [(&str, &str); 3] =
        [("get", "/health"), ("get", "/v1/openapi.json"), ("post", "/v1/session")];
    let platform = Platform::new().await;
    let document = serde_json::to_value(document()).expect("it is plain data");
    let paths = document["paths"].as_object().expect("it has paths");
    let pages = [
        include_str!("../../../SECURITY.md"),
        include_str!("../../../docs/adr/0002-what-answers-without-a-credential.md"),
    ];
    let pages = pages.map(|page| page.split_whitespace().collect::<Vec<_>>().join(" "));
    for (method, path) in OPEN {
        let named = format!("`{} {path}`", method.to_uppercase());
        assert!(pages.iter().all(|page| page.contains(&named)), "{named} is said to be open");
    }
    let mut closed = 0;
    for (path, item) in paths {
        for method in item.as_object().expect("a path has methods").keys() {
            let concrete = path.replace(['{', '}'], "");
            let verb = Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method");
            let open = OPEN.contains(&(method.as_str(), path.as_str()));
            assert_eq!(item[method]["security"] == json!([{}]), open, "{method} {path}");
            if OPEN.contains(&(method.as_str(), path.as_str())) {
                let status = platform.send(bare(&verb, &concrete)).await.status();
                assert_ne!(status, StatusCode::UNAUTHORIZED, "{method} {path}");
                continue;
            }
            closed += 1;
            platform.refused(bare(&verb, &concrete), ErrorCode::Unauthenticated).await;
            let wrong = with(bare(&verb, &concrete), "authorization", "Bearer wrong");
            platform.refused(wrong, ErrorCode::Unauthenticated).await;
            let wrong = with(bare(&verb, &concrete), "cookie", "windlass_session_7300=wrong");
            let wrong = with(wrong, "origin", "http://127.0.0.1:7300");
            platform.refused(wrong, ErrorCode::Unauthenticated).await;
        }
    }
    assert!(closed >= 15, "only {closed} operations need a credential");
}

#[tokio::test]
async fn nothing_of_an_export_is_taken_from_those_who_may_not_recover() {
    let platform = Platform::new().await;
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&taken);
    let pieces = futures::stream::repeat_with(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok::<_, std::io::Error>("it never ends")
    });
    let request =
        post("/v1/organizations/strangers/networks/trade/recovery", Body::from_stream(pieces));
    platform.refused(by_token(request), ErrorCode::OrganizationNotFound).await;
    assert_eq!(taken.load(Ordering::Relaxed), 0, "the body was not read");
    let exports = platform.home.path().join("exports");
    assert!(!exports.exists() || exports.read_dir().expect("a folder").next().is_none());
}

#[tokio::test]
async fn every_operation_says_that_it_may_refuse() {
    let document = serde_json::to_value(document()).expect("it is plain data");
    for (path, item) in document["paths"].as_object().expect("it has paths") {
        for (method, operation) in item.as_object().expect("a path has methods") {
            let what = format!("{method} {path}");
            assert!(operation["responses"]["default"].is_object(), "{what}");
            let names: Vec<_> = operation["parameters"]
                .as_array()
                .map(|all| all.iter().map(|one| one["name"].clone()).collect())
                .unwrap_or_default();
            let has = |name: &str| names.contains(&json!(name));
            assert_eq!(has("Idempotency-Key"), method == "post", "{what}");
        }
    }
}

#[tokio::test]
async fn foreign_hosts_and_origins_are_refused() {
    let platform = Platform::new().await;
    let status = |host: &str, origin: Option<&str>| {
        let request = by_token(with(bare(&Method::GET, "/v1/status"), "host", host));
        match origin {
            Some(origin) => with(request, "origin", origin),
            None => request,
        }
    };
    for host in ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:7300", "evil.example:7300", ""]
    {
        platform.refused(status(host, None), ErrorCode::HostRefused).await;
    }
    for host in ["127.0.0.1:7300", "localhost:7300", "LOCALHOST", "[::1]:7300", "localhost:9000"] {
        assert_eq!(platform.send(status(host, None)).await.status(), StatusCode::OK, "{host}");
    }
    for origin in ["http://evil.example", "null", "http://127.0.0.1:7301", "http://localhost:7300"]
    {
        platform.refused(status(HOST, Some(origin)), ErrorCode::OriginRefused).await;
    }
    let own = status(HOST, Some("http://127.0.0.1:7300"));
    assert_eq!(platform.send(own).await.status(), StatusCode::OK);
    let mut hostless = by_token(bare(&Method::GET, "/v1/status"));
    hostless.headers_mut().remove(header::HOST);
    platform.refused(hostless, ErrorCode::HostRefused).await;
    let page = with(bare(&Method::GET, "/"), "host", "evil.example");
    platform.refused(page, ErrorCode::HostRefused).await;
}

#[tokio::test]
async fn a_link_logs_in_once_and_a_session_changes_only_from_the_console() {
    let platform = Platform::new().await;
    let link = json_of(platform.send(by_token(bare(&Method::POST, "/v1/login-links"))).await).await;
    let url = link["url"].as_str().expect("it has a URL");
    let code = url.strip_prefix("http://127.0.0.1:7300/login#").expect("the code is its fragment");
    let exchange = || post("/v1/session", json!({ "code": code }).to_string());
    let response = platform.send(exchange()).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let cookie = response.headers()[header::SET_COOKIE].to_str().expect("ASCII").to_owned();
    for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "windlass_session_7300="] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    platform.refused(exchange(), ErrorCode::LoginLinkInvalid).await;
    let pair = cookie.split(';').next().expect("a cookie has a pair");
    let session = |request| with(request, "cookie", pair);
    let shown = platform.send(session(bare(&Method::GET, "/v1/session"))).await;
    assert_eq!(shown.status(), StatusCode::OK);
    let create = || session(post(NETWORKS, r#"{"name":"trade","validators":1}"#));
    platform.refused(create(), ErrorCode::OriginRefused).await;
    let from_console = with(create(), "origin", "http://127.0.0.1:7300");
    assert_eq!(platform.send(from_console).await.status(), StatusCode::ACCEPTED);
    let link = with(bare(&Method::POST, "/v1/login-links"), "origin", "http://127.0.0.1:7300");
    platform.refused(session(link), ErrorCode::Forbidden).await;
    let leave = with(bare(&Method::DELETE, "/v1/session"), "origin", "http://127.0.0.1:7300");
    assert_eq!(platform.send(session(leave)).await.status(), StatusCode::NO_CONTENT);
    let after = session(bare(&Method::GET, "/v1/session"));
    platform.refused(after, ErrorCode::Unauthenticated).await;
}

#[tokio::test]
async fn what_is_malformed_is_a_problem() {
    let platform = Platform::new().await;
    let check = async |request, expect| platform.refused(by_token(request), expect).await;
    check(bare(&Method::GET, "/v1/nothing"), ErrorCode::RouteNotFound).await;
    check(bare(&Method::PATCH, "/v1/status"), ErrorCode::MethodNotAllowed).await;
    check(bare(&Method::POST, "/console"), ErrorCode::MethodNotAllowed).await;
    let unknown = "/v1/organizations/other/networks";
    check(bare(&Method::GET, unknown), ErrorCode::OrganizationNotFound).await;
    check(bare(&Method::GET, &format!("{NETWORKS}/none")), ErrorCode::NetworkNotFound).await;
    let operation = "/v1/organizations/default/operations/op-1";
    check(bare(&Method::GET, operation), ErrorCode::OperationNotFound).await;
    check(bare(&Method::GET, &format!("{NETWORKS}?limit=0")), ErrorCode::InvalidRequest).await;
    check(bare(&Method::GET, &format!("{NETWORKS}?limit=x")), ErrorCode::InvalidRequest).await;
    check(bare(&Method::GET, &format!("{NETWORKS}?lmit=1")), ErrorCode::InvalidRequest).await;
    check(post(NETWORKS, "{"), ErrorCode::InvalidRequest).await;
    check(post(NETWORKS, vec![b' '; (1 << 20) + 1]), ErrorCode::PayloadTooLarge).await;
    let untyped = with(post(NETWORKS, "{}"), "content-type", "text/plain");
    check(untyped, ErrorCode::InvalidRequest).await;
    let keyless = with(post(NETWORKS, "{}"), "idempotency-key", "");
    check(keyless, ErrorCode::InvalidRequest).await;
    let spec = check(post(NETWORKS, "{\n \"validatos\": 4}"), ErrorCode::InvalidSpec).await;
    let location = spec.location.expect("a wrong field has its place");
    assert_eq!((location.line, location.field.as_deref()), (Some(2), Some("validatos")));
    check(post(NETWORKS, r#"{"name":"T"}"#), ErrorCode::InvalidSpec).await;
    let events = bare(&Method::GET, "/v1/organizations/default/events");
    check(with(events, "last-event-id", "x"), ErrorCode::InvalidRequest).await;
    let stale = with(bare(&Method::DELETE, &format!("{NETWORKS}/x")), "if-match", "\"x\"");
    check(stale, ErrorCode::InvalidRequest).await;
}

#[tokio::test]
async fn a_repeated_post_acts_once() {
    let platform = Platform::new().await;
    let declare = |key: &str, body: &'static str| {
        by_token(with(post(NETWORKS, body), "idempotency-key", key))
    };
    let body = r#"{"name":"trade","validators":1}"#;
    let first = json_of(platform.send(declare("one", body)).await).await;
    let again = json_of(platform.send(declare("one", body)).await).await;
    assert_eq!(first["network"]["id"], again["network"]["id"]);
    assert_eq!(first["operation"]["id"], again["operation"]["id"]);
    platform.refused(declare("two", body), ErrorCode::NameTaken).await;
    let other = r#"{"name":"other","validators":1}"#;
    platform.refused(declare("one", other), ErrorCode::IdempotencyKeyReused).await;
}

#[tokio::test]
async fn events_resume_after_the_last_one_seen() {
    let platform = Platform::new().await;
    let events = |after: &str| {
        let request = bare(&Method::GET, "/v1/organizations/default/events");
        by_token(with(request, "last-event-id", after))
    };
    let declare = |name: &str| by_token(post(NETWORKS, json!({ "name": name }).to_string()));
    assert_eq!(platform.send(declare("one")).await.status(), StatusCode::ACCEPTED);
    assert_eq!(platform.send(declare("two")).await.status(), StatusCode::ACCEPTED);
    let seen = read_until(platform.send(events("0")).await, "\"name\":\"two\"").await;
    assert!(seen.contains("\"name\":\"one\"") && seen.contains("event: network"), "{seen}");
    let one = seen.split("\n\n").find(|frame| frame.contains("\"name\":\"one\"")).expect("seen");
    let id = one.lines().find_map(|line| line.strip_prefix("id: ")).expect("it is kept");
    let rest = read_until(platform.send(events(id)).await, "\"name\":\"two\"").await;
    let mut frames = rest.split("\n\n");
    let opening = frames.next().expect("it opens");
    assert!(opening.contains(&format!("id: {id}")) && !opening.contains("data:"), "{opening}");
    assert!(frames.all(|frame| !frame.contains(&format!("id: {id}\n"))), "not again: {rest}");
}

#[tokio::test]
async fn events_are_chosen_by_network_and_kind() {
    let platform = Platform::new().await;
    let ask = |query: &str| {
        by_token(bare(&Method::GET, &format!("/v1/organizations/default/events?{query}")))
    };
    let declare = |name: &str| by_token(post(NETWORKS, json!({ "name": name }).to_string()));
    let one = json_of(platform.send(declare("one")).await).await;
    assert_eq!(platform.send(declare("two")).await.status(), StatusCode::ACCEPTED);
    let all = async |query: &str| {
        let body = platform.send(ask(query)).await.into_body();
        let bytes = body.collect().await.expect("it ends by itself").to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).expect("JSON")).collect::<Vec<Value>>()
    };
    let kept = all("follow=false").await;
    assert_eq!(kept.len(), 4, "two networks, and an operation of each: {kept:?}");
    let id = one["network"]["id"].as_str().expect("an id");
    for query in [format!("network={id}"), "network=one".to_owned()] {
        let of_one = all(&format!("{query}&follow=false")).await;
        assert_eq!(of_one.len(), 2, "{of_one:?}");
        assert!(of_one.iter().all(|event| event.to_string().contains(id)), "{of_one:?}");
    }
    let operations = all("network=one&kind=operation,tip&follow=false").await;
    assert_eq!(operations.len(), 1, "{operations:?}");
    assert_eq!(operations[0]["operation"]["kind"], "create");
    platform.refused(ask("kind=operations"), ErrorCode::InvalidRequest).await;
    platform.refused(ask("network=none"), ErrorCode::NetworkNotFound).await;
    platform.refused(ask("knd=tip"), ErrorCode::InvalidRequest).await;
}

async fn read_until(response: Response<Body>, mark: &str) -> String {
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    let mut body = response.into_body();
    let mut seen = String::new();
    while !seen.contains(mark) {
        let frame = body.frame().await.expect("the stream goes on").expect("it does not fail");
        seen.push_str(&String::from_utf8_lossy(frame.data_ref().expect("it is data")));
    }
    seen
}

#[tokio::test]
async fn the_console_is_served_under_a_strict_policy() {
    let platform = Platform::new().await;
    for path in ["/", "/login", "/networks/trade"] {
        let response = platform.send(bare(&Method::GET, path)).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let headers = response.headers();
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().expect("ASCII");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::X_FRAME_OPTIONS], "DENY");
    }
}
