//! Feeds of plugins: opened in a sandbox, and what comes out of it checked.

use super::{Events, Feeds, Source, Trouble};
use crate::caps::budget::CallTag;
use crate::caps::host::escape_within;
use crate::dispatch::encode::failure_text;
use crate::ids::CallRef;
use crate::limits::Limits;
use crate::mcp::strict;
use crate::registry::topics::Topic;
use crate::registry::{Binding, Registry};
use crate::runtime::{Feed, GuestError, Opening};
use crate::topics::{FeedKey, NewEvent};
use crate::wit::cofferdam::mcp::types::{Event, Failure};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;

/// The plugins in force.
pub struct Guests {
    // What is loaded has the topics, and they have us.
    registry: Weak<Registry>,
    limits: Arc<Limits>,
}

/// The binding that a feed runs in.
pub struct InForce(Arc<Binding>);

impl PartialEq for InForce {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// A plugin's feed that is open.
pub struct GuestFeed {
    feed: Feed,
    about: About,
    limits: Arc<Limits>,
}

/// Whose feed it is.
struct About {
    binding: Arc<Binding>,
    topic: Arc<str>,
    /// Finds everything that one run of the feed has in the log.
    reference: CallRef,
}

impl Feeds<Guests> {
    /// Feeds of the plugins in force.
    #[must_use]
    pub fn of_plugins(registry: &Arc<Registry>, on: tokio::runtime::Handle, limits: &Arc<Limits>) -> Arc<Self> {
        let guests = Guests { registry: Arc::downgrade(registry), limits: Arc::clone(limits) };
        Self::new(guests, registry.topics(), on, Arc::clone(limits))
    }
}

impl Source for Guests {
    type Of = InForce;
    type Feed = GuestFeed;

    fn in_force(&self, key: &FeedKey) -> Option<InForce> {
        let snapshot = self.registry.upgrade()?.in_force();
        let (binding, topic) = snapshot.topic(key.plugin.as_str(), &key.topic)?;
        (topic.declared.feed && binding.tenant == key.tenant).then(|| InForce(Arc::clone(binding)))
    }

    fn swaps(&self) -> watch::Receiver<bool> {
        self.registry.upgrade().map_or_else(|| watch::Sender::new(true).subscribe(), |registry| registry.swaps())
    }

    async fn open(&self, of: &InForce, key: &FeedKey) -> Result<GuestFeed, Trouble> {
        let (binding, reference) = (Arc::clone(&of.0), CallRef::next());
        let about = About { binding, topic: Arc::clone(&key.topic), reference };
        let opening = Opening {
            topic: Arc::clone(&key.topic),
            filters: Arc::clone(&key.filters),
            tag: CallTag { reference, tenant: key.tenant.clone(), plugin: key.plugin.clone() },
            limits: about.binding.limits.clone(),
        };
        match about.binding.guest.open_feed(opening).await {
            Ok(Ok(feed)) => Ok(GuestFeed { feed, about, limits: Arc::clone(&self.limits) }),
            Ok(Err(failure)) => Err(about.refused(failure)),
            Err(error) => Err(about.failed(&error)),
        }
    }
}

impl Events for GuestFeed {
    async fn next(self, wait: Duration) -> Result<Option<(Self, Vec<NewEvent>)>, Trouble> {
        let Self { feed, about, limits } = self;
        let (feed, events) = match feed.next(wait).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => return Err(about.refused(failure)),
            Err(error) => return Err(about.failed(&error)),
        };
        let same = Self { feed, about, limits };
        let Some(events) = events else {
            same.close().await;
            return Ok(None);
        };
        let topic = same.about.binding.catalog.topics.iter().find(|topic| topic.declared.pattern.matches(&same.about.topic));
        match check(events, topic, &same.limits) {
            Ok(events) => Ok(Some((same, events))),
            Err(error) => Err(same.about.failed(&error)),
        }
    }

    async fn close(self) {
        if let Err(error) = self.feed.close().await {
            self.about.failed(&error);
        }
    }
}

