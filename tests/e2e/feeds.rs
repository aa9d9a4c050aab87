//! Feeds that guests run: who starts them, what holds them back, and what becomes of them when they fail.

use cofferdam::ids::{PluginName, TenantId};
use cofferdam::limits::Limits;
use cofferdam::topics::{Delivery, Event, Filter, Notice, Subscriber, Subscription, Wanted};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests::client;
use tests::host::{Plugins, TestHost};

const PATIENCE: Duration = Duration::from_secs(30);

/// What an event tells.
fn data(event: &Event) -> Value {
    serde_json::from_str(&event.new.data).unwrap()
}

fn feeder() -> Plugins {
    Plugins::new().fixture("feeder").limits(|limits| limits.subscriptions_per_caller_max = 64)
}

fn subscribe(host: &TestHost, topic: &str, filter: Value) -> Subscription {
    let filter = Filter::parse(filter.as_object().unwrap(), &Limits::default()).unwrap();
    let wanted = [Wanted { plugin: PluginName::parse("feeder").unwrap(), topic: topic.to_owned() }];
    let subscriber = Subscriber { tenant: &TenantId::local(), subject: "" };
    host.topics.subscribe(subscriber, &wanted, &filter, None).unwrap()
}

fn next(subscription: &Subscription) -> Option<Delivery> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, subscription.next()).await }).expect("nothing came")
}

/// The data of the next event; anything else is wrong.
fn event(subscription: &Subscription) -> Value {
    match next(subscription) {
        Some(Delivery::Event(event)) => data(&event),
        other => panic!("{other:?}"),
    }
}

fn numbers(subscription: &Subscription, count: usize) -> Vec<u64> {
    (0..count).map(|_| event(subscription)["n"].as_u64().unwrap()).collect()
}

fn ended(subscription: &Subscription) -> String {
    loop {
        match next(subscription) {
            Some(Delivery::Ended(why)) => return why.to_string(),
            Some(_) => {}
            None => panic!("it was over without a word"),
        }
    }
}

/// How often something happened in the plugin: `open/<topic>`, `next/<topic>`, `close/<topic>`.
fn count(host: &TestHost, what: &str) -> u64 {
    let answer = client::call(host.address, "count", json!({ "key": what }));
    answer.text().parse().unwrap_or_else(|_| panic!("{answer:?}"))
}

/// Waits until something holds, and says how long that took.
fn until(what: &str, holds: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
    began.elapsed()
}

