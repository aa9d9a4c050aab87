//! SQL text as SQLite cuts it into tokens: enough to look at a statement, or at a table's definition, without being fooled by strings,
//! quoted names and comments.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a plain name.
    Word,
    /// A name in quotes: `"a"`, `` `a` `` or `[a]`.
    Quoted,
    /// A text literal: `'a'`.
    Text,
    /// A number.
    Number,
    /// One character of anything else.
    Symbol,
}

/// A piece of SQL text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    /// What it is.
    pub(super) kind: Kind,
    /// How it is written, quotes included.
    pub(super) text: &'a str,
    /// Where it begins.
    pub(super) start: usize,
}

impl Token<'_> {
    /// Whether it is this keyword.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == Kind::Word && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether it is one of these keywords.
    pub(super) fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    /// Whether it is this character.
    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
    }

    /// The name that it stands for. Texts count, since SQLite takes them for names where only a name makes sense.
    pub(super) fn name(&self) -> String {
        let inner = || self.text.get(1..self.text.len().saturating_sub(1)).unwrap_or_default();
        match (self.kind, self.text.chars().next()) {
            (Kind::Quoted, Some('[')) => inner().to_owned(),
            (Kind::Quoted | Kind::Text, Some(quote)) => {
                let quote = quote.to_string();
                inner().replace(&quote.repeat(2), &quote)
            }
            _ => self.text.to_owned(),
        }
    }

    /// Where it ends.
    pub(super) fn end(&self) -> usize {
        self.start.saturating_add(self.text.len())
    }
}

/// The tokens of a text, blanks and comments left out.
#[derive(Debug, Clone)]
pub(super) struct Tokens<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    /// The tokens of this text.
    pub(super) fn of(sql: &'a str) -> Self {
        Self { sql, at: 0 }
    }

    fn rest(&self) -> &'a str {
        self.sql.get(self.at..).unwrap_or_default()
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let skipped = if rest.starts_with([' ', '\t', '\n', '\r', '\x0c']) {
                1
            } else if rest.starts_with("--") {
                rest.find('\n').unwrap_or(rest.len())
            } else if let Some(inner) = rest.strip_prefix("/*") {
                inner.find("*/").map_or(rest.len(), |end| end + 4)
            } else {
                return;
            };
            self.at += skipped;
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blanks();
        let rest = self.rest();
        let first = rest.chars().next()?;
        let (kind, length) = match first {
            '\'' => (Kind::Text, quoted_length(rest, first)),
            '"' | '`' => (Kind::Quoted, quoted_length(rest, first)),
            '[' => (Kind::Quoted, rest.find(']').map_or(rest.len(), |end| end + 1)),
            '0'..='9' => (Kind::Number, run_length(rest, |c| is_word(c) || c == '.')),
            c if is_word(c) => (Kind::Word, run_length(rest, is_word)),
            c => (Kind::Symbol, c.len_utf8()),
        };
        let token = Token { kind, text: rest.get(..length)?, start: self.at };
        self.at += length;
        Some(token)
    }
}

/// Everything beyond ASCII belongs to names, as in SQLite.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

fn run_length(rest: &str, belongs: impl Fn(char) -> bool) -> usize {
    rest.find(|c| !belongs(c)).unwrap_or(rest.len())
}

/// The length of a quoted piece. A doubled quote stands for itself; without an end it goes on to the end of the text.
fn quoted_length(rest: &str, quote: char) -> usize {
    let mut inside = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = inside.next() {
        if c == quote && inside.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sql: &str, expected: &[(Kind, &str)]) {
        let found: Vec<_> = Tokens::of(sql).map(|token| (token.kind, token.text)).collect();
        assert_eq!(found, expected, "{sql}");
        for token in Tokens::of(sql) {
            assert_eq!(&sql[token.start..token.end()], token.text);
        }
    }

    #[test]
    fn sql_is_cut_as_sqlite_cuts_it() {
        use Kind::{Number, Quoted, Symbol, Text, Word};
        check("", &[]);
        check(" -- nothing\n /* at all */ ", &[]);
        check("SELECT'a''b;',\"c\"\"d\"", &[(Word, "SELECT"), (Text, "'a''b;'"), (Symbol, ","), (Quoted, "\"c\"\"d\"")]);
        check("[a b]`c`--x\n;", &[(Quoted, "[a b]"), (Quoted, "`c`"), (Symbol, ";")]);
        check("1.5e3/*;*/+größe", &[(Number, "1.5e3"), (Symbol, "+"), (Word, "größe")]);
        check("'open", &[(Text, "'open")]);
        check("/* open", &[]);
        check("[open", &[(Quoted, "[open")]);
    }

    #[test]
    fn names_lose_their_quotes() {
        for (sql, name) in [("a", "a"), ("\"a\"\"b\"", "a\"b"), ("[a]", "a"), ("`a``b`", "a`b"), ("'a''b'", "a'b")] {
            assert_eq!(Tokens::of(sql).next().map(|token| token.name()).as_deref(), Some(name), "{sql}");
        }
    }
}
