//! Messages and events over a WebSocket: `GET /mcp/ws`.

use cofferdam::config::AllowedOrigin;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::time::Duration;
use tests::client::{self, Answer};
use tests::host::{Plugins, TestHost};
use tests::socket::Socket;
use tests::topics::News;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, FrameHeader};

const HANDSHAKE: &str = "GET /mcp/ws HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
                         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn shake(host: &TestHost, request: &str) -> Answer {
    client::raw(host.address, request.as_bytes())
}

fn host() -> TestHost {
    Plugins::new().wat("echo-bare").start()
}

fn modern(id: i64, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}});
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn echo(id: i64, text: &str) -> Value {
    modern(id, "tools/call", json!({"name": "echo-bare_echo", "arguments": {"text": text}}))
}

#[test]
fn handshakes() {
    let host = host();
    let answer = shake(&host, HANDSHAKE);
    // The key and its answer are the example of RFC 6455, 1.3.
    let header = |name| answer.header(name).map(str::to_ascii_lowercase);
    assert_eq!((answer.status, answer.header("sec-websocket-accept")), (101, Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
    assert_eq!((header("upgrade"), header("connection")), (Some("websocket".to_owned()), Some("upgrade".to_owned())));
    for (from, to, status) in [
        ("Sec-WebSocket-Version: 13\r\n", "Sec-WebSocket-Version: 8\r\n", 426),
        ("Sec-WebSocket-Version: 13\r\n", "", 426),
        ("Upgrade: WebSocket\r\n", "", 426),
        ("Upgrade: WebSocket\r\n", "Upgrade: h2c\r\n", 426),
        ("keep-alive, Upgrade", "keep-alive", 426),
        ("HTTP/1.1", "HTTP/1.0", 426),
        ("dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ=", 400),
        ("dGhlIHNhbXBsZSBub25jZQ==", "?", 400),
        ("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", "", 400),
        ("Host: localhost\r\n", "Host: localhost\r\nContent-Length: 5\r\n", 400),
        ("Host: localhost\r\n", "Host: localhost\r\nOrigin: https://evil.example\r\n", 403),
        ("Host: localhost\r\n", "Host: evil.example\r\n", 403),
        ("GET", "POST", 405),
    ] {
        let answer = shake(&host, &HANDSHAKE.replacen(from, to, 1));
        assert_eq!((answer.status, answer.json()["status"].as_u64()), (status, Some(u64::from(status))), "{from:?} -> {to:?}");
        if status == 426 {
            assert_eq!((answer.header("upgrade"), answer.header("sec-websocket-version")), (Some("websocket"), Some("13")));
        }
    }
}

#[test]
fn pages_of_allowed_origins_may_connect() {
    let allowed = AllowedOrigin::parse("https://app.example").unwrap();
    let host = Plugins::new().http(|http| http.allowed_origins = vec![allowed]).start();
    let with =
        |origin: &str| shake(&host, &HANDSHAKE.replacen("Host: localhost\r\n", &format!("Host: localhost\r\nOrigin: {origin}\r\n"), 1));
    assert_eq!((with("https://app.example").status, with("https://other.example").status), (101, 403));
}

#[test]
fn a_message_that_comes_with_the_handshake_is_heard() {
    let host = host();
    let mut stream = client::connect(host.address);
    let text = br#"{"type":"unsubscribe","id":"x"}"#;
    let mut bytes = HANDSHAKE.as_bytes().to_vec();
    bytes.extend([0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0]);
    bytes.extend(text);
    stream.write_all(&bytes).unwrap();
    let mut answer = String::new();
    let mut chunk = [0; 1024];
    while !answer.contains("there is no subscription") {
        let count = stream.read(&mut chunk).unwrap();
        assert!(count > 0, "{answer}");
        answer.push_str(&String::from_utf8_lossy(&chunk[..count]));
    }
}

#[test]
fn mcp_without_a_handshake() {
    let host = host();
    let mut socket = Socket::open(host.address);
    assert_eq!(socket.ask(echo(1, "over a socket"))["result"]["content"][0]["text"], "over a socket");
    // Several at once, each answered.
    (2..20).for_each(|id| socket.send(echo(id, &format!("n{id}"))));
    let mut answers: Vec<_> = (2..20).map(|_| socket.receive()).collect();
    answers.sort_by_key(|answer| answer["id"].as_i64());
    for (id, answer) in (2..20).zip(&answers) {
        assert_eq!((answer["id"].as_i64(), &answer["result"]["content"][0]["text"]), (Some(id), &json!(format!("n{id}"))));
    }
    assert_eq!(socket.ask(modern(30, "nothing/here", json!({})))["error"]["code"], -32601);
    // A subscription of the stateless era.
    socket.send(modern(31, "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}})));
    assert_eq!(socket.receive()["method"], "notifications/subscriptions/acknowledged");
    socket.send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 31}}));
    assert_eq!(socket.ask(echo(32, "after it"))["id"], 32);
}

