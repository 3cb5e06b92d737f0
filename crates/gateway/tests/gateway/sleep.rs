//! Networks that sleep: who waits for them, who is told, and when nobody uses them.

use std::time::Duration;

use hyper::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener},
    task::JoinSet,
};
use windlass_gateway::routes::{RouteState, RouteTable};

use crate::world::{Gateway, NETWORK, Node, call, table, url, world};

/// A table in which the network is as told.
fn is(generation: u64, nodes: &[&Node], state: RouteState) -> RouteTable {
    let paths: Vec<_> = nodes.iter().map(|node| &*node.socket).collect();
    let mut table = table(generation, &paths);
    table.routes[0].state = state;
    table
}

/// A network that sleeps.
async fn asleep() -> (TempDir, Gateway, Node, Node) {
    let (root, gateway, one, two) = world().await;
    assert_eq!(gateway.push(&is(2, &[&one, &two], RouteState::Asleep)).await, StatusCode::OK);
    (root, gateway, one, two)
}

/// What is wanted; held until it is another than was seen.
pub(crate) async fn demand(gateway: &Gateway, seen: Option<&Value>) -> Value {
    let seen = seen.map(|seen| format!("&seen={}", seen["revision"])).unwrap_or_default();
    let path = format!("/demand?hold_ms=20000{seen}");
    let (status, demand) = gateway.admin("GET", &path, &Value::Null).await;
    assert_eq!(status, StatusCode::OK, "{demand}");
    demand
}

