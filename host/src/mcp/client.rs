//! What a client says about itself: what it can be asked, and which log messages it wants.

use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::HashMap;

/// What a client can do for the server (`ClientCapabilities`), as far as it matters here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Abilities {
    /// `elicitation/create` with a form. A client that says only `elicitation` means this.
    pub elicitation_form: bool,
    /// `elicitation/create` with a URL.
    pub elicitation_url: bool,
    /// `sampling/createMessage`.
    pub sampling: bool,
    /// `roots/list`.
    pub roots: bool,
    /// Tasks (SEP-2663).
    pub tasks: bool,
}

/// The extension's name, both in what clients and what servers declare.
pub const TASKS: &str = "io.modelcontextprotocol/tasks";

#[derive(Deserialize)]
struct Declared {
    #[serde(default)]
    elicitation: Option<Elicitation>,
    #[serde(default)]
    sampling: Option<IgnoredAny>,
    #[serde(default)]
    roots: Option<IgnoredAny>,
    #[serde(default)]
    extensions: Option<HashMap<String, IgnoredAny>>,
}

#[derive(Deserialize)]
struct Elicitation {
    #[serde(default)]
    form: Option<IgnoredAny>,
    #[serde(default)]
    url: Option<IgnoredAny>,
}

impl Abilities {
    /// Reads `ClientCapabilities`. What is not understood is not declared.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        // Most clients of tools declare nothing.
        if text == "{}" {
            return Self::default();
        }
        let Ok(declared) = serde_json::from_str::<Declared>(text) else { return Self::default() };
        let elicitation = declared.elicitation;
        Self {
            elicitation_form: elicitation.as_ref().is_some_and(|modes| modes.form.is_some() || modes.url.is_none()),
            elicitation_url: elicitation.as_ref().is_some_and(|modes| modes.url.is_some()),
            sampling: declared.sampling.is_some(),
            roots: declared.roots.is_some(),
            tasks: declared.extensions.is_some_and(|extensions| extensions.contains_key(TASKS)),
        }
    }
}

/// How serious a log message is (RFC 5424), least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the standard's")]
pub enum LogLevel {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl LogLevel {
    /// Every level, least first.
    pub const ALL: [Self; 8] =
        [Self::Debug, Self::Info, Self::Notice, Self::Warning, Self::Error, Self::Critical, Self::Alert, Self::Emergency];

    /// The level's name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }

    /// The level of this name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn abilities_are_what_was_declared() {
        let none = Abilities::default();
        let form = Abilities { elicitation_form: true, ..none };
        for (text, expected) in [
            ("{}", none),
            ("{ }", none),
            ("[]", none),
            (r#"{"elicitation":{}}"#, form),
            (r#"{"elicitation":{"form":{}}}"#, form),
            (r#"{"elicitation":{"url":{}}}"#, Abilities { elicitation_url: true, ..none }),
            (r#"{"elicitation":{"form":{},"url":{}}}"#, Abilities { elicitation_form: true, elicitation_url: true, ..none }),
            (r#"{"sampling":{"tools":{}},"roots":{"listChanged":true}}"#, Abilities { sampling: true, roots: true, ..none }),
            (r#"{"sampling":null}"#, none),
            (r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#, Abilities { tasks: true, ..none }),
            (r#"{"extensions":{"other":{}},"experimental":{"x":1}}"#, none),
        ] {
            assert_eq!(Abilities::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn levels_are_ordered_and_exact() {
        assert!(LogLevel::Debug < LogLevel::Info && LogLevel::Alert < LogLevel::Emergency);
        for level in LogLevel::ALL {
            assert_eq!(LogLevel::parse(level.as_str()), Some(level));
        }
        assert_eq!(LogLevel::parse("warn"), None);
    }
}
