//! Redirects: the guest's own business, or followed with every hop checked.

use super::{CANARY, World, call, get, request, text};
use crate::caps::http::wit;
use crate::egress::tests::upstream::{response, start};

#[tokio::test]
async fn s08_the_guest_gets_the_redirect_unless_its_grant_follows() {
    for status in [301, 302, 303, 307, 308] {
        let (port, seen) = start(move |_, _| response(&format!("{status} Go"), "Location: http://169.254.169.254/latest\r\n", "")).await;
        let world = World::new();
        let answer = get(&world.plain(port, ""), port, "/").await.unwrap();
        assert_eq!((answer.status, answer.headers[0].value.as_str()), (status, "http://169.254.169.254/latest"));
        assert_eq!(seen.texts().len(), 1);
    }
}

#[tokio::test]
async fn s08_each_hop_is_checked_anew() {
    for location in [
        "http://169.254.169.254/latest",
        "http://127.0.0.1/",
        "//evil.example/",
        "https://api.example.com/",
        "http://user@api.example.com:PORT/",
        "http://0x7f.1/",
        "../x",
        "/%2e%2e/x",
        "http://inside.example.com:PORT/",
        "javascript:alert(1)",
    ] {
        let (port, seen) = start(move |_, text| {
            let host = text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
            let port = host.rsplit(':').next().unwrap_or_default();
            response("302 Found", &format!("Location: {}\r\n", location.replace("PORT", port)), "")
        })
        .await;
        let world = World::new();
        let result = get(&world.plain(port, "redirects = 3"), port, "/").await;
        assert!(matches!(result, Err(wit::Error::Denied(_))), "{location}: {result:?}");
        assert_eq!(seen.texts().len(), 1, "{location}");
    }
}

#[tokio::test]
async fn d19_secret_header_does_not_follow_a_redirect_to_another_host() {
    let (port, seen) = start(|number, text| {
        let host = text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let port = host.rsplit(':').next().unwrap_or_default().to_owned();
        match number {
            0 => response("307 Go", "Location: /next\r\n", ""),
            1 => response("302 Go", &format!("Location: http://other.example.com:{port}/last\r\n"), ""),
            _ => response("200 OK", "", "there"),
        }
    })
    .await;
    let world = World::new();
    let cap = world.plain(port, "redirects = 2\n[grants.http.headers.\"api.example.com\"]\nx-key = \"${secret:t}\"");
    let mut post =
        request("POST", format!("http://api.example.com:{port}/"), &[("authorization", "mine"), ("cookie", "a"), ("x-mine", "b")]);
    post.body = Some(b"body".to_vec());
    let answer = cap.fetch(&call(&cap), post).await.unwrap();
    assert_eq!((answer.status, text(&answer)), (200, "there"));
    let [first, second, third] = &seen.texts()[..] else { panic!() };
    for own in [first, second] {
        assert!(own.contains(CANARY) && own.contains("authorization: mine") && own.starts_with("POST ") && own.ends_with("body"), "{own}");
    }
    assert!(third.starts_with("GET /last ") && third.contains("x-mine: b"), "{third}");
    assert!(
        !third.contains(CANARY) && !third.contains("mine\r\nx-key") && !third.contains("authorization") && !third.contains("cookie"),
        "{third}"
    );
}

#[tokio::test]
async fn a_circle_of_redirects_ends_with_the_last_of_them() {
    let (port, seen) = start(|_, _| response("302 Found", "Location: /again\r\n", "")).await;
    let world = World::new();
    let answer = get(&world.plain(port, "redirects = 3"), port, "/").await.unwrap();
    assert_eq!((answer.status, seen.texts().len()), (302, 4));
}
