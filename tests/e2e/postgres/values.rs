//! Values in both directions.

use super::*;

#[test]
fn rows_come_back_typed() {
    let database = shop();
    let host = host("read", &database);
    let answer = query(&host, json!({"sql": "SELECT id, name, country FROM customers WHERE id = $1", "parameters": [7]}));
    let found = result(&answer);
    assert_eq!(found["rows"], json!([{"id": 7, "name": "Customer 7", "country": "US"}]));
    assert_eq!(
        found["columns"],
        json!([
            {"name": "id", "declared_type": "INTEGER"}, {"name": "name", "declared_type": "TEXT"}, {"name": "country", "declared_type": "CHAR"}
        ])
    );
    let named =
        query(&host, json!({"sql": "SELECT :a::text AS a, :b::text AS b, :b::text || '!' AS b", "parameters": {"a": null, "b": "it's"}}));
    assert_eq!(result(&named)["rows"], json!([{"a": null, "b": "it's", "b_2": "it's!"}]));
}

#[test]
fn every_type_has_its_form_in_json() {
    let database = cluster().database(
        "CREATE TYPE mood AS ENUM ('ok', 'bad'); CREATE DOMAIN age AS int CHECK (VALUE > 0); CREATE TYPE pair AS (a int, b text)",
    );
    let host = host("read", &database);
    for (sql, expected) in [
        ("1::int2", json!(1)),
        ("9223372036854775807::int8", json!(9_223_372_036_854_775_807_i64)),
        ("0.1::float4", json!(0.1)),
        ("1.5::float8", json!(1.5)),
        ("'Infinity'::float8", json!("Infinity")),
        ("'NaN'::numeric", json!("NaN")),
        ("true", json!(true)),
        ("NULL::int", json!(null)),
        ("'\\x6869'::bytea", json!("aGk=")),
        ("'{\"a\": [1, null]}'::json", json!({"a": [1, null]})),
        ("'{\"a\": 1}'::jsonb", json!({"a": 1})),
        ("'6f2b9c9e-3f0a-4d55-8a54-0c9f6a1b2c3d'::uuid", json!("6f2b9c9e-3f0a-4d55-8a54-0c9f6a1b2c3d")),
        ("'2026-02-03'::date", json!("2026-02-03")),
        ("'04:05:06.7'::time", json!("04:05:06.7")),
        ("'2026-02-03 04:05:06'::timestamp", json!("2026-02-03T04:05:06")),
        ("'2026-02-03 04:05:06+02'::timestamptz", json!("2026-02-03T02:05:06Z")),
        ("'1 year 2 days 03:00:00'::interval", json!("P1Y2DT3H")),
        ("ARRAY[[1,2],[3,NULL]]", json!([[1, 2], [3, null]])),
        ("ARRAY['a\"b']", json!(["a\"b"])),
        ("'{}'::text[]", json!([])),
        ("'bad'::mood", json!("bad")),
        ("5::age", json!(5)),
        ("ROW(1, 'x')::pair", json!({"a": 1, "b": "x"})),
    ] {
        assert_eq!(rows(&host, &format!("SELECT {sql} AS v")), json!([{ "v": expected }]), "{sql}");
    }
    // All digits, also those that a double has no room for.
    let exact = query(&host, json!({"sql": "SELECT 12345678901234567890.123456789 AS v"}));
    assert!(exact.text().contains("12345678901234567890.123456789"), "{exact:?}");
    let odd = refusal(&query(&host, json!({"sql": "SELECT '(1,2)'::point AS where_it_is"})));
    assert!(odd.contains("where_it_is::text"), "{odd}");
}

#[test]
fn parameters_take_the_types_of_their_places() {
    let database = cluster().database("CREATE TYPE mood AS ENUM ('ok', 'bad')");
    let host = host("read", &database);
    for (kind, given) in [
        ("int8", json!(9_223_372_036_854_775_807_i64)),
        ("numeric", json!(0.5)),
        ("bool", json!(true)),
        ("text", json!("ä")),
        ("bytea", json!("aGk=")),
        ("jsonb", json!({"a": [1]})),
        ("int4[]", json!([1, null, 3])),
        ("text[]", json!(["a,b", "c\"d\\"])),
        ("mood", json!("ok")),
        ("date", json!("2026-02-03")),
        ("timestamptz", json!("2026-02-03T04:05:06Z")),
        ("int4", json!(null)),
    ] {
        let answer = query(&host, json!({"sql": format!("SELECT $1::{kind} AS v"), "parameters": [given]}));
        assert_eq!(result(&answer)["rows"], json!([{ "v": given }]), "{kind}");
    }
}

#[test]
fn d09_odd_parameters_are_errors() {
    let database = shop();
    let host = host("read", &database);
    let refused = |sql: &str, parameters: Value| refusal(&query(&host, json!({"sql": sql, "parameters": parameters})));
    let one = "SELECT name FROM customers WHERE id = $1";
    assert!(refused(one, json!(["seven"])).contains("invalid input syntax for type integer"), "text");
    assert!(refused(one, json!([true])).contains("true or false"), "flag");
    assert!(refused(one, json!([[7]])).contains("an array or an object"), "array");
    assert!(refused(one, json!([9_999_999_999_i64])).contains("out of range"), "too large");
    assert!(refused(one, json!([])).contains("has 1 parameters, but 0 were given"), "none");
    assert!(refused(one, json!([1, 2])).contains("but 2 were given"), "two");
    assert!(refused("SELECT $1::text", json!(["a\u{0}b"])).contains("NUL"), "NUL");
    assert!(refused("SELECT $1::text", json!(["x".repeat(2 << 20)])).contains("parameter has more than"), "large");
    let many: Vec<_> = (0..40_000).collect();
    assert!(refused("SELECT 1", json!(many)).contains("more than 1000 parameters"), "many");
    assert_eq!(rows(&host, "SELECT 1 AS one"), json!([{"one": 1}]));
}
