//! Bodies on their way in and out.

use super::error::EgressError;
use super::pool::Lease;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use std::any::Any;
use std::error::Error;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep_until};

/// What is sent with a request.
pub type RequestBody = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// What comes with a response, within its limits. Read to its end, it gives its connection back; dropped before, it closes it.
pub struct ResponseBody {
    incoming: Incoming,
    left: usize,
    bounds: Bounds,
    timer: Pin<Box<Sleep>>,
    lease: Option<Lease>,
    // Slots that are taken until the end.
    _held: Box<dyn Any + Send>,
}

/// The limits of a response's body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) bytes_max: usize,
    pub(super) between_max: Duration,
    pub(super) deadline: Instant,
    pub(super) total_max: Duration,
}

impl Bounds {
    /// When the next piece has to be there.
    fn next(&self) -> Instant {
        (Instant::now() + self.between_max).min(self.deadline)
    }

    fn late(&self) -> EgressError {
        if Instant::now() >= self.deadline {
            EgressError::Timeout("the request", self.total_max)
        } else {
            EgressError::Timeout("the next piece of the response", self.between_max)
        }
    }
}

impl ResponseBody {
    pub(super) fn new(incoming: Incoming, bounds: Bounds, lease: Option<Lease>, held: Box<dyn Any + Send>) -> Self {
        Self { incoming, left: bounds.bytes_max, timer: Box::pin(sleep_until(bounds.next())), bounds, lease, _held: held }
    }

    fn end(&mut self, reusable: bool) {
        if let Some(lease) = self.lease.take().filter(|_| reusable) {
            lease.give_back();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = EgressError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, EgressError>>> {
        let this = &mut *self;
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                let Some(left) = this.left.checked_sub(bytes) else {
                    this.end(false);
                    return Poll::Ready(Some(Err(EgressError::TooLarge("the response's body", this.bounds.bytes_max))));
                };
                // One that always has something to say would never let the timer be looked at.
                if Instant::now() >= this.bounds.deadline {
                    this.end(false);
                    return Poll::Ready(Some(Err(this.bounds.late())));
                }
                this.left = left;
                this.timer.as_mut().reset(this.bounds.next());
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::debug!(%error, "a response ended badly");
                this.end(false);
                Poll::Ready(Some(Err(EgressError::Broken("the response is not whole"))))
            }
            Poll::Ready(None) => {
                this.end(true);
                Poll::Ready(None)
            }
            Poll::Pending if this.timer.as_mut().poll(cx).is_ready() => {
                this.end(false);
                Poll::Ready(Some(Err(this.bounds.late())))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        // Only the end that was read gives the connection back.
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
