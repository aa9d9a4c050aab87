//! What clients are told without asking each time: changes, log messages, and that the host stops.

use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tests::client;
use tests::events::EventStream;
use tests::host::{Plugins, TestHost};
use tests::session::{Session, tool_call};

const WATCHED: &str = "test://watched-resource";

fn host() -> TestHost {
    Plugins::new().conformance().start()
}

fn call(host: &TestHost, tool: &str) {
    assert_eq!(client::call(host.address, tool, json!({})).status, 200, "{tool}");
}

fn list_changed(list: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": format!("notifications/{list}/list_changed")})
}

fn updated() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": WATCHED}})
}

fn listen(host: &TestHost, id: &Value, notifications: Value) -> EventStream {
    let text = client::modern_text(id, "subscriptions/listen", json!({"notifications": notifications}));
    EventStream::open(host.address, &text)
}

#[test]
fn a_session_hears_which_lists_changed() {
    let host = host();
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let session = Session::open(&host, version);
        let mut stream = session.listen();
        if version == "2025-11-25" {
            let first = stream.next_event().unwrap();
            assert_eq!((first.id.as_deref(), first.data.as_deref()), (Some("0-0"), Some("")));
        }
        for (tool, list) in [
            ("test_trigger_tool_change", "tools"),
            ("test_trigger_prompt_change", "prompts"),
            ("test_trigger_resource_change", "resources"),
        ] {
            call(&host, tool);
            let event = stream.next_event().unwrap();
            assert_eq!((event.message(), event.id.is_some()), (Some(list_changed(list)), true), "{version}");
        }
    }
}

#[test]
fn a_session_hears_of_resources_as_long_as_it_subscribes() {
    let host = host();
    let session = Session::open(&host, "2025-11-25");
    let mut stream = session.listen();
    // What comes next shows that nothing came before.
    call(&host, "test_update_watched_resource");
    call(&host, "test_trigger_tool_change");
    assert_eq!(stream.message(), list_changed("tools"));
    for _ in 0..2 {
        assert_eq!(session.ask("resources/subscribe", json!({"uri": WATCHED})), json!({}));
    }
    call(&host, "test_update_watched_resource");
    assert_eq!(stream.message(), updated());
    for _ in 0..2 {
        assert_eq!(session.ask("resources/unsubscribe", json!({"uri": WATCHED})), json!({}));
    }
    call(&host, "test_update_watched_resource");
    call(&host, "test_trigger_tool_change");
    assert_eq!(stream.message(), list_changed("tools"));
}

#[test]
fn what_nobody_could_read_yet_waits() {
    let host = host();
    let session = Session::open(&host, "2025-11-25");
    let _ = session.ask("resources/subscribe", json!({"uri": WATCHED}));
    for _ in 0..3 {
        call(&host, "test_update_watched_resource");
    }
    call(&host, "test_trigger_tool_change");
    let mut stream = session.listen();
    // The same news wait once.
    assert_eq!([stream.message(), stream.message()], [updated(), list_changed("tools")]);
    let last = stream.last_id.clone().unwrap();
    drop(stream);
    call(&host, "test_trigger_prompt_change");
    assert_eq!(session.resume(&last).message(), list_changed("prompts"));
}

#[test]
fn only_resources_that_exist_can_be_subscribed_to() {
    let host = host();
    for (version, uri, code) in [
        ("2024-11-05", json!("test://nowhere"), -32002),
        ("2025-11-25", json!("test://nowhere"), -32002),
        ("2025-11-25", json!(""), -32002),
        ("2025-11-25", Value::Null, -32602),
    ] {
        let session = Session::open(&host, version);
        let mut request = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": {}});
        if uri.is_string() {
            request["params"]["uri"] = uri.clone();
        }
        let answer = session.post(&request);
        assert_eq!((answer.status, answer.code()), (200, code), "{version} {uri}");
        let unknown = session.ask("resources/unsubscribe", json!({"uri": "test://nowhere"}));
        assert_eq!(unknown, json!({}), "there is nothing to end");
    }
}

#[test]
fn a_subscription_is_acknowledged_and_tells_only_what_was_asked_for() {
    let host = host();
    let id = json!("s\u{e9}");
    let meta = json!({"io.modelcontextprotocol/subscriptionId": id});
    let wanted = json!({"promptsListChanged": true, "toolsListChanged": false, "resourceSubscriptions": [WATCHED, "test://nowhere"]});
    let mut stream = listen(&host, &id, wanted);
    let first = stream.next_event().unwrap();
    assert_eq!(first.id, None);
    let honoured = json!({"promptsListChanged": true, "resourceSubscriptions": [WATCHED]});
    let acknowledged = json!({"_meta": meta, "notifications": honoured});
    assert_eq!(first.message().unwrap()["params"], acknowledged);
    for tool in ["test_trigger_tool_change", "test_trigger_resource_change", "test_trigger_prompt_change", "test_update_watched_resource"] {
        call(&host, tool);
    }
    let mut expected = [list_changed("prompts"), updated()];
    for message in &mut expected {
        message["params"]["_meta"] = meta.clone();
        assert_eq!(stream.message(), *message);
    }
}

