//! One topic with its events and its subscribers. Subscribers with the same filter share one look at each event.

use super::event::{Event, Seen};
use super::filter::Filter;
use super::queue::{Notice, Queue};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Waker;

/// What happens when a subscriber does not keep up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest waiting event goes, and the subscriber is told.
    DropOldest,
    /// Only the newest event waits.
    Coalesce,
}

/// Subscribers with one filter.
struct Group {
    filter: Arc<Filter>,
    members: HashMap<u64, Arc<Queue>>,
}

/// One topic.
pub(super) struct Channel {
    pub(super) topic: Arc<str>,
    overflow: Overflow,
    retained_max: usize,
    retained_bytes_max: usize,
    retained: VecDeque<Arc<Event>>,
    retained_bytes: usize,
    /// Events up to this one are not retained any more.
    floor: u64,
    groups: HashMap<Arc<str>, Group>,
    /// Others that want the source to run, and get no events.
    watchers: HashSet<u64>,
    /// Whether its feed was told to run.
    pub(super) running: bool,
    /// Whether it is on the list of those whose watchers are to be told.
    pub(super) noted: Arc<AtomicBool>,
}

impl Channel {
    /// `floor`: events up to this one may have been published before, and are not there any more.
    pub(super) fn new(topic: Arc<str>, overflow: Overflow, retained_max: usize, retained_bytes_max: usize, floor: u64) -> Self {
        Self {
            topic,
            overflow,
            retained_max,
            retained_bytes_max,
            retained: VecDeque::new(),
            retained_bytes: 0,
            floor,
            groups: HashMap::new(),
            watchers: HashSet::new(),
            running: false,
            noted: Arc::default(),
        }
    }

    /// The same topic in another revision of its plugin.
    pub(super) fn redeclare(&mut self, overflow: Overflow, retained_max: usize) {
        (self.overflow, self.retained_max) = (overflow, retained_max);
        self.trim();
    }

    /// Keeps an event, and gives it to whoever wants it. Who is to be woken is left to the caller.
    pub(super) fn publish(&mut self, event: &Arc<Event>, seen: &Seen<'_>, wake: &mut Vec<Waker>) {
        self.retained.push_back(Arc::clone(event));
        self.retained_bytes += event.size_bytes();
        self.trim();
        for group in self.groups.values().filter(|group| group.filter.takes(seen)) {
            for queue in group.members.values() {
                wake.extend(queue.push(event, self.overflow));
            }
        }
    }

    fn trim(&mut self) {
        while self.retained.len() > self.retained_max || self.retained_bytes > self.retained_bytes_max {
            if !self.forget_oldest() {
                return;
            }
        }
    }

    /// A new subscriber.
    pub(super) fn join(&mut self, number: u64, filter: &Arc<Filter>, queue: &Arc<Queue>) {
        let group = self.groups.entry(filter.canonical());
        let group = group.or_insert_with(|| Group { filter: Arc::clone(filter), members: HashMap::new() });
        group.members.insert(number, Arc::clone(queue));
    }

    pub(super) fn leave(&mut self, number: u64, filter: &Filter) {
        let key = filter.canonical();
        if let Some(group) = self.groups.get_mut(&key) {
            group.members.remove(&number);
            if group.members.is_empty() {
                self.groups.remove(&key);
            }
        }
    }

    /// Somebody wants to be told that there is something new.
    pub(super) fn watch(&mut self, number: u64) {
        self.watchers.insert(number);
    }

    pub(super) fn unwatch(&mut self, number: u64) {
        self.watchers.remove(&number);
    }

    pub(super) fn is_watched(&self) -> bool {
        !self.watchers.is_empty()
    }

    fn queues(&self) -> impl Iterator<Item = &Arc<Queue>> {
        self.groups.values().flat_map(|group| group.members.values())
    }

    /// Whether anybody wants its events, or to be told of them.
    pub(super) fn is_wanted(&self) -> bool {
        // A group without members is removed with its last one.
        !self.watchers.is_empty() || !self.groups.is_empty()
    }

    /// Whether nothing would be lost without it.
    pub(super) fn is_idle(&self) -> bool {
        self.retained.is_empty() && !self.is_wanted()
    }

    /// Whether one more event would reach somebody without costing everybody an older one.
    pub(super) fn has_room(&self) -> bool {
        self.queues().next().is_none() || self.queues().any(|queue| queue.has_room())
    }

    pub(super) fn notice(&self, notice: &Notice) {
        self.queues().for_each(|queue| queue.notice(notice.clone()));
    }

    /// Its subscribers get no more, so they count no more: whoever comes now is the first.
    pub(super) fn end(&mut self, why: &Arc<str>) {
        self.queues().for_each(|queue| queue.end(why));
        self.groups.clear();
        self.running = false;
    }

    /// What was retained after an event, oldest first.
    pub(super) fn retained_after(&self, after: u64) -> impl Iterator<Item = &Arc<Event>> {
        let first = self.retained.partition_point(|event| event.id <= after);
        self.retained.range(first..)
    }

    /// Whether events after this one are not retained any more.
    pub(super) fn misses(&self, after: u64) -> bool {
        after < self.floor
    }

    pub(super) fn retained(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.retained.iter()
    }

    pub(super) fn retained_bytes(&self) -> usize {
        self.retained_bytes
    }

    /// The newest event that it has had.
    pub(super) fn newest(&self) -> u64 {
        self.retained.back().map_or(self.floor, |event| event.id)
    }

    /// The oldest event that it keeps.
    pub(super) fn oldest(&self) -> u64 {
        self.retained.front().map_or(u64::MAX, |event| event.id)
    }

    /// Forgets the oldest event; false when there is none.
    pub(super) fn forget_oldest(&mut self) -> bool {
        let Some(oldest) = self.retained.pop_front() else { return false };
        self.retained_bytes -= oldest.size_bytes();
        self.floor = oldest.id;
        true
    }

    /// Forgets every event.
    pub(super) fn forget_all(&mut self) {
        while self.forget_oldest() {}
    }
}
