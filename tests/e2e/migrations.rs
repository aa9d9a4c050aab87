//! Databases that the operator's migrations bring up to date.

use serde_json::{Value, json};
use tests::client;
use tests::host::{Plugins, TestHost, guest};

const MANIFEST: &str = "name = \"database\"\n[grants.sql.main]\naccess = \"write\"\n";

fn host(files: &[(&str, &str)]) -> TestHost {
    Plugins::new().with_manifest("database", &guest("database"), MANIFEST).migrated("main", files).start()
}

fn call(host: &TestHost, tool: &str, arguments: Value) -> Value {
    client::call(host.address, tool, arguments).json()["result"].clone()
}

#[test]
fn migrations_are_applied_and_their_record_is_out_of_reach() {
    let host = host(&[("001_t.sql", "CREATE TABLE t (x INTEGER)"), ("002_rows.sql", "INSERT INTO t VALUES (1), (2)")]);
    let found = call(&host, "database_query", json!({"sql": "SELECT count(*) AS n FROM t"}));
    assert_eq!(found["structuredContent"]["rows"], json!([{"n": 2}]), "{found}");
    let schema = call(&host, "database_schema", json!({}));
    assert!(!schema.to_string().contains("cofferdam_migrations"), "{schema}");
    for sql in [
        "SELECT * FROM cofferdam_migrations",
        "SELECT count(*) FROM Cofferdam_Migrations",
        "DELETE FROM cofferdam_migrations",
        "UPDATE cofferdam_migrations SET digest = ''",
        "INSERT INTO cofferdam_migrations VALUES (3, 'x', 'y')",
        "DROP TABLE cofferdam_migrations",
        "ALTER TABLE cofferdam_migrations RENAME TO mine",
        "CREATE INDEX i ON cofferdam_migrations (file)",
    ] {
        for tool in ["database_query", "database_execute"] {
            assert_eq!(call(&host, tool, json!({ "sql": sql }))["isError"], true, "{sql}");
        }
    }
    // Another start finds everything done.
    let host = host.restart();
    let found = call(&host, "database_query", json!({"sql": "SELECT count(*) AS n FROM t"}));
    assert_eq!(found["structuredContent"]["rows"], json!([{"n": 2}]));
}

#[test]
fn a_database_whose_migrations_fail_is_offered_to_nobody() {
    let manifest = "name = \"other\"\n[grants.sql.good]\naccess = \"read\"\n";
    let host = Plugins::new()
        .with_manifest("database", &guest("database"), MANIFEST)
        .with_manifest("other", &guest("database"), manifest)
        .migrated("main", &[("001_t.sql", "CREATE TABLE t (x INTEGER); CREATE NONSENSE")])
        .migrated("good", &[("001_t.sql", "CREATE TABLE t (x INTEGER)")])
        .start();
    let refusal = host.refusal("database");
    assert!(refusal.contains("001_t.sql failed, and nothing of it was kept"), "{refusal}");
    let found = call(&host, "other_query", json!({"sql": "SELECT count(*) AS n FROM t"}));
    assert_eq!(found["structuredContent"]["rows"], json!([{"n": 0}]));
}
