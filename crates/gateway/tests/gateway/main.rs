//! The gateway over real sockets: a client on TCP, nodes on Unix sockets, the control plane's pushes.

mod keys;
mod local;
mod rates;
mod sleep;
mod world;

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use hyper::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixListener},
};
use windlass_gateway::routes::{RouteState, RouteTable};

use crate::world::{Gateway, NETWORK, Node, call, table, url, world};

#[tokio::test]
async fn a_request_reaches_a_node_without_what_is_not_its_business() {
    let (_root, gateway, _one, _two) = world().await;
    let headers = [
        ("cookie", "session=secret"),
        ("authorization", "Bearer secret"),
        ("x-trace", "7"),
        ("connection", "keep-alive, x-hop"),
        ("x-hop", "1"),
    ];
    let answer = gateway.ask("POST", &url("/deep/path?x=1"), &headers, "hello").await;
    assert_eq!(answer.status, StatusCode::OK);
    let seen = answer.json();
    assert_eq!(seen["uri"], "/deep/path?x=1");
    assert_eq!(seen["body"], "hello");
    let names: Vec<_> = seen["headers"].as_array().expect("names").iter().collect();
    assert!(names.contains(&&json!("x-trace")), "{names:?}");
    for hidden in ["cookie", "authorization", "x-hop", "connection"] {
        assert!(!names.contains(&&json!(hidden)), "{hidden} was passed on: {names:?}");
    }
    let seen = gateway.call(&url(""), &call()).await.json();
    assert_eq!(seen["uri"], "/");
}

#[tokio::test]
async fn a_client_stays_with_a_node_until_it_fails() {
    let (root, gateway, one, two) = world().await;
    let first = gateway.call(&url(""), &call()).await.json()["node"].clone();
    for _ in 0..10 {
        assert_eq!(gateway.call(&url(""), &call()).await.json()["node"], first);
    }
    let (failing, other) = if first == "one" { (one, "two") } else { (two, "one") };
    let name = if first == "one" { "one" } else { "two" };
    let socket = failing.socket.clone();
    drop(failing);
    for _ in 0..10 {
        let answer = gateway.call(&url(""), &call()).await;
        assert_eq!((answer.status, &answer.json()["node"]), (StatusCode::OK, &json!(other)));
    }
    // Back again, it is not asked at once: it has to catch up first.
    std::fs::remove_file(&socket).expect("a stale socket");
    let _back = Node::start(root.path(), name);
    assert_eq!(gateway.call(&url(""), &call()).await.json()["node"], other);
}

#[tokio::test]
async fn what_a_node_that_has_left_is_asked_another_answers() {
    let (root, gateway, one, _two) = world().await;
    // So many that it is not by chance that none of them is asked first.
    let left: Vec<Node> = (0..16)
        .map(|number| {
            let folder = root.path().join(number.to_string());
            std::fs::create_dir(&folder).expect("a folder");
            Node::start(&folder, "left")
        })
        .collect();
    let mut sockets: Vec<&Path> = left.iter().map(|node| &*node.socket).collect();
    sockets.push(&one.socket);
    gateway.push(&table(2, &sockets)).await;
    let answer = gateway.call(&url(""), &call()).await;
    assert_eq!((answer.status, &answer.json()["node"]), (StatusCode::OK, &json!("one")));
    // Where there is no other, its own words are better than none.
    gateway.push(&table(3, &[&left[0].socket])).await;
    let answer = gateway.call(&url(""), &call()).await;
    assert_eq!((answer.status, &answer.json()["node"]), (StatusCode::OK, &json!("left")));
}

/// Another path to a node: which of two a client asks first goes by their paths, and where both are new it
/// is as likely the one as the other, whatever it was before.
fn another_path(node: &Node, number: u64) -> PathBuf {
    let path = node.socket.with_extension(format!("{number}.sock"));
    std::os::unix::fs::symlink(&node.socket, &path).expect("a link");
    path
}

#[tokio::test]
async fn a_node_that_hangs_holds_nobody_up_for_long() {
    let (root, gateway, one, _two) = world().await;
    let (path, body) = (url(""), call());
    // Until the one that hangs is asked first.
    for number in 0..64 {
        let socket = root.path().join(format!("hung-{number}.sock"));
        // The kernel makes its connections, and nobody reads what comes.
        let hung = UnixListener::bind(&socket).expect("a socket");
        gateway.push(&table(2 + number, &[&socket, &another_path(&one, number)])).await;
        let asked = gateway.call(&path, &body);
        let answer = tokio::time::timeout(std::time::Duration::from_secs(20), asked).await;
        let answer = answer.expect("another node answers");
        assert_eq!((answer.status, &answer.json()["node"]), (StatusCode::OK, &json!("one")));
        let accepting = tokio::time::timeout(std::time::Duration::from_millis(1), hung.accept());
        if accepting.await.is_ok() {
            return;
        }
    }
    panic!("none of them was asked first");
}

