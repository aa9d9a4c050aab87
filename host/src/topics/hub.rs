//! Everything that is published and subscribed to, by tenant. What one tenant publishes happens in turn, so that event ids grow the same
//! way for everybody; tenants do not wait for each other.

use super::changes::{Change, Changes};
use super::channel::{Channel, Overflow};
use super::event::{Event, NewEvent};
use super::filter::Filter;
use super::name::{BadTopic, TopicPattern, check_topic, topic_uri};
use super::queue::{Bounds, Delivery, Notice, Queue};
use crate::clock::Clock;
use crate::ids::{PluginName, TenantId};
use crate::limits::Limits;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::task::{Context, Poll};
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

/// Runs feeds. Its functions are called while nothing can be published, so they return at once and publish nothing themselves.
pub trait FeedRunner: Send + Sync {
    /// Somebody listens now.
    fn start(&self, key: &FeedKey);
    /// Nobody listens any more.
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
    #[error("the caller has {0} subscriptions already")]
    TooMany(usize),
    /// The tenant has as many as it may have.
    #[error("the tenant has {0} subscriptions already")]
    TenantTooMany(usize),
    /// Too many topics of the plugin are in use.
    #[error("the plugin has {0} topics in use already")]
    TooManyTopics(usize),
}

/// Every topic of the host.
pub struct Topics {
    limits: Arc<Limits>,
    clock: Clock,
    changes: Arc<Changes>,
    tenants: RwLock<HashMap<TenantId, Arc<Mutex<Tenant>>>>,
    runner: OnceLock<Arc<dyn FeedRunner>>,
    updated: Mutex<HashSet<(TenantId, Arc<str>)>>,
    any_updated: Notify,
    room: Notify,
}

struct Tenant {
    last_id: u64,
    last_number: u64,
    plugins: HashMap<PluginName, Plugin>,
    subscriptions: usize,
    by_subject: HashMap<String, usize>,
}

struct Plugin {
    declared: Vec<Declared>,
    /// By name, then by the filter of the feed; topics without a feed have one channel, under `{}`.
    channels: HashMap<Arc<str>, HashMap<Arc<str>, Channel>>,
    rate: DefaultDirectRateLimiter,
}

