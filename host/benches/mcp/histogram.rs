//! Latencies in logarithmic buckets.

use std::time::Duration;

/// 64 buckets to each power of two: a value is told within 1/128 of itself.
const SUB_BITS: u32 = 6;
const SUB_BUCKETS: u64 = 1 << SUB_BITS;
/// Enough for every `u64` of nanoseconds.
const BUCKETS: usize = (64 - SUB_BITS as usize + 1) << SUB_BITS;

/// Counts durations; memory does not grow with the number of them.
pub(crate) struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }

    pub(crate) fn record(&mut self, duration: Duration) {
        self.counts[bucket(duration.as_nanos() as u64)] += 1;
        self.total += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
    }

    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// The duration, in microseconds, that the share `quantile` of all durations does not exceed.
    pub(crate) fn quantile_us(&self, quantile: f64) -> f64 {
        let wanted = (quantile * self.total as f64).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted.max(1) {
                return middle_ns(index as u64) / 1e3;
            }
        }
        f64::NAN
    }
}

/// Below 64 ns a bucket is a nanosecond wide; above, its number is the power of two followed by the next six bits of the value.
fn bucket(ns: u64) -> usize {
    if ns < SUB_BUCKETS {
        return ns as usize;
    }
    let shift = ns.ilog2() - SUB_BITS;
    (u64::from(shift) * SUB_BUCKETS + (ns >> shift)) as usize
}

fn middle_ns(bucket: u64) -> f64 {
    if bucket < SUB_BUCKETS {
        return bucket as f64;
    }
    let width = (1_u64 << (bucket / SUB_BUCKETS - 1)) as f64;
    let first = (SUB_BUCKETS + bucket % SUB_BUCKETS) as f64 * width;
    first + (width - 1.0) / 2.0
}
