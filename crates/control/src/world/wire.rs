//! The wire to nodes and the gateway: one HTTP exchange over a Unix socket or loopback TCP.
//!
//! Every exchange has a deadline. A connection is made for each: they are local and cheap, and a
//! kept one would have to be watched for the death of the other side.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{Request, StatusCode, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

use crate::world::Pending;

/// The largest answer that is read.
const MAX_REPLY_BYTES: usize = 16 << 20;

/// Whom a message is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// A Unix socket.
    Socket(PathBuf),
    /// A loopback address.
    Address(SocketAddr),
}

/// An HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whom it is for.
    pub target: Target,
    /// `POST`, `PUT`, …
    pub method: &'static str,
    /// The path.
    pub path: String,
    /// The JSON body.
    pub body: Vec<u8>,
    /// How long the whole exchange may take.
    pub timeout: Duration,
}

/// An HTTP response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Nobody listens.
    #[error("could not connect")]
    Connect(#[source] std::io::Error),
    /// The other side broke off, or doesn't speak HTTP.
    #[error("the exchange broke off")]
    Broken(#[source] hyper::Error),
    /// The answer is too large.
    #[error("the answer could not be read: {0}")]
    Body(String),
    /// It took too long.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
    /// The path isn't one.
    #[error("the request could not be made")]
    Request(#[source] hyper::http::Error),
}

/// Sends a message and waits for the response.
pub trait Wire: fmt::Debug + Send + Sync {
    /// One exchange.
    fn exchange(&self, message: Message) -> Pending<'_, Result<Reply, WireError>>;
}

/// HTTP/1.1.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpWire;

impl Wire for HttpWire {
    fn exchange(&self, message: Message) -> Pending<'_, Result<Reply, WireError>> {
        Box::pin(async move {
            let timeout = message.timeout;
            let exchange = async {
                match &message.target {
                    Target::Socket(path) => {
                        let stream = UnixStream::connect(path).await.map_err(WireError::Connect)?;
                        speak(stream, "localhost", &message).await
                    }
                    Target::Address(address) => {
                        let stream =
                            TcpStream::connect(address).await.map_err(WireError::Connect)?;
                        stream.set_nodelay(true).map_err(WireError::Connect)?;
                        speak(stream, &address.to_string(), &message).await
                    }
                }
            };
            tokio::time::timeout(timeout, exchange)
                .await
                .map_err(|_elapsed| WireError::Timeout(timeout))?
        })
    }
}

async fn speak<S>(stream: S, host: &str, message: &Message) -> Result<Reply, WireError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(WireError::Broken)?;
    let request = Request::builder()
        .method(message.method)
        .uri(&message.path)
        .header("host", host)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(message.body.clone())))
        .map_err(WireError::Request)?;
    let exchange = async {
        let response = sender.send_request(request).await.map_err(WireError::Broken)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MAX_REPLY_BYTES)
            .collect()
            .await
            .map_err(|error| WireError::Body(error.to_string()))?;
        Ok(Reply { status, body: body.to_bytes().to_vec() })
    };
    // The connection makes no progress but when it is polled; it ends with the exchange. Both
    // branches may be dropped at any await: the socket is closed with them.
    tokio::pin!(connection);
    tokio::pin!(exchange);
    tokio::select! {
        reply = &mut exchange => reply,
        ended = &mut connection => match ended {
            Ok(()) => exchange.await,
            Err(error) => Err(WireError::Broken(error)),
        },
    }
}

/// Why a JSON-RPC call has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RpcError {
    /// No response.
    #[error("{method} was not answered")]
    Wire {
        method: String,
        #[source]
        source: WireError,
    },
    /// A response that is no answer.
    #[error("{method} was answered with status {status}: {text}")]
    Status { method: String, status: u16, text: String },
    /// The node is not part of its network: another is to be asked.
    #[error("{method} was refused: {message}")]
    Elsewhere { method: String, message: String },
    /// The node answered with an error.
    #[error("{method} was refused: {message} (code {code})")]
    Refused {
        method: String,
        code: i64,
        message: String,
        /// What a revert returned, if it was one: `0x` hex.
        data: Option<String>,
    },
}

