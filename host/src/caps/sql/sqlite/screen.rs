//! The first look at a statement, before SQLite sees it: its size, that it is one, and what kind it is. No permission depends on it: the
//! authorizer, the open mode and SQLite's limits hold without it. It gives better answers, and it finds the calls of functions that
//! could run for hours, whose arguments the authorizer is not shown.

use super::tokens::{Kind, Token, Tokens};
use crate::caps::sql::model::{SqlError, SqlLimits};

/// What kind of statement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// It reads or changes rows, or SQLite has to say what it is.
    Rows,
    /// It changes the schema, and so touches SQLite's own tables.
    Definition,
}

/// The set of characters to trim is searched for every character of the text.
const SET_BYTES_MAX: usize = 64;

/// Functions whose second argument is such a set. With two values of 1 MiB one such call takes more than an hour, and SQLite looks at
/// the clock only between two steps of a statement, never inside a function.
const SET_FUNCTIONS: [&str; 4] = ["trim", "ltrim", "rtrim", "unhex"];

/// The authorizer counts these, see there, but SQLite does not ask it about columns that are added to a table.
const COUNTED_FUNCTIONS: [&str; 6] = ["like", "glob", "instr", "replace", "json_patch", "jsonb_patch"];

/// Looks at a statement. The statement is passed on as it is.
pub(super) fn screen(sql: &str, limits: &SqlLimits) -> Result<Class, SqlError> {
    if sql.len() > limits.statement_bytes_max {
        return Err(SqlError::TooLarge(format!("the statement has more than {} bytes", limits.statement_bytes_max)));
    }
    if sql.contains('\0') {
        // SQLite would silently ignore everything behind it.
        return Err(SqlError::Invalid("the statement contains a NUL character".to_owned()));
    }
    let mut tokens = Tokens::of(sql);
    let first = tokens.by_ref().find(|token| !token.is_symbol(";"));
    let Some(first) = first else {
        return Err(SqlError::Invalid("the statement is empty".to_owned()));
    };
    let class = classify(&first, tokens.clone())?;
    let mut sets = Sets::default();
    while let Some(token) = tokens.next() {
        if token.is_symbol(";") {
            return match tokens.find(|token| !token.is_symbol(";")) {
                Some(_) => Err(SqlError::Invalid("only one statement may be given".to_owned())),
                None => Ok(class),
            };
        }
        if first.is("ALTER") && is_name(&token, &COUNTED_FUNCTIONS) {
            return Err(SqlError::Denied(format!("{} are not available in ALTER TABLE", COUNTED_FUNCTIONS.join(", "))));
        }
        sets.see(&token)?;
    }
    Ok(class)
}

/// Whether a token is one of these names, plain or in quotes.
fn is_name(token: &Token<'_>, names: &[&str]) -> bool {
    match token.kind {
        Kind::Word => token.is_any(names),
        Kind::Quoted => names.iter().any(|name| token.name().eq_ignore_ascii_case(name)),
        Kind::Text | Kind::Number | Kind::Symbol => false,
    }
}

fn classify(first: &Token<'_>, mut others: Tokens<'_>) -> Result<Class, SqlError> {
    let refusal = if first.is_any(&["CREATE", "DROP", "ALTER"]) {
        // A trigger has semicolons inside, so it would look like several statements.
        return match others.find(|token| !token.is_any(&["TEMP", "TEMPORARY"])) {
            Some(what) if what.is("TRIGGER") => Err(SqlError::Denied("creating and dropping triggers is not available".to_owned())),
            _ => Ok(Class::Definition),
        };
    } else if first.is_any(&["BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"]) {
        "is not available: each statement is a transaction of its own"
    } else if first.is_any(&["ATTACH", "DETACH"]) {
        "is not available: a grant is for one database"
    } else if first.is("PRAGMA") {
        "is not available: the function `schema` describes tables"
    } else if first.is_any(&["VACUUM", "ANALYZE", "REINDEX"]) {
        "is not available: maintenance is up to the operator"
    } else {
        return Ok(Class::Rows);
    };
    Err(SqlError::Denied(format!("{} {refusal}", first.text.to_ascii_uppercase())))
}

