//! The supervisor with feeds that do what a script says, by a clock that only waiting moves.

use super::*;
use crate::clock::Clock;
use crate::ids::{PluginName, TenantId};
use crate::topics::{Changes, Declared, Delivery, Filter, Overflow, Subscriber, Subscription, TopicPattern, Wanted};
use std::collections::VecDeque;
use std::sync::atomic::AtomicUsize;

/// What one opening of a feed brings.
#[derive(Clone)]
enum Open {
    Fails,
    Refused(&'static str),
    Panics,
    /// It answers like this, one after the other, and then fails.
    Runs(Vec<Ask>),
}

/// What one `next` brings.
#[derive(Clone)]
enum Ask {
    Events(usize),
    After(Duration, usize),
    Empty,
    Ended,
    Forever,
}

/// What comes of feeds, and what became of them.
#[derive(Default)]
struct Script {
    opens: Mutex<VecDeque<Open>>,
    /// When there are no more of those.
    always: Mutex<Option<Open>>,
    opened_ms: Mutex<Vec<u64>>,
    asked: AtomicUsize,
    alive: AtomicUsize,
    most_alive: AtomicUsize,
    in_force: Mutex<Option<u32>>,
    swaps: watch::Sender<bool>,
}

impl Script {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn opened(&self) -> usize {
        self.opened_ms.lock().unwrap().len()
    }

    fn swap(&self, now: Option<u32>) {
        *self.in_force.lock().unwrap() = now;
        self.swaps.send_replace(true);
    }
}

struct Scripted(Arc<Script>, Instant);

struct Fake {
    script: Arc<Script>,
    answers: VecDeque<Ask>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.script.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Source for Scripted {
    type Of = u32;
    type Feed = Fake;

    fn in_force(&self, _: &FeedKey) -> Option<u32> {
        *self.0.in_force.lock().unwrap()
    }

    fn swaps(&self) -> watch::Receiver<bool> {
        self.0.swaps.subscribe()
    }

    async fn open(&self, _: &u32, _: &FeedKey) -> Result<Fake, Trouble> {
        self.0.opened_ms.lock().unwrap().push(u64::try_from(self.1.elapsed().as_millis()).unwrap());
        let next = self.0.opens.lock().unwrap().pop_front();
        match next.or_else(|| self.0.always.lock().unwrap().clone()).unwrap_or(Open::Fails) {
            Open::Fails => Err(Trouble::Passing),
            Open::Refused(why) => Err(Trouble::Final(why.to_owned())),
            Open::Panics => panic!("as the script says"),
            Open::Runs(answers) => {
                let alive = self.0.alive.fetch_add(1, Ordering::SeqCst) + 1;
                self.0.most_alive.fetch_max(alive, Ordering::SeqCst);
                Ok(Fake { script: Arc::clone(&self.0), answers: answers.into() })
            }
        }
    }
}

impl Events for Fake {
    async fn next(mut self, _: Duration) -> Result<Option<(Self, Vec<NewEvent>)>, Trouble> {
        self.script.asked.fetch_add(1, Ordering::SeqCst);
        let event = NewEvent { data: "{}".to_owned(), ..NewEvent::default() };
        let count = match self.answers.pop_front().ok_or(Trouble::Passing)? {
            Ask::Events(count) => count,
            Ask::After(wait, count) => {
                tokio::time::sleep(wait).await;
                count
            }
            Ask::Empty => 0,
            Ask::Ended => return Ok(None),
            Ask::Forever => std::future::pending().await,
        };
        Ok(Some((self, vec![event; count])))
    }

    async fn close(self) {}
}

struct Stage {
    script: Arc<Script>,
    topics: Arc<Topics>,
    feeds: Arc<Feeds<Scripted>>,
}

fn limits() -> Limits {
    let (delay, delay_max) = (Duration::from_millis(100), Duration::from_millis(800));
    Limits { feed_restart_delay: delay, feed_restart_delay_max: delay_max, feeds_max: 3, plugin_feeds_max: 2, ..Limits::default() }
}

fn stage(opens: &[Open], always: Open) -> Stage {
    let limits = Arc::new(limits());
    let topics = Topics::new(Changes::new(), Arc::clone(&limits), Clock::system());
    for plugin in ["one", "two"] {
        declare(&topics, plugin, &["lines"]);
    }
    let script = Arc::new(Script::default());
    script.opens.lock().unwrap().extend(opens.iter().cloned());
    *script.always.lock().unwrap() = Some(always);
    *script.in_force.lock().unwrap() = Some(1);
    let feeds = Feeds::new(Scripted(Arc::clone(&script), Instant::now()), &topics, tokio::runtime::Handle::current(), limits);
    topics.run_feeds_with(Arc::<Feeds<Scripted>>::clone(&feeds));
    Stage { script, topics, feeds }
}

fn declare(topics: &Arc<Topics>, plugin: &str, names: &[&str]) {
    declare_with(topics, plugin, names, true);
}

fn declare_with(topics: &Arc<Topics>, plugin: &str, names: &[&str], feed: bool) {
    let declared =
        |name: &&str| Declared { pattern: TopicPattern::parse(name).unwrap(), retained_max: 0, overflow: Overflow::DropOldest, feed };
    topics.declare(&TenantId::local(), &PluginName::parse(plugin).unwrap(), names.iter().map(declared).collect());
}

impl Stage {
    fn subscribe(&self, plugin: &str, filter: &str) -> Subscription {
        let filter = Filter::parse(&serde_json::from_str(filter).unwrap(), &Limits::default()).unwrap();
        let wanted = [Wanted { plugin: PluginName::parse(plugin).unwrap(), topic: "lines".to_owned() }];
        let subscriber = Subscriber { tenant: &TenantId::local(), subject: "" };
        self.topics.subscribe(subscriber, &wanted, &filter, None).unwrap()
    }

