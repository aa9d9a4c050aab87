//! Bodies of answers: whole, or a stream of events that comes as it happens.

use super::deadlines::{InFlight, Unread};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Frames that wait between whoever makes them and the connection.
const FRAMES_WAITING_MAX: usize = 8;

/// The body of an answer; while it lives, its connection is busy.
pub(super) struct Reply {
    kind: Kind,
    in_flight: Option<InFlight>,
}

enum Kind {
    Whole(Option<Bytes>),
    Events(Events),
}

/// Frames that come as something happens.
pub(super) struct Events(Source);

enum Source {
    /// A task of their own makes them.
    Task(Task),
    /// They are made when the connection has room for them.
    Asked(Box<dyn Frames>),
}

/// A task that ends when nobody is there to read what it makes.
struct Task {
    frames: mpsc::Receiver<Bytes>,
    maker: JoinHandle<()>,
}

impl Drop for Task {
    fn drop(&mut self) {
        self.maker.abort();
    }
}

/// Makes frames when the connection has room for them: no task, and nothing in between that could fill up.
pub(super) trait Frames {
    /// The next frame; none at the end.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>>;
    /// What tells whether somebody reads them.
    fn unread(&self) -> Rc<dyn Unread>;
}

impl Events {
    /// Runs `make` on this thread; what it sends is the body.
    pub(super) fn new<F: Future<Output = ()> + 'static>(make: impl FnOnce(mpsc::Sender<Bytes>) -> F) -> Self {
        let (sender, frames) = mpsc::channel(FRAMES_WAITING_MAX);
        Self(Source::Task(Task { frames, maker: tokio::task::spawn_local(make(sender)) }))
    }

    /// Asks `frames` for the body.
    pub(super) fn asked(frames: impl Frames + 'static) -> Self {
        Self(Source::Asked(Box::new(frames)))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match &mut self.0 {
            Source::Task(task) => task.frames.poll_recv(cx),
            Source::Asked(frames) => frames.poll_next(cx),
        }
    }

    /// The next frame.
    pub(super) async fn next(&mut self) -> Option<Bytes> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

impl Reply {
    pub(super) fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { kind: Kind::Whole((!bytes.is_empty()).then_some(bytes)), in_flight: None }
    }

    pub(super) fn events(events: Events) -> Self {
        Self { kind: Kind::Events(events), in_flight: None }
    }

    pub(super) fn keep(mut self, mut in_flight: InFlight) -> Self {
        if let Kind::Events(Events(Source::Asked(frames))) = &self.kind {
            in_flight.reads(&frames.unread());
        }
        self.in_flight = Some(in_flight);
        self
    }

    /// The bytes of a whole body; none of events, and none when there are no bytes.
    pub(super) fn whole(&self) -> Option<&Bytes> {
        match &self.kind {
            Kind::Whole(bytes) => bytes.as_ref(),
            Kind::Events(_) => None,
        }
    }

    /// The same with other bytes.
    pub(super) fn with_whole(self, bytes: impl Into<Bytes>) -> Self {
        Self { kind: Kind::Whole(Some(bytes.into())), in_flight: self.in_flight }
    }

    /// The bytes of a whole body, or the events.
    pub(super) fn into_content(self) -> Result<Bytes, Events> {
        match self.kind {
            Kind::Whole(bytes) => Ok(bytes.unwrap_or_default()),
            Kind::Events(events) => Err(events),
        }
    }
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.kind {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Events(events) => events.poll_next(cx).map(|frame| frame.map(|frame| Ok(Frame::data(frame)))),
        }
    }
    fn is_end_stream(&self) -> bool {
        matches!(self.kind, Kind::Whole(None))
    }
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Kind::Events(_) => SizeHint::default(),
        }
    }
}