/// After how many milliseconds the feed will be started again, when its subscriber is told so next.
fn restarting(subscription: &Subscription) -> u64 {
    loop {
        match next(subscription) {
            Some(Delivery::Notice(Notice::Restarting { topic, delay_ms })) if topic.starts_with("feeder/") => return delay_ms,
            Some(Delivery::Notice(Notice::Restarted { .. })) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn g26_endless_events() {
    let host = feeder().start();
    let subscription = subscribe(&host, "endless", json!({}));
    until("it is asked", || count(&host, "next/endless") > 0);
    // Nobody reads: it is asked once, and what it brought waits.
    assert!((0..50).all(|_| count(&host, "next/endless") == 1));
    assert_eq!(numbers(&subscription, 1_000), (0..1_000).collect::<Vec<_>>());
    assert!(count(&host, "next/endless") <= 5);
    let mut took: Vec<_> = (0..5)
        .map(|_| {
            let subscription = subscribe(&host, "endless", json!({"source": "feeder"}));
            assert_eq!(numbers(&subscription, 100).len(), 100);
            drop(subscription);
            until("it stops", || host.feeds.count() == 1)
        })
        .collect();
    took.sort();
    assert!(took[2] <= Duration::from_millis(100), "{took:?}");
    drop(subscription);
    until("it stops", || host.feeds.count() == 0);
}

#[test]
fn g26_a_feed_stops_in_the_middle_of_its_next() {
    let host = feeder().limits(|limits| (limits.cpu_time_max, limits.host_calls_max) = (PATIENCE, u32::MAX)).start();
    for topic in ["slow", "spins"] {
        let mut took: Vec<_> = (1..=5)
            .map(|times| {
                let subscription = subscribe(&host, topic, json!({}));
                until("it is asked", || count(&host, &format!("next/{topic}")) == times);
                drop(subscription);
                until("it stops", || host.feeds.count() == 0)
            })
            .collect();
        took.sort();
        assert!(took[2] <= Duration::from_millis(100), "{topic}: {took:?}");
        assert_eq!(count(&host, &format!("open/{topic}")), 5);
    }
}

#[test]
fn f05_reload_during_feed() {
    let mut host = feeder().start();
    let subscription = subscribe(&host, "ticks", json!({}));
    let id = |subscription: &Subscription| match next(subscription) {
        Some(Delivery::Event(event)) => Some((event.id, data(&event)["n"].as_u64().unwrap())),
        Some(Delivery::Notice(Notice::Restarted { .. })) => None,
        other => panic!("{other:?}"),
    };
    let mut heard: Vec<_> = (0..3).map(|_| id(&subscription)).collect();
    assert!(heard.iter().all(Option::is_some));
    host.reload();
    // In the new revision it counts from the beginning, and ids go on.
    let twice = |heard: &[Option<(u64, u64)>]| heard.iter().flatten().filter(|(_, number)| *number == 2).count() == 2;
    while !twice(&heard) || heard.iter().all(Option::is_some) {
        heard.push(id(&subscription));
    }
    let events: Vec<_> = heard.iter().flatten().collect();
    assert!(events.is_sorted_by(|one, other| one.0 < other.0), "{events:?}");
    assert_eq!(heard.iter().filter(|heard| heard.is_none()).count(), 1, "{heard:?}");
    assert_eq!((host.feeds.count(), count(&host, "open/ticks"), count(&host, "close/ticks")), (1, 2, 1));
}

#[test]
fn f06_remove_during_feed() {
    let mut host = feeder().start();
    let (reading, waiting) = (subscribe(&host, "ticks", json!({})), subscribe(&host, "slow", json!({})));
    numbers(&reading, 3);
    until("it is asked", || count(&host, "next/slow") == 1);
    std::fs::remove_dir_all(host.plugins().join("feeder")).unwrap();
    host.reload();
    assert_eq!(ended(&waiting), "the topic is not offered any more");
    assert_eq!(ended(&reading), "the topic is not offered any more");
    assert!(next(&reading).is_none() && next(&waiting).is_none());
    until("they stop", || host.feeds.count() == 0);
}

#[test]
fn one_feed_serves_everybody_with_the_same_filters() {
    let host = feeder().start();
    assert_eq!((host.feeds.count(), count(&host, "open/ticks")), (0, 0));
    let same: Vec<_> = (0..5).map(|_| subscribe(&host, "ticks", json!({"a": 1, "severity": ["x"]}))).collect();
    // The feed's own label counts before what is in the data: these get events by their kind.
    let others: Vec<_> = (0..5).map(|_| subscribe(&host, "ticks", json!({"event_types": ["ticks"], "b": 2}))).collect();
    for subscription in &others {
        assert_eq!(event(subscription)["b"], 2);
    }
    assert_eq!((host.feeds.count(), count(&host, "open/ticks")), (2, 2));
    assert!(same.iter().all(|subscription| event(subscription)["a"] == 1));
    drop((same, others));
    until("they stop", || host.feeds.count() == 0);
}

#[test]
fn each_next_has_a_budget_of_its_own() {
    let (cpu, wait) = (Duration::from_millis(500), Duration::from_millis(100));
    let host = feeder().limits(|limits| (limits.cpu_time_max, limits.feed_next_time_max) = (cpu, wait)).start();
    let spins = subscribe(&host, "spins", json!({"ms": 400}));
    assert_eq!(numbers(&spins, 4), [1, 2, 3, 4]);
    drop(spins);
    let spins = subscribe(&host, "spins", json!({"ms": 5_000}));
    assert_eq!((restarting(&spins), restarting(&spins)), (250, 500));
    drop(spins);
    let slow = subscribe(&host, "slow", json!({}));
    until("it is asked again and again", || count(&host, "next/slow") >= 5);
    assert!(slow.take().is_none() && count(&host, "open/slow") == 1);
}

#[test]
fn every_limit_of_a_call_is_one_of_a_feed() {
    let (wall, wait) = (Duration::from_millis(500), Duration::from_millis(100));
    let host = feeder().limits(|limits| (limits.wall_time_max, limits.feed_next_time_max) = (wall, wait)).start();
    for topic in ["stuck", "floods", "grows"] {
        let subscription = subscribe(&host, topic, json!({}));
        let mut events = 0;
        let delay_ms = loop {
            match next(&subscription) {
                Some(Delivery::Event(_)) => events += 1,
                Some(Delivery::Notice(Notice::Restarting { delay_ms, .. })) => break delay_ms,
                other => panic!("{other:?}"),
            }
        };
        // Memory counts from its beginning: 64 MiB hold no more than seven times 8.
        assert_eq!((delay_ms, events), (250, if topic == "grows" { 7 } else { 0 }), "{topic}");
    }
}

#[test]
fn a_feed_that_traps_ten_times_in_a_row_is_restarted_and_nobody_else_notices() {
    let delay = Duration::from_millis(200);
    let plugins = feeder().guest("echo").limits(|limits| (limits.feed_restart_delay, limits.feed_restart_delay_max) = (delay, delay));
    let host = plugins.start();
    let neighbour = subscribe(&host, "ticks", json!({}));
    let flaky = subscribe(&host, "flaky", json!({"times": 10}));
    let told = std::thread::scope(|scope| {
        let told = scope.spawn(|| {
            let mut told = Vec::new();
            // The word that it runs again may stand behind its first event.
            while !["feeder/flaky again", "event"].iter().all(|last| told.iter().any(|told| told == last)) {
                told.push(match next(&flaky) {
                    Some(Delivery::Notice(Notice::Restarting { topic, delay_ms })) => format!("{topic} in {delay_ms}"),
                    Some(Delivery::Notice(Notice::Restarted { topic })) => format!("{topic} again"),
                    Some(Delivery::Event(event)) if data(&event)["n"] == 1 => "event".to_owned(),
                    Some(Delivery::Event(_)) => continue,
                    other => panic!("{other:?}"),
                });
            }
            told
        });
        assert_eq!(numbers(&neighbour, 50), (1..=50).collect::<Vec<_>>());
        for _ in 0..50 {
            assert_eq!(client::call(host.address, "echo_echo", json!({"text": "a"})).text(), "a");
        }
        told.join().unwrap()
    });
    let times = |what: &str| told.iter().filter(|told| *told == what).count();
    assert_eq!((times("feeder/flaky in 200"), times("feeder/flaky again"), times("event")), (10, 1, 1), "{told:?}");
    assert_eq!((count(&host, "open/flaky"), count(&host, "open/ticks")), (11, 1));
}

#[test]
fn feeds_have_slots_and_give_them_back() {
    let host = feeder().limits(|limits| limits.plugin_feeds_max = 2).start();
    let running: Vec<_> = (0..2).map(|number| subscribe(&host, "ticks", json!({ "number": number }))).collect();
    assert!(running.iter().all(|subscription| numbers(subscription, 1) == [1]));
    let over = subscribe(&host, "ticks", json!({"number": 3}));
    assert_eq!((restarting(&over), restarting(&over)), (250, 500));
    drop(running);
    while !matches!(next(&over), Some(Delivery::Event(_))) {}
    drop(over);
    // More than the pool has instances.
    for _ in 0..50 {
        numbers(&subscribe(&host, "ticks", json!({})), 1);
    }
    assert_eq!(count(&host, "open/ticks"), 53);
}

#[test]
fn feeds_end_and_say_that_they_cannot_go_on() {
    let host = feeder().start();
    let ends = subscribe(&host, "ends", json!({}));
    assert_eq!((numbers(&ends, 3), ended(&ends)), (vec![1, 2, 3], "the feed has ended".to_owned()));
    assert!(next(&ends).is_none());
    // Its handle was dropped as the guest's language does it.
    assert_eq!(count(&host, "close/ends"), 1);
    until("it is gone", || host.feeds.count() == 0);
    let refused = subscribe(&host, "refuses", json!({}));
    assert_eq!((ended(&refused), count(&host, "open/refuses")), ("there is nothing to hear of".to_owned(), 1));
    for (topic, filter) in [("refuses", json!({"later": true})), ("traps", json!({})), ("wrong", json!({}))] {
        let subscription = subscribe(&host, topic, filter);
        assert_eq!((restarting(&subscription), restarting(&subscription)), (250, 500), "{topic}");
    }
}

#[test]
fn a_host_that_ends_ends_its_feeds() {
    let host = feeder().limits(|limits| (limits.cpu_time_max, limits.host_calls_max) = (PATIENCE, u32::MAX)).start();
    let subscriptions: Vec<_> = ["spins", "slow", "endless"].iter().map(|topic| subscribe(&host, topic, json!({}))).collect();
    until("all are asked", || ["spins", "slow", "endless"].iter().all(|topic| count(&host, &format!("next/{topic}")) > 0));
    let feeds = std::sync::Arc::clone(&host.feeds);
    drop(host);
    until("they stop", || feeds.count() == 0);
    drop(subscriptions);
}
