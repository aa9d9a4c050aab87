//! Processor time of a call, and how calls that take long are moved out of the way of the quick ones.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Counts how long a call's future was being polled: the time on a thread, waits not included.
#[derive(Debug)]
pub struct Meter {
    origin: Instant,
    busy_ns: AtomicU64,
    slice_began_ns: AtomicU64,
    yielded: AtomicBool,
}

impl Meter {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            origin: Instant::now(),
            busy_ns: AtomicU64::new(0),
            slice_began_ns: AtomicU64::new(0),
            yielded: AtomicBool::new(false),
        })
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Time on a thread until now; to be asked from within a slice.
    pub(super) fn busy(&self) -> Duration {
        let slice = self.now_ns().saturating_sub(self.slice_began_ns.load(Ordering::Relaxed));
        Duration::from_nanos(self.busy_ns.load(Ordering::Relaxed).saturating_add(slice))
    }

    /// The guest has used up a whole tick and is about to yield.
    pub(super) fn note_yield(&self) {
        self.yielded.store(true, Ordering::Relaxed);
    }

    fn has_yielded(&self) -> bool {
        self.yielded.load(Ordering::Relaxed)
    }
}

/// Measures every poll of `future`.
pub(super) struct Metered<F> {
    pub(super) future: F,
    pub(super) meter: Arc<Meter>,
}

impl<F: Future + Unpin> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let began = self.meter.now_ns();
        self.meter.slice_began_ns.store(began, Ordering::Relaxed);
        let polled = Pin::new(&mut self.future).poll(cx);
        let took = self.meter.now_ns().saturating_sub(began);
        self.meter.busy_ns.fetch_add(took, Ordering::Relaxed);
        polled
    }
}

/// Runs a call where it is, which is cheapest, until it has used up its first tick; from then on it runs on `long_calls`, a runtime whose
/// threads the kernel schedules beside ours, so that a guest that computes for long does not hold up the connections of this thread.
pub async fn run_fair<T: Send + 'static>(
    long_calls: &tokio::runtime::Handle,
    meter: Arc<Meter>,
    mut call: Pin<Box<dyn Future<Output = T> + Send>>,
) -> Option<T> {
    let first = std::future::poll_fn(|cx| match call.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if meter.has_yielded() => Poll::Ready(None),
        Poll::Pending => Poll::Pending,
    })
    .await;
    match first {
        Some(output) => Some(output),
        // Dropping us aborts the task, and with it the store.
        None => AbortOnDrop(long_calls.spawn(call)).await,
    }
}

struct AbortOnDrop<T>(tokio::task::JoinHandle<T>);

impl<T> Future for AbortOnDrop<T> {
    type Output = Option<T>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        Pin::new(&mut self.0).poll(cx).map(Result::ok)
    }
}

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
