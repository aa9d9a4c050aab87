//! Rows, written straight into one JSON text.

use super::failure::Failure;
use crate::caps::sql::model::{Column, Cut, QueryOptions, ResultSet, RowFormat, SqlError, SqlLimits};
use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use rusqlite::types::ValueRef;
use rusqlite::{Row, Statement};
use std::borrow::Cow;
use std::collections::HashSet;
use std::io::{self, Write as _};

/// Runs a statement that is prepared and bound, and writes its rows as far as the limits go.
pub(super) fn collect(statement: &mut Statement<'_>, options: QueryOptions, limits: &SqlLimits) -> Result<ResultSet, Failure> {
    let rows_max = options.rows_max.map_or(limits.rows_max, |rows_max| rows_max.min(limits.rows_max));
    let changes_data = !statement.readonly();
    let mut writer = Writer::new(options.format, limits);
    // Columns are read after the first step, since only then a statement from the cache has seen changes of the schema.
    let mut columns = None;
    let mut cut = None;
    let mut rows = statement.raw_query();
    while let Some(row) = rows.next()? {
        let known = columns.get_or_insert_with(|| describe(row.as_ref()));
        cut = if writer.row_count == rows_max {
            Some(Cut::Rows)
        } else if !writer.write_row(row, known)? {
            Some(Cut::Bytes)
        } else {
            continue;
        };
        // `INSERT ... RETURNING` commits at its end, and has to tell whether it could.
        while changes_data && rows.next()?.is_some() {}
        break;
    }
    drop(rows);
    let columns = columns.unwrap_or_else(|| describe(statement));
    let row_count = writer.row_count;
    Ok(ResultSet { columns, rows: writer.finish()?, row_count, cut })
}

/// The columns, with names that occur once: a client takes them for keys.
fn describe(statement: &Statement<'_>) -> Vec<Column> {
    let column = |column: rusqlite::Column<'_>| Column {
        name: column.name().to_owned(),
        declared_type: column.decl_type().unwrap_or_default().to_owned(),
    };
    let mut columns: Vec<_> = statement.columns().map(column).collect();
    let mut seen = HashSet::new();
    let repeated: Vec<_> = columns.iter().map(|column| !seen.insert(column.name.as_str())).collect();
    if repeated.contains(&true) {
        let mut taken: HashSet<_> = columns.iter().map(|column| column.name.clone()).collect();
        for (column, _) in columns.iter_mut().zip(repeated).filter(|(_, repeated)| *repeated) {
            let mut names = (2_u32..).map(|number| format!("{}_{number}", column.name));
            if let Some(name) = names.find(|name| !taken.contains(name)) {
                taken.insert(name.clone());
                column.name = name;
            }
        }
    }
    columns
}

struct Writer {
    format: RowFormat,
    result_bytes_max: usize,
    value_bytes_max: usize,
    /// `"name":` of every column, when rows are objects.
    keys: Vec<Vec<u8>>,
    text: Vec<u8>,
    row_count: u32,
}

impl Writer {
    fn new(format: RowFormat, limits: &SqlLimits) -> Self {
        Self {
            format,
            result_bytes_max: limits.result_bytes_max,
            value_bytes_max: limits.value_bytes_max,
            keys: Vec::new(),
            text: vec![b'['],
            row_count: 0,
        }
    }

    /// Writes a row. `false` when it does not fit; then nothing of it is left.
    fn write_row(&mut self, row: &Row<'_>, columns: &[Column]) -> Result<bool, Failure> {
        let before = self.text.len();
        if self.row_count > 0 {
            self.text.push(b',');
        } else if self.format == RowFormat::Objects {
            self.keys = columns.iter().map(key).collect::<Result<_, _>>().map_err(|error| unwritable(&error))?;
        }
        let fits = self.write_values(row, columns.len())?;
        if fits {
            self.row_count += 1;
        } else {
            self.text.truncate(before);
        }
        Ok(fits)
    }

    fn write_values(&mut self, row: &Row<'_>, count: usize) -> Result<bool, Failure> {
        let (open, close) = match self.format {
            RowFormat::Arrays => (b'[', b']'),
            RowFormat::Objects => (b'{', b'}'),
        };
        self.text.push(open);
        for index in 0..count {
            if index > 0 {
                self.text.push(b',');
            }
            if let Some(key) = self.keys.get(index) {
                self.text.extend_from_slice(key);
            }
            let value = row.get_ref(index)?;
            if !self.has_room_for(value)? {
                return Ok(false);
            }
            self.write_value(value).map_err(|error| unwritable(&error))?;
        }
        self.text.push(close);
        // One byte is kept for the end of the outer array.
        Ok(self.text.len() < self.result_bytes_max)
    }

    /// A first guess, so that a long value which does not fit is not written in vain.
    fn has_room_for(&self, value: ValueRef<'_>) -> Result<bool, SqlError> {
        let length = match value {
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 0,
        };
        if length > self.value_bytes_max {
            return Err(SqlError::TooLarge(format!("a value is larger than {} bytes", self.value_bytes_max)));
        }
        Ok(self.text.len().saturating_add(length) < self.result_bytes_max)
    }

    fn write_value(&mut self, value: ValueRef<'_>) -> io::Result<()> {
        match value {
            ValueRef::Null => self.text.extend_from_slice(b"null"),
            ValueRef::Integer(integer) => serde_json::to_writer(&mut self.text, &integer)?,
            ValueRef::Real(real) if real.is_finite() => serde_json::to_writer(&mut self.text, &real)?,
            // SQLite stores NaN as NULL, so only the infinities are left.
            ValueRef::Real(real) => {
                let text: &[u8] = if real > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" };
                self.text.extend_from_slice(text);
            }
            ValueRef::Text(bytes) => {
                // SQLite does not check that texts are UTF-8.
                let text: Cow<'_, str> = String::from_utf8_lossy(bytes);
                serde_json::to_writer(&mut self.text, &text)?;
            }
            ValueRef::Blob(bytes) => {
                self.text.push(b'"');
                EncoderWriter::new(&mut self.text, &STANDARD).write_all(bytes)?;
                self.text.push(b'"');
            }
        }
        Ok(())
    }

    fn finish(mut self) -> Result<String, Failure> {
        self.text.push(b']');
        String::from_utf8(self.text).map_err(|error| unwritable(&io::Error::other(error)))
    }
}

fn key(column: &Column) -> io::Result<Vec<u8>> {
    let mut key = serde_json::to_vec(&column.name)?;
    key.push(b':');
    Ok(key)
}

/// Writing into memory does not fail, unless we made a mistake.
fn unwritable(error: &io::Error) -> Failure {
    tracing::error!(%error, "rows cannot be written");
    SqlError::Other("the rows cannot be written".to_owned()).into()
}
