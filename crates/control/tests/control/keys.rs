//! The keys of an endpoint: what is answered, what the gateway is told, what is written down, and that
//! a revocation holds wherever the platform is killed.

use std::sync::Arc;

use futures::StreamExt as _;
use serde_json::Value;
use windlass_control::{
    Control,
    service::{Action, EventQuery, Follow, RequestMeta},
};
use windlass_model::{
    ErrorCode, EventId,
    api::EventKind,
    key::{KeyRequest, KeyRotation, KeyScope, NewEndpointKey},
    network::{Network, OperationState},
};

use crate::{
    crash::{Verb, carry_out, granted, life, meta, prepared, quietly},
    fake::{FakeWorld, script::Script},
};

fn request(name: &str) -> KeyRequest {
    KeyRequest { name: name.parse().expect("a name"), scope: KeyScope::Read, rate: 5, burst: 20 }
}

/// A request that is told apart by a number, and may be repeated.
fn again(number: u8) -> RequestMeta {
    RequestMeta {
        idempotency_key: Some(format!("request-{number}")),
        request_hash: [number; 32],
        ..meta(None)
    }
}

async fn create(control: &Control, name: &str, meta: &RequestMeta) -> NewEndpointKey {
    let change = granted(control, Action::Change).await;
    control.create_key(&change, "trade", request(name), meta).await.expect("a key")
}

async fn network(control: &Control) -> Network {
    let read = granted(control, Action::Read).await;
    control.network(&read, "trade").await.expect("it is there")
}

/// Name, scope, limit and number of secrets of each key that the gateway has.
fn told(world: &FakeWorld) -> Vec<(String, String, Value, usize)> {
    let routes = world.routes.lock().unwrap();
    let keys = routes["routes"][0]["keys"].as_array().expect("keys").iter();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    keys.map(|key| {
        let secrets = key["secrets"].as_array().expect("secrets");
        (text(&key["name"]), text(&key["scope"]), key["limit"].clone(), secrets.len())
    })
    .collect()
}

fn names(world: &FakeWorld) -> Vec<String> {
    told(world).into_iter().map(|(name, ..)| name).collect()
}

/// Every file of the data directory that the database is in.
fn database(world: &FakeWorld) -> String {
    let files =
        std::fs::read_dir(world.directory.path()).unwrap().map(|entry| entry.unwrap().path());
    let files = files.filter(|path| path.is_file());
    files.map(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()).collect()
}

#[test]
fn a_key_is_made_used_rotated_and_revoked() {
    let world = prepared(Verb::Stop);
    life(&world, &quietly(), async |control| {
        let before = network(&control).await;
        let made = create(&control, "ci", &meta(None)).await;
        assert_eq!(made.warnings, Vec::<String>::new());
        assert_eq!((made.key.rate, made.key.burst, made.key.scope), (5, 20, KeyScope::Read));
        let url = made.url.expect("the gateway has an address");
        assert!(url.ends_with(&format!("/n/{}/{}", before.id, made.secret)), "{url}");
        let limit = serde_json::json!({"per_second": 5, "burst": 20});
        let expect = [
            ("default".to_owned(), "send".to_owned(), Value::Null, 1),
            ("ci".to_owned(), "read".to_owned(), limit, 1),
        ];
        assert_eq!(told(&world), expect, "it is in force when it is answered");
        let after = network(&control).await;
        assert!(after.resource_version > before.resource_version);
        assert_eq!((after.generation, &after.operation), (before.generation, &None));
        assert!(!database(&world).contains(&made.secret), "only its hash is kept");

        let change = granted(&control, Action::Change).await;
        let overlap = KeyRotation { overlap_s: 3_600 };
        let rotated = control.rotate_key(&change, ("trade", "ci"), overlap, &meta(None)).await;
        let rotated = rotated.expect("another secret");
        assert_ne!(rotated.secret, made.secret);
        assert!(rotated.key.former_until_ms.is_some());
        assert_eq!(told(&world)[1].3, 2, "both secrets work");
        let at_once = KeyRotation::default();
        let last = control.rotate_key(&change, ("trade", "ci"), at_once, &meta(None)).await;
        assert_eq!(last.expect("another secret").key.former_until_ms, None);
        assert_eq!(told(&world)[1].3, 1, "none before it works on");

        let revoked = control.revoke_key(&change, ("trade", "ci"), &meta(None)).await;
        assert_eq!(revoked.expect("it is revoked").warnings, Vec::<String>::new());
        assert_eq!(names(&world), ["default"]);
        let read = granted(&control, Action::Read).await;
        assert_eq!(control.keys(&read, "trade").await.expect("keys").len(), 1);
        let events = EventQuery {
            after: Some(EventId(0)),
            network: Some("trade".to_owned()),
            kinds: [EventKind::Network].into(),
            follow: Follow::No,
        };
        let watching = control.watch(&read, events).await.expect("events");
        let events: Vec<_> = watching.events.collect().await;
        assert!(!events.is_empty(), "changes of keys are changes of their network");
    });
}

