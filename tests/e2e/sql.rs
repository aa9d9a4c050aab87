//! The bundled `database` plugin over SQLite: what it answers, and what SQLite itself refuses.

use serde_json::{Value, json};
use std::time::Duration;
use tests::client::{self, Answer};
use tests::host::{Plugins, TestHost, guest};

const SHOP: &str = include_str!("../../examples/data/shop.sql");

fn host(access: &str) -> TestHost {
    let manifest = format!("name = \"database\"\n[grants.sql.main]\naccess = \"{access}\"\n");
    Plugins::new()
        .with_manifest("database", &guest("database"), &manifest)
        .database("main", SHOP)
        .limits(|limits| {
            limits.sql_statement_time_max = Duration::from_millis(300);
            limits.wall_time_max = Duration::from_secs(20);
        })
        .start()
}

fn query(host: &TestHost, arguments: Value) -> Answer {
    client::call(host.address, "database_query", arguments)
}

fn result(answer: &Answer) -> Value {
    assert_eq!((answer.status, answer.json()["result"].get("isError")), (200, None), "{answer:?}");
    answer.json()["result"]["structuredContent"].clone()
}

/// The text of a result that is an error of the tool's own.
fn refusal(answer: &Answer) -> String {
    assert_eq!(answer.json()["result"]["isError"], true, "{answer:?}");
    answer.text()
}

#[test]
fn rows_come_back_typed() {
    let host = host("read");
    let answer = query(&host, json!({"sql": "SELECT id, name, country FROM customers WHERE id = ?1", "parameters": [7]}));
    let found = result(&answer);
    assert_eq!(found["rows"], json!([{"id": 7, "name": "Customer 7", "country": "US"}]));
    assert_eq!(found["count"], 1);
    assert!(found["timestamp"].as_str().unwrap().ends_with('Z'), "{found}");
    // Clients that read only text get the same.
    assert_eq!(serde_json::from_str::<Value>(&answer.text()).unwrap(), found);
    let named = query(&host, json!({"sql": "SELECT :a AS a, :b AS b", "parameters": {"a": null, "b": "it's"}}));
    assert_eq!(result(&named)["rows"], json!([{"a": null, "b": "it's"}]));
}

#[test]
fn the_schema_tells_tables_keys_indexes_and_relationships() {
    let host = host("read");
    let whole = result(&client::call(host.address, "database_schema", json!({})));
    let text = whole.to_string();
    for name in ["customers", "order_items", "order_totals", "orders_by_customer", "CASCADE"] {
        assert!(text.contains(name), "{name}: {text}");
    }
    let one = result(&client::call(
        host.address,
        "database_schema",
        json!({"table": "orders", "include_indexes": false, "include_relations": false, "include_constraints": false}),
    ));
    let text = one.to_string();
    assert!(text.contains("ordered_on") && !text.contains("orders_by_customer") && !text.contains("CASCADE"), "{text}");
    assert!(!refusal(&client::call(host.address, "database_schema", json!({"table": "nope"}))).is_empty());
}

#[test]
fn d01_write_with_read_grant_is_refused_by_sqlite() {
    let host = host("read");
    for sql in [
        "INSERT INTO categories (name) VALUES ('x')",
        "DELETE FROM customers",
        "UPDATE products SET stock = 0",
        "WITH x AS (SELECT 1) INSERT INTO categories (name) SELECT 'x' FROM x",
        "DROP TABLE orders",
        "CREATE TABLE t (x)",
        "ATTACH 'other.db' AS other",
        "PRAGMA query_only = OFF",
        "VACUUM INTO 'copy.db'",
    ] {
        for tool in ["database_query", "database_execute"] {
            let text = refusal(&client::call(host.address, tool, json!({ "sql": sql })));
            assert!(!text.contains(".db\"") && !text.contains("/tmp"), "{sql}: {text}");
        }
    }
    assert_eq!(result(&query(&host, json!({"sql": "SELECT count(*) AS n FROM customers"})))["rows"], json!([{"n": 500}]));
}

#[test]
fn a_write_grant_writes() {
    let host = host("write");
    let arguments = json!({"sql": "INSERT INTO categories (name) VALUES (?)", "parameters": ["Ropes"]});
    let changed = result(&client::call(host.address, "database_execute", arguments));
    assert_eq!(changed["rows_affected"], 1);
    assert_eq!(result(&query(&host, json!({"sql": "SELECT name FROM categories WHERE id = 7"})))["rows"], json!([{"name": "Ropes"}]));
    let clash = client::call(host.address, "database_execute", json!({"sql": "INSERT INTO categories (name) VALUES ('Ropes')"}));
    assert!(refusal(&clash).to_lowercase().contains("unique"), "{clash:?}");
}

#[test]
fn d03_stacked_statements() {
    let host = host("write");
    refusal(&client::call(host.address, "database_execute", json!({"sql": "DELETE FROM orders WHERE id = 1; DELETE FROM orders"})));
    assert_eq!(result(&query(&host, json!({"sql": "SELECT count(*) AS n FROM orders"})))["rows"], json!([{"n": 2000}]));
}

#[test]
fn d04_a_cross_join_without_end_is_interrupted() {
    let host = host("read");
    for sql in [
        "SELECT count(*) FROM order_items a, order_items b, order_items c, order_items d",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    ] {
        let text = refusal(&query(&host, json!({ "sql": sql })));
        assert!(text.contains("300"), "{text}");
    }
    assert_eq!(result(&query(&host, json!({"sql": "SELECT 1 AS one"})))["rows"], json!([{"one": 1}]));
}

#[test]
fn d05_a_million_rows_are_cut_and_the_reply_says_so() {
    let host = host("read");
    let sql = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT i FROM n";
    let cut = result(&query(&host, json!({ "sql": sql })));
    assert_eq!((cut["rows"].as_array().unwrap().len(), &cut["count"]), (1000, &json!(1000)));
    assert!(cut["truncated"].is_string(), "{}", cut["truncated"]);
    let whole = result(&query(&host, json!({"sql": "SELECT 1 AS one"})));
    assert_eq!(whole["truncated"], Value::Null);
}

#[test]
fn a_database_that_was_not_granted_is_like_none() {
    let text = refusal(&query(&host("read"), json!({"sql": "SELECT 1", "database": "secret"})));
    assert!(text.contains("main"), "{text}");
}
