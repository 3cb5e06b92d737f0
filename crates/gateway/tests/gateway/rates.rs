//! The rate of an organization, which its networks share, and what is answered beyond a rate over a
//! `WebSocket`. Rates are low and bursts large, so that what passes is a matter of counts.

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use windlass_gateway::routes::{RateLimit, RouteState, RouteTable};

use crate::{
    keys::websocket,
    world::{Gateway, KEY, NETWORK, Node, ORGANIZATION, call, key, table, url, world},
};

const SECOND: &str = "net-0000000000000002";
const FOREIGN: &str = "net-0000000000000003";
const OTHERS: &str = "org-0000000000000003";

fn limit(burst: u32) -> RateLimit {
    RateLimit { per_second: 1, burst }
}

/// Two networks of one organization, and one of another; the first organization has a limit.
fn three(generation: u64, node: &Node, burst: Option<u32>) -> RouteTable {
    let mut table = table(generation, &[&node.socket]);
    for (network, organization) in [(SECOND, ORGANIZATION), (FOREIGN, OTHERS)] {
        let mut route = table.routes[0].clone();
        route.network_id = network.parse().expect("an id");
        route.organization_id = Some(organization.parse().expect("an id"));
        table.routes.push(route);
    }
    let owner = ORGANIZATION.parse().expect("an id");
    table.limits.extend(burst.map(|burst| (owner, limit(burst))));
    table
}

fn path(network: &str) -> String {
    format!("/n/{network}/{KEY}")
}

/// So many calls in one body, with ids from 1 on.
fn batch(calls: u32) -> Value {
    (1..=calls).map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "eth_chainId"})).collect()
}

async fn asked(gateway: &Gateway, path: &str, calls: u32) -> StatusCode {
    gateway.call(path, &batch(calls)).await.status
}

