//! Both eras on one pair of pipes: what is told without being asked, and what is interleaved.

use serde_json::{Value, json};
use std::collections::HashMap;
use tests::host::Plugins;
use tests::session::{initialize, tool_call};
use tests::stdio::Stdio;

fn modern(id: &Value, method: &str, mut params: Value) -> Value {
    let meta = &mut params["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn modern_call(id: &Value, tool: &str, meta: Value) -> Value {
    modern(id, "tools/call", json!({"name": tool, "arguments": {}, "_meta": meta}))
}

fn listen(id: &Value) -> Value {
    modern(id, "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}))
}

fn cancelled(id: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
}

/// Messages until the answer to this request, by whether they answer something.
fn until(stdio: &mut Stdio, id: &str) -> Vec<Value> {
    let mut messages = Vec::new();
    loop {
        let message = stdio.read();
        if message["id"] == id {
            return messages;
        }
        messages.push(message);
    }
}

#[test]
fn both_eras_take_turns() {
    let mut stdio = Stdio::with_session(Plugins::new().conformance(), "2025-06-18", json!({"elicitation": {}}));
    let question = stdio.ask(&tool_call(&json!("waits"), "test_input_required_result_elicitation", json!({})));
    assert_eq!(question["method"], "elicitation/create");
    // While one call waits for its answer, others of both eras are served.
    for turn in 0..10 {
        let (old, new) = (json!(format!("old {turn}")), json!(format!("new {turn}")));
        stdio.send(&tool_call(&old, "test_simple_text", json!({})));
        stdio.send(&modern_call(&new, "test_simple_text", json!({})));
        let mut answers = [stdio.read(), stdio.read()];
        answers.sort_by_key(|answer| answer["result"]["resultType"].is_string());
        assert_eq!((&answers[0]["id"], &answers[1]["id"]), (&old, &new));
        assert_eq!((answers[0]["result"].get("resultType"), &answers[1]["result"]["resultType"]), (None, &json!("complete")));
    }
    // A stateless client is never asked; it is told what is missing.
    let refused = stdio.ask(&modern_call(&json!("m"), "test_missing_capability", json!({})));
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!("m"), &json!(-32021)));
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "accept", "content": {"name": "Alice"}}});
    assert_eq!(stdio.ask(&answer)["result"]["content"][0]["text"], "Hello, Alice!");
    assert_eq!(stdio.end(), [Value::Null; 0]);
}

