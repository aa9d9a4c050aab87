//! Event streams of a session: how they begin, how they are lost, and how the rest is fetched (2025-11-25, transports).

use serde_json::{Value, json};
use std::time::Duration;
use tests::events::EventStream;
use tests::host::{Plugins, TestHost};
use tests::session::{Session, tool_call};

const RESUMABLE: &str = "2025-11-25";

fn host() -> TestHost {
    Plugins::new().conformance().limits(|limits| limits.session_plain_answer_max = Duration::from_millis(1)).start()
}

fn session(host: &TestHost) -> Session {
    Session::with(host, RESUMABLE, json!({"elicitation": {}}))
}

fn with_progress(id: &str) -> Value {
    let mut call = tool_call(&json!(id), "test_tool_with_progress", json!({}));
    call["params"]["_meta"] = json!({"progressToken": id});
    call
}

/// A call that waits until its client says a name.
fn waiting(id: &str) -> Value {
    tool_call(&json!(id), "test_input_required_result_elicitation", json!({}))
}

/// The question of a call that waits.
fn question(stream: &mut EventStream) -> Value {
    let question = stream.message();
    assert_eq!(question["method"], "elicitation/create", "{question}");
    question["id"].clone()
}

fn say_name(session: &Session, question: &Value) {
    session.tell(&json!({"jsonrpc": "2.0", "id": question, "result": {"action": "accept", "content": {"name": "Alice"}}}));
}

fn greeting(id: &str) -> Vec<Value> {
    vec![json!({"jsonrpc": "2.0", "id": id, "result": {"content": [{"type": "text", "text": "Hello, Alice!"}]}})]
}

#[test]
fn only_streams_of_the_newest_revision_begin_with_an_event_to_come_back_to() {
    let host = host();
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", RESUMABLE] {
        let session = Session::open(&host, version);
        let mut stream = session.stream(&with_progress("p"));
        if version == RESUMABLE {
            let first = stream.next_event().unwrap();
            assert_eq!((first.id.as_deref(), first.retry.as_deref(), first.data.as_deref()), (Some("1-0"), Some("1000"), Some("")));
            assert_eq!(first.message(), None);
        }
        let mut ids = Vec::new();
        let mut messages = Vec::new();
        while let Some(event) = stream.next_event() {
            assert_eq!((event.name.as_deref(), event.retry.as_deref()), (Some("message"), None));
            messages.push(event.message().unwrap());
            ids.push(event.id.unwrap());
        }
        assert_eq!(ids, (1..=ids.len()).map(|event| format!("1-{event}")).collect::<Vec<_>>());
        let (result, notes) = messages.split_last().unwrap();
        assert_eq!((&result["id"], result["result"]["content"][0]["type"].as_str()), (&json!("p"), Some("text")), "{version}");
        let progress: Vec<_> = notes.iter().map(|note| (&note["params"]["progressToken"], note["params"]["progress"].clone())).collect();
        let token = json!("p");
        assert_eq!(progress, [0, 50, 100].map(|done| (&token, json!(done))), "{version}");
    }
}

#[test]
fn what_a_lost_connection_missed_arrives_once() {
    let host = host();
    let session = session(&host);
    let mut lost = session.stream(&tool_call(&json!("slow"), "slow_compute", json!({"seconds": 0.3, "label": "it"})));
    let first = lost.next_event().unwrap().id.unwrap();
    drop(lost);
    let mut rest = session.resume(&first);
    let result = json!({"jsonrpc": "2.0", "id": "slow", "result": {"content": [{"type": "text", "text": "it: computed for 0.3 s"}]}});
    assert_eq!(rest.rest(), [result]);
    // Whoever has the last event gets nothing more.
    assert_eq!(session.resume(rest.last_id.as_deref().unwrap()).rest(), [Value::Null; 0]);
}

#[test]
fn a_question_can_be_answered_after_its_connection_was_lost() {
    let host = host();
    let session = session(&host);
    let mut lost = session.stream(&waiting("q"));
    let question = question(&mut lost);
    let last = lost.last_id.clone().unwrap();
    drop(lost);
    say_name(&session, &question);
    assert_eq!(session.resume(&last).rest(), greeting("q"));
}

