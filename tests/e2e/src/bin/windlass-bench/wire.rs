//! JSON-RPC over connections that are kept, with as little work as can be.
//!
//! A load generator shares the processors with what it measures. So requests are bytes that were made
//! beforehand, an answer is read no further than its length, and no task is spawned.

use std::path::PathBuf;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpStream, UnixStream},
};

/// Who answers.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A port, and the path of the URL.
    Url { authority: String, path: String },
    /// A node's own socket.
    Socket(PathBuf),
}

impl Target {
    /// What an `http` URL names.
    pub(crate) fn of_url(url: &str) -> Self {
        let rest = url.strip_prefix("http://").expect("it is a URL without TLS");
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        Self::Url { authority: authority.to_owned(), path: format!("/{path}") }
    }

    /// A request with this body, as it goes over the wire.
    pub(crate) fn request(&self, body: &str) -> Vec<u8> {
        let (authority, path) = match self {
            Self::Url { authority, path } => (authority.as_str(), path.as_str()),
            Self::Socket(_) => ("node", "/"),
        };
        format!(
            "POST {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

/// A call as text.
pub(crate) fn call(id: usize, method: &str, params: &Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection, which one request after the other uses.
pub(crate) struct Connection {
    target: Target,
    stream: BufReader<Box<dyn Stream>>,
}

impl Connection {
    pub(crate) async fn open(target: &Target) -> Self {
        let stream: Box<dyn Stream> = match target {
            Target::Url { authority, .. } => {
                let stream = TcpStream::connect(authority).await.expect("it can be reached");
                stream.set_nodelay(true).expect("it is a socket");
                Box::new(stream)
            }
            Target::Socket(path) => {
                Box::new(UnixStream::connect(path).await.expect("it can be reached"))
            }
        };
        Self { target: target.clone(), stream: BufReader::with_capacity(64 << 10, stream) }
    }

    /// Calls a method that must succeed.
    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> Value {
        let request = self.target.request(&call(1, method, &params));
        let answer = self.exchange(&request).await;
        let mut answer: Value = serde_json::from_slice(&answer).expect("it is JSON");
        assert!(answer["error"].is_null(), "{method} is refused: {answer}");
        answer["result"].take()
    }

    /// Sends a request and gives the body of the answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Vec<u8> {
        self.stream.write_all(request).await.expect("it takes a request");
        self.stream.flush().await.expect("it takes a request");
        let status = self.line().await;
        assert!(status.contains(" 200 "), "answered with {status}");
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line().await.to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length is a number");
            }
            chunked |= line.starts_with("transfer-encoding:") && line.ends_with("chunked");
        }
        if chunked { self.chunks().await } else { self.bytes(length).await }
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let length = self.line().await;
            let length = usize::from_str_radix(&length, 16).expect("a chunk has a length");
            body.extend(self.bytes(length).await);
            let _end = self.line().await;
            if length == 0 {
                return body;
            }
        }
    }

    async fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).await.expect("an answer is whole");
        bytes
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line).await.expect("an answer is whole");
        assert!(read > 0, "the connection was closed");
        line.trim_end().to_owned()
    }
}
