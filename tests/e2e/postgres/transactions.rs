//! Transactions, on both engines.

use super::*;

const TABLE: &str = "CREATE TABLE t (x integer PRIMARY KEY)";

fn sqler() -> Plugins {
    Plugins::new().fixture("sqler").limits(|limits| {
        limits.cpu_time_max = Duration::from_millis(300);
        limits.sql_transaction_time_max = Duration::from_secs(1);
    })
}

/// A host on each engine, and what counts the rows of `t`.
fn hosts() -> Vec<(&'static str, TestHost)> {
    let database = cluster().database(TABLE);
    vec![("sqlite", sqler().database("main", TABLE).start()), ("postgresql", sqler().postgres("main", database.server()).start())]
}

fn run(host: &TestHost, steps: &[&str], end: &str) -> Answer {
    client::call(host.address, "sqler_run", json!({"steps": steps, "end": end}))
}

fn count(host: &TestHost) -> Value {
    result(&run(host, &["SELECT count(*) FROM t"], "rollback"))["steps"][0].clone()
}

#[test]
fn a_transaction_counts_as_a_whole() {
    for (engine, host) in hosts() {
        let insert = ["INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2)", "SELECT count(*) FROM t"];
        let undone = result(&run(&host, &insert, "rollback"));
        assert_eq!(undone, json!({"steps": ["1", "1", "[[2]]"], "end": "done"}), "{engine}");
        assert_eq!(count(&host), "[[0]]", "{engine}");
        assert_eq!(result(&run(&host, &insert, "drop"))["end"], "0 rows after the drop", "{engine}");
        assert_eq!(result(&run(&host, &insert, "commit"))["end"], "done", "{engine}");
        assert_eq!(count(&host), "[[2]]", "{engine}");
    }
}

#[test]
fn a_statement_that_fails_undoes_only_itself() {
    for (engine, host) in hosts() {
        let steps = ["INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (2), (1)", "SELECT nonsense", "INSERT INTO t VALUES (3)", "COMMIT"];
        let report = result(&run(&host, &steps, "commit"));
        let said: Vec<_> = report["steps"].as_array().unwrap().iter().map(|step| step.as_str().unwrap().to_owned()).collect();
        assert!(
            said[1].starts_with("constraint violated") && said[2].starts_with("invalid") && said[4].starts_with("not allowed"),
            "{engine}: {said:?}"
        );
        assert_eq!((said[0].as_str(), said[3].as_str(), &report["end"]), ("1", "1", &json!("done")), "{engine}: {said:?}");
        assert_eq!(count(&host), "[[2]]", "{engine}");
    }
}

#[test]
fn a_call_that_dies_leaves_nothing() {
    for (engine, host) in hosts() {
        for end in ["trap", "spin"] {
            let answer = run(&host, &["INSERT INTO t VALUES (1)"], end);
            assert_ne!(answer.status, 200, "{engine}: {end}: {answer:?}");
            // The next writer waits until the rest of it is gone.
            let next = result(&run(&host, &["SELECT count(*) FROM t", "INSERT INTO t VALUES (9)", "DELETE FROM t"], "commit"));
            assert_eq!(next["steps"], json!(["[[0]]", "1", "1"]), "{engine}: {end}");
        }
    }
}

#[test]
fn a_call_has_one_transaction_on_a_database() {
    for (engine, host) in hosts() {
        let text = client::call(host.address, "sqler_two", json!({})).text();
        assert!(text.contains("a transaction open on the database already") && text.ends_with("after the first: done"), "{engine}: {text}");
        assert_eq!(client::call(host.address, "sqler_closures", json!({})).text(), "true true 1", "{engine}");
    }
}

#[test]
fn a_transaction_ends_in_time() {
    for (engine, host) in hosts() {
        let text = client::call(host.address, "sqler_linger", json!({})).text();
        assert!(text.contains("transaction"), "{engine}: {text}");
        assert_eq!(count(&host), "[[0]]", "{engine}");
    }
}
