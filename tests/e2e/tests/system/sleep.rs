//! Networks that sleep when nobody uses them, and wake for whoever comes.

use std::{fs, time::Duration};

use futures::future::join_all;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use windlass_e2e::{Account, Call, Endpoint, Platform, world};
use windlass_model::{
    api::Accepted,
    network::{Health, Intent, Network, NetworkState, Operation, OperationKind, OperationState},
};

use crate::support::{
    chain_id, create, does, healthy, no_fork, no_leaks, one_process_each, one_tip,
};

/// A network that falls asleep after so many seconds; 0 is only when it is told to.
async fn sleeper(platform: &Platform, name: &str, (validators, seconds): (u32, u32)) -> Network {
    let spec = format!("validators = {validators}\nsleep_after_s = {seconds}\n");
    create(platform, name, &spec).await
}

async fn asleep(platform: &Platform, name: &str) -> Network {
    let network = platform
        .until(name, "asleep", |network| {
            network.state == NetworkState::Sleeping && network.operation.is_none()
        })
        .await;
    assert_eq!(network.intent, Intent::Sleeping);
    assert_eq!(platform.node_pids(), Vec::<u32>::new(), "no process is left");
    network
}

/// The operations of a kind, newest first; all of them are over.
async fn operations(platform: &Platform, kind: OperationKind) -> Vec<Operation> {
    let operations: Vec<Operation> = platform.run(&["operation", "ls"]).await;
    let of_kind: Vec<_> = operations.into_iter().filter(|one| one.kind == kind).collect();
    assert!(of_kind.iter().all(|one| one.state != OperationState::Running), "{of_kind:?}");
    of_kind
}

#[tokio::test]
async fn a_network_that_nobody_uses_falls_asleep_and_wakes_for_a_transaction() {
    let platform = Platform::start().await;
    let network = sleeper(&platform, "nap", (4, 1)).await;
    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(network.spec.chain_id);
    let first = account.send(&endpoint, Call::default()).await;
    endpoint.receipt(&first).await;

    asleep(&platform, "nap").await;
    let second = account.send(&endpoint, Call::default()).await;
    assert_eq!(endpoint.receipt(&second).await["status"], "0x1");
    assert_eq!(endpoint.receipt(&first).await["status"], "0x1", "nothing was lost");
    let network = healthy(&platform, "nap").await;
    assert!(network.nodes.iter().all(|node| node.restarts == 0), "to wake is no restart");
    let tip = one_tip(&platform, &network, 3).await;
    no_fork(&platform, &network, tip.number).await;

    asleep(&platform, "nap").await;
    let told = platform.cli_text(&["events", "--network", "nap", "--kind", "operation"]).await;
    let told: Vec<&str> = told.stdout.lines().collect();
    let order = ["create nap", "sleep nap", "wake nap", "sleep nap"];
    assert!(told.iter().zip(order).all(|(line, verb)| line.contains(verb)), "{told:?}");
    assert!(told.iter().all(|line| line.ends_with("succeeded")), "{told:?}");
    assert_eq!(told.len(), order.len(), "{told:?}");
    assert_eq!(operations(&platform, OperationKind::Sleep).await.len(), 2);
    assert_eq!(operations(&platform, OperationKind::Wake).await.len(), 1);
    let operation = platform.destroy("nap").await;
    assert!(operation.receipt.is_some(), "one that sleeps is destroyed as any other");
    no_leaks(&platform).await;
}

#[tokio::test]
async fn a_storm_of_requests_wakes_it_once_and_all_are_answered() {
    let platform = Platform::start().await;
    let network = sleeper(&platform, "storm", (4, 0)).await;
    let endpoint = Platform::endpoint(&network);
    let height = endpoint.height().await;
    does(&platform, "sleep storm").await;
    asleep(&platform, "storm").await;
    let asked = join_all((0..500).map(|_| endpoint.number("eth_blockNumber", json!([])))).await;
    assert!(asked.iter().all(|answer| *answer == height), "{asked:?}");
    let network = healthy(&platform, "storm").await;
    assert_eq!(network.intent, Intent::Running);
    assert_eq!(operations(&platform, OperationKind::Wake).await.len(), 1);
    one_process_each(&platform);
}

