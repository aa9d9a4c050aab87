//! Runs the feeds of plugins: one for each topic and filter, while anybody listens. A feed is asked for more only when somebody has room
//! for it; one that fails is started again, later each time, and its subscribers are told; one whose plugin was loaded again goes on in
//! the new revision. What runs is a task on the runtime for calls that take long: stopping it drops its sandbox.

mod guests;
mod slots;
#[cfg(test)]
mod tests;

pub use guests::Guests;

use crate::limits::Limits;
use crate::topics::{FeedKey, FeedRunner, NewEvent, Notice, PublishError, Topics};
use futures_util::FutureExt as _;
use slots::Slots;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Before an event that came too fast is published after all.
const TOO_FAST_WAIT: Duration = Duration::from_millis(10);

/// Where feeds come from.
pub trait Source: Send + Sync + 'static {
    /// What a feed is opened of. A feed of another one than is in force now is out of date.
    type Of: PartialEq + Send + Sync;
    /// A feed that is open.
    type Feed: Events;

    /// Whose feed it would be now; none when nobody has such a feed.
    fn in_force(&self, key: &FeedKey) -> Option<Self::Of>;
    /// Changes when [`Source::in_force`] may have.
    fn swaps(&self) -> watch::Receiver<bool>;
    /// Opens a feed.
    fn open(&self, of: &Self::Of, key: &FeedKey) -> impl Future<Output = Result<Self::Feed, Trouble>> + Send;
}

/// A feed that is open. It is over when it is dropped.
pub trait Events: Sized + Send {
    /// The next events, for which it may wait so long; none when there will be no more. A feed that failed is gone.
    fn next(self, wait: Duration) -> impl Future<Output = Result<Option<(Self, Vec<NewEvent>)>, Trouble>> + Send;
    /// Ends it in good order.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// Why a feed does not go on. Whoever found out has told the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// It is of no use to try again. The text is for the subscribers.
    Final(String),
    /// It may work later.
    Passing,
}

/// The feeds that run.
pub struct Feeds<S> {
    shared: Arc<Shared<S>>,
    on: tokio::runtime::Handle,
}

struct Shared<S> {
    source: S,
    // The topics have us.
    topics: Weak<Topics>,
    slots: Arc<Slots>,
    running: Mutex<HashMap<FeedKey, Running>>,
    last: AtomicU64,
    limits: Arc<Limits>,
}

struct Running {
    number: u64,
    task: Option<JoinHandle<()>>,
}

impl<S: Source> Feeds<S> {
    /// Nothing runs yet. Feeds will run on `on`.
    pub fn new(source: S, topics: &Arc<Topics>, on: tokio::runtime::Handle, limits: Arc<Limits>) -> Arc<Self> {
        let (slots, topics) = (Slots::new(&limits), Arc::downgrade(topics));
        let shared = Shared { source, topics, slots, running: Mutex::default(), last: AtomicU64::new(0), limits };
        Arc::new(Self { shared: Arc::new(shared), on })
    }

    /// How many there are, those that wait to be started again included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shared.running().len()
    }
}

impl<S> Shared<S> {
    fn running(&self) -> MutexGuard<'_, HashMap<FeedKey, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this is the one that runs, and no later one.
    fn runs(&self, key: &FeedKey, number: u64) -> bool {
        self.running().get(key).is_some_and(|running| running.number == number)
    }
}

/// The place of a feed among those that run. A feed that starts waits for the one before it under the same key to be gone.
struct Place<S> {
    shared: Arc<Shared<S>>,
    key: FeedKey,
    number: u64,
}

impl<S> Drop for Place<S> {
    fn drop(&mut self) {
        let mut running = self.shared.running();
        if running.get(&self.key).is_some_and(|other| other.number == self.number) {
            running.remove(&self.key);
        }
    }
}

impl<S: Source> FeedRunner for Feeds<S> {
    fn start(&self, key: &FeedKey) {
        let (shared, key) = (Arc::clone(&self.shared), key.clone());
        let number = shared.last.fetch_add(1, Ordering::Relaxed);
        let before = shared.running().insert(key.clone(), Running { number, task: None }).and_then(|running| running.task);
        let place = Place { shared: Arc::clone(&shared), key: key.clone(), number };
        let run = Run { shared: Arc::clone(&shared), key: key.clone(), number, again: false, failures: 0, delivered: false };
        // Not under the lock: a runtime that has ended drops a task right here.
        let task = self.on.spawn(async move {
            let _place = place;
            if let Some(before) = before {
                before.abort();
                let _ = before.await;
            }
            run.while_wanted().await;
        });
        if let Some(running) = shared.running().get_mut(&key).filter(|running| running.number == number) {
            running.task = Some(task);
        }
    }

    fn stop(&self, key: &FeedKey) {
        if let Some(task) = self.shared.running().get(key).and_then(|running| running.task.as_ref()) {
            task.abort();
        }
    }
}

/// Why one run of a feed is over.
enum Over {
    /// There will be no more events.
    Ended(String),
    /// The plugin was loaded again.
    OutOfDate,
    /// It did not work.
    Failed,
}

impl From<Trouble> for Over {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Final(why) => Self::Ended(why),
            Trouble::Passing => Self::Failed,
        }
    }
}

