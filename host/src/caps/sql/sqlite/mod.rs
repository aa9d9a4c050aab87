//! SQLite behind the `sql` capability: a bounded pool of connections for each grant, on which guests run one statement at a time.
//!
//! In reading order: `quick` (what is over at once), `pool` (threads and waiting), `run` (one statement), `transaction` (several),
//! `screen` (the first look), `authorizer` and `connection` (what holds it), `stop` (what ends it), `binding` and `rows` (values in and
//! out), `failure` (errors), `schema` with `definition` and `tokens` (descriptions), `create` (databases from scripts) and `migrate`
//! (their changes).

mod authorizer;
mod binding;
mod connection;
mod create;
mod definition;
mod failure;
mod migrate;
mod pool;
mod quick;
mod rows;
mod run;
mod schema;
mod screen;
mod stop;
#[cfg(test)]
pub(super) mod tests;
mod tokens;
mod transaction;

pub use create::create_from_sql;
pub use migrate::migrate;
pub(super) use transaction::SqliteTransaction;

use super::model::{Access, Changes, QueryOptions, ResultSet, SqlError, SqlLimits, TableInfo};
use pool::Pool;
use quick::Quick;
use rusqlite::Connection;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use tokio::time::Instant;

/// One database under one grant. Clones share its connections.
#[derive(Clone)]
pub struct SqliteDatabase {
    quick: Arc<Quick>,
    pool: Arc<Pool>,
    access: Access,
}

impl SqliteDatabase {
    /// Opens a database that is there. Blocks for as long as opening a file takes; the request path has no business here.
    pub fn open(path: &Path, access: Access, limits: SqlLimits) -> Result<Self, SqlError> {
        let quick = Arc::new(Quick::new(path, access, &limits));
        Ok(Self { quick, pool: Pool::open(path, access, limits)?, access })
    }

    /// What the grant allows.
    #[must_use]
    pub fn access(&self) -> Access {
        self.access
    }

    /// Runs one statement that returns rows. `parameters` is JSON text: an array, an object, or nothing.
    ///
    /// Dropping the future interrupts the statement, and undoes what it has changed so far.
    pub async fn query(
        &self,
        statement: String,
        parameters: String,
        options: QueryOptions,
        deadline: Instant,
    ) -> Result<ResultSet, SqlError> {
        if Instant::now() < deadline
            && let Some(answer) = self.quick.query(&statement, &parameters, options)
        {
            return Ok(answer);
        }
        let quick = Arc::clone(&self.quick);
        let answer = move |session: &connection::Session| {
            let answer = session.query(&statement, &parameters, options);
            quick.refill();
            answer
        };
        self.pool.run(deadline, answer).await
    }

    /// Runs one statement that changes data or, with write access, tables, indexes and views.
    ///
    /// Dropping the future interrupts the statement, and undoes what it has changed so far.
    pub async fn execute(&self, statement: String, parameters: String, deadline: Instant) -> Result<Changes, SqlError> {
        self.pool.run(deadline, move |session| session.execute(&statement, &parameters)).await
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self, deadline: Instant) -> Result<SqliteTransaction, SqlError> {
        SqliteTransaction::begin(&self.pool, deadline).await
    }

    /// Describes one table, or all of them in the order of their names.
    pub async fn schema(&self, table: Option<String>, deadline: Instant) -> Result<Vec<TableInfo>, SqlError> {
        let pool = Arc::clone(&self.pool);
        self.pool.run(deadline, move |session| session.schema(pool.path(), table.as_deref())).await
    }
}

impl fmt::Debug for SqliteDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteDatabase").field("access", &self.access).finish_non_exhaustive()
    }
}

/// Bounds the memory of SQLite in this process, all databases together. It can be lowered later, but not raised. A statement that meets
/// the bound fails with `too-large`. Called once, at the start of the host.
pub fn limit_memory(bytes_max: usize) -> Result<(), SqlError> {
    let limited =
        Connection::open_in_memory().and_then(|connection| connection.execute_batch(&format!("PRAGMA hard_heap_limit = {bytes_max};")));
    limited.map_err(|error| failure::of_opening(&error))
}
