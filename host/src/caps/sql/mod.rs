//! `cofferdam:mcp/sql`: databases that the operator named and the manifest grants.

pub mod model;
pub mod sqlite;
mod wire;

use super::budget::Budget;
use crate::config::{Database, Engine};
use crate::grants::SqlGrant;
use crate::limits::Limits;
use crate::wit::cofferdam::mcp::sql as wit;
use model::{Access, SqlError, SqlLimits};
use sqlite::SqliteDatabase;
use std::collections::BTreeMap;
use std::sync::Arc;
use wasmtime::component::{HasData, Linker};

/// The databases of this host: one per process.
#[derive(Debug, Clone)]
pub struct Sql {
    databases: BTreeMap<String, Database>,
    limits: Arc<Limits>,
}

/// Databases that a binding was granted, each with a pool of its own: what one plugin does to its connections is nobody else's trouble.
#[derive(Debug)]
pub struct SqlCap {
    databases: BTreeMap<String, SqliteDatabase>,
}

impl Sql {
    /// Takes the operator's databases; nothing is opened yet.
    #[must_use]
    pub fn new(databases: &BTreeMap<String, Database>, limits: &Arc<Limits>) -> Self {
        Self { databases: databases.clone(), limits: Arc::clone(limits) }
    }

    /// What a binding was granted; none when that is nothing.
    pub fn grant(&self, grants: &BTreeMap<String, SqlGrant>) -> Result<Option<SqlCap>, SqlError> {
        let mut databases = BTreeMap::new();
        for (name, grant) in grants {
            let database = self.databases.get(name).ok_or_else(|| SqlError::Denied(format!("there is no database {name:?}")))?;
            let access = match grant.access {
                crate::grants::Access::Read => Access::Read,
                crate::grants::Access::Write => Access::Write,
            };
            let database = match database.engine {
                Engine::Sqlite => SqliteDatabase::open(&database.path, access, self.limits(grant))?,
            };
            databases.insert(name.clone(), database);
        }
        Ok((!databases.is_empty()).then_some(SqlCap { databases }))
    }

    fn limits(&self, grant: &SqlGrant) -> SqlLimits {
        let limits = &self.limits;
        SqlLimits {
            rows_max: grant.rows_max,
            result_bytes_max: limits.sql_result_bytes_max,
            value_bytes_max: limits.sql_value_bytes_max,
            statement_bytes_max: limits.sql_statement_bytes_max,
            parameters_max: limits.sql_parameters_max,
            statement_time_max: grant.statement_time_max,
            wait_max: limits.sql_wait_max,
            connections_max: limits.sql_connections_max,
        }
    }
}

/// One call's view.
pub struct SqlView<'a> {
    /// What the binding was granted.
    pub cap: Option<&'a SqlCap>,
    /// What the call may still take.
    pub budget: &'a mut Budget,
}

impl SqlView<'_> {
    /// A name that was not granted is like one that does not exist.
    fn database(&mut self, name: &str) -> Result<&SqliteDatabase, SqlError> {
        let found = self.cap.and_then(|cap| cap.databases.get(name));
        found.ok_or_else(|| self.denied(name))
    }

    fn denied(&mut self, name: &str) -> SqlError {
        super::audit::denied(self.budget, "sql", name);
        let names: Vec<_> = self.cap.iter().flat_map(|cap| cap.databases.keys().map(String::as_str)).collect();
        SqlError::Denied(format!("no database of that name is granted; granted: {}", names.join(", ")))
    }
}

impl wit::Host for SqlView<'_> {
    fn databases(&mut self) -> wasmtime::Result<Vec<wit::Database>> {
        self.budget.charge_host_call()?;
        let granted = self.cap.iter().flat_map(|cap| &cap.databases);
        Ok(granted
            .map(|(name, database)| wit::Database { name: name.clone(), engine: wit::Engine::Sqlite, access: database.access().into() })
            .collect())
    }

    async fn query(
        &mut self,
        database: String,
        statement: String,
        parameters: String,
        options: wit::QueryOptions,
    ) -> wasmtime::Result<Result<wit::ResultSet, wit::Error>> {
        self.budget.charge_host_call()?;
        let deadline = self.budget.deadline;
        let result = async { self.database(&database)?.query(statement, parameters, options.into(), deadline).await }.await;
        Ok(result.map(Into::into).map_err(Into::into))
    }

    async fn execute(
        &mut self,
        database: String,
        statement: String,
        parameters: String,
    ) -> wasmtime::Result<Result<wit::Changes, wit::Error>> {
        self.budget.charge_host_call()?;
        let deadline = self.budget.deadline;
        let result = async { self.database(&database)?.execute(statement, parameters, deadline).await }.await;
        Ok(result.map(Into::into).map_err(Into::into))
    }

    async fn schema(&mut self, database: String, table: Option<String>) -> wasmtime::Result<Result<Vec<wit::TableInfo>, wit::Error>> {
        self.budget.charge_host_call()?;
        let deadline = self.budget.deadline;
        let result = async { self.database(&database)?.schema(table, deadline).await }.await;
        Ok(result.map(|tables| tables.into_iter().map(Into::into).collect()).map_err(Into::into))
    }
}

struct HasSql;

impl HasData for HasSql {
    type Data<'a> = SqlView<'a>;
}

/// Links the interface.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> SqlView<'_>) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasSql>(linker, view)
}
