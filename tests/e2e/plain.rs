//! Components that were not made for us: `tests/guests/plain` has one in Rust, one in JavaScript and one in Python.

use cofferdam::registry::State;
use serde_json::{Value, json};
use tests::client::{self, Answer};
use tests::host::{Plugins, TestHost};

fn tool(host: &TestHost, name: &str) -> Value {
    let tools = client::modern(host.address, "tools/list", json!({})).json();
    let tools = tools["result"]["tools"].as_array().unwrap();
    tools.iter().find(|tool| tool["name"] == name).unwrap_or_else(|| panic!("no tool {name}: {tools:?}")).clone()
}

/// The text and the structured result of a call that went well.
#[track_caller]
fn check(host: &TestHost, tool: &str, arguments: Value, text: &str, result: impl Into<Value>) {
    let answer = client::call(host.address, tool, arguments);
    let found = answer.json()["result"].clone();
    assert_eq!((answer.text().as_str(), found.get("isError")), (text, None), "{answer:?}");
    assert_eq!(found["structuredContent"], json!({"result": result.into()}), "{answer:?}");
}

#[track_caller]
fn check_error(answer: &Answer, text: &str) {
    let found = answer.json()["result"].clone();
    assert_eq!((found["isError"].as_bool(), answer.text().as_str()), (Some(true), text), "{answer:?}");
    assert_eq!(found.get("structuredContent"), None, "{answer:?}");
}

