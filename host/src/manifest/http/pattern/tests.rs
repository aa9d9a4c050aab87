//! Patterns: what they say, what they mean, and what is too much.

use super::{Host, Method, Pattern, Scheme, check_path};

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"))
}

#[test]
fn a_pattern_is_read_and_written_in_one_form() {
    for (text, form) in [
        ("https://api.example.com", "GET,HEAD https://api.example.com/**"),
        ("api.example.com/v1/*/items", "GET,HEAD https://api.example.com/v1/*/items"),
        ("POST,GET,GET https://API.Example.com.:443/", "GET,POST https://api.example.com/"),
        ("DELETE http://*.example.com:8080/a/**", "DELETE http://*.example.com:8080/a/**"),
        ("https://[0::1]:8443/x", "GET,HEAD https://[::1]:8443/x"),
        ("PUT https://10.1.2.3/**", "PUT https://10.1.2.3/**"),
        ("https://*.example.co.uk/%20", "GET,HEAD https://*.example.co.uk/%20"),
    ] {
        assert_eq!(pattern(text).to_string(), form);
        assert_eq!(pattern(form), pattern(text));
    }
    let plain = pattern("http://a.example");
    assert_eq!((plain.scheme, plain.port, plain.methods), (Scheme::Http, 80, vec![Method::Get, Method::Head]));
}

#[test]
fn m08_wide_hosts_are_refused() {
    for wide in [
        "*",
        "**",
        "https://*",
        "https://*:*",
        "https://*/",
        "*.com",
        "https://*.co.uk",
        "https://*.github.io/",
        "https://*.localhost",
        "https://**.example.com",
        "https://a*.example.com",
        "https://a.*.com",
        "https://*example.com",
        "https://*.*.example.com",
        "https://*.10.1.2.3",
        "https://*.[::1]",
        "https://user@example.com",
        "https://user:secret@example.com/",
        "https://a@b@example.com",
        "https://*.s3.amazonaws.com",
    ] {
        assert!(Pattern::parse(wide).is_err(), "{wide}");
    }
}

#[test]
fn m09_malformed_patterns_are_refused() {
    for bad in [
        "",
        " ",
        "GET",
        "GET ",
        " https://a.example",
        "GET  https://a.example",
        "GET https://a.example /x",
        "get https://a.example",
        "FETCH https://a.example",
        "GET, HEAD https://a.example",
        "GET,, https://a.example",
        "* https://a.example",
        "CONNECT https://a.example",
        "TRACE https://a.example",
        "ftp://a.example",
        "HTTPS://a.example",
        "https:/a.example",
        "https:///x",
        "https://a.example:",
        "https://a.example:0",
        "https://a.example:65536",
        "https://a.example:+80",
        "https://a.example:80:80",
        "https://a.example:*",
        "https://::1/",
        "https://a.example/?q=1",
        "https://a.example#x",
        "https://a.example?x",
        "https://a.example/v1/**/x",
        "https://a.example/v*/x",
        "https://a.example/***",
        "https://a.example//x",
        "https://a.example/../x",
        "https://a.example/./x",
        "https://a.example/%2e%2e/x",
        "https://a.example/a%2Fb",
        "https://a.example/ä",
        "https://ä.example/",
        "https://ａ.example/",
        "https://a\\.example",
        "https://127.1/",
        "https://0x7f.1/",
        "https://2130706433",
        "https://a.example/\u{0}",
        "https://a.example/{id}",
    ] {
        assert!(Pattern::parse(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn s12_names_that_only_look_alike_do_not_match() {
    let name = |name: &str| Host::parse(name).unwrap();
    let (exact, below) = (pattern("https://example.com"), pattern("https://*.example.com"));
    assert!(exact.reaches(&name("example.com")) && exact.reaches(&name("EXAMPLE.com.")));
    assert!(below.reaches(&name("a.example.com")) && below.reaches(&name("a.b.example.com")));
    for other in ["evil-example.com", "example.com.evil.net", "xexample.com", "example.co", "example.comm", "com", "10.0.0.1"] {
        assert!(!exact.reaches(&name(other)) && !below.reaches(&name(other)), "{other}");
    }
    assert!(!exact.reaches(&name("a.example.com")), "an exact name is only itself");
    assert!(!below.reaches(&name("example.com")), "the apex is not below itself");
}

#[test]
fn a_path_matches_part_by_part() {
    for (glob, yes, no) in [
        ("/**", &["/", "/a", "/a/b", "//"][..], &[][..]),
        ("/v1/**", &["/v1/", "/v1/a", "/v1/a/b", "/v1//a"], &["/v1", "/", "/v2/a", "/v1a", "/V1/a", "/x/v1/a"]),
        ("/v1/*/items", &["/v1/a/items"], &["/v1//items", "/v1/a/b/items", "/v1/a/items/", "/v1/items", "/v1/a/items/x"]),
        ("/v1/*", &["/v1/a"], &["/v1/", "/v1", "/v1/a/", "/v1/a/b"]),
        ("/*/**", &["/a/", "/a/b/c"], &["/", "/a", "//a"]),
        ("/", &["/"], &["/a", "//"]),
        ("/a/", &["/a/"], &["/a", "/a/b"]),
        ("/a%20b", &["/a%20b"], &["/a b", "/a%20B"]),
    ] {
        let pattern = pattern(&format!("https://a.example{glob}"));
        for path in yes {
            assert!(pattern.leads_to(path), "{glob} {path}");
        }
        for path in no {
            assert!(!pattern.leads_to(path), "{glob} {path}");
        }
    }
}

#[test]
fn s10_paths_that_can_be_read_in_two_ways_are_refused() {
    for bad in [
        "/..",
        "/../",
        "/a/../b",
        "/.",
        "/a/./b",
        "/%2e%2e/",
        "/%2E./x",
        "/.%2e",
        "/a/..;/b",
        "/..;x=1/b",
        "/%252e%252e/",
        "/a%2fb",
        "/a%2Fb",
        "/a%5cb",
        "/a%5Cb",
        "/a\\b",
        "/a%252fb",
        "/a b",
        "/a\tb",
        "/ä",
        "/a%00",
        "/..%3bx/y",
        "/a\u{7f}",
        "/%25252e./",
    ] {
        assert!(check_path(bad).is_err(), "{bad}");
    }
    for good in ["/", "/a..b", "/...", "/a/..b/c", "/%20", "/a%25b", "/a;b=c", "/~a/$&'()*+,;=:@!", "/.well-known/x", "//a", "/%2"] {
        assert_eq!(check_path(good), Ok(()), "{good}");
    }
}
