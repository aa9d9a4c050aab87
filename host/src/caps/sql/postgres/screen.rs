//! The first look at a statement, before PostgreSQL sees it: its size, what kind it is, and which functions it names.
//!
//! What may be read and written does not depend on it: the role's privileges, the read-only transaction and the protocol, which takes one
//! statement at a time, hold without it. What PostgreSQL leaves to every role does depend on it: to end and interrupt other sessions of the
//! same role, to notify, large objects, and whatever an extension's function does with the right of PUBLIC. An operator who wants that to
//! hold without the screen revokes it, as in `REVOKE EXECUTE ON FUNCTION pg_terminate_backend(integer, bigint) FROM PUBLIC`: the screen
//! does not see what functions of the operator's own run, nor that a transaction has turned `standard_conforming_strings` off.

use super::tokens::{Kind, Token, Tokens};
use crate::caps::sql::model::{SqlError, SqlLimits};
use crate::caps::sql::parameters::{Parameters, Value, list};
use std::fmt::Write as _;

/// How a statement may begin. What is not here is not available, so that a new command of PostgreSQL's is not a new hole.
const COMMANDS: &[&str] = &[
    "SELECT", "WITH", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE", "EXPLAIN", "TRUNCATE", "CREATE", "ALTER", "DROP", "COMMENT",
];

/// What may be created, altered and dropped.
const OBJECTS: &[&str] = &["TABLE", "INDEX", "VIEW", "MATERIALIZED", "SEQUENCE", "TYPE", "SCHEMA"];

/// Words between `CREATE` and its object.
const ADJECTIVES: &[&str] = &["OR", "REPLACE", "UNIQUE", "UNLOGGED"];

/// Functions that reach beyond the statement: into other sessions, other servers, files and large objects, or that run SQL which they are
/// given as text, where nobody has looked at it. The role has no right to some of them; others PostgreSQL leaves to everybody.
const FUNCTIONS: &[&str] = &[
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_notify",
    "pg_logical_emit_message",
    "pg_stat_file",
    "loread",
    "lowrite",
    "lo_close",
    "lo_creat",
    "lo_create",
    "lo_export",
    "lo_from_bytea",
    "lo_get",
    "lo_import",
    "lo_lseek",
    "lo_lseek64",
    "lo_open",
    "lo_put",
    "lo_tell",
    "lo_tell64",
    "lo_truncate",
    "lo_truncate64",
    "lo_unlink",
    "ts_stat",
    "ts_rewrite",
    "connectby",
    "xpath_table",
];

/// The same, for families of which versions and extensions bring more.
const FAMILIES: &[&str] =
    &["pg_read_", "pg_ls_", "dblink", "crosstab", "query_to_xml", "cursor_to_xml", "table_to_xml", "schema_to_xml", "database_to_xml"];

/// Looks at a statement.
pub(super) fn screen(sql: &str, limits: &SqlLimits) -> Result<(), SqlError> {
    if sql.len() > limits.statement_bytes_max {
        return Err(SqlError::TooLarge(format!("the statement has more than {} bytes", limits.statement_bytes_max)));
    }
    if sql.contains('\0') {
        return Err(SqlError::Invalid("the statement contains a NUL character".to_owned()));
    }
    let mut tokens = Tokens::of(sql);
    let first = tokens.by_ref().find(|token| !token.is_symbol(";") && !token.is_symbol("("));
    let Some(first) = first else {
        return Err(SqlError::Invalid("the statement is empty".to_owned()));
    };
    classify(&first, &tokens)?;
    let mut before = first;
    for token in tokens.clone() {
        inspect(&before, &token)?;
        before = token;
    }
    match tokens.skip_while(|token| !token.is_symbol(";")).find(|token| !token.is_symbol(";")) {
        Some(_) => Err(SqlError::Invalid("only one statement may be given".to_owned())),
        None => Ok(()),
    }
}

