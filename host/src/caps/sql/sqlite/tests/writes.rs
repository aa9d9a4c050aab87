//! What write grants allow, and what they are told about it.

use super::*;

const SCRIPT: &str = "
    CREATE TABLE people(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, age INTEGER CHECK (age >= 0));
    CREATE TABLE pets(id INTEGER PRIMARY KEY, owner INTEGER REFERENCES people(id), name TEXT);
    CREATE TABLE keyed(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
    CREATE TABLE log(id INTEGER PRIMARY KEY, text TEXT);
    CREATE TRIGGER pet_log AFTER INSERT ON pets BEGIN INSERT INTO log(text) VALUES ('pet ' || last_insert_rowid()); END;";

#[tokio::test]
async fn changes_are_counted() {
    let fixture = Fixture::new(SCRIPT);
    // One connection, so that every statement could see what the one before has left.
    let database = fixture.open_with(Access::Write, SqlLimits { connections_max: 1, ..limits() });
    for (sql, expected) in [
        ("INSERT INTO people(name, age) VALUES ('Ada', 36), ('Grace', 85)", "2 2"),
        ("UPDATE people SET age = age + 1", "2 -"),
        ("UPDATE people SET age = 1 WHERE id = 99", "0 -"),
        ("INSERT OR IGNORE INTO people(name) VALUES ('Ada')", "0 -"),
        ("INSERT INTO people(id, name) VALUES (2, 'x') ON CONFLICT DO UPDATE SET age = 5", "1 -"),
        ("REPLACE INTO people(id, name) VALUES (2, 'Grace')", "1 2"),
        ("CREATE TABLE t(x)", "0 -"),
        ("INSERT INTO t VALUES (1), (2), (3)", "3 3"),
        ("CREATE TABLE copy AS SELECT * FROM t", "0 -"),
        ("DELETE FROM t", "3 -"),
        ("INSERT INTO keyed VALUES ('a', 1)", "1 -"),
        ("WITH c(x) AS (VALUES (7)) INSERT INTO t SELECT x FROM c", "1 1"),
        ("INSERT INTO pets(id, owner, name) VALUES (40, 1, 'Byte')", "1 40"),
        ("DROP TABLE copy", "0 -"),
        ("UPDATE t SET x = 1", "1 -"),
    ] {
        check_change(&database, sql, expected).await;
    }
    check(&database, "SELECT text FROM log", "", r#"[["pet 40"]]"#).await;
}

#[tokio::test]
async fn errors_say_what_is_wrong() {
    let fixture = Fixture::new(SCRIPT);
    let database = fixture.open(Access::Write);
    check_change(&database, "INSERT INTO people(name) VALUES ('Ada')", "1 1").await;
    for (sql, expected) in [
        ("INSERT INTO people(name) VALUES ('Ada')", "constraint: UNIQUE constraint failed: people.name"),
        ("INSERT INTO people(age) VALUES (1)", "constraint: NOT NULL constraint failed: people.name"),
        ("INSERT INTO people(name, age) VALUES ('x', -1)", "constraint: CHECK constraint failed: age >= 0"),
        ("INSERT INTO pets(owner) VALUES (99)", "constraint: FOREIGN KEY constraint failed"),
        ("INSERT INTO people(id, name) VALUES ('x', 'y')", "invalid: datatype mismatch"),
        ("INSERT INTO nowhere VALUES (1)", "invalid: no such table: nowhere"),
        ("SELECT 1", "invalid: the statement returns rows; use query"),
        ("INSERT INTO people(name) VALUES ('x') RETURNING id", "invalid: the statement returns rows; use query"),
    ] {
        check_change(&database, sql, expected).await;
    }
    check(&database, "INSERT INTO people(name) VALUES ('x')", "", "invalid: the statement returns no rows; use execute").await;
    check(&database, "SELECT abs(-9223372036854775808)", "", "invalid: integer overflow").await;
    assert_eq!(count(&fixture.path, "people"), 1);
}

#[tokio::test]
async fn returning_answers_and_commits() {
    let fixture = Fixture::new(SCRIPT);
    let database = fixture.open(Access::Write);
    check(&database, "INSERT INTO people(name) VALUES ('a'), ('b') RETURNING id, name", "", r#"[[1,"a"],[2,"b"]]"#).await;
    let options = QueryOptions { format: RowFormat::Arrays, rows_max: Some(1) };
    let sql = "INSERT INTO people(name) VALUES ('c'), ('d'), ('e') RETURNING id";
    let found = database.query(sql.to_owned(), String::new(), options, soon()).await.unwrap();
    assert_eq!((found.rows.as_str(), found.row_count), ("[[3]]", 1));
    assert_eq!(count(&fixture.path, "people"), 5);
    check(&database, "DELETE FROM people WHERE id > 1 RETURNING id", "", "[[2],[3],[4],[5]]").await;
    check(&database, "WITH c(x) AS (VALUES ('z')) INSERT INTO people(name) SELECT x FROM c RETURNING name", "", r#"[["z"]]"#).await;
}

#[tokio::test]
async fn tables_indexes_and_views_can_be_made() {
    let fixture = Fixture::new(SCRIPT);
    let database = fixture.open(Access::Write);
    for sql in [
        "CREATE TABLE IF NOT EXISTS a(id INTEGER PRIMARY KEY AUTOINCREMENT, b TEXT DEFAULT 'x' CHECK (b <> ''), c AS (length(b)), d REFERENCES people)",
        "CREATE UNIQUE INDEX a_b ON a(b, lower(b)) WHERE b IS NOT NULL",
        "INSERT INTO a(b) VALUES ('one')",
        "CREATE VIEW a_view(x) AS SELECT b FROM a",
        "ALTER TABLE a ADD COLUMN e INTEGER NOT NULL DEFAULT 1 CHECK (e > 0)",
        "ALTER TABLE a RENAME COLUMN b TO bb",
        "ALTER TABLE a RENAME TO a2",
        "ALTER TABLE a2 DROP COLUMN e",
        "CREATE TABLE copy AS SELECT * FROM a2",
        "DROP INDEX a_b",
        "DROP VIEW a_view",
        "DROP TABLE a2",
        "DROP TABLE IF EXISTS copy",
    ] {
        execute(&database, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    check(&database, "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'a%'", "", "[[0]]").await;
}

/// D07: a connection goes from call to call, and nothing of one call is seen by the next.
#[tokio::test]
async fn session_leak() {
    let fixture = Fixture::new(SCRIPT);
    let database = fixture.open_with(Access::Write, SqlLimits { connections_max: 1, ..limits() });
    database.query("SELECT ?1".to_owned(), "[\"secret\"]".to_owned(), ARRAYS, soon()).await.unwrap();
    check(&database, "SELECT ?1", "", "invalid: the statement has 1 parameters, but 0 were given").await;
    check(&database, "SELECT ?1", "[null]", "[[null]]").await;
    check_change(&database, "INSERT INTO people(id, name) VALUES (77, 'a')", "1 77").await;
    check(&database, "SELECT last_insert_rowid()", "", "denied: ").await;
    check_change(&database, "UPDATE people SET age = 1", "1 -").await;
    check_change(&database, "BEGIN", "denied: ").await;
    check_change(&database, "CREATE TEMP TABLE x(y)", "denied: ").await;
    check(&database, "SELECT count(*) FROM sqlite_temp_schema", "", "[[0]]").await;
}

/// Statements in the cache notice that the schema has changed under them.
#[tokio::test]
async fn cached_statements_follow_the_schema() {
    let fixture = Fixture::new("CREATE TABLE t(a); INSERT INTO t VALUES (1)");
    let database = fixture.open(Access::Read);
    check(&database, "SELECT * FROM t", "", "[[1]]").await;
    fixture.plain().execute_batch("ALTER TABLE t ADD COLUMN b DEFAULT 2").unwrap();
    let found = query(&database, "SELECT * FROM t").await.unwrap();
    assert_eq!((found.rows.as_str(), found.columns.len()), ("[[1,2]]", 2));
    fixture.plain().execute_batch("DROP TABLE t").unwrap();
    check(&database, "SELECT * FROM t", "", "invalid: no such table: t").await;
}
