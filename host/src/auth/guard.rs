//! Host and Origin (2026-07-28, Streamable HTTP, "Security Warning"): a page that made a name point to this machine, or that just posts to
//! it, is refused before anything of its request is looked at. On by default, on every route.

use http::{HeaderMap, Uri, Version, header};
use std::borrow::Cow;

/// Which hosts and origins may speak to us: loopback, and what the operator lists.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No host, two of them, or two that differ: not a proper request.
    #[error("the request has to name one host")]
    MalformedHost,
    /// Not one of ours.
    #[error("this host does not answer under that name; the operator can allow it with `[http] allowed_hosts`")]
    Host,
    /// A page that is not ours.
    #[error("requests from that origin are not allowed; the operator can allow it with `[http] allowed_origins`")]
    Origin,
}

impl Guard {
    /// `hosts` are `name` or `name:port`, `origins` are `scheme://name[:port]`; both in addition to loopback.
    #[must_use]
    pub fn new(hosts: &[String], origins: &[String]) -> Self {
        let lower = |texts: &[String]| texts.iter().map(|text| text.to_ascii_lowercase()).collect();
        Self { hosts: lower(hosts), origins: lower(origins) }
    }

    /// Checks a request's head.
    pub fn check(&self, version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = host_of(version, uri, headers)?;
        if !is_loopback(&host) && !self.hosts.iter().any(|allowed| *allowed == *host || name_of(&host) == allowed) {
            return Err(Refusal::Host);
        }
        let mut origins = headers.get_all(header::ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        let origin = origin.to_str().map_err(|_| Refusal::Origin)?.to_ascii_lowercase();
        let ours = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).is_some_and(|rest| rest == &*host);
        if origins.next().is_some() || !(ours || self.origins.contains(&origin)) {
            return Err(Refusal::Origin);
        }
        Ok(())
    }
}

/// The one host of a request, in lower case and without a trailing dot of the name.
fn host_of<'a>(version: Version, uri: &'a Uri, headers: &'a HeaderMap) -> Result<Cow<'a, str>, Refusal> {
    let mut values = headers.get_all(header::HOST).iter();
    let field = values.next().map(|value| value.to_str().map_err(|_| Refusal::MalformedHost)).transpose()?;
    if values.next().is_some() {
        return Err(Refusal::MalformedHost);
    }
    let host = match (field, uri.authority()) {
        (Some(field), Some(authority)) if field.eq_ignore_ascii_case(authority.as_str()) => field,
        (Some(_), Some(_)) => return Err(Refusal::MalformedHost),
        (Some(field), None) => field,
        (None, Some(authority)) if version >= Version::HTTP_2 => authority.as_str(),
        (None, _) => return Err(Refusal::MalformedHost),
    };
    if host.is_empty() || host.contains(['@', '/', '\\', '?', '#', ' ']) {
        return Err(Refusal::MalformedHost);
    }
    let (name, port) = split_port(host);
    match name.strip_suffix('.') {
        Some(name) => Ok(Cow::Owned(format!("{name}{port}").to_ascii_lowercase())),
        None if host.bytes().any(|byte| byte.is_ascii_uppercase()) => Ok(Cow::Owned(host.to_ascii_lowercase())),
        None => Ok(Cow::Borrowed(host)),
    }
}

/// `name` and `:port`; the colons of an address in brackets are none.
fn split_port(host: &str) -> (&str, &str) {
    match host.rfind(':') {
        Some(colon) if !host.ends_with(']') => host.split_at(colon),
        _ => (host, ""),
    }
}

fn name_of(host: &str) -> &str {
    split_port(host).0
}

/// Names that cannot be made to point elsewhere. The port may differ: it does behind a tunnel, and rebinding is about names.
fn is_loopback(host: &str) -> bool {
    let (name, port) = split_port(host);
    let port_is_number = port.strip_prefix(':').is_none_or(|digits| digits.parse::<u16>().is_ok());
    port_is_number && matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&str, &str)]) -> Result<(), Refusal> {
        let guard = Guard::new(&["mcp.example.com".to_owned()], &["https://app.example.com".to_owned()]);
        let headers = pairs.iter().map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()));
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| {
            map.append(name, value);
        });
        guard.check(Version::HTTP_11, &Uri::from_static("/mcp"), &map)
    }

    #[test]
    fn foreign_host() {
        for good in ["localhost:8484", "127.0.0.1", "[::1]:8484", "LOCALHOST", "localhost.:80", "mcp.example.com", "MCP.example.com:443"] {
            assert_eq!(check(&[("host", good)]), Ok(()), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.tld",
            "127.0.0.1.evil.tld",
            "[::1].evil",
            "10.0.0.7:8484",
            "0.0.0.0",
            "127.0.0.2",
            "localhost:x",
            "evil.com:localhost",
            "sub.mcp.example.com",
            "mcp.example.com.evil.net",
            "[::1",
        ] {
            assert_eq!(check(&[("host", bad)]), Err(Refusal::Host), "{bad}");
        }
        for malformed in [&[][..], &[("host", "localhost"), ("host", "localhost")], &[("host", "a@localhost")], &[("host", "")]] {
            assert_eq!(check(malformed), Err(Refusal::MalformedHost), "{malformed:?}");
        }
    }

    #[test]
    fn absolute_form_has_to_agree() {
        let guard = Guard::default();
        let headers: HeaderMap = [(header::HOST, "localhost".parse().unwrap())].into_iter().collect();
        assert_eq!(guard.check(Version::HTTP_11, &Uri::from_static("http://localhost/mcp"), &headers), Ok(()));
        assert_eq!(guard.check(Version::HTTP_11, &Uri::from_static("http://evil/mcp"), &headers), Err(Refusal::MalformedHost));
        assert_eq!(guard.check(Version::HTTP_11, &Uri::from_static("http://localhost/"), &HeaderMap::new()), Err(Refusal::MalformedHost));
        assert_eq!(guard.check(Version::HTTP_2, &Uri::from_static("http://localhost/"), &HeaderMap::new()), Ok(()));
    }

    #[test]
    fn foreign_origin() {
        let with = |origin| check(&[("host", "localhost:8484"), ("origin", origin)]);
        for good in ["http://localhost:8484", "https://app.example.com", "HTTP://LOCALHOST:8484"] {
            assert_eq!(with(good), Ok(()), "{good}");
        }
        for bad in [
            "null",
            "",
            "http://evil.example",
            "http://localhost",
            "http://localhost:3000",
            "http://localhost.evil.tld:8484",
            "http://[::1].evil",
            "ftp://localhost:8484",
            "http://localhost:8484/",
            "https://app.example.com.evil.net",
            "localhost:8484",
        ] {
            assert_eq!(with(bad), Err(Refusal::Origin), "{bad}");
        }
        let two = check(&[("host", "localhost:8484"), ("origin", "http://localhost:8484"), ("origin", "http://localhost:8484")]);
        assert_eq!(two, Err(Refusal::Origin));
    }
}
