//! How statements end that do not end by themselves.

use super::*;
use crate::caps::sql::sqlite::connection::Session;
use crate::caps::sql::sqlite::pool::Pool;
use crate::caps::sql::sqlite::stop::{Limit, Stop};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

const ENDLESS: &str = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) ";

/// Runs a statement that has little time.
async fn hurried(database: &SqliteDatabase, sql: &str) -> SqlError {
    let deadline = Instant::now() + Duration::from_millis(30);
    database.query(sql.to_owned(), String::new(), ARRAYS, deadline).await.unwrap_err()
}

#[tokio::test]
async fn slow_query() {
    let numbers = "WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x + 1 FROM c LIMIT 1000) INSERT INTO t SELECT x FROM c;";
    let fixture = Fixture::new(&format!("CREATE TABLE t(x); {numbers}"));
    let database = fixture.open_with(Access::Write, SqlLimits { connections_max: 1, ..limits() });
    for sql in [
        "SELECT count(*) FROM t a, t b, t c, t d, t e",
        "SELECT * FROM t a, t b, t c, t d WHERE a.x + b.x + c.x + d.x < 0",
        &format!("{ENDLESS} SELECT count(*) FROM c"),
        &format!("{ENDLESS} SELECT x FROM c WHERE x < 0"),
        &format!("{ENDLESS} SELECT x FROM c ORDER BY x DESC"),
        &format!("{ENDLESS} SELECT DISTINCT x % 2 FROM c"),
        &format!("{ENDLESS} SELECT x, count(*) FROM c GROUP BY x % 10"),
        &format!("{ENDLESS} INSERT INTO t SELECT x FROM c RETURNING x"),
        &format!("{ENDLESS} UPDATE t SET x = (SELECT count(*) FROM c) RETURNING x"),
    ] {
        assert_begins(&hurried(&database, sql).await, "timeout: the time of the call was over before the statement ended", sql);
        check(&database, "SELECT count(*), max(x) FROM t", "", "[[1000,1000]]").await;
    }
    let deadline = || Instant::now() + Duration::from_millis(30);
    let ended = database.execute(format!("{ENDLESS} INSERT INTO t SELECT x FROM c"), String::new(), deadline()).await;
    assert_begins(&ended.unwrap_err(), "timeout: ", "INSERT");
    let ended = database.execute(format!("CREATE TABLE u AS {ENDLESS} SELECT x FROM c"), String::new(), deadline()).await;
    assert_begins(&ended.unwrap_err(), "timeout: ", "CREATE TABLE");
    check_change(&database, "DELETE FROM t WHERE x > 10", "990 -").await;
    assert_eq!(database.pool.idle_count(), 1);
}

#[tokio::test]
async fn slow_query_has_a_limit_of_its_own() {
    let fixture = Fixture::new("CREATE TABLE t(x)");
    let database = fixture.open_with(Access::Read, SqlLimits { statement_time_max: Duration::from_millis(30), ..limits() });
    let sql = format!("{ENDLESS} SELECT count(*) FROM c");
    check(&database, &sql, "", "timeout: the statement took longer than 30ms, its limit, and was interrupted").await;
    // A deadline that is over before anything began.
    let ended = database.query("SELECT 1".to_owned(), String::new(), ARRAYS, Instant::now()).await.unwrap_err();
    assert_begins(&ended, "timeout: ", "SELECT 1");
}

/// Asking at every so many steps, and interrupting, each of them alone.
#[test]
fn slow_query_ends_in_two_ways() {
    let fixture = Fixture::new("CREATE TABLE t(x)");
    let sql = format!("{ENDLESS} SELECT count(*) FROM c");
    let mut session = Session::open(&fixture.path, Access::Read, &limits()).unwrap();
    session.watch.set(Some(Arc::new(Stop::after(Duration::from_millis(5), Limit::Call))));
    assert_begins(&session.query(&sql, "", ARRAYS).unwrap_err(), "timeout: ", "asked");

    session.connection.progress_handler(0, None::<fn() -> bool>).unwrap();
    let stop = Arc::new(Stop::after(Duration::from_secs(60), Limit::Call));
    let of_thread = Arc::clone(&stop);
    let running = std::thread::spawn(move || {
        let ended = session.run(&of_thread, |session| session.query(&sql, "", ARRAYS));
        (ended, session.is_healthy())
    });
    while !running.is_finished() {
        // Not before it runs, or it would not even begin; and again and again, since SQLite forgets.
        if stop.is_attached() {
            stop.now();
        }
        std::thread::yield_now();
    }
    let (ended, healthy) = running.join().unwrap();
    assert_begins(&ended.unwrap_err(), "timeout: ", "interrupted");
    assert!(healthy);
}

/// Inside a function SQLite cannot be interrupted. The caller has its answer all the same, and the connection counts as busy.
#[tokio::test]
async fn stuck_statements_are_not_waited_for() {
    let fixture = Fixture::new("CREATE TABLE t(x)");
    let database = fixture.open_with(Access::Read, SqlLimits { connections_max: 1, ..limits() });
    let (release, stuck) = std::sync::mpsc::channel::<()>();
    let stuck = Arc::new(Mutex::new(stuck));
    // On a busy machine the time may be over before the work begins.
    while database.pool.busy_count() == 0 {
        let stuck = Arc::clone(&stuck);
        let wait = move |_: &Session| stuck.lock().unwrap().recv().map_err(|_| SqlError::Other(String::new()));
        let ended = database.pool.run(Instant::now() + Duration::from_millis(5), wait).await;
        assert_begins(&ended.unwrap_err(), "timeout: ", "stuck");
    }
    drop(release);
    check(&database, "SELECT 1", "", "[[1]]").await;
}