#[test]
fn mcp_with_a_handshake() {
    let host = host();
    let mut socket = Socket::open(host.address);
    let call = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "echo-bare_echo", "arguments": {"text": "a"}}});
    assert_eq!(socket.ask(call.clone())["error"]["code"], -32602);
    let answer = socket.ask(tests::session::initialize("2025-11-25", json!({})));
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
    socket.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    assert_eq!(socket.ask(call.clone())["result"]["content"][0]["text"], "a");
    assert_eq!(socket.ask(json!({"jsonrpc": "2.0", "id": 3, "method": "ping"}))["result"], json!({}));
    // The session is this socket's.
    assert_eq!(Socket::open(host.address).ask(call)["error"]["code"], -32602);
    // Batches are of one revision only.
    assert_eq!(socket.ask(json!([{"jsonrpc": "2.0", "id": 4, "method": "ping"}]))["error"]["code"], -32600);
    assert_eq!(socket.ask(tests::session::initialize("2025-03-26", json!({})))["result"]["protocolVersion"], "2025-03-26");
    assert_eq!(socket.ask(json!([{"jsonrpc": "2.0", "id": 4, "method": "ping"}]))[0]["id"], 4);
}

#[test]
fn calls_of_the_plain_interface() {
    let host = host();
    let mut socket = Socket::open(host.address);
    let answer = socket.ask(json!({"type": "query", "id": "q", "query": "echo-bare_echo", "parameters": {"text": "plain"}}));
    assert_eq!((&answer["type"], &answer["id"], &answer["status"]), (&json!("result"), &json!("q"), &json!("ok")), "{answer}");
    assert_eq!(answer["content"][0]["text"], "plain");
    for (frame, status) in [
        (json!({"type": "query", "id": "q", "query": "nobody_knows"}), 404),
        (json!({"type": "update", "id": "q", "target": "echo-bare_echo", "data": {"text": "x"}}), 404),
        (json!({"type": "query", "id": "q", "query": "echo-bare_echo", "parameters": {"text": 7}}), 422),
        (json!({"type": "query", "id": "q", "target": "echo-bare_echo"}), 400),
        (json!({"type": "query", "id": "q", "query": "echo-bare_echo", "more": 1}), 400),
    ] {
        let answer = socket.ask(frame.clone());
        assert_eq!(
            (&answer["type"], &answer["id"], answer["problem"]["status"].as_i64()),
            (&json!("error"), &json!("q"), Some(status)),
            "{frame}"
        );
    }
}

