//! SQL text as PostgreSQL cuts it into tokens: enough to look at a statement, and to find its named parameters, without being fooled by
//! strings, quoted names and comments.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a plain name.
    Word,
    /// A name in double quotes: `"a"`, `U&"a"`.
    Quoted,
    /// A text literal of any kind: `'a'`, `E'a'`, `U&'a'`, `$$a$$`.
    Text,
    /// A number.
    Number,
    /// `$1`
    Place,
    /// `:name`
    Named,
    /// One character of anything else, or `::`.
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

    /// Whether it is this symbol.
    pub(super) fn is_symbol(&self, symbol: &str) -> bool {
        self.kind == Kind::Symbol && self.text == symbol
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
            self.at += if rest.starts_with([' ', '\t', '\n', '\r', '\x0b', '\x0c']) {
                1
            } else if rest.starts_with("--") {
                rest.find(['\n', '\r']).unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                comment_length(rest)
            } else {
                return;
            };
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blanks();
        let rest = self.rest();
        let (kind, length) = measure(rest, rest.chars().next()?);
        let token = Token { kind, text: rest.get(..length)?, start: self.at };
        self.at += length;
        Some(token)
    }
}

/// The kind and the length of the token that begins a text.
fn measure(rest: &str, first: char) -> (Kind, usize) {
    let second = rest.chars().nth(1).unwrap_or_default();
    match (first, second) {
        ('\'', _) => (Kind::Text, quoted_length(rest, '\'', false)),
        ('"', _) => (Kind::Quoted, quoted_length(rest, '"', false)),
        ('e' | 'E', '\'') => (Kind::Text, 1 + quoted_length(rest.get(1..).unwrap_or_default(), '\'', true)),
        ('b' | 'B' | 'x' | 'X' | 'n' | 'N', '\'') => (Kind::Text, 1 + quoted_length(rest.get(1..).unwrap_or_default(), '\'', false)),
        ('u' | 'U', '&') if rest.get(2..).is_some_and(|rest| rest.starts_with('\'')) => {
            (Kind::Text, 2 + quoted_length(rest.get(2..).unwrap_or_default(), '\'', false))
        }
        ('$', '0'..='9') => (Kind::Place, 1 + run_length(rest.get(1..).unwrap_or_default(), |c| c.is_ascii_digit())),
        ('$', _) => dollar_length(rest).map_or((Kind::Symbol, 1), |length| (Kind::Text, length)),
        (':', ':' | '=') => (Kind::Symbol, 2),
        ('u' | 'U', '&') if rest.get(2..).is_some_and(|rest| rest.starts_with('"')) => {
            (Kind::Quoted, 2 + quoted_length(rest.get(2..).unwrap_or_default(), '"', false))
        }
        // A slice, as in `a[1:E'2'::int]`, and not a parameter.
        (':', _) if begins_literal(rest.get(1..).unwrap_or_default()) => (Kind::Symbol, 1),
        (':', c) if is_word(c) && c != '$' && !c.is_ascii_digit() => {
            (Kind::Named, 1 + run_length(rest.get(1..).unwrap_or_default(), is_word))
        }
        ('0'..='9', _) => (Kind::Number, run_length(rest, |c| is_word(c) || c == '.')),
        (c, _) if is_word(c) => (Kind::Word, run_length(rest, is_word)),
        (c, _) => (Kind::Symbol, c.len_utf8()),
    }
}

/// Whether letters begin a literal, or a quoted name, rather than a plain name.
fn begins_literal(rest: &str) -> bool {
    let mut characters = rest.chars();
    match (characters.next(), characters.next()) {
        (Some('e' | 'E' | 'b' | 'B' | 'x' | 'X' | 'n' | 'N'), Some('\'')) => true,
        (Some('u' | 'U'), Some('&')) => matches!(characters.next(), Some('\'' | '"')),
        _ => false,
    }
}

/// Everything beyond ASCII belongs to names.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || (!c.is_ascii() && c != '\0')
}

fn run_length(rest: &str, belongs: impl Fn(char) -> bool) -> usize {
    rest.find(|c| !belongs(c)).unwrap_or(rest.len())
}

/// The length of a quoted piece. A doubled quote stands for itself; without an end it goes on to the end of the text.
fn quoted_length(rest: &str, quote: char, backslashes: bool) -> usize {
    let mut inside = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = inside.next() {
        if backslashes && c == '\\' {
            inside.next();
        } else if c == quote && inside.next_if(|(_, next)| *next == quote).is_none() {
            return at + 1;
        }
    }
    rest.len()
}

/// `$$...$$` or `$tag$...$tag$`.
fn dollar_length(rest: &str) -> Option<usize> {
    let tag = rest.get(1..)?.find('$').and_then(|end| rest.get(..end + 2))?;
    let name = tag.get(1..tag.len() - 1)?;
    let is_tag = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii());
    let body = rest.get(tag.len()..).filter(|_| is_tag)?;
    Some(body.find(tag).map_or(rest.len(), |end| tag.len() + end + tag.len()))
}

/// Comments hold comments.
fn comment_length(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(here) = rest.get(at..).filter(|here| !here.is_empty()) {
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth = depth.saturating_sub(1);
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
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
    fn sql_is_cut_as_postgresql_cuts_it() {
        use Kind::{Named, Number, Place, Quoted, Symbol, Text, Word};
        check("", &[]);
        check(" -- nothing\n /* at /* all */ */ ", &[]);
        check("SELECT'a''b;',\"c\"\"d\"", &[(Word, "SELECT"), (Text, "'a''b;'"), (Symbol, ","), (Quoted, "\"c\"\"d\"")]);
        check(r"E'a\';' 'b\' U&'c' x'1f'", &[(Text, r"E'a\';'"), (Text, r"'b\'"), (Text, "U&'c'"), (Text, "x'1f'")]);
        check("$$a;b$$ $t$ $$ $t$ $1 $", &[(Text, "$$a;b$$"), (Text, "$t$ $$ $t$"), (Place, "$1"), (Symbol, "$")]);
        check(
            "a::int :b_1 x[1:2]",
            &[
                (Word, "a"),
                (Symbol, "::"),
                (Word, "int"),
                (Named, ":b_1"),
                (Word, "x"),
                (Symbol, "["),
                (Number, "1"),
                (Symbol, ":"),
                (Number, "2"),
                (Symbol, "]"),
            ],
        );
        check(
            "f(a := 1) 1.5e3+größe",
            &[
                (Word, "f"),
                (Symbol, "("),
                (Word, "a"),
                (Symbol, ":="),
                (Number, "1"),
                (Symbol, ")"),
                (Number, "1.5e3"),
                (Symbol, "+"),
                (Word, "größe"),
            ],
        );
        check("U&\"a\\0062\"(1)", &[(Quoted, "U&\"a\\0062\""), (Symbol, "("), (Number, "1"), (Symbol, ")")]);
        check("[:E'\\';' :u&\"a\"", &[(Symbol, "["), (Symbol, ":"), (Text, "E'\\';'"), (Symbol, ":"), (Quoted, "u&\"a\"")]);
        check(":a$$ $$b$$", &[(Named, ":a$$"), (Text, "$$b$$")]);
        check(":$$a$$", &[(Symbol, ":"), (Text, "$$a$$")]);
        check("'open", &[(Text, "'open")]);
        check("/* open", &[]);
        check("$a$ open", &[(Text, "$a$ open")]);
    }
}
