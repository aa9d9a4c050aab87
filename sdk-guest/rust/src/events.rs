//! Events, and publishing them under topics of this plugin's own. Needs `[grants.events]` in the manifest.
//!
//! ```toml
//! # plugin.toml
//! [grants.events]
//! publish = ["tickets/*"]
//! ```
//!
//! ```
//! use cofferdam_plugin::prelude::*;
//!
//! #[derive(Serialize)]
//! struct Opened { ticket: u32 }
//!
//! fn opened(ticket: u32) -> Result<()> {
//!     events::publish("tickets/opened", Event::new(Opened { ticket }).severity("info").source("mail"))?;
//!     Ok(())
//! }
//! # opened(1).unwrap();
//! ```
//!
//! An update that always publishes needs no grant and no code: see its key `publishes`. In a native build, as under `cargo test`,
//! [`testing::Client::reports`](crate::testing::Client::reports) has what was published.

#[cfg(target_family = "wasm")]
use crate::bindings::imports::events as wit;
use crate::bindings::imports::types;
use crate::{Failure, Result};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::Serialize;

/// Something that happened: data of yours, which is written as a JSON object, and what filters look at.
///
/// ```
/// use cofferdam_plugin::prelude::*;
///
/// let event = Event::new(json!({"text": "disk full"})).source("db1").severity("error").kind("alert");
/// assert_eq!(event.severity.as_deref(), Some("error"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event<T> {
    /// What happened.
    pub data: T,
    /// Where it came from, for filters by `source`.
    pub source: Option<String>,
    /// How serious it is, for filters by `severity`.
    pub severity: Option<String>,
    /// What kind of event it is, for filters by `event_types`.
    pub kind: Option<String>,
}

impl<T> Event<T> {
    /// An event with data alone.
    #[must_use]
    pub const fn new(data: T) -> Self {
        Self { data, source: None, severity: None, kind: None }
    }

    /// Says where it came from.
    #[must_use]
    pub fn source(mut self, source: impl Into<String>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Says how serious it is.
    #[must_use]
    pub fn severity(mut self, severity: impl Into<String>) -> Self {
        self.severity = Some(severity.into());
        self
    }

    /// Says what kind of event it is.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.kind = Some(kind.into());
        self
    }
}

impl<T: Serialize> Event<T> {
    pub(crate) fn into_wit(self) -> Result<types::Event, &'static str> {
        let data = serde_json::to_string(&self.data).map_err(|_| "the event's data cannot be written as JSON")?;
        if !data.starts_with('{') {
            return Err("the data of an event is written as a JSON object");
        }
        Ok(types::Event { data, source: self.source, severity: self.severity, kind: self.kind })
    }
}

/// Why an event was not published.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The grant does not allow it, or the topic is not in the plugin's catalog.
    Denied(String),
    /// The event is not what it may be: its data is no JSON object, does not fit the topic's schema, or is too large.
    Invalid(String),
    /// Too many events in a short time: try again later.
    Busy(String),
    /// Anything else.
    Other(String),
}

/// Publishes an event. `topic` is a name of the catalog, with a value in the place of each `{variable}`. Returns at once: nobody who
/// publishes waits for those who listen.
///
/// # Errors
/// What the host says.
pub fn publish<T: Serialize>(topic: &str, event: Event<T>) -> Result<(), Error> {
    let event = event.into_wit().map_err(|why| Error::Invalid(why.into()))?;
    #[cfg(target_family = "wasm")]
    return wit::publish(topic, &event).map_err(|error| match error {
        wit::Error::Denied(text) => Error::Denied(text),
        wit::Error::Invalid(text) => Error::Invalid(text),
        wit::Error::Busy(text) => Error::Busy(text),
        wit::Error::Other(text) => Error::Other(text),
    });
    #[cfg(not(target_family = "wasm"))]
    {
        crate::testing::record(crate::testing::Report::Published { topic: topic.into(), event: crate::testing::parsed(event) });
        Ok(())
    }
}

/// What a `#[webhook]` may return: an [`Event`], an `Option` or a `Vec` of them, or a `Result` of one of these.
#[diagnostic::on_unimplemented(
    message = "a webhook cannot return `{Self}`",
    label = "not events",
    note = "return `Event<T>` with `T: Serialize`, an `Option` or a `Vec` of it, or a `Result` of one of them"
)]
pub trait IntoEvents {
    /// Makes the events.
    ///
    /// # Errors
    /// Whatever the function failed with, or data that is no JSON object.
    fn into_events(self) -> Result<Vec<types::Event>>;
}

impl<T: Serialize> IntoEvents for Event<T> {
    fn into_events(self) -> Result<Vec<types::Event>> {
        Some(self).into_events()
    }
}

impl<T: Serialize> IntoEvents for Option<Event<T>> {
    fn into_events(self) -> Result<Vec<types::Event>> {
        written(self)
    }
}

impl<T: Serialize> IntoEvents for Vec<Event<T>> {
    fn into_events(self) -> Result<Vec<types::Event>> {
        written(self)
    }
}

impl<I: IntoEvents, E: Into<Failure>> IntoEvents for Result<I, E> {
    fn into_events(self) -> Result<Vec<types::Event>> {
        self.map_err(Into::into)?.into_events()
    }
}

pub(crate) fn written<T: Serialize>(events: impl IntoIterator<Item = Event<T>>) -> Result<Vec<types::Event>> {
    events.into_iter().map(|event| event.into_wit().map_err(Failure::other)).collect()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(text) | Self::Invalid(text) | Self::Busy(text) | Self::Other(text) => f.write_str(text),
        }
    }
}

impl core::error::Error for Error {}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(text) => Self::denied(text),
            Error::Busy(text) => Self::unavailable(text),
            // The event is the plugin's own, and no mistake of the caller's.
            Error::Invalid(text) | Error::Other(text) => Self::other(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FailureKind;
    use serde_json::json;

    #[test]
    fn data_is_an_object() {
        for (data, good) in [(json!({}), true), (json!({"a": [1]}), true), (json!([]), false), (json!("a"), false), (json!(null), false)] {
            assert_eq!(Event::new(data.clone()).into_wit().is_ok(), good, "{data}");
            assert_eq!(publish("a", Event::new(data.clone())).is_ok(), good, "{data}");
        }
        assert_eq!(Event::new(1).into_events().unwrap_err().kind(), FailureKind::Other);
    }

    #[test]
    fn events_come_in_any_number() {
        let event = || Event::new(json!({"a": 1})).kind("k");
        let expected = types::Event { data: r#"{"a":1}"#.into(), source: None, severity: None, kind: Some("k".into()) };
        assert_eq!(event().into_events().unwrap(), [expected.clone()]);
        assert_eq!(Ok::<_, Failure>(Some(event())).into_events().unwrap(), [expected.clone()]);
        assert_eq!(alloc::vec![event(), event()].into_events().unwrap(), [expected.clone(), expected]);
        assert!(None::<Event<u8>>.into_events().unwrap().is_empty());
    }

    #[test]
    fn a_refusal_says_whose_fault_it_is() {
        for (error, kind) in [
            (Error::Denied("x".into()), FailureKind::Denied),
            (Error::Busy("x".into()), FailureKind::Unavailable),
            (Error::Invalid("x".into()), FailureKind::Other),
        ] {
            assert_eq!(Failure::from(error).kind(), kind);
        }
    }
}
