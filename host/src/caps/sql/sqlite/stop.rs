//! The end of a statement that takes too long, or that nobody waits for any more.
//!
//! Two ways lead into a running statement. SQLite asks the progress handler every so many steps, which cannot be missed but is not asked
//! within a step; and `interrupt` reaches the long steps, but is forgotten when the statement has not begun yet. So both are used.

use crate::caps::sql::model::SqlError;
use rusqlite::InterruptHandle;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Which limit ends a statement.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    /// Its own.
    Statement(Duration),
    /// That of the transaction that it belongs to.
    Transaction(Duration),
    /// That of the call that it belongs to.
    Call,
}

/// When a statement ends, at the latest. Shared by the call that waits and the thread that works.
pub(super) struct Stop {
    ends: Instant,
    limit: Limit,
    abandoned: AtomicBool,
    running: Mutex<Option<InterruptHandle>>,
    news: Condvar,
}

impl Stop {
    /// A statement that begins now and may take this long.
    pub(super) fn after(time: Duration, limit: Limit) -> Self {
        let now = Instant::now();
        // A time so long that it has no end in the clock's range is as good as a day.
        let ends = now.checked_add(time).unwrap_or(now + Duration::from_hours(24));
        Self { ends, limit, abandoned: AtomicBool::new(false), running: Mutex::new(None), news: Condvar::new() }
    }

    /// Whether the statement has to end.
    pub(super) fn is_over(&self) -> bool {
        self.abandoned.load(Ordering::Acquire) || Instant::now() >= self.ends
    }

    /// What the caller is told when it is over.
    pub(super) fn error(&self) -> SqlError {
        SqlError::Timeout(match self.limit {
            Limit::Statement(time) => format!("the statement took longer than {time:?}, its limit, and was interrupted"),
            Limit::Transaction(time) => format!("the transaction took longer than {time:?}, its limit, and was rolled back"),
            Limit::Call => "the time of the call was over before the statement ended; it was interrupted".to_owned(),
        })
    }

    /// Ends the statement now.
    pub(super) fn now(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        self.abandoned.store(true, Ordering::Release);
        if let Some(handle) = running.as_ref() {
            handle.interrupt();
        }
        self.news.notify_all();
    }

    /// Lets some time pass, less when the statement has to end.
    fn wait(&self, time: Duration) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.is_over() {
            let time = time.min(self.ends.saturating_duration_since(Instant::now()));
            let _running = self.news.wait_timeout(running, time);
        }
    }

    /// From here to `detach` the connection can be interrupted. Never beyond, or the next statement would be hit.
    pub(super) fn attach(&self, handle: InterruptHandle) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(handle);
    }

    /// The statement is over.
    pub(super) fn detach(&self) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Ends the statement when the future that waits for it is dropped. After the statement it does nothing.
pub(super) struct StopOnDrop(pub(super) Arc<Stop>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.now();
    }
}

/// Where the handlers of a connection look up the statement at hand.
#[derive(Default)]
pub(super) struct Watch(Mutex<Option<Arc<Stop>>>);

impl Watch {
    /// A statement begins, or ends.
    pub(super) fn set(&self, stop: Option<Arc<Stop>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stop;
    }

    /// Whether the statement at hand has to end.
    pub(super) fn is_over(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|stop| stop.is_over())
    }

    /// Lets some time pass, less when the statement at hand has to end. Says whether it may go on.
    pub(super) fn wait(&self, time: Duration) -> bool {
        let stop = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        stop.is_some_and(|stop| {
            stop.wait(time);
            !stop.is_over()
        })
    }

    /// The error for a statement that had to end.
    pub(super) fn error(&self) -> Option<SqlError> {
        let stop = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        stop.is_over().then(|| stop.error())
    }
}

#[cfg(test)]
impl Stop {
    /// Whether the statement has begun.
    pub(super) fn is_attached(&self) -> bool {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}
