//! Topics as MCP clients see them, and what publishes under them. The guest `herald` publishes what it is told to.

use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};
use tests::events::EventStream;
use tests::host::{Plugins, TestHost, guest, manifest};
use tests::session::{Session, tool_call};
use tests::stateless::Client;

const ID: &str = "io.modelcontextprotocol/subscriptionId";
/// The code of an error that says that the caller has enough.
const BUSY: i64 = 1001;
const EDITS: &str = "topic://herald/edits";

fn started(plugins: Plugins) -> (TestHost, Client) {
    let host = plugins.start();
    let client = Client::new(host.address);
    (host, client)
}

fn start() -> (TestHost, Client) {
    started(Plugins::new().fixture("herald"))
}

/// Calls a tool that has to do what it is asked; its result.
fn call(client: &Client, tool: &str, arguments: Value) -> Value {
    let answer = client.call(tool, arguments);
    let result = answer.json()["result"].clone();
    assert!(answer.status == 200 && result["isError"] != true, "{answer:?}");
    result
}

fn edit(client: &Client, line: u32) {
    let result = call(client, "edit", json!({"text": "a", "line": line}));
    assert_eq!(result["structuredContent"], json!({"text": "a", "line": line}));
}

/// What a read of a topic gives: its events, without what differs from run to run.
fn events(client: &Client, uri: &str) -> Vec<Value> {
    let result = client.result("resources/read", json!({"uri": uri}));
    let contents = result["contents"].as_array().unwrap();
    assert_eq!((contents.len(), &contents[0]["uri"], &contents[0]["mimeType"]), (1, &json!(uri), &json!("application/json")), "{result}");
    let read: Value = serde_json::from_str(contents[0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(format!("topic://{}", read["topic"].as_str().unwrap()), uri);
    let mut events = read["events"].as_array().unwrap().clone();
    let ids: Vec<_> = events.iter().map(|event| event["id"].as_u64().unwrap()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{ids:?}");
    for event in &mut events {
        let event = event.as_object_mut().unwrap();
        assert_eq!(format!("topic://{}", event["topic"].as_str().unwrap()), uri);
        assert!(event["time"].as_str().unwrap().ends_with('Z'));
        for key in ["id", "topic", "time"] {
            event.remove(key);
        }
    }
    events
}

/// The next message of a subscription, as its method and its parameters.
fn next(stream: &mut EventStream, id: &Value) -> (String, Value) {
    let message = stream.message();
    let mut params = message["params"].clone();
    let meta = params.as_object_mut().unwrap().remove("_meta");
    assert_eq!(meta, Some(json!({ID: id})), "{message}");
    (message["method"].as_str().unwrap().to_owned(), params)
}

fn updated(uri: &str) -> (String, Value) {
    ("notifications/resources/updated".to_owned(), json!({"uri": uri}))
}

/// Tries until it is so.
fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    tests::until(is_so, || what.to_owned());
}

#[test]
fn topics_are_listed_as_resources() {
    let (_host, client) = start();
    let resources = client.result("resources/list", json!({}))["resources"].clone();
    let expected =
        json!({"name": "herald/edits", "title": "Edits", "description": "What was edited", "mimeType": "application/json", "uri": EDITS});
    assert!(resources.as_array().unwrap().contains(&expected), "{resources}");
    let templates = client.result("resources/templates/list", json!({}))["resourceTemplates"].clone();
    let expected = json!([{"name": "herald/rooms/{id}", "mimeType": "application/json", "uriTemplate": "topic://herald/rooms/{id}"}]);
    assert_eq!(templates, expected);
    let asked = json!({"ref": {"type": "ref/resource", "uri": "topic://herald/rooms/{id}"}, "argument": {"name": "id", "value": ""}});
    assert_eq!(client.result("completion/complete", asked)["completion"]["values"], json!([]));
}

#[test]
fn the_success_of_an_update_is_published() {
    let (_host, client) = start();
    assert_eq!(events(&client, EDITS), Vec::<Value>::new());
    edit(&client, 1);
    let refused = client.call("edit_nothing", json!({"text": "a", "line": 2})).json();
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    let wrong = client.call("edit", json!({"text": "a", "line": "x"})).json();
    assert_eq!(wrong["result"]["isError"], true, "{wrong}");
    // A text is no edit: that event is left out, and the other one is published.
    let said = call(&client, "say", json!({"id": "blue", "text": "hi"}));
    assert_eq!(said["content"][0]["text"], "hi in blue");
    // No topic has such a name; the update itself has nothing against it.
    let said = call(&client, "say", json!({"id": "a/b", "text": "hi"}));
    assert_eq!(said["content"][0]["text"], "hi in a/b");
    assert_eq!(events(&client, EDITS), [json!({"type": "edit", "data": {"text": "a", "line": 1}})]);
    assert_eq!(events(&client, "topic://herald/rooms/blue"), [json!({"type": "say", "data": {"text": "hi in blue"}})]);
    assert_eq!(events(&client, "topic://herald/rooms/red"), Vec::<Value>::new());
}

#[test]
fn a_task_publishes_once_at_its_end() {
    for grace_ms in [0, 10_000] {
        let (_host, client) =
            started(Plugins::new().fixture("herald").limits(|limits| limits.task_grace = Duration::from_millis(grace_ms)));
        let client = client.with_tasks();
        let began = client.call("edit_slowly", json!({"text": "a", "line": 7})).json()["result"].clone();
        assert_eq!(began["resultType"] == "task", grace_ms == 0, "{began}");
        let expected = [json!({"type": "edit_slowly", "data": {"text": "a", "line": 7}})];
        eventually("the event of a task", || !events(&client, EDITS).is_empty());
        if grace_ms == 0 {
            eventually("the end of the task", || client.result("tasks/get", json!({"taskId": began["taskId"]}))["status"] == "completed");
        }
        assert_eq!(events(&client, EDITS), expected);
    }
}

#[test]
fn only_topics_that_there_are_can_be_read() {
    let (_host, client) = start();
    for uri in [
        "topic://herald/nothing",
        "topic://herald/rooms",
        "topic://herald/rooms/a/b",
        "topic://herald/rooms/{id}",
        "topic://herald/rooms/..",
        "topic://nobody/edits",
        "topic://herald/",
        "topic://herald",
        "topic://",
        "topic:///edits",
        "topic://herald/edits?x",
        "topic://HERALD/edits",
    ] {
        let answer = client.send("resources/read", json!({"uri": uri}));
        assert_eq!((answer.code(), &answer.json()["error"]["data"]["uri"]), (-32602, &json!(uri)), "{uri} {answer:?}");
    }
}

#[test]
fn the_newest_events_that_fit_an_answer_are_read() {
    let limits = "name = \"herald\"\nprefix = \"\"\n[limits]\noutput = \"16KiB\"\n[grants.events]\ntopics = [\"edits\"]";
    let (_host, client) = started(Plugins::new().with_manifest("herald", &guest("herald"), limits));
    let outcome = call(&client, "proclaim", json!({"topic": "edits", "times": 40, "bytes": 1_000}))["structuredContent"].clone();
    assert_eq!(outcome["published"], 40, "{outcome}");
    let lines: Vec<_> = events(&client, EDITS).iter().map(|event| event["data"]["line"].as_u64().unwrap()).collect();
    let expected: Vec<_> = (40 - lines.len() as u64..40).collect();
    assert!((5..16).contains(&lines.len()) && lines == expected, "{lines:?}");
}

#[test]
fn p03_a_topic_is_listened_to_like_any_resource() {
    let (_host, client) = start();
    let id = json!("mine");
    let uris = [EDITS, "topic://herald/rooms/1", "topic://herald/nothing", "topic://herald/rooms/{id}", EDITS];
    let (mut stream, acknowledged) = client.listen(id.clone(), json!({"resourceSubscriptions": uris}));
    let honoured = json!({"resourceSubscriptions": [EDITS, "topic://herald/rooms/1"]});
    assert_eq!(acknowledged, json!({"_meta": {ID: id}, "notifications": honoured}));
    let (mut other, _) = client.listen(json!(2), json!({"resourceSubscriptions": ["topic://herald/states"]}));
    call(&client, "say", json!({"id": "2", "text": "not asked for"}));
    call(&client, "say", json!({"id": "1", "text": "asked for"}));
    assert_eq!(next(&mut stream, &id), updated("topic://herald/rooms/1"));
    edit(&client, 1);
    assert_eq!(next(&mut stream, &id), updated(EDITS));
    // However much is published, it is told of now and then.
    call(&client, "proclaim", json!({"topic": "states", "times": 100}));
    assert_eq!(next(&mut other, &json!(2)), updated("topic://herald/states"));
    assert_eq!(events(&client, "topic://herald/states"), [json!({"data": {"text": "", "line": 99}})]);
    edit(&client, 2);
    assert_eq!(next(&mut stream, &id), updated(EDITS));
}

#[test]
fn p04_a_subscription_to_a_topic_ends_with_its_result() {
    let (host, client) = start();
    let (mut stream, _) = client.listen(json!(4), json!({"resourceSubscriptions": [EDITS]}));
    edit(&client, 1);
    assert_eq!(next(&mut stream, &json!(4)), updated(EDITS));
    host.stop();
    let end = json!({"jsonrpc": "2.0", "id": 4, "result": {"resultType": "complete", "_meta": {ID: 4}}});
    assert_eq!(stream.rest(), [end]);
}

#[test]
fn p05_a_client_that_leaves_has_no_subscription_any_more() {
    let (host, client) = started(Plugins::new().fixture("herald").limits(|limits| limits.subscriptions_per_caller_max = 1));
    let wanted = json!({"notifications": {"resourceSubscriptions": [EDITS]}});
    let text = client.text(&json!(1), "subscriptions/listen", wanted.clone());
    let listen = || {
        let (mut connection, mut status) = (tests::client::connect(host.address), [0; 12]);
        connection.write_all(text.as_bytes()).unwrap();
        connection.read_exact(&mut status).unwrap();
        (&status == b"HTTP/1.1 200").then_some(connection)
    };
    for _ in 0..3 {
        let mut open = None;
        eventually("whoever was there before is gone", || {
            open = listen();
            open.is_some()
        });
        let refused = client.send("subscriptions/listen", wanted.clone());
        assert_eq!((refused.status, refused.code()), (429, BUSY), "{refused:?}");
        drop(open);
    }
}

#[test]
fn a_session_hears_of_topics_as_long_as_it_subscribes() {
    let (host, client) = start();
    for version in ["2024-11-05", "2025-11-25"] {
        let session = Session::open(&host, version);
        let mut stream = session.listen();
        for _ in 0..2 {
            assert_eq!(session.ask("resources/subscribe", json!({"uri": EDITS})), json!({}));
        }
        edit(&client, 1);
        let expected = json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": EDITS}});
        assert_eq!(stream.message(), expected);
        let unknown =
            session.post(&json!({"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": {"uri": "topic://herald/x"}}));
        assert_eq!((unknown.status, unknown.code()), (200, -32002));
        assert_eq!(session.ask("resources/unsubscribe", json!({"uri": EDITS})), json!({}));
        edit(&client, 2);
        // What comes next shows that nothing came before.
        assert_eq!(session.ask("resources/subscribe", json!({"uri": "topic://herald/states"})), json!({}));
        assert_eq!(session.post(&tool_call(&json!(2), "proclaim", json!({"topic": "states"}))).status, 200);
        assert_eq!(stream.message()["params"]["uri"], "topic://herald/states");
        assert_eq!(session.delete().status, 204);
    }
}

#[test]
fn sessions_are_subscriptions_of_their_caller() {
    let (host, client) = started(Plugins::new().fixture("herald").limits(|limits| {
        limits.subscriptions_per_caller_max = 2;
        limits.subscription_topics_max = 2;
    }));
    let ask = |session: &Session, method: &str, uri: &str| {
        session.post(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": {"uri": uri}}))
    };
    let sessions = [0; 3].map(|_| Session::open(&host, "2025-11-25"));
    for uri in [EDITS, "topic://herald/rooms/1"] {
        assert_eq!(ask(&sessions[0], "resources/subscribe", uri).status, 200);
    }
    let wide = ask(&sessions[0], "resources/subscribe", "topic://herald/rooms/2");
    assert!(wide.code() == -32602 && wide.body.contains("subscription_topics_max"), "{wide:?}");
    let wide = client.send(
        "subscriptions/listen",
        json!({"notifications": {"resourceSubscriptions": [EDITS, "topic://herald/rooms/1", "topic://herald/rooms/2"]}}),
    );
    assert!(wide.code() == -32602 && wide.body.contains("subscription_topics_max"), "{wide:?}");
    assert_eq!(ask(&sessions[1], "resources/subscribe", EDITS).status, 200);
    let refused = ask(&sessions[2], "resources/subscribe", EDITS);
    assert!(refused.status == 429 && refused.body.contains("subscriptions_per_caller_max"), "{refused:?}");
    // Whoever wants nothing any more has given it back, and so has a session that is over.
    assert_eq!(ask(&sessions[1], "resources/unsubscribe", EDITS).status, 200);
    assert_eq!(ask(&sessions[2], "resources/subscribe", EDITS).status, 200);
    assert_eq!(ask(&sessions[1], "resources/subscribe", EDITS).status, 429);
    assert_eq!(sessions[0].delete().status, 204);
    assert_eq!(ask(&sessions[1], "resources/subscribe", EDITS).status, 200);
}

#[test]
fn c38_listen_flood() {
    let (_host, client) = start();
    let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": [EDITS]});
    let mut open: Vec<_> = (0..16).map(|at| client.listen(json!(at), wanted.clone()).0).collect();
    for _ in 16..1_000 {
        let refused = client.send("subscriptions/listen", json!({"notifications": wanted.clone()}));
        assert!(refused.status == 429 && refused.code() == BUSY, "{refused:?}");
        assert!(refused.body.contains("subscriptions_per_caller_max") && refused.header("retry-after").is_some(), "{refused:?}");
    }
    // Those who came first hear what happens, and everybody is served.
    edit(&client, 1);
    for (at, stream) in open.iter_mut().enumerate() {
        assert_eq!(next(stream, &json!(at)), updated(EDITS));
    }
}

#[test]
fn c39_listen_wide() {
    let (_host, client) = start();
    for uri in ["topic://herald/rooms/", "docs://nowhere/"] {
        let uris: Vec<_> = (0..100_000).map(|at| format!("{uri}{at}")).collect();
        let refused = client.send("subscriptions/listen", json!({"notifications": {"resourceSubscriptions": uris}}));
        assert!(refused.json()["error"]["code"].is_i64(), "{refused:?}");
        let uris: Vec<_> = (0..1_025).map(|at| format!("{uri}{at}")).collect();
        let refused = client.send("subscriptions/listen", json!({"notifications": {"resourceSubscriptions": uris}}));
        assert!(refused.code() == -32602 && refused.body.contains("more than 1024"), "{refused:?}");
    }
    // Nothing of it counts.
    let _open: Vec<_> = (0..16).map(|at| client.listen(json!(at), json!({"resourceSubscriptions": [EDITS]}))).collect();
}

#[test]
fn d20_event_publish_tricks() {
    let plugins = Plugins::new().fixture("herald").conformance().limits(|limits| {
        limits.events_per_second_max = 1_000;
        limits.host_calls_max = 200_000;
        limits.cpu_time_max = Duration::from_secs(10);
    });
    let (_host, client) = started(plugins);
    let outcome = |arguments: Value| call(&client, "proclaim", arguments)["structuredContent"].clone();
    // Not granted, not there, of somebody else, no name at all: all the same.
    for topic in
        ["secrets", "nothing", "rooms", "rooms/a/b", "conformance/x", "../edits", "", "topic://herald/edits", "rooms/{id}", "edits/"]
    {
        let outcome = outcome(json!({"topic": topic}));
        assert_eq!((&outcome["denied"], &outcome["why"]), (&json!(1), &json!("no topic of that name is granted")), "{topic} {outcome}");
    }
    // Larger than an event, and larger than a host call.
    let large = outcome(json!({"topic": "edits", "bytes": 70_000}));
    assert!(large["invalid"] == 1 && large["why"].as_str().unwrap().contains("event_bytes_max"), "{large}");
    let kind = outcome(json!({"topic": "edits", "kind": "k".repeat(70_000)}));
    assert!(kind["invalid"] == 1, "{kind}");
    let huge = client.call("proclaim", json!({"topic": "edits", "bytes": 10 << 20}));
    assert!(huge.status == 502 || huge.json()["result"]["structuredContent"]["invalid"] == 1, "{huge:?}");
    // No object, or none that fits the topic.
    for data in [json!([1]), json!("text"), json!(null)] {
        let refused = client.call("proclaim_raw", json!({"topic": "edits", "data": data})).json();
        assert_eq!(refused["result"]["isError"], true, "{refused}");
    }
    for data in [json!({}), json!({"text": 7, "line": 1}), json!({"text": "a"})] {
        let refused = client.call("proclaim_raw", json!({"topic": "edits", "data": data})).json();
        assert_eq!(refused["result"]["isError"], true, "{refused}");
    }
    assert_eq!(events(&client, EDITS), Vec::<Value>::new(), "nothing of it was published");
    // So many a second, and no more.
    let began = Instant::now();
    let flood = outcome(json!({"topic": "states", "times": 100_000}));
    let most = 1_000.0 * (began.elapsed().as_secs_f64() + 2.0);
    let (published, busy) = (flood["published"].as_f64().unwrap(), flood["busy"].as_u64().unwrap());
    assert!((1_000.0..=most).contains(&published) && busy > 0, "{flood}");
    assert!(flood["why"].as_str().unwrap().contains("events_per_second_max"), "{flood}");
    // The others do not notice, and a moment later it can publish again.
    assert_eq!(client.call("test_simple_text", json!({})).status, 200);
    eventually("another event", || outcome(json!({"topic": "states"}))["published"] == 1);
}

#[test]
fn a_topic_that_the_catalog_does_not_have_is_not_granted() {
    let manifest = manifest("herald").replace("\"states\"", "\"state\"");
    let (host, _client) = started(Plugins::new().with_manifest("herald", &guest("herald"), &manifest));
    let reason = host.refusal("herald");
    assert!(
        reason.contains("plugin.toml:8:34: \"topics\" in [grants.events] names \"state\"") && reason.ends_with("write \"states\""),
        "{reason}"
    );
    let host = Plugins::new().with_manifest("herald", &guest("herald"), "name = \"herald\"").start();
    let reason = host.refusal("herald");
    assert!(reason.contains("cofferdam:mcp/events@0.1.0") && reason.contains("[grants.events]"), "{reason}");
}
