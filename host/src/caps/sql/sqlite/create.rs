//! Makes a database from an SQL script, whole or not at all.

use super::failure;
use crate::caps::sql::model::SqlError;
use rusqlite::Connection;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Creates the database with this script if there is no such file, and says whether it did. The script is the operator's own and is
/// trusted. It runs in a file beside the final one, which then gets its name: a database that is there is complete.
pub fn create_from_sql(path: &Path, script: &str) -> Result<bool, SqlError> {
    if fs::exists(path).map_err(|error| unavailable(path, &error))? {
        return Ok(false);
    }
    let draft = Draft::beside(path);
    run_script(&draft.0, script)?;
    // A link, unlike a rename, fails when another process was faster.
    let created = match fs::hard_link(&draft.0, path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        // Not every file system has links.
        Err(_) => fs::rename(&draft.0, path).map(|()| true).map_err(|error| unavailable(path, &error))?,
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        // So that the name survives a power cut. Where folders cannot be synced it has to do without.
        let _synced = fs::File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(created)
}

/// Leaves a database that is closed: one file, without a log beside it.
fn run_script(draft: &Path, script: &str) -> Result<(), SqlError> {
    let connection = Connection::open(draft).map_err(|error| {
        tracing::error!(database = %draft.display(), %error, "a database cannot be created");
        failure::of_opening(&error)
    })?;
    let run = || {
        connection.execute_batch("PRAGMA journal_mode = WAL;")?;
        connection.execute_batch(script)?;
        if !connection.is_autocommit() {
            return Ok(false);
        }
        connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE);")?;
        Ok(true)
    };
    let complete = run().map_err(|error: rusqlite::Error| SqlError::Invalid(format!("the script failed: {}", message(&error))))?;
    if !complete {
        return Err(SqlError::Invalid("the script begins a transaction and does not end it".to_owned()));
    }
    connection.close().map_err(|(_, error)| {
        tracing::error!(database = %draft.display(), %error, "a new database cannot be closed");
        failure::of_opening(&error)
    })
}

/// The operator wrote the script, so the whole message is for the operator, but not the whole script.
fn message(error: &rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, offset, .. } => format!("{msg} (at byte {offset} of its statement)"),
        other => other.to_string(),
    }
}

fn unavailable(path: &Path, error: &io::Error) -> SqlError {
    tracing::error!(database = %path.display(), %error, "a database cannot be created");
    SqlError::Unavailable("the database cannot be created".to_owned())
}

/// A file that is removed again, with what SQLite may have left beside it.
struct Draft(PathBuf);

impl Draft {
    fn beside(path: &Path) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{}-{number}.draft", std::process::id()));
        let draft = Self(path.with_file_name(name));
        // Of a process that had the same number and died.
        draft.remove();
        draft
    }

    fn remove(&self) {
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let mut name = self.0.as_os_str().to_owned();
            name.push(suffix);
            // Mostly it is not there, and there is nothing to do about one that stays.
            let _removed = fs::remove_file(name);
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.remove();
    }
}
