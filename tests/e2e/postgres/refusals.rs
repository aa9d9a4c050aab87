//! What a grant does not allow.

use super::*;

#[test]
fn d01_a_read_grant_cannot_write() {
    let database = shop();
    let host = host("read", &database);
    for sql in [
        "INSERT INTO categories (name) VALUES ('x')",
        "INSERT INTO categories (name) VALUES ('x') RETURNING id",
        "DELETE FROM customers",
        "UPDATE customers SET name = ''",
        "WITH x AS (DELETE FROM customers RETURNING id) SELECT count(*) FROM x",
        "SELECT * FROM customers FOR UPDATE",
        "SELECT sneak()",
        "SELECT nextval('numbers')",
        "SELECT setval('numbers', 7)",
        "SELECT lo_create(0)",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT * INTO copied FROM customers",
        "EXPLAIN ANALYZE DELETE FROM customers",
        "CREATE TABLE t (x int)",
        "CREATE TABLE t AS SELECT 1",
        "DROP TABLE customers",
        "TRUNCATE customers",
        "MERGE INTO customers c USING categories k ON c.id = k.id WHEN MATCHED THEN DELETE",
    ] {
        for tool in ["database_query", "database_execute"] {
            let text = refusal(&client::call(host.address, tool, json!({ "sql": sql })));
            assert!(!text.contains("/tmp") && !text.contains("127.0.0.1") && !text.contains("_read"), "{sql}: {text}");
        }
    }
    assert_eq!(database.psql("SELECT count(*), (SELECT count(*) FROM categories) FROM customers"), "500|6");
    assert_eq!(database.psql("SELECT count(*) FROM pg_largeobject_metadata"), "0");
}

#[test]
fn d01_a_login_that_could_write_is_not_used_for_reading() {
    let database = shop();
    let name = database.name.clone();
    for (give, take) in [
        (format!("ALTER ROLE {name}_read SUPERUSER"), format!("ALTER ROLE {name}_read NOSUPERUSER")),
        (format!("ALTER ROLE {name}_read CREATEROLE"), format!("ALTER ROLE {name}_read NOCREATEROLE")),
        (format!("GRANT {name}_write TO {name}_read"), format!("REVOKE {name}_write FROM {name}_read")),
        (format!("GRANT pg_read_server_files TO {name}_read"), format!("REVOKE pg_read_server_files FROM {name}_read")),
        (format!("GRANT INSERT ON customers TO {name}_read"), format!("REVOKE INSERT ON customers FROM {name}_read")),
        (format!("GRANT UPDATE (name) ON customers TO {name}_read"), format!("REVOKE UPDATE (name) ON customers FROM {name}_read")),
        (format!("GRANT CREATE ON SCHEMA public TO {name}_read"), format!("REVOKE CREATE ON SCHEMA public FROM {name}_read")),
        (format!("GRANT TEMP ON DATABASE {name} TO {name}_read"), format!("REVOKE TEMP ON DATABASE {name} FROM {name}_read")),
        (format!("GRANT USAGE ON SEQUENCE numbers TO {name}_read"), format!("REVOKE USAGE ON SEQUENCE numbers FROM {name}_read")),
    ] {
        database.psql(&give);
        let answer = query(&host("read", &database), json!({"sql": "SELECT 1 AS one"}));
        assert!(refusal(&answer).contains("the host does not use the login"), "{give}: {answer:?}");
        database.psql(&take);
    }
    assert_eq!(rows(&host("read", &database), "SELECT 1 AS one"), json!([{"one": 1}]));
    database.psql(&format!("ALTER ROLE {name}_write SUPERUSER"));
    assert!(refusal(&execute(&host("write", &database), "DELETE FROM customers")).contains("the host does not use the login"));
    assert_eq!(database.psql("SELECT count(*) FROM customers"), "500");
}

