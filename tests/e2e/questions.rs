//! Questions to clients of the `initialize` era while their calls wait, over HTTP and on stdio.

use serde_json::{Value, json};
use std::time::Duration;
use tests::host::{Plugins, TestHost};
use tests::session::{Session, tool_call};
use tests::stdio::Stdio;

fn able() -> Value {
    json!({"elicitation": {}, "sampling": {}, "roots": {}})
}

/// What a client answers.
#[derive(Clone)]
enum Says {
    Result(Value),
    Error,
}

impl Says {
    fn message(&self, question: &Value) -> Value {
        match self {
            Self::Result(result) => json!({"jsonrpc": "2.0", "id": question["id"], "result": result}),
            Self::Error => json!({"jsonrpc": "2.0", "id": question["id"], "error": {"code": -1, "message": "User rejected"}}),
        }
    }
}

/// A tool with its arguments, the methods that it asks with what is answered to each, and how its result ends: `isError` and its text.
type Case = (&'static str, Value, Vec<(&'static str, Says)>, (bool, &'static str));

fn cases() -> Vec<Case> {
    let account = json!({"action": "accept", "content": {"username": "u", "email": "e@example.com"}});
    let said = json!({"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "m", "stopReason": "endTurn"});
    let name = |name: &str| json!({"action": "accept", "content": {"name": name}});
    let (form, model) = ("elicitation/create", "sampling/createMessage");
    let message = json!({"message": "Who?"});
    let accepted = r#"User response: action: accept, content: {"username":"u","email":"e@example.com"}"#;
    let color = json!({"action": "accept", "content": {"color": "blue"}});
    let result = |result: &Value| Says::Result(result.clone());
    vec![
        ("test_elicitation", message.clone(), vec![(form, result(&account))], (false, accepted)),
        (
            "test_elicitation",
            message.clone(),
            vec![(form, Says::Result(json!({"action": "decline"})))],
            (false, "User response: action: decline, content: {}"),
        ),
        (
            "test_elicitation",
            message.clone(),
            vec![(form, Says::Result(json!({"action": "cancel"})))],
            (false, "User response: action: cancel, content: {}"),
        ),
        ("test_elicitation", message.clone(), vec![(form, Says::Error)], (true, "the client could not answer elicitation/create")),
        ("test_elicitation", message, vec![(form, Says::Result(json!(7)))], (true, "the client could not answer elicitation/create")),
        ("test_sampling", json!({"prompt": "Capital?"}), vec![(model, result(&said))], (false, "LLM response: Paris")),
        ("test_sampling", json!({"prompt": "?"}), vec![(model, Says::Error)], (true, "the client could not answer sampling/createMessage")),
        (
            "test_input_required_result_list_roots",
            json!({}),
            vec![("roots/list", Says::Result(json!({"roots": [{"uri": "file:///a"}]})))],
            (false, "Client roots: file:///a"),
        ),
        (
            "test_input_required_result_multi_round",
            json!({}),
            vec![(form, Says::Result(name("Alice"))), (form, result(&color))],
            (false, "Alice likes blue"),
        ),
    ]
}

fn assert_ended(id: &str, message: &Value, (is_error, text): (bool, &str)) {
    let result = &message["result"];
    let found = (&message["id"], result["isError"].as_bool().unwrap_or(false), result["content"][0]["text"].as_str());
    assert_eq!(found, (&json!(id), is_error, Some(text)), "{message}");
}

#[test]
fn questions_come_on_the_stream_of_their_call() {
    let host = Plugins::new().conformance().start();
    for version in ["2025-06-18", "2025-11-25"] {
        let session = Session::with(&host, version, able());
        for (tool, arguments, steps, ended) in cases() {
            let mut stream = session.stream(&tool_call(&json!(tool), tool, arguments));
            for (method, says) in steps {
                let question = stream.message();
                assert_eq!(question["method"], method, "{question}");
                session.tell(&says.message(&question));
            }
            assert_ended(tool, &stream.message(), ended);
            assert_eq!(stream.next_event(), None);
        }
    }
}

#[test]
fn questions_on_stdio() {
    for version in ["2025-06-18", "2025-11-25"] {
        let mut stdio = Stdio::with_session(Plugins::new().conformance(), version, able());
        for (tool, arguments, steps, ended) in cases() {
            let mut next = stdio.ask(&tool_call(&json!(tool), tool, arguments));
            for (method, says) in steps {
                assert_eq!(next["method"], method, "{next}");
                next = stdio.ask(&says.message(&next));
            }
            assert_ended(tool, &next, ended);
        }
        assert_eq!(stdio.end(), [Value::Null; 0]);
    }
}

#[test]
fn the_question_is_what_the_handler_asks() {
    let mut stdio = Stdio::with_session(Plugins::new().conformance(), "2025-11-25", able());
    let form = stdio.ask(&tool_call(&json!(1), "test_elicitation", json!({"message": "Who are you?"})));
    assert_eq!(form["params"]["message"], "Who are you?");
    assert_eq!(form["params"]["requestedSchema"]["required"], json!(["username", "email"]));
    let model = stdio.ask(&tool_call(&json!(2), "test_sampling", json!({"prompt": "Capital?"})));
    let messages = json!([{"role": "user", "content": {"type": "text", "text": "Capital?"}}]);
    assert_eq!(model["params"], json!({"messages": messages, "maxTokens": 100}));
    assert!(form["id"].is_string() && model["id"].is_string() && form["id"] != model["id"]);
    // Nobody is left to answer: the calls end all the same.
    let ended: Vec<_> = stdio.end().into_iter().filter(|message| message["result"]["isError"] == true).collect();
    assert_eq!(ended.len(), 2, "{ended:?}");
}

/// Every tool that asks something that a client without capabilities cannot answer.
const ASKING: [&str; 3] = ["test_missing_capability", "test_input_required_result_elicitation", "test_input_required_result_list_roots"];

#[test]
fn clients_are_not_asked_what_they_did_not_declare() {
    let host = Plugins::new().conformance().start();
    for version in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let session = Session::open(&host, version);
        for tool in ASKING {
            let answer = session.post(&tool_call(&json!(1), tool, json!({})));
            assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{tool}: {answer:?}");
            assert_eq!(answer.json()["result"]["isError"], true, "{tool}: {answer:?}");
        }
    }
    let mut stdio = Stdio::with_session(Plugins::new().conformance(), "2025-11-25", json!({}));
    for tool in ASKING {
        assert_eq!(stdio.ask(&tool_call(&json!(tool), tool, json!({})))["result"]["isError"], true, "{tool}");
    }
}

fn impatient() -> Plugins {
    Plugins::new().conformance().limits(|limits| limits.ask_time_max = Duration::from_millis(50))
}

fn assert_given_up(question: &Value, taken_back: &Value, ended: &Value) {
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!((&taken_back["method"], &taken_back["params"]["requestId"]), (&json!("notifications/cancelled"), &question["id"]));
    assert_ended("q", ended, (true, "the client did not answer in time"));
}

#[test]
fn a_question_that_nobody_answers_is_given_up() {
    let host = impatient().start();
    let session = Session::with(&host, "2025-11-25", able());
    let call = tool_call(&json!("q"), "test_input_required_result_elicitation", json!({}));
    let messages = session.stream(&call).rest();
    let [question, taken_back, ended] = &messages[..] else { panic!("three messages: {messages:?}") };
    assert_given_up(question, taken_back, ended);
    // Too late; nobody waits for it.
    session.tell(&Says::Error.message(question));

    let mut stdio = Stdio::with_session(impatient(), "2025-11-25", able());
    stdio.send(&call);
    let messages: Vec<_> = (0..3).map(|_| stdio.read()).collect();
    assert_given_up(&messages[0], &messages[1], &messages[2]);
}

#[test]
fn answers_that_nobody_waits_for_are_ignored() {
    let host = Plugins::new().conformance().start();
    let (session, other) = (Session::with(&host, "2025-11-25", able()), Session::with(&host, "2025-11-25", able()));
    let mut stream = session.stream(&tool_call(&json!("q"), "test_input_required_result_elicitation", json!({})));
    let question = stream.message();
    let accepted = |name: &str| Says::Result(json!({"action": "accept", "content": {"name": name}})).message(&question);
    for id in [json!("cofferdam-99"), json!(1), json!("unknown"), Value::Null] {
        session.tell(&json!({"jsonrpc": "2.0", "id": id, "result": {"action": "decline"}}));
    }
    // Another session has questions of the same ids, and its answers are not for this one.
    other.tell(&accepted("Mallory"));
    session.tell(&accepted("Alice"));
    session.tell(&accepted("Bob"));
    assert_ended("q", &stream.message(), (false, "Hello, Alice!"));
}

#[test]
fn a_call_that_is_taken_back_takes_back_its_question() {
    let call = tool_call(&json!("q"), "test_input_required_result_elicitation", json!({}));
    let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "q", "reason": "bored"}});
    let unknown = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "other"}});
    let host: TestHost = Plugins::new().conformance().start();
    for version in ["2025-06-18", "2025-11-25"] {
        let session = Session::with(&host, version, able());
        let mut stream = session.stream(&call);
        let question = stream.message();
        session.tell(&unknown);
        session.tell(&cancelled);
        let rest = stream.rest();
        let expected = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": question["id"]}});
        assert_eq!(rest, [expected], "nothing is said about a call that was taken back");
    }
    let mut stdio = Stdio::with_session(Plugins::new().conformance(), "2025-11-25", able());
    let question = stdio.ask(&call);
    stdio.send(&unknown);
    let taken_back = stdio.ask(&cancelled);
    assert_eq!((&taken_back["method"], &taken_back["params"]["requestId"]), (&json!("notifications/cancelled"), &question["id"]));
    assert_eq!(stdio.ask(&json!({"jsonrpc": "2.0", "id": "next", "method": "ping"}))["id"], "next");
    assert_eq!(stdio.end(), [Value::Null; 0]);
}

#[test]
fn progress_grows_when_a_handler_runs_again() {
    let host = Plugins::new().conformance().start();
    let session = Session::with(&host, "2025-11-25", able());
    let mut call = tool_call(&json!("q"), "test_streaming_elicitation", json!({}));
    call["params"]["_meta"] = json!({"progressToken": "t"});
    let mut stream = session.stream(&call);
    assert_eq!(stream.message()["params"]["progress"], 1);
    let question = stream.message();
    session.tell(&Says::Result(json!({"action": "accept", "content": {"name": "Alice"}})).message(&question));
    assert_eq!(stream.message()["params"]["progress"], 2);
    assert_ended("q", &stream.message(), (false, "Hello, Alice!"));
}
