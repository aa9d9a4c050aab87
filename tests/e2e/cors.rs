//! Pages in browsers: which may call, and what they may read.

use tests::client::{self, Answer};
use tests::host::{Plugins, TestHost};
use tests::session::Session;

use cofferdam::config::AllowedOrigin;
use serde_json::json;

const PAGE: &str = "https://app.example";

fn host() -> TestHost {
    let allowed = [PAGE, "http://other.example:8080"].map(|origin| AllowedOrigin::parse(origin).unwrap());
    Plugins::new().wat("echo-bare").http(|http| http.allowed_origins = allowed.to_vec()).start()
}

fn options(host: &TestHost, extra: &str) -> Answer {
    client::raw(host.address, format!("OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n").as_bytes())
}

fn list(host: &TestHost, origin: &str) -> Answer {
    let text = client::modern_text(&json!(1), "tools/list", json!({}));
    client::raw(host.address, text.replacen("Host: localhost\r\n", &format!("Host: localhost\r\nOrigin: {origin}\r\n"), 1).as_bytes())
}

fn words(answer: &Answer, header: &str) -> Vec<String> {
    answer.header(header).unwrap_or_default().split(", ").map(str::to_owned).collect()
}

fn has_cors(answer: &Answer) -> bool {
    answer.headers.iter().any(|(name, _)| name.starts_with("access-control-"))
}

#[test]
fn a_preflight_lists_what_pages_need() {
    let host = host();
    let announced = "Access-Control-Request-Method: POST\r\n\
                     Access-Control-Request-Headers: content-type, mcp-param-region, X-Evil, Mcp-Param-Value\r\n";
    let answer = options(&host, &format!("Origin: {PAGE}\r\n{announced}"));
    assert_eq!((answer.status, &*answer.body), (204, ""));
    assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
    assert_eq!(words(&answer, "access-control-allow-methods"), ["GET", "POST", "DELETE"]);
    let headers = words(&answer, "access-control-allow-headers");
    for needed in [
        "content-type",
        "accept",
        "authorization",
        "mcp-protocol-version",
        "mcp-method",
        "mcp-name",
        "mcp-session-id",
        "last-event-id",
        "mcp-param-region",
        "mcp-param-value",
    ] {
        assert!(headers.iter().any(|header| header == needed), "{needed} in {headers:?}");
    }
    assert!(!headers.iter().any(|header| header.contains("evil")), "{headers:?}");
    assert_eq!(answer.header("vary"), Some("Origin"));
    assert!(answer.header("access-control-max-age").is_some());
}

#[test]
fn options_without_an_origin_is_no_preflight() {
    let answer = options(&host(), "");
    assert_eq!((answer.status, answer.header("allow"), has_cors(&answer)), (204, Some("GET, POST, DELETE, OPTIONS"), false));
}

#[test]
fn allowed_pages_may_read_answers() {
    let host = host();
    for origin in [PAGE, "HTTPS://APP.EXAMPLE", "http://other.example:8080", "http://localhost"] {
        let answer = list(&host, origin);
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(origin)));
        assert!(words(&answer, "access-control-expose-headers").contains(&"mcp-session-id".to_owned()));
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
}

#[test]
fn allowed_pages_may_read_errors_and_streams() {
    let host = host();
    let session = Session::open(&host, "2025-11-25");
    let origin = format!("Origin: {PAGE}\r\n");
    let refused = [
        client::post_text(&origin, "{"),
        format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\n{origin}\r\n"),
        format!("GET /nowhere HTTP/1.1\r\nHost: localhost\r\n{origin}\r\n"),
        session.get_text(&format!("{origin}Last-Event-ID: x\r\n")),
    ];
    for (text, status) in refused.iter().zip([400, 405, 404, 400]) {
        let answer = client::raw(host.address, text.as_bytes());
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (status, Some(PAGE)), "{text}");
    }
    let stream = tests::events::EventStream::open(host.address, &session.get_text(&origin));
    assert!(stream.headers.contains(&("access-control-allow-origin".to_owned(), PAGE.to_owned())), "{:?}", stream.headers);
}

#[test]
fn foreign_pages_are_told_nothing() {
    let host = host();
    for origin in [
        "https://evil.example",
        "http://app.example",
        "https://app.example:8443",
        "https://app.example.evil.example",
        "https://xapp.example",
        "http://other.example",
        "null",
        "https://app.example/",
        "*",
    ] {
        for answer in [list(&host, origin), options(&host, &format!("Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\n"))] {
            assert_eq!((answer.status, has_cors(&answer)), (403, false), "{origin}: {answer:?}");
        }
    }
}
