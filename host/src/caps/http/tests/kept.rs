//! Retry, cache, and stale responses in bad times.

use super::{World, call, get, request, text};
use crate::caps::http::cache::{Cache, Key, Whole};
use crate::caps::http::wit::{self, Source};
use crate::egress::tests::upstream::{response, start};
use crate::grants::http::{CacheGrant, Target};
use http::{HeaderMap, HeaderValue};
use std::time::Duration;
use tokio::time::advance;

#[tokio::test]
async fn what_can_be_done_twice_is_tried_again() {
    let (port, seen) = start(|number, _| match number {
        0 => response("503 Busy", "Retry-After: 0\r\n", ""),
        1 => response("502 Bad Gateway", "", ""),
        _ => response("200 OK", "", "at last"),
    })
    .await;
    let world = World::new();
    let cap = world.plain(port, "[grants.http.retry]\nattempts = 3\ndelay = \"1ms\"");
    assert_eq!(text(&get(&cap, port, "/").await.unwrap()), "at last");
    assert_eq!(seen.texts().len(), 3);
}

#[tokio::test]
async fn what_cannot_be_done_twice_or_has_no_time_is_not_tried_again() {
    let (port, seen) = start(|_, _| response("503 Busy", "Retry-After: 3600\r\n", "")).await;
    let world = World::new();
    let cap = world.plain(port, "[grants.http.retry]\nattempts = 3\ndelay = \"1ms\"");
    assert_eq!(get(&cap, port, "/").await.unwrap().status, 503, "an hour is not waited for");
    let post = cap.fetch(&call(&cap), request("POST", format!("http://api.example.com:{port}/"), &[])).await.unwrap();
    assert_eq!((post.status, seen.texts().len()), (503, 2));
    let (port, seen) = start(|_, _| response("500 Oops", "", "")).await;
    let cap = world.plain(port, "[grants.http.retry]\nattempts = 3\ndelay = \"1ms\"");
    assert_eq!((get(&cap, port, "/").await.unwrap().status, seen.texts().len()), (500, 1), "a mistake stays one");
}

#[tokio::test]
async fn a_response_is_kept_for_its_plugin_and_says_so() {
    let (port, seen) = start(|number, _| response("200 OK", "", &number.to_string())).await;
    let world = World::new();
    let (cap, other) = (world.plain(port, "[grants.http.cache]\nttl = \"1h\""), world.plain(port, "[grants.http.cache]\nttl = \"1h\""));
    let first = get(&cap, port, "/a").await.unwrap();
    let again = get(&cap, port, "/a").await.unwrap();
    assert_eq!((first.source, again.source, text(&first), text(&again)), (Source::Upstream, Source::Cache, "0", "0"));
    assert_eq!(get(&cap, port, "/b").await.unwrap().source, Source::Upstream, "another URL");
    let german = request("GET", format!("http://api.example.com:{port}/a"), &[("accept-language", "de")]);
    assert_eq!(cap.fetch(&call(&cap), german).await.unwrap().source, Source::Upstream, "other headers");
    assert_eq!(get(&other, port, "/a").await.unwrap().source, Source::Upstream, "another binding");
    let head = request("HEAD", format!("http://api.example.com:{port}/a"), &[]);
    assert!(cap.fetch(&call(&cap), head).await.is_ok());
    assert_eq!(seen.texts().len(), 5);
}

#[tokio::test]
async fn a_stale_response_is_better_than_an_error() {
    let (port, _) = start(|number, _| match number {
        0 => response("200 OK", "Cache-Control: max-age=0\r\n", "old"),
        _ => response("500 Oops", "", "oops"),
    })
    .await;
    let world = World::new();
    let cap = world.plain(port, "[grants.http.cache]\nttl = \"1h\"\nstale_if_error = \"1h\"");
    assert_eq!(get(&cap, port, "/").await.unwrap().source, Source::Upstream);
    let stale = get(&cap, port, "/").await.unwrap();
    assert_eq!((stale.source, text(&stale)), (Source::Stale, "old"));
    let none: Result<wit::Response, wit::Error> = get(&cap, port, "/other").await;
    assert_eq!(none.unwrap().status, 500);
}

fn whole(bytes: usize, control: &'static str) -> Whole {
    let mut headers = HeaderMap::new();
    headers.insert("cache-control", HeaderValue::from_static(control));
    Whole { status: 200, headers, body: vec![0; bytes] }
}

fn key(path: &str) -> Key {
    Key::of(&Target::parse(&format!("https://a.example/{path}")).unwrap(), &HeaderMap::new(), true)
}

#[tokio::test(start_paused = true)]
async fn the_cache_forgets_in_time_and_stays_in_its_bounds() {
    let grant = CacheGrant { ttl: Duration::from_secs(60), size_bytes_max: 10_000, stale_if_error: Duration::from_secs(60) };
    let cache = Cache::new(grant, 3);
    cache.put(key("a"), &whole(10, "public"));
    cache.put(key("short"), &whole(10, "max-age=5, public"));
    for (path, never) in [("no-store", "private, No-Store"), ("odd", "max-age=x")] {
        cache.put(key(path), &whole(10, never));
        assert!(cache.get(&key(path)).is_none(), "{never}");
    }
    let fresh = |path: &str| cache.get(&key(path)).map(|(_, fresh)| fresh);
    assert_eq!((fresh("a"), fresh("short"), fresh("b")), (Some(true), Some(true), None));
    advance(Duration::from_secs(6)).await;
    assert_eq!((fresh("a"), fresh("short")), (Some(true), Some(false)));
    advance(Duration::from_secs(60)).await;
    assert_eq!((fresh("a"), fresh("short")), (Some(false), None));
    // The one that was used least recently goes first, by number and by size.
    for path in ["1", "2", "3"] {
        cache.put(key(path), &whole(10, "public"));
    }
    assert_eq!((fresh("a"), fresh("1"), fresh("2"), fresh("3")), (None, Some(true), Some(true), Some(true)));
    cache.put(key("large"), &whole(9_950, "public"));
    assert_eq!((fresh("1"), fresh("3"), fresh("large")), (None, None, Some(true)));
    cache.put(key("larger"), &whole(10_001, "public"));
    assert_eq!((fresh("larger"), fresh("large")), (None, Some(true)));
}
