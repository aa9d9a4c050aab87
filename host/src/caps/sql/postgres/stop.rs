//! When a statement ends, at the latest.

use crate::caps::sql::model::SqlError;
use std::time::Duration;
use tokio::time::Instant;

/// How long after its end a statement is waited for, since only the server knows whether it was still in time.
pub(super) const VERDICT_TIME_MAX: Duration = Duration::from_millis(250);

/// Which limit ends a statement.
#[derive(Debug, Clone, Copy)]
enum Limit {
    Statement(Duration),
    Transaction(Duration),
    Call,
}

/// When a statement ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) at: Instant,
    limit: Limit,
}

impl Ends {
    /// A statement that begins now: its own time, or the call's.
    pub(super) fn of(statement_time_max: Duration, deadline: Instant) -> Self {
        match Instant::now().checked_add(statement_time_max).filter(|own| *own < deadline) {
            Some(at) => Self { at, limit: Limit::Statement(statement_time_max) },
            None => Self { at: deadline, limit: Limit::Call },
        }
    }

    /// The same within a transaction that has to end by then.
    pub(super) fn within(self, at: Instant, transaction_time_max: Duration) -> Self {
        if at < self.at { Self { at, limit: Limit::Transaction(transaction_time_max) } } else { self }
    }

    /// What the caller is told.
    pub(super) fn error(&self) -> SqlError {
        SqlError::Timeout(match self.limit {
            Limit::Statement(time) => format!("the statement took longer than {time:?}, its limit, and was interrupted"),
            Limit::Transaction(time) => format!("the transaction took longer than {time:?}, its limit, and was rolled back"),
            Limit::Call => "the time of the call was over before the statement ended; it was interrupted".to_owned(),
        })
    }
}
