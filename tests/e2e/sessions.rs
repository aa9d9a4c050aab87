//! The `initialize` era over HTTP.

use serde_json::json;
use tests::client::{self, Answer, post_text, raw};
use tests::host::{Plugins, TestHost};

fn initialize(host: &TestHost, version: &str) -> (String, Answer) {
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params":
        {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}});
    let answer = raw(host.address, post_text("", &body.to_string()).as_bytes());
    (answer.header("mcp-session-id").expect("a session").to_owned(), answer)
}

fn in_session(host: &TestHost, session: &str, body: &str) -> Answer {
    raw(host.address, post_text(&format!("Mcp-Session-Id: {session}\r\n"), body).as_bytes())
}

fn verb(host: &TestHost, verb: &str, extra: &str) -> Answer {
    raw(host.address, format!("{verb} /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{extra}\r\n").as_bytes())
}

#[test]
fn a_version_that_is_not_spoken_is_answered_with_the_newest_that_is() {
    let host = Plugins::new().wat("echo-bare").start();
    for version in ["2026-07-28", "1.0", "", "2024-10-07", "2025-11-26", "9999-12-31", " 2025-06-18", "draft"] {
        let (_, answer) = initialize(&host, version);
        assert_eq!((answer.status, &answer.json()["result"]["protocolVersion"]), (200, &json!("2025-11-25")), "{version:?}");
    }
}

#[test]
fn get_and_delete_exist_in_a_session_only() {
    let host = Plugins::new().wat("echo-bare").start();
    let (session, _) = initialize(&host, "2025-11-25");
    let in_session = format!("Mcp-Session-Id: {session}\r\n");
    let (modern, unknown) = ("MCP-Protocol-Version: 2026-07-28\r\n", "MCP-Protocol-Version: 1999-01-01\r\n");
    for (method, extra, status) in [
        ("GET", String::new(), 405),
        ("DELETE", String::new(), 405),
        ("GET", modern.to_owned(), 405),
        ("DELETE", modern.to_owned(), 405),
        ("GET", format!("{modern}{in_session}"), 405),
        ("DELETE", format!("{modern}{in_session}"), 405),
        ("GET", format!("{unknown}{in_session}"), 405),
        ("DELETE", format!("{unknown}{in_session}"), 405),
        ("GET", "Mcp-Session-Id: unknown\r\n".to_owned(), 404),
        ("GET", "Mcp-Session-Id: unknown\r\nLast-Event-ID: 0-0\r\n".to_owned(), 404),
        ("GET", "Mcp-Session-Id:\r\n".to_owned(), 404),
        ("DELETE", "Mcp-Session-Id: unknown\r\n".to_owned(), 404),
        ("PUT", in_session.clone(), 405),
        ("DELETE", format!("MCP-Protocol-Version: 2025-11-25\r\n{in_session}"), 204),
        ("DELETE", in_session.clone(), 404),
        ("GET", in_session.clone(), 404),
    ] {
        let answer = verb(&host, method, &extra);
        assert_eq!(answer.status, status, "{method} {extra}");
        assert_eq!(answer.header("allow"), (status == 405).then_some("POST"), "{method} {extra}");
        assert_eq!(answer.header("mcp-session-id"), None);
    }
}

#[test]
fn a_session_lives_from_initialize_to_delete() {
    let host = Plugins::new().wat("echo-bare").start();
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let (session, answer) = initialize(&host, version);
        assert!(session.len() == 43 && session.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{session}");
        assert_eq!(answer.json()["result"]["protocolVersion"], version);
        assert_eq!(answer.json()["result"]["serverInfo"]["name"], "cofferdam");

        let accepted = in_session(&host, &session, r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert_eq!((accepted.status, accepted.body.as_str()), (202, ""));
        assert_eq!(in_session(&host, &session, r#"{"jsonrpc":"2.0","id":"p","method":"ping"}"#).json()["result"], json!({}));
        let listed = in_session(&host, &session, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).json();
        assert_eq!(listed["result"]["tools"][0]["name"], "echo-bare_echo");
        assert!(listed["result"].get("resultType").is_none(), "{listed}");
        let call = r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo-bare_echo","arguments":{"text":"hi"}}}"#;
        assert_eq!(in_session(&host, &session, call).text(), "hi");
        let unknown = in_session(&host, &session, r#"{"jsonrpc":"2.0","id":3,"method":"nope"}"#);
        assert_eq!((unknown.status, unknown.code()), (200, -32601));
        let unsupported = raw(
            host.address,
            post_text(
                &format!("Mcp-Session-Id: {session}\r\nMCP-Protocol-Version: 1999-01-01\r\n"),
                r#"{"jsonrpc":"2.0","id":4,"method":"ping"}"#,
            )
            .as_bytes(),
        );
        assert_eq!(unsupported.status, 400);

        let delete = format!("DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: {session}\r\n\r\n");
        assert_eq!(raw(host.address, delete.as_bytes()).status, 204);
        assert_eq!(raw(host.address, delete.as_bytes()).status, 404);
        assert_eq!(in_session(&host, &session, r#"{"jsonrpc":"2.0","id":5,"method":"ping"}"#).status, 404);
        assert_eq!(verb(&host, "GET", &format!("Mcp-Session-Id: {session}\r\n")).status, 404);
    }
}

#[test]
fn sessions_are_not_alike() {
    let host = Plugins::new().wat("echo-bare").start();
    let sessions: std::collections::HashSet<_> = (0..50).map(|_| initialize(&host, "2025-11-25").0).collect();
    assert_eq!(sessions.len(), 50);
}

#[test]
fn both_eras_on_one_connection() {
    let host = Plugins::new().wat("echo-bare").start();
    let (session, _) = initialize(&host, "2025-11-25");
    let mut stream = client::connect(host.address);
    for _ in 0..3 {
        let modern = client::modern_text(&json!("m"), "tools/call", json!({"name": "echo-bare_echo", "arguments": {"text": "new"}}));
        std::io::Write::write_all(&mut stream, modern.as_bytes()).unwrap();
        assert_eq!(client::read(&mut stream).json()["result"]["resultType"], "complete");
        let ping = post_text(&format!("Mcp-Session-Id: {session}\r\n"), r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
        std::io::Write::write_all(&mut stream, ping.as_bytes()).unwrap();
        assert_eq!(client::read(&mut stream).json()["result"], json!({}));
    }
}
