//! What the doctor says of real nodes: what is wrong, whose fault it is, and that it says so no longer once it
//! is mended.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;
use windlass_e2e::{Account, Call, Mount, Platform, world};
use windlass_model::{
    api::Accepted,
    condition::{
        Cause, CheckOutcome, Condition, ConditionKind, ConditionStatus, Diagnosis, Fault, Gravity,
    },
    network::{Network, NetworkState, Operation, OperationKind},
};

use crate::support::{chain_id, create, does, healthy, one_tip};

async fn examined(platform: &Platform, name: &str) -> Diagnosis {
    let answer = platform.cli(&["network", "doctor", name]).await;
    let result = answer.result.unwrap_or_else(|| panic!("no answer: {:?}", answer.said));
    let said: Diagnosis = serde_json::from_value(result).expect("it is a diagnosis");
    let expected = i32::from(said.gravity > Gravity::None);
    assert_eq!(answer.code, expected, "the exit code says whether something is wrong: {said:#?}");
    said
}

/// Asks until something is found.
async fn found(platform: &Platform, name: &str, kind: ConditionKind, cause: Cause) -> Condition {
    let what = format!("{name}: the doctor finds {kind:?} {cause:?}");
    world::eventually(&what, Duration::from_mins(1), async || {
        let found = examined(platform, name).await.findings;
        found.into_iter().find(|one| (one.kind, one.cause) == (kind, cause))
    })
    .await
}

async fn well(platform: &Platform, name: &str) -> Diagnosis {
    healthy(platform, name).await;
    world::eventually("the doctor finds nothing", Duration::from_mins(1), async || {
        let said = examined(platform, name).await;
        said.findings.is_empty().then_some(said)
    })
    .await
}

fn of(network: &Network, kind: ConditionKind) -> &Condition {
    network.conditions.iter().find(|one| one.kind == kind).expect("every condition is told")
}

fn pid_of(network: &Network, index: usize) -> u32 {
    network.nodes.get(index).and_then(|node| node.pid).expect("the node runs")
}

#[tokio::test]
async fn of_a_network_that_is_well_it_says_what_was_asked() {
    let platform = Platform::start().await;
    platform.create("well", 4).await;
    let said = well(&platform, "well").await;
    assert_eq!(said.summary, "nothing is wrong with `well`");
    assert_eq!(said.checks.len(), 6, "processes, four nodes and the endpoint: {:#?}", said.checks);
    assert!(said.checks.iter().all(|check| check.outcome == CheckOutcome::Passed));
    // What nodes say of their machines has arrived.
    for one in &said.conditions {
        assert_eq!(one.status, ConditionStatus::True, "{one:?}");
    }
    let text = platform.cli_text(&["network", "doctor", "well"]).await;
    assert!(text.stdout.starts_with("nothing is wrong with `well`\n"), "{}", text.stdout);

    // Nobody asks a network that does not run, and it goes on sleeping.
    does(&platform, "sleep well").await;
    let said = examined(&platform, "well").await;
    assert_eq!(said.summary, "`well` sleeps, and nothing is wrong with it; a request wakes it");
    assert_eq!(platform.show("well").await.state, NetworkState::Sleeping);
}

#[tokio::test]
async fn validators_that_are_killed_or_hang_are_named_and_a_lost_quorum_too() {
    let platform = Platform::start().await;
    platform.create("ill", 4).await;
    let network = healthy(&platform, "ill").await;

    // One is held: it runs, and does not answer.
    let pid = pid_of(&network, 3);
    world::signal(pid, Signal::STOP);
    let hangs = found(&platform, "ill", ConditionKind::NodesAnswer, Cause::Unresponsive).await;
    assert_eq!((hangs.nodes, hangs.fault), (vec!["validator-3".to_owned()], Some(Fault::Node)));
    assert_eq!(hangs.gravity, Gravity::Warning);
    let shown = platform.show("ill").await;
    assert_eq!(of(&shown, ConditionKind::NodesAnswer).cause, Cause::Unresponsive);
    assert_eq!(of(&shown, ConditionKind::Usable).status, ConditionStatus::True);

    // With a second one there is no quorum: nothing is usable, and it is said why.
    let other = pid_of(&network, 0);
    world::signal(other, Signal::STOP);
    let lost = found(&platform, "ill", ConditionKind::Usable, Cause::NodesMissing).await;
    assert_eq!((lost.status, lost.gravity), (ConditionStatus::False, Gravity::Critical));
    assert_eq!(lost.nodes, ["validator-0", "validator-3"]);
    let ls = platform.cli_text(&["network", "ls"]).await;
    assert!(ls.stdout.contains("unavailable"), "{}", ls.stdout);
    for pid in [pid, other] {
        if world::is_alive(pid) {
            world::signal(pid, Signal::CONT);
        }
    }
    well(&platform, "ill").await;
}