/// A client that listens, over a `WebSocket`.
async fn listens(endpoint: &Endpoint) -> TcpStream {
    let rest = endpoint.url.strip_prefix("http://").expect("a URL");
    let (host, path) = rest.split_once('/').expect("it has a path");
    let mut stream = TcpStream::connect(host).await.expect("the gateway listens");
    let head = format!(
        "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.expect("a head");
    assert_eq!(&status, b"HTTP/1.1 101");
    stream
}

#[tokio::test]
async fn who_listens_keeps_it_awake() {
    let platform = Platform::start().await;
    let network = sleeper(&platform, "radio", (1, 1)).await;
    let endpoint = Platform::endpoint(&network);
    let listener = listens(&endpoint).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(platform.show("radio").await.state, NetworkState::Usable);
    drop(listener);
    asleep(&platform, "radio").await;
    // And who begins to listen wakes it.
    let listener = listens(&endpoint).await;
    healthy(&platform, "radio").await;
    drop(listener);
}

#[tokio::test]
async fn what_changes_a_sleeping_network_wakes_it_and_what_looks_at_it_does_not() {
    let platform = Platform::start().await;
    let network = sleeper(&platform, "quiet", (4, 0)).await;
    let endpoint = Platform::endpoint(&network);
    does(&platform, "sleep quiet").await;
    asleep(&platform, "quiet").await;
    for looks in ["consensus", "members", "proposals"] {
        let (exit, problem) = platform.refused(&["network", looks, "quiet"]).await;
        assert_eq!((exit, problem.code.as_str()), (4, "network_sleeping"), "{problem:?}");
    }
    asleep(&platform, "quiet").await;
    does(&platform, "propose quiet set gas-limit 60000000").await;
    healthy(&platform, "quiet").await;

    does(&platform, "sleep quiet").await;
    let again: Accepted = platform.run(&["network", "sleep", "quiet"]).await;
    assert!(again.operation.is_none(), "it sleeps already");
    does(&platform, "wake quiet").await;
    healthy(&platform, "quiet").await;

    // Who has stopped it wants no request to start it.
    does(&platform, "sleep quiet").await;
    does(&platform, "stop quiet").await;
    let refused = endpoint.try_post(r#"{"jsonrpc":"2.0","id":1,"method":"net_version"}"#).await;
    assert_eq!(refused, Some(503));
    for verb in ["sleep", "wake"] {
        let (exit, problem) = platform.refused(&["network", verb, "quiet"]).await;
        assert_eq!((exit, problem.code.as_str()), (4, "network_stopped"), "{problem:?}");
    }
    does(&platform, "start quiet").await;
    assert_eq!(chain_id(&endpoint).await, network.spec.chain_id);

    // A destroy while it wakes leaves nothing, and tells who waits.
    does(&platform, "sleep quiet").await;
    let (waited, operation) =
        tokio::join!(endpoint.try_call("eth_blockNumber", json!([])), platform.destroy("quiet"));
    assert!(operation.receipt.is_some());
    // It came in time, or was told that there is no network.
    let told = waited.expect("it is answered").err().map(|error| error.message);
    assert!(told.as_ref().is_none_or(|told| told.contains("no network")), "{told:?}");
    no_leaks(&platform).await;
}

#[tokio::test]
async fn killed_while_it_falls_asleep_or_wakes_it_answers_who_waits() {
    let mut platform = Platform::start().await;
    let network = sleeper(&platform, "doze", (4, 0)).await;
    let endpoint = Platform::endpoint(&network);
    let mut account = Account::new(network.spec.chain_id);
    let mut sent = Vec::new();
    for round in 0..6_u64 {
        let _accepted: Accepted = platform.run(&["network", "sleep", "doze", "--no-wait"]).await;
        tokio::time::sleep(Duration::from_millis(60 * round)).await;
        platform.kill();
        platform.up().await;
        asleep(&platform, "doze").await;

        // A client waits, and the platform is killed under it.
        let raw = account.sign(Call::default());
        let crash = async {
            tokio::time::sleep(Duration::from_millis(60 * round)).await;
            platform.kill();
            platform.up().await;
        };
        let params = json!([raw]);
        let (hash, ()) = tokio::join!(endpoint.ok("eth_sendRawTransaction", params), crash);
        sent.push(hash.as_str().expect("a hash").to_owned());
        healthy(&platform, "doze").await;
        one_process_each(&platform);
    }
    for hash in &sent {
        assert_eq!(endpoint.receipt(hash).await["status"], "0x1", "{hash} is not lost");
    }
    let network = healthy(&platform, "doze").await;
    let tip = one_tip(&platform, &network, 6).await;
    no_fork(&platform, &network, tip.number).await;
    platform.destroy("doze").await;
    no_leaks(&platform).await;
}

#[tokio::test]
async fn it_wakes_without_a_node_that_cannot_start() {
    let platform = Platform::start().await;
    let network = sleeper(&platform, "three", (4, 0)).await;
    let endpoint = Platform::endpoint(&network);
    does(&platform, "sleep three").await;
    let broken = network.nodes.last().expect("it has nodes");
    let data = platform.data_dir.join(format!("workloads/{}/data", broken.id));
    let aside = data.with_extension("aside");
    fs::rename(&data, &aside).expect("it can be moved");
    fs::write(&data, "no folder").expect("it can be written");

    let mut account = Account::new(network.spec.chain_id);
    let hash = account.send(&endpoint, Call::default()).await;
    assert_eq!(endpoint.receipt(&hash).await["status"], "0x1");
    let is_degraded = |network: &Network| {
        network.state == NetworkState::Usable && network.health == Health::Degraded
    };
    let network = platform.until("three", "usable without one", is_degraded).await;
    assert!(network.operation.is_none(), "it has woken: {network:?}");

    fs::remove_file(&data).expect("it can be removed");
    fs::rename(&aside, &data).expect("it can be moved back");
    healthy(&platform, "three").await;
}

#[tokio::test]
async fn who_comes_while_it_falls_asleep_makes_no_failure_of_it() {
    let platform = Platform::start().await;
    let network = sleeper(&platform, "edge", (4, 0)).await;
    let endpoint = Platform::endpoint(&network);
    for round in 0..12_u64 {
        let _accepted: Accepted = platform.run(&["network", "sleep", "edge", "--no-wait"]).await;
        tokio::time::sleep(Duration::from_millis(15 * round)).await;
        endpoint.height().await;
        // It may have been answered before it fell asleep.
        let _woken: Accepted = platform.run(&["network", "wake", "edge"]).await;
        let awake = healthy(&platform, "edge").await;
        let restarts: u32 = awake.nodes.iter().map(|node| node.restarts).sum();
        assert_eq!(restarts, 0, "round {round}: an end that was asked for is no failure");
    }
    one_process_each(&platform);
}

#[tokio::test]
async fn without_a_platform_nobody_wakes_it_and_clients_are_told() {
    let mut platform = Platform::start().await;
    let network = sleeper(&platform, "alone", (1, 0)).await;
    let endpoint = Platform::endpoint(&network);
    does(&platform, "sleep alone").await;
    platform.kill();
    let answer = endpoint.post(r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#).await;
    assert!(answer.0 == 503 && answer.1.contains("network_unavailable"), "{answer:?}");
    assert!(answer.1.contains("windlass up"), "it says what to do: {answer:?}");
    platform.up().await;
    world::eventually("it wakes", Duration::from_mins(1), async || {
        endpoint.try_call("eth_chainId", json!([])).await?.ok()
    })
    .await;
}
