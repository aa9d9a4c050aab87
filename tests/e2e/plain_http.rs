//! Calls without MCP. Every file of `tests/cases/plain` is a request, and after a line `---` the answer to it; `UPDATE=1` writes the answers
//! anew.

use crate::protocol::show;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tests::client::{self, Answer};
use tests::host::{Plugins, TestHost};

fn host() -> TestHost {
    Plugins::new().fixture("outcomes").plain("calculator").guest("hostile").start()
}

fn post_text(path: &str, extra: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{extra}Content-Length: {length}\r\n\r\n{body}")
}

fn post(address: SocketAddr, path: &str, body: &Value) -> Answer {
    client::raw(address, post_text(path, "", &body.to_string()).as_bytes())
}

fn say(text: &str) -> Value {
    json!({"query": "outcomes_say", "parameters": {"text": text}})
}

/// A request as bytes: the lines of its head, an empty line, and the body; `\xNN` in it are bytes.
fn request(text: &str) -> Vec<u8> {
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end(), ""));
    let mut bytes = Vec::new();
    let mut rest = body.trim_end_matches('\n');
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(&after[..2], 16).unwrap());
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    let length = if head.starts_with("POST") { format!("Content-Length: {}\r\n", bytes.len()) } else { String::new() };
    let head = head.lines().fold(String::new(), |head, line| head + line + "\r\n");
    [format!("{head}{length}\r\n").into_bytes(), bytes].concat()
}

/// What differs from run to run is not shown, and has been looked at.
fn masked(mut shown: String) -> String {
    for (before, mask, is_good) in [
        ("\"timestamp\":\"", "<time>", (|text| text.len() == 24 && text.ends_with('Z')) as fn(&str) -> bool),
        ("\"reference\":\"", "<reference>", |text| text.len() == 16),
        ("urn:cofferdam:call:", "<reference>", |text| text.len() == 16),
        ("(reference ", "<reference>", |text| text.len() == 16),
    ] {
        let mut at = 0;
        while let Some(found) = shown[at..].find(before) {
            let begin = at + found + before.len();
            let end = begin + shown[begin..].find(['"', ')']).unwrap();
            assert!(is_good(&shown[begin..end]), "{shown}");
            shown.replace_range(begin..end, mask);
            at = begin;
        }
    }
    shown
}

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/plain");
    let mut cases: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

