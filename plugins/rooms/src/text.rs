//! Edits of a text by places in UTF-16 code units, as editors and the Language Server Protocol count them.

use alloc::string::String;

/// Why an edit cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misplaced {
    /// The end is before the start.
    Backwards,
    /// A place is beyond the text, or within a character that takes two units.
    NoSuchPlace,
}

/// The text with `new` in the place of what is between two places.
pub(crate) fn replaced(text: &str, from: usize, to: usize, new: &str) -> Result<String, Misplaced> {
    if to < from {
        return Err(Misplaced::Backwards);
    }
    let (start, end) = (byte_at(text, from).ok_or(Misplaced::NoSuchPlace)?, byte_at(text, to).ok_or(Misplaced::NoSuchPlace)?);
    let (before, after) = (text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default());
    Ok([before, new, after].concat())
}

/// How many units a text has.
pub(crate) fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

fn byte_at(text: &str, place: usize) -> Option<usize> {
    let mut at = 0;
    for (byte, c) in text.char_indices() {
        if at >= place {
            return (at == place).then_some(byte);
        }
        at += c.len_utf16();
    }
    (at == place).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_as_editors_do() {
        for (text, from, to, new, expected) in [
            ("", 0, 0, "a", Ok("a")),
            ("abc", 1, 2, "", Ok("ac")),
            ("abc", 3, 3, "d", Ok("abcd")),
            ("aß\u{1f600}c", 2, 4, "-", Ok("aß-c")),
            ("aß\u{1f600}c", 4, 5, "", Ok("aß\u{1f600}")),
            ("aß\u{1f600}c", 3, 4, "", Err(Misplaced::NoSuchPlace)),
            ("abc", 2, 1, "", Err(Misplaced::Backwards)),
            ("abc", 0, 4, "", Err(Misplaced::NoSuchPlace)),
            ("", 1, 1, "", Err(Misplaced::NoSuchPlace)),
        ] {
            assert_eq!(replaced(text, from, to, new).as_deref().map_err(|e| *e), expected, "{text:?} {from} {to}");
        }
        assert_eq!(units("aß\u{1f600}"), 4);
    }
}
