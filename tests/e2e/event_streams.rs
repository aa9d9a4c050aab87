//! Events over SSE: `GET /mcp/stream`.

use bytes::Bytes;
use cofferdam::config::AllowedOrigin;
use cofferdam::topics::Overflow;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};
use tests::client::{self, Answer};
use tests::events::EventStream;
use tests::host::Plugins;
use tests::topics::News;

fn request(target: &str, extra: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{extra}\r\n")
}

fn open_with(news: &News, target: &str, extra: &str) -> EventStream {
    let mut stream = EventStream::open(news.host.address, &request(target, extra));
    let first = stream.next_event().unwrap();
    assert_eq!((first.retry.as_deref(), first.comment.as_deref()), (Some("1000"), Some("events follow")));
    stream
}

fn open(news: &News, target: &str) -> EventStream {
    open_with(news, target, "")
}

fn refused(news: &News, target: &str) -> Answer {
    client::raw(news.host.address, request(target, "").as_bytes())
}

/// The next event's id and data.
fn next(stream: &mut EventStream) -> (u64, Value) {
    let event = stream.next_event().unwrap();
    let (id, message) = (event.id.clone().unwrap(), event.message().unwrap());
    assert_eq!((event.name, message["id"].to_string()), (None, id));
    (message["id"].as_u64().unwrap(), message["data"].clone())
}