#[test]
fn d02_limits_cannot_be_lifted() {
    let database = shop();
    let host = host("read", &database);
    for sql in [
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "RESET ALL",
        "SET TRANSACTION READ WRITE",
        "SET statement_timeout = 0",
        "BEGIN READ WRITE",
        "COMMIT",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT set_config('role', 'postgres', false)",
        "SELECT set_config('session_authorization', 'postgres', false)",
    ] {
        refusal(&query(&host, json!({ "sql": sql })));
    }
    // Of those that only the session could remember, the next statement knows nothing.
    rows(&host, "SELECT set_config('statement_timeout', '0', false), set_config('default_transaction_read_only', 'off', false)");
    let text = "SELECT current_setting('statement_timeout') AS t, current_setting('transaction_read_only') AS r, current_setting('search_path') AS s";
    for _ in 0..8 {
        assert_eq!(rows(&host, text), json!([{"t": "500ms", "r": "on", "s": "public,pg_temp"}]));
    }
}

#[test]
fn d03_stacked_statements_are_refused() {
    let database = shop();
    let host = host("write", &database);
    for sql in
        ["DELETE FROM customers WHERE id = 1; DELETE FROM customers", "SELECT 1; SELECT 2", "SELECT 1;; COMMIT; DELETE FROM customers"]
    {
        refusal(&execute(&host, sql));
        refusal(&query(&host, json!({ "sql": sql })));
    }
    assert_eq!(database.psql("SELECT count(*) FROM customers"), "500");
}

#[test]
fn d04_slow_statements_are_cancelled_and_the_next_one_works() {
    let database = shop();
    let host = host("read", &database);
    for sql in [
        "SELECT pg_sleep(60)",
        "SELECT count(*) FROM customers a, customers b, customers c, customers d",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "SELECT set_config('statement_timeout', '0', false), pg_sleep(60)",
    ] {
        let text = refusal(&query(&host, json!({ "sql": sql })));
        assert!(text.contains("500ms"), "{sql}: {text}");
        assert_eq!(rows(&host, "SELECT 1 AS one"), json!([{"one": 1}]), "{sql}");
    }
}

#[test]
fn d05_ten_million_rows_and_a_huge_cell_are_cut() {
    let database = shop();
    let host = plugins("read")
        .limits(|limits| (limits.sql_statement_time_max, limits.wall_time_max) = (Duration::from_secs(60), Duration::from_secs(90)))
        .postgres("main", database.server())
        .start();
    let before = resident_bytes();
    let cut = result(&query(&host, json!({"sql": "SELECT n, repeat('x', 100) AS t FROM generate_series(1, 10000000) AS n"})));
    assert_eq!((cut["rows"].as_array().unwrap().len(), &cut["count"]), (1000, &json!(1000)));
    assert!(cut["truncated"].as_str().unwrap().contains("rows"), "{}", cut["truncated"]);
    let wide = result(&query(&host, json!({"sql": "SELECT repeat('x', 100000) AS t FROM generate_series(1, 10000000)"})));
    assert!(wide["truncated"].as_str().unwrap().contains("large") && wide["count"].as_u64().unwrap() < 11, "{}", wide["truncated"]);
    for sql in [
        "SELECT repeat('x', 300000000) AS t",
        "SELECT repeat('x', 2000000) AS t",
        "SELECT repeat('x', 700000) AS a, repeat('x', 2500000) AS b",
        // Ten bytes each, and as many digits as a number can have.
        "SELECT array_fill('1e131071'::numeric, ARRAY[1000]) AS a",
    ] {
        let text = refusal(&query(&host, json!({ "sql": sql })));
        assert!(text.contains("too large"), "{sql}: {text}");
    }
    assert_eq!(rows(&host, "SELECT 1 AS one"), json!([{"one": 1}]));
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 250 << 20, "{grown} bytes more than before");
}

