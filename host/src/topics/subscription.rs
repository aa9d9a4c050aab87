//! One subscription: what was retained since the event that it names, then what is published.

use super::channel::Channel;
use super::filter::Filter;
use super::hub::{FeedKey, Topics, lock};
use super::queue::{Delivery, Queue};
use super::tenant::Tenant;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

/// A subscription; it ends when it is dropped.
pub struct Subscription {
    parts: Parts,
    /// What was retained is handed over up to this event; `LIVE` when all of it is.
    replayed: AtomicU64,
}

/// No event has this id.
const LIVE: u64 = u64::MAX;
/// Events that are handed over at once from what was retained. A queue holds as many, however large they are.
const REPLAY_EVENTS: usize = 4;

/// What a subscription takes with it.
pub(super) struct Parts {
    pub(super) topics: Arc<Topics>,
    pub(super) tenant: Arc<Mutex<Tenant>>,
    pub(super) number: u64,
    pub(super) filter: Arc<Filter>,
    pub(super) joined: Vec<FeedKey>,
    pub(super) queue: Arc<Queue>,
    /// Whether a feed may wait until there is room.
    pub(super) has_feed: bool,
    pub(super) _counted: Counted,
}

impl Subscription {
    /// `after`: first what was retained since that event. The queue is paused then.
    pub(super) fn new(parts: Parts, after: Option<u64>) -> Self {
        Self { parts, replayed: AtomicU64::new(after.unwrap_or(LIVE)) }
    }

    /// Hands over the next of what was retained, in the order of publishing, whatever topic it is of. False when that is over: then what is
    /// published comes.
    fn replay(&self) -> bool {
        let after = self.replayed.load(Ordering::Relaxed);
        if after == LIVE {
            return false;
        }
        let tenant = lock(&self.parts.tenant);
        let channels = || self.parts.joined.iter().filter_map(|key| tenant.channel(key));
        if channels().any(|channel| channel.misses(after)) {
            self.parts.queue.lag();
        }
        let next_of =
            |channel| Channel::retained_after(channel, after).filter(|event| self.parts.filter.matches(event)).take(REPLAY_EVENTS);
        let mut events: Vec<_> = channels().flat_map(next_of).cloned().collect();
        events.sort_by_key(|event| event.id);
        let more = events.len() >= REPLAY_EVENTS;
        events.truncate(REPLAY_EVENTS);
        let last = events.last().filter(|_| more).map_or(LIVE, |event| event.id);
        self.parts.queue.replay(&events, more);
        self.replayed.store(last, Ordering::Relaxed);
        true
    }

    fn made_room(&self) {
        if self.parts.has_feed {
            self.parts.topics.made_room();
        }
    }

    /// Whether something waits that nobody has taken yet.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        self.parts.queue.has_waiting()
    }

    /// What comes next, if it is there.
    pub fn take(&self) -> Option<Delivery> {
        let taken = self.parts.queue.take().or_else(|| self.replay().then(|| self.parts.queue.take()).flatten());
        self.made_room();
        taken
    }

    /// What comes next; `Ready(None)` after the end.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let mut polled = self.parts.queue.poll(cx);
        while polled.is_pending() && self.replay() {
            polled = self.parts.queue.poll(cx);
        }
        if polled.is_ready() {
            self.made_room();
        }
        polled
    }

    /// Waits for what comes next; none after the end.
    pub async fn next(&self) -> Option<Delivery> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        lock(&self.parts.tenant).leave(self.parts.number, &self.parts.filter, &self.parts.joined, &self.parts.topics);
        self.made_room();
    }
}

/// One of the subscriptions that a caller may have; it ends when it is dropped.
pub struct Counted {
    tenant: Arc<Mutex<Tenant>>,
    subject: String,
}

impl Counted {
    pub(super) fn new(tenant: Arc<Mutex<Tenant>>, subject: &str) -> Self {
        Self { tenant, subject: subject.to_owned() }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        lock(&self.tenant).uncount(&self.subject);
    }
}

/// Keeps a feed running, and its owner told of news; it ends when this is dropped.
pub struct Watching {
    topics: Arc<Topics>,
    tenant: Arc<Mutex<Tenant>>,
    key: FeedKey,
    number: u64,
}

impl Watching {
    pub(super) fn new(topics: Arc<Topics>, tenant: Arc<Mutex<Tenant>>, key: FeedKey, number: u64) -> Self {
        Self { topics, tenant, key, number }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        lock(&self.tenant).change(&self.key, &self.topics, |channel| channel.unwatch(self.number));
    }
}