#[test]
fn events_come_under_the_ids_of_their_subscriptions() {
    let news = News::start(Plugins::new());
    let mut socket = Socket::open(news.host.address);
    socket.subscribe("all", "news/lines", json!({}));
    socket.subscribe("bad", "news/lines", json!({"severity": ["error"]}));
    socket.subscribe("room", "news/rooms/1", json!({"pattern": "^he"}));
    let first = news.publish("lines", json!({"severity": "info", "n": 1}));
    let second = news.publish("lines", json!({"severity": "error", "n": 2}));
    news.publish("rooms/1", json!({"text": "goodbye"}));
    news.publish("rooms/1", json!({"text": "hello"}));
    let mut received: Vec<_> = (0..4)
        .map(|_| {
            let message = socket.receive();
            assert_eq!(message["type"], "event");
            (message["id"].as_str().unwrap().to_owned(), message["event"]["data"].clone(), message["event"]["id"].as_u64().unwrap())
        })
        .collect();
    received.sort_by(|a, b| (&a.0, a.2).cmp(&(&b.0, b.2)));
    let found: Vec<_> = received.iter().map(|(id, data, event)| (id.as_str(), data["n"].as_u64(), *event)).collect();
    assert_eq!(found[..3], [("all", Some(1), first), ("all", Some(2), second), ("bad", Some(2), second)]);
    assert_eq!(received[3].1["text"], "hello");
    assert_eq!(socket.ask(json!({"type": "unsubscribe", "id": "all"})), json!({"type": "unsubscribed", "id": "all"}));
    news.publish("lines", json!({"severity": "error", "n": 3}));
    assert_eq!(socket.receive()["id"], "bad");
    assert_eq!(news.subscriptions(), 2);
    // An id that is free again can be used again, and begin further back.
    socket.send(json!({"type": "subscribe", "id": "all", "topic": "news/lines", "after": first}));
    assert_eq!(socket.receive()["type"], "subscribed");
    assert_eq!(socket.receive()["event"]["id"].as_u64(), Some(second));
    socket.close();
    news.wait_for_subscriptions(0);
}