#[tokio::test]
async fn networks_of_an_organization_share_its_rate() {
    let (_root, gateway, one, _two) = world().await;
    assert_eq!(gateway.push(&three(2, &one, Some(100))).await, StatusCode::OK);
    assert_eq!(asked(&gateway, &path(NETWORK), 60).await, StatusCode::OK);
    let refused = gateway.call(&path(SECOND), &batch(60)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = refused.header("retry-after").expect("when").parse().expect("a number");
    assert!((1..=21).contains(&seconds), "{seconds}");
    let answers = refused.json();
    assert_eq!(answers.as_array().map(Vec::len), Some(60), "each call is answered");
    assert_eq!((&answers[59]["id"], &answers[59]["error"]["code"]), (&json!(60), &json!(-32005)));
    let message = answers[59]["error"]["message"].as_str().expect("a text");
    assert!(message.contains("all networks of the organization together take 1"), "{message}");
    assert!(message.contains("windlass quota set --requests"), "{message}");
    assert_eq!(asked(&gateway, &path(SECOND), 30).await, StatusCode::OK, "they are left");
    assert_eq!(asked(&gateway, &path(FOREIGN), 200).await, StatusCode::OK, "another's");
    let large = gateway.call(&path(NETWORK), &batch(101)).await;
    assert_eq!((large.status.as_u16(), large.header("retry-after")), (429, None));

    // The same limit gives nothing back, and another one begins full.
    assert_eq!(gateway.push(&three(3, &one, Some(100))).await, StatusCode::OK);
    assert_eq!(asked(&gateway, &path(NETWORK), 60).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(gateway.push(&three(4, &one, Some(150))).await, StatusCode::OK);
    assert_eq!(asked(&gateway, &path(SECOND), 150).await, StatusCode::OK);
    assert_eq!(asked(&gateway, &path(NETWORK), 60).await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(gateway.push(&three(5, &one, None)).await, StatusCode::OK);
    assert_eq!(asked(&gateway, &path(NETWORK), 1_000).await, StatusCode::OK, "it is lifted");
    let (_, stats) = gateway.admin("GET", "/stats", &Value::Null).await;
    assert_eq!(stats["networks"][NETWORK]["limited"], 3);
    assert_eq!(stats["networks"][SECOND]["limited"], 1);
    let zero = gateway.push(&three(6, &one, Some(0))).await;
    assert_eq!(zero, StatusCode::BAD_REQUEST, "nothing at all is no rate");
}

#[tokio::test]
async fn what_a_key_refuses_does_not_count_for_the_organization_nor_the_other_way() {
    let (_root, gateway, one, _two) = world().await;
    let mut table = three(2, &one, Some(100));
    let mut bot = key("bot", "bot-secret");
    bot.limit = Some(limit(50));
    table.routes[0].keys.push(bot);
    assert_eq!(gateway.push(&table).await, StatusCode::OK);
    let bot = format!("/n/{NETWORK}/bot-secret");
    for _ in 0..5 {
        assert_eq!(asked(&gateway, &bot, 60).await, StatusCode::TOO_MANY_REQUESTS);
    }
    assert_eq!(asked(&gateway, &url(""), 70).await, StatusCode::OK, "nothing was taken");
    let refused = gateway.call(&bot, &batch(48)).await;
    let message = refused.json()[0]["error"]["message"].as_str().expect("a text").to_owned();
    assert!(message.contains("the organization"), "{message}");
    assert_eq!(asked(&gateway, &bot, 20).await, StatusCode::OK, "the key has all of its own");
}

#[tokio::test]
async fn what_is_beyond_the_rate_does_not_wake_a_network() {
    let (_root, gateway, one, _two) = world().await;
    let mut table = three(2, &one, Some(100));
    table.routes[1].state = RouteState::Asleep;
    assert_eq!(gateway.push(&table).await, StatusCode::OK);
    assert_eq!(asked(&gateway, &path(NETWORK), 100).await, StatusCode::OK);
    let (_, before) = gateway.admin("GET", "/demand", &Value::Null).await;
    assert_eq!(asked(&gateway, &path(SECOND), 60).await, StatusCode::TOO_MANY_REQUESTS);
    let (_, after) = gateway.admin("GET", "/demand", &Value::Null).await;
    assert_eq!(after["wanted"], json!([]));
    assert_eq!(after["revision"], before["revision"], "nobody was told of anything");
}

/// A frame as a client sends it, masked with zeroes.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let length = u64::try_from(payload.len()).expect("it fits");
    let mut frame = vec![first, 0xff];
    frame.extend(length.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

async fn send(stream: &mut TcpStream, message: &Value) {
    stream.write_all(&frame(0x81, message.to_string().as_bytes())).await.expect("sent");
}

/// The next frame: its first byte and its payload.
async fn receive(stream: &mut TcpStream) -> (u8, Vec<u8>) {
    let first = stream.read_u8().await.expect("a frame");
    let second = stream.read_u8().await.expect("a length");
    let length = match second & 0x7f {
        126 => u64::from(stream.read_u16().await.expect("a length")),
        127 => stream.read_u64().await.expect("a length"),
        short => u64::from(short),
    };
    if second & 0x80 != 0 {
        assert_eq!(stream.read_u32().await.expect("a mask"), 0);
    }
    let mut payload = vec![0; usize::try_from(length).expect("it fits")];
    stream.read_exact(&mut payload).await.expect("a payload");
    (first, payload)
}

async fn message(stream: &mut TcpStream) -> Value {
    serde_json::from_slice(&receive(stream).await.1).expect("JSON")
}

#[tokio::test]
async fn a_message_beyond_a_rate_is_answered_and_the_socket_stays_open() {
    let (_root, gateway, one, _two) = world().await;
    assert_eq!(gateway.push(&three(2, &one, None)).await, StatusCode::OK);
    let mut stream = websocket(&gateway, KEY).await;
    let echoed = async |stream: &mut TcpStream, calls: u32| {
        send(stream, &batch(calls)).await;
        assert_eq!(message(stream).await, batch(calls), "the node has it");
    };
    echoed(&mut stream, 900).await;
    // The limit comes while it is open, and holds for all that the organization asks.
    assert_eq!(gateway.push(&three(3, &one, Some(100))).await, StatusCode::OK);
    assert_eq!(asked(&gateway, &path(SECOND), 30).await, StatusCode::OK);
    echoed(&mut stream, 60).await;
    send(&mut stream, &batch(60)).await;
    let answers = message(&mut stream).await;
    let ids = answers.as_array().expect("a batch").iter().map(|one| one["id"].as_u64());
    assert!(ids.eq((1..=60).map(Some)), "{answers}");
    let error = &answers[59]["error"];
    assert_eq!((&error["code"], &error["data"]["code"]), (&json!(-32005), &json!("rate_limited")));
    let text = error["message"].as_str().expect("a text");
    assert!(text.contains("the organization together take 1 calls a second"), "{text}");
    assert!(text.contains("try again in"), "{text}");
    send(&mut stream, &batch(101)).await;
    let text = message(&mut stream).await[0]["error"]["message"].to_string();
    assert!(text.contains("has 101 calls"), "{text}");
    // What has no id is answered without one.
    let without: Value = (0..60).map(|_| json!({"jsonrpc": "2.0", "method": "a"})).collect();
    send(&mut stream, &without).await;
    let answer = message(&mut stream).await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&Value::Null, &json!(-32005)));

    // Pings pass between the frames of a message that is held, and what is left of the rate is there.
    let text = batch(5).to_string();
    let (head, tail) = text.as_bytes().split_at(20);
    stream.write_all(&frame(0x01, head)).await.expect("sent");
    stream.write_all(&frame(0x89, b"ping")).await.expect("sent");
    assert_eq!(receive(&mut stream).await, (0x89, b"ping".to_vec()));
    stream.write_all(&frame(0x80, tail)).await.expect("sent");
    assert_eq!(receive(&mut stream).await, (0x01, head.to_vec()));
    assert_eq!(receive(&mut stream).await, (0x80, tail.to_vec()));
    let (_, stats) = gateway.admin("GET", "/stats", &Value::Null).await;
    assert_eq!(stats["networks"][NETWORK]["limited"], 3);

    assert_eq!(gateway.push(&three(4, &one, None)).await, StatusCode::OK);
    echoed(&mut stream, 900).await;
}

#[tokio::test]
async fn a_socket_of_a_limited_key_is_answered_too() {
    let (_root, gateway, one, _two) = world().await;
    let mut table = table(2, &[&one.socket]);
    table.routes[0].keys[1].limit = Some(limit(100));
    assert_eq!(gateway.push(&table).await, StatusCode::OK);
    let mut stream = websocket(&gateway, KEY).await;
    send(&mut stream, &batch(60)).await;
    assert_eq!(message(&mut stream).await, batch(60));
    send(&mut stream, &batch(60)).await;
    let answers = message(&mut stream).await;
    assert_eq!(answers.as_array().map(Vec::len), Some(60));
    let text = answers[0]["error"]["message"].as_str().expect("a text").to_owned();
    assert!(text.contains("limit exceeded: the key `default` takes 1 calls a second"), "{text}");
    send(&mut stream, &call()).await;
    assert_eq!(message(&mut stream).await, call(), "it took nothing of the rate");

    // What is larger than any request may be is not kept.
    stream.write_all(&frame(0x81, &b" ".repeat(6 << 20))).await.expect("sent");
    let refused = message(&mut stream).await;
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&Value::Null, &json!(-32000)));
    assert_eq!(refused["error"]["data"]["code"], "payload_too_large");
    send(&mut stream, &call()).await;
    assert_eq!(message(&mut stream).await, call(), "the next message is one");
}