/// A feed from its first listener to its last.
struct Run<S> {
    shared: Arc<Shared<S>>,
    key: FeedKey,
    number: u64,
    /// Whether it was open before, so that opening it is worth a word.
    again: bool,
    failures: u32,
    delivered: bool,
}

impl<S: Source> Run<S> {
    async fn while_wanted(mut self) {
        let Some(topics) = self.shared.topics.upgrade() else { return };
        let topic: Arc<str> = format!("{}/{}", self.key.plugin, self.key.topic).into();
        let mut swaps = self.shared.source.swaps();
        loop {
            let began = Instant::now();
            self.delivered = false;
            // A panic of ours costs this run only.
            let over = AssertUnwindSafe(self.once(&topics, &topic, &mut swaps)).catch_unwind().await;
            match over.unwrap_or(Over::Failed) {
                // Another one may have been started for others meanwhile: they are not told.
                Over::Ended(why) => return topics.end(&self.key, &why, || self.shared.runs(&self.key, self.number)),
                Over::OutOfDate => self.failures = 0,
                Over::Failed => {
                    let limits = &self.shared.limits;
                    if self.delivered && began.elapsed() >= limits.feed_restart_delay_max {
                        self.failures = 0;
                    }
                    let delay = restart_delay(limits, self.failures);
                    self.failures = self.failures.saturating_add(1);
                    let delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
                    topics.notice(&self.key, &Notice::Restarting { topic: Arc::clone(&topic), delay_ms });
                    let before = self.shared.source.in_force(&self.key);
                    tokio::select! {
                        () = tokio::time::sleep(delay) => {}
                        () = out_of_date(&self.shared.source, before.as_ref(), &self.key, &mut swaps) => self.failures = 0,
                    }
                }
            }
            self.again = true;
        }
    }

    /// One run, from opening it until it is over for whatever reason.
    async fn once(&mut self, topics: &Topics, topic: &Arc<str>, swaps: &mut watch::Receiver<bool>) -> Over {
        let shared = Arc::clone(&self.shared);
        swaps.mark_unchanged();
        let Some(of) = shared.source.in_force(&self.key) else { return gone() };
        let _slot = match shared.slots.take(&self.key) {
            Ok(slot) => slot,
            Err(full) => {
                let FeedKey { tenant, plugin, topic, .. } = &self.key;
                tracing::warn!(%tenant, %plugin, %topic, "a feed is not started: {full}");
                return Over::Failed;
            }
        };
        let mut feed = match shared.source.open(&of, &self.key).await {
            Ok(feed) => feed,
            Err(trouble) => return trouble.into(),
        };
        if self.again {
            topics.notice(&self.key, &Notice::Restarted { topic: Arc::clone(topic) });
        }
        loop {
            tokio::select! {
                biased;
                () = out_of_date(&shared.source, Some(&of), &self.key, swaps) => {
                    feed.close().await;
                    return Over::OutOfDate;
                }
                () = topics.room(&self.key) => {}
            }
            let asked = Instant::now();
            let events = match feed.next(shared.limits.feed_next_time_max).await {
                Ok(Some((rest, events))) => {
                    feed = rest;
                    events
                }
                Ok(None) => return Over::Ended("the feed has ended".to_owned()),
                Err(trouble) => return trouble.into(),
            };
            if events.is_empty() {
                // One that does not wait itself is not asked all the time.
                tokio::time::sleep_until(asked + shared.limits.feed_idle_delay).await;
            }
            if let Some(over) = self.publish(topics, events).await {
                return over;
            }
        }
    }

    /// Publishes events one by one, each when somebody has room for it: what a feed brings is late rather than lost.
    async fn publish(&mut self, topics: &Topics, events: Vec<NewEvent>) -> Option<Over> {
        for event in events {
            topics.room(&self.key).await;
            loop {
                match topics.publish_from_feed(&self.key, event.clone()) {
                    Ok(_) => break,
                    Err(PublishError::TooFast(_)) => tokio::time::sleep(TOO_FAST_WAIT).await,
                    Err(PublishError::UnknownTopic(_)) => return Some(gone()),
                    Err(error @ (PublishError::TooLarge(_) | PublishError::TooManyTopics(_))) => {
                        let FeedKey { tenant, plugin, topic, .. } = &self.key;
                        tracing::warn!(%tenant, %plugin, %topic, %error, "an event of a feed could not be published");
                        return Some(Over::Failed);
                    }
                }
            }
            self.delivered = true;
        }
        None
    }
}

fn gone() -> Over {
    Over::Ended("the topic is not offered any more".to_owned())
}

/// Waits until something else is in force for a feed than `of`.
async fn out_of_date<S: Source>(source: &S, of: Option<&S::Of>, key: &FeedKey, swaps: &mut watch::Receiver<bool>) {
    loop {
        if swaps.changed().await.is_err() {
            // The host is going.
            return std::future::pending().await;
        }
        if source.in_force(key).as_ref() != of {
            return;
        }
    }
}

fn restart_delay(limits: &Limits, failures: u32) -> Duration {
    let factor = 1_u32.checked_shl(failures).unwrap_or(u32::MAX);
    limits.feed_restart_delay.saturating_mul(factor).min(limits.feed_restart_delay_max)
}
