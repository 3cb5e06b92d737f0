//! Accidents of nodes and of the gateway while the control plane lives.

use std::sync::{Arc, atomic::Ordering};

use windlass_control::service::Action;
use windlass_model::{
    network::{Health, NetworkState, OperationState},
    receipt::ReleasedKind,
    spec::Manifest,
};

use crate::crash::{
    PATIENCE, Verb, carry_out, check_usable, granted, life, meta, prepared, quietly,
};

#[test]
fn a_killed_node_is_restarted_and_a_stopped_network_comes_back() {
    let world = prepared(Verb::Stop);
    let shown = life(&world, &quietly(), |control| {
        let world = Arc::clone(&world);
        async move {
            let read = granted(&control, Action::Read).await;
            let before = world.nodes();
            let (victim, pid) = before.first_key_value().expect("nodes run");
            let mut events = control.events(&read, None).await.expect("events");
            world.kill(victim);
            let back = async {
                loop {
                    futures::StreamExt::next(&mut events).await.expect("the stream goes on");
                    let network = control.network(&read, "trade").await.expect("it is there");
                    let healthy = network.health == Health::Healthy;
                    let counted = network.nodes.iter().any(|node| node.restarts > 0);
                    let new = world.nodes().get(victim).is_some_and(|now| now != pid);
                    if healthy && counted && new {
                        return network;
                    }
                }
            };
            tokio::time::timeout(PATIENCE, back).await.expect("the node is restarted")
        }
    })
    .unwrap();
    assert_eq!(shown.state, NetworkState::Usable);
    assert_eq!(shown.nodes.iter().map(|node| node.restarts).sum::<u32>(), 1, "{shown:#?}");
    check_usable(&world, "after a restart");
}

#[test]
fn a_gateway_that_neither_answers_nor_ends_holds_up_no_destroy() {
    let world = prepared(Verb::Destroy);
    world.wedged.store(true, Ordering::SeqCst);
    let operation = life(&world, &quietly(), |control| carry_out(control, Verb::Destroy)).unwrap();
    assert_eq!(operation.state, OperationState::Succeeded, "{operation:#?}");
    assert!(world.nodes().is_empty() && world.keys.lock().unwrap().is_empty());
    let receipt = operation.receipt.expect("a destroy hands back a receipt");
    let endpoint = receipt.released.iter().find(|one| one.kind == ReleasedKind::Endpoint);
    let endpoint = endpoint.expect("the endpoint is accounted for");
    assert!(endpoint.verified.contains("does not answer"), "{endpoint:?}");
    let routes = || world.routes.lock().unwrap()["routes"].as_array().unwrap().clone();
    let stale = routes();
    assert_eq!(stale.len(), 1, "nobody could tell the gateway");

    // Told as soon as it answers: the route of another network comes, and the stale one goes.
    world.wedged.store(false, Ordering::SeqCst);
    life(&world, &quietly(), |control| async move {
        let manifest = Manifest { name: Some("next".parse().unwrap()), ..Manifest::default() };
        let create = granted(&control, Action::Create).await;
        let accepted = control.declare(&create, manifest, meta(None)).await.expect("valid");
        let (read, id) = (granted(&control, Action::Read).await, accepted.operation.unwrap().id);
        let ended = control.wait_operation(&read, &id, PATIENCE).await.expect("it is there");
        assert_eq!(ended.state, OperationState::Succeeded, "{ended:#?}");
    })
    .unwrap();
    let now = routes();
    assert_eq!(now.len(), 1);
    assert_ne!(now[0]["network_id"], stale[0]["network_id"]);
}
