//! The hub as its users see it.

use super::*;
use crate::clock::Clock;
use crate::ids::{PluginName, TenantId};
use crate::limits::Limits;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

fn plugin() -> PluginName {
    PluginName::parse("logs").unwrap()
}

fn tenant(name: &str) -> TenantId {
    TenantId::named(name)
}

fn declared(name: &str) -> Declared {
    Declared { pattern: TopicPattern::parse(name).unwrap(), retained_max: 100, overflow: Overflow::DropOldest, feed: false }
}

fn of_feed(name: &str) -> Declared {
    Declared { feed: true, ..declared(name) }
}

fn topics(limits: Limits, declared: Vec<Declared>) -> Arc<Topics> {
    let topics = Topics::new(Changes::new(), Arc::new(limits), Clock::system());
    topics.declare(&TenantId::local(), &plugin(), declared);
    topics
}

fn new(data: &Value) -> NewEvent {
    NewEvent { data: data.to_string(), ..NewEvent::default() }
}

fn number(at: u64) -> NewEvent {
    new(&json!({ "at": at }))
}

fn publish(topics: &Topics, topic: &str, at: u64) -> u64 {
    topics.publish(&TenantId::local(), &plugin(), topic, number(at)).unwrap()
}

fn wanted(names: &[&str]) -> Vec<Wanted> {
    names.iter().map(|name| Wanted { plugin: plugin(), topic: (*name).to_owned() }).collect()
}

fn filter(members: &Value) -> Arc<Filter> {
    Filter::parse(members.as_object().unwrap(), &Limits::default()).unwrap()
}

fn subscribe_as(topics: &Arc<Topics>, subject: &str, names: &[&str], after: Option<u64>) -> Result<Subscription, SubscribeError> {
    topics.subscribe(Subscriber { tenant: &TenantId::local(), subject }, &wanted(names), &Filter::all(), after)
}

fn subscribe(topics: &Arc<Topics>, names: &[&str], after: Option<u64>) -> Subscription {
    subscribe_as(topics, "", names, after).unwrap()
}

/// What is there: numbers of events, and how many are missing where some are.
fn taken(subscription: &Subscription) -> Vec<String> {
    let text = |delivery| match delivery {
        Delivery::Event(event) => serde_json::from_str::<Value>(&event.new.data).unwrap()["at"].to_string(),
        Delivery::Lagged(missed) => format!("-{missed}"),
        Delivery::Notice(_) => "!".to_owned(),
        Delivery::Ended(_) => "end".to_owned(),
    };
    std::iter::from_fn(|| subscription.take()).map(text).collect()
}

#[test]
fn every_subscriber_gets_what_it_asked_for_in_order() {
    let topics = topics(Limits::default(), vec![declared("a"), declared("b/{id}"), declared("c")]);
    let all = subscribe(&topics, &["a", "b/1", "c"], None);
    let one = subscribe(&topics, &["b/1"], None);
    let odd = Subscriber { tenant: &TenantId::local(), subject: "" };
    let odd = topics.subscribe(odd, &wanted(&["a", "c"]), &filter(&json!({"at": [1, 3, 5]})), None).unwrap();
    let ids: Vec<_> =
        [("a", 1), ("b/1", 2), ("c", 3), ("b/2", 4), ("a", 5)].map(|(topic, at)| publish(&topics, topic, at)).into_iter().collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    assert_eq!(taken(&all), ["1", "2", "3", "5"]);
    assert_eq!(taken(&one), ["2"]);
    assert_eq!(taken(&odd), ["1", "3", "5"]);
}

#[test]
fn who_does_not_keep_up_is_told_how_much_is_missing() {
    let limits = Limits { subscriber_events_max: 4, ..Limits::default() };
    let topics = topics(limits, vec![declared("a"), Declared { overflow: Overflow::Coalesce, ..declared("state") }]);
    let (slow, state) = (subscribe(&topics, &["a"], None), subscribe(&topics, &["state"], None));
    for at in 0..10 {
        publish(&topics, "a", at);
        publish(&topics, "state", at);
    }
    assert_eq!(taken(&slow), ["-6", "6", "7", "8", "9"]);
    assert_eq!(taken(&state), ["9"], "only the newest counts, and nobody is told of the others");
    publish(&topics, "a", 10);
    assert_eq!(taken(&slow), ["10"]);
}