/// Looks at a token, and at the one before it: whether it is what it seems, and whether it is a function that is not available.
fn inspect(before: &Token<'_>, token: &Token<'_>) -> Result<(), SqlError> {
    let text = token.text;
    match token.kind {
        Kind::Quoted if text.starts_with(['u', 'U']) => {
            return Err(SqlError::Denied("a name with Unicode escapes (U&\"...\") is not available".to_owned()));
        }
        // PostgreSQL takes it for more of the same, with backslashes.
        Kind::Text if text.starts_with('\'') && before.kind == Kind::Text && before.text.starts_with(['e', 'E']) => {
            return Err(SqlError::Denied("a literal with escapes (E'...') cannot go on in another one".to_owned()));
        }
        Kind::Symbol if text == "$" => return Err(SqlError::Invalid("a $ stands alone".to_owned())),
        // A slice of an array looks like a parameter: `a[1:f(2)]`.
        Kind::Word | Kind::Quoted | Kind::Named => {}
        _ => return Ok(()),
    }
    let name = text.trim_start_matches(':').trim_matches('"').to_ascii_lowercase();
    if FUNCTIONS.contains(&name.as_str()) || FAMILIES.iter().any(|family| name.starts_with(family)) {
        return Err(SqlError::Denied(format!("the function {name} is not available")));
    }
    Ok(())
}

fn classify(first: &Token<'_>, others: &Tokens<'_>) -> Result<(), SqlError> {
    let command: String = first.text.chars().take(32).collect::<String>().to_ascii_uppercase();
    if first.kind == Kind::Word && !first.is_any(COMMANDS) {
        let why = match command.as_str() {
            "BEGIN" | "START" | "COMMIT" | "END" | "ROLLBACK" | "ABORT" | "SAVEPOINT" | "RELEASE" | "PREPARE" => {
                "each statement is a transaction of its own; a plugin begins one with `transaction`"
            }
            "SET" | "RESET" | "SHOW" | "DISCARD" => "settings are up to the operator",
            "COPY" => "rows go through `query` and `execute`",
            "VACUUM" | "ANALYZE" | "REINDEX" | "CLUSTER" | "CHECKPOINT" => "maintenance is up to the operator",
            "GRANT" | "REVOKE" | "REASSIGN" | "SECURITY" => "rights are up to the operator",
            _ => "there are SELECT, INSERT, UPDATE, DELETE, and CREATE, ALTER and DROP of tables, indexes and views",
        };
        return Err(SqlError::Denied(format!("{command} is not available: {why}")));
    }
    if first.is_any(&["CREATE", "ALTER", "DROP"]) {
        let object = others.clone().find(|token| !token.is_any(ADJECTIVES));
        if !object.is_some_and(|object| object.is_any(OBJECTS)) {
            let text = format!("{command} is available for tables, indexes, views, sequences, types and schemas only");
            return Err(SqlError::Denied(text));
        }
    }
    // EXPLAIN runs what it explains when it is asked to; that has to be a statement of the same kinds.
    if first.is("EXPLAIN") {
        let explained = others.clone().find(|token| token.is_any(&["EXECUTE", "DECLARE", "CALL"]));
        if let Some(explained) = explained {
            return Err(SqlError::Denied(format!("{} is not available", explained.text.to_ascii_uppercase())));
        }
    }
    Ok(())
}

