//! What SQLite knows about a table only as text: the names of its constraints, its checks, and the expressions of its indexes.
//!
//! The text comes from `sqlite_schema`, so SQLite has parsed it before: it is well-formed, and only has to be found its way in.

use super::tokens::{Kind, Token, Tokens};
use crate::caps::sql::model::ConstraintKind;

/// A constraint as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declared {
    /// Its name, if it has one.
    pub(super) name: Option<String>,
    /// What kind of rule it is.
    pub(super) kind: ConstraintKind,
    /// Its columns; empty for a check.
    pub(super) columns: Vec<String>,
    /// The text of a check.
    pub(super) check: Option<String>,
}

/// The constraints in the text of a `CREATE TABLE`, in their order.
pub(super) fn constraints(sql: &str) -> Vec<Declared> {
    let tokens: Vec<_> = Tokens::of(sql).collect();
    let mut found = Vec::new();
    for item in split(inside(&tokens)) {
        let of_table = item.first().is_some_and(|first| first.is_any(&["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"]));
        let column = item.first().filter(|_| !of_table).map(Token::name);
        let clauses = if of_table { item } else { item.get(1..).unwrap_or_default() };
        read_clauses(sql, clauses, column.as_deref(), &mut found);
    }
    found
}

/// What an index is about: the text of each of its terms, without order and collation.
pub(super) fn index_terms(sql: &str) -> Vec<String> {
    let tokens: Vec<_> = Tokens::of(sql).collect();
    split(inside(&tokens)).map(|term| text_of(sql, without_order(term))).collect()
}

/// The names in the text of a check, as they are written.
pub(super) fn names(check: &str) -> Vec<String> {
    let tokens = Tokens::of(check).filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted));
    tokens.map(|token| token.name()).collect()
}

/// Reads the clauses of one column, or one or more constraints of the table: the comma between those may be left out.
fn read_clauses(sql: &str, clauses: &[Token<'_>], column: Option<&str>, found: &mut Vec<Declared>) {
    let mut name = None;
    let mut rest = clauses;
    while let Some((token, after)) = rest.split_first() {
        rest = if token.is_symbol("(") { after.get(inside(rest).len() + 1..).unwrap_or_default() } else { after };
        let kind = if token.is("CONSTRAINT") {
            name = after.first().map(Token::name);
            rest = after.get(1..).unwrap_or_default();
            continue;
        } else if token.is("PRIMARY") {
            ConstraintKind::PrimaryKey
        } else if token.is("UNIQUE") {
            ConstraintKind::Unique
        } else if token.is("CHECK") {
            ConstraintKind::Check
        } else if token.is("FOREIGN") || (token.is("REFERENCES") && column.is_some()) {
            ConstraintKind::ForeignKey
        } else {
            // A name may also stand before what is no constraint to us, such as NOT NULL.
            if token.is_any(&["NOT", "NULL", "DEFAULT", "COLLATE", "GENERATED", "AS"]) {
                name = None;
            }
            continue;
        };
        let body = parenthesised(after);
        let check = (kind == ConstraintKind::Check).then(|| text_of(sql, body));
        let columns = match column {
            _ if kind == ConstraintKind::Check => Vec::new(),
            Some(column) => vec![column.to_owned()],
            None => split(body).filter_map(|term| term.first().map(Token::name)).collect(),
        };
        found.push(Declared { name: name.take(), kind, columns, check });
    }
}

/// What is between the first parenthesis that comes, perhaps after `KEY`, and the one that closes it.
fn parenthesised<'t, 'a>(tokens: &'t [Token<'a>]) -> &'t [Token<'a>] {
    let start = usize::from(tokens.first().is_some_and(|token| token.is("KEY")));
    match tokens.get(start) {
        Some(token) if token.is_symbol("(") => inside(tokens),
        _ => &[],
    }
}

/// What is between the first parenthesis and the one that closes it.
fn inside<'t, 'a>(tokens: &'t [Token<'a>]) -> &'t [Token<'a>] {
    let Some(open) = tokens.iter().position(|token| token.is_symbol("(")) else { return &[] };
    let inner = tokens.get(open + 1..).unwrap_or_default();
    let mut depth = 0_usize;
    for (at, token) in inner.iter().enumerate() {
        if token.is_symbol("(") {
            depth += 1;
        } else if token.is_symbol(")") {
            let Some(outer) = depth.checked_sub(1) else { return inner.get(..at).unwrap_or_default() };
            depth = outer;
        }
    }
    inner
}

