//! The bundled `notes` plugin, from its own manifest, over a store in a file.

use serde_json::{Value, json};
use std::path::Path;
use tests::client;
use tests::host::{Plugins, TestHost, guest};

fn host() -> TestHost {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/notes/plugin.toml")).unwrap();
    Plugins::new().with_manifest("notes", &guest("notes"), &manifest).tasks_in_file().start()
}

fn call(host: &TestHost, tool: &str, arguments: Value) -> Value {
    let answer = client::call(host.address, tool, arguments);
    assert_eq!((answer.status, answer.json()["result"].get("isError")), (200, None), "{answer:?}");
    answer.json()["result"]["structuredContent"].clone()
}

#[test]
fn notes_are_kept_found_changed_and_deleted() {
    let host = host();
    let first = call(&host, "notes_add_note", json!({"text": "The cofferdam leaks", "tags": ["Work", "water"]}));
    assert_eq!((&first["id"], &first["tags"]), (&json!("00000001"), &json!(["water", "work"])));
    for n in 2..=120 {
        call(&host, "notes_add_note", json!({"text": format!("Note {n}"), "tags": [if n % 2 == 0 { "even" } else { "odd" }]}));
    }
    // After a restart everything is still there.
    let host = host.restart();
    let found = call(&host, "notes_search", json!({"text": "LEAKS water"}));
    assert_eq!((found["notes"][0]["id"].as_str(), found["notes"].as_array().unwrap().len()), (Some("00000001"), 1));
    let mut ids = Vec::new();
    let mut cursor = Value::Null;
    loop {
        let page = call(&host, "notes_search", json!({"tag": "even", "limit": 25, "cursor": cursor}));
        ids.extend(page["notes"].as_array().unwrap().iter().map(|note| note["id"].as_str().unwrap().to_owned()));
        cursor = page["cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!((ids.len(), ids.first().map(String::as_str), ids.last().map(String::as_str)), (60, Some("00000002"), Some("00000120")));
    let edited = call(&host, "notes_edit", json!({"id": "00000001", "text": "The cofferdam holds"}));
    assert_eq!((&edited["text"], &edited["tags"], &edited["created"]), (&json!("The cofferdam holds"), &first["tags"], &first["created"]));
    assert_eq!(call(&host, "notes_get", json!({"id": "00000001"})), edited);
    let deleted = client::call(host.address, "notes_delete", json!({"id": "00000001"}));
    assert_eq!(deleted.text(), "note 00000001 is gone");
    let gone = client::call(host.address, "notes_get", json!({"id": "00000001"}));
    assert!(gone.body.contains("there is no note"), "{gone:?}");
}
