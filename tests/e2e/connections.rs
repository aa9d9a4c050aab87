//! Clients that hold connections, or send what they should not. Names and ids follow the catalogue of attacks, group C. Deadlines are set
//! short; a test waits for the host to close, never for a time.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::time::Duration;
use tests::client;
use tests::host::{Plugins, TestHost};

fn host() -> TestHost {
    Plugins::new()
        .wat("echo-bare")
        .limits(|limits| {
            limits.first_byte_max = Duration::from_millis(50);
            limits.head_time_max = Duration::from_millis(50);
            limits.body_time_max = Duration::from_millis(50);
            limits.idle_time_max = Duration::from_millis(50);
        })
        .start()
}

fn assert_good(host: &TestHost) {
    assert_eq!(client::call(host.address, "echo-bare_echo", json!({"text": "still here"})).text(), "still here");
}

/// Sends `bytes` and then nothing: what comes until the host closes.
fn then_silence(host: &TestHost, bytes: &[u8]) -> String {
    let mut stream = client::connect(host.address);
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    // A reset is a close as well.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn c01_c02_c03_silence_is_closed() {
    let host = host();
    for bytes in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n", b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
        assert_eq!(then_silence(&host, bytes), "", "{bytes:?}");
    }
    assert_good(&host);
}

#[test]
fn c03_header_drip_is_closed_whatever_the_progress() {
    let host = host();
    let mut stream = client::connect(host.address);
    stream.write_all(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX: ").unwrap();
    // Every write makes progress; the host closes all the same, which a write finds out.
    while stream.write_all(b"a").is_ok() {}
    assert_good(&host);
}

#[test]
fn c04_body_that_does_not_come() {
    let host = host();
    let head = client::post_text("", &"x".repeat(100));
    let answer = then_silence(&host, &head.as_bytes()[..head.len() - 1]);
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.to_lowercase().contains("connection: close"), "{answer}");
    assert_good(&host);
}

#[test]
fn c05_idle_keep_alive_is_closed() {
    let host = host();
    let answer = then_silence(&host, client::modern_text(&json!(1), "tools/list", json!({})).as_bytes());
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn c06_connection_flood() {
    let host = Plugins::new().wat("echo-bare").limits(|limits| limits.connections_max = 8).start();
    let mut first = client::connect(host.address);
    first.write_all(client::modern_text(&json!(1), "tools/list", json!({})).as_bytes()).unwrap();
    assert_eq!(client::read(&mut first).status, 200);
    let held: Vec<_> = (0..100).map(|_| client::connect(host.address)).collect();
    // What is over the limit is closed at once, and those that were there first are served.
    let closed = held.into_iter().filter(|mut stream| matches!(stream.read(&mut [0]), Ok(0) | Err(_))).count();
    assert!(closed >= 93, "{closed}");
    first.write_all(client::modern_text(&json!(2), "tools/list", json!({})).as_bytes()).unwrap();
    assert_eq!(client::read(&mut first).status, 200);
}

#[test]
fn c07_pipelined_requests_are_answered_in_order() {
    let host = Plugins::new().wat("echo-bare").start();
    let mut stream = client::connect(host.address);
    let mut all = String::new();
    for id in 0..100 {
        all += &client::modern_text(&json!(id), "tools/call", json!({"name": "echo-bare_echo", "arguments": {"text": "x"}}));
    }
    all += &client::modern_text(&json!("last"), "tools/list", json!({})).replace("Host: localhost", "Connection: close\r\nHost: localhost");
    stream.write_all(all.as_bytes()).unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).unwrap();
    let at = |id: u32| answers.find(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},")).unwrap_or_else(|| panic!("{id}"));
    assert!((1..100).all(|id| at(id - 1) < at(id)));
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 101);
}

#[test]
fn c12_endless_chunked_body_is_cut_off() {
    let host = Plugins::new().wat("echo-bare").start();
    let mut stream = client::connect(host.address);
    let head =
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: */*\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    while stream.write_all(chunk.as_bytes()).is_ok() {}
    assert_good(&host);
}

#[test]
fn c14_a_smuggled_request_is_not_seen() {
    let host = Plugins::new().wat("echo-bare").start();
    let body = "0\r\n\r\nGET /admin HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for fields in ["Content-Length: {}\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: {}\r\n"] {
        let fields = fields.replace("{}", &body.len().to_string());
        let text = format!("POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: */*\r\n{fields}\r\n{body}");
        let answer = then_silence(&host, text.as_bytes());
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
    assert_good(&host);
}

#[test]
fn a_body_in_many_small_pieces_is_put_together() {
    let host = Plugins::new().wat("echo-bare").start();
    let text = client::modern_text(&json!(1), "tools/call", json!({"name": "echo-bare_echo", "arguments": {"text": "pieces"}}));
    let mut stream = client::connect(host.address);
    for piece in text.as_bytes().chunks(7) {
        stream.write_all(piece).unwrap();
    }
    assert_eq!(client::read(&mut stream).text(), "pieces");
}

#[tokio::test]
async fn http2_answers_many_streams_at_once() {
    let host = Plugins::new().wat("echo-bare").start();
    let stream = tokio::net::TcpStream::connect(host.address).await.unwrap();
    let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut calls = tokio::task::JoinSet::new();
    for id in 0..50 {
        let mut sender = sender.clone();
        calls.spawn(async move {
            let body = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {
                "name": "echo-bare_echo", "arguments": {"text": format!("stream {id}")},
                "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}}});
            let request = hyper::Request::post("http://localhost/mcp")
                .header("content-type", "application/json")
                .header("accept", "application/json, text/event-stream")
                .header("mcp-protocol-version", "2026-07-28")
                .header("mcp-method", "tools/call")
                .header("mcp-name", "echo-bare_echo")
                .body(Full::new(Bytes::from(body.to_string())))
                .unwrap();
            let answer = sender.send_request(request).await.unwrap();
            assert_eq!(answer.status(), 200);
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(id), &json!(format!("stream {id}"))));
        });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
    drop(sender);
    connection.abort();
    // Gone before the host drains, which would wait for it.
    let _ = connection.await;
}
