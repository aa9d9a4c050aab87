//! Everything that is published and subscribed to, by tenant. What one tenant publishes happens in turn, so that event ids grow the same
//! way for everybody; tenants do not wait for each other.

use super::changes::{Change, Changes};
use super::channel::{Channel, Overflow};
use super::event::{Event, NewEvent};
use super::filter::Filter;
use super::name::{BadTopic, TopicPattern, check_topic, topic_uri};
use super::queue::{Bounds, Notice, Queue};
use super::subscription::{Counted, Parts, Subscription, Watching};
use super::tenant::{EVERYTHING, Tenant};
use crate::clock::Clock;
use crate::ids::{PluginName, TenantId};
use crate::limits::Limits;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use tokio::sync::Notify;

/// A topic that a plugin offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Which topics.
    pub pattern: TopicPattern,
    /// How many events of each are kept.
    pub retained_max: usize,
    /// What happens when a subscriber does not keep up.
    pub overflow: Overflow,
    /// Whether the plugin has a feed for it.
    pub feed: bool,
}

/// Which feed: the plugin makes one for each topic and filter that somebody listens to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FeedKey {
    /// Whose data it works on.
    pub tenant: TenantId,
    /// Whose code runs.
    pub plugin: PluginName,
    /// The topic's name in the plugin.
    pub topic: Arc<str>,
    /// The canonical filter.
    pub filters: Arc<str>,
}

/// Runs feeds. Its functions are called while nothing can be published, so they return at once and publish nothing themselves. Each start
/// is followed by one stop, or by one [`Topics::end`] when the feed is over by itself, before the next start.
pub trait FeedRunner: Send + Sync {
    /// Somebody listens now.
    fn start(&self, key: &FeedKey);
    /// Nobody listens any more, or the plugin has no such feed any more.
    fn stop(&self, key: &FeedKey);
}

/// Who subscribes.
#[derive(Debug, Clone, Copy)]
pub struct Subscriber<'a> {
    /// The tenant.
    pub tenant: &'a TenantId,
    /// The user or service within it.
    pub subject: &'a str,
}

/// A topic that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The plugin.
    pub plugin: PluginName,
    /// The topic's name in it.
    pub topic: String,
}

/// Why an event was not published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The plugin has no such topic.
    #[error("the plugin's catalog has no topic {0:?}")]
    UnknownTopic(String),
    /// It is larger than an event may be.
    #[error("an event has at most {0} bytes (event_bytes_max)")]
    TooLarge(usize),
    /// Too many of the plugin's in a short time.
    #[error("the plugin publishes more than {0} events a second (events_per_second_max)")]
    TooFast(u32),
    /// Too many topics of the plugin are in use.
    #[error("the plugin has {0} topics in use already (topics_live_max)")]
    TooManyTopics(usize),
}

/// Why there is no subscription.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// Not a name.
    #[error(transparent)]
    Name(#[from] BadTopic),
    /// There is no such topic.
    #[error("there is no topic {0:?}")]
    UnknownTopic(String),
    /// The caller has as many as it may have.
    #[error("a caller has at most {0} subscriptions at the same time (subscriptions_per_caller_max): end one first")]
    TooMany(usize),
    /// The tenant has as many as it may have.
    #[error("a tenant has at most {0} subscriptions at the same time (subscriptions_per_tenant_max): try again later")]
    TenantTooMany(usize),
    /// Too many topics of the plugin are in use.
    #[error("the plugin has {0} topics in use already (topics_live_max): try again later")]
    TooManyTopics(usize),
}

/// Every topic of the host.
pub struct Topics {
    pub(super) limits: Arc<Limits>,
    clock: Clock,
    changes: Arc<Changes>,
    tenants: RwLock<HashMap<TenantId, Arc<Mutex<Tenant>>>>,
    runner: OnceLock<Arc<dyn FeedRunner>>,
    updated: Mutex<Vec<Updated>>,
    any_updated: Notify,
    room: Notify,
    /// How many wait for room.
    waiting_for_room: AtomicUsize,
}

