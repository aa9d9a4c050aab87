//! The load generator for stdio: starts the server as a client would and keeps a number of calls in flight.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Args;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, ChildStdout, Command};

use crate::histogram::Histogram;
use crate::process::Window;
use crate::report::Sample;
use crate::request::{Call, slot_of};

/// One round against one server.
#[derive(Args)]
pub(crate) struct Load {
    #[arg(long)]
    tool: String,
    #[arg(long)]
    in_flight: usize,
    #[arg(long)]
    warm_up_seconds: f64,
    #[arg(long)]
    seconds: f64,
    /// The server and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// How long a server may take to start and to answer.
const PATIENCE: Duration = Duration::from_secs(60);

impl Load {
    pub(crate) fn run(&self) -> anyhow::Result<Sample> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let whole = Duration::from_secs_f64(self.warm_up_seconds + self.seconds) + PATIENCE;
        runtime.block_on(async { tokio::time::timeout(whole, self.round()).await.context("the server does not answer")? })
    }

    async fn round(&self) -> anyhow::Result<Sample> {
        let mut server = Command::new(&self.command[0])
            .args(&self.command[1..])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", self.command[0]))?;
        let pid = server.id().context("the server has ended")?;
        let stdin = server.stdin.take().context("stdin is a pipe")?;
        let stdout = server.stdout.take().context("stdout is a pipe")?;
        let mut pipeline = Pipeline::new(stdin, stdout, &self.tool, self.in_flight);

        pipeline.start().await?;
        pipeline.keep_full(Duration::from_secs_f64(self.warm_up_seconds)).await?;
        pipeline.latencies = Histogram::new();
        let window = Window::open(pid)?;
        pipeline.keep_full(Duration::from_secs_f64(self.seconds)).await?;
        let usage = window.close()?;
        server.kill().await?;
        Sample::new(&pipeline.latencies, &usage)
    }
}

/// The calls in flight; the answer to one sends the same call again.
struct Pipeline {
    stdin: ChildStdin,
    stdout: ChildStdout,
    calls: Vec<Call>,
    lines: Vec<Vec<u8>>,
    sent: Vec<Instant>,
    known_good: Vec<Vec<u8>>,
    received: Vec<u8>,
    latencies: Histogram,
}

impl Pipeline {
    fn new(stdin: ChildStdin, stdout: ChildStdout, tool: &str, in_flight: usize) -> Self {
        let calls: Vec<Call> = (0..in_flight).map(|slot| Call::new(tool, slot)).collect();
        Self {
            stdin,
            stdout,
            lines: calls.iter().map(Call::line).collect(),
            sent: vec![Instant::now(); in_flight],
            known_good: vec![Vec::new(); in_flight],
            received: Vec::new(),
            latencies: Histogram::new(),
            calls,
        }
    }

    async fn start(&mut self) -> anyhow::Result<()> {
        self.sent.fill(Instant::now());
        self.stdin.write_all(&self.lines.concat()).await?;
        Ok(())
    }

    async fn keep_full(&mut self, duration: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        let mut again = Vec::new();
        loop {
            self.received.reserve(64 << 10);
            let count = self.stdout.read_buf(&mut self.received).await?;
            ensure!(count > 0, "the server closed its stdout");
            let now = Instant::now();
            again.clear();
            self.take_answers(now, &mut again)?;
            if !again.is_empty() {
                self.stdin.write_all(&again).await?;
            }
            if now - start >= duration {
                return Ok(());
            }
        }
    }

    /// Counts every whole line that was received and appends the calls that follow to `again`.
    fn take_answers(&mut self, now: Instant, again: &mut Vec<u8>) -> anyhow::Result<()> {
        let mut taken = 0;
        while let Some(length) = self.received[taken..].iter().position(|byte| *byte == b'\n') {
            let answer = &self.received[taken..taken + length];
            taken += length + 1;
            let slot = slot_of(answer).filter(|slot| *slot < self.calls.len());
            let slot = slot.with_context(|| format!("not an answer: {}", String::from_utf8_lossy(answer)))?;
            // Answers that differ from the last good one are looked at closely; equal bytes are equally good.
            if answer != self.known_good[slot] {
                self.calls[slot].check(answer)?;
                answer.clone_into(&mut self.known_good[slot]);
            }
            self.latencies.record(now - self.sent[slot]);
            self.sent[slot] = now;
            again.extend_from_slice(&self.lines[slot]);
        }
        self.received.drain(..taken);
        Ok(())
    }
}
