//! What of a topic a subscriber wants: looked at by the host, before an event leaves it, and compiled once for all who want the same.
//!
//! A filter is a JSON object; all of its members have to hold. `source`, `severity` and `event_types` look at the event itself, or at the
//! member of that name of its data (`type` for `event_types`) when the event has none. `pattern` is a regular expression that has to be
//! found in one of the texts of the data; of all texts together the first few kilobytes are looked at. Every other member is a path into the data: `a.b.0`, or a JSON Pointer (RFC 6901) such as
//! `/a/b/0`. A value is what has to stand there; a list has what may stand there.

use super::event::{Event, Seen};
use crate::limits::Limits;
use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};
use std::sync::Arc;

/// A filter that is ready to look at events.
#[derive(Debug)]
pub struct Filter {
    canonical: Arc<str>,
    conditions: Vec<Condition>,
}

#[derive(Debug)]
struct Condition {
    looks_at: LooksAt,
    test: Test,
}

#[derive(Debug)]
enum LooksAt {
    Source,
    Severity,
    Kind,
    Path(Vec<String>),
    /// So many bytes of them.
    Texts(usize),
}

#[derive(Debug)]
enum Test {
    OneOf(Vec<Value>),
    Pattern(Regex),
}

/// Why a filter is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the filter {key:?}: {why}")]
pub struct FilterError {
    /// The member that is wrong.
    pub key: String,
    /// What is wrong with it, and what to write.
    pub why: String,
}

impl Filter {
    /// Lets everything through.
    #[must_use]
    pub fn all() -> Arc<Self> {
        Arc::new(Self { canonical: Arc::from("{}"), conditions: Vec::new() })
    }

    /// Reads and compiles a filter.
    pub fn parse(members: &Map<String, Value>, limits: &Limits) -> Result<Arc<Self>, FilterError> {
        let refused = |key: &str, why: String| FilterError { key: key.chars().take(64).collect(), why };
        if members.len() > limits.filter_members_max {
            return Err(refused("", format!("there are more than {} (filter_members_max)", limits.filter_members_max)));
        }
        let condition = |(key, value): (&String, &Value)| condition(key, value, limits).map_err(|why| refused(key, why));
        let conditions = members.iter().map(condition).collect::<Result<_, _>>()?;
        // Members are sorted by serde_json's map, and values within a list by us, so that the same filter has one text.
        let sorted = members.iter().map(|(key, value)| (key.clone(), sorted(value))).collect();
        Ok(Arc::new(Self { canonical: Value::Object(sorted).to_string().into(), conditions }))
    }

    /// The filter as JSON text, the same for filters that want the same.
    #[must_use]
    pub fn canonical(&self) -> Arc<str> {
        Arc::clone(&self.canonical)
    }

    /// Whether a subscriber wants this event.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        self.takes(&Seen::new(event))
    }

    /// The same, where others look at the event as well.
    #[must_use]
    pub fn takes(&self, seen: &Seen<'_>) -> bool {
        self.conditions.iter().all(|condition| condition.holds(seen))
    }
}

impl Condition {
    fn holds(&self, seen: &Seen<'_>) -> bool {
        let member = |own: &Option<String>, name: &str| match own {
            Some(text) => self.test.takes_text(text),
            None => seen.data().get(name).is_some_and(|value| self.test.takes(value)),
        };
        match &self.looks_at {
            LooksAt::Source => member(&seen.event.new.source, "source"),
            LooksAt::Severity => member(&seen.event.new.severity, "severity"),
            LooksAt::Kind => member(&seen.event.new.kind, "type"),
            LooksAt::Path(path) => at(seen.data(), path).is_some_and(|value| self.test.takes(value)),
            LooksAt::Texts(bytes_max) => any_text(seen.data(), &mut { *bytes_max }, &|text| self.test.takes_text(text)),
        }
    }
}

impl Test {
    fn takes(&self, value: &Value) -> bool {
        match self {
            Self::OneOf(values) => values.contains(value),
            Self::Pattern(_) => value.as_str().is_some_and(|text| self.takes_text(text)),
        }
    }

    fn takes_text(&self, text: &str) -> bool {
        match self {
            Self::OneOf(values) => values.iter().any(|value| value == text),
            Self::Pattern(pattern) => pattern.is_match(text),
        }
    }
}

fn condition(key: &str, value: &Value, limits: &Limits) -> Result<Condition, String> {
    if key == "pattern" {
        let text = value.as_str().ok_or("a pattern is a text")?;
        return Ok(Condition { looks_at: LooksAt::Texts(limits.filter_text_bytes_max), test: Test::Pattern(pattern(text, limits)?) });
    }
    let values = match value {
        Value::Array(values) => values.clone(),
        value => vec![value.clone()],
    };
    if values.is_empty() || values.len() > limits.filter_values_max {
        return Err(format!("a list has 1 to {} values (filter_values_max)", limits.filter_values_max));
    }
    if values.iter().any(|value| value.is_array() || value.is_object()) {
        return Err("values are texts, numbers, booleans or null".to_owned());
    }
    let looks_at = match key {
        "source" => LooksAt::Source,
        "severity" => LooksAt::Severity,
        "event_types" => LooksAt::Kind,
        path => LooksAt::Path(parse_path(path)?),
    };
    Ok(Condition { looks_at, test: Test::OneOf(values) })
}

