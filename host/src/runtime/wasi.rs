//! WASI 0.2 with nothing in it. Languages import it whether they use it or not, so it is always linked: no arguments, no environment, no
//! files, no addresses, no names; standard input is at its end. Output is captured for the log. Clocks tick in whole milliseconds.

use crate::clock::Clock;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder};

/// What a guest wrote to its standard output and error.
#[derive(Clone, Default)]
pub(super) struct Captured(Arc<Mutex<Vec<u8>>>);

/// Bytes of output kept per call and stream; the log cuts further. What is beyond it is read and dropped, so that a guest that prints a
/// lot is not slowed down, and costs no memory.
const CAPTURED_BYTES_MAX: usize = 64 << 10;
/// How much a guest may write at once.
const WRITE_BYTES_MAX: usize = 64 << 10;

impl Captured {
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = CAPTURED_BYTES_MAX.saturating_sub(kept.len()).min(bytes.len());
        kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
    }
}

impl IsTerminal for Captured {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Captured {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        Box::new(tokio::io::sink())
    }
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Captured {
    async fn ready(&mut self) {}
}

impl OutputStream for Captured {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }
    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES_MAX)
    }
}

/// The context of one call; made when a guest first touches WASI, since most never do.
pub(super) fn context(clock: &Clock, random_bytes_max: u32, stdout: &Captured, stderr: &Captured) -> WasiCtx {
    WasiCtxBuilder::new()
        .stdout(stdout.clone())
        .stderr(stderr.clone())
        .max_random_size(u64::from(random_bytes_max))
        .wall_clock(Wall(clock.clone()))
        .monotonic_clock(Monotonic(Instant::now()))
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

struct Wall(Clock);

impl HostWallClock for Wall {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }
    fn now(&self) -> Duration {
        Duration::from_millis(self.0.since_epoch_ms())
    }
}

/// Coarse, so that a guest cannot time its neighbours.
struct Monotonic(Instant);

const NS_PER_MS: u64 = 1_000_000;

impl HostMonotonicClock for Monotonic {
    fn resolution(&self) -> u64 {
        NS_PER_MS
    }
    fn now(&self) -> u64 {
        u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX / NS_PER_MS).saturating_mul(NS_PER_MS)
    }
}
