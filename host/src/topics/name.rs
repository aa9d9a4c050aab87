//! Names of topics: segments joined by `/`. In a catalog a segment `{name}` stands for any one segment.

/// A whole name as clients write it, the plugin's included.
const NAME_BYTES_MAX: usize = 256;
/// One segment.
const SEGMENT_BYTES_MAX: usize = 64;
/// Segments of one name.
const SEGMENTS_MAX: usize = 8;

/// Why a text is not the name of a topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not the name of a topic: {why}")]
pub struct BadTopic {
    /// The beginning of what was given.
    pub name: String,
    /// What is wrong with it.
    pub why: &'static str,
}

/// A topic of a catalog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicPattern {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Variable(String),
}

/// Whether this can be the name of a topic: 1 to 8 segments of 1 to 64 of `A-Z a-z 0-9 _ - . :`, none of them `.` or `..`.
pub fn check_topic(name: &str) -> Result<(), BadTopic> {
    let bad = |why| Err(BadTopic { name: name.chars().take(64).collect(), why });
    if name.len() > NAME_BYTES_MAX {
        return bad("it is longer than 256 bytes");
    }
    if name.split('/').count() > SEGMENTS_MAX {
        return bad("it has more than 8 segments");
    }
    if name.split('/').all(is_segment) { Ok(()) } else { bad("a segment has 1 to 64 of A-Z, a-z, 0-9, _, -, . and :") }
}

fn is_segment(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
    (1..=SEGMENT_BYTES_MAX).contains(&text.len()) && text.bytes().all(legal) && text != "." && text != ".."
}

/// The MCP resource that stands for a topic of a plugin; `name` may have variables, and then this is a template.
#[must_use]
pub fn topic_uri(plugin: &str, name: &str) -> String {
    format!("topic://{plugin}/{name}")
}

/// The plugin and the topic's name in the URI of a topic's resource; none when it is no such URI.
#[must_use]
pub fn topic_of_uri(uri: &str) -> Option<(&str, &str)> {
    let (plugin, name) = uri.strip_prefix("topic://")?.split_once('/')?;
    check_topic(name).is_ok().then_some((plugin, name))
}

impl TopicPattern {
    /// Reads a name of a catalog.
    pub fn parse(text: &str) -> Result<Self, BadTopic> {
        let variable = |segment: &str| segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).map(str::to_owned);
        let plain: Vec<String> = text.split('/').map(|segment| variable(segment).unwrap_or_else(|| segment.to_owned())).collect();
        check_topic(&plain.join("/")).map_err(|error| BadTopic { name: text.chars().take(64).collect(), ..error })?;
        let segment = |text: &str| variable(text).map_or_else(|| Segment::Literal(text.to_owned()), Segment::Variable);
        Ok(Self { text: text.to_owned(), segments: text.split('/').map(segment).collect() })
    }

    /// The text that it was read from.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of its variables, in order.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| if let Segment::Variable(name) = segment { Some(name.as_str()) } else { None })
    }

    /// Whether it stands for more than one topic.
    #[must_use]
    pub fn has_variables(&self) -> bool {
        self.variables().next().is_some()
    }

    /// Whether this is one of the topics that it stands for.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let mut given = name.split('/');
        let fits = self.segments.iter().all(|segment| {
            given.next().is_some_and(|given| match segment {
                Segment::Literal(text) => text == given,
                Segment::Variable(_) => is_segment(given),
            })
        });
        fits && given.next().is_none()
    }

    /// The topic with values in the place of variables; none when one is missing or cannot be a segment.
    #[must_use]
    pub fn filled(&self, value: impl Fn(&str) -> Option<String>) -> Option<String> {
        let segment = |segment: &Segment| match segment {
            Segment::Literal(text) => Some(text.clone()),
            Segment::Variable(name) => value(name).filter(|value| is_segment(value)),
        };
        Some(self.segments.iter().map(segment).collect::<Option<Vec<_>>>()?.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_patterns() {
        for name in ["lines", "collaboration/42", "a.b/c-d/e_f:g", &"x".repeat(64)] {
            assert_eq!(check_topic(name), Ok(()), "{name}");
        }
        let (long, deep) = ("x".repeat(65), "a/".repeat(8) + "a");
        for name in ["", "/", "a//b", "/a", "a/", "..", "a/../b", ".", "a b", "a?b", "{a}", "ä", &long, &deep] {
            assert!(check_topic(name).is_err(), "{name}");
        }
        let pattern = TopicPattern::parse("collaboration/{id}").unwrap();
        assert_eq!((pattern.variables().collect::<Vec<_>>(), pattern.has_variables()), (vec!["id"], true));
        for (name, matches) in
            [("collaboration/42", true), ("collaboration", false), ("collaboration/", false), ("collaboration/a/b", false), ("x/42", false)]
        {
            assert_eq!(pattern.matches(name), matches, "{name}");
        }
        assert_eq!(pattern.filled(|name| Some(format!("{name}-1"))), Some("collaboration/id-1".to_owned()));
        assert_eq!(pattern.filled(|_| Some("../x".to_owned())), None);
        assert_eq!(pattern.filled(|_| None), None);
        for (uri, expected) in [
            ("topic://logs/lines", Some(("logs", "lines"))),
            ("topic://rooms/a/b", Some(("rooms", "a/b"))),
            ("topic://rooms/", None),
            ("topic://rooms", None),
            ("topic:///a", Some(("", "a"))),
            ("topic://rooms/../a", None),
            ("topic://rooms/{id}", None),
            ("TOPIC://logs/lines", None),
            ("docs://logs/lines", None),
        ] {
            assert_eq!(topic_of_uri(uri), expected, "{uri}");
        }
        for text in ["{}", "a/{", "{a b}", "a{b}", ""] {
            assert!(TopicPattern::parse(text).is_err(), "{text}");
        }
    }
}