/// Matching is linear in the text whatever the expression is; its size is bounded too.
fn pattern(text: &str, limits: &Limits) -> Result<Regex, String> {
    if text.len() > limits.filter_pattern_bytes_max {
        return Err(format!("it is longer than {} bytes (filter_pattern_bytes_max)", limits.filter_pattern_bytes_max));
    }
    let mut builder = RegexBuilder::new(text);
    builder.size_limit(limits.filter_compiled_bytes_max).dfa_size_limit(limits.filter_compiled_bytes_max).nest_limit(32);
    builder.build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it is too complex: use fewer or smaller repetitions".to_owned(),
        error => format!("it is not a regular expression that is found in linear time: {error}"),
    })
}

fn parse_path(text: &str) -> Result<Vec<String>, String> {
    let parts: Vec<String> = match text.strip_prefix('/') {
        Some(pointer) => pointer.split('/').map(|part| part.replace("~1", "/").replace("~0", "~")).collect(),
        None => text.strip_prefix("$.").unwrap_or(text).split('.').map(str::to_owned).collect(),
    };
    let too_deep = parts.len() > 16 || text.len() > 256;
    if too_deep || (!text.starts_with('/') && parts.iter().any(String::is_empty)) {
        return Err("a path is up to 16 names joined by dots, or a JSON Pointer".to_owned());
    }
    Ok(parts)
}

