//! Files: their modes, their making, and what is left beside them.

use super::*;
use crate::caps::sql::sqlite::limit_memory;

#[tokio::test]
async fn databases_are_made_whole_or_not_at_all() {
    let fixture = Fixture::empty();
    for (script, expected) in [
        ("CREATE TABLE a(b); INSERT INTO nowhere VALUES (1);", "invalid: the script failed: no such table: nowhere"),
        ("CREATE TABLE a(b); CREATE TABLE", "invalid: the script failed: incomplete input"),
        ("BEGIN; CREATE TABLE a(b);", "invalid: the script begins a transaction and does not end it"),
    ] {
        assert_begins(&create_from_sql(&fixture.path, script).unwrap_err(), expected, script);
        assert!(fixture.files().is_empty(), "{:?}", fixture.files());
    }
    assert!(create_from_sql(&fixture.path, "CREATE TABLE a(b); INSERT INTO a VALUES (1);").unwrap());
    assert_eq!(fixture.files(), ["test.db"]);
    // A database that is there is left alone.
    assert!(!create_from_sql(&fixture.path, "garbage").unwrap());
    assert_eq!(count(&fixture.path, "a"), 1);
    assert!(create_from_sql(&fixture.folder.join("no/where.db"), "").is_err());
}

#[test]
fn databases_are_made_once() {
    let fixture = Fixture::empty();
    let made = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..4).map(|_| scope.spawn(|| create_from_sql(&fixture.path, "CREATE TABLE a(b)").unwrap())).collect();
        makers.into_iter().map(|maker| maker.join().unwrap()).filter(|made| *made).count()
    });
    assert_eq!(made, 1);
    assert_eq!(fixture.files(), ["test.db"]);
}

/// The log of a WAL database is gone once everybody has closed it, and a reader has to do without, and then with a writer's.
#[tokio::test]
async fn wal_databases_can_be_read_without_writers() {
    let fixture = Fixture::new("CREATE TABLE a(b); INSERT INTO a VALUES (1)");
    assert_eq!(fixture.files(), ["test.db"]);
    let reader = fixture.open(Access::Read);
    check(&reader, "SELECT b FROM a", "", "[[1]]").await;
    let writer = fixture.open(Access::Write);
    check_change(&writer, "INSERT INTO a VALUES (2)", "1 2").await;
    check(&reader, "SELECT b FROM a", "", "[[1],[2]]").await;
    let mode: String = fixture.plain().query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

/// A writer without WAL died in the middle: a reader alone could not undo what it left.
#[tokio::test]
async fn unfinished_writes_are_undone_before_reading() {
    let fixture = Fixture::empty();
    let writer = fixture.plain();
    writer.execute_batch("CREATE TABLE a(b); INSERT INTO a VALUES (1); PRAGMA cache_size = 1; BEGIN; UPDATE a SET b = 2;").unwrap();
    writer.execute_batch("INSERT INTO a SELECT zeroblob(100000);").unwrap();
    let dead = Fixture::empty();
    for suffix in ["", "-journal"] {
        let name = |path: &Path| format!("{}{suffix}", path.display());
        std::fs::copy(name(&fixture.path), name(&dead.path)).unwrap();
    }
    let reader = dead.open(Access::Read);
    check(&reader, "SELECT b FROM a", "", "[[1]]").await;
}

#[test]
fn what_is_no_database_is_not_opened() {
    let fixture = Fixture::empty();
    let open = |access| SqliteDatabase::open(&fixture.path, access, limits()).map(drop);
    let missing = Err(SqlError::Unavailable("the database cannot be opened".to_owned()));
    assert_eq!(open(Access::Read), missing);
    assert_eq!(open(Access::Write), missing);
    assert!(fixture.files().is_empty());
    std::fs::write(
        &fixture.path,
        "this is not a database, but it is long enough to have a header of one hundred bytes, and so it is read.",
    )
    .unwrap();
    let damaged = Err(SqlError::Other("the database is damaged".to_owned()));
    assert_eq!(open(Access::Read), damaged);
    assert_eq!(open(Access::Write), damaged);
}

/// Full-text indexes and R-trees prepare statements of their own, also such that write.
#[tokio::test]
async fn modules_of_sqlite_work_under_grants() {
    let fixture = Fixture::new(
        "CREATE VIRTUAL TABLE f USING fts5(text); INSERT INTO f VALUES ('the river'), ('the dam');
         CREATE VIRTUAL TABLE g USING fts4(text); INSERT INTO g VALUES ('the river'), ('the dam');
         CREATE VIRTUAL TABLE r USING rtree(id, x1, x2); INSERT INTO r VALUES (1, 0, 1), (2, 5, 6);",
    );
    for access in [Access::Read, Access::Write] {
        let database = fixture.open(access);
        check(
            &database,
            "SELECT rowid, highlight(f, 0, '<', '>') FROM f WHERE f MATCH ? ORDER BY bm25(f)",
            r#"["river"]"#,
            r#"[[1,"the <river>"]]"#,
        )
        .await;
        check(&database, "SELECT snippet(g) FROM g WHERE g MATCH 'dam'", "", r#"[["the <b>dam</b>"]]"#).await;
        check(&database, "SELECT id FROM r WHERE x1 > 2", "", "[[2]]").await;
    }
    let database = fixture.open(Access::Write);
    check_change(&database, "INSERT INTO f VALUES ('a river and a dam')", "1 3").await;
    check_change(&database, "INSERT INTO r VALUES (3, 7, 8)", "1 3").await;
    let reader = fixture.open(Access::Read);
    check(&reader, "SELECT count(*) FROM f WHERE f MATCH 'river'", "", "[[2]]").await;
    check(&reader, "SELECT count(*) FROM r", "", "[[3]]").await;
    // A change of the schema makes them prepare everything anew.
    fixture.plain().execute_batch("CREATE TABLE z(x)").unwrap();
    check(&reader, "SELECT count(*) FROM f WHERE f MATCH 'dam'", "", "[[2]]").await;
    check(&reader, "SELECT count(*) FROM r WHERE x1 > 2", "", "[[2]]").await;
    check(&database, "SELECT count(*) FROM r WHERE x1 > 2", "", "[[2]]").await;
    check_change(&reader, "INSERT INTO f(f) VALUES ('optimize')", "denied: ").await;
    check_change(&reader, "INSERT INTO r VALUES (4, 7, 8)", "denied: ").await;
}

#[tokio::test]
async fn connections_end_with_their_database() {
    let fixture = Fixture::new("CREATE TABLE a(b)");
    let database = fixture.open(Access::Write);
    check_change(&database, "INSERT INTO a VALUES (2)", "1 1").await;
    assert!(fixture.files().contains(&"test.db-wal".to_owned()));
    drop(database);
    // The last connection to close writes the log back and removes it.
    while fixture.files() != ["test.db"] {
        std::thread::yield_now();
    }
}

#[test]
fn memory_can_be_limited() {
    limit_memory(1 << 30).unwrap();
    let found = rusqlite::Connection::open_in_memory().unwrap().query_row("PRAGMA hard_heap_limit", [], |row| row.get::<_, i64>(0));
    assert_eq!(found.unwrap(), 1 << 30);
}
