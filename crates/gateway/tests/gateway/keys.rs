//! Keys: what each allows, how often, and what ends with it.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener},
};
use windlass_gateway::routes::{KeyScope, RateLimit, RouteSecret, RouteTable, hash_key};

use crate::world::{Gateway, KEY, NETWORK, call, key, table, url, world};

fn path(secret: &str) -> String {
    format!("/n/{NETWORK}/{secret}")
}

/// A table in which the network has the default key, and one that is made of it.
fn with(
    generation: u64,
    node: &Path,
    change: impl FnOnce(&mut windlass_gateway::routes::RouteKey),
) -> RouteTable {
    let mut table = table(generation, &[node]);
    let mut other = key("other", "other-secret");
    change(&mut other);
    table.routes[0].keys.push(other);
    table
}

/// The same table without the key called `other`.
fn without(generation: u64, node: &Path) -> RouteTable {
    table(generation, &[node])
}

fn now_ms() -> u64 {
    #[expect(clippy::disallowed_methods, reason = "the gateway goes by the machine's time")]
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    u64::try_from(now.as_millis()).expect("it fits")
}

/// An open `WebSocket`, and what the client sends over it comes back.
pub(crate) async fn websocket(gateway: &Gateway, secret: &str) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.address).await.expect("it listens");
    let path = path(secret);
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("a head"));
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    stream
}

async fn echo(stream: &mut TcpStream, message: &[u8]) {
    stream.write_all(message).await.expect("sent");
    let mut echo = vec![0; message.len()];
    stream.read_exact(&mut echo).await.expect("an echo");
    assert_eq!(echo, message);
}

/// Waits for the end of a connection; a reset is one too.
async fn ends(stream: &mut TcpStream) {
    let mut byte = [0];
    let read = tokio::time::timeout(Duration::from_secs(20), stream.read(&mut byte));
    assert!(matches!(read.await.expect("it ends"), Ok(0) | Err(_)));
}

#[tokio::test]
async fn what_a_key_allows_is_told_to_the_node_and_not_by_the_client() {
    let (_root, gateway, one, _two) = world().await;
    gateway.push(&with(2, &one.socket, |key| key.scope = KeyScope::Read)).await;
    let claims =
        [("windlass-scope", "anything"), ("windlass-repeated", "1"), ("windlass-client", "0")];
    for (secret, told) in [(KEY, false), ("other-secret", true)] {
        let seen = gateway.ask("POST", &path(secret), &claims, "{}").await.json();
        let names = seen["headers"].as_array().expect("names");
        let count = names.iter().filter(|name| *name == "windlass-scope").count();
        assert_eq!(count, usize::from(told), "{names:?}");
        assert!(!names.contains(&json!("windlass-repeated")), "{names:?}");
        let clients = names.iter().filter(|name| *name == "windlass-client").count();
        assert_eq!(clients, 1, "whoever it is, and whatever it says: {names:?}");
    }
}

#[tokio::test]
async fn a_rate_is_held_and_said() {
    let (_root, gateway, one, _two) = world().await;
    let limit = RateLimit { per_second: 1, burst: 3 };
    gateway.push(&with(2, &one.socket, |key| key.limit = Some(limit))).await;
    let path = path("other-secret");
    let batch = json!([call(), call()]);
    assert_eq!(gateway.call(&path, &batch).await.status, StatusCode::OK);
    let refused = gateway.call(&path, &batch).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = refused.header("retry-after").expect("when").parse().expect("a number");
    assert!((1..=2).contains(&seconds), "{seconds}");
    let answers = refused.json();
    assert_eq!(answers.as_array().map(Vec::len), Some(2), "each call is answered: {answers}");
    assert_eq!(answers[1]["id"], 7);
    assert_eq!(answers[1]["error"]["code"], -32005);
    assert_eq!(answers[1]["error"]["data"]["code"], "rate_limited");
    let message = answers[1]["error"]["message"].as_str().expect("a text");
    assert!(
        message.contains("limit exceeded: the key `other` takes 1 calls a second"),
        "{message}"
    );

    // More than ever at once: to wait is of no use.
    let large = json!([call(), call(), call(), call()]);
    let refused = gateway.call(&path, &large).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), None);
    assert!(
        refused.json()[0]["error"]["message"].as_str().expect("a text").contains("has 4 calls")
    );

    // Another key is not concerned, and a table that leaves the limit as it is gives nothing back.
    gateway.push(&with(3, &one.socket, |key| key.limit = Some(limit))).await;
    assert_eq!(gateway.call(&path, &json!([call(), call(), call()])).await.status, 429);
    assert_eq!(gateway.call(&url(""), &large).await.status, StatusCode::OK);
    let (_, stats) = gateway.admin("GET", "/stats", &Value::Null).await;
    assert_eq!(stats["networks"][NETWORK]["limited"], 3);
    assert_eq!(stats["networks"][NETWORK]["requests"], 2);
}