/// A topic whose watchers are to be told.
struct Updated {
    tenant: TenantId,
    uri: Arc<str>,
    noted: Arc<AtomicBool>,
}

impl Topics {
    /// Nothing is published yet. Resources that stand for topics are reported to `changes`.
    #[must_use]
    pub fn new(changes: Arc<Changes>, limits: Arc<Limits>, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            limits,
            clock,
            changes,
            tenants: RwLock::default(),
            runner: OnceLock::new(),
            updated: Mutex::default(),
            any_updated: Notify::new(),
            room: Notify::new(),
            waiting_for_room: AtomicUsize::new(0),
        })
    }

    /// Says once who runs feeds.
    pub fn run_feeds_with(&self, runner: Arc<dyn FeedRunner>) {
        let _ = self.runner.set(runner);
    }

    fn tenant(&self, id: &TenantId) -> Arc<Mutex<Tenant>> {
        if let Some(tenant) = self.tenants.read().unwrap_or_else(PoisonError::into_inner).get(id) {
            return Arc::clone(tenant);
        }
        // Ids of a host that starts later are larger, unless a thousand events a millisecond were published before.
        let last_id = self.clock.since_epoch_ms().min(1 << 42) << 10;
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tenants.entry(id.clone()).or_insert_with(|| Arc::new(Mutex::new(Tenant::new(last_id)))))
    }

    /// What a plugin offers from now on. Topics that it had and has no more end; those who only watch them are told when they are back.
    pub fn declare(&self, id: &TenantId, plugin: &PluginName, declared: Vec<Declared>) {
        let tenant = self.tenant(id);
        let mut tenant = lock(&tenant);
        let of = tenant.plugin(plugin, &self.limits);
        let why: Arc<str> = "the topic is not offered any more".into();
        of.declare(declared, &self.limits, |name, filters, channel, found| {
            let key = || FeedKey { tenant: id.clone(), plugin: plugin.clone(), topic: Arc::clone(name), filters: Arc::clone(filters) };
            self.run_feed(channel, found.is_some_and(|declared| declared.feed) && channel.is_wanted(), key);
            if found.is_none() {
                channel.end(&why);
            }
        });
        drop(tenant);
        self.made_room();
    }

    /// Starts or stops the feed of a channel, unless it is as wanted.
    pub(super) fn run_feed(&self, channel: &mut Channel, wanted: bool, key: impl FnOnce() -> FeedKey) {
        let Some(runner) = self.runner.get() else { return };
        if std::mem::replace(&mut channel.running, wanted) == wanted {
            return;
        }
        if wanted { runner.start(&key()) } else { runner.stop(&key()) }
    }

    /// Refuses what is larger than an event may be.
    pub fn check_size(&self, new: &NewEvent) -> Result<(), PublishError> {
        let most = self.limits.event_bytes_max;
        if new.size_bytes() > most { Err(PublishError::TooLarge(most)) } else { Ok(()) }
    }

    /// Publishes an event of a plugin. Nobody is waited for. Returns the event's id.
    pub fn publish(&self, tenant: &TenantId, plugin: &PluginName, topic: &str, new: NewEvent) -> Result<u64, PublishError> {
        self.publish_to(tenant, plugin, topic, None, new)
    }

    /// Publishes an event of a feed, for those who listen to that feed.
    pub fn publish_from_feed(&self, key: &FeedKey, new: NewEvent) -> Result<u64, PublishError> {
        self.publish_to(&key.tenant, &key.plugin, &key.topic, Some(&key.filters), new)
    }

    fn publish_to(
        &self,
        id: &TenantId,
        plugin: &PluginName,
        topic: &str,
        feed: Option<&Arc<str>>,
        new: NewEvent,
    ) -> Result<u64, PublishError> {
        self.check_size(&new)?;
        let limits = &self.limits;
        let unknown = || PublishError::UnknownTopic(topic.chars().take(64).collect());
        let tenant = self.tenant(id);
        let mut tenant = lock(&tenant);
        let event_id = tenant.last_id + 1;
        let of = tenant.plugins.get_mut(plugin).ok_or_else(unknown)?;
        let declared = of.declared(topic).ok_or_else(unknown)?.clone();
        if of.rate.check().is_err() {
            return Err(PublishError::TooFast(limits.events_per_second_max));
        }
        let known = of.channels.get(topic).is_some_and(|channels| feed.is_none_or(|filters| channels.contains_key(filters)));
        if !known {
            // A feed whose last listener has just gone has nobody to publish for.
            if feed.is_some() {
                return Ok(tenant.last_id);
            }
            of.channel(plugin, topic, Arc::from(EVERYTHING), &declared, limits)
                .ok_or(PublishError::TooManyTopics(limits.topics_live_max))?;
        }
        let name = of.name_of(topic).ok_or_else(unknown)?;
        let event = Event::new(event_id, name, self.clock.since_epoch_ms(), new);
        let published = of.publish(topic, feed, &Arc::new(event), limits.topic_retained_bytes_max);
        tenant.last_id = event_id;
        drop(tenant);
        for reader in published.wake {
            reader.wake();
        }
        if let Some(noted) = published.watched {
            let uri = topic_uri(plugin.as_str(), topic).into();
            lock(&self.updated).push(Updated { tenant: id.clone(), uri, noted });
            self.any_updated.notify_one();
        }
        Ok(event_id)
    }

    /// One more subscription of a caller's, of whatever kind; it is one less when what comes back is dropped.
    pub fn count(&self, subscriber: Subscriber<'_>) -> Result<Counted, SubscribeError> {
        let shared = self.tenant(subscriber.tenant);
        lock(&shared).count(subscriber.subject, &self.limits)?;
        Ok(Counted::new(shared, subscriber.subject))
    }

    /// Subscribes to topics, under one filter and with one queue. `after`: first what was retained since that event.
    pub fn subscribe(
        self: &Arc<Self>,
        subscriber: Subscriber<'_>,
        wanted: &[Wanted],
        filter: &Arc<Filter>,
        after: Option<u64>,
    ) -> Result<Subscription, SubscribeError> {
        let limits = &self.limits;
        let counted = self.count(subscriber)?;
        let shared = self.tenant(subscriber.tenant);
        let mut tenant = lock(&shared);
        let queue = Queue::new(Bounds { events_max: limits.subscriber_events_max, bytes_max: limits.subscriber_bytes_max });
        if after.is_some() {
            queue.pause();
        }
        // Everything is looked at before anything is joined.
        let mut places: Vec<(FeedKey, Declared)> = Vec::with_capacity(wanted.len());
        for Wanted { plugin, topic } in wanted {
            check_topic(topic)?;
            let unknown = || SubscribeError::UnknownTopic(format!("{plugin}/{topic}"));
            let declared = tenant.plugins.get(plugin).and_then(|of| of.declared(topic)).ok_or_else(unknown)?.clone();
            let filters = if declared.feed { filter.canonical() } else { Arc::from(EVERYTHING) };
            let key = FeedKey { tenant: subscriber.tenant.clone(), plugin: plugin.clone(), topic: topic.as_str().into(), filters };
            if !places.iter().any(|(other, _)| *other == key) {
                places.push((key, declared));
            }
        }
        let number = tenant.next_number();
        let mut joined: Vec<FeedKey> = Vec::with_capacity(places.len());
        for (key, declared) in places {
            let Some(channel) = tenant.channel_for(&key, &declared, limits) else {
                tenant.leave(number, filter, &joined, self);
                return Err(SubscribeError::TooManyTopics(limits.topics_live_max));
            };
            channel.join(number, filter, &queue);
            self.run_feed(channel, declared.feed, || key.clone());
            joined.push(key);
        }
        drop(tenant);
        // There is room in its queue, if nowhere else.
        self.made_room();
        let (topics, filter) = (Arc::clone(self), Arc::clone(filter));
        Ok(Subscription::new(Parts { topics, tenant: shared, number, filter, joined, queue, _counted: counted }, after))
    }

    /// How many subscriptions a tenant has.
    #[must_use]
    pub fn subscriptions(&self, tenant: &TenantId) -> usize {
        lock(&self.tenant(tenant)).subscriptions()
    }

    /// What is kept of a topic, oldest first; none when there is no such topic.
    #[must_use]
    pub fn retained(&self, tenant: &TenantId, plugin: &PluginName, topic: &str) -> Option<Vec<Arc<Event>>> {
        let tenant = self.tenant(tenant);
        let tenant = lock(&tenant);
        let of = tenant.plugins.get(plugin)?;
        of.declared(topic)?;
        let channel = of.channels.get(topic).and_then(|channels| channels.get(EVERYTHING));
        Some(channel.map(|channel| channel.retained().cloned().collect()).unwrap_or_default())
    }

    /// Keeps the feed of a topic running without taking its events, for somebody who is told through [`Changes`] when there is something
    /// new. None when there is no such topic.
    #[must_use]
    pub fn watch(self: &Arc<Self>, tenant: &TenantId, plugin: &PluginName, topic: &str) -> Option<Watching> {
        let shared = self.tenant(tenant);
        let mut locked = lock(&shared);
        let declared = locked.plugins.get(plugin)?.declared(topic)?.clone();
        let key = FeedKey { tenant: tenant.clone(), plugin: plugin.clone(), topic: topic.into(), filters: Arc::from(EVERYTHING) };
        let number = locked.next_number();
        let channel = locked.channel_for(&key, &declared, &self.limits)?;
        channel.watch(number);
        self.run_feed(channel, declared.feed, || key.clone());
        drop(locked);
        Some(Watching::new(Arc::clone(self), shared, key, number))
    }

    /// Tells those who listen to a feed about it.
    pub fn notice(&self, key: &FeedKey, notice: &Notice) {
        let tenant = self.tenant(&key.tenant);
        let tenant = lock(&tenant);
        if let Some(channel) = tenant.channel(key) {
            channel.notice(notice);
        }
    }

    /// Ends the subscriptions to a feed that is over: it will have no more events, and who subscribes next starts another one. `is_this` is
    /// asked when nobody can come or go any more, and has to say whether it is still this feed that they listen to.
    pub fn end(&self, key: &FeedKey, why: &str, is_this: impl FnOnce() -> bool) {
        let tenant = self.tenant(&key.tenant);
        let mut tenant = lock(&tenant);
        if !is_this() {
            return;
        }
        tenant.change(key, self, |channel| channel.end(&why.into()));
        drop(tenant);
        self.made_room();
    }

    /// Waits until one of those who listen to a feed has room for another event, or nobody listens.
    pub async fn room(&self, key: &FeedKey) {
        let tenant = self.tenant(&key.tenant);
        let has_room = || lock(&tenant).channel(key).is_none_or(Channel::has_room);
        if has_room() {
            return;
        }
        // Whoever makes room after we have looked finds that somebody waits.
        let _waits = Waits::new(&self.waiting_for_room);
        loop {
            let mut notified = std::pin::pin!(self.room.notified());
            notified.as_mut().enable();
            if has_room() {
                return;
            }
            notified.await;
        }
    }

    /// Somebody has taken something from a queue, has come or has gone.
    pub(super) fn made_room(&self) {
        if self.waiting_for_room.load(Ordering::SeqCst) > 0 {
            self.room.notify_waiters();
        }
    }

    /// Tells who watches that there is something new, each topic at most so often however much is published. Runs as long as the host.
    pub async fn tell_updates(&self) {
        loop {
            self.any_updated.notified().await;
            let updated = std::mem::take(&mut *lock(&self.updated));
            for Updated { tenant, uri, noted } in updated {
                // What is published from now on is told next time.
                noted.store(false, Ordering::SeqCst);
                self.changes.publish(&tenant, &Change::Resource(uri));
            }
            tokio::time::sleep(self.limits.topic_told_every).await;
        }
    }
}

/// One who waits for room.
struct Waits<'t>(&'t AtomicUsize);

impl<'t> Waits<'t> {
    fn new(waiting: &'t AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::SeqCst);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
