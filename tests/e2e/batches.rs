//! Batches, which 2025-03-26 has and no other revision.

use serde_json::{Value, json};
use tests::client::{post_text, raw};
use tests::host::{Plugins, TestHost};
use tests::session::{Session, initialize, tool_call};
use tests::stdio::Stdio;

const BATCHES: &str = "2025-03-26";

fn host() -> TestHost {
    Plugins::new().wat("echo-bare").limits(|limits| limits.batch_max = 10).start()
}

fn ping(id: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "ping"})
}

/// Requests, notifications, responses, and what is none of them.
fn mixed() -> Value {
    json!([
        tool_call(&json!("b"), "echo-bare_echo", json!({"text": "second"})),
        {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}},
        ping(&json!(1)),
        {"jsonrpc": "2.0", "id": 99, "result": {}},
        7,
        {"jsonrpc": "2.0", "id": 2, "method": "nope"},
        [],
        {"jsonrpc": "1.0", "id": 3, "method": "ping"},
        ping(&Value::Null),
        ping(&json!(9_223_372_036_854_775_807_i64)),
    ])
}

/// What is left of an answer when its texts are left out: the id, and the code, or 0.
fn outline(answers: &Value) -> Vec<(Value, i64)> {
    let one = |answer: &Value| (answer["id"].clone(), answer["error"]["code"].as_i64().unwrap_or(0));
    answers.as_array().unwrap_or_else(|| panic!("no batch: {answers}")).iter().map(one).collect()
}

fn assert_answers_mixed(answers: &Value) {
    let null = Value::Null;
    let expected = [
        (json!("b"), 0),
        (json!(1), 0),
        (null.clone(), -32600),
        (json!(2), -32601),
        (null.clone(), -32600),
        (json!(3), -32600),
        (null, -32600),
        (json!(9_223_372_036_854_775_807_i64), 0),
    ];
    assert_eq!(outline(answers), expected, "{answers}");
    assert_eq!(answers[0]["result"]["content"][0]["text"], "second");
}

#[test]
fn a_mixed_batch_is_answered_in_its_order() {
    let host = host();
    let session = Session::open(&host, BATCHES);
    let answer = session.post(&mixed());
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_answers_mixed(&answer.json());
}

#[test]
fn a_batch_that_wants_no_answer_gets_none() {
    let host = host();
    let session = Session::open(&host, BATCHES);
    let note = json!({"jsonrpc": "2.0", "method": "notifications/whatever"});
    let response = json!({"jsonrpc": "2.0", "id": "cofferdam-1", "error": {"code": 1, "message": "no"}});
    for batch in [json!([note]), json!([note, note]), json!([response]), json!([note, response])] {
        session.tell(&batch);
    }
}

#[test]
fn batches_of_the_wrong_length_are_refused() {
    let host = host();
    let session = Session::open(&host, BATCHES);
    let batch = |count: i64| Value::Array((0..count).map(|id| ping(&json!(id))).collect());
    for (count, status) in [(0, 400), (1, 200), (10, 200), (11, 400)] {
        let answer = session.post(&batch(count));
        assert_eq!(answer.status, status, "{count}");
        if status == 400 {
            assert_eq!(answer.code(), -32600, "{count}");
        }
    }
    let cut_off = raw(host.address, session.post_text("[{}").as_bytes());
    assert_eq!((cut_off.status, cut_off.code()), (400, -32700));
}

#[test]
fn a_handshake_in_a_batch_is_refused() {
    let host = host();
    let session = Session::open(&host, BATCHES);
    let batch = json!([initialize(BATCHES, json!({})), ping(&json!(1))]);
    let answer = session.post(&batch);
    assert_eq!((outline(&answer.json()), answer.header("mcp-session-id")), (vec![(json!(0), -32600), (json!(1), 0)], None));
    // Without a session there is nothing that a batch could be part of.
    let alone = raw(host.address, post_text("", &json!([initialize(BATCHES, json!({}))]).to_string()).as_bytes());
    assert_eq!((alone.status, alone.code(), alone.header("mcp-session-id")), (400, -32600, None));
}

