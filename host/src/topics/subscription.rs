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

/// Events that are looked at for that while nobody else of the tenant can publish.
const LOOKED_AT: usize = 32;

/// What a subscription takes with it.
pub(super) struct Parts {
    pub(super) topics: Arc<Topics>,
    pub(super) tenant: Arc<Mutex<Tenant>>,
    pub(super) number: u64,
    pub(super) filter: Arc<Filter>,
    pub(super) joined: Vec<FeedKey>,
    pub(super) queue: Arc<Queue>,
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
        let channels = || self.parts.joined.iter().map(|key| tenant.channel(key));
        // A topic that is gone has taken with it what it kept.
        if channels().any(|channel| channel.is_none_or(|channel| channel.misses(after))) {
            self.parts.queue.lag();
        }
        let next_of = |channel| Channel::retained_after(channel, after).take(LOOKED_AT);
        let mut next: Vec<_> = channels().flatten().flat_map(next_of).cloned().collect();
        next.sort_by_key(|event| event.id);
        let mut more = next.len() >= LOOKED_AT;
        next.truncate(LOOKED_AT);
        let (mut events, mut last) = (Vec::with_capacity(REPLAY_EVENTS), after);
        for event in next {
            if events.len() == REPLAY_EVENTS {
                more = true;
                break;
            }
            last = event.id;
            if self.parts.filter.matches(&event) {
                events.push(event);
            }
        }
        self.parts.queue.replay(&events, more);
        self.replayed.store(if more { last } else { LIVE }, Ordering::Relaxed);
        true
    }

    fn made_room(&self) {
        self.parts.topics.made_room();
    }

    /// Whether something waits that nobody has taken yet.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        self.parts.queue.has_waiting()
    }

    /// What comes next, if it is there.
    pub fn take(&self) -> Option<Delivery> {
        let mut taken = self.parts.queue.take();
        while taken.is_none() && self.replay() {
            taken = self.parts.queue.take();
        }
        self.made_room();
        taken
    }

    /// What comes next; `Ready(None)` after the end.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let mut polled = self.parts.queue.poll(cx);
        if polled.is_pending() && self.replay() {
            polled = self.parts.queue.poll(cx);
            // Others get their turn before there is more to look through.
            if polled.is_pending() && self.replayed.load(Ordering::Relaxed) != LIVE {
                cx.waker().wake_by_ref();
            }
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
