//! Calls that go on as tasks (`io.modelcontextprotocol/tasks`, SEP-2663).

use super::{accepted, error, plugins, started};
use serde_json::{Value, json};
use std::time::Duration;
use tests::host::{Plugins, TestHost};
use tests::stateless::Client;

/// Nobody waits for it.
const FOREVER_S: f64 = 3600.0;

/// A host that makes a task of whatever does not end at once, and a client that knows tasks.
fn open(plugins: Plugins) -> (TestHost, Client) {
    let (host, client) = started(plugins.limits(|limits| limits.task_grace = Duration::from_millis(1)));
    (host, client.with_tasks())
}

/// Makes a task of a call: its id.
fn begin(client: &Client, tool: &str, arguments: Value) -> String {
    let handle = client.result("tools/call", json!({"name": tool, "arguments": arguments}));
    assert_eq!((&handle["resultType"], &handle["status"]), (&json!("task"), &json!("working")), "{handle}");
    for member in ["content", "result", "error", "inputRequests", "requestState", "task", "isError"] {
        assert!(handle.get(member).is_none(), "{member} in {handle}");
    }
    assert!(handle["ttlMs"].is_u64() && handle["pollIntervalMs"].is_u64() && handle["createdAt"].is_string(), "{handle}");
    handle["taskId"].as_str().expect("an id").to_owned()
}

fn slow(client: &Client, seconds: f64) -> String {
    begin(client, "slow_compute", json!({"seconds": seconds, "label": "x"}))
}

fn get(client: &Client, id: &str) -> Value {
    let task = client.result("tasks/get", json!({"taskId": id}));
    assert_eq!((&task["resultType"], &task["taskId"]), (&json!("complete"), &json!(id)), "{task}");
    assert!(task["_meta"]["io.modelcontextprotocol/serverInfo"].is_object(), "{task}");
    task
}

/// Waits until a task has another status than `working`: what it is then.
fn settled(client: &Client, id: &str) -> Value {
    let (mut events, acknowledged) = client.listen(json!(id), json!({"taskIds": [id]}));
    assert_eq!(acknowledged["notifications"], json!({"taskIds": [id]}));
    // What has changed before the host listened for us is not told.
    let mut task = get(client, id);
    while task["status"] == "working" {
        let told = events.message();
        assert_eq!((&told["method"], &told["params"]["taskId"]), (&json!("notifications/tasks"), &json!(id)), "{told}");
        task = told["params"].clone();
    }
    get(client, id)
}

/// `tasks/update` or `tasks/cancel`: an answer with nothing in it.
fn tell(client: &Client, method: &str, params: Value) {
    let result = client.result(method, params);
    let members: Vec<_> = result.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!((members, &result["resultType"]), (vec!["_meta", "resultType"], &json!("complete")));
}

#[test]
fn what_ends_at_once_is_no_task() {
    let (_host, client) = started(plugins().limits(|limits| limits.task_grace = Duration::from_secs(60)));
    let client = client.with_tasks();
    for (tool, arguments, expected) in [
        ("slow_compute", json!({"seconds": 0.0}), "slow_compute: computed for 0 s"),
        ("slow_compute", json!({"seconds": 0.3, "label": "x"}), "x: computed for 0.3 s"),
        ("greet", json!({"name": "Ada"}), "Hello, Ada!"),
    ] {
        let answer = client.call(tool, arguments);
        assert_eq!((answer.text().as_str(), &answer.json()["result"]["resultType"]), (expected, &json!("complete")));
    }
    // A question is asked as always, before anything becomes a task.
    let asked = client.result("tools/call", json!({"name": "test_tool_with_task", "arguments": {}}));
    assert_eq!((&asked["resultType"], asked.get("taskId")), (&json!("input_required"), None));
}

