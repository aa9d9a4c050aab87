//! Subscribers that read raw sockets on one thread, and check what they get.

use super::servers;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// How long a check waits for the last event.
const PATIENCE: Duration = Duration::from_secs(60);

/// Filters of the three kinds.
pub(crate) const FILTERS: [&str; 3] = [r#"{"source":"s3"}"#, r#"{"severity":["v3","v4"]}"#, r#"{"pattern":"line [37]$"}"#];

/// Whether the filter with this number lets an event through.
fn matches(filter: usize, n: u64, count: u64) -> bool {
    let event = servers::event(n, count, 0);
    match filter {
        0 => event.source.as_deref() == Some("s3"),
        1 => matches!(event.severity.as_deref(), Some("v3" | "v4")),
        _ => event.data.contains("line 3\"") || event.data.contains("line 7\""),
    }
}

/// Over what a subscriber hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Stream,
    Socket,
}

/// What one subscriber got.
#[derive(Default, Clone)]
struct Got {
    filter: usize,
    /// Numbers of events, and of those that were missing in between.
    events: Vec<Result<u64, u64>>,
}

/// Subscribers.
pub(crate) struct Clients {
    shared: Arc<Shared>,
    _stop: tokio::sync::watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// Events of subscribers whose events are not looked at.
    counted: AtomicU64,
    got: Mutex<Vec<Got>>,
    more: Condvar,
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

fn head(kind: Kind, filter: Option<&str>) -> String {
    let target = match (kind, filter) {
        (Kind::Socket, _) => "/mcp/ws".to_owned(),
        (Kind::Stream, Some(filter)) => format!("/mcp/stream/bench/events?filters={}", percent(filter)),
        (Kind::Stream, None) => "/mcp/stream/bench/events".to_owned(),
    };
    let upgrade = match kind {
        Kind::Socket => {
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        }
        Kind::Stream => "",
    };
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n")
}

/// Connects, and reads the answer's head.
fn connect(address: SocketAddr, kind: Kind, filter: Option<&str>) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(head(kind, filter).as_bytes()).unwrap();
    let (mut answer, mut byte) = (Vec::new(), [0]);
    while !answer.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    assert!(answer.starts_with(b"HTTP/1.1 200") || answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
    if kind == Kind::Socket {
        let filters: Value = filter.map_or_else(|| json!({}), |filter| serde_json::from_str(filter).unwrap());
        let text = json!({"type": "subscribe", "id": "s", "topic": "bench/events", "filters": filters}).to_string();
        let mut frame = vec![0x81, 0x80 | u8::try_from(text.len()).expect("a short message"), 0, 0, 0, 0];
        frame.extend_from_slice(text.as_bytes());
        stream.write_all(&frame).unwrap();
    }
    stream
}

/// Subscribers that never read.
pub(crate) fn silent(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let open = |_| {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(head(Kind::Stream, None).as_bytes()).unwrap();
        stream
    };
    (0..count).map(open).collect()
}

impl Clients {
    /// Opens so many. Those without a filter only count.
    pub(crate) fn open(address: SocketAddr, kind: Kind, count: usize, filter: impl Fn(usize) -> Option<&'static str>) -> Self {
        let filters: Vec<_> = (0..count).map(&filter).collect();
        let streams: Vec<_> = filters.iter().map(|filter| connect(address, kind, *filter)).collect();
        let shared = Arc::<Shared>::default();
        *shared.got.lock().unwrap() = (0..count).map(|n| Got { filter: n % FILTERS.len(), events: Vec::new() }).collect();
        let (stop, mut stopped) = tokio::sync::watch::channel(false);
        let for_thread = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            tokio::task::LocalSet::new().block_on(&runtime, async {
                for (n, (stream, filter)) in streams.into_iter().zip(filters).enumerate() {
                    stream.set_nonblocking(true).unwrap();
                    let stream = tokio::net::TcpStream::from_std(stream).unwrap();
                    tokio::task::spawn_local(listen(stream, kind, n, filter.is_some(), Arc::clone(&for_thread)));
                }
                let _ = stopped.wait_for(|stop| *stop).await;
            });
        });
        Self { shared, _stop: stop, thread: Some(thread) }
    }

    /// Events that came to those without a filter.
    pub(crate) fn counted(&self) -> u64 {
        self.shared.counted.load(Ordering::Relaxed)
    }

    /// Waits until everybody has the last of `count` events, and checks that nothing is wrong. Returns how many came, and how many were told
    /// as missing.
    pub(crate) fn check(&self, count: u64) -> (u64, u64) {
        let got = self.shared.got.lock().unwrap();
        let has_last = |got: &Got| got.events.last() == Some(&Ok(count - 1));
        let (got, waited) = self.shared.more.wait_timeout_while(got, PATIENCE, |got| !got.iter().all(has_last)).unwrap();
        assert!(!waited.timed_out(), "{} of {} have the last event", got.iter().filter(|got| has_last(got)).count(), got.len());
        let expected: Vec<Vec<u64>> =
            (0..FILTERS.len()).map(|filter| (0..count).filter(|n| matches(filter, *n, count)).collect()).collect();
        let (mut came, mut missing) = (0, 0);
        for got in got.iter() {
            let expected = &expected[got.filter];
            let mut at = 0;
            for event in &got.events {
                match event {
                    Ok(n) => {
                        assert_eq!(expected[at], *n, "out of order, or not asked for");
                        at += 1;
                        came += 1;
                    }
                    Err(missed) => {
                        at += *missed as usize;
                        missing += missed;
                    }
                }
            }
            assert_eq!(at, expected.len(), "events are missing without a word");
        }
        (came, missing)
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        self._stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn listen(mut stream: tokio::net::TcpStream, kind: Kind, number: usize, looks: bool, shared: Arc<Shared>) {
    let mut chunk = vec![0; 16 << 10];
    let mut raw = Vec::new();
    let mut text = Vec::new();
    loop {
        let Ok(count @ 1..) = stream.read(&mut chunk).await else { return };
        let bytes = &chunk[..count];
        if !looks {
            shared.counted.fetch_add(bytes.iter().filter(|byte| **byte == b'~').count() as u64, Ordering::Relaxed);
            continue;
        }
        raw.extend_from_slice(bytes);
        let mut events = Vec::new();
        match kind {
            Kind::Stream => {
                while dechunk(&mut raw, &mut text) {}
                while let Some(end) = text.windows(2).position(|pair| pair == b"\n\n") {
                    events.extend(read(&text[..end]));
                    text.drain(..end + 2);
                }
            }
            Kind::Socket => {
                while let Some((opcode, message)) = deframe(&mut raw) {
                    if opcode == 9 {
                        let _ = stream.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).await;
                    }
                    events.extend(read(&message));
                }
            }
        }
        if !events.is_empty() {
            shared.got.lock().unwrap()[number].events.append(&mut events);
            shared.more.notify_one();
        }
    }
}

