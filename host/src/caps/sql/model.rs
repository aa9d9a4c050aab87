//! The words of the `sql` capability, free of any engine and of wasmtime: they mirror the interface `sql` of `wit/imports.wit`.

use std::time::Duration;

/// What a grant allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Only reading.
    Read,
    /// Reading and writing.
    Write,
}

/// How rows are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowFormat {
    /// `[[1,"a"],[2,"b"]]`
    Arrays,
    /// `[{"id":1,"name":"a"},{"id":2,"name":"b"}]`
    Objects,
}

/// What a query may take and how it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueryOptions {
    /// How rows are written.
    pub format: RowFormat,
    /// No more than these rows; the grant's own limit holds as well.
    pub rows_max: Option<u32>,
}

/// A column of a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name; unique within the result.
    pub name: String,
    /// Its declared type; empty for an expression.
    pub declared_type: String,
}

/// Why a result is not whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The limit of rows was reached.
    Rows,
    /// The limit of bytes was reached.
    Bytes,
}

/// The answer to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultSet {
    /// The columns, in order.
    pub columns: Vec<Column>,
    /// A JSON array of rows, as text.
    pub rows: String,
    /// How many rows there are.
    pub row_count: u32,
    /// Which limit cut the result, if one did.
    pub cut: Option<Cut>,
}

/// What a statement changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// How many rows were inserted, updated or deleted.
    pub rows_affected: u32,
    /// The row id of the last insert of this very statement, if there was one.
    pub last_insert_id: Option<String>,
}

/// What a table's column is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnInfo {
    /// Its name.
    pub name: String,
    /// Its declared type.
    pub declared_type: String,
    /// Whether it may be null.
    pub nullable: bool,
    /// The SQL text of its default value.
    pub default_value: Option<String>,
    /// Its place in the primary key, from 1; 0 when it is not in it.
    pub primary_key: u32,
    /// Whether the database computes it.
    pub generated: bool,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexInfo {
    /// Its name.
    pub name: String,
    /// Its columns in order; the text of the expression where it is not a plain column.
    pub columns: Vec<String>,
    /// Whether it forbids equal keys.
    pub unique: bool,
    /// Whether it covers only the rows that fulfil a condition.
    pub partial: bool,
}

/// What kind of rule a constraint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConstraintKind {
    /// The primary key.
    PrimaryKey,
    /// No two rows are equal in these columns.
    Unique,
    /// A condition that every row fulfils.
    Check,
    /// A reference to another table.
    ForeignKey,
}

/// A rule that the database enforces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConstraintInfo {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// What kind of rule it is.
    pub kind: ConstraintKind,
    /// The columns that it is about; for a check, the column that it was written at.
    pub columns: Vec<String>,
    /// The SQL text of a check.
    pub definition: Option<String>,
}

/// A reference from this table to another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relationship {
    /// The columns of this table.
    pub columns: Vec<String>,
    /// The other table.
    pub references_table: String,
    /// The columns of the other table, in the same order.
    pub references_columns: Vec<String>,
    /// What happens when the other row is deleted, such as `CASCADE`.
    pub on_delete: String,
    /// What happens when the other row's key changes.
    pub on_update: String,
}

/// What kind of thing a table is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// An ordinary table.
    Table,
    /// A view.
    View,
}

/// A table or a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableInfo {
    /// Its name.
    pub name: String,
    /// What kind of thing it is.
    pub kind: TableKind,
    /// Its columns, in order.
    pub columns: Vec<ColumnInfo>,
    /// Its indexes, by name.
    pub indexes: Vec<IndexInfo>,
    /// Its rules.
    pub constraints: Vec<ConstraintInfo>,
    /// Its references to other tables.
    pub relationships: Vec<Relationship>,
}

/// What a column, an index or a constraint costs beside its texts when a description is measured.
const PART_BYTES: usize = 64;

impl TableInfo {
    /// Roughly what the description takes.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        let texts = |texts: &[String]| texts.iter().map(String::len).sum::<usize>();
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let columns = self.columns.iter().map(|c| PART_BYTES + c.name.len() + c.declared_type.len() + text(&c.default_value));
        let indexes = self.indexes.iter().map(|i| PART_BYTES + i.name.len() + texts(&i.columns));
        let rules = self.constraints.iter().map(|c| PART_BYTES + text(&c.name) + texts(&c.columns) + text(&c.definition));
        let references = self.relationships.iter().map(|r| {
            let actions = r.on_delete.len() + r.on_update.len();
            PART_BYTES + texts(&r.columns) + r.references_table.len() + texts(&r.references_columns) + actions
        });
        PART_BYTES + self.name.len() + columns.chain(indexes).chain(rules).chain(references).sum::<usize>()
    }
}

/// Why the database did not do what it was asked. The text is for the outside: it names no path, no address and no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// The grant, or the database's own rules, do not allow it.
    #[error("denied: {0}")]
    Denied(String),
    /// The statement or its parameters are wrong.
    #[error("invalid: {0}")]
    Invalid(String),
    /// A constraint was violated.
    #[error("constraint: {0}")]
    Constraint(String),
    /// It took longer than it may; the statement was interrupted.
    #[error("timeout: {0}")]
    Timeout(String),
    /// A limit of size was reached.
    #[error("too large: {0}")]
    TooLarge(String),
    /// The database does not answer, or is busy.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// What one grant may take from one database: the `sql_*` rows of `limits.rs`, lowered by the manifest and the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlLimits {
    /// Rows of one result.
    pub rows_max: u32,
    /// JSON text of one result's rows, and of one description of the schema.
    pub result_bytes_max: usize,
    /// One value in a table or a parameter; also one row as the database stores and sorts it.
    pub value_bytes_max: usize,
    /// The text of one statement.
    pub statement_bytes_max: usize,
    /// Parameters of one statement.
    pub parameters_max: usize,
    /// One statement, from the moment that it has a connection.
    pub statement_time_max: Duration,
    /// One transaction, from its beginning to its end.
    pub transaction_time_max: Duration,
    /// How long a statement waits for a connection, or for another writer.
    pub wait_max: Duration,
    /// Connections of this grant to this database.
    pub connections_max: usize,
}
