//! What may be asked, what is sent, and on which connection.

use super::{CANARY, World, call, get, request, text};
use crate::caps::http::wit;
use crate::egress::tests::upstream::{Reply, response, start};
use std::sync::atomic::Ordering;

#[tokio::test]
async fn a_request_goes_out_as_it_was_asked_and_its_response_comes_back() {
    let (port, seen) = start(|_, _| response("201 Created", "X-Answer: yes\r\nConnection: keep-alive\r\n", "done")).await;
    let world = World::new();
    let cap = world.plain(port, "");
    let mut post = request("POST", format!("http://API.example.com.:{port}/a/b?c=d#e"), &[("X-Ask", "1"), ("x-ask", "2")]);
    post.body = Some(b"body".to_vec());
    let answer = cap.fetch(&call(&cap), post).await.unwrap();
    assert_eq!((answer.status, text(&answer), answer.source), (201, "done", wit::Source::Upstream));
    let fields: Vec<_> = answer.headers.iter().map(|field| format!("{}: {}", field.name, field.value)).collect();
    assert_eq!(fields, ["x-answer: yes", "content-length: 4"], "those of the connection are not the guest's");
    let sent = seen.texts().remove(0);
    assert!(sent.starts_with("POST /a/b?c=d HTTP/1.1\r\n") && sent.ends_with("\r\n\r\nbody"), "{sent}");
    assert!(sent.contains(&format!("host: api.example.com:{port}\r\n")), "{sent}");
    assert!(sent.contains("x-ask: 1\r\nx-ask: 2\r\n") && sent.contains("accept-encoding: gzip\r\n"), "{sent}");
}

#[tokio::test]
async fn s13_what_is_not_granted_reaches_nobody() {
    let (port, seen) = start(|_, _| response("200 OK", "", "x")).await;
    let world = World::new();
    let cap = world.cap(&format!("allow = [\"GET http://api.example.com:{port}/v1/**\"]"));
    for (method, url) in [
        ("POST", format!("http://api.example.com:{port}/v1/x")),
        ("HEAD", format!("http://api.example.com:{port}/v1/x")),
        ("GET", format!("http://api.example.com:{port}/v2/x")),
        ("GET", format!("http://other.example.com:{port}/v1/x")),
        ("GET", format!("https://api.example.com:{port}/v1/x")),
        ("GET", "http://api.example.com/v1/x".to_owned()),
        ("GET", format!("http://127.0.0.1:{port}/v1/x")),
    ] {
        let refused: wit::Error = cap.fetch(&call(&cap), request(method, url.clone(), &[])).await.unwrap_err().into();
        assert!(matches!(refused, wit::Error::Denied(_)), "{method} {url}: {refused:?}");
    }
    assert_eq!((seen.texts().len(), world.names.asked.load(Ordering::Relaxed)), (0, 0), "not even a name was looked up");
}