#[test]
fn a_queue_holds_so_many_bytes() {
    let topics = topics(Limits { subscriber_bytes_max: 10_000, ..Limits::default() }, vec![declared("a")]);
    let slow = subscribe(&topics, &["a"], None);
    for at in 0..10 {
        topics.publish(&TenantId::local(), &plugin(), "a", new(&json!({"at": at, "pad": "x".repeat(3_000)}))).unwrap();
    }
    assert_eq!(taken(&slow), ["-7", "7", "8", "9"]);
}

#[test]
fn who_comes_back_gets_what_was_retained_meanwhile() {
    let limits = Limits { topic_retained_max: 200, ..Limits::default() };
    let topics = topics(limits, vec![Declared { retained_max: 150, ..declared("a") }, declared("b"), declared("quiet")]);
    let first = publish(&topics, "a", 0);
    (1..=140).for_each(|at| _ = publish(&topics, if at % 2 == 0 { "a" } else { "b" }, at));
    // More than a queue holds, of both topics in their order, and what is published meanwhile after it.
    let back = subscribe(&topics, &["a", "b", "quiet"], Some(first));
    publish(&topics, "quiet", 141);
    let all: Vec<_> = (1..=141).map(|at| at.to_string()).collect();
    assert_eq!(taken(&back), all);
    publish(&topics, "a", 142);
    assert_eq!(taken(&back), ["142"]);
    // What is too long ago is not there any more.
    (0..200).for_each(|at| _ = publish(&topics, "a", at));
    let late = taken(&subscribe(&topics, &["a"], Some(first)));
    assert_eq!((late[0].as_str(), late[1].as_str(), late.len()), ("-0", "50", 151));
    // Somebody from before the host started may have missed something, wherever nothing is retained.
    assert_eq!(taken(&subscribe(&topics, &["quiet"], Some(7))), ["-0", "141"]);
    assert_eq!(taken(&subscribe(&topics, &["a"], None)), Vec::<String>::new());
}

#[test]
fn a_topic_that_was_never_used_misses_nothing() {
    let topics = topics(Limits::default(), vec![declared("a"), declared("b"), Declared { retained_max: 0, ..declared("c") }]);
    drop(subscribe(&topics, &["b"], None));
    let last = publish(&topics, "a", 1);
    assert_eq!(taken(&subscribe(&topics, &["b"], Some(last))), Vec::<String>::new());
    publish(&topics, "c", 2);
    assert_eq!(taken(&subscribe(&topics, &["c"], Some(last))), ["-0"], "nothing is kept of it");
}

#[test]
fn t05_tenants_do_not_hear_each_other() {
    let topics = topics(Limits::default(), vec![declared("a")]);
    let (one, two) = (TenantId::local(), tenant("other"));
    topics.declare(&two, &plugin(), vec![declared("a")]);
    let subscriber = |tenant| Subscriber { tenant, subject: "same" };
    let of_one = topics.subscribe(subscriber(&one), &wanted(&["a"]), &Filter::all(), Some(0)).unwrap();
    let of_two = topics.subscribe(subscriber(&two), &wanted(&["a"]), &Filter::all(), Some(0)).unwrap();
    topics.publish(&one, &plugin(), "a", number(1)).unwrap();
    topics.publish(&two, &plugin(), "a", number(2)).unwrap();
    assert_eq!((taken(&of_one), taken(&of_two)), (vec!["-0".to_owned(), "1".to_owned()], vec!["-0".to_owned(), "2".to_owned()]));
    assert_eq!(topics.retained(&two, &plugin(), "a").unwrap().len(), 1);
    assert!(topics.retained(&tenant("third"), &plugin(), "a").is_none());
}