impl About {
    fn failed(&self, error: &GuestError) -> Trouble {
        let (reference, topic, Binding { tenant, plugin, revision, .. }) = (self.reference, &self.topic, &*self.binding);
        let (revision, error_text) = (revision.short(), shown(&error.to_string()));
        if matches!(error, GuestError::HostPanic(_)) {
            tracing::error!(%reference, %plugin, %revision, %tenant, %topic, error = error_text, "the host failed during a feed");
        } else {
            tracing::warn!(%reference, %plugin, %revision, %tenant, %topic, error = error_text, "a feed failed");
        }
        Trouble::Passing
    }

    /// The guest says itself that it cannot go on.
    fn refused(&self, failure: Failure) -> Trouble {
        let lasting = matches!(failure, Failure::Invalid(_) | Failure::NotFound(_) | Failure::Denied(_));
        let text = failure_text(failure);
        let (reference, topic, Binding { tenant, plugin, revision, .. }) = (self.reference, &self.topic, &*self.binding);
        let (revision, said) = (revision.short(), shown(&text));
        tracing::info!(%reference, %plugin, %revision, %tenant, %topic, lasting, said, "a feed says that it cannot go on");
        if lasting { Trouble::Final(text) } else { Trouble::Passing }
    }
}

fn shown(text: &str) -> String {
    escape_within(text, Limits::default().log_line_bytes_max)
}

/// Events that may be published.
fn check(events: Vec<Event>, topic: Option<&Topic>, limits: &Limits) -> Result<Vec<NewEvent>, GuestError> {
    let (most, count) = (limits.feed_events_max, events.len());
    if count > most {
        return Err(GuestError::BadReply(format!("{count} events at once; the limit is {most} (feed_events_max)")));
    }
    let schema = topic.and_then(|topic| topic.event.as_ref());
    let one = |(at, event): (usize, Event)| {
        let bad = |why: String| GuestError::BadReply(format!("event {at}: {why}"));
        let Event { data, source, severity, kind } = event;
        let labels: usize = [&source, &severity, &kind].into_iter().flatten().map(String::len).sum();
        if data.len() + labels > limits.event_bytes_max {
            return Err(bad(format!("it is larger than {} bytes (event_bytes_max)", limits.event_bytes_max)));
        }
        let value = strict::parse(&data).map_err(|error| bad(format!("its data is not JSON: {error}")))?;
        if !value.is_object() {
            return Err(bad("its data is not a JSON object".to_owned()));
        }
        match schema.and_then(|schema| schema.problems(&value)) {
            Some(problems) => Err(bad(format!("its data does not fit the topic's schema: {problems}"))),
            None => Ok(NewEvent { data, source, severity, kind }),
        }
    };
    events.into_iter().enumerate().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_checked() {
        let limits = Limits { feed_events_max: 3, event_bytes_max: 20, ..Limits::default() };
        let event =
            |data: &str, kind: Option<&str>| Event { data: data.to_owned(), source: None, severity: None, kind: kind.map(str::to_owned) };
        let good = check(vec![event("{\"a\": 1}", Some("tick"))], None, &limits).unwrap();
        assert_eq!(good, [NewEvent { data: "{\"a\": 1}".to_owned(), kind: Some("tick".to_owned()), ..NewEvent::default() }]);
        for (events, expected) in [
            (vec![event("{}", None), event("{\"a\":", None)], "event 1: its data is not JSON"),
            (vec![event("[1]", None)], "event 0: its data is not a JSON object"),
            (vec![event("{\"a\":1,\"a\":2}", None)], "the key \"a\" occurs twice"),
            (vec![event("{\"a\": \"xxxxxxxxxxxx\"}", None)], "larger than 20 bytes (event_bytes_max)"),
            (vec![event("{}", Some("xxxxxxxxxxxxxxxxxxx"))], "larger than 20 bytes (event_bytes_max)"),
            (vec![event("{}", None); 4], "4 events at once; the limit is 3 (feed_events_max)"),
        ] {
            let error = check(events, None, &limits).unwrap_err().to_string();
            assert!(error.starts_with("bad reply: ") && error.contains(expected), "{error}");
        }
    }
}
