//! The transport of 2024-11-05 with its two endpoints, and what that revision and the next do not know.

use serde_json::{Value, json};
use tests::client;
use tests::events::EventStream;
use tests::host::{Plugins, TestHost};
use tests::session::{Session, initialize, tool_call};

fn host() -> TestHost {
    Plugins::new().conformance().http(|http| http.legacy_sse = true).start()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// A client: its stream, and where it posts.
struct Client<'a> {
    host: &'a TestHost,
    stream: EventStream,
    endpoint: String,
}

impl<'a> Client<'a> {
    fn open(host: &'a TestHost) -> Self {
        let mut stream = EventStream::open(host.address, &get("/sse"));
        let first = stream.next_event().unwrap();
        assert_eq!((first.name.as_deref(), &first.id), (Some("endpoint"), &None));
        let endpoint = first.data.unwrap();
        assert!(endpoint.starts_with("/messages?session="), "{endpoint}");
        Self { host, stream, endpoint }
    }

    fn with(host: &'a TestHost, version: &str, capabilities: Value) -> Self {
        let mut client = Self::open(host);
        let answer = client.ask(&initialize(version, capabilities));
        assert_eq!((&answer["id"], &answer["result"]["protocolVersion"]), (&json!(0), &json!(version)));
        client.tell(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client
    }

    fn tell(&self, message: &Value) {
        let answer = client::raw(self.host.address, post(&self.endpoint, &message.to_string()).as_bytes());
        assert_eq!((answer.status, &*answer.body), (202, ""), "{message}");
    }

    fn ask(&mut self, message: &Value) -> Value {
        self.tell(message);
        self.stream.message()
    }
}

#[test]
fn it_is_off_unless_the_operator_wants_it() {
    let host = Plugins::new().wat("echo-bare").start();
    for text in [get("/sse"), post("/messages?session=x", "{}"), get("/messages")] {
        assert_eq!(client::raw(host.address, text.as_bytes()).status, 404, "{text}");
    }
}

#[test]
fn a_client_of_the_first_revision_is_served() {
    let host = host();
    let mut client = Client::with(&host, "2024-11-05", json!({"sampling": {}, "elicitation": {}}));
    assert_eq!(client.ask(&json!({"jsonrpc": "2.0", "id": "p", "method": "ping"}))["result"], json!({}));
    let called = client.ask(&tool_call(&json!(1), "test_simple_text", json!({})));
    assert_eq!(called["result"]["content"][0]["text"], "This is a simple text response for testing.");

    let mut call = tool_call(&json!(2), "test_tool_with_progress", json!({}));
    call["params"]["_meta"] = json!({"progressToken": 9});
    client.tell(&call);
    let messages: Vec<_> = (0..4).map(|_| client.stream.message()).collect();
    assert!(messages[..3].iter().all(|note| note["params"]["progressToken"] == 9) && messages[3]["id"] == 2, "{messages:?}");

    let question = client.ask(&tool_call(&json!(3), "test_sampling", json!({"prompt": "Say hi"})));
    assert_eq!(question["method"], "sampling/createMessage");
    let said = json!({"role": "assistant", "content": {"type": "text", "text": "hi"}, "model": "m"});
    let answer = client.ask(&json!({"jsonrpc": "2.0", "id": question["id"], "result": said}));
    assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(3), &json!("LLM response: hi")));

    let question = client.ask(&tool_call(&json!(4), "test_input_required_result_elicitation", json!({})));
    assert_eq!(question["method"], "elicitation/create");
    let accepted = json!({"action": "accept", "content": {"name": "Alice"}});
    let answer = client.ask(&json!({"jsonrpc": "2.0", "id": question["id"], "result": accepted}));
    assert_eq!(answer["result"]["content"][0]["text"], "Hello, Alice!");
}

#[test]
fn what_changes_comes_on_the_same_stream() {
    let host = host();
    let mut client = Client::with(&host, "2024-11-05", json!({}));
    client.tell(&tool_call(&json!(1), "test_trigger_tool_change", json!({})));
    let mut both = [client.stream.message(), client.stream.message()];
    both.sort_by_key(|message| message["id"].is_number());
    assert_eq!((&both[0]["method"], &both[1]["id"]), (&json!("notifications/tools/list_changed"), &json!(1)));
}

