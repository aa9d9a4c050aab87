//! Hosts as URLs name them. One reading for grants and for requests, so that what was checked is what is dialled.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host of a URL: a DNS name in lower case without its last dot, or an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A DNS name.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Host {
    /// Checks and takes a host. The error says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(rest) = text.strip_prefix('[') {
            let address = rest.strip_suffix(']').and_then(|text| text.parse::<Ipv6Addr>().ok());
            return address.map(|address| Self::Address(address.into())).ok_or("this is not an IPv6 address");
        }
        if text.is_empty() {
            return Err("the host is missing");
        }
        if !text.is_ascii() {
            return Err("write the name as DNS does, beginning with xn--");
        }
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        let in_label = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        let is_label = |label: &str| {
            (1..=63).contains(&label.len()) && label.bytes().all(in_label) && !label.starts_with('-') && !label.ends_with('-')
        };
        if name.len() > 253 || !name.split('.').all(is_label) {
            return Err("a name has letters, digits, - and dots between them");
        }
        // Resolvers take 127.1, 0x7f.1 and 2130706433 for addresses.
        if name.rsplit('.').next().is_some_and(looks_like_a_number) {
            let address = text.parse::<Ipv4Addr>();
            return address.map(|address| Self::Address(address.into())).map_err(|_| "a name whose last part is a number is no name");
        }
        Ok(Self::Name(name))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

fn looks_like_a_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
    hexadecimal || label.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::Host;

    #[test]
    fn s11_the_same_host_in_other_forms_is_one_host() {
        for form in ["api.example.com", "API.Example.COM", "api.example.com.", "aPi.example.com."] {
            assert_eq!(Host::parse(form), Ok(Host::Name("api.example.com".to_owned())), "{form}");
        }
        assert_eq!(Host::parse("XN--Bcher-kva.example"), Ok(Host::Name("xn--bcher-kva.example".to_owned())));
        assert_eq!(Host::parse("[0:0::1]").map(|host| host.to_string()), Ok("[::1]".to_owned()));
        assert_eq!(Host::parse("10.1.2.3").map(|host| host.to_string()), Ok("10.1.2.3".to_owned()));
    }

    #[test]
    fn s04_names_that_a_resolver_takes_for_numbers_are_refused() {
        for numeric in [
            "0x7f.1",
            "127.1",
            "2130706433",
            "017700000001",
            "0x7f000001",
            "127.0.1",
            "0177.0.0.1",
            "127.0.0.01",
            "1.2.3.4.5",
            "256.1.1.1",
            "127.0.0.1.",
            "0x7F.0x0.0x0.0x1",
            "example.123",
            "0x",
            "a.0X1",
        ] {
            assert!(Host::parse(numeric).is_err(), "{numeric}");
        }
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let long = format!("{}.example", "a".repeat(64));
        let longer = ["abcdefgh"; 32].join(".");
        for bad in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a..",
            "-a.example",
            "a-.example",
            "a b",
            "a\tb",
            "ａllowed.com",
            "bücher.example",
            "a@b",
            "a:b",
            "a/b",
            "a\\b",
            "a%2eb",
            "[::1",
            "::1",
            "[::1%eth0]",
            "[1.2.3.4]",
            "*.a",
            "a\0b",
            &long,
            &longer,
        ] {
            assert!(Host::parse(bad).is_err(), "{bad}");
        }
    }
}
