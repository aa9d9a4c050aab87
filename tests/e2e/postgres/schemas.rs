//! The same logical schema is the same document on both engines: `tests/cases/schema/<case>.sql` and its `.json`. `UPDATE=1` writes what
//! SQLite gives; read it before it is committed.

use super::*;
use std::path::Path;

/// What the `database` plugin says about a database, apart from its engine.
fn described(host: &TestHost) -> Value {
    let mut found = result(&client::call(host.address, "database_schema", json!({})));
    found.as_object_mut().unwrap().remove("engine").unwrap();
    found
}

#[test]
fn both_engines_describe_the_same_schema_with_the_same_words() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/schema");
    let mut cases = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let file = entry.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "sql") {
            continue;
        }
        cases += 1;
        let script = std::fs::read_to_string(&file).unwrap();
        let sqlite = described(&plugins("read").database("main", &script).start());
        let database = cluster().database(&script);
        let postgresql = described(&host("read", &database));
        let golden = file.with_extension("json");
        if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
            std::fs::write(&golden, format!("{sqlite:#}\n")).unwrap();
        }
        let expected: Value = serde_json::from_str(&std::fs::read_to_string(&golden).unwrap()).unwrap();
        for (engine, found) in [("SQLite", sqlite), ("PostgreSQL", postgresql)] {
            for (table, wanted) in found["tables"].as_array().unwrap().iter().zip(expected["tables"].as_array().unwrap()) {
                assert_eq!(table, wanted, "{engine}: {}", file.display());
            }
            assert_eq!(found, expected, "{engine}: {}", file.display());
        }
    }
    assert!(cases > 0);
}

#[test]
fn a_role_sees_the_tables_that_it_may_read() {
    let database = shop();
    database.psql("CREATE TABLE hidden (x int); CREATE SCHEMA other; CREATE TABLE other.things (x int)");
    let host = host("read", &database);
    let names = described(&host)["tables"].as_array().unwrap().iter().map(|table| table["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names, ["categories", "customers"]);
    database.psql(&format!("GRANT USAGE ON SCHEMA other TO {0}_read; GRANT SELECT ON other.things TO {0}_read", database.name));
    assert!(described(&host)["tables"].to_string().contains("other.things"));
    for table in ["hidden", "nowhere", "pg_class", "'; DROP TABLE customers"] {
        refusal(&client::call(host.address, "database_schema", json!({ "table": table })));
    }
}
