//! The forms that values take as text: sizes, durations, names and paths. Each reads one text into a value that cannot be wrong.

use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;

/// Longer texts are cut when a message repeats them.
const SHOWN_CHARS_MAX: usize = 64;

/// A text in quotes, for a message: cut when it is long, and with escapes for whatever a terminal would act upon.
pub(crate) fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    let cut = if shown.len() < text.len() { "..." } else { "" };
    format!("{shown:?}{cut}")
}

/// The first character of `text` that a person does not see: control characters, and those that turn the direction of writing.
pub(crate) fn hidden(text: &str) -> Option<char> {
    text.chars()
        .find(|c| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'))
}

/// A size with its unit, such as `64MiB`.
pub(crate) fn size(text: &str) -> Option<usize> {
    let with_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
    let bytes = text.parse::<ByteSize>().ok().filter(|_| with_unit)?.as_u64();
    // The parser saturates; no machine has that much.
    usize::try_from(bytes).ok().filter(|bytes| *bytes < usize::MAX / 2)
}

/// A size as one would write it: in the largest unit that it is a multiple of.
pub(crate) fn size_text(bytes: usize) -> String {
    let units = [("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.into_iter().find(|(_, bits)| bytes > 0 && bytes.trailing_zeros() >= *bits);
    unit.map_or_else(|| format!("{bytes}B"), |(unit, bits)| format!("{}{unit}", bytes >> bits))
}

/// A duration with its unit, such as `10s` or `1m 30s`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let with_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
    humantime::parse_duration(text).ok().filter(|_| with_unit)
}

/// A duration as one would write it.
pub(crate) fn duration_text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// What a database may be called.
pub(crate) const DATABASE_NAME: &str = "it takes 1 to 48 of a-z, 0-9, - and _, and begins with a letter";

/// Whether a text can be a database's name. It stands in keys of documents, in messages and in logs.
pub(crate) fn is_database_name(text: &str) -> bool {
    (1..=48).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'))
}

/// Whether a text can stand before the names of a plugin's tools: MCP takes 1 to 128 of these in a name, and the rest is the operation's.
pub(crate) fn is_prefix(text: &str) -> bool {
    text.len() <= 48 && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// A path from the plugin's folder down to its component, or why it is none.
pub(crate) fn component_path(text: &str) -> Result<PathBuf, &'static str> {
    let parts = || text.split('/');
    if text.contains("://") {
        return Err("only a file in the plugin's folder is loaded: download it there");
    }
    if text.contains('\\') {
        return Err("folders are separated by /, on every system");
    }
    if text.starts_with('/') || text.contains(':') {
        return Err("write it relative to the plugin's folder");
    }
    if parts().any(|part| part == "..") {
        return Err("\"..\" would leave the plugin's folder");
    }
    if parts().next_back().and_then(|file| file.strip_suffix(".wasm")).is_none_or(str::is_empty) {
        return Err("the file's name ends in .wasm");
    }
    if parts().any(|part| part.is_empty() || part == ".") {
        return Err("leave out \".\" and empty parts");
    }
    Ok(PathBuf::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_unit_and_do_not_overflow() {
        for (text, bytes) in [("64MiB", 64 << 20), ("1.5KiB", 1536), ("10MB", 10_000_000), ("1 KiB", 1024), ("0B", 0)] {
            assert_eq!(size(text), Some(bytes), "{text}");
        }
        for bad in ["", "64", "-1B", "MiB", "64 apples", "16EiB", "99999999999999999999GiB", "NaNB", "1e3B", "0x10B", "1..5KiB"] {
            assert_eq!(size(bad), None, "{bad}");
        }
        assert_eq!(["512MiB", "1536B", "0B"], [512 << 20, 1536, 0].map(size_text));
    }

    #[test]
    fn durations_have_a_unit_and_do_not_overflow() {
        for (text, ms) in [("10s", 10_000), ("1m 30s", 90_000), ("250ms", 250), ("1.5s", 1_500), ("0s", 0)] {
            assert_eq!(duration(text), Some(Duration::from_millis(ms)), "{text}");
        }
        for bad in ["", "0", "10", "-5s", "s", "10 apples", "99999999999999999999s", "18446744073709551615years"] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_a_message_repeats_is_short_and_harmless() {
        assert_eq!(quoted("a\u{1b}[31m\u{202e}\0"), r#""a\u{1b}[31m\u{202e}\0""#);
        assert_eq!(quoted(&"x".repeat(100)), format!("\"{}\"...", "x".repeat(64)));
    }

    #[test]
    fn a_component_path_stays_in_its_folder() {
        for good in ["a.wasm", "target/wasm32-wasip2/release/a.wasm", "a b.wasm", "~/a.wasm", "${HOME}.wasm"] {
            assert_eq!(component_path(good), Ok(PathBuf::from(good)));
        }
        for bad in ["", ".wasm", "a", "a.wasm/", "../a.wasm", "a/../../b.wasm", "/a.wasm", "./a.wasm", "a//b.wasm", "a/./b.wasm"] {
            assert!(component_path(bad).is_err(), "{bad}");
        }
        for bad in ["https://x.org/a.wasm", "file:a.wasm", "C:a.wasm", "a\\b.wasm", "..\\a.wasm", "a.cwasm", "a.WASM", "..", "a/.wasm"] {
            assert!(component_path(bad).is_err(), "{bad}");
        }
    }
}
