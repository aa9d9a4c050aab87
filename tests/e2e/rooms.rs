//! The bundled `rooms` plugin, from its own manifest: two work on one document, and a third is told of everything.

use serde_json::{Value, json};
use std::path::Path;
use tests::client;
use tests::events::EventStream;
use tests::host::{Plugins, TestHost, guest};
use tests::socket::Socket;
use tests::stateless::Client;

fn host() -> TestHost {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/rooms/plugin.toml")).unwrap();
    Plugins::new().with_manifest("rooms", &guest("rooms"), &manifest).start()
}

fn call(host: &TestHost, tool: &str, arguments: Value) -> Value {
    let answer = client::call(host.address, tool, arguments);
    assert_eq!((answer.status, answer.json()["result"].get("isError")), (200, None), "{answer:?}");
    answer.json()["result"]["structuredContent"].clone()
}

fn change(user: &str, base: u32, (from, to): (usize, usize), text: &str) -> Value {
    json!({"id": "r1", "user": user, "base": base, "from": from, "to": to, "text": text})
}

/// The type and the data of an event.
fn told(event: &Value) -> (&str, &Value) {
    assert_eq!(event["topic"], "rooms/collaboration/r1", "{event}");
    (event["type"].as_str().unwrap(), &event["data"])
}

#[test]
fn what_happens_in_a_room_is_told_to_those_who_listen() {
    let host = host();
    let mut all = Socket::open(host.address);
    all.subscribe("all", "rooms/collaboration/r1", json!({}));
    let mut changes = Socket::open(host.address);
    changes.subscribe("changes", "rooms/collaboration/r1", json!({"event_types": ["code_change"]}));
    call(&host, "rooms_join", json!({"id": "r1", "user": "ann"}));
    call(&host, "rooms_join", json!({"id": "r1", "user": "bob"}));
    // Another room is nobody's concern here.
    call(&host, "rooms_join", json!({"id": "r2", "user": "eve"}));
    call(&host, "rooms_code_change", change("ann", 0, (0, 0), "fn main() {}"));
    call(&host, "rooms_cursor_move", json!({"id": "r1", "user": "bob", "position": 3, "revision": 1}));
    // A conflict changes nothing, and nobody is told.
    let conflict = client::call(host.address, "rooms_code_change", change("bob", 0, (0, 0), "late"));
    let result = &conflict.json()["result"];
    assert_eq!((&result["isError"], &result["structuredContent"]["revision"]), (&json!(true), &json!(1)), "{conflict:?}");
    assert_eq!(result["structuredContent"]["changes"][0]["text"], "fn main() {}");
    call(&host, "rooms_selection", json!({"id": "r1", "user": "bob", "from": 3, "to": 7, "revision": 1}));
    call(&host, "rooms_code_change", change("bob", 1, (3, 7), "run"));
    call(&host, "rooms_leave", json!({"id": "r1", "user": "ann"}));
    let messages: Vec<_> = (0..7).map(|_| all.receive()).collect();
    let kinds: Vec<_> = messages.iter().map(|message| told(&message["event"]).0).collect();
    assert_eq!(kinds, ["join", "join", "code_change", "cursor_move", "selection", "code_change", "leave"]);
    let expected = json!({"id": "r1", "user": "bob", "revision": 2, "from": 3, "to": 7, "text": "run"});
    assert_eq!(told(&messages[5]["event"]).1, &expected);
    let only = [changes.receive(), changes.receive()];
    assert_eq!(only.map(|message| told(&message["event"]).1["revision"].clone()), [json!(1), json!(2)]);
    let state = call(&host, "rooms_room", json!({"id": "r1"}));
    let bob = json!({"user": "bob", "cursor": 6});
    assert_eq!(state, json!({"id": "r1", "text": "fn run() {}", "revision": 2, "members": [bob]}));
}

#[test]
fn a_room_is_a_resource_with_its_last_events() {
    let host = host();
    let listen = json!({"notifications": {"resourceSubscriptions": ["topic://rooms/collaboration/r1"]}});
    let mut stream = EventStream::open(host.address, &client::modern_text(&json!(1), "subscriptions/listen", listen));
    assert_eq!(stream.message()["method"], "notifications/subscriptions/acknowledged");
    call(&host, "rooms_join", json!({"id": "r1", "user": "ann"}));
    let updated = stream.message();
    assert_eq!(
        (&updated["method"], &updated["params"]["uri"]),
        (&json!("notifications/resources/updated"), &json!("topic://rooms/collaboration/r1"))
    );
    call(&host, "rooms_code_change", change("ann", 0, (0, 0), "x"));
    let read = Client::new(host.address).result("resources/read", json!({"uri": "topic://rooms/collaboration/r1"}));
    let text = read["contents"][0]["text"].as_str().unwrap_or_else(|| panic!("{read}")).to_owned();
    assert!(text.contains(r#""type":"join""#) && text.contains(r#""type":"code_change""#), "{text}");
}

#[test]
fn only_one_of_many_changes_of_a_revision_is_made() {
    let host = host();
    for n in 0..8 {
        call(&host, "rooms_join", json!({"id": "r1", "user": format!("u{n}")}));
    }
    let made = std::thread::scope(|scope| {
        let one = |n: usize| client::call(host.address, "rooms_code_change", change(&format!("u{n}"), 0, (0, 0), &n.to_string()));
        let calls: Vec<_> = (0..8).map(|n| scope.spawn(move || one(n).json()["result"].get("isError").is_none())).collect();
        calls.into_iter().filter_map(|call| call.join().unwrap().then_some(())).count()
    });
    assert_eq!((made, &call(&host, "rooms_room", json!({"id": "r1"}))["revision"]), (1, &json!(1)));
}