#[test]
fn a_stream_that_lasts_is_released_and_fetched_again() {
    let plugins = Plugins::new().conformance().limits(|limits| {
        limits.session_plain_answer_max = Duration::from_millis(1);
        limits.session_stream_time_max = Duration::from_millis(50);
    });
    let host = plugins.start();
    let session = session(&host);
    let mut released = session.stream(&waiting("q"));
    // It may be released before the question is there.
    let early = released.rest();
    let mut rest = session.resume(released.last_id.as_deref().unwrap());
    let question = early.first().map_or_else(|| question(&mut rest), |question| question["id"].clone());
    say_name(&session, &question);
    assert_eq!(rest.rest(), greeting("q"));
    // A client that cannot come back is not sent away.
    let old = Session::with(&host, "2025-06-18", json!({"elicitation": {}}));
    let mut kept = old.stream(&waiting("k"));
    let asked = self::question(&mut kept);
    // Another one is, meanwhile.
    let _ = session.stream(&waiting("other")).rest();
    say_name(&old, &asked);
    assert_eq!(kept.rest(), greeting("k"));
}

#[test]
fn the_second_reader_takes_over() {
    let host = host();
    let session = session(&host);
    let mut first = session.stream(&waiting("q"));
    let question = question(&mut first);
    let mut second = session.resume(first.last_id.as_deref().unwrap());
    assert_eq!(first.next_event(), None);
    say_name(&session, &question);
    assert_eq!(second.rest(), greeting("q"));

    let mut first = session.listen();
    assert_eq!(first.next_event().unwrap().id.as_deref(), Some("0-0"));
    let mut second = session.listen();
    assert_eq!(first.next_event(), None);
    let _ = session.post(&tool_call(&json!(1), "test_trigger_tool_change", json!({})));
    assert_eq!(second.message()["method"], "notifications/tools/list_changed");
}

#[test]
fn only_the_stream_itself_is_replayed() {
    let host = host();
    let session = session(&host);
    let mut own = session.listen();
    let mut streams = ["a", "b"].map(|id| session.stream(&with_progress(id)));
    let _ = session.post(&tool_call(&json!(1), "test_trigger_tool_change", json!({})));
    assert_eq!(own.message()["method"], "notifications/tools/list_changed");
    for (stream, id) in streams.iter_mut().zip(["a", "b"]) {
        let first = stream.next_event().unwrap().id.unwrap();
        let messages = stream.rest();
        let of_this = |message: &Value| message["id"] == id || message["params"]["progressToken"] == id;
        assert!(messages.len() == 4 && messages.iter().all(of_this), "{messages:?}");
        assert_eq!(session.resume(&first).rest(), messages);
        let (stream_number, _) = first.split_once('-').unwrap();
        assert_eq!(session.resume(&format!("{stream_number}-2")).rest(), messages[2..]);
    }
}

#[test]
fn events_that_never_were_are_refused() {
    let host = host();
    let session = session(&host);
    let ended = session.stream(&with_progress("p")).rest();
    assert_eq!(ended.len(), 4);
    for last in ["x", "1", "1-", "-1", "1-x", "01-0", "1-5", "1-18446744073709551615", "2-0", "4294967296-0", "0-1", "%00"] {
        let refused = session.resume_refused(last);
        assert_eq!((refused.status, refused.code()), (400, -32600), "{last}");
    }
    // Nor does an event of another session count.
    let other = self::session(&host);
    assert_eq!(other.resume_refused("1-0").status, 400);
    assert_eq!(session.resume("1-4").rest(), [Value::Null; 0]);
}

#[test]
fn deleting_a_session_ends_its_streams() {
    let host = host();
    let session = session(&host);
    let mut own = session.listen();
    let mut call = session.stream(&waiting("q"));
    let question = question(&mut call);
    assert_eq!(session.delete().status, 204);
    assert_eq!(own.rest(), [Value::Null; 0]);
    let rest = call.rest();
    assert!(rest.iter().all(|message| message["id"] != "q"), "{rest:?}");
    let late = session.post(&json!({"jsonrpc": "2.0", "id": question, "result": {"action": "decline"}}));
    assert_eq!((late.status, session.resume_refused("1-0").status), (404, 404));
}