    /// Everything that can happen without time passing.
    async fn settle(&self) {
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
    }
}

/// What a subscriber hears, as a word.
fn word(delivery: Option<Delivery>) -> String {
    match delivery {
        Some(Delivery::Event(_)) => "event".to_owned(),
        Some(Delivery::Lagged(count)) => format!("lagged {count}"),
        Some(Delivery::Notice(Notice::Restarting { topic, delay_ms })) => format!("{topic} in {delay_ms}"),
        Some(Delivery::Notice(Notice::Restarted { topic })) => format!("{topic} again"),
        Some(Delivery::Ended(why)) => format!("ended: {why}"),
        None => "over".to_owned(),
    }
}

async fn words(subscription: &Subscription, count: usize) -> Vec<String> {
    let mut heard = Vec::new();
    for _ in 0..count {
        heard.push(word(subscription.next().await));
    }
    heard
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_fails_is_started_later_each_time_and_its_subscribers_are_told() {
    let stage = stage(&[], Open::Fails);
    let subscription = stage.subscribe("one", "{}");
    let expected = ["one/lines in 100", "one/lines in 200", "one/lines in 400", "one/lines in 800", "one/lines in 800"];
    assert_eq!(words(&subscription, 5).await, expected);
    assert_eq!(*stage.script.opened_ms.lock().unwrap(), [0, 100, 300, 700, 1_500]);
}

#[tokio::test(start_paused = true)]
async fn panics_of_ours_and_failures_later_on_count_too_until_it_has_worked_for_a_while() {
    let long = Ask::After(Duration::from_millis(800), 1);
    let opens = [Open::Panics, Open::Runs(vec![Ask::Events(1)]), Open::Runs(vec![long]), Open::Runs(vec![Ask::Events(1), Ask::Forever])];
    let stage = stage(&opens, Open::Fails);
    let subscription = stage.subscribe("one", "{}");
    // A notice gives way to a newer one, and stands behind events.
    let expected =
        ["one/lines in 100", "event", "one/lines in 200", "one/lines again", "event", "one/lines in 100", "event", "one/lines again"];
    assert_eq!(words(&subscription, expected.len()).await, expected);
}

#[tokio::test(start_paused = true)]
async fn there_is_one_feed_for_each_filter_and_none_without_listeners() {
    let stage = stage(&[], Open::Runs(vec![Ask::Events(1), Ask::Forever]));
    stage.settle().await;
    assert_eq!((stage.script.opened(), stage.feeds.count()), (0, 0));
    let first = stage.subscribe("one", "{}");
    assert_eq!(words(&first, 1).await, ["event"]);
    let (second, other) = (stage.subscribe("one", "{}"), stage.subscribe("one", r#"{"severity":"high"}"#));
    stage.settle().await;
    assert_eq!((stage.script.opened(), stage.feeds.count()), (2, 2));
    drop((first, other));
    stage.settle().await;
    assert_eq!((stage.script.alive.load(Ordering::SeqCst), stage.feeds.count()), (1, 1));
    drop(second);
    stage.settle().await;
    assert_eq!((stage.script.alive.load(Ordering::SeqCst), stage.feeds.count()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_starts_waits_for_the_one_before_it() {
    let stage = stage(&[], Open::Runs(vec![Ask::Events(1), Ask::Forever]));
    for _ in 0..20 {
        let subscription = stage.subscribe("one", "{}");
        assert_eq!(words(&subscription, 1).await, ["event"]);
        // The next one comes before the feed had time to stop.
    }
    assert_eq!((stage.script.opened(), stage.script.most_alive.load(Ordering::SeqCst)), (20, 1));
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_has_ended_and_begins_anew_for_others() {
    let opens = [Open::Runs(vec![Ask::Events(2), Ask::Ended]), Open::Refused("there is no such file")];
    let stage = stage(&opens, Open::Runs(vec![Ask::Events(1), Ask::Forever]));
    let first = stage.subscribe("one", "{}");
    assert_eq!(words(&first, 4).await, ["event", "event", "ended: the feed has ended", "over"]);
    let second = stage.subscribe("one", "{}");
    assert_eq!(words(&second, 2).await, ["ended: there is no such file", "over"]);
    let third = stage.subscribe("one", "{}");
    assert_eq!(words(&third, 1).await, ["event"]);
    // Those who have heard the end hold nothing up, and stop nothing, when they leave.
    drop((first, second));
    stage.settle().await;
    assert_eq!((stage.script.opened(), stage.feeds.count()), (3, 1));
    drop(third);
    stage.settle().await;
    assert_eq!(stage.feeds.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_feed_is_not_asked_for_what_nobody_has_room_for() {
    let stage = stage(&[], Open::Runs(vec![Ask::Events(256); 100]));
    let idle = stage.subscribe("one", "{}");
    stage.settle().await;
    assert_eq!(stage.script.asked(), 1);
    // Somebody who reads gets on, and only those who do not miss something.
    let reader = stage.subscribe("one", "{}");
    assert_eq!(words(&reader, 500).await, vec!["event"; 500]);
    stage.settle().await;
    assert!(stage.script.asked() <= 4, "{}", stage.script.asked());
    assert!(word(idle.next().await).starts_with("lagged "));
}

#[tokio::test(start_paused = true)]
async fn a_feed_that_has_nothing_and_does_not_wait_is_asked_now_and_then() {
    let stage = stage(&[], Open::Runs(vec![Ask::Empty; 100_000]));
    let _subscription = stage.subscribe("one", "{}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!((15..=21).contains(&stage.script.asked()), "{}", stage.script.asked());
}

#[tokio::test(start_paused = true)]
async fn a_feed_of_a_plugin_that_was_loaded_again_goes_on_in_the_new_revision() {
    let waits = || Open::Runs(vec![Ask::Events(1), Ask::After(Duration::from_secs(1), 1), Ask::Forever]);
    let stage = stage(&[waits(), Open::Runs(vec![Ask::Events(1), Ask::Forever]), Open::Fails], Open::Fails);
    let subscription = stage.subscribe("one", "{}");
    let id = async || match subscription.next().await {
        Some(Delivery::Event(event)) => event.id,
        other => panic!("{}", word(other)),
    };
    let first = id().await;
    // Another plugin's: nothing happens. Its own: what it is asked for is waited for.
    stage.script.swap(Some(1));
    stage.settle().await;
    stage.script.swap(Some(2));
    stage.settle().await;
    assert_eq!(stage.script.opened(), 1);
    let (second, third) = (id().await, id().await);
    assert!(first < second && second < third);
    assert_eq!((words(&subscription, 1).await, stage.script.opened()), (vec!["one/lines again".to_owned()], 2));
}

#[tokio::test(start_paused = true)]
async fn a_new_revision_is_tried_at_once() {
    let stage = stage(&[Open::Fails, Open::Fails, Open::Fails, Open::Runs(vec![Ask::Events(1), Ask::Forever])], Open::Fails);
    let subscription = stage.subscribe("one", "{}");
    words(&subscription, 3).await;
    let before = Instant::now();
    stage.script.swap(Some(2));
    assert_eq!(words(&subscription, 1).await, ["event"]);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_not_offered_any_more_ends() {
    let stage = stage(&[], Open::Runs(vec![Ask::Forever]));
    let subscription = stage.subscribe("one", "{}");
    stage.settle().await;
    declare(&stage.topics, "one", &["others"]);
    assert_eq!(words(&subscription, 2).await, ["ended: the topic is not offered any more", "over"]);
    stage.settle().await;
    assert_eq!((stage.feeds.count(), stage.script.alive.load(Ordering::SeqCst)), (0, 0));
    declare(&stage.topics, "one", &["lines"]);
    let _again = stage.subscribe("one", "{}");
    stage.settle().await;
    assert_eq!((stage.feeds.count(), stage.script.opened()), (1, 2));
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_gets_a_feed_has_it_for_those_who_listen_already() {
    let stage = stage(&[], Open::Runs(vec![Ask::Events(1), Ask::Forever]));
    declare_with(&stage.topics, "one", &["lines"], false);
    let subscription = stage.subscribe("one", "{}");
    stage.settle().await;
    assert_eq!(stage.feeds.count(), 0);
    declare(&stage.topics, "one", &["lines"]);
    assert_eq!(words(&subscription, 1).await, ["event"]);
    declare_with(&stage.topics, "one", &["lines"], false);
    stage.settle().await;
    assert_eq!((stage.feeds.count(), stage.script.opened()), (0, 1));
    drop(subscription);
}

#[tokio::test(start_paused = true)]
async fn there_are_so_many_feeds_and_the_others_wait() {
    let stage = stage(&[], Open::Runs(vec![Ask::Events(1), Ask::Forever]));
    let mut running = vec![stage.subscribe("one", "{}"), stage.subscribe("one", r#"{"severity":"low"}"#)];
    let over = stage.subscribe("one", r#"{"severity":"high"}"#);
    assert_eq!(words(&over, 2).await, ["one/lines in 100", "one/lines in 200"]);
    // The other plugin has its own, as long as the host has any.
    let (_other, over_all) = (stage.subscribe("two", "{}"), stage.subscribe("two", r#"{"severity":"high"}"#));
    assert_eq!(words(&over_all, 1).await, ["two/lines in 100"]);
    assert_eq!((stage.script.opened(), stage.feeds.count()), (3, 5));
    running.pop();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((stage.script.opened(), stage.script.alive.load(Ordering::SeqCst)), (4, 3));
}