#[tokio::test]
async fn s14_headers_of_the_connection_are_not_the_guests_to_write() {
    let (port, seen) = start(|_, _| response("200 OK", "", "x")).await;
    let world = World::new();
    let cap = world.plain(port, "");
    for (name, value) in [
        ("Host", "evil.example"),
        ("TE", "trailers"),
        ("Content-Length", "5"),
        ("connection", "close"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("Proxy-Authorization", "Basic eDp5"),
        ("proxy-anything", "x"),
        ("Keep-Alive", "x"),
        ("Expect", "100-continue"),
        ("Trailer", "x"),
        ("X-A", "a\r\nHost: evil.example"),
        ("X-A", "a\nb"),
        ("X-A", "a\0b"),
        ("X-A\r\nHost", "evil.example"),
        ("X A", "b"),
        ("X-A:", "b"),
        ("", "b"),
    ] {
        let asked = request("GET", format!("http://api.example.com:{port}/"), &[(name, value)]);
        let refused: wit::Error = cap.fetch(&call(&cap), asked).await.unwrap_err().into();
        assert!(matches!(refused, wit::Error::Invalid(_)), "{name}: {value:?}: {refused:?}");
    }
    assert_eq!(seen.texts().len(), 0);
}

#[tokio::test]
async fn s05_an_error_tells_the_guest_no_address() {
    let world = World::new();
    let cap = world.plain(8080, "");
    let refused: wit::Error =
        cap.fetch(&call(&cap), request("GET", "http://inside.example.com:8080/".to_owned(), &[])).await.unwrap_err().into();
    let wit::Error::Denied(message) = &refused else { panic!("{refused:?}") };
    assert!(!message.contains("10.0") && !message.contains("inside"), "{message}");
}

#[tokio::test]
async fn s18_a_connection_is_its_bindings_own() {
    let (port, seen) = start(|_, _| response("200 OK", "", "x")).await;
    let world = World::new();
    let (one, other) = (world.plain(port, ""), world.plain(port, ""));
    for _ in 0..3 {
        get(&one, port, "/").await.unwrap();
    }
    assert_eq!(seen.connections(), 1, "a binding uses its connection again");
    get(&other, port, "/").await.unwrap();
    assert_eq!(seen.connections(), 2, "another binding, or another revision of it, does not");
    // The same host under another name is another origin.
    one.fetch(&call(&one), request("GET", format!("http://other.example.com:{port}/"), &[])).await.unwrap();
    assert_eq!(seen.connections(), 3);
    // When its grant is gone, so is its connection.
    drop(one);
    let next = world.plain(port, "");
    get(&next, port, "/").await.unwrap();
    assert_eq!(seen.connections(), 4);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_it_waited_costs_nothing() {
    let (port, seen) = start(|_, _| Reply::Last(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx".to_vec())).await;
    let world = World::new();
    let cap = world.plain(port, "");
    for _ in 0..5 {
        assert_eq!(get(&cap, port, "/").await.unwrap().status, 200);
    }
    assert_eq!(seen.connections(), 5);
}

#[tokio::test]
async fn s21_smuggled_responses_end_the_connection() {
    for bad in [
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nxy",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "HTTP/0.9 200\r\n\r\n",
        "\u{1}\u{2}\u{3}\r\n\r\n",
    ] {
        let (port, seen) = start(move |number, _| match number {
            0 => Reply::Bytes(bad.as_bytes().to_vec()),
            _ => response("200 OK", "", "good"),
        })
        .await;
        let world = World::with(|limits| limits.http_head_time_max = std::time::Duration::from_millis(500));
        let cap = world.plain(port, "");
        assert!(get(&cap, port, "/").await.is_err(), "{bad:?}");
        assert_eq!(text(&get(&cap, port, "/").await.unwrap()), "good", "{bad:?}");
        assert_eq!(seen.connections(), 2, "{bad:?}: the connection was used again");
    }
}

#[tokio::test]
async fn s21_what_follows_a_response_is_nobodys_response() {
    let (port, seen) = start(|number, _| match number {
        0 => Reply::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstolen".to_vec()),
        _ => response("200 OK", "", "good"),
    })
    .await;
    let world = World::new();
    let cap = world.plain(port, "");
    assert_eq!(text(&get(&cap, port, "/").await.unwrap()), "x");
    assert_eq!(text(&get(&cap, port, "/").await.unwrap()), "good");
    assert_eq!(seen.connections(), 2);
}

#[tokio::test]
async fn d19_secret_header_is_put_in_by_the_host_in_the_place_of_the_guests() {
    let (port, seen) = start(|_, _| response("200 OK", "", "x")).await;
    let world = World::new();
    let cap = world.plain(port, "[grants.http.headers.\"api.example.com\"]\nauthorization = \"Bearer ${secret:t}\"\nx-plain = \"p\"");
    let asked = request("GET", format!("http://api.example.com:{port}/"), &[("Authorization", "Bearer guess"), ("authorization", "2")]);
    let answer = cap.fetch(&call(&cap), asked).await.unwrap();
    assert!(!format!("{answer:?}").contains(CANARY));
    cap.fetch(&call(&cap), request("GET", format!("http://other.example.com:{port}/"), &[])).await.unwrap();
    let [to_its_host, to_another] = &seen.texts()[..] else { panic!() };
    assert!(
        to_its_host.contains(&format!("authorization: Bearer {CANARY}\r\n")) && to_its_host.contains("x-plain: p\r\n"),
        "{to_its_host}"
    );
    assert!(!to_its_host.contains("guess") && to_its_host.matches("authorization").count() == 1, "{to_its_host}");
    assert!(!to_another.contains("authorization") && !to_another.contains(CANARY), "{to_another}");
}
