//! Counts what an upstream sends before its response begins: responses that only announce another one have no end of their own.

use super::dial::Io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes may still come before the head is there.
#[derive(Debug, Clone)]
pub(super) struct HeadBudget(Arc<AtomicUsize>);

impl HeadBudget {
    /// No request is sent yet.
    pub(super) fn unbounded() -> Self {
        Self(Arc::new(AtomicUsize::new(usize::MAX)))
    }

    /// A request is sent: its response's head may be this long.
    pub(super) fn begin(&self, bytes_max: usize) {
        self.0.store(bytes_max, Ordering::Relaxed);
    }

    /// The head is there; the body has a limit of its own.
    pub(super) fn end(&self) {
        self.0.store(usize::MAX, Ordering::Relaxed);
    }

    /// Whether it is used up.
    pub(super) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn charge(&self, bytes: usize) -> bool {
        let left = self.0.load(Ordering::Relaxed);
        if left != usize::MAX {
            self.0.store(left.saturating_sub(bytes), Ordering::Relaxed);
        }
        left > bytes
    }
}

/// A connection whose reads are counted.
pub(super) struct Metered {
    pub(super) io: Box<dyn Io>,
    pub(super) head: HeadBudget,
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if read.is_ready() && !self.head.charge(buffer.filled().len() - before) {
            return Poll::Ready(Err(std::io::Error::other("the response's head is too large")));
        }
        read
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
