//! One statement on one connection, from its text to its answer.

use super::connection::{EFFORT_FREE, Session};
use super::failure::Failure;
use super::screen::{Class, screen};
use super::stop::Stop;
use super::{binding, rows, schema};
use crate::caps::sql::model::{Access, Changes, QueryOptions, ResultSet, SqlError, TableInfo};
use crate::caps::sql::parameters::Parameters;
use rusqlite::Statement;
use std::path::Path;
use std::sync::Arc;

impl Session {
    /// Does one piece of work, which ends when it has to.
    pub(super) fn run<T>(&self, stop: &Arc<Stop>, work: impl FnOnce(&Self) -> Result<T, SqlError>) -> Result<T, SqlError> {
        if stop.is_over() {
            return Err(stop.error());
        }
        self.watch.set(Some(Arc::clone(stop)));
        stop.attach(self.connection.get_interrupt_handle());
        let result = work(self);
        stop.detach();
        self.watch.set(None);
        result
    }

    /// Begins a transaction. One that writes does so at once: later it could find that somebody else was faster.
    pub(super) fn begin(&self) -> Result<(), SqlError> {
        let sql = if self.access == Access::Write { "BEGIN IMMEDIATE" } else { "BEGIN" };
        let begun = self.rules.suspend(|| self.connection.execute_batch(sql));
        begun.map_err(|error| self.explain(error.into()))
    }

    /// Ends the transaction.
    pub(super) fn end(&self, keep: bool) -> Result<(), SqlError> {
        let kept = if keep { self.rules.suspend(|| self.connection.execute_batch("COMMIT")) } else { Ok(()) };
        if !self.connection.is_autocommit() {
            // When this fails as well, the connection is closed, which undoes everything.
            let _undone = self.rules.suspend(|| self.connection.execute_batch("ROLLBACK"));
        }
        kept.map_err(|error| self.explain(error.into()))
    }

    /// Runs a statement that returns rows.
    pub(super) fn query(&self, sql: &str, parameters: &str, options: QueryOptions) -> Result<ResultSet, SqlError> {
        self.rows(sql, parameters, options, |_| true)
    }

    /// Runs a statement that returns rows, unless it does more than read.
    pub(super) fn read(&self, sql: &str, parameters: &str, options: QueryOptions) -> Result<ResultSet, SqlError> {
        self.rows(sql, parameters, options, |statement| statement.readonly())
    }

    fn rows(
        &self,
        sql: &str,
        parameters: &str,
        options: QueryOptions,
        allowed: impl Fn(&Statement<'_>) -> bool,
    ) -> Result<ResultSet, SqlError> {
        let class = screen(sql, &self.limits)?;
        let parameters = Parameters::parse(parameters, &self.limits)?;
        self.prepared(sql, class, |statement| {
            if !allowed(statement) {
                return Err(SqlError::Denied("the statement does more than read".to_owned()).into());
            }
            if statement.column_count() == 0 {
                return Err(SqlError::Invalid("the statement returns no rows; use execute".to_owned()).into());
            }
            binding::bind(&parameters, statement)?;
            rows::collect(statement, options, &self.limits)
        })
    }

    /// Runs a statement that changes data.
    pub(super) fn execute(&self, sql: &str, parameters: &str) -> Result<Changes, SqlError> {
        let class = screen(sql, &self.limits)?;
        let parameters = Parameters::parse(parameters, &self.limits)?;
        self.prepared(sql, class, |statement| {
            if statement.column_count() > 0 {
                return Err(SqlError::Invalid("the statement returns rows; use query".to_owned()).into());
            }
            binding::bind(&parameters, statement)?;
            let total_before = self.connection.total_changes();
            self.inserts.begin(self.connection.last_insert_rowid());
            let changed = statement.raw_execute()?;
            // Statements that change no rows, such as CREATE TABLE, leave the count of the statement before.
            let changed = if self.connection.total_changes() == total_before { 0 } else { changed };
            let last = self.inserts.last(self.connection.last_insert_rowid());
            Ok(Changes { rows_affected: u32::try_from(changed).unwrap_or(u32::MAX), last_insert_id: last.map(|id| id.to_string()) })
        })
    }

    /// Describes one table or all of them.
    pub(super) fn schema(&self, path: &Path, table: Option<&str>) -> Result<Vec<TableInfo>, SqlError> {
        let connection = super::connection::open_for_schema(path, &self.watch, &self.limits);
        let described = connection.map_err(Failure::Sqlite).and_then(|c| schema::describe(&c, table, &self.limits));
        described.map_err(|failure| self.explain(failure))
    }

    fn prepared<T>(&self, sql: &str, class: Class, work: impl Fn(&mut Statement<'_>) -> Result<T, Failure>) -> Result<T, SqlError> {
        match self.attempt(sql, class, &work) {
            // Perhaps it was not the statement, but a module of SQLite's that had to begin anew.
            Err(SqlError::Denied(_)) if self.access == Access::Read && self.meet_modules() => self.attempt(sql, class, &work),
            result => result,
        }
    }

    fn attempt<T>(&self, sql: &str, class: Class, work: impl Fn(&mut Statement<'_>) -> Result<T, Failure>) -> Result<T, SqlError> {
        self.rules.begin(class);
        let prepared = self.connection.prepare_cached(sql);
        let mut statement = prepared.map_err(|error| self.explain(error.into()))?;
        if self.access == Access::Read && !statement.readonly() {
            return Err(SqlError::Denied("the grant is for reading only".to_owned()));
        }
        let effort = self.rules.effort();
        if effort > 0 && self.row_bytes_max.is_some() {
            // From the cache it would come without its effort.
            statement.discard();
            return Err(SqlError::TooLarge("the statement's functions take long".to_owned()));
        }
        self.rules.run(effort.max(EFFORT_FREE));
        let limited = self.limit_values(effort).map_err(Failure::from);
        let result = limited.and_then(|()| work(&mut statement));
        if effort > EFFORT_FREE {
            // From the cache it would come without its effort.
            statement.discard();
        }
        result.map_err(|failure| self.explain(failure))
    }
}
