//! Event streams, read while they are open.

use crate::client;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// The answer to one request that is an event stream. It stays open for as long as the host lets it, or until it is dropped.
pub struct Events {
    stream: TcpStream,
    // As they came; decoded; both only what was not handed out yet.
    bytes: Vec<u8>,
    text: Vec<u8>,
    ended: bool,
}

impl Events {
    /// Sends a request, and waits for the head of an event stream.
    #[must_use]
    pub fn open(address: SocketAddr, request: &str) -> Self {
        let mut stream = client::connect(address);
        stream.write_all(request.as_bytes()).expect("the request");
        let mut events = Self { stream, bytes: Vec::new(), text: Vec::new(), ended: false };
        let end = events.until(|bytes| bytes.windows(4).position(|window| window == b"\r\n\r\n")).expect("a head") + 4;
        let head: Vec<u8> = events.bytes.drain(..end).collect();
        let head = String::from_utf8(head).expect("a head in ASCII").to_ascii_lowercase();
        assert!(head.starts_with("http/1.1 200 "), "{head}");
        assert!(head.contains("\r\ncontent-type: text/event-stream\r\n") && head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
        events
    }

    /// The next message; none when the stream has ended as it should.
    #[must_use]
    pub fn message(&mut self) -> Option<Value> {
        loop {
            let event = self.event()?;
            let data: Vec<_> = event.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start).collect();
            let data = data.join("\n");
            // Signs of life and events that only name a place in the stream have none.
            if !data.is_empty() {
                return Some(serde_json::from_str(&data).unwrap_or_else(|error| panic!("{error}: {event}")));
            }
        }
    }

    /// The next message; panics at the end of the stream.
    #[must_use]
    pub fn expect(&mut self) -> Value {
        self.message().expect("another message")
    }

    /// The text of the next event, a comment included.
    fn event(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.text.windows(2).position(|window| window == b"\n\n") {
                let event = self.text.drain(..end + 2).collect();
                return Some(String::from_utf8(event).expect("UTF-8"));
            }
            if self.ended {
                assert!(self.text.is_empty(), "the last event is cut off: {:?}", String::from_utf8_lossy(&self.text));
                return None;
            }
            self.chunk();
        }
    }

    /// Decodes the next chunk.
    fn chunk(&mut self) {
        let line = self.until(|bytes| bytes.windows(2).position(|window| window == b"\r\n")).expect("the size of a chunk");
        let size = std::str::from_utf8(&self.bytes[..line]).ok().and_then(|size| usize::from_str_radix(size, 16).ok()).expect("a size");
        let end = line + 2 + size + 2;
        self.until(|bytes| (bytes.len() >= end).then_some(())).expect("a whole chunk");
        self.text.extend_from_slice(&self.bytes[line + 2..end - 2]);
        self.bytes.drain(..end);
        self.ended = size == 0;
    }

    /// Reads until something is found in what has come. None when the connection is closed before.
    fn until<T>(&mut self, find: impl Fn(&[u8]) -> Option<T>) -> Option<T> {
        let mut chunk = [0; 16 << 10];
        loop {
            if let Some(found) = find(&self.bytes) {
                return Some(found);
            }
            let count = self.stream.read(&mut chunk).expect("the stream went silent");
            if count == 0 {
                return None;
            }
            self.bytes.extend_from_slice(&chunk[..count]);
        }
    }
}
