//! What clients do, or don't, wakes a network and lets it sleep, wherever the platform is killed.

use std::sync::Arc;

use futures::StreamExt as _;
use windlass_control::{Control, service::Action};
use windlass_model::network::{Network, NetworkState, OperationKind, OperationState};

use crate::{
    crash::{PATIENCE, Verb, check_destroyable, check_usable, granted, life, prepared, quietly},
    fake::{Client, FakeWorld, script::Script},
};

/// The network, as soon as it is in this state.
async fn becomes(control: Control, state: NetworkState) -> Network {
    let read = granted(&control, Action::Read).await;
    let mut events = control.events(&read, None).await.expect("events");
    let waiting = async {
        loop {
            let network = control.network(&read, "trade").await.expect("it is there");
            if network.state == state && network.operation.is_none() {
                return network;
            }
            events.next().await.expect("the stream goes on");
        }
    };
    let became = tokio::time::timeout(PATIENCE, waiting).await;
    became.unwrap_or_else(|_elapsed| panic!("the network does not become {state:?}"))
}

/// How many operations of a kind there were, and that all have come to their end.
async fn operations(control: Control, kind: OperationKind) -> usize {
    let read = granted(&control, Action::Read).await;
    let page = control.operations(&read, None, 100).await.expect("operations");
    let of_kind: Vec<_> = page.items.into_iter().filter(|one| one.kind == kind).collect();
    assert!(of_kind.iter().all(|one| one.state == OperationState::Succeeded), "{of_kind:#?}");
    of_kind.len()
}

/// Kills the platform at every point while a client has it bring the network into a state.
fn killed_everywhere(
    (before, client): (Verb, Client),
    (state, kind): (NetworkState, OperationKind),
    check: impl Fn(&Arc<FakeWorld>, &str),
) {
    let earlier = usize::from(before == Verb::Sleep && kind == OperationKind::Sleep);
    for point in 0.. {
        let world = prepared(before);
        if before == Verb::Sleep {
            life(&world, &quietly(), |control| crate::crash::carry_out(control, Verb::Sleep));
        }
        *world.client.lock().unwrap() = client;
        let script = Arc::new(Script::new(Some(point), None));
        let alive = life(&world, &script, |control| becomes(control, state)).is_some();
        let at = script.killed_at.lock().unwrap().clone().unwrap_or_default();
        let context = format!("{kind:?} for a client, killed at {at}");
        life(&world, &quietly(), |control| becomes(control, state)).expect("nobody kills it");
        *world.client.lock().unwrap() = Client::Uses;
        check(&world, &context);
        let count = life(&world, &quietly(), |control| operations(control, kind)).unwrap();
        assert_eq!(count, earlier + 1, "{context}: once");
        check_destroyable(&world, Verb::Stop, &context);
        if alive {
            assert!(point > 8, "the enumeration sees it: {point}");
            return;
        }
    }
}

#[test]
fn a_client_that_waits_wakes_a_network_once() {
    let ends = (NetworkState::Usable, OperationKind::Wake);
    killed_everywhere((Verb::Sleep, Client::Waits), ends, |world, context| {
        check_usable(world, context);
    });
}

#[test]
fn a_network_that_nobody_uses_falls_asleep_once() {
    let ends = (NetworkState::Sleeping, OperationKind::Sleep);
    killed_everywhere((Verb::Stop, Client::Leaves), ends, |world, context| {
        assert!(world.nodes().is_empty(), "{context}");
        let state = world.routes.lock().unwrap()["routes"][0]["state"].clone();
        assert_eq!(state, "asleep", "{context}");
    });
}
