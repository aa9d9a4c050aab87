//! The rows of a statement.

use super::failure::Failure;
use crate::caps::sql::model::{Column, QueryOptions, ResultSet, SqlLimits};
use crate::caps::sql::writer::{Cell, Writer, tell_apart};
use rusqlite::types::ValueRef;
use rusqlite::{Row, Statement};

/// Runs a statement that is prepared and bound, and writes its rows as far as the limits go.
pub(super) fn collect(statement: &mut Statement<'_>, options: QueryOptions, limits: &SqlLimits) -> Result<ResultSet, Failure> {
    let changes_data = !statement.readonly();
    let mut writer = Writer::new(options, limits);
    // Columns are read after the first step, since only then a statement from the cache has seen changes of the schema.
    let mut columns = None;
    let mut cut = None;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let known = columns.get_or_insert_with(|| describe(row.as_ref()));
        cut = writer.write_row(known, cells(row, known.len()))?;
        if cut.is_none() {
            continue;
        }
        // `INSERT ... RETURNING` commits at its end, and has to tell whether it could.
        while changes_data && rows.next()?.is_some() {}
        break;
    }
    drop(rows);
    let columns = columns.unwrap_or_else(|| describe(statement));
    Ok(writer.finish(columns, cut)?)
}

fn cells<'r>(row: &'r Row<'_>, count: usize) -> impl Iterator<Item = Result<Cell<'r>, Failure>> {
    (0..count).map(|index| {
        Ok(match row.get_ref(index)? {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(integer) => Cell::Integer(integer),
            // SQLite stores NaN as NULL, so only the infinities are left.
            ValueRef::Real(real) => Cell::Real(real),
            // SQLite does not check that texts are UTF-8.
            ValueRef::Text(bytes) => Cell::Text(bytes),
            ValueRef::Blob(bytes) => Cell::Blob(bytes),
        })
    })
}

/// The columns, with names that occur once.
fn describe(statement: &Statement<'_>) -> Vec<Column> {
    let column = |column: rusqlite::Column<'_>| Column {
        name: column.name().to_owned(),
        declared_type: column.decl_type().unwrap_or_default().to_owned(),
    };
    let mut columns: Vec<_> = statement.columns().map(column).collect();
    tell_apart(&mut columns);
    columns
}