#[test]
fn what_cannot_be_done_says_why() {
    let world = prepared(Verb::Stop);
    life(&world, &quietly(), async |control| {
        let change = granted(&control, Action::Change).await;
        create(&control, "ci", &meta(None)).await;
        let refused = |code: ErrorCode, problem: Box<windlass_model::Problem>| {
            assert_eq!(problem.code, code, "{problem:?}");
            assert!(!problem.hint.is_empty());
            problem.detail.clone()
        };
        let taken = control.create_key(&change, "trade", request("ci"), &meta(None)).await;
        let detail = refused(ErrorCode::NameTaken, taken.expect_err("it is there"));
        assert_eq!(detail, "`trade` has a key `ci` already");
        let absent = ("trade", "other");
        let rotated =
            control.rotate_key(&change, absent, KeyRotation::default(), &meta(None)).await;
        refused(ErrorCode::KeyNotFound, rotated.expect_err("there is none"));
        let revoked = control.revoke_key(&change, absent, &meta(None)).await;
        let problem = revoked.expect_err("there is none");
        assert_eq!(problem.hint, "its keys are default, ci");
        let stale = RequestMeta { if_version: Some(1), ..meta(None) };
        let revoked = control.revoke_key(&change, ("trade", "ci"), &stale).await;
        refused(ErrorCode::VersionConflict, revoked.expect_err("another version"));
        let wrong = KeyRequest { rate: 2_000_000, ..request("much") };
        let made = control.create_key(&change, "trade", wrong, &meta(None)).await;
        refused(ErrorCode::InvalidRequest, made.expect_err("too much"));
        let long = KeyRotation { overlap_s: u32::MAX };
        let rotated = control.rotate_key(&change, ("trade", "ci"), long, &meta(None)).await;
        refused(ErrorCode::InvalidRequest, rotated.expect_err("too long"));
        for number in 2..64 {
            create(&control, &format!("key-{number}"), &meta(None)).await;
        }
        let made = control.create_key(&change, "trade", request("more"), &meta(None)).await;
        refused(ErrorCode::TooManyKeys, made.expect_err("too many"));
        let read = granted(&control, Action::Read).await;
        let made = control.create_key(&read, "trade", request("more"), &meta(None)).await;
        refused(ErrorCode::Forbidden, made.expect_err("it may only read"));
    });
}

