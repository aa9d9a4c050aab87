//! Messages that are not quite messages: what `tests/cases/protocol` cannot hold, because it is too large, too odd, or a whole table.

use super::{error, start};
use serde_json::{Value, json};
use tests::client::{self, Answer};
use tests::host::TestHost;

const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;

/// Posts bytes as a message that calls `greet`.
fn post(host: &TestHost, body: &[u8]) -> Answer {
    let extra = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: greet\r\n";
    let head = client::post_text(extra, "");
    let head = head.replace("Content-Length: 0", &format!("Content-Length: {}", body.len()));
    client::raw(host.address, &[head.as_bytes(), body].concat())
}

/// The same with what is variable of a well-formed one.
fn greet(host: &TestHost, id: &str, arguments: &str) -> Answer {
    let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"greet","arguments":{arguments},{META}}}}}"#);
    post(host, body.as_bytes())
}

/// The status and the code of an answer, 0 when it is no error.
fn outcome(answer: &Answer) -> (u16, i64) {
    (answer.status, answer.code())
}

#[test]
fn c20_verbs_that_the_endpoint_does_not_have() {
    let (host, _) = start();
    for verb in ["GET", "DELETE", "PUT", "PATCH", "TRACE", "BREW", "get", "post"] {
        let request =
            format!("{verb} /mcp HTTP/1.1\r\nHost: localhost\r\nMCP-Protocol-Version: 2026-07-28\r\nAccept: text/event-stream\r\n\r\n");
        let answer = client::raw(host.address, request.as_bytes());
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{verb}: {answer:?}");
    }
}

#[test]
fn c23_origins_that_only_look_like_ours() {
    let (host, client) = start();
    let port = host.address.port();
    let good = client.text(&json!(1), "tools/list", json!({}));
    let send = |origins: &[&str]| {
        let origins: String = origins.iter().map(|origin| format!("Origin: {origin}\r\n")).collect();
        client.send_text(&good.replace("Content-Type:", &format!("{origins}Content-Type:"))).status
    };
    assert_eq!(send(&[]), 200);
    for origin in [
        "null",
        "http://evil.example",
        "http://localhost.evil.example",
        "http://evil.example/localhost",
        "http://localhost@evil.example",
        "http://[::1].evil.example",
        "http://127.0.0.1.nip.io",
        "http://127.0.0.2.example",
        "https://evil.example:443",
        "localhost",
        "file://",
        "",
        "*",
    ] {
        assert_eq!(send(&[origin]), 403, "{origin:?}");
    }
    let own = format!("http://localhost:{port}");
    assert_eq!(send(&[&own, "http://evil.example"]), 403);
    assert_eq!(send(&["http://evil.example", &own]), 403);
}