/// Other tests run in this process as well, so this is a coarse measure: a cell of 300 MB would show.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn d06_files_of_the_server_are_out_of_reach() {
    let database = shop();
    for access in ["read", "write"] {
        let host = host(access, &database);
        for sql in [
            "COPY customers TO PROGRAM 'cat'",
            "COPY customers TO '/tmp/copied'",
            "COPY customers FROM STDIN",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT U&\"pg\\005fread_file\"('/etc/passwd')",
            "SELECT pg_ls_dir('/')",
            "SELECT U&\"lo\\005fimport\"('/etc/passwd')",
            "SELECT lo_export(1, '/tmp/x')",
            "SELECT dblink('', '')",
            "CREATE EXTENSION dblink",
            "CREATE FUNCTION f() RETURNS int LANGUAGE c AS '/tmp/x'",
            "DO $$ BEGIN END $$",
            "LOAD '/tmp/x'",
            "ALTER SYSTEM SET fsync = off",
        ] {
            for tool in ["database_query", "database_execute"] {
                refusal(&client::call(host.address, tool, json!({ "sql": sql })));
            }
        }
    }
}

#[test]
fn d07_the_next_borrower_finds_a_session_as_new() {
    let database = shop();
    let host = plugins("write").limits(|limits| limits.sql_connections_max = 1).postgres("main", database.server()).start();
    let backend = rows(&host, "SELECT pg_backend_pid() AS pid");
    for sql in [
        "CREATE TEMP TABLE leak (x int)",
        "PREPARE leak AS SELECT 1",
        "LISTEN leak",
        "BEGIN",
        "LOCK TABLE customers",
        "DECLARE leak CURSOR WITH HOLD FOR SELECT 1",
    ] {
        refusal(&execute(&host, sql));
    }
    rows(
        &host,
        "SELECT set_config('search_path', 'pg_catalog', false), set_config('application_name', 'leak', false), set_config('my.leak', '1', false)",
    );
    rows(&host, "SELECT pg_advisory_lock(42)");
    assert_eq!(rows(&host, "SELECT pg_backend_pid() AS pid"), backend, "the same connection");
    let seen = "SELECT current_setting('search_path') AS s, current_setting('application_name') AS a, nullif(current_setting('my.leak', true), '') AS l,
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS k,
        (SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'leak%') AS p, (SELECT count(*) FROM pg_cursors WHERE name LIKE 'leak%') AS c";
    let clean = json!([{"s": "public,pg_temp", "a": "cofferdam", "l": null, "k": 0, "p": 0, "c": 0}]);
    assert_eq!(rows(&host, seen), clean);
    // And nothing is held while nobody uses it.
    assert_eq!(database.psql("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"), "0");
}

#[test]
fn a_write_grant_writes() {
    let database = shop();
    let host = host("write", &database);
    let arguments = json!({"sql": "INSERT INTO categories (name) VALUES ($1)", "parameters": ["Ropes"]});
    let changed = result(&client::call(host.address, "database_execute", arguments));
    assert_eq!(changed["rows_affected"], 1);
    assert_eq!(rows(&host, "SELECT id, name FROM categories WHERE name = 'Ropes'"), json!([{"id": 7, "name": "Ropes"}]));
    let returned = rows(&host, "INSERT INTO categories (name) SELECT 'More ' || n FROM generate_series(1, 3) AS n RETURNING name");
    assert_eq!(returned.as_array().unwrap().len(), 3);
    assert_eq!(database.psql("SELECT count(*) FROM categories"), "10");
    let clash = refusal(&execute(&host, "INSERT INTO categories (name) VALUES ('Ropes')"));
    assert!(clash.contains("constraint") && clash.contains("unique"), "{clash}");
    result(&execute(&host, "CREATE TABLE notes (body text)"));
    result(&execute(&host, "DROP TABLE notes"));
}

#[test]
fn a_database_that_was_not_granted_is_like_none() {
    let database = shop();
    let text = refusal(&query(&host("read", &database), json!({"sql": "SELECT 1", "database": "secret"})));
    assert!(text.contains("main"), "{text}");
}

#[test]
fn an_access_without_a_login_does_not_load() {
    let database = shop();
    let server = cofferdam::config::PostgresServer { write: None, ..database.server() };
    let host = plugins("write").postgres("main", server).start();
    assert!(host.refusal("database").contains("[databases.main.write]"), "{}", host.refusal("database"));
}
