//! How a connection is opened and what is taken from it. Each rule has several bolts, so that a mistake in one of them opens nothing:
//! the mode of the file, `query_only`, the authorizer, defensive mode and SQLite's limits.

use super::authorizer::Rules;
use super::failure;
use super::stop::Watch;
use crate::caps::sql::model::{Access, SqlError, SqlLimits};
use rusqlite::config::DbConfig;
use rusqlite::hooks::{Action, AuthContext};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

/// Prepared statements that a connection keeps. Preparing takes longer than a point query.
const STATEMENTS_KEPT: usize = 64;
/// Steps of SQLite's machine between two looks at the clock: some 20 microseconds.
const STEPS_PER_LOOK: i32 = 2_000;
/// What a row has beside its largest value.
const ROW_BYTES_EXTRA: usize = 64 * 1024;
/// SQLite's own statements quote definitions from the schema; the guest's are measured before.
const OWN_SQL_BYTES_MAX: i32 = 1_000_000;
/// Waits between two looks at another writer's lock.
const LOCK_WAITS: [Duration; 5] =
    [Duration::from_millis(1), Duration::from_millis(2), Duration::from_millis(5), Duration::from_millis(10), Duration::from_millis(25)];

/// An open connection with everything that its handlers look at.
pub(super) struct Session {
    /// The connection.
    pub(super) connection: Connection,
    /// What its statements may do.
    pub(super) rules: Arc<Rules>,
    /// The statement at hand.
    pub(super) watch: Arc<Watch>,
    /// What was inserted.
    pub(super) inserts: Arc<Inserts>,
    /// What its grant may take.
    pub(super) limits: SqlLimits,
    /// Rows and values that are shorter than the limits say, and no function that takes long: for a connection that holds up others.
    pub(super) row_bytes_max: Option<i32>,
    /// What its grant allows.
    pub(super) access: Access,
}

impl Session {
    /// Opens the database under a grant.
    pub(super) fn open(path: &Path, access: Access, limits: &SqlLimits) -> Result<Self, SqlError> {
        let session = Self::prepare(path, access, limits);
        session.map_err(|error| {
            tracing::warn!(database = %path.display(), %error, "a database cannot be opened");
            failure::of_opening(&error)
        })
    }

    fn prepare(path: &Path, access: Access, limits: &SqlLimits) -> rusqlite::Result<Self> {
        let mut connection = open_plain(path, access, limits)?;
        let session_rules = Arc::new(Rules::new(access));
        let watch = Arc::new(Watch::default());
        let inserts = Arc::new(Inserts::default());
        harden(&connection, access)?;
        limit(&connection, limits)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        let rules = Arc::clone(&session_rules);
        connection.authorizer(Some(move |context: AuthContext<'_>| rules.judge(&context)))?;
        if access == Access::Write {
            let seen = Arc::clone(&inserts);
            connection.update_hook(Some(move |action, _: &str, _: &str, id| seen.see(action, id)))?;
        }
        let mut session = Self { connection, rules: session_rules, watch, inserts, limits: limits.clone(), row_bytes_max: None, access };
        watch_over(&mut session.connection, &session.watch, limits.wait_max)?;
        Ok(session)
    }

    /// Lets SQLite's modules (full-text search, R-trees) look at their own tables: they prepare statements that write, even where they
    /// only read, and the authorizer denies them. For reading connections, at their first use and after every change of the schema. Says
    /// whether there are any.
    pub(super) fn meet_modules(&self) -> bool {
        let met = self.rules.suspend(|| -> rusqlite::Result<usize> {
            let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%'";
            let mut tables = self.connection.prepare(sql)?;
            let names = tables.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
            for name in &names {
                // A table of a module that we do not have is nobody's error until somebody reads it.
                if let Err(error) = self.connection.prepare(&format!("SELECT 1 FROM \"{}\"", name.replace('"', "\"\""))) {
                    tracing::debug!(table = name, %error, "a virtual table cannot be used");
                }
            }
            Ok(names.len())
        });
        met.is_ok_and(|count| count > 0)
    }

    /// Whether the next statement may use the connection.
    pub(super) fn is_healthy(&self) -> bool {
        self.connection.is_autocommit() && !self.connection.is_busy()
    }

    /// Sets the length of values for a statement whose functions are this expensive. A function is never interrupted, so the values get
    /// shorter as the functions get more: the time to search one value in another goes with the square of their length.
    pub(super) fn limit_values(&self, effort: u32) -> rusqlite::Result<()> {
        if let Some(length) = self.row_bytes_max {
            return self.connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, length).map(drop);
        }
        let longest = longest_value(&self.limits) as u128;
        let squared = longest * longest * u128::from(EFFORT_FREE) / u128::from(effort.max(EFFORT_FREE));
        let length = usize::try_from(squared.isqrt()).unwrap_or(usize::MAX);
        self.connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, to_i32(length)).map(drop)
    }
}

/// Functions of this effort, such as one `instr`, work on the longest values.
pub(super) const EFFORT_FREE: u32 = 16;

