//! What one tenant has: its plugins with their topics, and who subscribes. Everything here happens under the tenant's lock.

use super::channel::Channel;
use super::event::{Event, Seen};
use super::filter::Filter;
use super::hub::{Declared, FeedKey, SubscribeError, Topics};
use crate::ids::PluginName;
use crate::limits::Limits;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

/// The filter of a channel that takes everything.
pub(super) const EVERYTHING: &str = "{}";

/// One tenant.
pub(super) struct Tenant {
    /// Of the newest event.
    pub(super) last_id: u64,
    last_number: u64,
    pub(super) plugins: HashMap<PluginName, Plugin>,
    pub(super) subscriptions: usize,
    by_subject: HashMap<String, usize>,
}

/// One plugin of a tenant.
pub(super) struct Plugin {
    declared: Vec<Declared>,
    /// By name, then by the filter of the feed; topics without a feed have one channel, under `{}`.
    pub(super) channels: HashMap<Arc<str>, HashMap<Arc<str>, Channel>>,
    pub(super) rate: DefaultDirectRateLimiter,
    retained_bytes: usize,
    /// Events up to this one may have been published under topics that were forgotten since.
    forgotten: u64,
}

/// What is left to do after an event was published, when nothing is locked any more.
pub(super) struct Published {
    /// Who waits for it.
    pub(super) wake: Vec<Waker>,
    /// When the topic is watched, and nobody has noted yet that there is something new.
    pub(super) watched: Option<Arc<AtomicBool>>,
}

impl Tenant {
    pub(super) fn new(last_id: u64) -> Self {
        Self { last_id, last_number: 0, plugins: HashMap::new(), subscriptions: 0, by_subject: HashMap::new() }
    }

    /// How many subscriptions there are.
    pub(super) fn subscriptions(&self) -> usize {
        self.subscriptions
    }

    pub(super) fn plugin(&mut self, name: &PluginName, limits: &Limits) -> &mut Plugin {
        let made =
            || Plugin { declared: Vec::new(), channels: HashMap::new(), rate: rate(limits), retained_bytes: 0, forgotten: self.last_id };
        self.plugins.entry(name.clone()).or_insert_with(made)
    }

    /// A number that no other subscription or watcher of the tenant has.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// One more subscription, if there may be one.
    pub(super) fn count(&mut self, subject: &str, limits: &Limits) -> Result<(), SubscribeError> {
        if self.by_subject.get(subject).is_some_and(|count| *count >= limits.subscriptions_per_caller_max) {
            return Err(SubscribeError::TooMany(limits.subscriptions_per_caller_max));
        }
        if self.subscriptions >= limits.subscriptions_per_tenant_max {
            return Err(SubscribeError::TenantTooMany(limits.subscriptions_per_tenant_max));
        }
        self.subscriptions += 1;
        *self.by_subject.entry(subject.to_owned()).or_insert(0) += 1;
        Ok(())
    }

    pub(super) fn uncount(&mut self, subject: &str) {
        self.subscriptions = self.subscriptions.saturating_sub(1);
        let left = self.by_subject.get_mut(subject).map(|count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == Some(0) {
            self.by_subject.remove(subject);
        }
    }

    pub(super) fn channel(&self, key: &FeedKey) -> Option<&Channel> {
        self.plugins.get(&key.plugin)?.channels.get(&key.topic)?.get(&key.filters)
    }

    /// The channel, made when it is not there; none when there is no room for another one.
    pub(super) fn channel_for(&mut self, key: &FeedKey, declared: &Declared, limits: &Limits) -> Option<&mut Channel> {
        self.plugins.get_mut(&key.plugin)?.channel(&key.plugin, &key.topic, Arc::clone(&key.filters), declared, limits)
    }

    pub(super) fn leave(&mut self, number: u64, filter: &Filter, joined: &[FeedKey], topics: &Topics) {
        for key in joined {
            self.change(key, topics, |channel| channel.leave(number, filter));
        }
    }

    /// After a listener has gone: without listeners a feed stops, and a channel that keeps nothing is not needed.
    pub(super) fn change(&mut self, key: &FeedKey, topics: &Topics, change: impl FnOnce(&mut Channel)) {
        let Some(of) = self.plugins.get_mut(&key.plugin) else { return };
        let Some(channel) = of.channels.get_mut(&key.topic).and_then(|channels| channels.get_mut(&key.filters)) else { return };
        change(channel);
        if channel.is_wanted() {
            return;
        }
        topics.run_feed(channel, false, || key.clone());
        if channel.is_idle() {
            of.remove(&key.topic, &key.filters);
        }
    }
}

fn rate(limits: &Limits) -> DefaultDirectRateLimiter {
    let per_second = NonZeroU32::new(limits.events_per_second_max).unwrap_or(NonZeroU32::MIN);
    RateLimiter::direct(Quota::per_second(per_second))
}

impl Plugin {
    /// What the plugin says about a topic; none when it does not offer it.
    pub(super) fn declared(&self, topic: &str) -> Option<&Declared> {
        self.declared.iter().find(|declared| declared.pattern.matches(topic))
    }

