//! Rows, written straight into one JSON text, whatever engine they come from.

use super::model::{Column, Cut, QueryOptions, ResultSet, RowFormat, SqlError, SqlLimits};
use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::io::{self, Write as _};

/// One value of a row.
#[derive(Debug)]
pub(super) enum Cell<'a> {
    /// No value.
    Null,
    /// A whole number, written with all of its digits.
    Integer(i64),
    /// Any other number; infinities are text.
    Real(f64),
    /// Text; what is not UTF-8 in it is replaced.
    Text(&'a [u8]),
    /// Bytes, written as base64.
    Blob(&'a [u8]),
    /// JSON text as it is.
    Json(Cow<'a, str>),
}

/// Writes rows as far as the limits go.
pub(super) struct Writer {
    format: RowFormat,
    rows_max: u32,
    result_bytes_max: usize,
    value_bytes_max: usize,
    /// `"name":` of every column, when rows are objects.
    keys: Vec<Vec<u8>>,
    text: Vec<u8>,
    row_count: u32,
}

impl Writer {
    /// A result without rows yet.
    pub(super) fn new(options: QueryOptions, limits: &SqlLimits) -> Self {
        Self {
            format: options.format,
            rows_max: options.rows_max.map_or(limits.rows_max, |rows_max| rows_max.min(limits.rows_max)),
            result_bytes_max: limits.result_bytes_max,
            value_bytes_max: limits.value_bytes_max,
            keys: Vec::new(),
            text: vec![b'['],
            row_count: 0,
        }
    }

    /// How many more rows there can be.
    pub(super) fn rows_left(&self) -> u32 {
        self.rows_max.saturating_sub(self.row_count)
    }

    /// Writes a row, or says which limit it met; then nothing of it is left.
    pub(super) fn write_row<'a, E: From<SqlError>>(
        &mut self,
        columns: &[Column],
        cells: impl Iterator<Item = Result<Cell<'a>, E>>,
    ) -> Result<Option<Cut>, E> {
        if self.rows_left() == 0 {
            return Ok(Some(Cut::Rows));
        }
        let before = self.text.len();
        if self.row_count > 0 {
            self.text.push(b',');
        } else if self.format == RowFormat::Objects {
            self.keys = columns.iter().map(key).collect::<Result<_, _>>().map_err(|error| unwritable(&error))?;
        }
        if self.write_cells(cells)? {
            self.row_count += 1;
            return Ok(None);
        }
        self.text.truncate(before);
        Ok(Some(Cut::Bytes))
    }

    fn write_cells<'a, E: From<SqlError>>(&mut self, cells: impl Iterator<Item = Result<Cell<'a>, E>>) -> Result<bool, E> {
        let (open, close) = match self.format {
            RowFormat::Arrays => (b'[', b']'),
            RowFormat::Objects => (b'{', b'}'),
        };
        self.text.push(open);
        for (index, cell) in cells.enumerate() {
            if index > 0 {
                self.text.push(b',');
            }
            if let Some(key) = self.keys.get(index) {
                self.text.extend_from_slice(key);
            }
            let cell = cell?;
            if !self.has_room_for(&cell)? {
                return Ok(false);
            }
            self.write_cell(cell).map_err(|error| unwritable(&error))?;
        }
        self.text.push(close);
        // One byte is kept for the end of the outer array.
        Ok(self.text.len() < self.result_bytes_max)
    }

    /// A first guess, so that a long value which does not fit is not written in vain.
    fn has_room_for(&self, cell: &Cell<'_>) -> Result<bool, SqlError> {
        let length = match cell {
            Cell::Text(bytes) | Cell::Blob(bytes) => bytes.len(),
            Cell::Json(text) => text.len(),
            Cell::Null | Cell::Integer(_) | Cell::Real(_) => 0,
        };
        if length > self.value_bytes_max {
            return Err(SqlError::TooLarge(format!("a value is larger than {} bytes", self.value_bytes_max)));
        }
        Ok(self.text.len().saturating_add(length) < self.result_bytes_max)
    }

    fn write_cell(&mut self, cell: Cell<'_>) -> io::Result<()> {
        match cell {
            Cell::Null => self.text.extend_from_slice(b"null"),
            Cell::Integer(integer) => serde_json::to_writer(&mut self.text, &integer)?,
            Cell::Real(real) if real.is_finite() => serde_json::to_writer(&mut self.text, &real)?,
            Cell::Real(real) => self.text.extend_from_slice(not_finite(real).as_bytes()),
            Cell::Text(bytes) => serde_json::to_writer(&mut self.text, &String::from_utf8_lossy(bytes))?,
            Cell::Blob(bytes) => {
                self.text.push(b'"');
                EncoderWriter::new(&mut self.text, &STANDARD).write_all(bytes)?;
                self.text.push(b'"');
            }
            Cell::Json(text) => self.text.extend_from_slice(text.as_bytes()),
        }
        Ok(())
    }

    /// The result, with the limit that cut it.
    pub(super) fn finish(mut self, columns: Vec<Column>, cut: Option<Cut>) -> Result<ResultSet, SqlError> {
        self.text.push(b']');
        let rows = String::from_utf8(self.text).map_err(|error| unwritable(&io::Error::other(error)))?;
        Ok(ResultSet { columns, rows, row_count: self.row_count, cut })
    }
}

/// What JSON has no number for, as a JSON text.
pub(super) fn not_finite(real: f64) -> &'static str {
    match (real.is_nan(), real > 0.0) {
        (true, _) => "\"NaN\"",
        (false, true) => "\"Infinity\"",
        (false, false) => "\"-Infinity\"",
    }
}

fn key(column: &Column) -> io::Result<Vec<u8>> {
    let mut key = serde_json::to_vec(&column.name)?;
    key.push(b':');
    Ok(key)
}

/// Gives every column a name that occurs once: a client takes them for keys.
pub(super) fn tell_apart(columns: &mut [Column]) {
    let mut seen = HashSet::new();
    let repeated: Vec<_> = columns.iter().map(|column| !seen.insert(column.name.as_str())).collect();
    if repeated.contains(&true) {
        let mut taken: HashSet<_> = columns.iter().map(|column| column.name.clone()).collect();
        // Where the last search ended: a thousand columns of one name would be a million searches otherwise.
        let mut next = HashMap::<String, u32>::new();
        for (column, _) in columns.iter_mut().zip(repeated).filter(|(_, repeated)| *repeated) {
            let next = next.entry(column.name.clone()).or_insert(2);
            let mut names = (*next..).map(|number| (number, format!("{}_{number}", column.name)));
            if let Some((number, name)) = names.find(|(_, name)| !taken.contains(name)) {
                *next = number.saturating_add(1);
                taken.insert(name.clone());
                column.name = name;
            }
        }
    }
}

/// Writing into memory does not fail, unless we made a mistake.
fn unwritable(error: &io::Error) -> SqlError {
    tracing::error!(%error, "rows cannot be written");
    SqlError::Other("the rows cannot be written".to_owned())
}
