//! Connections of one grant to one database: bounded, waited for but not for ever, and as new for everybody who gets one.

use super::session::{Cancel, Server, Session};
use super::stop::{Ends, VERDICT_TIME_MAX};
use crate::caps::sql::model::SqlError;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

/// A connection without work for this long is closed.
const IDLE_TIME_MAX: Duration = Duration::from_secs(60);

/// The connections of one grant.
pub(super) struct Pool {
    pub(super) server: Arc<Server>,
    permits: Arc<Semaphore>,
    /// The last used comes first, so that the others can end.
    idle: Mutex<Vec<Idle>>,
    reaping: AtomicBool,
}

/// A connection that is being made as new, or has been.
struct Idle {
    since: Instant,
    session: JoinHandle<Option<Session>>,
}

/// A connection in use. Unless it is given back, it is interrupted and closed.
pub(super) struct Lease {
    held: Option<(Session, OwnedSemaphorePermit)>,
    pool: Arc<Pool>,
}

impl Pool {
    /// No connections yet: a database that is down at the start is one that comes up later.
    pub(super) fn new(server: Server) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(server.limits.connections_max));
        Arc::new(Self { server: Arc::new(server), permits, idle: Mutex::default(), reaping: AtomicBool::new(false) })
    }

    /// A connection, as soon as there is one.
    pub(super) async fn lease(self: &Arc<Self>, deadline: Instant) -> Result<Lease, SqlError> {
        let wait_max = self.server.limits.wait_max;
        let patience = Instant::now().checked_add(wait_max).map_or(deadline, |patience| patience.min(deadline));
        let permit = match timeout_at(patience, Arc::clone(&self.permits).acquire_owned()).await {
            Ok(Ok(permit)) => permit,
            _ if patience == deadline => return Err(too_late()),
            _ => {
                let most = self.server.limits.connections_max;
                return Err(SqlError::Unavailable(format!("all {most} connections to the database were busy for {wait_max:?}")));
            }
        };
        match timeout_at(patience, self.session()).await {
            Ok(session) => Ok(Lease { held: Some((session?, permit)), pool: Arc::clone(self) }),
            Err(_) if patience == deadline => Err(too_late()),
            Err(_) => {
                tracing::warn!(database = self.server.name, "a database does not answer");
                Err(SqlError::Unavailable(format!("the database did not answer within {wait_max:?}")))
            }
        }
    }

    async fn session(self: &Arc<Self>) -> Result<Session, SqlError> {
        loop {
            let idle = self.idle().pop();
            let Some(Idle { session, .. }) = idle else { return self.server.connect().await };
            if let Ok(Some(session)) = session.await
                && !session.client.is_closed()
            {
                return Ok(session);
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes what has been idle for long, as long as there is something idle.
    fn reap(self: &Arc<Self>) {
        if self.reaping.swap(true, Ordering::AcqRel) {
            return;
        }
        let pool = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(IDLE_TIME_MAX / 2).await;
                let Some(pool) = pool.upgrade() else { return };
                let mut idle = pool.idle();
                idle.retain(|idle| idle.since.elapsed() < IDLE_TIME_MAX);
                if idle.is_empty() {
                    pool.reaping.store(false, Ordering::Release);
                    return;
                }
            }
        });
    }
}

fn too_late() -> SqlError {
    SqlError::Timeout("the time of the call was over before a connection was free".to_owned())
}

impl Lease {
    /// The connection.
    pub(super) fn session(&mut self) -> Result<&mut Session, SqlError> {
        // Held until it is given back, and then there is no lease any more.
        self.held.as_mut().map(|(session, _)| session).ok_or_else(|| SqlError::Other("the database failed".to_owned()))
    }

    /// Lets work be done until it has to end. Then the server is asked to interrupt it, and the connection is not to be given back: only
    /// the server knows when it acts on that, and it could be somebody else's statement that it interrupts.
    pub(super) async fn until<T>(cancel: &Cancel, ends: &Ends, work: impl Future<Output = Result<T, SqlError>>) -> Ended<T> {
        let mut work = std::pin::pin!(work);
        if let Ok(done) = timeout_at(ends.at, work.as_mut()).await {
            return Ended { answer: done, interrupted: false };
        }
        let verdict = async { futures_util::future::join(cancel.now(), work.as_mut()).await.1 };
        let answer = timeout(VERDICT_TIME_MAX, verdict).await.unwrap_or_else(|_| Err(ends.error()));
        Ended { answer, interrupted: true }
    }

    /// Gives the connection back. It is made as new before anybody else gets it.
    pub(super) fn give_back(mut self) {
        let Some((session, permit)) = self.held.take() else { return };
        let wait_max = self.pool.server.limits.wait_max;
        let session = tokio::spawn(async move { timeout(wait_max, session.reset()).await.unwrap_or(false).then_some(session) });
        self.pool.idle().push(Idle { since: Instant::now(), session });
        drop(permit);
        self.pool.reap();
    }
}

/// How work on a connection ended.
pub(super) struct Ended<T> {
    /// What came of it; that it took too long, when nothing did.
    pub(super) answer: Result<T, SqlError>,
    /// Whether the server was asked to interrupt it.
    pub(super) interrupted: bool,
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some((session, permit)) = self.held.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        // Nobody waits for the statement any more; the server has to be told, or it goes on with it.
        let cancel = session.cancel();
        let wait_max = self.pool.server.limits.wait_max;
        runtime.spawn(async move {
            let _asked = timeout(wait_max, cancel.now()).await;
            drop((session, permit));
        });
    }
}