#[test]
fn what_cannot_be_understood_is_answered_and_the_socket_stays() {
    let news = News::start(Plugins::new());
    let mut socket = Socket::open(news.host.address);
    for (text, status, id, words) in [
        ("{", 400, None, ""),
        ("7", 400, None, "JSON object"),
        ("{}", 400, None, "`jsonrpc`"),
        (r#"{"type":"dance","id":"a"}"#, 400, Some("a"), "subscribe, unsubscribe, query or update"),
        (r#"{"type":"subscribe","topic":"news/lines"}"#, 400, None, "`id` has to be a text"),
        (r#"{"type":"subscribe","id":7,"topic":"news/lines"}"#, 400, None, "`id` has to be a text"),
        (r#"{"type":"subscribe","id":"a"}"#, 400, Some("a"), "missing field `topic`"),
        (r#"{"type":"subscribe","id":"a","topic":"news/lines","filter":{}}"#, 400, Some("a"), "unknown field `filter`"),
        (r#"{"type":"subscribe","id":"a","topic":"news/lines","topic":"b"}"#, 400, Some("a"), "duplicate field `topic`"),
        (r#"{"type":"subscribe","id":"a","topic":"news/other"}"#, 404, Some("a"), "there is no topic"),
        (r#"{"type":"subscribe","id":"a","topic":"news/lines","filters":{"pattern":"("}}"#, 400, Some("a"), "pattern"),
        (r#"{"type":"unsubscribe","id":"a"}"#, 404, Some("a"), "there is no subscription"),
    ] {
        socket.raw.send(Message::text(text)).unwrap();
        let answer = socket.receive();
        assert_eq!((answer["type"].as_str(), answer["problem"]["status"].as_u64()), (Some("error"), Some(status)), "{text} {answer}");
        assert_eq!(answer["id"].as_str(), id, "{text}");
        assert!(answer["problem"]["detail"].as_str().unwrap().contains(words), "{text} {answer}");
    }
    socket.subscribe("a", "news/lines", json!({}));
    let again = socket.ask(json!({"type": "subscribe", "id": "a", "topic": "news/lines"}));
    assert!(again["problem"]["detail"].as_str().unwrap().contains("already"), "{again}");
    for n in 1..16 {
        socket.subscribe(&n.to_string(), "news/lines", json!({}));
    }
    assert_eq!(socket.ask(json!({"type": "subscribe", "id": "x", "topic": "news/lines"}))["problem"]["status"], 429);
}

#[test]
fn the_protocol_itself() {
    let host = Plugins::new().wat("echo-bare").limits(|limits| limits.body_bytes_max = 10_000).start();
    let mut socket = Socket::open(host.address);
    // In pieces, with a ping in between.
    let text = echo(1, "in pieces").to_string();
    let (one, rest) = text.split_at(20);
    let (two, three) = rest.split_at(1);
    let piece = |text: &str, opcode, last| Message::Frame(Frame::message(text.as_bytes().to_vec(), OpCode::Data(opcode), last));
    socket.raw.send(piece(one, Data::Text, false)).unwrap();
    socket.raw.send(Message::Ping("are you there".into())).unwrap();
    socket.raw.send(piece(two, Data::Continue, false)).unwrap();
    socket.raw.send(piece(three, Data::Continue, true)).unwrap();
    assert_eq!(socket.raw.read().unwrap(), Message::Pong("are you there".into()));
    assert_eq!(socket.receive()["result"]["content"][0]["text"], "in pieces");
    // The client closes: the host says so too.
    socket.raw.close(None).unwrap();
    assert!(matches!(socket.raw.read(), Ok(Message::Close(_))));
    let closed_with = |message: Message| {
        let mut socket = Socket::open(host.address);
        socket.raw.send(message).unwrap();
        socket.close_code()
    };
    assert_eq!(closed_with(Message::Binary(vec![1, 2, 3].into())), Some(1003));
    assert_eq!(closed_with(Message::text("x".repeat(10_001))), Some(1009));
    let invalid = Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true);
    assert_eq!(closed_with(Message::Frame(invalid)), Some(1007));
    let orphan = Frame::message(b"x".to_vec(), OpCode::Data(Data::Continue), true);
    assert_eq!(closed_with(Message::Frame(orphan)), Some(1002));
    let reserved = FrameHeader { rsv1: true, opcode: OpCode::Data(Data::Text), ..FrameHeader::default() };
    assert_eq!(closed_with(Message::Frame(Frame::from_payload(reserved, b"x".to_vec().into()))), Some(1002));
    assert_eq!(Socket::open(host.address).ask(echo(1, "still here"))["id"], 1);
}

#[test]
fn a_flood_of_requests_is_refused_beyond_the_slots() {
    let host = Plugins::new().guest("hostile").limits(|limits| {
        limits.ws_requests_max = 2;
        limits.cpu_time_max = Duration::from_millis(500);
    });
    let host = host.start();
    let mut socket = Socket::open(host.address);
    for id in 0..20 {
        socket.send(modern(id, "tools/call", json!({"name": "hostile_loop_forever", "arguments": {}})));
    }
    let mut codes: Vec<_> = (0..20).map(|_| socket.receive()["error"]["code"].as_i64().unwrap()).collect();
    codes.sort_unstable();
    // 1001: come back later; 1003: it took too long.
    assert_eq!((codes[..18].iter().all(|code| *code == 1001), &codes[18..]), (true, &[1003, 1003][..]), "{codes:?}");
    assert!(socket.ask(modern(30, "tools/list", json!({})))["result"].is_object());
}

#[test]
fn a_client_that_leaves_cancels_its_calls() {
    let host = Plugins::new().guest("hostile").limits(|limits| {
        limits.cpu_time_max = Duration::from_secs(60);
        limits.wall_time_max = Duration::from_secs(60);
        limits.plugin_calls_max = 1;
    });
    let host = host.start();
    let ok = || client::call(host.address, "hostile_ok", json!({})).code();
    let mut socket = Socket::open(host.address);
    socket.send(modern(1, "tools/call", json!({"name": "hostile_loop_forever", "arguments": {}})));
    tests::until(|| ok() != 0, || "the call does not run".to_owned());
    drop(socket);
    tests::until(|| ok() == 0, || "the call goes on".to_owned());
}

#[test]
fn c42_half_open() {
    let news = News::start(Plugins::new().limits(|limits| limits.stream_alive_every = Duration::from_millis(50)));
    let mut there = Socket::open(news.host.address);
    there.subscribe("s", "news/lines", json!({}));
    let mut vanished = Socket::open(news.host.address);
    vanished.subscribe("s", "news/lines", json!({}));
    // Who answers pings stays.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| there.receive());
        news.wait_for_subscriptions(1);
        news.publish("lines", json!({"n": 1}));
        assert_eq!(waiting.join().unwrap()["event"]["data"]["n"], 1);
    });
    drop(vanished);
}

#[test]
fn who_does_not_read_is_dropped() {
    let news = News::start(Plugins::new().limits(|limits| {
        limits.subscriber_stall_max = Duration::from_millis(200);
        limits.events_per_second_max = 1_000_000;
    }));
    let mut socket = Socket::open(news.host.address);
    socket.subscribe("s", "news/lines", json!({}));
    let filler = "x".repeat(8 << 10);
    for n in 0..10_000 {
        news.publish("lines", json!({ "n": n, "filler": filler }));
    }
    news.wait_for_subscriptions(0);
}

#[test]
fn lagged_markers_add_up() {
    let news = News::start(Plugins::new().limits(|limits| limits.events_per_second_max = 1_000_000));
    let mut socket = Socket::open(news.host.address);
    socket.subscribe("s", "news/lines", json!({}));
    let filler = "x".repeat(8 << 10);
    for n in 0..4_000 {
        news.publish("lines", json!({ "n": n, "filler": filler }));
    }
    let (mut expected, mut lagged) = (0, 0);
    while expected < 4_000 {
        let message = socket.receive();
        match message["type"].as_str() {
            Some("lagged") => {
                lagged += 1;
                expected += message["missed"].as_u64().unwrap();
            }
            _ => {
                assert_eq!(message["event"]["data"]["n"].as_u64(), Some(expected));
                expected += 1;
            }
        }
    }
    assert!(lagged > 0);
}

#[test]
fn a_host_that_stops_answers_what_runs_and_says_goodbye() {
    let plugins = Plugins::new().guest("hostile").limits(|limits| {
        limits.cpu_time_max = Duration::from_millis(500);
        limits.drain_time_max = Duration::from_secs(600);
    });
    let news = News::start(plugins);
    let mut socket = Socket::open(news.host.address);
    socket.subscribe("s", "news/lines", json!({}));
    socket.send(modern(7, "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}})));
    assert_eq!(socket.receive()["method"], "notifications/subscriptions/acknowledged");
    socket.send(modern(8, "tools/call", json!({"name": "hostile_loop_forever", "arguments": {}})));
    // Answered, so the call before it has begun.
    assert!(socket.ask(modern(9, "tools/list", json!({})))["result"].is_object());
    news.host.stop();
    let mut rest: Vec<_> = (0..3).map(|_| socket.receive()).collect();
    rest.sort_by_key(|message| message["id"].as_i64());
    assert_eq!(rest[0], json!({"type": "ended", "id": "s", "reason": "the host stops"}));
    assert_eq!((&rest[1]["result"]["resultType"], &rest[2]["error"]["code"]), (&json!("complete"), &json!(1003)));
    assert_eq!(socket.close_code(), Some(1001));
}

#[test]
fn c41_connect_send_close_without_a_word() {
    let news = News::start(Plugins::new().limits(|limits| limits.connections_max = 64));
    for n in 0..1_000 {
        let mut stream = client::connect(news.host.address);
        let _ = stream.write_all(HANDSHAKE.as_bytes());
        if n % 10 == 0 && client::read(&mut stream).status == 101 {
            let text = br#"{"type":"subscribe","id":"x","topic":"news/lines"}"#;
            let mut bytes = vec![0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0];
            bytes.extend(text);
            let _ = stream.write_all(&bytes);
        }
    }
    news.wait_for_subscriptions(0);
    let sockets: Vec<_> = (0..16).map(|_| Socket::open(news.host.address)).collect();
    drop(sockets);
}
