//! Changes of a database's schema from the operator's folder: `001_name.sql`, `002_name.sql` and so on. Each runs once, in their order and in a
//! transaction, and is recorded with its digest in a table of the host's own, which guests neither see nor write.

use super::failure;
use crate::caps::sql::model::SqlError;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::{Connection, TransactionBehavior};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The host's own table.
pub(super) const TABLE: &str = "cofferdam_migrations";
/// How long another host may take for its migrations.
const WAIT_MAX: Duration = Duration::from_secs(60);

/// A file of the folder.
struct Migration {
    file: String,
    text: String,
    digest: String,
}

/// Brings a database up to date, and says how many changes it took. The files are the operator's own and are trusted, and the errors are for
/// the operator.
pub fn migrate(path: &Path, folder: &Path) -> Result<usize, SqlError> {
    let wanted = read(folder)?;
    let mut connection = Connection::open(path).map_err(|error| failure::of_opening(&error))?;
    let prepared = connection
        .busy_timeout(WAIT_MAX)
        .and_then(|()| connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true).map(drop))
        .and_then(|()| connection.execute_batch("PRAGMA journal_mode = WAL;"));
    prepared.map_err(|error| unusable(&error))?;
    // Whether a migration runs: it is in a transaction already, which it may neither end nor leave.
    let within = Arc::<AtomicBool>::default();
    let seen = Arc::clone(&within);
    let rule = move |context: AuthContext<'_>| match context.action {
        AuthAction::Transaction { .. } | AuthAction::Attach { .. } | AuthAction::Detach { .. } if seen.load(Ordering::Relaxed) => {
            Authorization::Deny
        }
        _ => Authorization::Allow,
    };
    connection.authorizer(Some(rule)).map_err(|error| unusable(&error))?;
    let mut applied = 0;
    while step(&mut connection, &within, &wanted)? {
        applied += 1;
    }
    Ok(applied)
}

/// The files in their order.
fn read(folder: &Path) -> Result<BTreeMap<u32, Migration>, SqlError> {
    let unreadable = |error: std::io::Error| invalid(format!("the folder of migrations {} cannot be read: {error}", folder.display()));
    let mut migrations = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let file = entry.file_name().to_string_lossy().into_owned();
        if file.starts_with('.') || !file.ends_with(".sql") {
            continue;
        }
        let number =
            file.split_once('_').and_then(|(digits, _)| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?);
        let Some(number) = number else {
            return Err(invalid(format!("the migration {file:?} has no number: call it such as 001_tickets.sql")));
        };
        let text = fs::read_to_string(entry.path()).map_err(|error| invalid(format!("the migration {file} cannot be read: {error}")))?;
        let digest = Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
            let _written = write!(hex, "{byte:02x}");
            hex
        });
        let migration = Migration { file, text, digest };
        if let Some(other) = migrations.insert(number, migration) {
            return Err(invalid(format!("two migrations have the number {number}; one of them is {}", other.file)));
        }
    }
    Ok(migrations)
}

/// Takes the next step, if there is one. Every step looks anew, within its transaction: another host may have been faster.
fn step(connection: &mut Connection, within: &AtomicBool, wanted: &BTreeMap<u32, Migration>) -> Result<bool, SqlError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|error| unusable(&error))?;
    let table = format!("CREATE TABLE IF NOT EXISTS {TABLE}(number INTEGER PRIMARY KEY, file TEXT NOT NULL, digest TEXT NOT NULL)");
    transaction.execute_batch(&table).map_err(|error| unusable(&error))?;
    let done = applied(&transaction).map_err(|error| unusable(&error))?;
    for (number, (file, digest)) in &done {
        match wanted.get(number) {
            None => return Err(invalid(format!("the migration {file} has been applied, and its file is not there any more: put it back"))),
            Some(found) if found.digest != *digest => {
                let file = &found.file;
                return Err(invalid(format!(
                    "the migration {file} was changed after it had been applied: put it back as it was, and write the change into a new one"
                )));
            }
            Some(_) => {}
        }
    }
    let Some((number, next)) = wanted.iter().find(|(number, _)| !done.contains_key(number)) else { return Ok(false) };
    if let Some((last, (file, _))) = done.last_key_value().filter(|(last, _)| *last > number) {
        let text = format!("the migration {} comes before {file}, which has been applied: give it a number above {last}", next.file);
        return Err(invalid(text));
    }
    apply(&transaction, within, *number, next)?;
    transaction.commit().map_err(|error| invalid(format!("the migration {} failed: {error}", next.file)))?;
    tracing::info!(migration = next.file, "a migration was applied");
    Ok(true)
}

fn applied(connection: &Connection) -> rusqlite::Result<BTreeMap<u32, (String, String)>> {
    let mut statement = connection.prepare(&format!("SELECT number, file, digest FROM {TABLE}"))?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    rows.collect()
}

