//! Which requests a grant means.

use super::{HttpGrant, Method, Target};
use crate::grants::{Grants, Offered, OfferedSecret};
use crate::manifest::Manifest;
use std::time::Duration;

fn resolve(lines: &str, private: &[&str]) -> Result<HttpGrant, String> {
    let text = format!("name = \"tickets\"\n[grants.http]\n{lines}");
    let manifest = Manifest::parse(&text, "plugin.toml").map_err(|error| error.to_string())?;
    let private = private.iter().map(|range| range.parse().unwrap()).collect();
    let bound = OfferedSecret { hosts: Some(vec!["bound.example.com".to_owned()]), reveal: false };
    let secrets = [("t".to_owned(), OfferedSecret::default()), ("bound".to_owned(), bound)].into();
    let grants = Grants::resolve(&manifest, &Offered { private, secrets, ..Offered::default() }).map_err(|error| error.to_string())?;
    Ok(grants.http.unwrap())
}

fn grant(allow: &str) -> HttpGrant {
    resolve(&format!("allow = [{allow}]"), &["127.0.0.0/8", "10.0.0.0/8"]).unwrap()
}

fn target(url: &str) -> Target {
    Target::parse(url).unwrap_or_else(|why| panic!("{url}: {why}"))
}

#[test]
fn s10_a_url_is_read_as_the_dialler_reads_it_or_refused() {
    for bad in [
        "http://allowed.com\\@evil.com/",
        "http://ａllowed.com/",
        "https://user@allowed.com/",
        "https://user:pw@allowed.com/",
        "https://allowed.com@evil.com/",
        "https://allowed.com:80@evil.com",
        "https://allowed.com\t/",
        "https://allowed.com/a b",
        "https://",
        "https:///x",
        "//allowed.com/",
        "/x",
        "allowed.com",
        "ftp://allowed.com/",
        "file:///etc/passwd",
        "https://allowed.com:0/",
        "https://allowed.com:/",
        "https://allowed.com:99999/",
        "https://allowed%2ecom/",
        "https://allowed.com%00.evil.com/",
        "https://*.com/",
        "https://allowed.com/../x",
        "https://allowed.com/%2e%2e/x",
        "https://allowed.com/a%2fb",
        "https://[::1/",
        "https://::1/",
        "",
        "https://allowed.com/\r\nX: y",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://017700000001/",
        "javascript:1",
    ] {
        assert!(Target::parse(bad).is_err(), "{bad:?}: {:?}", Target::parse(bad));
    }
    for (url, read) in [
        ("https://allowed.com#@evil.com/", "https://allowed.com/"),
        ("https://allowed.com?@evil.com/", "https://allowed.com/?@evil.com/"),
        ("https://ALLOWED.com.:443/a?b=c#d", "https://allowed.com/a?b=c"),
        ("HTTPS://allowed.com", "https://allowed.com/"),
        ("http://[0::1]:80/", "http://[::1]/"),
        ("http://allowed.com:8080/x", "http://allowed.com:8080/x"),
    ] {
        assert_eq!(target(url).to_string(), read, "{url}");
    }
}

#[test]
fn s13_scheme_port_method_and_path_have_to_be_granted() {
    let grant = grant("\"GET,POST https://api.example.com/v1/**\", \"http://plain.example.com:8080\", \"https://*.wide.example\"");
    for (method, url) in [
        (Method::Get, "https://api.example.com/v1/x"),
        (Method::Post, "https://API.example.com.:443/v1/?q=../.."),
        (Method::Head, "http://plain.example.com:8080/any/thing"),
        (Method::Get, "https://a.b.wide.example/"),
    ] {
        assert!(grant.allows(method, &target(url)), "{url}");
    }
    for (method, url) in [
        (Method::Get, "http://api.example.com/v1/x"),
        (Method::Get, "https://api.example.com:8443/v1/x"),
        (Method::Get, "https://api.example.com/v2/x"),
        (Method::Get, "https://api.example.com/"),
        (Method::Delete, "https://api.example.com/v1/x"),
        (Method::Head, "https://api.example.com/v1/x"),
        (Method::Get, "https://plain.example.com:8080/"),
        (Method::Get, "http://plain.example.com/"),
        (Method::Post, "http://plain.example.com:8080/"),
        (Method::Get, "https://wide.example/"),
        (Method::Get, "https://evilwide.example/"),
        (Method::Get, "https://evil.net/v1/x"),
    ] {
        assert!(!grant.allows(method, &target(url)), "{method:?} {url}");
    }
}

