//! How statements end that do not end by themselves.

use super::*;
use std::future::Future;
use std::pin::pin;
use std::task::Poll;

const ENDLESS: &str = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) ";

fn short(time: Duration, connections_max: usize) -> SqlLimits {
    SqlLimits { statement_time_max: time, connections_max, ..limits() }
}

#[tokio::test]
async fn slow_query() {
    let fixture = Fixture::new("CREATE TABLE t(x); WITH RECURSIVE c(x) AS (VALUES(1) UNION ALL SELECT x+1 FROM c LIMIT 1000) INSERT INTO t SELECT x FROM c;");
    let database = fixture.open_with(Access::Write, short(Duration::from_millis(40), 1));
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
        check(&database, sql, "", "timeout: the statement took longer than 40ms, its limit, and was interrupted").await;
        check(&database, "SELECT count(*), max(x) FROM t", "", "[[1000,1000]]").await;
    }
    check_change(&database, &format!("{ENDLESS} INSERT INTO t SELECT x FROM c"), "timeout: ").await;
    check_change(&database, &format!("CREATE TABLE u AS {ENDLESS} SELECT x FROM c"), "timeout: ").await;
    check_change(&database, "DELETE FROM t WHERE x > 10", "990 -").await;
    assert_eq!(database.pool.idle_count(), 1);
}

#[tokio::test]
async fn slow_query_ends_with_its_call() {
    let fixture = Fixture::new("CREATE TABLE t(x)");
    let database = fixture.open_with(Access::Read, short(Duration::from_secs(5), 1));
    let slow = format!("{ENDLESS} SELECT count(*) FROM c");
    let deadline = Instant::now() + Duration::from_millis(40);
    let ended = database.query(slow.clone(), String::new(), ARRAYS, deadline).await.unwrap_err();
    assert_begins(&ended, "timeout: the time of the call was over before the statement ended", &slow);
    // A deadline that is over before anything began.
    let ended = database.query("SELECT 1".to_owned(), String::new(), ARRAYS, Instant::now()).await.unwrap_err();
    assert_begins(&ended, "timeout: ", "SELECT 1");
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
    let database = fixture.open_with(Access::Write, short(Duration::from_secs(60), 1));
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
    let pool = crate::caps::sql::sqlite::pool::Pool::impatient(&fixture.path, Access::Write, limits()).unwrap();
    let database = SqliteDatabase { pool, access: Access::Write };
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