/// Runs one file.
fn apply(connection: &Connection, within: &AtomicBool, number: u32, migration: &Migration) -> Result<(), SqlError> {
    let run = || {
        within.store(true, Ordering::Relaxed);
        let run = connection.execute_batch(&migration.text);
        within.store(false, Ordering::Relaxed);
        run?;
        let record = format!("INSERT INTO {TABLE}(number, file, digest) VALUES (?1, ?2, ?3)");
        connection.execute(&record, (number, &migration.file, &migration.digest)).map(drop)
    };
    run().map_err(|error: rusqlite::Error| {
        let help = match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::AuthorizationForStatementDenied) => {
                " (each migration is in a transaction of its own: take out BEGIN, COMMIT, ROLLBACK and ATTACH)"
            }
            _ => "",
        };
        invalid(format!("the migration {} failed, and nothing of it was kept: {error}{help}", migration.file))
    })
}

fn invalid(text: String) -> SqlError {
    SqlError::Invalid(text)
}

fn unusable(error: &rusqlite::Error) -> SqlError {
    SqlError::Unavailable(format!("the database cannot be migrated: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder of migrations beside a database.
    fn run(folder: &Path, files: &[(&str, &str)]) -> Result<usize, String> {
        let migrations = folder.join("migrations");
        let _removed = fs::remove_dir_all(&migrations);
        fs::create_dir_all(&migrations).unwrap();
        for (name, text) in files {
            fs::write(migrations.join(name), text).unwrap();
        }
        migrate(&folder.join("main.db"), &migrations).map_err(|error| error.to_string())
    }

    #[test]
    fn migrations_run_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let first = ("001_a.sql", "CREATE TABLE a(x); INSERT INTO a VALUES (1);");
        let second = ("002_b.sql", "ALTER TABLE a ADD COLUMN y; UPDATE a SET y = x + 1;");
        assert_eq!(run(folder.path(), &[first]), Ok(1));
        assert_eq!(run(folder.path(), &[first, second, ("README.md", "not one")]), Ok(1));
        assert_eq!(run(folder.path(), &[first, second]), Ok(0));
        let connection = Connection::open(folder.path().join("main.db")).unwrap();
        assert_eq!(connection.query_row("SELECT y FROM a", [], |row| row.get::<_, i64>(0)), Ok(2));

        let refused = |files: &[(&str, &str)], expected: &str| {
            let error = run(folder.path(), files).unwrap_err();
            assert!(error.contains(expected), "{error}");
        };
        refused(&[second], "001_a.sql has been applied, and its file is not there");
        refused(&[("001_a.sql", "SELECT 1"), second], "001_a.sql was changed after it had been applied");
        refused(&[first, second, ("000_early.sql", "SELECT 1")], "000_early.sql comes before 002_b.sql");
        refused(&[first, second, ("002_c.sql", "SELECT 1")], "two migrations have the number 2");
        refused(&[first, second, ("new.sql", "SELECT 1")], "\"new.sql\" has no number");
        // Whole or not at all.
        refused(&[first, second, ("003_c.sql", "INSERT INTO a VALUES (7, 7); INSERT INTO nowhere VALUES (1)")], "nothing of it was kept");
        refused(&[first, second, ("003_c.sql", "INSERT INTO a VALUES (7, 7); COMMIT; SELECT 1")], "take out BEGIN, COMMIT");
        assert_eq!(connection.query_row("SELECT count(*) FROM a", [], |row| row.get::<_, i64>(0)), Ok(1));
        assert_eq!(run(folder.path(), &[first, second, ("010_d.sql", "CREATE TABLE d(x)")]), Ok(1));
    }

    #[test]
    fn two_hosts_at_once_apply_each_migration_once() {
        let folder = tempfile::tempdir().unwrap();
        let migrations = folder.path().join("migrations");
        fs::create_dir_all(&migrations).unwrap();
        fs::write(migrations.join("0_t.sql"), "CREATE TABLE t(x)").unwrap();
        for number in 1..20 {
            fs::write(migrations.join(format!("{number}_t.sql")), format!("INSERT INTO t VALUES ({number})")).unwrap();
        }
        let path = folder.path().join("main.db");
        Connection::open(&path).unwrap().execute_batch("PRAGMA journal_mode = WAL").unwrap();
        let applied: usize = std::thread::scope(|scope| {
            let hosts: Vec<_> = (0..4).map(|_| scope.spawn(|| migrate(&path, &migrations).unwrap())).collect();
            hosts.into_iter().map(|host| host.join().unwrap()).sum()
        });
        assert_eq!(applied, 20);
        let sum = "SELECT sum(x) FROM t";
        assert_eq!(Connection::open(&path).unwrap().query_row(sum, [], |row| row.get::<_, i64>(0)), Ok(190));
    }
}
