//! What a line of a log says about itself: how serious it is, and when it was written.

use crate::time;
use cofferdam_plugin::serde_json::{Map, Value, from_str};

/// The words of a line among which its level is looked for.
const WORDS_MAX: usize = 12;

/// What a line says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// `trace`, `debug`, `info`, `notice`, `warning`, `error`, `critical`, `alert` or `emergency`.
    pub(crate) severity: Option<&'static str>,
    /// Milliseconds since 1970; a time without a zone counts as UTC.
    pub(crate) time_ms: Option<u64>,
}

impl Said {
    /// Reads one line: JSON, syslog, logfmt, or plain text.
    pub(crate) fn read(line: &str) -> Self {
        if line.starts_with('{')
            && let Ok(members) = from_str::<Map<String, Value>>(line)
        {
            return Self { severity: of_members(&members), time_ms: time::of_members(&members) };
        }
        let (priority, rest) = priority(line);
        Self { severity: priority.or_else(|| of_text(rest)), time_ms: time::of_text(rest) }
    }

    /// A line that is indented goes on with the line before it, as traces of stacks do.
    pub(crate) fn after(self, line: &str, before: Self) -> Self {
        if !line.starts_with([' ', '\t']) {
            return self;
        }
        Self { severity: self.severity.or(before.severity), time_ms: self.time_ms.or(before.time_ms) }
    }
}

/// The level that a word stands for, in either case.
pub(crate) fn level(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "trace" | "trc" | "verbose" => "trace",
        "debug" | "dbg" => "debug",
        "info" | "inf" | "information" | "informational" => "info",
        "notice" => "notice",
        "warn" | "warning" | "wrn" => "warning",
        "error" | "err" | "severe" => "error",
        "critical" | "crit" | "fatal" | "ftl" | "panic" => "critical",
        "alert" => "alert",
        "emergency" | "emerg" => "emergency",
        _ => return None,
    })
}

fn of_syslog(number: u64) -> Option<&'static str> {
    let levels = ["emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"];
    levels.get(usize::try_from(number).ok()?).copied()
}

/// As pino and bunyan number them; up to 7 they are syslog's.
fn of_number(number: u64) -> Option<&'static str> {
    match number {
        0..=7 => of_syslog(number),
        60.. => Some("critical"),
        50.. => Some("error"),
        40.. => Some("warning"),
        30.. => Some("info"),
        20.. => Some("debug"),
        _ => Some("trace"),
    }
}

/// The level of a JSON line, or of anything else that was sent as JSON.
pub(crate) fn of_members(members: &Map<String, Value>) -> Option<&'static str> {
    let keys = ["severity", "level", "lvl", "log.level", "levelname", "@level", "loglevel"];
    keys.iter().find_map(|&key| match members.get(key)? {
        Value::String(text) => level(text),
        Value::Number(number) => of_number(number.as_u64()?),
        _ => None,
    })
}

/// `<34>1 ...`: facility times eight, and the level.
fn priority(line: &str) -> (Option<&'static str>, &str) {
    let split = line.strip_prefix('<').and_then(|rest| rest.split_once('>'));
    match split.map(|(number, rest)| (number.parse::<u8>(), rest)) {
        Some((Ok(number), rest)) => (of_syslog(u64::from(number % 8)), rest.strip_prefix("1 ").unwrap_or(rest)),
        _ => (None, line),
    }
}

/// Looks for `ERROR`, `[error]`, `[core:error]`, `level=error`, `ERROR:root:`, `|ERROR|`, `error: ...` and `E0102 15:04:05` among the first
/// words. A word in lower case that only stands in a sentence is none.
fn of_text(line: &str) -> Option<&'static str> {
    let words = line.split(|c: char| c.is_whitespace() || c == '|').filter(|word| !word.is_empty());
    let mut sentence = false;
    for (at, word) in words.take(WORDS_MAX).enumerate() {
        let found = of_assignment(word).or_else(|| of_word(word, sentence)).or_else(|| if at == 0 { of_glog(word) } else { None });
        if found.is_some() {
            return found;
        }
        sentence |= word.chars().all(|c| c.is_ascii_lowercase());
    }
    None
}

fn of_assignment(word: &str) -> Option<&'static str> {
    let (key, value) = word.split_once('=')?;
    let key = key.trim_start_matches(['[', '(', '{', '"']);
    ["level", "lvl", "severity", "loglevel"].contains(&key).then(|| level(value.trim_matches(|c: char| !c.is_ascii_alphabetic())))?
}

fn of_word(word: &str, sentence: bool) -> Option<&'static str> {
    let bracketed = word.starts_with(['[', '(', '<']);
    let bare = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    if bracketed {
        return level(bare.rsplit(':').next()?);
    }
    let (first, colon) = match word.split_once(':') {
        Some((first, _)) => (first, true),
        None => (bare, false),
    };
    let first = first.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let loud = first.chars().all(|c| c.is_ascii_uppercase());
    if loud || (colon && !sentence) { level(first) } else { None }
}

/// `E0102`: a letter, a month and a day.
fn of_glog(word: &str) -> Option<&'static str> {
    let (letter, date) = word.split_at_checked(1)?;
    if date.len() != 4 || !date.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(match letter {
        "I" => "info",
        "W" => "warning",
        "E" => "error",
        "F" => "critical",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_found_in_common_formats() {
        for (line, expected) in [
            ("ERROR disk is full", Some("error")),
            ("2026-07-28 09:30:00,123 - app - WARNING - slow", Some("warning")),
            ("2026-07-28T09:30:00Z  INFO cofferdam: listening", Some("info")),
            ("2026/07/28 09:30:00 [error] 7#7: *1 open() failed", Some("error")),
            ("[Tue Jul 28 09:30:00.1 2026] [core:crit] [pid 1] child died", Some("critical")),
            ("[28/Jul/2026:09:30:00 +0000] [WARN] hm", Some("warning")),
            ("<34>1 2026-07-28T22:14:15.003Z host su - - 'su root' failed", Some("critical")),
            ("<13>Jul 28 22:14:15 host app: hello", Some("notice")),
            (r#"{"level":"warn","msg":"x"}"#, Some("warning")),
            (r#"{"severity":"ERROR","level":"info"}"#, Some("error")),
            (r#"{"level":50,"time":1700000000000}"#, Some("error")),
            (r#"{"level":3,"short_message":"gelf"}"#, Some("error")),
            (r#"{"msg":"ERROR"}"#, None),
            (r#"{"level":"ERROR", broken"#, None),
            ("ts=2026-07-28 level=debug msg=\"ERROR\"", Some("debug")),
            ("ERROR:root:it broke", Some("error")),
            ("2026-07-28|FATAL|main|gone", Some("critical")),
            ("error: could not compile", Some("error")),
            ("myapp[123]: warning: deprecated", Some("warning")),
            ("the error: was ours", None),
            ("no error here", None),
            ("E0102 15:04:05.678 1 main.go:1] x", Some("error")),
            ("Error", None),
            ("127.0.0.1 - - [28/Jul/2026:09:30:00 +0000] \"GET /error HTTP/1.1\" 500 1", None),
            ("<999>x", None),
            ("", None),
        ] {
            assert_eq!(Said::read(line).severity, expected, "{line}");
        }
    }

    #[test]
    fn an_indented_line_belongs_to_the_one_before() {
        let before = Said::read("2026-07-28T09:30:00Z ERROR x");
        let trace = "    at main.rs:1";
        assert_eq!(Said::read(trace).after(trace, before), before);
        assert_eq!(Said::read("next").after("next", before), Said::default());
    }
}
