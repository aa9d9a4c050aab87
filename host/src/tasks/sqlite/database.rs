//! The statements. Everything that looks before it writes is one transaction that may write from its beginning on.

use super::OpenError;
use super::presence::{self, Other, Presence};
use crate::ids::PluginName;
use crate::limits::Limits;
use crate::mcp::code;
use crate::tasks::rules::{Rules, counted_bytes};
use crate::tasks::{Change, Outcome, Owner, Status, StoreError, Task, TaskId};
use rusqlite::types::Type;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};
use std::fs::{self, DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// The version of the tables, in `user_version`. A change of theirs raises it and adds the statements that lead from the one before.
pub(super) const VERSION: i64 = 1;

/// Files for nobody but us: results are somebody's data, and who can write here can answer for the plugins.
pub(super) const MODE: u32 = 0o600;

/// `outcome` is the last column: SQLite reads what stands before it without a way through its text.
const TABLES: &str = "
CREATE TABLE hosts (host TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    host TEXT NOT NULL,
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    plugin TEXT NOT NULL,
    tool TEXT NOT NULL,
    status TEXT NOT NULL,
    status_message TEXT,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    ttl_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    poll_interval_ms INTEGER NOT NULL,
    counted_bytes INTEGER NOT NULL,
    outcome TEXT
) STRICT;
CREATE INDEX tasks_of_tenant ON tasks (tenant, expires_ms, counted_bytes);
CREATE INDEX tasks_by_expiry ON tasks (expires_ms);
CREATE INDEX tasks_unfinished ON tasks (host) WHERE status IN ('working', 'input_required');
";

/// What clients of a task read whose host has gone.
const RESTARTED: &str = "The host was restarted while the task was running";

/// Why something was not done.
pub(super) enum Failure {
    /// By the rules.
    Refused(StoreError),
    /// By the database.
    Sqlite(rusqlite::Error),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// The open file.
pub(super) struct Database {
    connection: Connection,
    file: PathBuf,
    rules: Rules,
    presence: Presence,
}

impl Database {
    pub(super) fn open(file: &Path, limits: &Limits, now_ms: u64) -> Result<Self, OpenError> {
        // An absolute path is never taken for one of SQLite's `file:` addresses.
        let file = std::path::absolute(file)?;
        if let Some(folder) = file.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let _turn = presence::turn(&file)?;
        make_private(&file)?;
        let connection = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(limits.sql_wait_max)?;
        // A commit survives the process at once, and a power cut after the next sync: the cut ends the tasks, too.
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
        let presence = Presence::begin(&file)?;
        let mut database = Self { connection, file, rules: Rules::new(limits), presence };
        database.enter().inspect_err(|_| database.presence.forget())?;
        database.fail_left_behind(now_ms)?;
        Ok(database)
    }

    /// Makes the tables, or checks that they are those that are known here, and enters this host.
    fn enter(&mut self) -> Result<(), OpenError> {
        let transaction = begin(&mut self.connection)?;
        match transaction.pragma_query_value(None, "user_version", |row| row.get(0))? {
            0 => {
                transaction.execute_batch(TABLES)?;
                transaction.pragma_update(None, "user_version", VERSION)?;
            }
            VERSION => {}
            newer => return Err(OpenError::Newer(newer)),
        }
        transaction.execute("INSERT INTO hosts (host) VALUES (?1)", [self.presence.host()])?;
        Ok(transaction.commit()?)
    }

    /// Ends what hosts were running that are gone.
    fn fail_left_behind(&mut self, now_ms: u64) -> rusqlite::Result<()> {
        let others: Vec<String> = {
            let mut statement = self.connection.prepare_cached("SELECT host FROM hosts WHERE host <> ?1")?;
            let rows = statement.query_map([self.presence.host()], |row| row.get(0))?;
            rows.collect::<Result<_, _>>()?
        };
        let change = Change::failed(format!(r#"{{"code":{},"message":"{RESTARTED}"}}"#, code::INTERNAL));
        let (status, outcome) = (change.status.as_str(), change.outcome.as_ref().map(Outcome::as_json));
        for host in others {
            // Held until its tasks have ended.
            let _lock = match Other::look(&self.file, &host) {
                Ok(Other::Gone(lock)) => lock,
                Ok(Other::Alive) => continue,
                Err(error) => {
                    tracing::warn!(host, %error, "whether a host is alive that shares the tasks cannot be told");
                    continue;
                }
            };
            let transaction = begin(&mut self.connection)?;
            let failed = transaction.execute(
                "UPDATE tasks SET status = ?2, status_message = ?3, outcome = ?4, counted_bytes = 0, updated_ms = max(updated_ms, ?5)
                 WHERE host = ?1 AND status IN ('working', 'input_required')",
                params![host, status, RESTARTED, outcome, to_i64(now_ms)],
            )?;
            transaction.execute("DELETE FROM hosts WHERE host = ?1", [&host])?;
            transaction.commit()?;
            Other::forget(&self.file, &host);
            if failed > 0 {
                tracing::warn!(tasks = failed, "tasks of a host that has gone have failed");
            }
        }
        Ok(())
    }

    pub(super) fn create(&mut self, task: &Task) -> Result<(), Failure> {
        let (tenant, now) = (task.owner.tenant.as_str(), to_i64(task.created_ms));
        let transaction = begin(&mut self.connection)?;
        transaction.prepare_cached("DELETE FROM tasks WHERE tenant = ?1 AND expires_ms < ?2")?.execute(params![tenant, now])?;
        let present: i64 =
            transaction.prepare_cached("SELECT count(*) FROM tasks WHERE tenant = ?1")?.query_row([tenant], |row| row.get(0))?;
        self.rules.one_more(to_usize(present))?;
        transaction
            .prepare_cached(
                "INSERT INTO tasks (id, host, tenant, subject, plugin, tool, status, status_message, created_ms, updated_ms, ttl_ms,
                                    expires_ms, poll_interval_ms, counted_bytes, outcome)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
            )?
            .execute(params![
                task.id.as_str(),
                self.presence.host(),
                tenant,
                task.owner.subject,
                task.plugin.as_str(),
                task.tool,
                task.status.as_str(),
                task.status_message,
                now,
                to_i64(task.updated_ms),
                to_i64(task.ttl_ms),
                to_i64(task.expires_ms()),
                task.poll_interval_ms,
                to_i64(counted_bytes(task) as u64),
                task.outcome.as_ref().map(Outcome::as_json),
            ])?;
        Ok(transaction.commit()?)
    }

    pub(super) fn get(&mut self, owner: &Owner, id: &TaskId, now_ms: u64) -> Result<Option<Task>, Failure> {
        Ok(find(&self.connection, owner, id)?.filter(|task| !task.is_expired(now_ms)))
    }

    pub(super) fn update(
        &mut self,
        owner: &Owner,
        id: &TaskId,
        expected: &[Status],
        change: Change,
        now_ms: u64,
    ) -> Result<Option<Task>, Failure> {
        let transaction = begin(&mut self.connection)?;
        let present = find(&transaction, owner, id)?;
        let Some(next) = present.and_then(|task| self.rules.next(&task, expected, change, now_ms)) else { return Ok(None) };
        let others: i64 = transaction
            .prepare_cached("SELECT coalesce(sum(counted_bytes), 0) FROM tasks WHERE tenant = ?1 AND expires_ms >= ?2 AND id <> ?3")?
            .query_row(params![owner.tenant.as_str(), to_i64(now_ms), id.as_str()], |row| row.get(0))?;
        self.rules.room(&next, to_usize(others))?;
        transaction
            .prepare_cached(
                "UPDATE tasks SET status = ?2, status_message = ?3, updated_ms = ?4, counted_bytes = ?5, outcome = ?6 WHERE id = ?1",
            )?
            .execute(params![
                id.as_str(),
                next.status.as_str(),
                next.status_message,
                to_i64(next.updated_ms),
                to_i64(counted_bytes(&next) as u64),
                next.outcome.as_ref().map(Outcome::as_json),
            ])?;
        transaction.commit()?;
        Ok(Some(next))
    }

    pub(super) fn remove_expired(&mut self, now_ms: u64) -> Result<usize, Failure> {
        // Of hosts that share the file one may have gone since this one opened it.
        self.fail_left_behind(now_ms)?;
        Ok(self.connection.prepare_cached("DELETE FROM tasks WHERE expires_ms < ?1")?.execute([to_i64(now_ms)])?)
    }

    /// The end of this host. Its entry stays if it leaves tasks behind: whoever comes next ends them.
    pub(super) fn leave(self) {
        let left = self.connection.execute(
            "DELETE FROM hosts WHERE host = ?1
             AND NOT EXISTS (SELECT 1 FROM tasks WHERE host = ?1 AND status IN ('working', 'input_required'))",
            [self.presence.host()],
        );
        match left {
            Ok(1) => self.presence.forget(),
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the database of tasks could not be left in order"),
        }
    }
}

/// A transaction that others wait for before they look. One that only reads first could fail when it comes to write.
fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Makes the file before SQLite does, which gives the files beside it the same mode. A file that is there is never opened here: closing it
/// would take away the locks that SQLite holds on it for this process.
fn make_private(file: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(MODE).open(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::set_permissions(file, Permissions::from_mode(MODE)),
        Err(error) => Err(error),
    }
}

fn find(connection: &Connection, owner: &Owner, id: &TaskId) -> rusqlite::Result<Option<Task>> {
    let mut statement = connection.prepare_cached(
        "SELECT plugin, tool, status, status_message, created_ms, updated_ms, ttl_ms, poll_interval_ms, outcome
         FROM tasks WHERE id = ?1 AND tenant = ?2 AND subject = ?3",
    )?;
    let key = params![id.as_str(), owner.tenant.as_str(), owner.subject];
    statement.query_row(key, |row| read(row, owner, id)).optional()
}

fn read(row: &Row<'_>, owner: &Owner, id: &TaskId) -> rusqlite::Result<Task> {
    let plugin: String = row.get(0)?;
    let word: String = row.get(2)?;
    let status = Status::ALL.into_iter().find(|status| status.as_str() == word).ok_or_else(|| damaged(2, "no status"))?;
    let outcome = match (status, row.get::<_, Option<String>>(8)?) {
        (Status::InputRequired, Some(json)) => Some(Outcome::Input(json)),
        (Status::Completed, Some(json)) => Some(Outcome::Result(json)),
        (Status::Failed, Some(json)) => Some(Outcome::Error(json)),
        (Status::Working | Status::Cancelled, None) => None,
        _ => return Err(damaged(8, "another outcome than the status has")),
    };
    Ok(Task {
        id: id.clone(),
        owner: owner.clone(),
        plugin: PluginName::parse(&plugin).map_err(|_| damaged(0, "no plugin's name"))?,
        tool: row.get(1)?,
        status,
        status_message: row.get(3)?,
        created_ms: to_u64(row.get(4)?),
        updated_ms: to_u64(row.get(5)?),
        ttl_ms: to_u64(row.get(6)?),
        poll_interval_ms: row.get(7)?,
        outcome,
    })
}

fn damaged(column: usize, what: &'static str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, what.into())
}

/// SQLite has signed integers. Times past the year 292,000,000 are all the same to us.
fn to_i64(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn to_u64(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

fn to_usize(value: i64) -> usize {
    usize::try_from(value).unwrap_or(0)
}