#[tokio::test]
async fn ten_million_rows() {
    let fixture = Fixture::new("CREATE TABLE t(x)");
    let database = fixture.open(Access::Read);
    let rows = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 10000000) SELECT x FROM c";
    let found = query(&database, rows).await.unwrap();
    assert_eq!((found.row_count, found.cut), (1_000, Some(crate::caps::sql::model::Cut::Rows)));
    assert!(found.rows.starts_with("[[1],[2],") && found.rows.ends_with(",[1000]]"), "{}", found.rows);
}

#[tokio::test]
async fn statements_wait_for_a_connection_but_not_for_ever() {
    let fixture = Fixture::new("CREATE TABLE t(x)");
    let wait_max = Duration::from_millis(30);
    let database = fixture.open_with(Access::Read, SqlLimits { wait_max, connections_max: 2, ..limits() });
    let slow = || database.query(format!("{ENDLESS} SELECT count(*) FROM c"), String::new(), ARRAYS, soon());
    let mut both = pin!(async { tokio::join!(slow(), slow()) });
    poll_once(&mut both).await;
    assert_eq!(database.pool.busy_count(), 2);
    check(&database, "SELECT 1", "", "unavailable: all 2 connections to the database were busy for 30ms").await;
    let ended = database.query("SELECT 1".to_owned(), String::new(), ARRAYS, Instant::now() + Duration::from_millis(5)).await;
    assert_begins(&ended.unwrap_err(), "timeout: the time of the call was over before a connection was free", "SELECT 1");
}

#[tokio::test]
async fn dropped_future_interrupts() {
    let fixture = Fixture::new("CREATE TABLE t(x)");
    let limits = SqlLimits { connections_max: 1, statement_time_max: Duration::from_secs(60), ..limits() };
    let database = fixture.open_with(Access::Write, limits);
    let other = fixture.plain();
    other.busy_timeout(Duration::ZERO).unwrap();
    {
        let sql = format!("{ENDLESS} INSERT INTO t SELECT x FROM c");
        let mut endless = pin!(database.execute(sql, String::new(), soon()));
        poll_once(&mut endless).await;
        // The statement runs as soon as it holds the lock for writing.
        while other.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok() {
            tokio::task::yield_now().await;
        }
        assert_eq!(database.pool.busy_count(), 1);
    }
    // There is only this connection, so it has come back, and the statement has left nothing.
    check(&database, "SELECT count(*) FROM t", "", "[[0]]").await;
    check_change(&database, "INSERT INTO t VALUES (1)", "1 1").await;
    // Dropped at once, perhaps before it has begun.
    for _ in 0..20 {
        let mut endless = pin!(query(&database, "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"));
        poll_once(&mut endless).await;
    }
    check(&database, "SELECT count(*) FROM t", "", "[[1]]").await;
}

#[tokio::test]
async fn writers_wait_for_each_other_but_not_for_ever() {
    let fixture = Fixture::new("CREATE TABLE t(x)");
    let database = fixture.open_with(Access::Write, SqlLimits { wait_max: Duration::from_millis(30), ..limits() });
    let other = fixture.plain();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    check_change(&database, "INSERT INTO t VALUES (1)", "unavailable: the database is busy with another writer").await;
    check(&database, "SELECT count(*) FROM t", "", "[[0]]").await;
    let ended = database.execute("INSERT INTO t VALUES (1)".to_owned(), String::new(), Instant::now() + Duration::from_millis(5)).await;
    assert_begins(&ended.unwrap_err(), "timeout: ", "INSERT");
    other.execute_batch("COMMIT").unwrap();
    check_change(&database, "INSERT INTO t VALUES (1)", "1 1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_few_connections() {
    let fixture = Fixture::new("CREATE TABLE t(x INTEGER PRIMARY KEY)");
    let database = fixture.open_with(Access::Write, SqlLimits { wait_max: Duration::from_secs(30), ..limits() });
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let database = database.clone();
            tokio::spawn(async move {
                for number in 0..10 {
                    let id = (task * 10 + number).to_string();
                    check_change(&database, &format!("INSERT INTO t VALUES ({id})"), &format!("1 {id}")).await;
                    check(&database, "SELECT x FROM t WHERE x = ?", &format!("[{id}]"), &format!("[[{id}]]")).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(count(&fixture.path, "t"), 80);
    assert!((1..=4).contains(&database.pool.idle_count()));
    assert_eq!(database.pool.busy_count(), 0);
}

#[tokio::test]
async fn idle_connections_end() {
    let fixture = Fixture::new("CREATE TABLE t(x)");
    let pool = Pool::impatient(&fixture.path, Access::Write, limits()).unwrap();
    let database = SqliteDatabase { pool, ..fixture.open(Access::Write) };
    for number in 1..=5 {
        check_change(&database, "INSERT INTO t VALUES (1)", &format!("1 {number}")).await;
        // The last connection to close writes the log back and removes it.
        while database.pool.idle_count() > 0 || fixture.files() != ["test.db"] {
            std::thread::yield_now();
        }
    }
}

#[tokio::test]
async fn a_panic_costs_one_connection() {
    let fixture = Fixture::new("CREATE TABLE t(x)");
    let database = fixture.open_with(Access::Read, SqlLimits { connections_max: 1, ..limits() });
    let ended = database.pool.run(soon(), |_| -> Result<(), SqlError> { std::panic::resume_unwind(Box::new(())) }).await;
    assert_eq!(ended, Err(SqlError::Other("the database failed".to_owned())));
    check(&database, "SELECT 1", "", "[[1]]").await;
}

/// Long enough to hand the statement over to its thread.
async fn poll_once(future: &mut std::pin::Pin<&mut impl Future>) {
    std::future::poll_fn(|context| {
        assert!(future.as_mut().poll(context).is_pending());
        Poll::Ready(())
    })
    .await;
}
