//! What waits for one subscriber: so many events, so many bytes, and no more, however slowly it reads.

use super::channel::Overflow;
use super::event::Event;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// What a subscriber gets.
#[derive(Debug, Clone)]
pub enum Delivery {
    /// An event.
    Event(Arc<Event>),
    /// So many events before the next one are missing: the subscriber did not keep up, or came back too late. 0 when nobody knows.
    Lagged(u64),
    /// Something about the source of the events.
    Notice(Notice),
    /// There will be no more: the topic is gone. The text says why.
    Ended(Arc<str>),
}

/// Something about the source of the events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The feed failed and is started again after so many milliseconds; events may be missing.
    Restarting {
        /// Of the feed's `<plugin>/<topic>`.
        topic: Arc<str>,
        /// How long until then.
        delay_ms: u64,
    },
    /// The feed runs again.
    Restarted {
        /// Of the feed's `<plugin>/<topic>`.
        topic: Arc<str>,
    },
}

/// Bounds of a queue.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) events_max: usize,
    pub(super) bytes_max: usize,
}

/// The queue of one subscriber.
pub(super) struct Queue {
    bounds: Bounds,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Arc<Event>>,
    bytes: usize,
    missed: Option<u64>,
    notice: Option<Notice>,
    ended: Option<Arc<str>>,
    told_end: bool,
    /// What is published is not taken: the reader still reads what was retained, and will find it there.
    paused: bool,
    reader: Option<Waker>,
}

impl Queue {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        Arc::new(Self { bounds, waiting: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event in; what does not fit any more goes, the oldest first. Returns who is to be woken.
    pub(super) fn push(&self, event: &Arc<Event>, overflow: Overflow) -> Option<Waker> {
        let mut waiting = self.lock();
        if waiting.ended.is_some() || waiting.paused {
            return None;
        }
        put(&mut waiting, event, overflow, self.bounds);
        waiting.reader.take()
    }

    /// Takes nothing in until `replay` says that there is no more to be replayed.
    pub(super) fn pause(&self) {
        self.lock().paused = true;
    }

    /// Takes in what was retained. With `more` there will be more of it.
    pub(super) fn replay(&self, events: &[Arc<Event>], more: bool) {
        let mut waiting = self.lock();
        waiting.paused = more;
        for event in events {
            put(&mut waiting, event, Overflow::DropOldest, self.bounds);
        }
    }

    /// Says that some are missing, nobody knows how many.
    pub(super) fn lag(&self) {
        let mut waiting = self.lock();
        waiting.missed.get_or_insert(0);
        wake(waiting);
    }

    /// Says something about the source; only the newest counts.
    pub(super) fn notice(&self, notice: Notice) {
        let mut waiting = self.lock();
        waiting.notice = Some(notice);
        wake(waiting);
    }

    /// Says that there will be no more.
    pub(super) fn end(&self, why: &Arc<str>) {
        let mut waiting = self.lock();
        waiting.ended.get_or_insert_with(|| Arc::clone(why));
        wake(waiting);
    }

    /// Whether something waits that nobody has taken yet.
    pub(super) fn has_waiting(&self) -> bool {
        let waiting = self.lock();
        let told = waiting.ended.is_none() || waiting.told_end;
        !waiting.events.is_empty() || waiting.missed.is_some() || waiting.notice.is_some() || waiting.paused || !told
    }

    /// Whether another event can wait without one going.
    pub(super) fn has_room(&self) -> bool {
        let waiting = self.lock();
        waiting.events.len() < self.bounds.events_max && waiting.bytes < self.bounds.bytes_max
    }

    /// What comes next, if something is there.
    pub(super) fn take(&self) -> Option<Delivery> {
        take(&mut self.lock())
    }

    /// The same, or waits for it. `Ready(None)` after the end.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Option<Delivery>> {
        let mut waiting = self.lock();
        match take(&mut waiting) {
            Some(delivery) => Poll::Ready(Some(delivery)),
            None if waiting.told_end => Poll::Ready(None),
            None => {
                if !waiting.reader.as_ref().is_some_and(|reader| reader.will_wake(cx.waker())) {
                    waiting.reader = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }
}

/// Wakes the reader after the lock is gone, so that it does not wait for it at once.
fn wake(mut waiting: MutexGuard<'_, Waiting>) {
    let reader = waiting.reader.take();
    drop(waiting);
    if let Some(reader) = reader {
        reader.wake();
    }
}

/// What does not fit any more goes, the oldest first.
fn put(waiting: &mut Waiting, event: &Arc<Event>, overflow: Overflow, bounds: Bounds) {
    if overflow == Overflow::Coalesce {
        let before = waiting.events.len();
        waiting.events.retain(|other| !Arc::ptr_eq(&other.topic, &event.topic) && other.topic != event.topic);
        if waiting.events.len() != before {
            waiting.bytes = waiting.events.iter().map(|event| event.size_bytes()).sum();
        }
    }
    waiting.events.push_back(Arc::clone(event));
    waiting.bytes += event.size_bytes();
    while waiting.events.len() > bounds.events_max || (waiting.bytes > bounds.bytes_max && waiting.events.len() > 1) {
        let Some(oldest) = waiting.events.pop_front() else { break };
        waiting.bytes -= oldest.size_bytes();
        waiting.missed = Some(waiting.missed.unwrap_or(0) + 1);
    }
}

fn take(waiting: &mut Waiting) -> Option<Delivery> {
    if let Some(missed) = waiting.missed.take() {
        return Some(Delivery::Lagged(missed));
    }
    if let Some(event) = waiting.events.pop_front() {
        waiting.bytes -= event.size_bytes();
        return Some(Delivery::Event(event));
    }
    if let Some(notice) = waiting.notice.take() {
        return Some(Delivery::Notice(notice));
    }
    // What was retained comes before the end.
    if waiting.told_end || waiting.paused {
        return None;
    }
    let why = waiting.ended.clone()?;
    waiting.told_end = true;
    Some(Delivery::Ended(why))
}
