//! Webhooks: signed requests that become events, and those that do not.

use base64::Engine as _;
use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tests::client::{self, Answer};
use tests::host::{Plugins, TestHost, guest};

/// Of GitHub's documentation, with the body and the signature.
const KEY: &str = "It's a Secret to Everybody";
const MANIFEST: &str = r#"
name = "hooked"
[grants.webhooks.pushes]
signature = "github"
secret = "hook"
[grants.webhooks.payments]
signature = "stripe"
secret = "hook"
[grants.webhooks."deploys/{service}"]
signature = "hmac-sha256"
secret = "hook"
"#;
const SHAPER: &str = "name = \"shaper\"\n[grants.webhooks.lines]\nsignature = \"hmac-sha256\"\nsecret = \"hook\"\ntolerance = \"1m\"\n";

fn plugins() -> Plugins {
    Plugins::new().secret("hook", KEY, false).with_manifest("hooked", &guest("hooked"), MANIFEST)
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn code(parts: &[&[u8]]) -> Vec<u8> {
    let mut code = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    parts.iter().for_each(|part| code.update(part));
    code.finalize().into_bytes().to_vec()
}

fn hex(parts: &[&[u8]]) -> String {
    code(parts).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn github(body: &str) -> String {
    format!("X-Hub-Signature-256: sha256={}\r\nX-GitHub-Event: push\r\n", hex(&[body.as_bytes()]))
}

fn stripe(time: u64, body: &str) -> String {
    let signature = hex(&[time.to_string().as_bytes(), b".", body.as_bytes()]);
    format!("Stripe-Signature: t={time},v1={signature}\r\n")
}

fn generic(time: u64, method: &str, path: &str, body: &str) -> String {
    let time = time.to_string();
    let signature = hex(&[time.as_bytes(), b".", method.as_bytes(), b".", path.as_bytes(), b".", body.as_bytes()]);
    format!("X-Timestamp: {time}\r\nX-Signature: {signature}\r\n")
}

fn send_as(host: &TestHost, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    client::raw(host.address, (head + body).as_bytes())
}

fn send(host: &TestHost, path: &str, headers: &str, body: &str) -> Answer {
    send_as(host, "POST", path, headers, body)
}

fn assert_taken(answer: &Answer, events: usize) {
    let said = answer.json();
    assert_eq!((answer.status, &said["status"], &said["events"]), (202, &json!("accepted"), &json!(events)), "{answer:?}");
    assert_eq!(said["ids"].as_array().map(Vec::len), Some(events), "{answer:?}");
}

/// Whatever is wrong, the sender is told the same.
fn assert_refused(answer: &Answer) {
    let expected = json!({
        "type": "urn:cofferdam:problem:signature",
        "title": "The request is not signed as it has to be",
        "status": 401,
        "detail": "the request is not signed as this webhook wants it",
    });
    assert_eq!((answer.status, answer.json()), (401, expected), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert!(answer.header("www-authenticate").is_some());
}

#[test]
fn a19_hmac_replay_of_each_scheme_passes_once() {
    let host = plugins().start();
    let (body, now) = (r#"{"service":"web","type":"deployed"}"#, now_s());
    let path = "/hooks/hooked/deploys/web";
    for (path, headers) in
        [("/hooks/hooked/pushes", github(body)), ("/hooks/hooked/payments", stripe(now, body)), (path, generic(now, "POST", path, body))]
    {
        let first = send(&host, path, &headers, body);
        assert_taken(&first, 1);
        assert_refused(&send(&host, path, &headers, body));
        // Written otherwise it is the same.
        let upper: Vec<String> = headers.lines().map(|line| line.replace(": ", ":   ")).collect();
        assert_refused(&send(&host, path, &(upper.join("\r\n") + "\r\n"), body));
    }
    // The same code in base64.
    let base64 = base64::engine::general_purpose::STANDARD.encode(code(&[
        now.to_string().as_bytes(),
        b".POST.",
        path.as_bytes(),
        b".",
        body.as_bytes(),
    ]));
    assert_refused(&send(&host, path, &format!("X-Timestamp: {now}\r\nX-Signature: {base64}\r\n"), body));
}

#[test]
fn a19_hmac_replay_of_a_delivery_under_another_name_or_at_another_topic() {
    let two = format!("{MANIFEST}[grants.webhooks.quiet]\nsignature = \"github\"\nsecret = \"hook\"\n");
    let host = Plugins::new().secret("hook", KEY, false).with_manifest("hooked", &guest("hooked"), &two).start();
    let delivery = |name: &str| format!("X-GitHub-Delivery: {name}\r\n");
    let body = r#"{"ref":"main"}"#;
    assert_taken(&send(&host, "/hooks/hooked/pushes", &(github(body) + &delivery("a")), body), 1);
    assert_refused(&send(&host, "/hooks/hooked/pushes", &(github(body) + &delivery("b")), body));
    assert_refused(&send(&host, "/hooks/hooked/quiet", &(github(body) + &delivery("c")), body));
    let other = r#"{"ref":"other"}"#;
    assert_refused(&send(&host, "/hooks/hooked/pushes", &(github(other) + &delivery("a")), other));
    assert_taken(&send(&host, "/hooks/hooked/pushes", &(github(other) + &delivery("d")), other), 1);
}

#[test]
fn a19_hmac_replay_with_another_body_path_method_or_time() {
    let host = plugins().start();
    let (body, now, path) = (r#"{"service":"web"}"#, now_s(), "/hooks/hooked/deploys/web");
    let headers = generic(now, "POST", path, body);
    for (to, headers, body) in [
        (path, headers.as_str(), r#"{"service":"wee"}"#),
        (path, &headers, ""),
        ("/hooks/hooked/deploys/api", &headers, body),
        ("/hooks/hooked/deploys/web?x", &headers, body),
        (path, &headers.replace(&now.to_string(), &(now + 1).to_string()), body),
        (path, &generic(now, "PUT", path, body), body),
        (path, &generic(now - 310, "POST", path, body), body),
        (path, &generic(now + 310, "POST", path, body), body),
        (path, &format!("{headers}{headers}"), body),
        (path, &headers.replace("X-Timestamp", "X-Time"), body),
        (path, "", body),
        ("/hooks/hooked/payments", &stripe(now - 310, body), body),
        ("/hooks/hooked/payments", &stripe(now + 310, body), body),
        ("/hooks/hooked/payments", &stripe(now, "{}"), body),
        ("/hooks/hooked/pushes", &github("{}"), body),
        ("/hooks/hooked/pushes", &github(body).repeat(2), body),
        ("/hooks/hooked/pushes", &stripe(now, body), body),
    ] {
        assert_refused(&send(&host, to, headers, body));
    }
    assert_eq!(send_as(&host, "PUT", path, &generic(now, "PUT", path, body), body).status, 405);
    // None of them used up the good one.
    assert_taken(&send(&host, path, &headers, body), 1);
    assert_taken(&send(&host, "/hooks/hooked/payments", &stripe(now - 200, body), body), 1);
}

#[test]
fn what_is_not_there_or_too_large_is_answered_before_any_signature() {
    let host = plugins().limits(|limits| limits.webhook_body_bytes_max = 1_000).start();
    for path in [
        "/hooks/",
        "/hooks/hooked",
        "/hooks/hooked/",
        "/hooks/hooked/quiet",
        "/hooks/nobody/pushes",
        "/hooks/hooked/deploys/a/b",
        "/hooks/hooked/pushe%73",
    ] {
        assert_eq!(send(&host, path, &github("{}"), "{}").status, 404, "{path}");
    }
    assert_eq!(send(&host, "/hooks/hooked/pushes", "", &"x".repeat(1_001)).status, 413);
    assert_refused(&send(&host, "/hooks/hooked/pushes", "", &"x".repeat(1_000)));
}

#[test]
fn a_signed_body_has_to_be_an_event_of_the_topic() {
    let host = plugins().start();
    let (path, now) = ("/hooks/hooked/deploys/web", now_s());
    for (body, why) in [
        ("", "not a JSON object"),
        ("[]", "JSON object"),
        ("{\"service\":7}", "service"),
        ("{}", "service"),
        ("{\"service\":\"a\",\"service\":\"b\"}", "twice"),
        ("{\"service\"", "JSON"),
    ] {
        let answer = send(&host, path, &generic(now, "POST", path, body), body);
        let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
        assert!(answer.status == 422 && (detail.contains(why) || body.is_empty()), "{body}: {answer:?}");
    }
    let large = format!(r#"{{"service":"{}"}}"#, "x".repeat(70_000));
    assert_eq!(send(&host, path, &generic(now, "POST", path, &large), &large).status, 413);
}

#[test]
fn a_plugin_makes_events_of_what_comes_and_sees_no_credentials() {
    let host = Plugins::new().secret("hook", KEY, false).with_manifest("shaper", &guest("shaper"), SHAPER).start();
    let (path, now) = ("/hooks/shaper/lines", now_s());
    let sent = |body: &str| send(&host, path, &generic(now, "POST", path, body), body);
    assert_taken(&sent("lines:a,b,c"), 3);
    assert_taken(&sent("nothing"), 0);
    let ids = |answer: &Answer| serde_json::from_value::<Vec<u64>>(answer.json()["ids"].clone()).unwrap();
    let (first, second) = (ids(&sent("lines:d")), ids(&sent("lines:e")));
    assert!(first[0] < second[0]);
    for (body, status) in [("refuse", 422), ("bad", 502), ("misfit", 502), ("many", 502), ("trap", 502)] {
        let answer = sent(body);
        assert_eq!(answer.status, status, "{body}: {answer:?}");
        // Senders try again after a failure, with the very same; only what was understood and refused is over.
        let again = sent(body);
        assert_eq!(again.status, if status == 422 { 401 } else { status }, "{body}: {again:?}");
    }
    // Who is told to come again may.
    for _ in 0..2 {
        let answer = sent("unavailable");
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
    }
    let more = "Authorization: Bearer canary\r\nCookie: canary\r\nX-Api-Key: canary\r\nX-Hub-Signature: canary\r\nX-Mine: yes\r\n";
    let answer = send(&host, path, &(generic(now, "POST", path, "show") + more), "show");
    let detail = answer.json()["detail"].as_str().unwrap_or_default().to_owned();
    assert!(detail.starts_with("lines local//0 ") && detail.contains("x-mine=yes") && detail.contains("x-timestamp="), "{detail}");
    assert!(!detail.contains("canary") && !detail.contains("x-signature"), "{detail}");
}

#[test]
fn a19_hmac_replay_is_never_made_room_for() {
    let host = plugins().limits(|limits| limits.webhook_replays_max = 2).start();
    let now = now_s();
    let sent = |body: &str| send(&host, "/hooks/hooked/payments", &stripe(now, body), body);
    assert_taken(&sent(r#"{"n":1}"#), 1);
    assert_taken(&sent(r#"{"n":2}"#), 1);
    let full = sent(r#"{"n":3}"#);
    assert_eq!((full.status, full.header("retry-after")), (503, Some("1")), "{full:?}");
    assert_refused(&sent(r#"{"n":1}"#));
}

#[test]
fn a19_hmac_replay_after_the_window_is_too_old() {
    let short = MANIFEST.replace("signature = \"stripe\"", "signature = \"stripe\"\ntolerance = \"1s\"");
    let host = Plugins::new()
        .secret("hook", KEY, false)
        .with_manifest("hooked", &guest("hooked"), &short)
        .limits(|limits| limits.webhook_replays_max = 1)
        .start();
    let (now, body) = (now_s(), "{}");
    assert_taken(&send(&host, "/hooks/hooked/payments", &stripe(now, body), body), 1);
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    // There is room for another one exactly when the first one cannot come again.
    loop {
        assert!(std::time::Instant::now() < deadline, "nothing was forgotten");
        let next = now_s();
        assert_refused(&send(&host, "/hooks/hooked/payments", &stripe(now, body), body));
        if next > now && send(&host, "/hooks/hooked/payments", &stripe(next, body), body).status == 202 {
            break;
        }
    }
    assert_refused(&send(&host, "/hooks/hooked/payments", &stripe(now, body), body));
}

#[test]
fn a_key_that_is_gone_verifies_nothing() {
    let plugins = plugins();
    let file = plugins.secret_file("hook");
    let host = plugins.start();
    std::fs::remove_file(file).unwrap();
    let answer = send(&host, "/hooks/hooked/pushes", &github("{}"), "{}");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
}

#[test]
fn a_webhook_of_a_topic_that_the_catalog_lacks_does_not_load() {
    let wrong = MANIFEST.replace("webhooks.pushes", "webhooks.pushs");
    let host = Plugins::new().secret("hook", KEY, false).with_manifest("hooked", &guest("hooked"), &wrong).start();
    let expected =
        "plugin.toml:3:18: a webhook for the topic \"pushs\", which the plugin's catalog does not have; did you mean \"pushes\"?";
    assert!(host.refusal("hooked").contains(expected), "{}", host.refusal("hooked"));
    let none = Plugins::new().with_manifest("hooked", &guest("hooked"), MANIFEST).start();
    assert!(none.refusal("hooked").contains("which the operator does not offer"), "{}", none.refusal("hooked"));
}

#[test]
fn the_bundled_logs_plugin_takes_alerts() {
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/logs/plugin.toml")).unwrap();
    let plugins = Plugins::new().with_manifest("logs", &guest("logs"), &manifest).folder("logs", false).secret("logs-alerts", KEY, false);
    let host = plugins.start();
    let body = r#"{"severity":"critical","source":"disk-watch","text":"the disk is full"}"#;
    let path = "/hooks/logs/alerts";
    assert_refused(&send(&host, path, &generic(now_s(), "POST", "/hooks/logs/lines", body), body));
    assert_taken(&send(&host, path, &generic(now_s(), "POST", path, body), body), 1);
}