#[test]
fn what_is_refused() {
    let limits = Limits {
        subscriptions_per_caller_max: 2,
        subscriptions_per_tenant_max: 3,
        topics_live_max: 2,
        events_per_second_max: 3,
        ..Limits::default()
    };
    let topics = topics(limits, vec![declared("r/{id}")]);
    let refused = |subject: &str, names: &[&str]| subscribe_as(&topics, subject, names, None).err().map(|error| error.to_string());
    assert!(refused("", &["nothing"]).unwrap().contains("no topic \"logs/nothing\""));
    assert!(refused("", &["../x"]).unwrap().contains("is not the name of a topic"));
    let held: Vec<_> = ["a", "a", "b"].iter().map(|subject| subscribe_as(&topics, subject, &["r/1"], None).unwrap()).collect();
    assert!(refused("a", &["r/1"]).unwrap().contains("subscriptions_per_caller_max"));
    assert!(refused("b", &["r/1"]).unwrap().contains("subscriptions_per_tenant_max"));
    drop(held);
    let kept = (subscribe(&topics, &["r/1"], None), topics.watch(&TenantId::local(), &plugin(), "r/2").unwrap());
    assert!(refused("c", &["r/3"]).unwrap().contains("topics_live_max"));
    assert_eq!(topics.publish(&TenantId::local(), &plugin(), "r/3", number(1)), Err(PublishError::TooManyTopics(2)));
    drop(kept);
    let big = new(&json!({"pad": "x".repeat(70_000)}));
    let kind = NewEvent { kind: Some("x".repeat(70_000)), ..number(1) };
    for event in [big, kind] {
        assert!(matches!(topics.publish(&TenantId::local(), &plugin(), "r/1", event), Err(PublishError::TooLarge(_))));
    }
    assert!(matches!(topics.publish(&TenantId::local(), &plugin(), "x", number(1)), Err(PublishError::UnknownTopic(_))));
    let of_many: Vec<_> = (0..5).map(|at| topics.publish(&TenantId::local(), &plugin(), "r/1", number(at))).collect();
    assert_eq!(of_many.last(), Some(&Err(PublishError::TooFast(3))));
}

#[test]
fn what_nobody_wants_makes_room_and_what_is_kept_is_bounded() {
    let limits = Limits { topics_live_max: 3, topic_retained_bytes_max: 3_000, ..Limits::default() };
    let topics = topics(limits, vec![declared("r/{id}")]);
    let _kept = subscribe(&topics, &["r/0"], None);
    for at in 1..20 {
        publish(&topics, &format!("r/{at}"), at);
    }
    let count = |topic: &str| topics.retained(&TenantId::local(), &plugin(), topic).unwrap().len();
    assert_eq!((count("r/17"), count("r/18"), count("r/19")), (0, 1, 1), "the oldest went");
    // All topics together keep so many bytes, and the oldest event goes first, whatever topic it is of.
    for at in 0..10 {
        let topic = if at % 2 == 0 { "r/18" } else { "r/19" };
        topics.publish(&TenantId::local(), &plugin(), topic, new(&json!({"at": at, "pad": "x".repeat(600)}))).unwrap();
    }
    let sizes = ["r/18", "r/19"].map(|topic| topics.retained(&TenantId::local(), &plugin(), topic).unwrap());
    let bytes: usize = sizes.iter().flatten().map(|event| event.size_bytes()).sum();
    assert!((1_800..=3_000).contains(&bytes) && sizes[0].len().abs_diff(sizes[1].len()) <= 1, "{bytes} {sizes:?}");
}

