//! Statements that are over at once, run right where they are asked for: handing one to a thread and back takes several times as long as a
//! point query itself.
//!
//! Only what reads, only for a moment, and only when it went well. Whatever takes longer, waits for a lock or fails is begun anew on a
//! thread of the pool, which has the last word; a statement that only reads can be run twice.

use super::connection::Session;
use super::stop::{Limit, Stop};
use crate::caps::sql::model::{Access, QueryOptions, ResultSet, SqlLimits};
use rusqlite::limits::Limit as Bound;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long a statement may hold up a worker, which is a fiftieth of what a computing guest may.
const TIME_MAX: Duration = Duration::from_micros(200);
/// Longer statements and parameters take their time before they begin.
const TEXT_BYTES_MAX: usize = 4 << 10;
/// Values and rows. SQLite's functions cannot be interrupted: on values this short they are over in a few microseconds.
const ROW_BYTES_MAX: i32 = 8 << 10;
/// Columns of a point query.
const COLUMNS_MAX: i32 = 100;
/// Steps of SQLite's machine between two looks at the clock: each may be a function.
const STEPS_PER_LOOK: i32 = 50;
/// A connection that nobody used for this long is used no more: its file may be another one by now.
const IDLE_TIME_MAX: Duration = Duration::from_secs(60);

/// Connections of one grant that are used on the threads that ask.
pub(super) struct Quick {
    path: PathBuf,
    access: Access,
    limits: SqlLimits,
    sessions_max: usize,
    idle: Mutex<Vec<Idle>>,
}

/// A connection without work, and since when; none when it has to be closed. Closing one may write, so a thread of the pool does it.
type Idle = (Session, Option<Instant>);

impl Quick {
    /// Opens nothing yet.
    pub(super) fn new(path: &Path, access: Access, limits: &SqlLimits) -> Self {
        let limits = SqlLimits { wait_max: TIME_MAX, ..limits.clone() };
        let sessions_max = std::thread::available_parallelism().map_or(1, usize::from).min(limits.connections_max);
        Self { path: path.to_owned(), access, limits, sessions_max, idle: Mutex::default() }
    }

    /// The answer, if there is one at once.
    pub(super) fn query(&self, statement: &str, parameters: &str, options: QueryOptions) -> Option<ResultSet> {
        if statement.len() > TEXT_BYTES_MAX || parameters.len() > TEXT_BYTES_MAX {
            return None;
        }
        let (session, _) = self.idle().pop_if(|idle| is_fresh(idle))?;
        let time = TIME_MAX.min(self.limits.statement_time_max);
        let stop = Arc::new(Stop::after(time, Limit::Statement(time)));
        let answer = session.run(&stop, |session| session.read(statement, parameters, options));
        let since = session.is_healthy().then(Instant::now);
        self.idle().push((session, since));
        answer.ok()
    }

    /// Closes connections that are used no more, and opens one if there is room. Blocks; for the pool's own threads.
    pub(super) fn refill(&self) {
        let closed: Vec<Idle> = self.idle().extract_if(.., |idle| !is_fresh(idle)).collect();
        drop(closed);
        if self.idle().len() < self.sessions_max
            && let Some(session) = self.open()
        {
            let mut idle = self.idle();
            if idle.len() < self.sessions_max {
                idle.push((session, Some(Instant::now())));
            }
        }
    }

    fn open(&self) -> Option<Session> {
        let mut session = Session::open(&self.path, self.access, &self.limits).ok()?;
        session.row_bytes_max = Some(ROW_BYTES_MAX);
        let watch = Arc::clone(&session.watch);
        session.connection.set_limit(Bound::SQLITE_LIMIT_COLUMN, COLUMNS_MAX).ok()?;
        session.connection.progress_handler(STEPS_PER_LOOK, Some(move || watch.is_over())).ok()?;
        Some(session)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_fresh((_, since): &Idle) -> bool {
    since.is_some_and(|since| since.elapsed() <= IDLE_TIME_MAX)
}