#[tokio::test]
async fn a_websocket_of_a_limited_key_waits_and_loses_nothing() {
    let (_root, gateway, one, _two) = world().await;
    // The upgrade is one of them.
    let limit = RateLimit { per_second: 20, burst: 2 };
    gateway.push(&with(2, &one.socket, |key| key.limit = Some(limit))).await;
    let mut stream = websocket(&gateway, "other-secret").await;
    // Two calls in one message, masked with zeroes.
    let message = [b"\x81\x87\0\0\0\0".as_slice(), b"[{},{}]"].concat();
    for _ in 0..5 {
        echo(&mut stream, &message).await;
    }
    // What came early is owed: a burst is not there at once.
    let burst = json!([call(), call()]);
    assert_eq!(gateway.call(&path("other-secret"), &burst).await.status, 429);
}

#[tokio::test]
async fn a_revoked_key_serves_nothing_more() {
    let (_root, gateway, one, _two) = world().await;
    gateway.push(&with(2, &one.socket, |_key| {})).await;
    let mut revoked = websocket(&gateway, "other-secret").await;
    let mut stays = websocket(&gateway, KEY).await;
    echo(&mut revoked, b"hello").await;
    echo(&mut stays, b"hello").await;
    assert_eq!(gateway.push(&without(3, &one.socket)).await, StatusCode::OK);
    ends(&mut revoked).await;
    let refused = gateway.call(&path("other-secret"), &call()).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    assert_eq!(refused.json()["error"]["data"]["code"], "unauthenticated");
    echo(&mut stays, b"still").await;
    assert_eq!(gateway.call(&url(""), &call()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_under_way_with_a_revoked_key_is_cut() {
    let (root, gateway, one, _two) = world().await;
    // A node that takes requests, and sends the head of an answer to the second one only.
    let socket = root.path().join("slow.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    gateway.push(&with(2, &socket, |_key| {})).await;
    let (path, body) = (path("other-secret"), call());
    let waiting = gateway.call(&path, &body);
    let revoke = async {
        let (mut stream, _) = listener.accept().await.expect("the request");
        stream.read_u8().await.expect("it is sent");
        gateway.push(&without(3, &socket)).await;
        stream
    };
    let (answer, _stream) = tokio::join!(waiting, revoke);
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.json()["id"], 7, "it is answered as it was asked");

    gateway.push(&with(4, &socket, |_key| {})).await;
    let mut reading = TcpStream::connect(gateway.address).await.expect("it listens");
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    reading.write_all(head.as_bytes()).await.expect("sent");
    let (mut stream, _) = listener.accept().await.expect("the request");
    let begun = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
    stream.write_all(begun).await.expect("half an answer");
    let mut read = Vec::new();
    while !read.ends_with(b"half") {
        read.push(reading.read_u8().await.expect("half an answer"));
    }
    gateway.push(&without(5, &one.socket)).await;
    ends(&mut reading).await;
}

#[tokio::test]
async fn a_secret_ends_when_its_time_is_over() {
    let (_root, gateway, one, _two) = world().await;
    let until = |until_ms| RouteSecret { hash: hash_key("former"), until_ms: Some(until_ms) };
    gateway.push(&with(2, &one.socket, |key| key.secrets.push(until(now_ms() + 60_000)))).await;
    let mut former = websocket(&gateway, "former").await;
    let mut newer = websocket(&gateway, "other-secret").await;
    assert_eq!(gateway.call(&path("former"), &call()).await.status, StatusCode::OK);
    // Its overlap was cut short, and nobody pushes anything after that.
    gateway.push(&with(3, &one.socket, |key| key.secrets.push(until(now_ms() + 1)))).await;
    ends(&mut former).await;
    assert_eq!(gateway.call(&path("former"), &call()).await.status, StatusCode::UNAUTHORIZED);
    echo(&mut newer, b"hello").await;
}