#[test]
fn c26_nesting_has_a_limit() {
    let (host, _) = start();
    for depth in [65, 128, 1_000, 100_000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let deep = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert_eq!(outcome(&greet(&host, "1", &format!(r#"{{"name":{deep}}}"#))), (400, -32700), "{depth} {open}");
        }
        assert_eq!(outcome(&post(&host, "[".repeat(depth).as_bytes())), (400, -32700), "{depth}, not closed");
    }
    assert_eq!(greet(&host, "1", r#"{"name":"Ada"}"#).text(), "Hello, Ada!");
}

#[test]
fn c28_no_key_may_stand_twice() {
    let (host, _) = start();
    let whole =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"greet","arguments":{{"name":"Ada"}},{META}}}}}"#);
    assert_eq!(outcome(&post(&host, whole.as_bytes())), (200, 0));
    for (first, twice, expected) in [
        (r#""jsonrpc":"2.0""#, r#""jsonrpc":"2.0","jsonrpc":"2.0""#, (400, -32600)),
        (r#""id":1"#, r#""id":1,"id":2"#, (400, -32600)),
        (r#""method":"tools/call""#, r#""method":"tools/call","m\u0065thod":"tools/list""#, (400, -32600)),
        (r#""params":"#, r#""params":{},"params":"#, (400, -32600)),
        (r#""name":"greet""#, r#""name":"greet","name":"greet""#, (400, -32602)),
        (r#""name":"greet""#, r#""name":"greet","n\u0061me":"greet""#, (400, -32602)),
        (r#""arguments":"#, r#""arguments":{},"arguments":"#, (400, -32602)),
        (r#"{"name":"Ada"}"#, r#"{"name":"Ada","name":"Eve"}"#, (200, -32602)),
        (r#"{"name":"Ada"}"#, r#"{"name":"Ada","n\u0061me":"Eve"}"#, (200, -32602)),
        (
            r#""io.modelcontextprotocol/clientCapabilities":{}"#,
            r#""io.modelcontextprotocol/clientCapabilities":{},"a":1,"a":1"#,
            (400, -32602),
        ),
        (
            r#""io.modelcontextprotocol/clientCapabilities":{}"#,
            r#""io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientCapabilities":{"sampling":{}}"#,
            (400, -32602),
        ),
    ] {
        let changed = whole.replacen(first, twice, 1);
        assert_ne!(changed, whole);
        assert_eq!(outcome(&post(&host, changed.as_bytes())), expected, "{changed}");
    }
}

#[test]
fn c29_one_message_in_utf_8_and_nothing_else() {
    let (host, _) = start();
    let whole =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"greet","arguments":{{"name":"Ada"}},{META}}}}}"#);
    let wide = |to_bytes: fn(u16) -> [u8; 2]| whole.encode_utf16().flat_map(to_bytes).collect::<Vec<_>>();
    let bytes = |begin: &[u8], end: &[u8]| [begin, whole.as_bytes(), end].concat();
    for (body, expected) in [
        (bytes(b" \r\n\t", b" \r\n\t"), (200, 0)),
        (bytes(b"", whole.as_bytes()), (400, -32700)),
        (bytes(b"", b"x"), (400, -32700)),
        (bytes(b"", b"\0"), (400, -32700)),
        (bytes(b"", b","), (400, -32700)),
        (bytes(b"\xef\xbb\xbf", b""), (400, -32700)),
        (bytes(b"//\n", b""), (400, -32700)),
        (bytes(b"[", b"]"), (400, -32600)),
        (bytes(b"data: ", b""), (400, -32700)),
        (wide(u16::to_le_bytes), (400, -32700)),
        (wide(u16::to_be_bytes), (400, -32700)),
        (whole.replace("Ada", "A\u{1}a").into_bytes(), (400, -32700)),
        (whole.as_bytes().iter().map(|byte| if *byte == b'A' { 0xff } else { *byte }).collect(), (400, -32700)),
        (whole.as_bytes()[..whole.len() - 1].to_vec(), (400, -32700)),
    ] {
        assert_eq!(outcome(&post(&host, &body)), expected, "{}", String::from_utf8_lossy(&body));
    }
}

#[test]
fn c30_ids_are_texts_and_integers() {
    let (host, _) = start();
    for id in ["0", "-9223372036854775808", "9223372036854775807", "\"\"", r#""\u0000\ud83d\ude00""#, &format!("{:?}", "x".repeat(1_000))] {
        let answer = greet(&host, id, r#"{"name":"Ada"}"#);
        assert!(answer.body.starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":"#)), "{id}: {answer:?}");
    }
    let long = format!("{:?}", "x".repeat(10_000));
    for id in [
        "null",
        "true",
        "1.0",
        "1.5",
        "1e3",
        "{}",
        "[1]",
        "9223372036854775808",
        "-9223372036854775809",
        "123456789012345678901234567890",
        &long,
    ] {
        let answer = greet(&host, id, r#"{"name":"Ada"}"#);
        assert_eq!(outcome(&answer), (400, -32600), "{id}");
        assert!(answer.json().get("id").is_none_or(Value::is_null), "{id}: {answer:?}");
    }
    for id in ["01", "+1", "0x1", "-", "1_000", "NaN"] {
        assert_eq!(outcome(&greet(&host, id, "{}")), (400, -32700), "{id}");
    }
}

#[test]
fn c31_numbers_and_texts_that_json_does_not_have() {
    let (host, _) = start();
    for arguments in [
        r#"{"name":NaN}"#,
        r#"{"name":Infinity}"#,
        r#"{"name":01}"#,
        r#"{"name":.5}"#,
        r#"{"name":1.}"#,
        r#"{"name":'Ada'}"#,
        r#"{name:"Ada"}"#,
    ] {
        assert_eq!(outcome(&greet(&host, "1", arguments)), (400, -32700), "{arguments}");
    }
    // JSON by its grammar, and read differently by different readers.
    for arguments in [r#"{"name":"\ud800"}"#, r#"{"name":"\udc00\ud800"}"#, r#"{"name":1e999}"#, r#"{"name":-1e999}"#] {
        let answer = greet(&host, "1", arguments);
        assert_eq!(answer.code(), -32602, "{arguments}: {answer:?}");
    }
}

#[test]
fn c32_what_is_no_request() {
    let (host, _) = start();
    for (message, expected) in [
        (json!({"jsonrpc": "2.0", "id": 1, "result": {}}), 400),
        (json!({"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": ""}}), 400),
        (json!({"jsonrpc": "2.0", "method": "notifications/unheard-of"}), 202),
        (json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}), 202),
        (json!({"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "greet"}}), 202),
    ] {
        let answer = post(&host, message.to_string().as_bytes());
        assert_eq!((answer.status, answer.body.is_empty()), (expected, expected == 202), "{message}: {answer:?}");
        assert!(expected == 202 || answer.code() == -32600, "{message}");
    }
}

#[test]
fn c35_arguments_in_headers_have_to_be_the_arguments() {
    let (_host, client) = start();
    let send = |arguments: Value, headers: &str| {
        let text = client.text(&json!(1), "tools/call", json!({"name": "test_custom_header", "arguments": arguments}));
        client.send_text(&text.replace("Mcp-Name:", &format!("{headers}Mcp-Name:")))
    };
    for (value, headers) in [
        ("a", "Mcp-Param-Value: a\r\n"),
        ("a", "mcp-param-value:   a  \r\n"),
        ("a", "Mcp-Param-Value: =?base64?YQ==?=\r\n"),
        ("\u{fc}\r\n", "Mcp-Param-Value: =?base64?w7wNCg==?=\r\n"),
        ("", "Mcp-Param-Value:\r\n"),
        ("=?base64?YQ==", "Mcp-Param-Value: =?base64?YQ==\r\n"),
        ("a", "Mcp-Param-Value: a\r\nMcp-Param-Other: b\r\n"),
    ] {
        assert_eq!(send(json!({"value": value}), headers).text(), format!("Header value: {value}"), "{headers:?}");
    }
    for (arguments, headers) in [
        (json!({"value": "a"}), ""),
        (json!({"value": "a"}), "Mcp-Param-Value: b\r\n"),
        (json!({"value": "a"}), "Mcp-Param-Value: A\r\n"),
        (json!({"value": "a"}), "Mcp-Param-Value: a\r\nMcp-Param-Value: a\r\n"),
        (json!({"value": "a"}), "Mcp-Param-Value: =?base64?YQ?=\r\n"),
        (json!({"value": "a"}), "Mcp-Param-Value: =?base64?YQ==YQ==?=\r\n"),
        (json!({"value": "a"}), "Mcp-Param-Value: =?base64?/w==?=\r\n"),
        (json!({"value": "a"}), "Mcp-Param-Value: =?BASE64?YQ==?=\r\n"),
        (json!({}), "Mcp-Param-Value: a\r\n"),
        (json!({"value": null}), "Mcp-Param-Value: null\r\n"),
    ] {
        assert_eq!(error(&send(arguments.clone(), headers)), (400, -32020, Value::Null), "{arguments} {headers:?}");
    }
}

#[test]
fn c36_names_that_are_paths_or_look_like_others() {
    let (_host, client) = start();
    for name in [
        "",
        " greet",
        "greet ",
        "Greet",
        "gr\u{435}et",
        "../greet",
        "greet/../greet",
        "greet\u{0}",
        "conformance_greet",
        &"g".repeat(10_000),
    ] {
        // The header cannot hold all of them as they are.
        let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, name);
        let text = client.text(&json!(1), "tools/call", json!({"name": "@", "arguments": {}}));
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let body = body.replace("\"@\"", &json!(name).to_string());
        let head = head.replace("Mcp-Name: @", &format!("Mcp-Name: =?base64?{encoded}?="));
        let length = head.rfind("Content-Length: ").unwrap();
        let answer = client.send_text(&format!("{}Content-Length: {}\r\n\r\n{body}", &head[..length], body.len()));
        assert_eq!(error(&answer), (200, -32602, Value::Null), "{name}");
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("Unknown tool: ") && message.len() < 300 && !message.contains('\0'), "{message:?}");
    }
}
