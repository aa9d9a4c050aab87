//! Which names clients may call the host by, and which web pages may call it. Exact names only: a pattern is what DNS rebinding wants.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::manifest::quoted;

/// A host that clients may name in `Host`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllowedHost {
    /// A DNS name in lower case, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    /// The port that has to stand behind it; none means that any may, or none.
    pub port: Option<u16>,
}

/// A web origin whose pages may call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllowedOrigin {
    /// The scheme, in lower case.
    pub scheme: String,
    /// A DNS name in lower case, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    /// The port; none for the scheme's own, as browsers send it.
    pub port: Option<u16>,
}

impl AllowedHost {
    /// Checks and takes `host` or `host:port`. The error says what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some((_, rest)) = text.split_once("://") {
            let host = rest.split('/').next().unwrap_or_default();
            return Err(Self::parse(host).map_or_else(|why| why, |host| format!("leave out the rest of the URL: \"{host}\"")));
        }
        if let Some((host, _)) = text.split_once('/') {
            return Err(format!("leave out the path: {}", quoted(host)));
        }
        let (host, port) = split_port(text)?;
        Ok(Self { host: host_name(host)?, port })
    }
}

impl AllowedOrigin {
    /// Checks and takes `scheme://host` or `scheme://host:port`. The error says what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "null" {
            return Err("sandboxed frames and local files of anybody send null: it cannot be allowed".to_owned());
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            let host = AllowedHost::parse(text);
            return Err(host.map_or_else(|why| why, |host| format!("write the scheme: \"https://{host}\"")));
        };
        let scheme = scheme.to_ascii_lowercase();
        let in_scheme = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        if !scheme.starts_with(|c: char| c.is_ascii_lowercase()) || !scheme.bytes().all(in_scheme) {
            return Err("a scheme is a word such as https".to_owned());
        }
        if let Some((host, _)) = rest.split_once(['/', '?', '#']) {
            return Err(format!("an origin has no path: {}", quoted(&format!("{scheme}://{host}"))));
        }
        let (host, port) = split_port(rest)?;
        let own_port = match scheme.as_str() {
            "http" => Some(80),
            "https" => Some(443),
            _ => None,
        };
        Ok(Self { host: host_name(host)?, port: port.filter(|port| Some(*port) != own_port), scheme })
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.iter().try_for_each(|port| write!(f, ":{port}"))
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.iter().try_for_each(|port| write!(f, ":{port}"))
    }
}

/// `host:port`, `[::1]:port`, or without the port.
fn split_port(text: &str) -> Result<(&str, Option<u16>), String> {
    let bracket = text.find(']').unwrap_or(0);
    let Some(colon) = text.rfind(':').filter(|colon| *colon > bracket) else {
        return Ok((text, None));
    };
    let (host, port) = text.split_at(colon);
    if host.contains(':') && bracket == 0 {
        return Err(format!("an IPv6 address stands in brackets: {}", quoted(&format!("[{text}]"))));
    }
    let digits = port.trim_start_matches(':');
    match digits.parse::<u16>() {
        Ok(number) if number > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Ok((host, Some(number))),
        _ => Err("a port is a number from 1 to 65535".to_owned()),
    }
}

fn host_name(text: &str) -> Result<String, String> {
    let host = text.to_ascii_lowercase();
    if host.contains('*') {
        return Err("patterns are not allowed: write every name in full".to_owned());
    }
    if host.contains('@') {
        return Err("leave out what stands before the @".to_owned());
    }
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        let address: Ipv6Addr = address.parse().map_err(|_| "this is not an IPv6 address".to_owned())?;
        return Ok(format!("[{address}]"));
    }
    if !host.is_ascii() {
        return Err("write the name as DNS does, beginning with xn--".to_owned());
    }
    let in_label = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let is_label =
        |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(in_label) && !label.starts_with('-') && !label.ends_with('-');
    if host.len() > 253 || !host.split('.').all(is_label) {
        return Err("a name has letters, digits, - and dots between them".to_owned());
    }
    let number_last = host.rsplit('.').next().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    if number_last && host.parse::<Ipv4Addr>().is_err() {
        return Err("this is not an IPv4 address".to_owned());
    }
    Ok(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_origins_are_taken_as_browsers_send_them() {
        for (text, taken) in [
            ("MCP.Example.com", "mcp.example.com"),
            ("mcp.example.com:8443", "mcp.example.com:8443"),
            ("192.168.0.7:80", "192.168.0.7:80"),
            ("[0:0::1]:8484", "[::1]:8484"),
            ("[FE80::1]", "[fe80::1]"),
            ("cofferdam", "cofferdam"),
        ] {
            assert_eq!(AllowedHost::parse(text).map(|host| host.to_string()), Ok(taken.to_owned()));
        }
        for (text, taken) in [
            ("https://Example.com:443", "https://example.com"),
            ("http://example.com:443", "http://example.com:443"),
            ("HTTP://localhost:80", "http://localhost"),
            ("vscode-webview://0a1b2c", "vscode-webview://0a1b2c"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ] {
            assert_eq!(AllowedOrigin::parse(text).map(|origin| origin.to_string()), Ok(taken.to_owned()));
        }
    }

    #[test]
    fn what_is_not_exact_is_refused() {
        for bad in ["", "*", "*.example.com", "a..b", ".a", "a.", "-a", "a b", "a/b", "a:0", "a:65536", "a:+80", "a:", "::1", "[::1", "[a]"]
        {
            assert!(AllowedHost::parse(bad).is_err(), "{bad}");
            assert!(AllowedOrigin::parse(&format!("https://{bad}")).is_err(), "{bad}");
        }
        for bad in ["u:p@a", "u@a", "bücher.example", "1.2.3", "300.1.1.1", "https://a", "a:80:80", "[::1]a", "[::1].evil", "[::1]:80.evil"]
        {
            assert!(AllowedHost::parse(bad).is_err(), "{bad}");
        }
        for bad in
            ["null", "*", "example.com", "//example.com", "https:example.com", "https://a/", "https://a?b", "1s://a", "https://", "file://"]
        {
            assert!(AllowedOrigin::parse(bad).is_err(), "{bad}");
        }
    }
}