#[test]
fn topics_that_are_not_offered_any_more_end() {
    let topics = topics(Limits::default(), vec![declared("a"), declared("b")]);
    let (a, b) = (subscribe(&topics, &["a"], None), subscribe(&topics, &["b"], None));
    publish(&topics, "b", 1);
    topics.declare(&TenantId::local(), &plugin(), vec![declared("a"), declared("c")]);
    assert!(matches!(topics.publish(&TenantId::local(), &plugin(), "b", number(1)), Err(PublishError::UnknownTopic(_))));
    publish(&topics, "a", 2);
    assert_eq!((taken(&a), taken(&b)), (vec!["2".to_owned()], vec!["1".to_owned(), "end".to_owned()]));
    // Back again, it is another topic for those who had the old one.
    topics.declare(&TenantId::local(), &plugin(), vec![declared("a"), declared("b")]);
    let again = subscribe(&topics, &["b"], None);
    drop(b);
    publish(&topics, "b", 3);
    assert_eq!((taken(&a), taken(&again)), (Vec::new(), vec!["3".to_owned()]));
}

#[derive(Default)]
struct Runs(Mutex<(HashMap<FeedKey, i32>, Vec<String>)>);

impl Runs {
    fn count(&self, key: &FeedKey, by: i32) {
        let mut runs = self.0.lock().unwrap();
        runs.1.push(format!("{}{} {}", if by > 0 { "+" } else { "-" }, key.topic, key.filters));
        let count = runs.0.entry(key.clone()).or_insert(0);
        *count += by;
        assert!((0..=1).contains(count), "{key:?} runs {count} times");
    }

    fn said(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().1)
    }
}

impl FeedRunner for Runs {
    fn start(&self, key: &FeedKey) {
        self.count(key, 1);
    }
    fn stop(&self, key: &FeedKey) {
        self.count(key, -1);
    }
}

fn running(declared: Vec<Declared>) -> (Arc<Topics>, Arc<Runs>) {
    let (topics, runs) = (topics(Limits::default(), Vec::new()), Arc::new(Runs::default()));
    topics.run_feeds_with(Arc::<Runs>::clone(&runs));
    topics.declare(&TenantId::local(), &plugin(), declared);
    (topics, runs)
}

#[test]
fn a_feed_runs_while_somebody_wants_it() {
    let (topics, runs) = running(vec![of_feed("f"), declared("a")]);
    let _other = subscribe(&topics, &["a"], None);
    let one = subscribe(&topics, &["f", "a"], None);
    let two = subscribe(&topics, &["f"], None);
    let subscriber = Subscriber { tenant: &TenantId::local(), subject: "" };
    let filtered = topics.subscribe(subscriber, &wanted(&["f"]), &filter(&json!({"b": 1, "a": [2, 1, 2]})), None).unwrap();
    assert_eq!(runs.said(), ["+f {}", "+f {\"a\":[1,2],\"b\":1}"]);
    let key = FeedKey { tenant: TenantId::local(), plugin: plugin(), topic: "f".into(), filters: "{}".into() };
    topics.publish_from_feed(&key, number(1)).unwrap();
    assert_eq!((taken(&one), taken(&two), taken(&filtered)), (vec!["1".to_owned()], vec!["1".to_owned()], Vec::new()));
    drop(one);
    let watching = topics.watch(&TenantId::local(), &plugin(), "f");
    drop((two, filtered));
    assert_eq!(runs.said(), ["-f {\"a\":[1,2],\"b\":1}"], "a watcher keeps it running");
    drop(watching);
    assert_eq!(runs.said(), ["-f {}"]);
    assert!(topics.publish_from_feed(&FeedKey { topic: "gone".into(), ..key.clone() }, number(1)).is_err());
    // A feed that is over is not stopped, and the next one who comes starts another.
    let one = subscribe(&topics, &["f"], None);
    topics.end(&key, "it has ended", || true);
    runs.0.lock().unwrap().0.clear();
    let two = subscribe(&topics, &["f"], None);
    assert_eq!((runs.said(), taken(&one)), (vec!["+f {}".to_owned(), "+f {}".to_owned()], vec!["end".to_owned()]));
    drop(one);
    assert_eq!(runs.said(), Vec::<String>::new());
    drop(two);
    assert_eq!(runs.said(), ["-f {}"]);
}

