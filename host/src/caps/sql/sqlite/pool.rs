//! Connections of one grant to one database, each with a thread of its own.
//!
//! A thread per connection rather than tokio's blocking threads: handing over a statement takes a third less time, a statement stuck
//! inside a function of SQLite's holds up neither the runtime's other blocking work nor its shutdown, and a connection is closed, which
//! may write, off the runtime's threads. Their number is bounded by `connections_max`, and an idle one ends.

use super::connection::Session;
use super::stop::{Limit, Stop, StopOnDrop};
use crate::caps::sql::model::{Access, SqlError, SqlLimits};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::{Instant, timeout, timeout_at};

/// A connection without work for this long is closed.
const IDLE_TIME_MAX: Duration = Duration::from_secs(60);
/// How long after its end a statement's thread is waited for, since only the thread knows whether the statement was still in time.
const VERDICT_TIME_MAX: Duration = Duration::from_millis(250);

/// The connections of one grant.
pub(super) struct Pool {
    path: PathBuf,
    access: Access,
    limits: SqlLimits,
    /// One for each connection that may be at work.
    permits: Arc<Semaphore>,
    /// The last used comes first, so that the others can end.
    idle: Mutex<Vec<Worker>>,
    workers: AtomicU64,
    idle_time_max: Duration,
}

/// The way to a connection's thread. Without it the thread ends.
struct Worker {
    number: u64,
    jobs: Sender<Job>,
}

/// Work for a connection, or the news that there is none.
type Work = Box<dyn FnOnce(Result<&Session, SqlError>, Lease) + Send>;

struct Job {
    work: Work,
    lease: Lease,
}

/// A worker at work. It goes back only when its connection is sound.
pub(super) struct Lease {
    worker: Worker,
    pool: Arc<Pool>,
    /// Held until the work is over, also when nobody waits for it any more.
    permit: OwnedSemaphorePermit,
}

impl Pool {
    /// Opens the database once, so that a wrong path or a broken file is found now.
    pub(super) fn open(path: &Path, access: Access, limits: SqlLimits) -> Result<Arc<Self>, SqlError> {
        Self::open_for(path, access, limits, IDLE_TIME_MAX)
    }

    fn open_for(path: &Path, access: Access, limits: SqlLimits, idle_time_max: Duration) -> Result<Arc<Self>, SqlError> {
        let session = Session::open(path, access, &limits)?;
        let pool = Arc::new(Self {
            path: path.to_owned(),
            access,
            permits: Arc::new(Semaphore::new(limits.connections_max)),
            limits,
            idle: Mutex::new(Vec::new()),
            workers: AtomicU64::new(0),
            idle_time_max,
        });
        let worker = pool.hire(Some(session))?;
        pool.idle().push(worker);
        Ok(pool)
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Does work on a connection. When the future is dropped, the statement is interrupted.
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        deadline: Instant,
        work: impl FnOnce(&Session) -> Result<T, SqlError> + Send + 'static,
    ) -> Result<T, SqlError> {
        let permit = self.permit(deadline).await?;
        let left = deadline.saturating_duration_since(Instant::now());
        let own = self.limits.statement_time_max;
        let (time, limit) = if own < left { (own, Limit::Statement(own)) } else { (left, Limit::Call) };
        let stop = Arc::new(Stop::after(time, limit));
        let guard = StopOnDrop(Arc::clone(&stop));
        let (reply, answer) = oneshot::channel();
        let of_thread = Arc::clone(&stop);
        let work: Work = Box::new(move |session, lease| {
            let result = match session {
                Ok(session) => {
                    let result = session.run(&of_thread, work);
                    // Before the answer, so that the next statement finds it.
                    lease.give_back(session);
                    result
                }
                Err(error) => Err(error),
            };
            // Nobody may be waiting any more.
            let _unheard = reply.send(result);
        });
        self.dispatch(work, permit)?;
        let answered = await_verdict(answer, time, &stop).await;
        drop(guard);
        answered
    }

    /// Hands a connection over to whoever holds it for longer than one statement.
    pub(super) async fn hold(
        self: &Arc<Self>,
        deadline: Instant,
        hold: impl FnOnce(Result<&Session, SqlError>, Lease) + Send + 'static,
    ) -> Result<(), SqlError> {
        let permit = self.permit(deadline).await?;
        self.dispatch(Box::new(hold), permit)
    }

    /// What the connections may take.
    pub(super) fn limits(&self) -> &SqlLimits {
        &self.limits
    }

