//! What the tests stand on: a gateway, nodes behind it, and a client of both.

use std::{
    convert::Infallible,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, Response, StatusCode, body::Incoming, client::conn::http1 as client,
    server::conn::http1 as server, service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, UnixListener, UnixStream},
    sync::oneshot,
};
use tokio_util::task::AbortOnDropHandle;
use windlass_gateway::{
    Config,
    routes::{KeyScope, Route, RouteKey, RouteSecret, RouteState, RouteTable, hash_key},
    run,
};

pub(crate) const NETWORK: &str = "net-0123456789abcdef";
pub(crate) const ORGANIZATION: &str = "org-0123456789abcdef";
pub(crate) const KEY: &str = "k-very-secret";

pub(crate) struct Gateway {
    pub(crate) directory: PathBuf,
    pub(crate) address: SocketAddr,
    end: Option<oneshot::Sender<()>>,
    running: AbortOnDropHandle<()>,
}

impl Gateway {
    pub(crate) async fn start(directory: &Path) -> Self {
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            directory: directory.to_owned(),
            allowed_hosts: Vec::new(),
        };
        let (listening, address) = oneshot::channel();
        let (end, ended) = oneshot::channel::<()>();
        let ready = move |at: &windlass_gateway::Listening| {
            listening.send(at.address).expect("the test waits");
        };
        let serve = async move {
            run(config, ready, async { drop(ended.await) }).await.expect("the gateway runs");
        };
        let running = AbortOnDropHandle::new(spawn(serve));
        let address = address.await.expect("it listens");
        Self { directory: directory.to_owned(), address, end: Some(end), running }
    }

    pub(crate) async fn stop(mut self) {
        self.end.take().expect("it ends once").send(()).expect("it runs");
        self.running.await.expect("it ends in order");
    }

    pub(crate) async fn admin(
        &self,
        method: &str,
        path: &str,
        body: &Value,
    ) -> (StatusCode, Value) {
        let stream = UnixStream::connect(self.directory.join("admin.sock")).await.expect("admin");
        let answer = ask_over(stream, method, path, &[("host", "admin")], body.to_string()).await;
        (answer.status, answer.json())
    }

    pub(crate) async fn push(&self, table: &RouteTable) -> StatusCode {
        self.admin("PUT", "/routes", &serde_json::to_value(table).expect("data")).await.0
    }

    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let stream = TcpStream::connect(self.address).await.expect("it listens");
        let mut all = vec![("host", "localhost")];
        all.retain(|(name, _)| !headers.iter().any(|(other, _)| other == name));
        all.extend_from_slice(headers);
        ask_over(stream, method, path, &all, body.to_owned()).await
    }

    pub(crate) async fn call(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, &[("content-type", "application/json")], &body.to_string()).await
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON answer")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}

#[expect(clippy::disallowed_methods, reason = "a test's tasks end with its runtime")]
pub(crate) fn spawn<F>(task: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(task)
}

pub(crate) async fn ask_over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: String,
) -> Answer {
    let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await.expect("HTTP");
    let _connection = AbortOnDropHandle::new(spawn(connection));
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body))).expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a whole answer").to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

/// A node that answers with its name and what it was asked, and echoes over a WebSocket.
pub(crate) struct Node {
    pub(crate) socket: PathBuf,
    _serving: AbortOnDropHandle<()>,
}

impl Node {
    pub(crate) fn start(directory: &Path, name: &'static str) -> Self {
        let socket = directory.join(format!("{name}.sock"));
        drop(std::fs::remove_file(&socket));
        let listener = UnixListener::bind(&socket).expect("a socket");
        let serving = async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let service = service_fn(move |request| answer_as(name, request));
                let connection = server::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades();
                connections.spawn(async move { drop(connection.await) });
            }
        };
        Self { socket, _serving: AbortOnDropHandle::new(spawn(serving)) }
    }
}

async fn answer_as(
    name: &'static str,
    mut request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.headers().contains_key("upgrade") {
        let upgrade = hyper::upgrade::on(&mut request);
        spawn(async move {
            let mut stream = TokioIo::new(upgrade.await.expect("an upgrade"));
            let mut buffer = [0u8; 64];
            while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                stream.write_all(&buffer[..read]).await.expect("an echo");
            }
        });
        let mut response = Response::new(Full::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert("connection", "upgrade".parse().expect("a value"));
        headers.insert("upgrade", "websocket".parse().expect("a value"));
        return Ok(response);
    }
    let (parts, body) = request.into_parts();
    let names: Vec<_> = parts.headers.keys().map(|name| name.as_str().to_owned()).collect();
    let body = body.collect().await.expect("a whole request").to_bytes();
    let seen = json!({
        "node": name, "uri": parts.uri.to_string(), "headers": names,
        "body": String::from_utf8_lossy(&body),
    });
    let mut response = Response::new(Full::new(Bytes::from(seen.to_string())));
    if name == "left" {
        *response.status_mut() = StatusCode::MISDIRECTED_REQUEST;
    }
    Ok(response)
}

/// A key that allows everything.
pub(crate) fn key(name: &str, secret: &str) -> RouteKey {
    RouteKey {
        name: name.parse().expect("a name"),
        scope: KeyScope::Send,
        limit: None,
        secrets: vec![RouteSecret { hash: hash_key(secret), until_ms: None }],
    }
}

pub(crate) fn table(generation: u64, upstreams: &[&Path]) -> RouteTable {
    let route = Route {
        network_id: NETWORK.parse().expect("an id"),
        organization_id: Some(ORGANIZATION.parse().expect("an id")),
        keys: vec![key("another", "another"), key("default", KEY)],
        upstreams: upstreams.iter().map(|path| (*path).to_owned()).collect(),
        cors_origins: vec!["https://app.example".to_owned()],
        state: RouteState::Up,
        idle_after_ms: 0,
        local_port: None,
    };
    RouteTable { generation, routes: vec![route], ..RouteTable::default() }
}

pub(crate) fn url(rest: &str) -> String {
    format!("/n/{NETWORK}/{KEY}{rest}")
}

/// A gateway in front of two nodes.
pub(crate) async fn world() -> (TempDir, Gateway, Node, Node) {
    let root = tempfile::tempdir().expect("a temporary directory");
    let (one, two) = (Node::start(root.path(), "one"), Node::start(root.path(), "two"));
    let gateway = Gateway::start(root.path()).await;
    let pushed = gateway.push(&table(1, &[&one.socket, &two.socket])).await;
    assert_eq!(pushed, StatusCode::OK);
    (root, gateway, one, two)
}

pub(crate) fn call() -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": "eth_chainId", "params": [] })
}
