//! Answers of the stateless era that are event streams.

use serde_json::{Value, json};
use std::io::Write as _;
use std::time::{Duration, Instant};
use tests::client;
use tests::events::EventStream;
use tests::host::{Plugins, TestHost};

const SOON: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(100);

fn call_text(tool: &str, arguments: Value, meta: Value) -> String {
    client::modern_text(&json!("c"), "tools/call", json!({"name": tool, "arguments": arguments, "_meta": meta}))
}

fn stream(host: &TestHost, tool: &str, arguments: Value, meta: Value) -> EventStream {
    EventStream::open(host.address, &call_text(tool, arguments, meta))
}

#[test]
fn progress_comes_before_the_result() {
    let host = Plugins::new().conformance().start();
    for token in [json!("t"), json!(7), json!(i64::MIN), json!("\u{1f600}\"")] {
        let mut stream = stream(&host, "test_tool_with_progress", json!({}), json!({"progressToken": token}));
        for (name, value) in [("cache-control", "no-cache, no-transform"), ("x-accel-buffering", "no")] {
            assert!(stream.headers.contains(&(name.to_owned(), value.to_owned())), "{:?}", stream.headers);
        }
        assert!(!stream.headers.iter().any(|(name, _)| name == "mcp-session-id"));
        let mut messages = Vec::new();
        while let Some(event) = stream.next_event() {
            // There is nothing to come back to.
            assert_eq!((&event.id, &event.retry), (&None, &None));
            messages.push(event.message().unwrap());
        }
        let (result, notes) = messages.split_last().unwrap();
        assert_eq!((&result["id"], &result["result"]["resultType"]), (&json!("c"), &json!("complete")));
        let expected = [(0, Some("Started")), (50, None), (100, None)].map(|(done, message)| {
            let mut params = json!({"progressToken": token, "progress": done, "total": 100});
            if let Some(message) = message {
                params["message"] = json!(message);
            }
            json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
        });
        assert_eq!(notes, expected);
    }
}

#[test]
fn nothing_is_reported_to_clients_that_did_not_ask() {
    let host = Plugins::new().conformance().start();
    for tool in ["test_tool_with_progress", "test_tool_with_logging"] {
        let answer = client::call(host.address, tool, json!({}));
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{tool}");
    }
}

#[test]
fn logs_come_from_the_level_on() {
    let host = Plugins::new().conformance().start();
    let meta = |level: &str| json!({"io.modelcontextprotocol/logLevel": level});
    for level in ["debug", "info"] {
        let messages = stream(&host, "test_tool_with_logging", json!({}), meta(level)).rest();
        let (_, logs) = messages.split_last().unwrap();
        let texts: Vec<_> = logs.iter().map(|log| log["params"]["data"].as_str().unwrap()).collect();
        assert_eq!(texts, ["Tool execution started", "Tool processing data", "Tool execution completed"], "{level}");
        assert!(logs.iter().all(|log| log["method"] == "notifications/message" && log["params"]["level"] == "info"));
    }
    for level in ["notice", "warning", "error", "critical", "alert", "emergency"] {
        let answer = client::raw(host.address, call_text("test_tool_with_logging", json!({}), meta(level)).as_bytes());
        assert_eq!(answer.header("content-type"), Some("application/json"), "{level}");
    }
    for level in ["", "INFO", "trace", "info "] {
        let answer = client::raw(host.address, call_text("test_tool_with_logging", json!({}), meta(level)).as_bytes());
        assert_eq!(answer.code(), -32602, "{level:?}");
    }
}

#[test]
fn answers_that_take_long_become_streams() {
    let plugins = Plugins::new().conformance().guest("hostile").limits(|limits| {
        limits.plain_answer_max = SOON;
        limits.cpu_time_max = Duration::from_millis(200);
    });
    let host = plugins.start();
    let mut slow = stream(&host, "slow_compute", json!({"seconds": 0.5}), json!({}));
    let [result] = &slow.rest()[..] else { panic!("one message") };
    assert_eq!(result["result"]["content"][0]["text"], "slow_compute: computed for 0.5 s");
    // The status has been said by then; the error is in the message.
    let mut failing = stream(&host, "hostile_loop_forever", json!({}), json!({}));
    let [error] = &failing.rest()[..] else { panic!("one message") };
    assert_eq!((&error["id"], &error["error"]["code"]), (&json!("c"), &json!(1003)));
}

#[test]
fn p07_streams_show_that_the_host_is_alive() {
    let host = Plugins::new().conformance().limits(|limits| limits.stream_alive_every = SOON).start();
    let listen = client::modern_text(&json!(1), "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    let mut stream = EventStream::open(host.address, &listen);
    assert_eq!(stream.message()["method"], "notifications/subscriptions/acknowledged");
    for _ in 0..3 {
        assert_eq!(stream.next_event().unwrap().comment.as_deref(), Some("alive"));
    }
}

#[test]
fn p05_a_client_that_leaves_its_stream_cancels_its_call() {
    // One call at a time, and one that would go on for longer than the next may wait.
    let plugins = Plugins::new().guest("hostile").limits(|limits| {
        limits.plugin_calls_max = 1;
        limits.plain_answer_max = SOON;
        limits.cpu_time_max = LONG;
        limits.wall_time_max = LONG;
        limits.queue_wait_max = LONG / 2;
    });
    let host = plugins.start();
    drop(stream(&host, "hostile_loop_forever", json!({}), json!({})));
    let next = stream_or_plain(&host, "hostile_ok");
    assert_eq!(next["result"]["content"][0]["text"], "ok");
}

#[test]
fn p05_a_client_that_leaves_before_its_answer_begins_cancels_its_call() {
    let plugins = Plugins::new().guest("hostile").limits(|limits| {
        limits.plugin_calls_max = 1;
        limits.plain_answer_max = LONG;
        limits.cpu_time_max = LONG;
        limits.wall_time_max = LONG;
        limits.queue_wait_max = Duration::from_millis(10);
    });
    let host = plugins.start();
    let mut connection = client::connect(host.address);
    connection.write_all(call_text("hostile_loop_forever", json!({}), json!({})).as_bytes()).unwrap();
    let began = Instant::now();
    let until_status = |wanted: u16| {
        while client::call(host.address, "hostile_ok", json!({})).status != wanted {
            assert!(began.elapsed() < LONG / 2, "no {wanted}");
        }
    };
    // The slot is taken, and then free.
    until_status(429);
    drop(connection);
    until_status(200);
}

/// The answer, in whichever form it comes.
fn stream_or_plain(host: &TestHost, tool: &str) -> Value {
    client::raw(host.address, call_text(tool, json!({}), json!({})).as_bytes()).json()
}