#[tokio::test]
async fn a_node_that_ends_again_and_again_is_told_with_how_often_and_when_next() {
    let platform = Platform::start().await;
    platform.create("loop", 4).await;
    let network = healthy(&platform, "loop").await;
    let loops = world::eventually("it ends again and again", Duration::from_mins(1), async || {
        let pid = platform.show("loop").await.nodes.get(1).and_then(|node| node.pid);
        pid.into_iter().for_each(world::kill);
        let found = examined(&platform, "loop").await.findings;
        found.into_iter().find(|one| {
            one.kind == ConditionKind::NodesRunning && one.message.contains("again and again")
        })
    })
    .await;
    assert_eq!(loops.nodes, ["validator-1"]);
    let told = loops.evidence.first().expect("how often, and when again");
    assert!(told.contains("times in a row"), "{told}");
    assert_eq!(
        loops.command.as_deref(),
        Some("windlass network logs loop --node validator-1"),
        "{loops:?}"
    );
    let shown = platform.show("loop").await;
    assert_eq!(of(&shown, ConditionKind::Usable).status, ConditionStatus::True);

    // How often it failed is forgotten when it has been running for half a minute.
    well(&platform, "loop").await;
    let endpoint = Platform::endpoint(&platform.show("loop").await);
    let mut account = Account::new(chain_id(&endpoint).await);
    let hash = account.send(&endpoint, Call::default()).await;
    endpoint.receipt(&hash).await;
    one_tip(&platform, &network, 2).await;
}

#[tokio::test]
async fn memory_and_disk_that_are_nearly_gone_are_told_beforehand() {
    let platform = Platform::start().await;
    // The least that a spec may allow: a node that has just begun takes most of it.
    let network = create(&platform, "small", "validators = 1\nnode_limits = { memory_mib = 64 }\n");
    let network = network.await;
    assert_eq!(network.nodes.len(), 1);
    let resident =
        world::eventually("its memory is measured", Duration::from_mins(1), async || {
            platform.show("small").await.nodes.first()?.resident_bytes
        })
        .await;
    let said = examined(&platform, "small").await;
    let memory = said.conditions.iter().find(|one| one.kind == ConditionKind::Memory);
    let memory = memory.expect("every condition is told");
    let expected =
        if resident * 10 >= (64 << 20) * 9 { Cause::MemoryLow } else { Cause::AsExpected };
    assert_eq!(memory.cause, expected, "{memory:?}");
    assert!(memory.evidence[0].contains("of 64.0 MiB"), "{memory:?}");

    let Some(mount) = Mount::new(120_000) else { return };
    let roomy = Platform::start_on(mount).await;
    let mount = roomy.mount.as_ref().expect("it is on a disk of its own");
    let _made: Accepted = roomy.run(&["network", "create", "tight", "--validators", "1"]).await;
    let low = found(&roomy, "tight", ConditionKind::DiskSpace, Cause::DiskLow).await;
    assert_eq!((low.fault, low.gravity), (Some(Fault::Machine), Gravity::Warning));
    mount.fill(20_000);
    let full = found(&roomy, "tight", ConditionKind::DiskSpace, Cause::DiskFull).await;
    assert_eq!(full.gravity, Gravity::Critical);
    mount.free();
    found(&roomy, "tight", ConditionKind::DiskSpace, Cause::DiskLow).await;
}

#[tokio::test]
async fn who_began_an_operation_is_told() {
    let platform = Platform::start().await;
    let (network, operation) = platform.create("mine", 1).await;
    assert!(operation.actor.starts_with("token:"), "{}", operation.actor);
    does(&platform, "sleep mine").await;
    let endpoint = Platform::endpoint(&network);
    assert_eq!(endpoint.ok("eth_blockNumber", json!([])).await, json!("0x1"));
    let operations: Vec<Operation> = platform.run(&["operation", "ls"]).await;
    let woken = operations.iter().find(|one| one.kind == OperationKind::Wake);
    assert_eq!(woken.map(|one| one.actor.as_str()), Some("platform"), "{operations:?}");
}
