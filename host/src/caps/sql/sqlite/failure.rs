//! SQLite's errors in the words of the contract. What SQLite says about a statement is passed on, since its author needs it; what it
//! says about files goes to the log.

use super::connection::Session;
use crate::caps::sql::model::SqlError;
use rusqlite::ErrorCode;

/// Messages quote the statement, and so can be long.
const MESSAGE_CHARACTERS_MAX: usize = 300;

/// Either an error that we found, or one that SQLite found.
#[derive(Debug)]
pub(super) enum Failure {
    /// Ours.
    Known(SqlError),
    /// SQLite's.
    Sqlite(rusqlite::Error),
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Known(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Session {
    /// The words for a failure of the statement at hand.
    pub(super) fn explain(&self, failure: Failure) -> SqlError {
        match failure {
            Failure::Known(error) => error,
            Failure::Sqlite(error) => {
                let too_large = format!("a value, or a row, is larger than {} bytes", self.limits.value_bytes_max);
                let interrupted = self.watch.error();
                explain(&error, self.rules.refusal(), interrupted, too_large)
            }
        }
    }
}

/// The words for a failure of opening.
pub(super) fn of_opening(error: &rusqlite::Error) -> SqlError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => SqlError::Unavailable("the database is busy".to_owned()),
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => SqlError::Other("the database is damaged".to_owned()),
        _ => SqlError::Unavailable("the database cannot be opened".to_owned()),
    }
}

fn explain(error: &rusqlite::Error, refusal: Option<String>, interrupted: Option<SqlError>, too_large: String) -> SqlError {
    let (code, message) = match error {
        rusqlite::Error::SqliteFailure(error, message) => (error.code, message.as_deref().unwrap_or_default()),
        rusqlite::Error::SqlInputError { error, msg, .. } => (error.code, msg.as_str()),
        rusqlite::Error::MultipleStatement => return SqlError::Invalid("only one statement may be given".to_owned()),
        other => {
            tracing::warn!(error = %other, "an unexpected error of a database");
            return SqlError::Other("the database failed".to_owned());
        }
    };
    match code {
        ErrorCode::OperationInterrupted | ErrorCode::OperationAborted => {
            interrupted.unwrap_or_else(|| SqlError::Timeout("the statement was interrupted".to_owned()))
        }
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
            interrupted.unwrap_or_else(|| SqlError::Unavailable("the database is busy with another writer; try again".to_owned()))
        }
        ErrorCode::AuthorizationForStatementDenied | ErrorCode::PermissionDenied => {
            SqlError::Denied(refusal.unwrap_or_else(|| cut(message)))
        }
        ErrorCode::ReadOnly => SqlError::Denied("the database can only be read".to_owned()),
        ErrorCode::ConstraintViolation => SqlError::Constraint(cut(message)),
        ErrorCode::TooBig => SqlError::TooLarge(too_large),
        ErrorCode::OutOfMemory => SqlError::TooLarge("the statement needs more memory than there is".to_owned()),
        ErrorCode::DiskFull => SqlError::TooLarge("the database has no room left".to_owned()),
        ErrorCode::SchemaChanged => SqlError::Unavailable("the schema has just changed; try again".to_owned()),
        // Denied within SQLite's own modules, the code is lost, the refusal is not.
        ErrorCode::Unknown if refusal.is_some() => SqlError::Denied(refusal.unwrap_or_default()),
        // SQLite's own tables, and those behind its modules.
        ErrorCode::Unknown if message.ends_with("may not be modified") => SqlError::Denied(cut(message)),
        ErrorCode::Unknown => SqlError::Invalid(cut(message)),
        ErrorCode::TypeMismatch | ErrorCode::ParameterOutOfRange => SqlError::Invalid(cut(message)),
        ErrorCode::CannotOpen | ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed => {
            tracing::error!(%error, "a database cannot be read or written");
            SqlError::Unavailable("the database cannot be read or written".to_owned())
        }
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => {
            tracing::error!(%error, "a database is damaged");
            SqlError::Other("the database is damaged".to_owned())
        }
        _ => {
            tracing::warn!(%error, "an unexpected error of a database");
            SqlError::Other("the database failed".to_owned())
        }
    }
}

fn cut(message: &str) -> String {
    let end = message.char_indices().nth(MESSAGE_CHARACTERS_MAX).map_or(message.len(), |(at, _)| at);
    message.get(..end).unwrap_or_default().to_owned()
}
