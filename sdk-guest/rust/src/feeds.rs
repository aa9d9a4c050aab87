//! Sources of events that a plugin runs itself: `#[feed]`.

use crate::bindings::imports::types;
use crate::{Event, Failure, Result, events};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::time::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A running source of events, which a `#[feed]` opens. It has an instance of its own for as long as anybody listens, so its fields are
/// there from one `next` to the other; its memory has to be bounded by itself.
///
/// ```
/// # #[cofferdam_plugin::plugin]
/// # mod clock {
/// use cofferdam_plugin::prelude::*;
/// use core::time::Duration;
///
/// #[derive(Serialize, JsonSchema)]
/// struct Tick { seconds: u64 }
///
/// struct Ticks { seconds: u64 }
///
/// impl Feed for Ticks {
///     type Event = Tick;
///
///     fn next(&mut self, timeout: Duration) -> Result<Option<Vec<Event<Tick>>>> {
///         std::thread::sleep(timeout.min(Duration::from_secs(1)));
///         self.seconds += 1;
///         Ok(Some(vec![Event::new(Tick { seconds: self.seconds })]))
///     }
/// }
///
/// /// Ticks about once a second.
/// #[feed(topic = "ticks")]
/// fn ticks() -> Ticks {
///     Ticks { seconds: 0 }
/// }
/// # }
/// # fn main() -> cofferdam_plugin::Result<()> {
/// # use cofferdam_plugin::{prelude::*, testing::Client};
/// # let feed = Client::<clock::Plugin>::new().feed("ticks", json!({}))?;
/// # let events = feed.next(core::time::Duration::ZERO)?.unwrap();
/// # assert_eq!(events[0].data, json!({"seconds": 1}));
/// # Ok(())
/// # }
/// ```
pub trait Feed {
    /// The data of its events, which is written as a JSON object. Its schema goes into the catalog.
    type Event: Serialize + JsonSchema;

    /// The next events, within `timeout`: an empty list means nothing yet, none means that the feed has ended. Waiting is
    /// `std::thread::sleep`, or a call to the host that waits; the host stops a feed that nobody listens to while it waits.
    ///
    /// # Errors
    /// A failure ends the feed; the host opens it again after a while.
    fn next(&mut self, timeout: Duration) -> Result<Option<Vec<Event<Self::Event>>>>;
}

impl<T: Serialize + JsonSchema> Feed for Box<dyn Feed<Event = T>> {
    type Event = T;

    fn next(&mut self, timeout: Duration) -> Result<Option<Vec<Event<T>>>> {
        (**self).next(timeout)
    }
}

/// What a `#[feed]` may return: a [`Feed`], or a `Result` of one. For one of several, there is `Box<dyn Feed<Event = T>>`.
#[diagnostic::on_unimplemented(
    message = "a feed cannot return `{Self}`",
    label = "no feed",
    note = "return a type that implements `Feed`, or a `Result` of one"
)]
pub trait IntoFeed {
    /// What runs.
    type Feed: Feed;

    /// Makes the feed.
    ///
    /// # Errors
    /// Whatever the function failed with.
    fn into_feed(self) -> Result<Self::Feed>;
}

impl<F: Feed> IntoFeed for F {
    type Feed = F;

    fn into_feed(self) -> Result<F> {
        Ok(self)
    }
}

impl<F: Feed, E: Into<Failure>> IntoFeed for Result<F, E> {
    type Feed = F;

    fn into_feed(self) -> Result<F> {
        self.map_err(Into::into)
    }
}

/// What a subscriber asked for. The host looks at every event itself: a feed only uses this to produce less.
///
/// ```
/// use cofferdam_plugin::{Filters, prelude::json, serde_json::from_value};
///
/// let filters: Filters = from_value(json!({"severity": ["error", "critical"], "source": "db1"})).unwrap();
/// assert!(filters.takes("severity", "error") && !filters.takes("severity", "info"));
/// assert!(filters.takes("source", "db1") && filters.takes("zone", "anything"));
/// assert_eq!(filters.pattern(), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Filters(Map<String, Value>);

impl Filters {
    /// Whether events are wanted that have this text as `member`: `source`, `severity`, `event_types`, or a path into the data.
    #[must_use]
    pub fn takes(&self, member: &str, text: &str) -> bool {
        match self.0.get(member) {
            None => true,
            Some(Value::Array(values)) => values.iter().any(|value| value == text),
            Some(value) => value == text,
        }
    }

    /// The regular expression that a text of the data has to fit, if there is one.
    #[must_use]
    pub fn pattern(&self) -> Option<&str> {
        self.0.get("pattern")?.as_str()
    }

    /// A member, as it was asked for: one value, or a list of those that may be.
    #[must_use]
    pub fn get(&self, member: &str) -> Option<&Value> {
        self.0.get(member)
    }
}

/// A feed of any kind, opened.
pub struct OpenFeed(RefCell<Box<dyn Next>>);

impl OpenFeed {
    /// The next events as the host gets them.
    ///
    /// # Errors
    /// What the feed fails with.
    pub fn next(&self, timeout: Duration) -> Result<Option<Vec<types::Event>>> {
        self.0.borrow_mut().next_written(timeout)
    }
}

impl fmt::Debug for OpenFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenFeed").finish_non_exhaustive()
    }
}