/// The statement with its parameters in order: `:name` becomes `$1`.
pub(super) fn arrange<'p, 'a>(sql: &str, parameters: &'p Parameters<'a>) -> Result<(String, Vec<&'p Value<'a>>), SqlError> {
    let named = match parameters {
        Parameters::None => return Ok((sql.to_owned(), Vec::new())),
        Parameters::List(values) => return Ok((sql.to_owned(), values.iter().collect())),
        Parameters::Named(named) => named,
    };
    let (mut text, mut copied) = (String::with_capacity(sql.len()), 0);
    let (mut names, mut values, mut missing) = (Vec::<&str>::new(), Vec::new(), Vec::new());
    for token in Tokens::of(sql) {
        if token.kind == Kind::Place {
            let text = "the statement has parameters without a name, so they have to be given as an array";
            return Err(SqlError::Invalid(text.to_owned()));
        }
        let Some(name) = token.text.strip_prefix(':').filter(|_| token.kind == Kind::Named) else { continue };
        let place = names.iter().position(|known| *known == name).unwrap_or_else(|| {
            names.push(name);
            match named.get(name) {
                Some(value) => values.push(value),
                None => missing.push(name),
            }
            names.len() - 1
        });
        text.push_str(sql.get(copied..token.start).unwrap_or_default());
        let _written = write!(text, "${}", place + 1);
        copied = token.end();
    }
    text.push_str(sql.get(copied..).unwrap_or_default());
    if !missing.is_empty() {
        return Err(SqlError::Invalid(format!("the parameters {} were not given", list(missing.into_iter()))));
    }
    let mut unused = named.keys().map(String::as_str).filter(|name| !names.contains(name)).peekable();
    if unused.peek().is_some() {
        return Err(SqlError::Invalid(format!("the statement has no parameters {}", list(unused))));
    }
    Ok((text, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caps::sql::sqlite::tests::limits as limits_of_tests;

    fn check(sql: &str, expected: Option<&str>) {
        let found = screen(sql, &limits_of_tests()).err().map(|error| error.to_string());
        match (&found, expected) {
            (None, None) => {}
            (Some(found), Some(expected)) => assert!(found.contains(expected), "{sql}: {found}"),
            _ => panic!("{sql}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn only_known_kinds_of_statements_pass() {
        for sql in ["SELECT 1", "(select 1) union (select 2);", "-- a\nWITH a AS (SELECT 1) TABLE a", "create unique index a on b(c)"] {
            check(sql, None);
        }
        for sql in ["BEGIN", "set role x", "RESET ALL", "LISTEN a", "COPY a TO STDOUT", "DO $$ $$", "CALL a()", "PREPARE a AS SELECT 1"] {
            check(sql, Some("is not available"));
        }
        check("LOCK TABLE a", Some("LOCK is not available"));
        check("CREATE FUNCTION a() RETURNS int", Some("CREATE is available for tables"));
        check("ALTER ROLE a SUPERUSER", Some("ALTER is available for tables"));
        check("CREATE TEMP TABLE a(b int)", Some("CREATE is available for tables"));
        check("EXPLAIN ANALYZE EXECUTE a", Some("EXECUTE is not available"));
        check("SELECT \"pg_terminate_backend\"(1)", Some("pg_terminate_backend is not available"));
        check("SELECT U&\"pg\\005fterminate_backend\"(1)", Some("Unicode escapes"));
        check("SELECT u&\"a\", U&'a'", Some("Unicode escapes"));
        check("SELECT U&'a', au & \"b\" FROM c", None);
        check("SELECT E'a' -- b\n 'c\\', pg_cancel_backend(1) --'", Some("cannot go on"));
        check("SELECT E'a', 'b'\n'c', 'd' LIKE 'e' ESCAPE E'\\\\'", None);
        check("SELECT (a)[1:pg_cancel_backend(1)::int]", Some("pg_cancel_backend is not available"));
        check("SELECT (a)[1:U&\"pg\\005fcancel_backend\"(1)]", Some("Unicode escapes"));
        check("SELECT (a)[1:b$$ + pg_cancel_backend(1)::int + c$$]", Some("pg_cancel_backend is not available"));
        check("SELECT $:a, '$$ '", Some("a $ stands alone"));
        for function in ["ts_stat", "TS_REWRITE", "pg_catalog.query_to_xmlschema", "\"table_to_xml\"", "dblink_send_query", "lo_get"] {
            check(&format!("SELECT * FROM {function}('SELECT 1')"), Some("is not available"));
        }
        check("SELECT lo_price, tables FROM lo_orders WHERE a = 'ts_stat'", None);
        check("SELECT 1; SELECT 2", Some("only one statement"));
        check("SELECT ';', $$;$$, \";\" -- ;", None);
        check(" ; ", Some("empty"));
        check("SELECT 1\0", Some("NUL"));
    }

    #[test]
    fn names_become_places() {
        let limits = limits_of_tests();
        let arranged = |sql: &str, json: &str| {
            let parameters = Parameters::parse(json, &limits).unwrap();
            arrange(sql, &parameters).map(|(sql, values)| format!("{sql} {values:?}")).map_err(|error| error.to_string())
        };
        assert_eq!(
            arranged("SELECT :a::int, ':a', :b, :a", r#"{"a":1,"b":null}"#).unwrap(),
            "SELECT $1::int, ':a', $2, $1 [Integer(1), Null]"
        );
        assert_eq!(arranged("SELECT :a", r#"{"b":1}"#).unwrap_err(), "invalid: the parameters a were not given");
        assert_eq!(arranged("SELECT 1", r#"{"b":1}"#).unwrap_err(), "invalid: the statement has no parameters b");
        assert!(arranged("SELECT $1", r#"{"b":1}"#).unwrap_err().contains("given as an array"));
        assert_eq!(arranged("SELECT $1", "[true]").unwrap(), "SELECT $1 [Flag(true)]");
    }
}