#[test]
fn every_case_is_answered_as_written() {
    let host = host();
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = String::new();
    for case in cases() {
        let text = std::fs::read_to_string(&case).unwrap();
        let (asked, expected) = text.split_once("\n---\n").unwrap_or((&text, ""));
        let answered = masked(show(&client::raw(host.address, &request(asked))));
        if update {
            std::fs::write(&case, format!("{}\n---\n{answered}", asked.trim_end_matches('\n'))).unwrap();
        } else if answered != expected {
            let _ = writeln!(wrong, "{}\nexpected:\n{expected}\ngot:\n{answered}", case.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn times_are_those_of_the_call() {
    let host = host();
    let before = cofferdam::clock::rfc3339(cofferdam::clock::Clock::system().since_epoch_ms());
    let answer = post(host.address, "/mcp/query", &say("x")).json();
    let after = cofferdam::clock::rfc3339(cofferdam::clock::Clock::system().since_epoch_ms());
    let time = answer["timestamp"].as_str().unwrap();
    assert!((before.as_str()..=after.as_str()).contains(&time), "{before} {time} {after}");
}

#[test]
fn plain_components_are_called_as_updates() {
    let host = host();
    let tools = client::modern(host.address, "tools/list", json!({})).json();
    let tools: Vec<String> =
        tools["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().into()).collect();
    let add = tools.iter().find(|name| name.starts_with("calculator_")).unwrap_or_else(|| panic!("{tools:?}"));
    let queried = post(host.address, "/mcp/query", &json!({"query": add}));
    assert_eq!((queried.status, &queried.json()["type"]), (404, &json!("urn:cofferdam:problem:wrong-endpoint")));
    // Nobody knows its arguments here: that they do not fit says that it was found.
    let updated = post(host.address, "/mcp/update", &json!({"target": add, "data": {"no such argument": 1}}));
    assert!(matches!(updated.status, 200 | 422), "{updated:?}");
}

#[test]
fn a_batch_answers_in_order_however_many_slots_there_are() {
    let host = host();
    let batch = |count: usize| {
        let requests: Vec<_> = (0..count).map(|at| say(&format!("number {at}"))).collect();
        post(host.address, "/mcp/batch", &json!({"requests": requests}))
    };
    let answer = batch(100).json();
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.len(), 100);
    for (at, result) in results.iter().enumerate() {
        assert_eq!((&result["status"], &result["content"][0]["text"]), (&json!("ok"), &json!(format!("number {at}"))));
    }
    let refused = batch(101);
    assert_eq!((refused.status, &refused.json()["type"]), (400, &json!("urn:cofferdam:problem:batch")));
}

/// The plugin takes three at a time, and each takes longer than the others may wait for a slot of a stranger's.
#[test]
fn the_calls_of_a_batch_wait_for_one_another() {
    let host = host();
    let requests: Vec<_> = (0..30).map(|_| json!({"query": "outcomes_dawdle"})).collect();
    let answer = post(host.address, "/mcp/batch", &json!({"requests": requests})).json();
    let states: Vec<_> = answer["results"].as_array().unwrap().iter().map(|result| result["status"].as_str().unwrap()).collect();
    assert_eq!(states, ["ok"; 30], "{answer}");
}

#[test]
fn a_batch_has_a_time_and_a_size() {
    let plugins = Plugins::new().fixture("outcomes");
    let host = plugins
        .limits(|limits| {
            limits.plain_batch_time_max = std::time::Duration::from_millis(500);
            limits.plain_batch_output_bytes_max = 64 << 10;
        })
        .start();
    let much = json!({"query": "outcomes_say_much", "parameters": {"kilobytes": 40}});
    let answer = post(host.address, "/mcp/batch", &json!({"requests": [much, much, say("small")]})).json();
    let kinds: Vec<_> = answer["results"].as_array().unwrap().iter().map(|result| result["problem"]["type"].as_str()).collect();
    let too_large = Some("urn:cofferdam:problem:batch-output");
    assert!(kinds == [None, too_large, None] || kinds == [too_large, None, None], "{kinds:?}");
    let asleep = json!({"query": "outcomes_fail", "parameters": {"way": "asleep"}});
    let answer = post(host.address, "/mcp/batch", &json!({"requests": [asleep, say("small")]})).json();
    assert_eq!(answer["results"][0]["problem"]["type"], "urn:cofferdam:problem:deadline", "{answer}");
    assert_eq!(answer["results"][1]["status"], "ok", "{answer}");
}

#[test]
fn a_call_that_takes_too_long_is_told_so() {
    let host = host();
    let answer = post(host.address, "/mcp/query", &json!({"query": "outcomes_fail", "parameters": {"way": "asleep"}}));
    let problem = answer.json();
    assert_eq!((answer.status, &problem["type"]), (504, &json!("urn:cofferdam:problem:deadline")));
    assert_eq!(problem["instance"], format!("urn:cofferdam:call:{}", problem["reference"].as_str().unwrap()));
}

#[test]
fn a_client_that_leaves_cancels_its_call() {
    let outcomes = tests::host::guest("outcomes");
    let manifest = "name = \"outcomes\"\n[limits]\nconcurrency = 1\n";
    let host = Plugins::new().with_manifest("outcomes", &outcomes, manifest).start();
    let asleep = json!({"query": "outcomes_fail", "parameters": {"way": "asleep"}}).to_string();
    let mut stream = client::connect(host.address);
    stream.write_all(post_text("/mcp/query", "", &asleep).as_bytes()).unwrap();
    // The only slot is taken once others are refused.
    let until = |status: u16| {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        loop {
            let answer = post(host.address, "/mcp/query", &say("x"));
            if answer.status == status {
                return answer;
            }
            assert!(std::time::Instant::now() < deadline, "{answer:?}");
        }
    };
    let busy = until(429);
    assert_eq!((busy.header("retry-after"), &busy.json()["type"]), (Some("1"), &json!("urn:cofferdam:problem:busy")));
    drop(stream);
    until(200);
}

#[test]
fn an_update_publishes_what_it_is_tied_to() {
    let host = host();
    let kept = post(host.address, "/mcp/update", &json!({"target": "outcomes_keep", "data": {"item": "a thing"}}));
    assert_eq!(kept.status, 200);
    let uri = "topic://outcomes/kept";
    let text = client::modern_text(&json!(1), "resources/read", json!({"uri": uri}));
    let text = text.replacen("Mcp-Method: resources/read\r\n", &format!("Mcp-Method: resources/read\r\nMcp-Name: {uri}\r\n"), 1);
    let read = client::raw(host.address, text.as_bytes());
    assert!(read.body.contains("a thing"), "{read:?}");
}

fn decoded(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match coding {
        "gzip" => drop(flate2::read::GzDecoder::new(bytes).read_to_end(&mut out).unwrap()),
        "br" => brotli::BrotliDecompress(&mut &*bytes, &mut out).unwrap(),
        "zstd" => out = zstd::decode_all(bytes).unwrap(),
        other => panic!("{other}"),
    }
    out
}

#[test]
fn answers_are_compressed_as_the_client_wishes() {
    let host = host();
    let much = |kilobytes: u32| json!({"query": "outcomes_say_much", "parameters": {"kilobytes": kilobytes}}).to_string();
    // Small enough to be compressed in place, and too large for that.
    for body in [much(10), much(2_000)] {
        for coding in ["gzip", "br", "zstd"] {
            let text = post_text("/mcp/query", &format!("Accept-Encoding: {coding}\r\n"), &body);
            let (answer, bytes) = client::raw_bytes(host.address, text.as_bytes());
            assert_eq!(
                (answer.status, answer.header("content-encoding"), answer.header("vary")),
                (200, Some(coding), Some("accept-encoding"))
            );
            let whole: Value = serde_json::from_slice(&decoded(coding, &bytes)).unwrap();
            assert_eq!(whole["content"].as_array().unwrap().last().unwrap()["text"].as_str().unwrap().len(), 1_024);
        }
    }
    let plain = client::raw(host.address, post_text("/mcp/query", "", &much(10)).as_bytes());
    assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, Some("accept-encoding")));
    let small = post_text("/mcp/query", "Accept-Encoding: gzip\r\n", &say("x").to_string());
    assert_eq!(client::raw(host.address, small.as_bytes()).header("content-encoding"), None);
}

#[test]
fn answers_of_mcp_are_compressed_too_and_streams_never() {
    let host = host();
    let params = json!({"name": "outcomes_say_much", "arguments": {"kilobytes": 20}});
    let text =
        client::modern_text(&json!(1), "tools/call", params).replacen("\r\n", "\r\nAccept-Encoding: br\r\nOrigin: http://localhost\r\n", 1);
    let (answer, bytes) = client::raw_bytes(host.address, text.as_bytes());
    let varies: Vec<_> = answer.headers.iter().filter(|(name, _)| name == "vary").map(|(_, value)| value.as_str()).collect();
    assert_eq!((answer.header("content-encoding"), varies), (Some("br"), vec!["accept-encoding", "Origin"]));
    let whole: Value = serde_json::from_slice(&decoded("br", &bytes)).unwrap();
    assert_eq!(whole["result"]["content"].as_array().unwrap().len(), 20);
    let listen = json!({"notifications": {"toolsListChanged": true}});
    let text = client::modern_text(&json!(1), "subscriptions/listen", listen).replacen("\r\n", "\r\nAccept-Encoding: br\r\n", 1);
    let stream = tests::events::EventStream::open(host.address, &text);
    assert!(!stream.headers.iter().any(|(name, _)| name == "content-encoding"), "{:?}", stream.headers);
}

fn get(method: &str, extra: &str) -> String {
    format!("{method} /openapi.json HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n")
}

#[test]
fn the_document_describes_what_is_loaded_and_is_fetched_once() {
    let host = host();
    let whole = client::raw(host.address, get("GET", "").as_bytes());
    let document = whole.json();
    assert_eq!((whole.status, whole.header("cache-control")), (200, Some("private, no-cache")));
    assert_eq!(document["openapi"], "3.1.0");
    let schemas = &document["components"]["schemas"];
    let named = |kind: &str, member: &str| -> Vec<String> {
        let requests = schemas[kind]["oneOf"].as_array().unwrap_or_else(|| panic!("{schemas}"));
        requests.iter().map(|request| request["properties"][member]["const"].as_str().unwrap().to_owned()).collect()
    };
    let (queries, updates) = (named("QueryRequest", "query"), named("UpdateRequest", "target"));
    assert!(queries.contains(&"outcomes_say".to_owned()) && updates.contains(&"outcomes_keep".to_owned()), "{queries:?} {updates:?}");
    assert!(updates.iter().any(|name| name.starts_with("calculator_")), "{updates:?}");
    assert_eq!(schemas["outcomes_count.output"]["properties"]["letters"]["type"], "integer", "{schemas}");

    let tag = whole.header("etag").unwrap();
    for known in [tag.to_owned(), format!("\"other\", {tag}"), tag.trim_start_matches("W/").to_owned(), "*".to_owned()] {
        let again = client::raw(host.address, get("GET", &format!("If-None-Match: {known}\r\n")).as_bytes());
        assert_eq!((again.status, &*again.body, again.header("etag")), (304, "", Some(tag)), "{known}");
    }
    let other = client::raw(host.address, get("GET", "If-None-Match: \"other\"\r\n").as_bytes());
    assert_eq!(other.status, 200);
    let head = client::head(host.address, get("HEAD", "").as_bytes());
    assert_eq!((head.status, head.header("etag"), head.header("content-length")), (200, Some(tag), whole.header("content-length")));
    let (packed, bytes) = client::raw_bytes(host.address, get("GET", "Accept-Encoding: zstd\r\n").as_bytes());
    assert_eq!(packed.header("etag"), Some(tag));
    assert_eq!(decoded("zstd", &bytes), whole.body.as_bytes());
}

#[test]
fn a_document_that_would_be_too_large_names_the_operations() {
    let host = Plugins::new().fixture("outcomes").limits(|limits| limits.openapi_schemas_bytes_max = 100).start();
    let document = client::raw(host.address, get("GET", "").as_bytes()).json();
    let schemas = &document["components"]["schemas"];
    let update = &schemas["UpdateRequest"]["oneOf"][0]["properties"];
    assert_eq!((&update["target"]["const"], &update["data"]), (&json!("outcomes_keep"), &json!({"type": "object"})));
    assert!(schemas["outcomes_keep.input"].is_null(), "{schemas}");
}

#[test]
fn bodies_have_their_limits() {
    let host = Plugins::new().fixture("outcomes").limits(|limits| limits.body_bytes_max = 10_000).start();
    let problem = |body: &str| {
        let answer = client::raw(host.address, post_text("/mcp/query", "", body).as_bytes());
        let kind = answer.json()["type"].as_str().unwrap().trim_start_matches("urn:cofferdam:problem:").to_owned();
        (answer.status, answer.header("content-type").map(str::to_owned), kind)
    };
    let json = Some("application/problem+json".to_owned());
    assert_eq!(problem(&say(&"x".repeat(10_000)).to_string()), (413, json.clone(), "too-large".to_owned()));
    assert_eq!(problem(&"[".repeat(5_000)), (400, json, "bounds".to_owned()));
}