/// The next event of a type of its own.
fn named(stream: &mut EventStream) -> (String, Value) {
    let event = stream.next_event().unwrap();
    (event.name.clone().unwrap(), event.message().unwrap())
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn events_come_in_order_with_their_ids() {
    let news = News::start(Plugins::new());
    let mut stream = open(&news, "/mcp/stream/news/lines");
    assert_eq!(stream.headers.iter().find(|(name, _)| name == "cache-control").unwrap().1, "no-cache, no-transform");
    let published: Vec<_> = (0..50).map(|n| (news.publish("lines", json!({ "n": n })), json!({ "n": n }))).collect();
    let received: Vec<_> = (0..50).map(|_| next(&mut stream)).collect();
    assert_eq!(received, published);
    assert!(published.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[test]
fn one_stream_has_many_topics() {
    let news = News::start(Plugins::new());
    let mut stream = open(&news, "/mcp/stream?topic=news/rooms/1&topic=news%2Flines&topic=news/rooms/1");
    news.publish("rooms/2", json!({"of": "somebody else"}));
    news.publish("rooms/1", json!({"of": "one"}));
    news.publish("lines", json!({"of": "lines"}));
    let (one, two) = (stream.message(), stream.message());
    assert_eq!((&one["topic"], &one["data"]["of"]), (&json!("news/rooms/1"), &json!("one")));
    assert_eq!((&two["topic"], &two["data"]["of"]), (&json!("news/lines"), &json!("lines")));
}

#[test]
fn filters_of_every_kind() {
    let news = News::start(Plugins::new());
    let open = |filters: Value| open(&news, &format!("/mcp/stream/news/lines?filters={}", percent(&filters.to_string())));
    let mut streams = [
        open(json!({"source": "web"})),
        open(json!({"severity": ["warn", "error"]})),
        open(json!({"pattern": "(?i)time.?out"})),
        open(json!({"at.line": 7})),
        open(json!({"event_types": ["edit"], "source": "db", "severity": "error", "pattern": "ab+c"})),
    ];
    for (n, event) in [
        json!({"source": "web", "severity": "info", "text": "hello"}),
        json!({"source": "db", "severity": "warn", "text": "Timeout of the query"}),
        json!({"source": "db", "severity": "error", "text": "abbc", "type": "edit"}),
        json!({"source": "db", "severity": "info", "at": {"line": 7}, "nested": [{"deep": "a time-out"}]}),
        json!({"source": "web", "severity": "error", "text": "the end", "at": {"line": 7}, "also": "timeout"}),
    ]
    .into_iter()
    .enumerate()
    {
        let mut event = event;
        event["n"] = n.into();
        news.publish("lines", event);
    }
    for (stream, expected) in streams.iter_mut().zip([vec![0, 4], vec![1, 2, 4], vec![1, 3, 4], vec![3, 4], vec![2]]) {
        let received: Vec<_> = expected.iter().map(|_| next(stream).1["n"].as_u64().unwrap()).collect();
        assert_eq!(received, expected);
    }
}

#[test]
fn a_client_that_comes_back_gets_what_it_missed() {
    let news = News::start(Plugins::new());
    let before = news.publish("lines", json!({"n": 0}));
    // More than a queue holds, of two topics in turn.
    let missed: Vec<_> = (1..=90).map(|n| news.publish(if n % 3 == 0 { "rooms/1" } else { "lines" }, json!({ "n": n }))).collect();
    let target = "/mcp/stream?topic=news/lines&topic=news/rooms/1&last_event_id=1";
    // The header is newer than the address; nothing of the room is older than what is kept.
    let mut stream = open_with(&news, target, &format!("Last-Event-ID: {before}\r\n"));
    let live = news.publish("lines", json!({"n": "live"}));
    let received: Vec<_> = (0..=90).map(|_| next(&mut stream).0).collect();
    assert_eq!(received, missed.into_iter().chain([live]).collect::<Vec<_>>());
    let mut stream = open(&news, &format!("/mcp/stream/news/lines?last_event_id={}", live - 1));
    assert_eq!(next(&mut stream).0, live);
    let mut stream = open(&news, &format!("/mcp/stream/news/lines?last_event_id={live}"));
    let newest = news.publish("lines", json!({}));
    assert_eq!(next(&mut stream).0, newest);
}

#[test]
fn who_comes_back_too_late_is_told() {
    let news = News::start(Plugins::new());
    let first = news.publish("lines", json!({"n": 0}));
    let ids: Vec<_> = (1..=150).map(|n| news.publish("lines", json!({ "n": n }))).collect();
    let mut stream = open(&news, &format!("/mcp/stream/news/lines?last_event_id={first}"));
    assert_eq!(named(&mut stream), ("lagged".to_owned(), json!({"missed": 0})));
    let received: Vec<_> = (0..100).map(|_| next(&mut stream).0).collect();
    assert_eq!(received, ids[50..]);
}

#[test]
fn who_does_not_keep_up_is_told_how_many_are_missing() {
    let news = News::start(Plugins::new().limits(|limits| limits.event_bytes_max = 64 << 10));
    let mut stream = open(&news, "/mcp/stream/news/lines");
    let filler = "x".repeat(32 << 10);
    // Far more than sockets and queue hold.
    let count = 2_000;
    for n in 0..count {
        news.publish("lines", json!({ "n": n, "filler": filler }));
    }
    let (mut expected, mut lagged) = (0, 0);
    while expected < count {
        let event = stream.next_event().unwrap();
        let message = event.message().unwrap();
        match event.name.as_deref() {
            Some("lagged") => {
                lagged += 1;
                expected += message["missed"].as_u64().unwrap();
            }
            _ => {
                assert_eq!(message["data"]["n"].as_u64().unwrap(), expected);
                expected += 1;
            }
        }
    }
    assert!(expected == count && lagged > 0, "{expected} {lagged}");
}

#[test]
fn of_a_topic_that_coalesces_the_newest_comes() {
    let news = News::start(Plugins::new());
    let mut stream = open(&news, "/mcp/stream/news/latest");
    let last = (0..1_000).fold(0, |_, n| news.publish("latest", json!({ "n": n })));
    // Those in between may be left out, without a word.
    let received: Vec<_> = std::iter::from_fn(|| Some(next(&mut stream).0)).take_while(|id| *id < last).collect();
    assert!(received.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn signs_of_life_come_while_nothing_happens() {
    let news = News::start(Plugins::new().limits(|limits| limits.stream_alive_every = Duration::from_millis(20)));
    let mut stream = open(&news, "/mcp/stream/news/lines");
    for _ in 0..3 {
        assert_eq!(stream.next_event().unwrap().comment.as_deref(), Some("alive"));
    }
}

#[test]
fn what_is_wrong_is_said_before_the_stream_begins() {
    let news = News::start(Plugins::new().limits(|limits| {
        limits.subscription_topics_max = 2;
        limits.filter_pattern_bytes_max = 100;
    }));
    let filters = |text: &str| format!("/mcp/stream/news/lines?filters={}", percent(text));
    for (target, status, words) in [
        ("/mcp/stream".to_owned(), 400, "topic=<plugin>/<topic>"),
        ("/mcp/stream/".to_owned(), 400, "is not the name of a topic"),
        ("/mcp/stream/news".to_owned(), 400, "write `<plugin>/<topic>`"),
        ("/mcp/stream/news/lines/".to_owned(), 400, "is not the name of a topic"),
        ("/mcp/stream?topic=news/a%20b".to_owned(), 400, "is not the name of a topic"),
        ("/mcp/stream/news/other".to_owned(), 404, "there is no topic \\\"news/other\\\""),
        ("/mcp/stream/nobody/lines".to_owned(), 404, "there is no topic"),
        ("/mcp/stream/News/lines".to_owned(), 404, "there is no topic"),
        ("/mcp/stream/news/rooms/1/2".to_owned(), 404, "there is no topic"),
        ("/mcp/stream/news/lines?severity=error".to_owned(), 400, "there is no parameter `severity`"),
        ("/mcp/stream/news/lines?filters={}&filters={}".to_owned(), 400, "`filters` occurs twice"),
        ("/mcp/stream/news/lines?last_event_id=x".to_owned(), 400, "`last_event_id` is the id of an event"),
        ("/mcp/stream?topic=news/lines&topic=news/latest&topic=news/rooms/1".to_owned(), 400, "subscription_topics_max"),
        (filters("[]"), 400, "`filters` is a JSON object"),
        (filters("{"), 400, "`filters` is a JSON object"),
        (filters(r#"{"a":1,"a":2}"#), 400, "`filters` is a JSON object"),
        (filters(r#"{"severity":{"is":"error"}}"#), 400, "the filter \\\"severity\\\""),
        (filters(r#"{"pattern":"("}"#), 400, "the filter \\\"pattern\\\""),
        (filters(&json!({"pattern": "x".repeat(101)}).to_string()), 400, "filter_pattern_bytes_max"),
        (filters(r#"{"pattern":"(a{1000}){1000}"}"#), 400, "too complex"),
    ] {
        let answer = refused(&news, &target);
        assert_eq!((answer.status, answer.header("content-type")), (status, Some("application/problem+json")), "{target} {answer:?}");
        assert_eq!(answer.json()["status"], status);
        assert!(answer.body.contains(words), "{target}: {}", answer.body);
    }
    let text = request("/mcp/stream/news/lines", "Last-Event-ID: ten\r\n");
    assert_eq!(client::raw(news.host.address, text.as_bytes()).status, 400);
    let accept = |accept: &str| request("/mcp/stream/news/lines", "").replace("text/event-stream", accept);
    assert_eq!(client::raw(news.host.address, accept("application/json").as_bytes()).status, 406);
    drop(EventStream::open(news.host.address, &accept("*/*")));
    let post = request("/mcp/stream/news/lines", "Content-Length: 0\r\n").replace("GET", "POST");
    let answer = client::raw(news.host.address, post.as_bytes());
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, OPTIONS")));
}

#[test]
fn c38_listen_flood_is_429_after_16() {
    let news = News::start(Plugins::new());
    let streams: Vec<_> = (0..16).map(|_| open(&news, "/mcp/stream/news/lines")).collect();
    for _ in 0..100 {
        let answer = refused(&news, "/mcp/stream/news/lines");
        assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")));
    }
    drop(streams);
    news.wait_for_subscriptions(0);
    drop(open(&news, "/mcp/stream/news/lines"));
}

#[test]
fn a_topic_that_goes_ends_its_streams() {
    let news = News::start(Plugins::new());
    let mut stream = open(&news, "/mcp/stream/news/lines");
    news.publish("lines", json!({"n": 1}));
    news.declare(&[("latest", Overflow::Coalesce)]);
    assert_eq!(next(&mut stream).1["n"], 1);
    assert_eq!(named(&mut stream), ("ended".to_owned(), json!({"reason": "the topic is not offered any more"})));
    assert_eq!(stream.next_event(), None);
    assert_eq!(refused(&news, "/mcp/stream/news/lines").status, 404);
}

#[test]
fn a_host_that_stops_ends_every_stream_at_once() {
    let news = News::start(Plugins::new().limits(|limits| limits.drain_time_max = Duration::from_secs(600)));
    let mut streams: Vec<_> = (0..4).map(|_| open(&news, "/mcp/stream/news/lines")).collect();
    news.host.stop();
    for stream in &mut streams {
        assert_eq!(named(stream), ("ended".to_owned(), json!({"reason": "the host stops"})));
        assert_eq!(stream.next_event(), None);
    }
}

#[test]
fn pages_of_allowed_origins_may_read() {
    let allowed = AllowedOrigin::parse("https://app.example").unwrap();
    let news = News::start(Plugins::new().http(|http| http.allowed_origins = vec![allowed]));
    let stream = open_with(&news, "/mcp/stream/news/lines", "Origin: https://app.example\r\n");
    let header = |name: &str| stream.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str());
    assert_eq!(header("access-control-allow-origin"), Some("https://app.example"));
    let evil = request("/mcp/stream/news/lines", "Origin: https://evil.example\r\n");
    assert_eq!(client::raw(news.host.address, evil.as_bytes()).status, 403);
}

#[test]
fn p05_disconnect_is_cancel() {
    let news = News::start(Plugins::new());
    let fastest = (0..5).map(|_| {
        let stream = open(&news, "/mcp/stream/news/lines");
        assert_eq!(news.subscriptions(), 1);
        let began = Instant::now();
        drop(stream);
        news.wait_for_subscriptions(0);
        began.elapsed()
    });
    assert!(fastest.min().unwrap() <= Duration::from_millis(100));
}

#[test]
fn c41_connect_send_close() {
    let news = News::start(Plugins::new().limits(|limits| limits.connections_max = 64));
    let text = request("/mcp/stream/news/lines", "");
    for n in 0..10_000 {
        // Over the limit the host closes at once; then the ones before have to go first.
        let mut stream = client::connect(news.host.address);
        let _ = stream.write_all(&text.as_bytes()[..if n % 3 == 0 { text.len() / 2 } else { text.len() }]);
        if n % 100 == 0 {
            news.publish("lines", json!({ "n": n }));
        }
    }
    news.wait_for_subscriptions(0);
    // Every connection's slot is back as well.
    let streams = || (0..16).map(|_| open(&news, "/mcp/stream/news/lines")).collect::<Vec<_>>();
    tests::until(
        || {
            let mut idle: Vec<_> = (0..64).map(|_| client::connect(news.host.address)).collect();
            idle.iter_mut().all(|stream| {
                let list = client::modern_text(&json!(1), "tools/list", json!({}));
                stream.write_all(list.as_bytes()).is_ok() && stream.read(&mut [0; 64]).is_ok_and(|count| count > 0)
            })
        },
        || "connections are lost".to_owned(),
    );
    tests::until(|| EventStream::try_open(news.host.address, &text).is_some(), || "no stream any more".to_owned());
    news.wait_for_subscriptions(0);
    drop(streams());
}

#[test]
fn c37_sse_never_reads() {
    let news = News::start(Plugins::new().limits(|limits| {
        limits.subscriptions_per_caller_max = 1_000;
        limits.subscriptions_per_tenant_max = 1_000;
        limits.subscriber_stall_max = Duration::from_millis(200);
        limits.events_per_second_max = 1_000_000;
        limits.event_bytes_max = 64 << 10;
    }));
    let (text, count) = (request("/mcp/stream/news/lines", ""), 500);
    let consumers: Vec<_> = (0..count)
        .map(|_| {
            let mut stream = client::connect(news.host.address);
            stream.write_all(text.as_bytes()).unwrap();
            stream
        })
        .collect();
    news.wait_for_subscriptions(count);
    let mut reader = open(&news, "/mcp/stream/news/lines?filters=%7B%22last%22%3Atrue%7D");
    let filler = "x".repeat(8 << 10);
    let mut times: Vec<_> = (0..10_000)
        .map(|n| {
            let began = Instant::now();
            news.publish("lines", json!({ "n": n, "filler": filler, "last": n == 9_999 }));
            began.elapsed()
        })
        .collect();
    // All of them go, and nobody else notices.
    news.wait_for_subscriptions(1);
    assert_eq!(next(&mut reader).1["n"], 9_999);
    times.sort();
    assert!(times[times.len() / 2] < Duration::from_millis(100), "publishing took {:?}", times[times.len() / 2]);
    drop(consumers);
}

#[test]
fn a_stream_of_http2_that_nobody_reads_is_dropped() {
    let news = News::start(Plugins::new().limits(|limits| {
        limits.subscriber_stall_max = Duration::from_millis(200);
        limits.events_per_second_max = 1_000_000;
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(news.host.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(connection);
        let uri = format!("http://localhost:{}/mcp/stream/news/lines", news.host.address.port());
        let request = hyper::Request::get(uri).body(Empty::<Bytes>::new()).unwrap();
        let mut answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.body_mut().frame().await.unwrap().unwrap().into_data().unwrap().starts_with(b"retry: 1000\n"));
        // The connection is read, but not this stream: its window fills.
        let filler = "x".repeat(8 << 10);
        let began = Instant::now();
        while news.subscriptions() > 0 {
            news.publish("lines", json!({ "filler": filler }));
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert!(began.elapsed() < Duration::from_secs(60), "the connection is still there");
        }
        assert!(tokio::time::timeout(Duration::from_secs(60), connection).await.is_ok(), "the connection is still there");
        drop(answer);
    });
}
