//! Quotas, times to live and what was used, as the service answers them over the fake world.

use std::sync::{Arc, atomic::Ordering};

use serde_json::Value;
use windlass_model::{
    ErrorCode,
    budget::{EndStage, Extension, Quota},
    network::OperationState,
    spec::Manifest,
};

use crate::{
    crash::{PATIENCE, Verb, carry_out, granted, life, prepared, quietly},
    fake::{FakeWorld, script::Script},
    service::{Desk, meta, refused},
};
use windlass_control::{Control, service::Action};

async fn limit(desk: &Desk, quota: Quota) {
    let administer = desk.may(Action::Administer).await;
    let set = desk.control.set_quota(&administer, quota, &meta()).await.expect("it is set");
    assert_eq!(set.quota, quota);
}

#[tokio::test]
async fn a_quota_refuses_what_is_above_it_and_nothing_else() {
    let desk = Desk::open(None).await;
    let first = desk.declare("name = \"first\"").await.expect("valid");
    assert_eq!(desk.ends(&first).await, OperationState::Succeeded);
    limit(&desk, Quota { networks: Some(1), ..Quota::UNLIMITED }).await;
    refused(desk.declare("name = \"second\"").await, ErrorCode::QuotaExceeded, "1 networks");
    limit(&desk, Quota { nodes: Some(7), ..Quota::UNLIMITED }).await;
    refused(desk.declare("name = \"second\"").await, ErrorCode::QuotaExceeded, "would have 8");
    limit(&desk, Quota { memory_mib: Some(64 * 7), ..Quota::UNLIMITED }).await;
    refused(desk.declare("name = \"second\"").await, ErrorCode::QuotaExceeded, "memory");
    let second = desk.declare("name = \"second\"\nvalidators = 3").await.expect("it fits");
    assert_eq!(desk.ends(&second).await, OperationState::Succeeded);

    // Nothing at all is a quota too; what is there may be stopped, and destroyed.
    let nothing = Quota {
        networks: Some(0),
        nodes: Some(0),
        memory_mib: Some(0),
        disk_mib: Some(0),
        ..Quota::UNLIMITED
    };
    limit(&desk, nothing).await;
    refused(desk.declare("name = \"third\"").await, ErrorCode::QuotaExceeded, "0 networks");
    let stopped = desk.control.stop(&desk.may(Action::Change).await, "first", meta()).await;
    assert_eq!(desk.ends(&stopped.expect("it may")).await, OperationState::Succeeded);
    let started = desk.control.start(&desk.may(Action::Change).await, "first", meta()).await;
    refused(started, ErrorCode::QuotaExceeded, "memory");
    let used = desk.control.budget(&desk.may(Action::Read).await).await.expect("it is shown").used;
    assert_eq!((used.networks, used.nodes, used.memory_mib), (2, 7, 64 * 3));
    let gone = desk.destroy("first").await.expect("it may");
    assert_eq!(desk.ends(&gone).await, OperationState::Succeeded);
}

/// Whom the gateway holds to how many calls a second.
fn limits(world: &FakeWorld) -> Vec<(String, u64)> {
    let routes = world.routes.lock().unwrap();
    let limits = routes["limits"].as_object().into_iter().flatten();
    let limit = |(organization, limit): (&String, &Value)| {
        assert_eq!(limit["burst"], limit["per_second"]);
        (organization.clone(), limit["per_second"].as_u64().expect("a number"))
    };
    limits.map(limit).collect()
}

#[test]
fn the_rate_of_requests_is_in_force_when_it_is_answered() {
    let world = prepared(Verb::Stop);
    life(&world, &quietly(), async |control| {
        let administer = granted(&control, Action::Administer).await;
        let owner = administer.organization().to_string();
        assert_eq!(limits(&world), [(owner.clone(), 10_000)], "unless said");
        let set = async |requests_per_s| {
            let quota = Quota { requests_per_s, ..Quota::UNLIMITED };
            control.set_quota(&administer, quota, &meta()).await
        };
        let generation = || world.routes.lock().unwrap()["generation"].clone();
        assert_eq!(set(Some(7)).await.expect("it is set").warnings, Vec::<String>::new());
        assert_eq!(limits(&world), [(owner.clone(), 7)]);
        let before = generation();
        set(Some(7)).await.expect("it is set");
        assert_eq!(generation(), before, "the routes are the same");
        let zero = set(Some(0)).await.expect_err("nothing could be shown to work");
        assert_eq!((zero.code, limits(&world)), (ErrorCode::InvalidRequest, vec![(owner, 7)]));
        set(None).await.expect("it is set");
        assert_eq!(limits(&world), []);

        // It is written down where the gateway does not answer, and that is said.
        world.wedged.store(true, Ordering::SeqCst);
        let told = set(Some(9)).await.expect("it is set");
        assert_eq!(told.quota.requests_per_s, Some(9));
        assert!(told.warnings[0].contains("as soon as the gateway answers"), "{told:?}");
        world.wedged.store(false, Ordering::SeqCst);
        set(Some(9)).await.expect("it is set");
        assert_eq!(limits(&world).len(), 1);
    });
}

