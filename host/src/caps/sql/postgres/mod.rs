//! PostgreSQL behind the `sql` capability: a bounded pool of connections for each grant, on which guests run one statement at a time.
//!
//! In reading order: `pool` (connections and waiting), `session` (one connection) with `stream` (the way there) and `login` (what it may
//! do), `run` (one statement), `transaction` (several), `screen` with `tokens` (the first look), `stop` (what ends it), `binding` and
//! `values` (JSON in and out), `failure` (errors), `schema` with `types` and `expression` (descriptions).

mod binding;
mod expression;
mod failure;
mod login;
mod pool;
mod run;
mod schema;
mod screen;
mod session;
mod stop;
mod stream;
mod tokens;
mod transaction;
mod types;
mod values;

pub(super) use transaction::PostgresTransaction;

use super::model::{Access, Changes, QueryOptions, ResultSet, SqlError, SqlLimits, TableInfo};
use crate::config::PostgresServer;
use crate::secrets::Secrets;
use pool::{Lease, Pool};
use session::Server;
use std::fmt;
use std::sync::Arc;
use stop::Ends;
use tokio::time::Instant;

/// One database under one grant. Clones share its connections.
#[derive(Clone)]
pub struct PostgresDatabase {
    pool: Arc<Pool>,
}

/// What can be asked of a database.
#[derive(Debug)]
enum Work {
    Query { statement: String, parameters: String, options: QueryOptions },
    Execute { statement: String, parameters: String },
    Schema { table: Option<String> },
}

/// And what it says.
#[derive(Debug)]
enum Answer {
    Rows(ResultSet),
    Changes(Changes),
    Tables(Vec<TableInfo>),
}

impl Answer {
    fn rows(self) -> Result<ResultSet, SqlError> {
        if let Self::Rows(rows) = self { Ok(rows) } else { Err(mixed_up()) }
    }

    fn changes(self) -> Result<Changes, SqlError> {
        if let Self::Changes(changes) = self { Ok(changes) } else { Err(mixed_up()) }
    }

    fn tables(self) -> Result<Vec<TableInfo>, SqlError> {
        if let Self::Tables(tables) = self { Ok(tables) } else { Err(mixed_up()) }
    }
}

/// Each work has its own kind of answer.
fn mixed_up() -> SqlError {
    SqlError::Other("the database failed".to_owned())
}

impl PostgresDatabase {
    /// A database that is connected to when it is first used.
    pub fn new(name: &str, address: &PostgresServer, access: Access, limits: SqlLimits, secrets: &Secrets) -> Result<Self, SqlError> {
        Ok(Self { pool: Pool::new(Server::new(name, address, access, limits, secrets)?) })
    }

    /// What the grant allows.
    #[must_use]
    pub fn access(&self) -> Access {
        self.pool.server.access
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
        self.run(Work::Query { statement, parameters, options }, deadline).await?.rows()
    }

    /// Runs one statement that changes data or, where the login may, tables.
    ///
    /// Dropping the future interrupts the statement, and undoes what it has changed so far.
    pub async fn execute(&self, statement: String, parameters: String, deadline: Instant) -> Result<Changes, SqlError> {
        self.run(Work::Execute { statement, parameters }, deadline).await?.changes()
    }

    /// Describes one table, or all of them in the order of their names.
    pub async fn schema(&self, table: Option<String>, deadline: Instant) -> Result<Vec<TableInfo>, SqlError> {
        self.run(Work::Schema { table }, deadline).await?.tables()
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self, deadline: Instant) -> Result<PostgresTransaction, SqlError> {
        PostgresTransaction::begin(&self.pool, deadline).await
    }

    async fn run(&self, work: Work, deadline: Instant) -> Result<Answer, SqlError> {
        let mut lease = self.pool.lease(deadline).await?;
        let server = &self.pool.server;
        let ends = Ends::of(server.limits.statement_time_max, deadline);
        let session = lease.session()?;
        let cancel = session.cancel();
        let ended = Lease::until(&cancel, &ends, run::alone(session, &work, server.access, &server.limits, &ends)).await;
        if !ended.interrupted {
            lease.give_back();
        }
        ended.answer
    }
}

impl fmt::Debug for PostgresDatabase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresDatabase").field("access", &self.access()).finish_non_exhaustive()
    }
}
