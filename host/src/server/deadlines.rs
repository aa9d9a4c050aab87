//! Deadlines below HTTP, where hyper has none or checks them at a price: one clock for each connection that looks once a second at how
//! long its phase has lasted.

use crate::limits::Limits;
use std::cell::{Cell, RefCell};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

/// How often a connection's phase is looked at; a deadline is kept to within this.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A request's head is being read.
    Head,
    /// Requests are being answered; they have deadlines of their own.
    Busy,
    /// Between requests.
    Idle,
}

/// The phase of one connection, shared by its socket, its requests and its clock.
pub(super) struct Watch {
    phase: Cell<Phase>,
    since: Cell<Instant>,
    in_flight: Cell<u32>,
    is_h2: bool,
    write_stalled_since: Cell<Option<Instant>>,
    upgraded: Cell<bool>,
    /// Streams of events and WebSockets: their peers have less time to take what is written.
    subscribers: Cell<u32>,
    /// Streams of an HTTP/2 connection, which can go unread while the connection itself is not.
    unread: RefCell<Vec<Weak<dyn Unread>>>,
}

/// A stream of events that somebody has to read.
pub(super) trait Unread {
    /// How long nobody has taken what waits.
    fn lasted(&self) -> Duration;
}

impl Watch {
    /// Of a connection whose first bytes have just come. On HTTP/2 bytes between requests are mostly not heads but pings and windows, so
    /// there a head has the time that an idle connection has.
    pub(super) fn new(is_h2: bool) -> Rc<Self> {
        let now = Instant::now();
        let phase = if is_h2 { Phase::Idle } else { Phase::Head };
        Rc::new(Self {
            phase: Cell::new(phase),
            since: Cell::new(now),
            in_flight: Cell::new(0),
            is_h2,
            write_stalled_since: Cell::new(None),
            upgraded: Cell::new(false),
            subscribers: Cell::new(0),
            unread: RefCell::default(),
        })
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(Instant::now());
    }

    /// Whether it is no longer HTTP's once the answer is written.
    pub(super) fn is_upgraded(&self) -> bool {
        self.upgraded.get()
    }

    fn unread_for(&self) -> Duration {
        let unread = self.unread.borrow();
        unread.iter().filter_map(Weak::upgrade).map(|stream| stream.lasted()).max().unwrap_or_default()
    }

    /// Why the connection has to be closed, if it has to.
    pub(super) fn overdue(&self, limits: &Limits) -> Option<&'static str> {
        let lasted = self.since.get().elapsed();
        let stalled = self.write_stalled_since.get().map_or(Duration::ZERO, |since| since.elapsed());
        match self.phase.get() {
            Phase::Head if lasted >= limits.head_time_max => Some("its head took too long"),
            Phase::Idle if lasted >= limits.idle_time_max => Some("it was idle"),
            _ if stalled >= limits.write_stall_max => Some("its peer does not read"),
            _ if self.subscribers.get() == 0 => None,
            _ if stalled >= limits.subscriber_stall_max => Some("its subscriber does not read"),
            _ if self.is_h2 && self.unread_for() >= limits.subscriber_stall_max => Some("one of its subscribers does not read"),
            _ => None,
        }
    }
}

/// Held by a request and by the body of its answer; the connection is idle again when the last one is dropped.
pub(super) struct InFlight {
    watch: Rc<Watch>,
    subscribes: bool,
}

impl InFlight {
    pub(super) fn begin(watch: &Rc<Watch>) -> Self {
        watch.in_flight.set(watch.in_flight.get() + 1);
        watch.phase.set(Phase::Busy);
        Self { watch: Rc::clone(watch), subscribes: false }
    }

    /// From now on this is somebody who gets what happens, and has to take it.
    pub(super) fn subscribes(&mut self) {
        if !std::mem::replace(&mut self.subscribes, true) {
            self.watch.subscribers.set(self.watch.subscribers.get() + 1);
        }
    }

    /// After the answer the connection is not HTTP's any more.
    pub(super) fn upgrades(&self) {
        self.watch.upgraded.set(true);
    }

    /// The same for a stream of its own within the connection.
    pub(super) fn reads(&mut self, stream: &Rc<dyn Unread>) {
        self.subscribes();
        if self.watch.is_h2 {
            let mut unread = self.watch.unread.borrow_mut();
            unread.retain(|other| other.strong_count() > 0);
            unread.push(Rc::downgrade(stream));
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let watch = &self.watch;
        if self.subscribes {
            watch.subscribers.set(watch.subscribers.get() - 1);
        }
        watch.in_flight.set(watch.in_flight.get() - 1);
        if watch.in_flight.get() == 0 {
            watch.enter(Phase::Idle);
        }
    }
}

/// A socket that tells its watch what happens, and that gives back first what was read before.
pub(super) struct WatchedIo<S> {
    stream: S,
    read_before: Vec<u8>,
    watch: Rc<Watch>,
}

impl<S> WatchedIo<S> {
    pub(super) fn new(stream: S, read_before: Vec<u8>, watch: Rc<Watch>) -> Self {
        Self { stream, read_before, watch }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WatchedIo<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        if !self.read_before.is_empty() {
            let count = self.read_before.len().min(buf.remaining());
            buf.put_slice(&self.read_before.drain(..count).collect::<Vec<_>>());
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if self.watch.phase.get() == Phase::Idle && !self.watch.is_h2 && buf.filled().len() > before {
            self.watch.enter(Phase::Head);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> WatchedIo<S> {
    fn note<T>(&self, polled: Poll<T>) -> Poll<T> {
        let stalled = &self.watch.write_stalled_since;
        match (&polled, stalled.get()) {
            (Poll::Pending, None) => stalled.set(Some(Instant::now())),
            (Poll::Ready(_), Some(_)) => stalled.set(None),
            _ => {}
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WatchedIo<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(polled)
    }
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[std::io::IoSlice<'_>]) -> Poll<std::io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.note(polled)
    }
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