/// An event's number, or how many are missing.
fn read(message: &[u8]) -> Option<Result<u64, u64>> {
    let after = |name: &str| {
        let at = message.windows(name.len()).position(|window| window == name.as_bytes())? + name.len();
        let digits: String = message[at..].iter().take_while(|byte| byte.is_ascii_digit()).map(|byte| char::from(*byte)).collect();
        digits.parse().ok()
    };
    after("\"n\":").map(Ok).or_else(|| after("\"missed\":").map(Err))
}

/// Takes one chunk off; false when there is no whole one.
fn dechunk(raw: &mut Vec<u8>, text: &mut Vec<u8>) -> bool {
    let Some(line_end) = raw.windows(2).position(|pair| pair == b"\r\n") else { return false };
    let size = usize::from_str_radix(std::str::from_utf8(&raw[..line_end]).unwrap(), 16).unwrap();
    let begin = line_end + 2;
    if raw.len() < begin + size + 2 {
        return false;
    }
    text.extend_from_slice(&raw[begin..begin + size]);
    raw.drain(..begin + size + 2);
    true
}

/// Takes one frame off: its opcode and what is in it.
fn deframe(raw: &mut Vec<u8>) -> Option<(u8, Vec<u8>)> {
    let (opcode, short) = (raw.first()? & 0x0f, usize::from(*raw.get(1)?));
    let (begin, size) = match short {
        126 => (4, usize::from(u16::from_be_bytes(raw.get(2..4)?.try_into().ok()?))),
        127 => (10, u64::from_be_bytes(raw.get(2..10)?.try_into().ok()?) as usize),
        size => (2, size),
    };
    let message = raw.get(begin..begin + size)?.to_vec();
    raw.drain(..begin + size);
    Some((opcode, message))
}
