//! One connection: which HTTP it speaks, its deadlines, and its end.

use super::deadlines::{InFlight, LOOK, Watch, WatchedIo};
use super::plain::ws;
use super::route::App;
use crate::limits::Limits;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::watch;

/// HTTP/2 begins with this (RFC 9113, 3.4).
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A peer that vanished is found out by pings.
const H2_PING_EVERY: Duration = Duration::from_secs(20);
const H2_PING_ANSWER_MAX: Duration = Duration::from_secs(10);

/// What every connection shares.
#[derive(Clone)]
pub(super) struct ConnectionContext {
    pub(super) app: Arc<App>,
    pub(super) drain: watch::Sender<bool>,
}

/// Tells when the host drains. One for each connection, since what all of them share costs both cores a cache line.
pub(super) type Drain = Rc<watch::Receiver<bool>>;

/// Serves a connection to its end.
pub(super) async fn serve<S: AsyncRead + AsyncWrite + Unpin + 'static>(mut stream: S, context: &Rc<ConnectionContext>) {
    let limits = context.app.limits();
    // hyper's own sniffing has no deadline; this has.
    let sniffed = tokio::time::timeout(limits.first_byte_max, sniff(&mut stream)).await;
    let Ok(Ok((first_bytes, is_h2))) = sniffed else { return };
    let watch = Watch::new(is_h2);
    let io = TokioIo::new(WatchedIo::new(stream, first_bytes, Rc::clone(&watch)));
    let told: Drain = Rc::new(context.drain.subscribe());
    let service = service_fn(|request| {
        let in_flight = InFlight::begin(&watch);
        Arc::clone(&context.app).answer(request, in_flight, Rc::clone(&told))
    });
    let drain = context.drain.subscribe();
    if is_h2 {
        let connection = h2_builder(limits).serve_connection(io, service);
        run(pin!(connection), |connection| connection.graceful_shutdown(), &watch, limits, drain).await;
    } else {
        let mut connection = h1_builder(limits).serve_connection(io, service);
        run(Pin::new(&mut connection), |connection| connection.graceful_shutdown(), &watch, limits, drain).await;
        if watch.is_upgraded() {
            let parts = connection.into_parts();
            let mut in_flight = InFlight::begin(&watch);
            in_flight.subscribes();
            let socket = ws::serve(parts.io.into_inner(), parts.read_buf, Arc::clone(&context.app), (*told).clone());
            // It drains by itself.
            run(Box::pin(socket).as_mut(), |_| {}, &watch, limits, context.drain.subscribe()).await;
        }
    }
}

fn h1_builder(limits: &Limits) -> hyper::server::conn::http1::Builder {
    let mut builder = hyper::server::conn::http1::Builder::new();
    // Heads have a deadline in `watch`; hyper's own would need a timer for each request.
    builder.header_read_timeout(None).max_buf_size(limits.connection_buffer_bytes_max);
    builder
}

fn h2_builder(limits: &Limits) -> hyper::server::conn::http2::Builder<LocalExecutor> {
    let mut builder = hyper::server::conn::http2::Builder::new(LocalExecutor);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.h2_streams_max)
        .max_send_buf_size(limits.connection_buffer_bytes_max)
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(H2_PING_EVERY)
        .keep_alive_timeout(H2_PING_ANSWER_MAX);
    builder
}

/// Polls the connection; looks at its deadlines once a second; tells it once when the host drains.
async fn run<C: Future>(
    mut connection: Pin<&mut C>,
    graceful_shutdown: impl Fn(Pin<&mut C>),
    watch: &Watch,
    limits: &Limits,
    mut drain: watch::Receiver<bool>,
) {
    let mut look = pin!(tokio::time::sleep(LOOK));
    let mut draining = pin!(async move { drain.wait_for(|drain| *drain).await.is_ok() });
    let mut drained = false;
    poll_fn(|cx| {
        loop {
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(());
            }
            if !drained && draining.as_mut().poll(cx).is_ready() {
                drained = true;
                graceful_shutdown(connection.as_mut());
                continue;
            }
            if look.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if let Some(reason) = watch.overdue(limits) {
                tracing::debug!(reason, "a connection is closed");
                return Poll::Ready(());
            }
            look.as_mut().reset(tokio::time::Instant::now() + LOOK);
        }
    })
    .await;
}

/// Reads until it is clear whether the peer begins with HTTP/2's preface. Returns what was read.
async fn sniff(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(Vec<u8>, bool)> {
    let mut read = Vec::with_capacity(H2_PREFACE.len());
    loop {
        let mut chunk = [0; H2_PREFACE.len()];
        let room = chunk.get_mut(read.len()..).unwrap_or_default();
        let count = stream.read(room).await?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        read.extend_from_slice(room.get(..count).unwrap_or_default());
        if !H2_PREFACE.starts_with(&read) {
            return Ok((read, false));
        }
        if read.len() == H2_PREFACE.len() {
            return Ok((read, true));
        }
    }
}

/// Spawns HTTP/2 streams on the worker's own thread.
#[derive(Clone, Copy)]
struct LocalExecutor;

impl<F: Future + 'static> hyper::rt::Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}
