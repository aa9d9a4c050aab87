//! Requests of webhooks, of which a `#[webhook]` makes events.

use crate::bindings::webhook::Header;
use crate::{Event, Failure, Result};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// A request of a webhook. The host has verified its signature; that and other credentials are not among its headers.
#[derive(Clone, Debug)]
pub struct Webhook {
    topic: String,
    headers: Vec<Header>,
    body: Vec<u8>,
}

impl Webhook {
    pub(crate) const fn new(topic: String, headers: Vec<Header>, body: Vec<u8>) -> Self {
        Self { topic, headers, body }
    }

    /// The topic that it was sent to, with values in the place of variables.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The value of the first header field of this name, in either case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The header fields, names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|header| (header.name.as_str(), header.value.as_str()))
    }

    /// The body, as it was sent.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The body as JSON of a type of yours.
    ///
    /// # Errors
    /// [`Failure::invalid`] when it is no such JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body).map_err(|error| Failure::invalid(format!("the body: {error}")))
    }

    /// What the host does itself when there is no function: the body is the event's data.
    ///
    /// # Errors
    /// [`Failure::invalid`] when it is no JSON object.
    pub fn as_event(&self) -> Result<Event<&RawValue>> {
        let data: &RawValue = serde_json::from_slice(&self.body).map_err(|error| Failure::invalid(format!("the body: {error}")))?;
        match data.get().starts_with('{') {
            true => Ok(Event::new(data)),
            false => Err(Failure::invalid("the body is no JSON object")),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::Client;
    use crate::{Event, FailureKind};
    use alloc::string::ToString;
    use serde_json::json;

    #[crate::plugin(topic(name = "plain"))]
    mod hooked {
        use crate::prelude::*;

        #[derive(Deserialize)]
        struct Push {
            commits: Vec<String>,
        }

        #[derive(Serialize)]
        struct Commit {
            id: String,
        }

        /// Commits, as they are pushed.
        #[webhook(topic = "commits/{repository}")]
        fn push(cx: &Context, webhook: &Webhook) -> Result<Vec<Event<Commit>>> {
            let push: Push = webhook.json()?;
            let kind = webhook.header("X-Event").unwrap_or(cx.caller().tenant());
            let event = |id| Event::new(Commit { id }).source(webhook.topic()).kind(kind);
            Ok(push.commits.into_iter().map(event).collect())
        }
    }

    type Hooked = Client<hooked::Plugin>;

    #[test]
    fn a_request_becomes_events() {
        let push = json!({"commits": ["a1", "b2"]}).to_string();
        let events = Hooked::new().webhook("commits/main", &[("x-event", "push")], &push).unwrap();
        let event = |id: &str| Event::new(json!({"id": id})).source("commits/main").kind("push");
        assert_eq!(events, [event("a1"), event("b2")]);
        assert_eq!(Hooked::new().webhook("commits/main", &[], &push).unwrap()[0].kind.as_deref(), Some("test"));
        assert_eq!(Hooked::new().webhook("commits/main", &[], "{}").unwrap_err().kind(), FailureKind::Invalid);
    }

    #[test]
    fn a_topic_without_a_function_takes_the_body() {
        assert_eq!(Hooked::new().webhook("plain", &[], r#" {"a": 1} "#).unwrap(), [Event::new(json!({"a": 1}))]);
        for body in ["[]", "", "{", "1"] {
            assert_eq!(Hooked::new().webhook("plain", &[], body).unwrap_err().kind(), FailureKind::Invalid, "{body}");
        }
    }

    #[test]
    fn its_topic_is_in_the_catalog() {
        let catalog = Hooked::new().catalog();
        let commits = catalog.topics.iter().find(|topic| topic.name == "commits/{repository}").unwrap();
        assert_eq!((commits.description.as_deref(), commits.feed), (Some("Commits, as they are pushed."), false));
    }
}
