//! What grants do not allow.

use super::*;
use crate::caps::sql::sqlite::authorizer::Rules;
use crate::caps::sql::sqlite::connection::Session;
use crate::caps::sql::sqlite::screen::Class;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags};
use std::sync::Arc;

const SCRIPT: &str = "
    CREATE TABLE a(id INTEGER PRIMARY KEY, b TEXT UNIQUE);
    INSERT INTO a VALUES (1, 'one'), (2, 'two');
    CREATE TABLE log(text TEXT, at INTEGER);
    CREATE TRIGGER a_log AFTER INSERT ON a BEGIN INSERT INTO log(text) VALUES (new.b || last_insert_rowid()); END;
    CREATE VIEW v AS SELECT b FROM a;";

/// Every way to write that there is.
const WRITES: &[&str] = &[
    "INSERT INTO a(b) VALUES ('x')",
    "INSERT INTO a(b) VALUES ('x') RETURNING id",
    "INSERT OR REPLACE INTO a VALUES (1, 'x')",
    "REPLACE INTO a VALUES (1, 'x')",
    "INSERT INTO a VALUES (1, 'x') ON CONFLICT DO UPDATE SET b = 'x'",
    "UPDATE a SET b = 'x'",
    "UPDATE a SET b = 'x' WHERE id = 1 RETURNING *",
    "DELETE FROM a",
    "DELETE FROM a WHERE id = 1 RETURNING *",
    "WITH c AS (SELECT 1) INSERT INTO a(b) SELECT 'x' FROM c",
    "WITH c AS (SELECT 1) DELETE FROM a WHERE id IN c",
    "WITH c AS (SELECT 1) UPDATE a SET b = 'x' WHERE id IN c",
    "EXPLAIN DELETE FROM a",
    "CREATE TABLE x(y)",
    "CREATE TABLE x AS SELECT * FROM a",
    "CREATE TEMP TABLE x(y)",
    "CREATE INDEX x ON a(b)",
    "CREATE VIEW x AS SELECT 1",
    "CREATE TEMP VIEW x AS SELECT 1",
    "CREATE TRIGGER x AFTER INSERT ON a BEGIN DELETE FROM a; END",
    "CREATE VIRTUAL TABLE x USING fts5(y)",
    "CREATE VIRTUAL TABLE temp.x USING fts5vocab(main, a, row)",
    "ALTER TABLE a ADD COLUMN c",
    "ALTER TABLE a RENAME TO x",
    "ALTER TABLE log DROP COLUMN at",
    "DROP TABLE log",
    "DROP VIEW v",
    "DROP TRIGGER a_log",
    "REINDEX",
    "ANALYZE",
    "VACUUM",
    "VACUUM INTO 'copy.db'",
    "ATTACH 'other.db' AS other",
    "ATTACH ':memory:' AS other",
    "DETACH main",
    "PRAGMA writable_schema = ON",
    "PRAGMA user_version = 7",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA query_only = OFF",
    "PRAGMA database_list",
    "PRAGMA wal_checkpoint",
    "INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 2, 'CREATE TABLE x(y)')",
    "UPDATE sqlite_schema SET sql = ''",
    "DELETE FROM main.sqlite_master",
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "SAVEPOINT x",
    "RELEASE x",
    "ROLLBACK",
    "SELECT load_extension('x')",
];

