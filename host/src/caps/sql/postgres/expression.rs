//! Defaults, checks and index terms as people write them. PostgreSQL keeps them parsed and writes them out with what it added: casts of
//! literals, `= ANY (ARRAY[...])` for `IN (...)`. What it added is taken off again, so that a description says the same on both engines.

use super::tokens::{Kind, Token, Tokens};
use std::ops::Range;

/// The expression without what PostgreSQL added to it.
pub(super) fn plain(sql: &str) -> String {
    let text = lists(&casts(sql));
    unwrapped(&literals(&text)).to_owned()
}

/// Takes off casts of literals, and those to `text`, which PostgreSQL adds around a `varchar`.
fn casts(sql: &str) -> String {
    let tokens: Vec<_> = Tokens::of(sql).collect();
    let mut edits = Vec::new();
    for (at, token) in tokens.iter().enumerate().filter(|(_, token)| token.is_symbol("::")) {
        let Some(type_end) = type_end(&tokens, at + 1) else { continue };
        let kind = sql.get(token.end()..type_end).unwrap_or_default();
        let before = at.checked_sub(1).and_then(|at| tokens.get(at));
        let Some(before) = before else { continue };
        // `(0)::numeric`: the parenthesis holds a literal, or a negative one.
        let inside = at.checked_sub(2).and_then(|at| tokens.get(at));
        let literal =
            matches!(before.kind, Kind::Text | Kind::Number) || (before.is_symbol(")") && inside.is_some_and(|t| t.kind == Kind::Number));
        if literal && before.kind == Kind::Text && is_number_type(kind) {
            edits.push((before.start..type_end, before.text.trim_matches('\'').to_owned()));
        } else if literal || matches!(kind.trim(), "text" | "text[]") {
            edits.push((token.start..type_end, String::new()));
        }
    }
    apply(sql, edits)
}

fn is_number_type(kind: &str) -> bool {
    let kind = kind.trim();
    ["integer", "bigint", "smallint", "real", "double precision"].contains(&kind) || kind.starts_with("numeric")
}

/// Where the type ends that begins at a token.
fn type_end(tokens: &[Token<'_>], start: usize) -> Option<usize> {
    const MORE: &[&str] = &["varying", "precision", "with", "without", "time", "zone"];
    let mut end = tokens.get(start).filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted))?.end();
    let mut rest = tokens.get(start + 1..)?.iter().peekable();
    while let Some(token) = rest.peek() {
        if token.is_any(MORE) {
            end = token.end();
            rest.next();
        } else if token.is_symbol("[") {
            end = rest.by_ref().find(|token| token.is_symbol("]"))?.end();
        } else if token.is_symbol("(") && token.start == end {
            end = rest.by_ref().find(|token| token.is_symbol(")"))?.end();
        } else {
            break;
        }
    }
    Some(end)
}

/// `(0)` is `0`.
fn literals(sql: &str) -> String {
    let tokens: Vec<_> = Tokens::of(sql).collect();
    let mut edits = Vec::new();
    for (at, window) in tokens.windows(3).enumerate() {
        // Behind a name it is the argument of a function, or a list.
        let called = at.checked_sub(1).and_then(|at| tokens.get(at)).is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Quoted));
        if let [open, literal, close] = window
            && open.is_symbol("(")
            && close.is_symbol(")")
            && matches!(literal.kind, Kind::Text | Kind::Number)
            && !called
        {
            edits.push((open.start..close.end(), literal.text.to_owned()));
        }
    }
    apply(sql, edits)
}

/// `= ANY (ARRAY[1, 2])` is `IN (1, 2)`, and `<> ALL` is `NOT IN`.
fn lists(sql: &str) -> String {
    let tokens: Vec<_> = Tokens::of(sql).collect();
    let mut edits = Vec::new();
    for (at, array) in tokens.iter().enumerate().filter(|(_, token)| token.is("ARRAY")) {
        let before = at.checked_sub(3).and_then(|from| tokens.get(from..at)).unwrap_or_default();
        let [operator, word, open] = before else { continue };
        let (word, from) = match (operator.text, word.text) {
            ("=", "ANY") => ("IN (", operator.start),
            (">", "ALL") if at >= 4 && tokens.get(at - 4).is_some_and(|token| token.is_symbol("<")) => ("NOT IN (", operator.start - 1),
            _ => continue,
        };
        let close = tokens.get(at..).unwrap_or_default().iter().position(|token| token.is_symbol("]")).map(|place| at + place);
        let (Some(close), true) = (close, open.is_symbol("(")) else { continue };
        let (Some(bracket), Some(last), Some(first)) = (tokens.get(close), tokens.get(close + 1), tokens.get(at + 1)) else { continue };
        let items = sql.get(first.end()..bracket.start).unwrap_or_default();
        if first.is_symbol("[") && last.is_symbol(")") && array.end() <= first.start {
            edits.push((from..last.end(), format!("{word}{items})")));
        }
    }
    apply(sql, edits)
}

/// Without a parenthesis around all of it.
fn unwrapped(sql: &str) -> &str {
    let mut text = sql.trim();
    while let Some(inner) = text.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        let mut depth = 0_i32;
        let whole = Tokens::of(inner).all(|token| {
            depth += i32::from(token.is_symbol("(")) - i32::from(token.is_symbol(")"));
            depth >= 0
        });
        if !whole {
            break;
        }
        text = inner.trim();
    }
    text
}

/// Puts other texts in the place of parts, which are in order and apart.
fn apply(sql: &str, edits: Vec<(Range<usize>, String)>) -> String {
    let (mut text, mut copied) = (String::with_capacity(sql.len()), 0);
    for (range, replacement) in edits {
        text.push_str(sql.get(copied..range.start).unwrap_or_default());
        text.push_str(&replacement);
        copied = copied.max(range.end);
    }
    text.push_str(sql.get(copied..).unwrap_or_default());
    text
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn what_postgresql_added_is_taken_off() {
        for (kept, written) in [
            ("'EU'::text", "'EU'"),
            ("'EU'::character varying", "'EU'"),
            ("'-1'::integer", "-1"),
            ("0", "0"),
            ("(price >= (0)::numeric)", "price >= 0"),
            ("price >= 0::numeric(10,2) AND price < 5::numeric", "price >= 0 AND price < 5"),
            (
                "((region)::text = ANY ((ARRAY['EU'::character varying, 'US'::character varying])::text[]))",
                "(region) = ANY ((ARRAY['EU', 'US']))",
            ),
            ("status = ANY (ARRAY['open'::text, 'paid'::text])", "status IN ('open', 'paid')"),
            ("status <> ALL (ARRAY['open'::text])", "status NOT IN ('open')"),
            ("length(email::text) > 3", "length(email) > 3"),
            ("a::integer > 3", "a::integer > 3"),
            ("(a) + (b)", "(a) + (b)"),
            ("CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP"),
            ("f(1)", "f(1)"),
            ("nextval('t_id_seq'::regclass)", "nextval('t_id_seq')"),
            ("'2026-01-01 00:00:00'::timestamp without time zone", "'2026-01-01 00:00:00'"),
        ] {
            assert_eq!(plain(kept), written, "{kept}");
        }
    }
}
