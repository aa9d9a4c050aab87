//! `wasi:logging/logging`, which every guest gets like `log` of `cofferdam:mcp/host`, and how fast a tenant may write to the log at all.

use super::budget::Budget;
use super::host::write_log;
use crate::ids::TenantId;
use crate::limits::Limits;
use crate::wit::cofferdam::mcp::host::Level;
use crate::wit::wasi::logging::logging as wit;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use wasmtime::StoreContextMut;
use wasmtime::component::Linker;

/// Under which names languages and their libraries import it.
pub const INTERFACES: [&str; 2] = ["wasi:logging/logging@0.1.0-draft", "wasi:logging/logging"];

/// The rates of all tenants: one per process.
#[derive(Debug)]
pub struct LogRates {
    records_per_second_max: u32,
    tenants: Mutex<BTreeMap<TenantId, Arc<LogRate>>>,
}

impl LogRates {
    /// Nobody has written anything yet.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { records_per_second_max: limits.log_records_per_second_max, tenants: Mutex::default() }
    }

    /// The rate of a tenant, all of its plugins together.
    #[must_use]
    pub fn of(&self, tenant: &TenantId) -> Arc<LogRate> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let rate = || Arc::new(LogRate::new(self.records_per_second_max));
        Arc::clone(tenants.entry(tenant.clone()).or_insert_with(rate))
    }
}

/// How fast the guests of one tenant may write to the log.
#[derive(Debug)]
pub struct LogRate {
    limiter: RateLimiter<NotKeyed, InMemoryState, SinceStart, NoOpMiddleware<Duration>>,
    clock: SinceStart,
    dropped: AtomicU64,
    // In seconds since the start, and one more: 0 is never.
    said: AtomicU64,
}

/// Time as governor wants it, by tokio's clock.
#[derive(Debug, Clone, Copy)]
struct SinceStart(Instant);

impl Clock for SinceStart {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Whether it is written.
    pub write: bool,
    /// How many were dropped since this was said last, when it is time to say so; 0 otherwise.
    pub dropped: u64,
}

impl LogRate {
    fn new(records_per_second_max: u32) -> Self {
        let clock = SinceStart(Instant::now());
        let quota = Quota::per_second(NonZeroU32::new(records_per_second_max).unwrap_or(NonZeroU32::MIN));
        Self { limiter: RateLimiter::direct_with_clock(quota, clock), clock, dropped: AtomicU64::new(0), said: AtomicU64::new(0) }
    }

    /// Takes one record.
    pub fn admit(&self) -> Admitted {
        let write = self.limiter.check().is_ok();
        if !write {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Admitted { write, dropped: self.to_say() }
    }

    /// At most once a second, however many threads ask.
    fn to_say(&self) -> u64 {
        if self.dropped.load(Ordering::Relaxed) == 0 {
            return 0;
        }
        let (now, said) = (self.clock.now().as_secs().saturating_add(1), self.said.load(Ordering::Relaxed));
        let mine = now > said && self.said.compare_exchange(said, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if mine { self.dropped.swap(0, Ordering::Relaxed) } else { 0 }
    }
}

/// One call's view.
pub struct LogView<'a> {
    /// What the call may still take.
    pub budget: &'a mut Budget,
}

impl LogView<'_> {
    fn log(&mut self, level: wit::Level, context: &str, message: String) -> wasmtime::Result<()> {
        self.budget.charge_host_call()?;
        let level = match level {
            wit::Level::Trace => Level::Trace,
            wit::Level::Debug => Level::Debug,
            wit::Level::Info => Level::Info,
            wit::Level::Warn => Level::Warn,
            wit::Level::Error | wit::Level::Critical => Level::Error,
        };
        let message = if context.is_empty() { message } else { format!("{context}: {message}") };
        write_log(self.budget, level, "log", message.as_bytes());
        Ok(())
    }
}

/// Links the interface, under both of its names.
pub fn link<T: 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> LogView<'_>) -> wasmtime::Result<()> {
    for interface in INTERFACES {
        let log = move |mut store: StoreContextMut<'_, T>, (level, context, message): (wit::Level, String, String)| {
            view(store.data_mut()).log(level, &context, message)
        };
        linker.instance(interface)?.func_wrap("log", log)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_cut_to_its_rate_and_counted_once_a_second() {
        let limits = Limits { log_records_per_second_max: 200, ..Limits::default() };
        let rates = LogRates::new(&limits);
        let (one, other) = (rates.of(&TenantId::named("one")), rates.of(&TenantId::named("other")));
        let flood = |records: usize| (0..records).map(|_| one.admit()).collect::<Vec<_>>();
        let first = flood(1_000);
        assert_eq!(first.iter().filter(|admitted| admitted.write).count(), 200);
        // Said at the first that is dropped, and not again within the second.
        assert_eq!(first.iter().map(|admitted| admitted.dropped).filter(|dropped| *dropped > 0).collect::<Vec<_>>(), [1]);
        assert_eq!(other.admit(), Admitted { write: true, dropped: 0 });
        for _ in 0..3 {
            tokio::time::advance(Duration::from_secs(1)).await;
            let next = flood(1_000);
            assert_eq!(next.iter().filter(|admitted| admitted.write).count(), 200);
            assert_eq!(next.iter().map(|admitted| admitted.dropped).filter(|dropped| *dropped > 0).count(), 1);
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!((flood(1)[0], flood(1)[0]), (Admitted { write: true, dropped: 800 }, Admitted { write: true, dropped: 0 }));
    }

    #[test]
    fn a_tenant_has_one_rate_for_all_of_its_plugins() {
        let rates = LogRates::new(&Limits::default());
        assert!(Arc::ptr_eq(&rates.of(&TenantId::local()), &rates.of(&TenantId::local())));
    }
}
