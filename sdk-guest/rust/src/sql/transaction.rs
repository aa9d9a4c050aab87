//! Several statements that count together.

use super::{Changes, Database, Error, QueryOptions, Result, ResultSet, RowFormat, parameters_json, wit};
use serde::Serialize;

/// An open transaction: what it does is seen by others when it is committed, all of it or nothing. One that is dropped is rolled back, and
/// so is one of a call that ends, or that takes longer than the host allows. A statement that fails undoes only what it did itself.
///
/// ```no_run
/// use cofferdam_plugin::{prelude::*, sql};
///
/// fn transfer(from: i64, to: i64, amount: i64) -> Result<()> {
///     let transaction = sql::database("main").begin()?;
///     transaction.execute("update accounts set balance = balance - ? where id = ?", (amount, from))?;
///     transaction.execute("update accounts set balance = balance + ? where id = ?", (amount, to))?;
///     transaction.commit()?;
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Transaction {
    #[cfg_attr(not(target_family = "wasm"), allow(dead_code, reason = "there is none in a native build"))]
    open: wit::Transaction,
}

impl Database {
    /// Begins a transaction. A call has at most one open on a database.
    ///
    /// # Errors
    /// What the database says.
    pub fn begin(&self) -> Result<Transaction> {
        #[cfg(target_family = "wasm")]
        return Ok(Transaction { open: wit::begin(self.name())? });
        #[cfg(not(target_family = "wasm"))]
        Err(super::no_host(self.name()))
    }

    /// Does something within a transaction: commits it when that succeeds, and rolls it back when it fails.
    ///
    /// # Errors
    /// What was done, or what the database says.
    pub fn transaction<T, E: From<Error>>(&self, work: impl FnOnce(&Transaction) -> Result<T, E>) -> Result<T, E> {
        let transaction = self.begin()?;
        // An error drops the transaction, which rolls it back.
        let done = work(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }
}

impl Transaction {
    /// Runs one statement that returns rows.
    ///
    /// # Errors
    /// What the database says, or parameters that cannot be written as JSON.
    pub fn query(&self, statement: &str, parameters: impl Serialize) -> Result<ResultSet> {
        self.query_raw(statement, &parameters_json(&parameters)?, QueryOptions { format: RowFormat::Arrays, rows_max: None })
    }

    /// Runs one statement that returns rows, with parameters that are JSON text already: an array, or an object.
    ///
    /// # Errors
    /// What the database says.
    pub fn query_raw(&self, statement: &str, parameters: &str, options: QueryOptions) -> Result<ResultSet> {
        #[cfg(target_family = "wasm")]
        return Ok(ResultSet { set: self.open.query(statement, parameters, options)?, format: options.format });
        #[cfg(not(target_family = "wasm"))]
        {
            let _ = (statement, parameters, options);
            Err(super::no_host("main"))
        }
    }

    /// Runs one statement that changes data.
    ///
    /// # Errors
    /// What the database says, or parameters that cannot be written as JSON.
    pub fn execute(&self, statement: &str, parameters: impl Serialize) -> Result<Changes> {
        self.execute_raw(statement, &parameters_json(&parameters)?)
    }

    /// Runs one statement that changes data, with parameters that are JSON text already: an array, or an object.
    ///
    /// # Errors
    /// What the database says.
    pub fn execute_raw(&self, statement: &str, parameters: &str) -> Result<Changes> {
        #[cfg(target_family = "wasm")]
        return Ok(self.open.execute(statement, parameters)?);
        #[cfg(not(target_family = "wasm"))]
        {
            let _ = (statement, parameters);
            Err(super::no_host("main"))
        }
    }

    /// Makes everything last.
    ///
    /// # Errors
    /// What the database says; then nothing lasts.
    pub fn commit(self) -> Result<()> {
        #[cfg(target_family = "wasm")]
        return Ok(self.open.commit()?);
        #[cfg(not(target_family = "wasm"))]
        Err(super::no_host("main"))
    }

    /// Undoes everything. Dropping does the same, and does not say how it went.
    ///
    /// # Errors
    /// What the database says.
    pub fn rollback(self) -> Result<()> {
        #[cfg(target_family = "wasm")]
        return Ok(self.open.rollback()?);
        #[cfg(not(target_family = "wasm"))]
        Err(super::no_host("main"))
    }
}