#[tokio::test]
async fn what_a_node_took_that_ended_is_sent_to_another_and_says_so() {
    let (root, gateway, one, _two) = world().await;
    // Until one that ends is asked first.
    let mut tasks = tokio::task::JoinSet::new();
    let (ends, mut ended) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..64 {
        let socket = root.path().join(format!("ends-{number}.sock"));
        let listener = UnixListener::bind(&socket).expect("a socket");
        let ends = ends.clone();
        tasks.spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let read = stream.read(&mut [0; 4096]).await.expect("a request");
            ends.send(read).expect("it is counted");
        });
        gateway.push(&table(2 + number, &[&socket, &another_path(&one, number)])).await;
        let answer = gateway.call(&url(""), &call()).await.json();
        assert_eq!(answer["node"], "one");
        let headers = answer["headers"].as_array().expect("its headers");
        let repeated = headers.contains(&json!("windlass-repeated"));
        assert_eq!(repeated, ended.try_recv().is_ok());
        if repeated {
            return;
        }
    }
    panic!("none of them was asked first");
}

#[tokio::test]
async fn a_request_that_ends_nodes_does_not_end_all() {
    let (root, gateway, _one, _two) = world().await;
    let mut tasks = tokio::task::JoinSet::new();
    let (ends, mut ended) = tokio::sync::mpsc::unbounded_channel();
    let sockets: Vec<_> = (0..8).map(|n| root.path().join(format!("ends-{n}.sock"))).collect();
    for socket in &sockets {
        let listener = UnixListener::bind(socket).expect("a socket");
        let ends = ends.clone();
        tasks.spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let read = stream.read(&mut [0; 4096]).await.expect("a request");
            ends.send(read).expect("it is counted");
        });
    }
    let sockets: Vec<&Path> = sockets.iter().map(|path| &**path).collect();
    gateway.push(&table(2, &sockets)).await;
    let answer = gateway.call(&url(""), &call()).await;
    let text = answer.json()["error"]["message"].to_string();
    assert!(text.contains("the node gave no answer"), "{text}");
    let mut count = 0;
    while ended.try_recv().is_ok() {
        count += 1;
    }
    assert_eq!(count, 3);
}

#[tokio::test]
async fn refusals_are_errors_that_clients_decode() {
    let (_root, gateway, one, two) = world().await;
    let unknown = "/n/net-zzzzzzzzzzzzzzzz/whatever".to_owned();
    let wrong = format!("/n/{NETWORK}/wrong");
    let check = async |path: &str, status: StatusCode, code: &str| {
        let answer = gateway.ask("GET", path, &[], "").await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(answer.json()["code"], code, "{path}");
        let answer = gateway.call(path, &call()).await;
        assert_eq!(answer.status, status, "{path}");
        let error = answer.json();
        assert_eq!((&error["jsonrpc"], &error["id"]), (&json!("2.0"), &json!(7)), "{error}");
        assert_eq!(error["error"]["data"]["code"], code, "{error}");
        let batch = gateway.call(path, &json!([call(), call()])).await.json();
        assert_eq!(batch.as_array().map(Vec::len), Some(2), "{batch}");
        answer
    };
    check(&unknown, StatusCode::NOT_FOUND, "network_not_found").await;
    check("/n/nonsense", StatusCode::NOT_FOUND, "network_not_found").await;
    check("/", StatusCode::NOT_FOUND, "network_not_found").await;
    check(&wrong, StatusCode::UNAUTHORIZED, "unauthenticated").await;
    check(&format!("/n/{NETWORK}"), StatusCode::UNAUTHORIZED, "unauthenticated").await;
    drop((one, two));
    let answer = check(&url(""), StatusCode::SERVICE_UNAVAILABLE, "network_unavailable").await;
    assert!(answer.header("retry-after").is_some());
    let mut stopped = table(2, &[]);
    stopped.routes[0].state = RouteState::Stopped;
    assert_eq!(gateway.push(&stopped).await, StatusCode::OK);
    let answer = check(&url(""), StatusCode::SERVICE_UNAVAILABLE, "network_stopped").await;
    assert!(answer.header("retry-after").is_some());
}

#[tokio::test]
async fn a_body_is_bounded() {
    let (_root, gateway, _one, _two) = world().await;
    let most = "x".repeat(5 * 1024 * 1024);
    assert_eq!(gateway.ask("POST", &url(""), &[], &most).await.status, StatusCode::OK);
    let answer = gateway.ask("POST", &url(""), &[], &format!("{most}y")).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(answer.json()["code"], "payload_too_large");
}