    /// `<plugin>/<topic>` of a topic that is in use.
    pub(super) fn name_of(&self, topic: &str) -> Option<Arc<str>> {
        self.channels.get(topic)?.values().next().map(|channel| Arc::clone(&channel.topic))
    }

    /// What it offers from now on. `each` is told of every channel, and what is said about it now. A channel that is not offered any more
    /// stays for its watchers alone.
    pub(super) fn declare(
        &mut self,
        declared: Vec<Declared>,
        limits: &Limits,
        mut each: impl FnMut(&Arc<str>, &Arc<str>, &mut Channel, Option<&Declared>),
    ) {
        self.declared = declared;
        let forgotten = &mut self.forgotten;
        self.channels.retain(|name, channels| {
            let found = self.declared.iter().find(|declared| declared.pattern.matches(name));
            channels.retain(|filters, channel| {
                each(name, filters, channel, found);
                match found {
                    Some(found) => channel.redeclare(found.overflow, found.retained_max.min(limits.topic_retained_max)),
                    None => channel.forget_all(),
                }
                let stays = found.is_some() || channel.is_watched();
                if !stays {
                    *forgotten = (*forgotten).max(channel.newest());
                }
                stays
            });
            !channels.is_empty()
        });
        self.retained_bytes = self.channels.values().flat_map(HashMap::values).map(Channel::retained_bytes).sum();
    }

    /// The channel, made when it is not there; none when there is no room for another one.
    pub(super) fn channel(
        &mut self,
        plugin: &PluginName,
        topic: &str,
        filters: Arc<str>,
        declared: &Declared,
        limits: &Limits,
    ) -> Option<&mut Channel> {
        let known = self.channels.get(topic).is_some_and(|channels| channels.contains_key(&filters));
        if !known {
            let live = self.channels.values().map(HashMap::len).sum::<usize>();
            if live >= limits.topics_live_max && !self.evict() {
                return None;
            }
        }
        let floor = self.forgotten;
        let channels = self.channels.entry(Arc::from(topic)).or_default();
        let made = || {
            let retained = declared.retained_max.min(limits.topic_retained_max);
            Channel::new(format!("{plugin}/{topic}").into(), declared.overflow, retained, limits.topic_retained_bytes_max, floor)
        };
        Some(channels.entry(filters).or_insert_with(made))
    }

    /// Gives an event to every channel of a topic, or to that of a feed alone.
    pub(super) fn publish(&mut self, topic: &str, feed: Option<&Arc<str>>, event: &Arc<Event>, bytes_max: usize) -> Published {
        let mut published = Published { wake: Vec::new(), watched: None };
        let seen = Seen::new(event);
        let mut idle = Vec::new();
        for (filters, channel) in self.channels.get_mut(topic).into_iter().flatten() {
            if feed.is_some_and(|feed| feed != filters) {
                continue;
            }
            let before = channel.retained_bytes();
            channel.publish(event, &seen, &mut published.wake);
            self.retained_bytes = (self.retained_bytes + channel.retained_bytes()).saturating_sub(before);
            if channel.is_watched() && !channel.noted.swap(true, Ordering::SeqCst) {
                published.watched = Some(Arc::clone(&channel.noted));
            }
            if channel.is_idle() {
                idle.push(Arc::clone(filters));
            }
        }
        idle.iter().for_each(|filters| self.remove(topic, filters));
        self.forget(bytes_max);
        published
    }

    /// Forgets the topic that nobody wants whose last event is the oldest.
    fn evict(&mut self) -> bool {
        let all = self.channels.iter().flat_map(|(name, channels)| channels.iter().map(move |(filters, channel)| (name, filters, channel)));
        let oldest = all.filter(|(_, _, channel)| !channel.is_wanted()).min_by_key(|(_, _, channel)| channel.newest());
        let Some((name, filters)) = oldest.map(|(name, filters, _)| (Arc::clone(name), Arc::clone(filters))) else { return false };
        self.remove(&name, &filters);
        true
    }

    fn remove(&mut self, topic: &str, filters: &str) {
        let Some(channels) = self.channels.get_mut(topic) else { return };
        if let Some(channel) = channels.remove(filters) {
            self.retained_bytes = self.retained_bytes.saturating_sub(channel.retained_bytes());
            self.forgotten = self.forgotten.max(channel.newest());
        }
        if channels.is_empty() {
            self.channels.remove(topic);
        }
    }

    /// Keeps what all topics of the plugin retain within its bound.
    fn forget(&mut self, bytes_max: usize) {
        while self.retained_bytes > bytes_max {
            let channels = self.channels.values_mut().flat_map(HashMap::values_mut);
            let Some(oldest) = channels.filter(|channel| channel.retained_bytes() > 0).min_by_key(|channel| channel.oldest()) else {
                return;
            };
            let before = oldest.retained_bytes();
            oldest.forget_oldest();
            self.retained_bytes = (self.retained_bytes + oldest.retained_bytes()).saturating_sub(before);
        }
    }
}
