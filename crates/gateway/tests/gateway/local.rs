//! A port of this machine at which one network is reached without a key.

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use windlass_gateway::routes::RouteTable;

use crate::{
    sleep::{demand, until},
    world::{Answer, Gateway, NETWORK, Node, ask_over, call, table, url, world},
};

/// A table in which the network is at a local port, or at none.
fn at(generation: u64, node: &Node, local_port: Option<u16>) -> RouteTable {
    let mut table = table(generation, &[&node.socket]);
    table.routes[0].local_port = local_port;
    table
}

async fn ask(port: u16, path: &str, headers: &[(&str, &str)]) -> Answer {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
    ask_over(stream, "POST", path, headers, call().to_string()).await
}

/// The ports that the gateway says it listens on.
fn ports(demand: &Value) -> Vec<u64> {
    let local = demand["local"].as_array().into_iter().flatten();
    local.map(|one| one["port"].as_u64().expect("a port")).collect()
}

async fn served(gateway: &Gateway, port: u16) {
    until(gateway, |demand| ports(demand) == [u64::from(port)]).await;
}

#[tokio::test]
async fn a_network_is_at_its_local_port_while_nothing_else_is() {
    let (_root, gateway, one, _two) = world().await;
    let other = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = other.local_addr().expect("its address").port();
    let before = demand(&gateway, None).await;
    assert_eq!(gateway.push(&at(2, &one, Some(port))).await, StatusCode::OK);
    assert_eq!(ports(&demand(&gateway, None).await), [0; 0], "another program has it");
    assert_eq!(gateway.call(&url(""), &call()).await.status, StatusCode::OK);
    drop(other);
    let told = demand(&gateway, Some(&before)).await;
    assert_eq!(told["local"], json!([{"port": port, "network_id": NETWORK}]));

    let host = ("host", "localhost");
    let answer = ask(port, "/health?x=1", &[host]).await;
    assert_eq!((answer.status, &answer.json()["uri"]), (StatusCode::OK, &json!("/health?x=1")));
    assert_eq!(answer.json()["body"], json!(call().to_string()));
    let another_name = ask(port, "/", &[("host", "rebound.example")]).await;
    assert_eq!(another_name.status, StatusCode::MISDIRECTED_REQUEST);
    let another_page = ask(port, "/", &[host, ("origin", "https://other.example")]).await;
    assert_eq!(another_page.status, StatusCode::FORBIDDEN);
    let page = ask(port, "/", &[host, ("origin", "https://app.example")]).await;
    assert_eq!(page.header("access-control-allow-origin"), Some("https://app.example"));

    assert_eq!(gateway.push(&at(3, &one, None)).await, StatusCode::OK);
    until(&gateway, |demand| ports(demand).is_empty()).await;
    TcpListener::bind(("127.0.0.1", port)).await.expect("others may have it");
    gateway.stop().await;
}

#[tokio::test]
async fn of_two_networks_at_one_port_the_first_keeps_it_until_it_goes() {
    let (_root, gateway, one, two) = world().await;
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = free.local_addr().expect("its address").port();
    drop(free);
    let first = at(2, &one, Some(port));
    assert_eq!(gateway.push(&first).await, StatusCode::OK);
    served(&gateway, port).await;
    // One that stands before it in the table.
    let mut other = at(3, &two, Some(port)).routes.remove(0);
    other.network_id = "net-0000000000000000".parse().expect("an id");
    let both = RouteTable {
        generation: 3,
        routes: vec![other.clone(), first.routes[0].clone()],
        ..RouteTable::default()
    };
    assert_eq!(gateway.push(&both).await, StatusCode::OK);
    let host = [("host", "127.0.0.1")];
    assert_eq!(ask(port, "/", &host).await.json()["node"], "one");
    let second = RouteTable { generation: 4, routes: vec![other], ..RouteTable::default() };
    assert_eq!(gateway.push(&second).await, StatusCode::OK);
    until(&gateway, |demand| demand["local"][0]["network_id"] == "net-0000000000000000").await;
    assert_eq!(ask(port, "/", &host).await.json()["node"], "two");
}
