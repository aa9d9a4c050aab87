//! One statement in a transaction, from its text to its answer.

use super::binding::encode_all;
use super::screen::{arrange, screen};
use super::session::Session;
use super::stop::Ends;
use super::types::name_of;
use super::values::{Raw, cell};
use super::{Answer, Work, failure, schema};
use crate::caps::sql::model::{Access, Changes, Column, Cut, QueryOptions, ResultSet, SqlError, SqlLimits};
use crate::caps::sql::parameters::Parameters;
use crate::caps::sql::writer::{Writer, tell_apart};
use futures_util::TryStreamExt as _;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement, Transaction};

/// Rows that are asked for at once. What is left of them when a result is full is thrown away.
const ROWS_AT_ONCE: i32 = 100;

/// Runs one piece of work as a transaction of its own.
pub(super) async fn alone(session: &mut Session, work: &Work, access: Access, limits: &SqlLimits, ends: &Ends) -> Result<Answer, SqlError> {
    let watch = session.watch();
    let done = async {
        let begin = session.client.build_transaction().read_only(access == Access::Read);
        let transaction = begin.start().await.map_err(Trouble::Driver)?;
        let answer = perform(&transaction, work, limits).await;
        // A statement that failed changed nothing; one that only read has nothing to keep.
        match (&answer, access) {
            (Ok(_), Access::Write) => transaction.commit().await?,
            _ => transaction.rollback().await?,
        }
        answer
    };
    let done = done.await;
    done.map_err(|trouble| trouble.explain(watch.exceeded(), limits, ends))
}

/// What went wrong: something that we found, or something that the driver says.
#[derive(Debug)]
pub(super) enum Trouble {
    Known(SqlError),
    Driver(tokio_postgres::Error),
}

impl From<SqlError> for Trouble {
    fn from(error: SqlError) -> Self {
        Self::Known(error)
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Driver(error)
    }
}

impl Trouble {
    /// The words for it.
    pub(super) fn explain(self, exceeded: bool, limits: &SqlLimits, ends: &Ends) -> SqlError {
        match self {
            Self::Known(error) => error,
            Self::Driver(_) if exceeded => {
                SqlError::TooLarge(format!("a value, or a row, is larger than {} bytes", limits.value_bytes_max))
            }
            Self::Driver(error) => failure::explain(&error, &ends.error()),
        }
    }
}

/// Does one piece of work within a transaction.
pub(super) async fn perform(transaction: &Transaction<'_>, work: &Work, limits: &SqlLimits) -> Result<Answer, Trouble> {
    match work {
        Work::Query { statement, parameters, options } => {
            query(transaction, statement, parameters, *options, limits).await.map(Answer::Rows)
        }
        Work::Execute { statement, parameters } => execute(transaction, statement, parameters, limits).await.map(Answer::Changes),
        Work::Schema { table } => schema::describe(transaction, table.as_deref(), limits).await.map(Answer::Tables),
    }
}

/// The statement, known to the server, and its parameters.
async fn prepare(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: &str,
    limits: &SqlLimits,
) -> Result<(Statement, Vec<super::binding::Encoded>), Trouble> {
    screen(sql, limits)?;
    let parameters = Parameters::parse(parameters, limits)?;
    let (sql, values) = arrange(sql, &parameters)?;
    let statement = transaction.prepare(&sql).await?;
    let encoded = encode_all(&values, statement.params())?;
    Ok((statement, encoded))
}

fn borrowed(encoded: &[super::binding::Encoded]) -> impl ExactSizeIterator<Item = &(dyn ToSql + Sync)> {
    encoded.iter().map(|value| -> &(dyn ToSql + Sync) { value })
}

async fn query(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: &str,
    options: QueryOptions,
    limits: &SqlLimits,
) -> Result<ResultSet, Trouble> {
    let (statement, parameters) = prepare(transaction, sql, parameters, limits).await?;
    if statement.columns().is_empty() {
        return Err(SqlError::Invalid("the statement returns no rows; use execute".to_owned()).into());
    }
    let mut columns: Vec<_> = statement
        .columns()
        .iter()
        .map(|column| Column { name: column.name().to_owned(), declared_type: name_of(column.type_()) })
        .collect();
    tell_apart(&mut columns);
    let mut writer = Writer::new(options, limits);
    let portal = transaction.bind_raw(&statement, borrowed(&parameters)).await?;
    let cut = loop {
        // One more than fits, to know whether there is more.
        let wanted = i32::try_from(writer.rows_left().saturating_add(1)).unwrap_or(ROWS_AT_ONCE).min(ROWS_AT_ONCE);
        let mut rows = std::pin::pin!(transaction.query_portal_raw(&portal, wanted).await?);
        let (mut count, mut cut) = (0, None);
        while let Some(row) = rows.try_next().await? {
            count += 1;
            cut = write(&mut writer, &row, &columns, limits.value_bytes_max)?;
            if cut.is_some() {
                break;
            }
        }
        if cut.is_some() || count < wanted {
            break cut;
        }
    };
    Ok(writer.finish(columns, cut)?)
}

fn write(writer: &mut Writer, row: &Row, columns: &[Column], value_bytes_max: usize) -> Result<Option<Cut>, Trouble> {
    let cells = row.columns().iter().enumerate().map(|(index, column)| match row.try_get::<_, Option<Raw<'_>>>(index)? {
        Some(Raw(raw)) => Ok(cell(raw, column.type_(), column.name(), value_bytes_max)?),
        None => Ok(crate::caps::sql::writer::Cell::Null),
    });
    writer.write_row::<Trouble>(columns, cells)
}

async fn execute(transaction: &Transaction<'_>, sql: &str, parameters: &str, limits: &SqlLimits) -> Result<Changes, Trouble> {
    let (statement, parameters) = prepare(transaction, sql, parameters, limits).await?;
    if !statement.columns().is_empty() {
        return Err(SqlError::Invalid("the statement returns rows; use query".to_owned()).into());
    }
    let changed = transaction.execute_raw(&statement, borrowed(&parameters)).await?;
    // PostgreSQL has no such thing as the last id; `RETURNING` tells it.
    Ok(Changes { rows_affected: u32::try_from(changed).unwrap_or(u32::MAX), last_insert_id: None })
}
