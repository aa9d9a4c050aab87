//! `cofferdam:mcp/sql`: databases that the operator named and the manifest grants.

mod database;
mod declared;
pub mod model;
mod parameters;
pub mod postgres;
pub mod sqlite;
mod transaction;
mod wire;
mod writer;

use super::budget::Budget;
use crate::config::Database;
use crate::grants::SqlGrant;
use crate::limits::Limits;
use crate::secrets::Secrets;
use crate::wit::TransactionHandle;
use crate::wit::cofferdam::mcp::sql as wit;
use database::SqlDatabase;
use model::{Access, SqlError, SqlLimits};
use std::collections::BTreeMap;
use std::sync::Arc;
pub use transaction::Transactions;
use wasmtime::component::{HasData, Linker, Resource, ResourceTable};

/// The databases of this host: one per process.
#[derive(Clone)]
pub struct Sql {
    databases: BTreeMap<String, Database>,
    limits: Arc<Limits>,
    secrets: Secrets,
    /// Databases that cannot be used, and why.
    refused: BTreeMap<String, String>,
}

/// Databases that a binding was granted, each with a pool of its own: what one plugin does to its connections is nobody else's trouble.
#[derive(Debug)]
pub struct SqlCap {
    databases: BTreeMap<String, SqlDatabase>,
}

impl Sql {
    /// Takes the operator's databases; nothing is opened yet.
    #[must_use]
    pub fn new(databases: &BTreeMap<String, Database>, limits: &Arc<Limits>) -> Self {
        Self { databases: databases.clone(), limits: Arc::clone(limits), secrets: Secrets::default(), refused: BTreeMap::new() }
    }

    /// Brings the databases up to date whose operator has a folder of migrations. One where that fails is offered to nobody; the others
    /// are as they were.
    #[must_use]
    pub fn migrated(mut self) -> Self {
        for (name, database) in &self.databases {
            let Database::Sqlite(file) = database else { continue };
            let Some(folder) = &file.migrations else { continue };
            if let Err(error) = sqlite::migrate(&file.path, folder) {
                tracing::error!(database = name, %error, "the database is refused");
                self.refused.insert(name.clone(), error.to_string());
            }
        }
        self
    }

    /// Says where the passwords of databases are.
    #[must_use]
    pub fn with_secrets(self, secrets: &Secrets) -> Self {
        Self { secrets: secrets.clone(), ..self }
    }

    /// What a binding was granted; none when that is nothing.
    pub fn grant(&self, grants: &BTreeMap<String, SqlGrant>) -> Result<Option<SqlCap>, SqlError> {
        let mut databases = BTreeMap::new();
        for (name, grant) in grants {
            let database = self.databases.get(name).ok_or_else(|| SqlError::Denied(format!("there is no database {name:?}")))?;
            if let Some(why) = self.refused.get(name) {
                return Err(SqlError::Unavailable(format!("the database {name:?} is refused: {why}")));
            }
            let access = match grant.access {
                crate::grants::Access::Read => Access::Read,
                crate::grants::Access::Write => Access::Write,
            };
            let opened = SqlDatabase::open(name, database, access, self.limits(grant), &self.secrets)?;
            databases.insert(name.clone(), opened);
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
            transaction_time_max: limits.sql_transaction_time_max,
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
    /// The call's handles.
    pub table: &'a mut ResourceTable,
    /// The transactions that it has open.
    pub transactions: &'a mut Transactions,
}

impl<'a> SqlView<'a> {
    /// A name that was not granted is like one that does not exist.
    fn database(&mut self, name: &str) -> Result<&'a SqlDatabase, SqlError> {
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
            .map(|(name, database)| wit::Database { name: name.clone(), engine: database.engine(), access: database.access().into() })
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
        let result = match self.database(&database) {
            Ok(database) => database.query(statement, parameters, options.into(), deadline).await,
            Err(error) => Err(error),
        };
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
        let result = match self.database(&database) {
            Ok(database) => database.execute(statement, parameters, deadline).await,
            Err(error) => Err(error),
        };
        Ok(result.map(Into::into).map_err(Into::into))
    }

    async fn schema(&mut self, database: String, table: Option<String>) -> wasmtime::Result<Result<Vec<wit::TableInfo>, wit::Error>> {
        self.budget.charge_host_call()?;
        let deadline = self.budget.deadline;
        let result = match self.database(&database) {
            Ok(database) => database.schema(table, deadline).await,
            Err(error) => Err(error),
        };
        Ok(result.map(|tables| tables.into_iter().map(Into::into).collect()).map_err(Into::into))
    }

    async fn begin(&mut self, database: String) -> wasmtime::Result<Result<Resource<TransactionHandle>, wit::Error>> {
        self.begin_transaction(database).await
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
