//! What is answered at once, and what is left to a thread.

use super::{Fixture, check, limits};
use crate::caps::sql::model::{Access, QueryOptions, RowFormat};
use crate::caps::sql::sqlite::quick::Quick;

const PLAIN: QueryOptions = QueryOptions { format: RowFormat::Arrays, rows_max: None };

fn quick(fixture: &Fixture, access: Access) -> Quick {
    let quick = Quick::new(&fixture.path, access, &limits());
    quick.refill();
    quick
}

fn answered(quick: &Quick, statement: &str) -> Option<String> {
    quick.query(statement, "", PLAIN).map(|answer| answer.rows)
}

#[test]
fn a_point_query_is_answered_at_once_and_its_connection_is_kept() {
    let fixture = Fixture::new("CREATE TABLE t(id INTEGER PRIMARY KEY, x); INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    let quick = quick(&fixture, Access::Read);
    for _ in 0..3 {
        // A machine that is busy may take longer than the moment that a statement has: then nothing is answered, and nothing broken.
        while answered(&quick, "SELECT x FROM t WHERE id = 2").is_none_or(|rows| rows != "[[\"b\"]]") {}
    }
}

#[test]
fn what_takes_long_waits_or_fails_is_left_to_a_thread() {
    let fixture = Fixture::new("CREATE TABLE t(x); INSERT INTO t VALUES (zeroblob(100000))");
    let quick = quick(&fixture, Access::Read);
    for statement in [
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "SELECT x FROM t",
        "SELECT * FROM nothing",
        "PRAGMA query_only = OFF",
        "",
    ] {
        assert_eq!(answered(&quick, statement), None, "{statement}");
    }
}

#[test]
fn nobody_waits_for_a_lock_here() {
    let fixture = Fixture::new("CREATE TABLE t(x)");
    let locked = fixture.plain();
    locked.execute_batch("PRAGMA journal_mode = DELETE").unwrap();
    let quick = quick(&fixture, Access::Read);
    locked.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert_eq!(answered(&quick, "SELECT count(*) FROM t"), None);
    locked.execute_batch("COMMIT").unwrap();
    while answered(&quick, "SELECT count(*) FROM t").is_none() {}
}

#[tokio::test]
async fn a_statement_that_writes_runs_once() {
    let fixture = Fixture::new("CREATE TABLE t(x)");
    let database = fixture.open(Access::Write);
    for count in 1..=5 {
        // The second time there is a connection for what is over at once.
        check(&database, "INSERT INTO t VALUES (1) RETURNING x", "", "[[1]]").await;
        check(&database, "SELECT count(*) FROM t", "", &format!("[[{count}]]")).await;
    }
    let quick = quick(&fixture, Access::Write);
    assert_eq!(answered(&quick, "INSERT INTO t VALUES (2) RETURNING x"), None);
    check(&database, "SELECT count(*) FROM t", "", "[[5]]").await;
}