/// Splits at the commas outside of parentheses.
fn split<'t, 'a>(tokens: &'t [Token<'a>]) -> impl Iterator<Item = &'t [Token<'a>]> {
    let mut depth = 0_usize;
    tokens
        .split(move |token| {
            if token.is_symbol("(") {
                depth += 1;
            } else if token.is_symbol(")") {
                depth = depth.saturating_sub(1);
            }
            depth == 0 && token.is_symbol(",")
        })
        .filter(|item| !item.is_empty())
}

/// A term of an index without `COLLATE name` and `ASC` or `DESC` behind it.
fn without_order<'t, 'a>(mut term: &'t [Token<'a>]) -> &'t [Token<'a>] {
    if let Some((last, before)) = term.split_last()
        && last.is_any(&["ASC", "DESC"])
        && !before.is_empty()
    {
        term = before;
    }
    if let [before @ .., collate, _] = term
        && collate.is("COLLATE")
        && !before.is_empty()
    {
        term = before;
    }
    term
}

fn text_of(sql: &str, tokens: &[Token<'_>]) -> String {
    let text = tokens.first().zip(tokens.last()).and_then(|(first, last)| sql.get(first.start..last.end()));
    text.unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: &[&str]) {
        let found = constraints(sql).into_iter().map(|declared| {
            let name = declared.name.map(|name| format!("{name}: ")).unwrap_or_default();
            let check = declared.check.map(|check| format!(" {check}")).unwrap_or_default();
            format!("{name}{:?}({}){check}", declared.kind, declared.columns.join("|"))
        });
        assert_eq!(found.collect::<Vec<_>>(), expected, "{sql}");
    }

    #[test]
    fn constraints_are_found_in_the_text() {
        check("CREATE TABLE a(b, c)", &[]);
        check("CREATE TABLE a(b INTEGER PRIMARY KEY, c TEXT UNIQUE)", &["PrimaryKey(b)", "Unique(c)"]);
        check(
            "CREATE TABLE \"a (\"(b VARCHAR(10, 2) CONSTRAINT \"n 1\" NOT NULL CHECK (b <> ')' /* ) */ AND length(b) > (1)) DEFAULT (1))",
            &["Check() b <> ')' /* ) */ AND length(b) > (1)"],
        );
        check(
            "CREATE TABLE a(b CONSTRAINT c CHECK(b>0) CONSTRAINT r REFERENCES other(x) ON DELETE SET NULL, [d e] UNIQUE)",
            &["c: Check() b>0", "r: ForeignKey(b)", "Unique(d e)"],
        );
        check(
            "CREATE TABLE a(b, c, -- UNIQUE\n CONSTRAINT p PRIMARY KEY (b COLLATE NOCASE DESC, \"c\") ON CONFLICT REPLACE, \
             CONSTRAINT f FOREIGN KEY (c, b) REFERENCES o(x, y) CONSTRAINT u UNIQUE(c) CHECK (b IN (1, 2)))",
            &["p: PrimaryKey(b|c)", "f: ForeignKey(c|b)", "u: Unique(c)", "Check() b IN (1, 2)"],
        );
        check("CREATE TABLE a(\"check\" INT, \"unique\" INT GENERATED ALWAYS AS (\"check\" + 1) STORED UNIQUE)", &["Unique(unique)"]);
        check("CREATE TABLE a(b DEFAULT 'CHECK (1)', c DEFAULT (CAST('UNIQUE' AS TEXT)))", &[]);
        check("", &[]);
        check("CREATE TABLE a(b CHECK", &["Check() "]);
    }

    #[test]
    fn terms_of_an_index_are_texts() {
        let sql = "CREATE UNIQUE INDEX i ON t (a COLLATE NOCASE DESC, lower(b || ','), \"c\" ASC) WHERE a > (1)";
        assert_eq!(index_terms(sql), ["a", "lower(b || ',')", "\"c\""]);
    }
}