#[test]
fn a_host_that_stops_ends_what_only_listens() {
    let host = Plugins::new().conformance().limits(|limits| limits.drain_time_max = Duration::from_secs(600)).start();
    let session = Session::open(&host, "2025-11-25");
    let (mut own, mut subscription) = (session.listen(), listen(&host, &json!(7), json!({"toolsListChanged": true})));
    assert_eq!(own.next_event().unwrap().id.as_deref(), Some("0-0"));
    assert_eq!(subscription.message()["method"], "notifications/subscriptions/acknowledged");
    let began = Instant::now();
    host.stop();
    assert_eq!(own.next_event(), None);
    let meta = json!({"io.modelcontextprotocol/subscriptionId": 7});
    assert_eq!(subscription.rest(), [json!({"jsonrpc": "2.0", "id": 7, "result": {"resultType": "complete", "_meta": meta}})]);
    drop((own, subscription));
    drop(host);
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
}

#[test]
fn a_host_that_stops_lets_calls_end() {
    let host = host();
    let session = Session::with(&host, "2025-11-25", json!({"elicitation": {}}));
    let mut stream = session.stream(&tool_call(&json!("c"), "slow_compute", json!({"seconds": 1.5})));
    host.stop();
    assert_eq!(stream.message()["result"]["content"][0]["text"], "slow_compute: computed for 1.5 s");
}

#[test]
fn a_host_that_stops_waits_for_no_answers_that_cannot_come() {
    let host = Plugins::new().conformance().limits(|limits| limits.drain_time_max = Duration::from_secs(600)).start();
    let session = Session::with(&host, "2025-11-25", json!({"elicitation": {}}));
    let mut stream = session.stream(&tool_call(&json!("q"), "test_input_required_result_elicitation", json!({})));
    assert_eq!(stream.message()["method"], "elicitation/create");
    host.stop();
    let ended = stream.message();
    let result = json!({"content": [{"type": "text", "text": "the client is gone"}], "isError": true});
    assert_eq!((&ended["result"], stream.next_event()), (&result, None));
}

#[test]
fn p07_streams_of_sessions_show_that_the_host_is_alive() {
    let host = Plugins::new().conformance().limits(|limits| limits.stream_alive_every = Duration::from_millis(1)).start();
    let session = Session::with(&host, "2025-11-25", json!({"elicitation": {}}));
    let mut call = session.stream(&tool_call(&json!("q"), "test_input_required_result_elicitation", json!({})));
    assert_eq!(call.message()["method"], "elicitation/create");
    let mut own = session.listen();
    assert_eq!(own.next_event().unwrap().id.as_deref(), Some("0-0"));
    for stream in [&mut call, &mut own] {
        for _ in 0..3 {
            assert_eq!(stream.next_event().unwrap().comment.as_deref(), Some("alive"));
        }
    }
}

#[test]
fn log_messages_come_from_the_level_that_was_set() {
    let host = host();
    let session = Session::open(&host, "2025-11-25");
    let logging = tool_call(&json!("l"), "test_tool_with_logging", json!({}));
    let is_plain = || session.post(&logging).header("content-type") == Some("application/json");
    assert!(is_plain(), "no level was set");
    for level in [json!("verbose"), json!("INFO"), json!("")] {
        let answer = session.post(&json!({"jsonrpc": "2.0", "id": 1, "method": "logging/setLevel", "params": {"level": level}}));
        assert_eq!((answer.status, answer.code()), (200, -32602), "{level}");
    }
    let missing = session.post(&json!({"jsonrpc": "2.0", "id": 1, "method": "logging/setLevel"}));
    assert_eq!(missing.code(), -32602);
    assert!(is_plain(), "a level that does not exist sets none");
    for (level, count) in [("debug", 3), ("info", 3), ("notice", 0), ("emergency", 0), ("info", 3)] {
        assert_eq!(session.ask("logging/setLevel", json!({"level": level})), json!({}));
        if count == 0 {
            assert!(is_plain(), "{level}");
            continue;
        }
        let messages = session.stream(&logging).rest();
        let logs = messages.iter().filter(|message| message["method"] == "notifications/message").count();
        assert_eq!((logs, messages.len()), (count, count + 1), "{level}");
    }
    // Levels are the session's own.
    let other = Session::open(&host, "2025-11-25");
    assert_eq!(other.post(&logging).header("content-type"), Some("application/json"));
}
