//! A client as simple as can be, so that nothing of the server's own libraries is trusted here.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

/// An HTTP answer: its status and its body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: String,
}

/// Posts a body on a connection of its own.
pub(super) fn post(socket: &Path, body: &[u8]) -> Answer {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    exchange(socket, &head, body)
}

/// Posts JSON that another node may have taken before; answers JSON.
pub(super) fn ask_again(socket: &Path, body: &Value) -> Value {
    ask_with(socket, "windlass-repeated: 1", body)
}

/// Posts JSON with a header more; answers JSON.
pub(super) fn ask_with(socket: &Path, header: &str, body: &Value) -> Value {
    let body = body.to_string();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: node\r\nContent-Type: application/json\r\n\
         {header}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    serde_json::from_str(&exchange(socket, &head, body.as_bytes()).body).unwrap()
}

/// Gets a page on a connection of its own.
pub(super) fn get(socket: &Path, path: &str) -> Answer {
    let head = format!("GET {path} HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n");
    exchange(socket, &head, &[])
}

fn exchange(socket: &Path, head: &str, body: &[u8]) -> Answer {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(head.as_bytes()).unwrap();
    // The server may answer and close before it has read everything.
    let _cut_off = stream.write_all(body);
    let mut answer = Vec::new();
    let _reset = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or("0").parse().unwrap();
    Answer { status, head: head.to_owned(), body: body.to_owned() }
}

/// Posts JSON; answers JSON.
pub(super) fn ask(socket: &Path, body: &Value) -> Value {
    let answer = post(socket, body.to_string().as_bytes());
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

/// Calls a method; the result, or the error object.
#[expect(clippy::needless_pass_by_value, reason = "calls read better so")]
pub(super) fn call(socket: &Path, method: &str, params: Value) -> Result<Value, Value> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let mut answer = ask(socket, &body);
    match answer.get_mut("error") {
        Some(error) => Err(error.take()),
        None => Ok(answer["result"].take()),
    }
}

/// A WebSocket connection that sends and receives text of less than 64 KiB.
#[derive(Debug)]
pub(super) struct WebSocket {
    stream: UnixStream,
}

impl WebSocket {
    pub(super) fn connect(socket: &Path) -> Self {
        Self::connect_with(socket, "Accept: */*")
    }

    /// Connects with a header more.
    pub(super) fn connect_with(socket: &Path, header: &str) -> Self {
        let mut stream = UnixStream::connect(socket).unwrap();
        let head = format!(
            "GET / HTTP/1.1\r\nHost: node\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{header}\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Self { stream }
    }

    pub(super) fn ask(&mut self, body: &Value) -> Value {
        self.stream.write_all(&frame(body)).unwrap();
        self.next()
    }

    /// Sends as many calls as the connection takes without anybody reading their answers; how many.
    pub(super) fn flood(&mut self, body: &Value, most: usize) -> usize {
        self.stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        let frame = frame(body);
        (0..most).take_while(|_| self.stream.write_all(&frame).is_ok()).count()
    }

    /// The next message.
    pub(super) fn next(&mut self) -> Value {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head).unwrap();
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.stream.read_exact(&mut length).unwrap();
                u16::from_be_bytes(length)
            }
            short => u16::from(short),
        };
        let mut body = vec![0; usize::from(length)];
        self.stream.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }
}

/// A final text frame, its length in 16 bits, masked with zeroes.
fn frame(body: &Value) -> Vec<u8> {
    let text = body.to_string();
    let length = u16::try_from(text.len()).unwrap();
    let mut frame = vec![0x81, 0xfe];
    frame.extend(length.to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(text.as_bytes());
    frame
}
