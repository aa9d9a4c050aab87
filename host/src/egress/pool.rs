//! Connections that wait for another request. Each binding has a pool of its own: what one plugin connected to is nobody else's, and when
//! the binding goes, its connections go with it.

use super::body::RequestBody;
use super::meter::HeadBudget;
use crate::grants::http::Origin;
use hyper::client::conn::http1::SendRequest;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A connection to an origin.
pub(super) struct Connection {
    pub(super) sender: SendRequest<RequestBody>,
    pub(super) head: HeadBudget,
}

/// Connections that wait.
pub(super) struct Pool {
    idle: Mutex<Idle>,
    connections_max: usize,
    time_max: Duration,
}

#[derive(Default)]
struct Idle {
    // The one that was used last stands last.
    connections: Vec<(Origin, Connection, Instant)>,
    swept: bool,
}

/// A connection that is in use, and where it goes back to.
pub(super) struct Lease {
    pool: Weak<Pool>,
    origin: Origin,
    connection: Connection,
}

impl Pool {
    pub(super) fn new(connections_max: usize, time_max: Duration) -> Arc<Self> {
        Arc::new(Self { idle: Mutex::default(), connections_max, time_max })
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to an origin, if one waits.
    pub(super) fn take(&self, origin: &Origin) -> Option<Connection> {
        let mut idle = self.idle();
        idle.keep_good(self.time_max);
        let at = idle.connections.iter().rposition(|(of, _, _)| of == origin)?;
        Some(idle.connections.remove(at).1)
    }

    /// Lends a connection out.
    pub(super) fn lease(self: &Arc<Self>, origin: Origin, connection: Connection) -> Lease {
        Lease { pool: Arc::downgrade(self), origin, connection }
    }

    fn put(self: &Arc<Self>, origin: Origin, connection: Connection) {
        let mut idle = self.idle();
        idle.keep_good(self.time_max);
        idle.connections.push((origin, connection, Instant::now()));
        if idle.connections.len() > self.connections_max {
            idle.connections.remove(0);
        }
        if !std::mem::replace(&mut idle.swept, true) {
            let (pool, time_max) = (Arc::downgrade(self), self.time_max);
            tokio::spawn(async move { sweep(pool, time_max).await });
        }
    }
}

/// Closes connections that have waited too long, as long as there are any.
async fn sweep(pool: Weak<Pool>, time_max: Duration) {
    loop {
        sleep(time_max).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle();
        idle.keep_good(time_max);
        if idle.connections.is_empty() {
            idle.swept = false;
            return;
        }
    }
}

impl Idle {
    fn keep_good(&mut self, time_max: Duration) {
        let now = Instant::now();
        self.connections.retain(|(_, connection, since)| now - *since < time_max && !connection.sender.is_closed());
    }
}

impl Lease {
    /// Back to where it came from, if that is still there.
    pub(super) fn give_back(self) {
        if let Some(pool) = self.pool.upgrade().filter(|_| !self.connection.sender.is_closed()) {
            pool.put(self.origin, self.connection);
        }
    }
}
