//! Several statements that count together. The thread of a connection is theirs for as long as the transaction is open, and ends it in time
//! whatever the guest does.

use super::connection::Session;
use super::pool::{Lease, Pool, await_verdict};
use super::stop::{Limit, Stop, StopOnDrop};
use crate::caps::sql::model::{Changes, QueryOptions, ResultSet, SqlError, SqlLimits};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A transaction. Dropping it rolls it back.
pub(in crate::caps::sql) struct SqliteTransaction {
    jobs: Sender<Job>,
    limits: SqlLimits,
    /// When the call ends.
    deadline: Instant,
    /// When the transaction ends.
    ends: Instant,
}

type Reply<T> = oneshot::Sender<Result<T, SqlError>>;

enum Job {
    Work(Box<dyn FnOnce(&Session) + Send>),
    /// Keep everything, or nothing.
    End {
        keep: bool,
        reply: Reply<()>,
    },
}

impl SqliteTransaction {
    /// Takes a connection for as long as the transaction is open.
    pub(super) async fn begin(pool: &Arc<Pool>, deadline: Instant) -> Result<Self, SqlError> {
        let limits = pool.limits().clone();
        let (jobs, inbox) = mpsc::channel();
        let (begun, beginning) = oneshot::channel();
        let time_max = limits.transaction_time_max;
        let (stop, time) = stop(&limits, deadline, deadline);
        let (guard, of_thread) = (StopOnDrop(Arc::clone(&stop)), Arc::clone(&stop));
        let hold = move |session: Result<&Session, SqlError>, lease: Lease| match session {
            Ok(session) => hold(session, lease, &inbox, begun, &of_thread, time_max),
            // Nobody may be waiting any more.
            Err(error) => drop(begun.send(Err(error))),
        };
        pool.hold(deadline, hold).await?;
        await_verdict(beginning, time, &stop).await?;
        drop(guard);
        let ends = Instant::now().checked_add(time_max).map_or(deadline, |ends| ends.min(deadline));
        Ok(Self { jobs, limits, deadline, ends })
    }

    /// Runs one statement that returns rows.
    pub(in crate::caps::sql) async fn query(
        &self,
        statement: String,
        parameters: String,
        options: QueryOptions,
    ) -> Result<ResultSet, SqlError> {
        self.step(move |session| session.query(&statement, &parameters, options)).await
    }

    /// Runs one statement that changes data.
    pub(in crate::caps::sql) async fn execute(&self, statement: String, parameters: String) -> Result<Changes, SqlError> {
        self.step(move |session| session.execute(&statement, &parameters)).await
    }

    /// Keeps everything, or nothing.
    pub(in crate::caps::sql) async fn end(self, keep: bool) -> Result<(), SqlError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(Job::End { keep, reply }).map_err(|_| over())?;
        answer.await.unwrap_or_else(|_| Err(over()))
    }

    async fn step<T: Send + 'static>(&self, work: impl FnOnce(&Session) -> Result<T, SqlError> + Send + 'static) -> Result<T, SqlError> {
        let (stop, time) = stop(&self.limits, self.ends, self.deadline);
        let (guard, of_thread) = (StopOnDrop(Arc::clone(&stop)), Arc::clone(&stop));
        let (reply, answer) = oneshot::channel();
        let work = move |session: &Session| drop(reply.send(session.run(&of_thread, work)));
        self.jobs.send(Job::Work(Box::new(work))).map_err(|_| over())?;
        let answered = await_verdict(answer, time, &stop).await;
        drop(guard);
        answered
    }
}

/// What ends a statement that begins now: its own limit, the transaction's, or the call's.
fn stop(limits: &SqlLimits, ends: Instant, deadline: Instant) -> (Arc<Stop>, Duration) {
    let now = Instant::now();
    let of_call = (deadline.saturating_duration_since(now), Limit::Call);
    let of_transaction = (ends.saturating_duration_since(now), Limit::Transaction(limits.transaction_time_max));
    let own = (limits.statement_time_max, Limit::Statement(limits.statement_time_max));
    let (time, limit) = [of_transaction, own].into_iter().fold(of_call, |least, next| if next.0 < least.0 { next } else { least });
    (Arc::new(Stop::after(time, limit)), time)
}

/// The life of a transaction, on its connection's thread.
fn hold(session: &Session, lease: Lease, inbox: &Receiver<Job>, begun: Reply<()>, stop: &Arc<Stop>, time_max: Duration) {
    let result = session.run(stop, Session::begin);
    let failed = result.is_err();
    if begun.send(result).is_err() || failed {
        let _undone = session.end(false);
        return lease.give_back(session);
    }
    let ends = std::time::Instant::now().checked_add(time_max);
    let left = || ends.map_or(time_max, |ends| ends.saturating_duration_since(std::time::Instant::now()));
    // Whoever is gone, or takes too long, gets a rollback.
    while let Ok(job) = inbox.recv_timeout(left()) {
        if left().is_zero() {
            // The job came too late, and its reply goes unanswered.
            break;
        }
        match job {
            Job::Work(work) => work(session),
            Job::End { keep, reply } => {
                // Watched like any other statement: it may have to wait for readers.
                let ended = session.run(&Arc::new(Stop::after(left(), Limit::Call)), |session| session.end(keep));
                // Before the answer, so that the next statement finds the connection.
                lease.give_back(session);
                return drop(reply.send(ended));
            }
        }
        if session.connection.is_autocommit() {
            // Some errors, and `OR ROLLBACK`, end the whole transaction.
            break;
        }
    }
    let _undone = session.end(false);
    lease.give_back(session);
}

fn over() -> SqlError {
    SqlError::Invalid("the transaction is over".to_owned())
}
