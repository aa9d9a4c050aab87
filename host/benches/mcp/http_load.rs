//! The load generator for HTTP: a closed loop over keep-alive connections, on one thread, as cheap as it can be made, because it
//! shares the machine with the server that it measures.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::histogram::Histogram;
use crate::process::Window;
use crate::report::Sample;
use crate::request::{Call, initialize};

/// One round against one server.
#[derive(Args)]
pub(crate) struct Load {
    #[arg(long)]
    address: SocketAddr,
    /// The server's process, for its CPU time.
    #[arg(long)]
    pid: u32,
    #[arg(long)]
    tool: String,
    #[arg(long)]
    connections: usize,
    /// Each connection with a session of its own (2025-11-25), instead of stateless.
    #[arg(long)]
    session: bool,
    #[arg(long)]
    warm_up_seconds: f64,
    #[arg(long)]
    seconds: f64,
}

/// How long an answer may take before the round has failed.
const PATIENCE: Duration = Duration::from_secs(10);

const WARM_UP: u8 = 0;
const MEASURE: u8 = 1;
const OVER: u8 = 2;

impl Load {
    pub(crate) fn run(&self) -> anyhow::Result<Sample> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let whole = Duration::from_secs_f64(self.warm_up_seconds + self.seconds) + PATIENCE;
        runtime.block_on(async { tokio::time::timeout(whole, self.round()).await.context("the server does not answer")? })
    }

    async fn round(&self) -> anyhow::Result<Sample> {
        let phase = Arc::new(AtomicU8::new(WARM_UP));
        let mut connections = JoinSet::new();
        for slot in 0..self.connections {
            let mut stream = TcpStream::connect(self.address).await?;
            stream.set_nodelay(true)?;
            let host = self.address.to_string();
            let (call, request) = if self.session {
                let call = Call::in_session(&self.tool, slot);
                let request = call.http_in_session(&host, &open_session(&mut stream, &host).await?);
                (call, request)
            } else {
                let call = Call::new(&self.tool, slot);
                let request = call.http(&host, &self.tool);
                (call, request)
            };
            connections.spawn(closed_loop(stream, call, request, Arc::clone(&phase)));
        }
        let change_phase = async {
            tokio::time::sleep(Duration::from_secs_f64(self.warm_up_seconds)).await;
            phase.store(MEASURE, Ordering::Relaxed);
            let window = Window::open(self.pid)?;
            tokio::time::sleep(Duration::from_secs_f64(self.seconds)).await;
            let usage = window.close()?;
            phase.store(OVER, Ordering::Relaxed);
            anyhow::Ok(usage)
        };
        let finish = async {
            let mut latencies = Histogram::new();
            while let Some(connection) = connections.join_next().await {
                latencies.add(&connection??);
            }
            anyhow::Ok(latencies)
        };
        let (usage, latencies) = tokio::try_join!(change_phase, finish)?;
        Sample::new(&latencies, &usage)
    }
}

/// Shakes hands; the id of the session.
async fn open_session(stream: &mut TcpStream, host: &str) -> anyhow::Result<String> {
    stream.write_all(&initialize(host)).await?;
    let mut response = ResponseReader::default();
    response.read(stream).await?;
    let head = String::from_utf8_lossy(&response.received).into_owned();
    let id = head.lines().find_map(|line| line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("mcp-session-id")));
    Ok(id.context("no session")?.1.to_owned())
}

/// Calls until the phase is over. Counts the answers that come while it is to be measured.
async fn closed_loop(mut stream: TcpStream, call: Call, request: Vec<u8>, phase: Arc<AtomicU8>) -> anyhow::Result<Histogram> {
    let mut latencies = Histogram::new();
    let mut response = ResponseReader::default();
    let mut known_good = Vec::new();
    loop {
        let start = Instant::now();
        stream.write_all(&request).await?;
        let body = response.read(&mut stream).await?;
        let latency = start.elapsed();
        // Answers that differ from the last good one are looked at closely; equal bytes are equally good.
        if body != known_good {
            call.check(body)?;
            body.clone_into(&mut known_good);
        }
        match phase.load(Ordering::Relaxed) {
            WARM_UP => {}
            MEASURE => latencies.record(latency),
            _ => return Ok(latencies),
        }
    }
}

/// Reads one response after the other from a connection; knows of HTTP what servers answer with.
#[derive(Default)]
struct ResponseReader {
    received: Vec<u8>,
    /// The body of a chunked response, put together.
    joined: Vec<u8>,
}

impl ResponseReader {
    async fn read(&mut self, stream: &mut TcpStream) -> anyhow::Result<&[u8]> {
        self.received.clear();
        let head_end = loop {
            self.receive(stream).await?;
            if let Some(end) = find(&self.received, b"\r\n\r\n") {
                break end + 4;
            }
        };
        match body_length(&self.received[..head_end])? {
            Some(length) => {
                while self.received.len() < head_end + length {
                    self.receive(stream).await?;
                }
                ensure!(self.received.len() == head_end + length, "bytes after the response");
                Ok(&self.received[head_end..])
            }
            None => {
                self.read_chunks(stream, head_end).await?;
                Ok(&self.joined)
            }
        }
    }

    async fn read_chunks(&mut self, stream: &mut TcpStream, mut position: usize) -> anyhow::Result<()> {
        self.joined.clear();
        loop {
            let Some(line_length) = find(&self.received[position..], b"\r\n") else {
                self.receive(stream).await?;
                continue;
            };
            let size = str::from_utf8(&self.received[position..position + line_length])?;
            let size = usize::from_str_radix(size, 16).with_context(|| format!("chunk size {size:?}"))?;
            let data = position + line_length + 2;
            while self.received.len() < data + size + 2 {
                self.receive(stream).await?;
            }
            if size == 0 {
                return Ok(());
            }
            self.joined.extend_from_slice(&self.received[data..data + size]);
            position = data + size + 2;
        }
    }

    async fn receive(&mut self, stream: &mut TcpStream) -> anyhow::Result<()> {
        self.received.reserve(16 << 10);
        let count = stream.read_buf(&mut self.received).await?;
        ensure!(count > 0, "the server closed a connection after {:?}", String::from_utf8_lossy(&self.received));
        Ok(())
    }
}

/// The `Content-Length`, or none for a chunked body. Every status but 200 is a failure of the round.
fn body_length(head: &[u8]) -> anyhow::Result<Option<usize>> {
    let head = str::from_utf8(head)?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "not a 200: {head}");
    for line in head.lines().skip(1) {
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("content-length") {
            return Ok(Some(value.trim().parse()?));
        }
        if name.eq_ignore_ascii_case("transfer-encoding") && value.trim().eq_ignore_ascii_case("chunked") {
            return Ok(None);
        }
    }
    bail!("neither a length nor chunks: {head}")
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