#[test]
fn a_network_starts_and_wakes_while_clients_use_up_the_rate() {
    let world = prepared(Verb::Stop);
    world.spent.store(true, Ordering::SeqCst);
    for verb in [Verb::Stop, Verb::Start, Verb::Sleep, Verb::Wake] {
        let ended = life(&world, &quietly(), |control| carry_out(control, verb)).unwrap();
        assert_eq!(ended.state, OperationState::Succeeded, "{verb:?}: {ended:?}");
    }
}

#[tokio::test]
async fn the_longest_life_is_what_one_gets_that_asks_for_none() {
    let desk = Desk::open(None).await;
    let endless = desk.declare("name = \"endless\"").await.expect("valid");
    assert_eq!(desk.ends(&endless).await, OperationState::Succeeded);
    limit(&desk, Quota { longest_ttl_s: Some(3_600), ..Quota::UNLIMITED }).await;
    let same = desk.apply("endless", "").await.expect("it is as it should be");
    assert!(same.operation.is_none() && same.network.end.is_none(), "it keeps what it had");
    let mortal = desk.declare("name = \"mortal\"").await.expect("valid");
    assert_eq!(desk.ends(&mortal).await, OperationState::Succeeded);
    assert_eq!(mortal.network.spec.ttl_s, 3_600);
    let end = mortal.network.end.expect("it has an end");
    assert_eq!((end.stage, end.grace_ms()), (EndStage::Ahead, 3_600_000));
    for ttl_s in [0, 3_601] {
        let longer = desk.declare(&format!("name = \"longer\"\nttl_s = {ttl_s}")).await;
        refused(longer, ErrorCode::QuotaExceeded, "3600 seconds at most");
    }
    let same = desk.apply("mortal", "").await.expect("it is as it should be");
    assert!(same.operation.is_none());
    let change = desk.may(Action::Change).await;
    let by = Extension::ByS(60);
    let longer = desk.control.extend(&change, "mortal", by, meta()).await;
    refused(longer, ErrorCode::QuotaExceeded, "3600 seconds at most");
}

#[tokio::test]
async fn an_extension_is_written_once_and_against_what_was_seen() {
    let desk = Desk::open(None).await;
    let declared = desk.declare("name = \"trade\"\nttl_s = 3600").await.expect("valid");
    assert_eq!(desk.ends(&declared).await, OperationState::Succeeded);
    let at_ms = declared.network.end.expect("it has an end").at_ms;
    let change = desk.may(Action::Change).await;
    let keyed = || {
        let mut meta = meta();
        meta.idempotency_key = Some("once".to_owned());
        meta
    };
    for _ in 0..2 {
        let extended = desk.control.extend(&change, "trade", Extension::ByS(60), keyed()).await;
        let extended = extended.expect("it is put off");
        assert_eq!(extended.network.end.expect("an end").at_ms, at_ms + 60_000);
        assert!(extended.operation.is_none());
    }
    let seen = desk.control.network(&desk.may(Action::Read).await, "trade").await.expect("there");
    assert_eq!(seen.end.expect("an end").at_ms, at_ms + 60_000, "a repeated request acts once");
    let mut stale = meta();
    stale.if_version = Some(declared.network.resource_version);
    let late = desk.control.extend(&change, "trade", Extension::ByS(60), stale).await;
    refused(late, ErrorCode::VersionConflict, "resource version");
    let shorter = desk.apply("trade", "ttl_s = 60").await.expect("it may be changed");
    assert!(shorter.network.end.expect("an end").at_ms < at_ms);
}

#[test]
fn an_extension_holds_wherever_the_platform_is_killed_and_is_written_once() {
    let meta = || {
        let mut meta = meta();
        meta.idempotency_key = Some("once".to_owned());
        meta
    };
    for point in 0.. {
        let world = prepared(Verb::Stop);
        let extend = async |control: Control, by| {
            let change = granted(&control, Action::Change).await;
            control.extend(&change, "trade", by, meta()).await.expect("it is put off").network
        };
        let until_ms = meta().now_ms + 3_600_000;
        let first = life(&world, &quietly(), async |control| {
            let change = granted(&control, Action::Change).await;
            let mortal = Manifest { ttl_s: Some(60), ..Manifest::default() };
            let told = control.apply(&change, "trade", mortal, crate::service::meta()).await;
            let id = told.expect("it has an end now").operation.expect("an update").id;
            let read = granted(&control, Action::Read).await;
            control.wait_operation(&read, &id, PATIENCE).await.expect("it is there");
            let until = Extension::UntilMs(until_ms);
            control.extend(&change, "trade", until, crate::service::meta()).await.expect("an end")
        });
        assert_eq!(first.unwrap().network.end.map(|end| end.at_ms), Some(until_ms));
        let script = Arc::new(Script::new(Some(point), None));
        let by = Extension::ByS(60);
        let ended = life(&world, &script, |control| extend(control, by));
        let network = life(&world, &quietly(), |control| extend(control, by)).unwrap();
        let at_ms = network.end.map(|end| end.at_ms);
        assert_eq!(at_ms, Some(until_ms + 60_000), "killed at {point}: once, and not twice");
        if ended.is_some() {
            assert!(point >= 2, "before and after it is written: {point}");
            return;
        }
    }
}
