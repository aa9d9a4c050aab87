//! Tests of the whole engine. Cases of the catalogue carry its names: D01 `write_with_read_grant`, D03 `stacked_statements`,
//! D04 `slow_query`, D05 `ten_million_rows`, D08 `sqlite_tricks`, D09 `odd_parameters`.

mod ends;
mod files;
mod quick;
mod refusals;
mod tables;
mod values;
mod writes;

use super::{SqliteDatabase, create_from_sql};
use crate::caps::sql::model::{Access, Changes, QueryOptions, ResultSet, RowFormat, SqlError, SqlLimits};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The host's own limits.
pub(in crate::caps::sql) fn limits() -> SqlLimits {
    SqlLimits {
        rows_max: 1_000,
        result_bytes_max: 1 << 20,
        value_bytes_max: 1 << 20,
        statement_bytes_max: 64 << 10,
        parameters_max: 1_000,
        statement_time_max: Duration::from_secs(5),
        transaction_time_max: Duration::from_secs(10),
        wait_max: Duration::from_secs(2),
        connections_max: 4,
    }
}

/// A database file in a folder of its own, which goes when the fixture goes.
struct Fixture {
    folder: PathBuf,
    path: PathBuf,
}

impl Fixture {
    fn new(script: &str) -> Self {
        let fixture = Self::empty();
        assert!(create_from_sql(&fixture.path, script).unwrap());
        fixture
    }

    fn empty() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("cofferdam-sqlite-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { path: folder.join("test.db"), folder }
    }

    fn open(&self, access: Access) -> SqliteDatabase {
        self.open_with(access, limits())
    }

    fn open_with(&self, access: Access, limits: SqlLimits) -> SqliteDatabase {
        SqliteDatabase::open(&self.path, access, limits).unwrap()
    }

    /// A connection that knows no rules.
    fn plain(&self) -> rusqlite::Connection {
        let connection = rusqlite::Connection::open(&self.path).unwrap();
        connection.busy_timeout(Duration::from_secs(10)).unwrap();
        connection
    }

    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        let _removed = std::fs::remove_dir_all(&self.folder);
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

const ARRAYS: QueryOptions = QueryOptions { format: RowFormat::Arrays, rows_max: None };
const OBJECTS: QueryOptions = QueryOptions { format: RowFormat::Objects, rows_max: None };

async fn query(database: &SqliteDatabase, sql: &str) -> Result<ResultSet, SqlError> {
    database.query(sql.to_owned(), String::new(), ARRAYS, soon()).await
}

async fn execute(database: &SqliteDatabase, sql: &str) -> Result<Changes, SqlError> {
    database.execute(sql.to_owned(), String::new(), soon()).await
}

/// Runs a statement with parameters. What is expected are the rows, or the beginning of an error.
async fn check(database: &SqliteDatabase, sql: &str, parameters: &str, expected: &str) {
    let found = database.query(sql.to_owned(), parameters.to_owned(), ARRAYS, soon()).await;
    match found {
        Ok(found) => assert_eq!(found.rows, expected, "{sql} with {parameters}"),
        Err(error) => assert_begins(&error, expected, sql),
    }
}

/// Runs a statement that changes data, and expects a number of rows, a last id, or the beginning of an error.
async fn check_change(database: &SqliteDatabase, sql: &str, expected: &str) {
    match execute(database, sql).await {
        Ok(Changes { rows_affected, last_insert_id }) => {
            assert_eq!(format!("{rows_affected} {}", last_insert_id.as_deref().unwrap_or("-")), expected, "{sql}");
        }
        Err(error) => assert_begins(&error, expected, sql),
    }
}

#[track_caller]
fn assert_begins(error: &SqlError, expected: &str, sql: &str) {
    let shown: String = sql.chars().take(200).collect();
    assert!(error.to_string().starts_with(expected), "{shown}: {error}, expected {expected}");
}

/// The number of rows of a table, by a connection that knows no rules.
fn count(path: &Path, table: &str) -> i64 {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}
