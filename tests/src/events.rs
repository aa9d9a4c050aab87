//! Reads event streams as they come (HTML standard, server-sent events).

use crate::client;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

/// One event as it was written. A comment is an event with nothing but its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// `id`.
    pub id: Option<String>,
    /// `event`.
    pub name: Option<String>,
    /// `retry`.
    pub retry: Option<String>,
    /// `data`.
    pub data: Option<String>,
    /// What stands behind a colon.
    pub comment: Option<String>,
}

impl Event {
    fn parse(text: &str) -> Self {
        let mut event = Self::default();
        for line in text.lines() {
            let (field, value) = line.split_once(':').unwrap_or_else(|| panic!("no field: {text:?}"));
            let target = match field {
                "id" => &mut event.id,
                "event" => &mut event.name,
                "retry" => &mut event.retry,
                "data" => &mut event.data,
                "" => &mut event.comment,
                _ => panic!("unknown field: {text:?}"),
            };
            let twice = target.replace(value.trim_start().to_owned());
            assert_eq!(twice, None, "twice: {text:?}");
        }
        event
    }

    /// The message in it, if it has one.
    #[must_use]
    pub fn message(&self) -> Option<Value> {
        let data = self.data.as_deref().filter(|data| !data.is_empty())?;
        Some(serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {self:?}")))
    }
}

/// An answer that is an event stream. Dropping it closes its connection.
pub struct EventStream {
    connection: TcpStream,
    /// Its header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    // Of the connection, then without the chunks' sizes.
    raw: Vec<u8>,
    text: Vec<u8>,
    over: bool,
    /// The id of the last event that had one.
    pub last_id: Option<String>,
}

impl EventStream {
    /// Sends a request whose answer has to be an event stream.
    #[must_use]
    pub fn open(address: SocketAddr, request: &str) -> Self {
        let mut connection = client::connect(address);
        connection.write_all(request.as_bytes()).expect("the request");
        let (status, headers, raw) = client::read_head(&mut connection).expect("an answer");
        let is = |name: &str, value: &str| headers.iter().any(|header| (&*header.0, &*header.1) == (name, value));
        assert!(status == 200 && is("content-type", "text/event-stream"), "{status} {headers:?} {}", String::from_utf8_lossy(&raw));
        assert!(is("transfer-encoding", "chunked"), "{headers:?}");
        Self { connection, headers, raw, text: Vec::new(), over: false, last_id: None }
    }

    /// Sends a request; nothing when its answer is not an event stream.
    #[must_use]
    pub fn try_open(address: SocketAddr, request: &str) -> Option<Self> {
        let mut connection = client::connect(address);
        connection.write_all(request.as_bytes()).ok()?;
        let (status, headers, raw) = client::read_head(&mut connection)?;
        (status == 200).then_some(Self { connection, headers, raw, text: Vec::new(), over: false, last_id: None })
    }

    /// Takes one chunk off what has come; false when there is no whole one.
    fn take_chunk(&mut self) -> bool {
        let Some(line_end) = self.raw.windows(2).position(|window| window == b"\r\n") else { return false };
        let size = std::str::from_utf8(&self.raw[..line_end]).expect("a size");
        let (begin, size) = (line_end + 2, usize::from_str_radix(size, 16).expect("a size"));
        if self.raw.len() < begin + size + 2 {
            return false;
        }
        self.text.extend_from_slice(&self.raw[begin..begin + size]);
        self.raw.drain(..begin + size + 2);
        self.over = size == 0;
        true
    }

    /// The next event or comment; none at the end of the stream.
    pub fn next_event(&mut self) -> Option<Event> {
        let mut chunk = [0; 16 << 10];
        loop {
            if let Some(end) = self.text.windows(2).position(|window| window == b"\n\n") {
                let event = Event::parse(std::str::from_utf8(&self.text[..end]).expect("UTF-8"));
                self.text.drain(..end + 2);
                self.last_id = event.id.clone().or(self.last_id.take());
                return Some(event);
            }
            if self.over {
                assert!(self.text.is_empty(), "an event is cut off: {}", String::from_utf8_lossy(&self.text));
                return None;
            }
            if !self.take_chunk() {
                let count = self.connection.read(&mut chunk).expect("an event");
                assert!(count > 0, "the stream is cut off");
                self.raw.extend_from_slice(&chunk[..count]);
            }
        }
    }

    /// The next message, whatever comes before it that is none; none at the end of the stream.
    pub fn next_message(&mut self) -> Option<Value> {
        loop {
            if let Some(message) = self.next_event()?.message() {
                return Some(message);
            }
        }
    }

    /// The next message, which has to be there.
    pub fn message(&mut self) -> Value {
        self.next_message().expect("a message")
    }

    /// Every message up to the end of the stream.
    pub fn rest(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| self.next_message()).collect()
    }
}
