//! The statements. One connection that nobody else shares, so every change is looked up, decided and written without a transaction
//! around it: the statement that writes is one.

use super::OpenError;
use crate::caps::keyvalue::KvError;
use crate::caps::keyvalue::rules::{Accounts, Change, Changed, Entry, Page, Quota, Space, Used, Write, apply};
use crate::clock::Clock;
use crate::ids::{PluginName, TenantId};
use crate::limits::Limits;
use moka::sync::Cache;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The version of the tables, in `user_version`. A change of theirs raises it and adds the statements that lead from the one before.
pub(super) const VERSION: i64 = 1;

/// Files for nobody but us: values are somebody's data.
const MODE: u32 = 0o600;

/// `value` is the last column: SQLite reads what stands before it without a way through its bytes. Keys are bytes, compared as such.
const TABLES: &str = "
CREATE TABLE entries (
    tenant TEXT NOT NULL,
    plugin TEXT NOT NULL,
    key BLOB NOT NULL,
    expires_ms INTEGER,
    value BLOB NOT NULL,
    PRIMARY KEY (tenant, plugin, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX entries_by_expiry ON entries (expires_ms) WHERE expires_ms IS NOT NULL;
";

/// How often the lock of another host is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Beside its bytes, what an entry of the cache takes.
const CACHED_BYTES: usize = 128;

/// What is known of a key: its entry, or that there is none.
pub(super) type Known = Cache<(Space, Box<str>), Option<Entry>>;

/// Values in memory. Only the thread of the database writes here, after the file, so what stands here is what stands there.
pub(super) fn cache(limits: &Limits) -> Known {
    let weigh = |key: &(Space, Box<str>), entry: &Option<Entry>| {
        let bytes = key.1.len() + entry.as_ref().map_or(0, |entry| entry.value.len()) + CACHED_BYTES;
        u32::try_from(bytes).unwrap_or(u32::MAX)
    };
    Cache::builder().max_capacity(limits.keyvalue_cache_bytes_max as u64).weigher(weigh).build()
}

/// The open file.
pub(super) struct Database {
    connection: Connection,
    accounts: Accounts,
    cache: Known,
    clock: Clock,
    sweep_every_ms: u64,
    swept_ms: u64,
    // Given back by the kernel when the process ends, however it ends.
    _lock: File,
}

/// Why something was not done.
pub(super) enum Failure {
    /// By the rules.
    Refused(KvError),
    /// By the database.
    Sqlite(rusqlite::Error),
}

impl From<KvError> for Failure {
    fn from(error: KvError) -> Self {
        Self::Refused(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failure {
    /// What the guest is told; the log has the rest.
    pub(super) fn told(self) -> KvError {
        match self {
            Self::Refused(error) => error,
            Self::Sqlite(error) => {
                tracing::error!(%error, "the key-value store failed");
                let full = error.sqlite_error_code() == Some(ErrorCode::DiskFull);
                let text = if full { "the store is full" } else { "the store cannot be read or written now" };
                KvError::Unavailable(text.to_owned())
            }
        }
    }
}

impl Database {
    pub(super) fn open(file: &Path, limits: &Limits, clock: Clock, cache: Known) -> Result<Self, OpenError> {
        // An absolute path is never taken for one of SQLite's `file:` addresses.
        let file = std::path::absolute(file)?;
        if let Some(folder) = file.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let lock = lock(&file, limits.keyvalue_open_wait_max)?;
        make_private(&file)?;
        let connection = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        // A commit survives the process at once, and a power cut after the next sync.
        connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")?;
        let page_bytes: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let pages_max = i64::try_from(limits.keyvalue_store_bytes_max).unwrap_or(i64::MAX) / page_bytes.max(1);
        connection.pragma_update_and_check(None, "max_page_count", pages_max, |_| Ok(()))?;
        let sweep_every_ms = u64::try_from(limits.keyvalue_sweep_every.as_millis()).unwrap_or(u64::MAX);
        let mut database = Self { connection, accounts: Accounts::default(), cache, clock, sweep_every_ms, swept_ms: 0, _lock: lock };
        database.enter()?;
        Ok(database)
    }

    /// Makes the tables, or checks that they are those that are known here, and counts what is in them.
    fn enter(&mut self) -> Result<(), OpenError> {
        match self.connection.pragma_query_value(None, "user_version", |row| row.get(0))? {
            0 => self.connection.execute_batch(&format!("BEGIN; {TABLES} PRAGMA user_version = {VERSION}; COMMIT;"))?,
            VERSION => {}
            newer => return Err(OpenError::Newer(newer)),
        }
        let mut statement = self
            .connection
            .prepare("SELECT tenant, plugin, count(*), sum(length(key) + length(value)) FROM entries GROUP BY tenant, plugin")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let Some(space) = space(&row.get::<_, String>(0)?, &row.get::<_, String>(1)?) else { continue };
            let used = Used { entries: to_u64(row.get(2)?), bytes: to_u64(row.get(3)?) };
            self.accounts.exchange(&space, Used::default(), used);
        }
        Ok(())
    }

    /// Looks a key up, and keeps what was found in memory.
    pub(super) fn get(&mut self, space: &Space, key: &str) -> Result<Option<Entry>, Failure> {
        let found = self.find(space, key)?;
        self.cache.insert((space.clone(), key.into()), found.clone());
        Ok(found)
    }

    fn find(&mut self, space: &Space, key: &str) -> rusqlite::Result<Option<Entry>> {
        if let Some(known) = self.cache.get(&(space.clone(), key.into())) {
            return Ok(known);
        }
        let mut statement =
            self.connection.prepare_cached("SELECT expires_ms, value FROM entries WHERE tenant = ?1 AND plugin = ?2 AND key = ?3")?;
        let found = statement.query_row(params![space.tenant.as_str(), space.plugin.as_str(), key.as_bytes()], |row| {
            let expires_ms = row.get::<_, Option<i64>>(0)?.map(to_u64);
            Ok(Entry { value: row.get_ref(1)?.as_blob()?.into(), expires_ms })
        });
        found.optional()
    }

    pub(super) fn change(&mut self, space: &Space, key: String, change: Change, quota: &Quota) -> Result<Changed, Failure> {
        let now_ms = self.clock.since_epoch_ms();
        if now_ms.saturating_sub(self.swept_ms) >= self.sweep_every_ms {
            self.sweep(now_ms)?;
        }
        let present = self.find(space, &key)?;
        let old = present.as_ref().map(|entry| Used::one(&key, entry.value.len())).unwrap_or_default();
        let (write, changed) = apply(present.as_ref().filter(|entry| entry.is_live(now_ms)), change)?;
        match write {
            Write::Nothing => {}
            Write::Remove => {
                self.remove(space, &key)?;
                self.accounts.exchange(space, old, Used::default());
                self.cache.insert((space.clone(), key.into()), None);
            }
            Write::Put(entry) => {
                let new = Used::one(&key, entry.value.len());
                let mut old = old;
                if self.accounts.room(space, old, new, quota).is_err() {
                    self.sweep(now_ms)?;
                    old = self.find(space, &key)?.map(|entry| Used::one(&key, entry.value.len())).unwrap_or_default();
                    self.accounts.room(space, old, new, quota)?;
                }
                self.put(space, &key, &entry)?;
                self.accounts.exchange(space, old, new);
                self.cache.insert((space.clone(), key.into()), Some(entry));
            }
        }
        Ok(changed)
    }

    fn put(&self, space: &Space, key: &str, entry: &Entry) -> rusqlite::Result<usize> {
        let mut statement = self.connection.prepare_cached(
            "INSERT INTO entries (tenant, plugin, key, expires_ms, value) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (tenant, plugin, key) DO UPDATE SET expires_ms = excluded.expires_ms, value = excluded.value",
        )?;
        let expires_ms = entry.expires_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
        statement.execute(params![space.tenant.as_str(), space.plugin.as_str(), key.as_bytes(), expires_ms, &*entry.value])
    }

    fn remove(&self, space: &Space, key: &str) -> rusqlite::Result<usize> {
        let mut statement = self.connection.prepare_cached("DELETE FROM entries WHERE tenant = ?1 AND plugin = ?2 AND key = ?3")?;
        statement.execute(params![space.tenant.as_str(), space.plugin.as_str(), key.as_bytes()])
    }

    /// Removes what has expired.
    fn sweep(&mut self, now_ms: u64) -> rusqlite::Result<()> {
        self.swept_ms = now_ms;
        let mut statement =
            self.connection.prepare_cached("DELETE FROM entries WHERE expires_ms <= ?1 RETURNING tenant, plugin, key, length(value)")?;
        let rows = statement.query_map([i64::try_from(now_ms).unwrap_or(i64::MAX)], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, Vec<u8>>(2)?, row.get::<_, i64>(3)?))
        })?;
        for row in rows {
            let (tenant, plugin, key, value_bytes) = row?;
            let (Some(space), Ok(key)) = (space(&tenant, &plugin), String::from_utf8(key)) else { continue };
            let gone = Used { bytes: key.len() as u64 + to_u64(value_bytes), entries: 1 };
            self.accounts.exchange(&space, gone, Used::default());
            self.cache.insert((space, key.into()), None);
        }
        Ok(())
    }

    pub(super) fn list(&self, space: &Space, prefix: &str, after: Option<&str>, page_max: usize) -> Result<Page, Failure> {
        // No text has a byte 0xff, so this is behind all that begin with the prefix.
        let behind = [prefix.as_bytes(), &[0xff]].concat();
        let mut statement = self.connection.prepare_cached(
            "SELECT key FROM entries WHERE tenant = ?1 AND plugin = ?2 AND key >= ?3 AND key < ?4 AND (?5 IS NULL OR key > ?5)
             AND (expires_ms IS NULL OR expires_ms > ?6) ORDER BY key LIMIT ?7",
        )?;
        // Begins at the cursor, not at the prefix: a long list is not read from its beginning for every page.
        let from = after.filter(|after| *after > prefix).unwrap_or(prefix);
        let now_ms = i64::try_from(self.clock.since_epoch_ms()).unwrap_or(i64::MAX);
        let most = i64::try_from(page_max.saturating_add(1)).unwrap_or(i64::MAX);
        let (tenant, plugin) = (space.tenant.as_str(), space.plugin.as_str());
        let keys = statement
            .query_map(params![tenant, plugin, from.as_bytes(), behind, after.map(str::as_bytes), now_ms, most], |row| {
                Ok(String::from_utf8_lossy(row.get_ref(0)?.as_blob()?).into_owned())
            })?;
        Ok(Page::new(keys.collect::<Result<_, _>>()?, page_max))
    }
}

/// One process at a time: what it keeps in memory is only right as long as nobody else writes.
#[allow(clippy::disallowed_methods, reason = "a thread that opens files, while a plugin loads; there is nothing else to wait on")]
fn lock(file: &Path, wait_max: Duration) -> Result<File, OpenError> {
    let mut name = file.as_os_str().to_owned();
    name.push(".lock");
    let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(MODE).open(PathBuf::from(name))?;
    let began = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            // The kernel wakes nobody who would give up after a while.
            Err(fs::TryLockError::WouldBlock) if began.elapsed() < wait_max => std::thread::sleep(LOOK_EVERY),
            Err(fs::TryLockError::WouldBlock) => return Err(OpenError::InUse),
            Err(fs::TryLockError::Error(error)) => return Err(error.into()),
        }
    }
}

/// Makes the file before SQLite does, which gives the files beside it the same mode. A file that is there is never opened here.
fn make_private(file: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(MODE).open(file) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::set_permissions(file, Permissions::from_mode(MODE)),
        Err(error) => Err(error),
    }
}

/// The space of a row, unless its names are none: then nobody can ask for it.
fn space(tenant: &str, plugin: &str) -> Option<Space> {
    Some(Space { tenant: TenantId::stored(tenant), plugin: PluginName::parse(plugin).ok()? })
}

fn to_u64(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
