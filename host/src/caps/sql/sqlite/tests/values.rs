//! Values on their way in and out.

use super::*;
use crate::caps::sql::model::{Column, Cut};

#[tokio::test]
async fn rows_are_exact() {
    let fixture = Fixture::new("CREATE TABLE t(x)");
    let database = fixture.open(Access::Read);
    for (sql, expected) in [
        ("SELECT 9223372036854775807, -9223372036854775807 - 1, 0", "[[9223372036854775807,-9223372036854775808,0]]"),
        ("SELECT 1.0, -0.5, 1e300, 0.1 + 0.2, 1e-7", "[[1.0,-0.5,1e+300,0.30000000000000004,1e-7]]"),
        ("SELECT 9e999, -9e999, 9e999 - 9e999", r#"[["Infinity","-Infinity",null]]"#),
        ("SELECT NULL, TRUE, FALSE", "[[null,1,0]]"),
        (r#"SELECT 'a"\' || char(10, 9, 1, 127, 8232) || 'ß🦀', ''"#, "[[\"a\\\"\\\\\\n\\t\\u0001\u{7f}\u{2028}ß🦀\",\"\"]]"),
        ("SELECT CAST(x'61ff62' AS TEXT)", "[[\"a\u{fffd}b\"]]"),
        ("SELECT x'', x'00ff10', zeroblob(2)", r#"[["","AP8Q","AAA="]]"#),
        ("SELECT 1 WHERE 0", "[]"),
        ("VALUES (1, 2), (3, 4)", "[[1,2],[3,4]]"),
        ("WITH c(x) AS (VALUES (1), (2)) SELECT sum(x) FROM c", "[[3]]"),
        ("SELECT value FROM json_each('[1, \"a\", null]')", r#"[[1],["a"],[null]]"#),
        ("EXPLAIN QUERY PLAN SELECT 1", r#"[[1,0,0,"SCAN CONSTANT ROW"]]"#),
        (
            "SELECT '{\"a\":1}' ->> 'a', upper('x') GLOB 'X', iif(1, 2, 3), count(*) FILTER (WHERE 1), typeof(random())",
            r#"[[1,1,2,1,"integer"]]"#,
        ),
        (
            "SELECT row_number() OVER (), current_date > '2000', date('2024-02-30'), strftime('%Y', '2024-01-01')",
            r#"[[1,1,"2024-03-01","2024"]]"#,
        ),
    ] {
        check(&database, sql, "", expected).await;
    }
}

#[tokio::test]
async fn names_of_columns_are_unique() {
    let fixture = Fixture::new("CREATE TABLE t(id INTEGER PRIMARY KEY, name VARCHAR(10)); INSERT INTO t VALUES (1, 'a')");
    let database = fixture.open(Access::Read);
    let sql = "SELECT a.id, b.id, a.name, 1 AS id_2, 'x' AS \"q\"\"\" FROM t a, t b";
    let found = database.query(sql.to_owned(), String::new(), OBJECTS, soon()).await.unwrap();
    assert_eq!(found.rows, r#"[{"id":1,"id_3":1,"name":"a","id_2":1,"q\"":"x"}]"#);
    let column = |name: &str, declared_type: &str| Column { name: name.to_owned(), declared_type: declared_type.to_owned() };
    let columns =
        [column("id", "INTEGER"), column("id_3", "INTEGER"), column("name", "VARCHAR(10)"), column("id_2", ""), column("q\"", "")];
    assert_eq!(found.columns, columns);
    let found = database.query("SELECT id, id FROM t WHERE 0".to_owned(), String::new(), OBJECTS, soon()).await.unwrap();
    assert_eq!((found.rows.as_str(), found.row_count, found.cut), ("[]", 0, None));
    assert_eq!(found.columns, [column("id", "INTEGER"), column("id_2", "INTEGER")]);
}

#[tokio::test]
async fn results_are_cut_at_their_limits() {
    let fixture = Fixture::new("CREATE TABLE t(x); INSERT INTO t VALUES ('aaaa'), ('bbbb'), ('cccc')");
    let open = |rows_max, result_bytes_max| fixture.open_with(Access::Read, SqlLimits { rows_max, result_bytes_max, ..limits() });
    for (rows_max, bytes_max, asked, rows, cut) in [
        (3, 100, None, r#"[["aaaa"],["bbbb"],["cccc"]]"#, None),
        (2, 100, None, r#"[["aaaa"],["bbbb"]]"#, Some(Cut::Rows)),
        (2, 100, Some(9), r#"[["aaaa"],["bbbb"]]"#, Some(Cut::Rows)),
        (3, 100, Some(1), r#"[["aaaa"]]"#, Some(Cut::Rows)),
        (3, 100, Some(0), "[]", Some(Cut::Rows)),
        // Three rows take 28 bytes.
        (3, 28, None, r#"[["aaaa"],["bbbb"],["cccc"]]"#, None),
        (3, 27, None, r#"[["aaaa"],["bbbb"]]"#, Some(Cut::Bytes)),
        (3, 5, None, "[]", Some(Cut::Bytes)),
    ] {
        let options = QueryOptions { format: RowFormat::Arrays, rows_max: asked };
        let found = open(rows_max, bytes_max).query("SELECT x FROM t".to_owned(), String::new(), options, soon()).await.unwrap();
        assert_eq!((found.rows.as_str(), found.cut), (rows, cut), "{rows_max} {bytes_max} {asked:?}");
        assert_eq!(found.row_count as usize, rows.matches('[').count() - 1);
    }
}

#[tokio::test]
async fn huge_cells_are_refused() {
    let fixture = Fixture::new(
        "CREATE TABLE t(id INTEGER PRIMARY KEY, x, y); INSERT INTO t VALUES (1, zeroblob(5000000), 'a'), (2, zeroblob(5), 'b')",
    );
    let database = fixture.open_with(Access::Write, SqlLimits { value_bytes_max: 100_000, result_bytes_max: 300_000, ..limits() });
    let refused = "too large: a value";
    check(&database, "SELECT x FROM t WHERE id = 1", "", refused).await;
    check(&database, "SELECT hex(x) FROM t WHERE id = 1", "", refused).await;
    check(&database, "SELECT length(x), y FROM t WHERE id = 1", "", r#"[[5000000,"a"]]"#).await;
    check(&database, "SELECT y FROM t ORDER BY y DESC", "", r#"[["b"],["a"]]"#).await;
    check(&database, "SELECT zeroblob(100001)", "", refused).await;
    check(&database, "SELECT length(zeroblob(100000))", "", "[[100000]]").await;
    let found = query(&database, "SELECT zeroblob(100000), zeroblob(100000), zeroblob(100000)").await.unwrap();
    assert_eq!((found.rows.as_str(), found.cut), ("[]", Some(Cut::Bytes)));
    check_change(&database, "INSERT INTO t VALUES (3, zeroblob(100000), 'c')", "1 3").await;
    check_change(&database, "INSERT INTO t VALUES (4, zeroblob(200000), 'c')", "too large: ").await;
    let long = format!("[\"{}\"]", "a".repeat(100_001));
    check(&database, "SELECT length(?)", &long, "too large: a parameter has more than 100000 bytes").await;
}

#[tokio::test]
async fn parameters_find_their_places() {
    let fixture = Fixture::new("CREATE TABLE t(x)");
    let database = fixture.open(Access::Read);
    for (sql, parameters, expected) in [
        ("SELECT 1", "", "[[1]]"),
        ("SELECT 1", " null ", "[[1]]"),
        ("SELECT 1", "[]", "[[1]]"),
        ("SELECT 1", "{}", "[[1]]"),
        ("SELECT ?, ?", r#"[1,"a"]"#, r#"[[1,"a"]]"#),
        ("SELECT ?2, ?1, ?2", "[1,2]", "[[2,1,2]]"),
        ("SELECT $2, $1", "[1,2]", "[[2,1]]"),
        ("SELECT :a, @a, $a, :b", r#"{"b":2,"a":1}"#, "[[1,1,1,2]]"),
        ("SELECT :größe", r#"{"größe":3}"#, "[[3]]"),
        ("SELECT ?, ?, ?, ?", "[null,true,false,-0]", "[[null,1,0,0]]"),
        ("SELECT typeof(?), typeof(?), typeof(?)", "[1,1.0,1e2]", r#"[["integer","real","real"]]"#),
        ("SELECT ?, ?", "[9223372036854775807,-9223372036854775808]", "[[9223372036854775807,-9223372036854775808]]"),
        ("SELECT ?, typeof(?1)", r#"["\u00df\n\"\ud83e\udd80"]"#, r#"[["ß\n\"🦀","text"]]"#),
        ("SELECT sum(value) FROM json_each(?)", "[[1, 2, 3]]", "[[6]]"),
        ("SELECT ? ->> 'a'", r#"[{"a": "b"}]"#, r#"[["b"]]"#),
    ] {
        check(&database, sql, parameters, expected).await;
    }
}

#[tokio::test]
async fn odd_parameters() {
    let fixture = Fixture::new("CREATE TABLE t(x)");
    let database = fixture.open(Access::Read);
    let many = format!("[{}1]", "1,".repeat(39_999));
    let many_named = format!("{{{}\"x\":1}}", (0..40_000).map(|number| format!("\"{number}\":1,")).collect::<String>());
    let long = format!("[\"{}\"]", "a".repeat(10_000_000));
    let deep = format!("[{}{}]", "[".repeat(100_000), "]".repeat(100_000));
    let places = format!("SELECT {}1", "?,".repeat(1_001));
    let surplus = r#"{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1}"#;
    for (sql, parameters, expected) in [
        ("SELECT ?", "", "invalid: the statement has 1 parameters, but 0 were given"),
        ("SELECT ?", "[]", "invalid: the statement has 1 parameters, but 0 were given"),
        ("SELECT ?", "[1,2]", "invalid: the statement has 1 parameters, but 2 were given"),
        ("SELECT ?3", "[1]", "invalid: the statement has 3 parameters, but 1 were given"),
        ("SELECT 1", "[1]", "invalid: the statement has 0 parameters, but 1 were given"),
        ("SELECT :a, :b", "[1,2]", "invalid: the parameters :a, :b have names"),
        ("SELECT ?", r#"{"a":1}"#, "invalid: the statement has parameters without a name"),
        ("SELECT ?1", r#"{"1":1}"#, "invalid: the statement has parameters without a name"),
        ("SELECT :a, :b", r#"{"a":1}"#, "invalid: the parameters b were not given"),
        ("SELECT :a", r#"{"a":1,"b":2}"#, "invalid: the statement has no parameters b"),
        ("SELECT 1", surplus, "invalid: the statement has no parameters a, b, c, d, e and 2 more"),
        ("SELECT :a", r#"{"A":1}"#, "invalid: the parameters a were not given"),
        ("SELECT :a", r#"{"a":1,"a":2}"#, "invalid: the parameters are not what they should be: a name occurs twice"),
        ("SELECT ?", "[9223372036854775808]", "invalid: the integer 9223372036854775808 does not fit into 64 bits"),
        ("SELECT ?", "[-9223372036854775809]", "invalid: the integer"),
        ("SELECT ?", "[1e999]", "invalid: the number 1e999 is out of range"),
        ("SELECT ?", r#"["a\u0000b"]"#, "invalid: a text among the parameters contains a NUL"),
        ("SELECT ?", r#"["\ud800"]"#, "invalid: "),
        ("SELECT ?", "[NaN]", "invalid: the parameters are not what they should be"),
        ("SELECT ?", "[1", "invalid: the parameters are not what they should be"),
        ("SELECT ?", "[1] [2]", "invalid: the parameters are not what they should be"),
        ("SELECT ?", "[1,]", "invalid: the parameters are not what they should be"),
        ("SELECT ?", "1", "invalid: the parameters are not what they should be: invalid type: integer"),
        ("SELECT ?", "\"a\"", "invalid: the parameters are not what they should be: invalid type: string"),
        ("SELECT ?", &many, "too large: there are more than 1000 parameters"),
        ("SELECT ?", &many_named, "too large: there are more than 1000 parameters"),
        ("SELECT ?", &long, "too large: a parameter has more than 1048576 bytes"),
        ("SELECT length(?)", &deep, "[[200000]]"),
        (&places, "[]", "invalid: too many SQL variables"),
    ] {
        check(&database, sql, parameters, expected).await;
    }
}