    async fn permit(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, SqlError> {
        let patience = Instant::now().checked_add(self.limits.wait_max).map_or(deadline, |patience| patience.min(deadline));
        match timeout_at(patience, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ if patience == deadline => Err(SqlError::Timeout("the time of the call was over before a connection was free".to_owned())),
            _ => Err(SqlError::Unavailable(format!(
                "all {} connections to the database were busy for {:?}",
                self.limits.connections_max, self.limits.wait_max
            ))),
        }
    }

    fn dispatch(self: &Arc<Self>, work: Work, permit: OwnedSemaphorePermit) -> Result<(), SqlError> {
        let idle = self.idle().pop();
        let worker = idle.map_or_else(|| self.hire(None), Ok)?;
        let jobs = worker.jobs.clone();
        let job = Job { work, lease: Lease { worker, pool: Arc::clone(self), permit } };
        jobs.send(job).map_err(|_| SqlError::Other("the database failed".to_owned()))
    }

    /// Begins a thread. It opens its connection itself, unless it is given one.
    fn hire(self: &Arc<Self>, session: Option<Session>) -> Result<Worker, SqlError> {
        let number = self.workers.fetch_add(1, Ordering::Relaxed);
        let (jobs, inbox) = mpsc::channel();
        let (path, access, limits) = (self.path.clone(), self.access, self.limits.clone());
        let (pool, idle_time_max) = (Arc::downgrade(self), self.idle_time_max);
        let thread = std::thread::Builder::new().name("sqlite".to_owned());
        let begun = thread.spawn(move || {
            let opened = session.map_or_else(|| Session::open(&path, access, &limits), Ok);
            work_off(&inbox, &opened, idle_time_max, || pool.upgrade().is_none_or(|pool| pool.dismiss(number)));
        });
        begun.map_err(|error| {
            tracing::error!(%error, "a thread for a database cannot be started");
            SqlError::Unavailable("the host has no thread left for the database".to_owned())
        })?;
        Ok(Worker { number, jobs })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an idle worker off the list. `false` when it is not there any more: then work is on its way.
    fn dismiss(&self, number: u64) -> bool {
        let mut idle = self.idle();
        let place = idle.iter().position(|worker| worker.number == number);
        place.map(|place| idle.remove(place)).is_some()
    }
}

/// The answer of a thread, which has this much time.
pub(super) async fn await_verdict<T>(
    mut answer: oneshot::Receiver<Result<T, SqlError>>,
    time: Duration,
    stop: &Stop,
) -> Result<T, SqlError> {
    let answered = match timeout(time, &mut answer).await {
        Ok(answered) => answered,
        Err(_) => {
            stop.now();
            timeout(VERDICT_TIME_MAX, &mut answer).await.unwrap_or_else(|_| Ok(Err(stop.error())))
        }
    };
    // The thread died: a panic, which took its connection along.
    answered.unwrap_or_else(|_| Err(SqlError::Other("the database failed".to_owned())))
}

impl Lease {
    pub(super) fn give_back(self, session: &Session) {
        let Self { worker, pool, permit } = self;
        if session.is_healthy() {
            pool.idle().push(worker);
        } else {
            // The thread ends with the last way to it, and closes the connection, which undoes what was left open.
            tracing::error!("a connection was left in a transaction and is closed");
        }
        drop(permit);
    }
}

/// The life of a connection's thread. `may_end` says whether it may go after idle time, and nobody will send work any more.
fn work_off(inbox: &Receiver<Job>, opened: &Result<Session, SqlError>, idle_time_max: Duration, may_end: impl Fn() -> bool) {
    loop {
        match inbox.recv_timeout(idle_time_max) {
            Ok(Job { work, lease }) => match opened {
                Ok(session) => work(Ok(session), lease),
                Err(error) => return work(Err(error.clone()), lease),
            },
            Err(RecvTimeoutError::Timeout) if !may_end() => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
    }
}

#[cfg(test)]
impl Pool {
    /// A pool whose connections end soon.
    pub(super) fn impatient(path: &Path, access: Access, limits: SqlLimits) -> Result<Arc<Self>, SqlError> {
        Self::open_for(path, access, limits, Duration::from_millis(1))
    }

    /// Connections that wait for work.
    pub(super) fn idle_count(&self) -> usize {
        self.idle().len()
    }

    /// Connections at work.
    pub(super) fn busy_count(&self) -> usize {
        self.limits.connections_max - self.permits.available_permits()
    }
}