/// Waits until the demand is so.
pub(crate) async fn until(gateway: &Gateway, holds: impl Fn(&Value) -> bool) -> Value {
    loop {
        let demand = demand(gateway, None).await;
        if holds(&demand) {
            return demand;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn is_wanted(demand: &Value) -> bool {
    demand["wanted"] == json!([NETWORK])
}

/// A client's connection with a call on it that is not answered yet.
async fn ask(gateway: &Gateway) -> TcpStream {
    let body = call().to_string();
    let mut stream = TcpStream::connect(gateway.address).await.expect("it listens");
    let head = format!(
        "POST {} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        url(""),
        body.len()
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream
}

async fn answer(mut stream: TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    String::from_utf8(answer).expect("text")
}

#[tokio::test]
async fn a_request_wakes_a_network_and_is_answered_then() {
    let (_root, gateway, one, two) = asleep().await;
    let before = demand(&gateway, None).await;
    assert_eq!(before["wanted"], json!([]));
    let stream = ask(&gateway).await;
    let told = demand(&gateway, Some(&before)).await;
    assert!(is_wanted(&told), "{told}");
    gateway.push(&is(3, &[&one, &two], RouteState::Up)).await;
    let answer = answer(stream).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("eth_chainId"), "{answer}");
    assert_eq!(demand(&gateway, None).await["wanted"], json!([]));
}

#[tokio::test]
async fn as_many_as_may_wait_wake_it_once_and_more_are_told_to_come_again() {
    let (_root, gateway, one, two) = asleep().await;
    let before = demand(&gateway, None).await;
    let mut waiting = Vec::new();
    for _ in 0..1_024 {
        waiting.push(ask(&gateway).await);
    }
    let mut refused = None;
    // Not in the order in which they were sent.
    while refused.is_none() {
        let extra = ask(&gateway).await;
        let mut head = [0; 12];
        let mut stream = extra;
        let early = tokio::time::timeout(Duration::from_millis(200), stream.read_exact(&mut head));
        match early.await {
            Ok(read) => {
                read.expect("a head");
                assert_eq!(&head, b"HTTP/1.1 503");
                refused = Some(answer(stream).await);
            }
            Err(_waits) => waiting.push(stream),
        }
    }
    let refused = refused.expect("one was refused").to_lowercase();
    assert!(refused.contains("retry-after: "), "{refused}");
    assert!(refused.contains("network_unavailable"), "{refused}");
    let revision = |demand: &Value| demand["revision"].as_u64().expect("a number");
    let told = until(&gateway, is_wanted).await;
    assert_eq!(revision(&told), revision(&before).wrapping_add(1), "it is told once");
    gateway.push(&is(3, &[&one, &two], RouteState::Up)).await;
    let mut tasks: JoinSet<String> = waiting.into_iter().map(answer).collect();
    let mut answered = 0;
    while let Some(answer) = tasks.join_next().await {
        let answer = answer.expect("it is read");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        answered += 1;
    }
    assert!(answered >= 1_024, "{answered}");
}

#[tokio::test]
async fn who_leaves_frees_its_place() {
    let (_root, gateway, _one, _two) = asleep().await;
    let stream = ask(&gateway).await;
    until(&gateway, is_wanted).await;
    drop(stream);
    until(&gateway, |demand| !is_wanted(demand)).await;
}

#[tokio::test]
async fn what_becomes_of_the_network_meanwhile_is_answered() {
    let (_root, gateway, one, _two) = asleep().await;
    let stream = ask(&gateway).await;
    until(&gateway, is_wanted).await;
    gateway.push(&is(3, &[&one], RouteState::Stopped)).await;
    let stopped = answer(stream).await;
    assert!(stopped.contains("network_stopped"), "{stopped}");

    gateway.push(&is(4, &[&one], RouteState::Asleep)).await;
    let stream = ask(&gateway).await;
    until(&gateway, is_wanted).await;
    let mut rekeyed = is(5, &[&one], RouteState::Up);
    rekeyed.routes[0].keys.truncate(1);
    gateway.push(&rekeyed).await;
    let revoked = answer(stream).await;
    assert!(revoked.contains("unauthenticated"), "its key was revoked: {revoked}");

    gateway.push(&is(6, &[&one], RouteState::Asleep)).await;
    let stream = ask(&gateway).await;
    until(&gateway, is_wanted).await;
    gateway.push(&RouteTable { generation: 7, ..RouteTable::default() }).await;
    let gone = answer(stream).await;
    assert!(gone.contains("network_not_found"), "{gone}");

    gateway.push(&is(8, &[&one], RouteState::Asleep)).await;
    let stream = ask(&gateway).await;
    until(&gateway, is_wanted).await;
    gateway.stop().await;
    let ended = answer(stream).await;
    assert!(ended.contains("network_unavailable"), "nobody waits for a gateway: {ended}");
}

#[tokio::test]
async fn what_was_under_way_when_it_fell_asleep_is_asked_again() {
    let (root, gateway, one, _two) = world().await;
    let socket = root.path().join("ends.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    gateway.push(&table(2, &[&socket])).await;
    let asked = ask(&gateway).await;
    let (mut node, _) = listener.accept().await.expect("a connection");
    let read = node.read(&mut [0; 4096]).await.expect("a request");
    assert!(read > 0);
    let mut asleep = table(3, &[&socket]);
    asleep.routes[0].state = RouteState::Asleep;
    gateway.push(&asleep).await;
    drop((node, listener));
    until(&gateway, is_wanted).await;
    gateway.push(&is(4, &[&one], RouteState::Up)).await;
    let answer = answer(asked).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("windlass-repeated"), "the node may have taken it: {answer}");
}

/// A table in which the network is idle after so long.
fn idle_after(generation: u64, nodes: &[&Node], idle_after_ms: u64) -> RouteTable {
    let mut table = is(generation, nodes, RouteState::Up);
    table.routes[0].idle_after_ms = idle_after_ms;
    table
}

#[tokio::test]
async fn a_network_that_nobody_uses_is_told_as_idle() {
    let (_root, gateway, one, two) = world().await;
    gateway.push(&idle_after(2, &[&one, &two], 1)).await;
    let first = demand(&gateway, None).await;
    let told = if first["idle"] == json!([NETWORK]) {
        first
    } else {
        demand(&gateway, Some(&first)).await
    };
    assert_eq!(told["idle"], json!([NETWORK]), "{told}");

    // One who listens uses it, whether or not there is anything to hear.
    let mut socket = TcpStream::connect(gateway.address).await.expect("it listens");
    let head = format!(
        "GET {} HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n",
        url("")
    );
    socket.write_all(head.as_bytes()).await.expect("sent");
    let mut status = [0; 12];
    socket.read_exact(&mut status).await.expect("a head");
    assert_eq!(&status, b"HTTP/1.1 101");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(demand(&gateway, None).await["idle"], json!([]));
    drop(socket);
    until(&gateway, |demand| demand["idle"] == json!([NETWORK])).await;

    // And so does who is not answered yet.
    let hanging = tempfile::tempdir().expect("a directory");
    let path = hanging.path().join("hangs.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let mut table = idle_after(3, &[], 1);
    table.routes[0].upstreams = vec![path];
    gateway.push(&table).await;
    let asked = ask(&gateway).await;
    let (node, _) = listener.accept().await.expect("a connection");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(demand(&gateway, None).await["idle"], json!([]));
    drop((asked, node, listener));

    // And who has not read all of the answer.
    let path = hanging.path().join("large.sock");
    let listener = UnixListener::bind(&path).expect("a socket");
    let mut table = idle_after(4, &[], 1);
    table.routes[0].upstreams = vec![path];
    gateway.push(&table).await;
    let mut asked = ask(&gateway).await;
    let (mut node, _) = listener.accept().await.expect("a connection");
    let read = node.read(&mut [0; 4096]).await.expect("a request");
    assert!(read > 0);
    node.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha").await.expect("sent");
    let mut head = [0; 15];
    asked.read_exact(&mut head).await.expect("a head");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(demand(&gateway, None).await["idle"], json!([]));
    node.write_all(b"lf").await.expect("sent");
    assert!(answer(asked).await.ends_with("half"));
    until(&gateway, |demand| demand["idle"] == json!([NETWORK])).await;

    gateway.push(&idle_after(5, &[&one, &two], 60_000)).await;
    assert_eq!(demand(&gateway, None).await["idle"], json!([]));
    gateway.push(&idle_after(6, &[&one, &two], 0)).await;
    assert_eq!(demand(&gateway, None).await["idle"], json!([]), "it is to run all the time");
}

#[tokio::test]
async fn a_question_for_demand_is_held_and_checked() {
    let (_root, gateway, _one, _two) = world().await;
    let now = demand(&gateway, None).await;
    let path = format!("/demand?seen={}&hold_ms=50", now["revision"]);
    let (status, same) = gateway.admin("GET", &path, &Value::Null).await;
    assert_eq!((status, &same), (StatusCode::OK, &now));
    for bad in ["seen=x", "hold_ms=-1", "until=3", "seen"] {
        let (status, problem) = gateway.admin("GET", &format!("/demand?{bad}"), &Value::Null).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
    }
}
