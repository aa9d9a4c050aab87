//! An upstream that answers what a test writes, well-formed or not.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// What an upstream does with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Writes this, and waits for the next request.
    Bytes(Vec<u8>),
    /// Writes this, and leaves.
    Last(Vec<u8>),
    /// Writes the first, then the second again and again.
    Endless(Vec<u8>, Vec<u8>),
    /// Writes this, and says no more.
    Silence(Vec<u8>),
}

/// What an upstream has seen.
#[derive(Default)]
pub(crate) struct Seen {
    /// The requests, heads and bodies, each with the number of its connection.
    pub(crate) requests: Mutex<Vec<(usize, String)>>,
}

impl Seen {
    /// The texts of the requests.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.requests.lock().unwrap().iter().map(|(_, text)| text.clone()).collect()
    }

    /// How many connections had requests.
    pub(crate) fn connections(&self) -> usize {
        let numbers: std::collections::BTreeSet<_> = self.requests.lock().unwrap().iter().map(|(number, _)| *number).collect();
        numbers.len()
    }
}

/// A response with a length.
pub(crate) fn response(status: &str, headers: &str, body: &str) -> Reply {
    Reply::Bytes(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

/// Listens on loopback. `script` gets the number of the request, and its text.
pub(crate) async fn start(script: impl Fn(usize, &str) -> Reply + Send + Sync + 'static) -> (u16, Arc<Seen>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (port, seen, script) = (listener.local_addr().unwrap().port(), Arc::<Seen>::default(), Arc::new(script));
    let log = Arc::clone(&seen);
    tokio::spawn(async move {
        for connection in 0.. {
            let (stream, _) = listener.accept().await.unwrap();
            let (script, log) = (Arc::clone(&script), Arc::clone(&log));
            tokio::spawn(async move { serve(stream, connection, &*script, &log).await });
        }
    });
    (port, seen)
}

/// Answers the requests of one connection.
pub(crate) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    connection: usize,
    script: &(dyn Fn(usize, &str) -> Reply + Send + Sync),
    log: &Seen,
) -> Option<()> {
    loop {
        let text = request(&mut stream).await?;
        let number = {
            let mut requests = log.requests.lock().unwrap();
            requests.push((connection, text.clone()));
            requests.len() - 1
        };
        match script(number, &text) {
            Reply::Bytes(bytes) => stream.write_all(&bytes).await.ok()?,
            Reply::Last(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                return stream.shutdown().await.ok();
            }
            Reply::Endless(bytes, again) => {
                stream.write_all(&bytes).await.ok()?;
                loop {
                    stream.write_all(&again).await.ok()?;
                }
            }
            Reply::Silence(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                std::future::pending::<()>().await;
            }
        }
    }
}

async fn request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
            let chunked = head.contains("transfer-encoding: chunked");
            let whole = if chunked { bytes.ends_with(b"0\r\n\r\n") } else { bytes.len() >= end + 4 + length };
            if whole {
                return Some(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
