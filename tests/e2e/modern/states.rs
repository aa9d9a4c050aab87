//! What clients do to the state that they carry (2026-07-28, multi-round-trip requests, "requestState").

use super::{accepted, error, plugins, started};
use serde_json::{Value, json};
use std::time::Duration;
use tests::client::Answer;
use tests::host::{Plugins, TestHost};
use tests::stateless::Client;

const TOOL: &str = "ask_aloud";

fn open(plugins: Plugins) -> (TestHost, Client) {
    let (host, client) = started(plugins);
    (host, client.with(json!({"elicitation": {}})))
}

fn params(arguments: &Value) -> Value {
    json!({"name": TOOL, "arguments": arguments})
}

fn usual() -> Value {
    json!({"a": "1", "b": "2"})
}

fn state_of(client: &Client, params: Value) -> String {
    let asked = client.result("tools/call", params);
    asked["requestState"].as_str().unwrap_or_else(|| panic!("no state: {asked}")).to_owned()
}

fn with(mut params: Value, state: &str) -> Value {
    params["requestState"] = json!(state);
    params["inputResponses"] = json!({"name": accepted(json!({"name": "Ada"}))});
    params
}

fn assert_refused(answer: &Answer, what: &str) {
    assert_eq!(error(answer), (200, -32602, Value::Null), "{what}");
    let message = "`requestState` is not one of this call, or is too old: begin again";
    assert_eq!(answer.json()["error"]["message"], message, "{what}");
}

/// The tool tells listeners each time that it runs: a refused state never comes so far.
#[test]
fn a20_what_was_changed_is_refused_and_no_guest_is_called() {
    let (_host, client) = open(plugins());
    let (mut events, _) = client.listen(json!("l"), json!({"toolsListChanged": true, "resourceSubscriptions": ["curious://own"]}));
    let state = state_of(&client, params(&usual()));
    assert_eq!(events.message()["method"], "notifications/tools/list_changed");

    let flipped = (0..state.len()).step_by(5).map(|at| {
        let mut flipped = state.clone().into_bytes();
        flipped[at] = if flipped[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(flipped).unwrap()
    });
    let cut = [0, 1, 16, 24, 40, state.len() / 2, state.len() - 1].map(|end| state[..end].to_owned());
    let odd = [format!("{state}A"), format!("A{state}"), format!("{state}="), format!(" {state}"), state.repeat(2), "null".to_owned()];
    for changed in flipped.chain(cut).chain(odd) {
        assert_refused(&client.send("tools/call", with(params(&usual()), &changed)), &changed);
    }
    for (elsewhere, what) in [
        (params(&json!({"a": "1", "b": "3"})), "other arguments"),
        (params(&json!({"a": "1"})), "fewer arguments"),
        (params(&json!({"a": "2", "b": "1"})), "exchanged arguments"),
        (json!({"name": TOOL}), "no arguments"),
    ] {
        assert_refused(&client.send("tools/call", with(elsewhere, &state)), what);
    }
    let bare = state_of(&client, params(&json!({})));
    assert_eq!(events.message()["method"], "notifications/tools/list_changed");
    for tool in ["ask_forever", "one_round_more", "test_input_required_result_request_state"] {
        assert_refused(&client.send("tools/call", with(json!({"name": tool, "arguments": {}}), &bare)), tool);
    }
    assert_refused(&client.send("prompts/get", with(json!({"name": "test_input_required_result_prompt"}), &state)), "another method");
    assert_refused(&client.send("resources/read", with(json!({"uri": "curious://asks"}), &state)), "another method");

    // Had the guest been called, this would not be the next to be heard of.
    assert_eq!(client.call("report_others", json!({})).text(), "Reported");
    assert_eq!(events.message()["params"]["uri"], "curious://own");
    assert_eq!(client.send("tools/call", with(params(&usual()), &state)).text(), "Ada 1 2");
    assert_eq!(events.message()["method"], "notifications/tools/list_changed");
}

#[test]
fn the_order_of_the_arguments_keys_does_not_matter() {
    let (_host, client) = open(plugins());
    let state = state_of(&client, params(&usual()));
    let text = client.text(&json!(2), "tools/call", with(params(&usual()), &state));
    let turned = text.replace(r#"{"a":"1","b":"2"}"#, r#"{"b":"2","a":"1"}"#);
    assert_ne!(turned, text);
    assert_eq!(client.send_text(&turned).text(), "Ada 1 2");
}

#[test]
fn a20_what_is_too_old_is_refused() {
    let (_host, client) = open(plugins().limits(|limits| limits.request_state_time_max = Duration::ZERO));
    let state = state_of(&client, params(&usual()));
    assert_refused(&client.send("tools/call", with(params(&usual()), &state)), "too old");
}

#[test]
fn a20_what_another_host_has_made_is_refused() {
    let ((_one, one), (_other, other)) = (open(plugins()), open(plugins()));
    let state = state_of(&one, params(&usual()));
    assert_refused(&other.send("tools/call", with(params(&usual()), &state)), "another host");
    // The same host takes it more than once: it says nothing but how far a call has come.
    for _ in 0..2 {
        assert_eq!(one.send("tools/call", with(params(&usual()), &state)).text(), "Ada 1 2");
    }
}

#[test]
fn a20_what_is_too_large_is_refused() {
    let (_host, client) = open(plugins().limits(|limits| limits.request_state_bytes_max = 200));
    let state = state_of(&client, params(&usual()));
    assert_refused(&client.send("tools/call", with(params(&usual()), &"A".repeat(201))), "one more");
    assert_refused(&client.send("tools/call", with(params(&usual()), &"A".repeat(1 << 20))), "much more");
    assert_eq!(client.send("tools/call", with(params(&usual()), &state)).text(), "Ada 1 2");
    // Answers that would make it too large are the client's, but what to do about them is the plugin's.
    let mut grown = with(params(&usual()), &state);
    grown["inputResponses"] = json!({"other": accepted(json!({"name": "x".repeat(200)}))});
    assert_eq!(error(&client.send("tools/call", grown)), (502, 1004, Value::Null));
}

#[test]
fn a_state_that_is_no_text_is_refused() {
    let (_host, client) = open(plugins());
    for state in [json!(5), json!({}), json!([""]), json!(true)] {
        let mut params = params(&usual());
        params["requestState"] = state.clone();
        assert_eq!(client.send("tools/call", params).code(), -32602, "{state}");
    }
}