/// The filter of a channel that takes everything.
const EVERYTHING: &str = "{}";

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
        let fresh = Tenant { last_id, last_number: 0, plugins: HashMap::new(), subscriptions: 0, by_subject: HashMap::new() };
        let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tenants.entry(id.clone()).or_insert_with(|| Arc::new(Mutex::new(fresh))))
    }

    /// What a plugin offers from now on. Topics that it had and has no more end.
    pub fn declare(&self, tenant: &TenantId, plugin: &PluginName, declared: Vec<Declared>) {
        let (limits, tenant) = (&self.limits, self.tenant(tenant));
        let mut tenant = lock(&tenant);
        let entry = tenant.plugins.entry(plugin.clone());
        let of = entry.or_insert_with(|| Plugin { declared: Vec::new(), channels: HashMap::new(), rate: rate(limits) });
        of.declared = declared;
        let why: Arc<str> = "the topic is not offered any more".into();
        of.channels.retain(|name, channels| {
            let found = of.declared.iter().find(|declared| declared.pattern.matches(name));
            for channel in channels.values_mut() {
                match found {
                    Some(declared) => channel.redeclare(declared.overflow, declared.retained_max.min(limits.topic_retained_max)),
                    None => channel.end(&why),
                }
            }
            found.is_some()
        });
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
        let limits = &self.limits;
        let unknown = || PublishError::UnknownTopic(topic.chars().take(64).collect());
        self.check_size(&new)?;
        let tenant = self.tenant(id);
        let mut tenant = lock(&tenant);
        let event_id = tenant.last_id + 1;
        let of = tenant.plugins.get_mut(plugin).ok_or_else(unknown)?;
        let declared = of.declared.iter().find(|declared| declared.pattern.matches(topic)).ok_or_else(unknown)?.clone();
        if of.rate.check().is_err() {
            return Err(PublishError::TooFast(limits.events_per_second_max));
        }
        let everything = || Arc::<str>::from(EVERYTHING);
        // A feed whose last listener has just gone has nobody to publish for.
        let known =
            of.channels.get(topic).is_some_and(|channels| feed.map_or(!channels.is_empty(), |filters| channels.contains_key(filters)));
        if !known {
            if feed.is_some() {
                return Ok(event_id - 1);
            }
            of.channel(plugin, topic, everything(), &declared, limits, event_id - 1)
                .ok_or(PublishError::TooManyTopics(limits.topics_live_max))?;
        }
        let Some(channels) = of.channels.get_mut(topic) else { return Err(unknown()) };
        let name = channels.values().next().map(|channel| Arc::clone(&channel.topic)).ok_or_else(unknown)?;
        let event = Arc::new(Event::new(event_id, name, self.clock.since_epoch_ms(), new));
        for (filters, channel) in channels.iter_mut() {
            if feed.is_none_or(|feed| feed == filters) {
                channel.publish(&event);
            }
        }
        of.forget(limits.topic_retained_bytes_max);
        tenant.last_id = event_id;
        drop(tenant);
        self.note_updated(id, plugin, topic);
        Ok(event_id)
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
        let shared = self.tenant(subscriber.tenant);
        let mut tenant = lock(&shared);
        let of_subject = tenant.by_subject.get(subscriber.subject).copied().unwrap_or(0);
        if of_subject >= limits.subscriptions_per_caller_max {
            return Err(SubscribeError::TooMany(limits.subscriptions_per_caller_max));
        }
        if tenant.subscriptions >= limits.subscriptions_per_tenant_max {
            return Err(SubscribeError::TenantTooMany(limits.subscriptions_per_tenant_max));
        }
        let bounds = Bounds { events_max: limits.subscriber_events_max, bytes_max: limits.subscriber_bytes_max };
        let queue = Queue::new(bounds);
        let floor = tenant.last_id;
        // Everything is looked at before anything is joined.
        let mut places = Vec::with_capacity(wanted.len());
        for Wanted { plugin, topic } in wanted {
            check_topic(topic)?;
            let unknown = || SubscribeError::UnknownTopic(format!("{plugin}/{topic}"));
            let of = tenant.plugins.get(plugin).ok_or_else(unknown)?;
            let declared = of.declared.iter().find(|declared| declared.pattern.matches(topic)).ok_or_else(unknown)?.clone();
            let filters = if declared.feed { filter.canonical() } else { Arc::from(EVERYTHING) };
            let key = FeedKey { tenant: subscriber.tenant.clone(), plugin: plugin.clone(), topic: topic.as_str().into(), filters };
            if !places.iter().any(|(other, _): &(FeedKey, Declared)| *other == key) {
                places.push((key, declared));
            }
        }
        tenant.last_number += 1;
        let number = tenant.last_number;
        let mut joined: Vec<FeedKey> = Vec::with_capacity(places.len());
        for (key, declared) in places {
            let channel = tenant
                .plugins
                .get_mut(&key.plugin)
                .and_then(|of| of.channel(&key.plugin, &key.topic, Arc::clone(&key.filters), &declared, limits, floor));
            let Some(channel) = channel else {
                tenant.leave(number, filter, &joined, self.runner.get());
                return Err(SubscribeError::TooManyTopics(limits.topics_live_max));
            };
            let first = channel.listeners() == 0;
            channel.join(number, filter, &queue, after);
            if first
                && declared.feed
                && let Some(runner) = self.runner.get()
            {
                runner.start(&key);
            }
            joined.push(key);
        }
        tenant.subscriptions += 1;
        *tenant.by_subject.entry(subscriber.subject.to_owned()).or_insert(0) += 1;
        drop(tenant);
        let subject = subscriber.subject.to_owned();
        Ok(Subscription { topics: Arc::clone(self), tenant: shared, subject, number, filter: Arc::clone(filter), joined, queue })
    }

    /// What is kept of a topic, oldest first; none when there is no such topic.
    #[must_use]
    pub fn retained(&self, tenant: &TenantId, plugin: &PluginName, topic: &str) -> Option<Vec<Arc<Event>>> {
        let tenant = self.tenant(tenant);
        let tenant = lock(&tenant);
        let of = tenant.plugins.get(plugin)?;
        of.declared.iter().find(|declared| declared.pattern.matches(topic))?;
        let channel = of.channels.get(topic).and_then(|channels| channels.get(EVERYTHING));
        Some(channel.map(|channel| channel.retained().cloned().collect()).unwrap_or_default())
    }

    /// Keeps the feed of a topic running without taking its events, for somebody who is told of changes only. None when there is no such
    /// topic.
    #[must_use]
    pub fn watch(self: &Arc<Self>, tenant: &TenantId, plugin: &PluginName, topic: &str) -> Option<Watching> {
        let shared = self.tenant(tenant);
        let mut locked = lock(&shared);
        let floor = locked.last_id;
        let of = locked.plugins.get_mut(plugin)?;
        let declared = of.declared.iter().find(|declared| declared.pattern.matches(topic))?.clone();
        let key = FeedKey { tenant: tenant.clone(), plugin: plugin.clone(), topic: topic.into(), filters: Arc::from(EVERYTHING) };
        let channel = of.channel(plugin, topic, Arc::clone(&key.filters), &declared, &self.limits, floor)?;
        let first = channel.listeners() == 0;
        channel.watchers += 1;
        if first
            && declared.feed
            && let Some(runner) = self.runner.get()
        {
            runner.start(&key);
        }
        drop(locked);
        Some(Watching { topics: Arc::clone(self), tenant: shared, key })
    }

    /// Tells those who listen to a feed about it.
    pub fn notice(&self, key: &FeedKey, notice: &Notice) {
        let tenant = self.tenant(&key.tenant);
        let tenant = lock(&tenant);
        if let Some(channel) = tenant.channel(key) {
            channel.notice(notice);
        }
    }

    /// Ends the subscriptions to a feed, which will have no more events.
    pub fn end(&self, key: &FeedKey, why: &str) {
        let tenant = self.tenant(&key.tenant);
        let tenant = lock(&tenant);
        if let Some(channel) = tenant.channel(key) {
            channel.end(&why.into());
        }
    }

    /// Waits until one of those who listen to a feed has room for another event, or nobody listens.
    pub async fn room(&self, key: &FeedKey) {
        loop {
            let mut notified = std::pin::pin!(self.room.notified());
            notified.as_mut().enable();
            let tenant = self.tenant(&key.tenant);
            let has_room = lock(&tenant).channel(key).is_none_or(Channel::has_room);
            if has_room {
                return;
            }
            notified.await;
        }
    }

    fn note_updated(&self, tenant: &TenantId, plugin: &PluginName, topic: &str) {
        if self.changes.listeners() > 0 {
            let uri = topic_uri(plugin.as_str(), topic).into();
            self.updated.lock().unwrap_or_else(PoisonError::into_inner).insert((tenant.clone(), uri));
            self.any_updated.notify_one();
        }
    }

    /// Tells who listens that resources were updated, each topic at most so often however much is published. Runs as long as the host.
    pub async fn tell_updates(&self) {
        loop {
            self.any_updated.notified().await;
            let updated = std::mem::take(&mut *self.updated.lock().unwrap_or_else(PoisonError::into_inner));
            for (tenant, uri) in updated {
                self.changes.publish(&tenant, &Change::Resource(uri));
            }
            tokio::time::sleep(self.limits.topic_told_every).await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn rate(limits: &Limits) -> DefaultDirectRateLimiter {
    let per_second = NonZeroU32::new(limits.events_per_second_max).unwrap_or(NonZeroU32::MIN);
    RateLimiter::direct(Quota::per_second(per_second))
}

impl Plugin {
    /// The channel, made when it is not there; none when there is no room for another one.
    fn channel(
        &mut self,
        plugin: &PluginName,
        topic: &str,
        filters: Arc<str>,
        declared: &Declared,
        limits: &Limits,
        floor: u64,
    ) -> Option<&mut Channel> {
        let live = self.channels.values().map(HashMap::len).sum::<usize>();
        let known = self.channels.get(topic).is_some_and(|channels| channels.contains_key(&filters));
        if !known && live >= limits.topics_live_max && !self.evict() {
            return None;
        }
        let channels = self.channels.entry(Arc::from(topic)).or_default();
        let made = || {
            let retained = declared.retained_max.min(limits.topic_retained_max);
            Channel::new(format!("{plugin}/{topic}").into(), declared.overflow, retained, limits.topic_retained_bytes_max, floor)
        };
        Some(channels.entry(filters).or_insert_with(made))
    }

    /// Forgets the topic without listeners whose last event is the oldest.
    fn evict(&mut self) -> bool {
        let idle =
            self.channels.iter().flat_map(|(name, channels)| channels.iter().map(move |(filters, channel)| (name, filters, channel)));
        let oldest = idle.filter(|(_, _, channel)| channel.listeners() == 0).min_by_key(|(_, _, channel)| channel.newest());
        let Some((name, filters)) = oldest.map(|(name, filters, _)| (Arc::clone(name), Arc::clone(filters))) else { return false };
        self.remove(&name, &filters);
        true
    }

    fn remove(&mut self, topic: &str, filters: &str) {
        if let Some(channels) = self.channels.get_mut(topic) {
            channels.remove(filters);
            if channels.is_empty() {
                self.channels.remove(topic);
            }
        }
    }

    /// Keeps what all topics of the plugin retain within its bound.
    fn forget(&mut self, bytes_max: usize) {
        let mut bytes: usize = self.channels.values().flat_map(HashMap::values).map(Channel::retained_bytes).sum();
        while bytes > bytes_max {
            let channels = self.channels.values_mut().flat_map(HashMap::values_mut);
            let Some(oldest) = channels.filter(|channel| channel.retained_bytes() > 0).min_by_key(|channel| channel.oldest()) else {
                return;
            };
            let before = oldest.retained_bytes();
            oldest.forget_oldest();
            bytes -= before - oldest.retained_bytes();
        }
    }
}

impl Tenant {
    fn channel(&self, key: &FeedKey) -> Option<&Channel> {
        self.plugins.get(&key.plugin)?.channels.get(&key.topic)?.get(&key.filters)
    }

    fn leave(&mut self, number: u64, filter: &Filter, joined: &[FeedKey], runner: Option<&Arc<dyn FeedRunner>>) {
        for key in joined {
            self.change(key, runner, |channel| channel.leave(number, filter));
        }
    }

    /// After a listener has gone: without listeners a feed stops, and a channel that keeps nothing is not needed.
    fn change(&mut self, key: &FeedKey, runner: Option<&Arc<dyn FeedRunner>>, change: impl FnOnce(&mut Channel)) {
        let Some(of) = self.plugins.get_mut(&key.plugin) else { return };
        let feed = of.declared.iter().any(|declared| declared.feed && declared.pattern.matches(&key.topic));
        let Some(channel) = of.channels.get_mut(&key.topic).and_then(|channels| channels.get_mut(&key.filters)) else { return };
        change(channel);
        if channel.listeners() > 0 {
            return;
        }
        if feed && let Some(runner) = runner {
            runner.stop(key);
        }
        if channel.retained_bytes() == 0 {
            of.remove(&key.topic, &key.filters);
        }
    }
}

/// A subscription; it ends when it is dropped.
pub struct Subscription {
    topics: Arc<Topics>,
    tenant: Arc<Mutex<Tenant>>,
    subject: String,
    number: u64,
    filter: Arc<Filter>,
    joined: Vec<FeedKey>,
    queue: Arc<Queue>,
}

impl Subscription {
    /// What comes next, if it is there.
    pub fn take(&self) -> Option<Delivery> {
        let taken = self.queue.take();
        self.topics.room.notify_waiters();
        taken
    }

    /// What comes next; `Ready(None)` after the end.
    pub fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let polled = self.queue.poll(cx);
        if polled.is_ready() {
            self.topics.room.notify_waiters();
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
        let mut tenant = lock(&self.tenant);
        tenant.leave(self.number, &self.filter, &self.joined, self.topics.runner.get());
        tenant.subscriptions -= 1;
        let left = tenant.by_subject.get_mut(&self.subject).map(|count| {
            *count -= 1;
            *count
        });
        if left == Some(0) {
            tenant.by_subject.remove(&self.subject);
        }
        drop(tenant);
        self.topics.room.notify_waiters();
    }
}

/// Keeps a feed running; it ends when this is dropped.
pub struct Watching {
    topics: Arc<Topics>,
    tenant: Arc<Mutex<Tenant>>,
    key: FeedKey,
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut tenant = lock(&self.tenant);
        tenant.change(&self.key, self.topics.runner.get(), |channel| channel.watchers = channel.watchers.saturating_sub(1));
    }
}
