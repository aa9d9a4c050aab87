//! Several statements that count together. A task of its own holds the connection for as long as the transaction is open, so that it ends in
//! time whatever the guest does, and is rolled back when the guest is gone.

use super::pool::{Ended, Lease, Pool};
use super::run::{self, Trouble};
use super::stop::Ends;
use super::{Answer, Work};
use crate::caps::sql::model::{Access, Changes, QueryOptions, ResultSet, SqlError};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Transaction;

/// A transaction. Dropping it rolls it back.
pub(in crate::caps::sql) struct PostgresTransaction {
    jobs: mpsc::Sender<Job>,
    /// When the call ends.
    deadline: Instant,
}

type Reply<T> = oneshot::Sender<Result<T, SqlError>>;

enum Job {
    Work(Work, Reply<Answer>),
    /// Keep everything, or nothing.
    End {
        keep: bool,
        reply: Reply<()>,
    },
}

impl PostgresTransaction {
    /// Takes a connection for as long as the transaction is open.
    pub(super) async fn begin(pool: &Arc<Pool>, deadline: Instant) -> Result<Self, SqlError> {
        let lease = pool.lease(deadline).await?;
        let (jobs, inbox) = mpsc::channel(1);
        let (begun, beginning) = oneshot::channel();
        let pool = Arc::clone(pool);
        tokio::spawn(async move { Self::hold(&pool, lease, inbox, begun, deadline).await });
        beginning.await.unwrap_or_else(|_| Err(over()))?;
        Ok(Self { jobs, deadline })
    }

    /// Runs one statement that returns rows.
    pub(in crate::caps::sql) async fn query(
        &self,
        statement: String,
        parameters: String,
        options: QueryOptions,
    ) -> Result<ResultSet, SqlError> {
        self.send(|reply| Job::Work(Work::Query { statement, parameters, options }, reply)).await?.rows()
    }

    /// Runs one statement that changes data.
    pub(in crate::caps::sql) async fn execute(&self, statement: String, parameters: String) -> Result<Changes, SqlError> {
        self.send(|reply| Job::Work(Work::Execute { statement, parameters }, reply)).await?.changes()
    }

    /// Keeps everything, or nothing.
    pub(in crate::caps::sql) async fn end(self, keep: bool) -> Result<(), SqlError> {
        self.send(|reply| Job::End { keep, reply }).await
    }

    async fn send<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, SqlError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).await.map_err(|_| over())?;
        timeout_at(self.deadline, answer).await.unwrap_or(Ok(Err(over()))).unwrap_or_else(|_| Err(over()))
    }

    /// The life of the task.
    async fn hold(pool: &Pool, mut lease: Lease, mut inbox: mpsc::Receiver<Job>, begun: Reply<()>, deadline: Instant) {
        let limits = &pool.server.limits;
        let whole = Ends::of(limits.transaction_time_max, deadline);
        let Ok(session) = lease.session() else { return };
        let (cancel, exceeded) = (session.cancel(), session.watch());
        let first = Ends::of(limits.statement_time_max, deadline);
        let begin = session.client.build_transaction().read_only(pool.server.access == Access::Read);
        let started = Lease::until(&cancel, &first, async {
            begin.start().await.map_err(|error| Trouble::Driver(error).explain(exceeded.exceeded(), limits, &first))
        });
        let mut transaction = match started.await {
            Ended { answer: Ok(transaction), interrupted: false } => transaction,
            Ended { answer: Ok(_), interrupted: true } => return drop(begun.send(Err(first.error()))),
            Ended { answer: Err(error), .. } => return drop(begun.send(Err(error))),
        };
        if begun.send(Ok(())).is_err() {
            return;
        }
        // Once the server was asked to interrupt a statement, nobody else gets the connection.
        let mut interrupted = false;
        // Whoever is gone, or takes too long, gets a rollback.
        while let Ok(Some(job)) = timeout_at(whole.at, inbox.recv()).await {
            let ends = Ends::of(limits.statement_time_max, deadline).within(whole.at, limits.transaction_time_max);
            if Instant::now() >= whole.at {
                // The job came too late, and its reply goes unanswered.
                break;
            }
            match job {
                Job::Work(work, mut reply) => {
                    let done = async {
                        let explain = |trouble: Trouble| trouble.explain(exceeded.exceeded(), limits, &ends);
                        let stepped = step(&mut transaction, &work, limits).await;
                        stepped.map(|answer| answer.map_err(explain)).map_err(explain)
                    };
                    let ended = tokio::select! {
                        ended = Lease::until(&cancel, &ends, done) => ended,
                        // The call is over. The connection is interrupted and closed, which rolls back.
                        () = reply.closed() => return,
                    };
                    interrupted |= ended.interrupted;
                    // What the transaction holds is not known after an error here. It is over, so that no commit can report success.
                    let (answer, is_over) = ended.answer.map_or_else(|error| (Err(error), true), |answer| (answer, false));
                    if reply.send(answer).is_err() || is_over {
                        return;
                    }
                }
                Job::End { keep, reply } => {
                    let done = async {
                        let done = if keep { transaction.commit().await } else { transaction.rollback().await };
                        done.map_err(|error| Trouble::Driver(error).explain(exceeded.exceeded(), limits, &ends))
                    };
                    let ended = Lease::until(&cancel, &ends, done).await;
                    if !interrupted && !ended.interrupted {
                        lease.give_back();
                    }
                    return drop(reply.send(ended.answer));
                }
            }
        }
        if interrupted {
            return;
        }
        let rolled_back = timeout_at(Instant::now() + limits.wait_max, transaction.rollback()).await;
        if matches!(rolled_back, Ok(Ok(()))) {
            lease.give_back();
        }
    }
}

/// One statement. When it fails, only what it did itself is undone, as on SQLite; PostgreSQL alone would give up the transaction. When that
/// is not possible, the transaction itself has failed: the outer error.
async fn step(
    transaction: &mut Transaction<'_>,
    work: &Work,
    limits: &crate::caps::sql::model::SqlLimits,
) -> Result<Result<Answer, Trouble>, Trouble> {
    let point = transaction.transaction().await?;
    let answer = run::perform(&point, work, limits).await;
    if answer.is_ok() {
        point.commit().await?;
    } else {
        point.rollback().await?;
    }
    Ok(answer)
}

fn over() -> SqlError {
    SqlError::Invalid("the transaction is over".to_owned())
}