#[test]
fn a_repeated_request_is_answered_with_the_same_secret() {
    let world = prepared(Verb::Stop);
    let first = life(&world, &quietly(), async |control| {
        let made = create(&control, "ci", &again(1)).await;
        assert_eq!(create(&control, "ci", &again(1)).await, made);
        let change = granted(&control, Action::Change).await;
        let rotation = KeyRotation::default();
        let rotate = async |number| {
            control.rotate_key(&change, ("trade", "ci"), rotation, &again(number)).await
        };
        let rotated = rotate(2).await.expect("another secret");
        assert_eq!(rotate(2).await.expect("the same"), rotated);
        assert_ne!(rotated.secret, made.secret);
        // Of the first request the secret is good no more.
        let made = control.create_key(&change, "trade", request("ci"), &again(1)).await;
        assert_eq!(made.expect_err("rotated since").code, ErrorCode::VersionConflict);
        let other = RequestMeta { request_hash: [9; 32], ..again(1) };
        let made = control.create_key(&change, "trade", request("ci"), &other).await;
        assert_eq!(made.expect_err("another request").code, ErrorCode::IdempotencyKeyReused);
        rotated
    })
    .expect("nobody kills it");
    assert!(!database(&world).contains(&first.secret));
    life(&world, &quietly(), async |control| {
        let change = granted(&control, Action::Change).await;
        let rotation = KeyRotation::default();
        let rotated = control.rotate_key(&change, ("trade", "ci"), rotation, &again(2)).await;
        let problem = rotated.expect_err("the platform that knew it has ended");
        assert_eq!(problem.code, ErrorCode::VersionConflict);
        let revoke = async || control.revoke_key(&change, ("trade", "ci"), &again(3)).await;
        let revoked = revoke().await.expect("it is revoked");
        assert_eq!(revoke().await.expect("as before"), revoked);
    });
}

#[test]
fn a_network_without_its_first_key_stops_and_starts() {
    let world = prepared(Verb::Stop);
    life(&world, &quietly(), async |control| {
        let change = granted(&control, Action::Change).await;
        let endpoint = network(&control).await.endpoint.expect("it is usable");
        let first = ("trade", "default");
        let rotated = control.rotate_key(&change, first, KeyRotation::default(), &meta(None)).await;
        let url = rotated.expect("another secret").url;
        assert_ne!(url.as_ref(), Some(&endpoint));
        assert_eq!(network(&control).await.endpoint, url, "the one that works is shown");
        let (base, former) = endpoint.rsplit_once('/').expect("a secret");
        let evidence = network(&control).await.evidence.expect("it was proved");
        assert_eq!(evidence.endpoint, format!("{base}/"), "by one that is not told any more");
        let read = granted(&control, Action::Read).await;
        let operations = control.operations(&read, None, 100).await.expect("operations");
        let told = serde_json::to_string(&operations).expect("plain data");
        assert!(told.contains(base) && !told.contains(former), "{told}");
        let revoked = control.revoke_key(&change, first, &meta(None)).await;
        let warnings = revoked.expect("it is revoked").warnings;
        assert!(warnings[0].contains("shows no endpoint any more"), "{warnings:?}");
        assert_eq!(network(&control).await.endpoint, None);
    });
    succeed(&world, [Verb::Stop, Verb::Start]);
    life(&world, &quietly(), async |control| {
        let made = create(&control, "default", &meta(None)).await;
        assert_eq!(network(&control).await.endpoint, made.url, "it is shown again");
    });
    // A limit is no obstacle to the platform's own look either.
    succeed(&world, [Verb::Sleep, Verb::Wake]);
}

fn succeed(world: &Arc<FakeWorld>, verbs: [Verb; 2]) {
    for verb in verbs {
        let ended = life(world, &quietly(), |control| carry_out(control, verb)).unwrap();
        assert_eq!(ended.state, OperationState::Succeeded, "{verb:?}: {ended:?}");
    }
}

#[test]
fn a_revocation_holds_wherever_the_platform_is_killed() {
    for point in 0.. {
        let world = prepared(Verb::Stop);
        life(&world, &quietly(), async |control| create(&control, "ci", &meta(None)).await);
        assert_eq!(names(&world), ["default", "ci"]);
        let script = Arc::new(Script::new(Some(point), None));
        let revoke = async |control: Control| {
            let change = granted(&control, Action::Change).await;
            control.revoke_key(&change, ("trade", "ci"), &again(1)).await.expect("it is revoked")
        };
        let alive = life(&world, &script, revoke).is_some();
        let at = script.killed_at.lock().unwrap().clone().unwrap_or_default();
        if alive {
            assert_eq!(names(&world), ["default"]);
        }
        // Who was not answered asks again.
        life(&world, &quietly(), revoke).expect("nobody kills it");
        assert_eq!(names(&world), ["default"], "killed at {at}");
        if alive {
            assert!(point > 2, "the enumeration sees it: {point}");
            return;
        }
    }
}