#[tokio::test]
async fn write_with_read_grant() {
    let fixture = Fixture::new(SCRIPT);
    let before = std::fs::read(&fixture.path).unwrap();
    let database = fixture.open(Access::Read);
    for sql in WRITES {
        check(&database, sql, "", "denied: ").await;
        check_change(&database, sql, "denied: ").await;
    }
    check(&database, "SELECT * FROM a", "", r#"[[1,"one"],[2,"two"]]"#).await;
    check(&database, "SELECT count(*) FROM sqlite_schema", "", "[[5]]").await;
    assert_eq!(std::fs::read(&fixture.path).unwrap(), before);
    assert!(fixture.files().iter().all(|name| name.starts_with("test.db")), "{:?}", fixture.files());
}

/// Nothing depends on a single rule: each of them refuses alone.
#[test]
fn write_with_read_grant_meets_three_bolts() {
    let fixture = Fixture::new(SCRIPT);
    let read_only = Connection::open_with_flags(&fixture.path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let query_only = fixture.plain();
    query_only.execute_batch("PRAGMA query_only = ON").unwrap();
    let mut authorized = fixture.plain();
    let rules = Arc::new(Rules::new(Access::Read));
    // As if the first look had been fooled as well.
    rules.begin(Class::Definition);
    authorized.authorizer(Some(move |context: AuthContext<'_>| rules.judge(&context))).unwrap();
    // Statements that do not write into this file, or that the other bolts are not there for.
    let others =
        ["TEMP", "temp.", "EXPLAIN", "VACUUM", "ATTACH", "DETACH", "PRAGMA", "BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK"];
    for sql in WRITES {
        if sql.contains("load_extension") {
            continue;
        }
        assert!(authorized.execute_batch(sql).is_err(), "the authorizer allows {sql}");
        if others.iter().any(|other| sql.contains(other)) || *sql == "REINDEX" || sql.contains("sqlite_") {
            continue;
        }
        assert!(read_only.execute_batch(sql).is_err(), "the file's mode allows {sql}");
        assert!(query_only.execute_batch(sql).is_err(), "query_only allows {sql}");
    }
    assert_eq!(count(&fixture.path, "a"), 2);
}

#[test]
fn connections_are_hardened() {
    let fixture = Fixture::new(SCRIPT);
    for access in [Access::Read, Access::Write] {
        let mut session = Session::open(&fixture.path, access, &limits()).unwrap();
        for (option, expected) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false),
            (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
        ] {
            assert_eq!(session.connection.db_config(option).unwrap(), expected, "{option:?}");
        }
        assert_eq!(session.connection.limit(Limit::SQLITE_LIMIT_ATTACHED).unwrap(), 0);
        assert_eq!(session.connection.is_readonly("main").unwrap(), access == Access::Read);
        session.connection.authorizer(None::<fn(AuthContext<'_>) -> Authorization>).unwrap();
        let pragma = |name: &str| session.connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(pragma("query_only"), i64::from(access == Access::Read));
        assert_eq!(pragma("cell_size_check"), 1);
        assert_eq!(pragma("temp_store"), 1);
    }
}

#[tokio::test]
async fn write_grants_have_limits_too() {
    let fixture =
        Fixture::new(&format!("{SCRIPT} CREATE VIRTUAL TABLE f USING fts5(y); CREATE TABLE s(id INTEGER PRIMARY KEY AUTOINCREMENT);"));
    let database = fixture.open(Access::Write);
    for (sql, expected) in [
        ("INSERT INTO sqlite_master VALUES ('table', 'x', 'x', 2, '')", "denied: INSERT into sqlite_master: the table belongs"),
        ("UPDATE sqlite_schema SET sql = ''", "denied: table sqlite_master may not be modified"),
        ("DELETE FROM SQLITE_MASTER", "denied: table sqlite_master may not be modified"),
        ("DELETE FROM sqlite_sequence", "denied: DELETE from sqlite_sequence"),
        ("INSERT INTO sqlite_temp_master VALUES (1)", "denied: "),
        ("UPDATE f_data SET block = x'00'", "denied: table f_data may not be modified"),
        ("CREATE TRIGGER x AFTER INSERT ON a BEGIN DELETE FROM a; END", "denied: creating and dropping triggers"),
        ("CREATE TRIGGER x AFTER INSERT ON a", "denied: creating and dropping triggers"),
        ("DROP TRIGGER a_log", "denied: creating and dropping triggers"),
        ("DROP TABLE a", "denied: creating and dropping triggers"),
        ("CREATE VIRTUAL TABLE x USING fts5(y)", "denied: creating and dropping virtual tables"),
        ("DROP TABLE f", "denied: creating and dropping virtual tables"),
        ("CREATE TEMP TABLE x(y)", "denied: temporary tables"),
        ("CREATE TABLE temp.x(y)", "denied: temporary tables"),
        ("CREATE TEMP VIEW x AS SELECT 1", "denied: temporary tables"),
        ("CREATE VIEW temp.x AS SELECT 1", "denied: temporary tables"),
        ("CREATE INDEX temp.x ON a(b)", "invalid: "),
        ("CREATE TABLE x AS SELECT * FROM pragma_database_list", "denied: PRAGMA is not available"),
        ("CREATE TABLE x AS SELECT sqlite_log(1, 'x')", "denied: the function sqlite_log"),
        ("CREATE TABLE sqlite_x(y)", "invalid: object name reserved"),
        ("ATTACH 'x.db' AS x", "denied: ATTACH"),
        ("VACUUM INTO 'copy.db'", "denied: VACUUM"),
        ("PRAGMA writable_schema = ON", "denied: PRAGMA"),
        ("BEGIN", "denied: BEGIN"),
        ("END", "denied: END"),
    ] {
        check_change(&database, sql, expected).await;
    }
    assert!(fixture.files().iter().all(|name| name.starts_with("test.db")), "{:?}", fixture.files());
}

#[tokio::test]
async fn stacked_statements() {
    let fixture = Fixture::new(SCRIPT);
    let database = fixture.open(Access::Write);
    for sql in ["SELECT 1; SELECT 2", "SELECT 1; DELETE FROM a", "DELETE FROM a; SELECT 1", "SELECT 1;;; garbage", "SELECT ';'; ';'"] {
        check(&database, sql, "", "invalid: only one statement may be given").await;
        check_change(&database, sql, "invalid: only one statement may be given").await;
    }
    check(&database, "SELECT 1\0; DELETE FROM a", "", "invalid: the statement contains a NUL").await;
    check(&database, " /* first */ SELECT ';' ; -- last ;\n ; ", "", r#"[[";"]]"#).await;
    check(&database, ";; SELECT 2", "", "[[2]]").await;
    check_change(&database, "; PRAGMA user_version = 1", "denied: PRAGMA").await;
    check(&database, "", "", "invalid: the statement is empty").await;
    check(&database, "-- nothing", "", "invalid: the statement is empty").await;
    assert_eq!(count(&fixture.path, "a"), 2);
}

#[tokio::test]
async fn sqlite_tricks() {
    let fixture = Fixture::new(SCRIPT);
    let read = fixture.open(Access::Read);
    let write = fixture.open(Access::Write);
    let deep = format!("SELECT {}1{}", "(".repeat(600), ")".repeat(600));
    let chain = format!("SELECT 1{}", "+1".repeat(300));
    let compound = format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(200));
    let wide = format!("SELECT {}1", "1,".repeat(3_000));
    let json = format!("SELECT json('{}{}')", "[".repeat(5_000), "]".repeat(5_000));
    let many = format!("SELECT {}1", "replace(b, 'x', b) || ".repeat(100));
    for (sql, expected) in [
        ("SELECT load_extension('x')", "denied: the function load_extension is not available"),
        ("SELECT LOAD_EXTENSION('x', 'y')", "denied: the function load_extension"),
        ("SELECT fts3_tokenizer('simple')", "denied: the function fts3_tokenizer"),
        ("SELECT sqlite_log(1, 'x')", "denied: the function sqlite_log"),
        ("SELECT readfile('/etc/passwd')", "invalid: no such function: readfile"),
        ("SELECT writefile('x', 'y')", "invalid: no such function: writefile"),
        ("SELECT edit('x')", "invalid: no such function: edit"),
        ("SELECT last_insert_rowid()", "denied: the function last_insert_rowid"),
        ("SELECT changes(), total_changes()", "denied: the function changes"),
        ("SELECT * FROM pragma_database_list", "denied: PRAGMA is not available"),
        ("SELECT * FROM pragma_table_info('a')", "denied: PRAGMA is not available"),
        ("SELECT * FROM pragma_function_list", "denied: PRAGMA is not available"),
        ("SELECT zeroblob(1000000000)", "too large: "),
        ("SELECT length(randomblob(1000000000))", "too large: "),
        ("SELECT hex(zeroblob(1000000))", "too large: "),
        ("SELECT printf('%.*c', 1000000000, 'x')", "too large: "),
        ("SELECT replace(printf('%.*c', 100000, 'x'), 'x', printf('%.*c', 1000, 'y'))", "too large: "),
        (
            "SELECT group_concat(x, printf('%.*c', 100000, 'x')) FROM (VALUES (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11), (12), (13)) t(x)",
            "invalid: ",
        ),
        (&deep, "invalid: "),
        (&chain, "invalid: Expression tree is too large (maximum depth 250)"),
        (&compound, "invalid: too many terms in compound SELECT"),
        (&wide, "invalid: too many columns in result set"),
        (&json, "invalid: malformed JSON"),
        (&many, "denied: too many of the functions"),
        ("SELECT 'a' LIKE printf('%.*c', 1000, '%')", "invalid: LIKE or GLOB pattern too complex"),
        ("SELECT ?99999", "invalid: variable number must be between ?1 and ?1000"),
        ("SELECT trim(b, b) FROM a", "denied: the second argument of trim"),
        ("SELECT \"b c\" FROM a", "invalid: no such column: "),
        ("SELECT * FROM nowhere", "invalid: no such table: nowhere"),
        ("SELECT * FROM other.a", "invalid: no such table: other.a"),
        ("SELEC 1", "invalid: near \"SELEC\": syntax error"),
        ("SELECT 'open", "invalid: "),
    ] {
        check(&read, sql, "", expected).await;
        check(&write, sql, "", expected).await;
    }
    check(&read, "SELECT zeroblob(3)", "", r#"[["AAAA"]]"#).await;
}

/// Without a step in between SQLite never looks at the clock, so what a single step can do is bounded.
#[tokio::test]
async fn sqlite_tricks_long_functions() {
    let fixture = Fixture::new(SCRIPT);
    let database = fixture.open(Access::Write);
    let too_many = format!("SELECT {}", vec!["instr(b, b)"; 100].join(", "));
    check(&database, &format!("{too_many} FROM a"), "", "denied: too many of the functions").await;
    // Many of them, but on short values.
    let folded = (0..40).fold("b".to_owned(), |inner, _| format!("replace({inner}, 'o', '0')"));
    check(&database, &format!("SELECT {folded} FROM a"), "", r#"[["0ne"],["tw0"]]"#).await;
    let length = |wanted: usize| format!("SELECT length(replace({folded}, 'o', printf('%.*c', {wanted}, 'x'))) FROM a WHERE id = 1");
    check(&database, &length(100_000), "", "[[3]]").await;
    check(&database, &length(300_000), "", "too large: ").await;
    // The next statement has long values again.
    check(&database, "SELECT length(printf('%.*c', 1000000, 'x'))", "", "[[1000000]]").await;
    // A view hides nothing, and neither does the cache of statements.
    check_change(&database, &format!("CREATE VIEW many AS SELECT {} FROM a", vec!["instr(b, b)"; 60].join("+")), "0 -").await;
    check(&database, "SELECT * FROM many, many", "", "denied: too many of the functions").await;
    for _ in 0..3 {
        check(&database, "SELECT length(printf('%.*c', 300000, 'x')) FROM a LIMIT 1", "", "[[300000]]").await;
        check(&database, "SELECT * FROM many", "", "[[60],[60]]").await;
        check(&database, "SELECT *, length(printf('%.*c', 300000, 'x')) FROM many", "", "too large: ").await;
    }
    // SQLite does not ask again when a definition is used, so it asks for less.
    check_change(&database, "CREATE TABLE t(x, y CHECK (y LIKE '%@%' AND y NOT LIKE '% %'))", "0 -").await;
    check_change(&database, "CREATE TABLE u(x, y AS (instr(x, x)))", "denied: too many of the functions").await;
    check_change(&database, "CREATE INDEX i ON t(replace(x, y, y))", "denied: too many of the functions").await;
    check_change(&database, "ALTER TABLE t ADD COLUMN z CHECK (z \"Like\" 'a')", "denied: like, glob, instr").await;
    check_change(&database, "ALTER TABLE t ADD COLUMN z AS (instr(x, y))", "denied: like, glob, instr").await;
}
