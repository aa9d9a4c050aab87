//! Requests of guests through a whole host: our own interface and the standard one, and the bundled `web` plugin.

use serde_json::{Value, json};
use std::time::Duration;
use tests::client;
use tests::host::{Plugins, TestHost, guest, manifest};
use tests::upstream::{SILENCE, Upstream, response};

const CANARY: &str = "canary-9d2e";

/// A host with a plugin that may call one upstream, and the upstream.
fn host(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> (TestHost, Upstream) {
    let plugins = Plugins::new().secret("token", CANARY, false);
    let ca = plugins.scratch().join("ca.pem");
    let upstream = Upstream::start("api.example.com", &ca, answer);
    let manifest = format!(
        "name = \"fetcher\"\n[grants.http]\nallow = [\"GET,POST https://api.example.com:{0}/v1/**\", \"GET https://inside.example.com:{0}\"]\n\
         [grants.http.headers.\"api.example.com\"]\nauthorization = \"Bearer ${{secret:token}}\"\n",
        upstream.port
    );
    let host = plugins
        .with_manifest("fetcher", &guest("fetcher"), &manifest)
        .operator(move |config| {
            config.egress.private = vec!["127.0.0.1/32".parse().unwrap()];
            config.egress.ca = Some(ca.clone());
        })
        .limits(|limits| limits.http_head_time_max = Duration::from_millis(500))
        .start();
    (host, upstream)
}

/// What the plugin got, by either interface.
fn ask(host: &TestHost, interface: &str, arguments: &Value) -> Value {
    let answer = client::call(host.address, &format!("fetcher_{interface}"), arguments.clone());
    let json: Value = serde_json::from_str(&answer.text()).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    if interface == "standard" { json[0].clone() } else { json }
}

#[test]
fn both_interfaces_make_the_request_that_was_granted_and_the_host_puts_in_the_secret() {
    let (host, upstream) = host(|request| response("200 OK", "X-Length: 1\r\n", request.split("\r\n\r\n").nth(1).unwrap_or("")));
    for interface in ["fetch", "standard"] {
        let url = format!("https://api.example.com:{}/v1/items?q=1", upstream.port);
        let got = ask(
            &host,
            interface,
            &json!({"url": url, "method": "POST", "headers": [["x-mine", "a"], ["authorization", "guess"]], "body": "hello"}),
        );
        assert_eq!((&got["status"], &got["error"]), (&json!(200), &json!("")), "{interface}: {got}");
        assert!(got["body"].as_str().unwrap().contains("hello"), "{interface}: {got}");
        assert!(!got.to_string().contains(CANARY), "{interface}: {got}");
    }
    for request in upstream.requests() {
        assert!(request.starts_with("POST /v1/items?q=1 HTTP/1.1\r\n") && request.contains("x-mine: a\r\n"), "{request}");
        assert!(request.contains(&format!("authorization: Bearer {CANARY}\r\n")) && !request.contains("guess"), "{request}");
        assert!(request.contains(&format!("host: api.example.com:{}\r\n", upstream.port)), "{request}");
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn s01_to_s13_what_was_not_granted_is_denied_by_both_interfaces() {
    let (host, upstream) = host(|_| response("200 OK", "", "never"));
    let port = upstream.port;
    for url in [
        format!("https://127.0.0.1:{port}/v1/x"),
        format!("http://127.0.0.1:{}/health", host.address.port()),
        format!("https://[::ffff:127.0.0.1]:{port}/v1/x"),
        format!("https://0x7f.1:{port}/v1/x"),
        format!("https://2130706433:{port}/v1/x"),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        format!("https://inside.example.com:{port}/"),
        format!("https://api.example.com:{port}/v2/x"),
        format!("https://api.example.com:{port}/v1/../v2/x"),
        format!("https://api.example.com:{port}/v1/%2e%2e/v2/x"),
        "https://api.example.com/v1/x".to_owned(),
        format!("http://api.example.com:{port}/v1/x"),
        format!("https://evil-api.example.com:{port}/v1/x"),
        format!("https://api.example.com.evil.net:{port}/v1/x"),
        format!("https://api.example.com@evil.net:{port}/v1/x"),
    ] {
        for interface in ["fetch", "standard"] {
            let got = ask(&host, interface, &json!({ "url": url }));
            assert_eq!((&got["status"], got["error"] == ""), (&json!(0), false), "{interface} {url}: {got}");
            assert!(!got.to_string().contains("10.0.0.1"), "{interface} {url}: {got}");
        }
    }
    assert_eq!(upstream.requests(), Vec::<String>::new());
}

#[test]
fn s14_header_tricks_are_refused_by_the_standard_interface_too() {
    let (host, upstream) = host(|_| response("200 OK", "", "never"));
    let url = format!("https://api.example.com:{}/v1/x", upstream.port);
    for (name, value) in
        [("host", "evil.example"), ("connection", "close"), ("te", "trailers"), ("proxy-x", "y"), ("upgrade", "h2c"), ("x", "a\r\nb: c")]
    {
        for interface in ["fetch", "standard"] {
            let got = ask(&host, interface, &json!({"url": url, "headers": [[name, value]]}));
            assert!(got["status"] == 0 && got["error"] != "", "{interface} {name}: {got}");
        }
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn s16_and_s20_the_standard_interface_has_the_same_deadlines_and_slots() {
    let (host, upstream) = host(|_| SILENCE.to_owned());
    let url = format!("https://api.example.com:{}/v1/x", upstream.port);
    let answer = client::call(host.address, "fetcher_standard", json!({"url": url, "timeout_ms": 600_000, "times": 10}));
    let all: Vec<Value> = serde_json::from_str(&answer.text()).unwrap();
    let count = |what: &str| all.iter().filter(|got| got["error"].as_str().unwrap().contains(what)).count();
    assert_eq!((count("HttpResponseTimeout"), count("ConnectionLimitReached")), (6, 4), "{all:?}");
    let late = ask(&host, "fetch", &json!({"url": url, "timeout_ms": 600_000}));
    assert!(late["error"].as_str().unwrap().starts_with("timeout: "), "{late}");
}

#[test]
fn a_component_that_makes_requests_does_not_load_without_the_grant() {
    let host = Plugins::new().guest("fetcher").start();
    let why = host.refusal("fetcher");
    assert!(why.contains("http") && why.contains("[grants.http]\nallow = ["), "{why}");
    // And one whose secret nobody offers says which.
    let lines = manifest("fetcher") + "[grants.http.headers.\"api.example.com\"]\nx-key = \"${secret:token}\"\n";
    let host = Plugins::new().with_manifest("fetcher", &guest("fetcher"), &lines).start();
    assert!(host.refusal("fetcher").contains("needs the secret \"token\", which the operator does not offer"));
}

#[test]
fn the_web_plugin_reads_pages_and_apis_and_keeps_them() {
    let plugins = Plugins::new();
    let ca = plugins.scratch().join("ca.pem");
    let page = "<html><head><title>A &amp; B</title><style>p { color: red }</style></head><body><h1>Hello</h1><p>One\n  two <b>three</b>.\
                <a href='/next?a=1&amp;b=2'>Next page</a></p><script>alert('<p>never</p>')</script><!-- <p>nor this</p> --><p>2 &lt; 3 &#8364;</p>";
    let upstream = Upstream::start("pages.example.com", &ca, move |request| {
        if request.starts_with("GET /json ") {
            response("200 OK", "Content-Type: application/json\r\n", "{\"items\":[{\"name\":\"rope\"}]}")
        } else if request.starts_with("GET /page ") {
            response("200 OK", "Content-Type: text/html; charset=utf-8\r\n", page)
        } else {
            response("404 Not Found", "", "")
        }
    });
    let base = format!("https://pages.example.com:{}", upstream.port);
    let bundled = include_str!("../../plugins/web/plugin.toml").replace("https://example.com", &base);
    let host = plugins
        .with_manifest("web", &guest("web"), &bundled)
        .operator(move |config| {
            config.egress.private = vec!["127.0.0.1/32".parse().unwrap()];
            config.egress.ca = Some(ca.clone());
        })
        .start();
    let call = |tool: &str, arguments: Value| client::call(host.address, &format!("web_{tool}"), arguments).json()["result"].clone();
    let read = call("fetch_page", json!({"url": format!("{base}/page")}))["structuredContent"].clone();
    assert_eq!((&read["title"], &read["source"]), (&json!("A & B"), &json!("upstream")), "{read}");
    assert_eq!(read["text"], "Hello\nOne two three.Next page\n2 < 3 €");
    assert_eq!(read["links"], json!([{"text": "Next page", "href": "/next?a=1&b=2"}]));
    let cut = call("fetch_page", json!({"url": format!("{base}/page"), "max_chars": 5}))["structuredContent"].clone();
    assert_eq!((&cut["text"], &cut["truncated"], &cut["source"]), (&json!("Hello"), &json!(true), &json!("cache")));
    let part = call("fetch_json", json!({"url": format!("{base}/json"), "pointer": "/items/0/name"}))["structuredContent"].clone();
    assert_eq!(part["value"], "rope");
    for (tool, arguments, why) in [
        ("fetch_json", json!({"url": format!("{base}/json"), "pointer": "/nothing"}), "there is nothing at"),
        ("fetch_json", json!({"url": format!("{base}/page")}), "not JSON"),
        ("fetch_page", json!({"url": format!("{base}/none")}), "404"),
        ("fetch_page", json!({"url": "https://other.example.com/"}), "not in \"allow\""),
    ] {
        let failed = call(tool, arguments);
        assert!(failed["isError"] == true && failed.to_string().contains(&why.replace('"', "\\\"")), "{failed}");
    }
    assert_eq!(upstream.requests().iter().filter(|request| request.starts_with("GET /page ")).count(), 2, "other headers are another page");
}
