//! Over the network: TLS, passwords, and interrupting a statement there.

use super::*;
use cofferdam::caps::sql::model::{Access, QueryOptions, RowFormat, SqlError, SqlLimits};
use cofferdam::caps::sql::postgres::PostgresDatabase;
use cofferdam::config::PostgresServer;
use cofferdam::secrets::{SecretSource, Secrets};
use tokio::time::Instant;

fn limits() -> SqlLimits {
    SqlLimits {
        rows_max: 1_000,
        result_bytes_max: 1 << 20,
        value_bytes_max: 1 << 20,
        statement_bytes_max: 64 << 10,
        parameters_max: 1_000,
        statement_time_max: Duration::from_secs(60),
        transaction_time_max: Duration::from_secs(10),
        wait_max: Duration::from_secs(5),
        connections_max: 1,
    }
}

/// The password of a role, by the name of the secret: `read` or `write`.
fn passwords(database: &PgDatabase) -> Secrets {
    secrets(|secret| Some(format!("{secret}-{}", database.name)))
}

fn secrets(text: impl Fn(&str) -> Option<String>) -> Secrets {
    let sources = ["read", "write"].map(|name| (name.to_owned(), SecretSource::Environment(name.to_owned())));
    Secrets::with_environment(&sources.into(), text)
}

fn open(server: &PostgresServer, secrets: &Secrets) -> PostgresDatabase {
    PostgresDatabase::new("main", server, Access::Read, limits(), secrets).unwrap()
}

async fn ask(database: &PostgresDatabase, sql: &str, time: Duration) -> Result<String, SqlError> {
    let options = QueryOptions { format: RowFormat::Arrays, rows_max: None };
    database.query(sql.to_owned(), String::new(), options, Instant::now() + time).await.map(|set| set.rows)
}

const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn tls_and_passwords() {
    let database = shop();
    let server = database.server_with_tls();
    let main = open(&server, &passwords(&database));
    let tls = "SELECT ssl, version, current_user FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let user = format!("{}_read", database.name);
    assert_eq!(ask(&main, tls, SOON).await, Ok(format!("[[true,\"TLSv1.3\",\"{user}\"]]")));

    let unavailable = Err(SqlError::Unavailable("the database is not available".to_owned()));
    let wrong = secrets(|_| Some("wrong".to_owned()));
    assert_eq!(ask(&open(&server, &wrong), "SELECT 1", SOON).await, unavailable);
    let none = secrets(|_| None);
    assert_eq!(ask(&open(&server, &none), "SELECT 1", SOON).await, unavailable);
    // A certificate that nobody vouches for.
    let strange = PostgresServer { ca: None, ..server.clone() };
    assert_eq!(ask(&open(&strange, &passwords(&database)), "SELECT 1", SOON).await, unavailable);
    // The server takes no connection of the network's without TLS.
    let plain = PostgresServer { tls: false, ..server };
    assert_eq!(ask(&open(&plain, &passwords(&database)), "SELECT 1", SOON).await, unavailable);
}

#[tokio::test]
async fn a_deadline_interrupts_over_tls_and_the_next_statement_works() {
    let database = shop();
    let main = open(&database.server_with_tls(), &passwords(&database));
    let ended = ask(&main, "SELECT pg_sleep(60)", Duration::from_millis(200)).await;
    assert!(matches!(&ended, Err(SqlError::Timeout(text)) if text.contains("the time of the call")), "{ended:?}");
    assert_eq!(ask(&main, "SELECT 1", SOON).await, Ok("[[1]]".to_owned()));
    // Its connection is closed, and nothing of it may be left.
    while database.psql(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(60)' AND state = 'active'",
    ) != "0"
    {
        tokio::task::yield_now().await;
    }
    // Dropped, not even waited for.
    let mut dropped = Box::pin(ask(&main, "SELECT pg_sleep(61)", SOON));
    let sleeping =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep(61)' AND state = 'active'";
    while database.psql(sleeping) != "1" {
        assert!(futures_poll(&mut dropped).await.is_none());
    }
    drop(dropped);
    assert_eq!(ask(&main, "SELECT 1", SOON).await, Ok("[[1]]".to_owned()));
    while database.psql(sleeping) != "0" {
        tokio::task::yield_now().await;
    }
}

/// Lets a future and its runtime get on for a moment.
async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    tokio::select! {
        biased;
        output = future => Some(output),
        () = async { for _ in 0..100 { tokio::task::yield_now().await } } => None,
    }
}