#[test]
fn what_was_retained_comes_before_the_end() {
    let (topics, _) = running(vec![of_feed("f")]);
    let key = FeedKey { tenant: TenantId::local(), plugin: plugin(), topic: "f".into(), filters: "{}".into() };
    let one = subscribe(&topics, &["f"], None);
    let first = topics.publish_from_feed(&key, number(0)).unwrap();
    let late = subscribe(&topics, &["f"], Some(first));
    for n in 1..=10 {
        topics.publish_from_feed(&key, number(n)).unwrap();
    }
    topics.end(&key, "it has ended", || false);
    assert_eq!(taken(&one).len(), 11, "another feed runs by now");
    topics.end(&key, "it has ended", || true);
    let expected: Vec<_> = (1..=10).map(|n| n.to_string()).chain(["end".to_owned()]).collect();
    assert_eq!(taken(&late), expected);
}

#[test]
fn a_watcher_outlives_its_topic() {
    let (topics, runs) = running(vec![of_feed("f")]);
    let old = topics.watch(&TenantId::local(), &plugin(), "f");
    topics.declare(&TenantId::local(), &plugin(), Vec::new());
    topics.declare(&TenantId::local(), &plugin(), vec![of_feed("f")]);
    let new = topics.watch(&TenantId::local(), &plugin(), "f");
    drop(old);
    assert_eq!(runs.said(), ["+f {}", "-f {}", "+f {}"], "somebody else still watches");
    topics.declare(&TenantId::local(), &plugin(), vec![declared("f")]);
    drop(new);
    assert_eq!(runs.said(), ["-f {}"]);
}

#[test]
fn feeds_run_once_however_many_come_and_go_at_the_same_time() {
    let limits = Limits { subscriptions_per_caller_max: 100, ..Limits::default() };
    let (topics, runs) = (topics(limits, Vec::new()), Arc::new(Runs::default()));
    topics.run_feeds_with(Arc::<Runs>::clone(&runs));
    topics.declare(&TenantId::local(), &plugin(), vec![of_feed("f")]);
    let key = FeedKey { tenant: TenantId::local(), plugin: plugin(), topic: "f".into(), filters: "{}".into() };
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (topics, key) = (&topics, &key);
            scope.spawn(move || {
                for at in 0..500 {
                    let held = (subscribe(topics, &["f"], None), topics.watch(&TenantId::local(), &plugin(), "f"));
                    topics.publish_from_feed(key, number(at)).unwrap();
                    if thread == 0 && at % 50 == 0 {
                        topics.declare(&TenantId::local(), &plugin(), vec![of_feed("f")]);
                    }
                    drop(held);
                }
            });
        }
    });
    assert!(runs.0.lock().unwrap().0.values().all(|running| *running == 0));
}

#[test]
fn publishers_and_subscribers_in_threads_agree_on_every_event() {
    const PUBLISHERS: u64 = 3;
    const EVENTS: u64 = 2_000;
    let limits = Limits { events_per_second_max: u32::MAX, subscriptions_per_caller_max: 100, ..Limits::default() };
    let topics = topics(limits, vec![declared("a")]);
    let subscriber = Subscriber { tenant: &TenantId::local(), subject: "" };
    let subscriptions: Vec<_> = [json!({}), json!({"odd": true}), json!({"at": 7}), json!({"odd": false})]
        .iter()
        .map(|members| topics.subscribe(subscriber, &wanted(&["a"]), &filter(members), None).unwrap())
        .collect();
    let expected = [EVENTS * PUBLISHERS, EVENTS * PUBLISHERS / 2, PUBLISHERS, EVENTS * PUBLISHERS / 2];
    std::thread::scope(|scope| {
        for (subscription, expected) in subscriptions.iter().zip(expected) {
            scope.spawn(move || {
                let (mut got, mut missed, mut last) = (0, 0, 0);
                while got + missed < expected {
                    match futures_util::FutureExt::now_or_never(subscription.next()).flatten() {
                        Some(Delivery::Event(event)) => {
                            assert!(event.id > last, "out of order");
                            (got, last) = (got + 1, event.id);
                        }
                        Some(Delivery::Lagged(more)) => missed += more,
                        Some(_) => panic!("nothing else is delivered"),
                        None => std::thread::yield_now(),
                    }
                }
                assert!(got + missed == expected && subscription.take().is_none(), "{got} and {missed} of {expected}");
            });
        }
        for _ in 0..PUBLISHERS {
            let topics = &topics;
            scope.spawn(move || {
                for at in 0..EVENTS {
                    topics.publish(&TenantId::local(), &plugin(), "a", new(&json!({"at": at, "odd": at % 2 == 1}))).unwrap();
                }
            });
        }
    });
}