#[test]
fn subscriptions_end_when_they_are_cancelled_or_the_input_ends() {
    let mut stdio = Stdio::start(Plugins::new().conformance());
    let (first, second) = (json!("first"), json!(2));
    for id in [&first, &second] {
        let acknowledged = stdio.ask(&listen(id));
        assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(acknowledged["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], *id);
    }
    let told = |stdio: &mut Stdio, turn: &str, count: usize| {
        stdio.send(&modern_call(&json!(turn), "test_trigger_tool_change", json!({})));
        let mut messages = until(stdio, turn);
        while messages.len() < count {
            messages.push(stdio.read());
        }
        let mut ids: Vec<_> = messages
            .iter()
            .map(|message| {
                assert_eq!(message["method"], "notifications/tools/list_changed");
                message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"].to_string()
            })
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(told(&mut stdio, "both", 2), ["\"first\"", "2"]);
    stdio.send(&cancelled(&first));
    assert_eq!(told(&mut stdio, "one", 1), ["2"]);
    let meta = json!({"io.modelcontextprotocol/subscriptionId": 2});
    assert_eq!(stdio.end(), [json!({"jsonrpc": "2.0", "id": 2, "result": {"resultType": "complete", "_meta": meta}})]);
}

#[test]
fn sessions_and_subscriptions_hear_of_the_same_change() {
    let mut stdio = Stdio::with_session(Plugins::new().conformance(), "2025-11-25", json!({}));
    let _ = stdio.ask(&listen(&json!("s")));
    let uri = json!({"uri": "test://watched-resource"});
    let subscribed = stdio.ask(&json!({"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": uri}));
    assert_eq!(subscribed["result"], json!({}));
    stdio.send(&tool_call(&json!("both"), "test_trigger_tool_change", json!({})));
    let mut messages = until(&mut stdio, "both");
    while messages.len() < 2 {
        messages.push(stdio.read());
    }
    messages.sort_by_key(|message| message["params"].is_object());
    assert!(messages.iter().all(|message| message["method"] == "notifications/tools/list_changed"), "{messages:?}");
    assert_eq!((messages[0].get("params"), &messages[1]["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"]), (None, &json!("s")));
    stdio.send(&modern_call(&json!("one"), "test_update_watched_resource", json!({})));
    let mut messages = until(&mut stdio, "one");
    if messages.is_empty() {
        messages.push(stdio.read());
    }
    let expected = json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": uri});
    assert_eq!(messages, [expected]);
}

#[test]
fn ids_come_back_byte_for_byte() {
    let ids = [
        "0",
        "-1",
        "-0",
        "9223372036854775807",
        "-9223372036854775808",
        "\"\"",
        r#""a\u0041\/\"\\""#,
        r#""\ud83d\ude00""#,
        "\"\u{1f600}\u{e9}\"",
        r#""1""#,
    ];
    let mut stdio = Stdio::with_session(Plugins::new().wat("echo-bare"), "2025-11-25", json!({}));
    let call = r#""name":"echo-bare_echo","arguments":{"text":"x"}"#;
    let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
    for id in ids {
        for params in [call.to_owned(), format!("{call},{meta}")] {
            stdio.send_line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{{params}}}}}"#));
            let line = stdio.read_line().unwrap();
            assert!(line.starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"#)), "{id}: {line}");
        }
        stdio.send_line(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"nope"}}"#));
        let line = stdio.read_line().unwrap();
        assert!(line.starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"error":"#)), "{id}: {line}");
    }
}

#[test]
fn progress_and_logs_of_several_calls_are_told_apart() {
    let mut stdio = Stdio::with_session(Plugins::new().conformance(), "2025-06-18", json!({}));
    let mut old = tool_call(&json!("old"), "test_tool_with_progress", json!({}));
    old["params"]["_meta"] = json!({"progressToken": "old"});
    stdio.send(&old);
    stdio.send(&modern_call(&json!("new"), "test_tool_with_progress", json!({"progressToken": "new"})));
    stdio.send(&modern_call(&json!("log"), "test_tool_with_logging", json!({"io.modelcontextprotocol/logLevel": "info"})));
    stdio.send(&modern_call(&json!("quiet"), "test_tool_with_logging", json!({})));
    let mut seen: HashMap<String, Vec<Value>> = HashMap::new();
    let mut logs = 0;
    let mut answered = 0;
    while answered < 4 {
        let message = stdio.read();
        if message["method"] == "notifications/message" {
            logs += 1;
            continue;
        }
        answered += usize::from(message["id"].is_string());
        let whose = [&message["id"], &message["params"]["progressToken"]].into_iter().find_map(Value::as_str).unwrap();
        let what = if message["id"].is_string() { json!("answer") } else { message["params"]["progress"].clone() };
        seen.entry(whose.to_owned()).or_default().push(what);
    }
    let in_order = vec![json!(0), json!(50), json!(100), json!("answer")];
    assert_eq!((&seen["old"], &seen["new"], logs), (&in_order, &in_order, 3));
    let bad = stdio.ask(&modern_call(&json!("bad"), "test_tool_with_logging", json!({"io.modelcontextprotocol/logLevel": "loud"})));
    assert_eq!(bad["error"]["code"], -32602);
}

#[test]
fn log_level_of_the_session_is_not_that_of_the_other_era() {
    let mut stdio = Stdio::with_session(Plugins::new().conformance(), "2025-06-18", json!({}));
    let set = |level: &str| json!({"jsonrpc": "2.0", "id": "set", "method": "logging/setLevel", "params": {"level": level}});
    assert_eq!(stdio.ask(&set("loud"))["error"]["code"], -32602);
    assert_eq!(stdio.ask(&set("debug"))["result"], json!({}));
    stdio.send(&tool_call(&json!("old"), "test_logging_tool", json!({})));
    let logs = until(&mut stdio, "old");
    assert_eq!((logs.len(), &logs[0]["params"]["logger"]), (1, &json!("test_logging_tool")));
    assert_eq!(stdio.ask(&modern_call(&json!("new"), "test_logging_tool", json!({})))["id"], "new");
}

#[test]
fn calls_of_a_session_are_answered_when_the_input_ends() {
    let mut stdio = Stdio::with_session(Plugins::new().conformance(), "2025-11-25", json!({}));
    let call = json!({"name": "slow_compute", "arguments": {"seconds": 0.2}});
    stdio.send(&json!({"jsonrpc": "2.0", "id": "slow", "method": "tools/call", "params": call}));
    let rest = stdio.end();
    assert_eq!((rest.len(), &rest[0]["result"]["content"][0]["text"]), (1, &json!("slow_compute: computed for 0.2 s")));
}

#[test]
fn a_second_handshake_begins_anew() {
    let mut stdio = Stdio::with_session(Plugins::new().conformance(), "2025-06-18", json!({"elicitation": {}}));
    let question = stdio.ask(&tool_call(&json!("old"), "test_input_required_result_elicitation", json!({})));
    assert_eq!(question["method"], "elicitation/create");
    stdio.send(&initialize("2025-11-25", json!({})));
    // The call of the first session is not left waiting for an answer that cannot come.
    let mut answers = [stdio.read(), stdio.read()];
    answers.sort_by_key(|answer| answer["id"].is_string());
    assert_eq!(answers[0]["result"]["protocolVersion"], "2025-11-25");
    let result = json!({"content": [{"type": "text", "text": "the client is gone"}], "isError": true});
    assert_eq!((&answers[1]["id"], &answers[1]["result"]), (&json!("old"), &result));
    // What the first one said that it can do is forgotten.
    let refused = stdio.ask(&tool_call(&json!("new"), "test_input_required_result_elicitation", json!({})));
    assert_eq!((&refused["id"], &refused["result"]["isError"]), (&json!("new"), &json!(true)));
}
