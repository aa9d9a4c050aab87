//! `subscriptions/listen` (2026-07-28, subscriptions).

use super::{error, plugins, start, started};
use serde_json::{Value, json};
use tests::events::EventStream;
use tests::stateless::Client;

const ID: &str = "io.modelcontextprotocol/subscriptionId";

fn call(client: &Client, tool: &str) {
    let answer = client.call(tool, json!({}));
    assert!(answer.status == 200 && answer.json()["result"].get("isError").is_none(), "{answer:?}");
}

/// The next message: its method, and its parameters without `_meta`, which has to name the subscription.
fn next(events: &mut EventStream, id: &Value) -> (String, Value) {
    let message = events.message();
    assert!(message.get("id").is_none(), "{message}");
    let mut params = message["params"].clone();
    let meta = params.as_object_mut().unwrap().remove("_meta");
    assert_eq!(meta, Some(json!({ID: id})), "{message}");
    (message["method"].as_str().unwrap().to_owned(), params)
}

fn changed(list: &str) -> (String, Value) {
    (format!("notifications/{list}/list_changed"), json!({}))
}

fn updated(uri: &str) -> (String, Value) {
    ("notifications/resources/updated".to_owned(), json!({"uri": uri}))
}

#[test]
fn p03_what_is_honoured_is_acknowledged_first() {
    let (_host, client) = start();
    for (asked, honoured) in [
        (json!({}), json!({})),
        (json!({"toolsListChanged": true}), json!({"toolsListChanged": true})),
        (
            json!({"toolsListChanged": false, "promptsListChanged": null, "resourcesListChanged": true}),
            json!({"resourcesListChanged": true}),
        ),
        (
            json!({"toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true, "somethingNewer": true}),
            json!({"toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true}),
        ),
        (
            json!({"resourceSubscriptions": ["test://watched-resource", "test://nowhere", "file:///etc/passwd", "test://template/9/data", "test://watched-resource"]}),
            json!({"resourceSubscriptions": ["test://template/9/data", "test://watched-resource"]}),
        ),
        (json!({"resourceSubscriptions": ["test://nowhere"]}), json!({})),
        (json!({"resourceSubscriptions": []}), json!({})),
    ] {
        let (_events, acknowledged) = client.listen(json!("s"), asked.clone());
        assert_eq!(acknowledged, json!({"_meta": {ID: "s"}, "notifications": honoured}), "{asked}");
    }
    let tasks = client.with_tasks();
    let (_events, acknowledged) = tasks.listen(json!("s"), json!({"taskIds": ["AAAAAAAAAAAAAAAAAAAAAAAA", "x"], "toolsListChanged": true}));
    assert_eq!(acknowledged["notifications"], json!({"toolsListChanged": true}));
}

#[test]
fn p03_every_message_names_its_subscription_as_the_client_did() {
    let (host, client) = start();
    let ids = [json!("1"), json!(1), json!(-7), json!(""), json!("\u{fc}\"\\"), json!(9_007_199_254_740_993_i64)];
    let mut open: Vec<_> = ids.iter().map(|id| (id, client.listen(id.clone(), json!({"toolsListChanged": true})))).collect();
    call(&client, "test_trigger_tool_change");
    host.stop();
    for (id, (events, acknowledged)) in &mut open {
        assert_eq!(acknowledged["_meta"], json!({ID: id}));
        assert_eq!(next(events, id), changed("tools"));
        let end = events.message();
        assert_eq!(end, json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete", "_meta": {ID: id}}}));
        assert_eq!(events.next_message(), None);
    }
}

#[test]
fn p03_only_what_was_asked_for_is_told() {
    let (_host, client) = start();
    let flag = |name: &str| json!({format!("{name}ListChanged"): true});
    let id = json!(5);
    let mut lists = ["tools", "prompts", "resources"].map(|name| (name, client.listen(id.clone(), flag(name)).0));
    let (mut watched, _) = client.listen(id.clone(), json!({"resourceSubscriptions": ["test://watched-resource"]}));
    let (mut all, _) = client.listen(
        id.clone(),
        json!({"toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
            "resourceSubscriptions": ["test://watched-resource", "curious://own"]}),
    );
    for tool in ["test_trigger_tool_change", "test_trigger_prompt_change", "test_trigger_resource_change", "test_update_watched_resource"] {
        call(&client, tool);
    }
    let expected = [changed("tools"), changed("prompts"), changed("resources"), updated("test://watched-resource")];
    for expected in expected {
        assert_eq!(next(&mut all, &id), expected);
    }
    // Each of the others hears of its own and nothing else: the second time follows the first.
    for tool in ["test_trigger_resource_change", "test_trigger_prompt_change", "test_trigger_tool_change", "test_update_watched_resource"] {
        for (name, events) in &mut lists {
            if tool == format!("test_trigger_{}_change", name.trim_end_matches('s')) {
                assert_eq!(next(events, &id), changed(name));
            }
        }
        if tool == "test_update_watched_resource" {
            assert_eq!(next(&mut watched, &id), updated("test://watched-resource"));
        }
        call(&client, tool);
    }
    for (name, events) in &mut lists {
        assert_eq!(next(events, &id), changed(name));
    }
    assert_eq!(next(&mut watched, &id), updated("test://watched-resource"));
}

#[test]
fn a_plugin_reports_only_what_is_its_own() {
    let (_host, client) = start();
    let (mut events, _) = client.listen(json!(1), json!({"resourceSubscriptions": ["test://watched-resource", "curious://own"]}));
    // It reports the other plugin's first.
    call(&client, "report_others");
    assert_eq!(next(&mut events, &json!(1)), updated("curious://own"));
    call(&client, "test_update_watched_resource");
    assert_eq!(next(&mut events, &json!(1)), updated("test://watched-resource"));
}

#[test]
fn tasks_are_told_as_they_change() {
    let (_host, client) = started(plugins().limits(|limits| limits.task_grace = std::time::Duration::from_millis(1)));
    let client = client.with_tasks();
    let begin = |tool: &str| client.call(tool, json!({})).json()["result"]["taskId"].as_str().expect("a task").to_owned();
    // Both take 400 ms at least.
    let (task, other) = (begin("multi_input"), begin("confirm_delete"));
    let id = json!("tasks");
    let (mut events, acknowledged) = client.listen(id.clone(), json!({"taskIds": [task]}));
    assert_eq!(acknowledged["notifications"], json!({"taskIds": [task]}));
    let mut told = client.result("tasks/get", json!({"taskId": task}));
    if told["status"] == "working" {
        told = next(&mut events, &id).1;
    }
    assert_eq!((&told["taskId"], &told["status"]), (&json!(task), &json!("input_required")));
    let answer = json!({"action": "accept", "content": {"name": "Ada"}});
    let answer = |key: &str| client.result("tasks/update", json!({"taskId": task, "inputResponses": {key: answer}}));
    let mut heard = Vec::new();
    // A status that was overtaken by the next one before it was sent is left out.
    for (key, until) in [("first", "input_required second"), ("second", "completed")] {
        assert_eq!(answer(key)["resultType"], "complete");
        while heard.last().is_none_or(|last| last != until) {
            let (method, params) = next(&mut events, &id);
            assert_eq!((method.as_str(), &params["taskId"]), ("notifications/tasks", &json!(task)), "{params}");
            let open = params["inputRequests"].as_object().map(|open| format!(" {}", open.keys().cloned().collect::<Vec<_>>().join(" ")));
            heard.push(format!("{}{}", params["status"].as_str().unwrap(), open.unwrap_or_default()));
            told = params;
        }
    }
    let order = ["input_required first second", "input_required second", "working", "completed"];
    let places: Vec<_> =
        heard.iter().map(|heard| order.iter().position(|status| status == heard).unwrap_or_else(|| panic!("{heard}"))).collect();
    assert!(places.is_sorted_by(|a, b| a < b), "{heard:?}");
    assert_eq!(told["result"]["content"][0]["text"], "Hello, Ada Ada!", "{told}");
    assert!(told["ttlMs"].is_u64() && told["lastUpdatedAt"].is_string() && told["pollIntervalMs"].is_u64(), "{told}");
    let cancelled = client.send("tasks/cancel", json!({"taskId": other}));
    assert_eq!(cancelled.code(), 0);
}

#[test]
fn p04_the_host_ends_a_subscription_with_its_result() {
    let (host, client) = start();
    let (mut events, _) = client.listen(json!("end"), json!({"toolsListChanged": true}));
    let (mut silent, _) = client.listen(json!(2), json!({}));
    host.stop();
    for (events, id) in [(&mut events, json!("end")), (&mut silent, json!(2))] {
        assert_eq!(events.message(), json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete", "_meta": {ID: id}}}));
        assert_eq!(events.next_message(), None);
    }
}

#[test]
fn there_are_only_so_many_listeners() {
    let (_host, client) = started(plugins().limits(|limits| limits.listeners_max = 2));
    let wanted = json!({"toolsListChanged": true});
    let open: Vec<_> = (0..2).map(|at| client.listen(json!(at), wanted.clone())).collect();
    let busy = client.send("subscriptions/listen", json!({"notifications": wanted}));
    assert_eq!((busy.status, busy.code(), busy.header("retry-after")), (429, 1001, Some("1")));
    // Other requests are none of its business.
    call(&client, "test_simple_text");
    // Who leaves makes room; the host notices soon.
    drop(open);
    let again = || client.send_text(&client.text(&json!(1), "subscriptions/listen", json!({"notifications": 5})));
    assert!((0..10_000).any(|_| again().status == 200), "there is still no room");
}

#[test]
fn subscriptions_that_are_asked_for_wrongly() {
    let (_host, client) = started(plugins().limits(|limits| limits.listener_resources_max = 2));
    let client = client.with_tasks();
    for notifications in [
        Value::Null,
        json!(5),
        json!(true),
        json!("toolsListChanged"),
        json!([]),
        json!([true]),
        json!({"toolsListChanged": "true"}),
        json!({"toolsListChanged": 1}),
        json!({"resourceSubscriptions": "test://watched-resource"}),
        json!({"resourceSubscriptions": [5]}),
        json!({"resourceSubscriptions": {"uri": "test://watched-resource"}}),
        json!({"taskIds": "x"}),
        json!({"resourceSubscriptions": ["a:a", "a:b", "a:c"]}),
        json!({"taskIds": ["a", "b", "c"]}),
    ] {
        let answer = client.send("subscriptions/listen", json!({"notifications": notifications}));
        assert_eq!(error(&answer), (200, -32602, Value::Null), "{notifications}");
    }
    assert_eq!(error(&client.send("subscriptions/listen", json!({}))), (200, -32602, Value::Null));
}
