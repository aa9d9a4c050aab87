//! A client that sends what a test wants, well-formed or not, and hides nothing of the answer.

use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Long enough for any deadline that a test sets; a test that reaches it fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// What this host may send.
const KNOWN_HEADERS: &[&str] = &[
    "content-type",
    "content-length",
    "date",
    "allow",
    "retry-after",
    "connection",
    "mcp-session-id",
    "transfer-encoding",
    "cache-control",
    "x-accel-buffering",
    "vary",
    "content-encoding",
    "etag",
    "access-control-allow-origin",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-expose-headers",
    "access-control-max-age",
    "upgrade",
    "sec-websocket-accept",
    "sec-websocket-version",
    "www-authenticate",
];

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status; 0 when the connection was closed without an answer.
    pub status: u16,
    /// The header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The messages of an event stream.
    #[must_use]
    pub fn messages(&self) -> Vec<Value> {
        assert_eq!(self.header("content-type"), Some("text/event-stream"), "{self:?}");
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| !data.is_empty());
        data.map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))).collect()
    }

    /// The body as JSON; of an event stream, the last message.
    #[must_use]
    pub fn json(&self) -> Value {
        if self.header("content-type") == Some("text/event-stream") {
            return self.messages().pop().unwrap_or_else(|| panic!("no message: {self:?}"));
        }
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The text of the first content block of a tool's result.
    #[must_use]
    pub fn text(&self) -> String {
        self.json()["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {self:?}")).to_owned()
    }

    /// The JSON-RPC error code, 0 when there is none.
    #[must_use]
    pub fn code(&self) -> i64 {
        self.json()["error"]["code"].as_i64().unwrap_or(0)
    }
}

/// Opens a connection.
#[must_use]
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// Sends bytes on a connection of their own and reads one answer.
#[must_use]
pub fn raw(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = connect(address);
    // The host may close before it has read everything: then the answer is what counts.
    let _ = stream.write_all(bytes);
    read(&mut stream)
}

/// Sends bytes on a connection of their own and reads one answer whose body need not be text.
#[must_use]
pub fn raw_bytes(address: SocketAddr, bytes: &[u8]) -> (Answer, Vec<u8>) {
    let mut stream = connect(address);
    let _ = stream.write_all(bytes);
    let (status, headers, body) = read_bytes(&mut stream).expect("an answer");
    (Answer { status, headers, body: String::new() }, body)
}

/// Sends a request for a head, and reads that: nothing may follow it.
#[must_use]
pub fn head(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = connect(address);
    let _ = stream.write_all(bytes);
    let (status, headers, mut body) = read_head(&mut stream).expect("an answer");
    stream.shutdown(std::net::Shutdown::Write).expect("an end");
    stream.read_to_end(&mut body).expect("the end");
    assert!(body.is_empty(), "a head has a body");
    Answer { status, headers, body: String::new() }
}

/// Reads one answer. Refuses header fields that this host has no business to send.
#[must_use]
pub fn read(stream: &mut TcpStream) -> Answer {
    let Some((status, headers, body)) = read_bytes(stream) else {
        return Answer { status: 0, headers: Vec::new(), body: String::new() };
    };
    Answer { status, headers, body: String::from_utf8(body).expect("UTF-8") }
}

/// The same with the body as it came; none when the connection was closed without an answer.
fn read_bytes(stream: &mut TcpStream) -> Option<Head> {
    let (status, headers, mut body) = read_head(stream)?;
    if headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked") {
        let body = read_chunks(stream, body);
        return Some((status, headers, body.into_bytes()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut chunk = [0; 16 << 10];
    while body.len() < length {
        let count = stream.read(&mut chunk).expect("the body");
        assert!(count > 0, "the body is cut off");
        body.extend_from_slice(&chunk[..count]);
    }
    assert_eq!(body.len(), length, "more than one answer");
    Some((status, headers, body))
}

/// Status, header fields, and what came of the body with them.
pub(crate) type Head = (u16, Vec<(String, String)>, Vec<u8>);

/// Reads the head of one answer; none when the connection was closed without an answer.
pub(crate) fn read_head(stream: &mut TcpStream) -> Option<Head> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 16 << 10];
    let head_end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) if bytes.is_empty() => return None,
            Ok(0) => panic!("the answer's head is cut off"),
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) => panic!("no answer: {error}"),
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).expect("a head in ASCII");
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok()).expect("a status");
    let field = |line: &str| line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let headers: Vec<_> = lines.filter_map(field).collect();
    for (name, _) in &headers {
        assert!(KNOWN_HEADERS.contains(&name.as_str()), "unknown header {name} in {head}");
    }
    Some((status, headers, bytes.split_off(head_end)))
}

/// Reads a chunked body to its end.
fn read_chunks(stream: &mut TcpStream, mut bytes: Vec<u8>) -> String {
    let (mut body, mut chunk) = (Vec::new(), [0; 16 << 10]);
    loop {
        let line_end = bytes.windows(2).position(|window| window == b"\r\n");
        let size = line_end.map(|end| {
            let size = std::str::from_utf8(&bytes[..end]).expect("a size");
            (end + 2, usize::from_str_radix(size, 16).expect("a size"))
        });
        match size {
            Some((begin, size)) if bytes.len() >= begin + size + 2 => {
                body.extend_from_slice(&bytes[begin..begin + size]);
                bytes.drain(..begin + size + 2);
                if size == 0 {
                    return String::from_utf8(body).expect("UTF-8");
                }
            }
            _ => {
                let count = stream.read(&mut chunk).expect("the body");
                assert!(count > 0, "the body is cut off");
                bytes.extend_from_slice(&chunk[..count]);
            }
        }
    }
}

/// A POST to `/mcp` as text: the usual headers, and `extra` ones as whole lines.
#[must_use]
pub fn post_text(extra: &str, body: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         {extra}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// A request of the stateless era, with every header that it needs.
#[must_use]
pub fn modern_text(id: &Value, method: &str, mut params: Value) -> String {
    // What a test puts into `_meta` stays there.
    let meta = &mut params["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    if meta["io.modelcontextprotocol/clientCapabilities"].is_null() {
        meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    }
    let name = params["name"].as_str().map(|name| format!("Mcp-Name: {name}\r\n")).unwrap_or_default();
    let extra = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}");
    post_text(&extra, &json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string())
}

/// Sends a request of the stateless era.
#[must_use]
pub fn modern(address: SocketAddr, method: &str, params: Value) -> Answer {
    raw(address, modern_text(&json!(1), method, params).as_bytes())
}

/// Calls a tool.
#[must_use]
pub fn call(address: SocketAddr, tool: &str, arguments: Value) -> Answer {
    modern(address, "tools/call", json!({"name": tool, "arguments": arguments}))
}
