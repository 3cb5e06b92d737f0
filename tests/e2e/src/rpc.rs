//! JSON-RPC over an endpoint's URL, and over a node's own socket.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_primitives::U256;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

use crate::world;

/// The error member of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct RpcError {
    /// The code.
    pub code: i64,
    /// The text.
    pub message: String,
    /// What a revert returned, if it was one.
    pub data: Option<Value>,
}

/// A network's endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its URL.
    pub url: String,
    client: reqwest::Client,
}

impl Endpoint {
    /// The endpoint at a URL.
    pub fn new(url: &str) -> Self {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_mins(1))
            .build()
            .expect("a client without settings can be made");
        Self { url: url.to_owned(), client }
    }

    /// Posts a body as it is; status and text.
    pub async fn post(&self, body: impl Into<reqwest::Body>) -> (u16, String) {
        let request = self.client.post(&self.url).header("content-type", "application/json");
        let response = request.body(body).send().await.expect("the gateway answers");
        let status = response.status().as_u16();
        (status, response.text().await.expect("the answer is text"))
    }

    /// Posts a body; the status, if the connection holds until then.
    pub async fn try_post(&self, body: impl Into<reqwest::Body>) -> Option<u16> {
        let request = self.client.post(&self.url).header("content-type", "application/json");
        Some(request.body(body).send().await.ok()?.status().as_u16())
    }

    /// Calls a method, if the network answers at all.
    pub async fn try_call(&self, method: &str, params: Value) -> Option<Result<Value, RpcError>> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let request = self.client.post(&self.url).header("content-type", "application/json");
        let response = request.body(body.to_string()).send().await.ok()?;
        let text = response.text().await.ok()?;
        answer(&serde_json::from_str(&text).ok()?)
    }

    /// Calls a method of a network that must answer.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value, RpcError> {
        let answer = self.try_call(method, params).await;
        answer.unwrap_or_else(|| panic!("the endpoint does not answer {method}"))
    }

    /// Calls a method that must succeed.
    pub async fn ok(&self, method: &str, params: Value) -> Value {
        self.call(method, params)
            .await
            .unwrap_or_else(|error| panic!("{method} is refused: {error:?}"))
    }

    /// Calls a method that answers a number.
    pub async fn number(&self, method: &str, params: Value) -> u64 {
        to_number(&self.ok(method, params).await)
    }

    /// The newest block's number.
    pub async fn height(&self) -> u64 {
        self.number("eth_blockNumber", json!([])).await
    }

    /// Waits for a transaction's receipt.
    pub async fn receipt(&self, hash: &str) -> Value {
        world::eventually(&format!("a receipt of {hash}"), Duration::from_secs(30), async || {
            let answer = self.try_call("eth_getTransactionReceipt", json!([hash])).await?;
            answer.ok().filter(|receipt| !receipt.is_null())
        })
        .await
    }
}

fn answer(body: &Value) -> Option<Result<Value, RpcError>> {
    if let Some(error) = body.get("error") {
        return Some(Err(RpcError {
            code: error.get("code")?.as_i64()?,
            message: error.get("message")?.as_str()?.to_owned(),
            data: error.get("data").cloned(),
        }));
    }
    body.get("result").cloned().map(Ok)
}

/// Reads a `0x` number.
pub(crate) fn to_number(value: &Value) -> u64 {
    let text = value.as_str().unwrap_or_else(|| panic!("{value} is not a quantity"));
    let number: U256 = text.parse().unwrap_or_else(|_| panic!("{value} is not a quantity"));
    number.to()
}

/// Where a node's own RPC listens.
pub fn node_socket(data_dir: &Path, node_id: &str) -> PathBuf {
    data_dir.join("workloads").join(node_id).join("rpc.sock")
}

/// Calls a method at a node itself, over its socket.
pub async fn call_node(
    socket: &Path,
    method: &str,
    params: Value,
) -> Option<Result<Value, RpcError>> {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: node\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = UnixStream::connect(socket).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await.ok()?;
    let (_, body) = text.split_once("\r\n\r\n")?;
    answer(&serde_json::from_str(body.trim()).ok()?)
}