/// One JSON-RPC call.
pub(crate) async fn rpc(
    wire: &dyn Wire,
    target: &Target,
    path: &str,
    (method, params): (&str, &Value),
    timeout: Duration,
) -> Result<Value, RpcError> {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let message = Message {
        target: target.clone(),
        method: "POST",
        path: path.to_owned(),
        body: serde_json::to_vec(&call).expect("JSON values serialize"),
        timeout,
    };
    let method = method.to_owned();
    let reply = match wire.exchange(message).await {
        Ok(reply) => reply,
        Err(source) => return Err(RpcError::Wire { method, source }),
    };
    let Ok(mut answer) = serde_json::from_slice::<Value>(&reply.body) else {
        let text = String::from_utf8_lossy(&reply.body).chars().take(200).collect();
        return Err(RpcError::Status { method, status: reply.status, text });
    };
    if let Some(error) = answer.get("error") {
        let code = error.get("code").and_then(Value::as_i64).unwrap_or_default();
        let message = error.get("message").and_then(Value::as_str).unwrap_or_default().to_owned();
        if reply.status == StatusCode::MISDIRECTED_REQUEST.as_u16() {
            return Err(RpcError::Elsewhere { method, message });
        }
        let data = error.get("data").and_then(Value::as_str).map(str::to_owned);
        return Err(RpcError::Refused { method, code, message, data });
    }
    if let Some(result) = answer.get_mut("result") {
        return Ok(result.take());
    }
    let text = answer.to_string().chars().take(200).collect();
    Err(RpcError::Status { method, status: reply.status, text })
}

/// One JSON-RPC call to the first of some nodes that answers for its network: that one has ended, or has
/// left the network, is known only from the next look at it. There must be one.
pub(crate) async fn rpc_first(
    wire: &dyn Wire,
    targets: &[Target],
    question: (&str, &Value),
    timeout: Duration,
) -> Result<Value, RpcError> {
    let (first, others) = targets.split_first().expect("somebody is asked");
    let mut answer = rpc(wire, first, "/", question, timeout).await;
    for target in others {
        let Err(RpcError::Wire { .. } | RpcError::Elsewhere { .. }) = &answer else { break };
        answer = rpc(wire, target, "/", question, timeout).await;
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the nodes on these ports the first has ended, the second answers with an error, and the fifth
    /// has left the network.
    #[derive(Debug)]
    struct Nodes;

    impl Wire for Nodes {
        fn exchange(&self, message: Message) -> Pending<'_, Result<Reply, WireError>> {
            Box::pin(async move {
                let port = match message.target {
                    Target::Address(address) => address.port(),
                    Target::Socket(_) => 0,
                };
                let no = r#"{"error": {"code": -32000, "message": "no"}}"#;
                let body = match port {
                    1 => return Err(WireError::Connect(std::io::ErrorKind::NotFound.into())),
                    2 | 5 => no.to_owned(),
                    other => format!(r#"{{"result": {other}}}"#),
                };
                let status = if port == 5 { 421 } else { 200 };
                Ok(Reply { status, body: body.into_bytes() })
            })
        }
    }

    async fn asked(ports: &[u16]) -> Result<Value, RpcError> {
        let target = |port: &u16| Target::Address(SocketAddr::from(([127, 0, 0, 1], *port)));
        let targets: Vec<Target> = ports.iter().map(target).collect();
        rpc_first(&Nodes, &targets, ("eth_chainId", &json!([])), Duration::from_secs(1)).await
    }

    #[tokio::test]
    async fn another_node_is_asked_only_where_one_has_ended_or_left() {
        assert_eq!(asked(&[1, 3, 4]).await.expect("3 answers"), 3);
        assert!(matches!(asked(&[1, 2, 3]).await, Err(RpcError::Refused { .. })), "2 answers");
        assert!(matches!(asked(&[1, 1]).await, Err(RpcError::Wire { .. })), "nobody does");
        assert_eq!(asked(&[5, 1, 3]).await.expect("3 answers"), 3);
        assert!(matches!(asked(&[5]).await, Err(RpcError::Elsewhere { .. })), "all have left");
    }
}
