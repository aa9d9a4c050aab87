//! A database under a grant, whatever runs it.

use super::model::{Access, Changes, QueryOptions, ResultSet, SqlError, SqlLimits, TableInfo};
use super::postgres::{PostgresDatabase, PostgresTransaction};
use super::sqlite::{SqliteDatabase, SqliteTransaction};
use crate::config::Database;
use crate::secrets::Secrets;
use crate::wit::cofferdam::mcp::sql as wit;
use tokio::time::Instant;

/// One database under one grant.
#[derive(Debug)]
pub(super) enum SqlDatabase {
    Sqlite(SqliteDatabase),
    Postgres(PostgresDatabase),
}

impl SqlDatabase {
    /// Opens a file; a server is connected to when it is first used.
    pub(super) fn open(name: &str, database: &Database, access: Access, limits: SqlLimits, secrets: &Secrets) -> Result<Self, SqlError> {
        match database {
            Database::Sqlite(file) => SqliteDatabase::open(&file.path, access, limits).map(Self::Sqlite),
            Database::Postgresql(server) => PostgresDatabase::new(name, server, access, limits, secrets).map(Self::Postgres),
        }
    }

    pub(super) fn engine(&self) -> wit::Engine {
        match self {
            Self::Sqlite(_) => wit::Engine::Sqlite,
            Self::Postgres(_) => wit::Engine::Postgresql,
        }
    }

    pub(super) fn access(&self) -> Access {
        match self {
            Self::Sqlite(database) => database.access(),
            Self::Postgres(database) => database.access(),
        }
    }

    pub(super) async fn query(
        &self,
        statement: String,
        parameters: String,
        options: QueryOptions,
        deadline: Instant,
    ) -> Result<ResultSet, SqlError> {
        match self {
            Self::Sqlite(database) => database.query(statement, parameters, options, deadline).await,
            Self::Postgres(database) => database.query(statement, parameters, options, deadline).await,
        }
    }

    pub(super) async fn execute(&self, statement: String, parameters: String, deadline: Instant) -> Result<Changes, SqlError> {
        match self {
            Self::Sqlite(database) => database.execute(statement, parameters, deadline).await,
            Self::Postgres(database) => database.execute(statement, parameters, deadline).await,
        }
    }

    pub(super) async fn schema(&self, table: Option<String>, deadline: Instant) -> Result<Vec<TableInfo>, SqlError> {
        match self {
            Self::Sqlite(database) => database.schema(table, deadline).await,
            Self::Postgres(database) => database.schema(table, deadline).await,
        }
    }

    pub(super) async fn begin(&self, deadline: Instant) -> Result<SqlTransaction, SqlError> {
        match self {
            Self::Sqlite(database) => database.begin(deadline).await.map(SqlTransaction::Sqlite),
            Self::Postgres(database) => database.begin(deadline).await.map(SqlTransaction::Postgres),
        }
    }
}

/// An open transaction. Dropping it rolls it back.
pub(super) enum SqlTransaction {
    Sqlite(SqliteTransaction),
    Postgres(PostgresTransaction),
}

impl SqlTransaction {
    pub(super) async fn query(&self, statement: String, parameters: String, options: QueryOptions) -> Result<ResultSet, SqlError> {
        match self {
            Self::Sqlite(transaction) => transaction.query(statement, parameters, options).await,
            Self::Postgres(transaction) => transaction.query(statement, parameters, options).await,
        }
    }

    pub(super) async fn execute(&self, statement: String, parameters: String) -> Result<Changes, SqlError> {
        match self {
            Self::Sqlite(transaction) => transaction.execute(statement, parameters).await,
            Self::Postgres(transaction) => transaction.execute(statement, parameters).await,
        }
    }

    /// Keeps everything, or nothing.
    pub(super) async fn end(self, keep: bool) -> Result<(), SqlError> {
        match self {
            Self::Sqlite(transaction) => transaction.end(keep).await,
            Self::Postgres(transaction) => transaction.end(keep).await,
        }
    }
}
