//! The keys of a network's endpoint, as its owner and its clients meet them.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use windlass_e2e::{Account, Call, Endpoint, Platform, world};
use windlass_model::{
    key::{EndpointKey, NewEndpointKey, RevokedKey},
    network::{Network, NetworkState},
};

use crate::support::{does, healthy, no_leaks};

/// A JSON-RPC error of a key that is for reading.
const READ_ONLY: i64 = -32_051;

/// A client's `WebSocket`.
pub(crate) struct Listener(TcpStream);

impl Listener {
    pub(crate) async fn open(url: &str) -> Self {
        let rest = url.strip_prefix("http://").expect("a URL");
        let (host, path) = rest.split_once('/').expect("it has a path");
        let mut stream = TcpStream::connect(host).await.expect("the gateway listens");
        let head = format!(
            "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.expect("a head"));
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        Self(stream)
    }

    /// Sends a message, masked with zeroes, and reads the answer.
    pub(crate) async fn ask(&mut self, body: &Value) -> Value {
        let text = body.to_string();
        let mut frame = vec![0x81, 0xfe];
        frame.extend(u16::try_from(text.len()).expect("a short message").to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.0.write_all(&frame).await.expect("sent");
        let _opcode = self.0.read_u8().await.expect("a frame");
        let length = match self.0.read_u8().await.expect("a length") {
            126 => self.0.read_u16().await.expect("a length"),
            short => u16::from(short),
        };
        let mut answer = vec![0; usize::from(length)];
        self.0.read_exact(&mut answer).await.expect("an answer");
        serde_json::from_slice(&answer).expect("JSON")
    }

    /// Waits until it is cut.
    async fn ends(mut self) {
        let mut rest = Vec::new();
        let read = timeout(Duration::from_secs(20), self.0.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "it is still open");
    }
}

pub(crate) fn call(method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

/// Makes a key; its URL.
async fn key(platform: &Platform, rest: &[&str]) -> Endpoint {
    let made: NewEndpointKey =
        platform.run(&[&["network", "key", "create", "keyed"], rest].concat()).await;
    assert_eq!(made.warnings, Vec::<String>::new());
    Endpoint::new(&made.url.expect("the gateway has an address"))
}

async fn refused(endpoint: &Endpoint) {
    let (status, text) = endpoint.post(call("eth_chainId", &json!([])).to_string()).await;
    assert_eq!(status, 401, "{text}");
    assert!(text.contains("unauthenticated"), "{text}");
}

async fn keyed() -> (Platform, Network) {
    let platform = Platform::start().await;
    let (network, _) = platform.create("keyed", 1).await;
    (platform, network)
}

#[tokio::test]
async fn a_key_for_reading_sends_nothing_and_one_with_a_rate_is_held_to_it() {
    let (platform, network) = keyed().await;
    let reads = key(&platform, &["dashboard"]).await;
    let sends = key(&platform, &["ci", "--scope", "send"]).await;
    let mut account = Account::new(network.spec.chain_id);
    let hash = account.send(&sends, Call::default()).await;
    assert_eq!(reads.receipt(&hash).await["status"], "0x1");
    let params = json!([account.sign(Call::default())]);
    for method in ["eth_sendRawTransaction", "eth_sendRawTransactionSync"] {
        let error = reads.call(method, params.clone()).await.expect_err("it is for reading");
        assert_eq!(error.code, READ_ONLY, "{error:?}");
    }
    let both = json!([call("eth_chainId", &json!([])), call("eth_sendRawTransaction", &params)]);
    let (_, text) = reads.post(both.to_string()).await;
    let mut listener = Listener::open(&reads.url).await;
    for answers in [serde_json::from_str(&text).expect("JSON"), listener.ask(&both).await] {
        assert!(answers[0]["result"].is_string(), "{answers}");
        assert_eq!(answers[1]["error"]["code"], READ_ONLY, "{answers}");
    }

    let limited = key(&platform, &["bot", "--rate", "1", "--burst", "3"]).await;
    let three = json!([1, 2, 3].map(|_| call("eth_chainId", &json!([]))));
    assert_eq!(limited.post(three.to_string()).await.0, 200);
    let client = reqwest::Client::new();
    let response = client.post(&limited.url).body(three.to_string()).send().await;
    let response = response.expect("the gateway answers");
    assert_eq!(response.status(), 429);
    let seconds = response.headers()["retry-after"].to_str().expect("text").parse::<u64>();
    assert!((1..=3).contains(&seconds.expect("a number")));
    let answers: Value =
        serde_json::from_slice(&response.bytes().await.expect("a body")).expect("JSON");
    assert_eq!(answers[2]["error"]["code"], -32005, "{answers}");
    assert_eq!(reads.height().await, 2, "others are not concerned");
    platform.destroy("keyed").await;
    no_leaks(&platform).await;
}

#[tokio::test]
async fn a_key_is_rotated_with_an_overlap_or_at_once() {
    let (platform, network) = keyed().await;
    let first = key(&platform, &["ci"]).await;
    let rotate = async |name: &str, overlap: &str| -> NewEndpointKey {
        platform.run(&["network", "key", "rotate", "keyed", name, "--overlap", overlap]).await
    };
    let rotated = rotate("ci", "3600").await;
    assert!(rotated.key.former_until_ms.is_some());
    let second = Endpoint::new(&rotated.url.expect("a URL"));
    for endpoint in [&first, &second] {
        assert_eq!(endpoint.height().await, 1);
    }
    let listeners = [Listener::open(&first.url).await, Listener::open(&second.url).await];
    let third = Endpoint::new(&rotate("ci", "0").await.url.expect("a URL"));
    for listener in listeners {
        listener.ends().await;
    }
    for endpoint in [&first, &second] {
        refused(endpoint).await;
    }
    assert_eq!(third.height().await, 1);

    // An overlap that is over, with nobody there who would say so.
    let listener = Listener::open(&third.url).await;
    rotate("ci", "1").await;
    listener.ends().await;
    refused(&third).await;

    let before = Platform::endpoint(&network);
    let rotated = rotate("default", "0").await;
    assert_eq!(platform.show("keyed").await.endpoint, rotated.url, "the one that works is shown");
    refused(&before).await;
}

#[tokio::test]
async fn a_revoked_key_is_cut_and_stays_revoked_whoever_is_killed() {
    let (mut platform, network) = keyed().await;
    let endpoint = Platform::endpoint(&network);
    let revoked = key(&platform, &["ci", "--scope", "send"]).await;
    let mut cut = Listener::open(&revoked.url).await;
    let subscribed = cut.ask(&call("eth_subscribe", &json!(["newHeads"]))).await;
    assert!(subscribed["result"].is_string(), "{subscribed}");
    let mut stays = Listener::open(&endpoint.url).await;
    let gone: RevokedKey = platform.run(&["network", "key", "revoke", "keyed", "ci", "-y"]).await;
    assert_eq!((gone.key.name.as_str(), gone.warnings.len()), ("ci", 0));
    cut.ends().await;
    refused(&revoked).await;
    let chain_id = stays.ask(&call("eth_chainId", &json!([]))).await;
    assert!(chain_id["result"].is_string(), "another key's is still open: {chain_id}");

    // Nobody is there who could tell the gateway when it comes back.
    platform.kill();
    let gateway = world::processes(&platform.data_dir);
    let gateway = gateway.iter().find(|process| process.is("gateway")).expect("it runs").pid;
    world::kill(gateway);
    platform.up().await;
    healthy(&platform, "keyed").await;
    let answers = async || endpoint.try_call("eth_chainId", json!([])).await;
    world::eventually("the gateway is back", Duration::from_secs(30), answers)
        .await
        .expect("a call");
    refused(&revoked).await;

    let keys: Vec<EndpointKey> = platform.run(&["network", "key", "ls", "keyed"]).await;
    assert_eq!(keys.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["default"]);
    let (exit, problem) =
        platform.refused(&["network", "key", "revoke", "keyed", "ci", "-y"]).await;
    assert_eq!((exit, problem.code.as_str()), (3, "key_not_found"));
    let (exit, problem) = platform.refused(&["network", "key", "revoke", "keyed", "default"]).await;
    assert_eq!((exit, problem.code.as_str()), (2, "invalid_request"), "it asks first");
    assert!(problem.hint.ends_with("windlass network key revoke keyed default -y"), "{problem:?}");
}

#[tokio::test]
async fn a_network_without_its_first_key_sleeps_and_wakes_for_another() {
    let (platform, network) = keyed().await;
    let other = key(&platform, &["other"]).await;
    let gone: RevokedKey =
        platform.run(&["network", "key", "revoke", "keyed", "default", "-y"]).await;
    assert!(gone.warnings[0].contains("shows no endpoint"), "{gone:?}");
    refused(&Platform::endpoint(&network)).await;
    let shown = platform.show("keyed").await;
    assert_eq!((shown.endpoint, shown.state), (None, NetworkState::Usable));
    let text = platform.cli_text(&["network", "show", "keyed"]).await;
    assert!(text.stdout.contains("windlass network key create keyed default"), "{}", text.stdout);
    does(&platform, "sleep keyed").await;
    assert_eq!(other.height().await, 1, "it wakes and answers");
    healthy(&platform, "keyed").await;
    let again = key(&platform, &["default", "--scope", "send"]).await;
    assert_eq!(platform.show("keyed").await.endpoint, Some(again.url));
}