#[test]
fn m08_addresses_and_names_of_private_networks_need_the_operators_word() {
    for (url, range) in [
        ("https://localhost", "127.0.0.1/32"),
        ("http://api.localhost:80", "127.0.0.0/8"),
        ("http://127.0.0.1:8080", "127.0.0.1/32"),
        ("http://[::1]", "::1/128"),
        ("https://10.1.2.3", "10.1.0.0/16"),
        ("https://8.8.8.8", "8.8.8.8/32"),
        ("https://intranet", "10.0.0.0/8"),
    ] {
        let lines = format!("allow = [\n  \"{url}\"]");
        let refused = resolve(
            &lines,
            &["192.168.7.0/24"]
                .map(|range| if url.contains("intranet") { "" } else { range })
                .into_iter()
                .filter(|range| !range.is_empty())
                .collect::<Vec<_>>(),
        )
        .unwrap_err();
        assert!(refused.starts_with("plugin.toml:4:3: \"allow\" in [grants.http] asks for "), "{refused}");
        assert!(refused.contains("[egress] with private = ["), "{refused}");
        assert!(resolve(&lines, &[range]).is_ok(), "{url}");
    }
}

#[test]
fn s08_a_location_leads_where_the_standard_says() {
    let base = target("https://a.example/b/c?d=e");
    for (location, leads) in [
        ("https://x.example/y", "https://x.example/y"),
        ("//x.example/y#z", "https://x.example/y"),
        ("/y?z", "https://a.example/y?z"),
        ("y", "https://a.example/b/y"),
        ("?y", "https://a.example/b/c?y"),
        ("#y", "https://a.example/b/c?d=e"),
        ("y:z/x", ""),
        ("../y", ""),
        ("http://169.254.169.254/", "http://169.254.169.254/"),
        ("//user@x.example/", ""),
        ("http:///y", ""),
        ("y?u=http://x/", "https://a.example/b/y?u=http://x/"),
    ] {
        assert_eq!(base.join(location).map(|target| target.to_string()).unwrap_or_default(), leads, "{location}");
    }
}

#[test]
fn d19_secret_header_goes_to_its_host_only_and_not_in_the_clear() {
    let grant = |allow: &str| {
        let lines = format!("allow = [{allow}]\n[grants.http.headers.\"api.example.com\"]\nauthorization = \"Bearer ${{secret:t}}\"");
        resolve(&lines, &[]).unwrap()
    };
    let put = |grant: &HttpGrant, url: &str| grant.headers_for(&target(url).origin).count();
    let both = grant("\"https://api.example.com\", \"http://api.example.com\", \"https://*.example.com\"");
    assert_eq!(put(&both, "https://API.example.com./"), 1);
    for other in ["http://api.example.com/", "https://b.example.com/", "https://evil.net/", "https://api.example.com.evil.net/"] {
        assert_eq!(put(&both, other), 0, "{other}");
    }
    assert_eq!(put(&grant("\"http://api.example.com\""), "http://api.example.com/"), 1);
}

#[test]
fn d19_secret_header_needs_a_secret_that_is_offered_for_its_host() {
    let lines = |host: &str, secret: &str| {
        format!("allow = [\"*.example.com\"]\n[grants.http.headers.\"{host}\"]\nx-key = \"${{secret:{secret}}}\"")
    };
    assert!(resolve(&lines("BOUND.example.com.", "bound"), &[]).is_ok());
    let other = resolve(&lines("other.example.com", "bound"), &[]).unwrap_err();
    assert!(other.starts_with("plugin.toml:5:1: ") && other.contains("binds it to other hosts"), "{other}");
    assert!(!other.contains("bound.example.com"), "{other}");
    let unknown = resolve(&lines("other.example.com", "boud"), &[]).unwrap_err();
    assert!(unknown.contains("did you mean ${secret:bound}?"), "{unknown}");
}

#[test]
fn of_every_limit_of_requests_the_lower_holds() {
    let host = crate::limits::Limits::default();
    let low = resolve(
        "allow = [\"a.example\"]\nredirects = 2\ntimeout = \"1s\"\nresponse = \"1KiB\"\nconcurrency = 1\n[grants.http.retry]\nattempts = 2\n\
         [grants.http.cache]\nttl = \"1s\"\nsize = \"1KiB\"",
        &[],
    );
    let low = low.unwrap();
    assert_eq!((low.redirects_max, low.total_time_max, low.response_bytes_max), (2, Duration::from_secs(1), 1024));
    assert_eq!((low.concurrency_max, low.retry.unwrap().attempts_max, low.cache.unwrap().size_bytes_max), (1, 2, 1024));
    let high = resolve(
        "allow = [\"a.example\"]\nredirects = 999\ntimeout = \"1h\"\nresponse = \"1GiB\"\nconcurrency = 9999\n[grants.http.retry]\n\
         attempts = 99\n[grants.http.cache]\nttl = \"1s\"\nsize = \"1GiB\"",
        &[],
    );
    let high = high.unwrap();
    assert_eq!((high.redirects_max, high.total_time_max), (host.http_redirects_max, host.http_time_max));
    assert_eq!((high.response_bytes_max, high.concurrency_max), (host.http_response_bytes_max, host.http_plugin_requests_max));
    assert_eq!(high.retry.unwrap().attempts_max, host.http_attempts_max);
    assert_eq!(high.cache.unwrap().size_bytes_max, host.http_cache_bytes_max);
}