#[tokio::test]
async fn a_reader_that_waits_is_woken_and_a_feed_waits_for_room() {
    let limits = Limits { subscriber_events_max: 2, ..Limits::default() };
    let topics = topics(limits, vec![of_feed("f"), declared("a")]);
    let a = subscribe(&topics, &["a"], None);
    let waiting = tokio::spawn(async move { (a.next().await.is_some(), a) });
    tokio::task::yield_now().await;
    publish(&topics, "a", 1);
    assert!(waiting.await.unwrap().0);
    let f = subscribe(&topics, &["f"], None);
    let key = FeedKey { tenant: TenantId::local(), plugin: plugin(), topic: "f".into(), filters: "{}".into() };
    (0..2).for_each(|at| _ = topics.publish_from_feed(&key, number(at)).unwrap());
    // Somebody reads, somebody else comes, nobody is left.
    let mut come = Vec::new();
    for makes_room in 0..3 {
        let (waiter, its_key) = (Arc::clone(&topics), key.clone());
        let room = tokio::spawn(async move { waiter.room(&its_key).await });
        tokio::task::yield_now().await;
        assert!(!room.is_finished());
        match makes_room {
            0 => drop(f.take()),
            1 => come.push(subscribe(&topics, &["f"], None)),
            _ => topics.end(&key, "over", || true),
        }
        tokio::time::timeout(std::time::Duration::from_secs(10), room).await.unwrap().unwrap();
        (0..2).for_each(|at| _ = topics.publish_from_feed(&key, number(at)).unwrap());
    }
}

#[derive(Default)]
struct Heard(Mutex<Vec<Change>>);

impl Listener for Heard {
    fn changed(&self, change: &Change) {
        self.0.lock().unwrap().push(change.clone());
    }
}

#[tokio::test(start_paused = true)]
async fn watchers_are_told_once_for_many_events() {
    let changes = Changes::new();
    let topics = Topics::new(Arc::clone(&changes), Arc::new(Limits::default()), Clock::system());
    topics.declare(&TenantId::local(), &plugin(), vec![declared("a"), declared("b")]);
    let heard = Arc::new(Heard::default());
    let listener: Arc<dyn Listener> = Arc::<Heard>::clone(&heard);
    let _place = changes.listen(&TenantId::local(), Arc::downgrade(&listener));
    let told = || std::mem::take(&mut *heard.0.lock().unwrap());
    let watching = topics.watch(&TenantId::local(), &plugin(), "a").unwrap();
    let teller = Arc::clone(&topics);
    let teller = tokio::spawn(async move { teller.tell_updates().await });
    let updated = || vec![Change::Resource("topic://logs/a".into())];
    let wait = || tokio::time::sleep(Limits::default().topic_told_every * 2);
    for _ in 0..2 {
        (0..50).for_each(|at| _ = (publish(&topics, "a", at), publish(&topics, "b", at)));
        wait().await;
        assert_eq!(told(), updated(), "once, and of nothing that nobody watches");
    }
    publish(&topics, "a", 1);
    tokio::task::yield_now().await;
    publish(&topics, "a", 2);
    wait().await;
    assert_eq!(told(), [updated(), updated()].concat(), "the first at once, what comes after it a moment later");
    drop(watching);
    publish(&topics, "a", 3);
    wait().await;
    assert_eq!(told(), []);
    teller.abort();
}
