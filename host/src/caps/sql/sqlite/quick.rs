//! Statements that are over at once, run right where they are asked for: handing one to a thread and back takes several times as long as a
//! point query itself.
//!
//! Only what reads, only for a moment, and only when it went well. Whatever takes longer, waits for a lock or fails is begun anew on a
//! thread of the pool, which has the last word; a statement that only reads can be run twice.

use super::connection::Session;
use super::stop::{Limit, Stop};
use crate::caps::sql::model::{Access, QueryOptions, ResultSet, SqlLimits};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a statement may hold up a worker, which is a fiftieth of what a computing guest may.
const TIME_MAX: Duration = Duration::from_micros(200);
/// Functions of SQLite's are not interrupted, so here they get short values only: what is longer goes to a thread.
const VALUE_BYTES_MAX: usize = 32 << 10;
/// A connection that nobody used for this long is closed: its file may be another one by now.
const IDLE_TIME_MAX: Duration = Duration::from_secs(60);

/// Connections of one grant that are used on the threads that ask.
pub(super) struct Quick {
    path: PathBuf,
    access: Access,
    limits: SqlLimits,
    sessions_max: usize,
    idle: Mutex<Vec<(Session, Instant)>>,
}

impl Quick {
    /// Opens nothing yet.
    pub(super) fn new(path: &Path, access: Access, limits: &SqlLimits) -> Self {
        let value_bytes_max = limits.value_bytes_max.min(VALUE_BYTES_MAX);
        let limits = SqlLimits { value_bytes_max, wait_max: TIME_MAX, ..limits.clone() };
        let sessions_max = std::thread::available_parallelism().map_or(1, usize::from).min(limits.connections_max);
        Self { path: path.to_owned(), access, limits, sessions_max, idle: Mutex::default() }
    }

    /// The answer, if there is one at once.
    pub(super) fn query(&self, statement: &str, parameters: &str, options: QueryOptions) -> Option<ResultSet> {
        let (session, used) = self.idle().pop()?;
        if used.elapsed() > IDLE_TIME_MAX {
            return None;
        }
        let time = TIME_MAX.min(self.limits.statement_time_max);
        let stop = Arc::new(Stop::after(time, Limit::Statement(time)));
        let answer = session.run(&stop, |session| session.read(statement, parameters, options));
        if session.is_healthy() {
            self.idle().push((session, Instant::now()));
        }
        answer.ok()
    }

    /// Opens one more connection, if there is room. Blocks; for the pool's own threads.
    pub(super) fn refill(&self) {
        if self.idle().len() < self.sessions_max
            && let Ok(session) = Session::open(&self.path, self.access, &self.limits)
        {
            let mut idle = self.idle();
            if idle.len() < self.sessions_max {
                idle.push((session, Instant::now()));
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Session, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