/// Opens the file, and nothing else.
fn open_plain(path: &Path, access: Access, limits: &SqlLimits) -> rusqlite::Result<Connection> {
    // An absolute path is never taken for one of SQLite's `file:` addresses, which could carry options.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let open = |mode| {
        let connection = Connection::open_with_flags(&path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE)?;
        // Until `watch_over` puts its handler in the place.
        connection.busy_timeout(limits.wait_max.min(Duration::from_hours(1)))?;
        Ok::<_, rusqlite::Error>(connection)
    };
    if access == Access::Write {
        return open(OpenFlags::SQLITE_OPEN_READ_WRITE);
    }
    if has_journal(&path) {
        // A writer that died without WAL left it. A reader cannot undo what it did, and would find the database locked for ever.
        open(OpenFlags::SQLITE_OPEN_READ_WRITE)?.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    }
    open(OpenFlags::SQLITE_OPEN_READ_ONLY)
}

fn has_journal(path: &Path) -> bool {
    let mut journal = path.as_os_str().to_owned();
    journal.push("-journal");
    std::fs::metadata(&journal).is_ok_and(|found| found.len() > 0)
}

/// Turns off what nobody here needs, and reads the schema, so that a file which is no database is found now.
fn harden(connection: &Connection, access: Access) -> rusqlite::Result<()> {
    for (option, value) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
        // A name in double quotes that does not exist is an error, not a text.
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
    ] {
        connection.set_db_config(option, value)?;
    }
    // Sorting and grouping spill to unlinked files rather than to memory: there a single sort would grow without end.
    connection.execute_batch("PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0; PRAGMA temp_store = FILE;")?;
    if access == Access::Read {
        connection.execute_batch("PRAGMA query_only = ON;")?;
    }
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
}

/// SQLite's limits. The file may have been made without them; what is in it stays readable as far as its values are short enough.
fn limit(connection: &Connection, limits: &SqlLimits) -> rusqlite::Result<()> {
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, to_i32(longest_value(limits))),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, OWN_SQL_BYTES_MAX.max(to_i32(limits.statement_bytes_max))),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, to_i32(limits.parameters_max)),
        // Below: far above what people write, far below what hurts.
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 250),
        (Limit::SQLITE_LIMIT_PARSER_DEPTH, 500),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 127),
        (Limit::SQLITE_LIMIT_VDBE_OP, 250_000),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 100),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 256),
    ] {
        connection.set_limit(limit, value)?;
    }
    Ok(())
}

/// Lets a connection end its statements, and wait for other writers, but not for long.
pub(super) fn watch_over(connection: &mut Connection, watch: &Arc<Watch>, wait_max: Duration) -> rusqlite::Result<()> {
    let clock = Arc::clone(watch);
    connection.progress_handler(STEPS_PER_LOOK, Some(move || clock.is_over()))?;
    let clock = Arc::clone(watch);
    let mut since = Instant::now();
    connection.busy_handler(Some(move |tries: i32| {
        if tries == 0 {
            since = Instant::now();
        }
        let left = wait_max.saturating_sub(since.elapsed());
        let wait = usize::try_from(tries).ok().and_then(|tries| LOCK_WAITS.get(tries)).or(LOCK_WAITS.last());
        !left.is_zero() && clock.wait(wait.copied().unwrap_or_default().min(left))
    }))
}

/// A connection for our own statements about the schema. Read-only, and without the authorizer, which would deny them.
pub(super) fn open_for_schema(path: &Path, watch: &Arc<Watch>, limits: &SqlLimits) -> rusqlite::Result<Connection> {
    let mut connection = open_plain(path, Access::Read, limits)?;
    harden(&connection, Access::Read)?;
    watch_over(&mut connection, watch, limits.wait_max)?;
    Ok(connection)
}

/// Tells whether the statement at hand inserted a row. SQLite's own "last row id" is silent about whose it is: after an upsert that only
/// updates it is still that of an earlier statement, perhaps of another call.
#[derive(Debug, Default)]
pub(super) struct Inserts {
    before: AtomicI64,
    again: AtomicBool,
}

impl Inserts {
    /// A statement begins; this is the last row id so far.
    pub(super) fn begin(&self, before: i64) {
        self.before.store(before, Ordering::Relaxed);
        self.again.store(false, Ordering::Relaxed);
    }

    fn see(&self, action: Action, id: i64) {
        if action == Action::SQLITE_INSERT && id == self.before.load(Ordering::Relaxed) {
            self.again.store(true, Ordering::Relaxed);
        }
    }

    /// The row id of the last insert of this statement.
    pub(super) fn last(&self, after: i64) -> Option<i64> {
        (after != self.before.load(Ordering::Relaxed) || self.again.load(Ordering::Relaxed)).then_some(after)
    }
}

/// SQLite's limit is for values and for whole rows.
fn longest_value(limits: &SqlLimits) -> usize {
    limits.value_bytes_max.saturating_add(ROW_BYTES_EXTRA)
}

/// SQLite counts in C integers.
fn to_i32(value: usize) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
