//! How deeply a document's brackets are nested, counted before it is parsed. The parser bounds its own recursion, but not the depth of
//! the tree that it builds: 80 inline tables of 80 dotted keys each are 13 KB of text, and overflow the stack when they are dropped.

/// Where the brackets of `text` are nested deeper than `depth_max`, if they are. Never counts fewer than the parser does, but
/// for one that the parser makes up in a broken document: tokens are cut as the parser cuts them, and a bracket closes only its like.
pub(super) fn too_deep(text: &str, depth_max: usize) -> Option<usize> {
    let mut open = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.bytes().next() {
        match first {
            b'[' | b'{' if open.len() == depth_max => return Some(text.len() - rest.len()),
            b'[' | b'{' => open.push(first),
            // In ASCII, the closing bracket is two after the opening one.
            b']' | b'}' if open.last() == Some(&(first - 2)) => drop(open.pop()),
            _ => {}
        }
        rest = rest.get(token(rest, first)..).unwrap_or_default();
    }
    None
}

/// How many bytes the token at the beginning of `rest` takes.
fn token(rest: &str, first: u8) -> usize {
    match first {
        b'.' | b'=' | b',' | b'[' | b']' | b'{' | b'}' | b' ' | b'\t' | b'\r' | b'\n' => 1,
        b'#' => rest.find(['\r', '\n']).unwrap_or(rest.len()),
        b'"' if rest.starts_with("\"\"\"") => long_string(rest, "\"\"\"", true),
        b'\'' if rest.starts_with("'''") => long_string(rest, "'''", false),
        b'"' => short_string(rest, '"', true),
        b'\'' => short_string(rest, '\'', false),
        // A quote in the middle of a word does not begin a string.
        _ => rest.find(['.', '=', ',', '[', ']', '{', '}', ' ', '\t', '#', '\r', '\n']).unwrap_or(rest.len()),
    }
}

/// A string of one line. One that is not closed ends before the end of its line.
fn short_string(rest: &str, quote: char, escapes: bool) -> usize {
    let mut at = 1;
    while let Some((body, next)) = next_of(rest, at, |c| c == quote || c == '\n' || (escapes && c == '\\')) {
        at = match next {
            '\\' => after_escape(rest, body + 1),
            '\n' => return body,
            _ => return body + 1,
        };
    }
    rest.len()
}

/// A string of several lines. One that is not closed ends with the text; one or two quotes before the closing three belong to it.
fn long_string(rest: &str, quotes: &str, escapes: bool) -> usize {
    let mut at = quotes.len();
    while let Some((body, next)) = next_of(rest, at, |c| quotes.starts_with(c) || (escapes && c == '\\')) {
        let tail = rest.get(body..).unwrap_or_default();
        at = if next == '\\' {
            after_escape(rest, body + 1)
        } else if tail.starts_with(quotes) {
            let more = tail.chars().skip(quotes.len()).take(2).take_while(|c| quotes.starts_with(*c)).count();
            return body + quotes.len() + more;
        } else {
            body + 1
        };
    }
    rest.len()
}

/// The first character from byte `at` on that is looked for, and where it is.
fn next_of(rest: &str, at: usize, wanted: impl Fn(char) -> bool) -> Option<(usize, char)> {
    rest.get(at..)?.char_indices().find(|(_, c)| wanted(*c)).map(|(more, c)| (at + more, c))
}

/// A backslash hides a quote or a backslash after it, and nothing else.
fn after_escape(rest: &str, at: usize) -> usize {
    match rest.as_bytes().get(at) {
        Some(b'"' | b'\\') => at + 1,
        _ => at,
    }
}