fn at<'v>(value: &'v Value, path: &[String]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, part| match value {
        Value::Object(members) => members.get(part),
        Value::Array(values) => values.get(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Whether one of the texts is taken; `left` bytes of them are looked at.
fn any_text(value: &Value, left: &mut usize, takes: &dyn Fn(&str) -> bool) -> bool {
    match value {
        Value::String(text) => {
            let most = (0..=text.len().min(*left)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
            *left -= most;
            text.get(..most).is_some_and(takes)
        }
        Value::Array(values) => values.iter().any(|value| any_text(value, left, takes)),
        Value::Object(members) => members.values().any(|value| any_text(value, left, takes)),
        _ => false,
    }
}

fn sorted(value: &Value) -> Value {
    let Value::Array(values) = value else { return value.clone() };
    let mut texts: Vec<_> = values.iter().map(|value| (value.to_string(), value.clone())).collect();
    texts.sort_by(|a, b| a.0.cmp(&b.0));
    texts.dedup_by(|a, b| a.0 == b.0);
    match <[_; 1]>::try_from(texts) {
        Ok([(_, value)]) => value,
        Err(texts) => Value::Array(texts.into_iter().map(|(_, value)| value).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::NewEvent;
    use super::*;
    use serde_json::json;
    use std::time::Instant;

    fn parse(members: &Value) -> Result<Arc<Filter>, String> {
        Filter::parse(members.as_object().unwrap(), &Limits::default()).map_err(|error| error.to_string())
    }

    fn event(data: &Value, source: Option<&str>, severity: Option<&str>, kind: Option<&str>) -> Event {
        let own = |text: Option<&str>| text.map(str::to_owned);
        let new = NewEvent { data: data.to_string(), source: own(source), severity: own(severity), kind: own(kind) };
        Event::new(1, "t".into(), 0, new)
    }

    #[test]
    fn an_event_is_let_through_when_everything_holds() {
        let data = json!({
            "source": "inside", "type": "b", "n": 7, "f": 1.5, "z": null, "ok": true,
            "a": {"b": [{"c": "deep"}, "Disk FULL"], "": 1, "x/y": 2, "m~n": 3}, "a.b": "dotted"
        });
        let event = event(&data, None, Some("high"), None);
        for (members, expected) in [
            (json!({}), true),
            (json!({"source": "inside"}), true),
            (json!({"source": ["x", "inside"]}), true),
            (json!({"source": "x"}), false),
            (json!({"severity": "high"}), true),
            (json!({"severity": ["low", "mid"]}), false),
            (json!({"event_types": ["a", "b"]}), true),
            (json!({"event_types": "c"}), false),
            (json!({"type": "b"}), true),
            (json!({"n": 7}), true),
            (json!({"n": "7"}), false),
            (json!({"f": 1.5}), true),
            (json!({"z": null}), true),
            (json!({"missing": null}), false),
            (json!({"ok": [true, 1]}), true),
            (json!({"a.b.0.c": "deep"}), true),
            (json!({"$.a.b.0.c": "deep"}), true),
            (json!({"/a/b/0/c": "deep"}), true),
            (json!({"/a/b/1/c": "deep"}), false),
            (json!({"/a/b/-1": "deep"}), false),
            (json!({"/a/": 1}), true),
            (json!({"/a/x~1y": 2}), true),
            (json!({"/a/m~0n": 3}), true),
            (json!({"/a.b": "dotted"}), true),
            (json!({"a.b": "dotted"}), false),
            (json!({"pattern": "(?i)disk full"}), true),
            (json!({"pattern": "^deep$"}), true),
            (json!({"pattern": "high"}), false),
            (json!({"n": 7, "severity": "high", "pattern": "d..p"}), true),
            (json!({"n": 8, "severity": "high", "pattern": "d..p"}), false),
        ] {
            assert_eq!(parse(&members).unwrap().matches(&event), expected, "{members}");
        }
    }

    #[test]
    fn a_pattern_is_searched_in_the_first_bytes_of_all_texts() {
        let limits = Limits { filter_text_bytes_max: 6, ..Limits::default() };
        let event = event(&json!({"a": "abc", "b": ["d\u{e9}", "ghi"]}), None, None, None);
        for (pattern, expected) in [("abc", true), ("d\u{e9}", true), ("g", false), ("^$", true), ("x", false)] {
            let members = json!({"pattern": pattern});
            assert_eq!(Filter::parse(members.as_object().unwrap(), &limits).unwrap().matches(&event), expected, "{pattern}");
        }
    }

    #[test]
    fn the_same_filter_has_one_text() {
        for (one, two, same) in [
            (json!({"b": 1, "a": 2}), json!({"a": 2, "b": 1}), true),
            (json!({"a": ["y", "x", "y"]}), json!({"a": ["x", "y"]}), true),
            (json!({"a": ["x"]}), json!({"a": "x"}), true),
            (json!({"a": 1}), json!({"a": "1"}), false),
            (json!({"pattern": "x"}), json!({"patterns": "x"}), false),
        ] {
            assert_eq!(parse(&one).unwrap().canonical() == parse(&two).unwrap().canonical(), same, "{one} {two}");
        }
        assert_eq!(*parse(&json!({})).unwrap().canonical(), *Filter::all().canonical());
    }

    #[test]
    fn what_is_no_filter_is_refused_with_its_member() {
        let many = Value::Object((0..17).map(|at| (format!("m{at}"), json!(1))).collect());
        for (members, text) in [
            (json!({"pattern": 7}), "\"pattern\": a pattern is a text"),
            (json!({"pattern": "("}), "not a regular expression"),
            (json!({"pattern": "(a)\\1"}), "linear time"),
            (json!({"pattern": "a(?=b)"}), "linear time"),
            (json!({"pattern": "x".repeat(1_025)}), "filter_pattern_bytes_max"),
            (json!({"pattern": "(((a{100}){100}){100}){100}"}), "too complex"),
            (json!({"pattern": "(".repeat(40) + &")".repeat(40)}), "linear time"),
            (json!({"pattern": "\\pL{1000}"}), "too complex"),
            (json!({"a": {"b": 1}}), "texts, numbers, booleans or null"),
            (json!({"a": [[1]]}), "texts, numbers, booleans or null"),
            (json!({"a": []}), "1 to 64 values"),
            (json!({"a": (0..65).collect::<Vec<_>>()}), "filter_values_max"),
            (json!({"": 1}), "a path is"),
            (json!({"a..b": 1}), "a path is"),
            (json!({"a.".repeat(20): 1}), "a path is"),
            (many, "filter_members_max"),
        ] {
            let error = parse(&members).unwrap_err();
            assert!(error.contains(text), "{members}: {error}");
        }
    }

    #[test]
    fn hostile_patterns_take_linear_time() {
        let limits = Limits::default();
        // As irregular as a text of two letters can be, so that few states of an automaton come twice.
        let mut seed = 1_u32;
        let letters = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if seed >> 31 == 0 { 'a' } else { 'b' }
        });
        let text: String = letters.take(limits.event_bytes_max - 100).collect();
        let event = event(&json!({"text": text}), None, None, None);
        for pattern in [
            "(a+)+$",
            "^(a|aa)+$",
            "(a*)*c",
            "(.*.*.*)*x",
            "(a|a?)+c",
            "([a-z]+)*\\d",
            "(x+x+)+y",
            "a{1,200}a{1,200}c",
            "(a?){60}a{60}c",
            "(?:a|b|ab)*c.{90}$",
            "(?s).*a.{200}c",
            "(?i)(\\w+\\s?)+!",
            "a.{200}[^ab]",
            "(a|b)*a(a|b){300}[^ab]",
            "(?:a.{50}){1,4}\\d",
            "(?:[ab]{1,90}a){1,9}[^ab]",
        ] {
            let filter = parse(&json!({"pattern": pattern})).unwrap();
            let began = Instant::now();
            let _ = filter.matches(&event);
            // Minutes, if it were not linear.
            assert!(began.elapsed().as_secs() < 5, "{pattern} took {:?}", began.elapsed());
        }
    }
}