/// A feed without the type of its events.
trait Next {
    fn next_written(&mut self, timeout: Duration) -> Result<Option<Vec<types::Event>>>;
}

impl<F: Feed> Next for F {
    fn next_written(&mut self, timeout: Duration) -> Result<Option<Vec<types::Event>>> {
        self.next(timeout)?.map(events::written).transpose()
    }
}

/// Makes of what a `#[feed]` returned what the host runs.
///
/// # Errors
/// Whatever the function failed with.
pub fn open<F: IntoFeed<Feed: 'static>>(feed: F) -> Result<OpenFeed> {
    Ok(OpenFeed(RefCell::new(Box::new(feed.into_feed()?))))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Client, Report};
    use crate::{Event, FailureKind};
    use alloc::string::ToString;
    use alloc::vec::Vec;
    use core::time::Duration;
    use serde_json::json;

    #[crate::plugin(topic(name = "numbers", description = "Numbers that go up", retained = 3, overflow = "coalesce"), topic(name = "told"))]
    mod counting {
        use crate::prelude::*;
        use core::time::Duration;

        #[derive(Serialize, JsonSchema)]
        struct Number {
            number: u32,
        }

        struct Up {
            from: u32,
            to: u32,
            topic: String,
        }

        impl Feed for Up {
            type Event = Number;

            fn next(&mut self, _: Duration) -> Result<Option<Vec<Event<Number>>>> {
                if self.from == self.to {
                    return Ok(None);
                }
                self.from += 1;
                events::publish("told", Event::new(json!({"at": self.from})))?;
                match self.from {
                    5 => Err(Failure::unavailable("five is missing")),
                    number => Ok(Some(vec![Event::new(Number { number }).source(self.topic.clone()).kind("up")])),
                }
            }
        }

        #[derive(Deserialize)]
        struct Range {
            from: u32,
            to: Option<u32>,
        }

        /// Not what the topic says of itself
        #[feed(topic = "numbers")]
        fn numbers(cx: &Context, topic: &str, range: Range) -> Result<Up> {
            if cx.caller().tenant() != "test" {
                return Err(Failure::denied("not you"));
            }
            Ok(Up { from: range.from, to: range.to.unwrap_or(u32::MAX), topic: topic.into() })
        }

        /// Numbers of one kind.
        #[feed(topic = "kinds/{kind}")]
        fn kinds(topic: &str, filters: Filters) -> Box<dyn Feed<Event = Number>> {
            Box::new(Up { from: 0, to: u32::from(filters.takes("source", "a")), topic: topic.into() })
        }
    }

    type Counting = Client<counting::Plugin>;

    #[test]
    fn a_feed_runs_until_it_ends() {
        let client = Counting::new();
        let feed = client.feed("numbers", json!({"from": 1, "to": 3})).unwrap();
        let event = |number: u32| Event::new(json!({"number": number})).source("numbers").kind("up");
        assert_eq!(feed.next(Duration::ZERO).unwrap().unwrap(), [event(2)]);
        assert_eq!(feed.next(Duration::ZERO).unwrap().unwrap(), [event(3)]);
        assert!(feed.next(Duration::ZERO).unwrap().is_none());
        let told: Vec<_> = client.reports();
        assert_eq!(told.len(), 2);
        assert_eq!(told[0], Report::Published { topic: "told".to_string(), event: Event::new(json!({"at": 2})) });
    }

    #[test]
    fn a_feed_fails_when_it_is_opened_or_while_it_runs() {
        assert_eq!(Counting::new().tenant("other").feed("numbers", json!({"from": 1})).unwrap_err().kind(), FailureKind::Denied);
        assert_eq!(Counting::new().feed("numbers", json!({})).unwrap_err().kind(), FailureKind::Invalid);
        assert_eq!(Counting::new().feed("letters", json!({})).unwrap_err().kind(), FailureKind::NotFound);
        let feed = Counting::new().feed("numbers", json!({"from": 4})).unwrap();
        assert_eq!(feed.next(Duration::ZERO).unwrap_err().message(), "five is missing");
    }

    #[test]
    fn a_feed_may_stand_for_many_topics() {
        let feed = Counting::new().feed("kinds/odd", json!({})).unwrap();
        assert_eq!(feed.next(Duration::ZERO).unwrap().unwrap()[0].source.as_deref(), Some("kinds/odd"));
        let feed = Counting::new().feed("kinds/odd", json!({"source": "b"})).unwrap();
        assert!(feed.next(Duration::ZERO).unwrap().is_none());
        assert!(Counting::new().feed("kinds/odd/1", json!({})).is_err());
    }

    #[test]
    fn the_catalog_has_what_the_topic_says_and_the_rest_from_the_feed() {
        let catalog = Counting::new().catalog();
        let [numbers, told, kinds] = &catalog.topics[..] else { panic!("{:?}", catalog.topics) };
        assert_eq!((numbers.description.as_deref(), numbers.retained, numbers.feed), (Some("Numbers that go up"), 3, true));
        assert_eq!((kinds.description.as_deref(), kinds.retained, kinds.feed), (Some("Numbers of one kind."), 0, true));
        assert_eq!((told.feed, told.event_schema.as_deref()), (false, None));
        assert!(numbers.event_schema.as_deref().is_some_and(|schema| schema.contains(r#""number""#)));
        assert_eq!(numbers.event_schema, kinds.event_schema);
    }
}
