//! Databases that the operator has named and the plugin's manifest grants.
//!
//! ```toml
//! # plugin.toml
//! [grants.sql.main]
//! access = "read"
//! ```
//!
//! Parameters are anything that serde can write: a tuple or an array for `?` (or `$1` with PostgreSQL), a struct or a map for
//! `:name`, a single value for a single `?`, `()` for none. Rows are anything that serde can read: a struct by the columns' names, a
//! tuple by their order, a single value from a single column.
//!
//! ```no_run
//! use cofferdam_plugin::{prelude::*, sql};
//!
//! #[derive(Deserialize)]
//! struct Ticket {
//!     id: i64,
//!     title: String,
//!     closed: Option<String>,
//! }
//!
//! fn tickets() -> Result<()> {
//!     let db = sql::database("main");
//!     let open: i64 = db.query("select count(*) from tickets where closed is null", ())?.one()?;
//!     let found: Vec<Ticket> = db.query("select * from tickets where title like ? limit ?", ("%print%", 20))?.rows()?;
//!     let first: Option<(i64, String)> = db.query("select id, title from tickets where id = ?", 1)?.optional()?;
//!     let changes = db.execute("update tickets set closed = :now where id = :id", json!({"now": now_rfc3339(), "id": 1}))?;
//!     log::info!("{open} open, {} found, {first:?}, {} changed", found.len(), changes.rows_affected);
//!     Ok(())
//! }
//! ```
//!
//! Every statement is a transaction of its own, unless it is one of a [`Transaction`]. In a native build, as under `cargo test`, there is no database: every function
//! returns [`Error::Unavailable`].

mod rows;
mod transaction;

use crate::bindings::imports::sql as wit;
use crate::{Failure, RawJson};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use schemars::Schema;
use schemars::transform::transform_subschemas;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use transaction::Transaction;
pub use wit::{
    Access, Changes, Column, ColumnInfo, ConstraintInfo, ConstraintKind, Cut, Database as Granted, Engine, IndexInfo, QueryOptions,
    Relationship, RowFormat, TableInfo, TableKind,
};

/// The databases that this plugin may use, by name.
#[must_use]
pub fn databases() -> Vec<Granted> {
    #[cfg(target_family = "wasm")]
    return wit::databases();
    #[cfg(not(target_family = "wasm"))]
    Vec::new()
}

/// The database of this name. Whether it is granted shows when it is used.
pub fn database(name: impl Into<String>) -> Database {
    Database { name: name.into() }
}

/// One database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Database {
    name: String,
}

impl Database {
    /// Its name, as the operator and the manifest call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

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
        return Ok(ResultSet { set: wit::query(&self.name, statement, parameters, options)?, format: options.format });
        #[cfg(not(target_family = "wasm"))]
        {
            let _ = (statement, parameters, options);
            Err(no_host(&self.name))
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
        return Ok(wit::execute(&self.name, statement, parameters)?);
        #[cfg(not(target_family = "wasm"))]
        {
            let _ = (statement, parameters);
            Err(no_host(&self.name))
        }
    }

    /// Describes one table, or all of them in the order of their names.
    ///
    /// # Errors
    /// What the database says.
    pub fn schema(&self, table: Option<&str>) -> Result<Vec<TableInfo>> {
        #[cfg(target_family = "wasm")]
        return Ok(wit::schema(&self.name, table)?);
        #[cfg(not(target_family = "wasm"))]
        {
            let _ = table;
            Err(no_host(&self.name))
        }
    }
}

/// The answer to a query.
#[derive(Clone, Debug)]
pub struct ResultSet {
    set: wit::ResultSet,
    format: RowFormat,
}

impl ResultSet {
    /// All rows. When a limit cut the result, these are the rows that were left: see [`ResultSet::cut`].
    ///
    /// # Errors
    /// [`Error::Decode`] when a row does not fit the type.
    pub fn rows<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        rows::read(&self.set, self.format)
    }

    /// The first row.
    ///
    /// # Errors
    /// [`Error::NoRow`] when there is none, [`Error::Decode`] when it does not fit the type.
    pub fn one<T: DeserializeOwned>(&self) -> Result<T> {
        self.optional()?.ok_or(Error::NoRow)
    }

    /// The first row, if there is one.
    ///
    /// # Errors
    /// [`Error::Decode`] when it does not fit the type.
    pub fn optional<T: DeserializeOwned>(&self) -> Result<Option<T>> {
        rows::first(&self.set, self.format)
    }

    /// The columns, in order.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.set.columns
    }

    /// The rows as the text of a JSON array.
    #[must_use]
    pub fn rows_json(&self) -> &str {
        &self.set.rows
    }

    /// Columns and rows, to be passed on without being read.
    #[must_use]
    pub fn into_raw(self) -> (Vec<Column>, RawJson) {
        (self.set.columns, RawJson::from_host(self.set.rows))
    }

    /// How many rows there are.
    #[must_use]
    pub fn row_count(&self) -> u32 {
        self.set.row_count
    }

    /// Which limit cut the result, if one did.
    #[must_use]
    pub fn cut(&self) -> Option<Cut> {
        self.set.cut
    }
}