#[test]
fn a_component_in_rust() {
    let host = Plugins::new().plain("calculator").start();
    let eval = tool(&host, "calculator_eval-expression");
    assert_eq!(eval["description"], "Calculates with two numbers.");
    assert_eq!((eval.get("annotations"), &eval["inputSchema"]["required"]), (None, &json!(["op", "x", "y"])));
    let op = json!({
        "type": "string",
        "enum": ["add", "subtract", "multiply", "divide"],
        "description": "What is done with two numbers.\nadd: x + y\nsubtract: x - y\nmultiply: x * y\ndivide: x / y, rounded towards zero",
    });
    assert_eq!(eval["inputSchema"]["properties"]["op"], op);
    assert_eq!(eval["outputSchema"]["properties"]["result"], json!({"type": "integer", "minimum": i64::MIN, "maximum": i64::MAX}));

    check(&host, "calculator_eval-expression", json!({"op": "multiply", "x": 6, "y": 7}), "42", json!(42));
    let large = json!({"op": "add", "x": "9007199254740993", "y": 9_007_199_254_740_993_u64});
    check(&host, "calculator_eval-expression", large, "18014398509481986", json!(18_014_398_509_481_986_u64));
    check_error(&client::call(host.address, "calculator_eval-expression", json!({"op": "divide", "x": 1, "y": 0})), "\"division-by-zero\"");
    let overflow = client::call(host.address, "calculator_eval-expression", json!({"op": "add", "x": i64::MAX, "y": 1}));
    check_error(&overflow, r#"{"overflow":"9223372036854775808"}"#);
    let wrong = client::call(host.address, "calculator_eval-expression", json!({"op": "power", "x": 1, "y": 0}));
    assert!(wrong.text().contains("/op: \"power\" is not one of"), "{wrong:?}");
    // What a schema cannot say.
    let far = client::call(host.address, "calculator_eval-expression", json!({"op": "add", "x": "9223372036854775808", "y": 0}));
    assert!(far.text().starts_with("x: expected an integer from -9223372036854775808 to"), "{far:?}");

    check(&host, "calculator_to-bytes", json!({"of": 258}), "\"AAAAAAAAAQI=\"", json!("AAAAAAAAAQI="));
    check(&host, "calculator_from-bytes", json!({"bytes": "//////////8="}), "18446744073709551615", json!(u64::MAX));
    check(&host, "calculator_from-bytes", json!({"bytes": [1, 2]}), "258", json!(258));
    check_error(
        &client::call(host.address, "calculator_from-bytes", json!({"bytes": [1, 0, 0, 0, 0, 0, 0, 0, 0]})),
        r#"{"overflow":null}"#,
    );
}

#[test]
fn records_variants_and_flags() {
    let host = Plugins::new().plain("calculator").start();
    let shape = tool(&host, "calculator_describe")["inputSchema"]["properties"]["shape"].clone();
    assert_eq!(
        (&shape["description"], &shape["oneOf"][3]),
        (&json!("A shape."), &json!({"const": "nothing", "description": "No shape at all."}))
    );
    assert_eq!(shape["oneOf"][0]["description"], "A circle, with its radius.");
    let corner = &shape["oneOf"][1]["properties"]["rectangle"]["prefixItems"][0];
    assert_eq!(corner["properties"]["x"], json!({"type": "number", "description": "To the right."}));

    let square = json!({"rectangle": [{"x": 0, "y": 0}, {"x": 2, "y": 2}]});
    let text = r#"{"area":4.0,"middle":{"x":1.0,"y":1.0},"remarks":[]}"#;
    check(&host, "calculator_describe", json!({"shape": square}), text, serde_json::from_str::<Value>(text).unwrap());
    let text = r#"{"area":0.0,"remarks":["it has no area"]}"#;
    check(&host, "calculator_describe", json!({"shape": "nothing"}), text, serde_json::from_str::<Value>(text).unwrap());
    let points = json!({"points": [{"x": 1, "y": 2}], "axes": ["vertical"]});
    check(&host, "calculator_mirror", points, r#"[{"x":1.0,"y":-2.0}]"#, json!([{"x": 1.0, "y": -2.0}]));
    check(&host, "calculator_ratio", json!({"a": square, "b": "nothing"}), "\"Infinity\"", json!("Infinity"));
    check(&host, "calculator_ratio", json!({"a": "nothing", "b": "nothing"}), "\"NaN\"", json!("NaN"));
}

#[test]
fn a_component_in_javascript() {
    let host = Plugins::new().plain("text").start();
    let State::Loaded { tools, grants, .. } = host.state("text") else { panic!("{:?}", host.state("text")) };
    assert!(grants.is_empty() && tools.contains(&"text_slug".to_owned()), "{tools:?}");
    let replace = tool(&host, "text_replace-all");
    assert!(replace["description"].as_str().unwrap().starts_with("Replaces what a pattern finds."));
    assert_eq!(replace["inputSchema"]["required"], json!(["text", "pattern"]));
    let instructions = client::modern(host.address, "server/discover", json!({})).json()["result"]["instructions"].clone();
    assert_eq!(instructions, "text: Tools for plain text.\nLooks at text and changes it; nothing is kept.");

    check(&host, "text_slug", json!({"text": "Crème Brûlée, twice!"}), "creme-brulee-twice", json!("creme-brulee-twice"));
    let counts = r#"{"characters":13,"words":3,"lines":1,"commonest":"to"}"#;
    check(
        &host,
        "text_count",
        json!({"text": "to be 😀 or to"}),
        &counts.replace("13,\"words\":3", "13,\"words\":5"),
        json!({"characters": 13, "words": 5, "lines": 1, "commonest": "to"}),
    );
    check(
        &host,
        "text_count",
        json!({"text": ""}),
        r#"{"characters":0,"words":0,"lines":0}"#,
        json!({"characters": 0, "words": 0, "lines": 0}),
    );
    check(&host, "text_change-case", json!({"text": "two words", "to": "title"}), "Two Words", json!("Two Words"));
    let replaced = json!({"text": "a1b22", "pattern": "[0-9]+", "replacement": "-"});
    check(&host, "text_replace-all", replaced, "a-b-", json!("a-b-"));
    let wrong = client::call(host.address, "text_replace-all", json!({"text": "a", "pattern": "("}));
    assert!(wrong.json()["result"]["isError"] == true && !wrong.text().starts_with('"'), "{wrong:?}");
}

#[test]
fn a_component_in_python_without_its_wit() {
    let host = Plugins::new().guest("adder").start();
    let State::Loaded { tools, skipped, .. } = host.state("adder") else { panic!("{:?}", host.state("adder")) };
    assert_eq!(skipped[..], ["function \"init\" of exports: componentize-py made it for itself"]);
    // Two functions are called `add`: their interfaces tell them apart.
    assert_eq!(tools[..], ["adder_add_add", "adder_dates_add", "adder_iso-week"]);
    assert_eq!(tool(&host, "adder_add_add").get("description"), None);
    check(&host, "adder_add_add", json!({"x": 4_294_967_295_u32, "y": 2}), "1", json!(1));
    let leap = json!({"start": {"year": 2024, "month": 2, "day": 28}, "days": 1});
    check(&host, "adder_dates_add", leap, r#"{"year":2024,"month":2,"day":29}"#, json!({"year": 2024, "month": 2, "day": 29}));
    check(&host, "adder_iso-week", json!({"of": {"year": 2026, "month": 1, "day": 1}}), "[2026,1,4]", json!([2026, 1, 4]));
    let never = client::call(host.address, "adder_iso-week", json!({"of": {"year": 2026, "month": 2, "day": 30}}));
    assert!(never.json()["result"]["isError"] == true && never.text().contains("day"), "{never:?}");
    let far = client::call(host.address, "adder_dates_add", json!({"start": {"year": 2024, "month": 300, "day": 1}, "days": 0}));
    assert!(far.text().contains("/start/month: 300 is greater than the maximum of 255"), "{far:?}");
}

#[test]
fn results_are_structured_for_older_clients_too() {
    let host = Plugins::new().plain("calculator").start();
    let params = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string();
    let begun = client::raw(host.address, client::post_text("", &body).as_bytes());
    let session = format!("Mcp-Session-Id: {}\r\n", begun.header("mcp-session-id").unwrap());
    let call = json!({"name": "calculator_to-bytes", "arguments": {"of": 1}});
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}).to_string();
    let answer = client::raw(host.address, client::post_text(&session, &body).as_bytes());
    assert_eq!(answer.json()["result"]["structuredContent"], json!({"result": "AAAAAAAAAAE="}), "{answer:?}");
}

#[test]
fn functions_with_resources_are_not_offered() {
    let host = Plugins::new().wat("plain-resources").wat("plain-some-resources").start();
    let reason = host.refusal("plain-resources");
    for expected in
        ["function \"open\" of fixture:plain-resources/files: its result is a handle of the resource \"file\"", "function \"close\""]
    {
        assert!(reason.contains(expected), "{reason}");
    }
    let State::Loaded { tools, skipped, .. } = host.state("plain-some-resources") else { panic!("refused") };
    assert_eq!((&tools[..], skipped.len()), (&["plain-some-resources_count".to_owned()][..], 2), "{skipped:?}");
    check(&host, "plain-some-resources_count", json!({}), "3", json!(3));
}

#[test]
fn hostile_results_cost_only_their_call() {
    // Enough for everything but the loop, also on a machine that does other things.
    let host = Plugins::new().wat("plain-attacks").limits(|limits| limits.cpu_time_max = std::time::Duration::from_secs(2)).start();
    for (function, code) in [
        ("bytes", 1004),
        ("same-string", 1004),
        ("same-list", 1004),
        ("flags-list", 1004),
        ("escapes", 1004),
        ("beyond-memory", 1004),
        ("no-such-case", 1004),
        ("no-such-char", 1004),
        ("no-utf8", 1004),
        ("loops", 1003),
        ("traps-after", 1004),
    ] {
        let answer = client::call(host.address, &format!("plain-attacks_{function}"), json!({}));
        assert_eq!(answer.code(), code, "{function}: {answer:?}");
        check(&host, "plain-attacks_ok", json!({"value": "AAAA"}), "3", json!(3));
    }
    // More than a call may take of the host's memory, though not more than a request may have.
    let answer = client::call(host.address, "plain-attacks_ok", json!({"value": "AAAA".repeat(500_000)}));
    check_error(&answer, "value: expected less: the arguments take more memory than they may (hostcall_bytes_max)");
}

#[test]
fn what_is_imported_has_to_be_granted_here_too() {
    let host = Plugins::new().wat("plain-import").start();
    let reason = host.refusal("plain-import");
    assert!(reason.contains("imports other:thing/tools, which it was not granted"), "{reason}");
}