#[test]
fn a_call_can_be_cancelled() {
    let host = host();
    let mut client = Client::with(&host, "2024-11-05", json!({"elicitation": {}}));
    let question = client.ask(&tool_call(&json!(1), "test_input_required_result_elicitation", json!({})));
    let taken_back = client.ask(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}));
    assert_eq!((&taken_back["method"], &taken_back["params"]["requestId"]), (&json!("notifications/cancelled"), &question["id"]));
    // Nothing more is said about it.
    assert_eq!(client.ask(&json!({"jsonrpc": "2.0", "id": 2, "method": "ping"}))["id"], 2);
}

#[test]
fn sessions_do_not_hear_each_other() {
    let host = host();
    let (mut one, mut two) = (Client::with(&host, "2024-11-05", json!({})), Client::with(&host, "2025-06-18", json!({})));
    assert_ne!(one.endpoint, two.endpoint);
    one.tell(&json!({"jsonrpc": "2.0", "id": "one", "method": "ping"}));
    two.tell(&json!({"jsonrpc": "2.0", "id": "two", "method": "ping"}));
    assert_eq!((&one.stream.message()["id"], &two.stream.message()["id"]), (&json!("one"), &json!("two")));
}

#[test]
fn what_does_not_belong_there_is_refused() {
    let host = host();
    let client = Client::open(&host);
    let endpoint = &client.endpoint;
    for (text, status) in [
        (post("/messages?session=unknown", "{}"), 404),
        (post("/messages?session=", "{}"), 404),
        (post("/messages", "{}"), 400),
        (post(endpoint, "{"), 400),
        (post(endpoint, "{}"), 400),
        (post(endpoint, "[]"), 400),
        (post(endpoint, "{}").replace("application/json", "text/plain"), 415),
        (post("/sse", "{}"), 405),
        (get(endpoint), 405),
        (get("/sse").replace("text/event-stream", "application/json"), 406),
        (get("/sse").replace("localhost", "evil.example"), 403),
        (get("/sse").replace("Accept", "Origin: http://evil.example\r\nAccept"), 403),
        (get("/sse/"), 404),
    ] {
        assert_eq!(client::raw(host.address, text.as_bytes()).status, status, "{text}");
    }
}

#[test]
fn a_host_that_stops_answers_first_and_ends_the_stream() {
    let host = host();
    let mut client = Client::with(&host, "2024-11-05", json!({}));
    client.tell(&tool_call(&json!("slow"), "slow_compute", json!({"seconds": 0.3})));
    host.stop();
    assert_eq!(client.stream.message()["result"]["content"][0]["text"], "slow_compute: computed for 0.3 s");
    assert_eq!(client.stream.next_message(), None);
}

#[test]
fn content_that_a_revision_does_not_know_becomes_what_it_knows() {
    let host = host();
    for (version, sound, link) in [
        ("2024-11-05", "resource", "text"),
        ("2025-03-26", "audio", "text"),
        ("2025-06-18", "audio", "resource_link"),
        ("2025-11-25", "audio", "resource_link"),
    ] {
        let session = Session::open(&host, version);
        let block = |tool: &str| session.ask("tools/call", json!({"name": tool, "arguments": {}}))["content"][0].clone();
        let (audio, linked) = (block("test_audio_content"), block("test_resource_link"));
        assert_eq!((&audio["type"], &linked["type"]), (&json!(sound), &json!(link)), "{version}");
        let mime_type = if sound == "audio" { &audio["mimeType"] } else { &audio["resource"]["mimeType"] };
        assert_eq!(mime_type, "audio/wav", "{version}: {audio}");
        let said = if link == "text" { linked["text"].as_str().unwrap() } else { linked["uri"].as_str().unwrap() };
        assert!(said.contains("test://static-text"), "{version}: {linked}");
    }
    let mut old = Client::with(&host, "2024-11-05", json!({}));
    let audio = old.ask(&tool_call(&json!(1), "test_audio_content", json!({})));
    assert_eq!(audio["result"]["content"][0]["type"], "resource");
}
