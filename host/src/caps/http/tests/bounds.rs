//! Upstreams that hang, and upstreams that flood.

use super::{World, call, get, request};
use crate::caps::http::wit;
use crate::egress::tests::upstream::{Reply, response, start};
use crate::limits::Limits;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::join_all;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

const SHORT: Duration = Duration::from_millis(150);

fn timeout(result: Result<wit::Response, wit::Error>) -> String {
    match result {
        Err(wit::Error::Timeout(message)) => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn s16_an_upstream_that_hangs_costs_its_deadline() {
    let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome".to_vec();
    let (silent, _) = start(|_, _| Reply::Silence(Vec::new())).await;
    let (half, _) = start(move |_, _| Reply::Silence(head.clone())).await;
    let drip = || Reply::Endless(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), b"1\r\nx\r\n".to_vec());
    let (endless, _) = start(move |_, _| drip()).await;
    let world = World::with(|limits| limits.http_head_time_max = SHORT);
    assert_eq!(timeout(get(&world.plain(silent, ""), silent, "/").await), "the head of the response took longer than 150ms");
    let world = World::with(|limits| limits.http_between_time_max = SHORT);
    assert_eq!(timeout(get(&world.plain(half, ""), half, "/").await), "the next piece of the response took longer than 150ms");
    // One that always says something ends with all of it.
    let world = World::with(|limits| {
        limits.http_time_max = SHORT;
        limits.http_response_bytes_max = usize::MAX;
    });
    assert_eq!(timeout(get(&world.plain(endless, ""), endless, "/").await), "the request took longer than 150ms");
    let limits = Limits::default();
    let seconds = [limits.http_head_time_max, limits.http_between_time_max, limits.http_time_max].map(|time| time.as_secs());
    assert_eq!(seconds, [10, 10, 30]);
}

#[tokio::test]
async fn s16_the_guest_and_the_grant_can_only_shorten_the_time() {
    let (port, _) = start(|_, _| Reply::Silence(Vec::new())).await;
    let world = World::with(|limits| limits.http_time_max = SHORT);
    let cap = world.plain(port, "timeout = \"1h\"");
    let mut asked = request("GET", format!("http://api.example.com:{port}/"), &[]);
    asked.timeout_ms = Some(600_000);
    assert_eq!(timeout(cap.fetch(&call(&cap), asked.clone()).await.map_err(Into::into)), "the request took longer than 150ms");
    asked.timeout_ms = Some(20);
    assert_eq!(timeout(cap.fetch(&call(&cap), asked).await.map_err(Into::into)), "the request took longer than 20ms");
}

#[tokio::test]
async fn s17_an_upstream_that_floods_is_cut_at_the_limits() {
    let chunk = || format!("4000\r\n{}\r\n", "x".repeat(0x4000)).into_bytes();
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let head = |line: String| format!("HTTP/1.1 200 OK\r\n{line}Content-Length: 0\r\n\r\n").into_bytes();
    let many: String = (0..10_000).map(|number| format!("x-{number}: y\r\n")).collect();
    for (what, reply) in [
        ("a body without end", Reply::Endless(chunked, chunk())),
        ("a long body that says so", Reply::Silence(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n".to_vec())),
        ("10,000 headers", Reply::Bytes(head(many))),
        ("a header without end", Reply::Endless(b"HTTP/1.1 200 OK\r\nx: ".to_vec(), vec![b'y'; 4096])),
        ("a head of 100 KiB", Reply::Bytes(head(format!("x: {}\r\n", "y".repeat(100 << 10))))),
        ("announcements without end", Reply::Endless(Vec::new(), b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n".repeat(50))),
    ] {
        let (port, _) = start(move |_, _| reply.clone()).await;
        let world = World::new();
        let cap = world.plain(port, "response = \"1MiB\"");
        let result = get(&cap, port, "/").await;
        assert!(matches!(result, Err(wit::Error::TooLarge(_))), "{what}: {:?}", result.map(|response| response.body.len()));
    }
    // One that ends before it said it would is not whole.
    let (port, _) = start(|_, _| Reply::Last(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".to_vec())).await;
    let world = World::new();
    let result = get(&world.plain(port, ""), port, "/").await;
    assert!(matches!(result, Err(wit::Error::Unavailable(_))), "{result:?}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn s17_what_was_compressed_is_bounded_too() {
    let (small, bomb) = (gzip(b"small"), gzip(&vec![0; 9 << 20]));
    assert!(bomb.len() < 20 << 10);
    let compressed = |body: &[u8]| {
        let mut bytes = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        Reply::Bytes(bytes)
    };
    let (port, _) = start(move |_, text| {
        if text.contains("/bomb") {
            compressed(&bomb)
        } else if text.contains("/broken") {
            compressed(b"no gzip")
        } else {
            compressed(&small)
        }
    })
    .await;
    let world = World::new();
    let cap = world.plain(port, "");
    let answer = get(&cap, port, "/small").await.unwrap();
    assert_eq!((&answer.body[..], answer.headers.len()), (&b"small"[..], 0), "nothing says that it was compressed");
    assert!(matches!(get(&cap, port, "/bomb").await, Err(wit::Error::TooLarge(_))));
    assert!(matches!(get(&cap, port, "/broken").await, Err(wit::Error::Unavailable(_))));
    // Whoever asks for it gets it as it is.
    let raw = request("GET", format!("http://api.example.com:{port}/bomb"), &[("accept-encoding", "gzip")]);
    assert!(cap.fetch(&call(&cap), raw).await.unwrap().body.len() < 20 << 10);
}

#[tokio::test]
async fn s20_a_flood_is_bounded_for_the_call_the_plugin_and_in_all() {
    let (port, seen) = start(|_, _| Reply::Silence(Vec::new())).await;
    let world = World::with(|limits| {
        limits.http_head_time_max = 8 * SHORT;
        limits.http_wait_max = SHORT;
        limits.http_plugin_requests_max = 10;
    });
    let (cap, url) = (world.plain(port, ""), format!("http://api.example.com:{port}/"));
    let flood = join_all((0..100).map(|_| async {
        let call = call(&cap);
        cap.fetch(&call, request("GET", url.clone(), &[])).await.map_err(wit::Error::from)
    }));
    let results = flood.await;
    let quota = results.iter().filter(|result| matches!(result, Err(wit::Error::Unavailable(why)) if why.starts_with("quota: "))).count();
    assert_eq!((quota, seen.texts().len()), (90, 10));
    // The slots are given back, and others have their own.
    let (good, _) = start(|_, _| response("200 OK", "", "x")).await;
    assert!(get(&world.plain(good, ""), good, "/").await.is_ok());

    let one = Arc::new(call(&cap));
    let at_once = join_all((0..20).map(|_| cap.fetch(&one, request("GET", url.clone(), &[])))).await;
    assert_eq!(at_once.iter().filter(|result| format!("{result:?}").contains("Quota")).count(), 14, "six of one call");
}

#[tokio::test]
async fn s20_a_call_has_a_number_of_requests() {
    let (port, seen) = start(|_, _| response("200 OK", "", "x")).await;
    let world = World::new();
    let cap = world.plain(port, "");
    let call = call(&cap);
    for number in 0..40 {
        let result = cap.fetch(&call, request("GET", format!("http://api.example.com:{port}/"), &[])).await;
        assert_eq!(result.is_ok(), number < 32, "{number}");
    }
    assert_eq!(seen.texts().len(), 32);
}