#[tokio::test]
async fn browsers_are_let_in_by_origin() {
    let (_root, gateway, _one, _two) = world().await;
    let ours = ("origin", "https://app.example");
    let asks = ("access-control-request-method", "POST");
    let wants = ("access-control-request-headers", "content-type, x-mine");
    let preflight = gateway.ask("OPTIONS", &url(""), &[ours, asks, wants], "").await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(preflight.header("access-control-allow-headers"), Some("content-type, x-mine"));
    let answer = gateway.ask("POST", &url(""), &[ours], "{}").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));

    // A wallet in the browser is no page.
    for wallet in ["chrome-extension://nkbihfbeogaeaoehlefnkodbefgpgknn", "moz-extension://5d1e"] {
        let answer = gateway.ask("POST", &url(""), &[("origin", wallet)], "{}").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("access-control-allow-origin"), Some(wallet));
    }

    let theirs = ("origin", "https://evil.example");
    for (method, extra) in [("OPTIONS", Some(asks)), ("POST", None), ("GET", None)] {
        let headers: Vec<_> = [theirs].into_iter().chain(extra).collect();
        let answer = gateway.ask(method, &url(""), &headers, "").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method}");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{method}");
    }
    let upgrade = [theirs, ("connection", "upgrade"), ("upgrade", "websocket")];
    let answer = gateway.ask("GET", &url(""), &upgrade, "").await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "WebSockets have no preflight");
}

#[tokio::test]
async fn only_names_of_this_machine_are_served() {
    let (_root, gateway, _one, _two) = world().await;
    for host in ["localhost", "127.0.0.1:99", "[::1]:99", "LOCALHOST:1", "mine.localhost"] {
        let answer = gateway.ask("POST", &url(""), &[("host", host)], "{}").await;
        assert_eq!(answer.status, StatusCode::OK, "{host}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""] {
        let answer = gateway.ask("POST", &url(""), &[("host", host)], "{}").await;
        assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST, "{host}");
    }
}

#[tokio::test]
async fn a_websocket_is_passed_through() {
    let (_root, gateway, _one, _two) = world().await;
    let mut stream = TcpStream::connect(gateway.address).await.expect("it listens");
    let head = format!(
        "GET {} HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n",
        url("")
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.expect("a head"));
    }
    assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&answer));
    for message in [b"first", b"again"] {
        stream.write_all(message).await.expect("sent");
        let mut echo = [0u8; 5];
        stream.read_exact(&mut echo).await.expect("an echo");
        assert_eq!(&echo, message);
    }
    let (_, stats) = gateway.admin("GET", "/stats", &Value::Null).await;
    assert_eq!(stats["networks"][NETWORK]["websockets"], 1);
    gateway.stop().await;
    assert_eq!(stream.read(&mut [0]).await.expect("an end"), 0, "the end of the gateway ends it");
}

#[tokio::test]
async fn routes_are_stored_before_they_are_answered_and_never_go_back() {
    let (root, gateway, one, _two) = world().await;
    let newer = table(5, &[&one.socket]);
    assert_eq!(gateway.push(&newer).await, StatusCode::OK);
    assert_eq!(gateway.push(&newer).await, StatusCode::OK, "a push may be repeated");
    let stored = std::fs::read(root.path().join("routes.json")).expect("it is stored");
    assert_eq!(serde_json::from_slice::<RouteTable>(&stored).expect("a table"), newer);
    assert_eq!(gateway.push(&table(4, &[])).await, StatusCode::CONFLICT, "older");
    assert_eq!(gateway.push(&table(5, &[])).await, StatusCode::CONFLICT, "as old, but different");
    let mut broken = table(6, &[]);
    "nonsense".clone_into(&mut broken.routes[0].keys[0].secrets[0].hash);
    assert_eq!(gateway.push(&broken).await, StatusCode::BAD_REQUEST);
    let twice = RouteTable {
        routes: [newer.routes.clone(), newer.routes.clone()].concat(),
        ..table(6, &[])
    };
    assert_eq!(gateway.push(&twice).await, StatusCode::BAD_REQUEST);
    assert_eq!(
        gateway.admin("PUT", "/routes", &json!({ "generation": 9 })).await.0,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(gateway.call(&url(""), &call()).await.status, StatusCode::OK);
    gateway.stop().await;

    let again = Gateway::start(root.path()).await;
    let (_, served) = again.admin("GET", "/routes", &Value::Null).await;
    assert_eq!(served, serde_json::to_value(&newer).expect("data"), "nobody had to push");
    assert_eq!(again.call(&url(""), &call()).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_admin_socket_is_for_this_user_and_the_port_does_not_serve_it() {
    let (root, gateway, _one, _two) = world().await;
    let socket = std::fs::metadata(root.path().join("admin.sock")).expect("it is there");
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
    assert_eq!(gateway.ask("GET", "/routes", &[], "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(gateway.ask("GET", "/stats", &[], "").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        gateway.admin("DELETE", "/routes", &Value::Null).await.0,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(gateway.admin("GET", "/other", &Value::Null).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn requests_are_counted_by_network_and_outcome() {
    let (_root, gateway, one, two) = world().await;
    gateway.call(&url(""), &call()).await;
    gateway.call(&url(""), &call()).await;
    gateway.call(&format!("/n/{NETWORK}/wrong"), &call()).await;
    drop((one, two));
    gateway.call(&url(""), &call()).await;
    let (_, stats) = gateway.admin("GET", "/stats", &Value::Null).await;
    let expected = json!({
        "requests": 2, "refused": 1, "limited": 0, "failed": 1, "websockets": 0,
    });
    assert_eq!(stats, json!({ "generation": 1, "networks": { NETWORK: expected } }));
}
