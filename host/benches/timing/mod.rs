//! Time per call of something that takes microseconds: the median of batches, on one or several threads at once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// How often to call.
#[derive(Clone, Copy)]
pub(crate) struct Batches {
    /// Timed batches on each thread; up to 20 more are run first, to warm up.
    pub(crate) count: usize,
    /// Calls in a batch: enough that reading the clock costs nothing.
    pub(crate) calls: u32,
}

/// Microseconds per call, over the batches of all threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PerCall {
    pub(crate) median_us: f64,
    /// The fastest batch: the cost when nobody disturbs.
    pub(crate) least_us: f64,
}

/// Times `threads` threads that run batches at the same time. `worker` is called on each thread, prepares what one thread needs
/// (say, a current-thread runtime) and returns the batch: a function that makes as many calls as it is told to.
pub(crate) fn per_call<B: FnMut(u32)>(threads: usize, batches: Batches, worker: impl Fn() -> B + Sync) -> PerCall {
    let ready = Barrier::new(threads);
    let still_timing = AtomicUsize::new(threads);
    let time = || {
        let mut batch = worker();
        for _ in 0..batches.count.min(20) {
            batch(batches.calls);
        }
        ready.wait();
        let mut times = Vec::with_capacity(batches.count);
        for _ in 0..batches.count {
            let start = Instant::now();
            batch(batches.calls);
            times.push(start.elapsed().as_secs_f64() * 1e6 / f64::from(batches.calls));
        }
        // Nobody may time a batch while another thread is already idle.
        still_timing.fetch_sub(1, Ordering::Relaxed);
        while still_timing.load(Ordering::Relaxed) > 0 {
            batch(batches.calls);
        }
        times
    };
    let mut times: Vec<f64> = std::thread::scope(|scope| {
        let timers: Vec<_> = (0..threads).map(|_| scope.spawn(time)).collect();
        timers.into_iter().flat_map(|timer| timer.join().expect("no batch panics")).collect()
    });
    times.sort_by(f64::total_cmp);
    PerCall { median_us: times[times.len() / 2], least_us: times[0] }
}
