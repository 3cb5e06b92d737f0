//! A node gets a new disk, while the network goes on.

use std::{fs, time::Duration};

use serde_json::Value;
use windlass_e2e::{Account, Call, Endpoint, Platform, world};
use windlass_model::{
    ErrorCode,
    api::Accepted,
    network::{Network, Node, Operation, OperationKind, OperationState},
    receipt::ReleasedKind,
};

use crate::support::{
    chain_id, create, does, healthy, no_fork, no_leaks, one_process_each, one_tip, status_of,
};

const SPEC: &str = "chain_id = 77040\nepoch_length = 64\nvalidators = 4\n";

async fn node(platform: &Platform, name: &str) -> Node {
    let network = platform.show("ring").await;
    network.nodes.into_iter().find(|node| node.name == name).expect("the network has it")
}

/// Why it does not vote, as it says itself.
async fn silence(platform: &Platform, node: &Node) -> Option<String> {
    let status = status_of(platform, node.id.as_str()).await?;
    status.get("notVoting").and_then(Value::as_str).map(ToOwned::to_owned)
}

async fn transact(account: &mut Account, endpoint: &Endpoint, times: u64) {
    for _ in 0..times {
        let hash = account.send(endpoint, Call::default()).await;
        endpoint.receipt(&hash).await;
    }
}

/// Blocks until the next epoch.
async fn next_epoch(account: &mut Account, endpoint: &Endpoint) {
    let left = 64 - endpoint.height().await % 64;
    transact(account, endpoint, left + 1).await;
}

#[tokio::test]
async fn a_node_with_a_new_disk_has_the_chain_and_votes_when_it_may() {
    let mut platform = Platform::start().await;
    let network = create(&platform, "ring", SPEC).await;
    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(chain_id(&endpoint).await);
    transact(&mut account, &endpoint, 5).await;

    let (_, unsure) =
        platform.refused(&["network", "node", "replace", "ring", "validator-2"]).await;
    assert_eq!(unsure.code, ErrorCode::InvalidRequest, "nobody can be asked: {unsure:?}");
    let line = ["network", "node", "replace", "ring", "validator-9", "-y"];
    assert_eq!(platform.refused(&line).await.1.code, ErrorCode::NodeNotFound);

    // Something that was written by hand, and goes with the rest.
    let before = node(&platform, "validator-2").await;
    let marker = platform.workload(before.id.as_str()).join("data/by-hand");
    fs::write(&marker, "x").expect("it has a disk");
    let replaced: Accepted =
        platform.run(&["network", "node", "replace", "ring", "validator-2", "-y"]).await;
    let told = replaced.warnings.join(" ");
    assert!(told.contains("until then 3 of 4 validators vote, and a block needs 3"), "{told}");
    let operation = replaced.operation.expect("it is an operation");
    let kind_and_state = (operation.kind, operation.state);
    assert_eq!(kind_and_state, (OperationKind::ReplaceNode, OperationState::Succeeded));
    let receipt = operation.receipt.expect("what was on the old disk");
    let gone = |kind, name: &str| {
        receipt.released.iter().any(|one| one.kind == kind && one.name.contains(name))
    };
    let pid = before.pid.expect("it ran");
    assert!(gone(ReleasedKind::Process, &pid.to_string()), "{receipt:?}");
    assert!(gone(ReleasedKind::Directory, before.id.as_str()), "{receipt:?}");
    assert!(!receipt.released.iter().any(|one| one.kind == ReleasedKind::Key), "{receipt:?}");
    let after = node(&platform, "validator-2").await;
    assert_eq!(after.id, before.id, "it is the same node");
    assert!(!marker.exists() && after.pid.is_some_and(|now| now != pid), "{after:?}");
    one_process_each(&platform);

    // It has what the others have, and does not vote; so nobody else may go this way now.
    transact(&mut account, &endpoint, 2).await;
    let height = endpoint.height().await;
    one_tip(&platform, &network, height).await;
    no_fork(&platform, &network, height).await;
    silence(&platform, &after).await.expect("it keeps silent, and says why");
    let second = ["network", "node", "replace", "ring", "validator-1", "-y"];
    let (code, risk) = platform.refused(&second).await;
    assert_eq!((code, risk.code), (4, ErrorCode::QuorumAtRisk), "{risk:?}");
    assert!(risk.detail.contains("2 of the 4 validators"), "{risk:?}");

    // From the next epoch on it votes, and the other may.
    next_epoch(&mut account, &endpoint).await;
    world::eventually("it votes", Duration::from_secs(20), async || {
        silence(&platform, &after).await.is_none().then_some(())
    })
    .await;
    let network = healthy(&platform, "ring").await;
    platform.kill();
    platform.up().await;
    healthy(&platform, "ring").await;
    does(&platform, "node replace ring validator-1 -y").await;
    does(&platform, "node replace ring validator-1 -y").await;
    transact(&mut account, &endpoint, 2).await;
    let height = endpoint.height().await;
    no_fork(&platform, &network, height).await;
    platform.destroy("ring").await;
    no_leaks(&platform).await;
}

/// The platform dies while the old disk goes.
#[tokio::test]
async fn a_replacement_is_carried_to_its_end_by_the_next_platform() {
    let mut platform = Platform::start().await;
    let network: Network = create(&platform, "ring", SPEC).await;
    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(chain_id(&endpoint).await);
    for round in 0..4_u64 {
        transact(&mut account, &endpoint, 3).await;
        let old = node(&platform, "validator-3").await;
        let line = ["network", "node", "replace", "ring", "validator-3", "-y", "--no-wait"];
        let accepted: Accepted = platform.run(&line).await;
        tokio::time::sleep(Duration::from_millis(7 * round)).await;
        platform.kill();
        platform.up().await;
        let id = accepted.operation.expect("it is an operation").id;
        let ended: Operation = platform.run(&["operation", "wait", id.as_str()]).await;
        assert_eq!(ended.state, OperationState::Succeeded, "round {round}: {ended:?}");
        let receipt = ended.receipt.expect("what was on the old disk");
        assert!(
            receipt.released.iter().any(|one| one.kind == ReleasedKind::Directory),
            "{receipt:?}"
        );
        assert!(old.pid.is_none_or(|pid| !world::is_alive(pid)), "round {round}");
        one_process_each(&platform);
        let height = endpoint.height().await;
        one_tip(&platform, &network, height).await;
    }
    platform.destroy("ring").await;
    no_leaks(&platform).await;
}