/// Finds calls of `SET_FUNCTIONS` and sees to it that the set is a short literal.
#[derive(Debug, Default)]
struct Sets {
    /// For every open parenthesis, whether it is such a call.
    open: Vec<bool>,
    /// Whether the token before was the name of such a function.
    named: bool,
    expected: Expected,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Expected {
    #[default]
    Anything,
    Literal,
    End,
}

impl Sets {
    fn see(&mut self, token: &Token<'_>) -> Result<(), SqlError> {
        let fits = match self.expected {
            Expected::Anything => true,
            Expected::Literal => token.kind == Kind::Text && token.text.len() <= SET_BYTES_MAX,
            Expected::End => token.is_symbol(")"),
        };
        if !fits {
            return Err(SqlError::Denied(format!(
                "the second argument of {} has to be a text literal of at most {SET_BYTES_MAX} bytes",
                SET_FUNCTIONS.join(", ")
            )));
        }
        self.expected = if self.expected == Expected::Literal { Expected::End } else { Expected::Anything };
        if token.is_symbol("(") {
            self.open.push(self.named);
        } else if token.is_symbol(")") {
            self.open.pop();
        } else if token.is_symbol(",") && self.open.last() == Some(&true) {
            self.expected = Expected::Literal;
        }
        self.named = is_name(token, &SET_FUNCTIONS);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caps::sql::sqlite::tests::limits;

    fn check(sql: &str, expected: Result<Class, &str>) {
        let found = screen(sql, &limits()).map_err(|error| error.to_string());
        match (&found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(*found, expected, "{sql}"),
            (Err(found), Err(expected)) => assert!(found.contains(expected), "{sql}: {found}"),
            _ => panic!("{sql}: {found:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn stacked_statements_are_seen_before_sqlite_sees_them() {
        check("SELECT 1", Ok(Class::Rows));
        check("SELECT 1; -- done\n ; /* really */", Ok(Class::Rows));
        check("; SELECT ';' AS \";\"", Ok(Class::Rows));
        check("SELECT 1; SELECT 2", Err("only one statement"));
        check("SELECT 1;;DROP TABLE a", Err("only one statement"));
        check("SELECT 1;'", Err("only one statement"));
    }

    #[test]
    fn kinds_are_told_apart() {
        check("/* a */ create table a(b)", Ok(Class::Definition));
        check("WITH a AS (SELECT 1) SELECT * FROM a", Ok(Class::Rows));
        check("\"CREATE\"", Ok(Class::Rows));
        check("BEGIN", Err("denied: BEGIN is not available"));
        check("-- x\nPragma user_version", Err("denied: PRAGMA"));
        check("attach 'a' as b", Err("denied: ATTACH"));
        check("VACUUM INTO 'a'", Err("denied: VACUUM"));
        check("", Err("empty"));
        check(" ;; -- nothing", Err("empty"));
        check("SELECT 1\0; DROP TABLE a", Err("NUL"));
        check(&format!("SELECT '{}'", "a".repeat(70_000)), Err("too large: the statement has more than 65536 bytes"));
    }

    #[test]
    fn sets_to_trim_are_short_literals() {
        check("SELECT trim(a), unhex(?1), ltrim(a || ',' || b), count(trim(a), 2)", Ok(Class::Rows));
        check("SELECT trim(replace(a, b, c), ' x'), rtrim(a , '(' )", Ok(Class::Rows));
        check("SELECT trim", Ok(Class::Rows));
        check("SELECT trim(a, b)", Err("denied: the second argument of trim"));
        check("SELECT \"LTrim\" /* x */ (a, ?)", Err("second argument"));
        check("SELECT [rtrim](a, (SELECT ','))", Err("second argument"));
        check("SELECT unhex(a, '-' || b)", Err("second argument"));
        check(&format!("SELECT trim(a, '{}')", "b".repeat(100)), Err("second argument"));
    }
}