/// What the functions of this module return.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why the database did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The grant, or the database's own rules, do not allow it.
    Denied(String),
    /// The statement or its parameters are wrong.
    Invalid(String),
    /// A constraint was violated.
    Constraint(String),
    /// It took longer than it may; the statement was interrupted.
    Timeout(String),
    /// A limit of size was reached.
    TooLarge(String),
    /// The database does not answer, or is busy.
    Unavailable(String),
    /// Anything else.
    Other(String),
    /// There was no row where one was expected.
    NoRow,
    /// A row does not fit the type that it was to be read as.
    Decode(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, message) = match self {
            Self::Denied(message) => ("not allowed: ", message.as_str()),
            Self::Invalid(message) => ("invalid statement: ", message.as_str()),
            Self::Constraint(message) => ("constraint violated: ", message.as_str()),
            Self::Timeout(message) => ("took too long: ", message.as_str()),
            Self::TooLarge(message) => ("too large: ", message.as_str()),
            Self::Unavailable(message) => ("database unavailable: ", message.as_str()),
            Self::Other(message) => ("database: ", message.as_str()),
            Self::NoRow => ("no row", ""),
            Self::Decode(message) => ("unexpected row: ", message.as_str()),
        };
        f.write_str(kind)?;
        f.write_str(message)
    }
}

impl core::error::Error for Error {}

impl From<wit::Error> for Error {
    fn from(error: wit::Error) -> Self {
        match error {
            wit::Error::Denied(message) => Self::Denied(message),
            wit::Error::Invalid(message) => Self::Invalid(message),
            wit::Error::Constraint(message) => Self::Constraint(message),
            wit::Error::Timeout(message) => Self::Timeout(message),
            wit::Error::TooLarge(message) => Self::TooLarge(message),
            wit::Error::Unavailable(message) => Self::Unavailable(message),
            wit::Error::Other(message) => Self::Other(message),
        }
    }
}

/// So that `?` works in handlers. Where the text is not for clients, map the error yourself.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::Denied(_) => Self::denied(text),
            Error::Invalid(_) | Error::Constraint(_) | Error::TooLarge(_) => Self::invalid(text),
            Error::Timeout(_) | Error::Unavailable(_) => Self::unavailable(text),
            Error::NoRow => Self::not_found(text),
            Error::Other(_) | Error::Decode(_) => Self::other(text),
        }
    }
}

/// Arrays and objects as they are, nothing as an empty array, and a single value as an array of one.
fn parameters_json(parameters: &impl Serialize) -> Result<String> {
    let text = serde_json::to_string(parameters).map_err(|e| Error::Invalid(format!("parameters: {e}")))?;
    Ok(match text.as_bytes().first() {
        Some(b'[' | b'{') => text,
        _ if text == "null" => "[]".into(),
        _ => format!("[{text}]"),
    })
}

/// Makes the schemas of this module's records short: what they are about is told by their names, and models pay for every word.
pub(crate) fn terse(schema: &mut Schema) {
    schema.remove("description");
    let constants = schema.get("oneOf").and_then(Value::as_array).and_then(|cases| {
        let constants: Option<Vec<_>> = cases.iter().map(|case| case.get("const").cloned()).collect();
        constants
    });
    if let Some(constants) = constants {
        schema.remove("oneOf");
        schema.insert("enum".into(), constants.into());
    }
    transform_subschemas(&mut terse, schema);
}

#[cfg(not(target_family = "wasm"))]
fn no_host(database: &str) -> Error {
    Error::Unavailable(format!("{database:?} is a database of the host, and this is a native build without one"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn parameters_of_any_shape_are_an_array_or_an_object() {
        #[derive(Serialize)]
        struct Named {
            id: u8,
        }
        assert_eq!(parameters_json(&()).unwrap(), "[]");
        assert_eq!(parameters_json(&(1, "a")).unwrap(), r#"[1,"a"]"#);
        assert_eq!(parameters_json(&[1.5]).unwrap(), "[1.5]");
        assert_eq!(parameters_json(&Named { id: 1 }).unwrap(), r#"{"id":1}"#);
        assert_eq!(parameters_json(&json!({"a": null})).unwrap(), r#"{"a":null}"#);
        assert_eq!(parameters_json(&"[x").unwrap(), r#"["[x"]"#);
        assert_eq!(parameters_json(&Some(7)).unwrap(), "[7]");
    }

    #[test]
    fn without_a_host_there_is_an_error_that_says_so() {
        let error = database("main").query("select 1", ()).unwrap_err();
        assert!(error.to_string().contains("native build"), "{error}");
        assert_eq!(Failure::from(error).kind(), crate::FailureKind::Unavailable);
        assert!(databases().is_empty());
    }

    #[test]
    fn schemas_are_terse() {
        let schema = crate::schema::output::<TableInfo>().unwrap();
        assert!(!schema.contains("description") && schema.contains(r#""kind":{"enum":["table","view"]}"#), "{schema}");
    }

    #[test]
    fn tables_leave_out_what_they_do_not_have() {
        let table = TableInfo {
            name: "t".into(),
            kind: TableKind::View,
            columns: Vec::new(),
            indexes: Vec::new(),
            constraints: Vec::new(),
            relationships: Vec::new(),
        };
        assert_eq!(serde_json::to_value(table).unwrap(), json!({"name": "t", "kind": "view", "columns": []}));
    }
}