#[test]
fn other_revisions_have_no_batches() {
    let host = host();
    let batch = json!([ping(&json!(1))]);
    for version in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let answer = Session::open(&host, version).post(&batch);
        assert_eq!((answer.status, answer.code()), (400, -32600), "{version}");
    }
    let session = Session::open(&host, BATCHES);
    let in_session = format!("Mcp-Session-Id: {}\r\n", session.id);
    let modern = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: ping\r\n";
    let unknown = "MCP-Protocol-Version: 1999-01-01\r\n";
    for (extra, status) in [
        (String::new(), 400),
        (modern.to_owned(), 400),
        // In the stateless era a session id means nothing.
        (format!("{in_session}{modern}"), 400),
        (format!("{in_session}{unknown}"), 400),
        ("Mcp-Session-Id: unknown\r\n".to_owned(), 404),
        (in_session, 200),
    ] {
        let answer = raw(host.address, post_text(&extra, &batch.to_string()).as_bytes());
        assert_eq!((answer.status, answer.json()["error"]["code"].as_i64()), (status, (status != 200).then_some(-32600)), "{extra}");
    }
}

#[test]
fn a_version_in_a_member_does_not_make_it_stateless() {
    let host = host();
    let session = Session::open(&host, BATCHES);
    let mut member = ping(&json!(1));
    member["params"]["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28"});
    let batch = json!([member]);
    assert_eq!(session.post(&batch).json()[0]["result"], json!({}));
    let mut stdio = Stdio::with_session(Plugins::new().wat("echo-bare"), BATCHES, json!({}));
    assert_eq!(stdio.ask(&batch)[0]["result"], json!({}));
}

#[test]
fn what_a_batch_says_before_its_answers_comes_on_a_stream() {
    let host = Plugins::new().conformance().start();
    let session = Session::open(&host, BATCHES);
    let mut call = tool_call(&json!("p"), "test_tool_with_progress", json!({}));
    call["params"]["_meta"] = json!({"progressToken": "t"});
    let mut stream = session.stream(&json!([ping(&json!(1)), call]));
    let messages = stream.rest();
    let (answers, notes) = messages.split_last().unwrap();
    assert!(!notes.is_empty() && notes.iter().all(|note| note["method"] == "notifications/progress"), "{notes:?}");
    assert_eq!(outline(answers), [(json!(1), 0), (json!("p"), 0)]);
}

#[test]
fn batches_on_stdio() {
    let plugins = Plugins::new().wat("echo-bare").limits(|limits| limits.batch_max = 10);
    let mut stdio = Stdio::with_session(plugins, BATCHES, json!({}));
    assert_answers_mixed(&stdio.ask(&mixed()));
    // Nothing comes for notifications; the next answer is that of the next request.
    stdio.send(&json!([{"jsonrpc": "2.0", "method": "notifications/whatever"}]));
    assert_eq!(stdio.ask(&ping(&json!("next")))["id"], "next");
    let too_many = Value::Array((0..11).map(|id| ping(&json!(id))).collect());
    for (batch, code) in [(json!([]), -32600), (too_many, -32600)] {
        assert_eq!(stdio.ask(&batch)["error"]["code"], code);
    }
    let refused = stdio.ask(&json!([initialize("2025-11-25", json!({}))]));
    assert_eq!(outline(&refused), [(json!(0), -32600)]);
    // The session is what it was.
    assert_eq!(outline(&stdio.ask(&json!([ping(&json!(1))]))), [(json!(1), 0)]);
    assert_eq!(stdio.end(), [Value::Null; 0]);
}

#[test]
fn batches_on_stdio_without_a_session_that_has_them() {
    let batch = json!([ping(&json!(1))]);
    let mut stdio = Stdio::start(Plugins::new().wat("echo-bare"));
    assert_eq!(stdio.ask(&batch)["error"]["code"], -32600);
    for version in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        assert!(stdio.ask(&initialize(version, json!({})))["result"].is_object());
        assert_eq!(stdio.ask(&batch)["error"]["code"], -32600, "{version}");
    }
}

#[test]
fn a_member_of_a_batch_can_be_cancelled() {
    let capabilities = json!({"elicitation": {}});
    let mut stdio = Stdio::with_session(Plugins::new().conformance(), BATCHES, capabilities);
    stdio.send(&json!([ping(&json!(1)), tool_call(&json!(2), "test_input_required_result_elicitation", json!({}))]));
    let question = stdio.read();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    stdio.send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}));
    let taken_back = stdio.read();
    assert_eq!((&taken_back["method"], &taken_back["params"]["requestId"]), (&json!("notifications/cancelled"), &question["id"]));
    assert_eq!(outline(&stdio.read()), [(json!(1), 0)]);
}
