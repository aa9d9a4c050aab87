//! PostgreSQL's errors in the words of the contract. What it says about a statement is passed on, since its author needs it; what it says
//! about servers, files and logins goes to the log.

use crate::caps::sql::model::SqlError;
use tokio_postgres::error::{DbError, ErrorPosition};

/// Messages quote the statement, and so can be long.
const MESSAGE_CHARACTERS_MAX: usize = 300;

/// The words for what went wrong with a statement. `timeout` is what is said when it was interrupted.
pub(super) fn explain(error: &tokio_postgres::Error, timeout: &SqlError) -> SqlError {
    let Some(refused) = error.as_db_error() else {
        tracing::warn!(%error, "the connection to a database was lost");
        return SqlError::Unavailable("the connection to the database was lost".to_owned());
    };
    let code = refused.code().code();
    let class = code.get(..2).unwrap_or_default();
    match (class, code) {
        (_, "57014") => timeout.clone(),
        (_, "42501" | "25006" | "25001") => SqlError::Denied(message(refused)),
        (_, "55P03") => SqlError::Unavailable("the database is busy with another writer; try again".to_owned()),
        ("23", _) => SqlError::Constraint(message(refused)),
        ("40", _) => SqlError::Unavailable("the statement collided with another one; try again".to_owned()),
        ("54", _) => SqlError::TooLarge(message(refused)),
        ("08" | "53" | "57" | "28", _) => {
            tracing::warn!(%error, code, "a database is not available");
            SqlError::Unavailable("the database is not available".to_owned())
        }
        ("58" | "F0" | "XX", _) => {
            tracing::error!(%error, code, "a database failed");
            SqlError::Other("the database failed".to_owned())
        }
        ("P0", _) => SqlError::Other(message(refused)),
        _ => SqlError::Invalid(message(refused)),
    }
}

fn message(refused: &DbError) -> String {
    let text: String = refused.message().chars().take(MESSAGE_CHARACTERS_MAX).collect();
    match refused.position() {
        Some(ErrorPosition::Original(at)) => format!("{text} (at character {at})"),
        _ => text,
    }
}