#[test]
fn a_task_works_and_completes() {
    let (_host, client) = open(plugins());
    let id = slow(&client, 0.5);
    assert!(id.len() >= 22 && id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
    let task = settled(&client, &id);
    assert_eq!(task["status"], "completed");
    assert_eq!(task["result"]["content"], json!([{"type": "text", "text": "x: computed for 0.5 s"}]));
    assert!(task["createdAt"].as_str() < task["lastUpdatedAt"].as_str(), "{task}");
    assert!(task.get("error").is_none() && task.get("inputRequests").is_none(), "{task}");
    // It is there for everybody who comes back for it, and does not change.
    assert_eq!(get(&client, &id), task);
}

#[test]
fn a_task_is_there_as_soon_as_its_handle_is_and_for_other_connections() {
    let (_host, client) = open(plugins());
    // Each request has a connection of its own: the one that began it is closed by now.
    let id = slow(&client, FOREVER_S);
    let task = get(&client, &id);
    assert_eq!((&task["status"], task.get("result")), (&json!("working"), None), "{task}");
    assert_ne!(slow(&client, FOREVER_S), id);
}

#[test]
fn who_leaves_before_the_handle_is_there_cancels_the_call() {
    let (host, client) = started(plugins().limits(|limits| {
        limits.task_grace = Duration::from_secs(3600);
        limits.plugin_calls_max = 1;
        limits.queue_wait_max = Duration::from_millis(20);
    }));
    let client = client.with_tasks();
    let greet_until = |status: u16| {
        let tries = 0..3_000;
        assert!(tries.into_iter().any(|_| client.call("greet", json!({"name": "Ada"})).status == status), "never {status}");
    };
    let mut leaver = tests::client::connect(host.address);
    let text = client.text(&json!(1), "tools/call", json!({"name": "slow_compute", "arguments": {"seconds": FOREVER_S}}));
    std::io::Write::write_all(&mut leaver, text.as_bytes()).unwrap();
    greet_until(429);
    drop(leaver);
    greet_until(200);
}

#[test]
fn a_tool_that_says_it_failed_completes_and_a_trap_fails() {
    let (_host, client) = open(plugins());
    let (says, traps) = (begin(&client, "failing_job", json!({})), begin(&client, "protocol_error_job", json!({})));
    let task = settled(&client, &says);
    assert_eq!((&task["status"], &task["result"]["isError"]), (&json!("completed"), &json!(true)), "{task}");
    assert_eq!(task["result"]["content"][0]["text"], "This job intentionally fails");
    let task = settled(&client, &traps);
    assert_eq!((&task["status"], &task["error"]["code"]), (&json!("failed"), &json!(1004)), "{task}");
    let message = task["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("the plugin failed (reference ") && task.get("result").is_none(), "{task}");
}

#[test]
fn a_task_that_is_cancelled_gives_its_slot_back_and_stays_cancelled() {
    let (_host, client) = open(plugins().limits(|limits| {
        limits.plugin_calls_max = 1;
        limits.queue_wait_max = Duration::from_secs(1);
    }));
    let id = slow(&client, FOREVER_S);
    let busy = client.call("greet", json!({"name": "Ada"}));
    assert_eq!((busy.status, busy.code(), busy.header("retry-after")), (429, 1001, Some("1")));
    for _ in 0..2 {
        tell(&client, "tasks/cancel", json!({"taskId": id}));
        assert_eq!(client.call("greet", json!({"name": "Ada"})).text(), "Hello, Ada!");
        let task = get(&client, &id);
        assert_eq!((&task["status"], task.get("result"), task.get("error")), (&json!("cancelled"), None, None), "{task}");
    }
    // What has ended is not cancelled any more.
    let id = slow(&client, 0.05);
    let ended = settled(&client, &id);
    tell(&client, "tasks/cancel", json!({"taskId": id}));
    assert_eq!((&ended["status"], get(&client, &id)), (&json!("completed"), ended.clone()));
}

#[test]
fn a_task_asks_and_takes_answers_one_by_one() {
    let (_host, client) = open(plugins());
    let id = begin(&client, "multi_input", json!({}));
    let open = |task: &Value| -> Vec<String> {
        assert_eq!(task["status"], "input_required", "{task}");
        assert!(task.get("requestState").is_none(), "{task}");
        task["inputRequests"].as_object().unwrap().keys().cloned().collect()
    };
    let update = |responses: Value| tell(&client, "tasks/update", json!({"taskId": id, "inputResponses": responses}));
    let task = settled(&client, &id);
    assert_eq!(open(&task), ["first", "second"]);
    assert_eq!(task["inputRequests"]["first"]["method"], "elicitation/create");
    update(json!({}));
    update(json!({"third": accepted(json!({"name": "X"})), "first": 5}));
    assert_eq!(open(&get(&client, &id)), ["first", "second"]);
    update(json!({"first": accepted(json!({"name": "Ada"}))}));
    assert_eq!(open(&get(&client, &id)), ["second"]);
    // What was answered is answered.
    update(json!({"first": accepted(json!({"name": "Grace"}))}));
    assert_eq!(open(&get(&client, &id)), ["second"]);
    let refused = client.send("tasks/update", json!({"taskId": id, "inputResponses": []}));
    assert_eq!(error(&refused), (200, -32602, Value::Null));
    update(json!({"second": accepted(json!({"name": "Lovelace"}))}));
    let task = settled(&client, &id);
    assert_eq!((&task["status"], &task["result"]["content"][0]["text"]), (&json!("completed"), &json!("Hello, Ada Lovelace!")));
    update(json!({"second": accepted(json!({"name": "Hopper"}))}));
    assert_eq!(get(&client, &id), task);
}

#[test]
fn a_task_that_asks_again_asks_under_another_key() {
    let (_host, client) = open(plugins());
    let id = begin(&client, "multi_input", json!({}));
    let keys = |task: &Value| task["inputRequests"].as_object().unwrap_or_else(|| panic!("{task}")).keys().cloned().collect::<Vec<_>>();
    let update = |responses: Value| tell(&client, "tasks/update", json!({"taskId": id, "inputResponses": responses}));
    let (ada, odd) = (accepted(json!({"name": "Ada"})), accepted(json!({"name": 5})));
    assert_eq!(keys(&settled(&client, &id)), ["first", "second"]);
    update(json!({"first": odd, "second": ada}));
    assert_eq!(keys(&settled(&client, &id)), ["first#2"]);
    // The key of the question that was answered stands for nothing any more.
    update(json!({"first": ada}));
    assert_eq!(keys(&get(&client, &id)), ["first#2"]);
    update(json!({"first#2": odd}));
    assert_eq!(keys(&settled(&client, &id)), ["first#3"]);
    update(json!({"first#3": accepted(json!({"name": "Grace"}))}));
    assert_eq!(settled(&client, &id)["result"]["content"][0]["text"], "Hello, Grace Ada!");
}

#[test]
fn a_task_asks_only_so_often() {
    let (_host, client) = open(plugins().limits(|limits| limits.rounds_max = 2));
    let id = begin(&client, "ask_forever_slowly", json!({}));
    for round in 0..2 {
        let key = format!("question_{round}");
        assert!(settled(&client, &id)["inputRequests"][&key].is_object());
        tell(&client, "tasks/update", json!({"taskId": id, "inputResponses": {key: accepted(json!({"name": "Ada"}))}}));
    }
    let task = settled(&client, &id);
    assert_eq!((&task["status"], &task["error"]["code"]), (&json!("failed"), &json!(1005)), "{task}");
    assert_eq!(task["error"]["message"], "the call asked for input more than 2 times");
}

#[test]
fn a_task_that_only_wants_another_round_has_it() {
    let (_host, client) = open(plugins());
    let id = begin(&client, "one_round_more_slowly", json!({}));
    // It never waits for a client that has nothing to answer.
    let task = settled(&client, &id);
    assert_eq!(
        (&task["status"], &task["result"]["content"][0]["text"]),
        (&json!("completed"), &json!("kept without a question")),
        "{task}"
    );
}

#[test]
fn a_task_that_waits_for_its_client_can_be_cancelled() {
    let (_host, client) = open(plugins());
    let id = begin(&client, "confirm_delete", json!({"filename": "a.txt"}));
    assert_eq!(settled(&client, &id)["inputRequests"]["confirm"]["params"]["message"], "Delete a.txt?");
    tell(&client, "tasks/cancel", json!({"taskId": id}));
    tell(&client, "tasks/update", json!({"taskId": id, "inputResponses": {"confirm": accepted(json!({"confirm": true}))}}));
    let task = get(&client, &id);
    assert_eq!((&task["status"], task.get("inputRequests")), (&json!("cancelled"), None), "{task}");
}

#[test]
fn a_task_never_asks_what_its_client_cannot_answer() {
    let (_host, client) = open(plugins());
    let client = client.with(json!({"extensions": {"io.modelcontextprotocol/tasks": {}}}));
    let id = begin(&client, "confirm_delete", json!({}));
    let task = settled(&client, &id);
    assert_eq!((&task["status"], &task["error"]["code"]), (&json!("failed"), &json!(-32021)), "{task}");
    assert_eq!(task["error"]["data"], json!({"requiredCapabilities": {"elicitation": {}}}));
}

#[test]
fn a_call_that_asked_first_goes_on_as_a_task() {
    // The handler takes 800 ms after its question.
    let (_host, client) = started(plugins().limits(|limits| limits.task_grace = Duration::from_millis(500)));
    let client = client.with_tasks();
    let mut params = json!({"name": "test_tool_with_task", "arguments": {}});
    assert_eq!(client.result("tools/call", params.clone())["resultType"], "input_required");
    params["inputResponses"] = json!({"user_name": accepted(json!({"name": "Ada"}))});
    let handle = client.result("tools/call", params);
    assert_eq!(handle["resultType"], "task", "{handle}");
    let task = settled(&client, handle["taskId"].as_str().unwrap());
    assert_eq!(task["result"]["content"][0]["text"], "Hello, Ada! This took a while.");
}

#[test]
fn c34_tasks_need_the_extension() {
    let (_host, client) = open(plugins());
    let id = slow(&client, FOREVER_S);
    let missing = json!({"requiredCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}});
    let other =
        json!({"elicitation": {}, "extensions": {"io.modelcontextprotocol/ui": {}}, "experimental": {"io.modelcontextprotocol/tasks": {}}});
    for capabilities in [json!({}), other] {
        let plain = client.with(capabilities);
        // Before any look-up: the same for what is there and what is not.
        for (method, id) in
            [("tasks/get", id.as_str()), ("tasks/update", &id), ("tasks/cancel", &id), ("tasks/get", "nowhere"), ("tasks/cancel", "")]
        {
            assert_eq!(error(&plain.send(method, json!({"taskId": id}))), (400, -32021, missing.clone()), "{method} {id}");
        }
        assert_eq!(error(&plain.send("tasks/get", json!({}))), (400, -32021, missing.clone()));
        assert_eq!(error(&plain.send("subscriptions/listen", json!({"notifications": {"taskIds": [id]}}))), (400, -32021, missing.clone()));
        assert_eq!(error(&plain.call("failing_job", json!({}))), (400, -32021, missing.clone()));
        // What may be a task is answered in place.
        let answer = plain.call("slow_compute", json!({"seconds": 0.1, "label": "x"}));
        assert_eq!((answer.text().as_str(), &answer.json()["result"]["resultType"]), ("x: computed for 0.1 s", &json!("complete")));
    }
    assert_eq!(get(&client, &id)["status"], "working");
}

#[test]
fn tasks_that_do_not_exist() {
    let ((_host, client), (_other, other)) = (open(plugins()), open(plugins()));
    let foreign = slow(&other, FOREVER_S);
    let own = slow(&client, FOREVER_S);
    for id in [foreign.as_str(), "nowhere", "", "../../etc", &own[1..], &format!("{own}A"), &own.to_lowercase().replace(['a', 'b'], "c")] {
        for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
            let answer = client.send(method, json!({"taskId": id}));
            assert_eq!(error(&answer), (200, -32602, Value::Null), "{method} {id}");
            assert_eq!(answer.json()["error"]["message"], format!("Unknown task: {id}"));
        }
    }
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        assert_eq!(error(&client.send(method, json!({}))), (200, -32602, Value::Null), "{method}");
        assert_eq!(client.send(method, json!({"taskId": 5})).code(), -32602, "{method}");
    }
    assert_eq!((get(&client, &own)["status"].clone(), get(&other, &foreign)["status"].clone()), (json!("working"), json!("working")));
}

#[test]
fn c33_what_the_extension_does_not_have() {
    let (_host, client) = open(plugins());
    let id = slow(&client, FOREVER_S);
    for method in ["tasks/result", "tasks/list", "tasks/create", "tasks"] {
        assert_eq!(error(&client.send(method, json!({"taskId": id}))), (404, -32601, Value::Null), "{method}");
    }
    // The parameter of 2025-11-25 changes nothing.
    let answer = client.send("tools/call", json!({"name": "greet", "arguments": {"name": "Ada"}, "task": {"ttl": 1000}}));
    assert_eq!(answer.text(), "Hello, Ada!");
}

#[test]
fn c35_mcp_name_has_to_be_the_task() {
    let (_host, client) = open(plugins());
    let id = slow(&client, FOREVER_S);
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let text = client.text(&json!(1), method, json!({"taskId": id}));
        for header in ["", "Mcp-Name: nowhere\r\n", "Mcp-Name: slow_compute\r\n"] {
            let answer = client.send_text(&text.replace(&format!("Mcp-Name: {id}\r\n"), header));
            assert_eq!(error(&answer), (400, -32020, Value::Null), "{method} {header:?}");
        }
    }
    assert_eq!(get(&client, &id)["status"], "working");
}

#[test]
fn there_are_only_so_many_tasks() {
    let (_host, client) = open(plugins().limits(|limits| {
        limits.tasks_max = 2;
        limits.plugin_calls_max = 2;
        limits.queue_wait_max = Duration::from_secs(1);
    }));
    let first = slow(&client, FOREVER_S);
    let second = slow(&client, 0.05);
    assert_eq!(settled(&client, &second)["status"], "completed");
    // A record counts for as long as it is kept.
    let busy = client.call("slow_compute", json!({"seconds": FOREVER_S}));
    assert_eq!((busy.status, busy.code(), busy.header("retry-after")), (429, 1001, Some("1")));
    // What did not become a task does not go on either: its slot is free.
    assert_eq!(client.call("greet", json!({"name": "Ada"})).text(), "Hello, Ada!");
    assert_eq!(get(&client, &first)["status"], "working");
}

#[test]
fn a_task_that_takes_too_long_fails() {
    let (_host, client) = open(plugins().limits(|limits| limits.task_wall_time_max = Duration::from_millis(700)));
    let (slow, asks) = (slow(&client, FOREVER_S), begin(&client, "multi_input", json!({})));
    let task = settled(&client, &slow);
    assert_eq!((&task["status"], &task["error"]["code"]), (&json!("failed"), &json!(1003)), "{task}");
    let message = task["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("the call did not end within its 700 ms of wall time (reference "), "{message}");
    // Neither is a client waited for any longer.
    let mut task = settled(&client, &asks);
    if task["status"] == "input_required" {
        let (mut events, _) = client.listen(json!(1), json!({"taskIds": [asks]}));
        task = get(&client, &asks);
        while task["status"] == "input_required" {
            task = events.message()["params"].clone();
        }
    }
    assert_eq!((&task["status"], &task["error"]["message"]), (&json!("failed"), &json!("the client did not answer in time")), "{task}");
}

#[test]
fn tasks_in_a_file_outlive_their_host() {
    let (host, client) = open(plugins().tasks_in_file());
    let (done, working) = (slow(&client, 0.05), slow(&client, FOREVER_S));
    let before = settled(&client, &done);
    let waiting = begin(&client, "multi_input", json!({}));
    assert_eq!(settled(&client, &waiting)["status"], "input_required");
    let host = host.restart();
    let client = Client::new(host.address).with_tasks();
    assert_eq!(get(&client, &done), before);
    for id in [&working, &waiting] {
        let task = get(&client, id);
        assert_eq!((&task["status"], task.get("inputRequests")), (&json!("failed"), None), "{task}");
        assert!(task["error"]["code"].is_i64() && task["error"]["message"].is_string(), "{task}");
    }
    let next = slow(&client, 0.05);
    assert_eq!(settled(&client, &next)["status"], "completed");
}
