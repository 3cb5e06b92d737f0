use std::sync::Arc;

use axum::{body::Body, http::header};
use tempfile::TempDir;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;
use windlass_engine::{Engine, windlass::WindlassEngine};
use windlass_keys::vault::Vault;

use super::*;
use crate::{
    http::ApiSettings,
    service::{Backoff, Control, Machine, Overcommit, Settings},
    world::{Deadlines, Engines, World},
};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";
const HOST: &str = "127.0.0.1:7300";
const NETWORKS: &str = "/v1/organizations/default/networks";

async fn api(home: &TempDir) -> Api {
    let vault = Vault::open(home.path().join("keys")).unwrap();
    let engines: [Arc<dyn Engine>; 1] = [Arc::new(WindlassEngine)];
    let substrate = Arc::new(windlass_substrate::fake::FakeSubstrate::new());
    let settings = Settings {
        data_dir: home.path().to_owned(),
        installation: "inst-test".to_owned(),
        version: "test".to_owned(),
        url: format!("http://{HOST}"),
        gateway_port: None,
        lease: None,
        machine: Machine { memory_bytes: 64 << 30, processors: 2, overcommit: Overcommit::Refuse },
        backoff: Backoff::default(),
        deadlines: Deadlines::default(),
    };
    let world = World::machine(substrate, Engines::new(engines), Arc::new(vault));
    let control = Control::open(settings, world).await.unwrap();
    let settings = ApiSettings {
        token: TOKEN.to_owned(),
        listen: HOST.parse().unwrap(),
        now_ms: windlass_substrate::clock::now_ms,
        tracker: TaskTracker::new(),
        shutdown: CancellationToken::new(),
    };
    Api::new(control, settings)
}

/// Sends a request; the lines of the audit log that came of it, without the hash.
async fn lines(api: &Api, request: Request) -> Vec<[String; 4]> {
    let store = api.control().store();
    let before = store.audit_lines().await.len();
    drop(api.router().oneshot(request).await.unwrap());
    let lines = store.audit_lines().await.into_iter().skip(before);
    lines.map(|[_, actor, action, object, _, outcome]| [actor, action, object, outcome]).collect()
}

fn request(method: &str, path: &str, token: Option<&str>, body: &str) -> Request {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, HOST)
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    request.body(Body::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn what_is_refused_is_audited_with_its_code_and_what_is_read_is_not() {
    let home = tempfile::tempdir().unwrap();
    let api = api(&home).await;
    let create = |token, body| request("POST", NETWORKS, token, body);
    let check = async |request: Request, expect: &[[&str; 4]]| {
        assert_eq!(lines(&api, request).await, expect);
    };
    let none = format!("{NETWORKS}/none");
    let starting = format!("{NETWORKS}/none/start");
    let invalid = ["token:cli", "network.create", NETWORKS, "invalid_spec"];
    check(create(Some(TOKEN), r#"{"validatos":4}"#), &[invalid]).await;
    let large = ["token:cli", "network.create", NETWORKS, "insufficient_processors"];
    check(create(Some(TOKEN), r#"{"name":"a","validators":100}"#), &[large]).await;
    let absent = ["token:cli", "network.destroy", "none", "network_not_found"];
    check(request("DELETE", &none, Some(TOKEN), ""), &[absent]).await;
    let wrong = ["anonymous", "network.start", "none", "unauthenticated"];
    check(request("POST", &starting, Some("wrong"), ""), &[wrong]).await;
    let code = ["anonymous", "session.create", "/v1/session", "login_link_invalid"];
    check(request("POST", "/v1/session", None, r#"{"code":"x"}"#), &[code]).await;
    let mut foreign = create(Some(TOKEN), r#"{"name":"a"}"#);
    foreign.headers_mut().insert(header::ORIGIN, "http://evil.example".parse().unwrap());
    check(foreign, &[["anonymous", "network.create", NETWORKS, "origin_refused"]]).await;
    check(request("GET", &none, Some(TOKEN), ""), &[]).await;
    check(request("GET", NETWORKS, None, ""), &[]).await;
    let other = "/v1/organizations/other/networks";
    let hidden = ["token:cli", "network.create", other, "organization_not_found"];
    check(request("POST", other, Some(TOKEN), "{}"), &[hidden]).await;
}

#[tokio::test]
async fn a_refusal_has_the_hash_and_the_organization_of_its_request() {
    let home = tempfile::tempdir().unwrap();
    let api = api(&home).await;
    let body = r#"{"name":"a","validators":100}"#;
    drop(lines(&api, request("POST", NETWORKS, Some(TOKEN), body)).await);
    drop(lines(&api, request("POST", NETWORKS, None, body)).await);
    let log = api.control().store().audit_lines().await;
    let hash = |body: &str| {
        let uri = NETWORKS.parse().unwrap();
        hex::encode(request_hash(&Method::POST, &uri, body.as_bytes()))
    };
    let [organization, .., read, _] = &log[0];
    assert!(organization.starts_with("org-"));
    assert_eq!(*read, hash(body));
    let [organization, .., unread, _] = &log[1];
    assert_eq!((organization.as_str(), unread), ("", &hash("")), "its body was not read");
}

#[tokio::test]
async fn a_flood_without_a_credential_does_not_fill_the_log() {
    let home = tempfile::tempdir().unwrap();
    let api = api(&home).await;
    let mut written = 0;
    for _ in 0..200 {
        written += lines(&api, request("POST", NETWORKS, None, "")).await.len();
    }
    assert!((20..=22).contains(&written), "{written} lines");
    let known = lines(&api, request("POST", NETWORKS, Some(TOKEN), "{")).await;
    assert_eq!(known.len(), 1, "who is known is always written");
}

#[tokio::test]
async fn logins_and_the_shutdown_are_audited_with_their_request() {
    let home = tempfile::tempdir().unwrap();
    let api = api(&home).await;
    let link = lines(&api, request("POST", "/v1/login-links", Some(TOKEN), "")).await;
    assert_eq!(link, [["token:cli", "login_code.create", "token:cli", "succeeded"]]);
    let mut stop = request("POST", "/v1/shutdown", Some(TOKEN), "{}");
    stop.headers_mut().insert("idempotency-key", "once".parse().unwrap());
    let again = || {
        let mut again = request("POST", "/v1/shutdown", Some(TOKEN), "{}");
        again.headers_mut().insert("idempotency-key", "once".parse().unwrap());
        again
    };
    let stopped = lines(&api, stop).await;
    assert_eq!(stopped, [["token:cli", "platform.shutdown", "token:cli", "succeeded"]]);
    assert_eq!(lines(&api, again()).await, Vec::<[String; 4]>::new(), "it acts once");
    let zero = hex::encode([0; 32]);
    let log = api.control().store().audit_lines().await;
    assert!(log.iter().all(|[.., hash, _]| *hash != zero), "{log:?}");
}

#[test]
fn every_operation_that_changes_something_is_known() {
    let document = serde_json::to_value(super::super::document()).unwrap();
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let uri: Uri = path.replace(['{', '}'], "").parse().unwrap();
            let verb = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let known = mutation(&verb, &uri);
            assert_eq!(known.is_some(), verb != Method::GET, "{method} {path}: {known:?}");
        }
    }
    let dry: Uri = "/v1/organizations/o/networks/n?dry_run=true".parse().unwrap();
    assert_eq!(mutation(&Method::PUT, &dry), None);
    let stop: Uri = "/v1/organizations/o/networks/n/stop".parse().unwrap();
    assert_eq!(mutation(&Method::POST, &stop), Some(("network.stop", "n".to_owned())));
}
