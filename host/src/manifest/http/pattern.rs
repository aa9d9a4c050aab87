//! Patterns of requests: `GET,HEAD https://api.example.com/v1/**`.

use std::fmt;

use super::host::Host;
use crate::manifest::{closest, listed, quoted};

/// A request's method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Reads only the head.
    Head,
    /// Asks what may be asked.
    Options,
    /// Does something.
    Post,
    /// Puts something in the place of another.
    Put,
    /// Changes a part.
    Patch,
    /// Takes away.
    Delete,
}

/// How a request travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// With TLS.
    Https,
    /// In the clear.
    Http,
}

/// Which hosts a pattern means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// This one.
    Exact(Host),
    /// Every name below this one, and not the name itself.
    Below(String),
}

/// A part of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Segment {
    Exact(String),
    /// `*`: whatever one part has in it.
    Any,
}

/// Requests that a plugin may make.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern {
    /// The methods.
    pub methods: Vec<Method>,
    /// The scheme.
    pub scheme: Scheme,
    /// The hosts.
    pub host: HostPattern,
    /// The port.
    pub port: u16,
    segments: Vec<Segment>,
    /// Whether it ends in `**`: at least one more part has to follow, and it may be empty.
    deep: bool,
}

/// What a pattern looks like, for messages.
pub(crate) const EXPECTED: &str = "patterns such as \"GET https://api.example.com/v1/**\"";

impl Method {
    /// All of them.
    pub const ALL: [Self; 7] = [Self::Get, Self::Head, Self::Options, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// As it is sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    /// The method of this name; capitals count.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    /// Whether doing it twice is like doing it once (RFC 9110, section 9.2.2).
    #[must_use]
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Self::Post | Self::Patch)
    }
}

impl Scheme {
    /// As it stands in URLs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }

    /// The port that is meant when none is written.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }
}

impl Pattern {
    /// Reads a pattern. The error says what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<_> = text.split(' ').collect();
        let (methods, url) = match words.as_slice() {
            [method] if Method::parse(method).is_some() => return Err("the URL is missing behind the method".to_owned()),
            [url] => (vec![Method::Get, Method::Head], *url),
            [methods, url] => (self::methods(methods)?, *url),
            _ => return Err("write the methods with commas between them, one space, and the URL".to_owned()),
        };
        if !url.is_ascii() {
            return Err("write the name as DNS does, beginning with xn--, and the path percent-encoded".to_owned());
        }
        let (scheme, rest) = match url.split_once("://") {
            None => (Scheme::Https, url),
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(_) => return Err("only https and http are spoken".to_owned()),
        };
        if rest.contains(['?', '#']) {
            return Err("a pattern has no query: what is granted is the path, with any query".to_owned());
        }
        let (authority, path) = rest.find('/').map_or((rest, None), |at| {
            let (authority, path) = rest.split_at(at);
            (authority, Some(path))
        });
        if authority.contains('@') {
            return Err("leave out what stands before the @; credentials go into [grants.http.headers]".to_owned());
        }
        let (host, port) = split_port(authority)?;
        let port = port.unwrap_or(scheme.port());
        let (segments, deep) = path.map_or(Ok((Vec::new(), true)), path_pattern)?;
        Ok(Self { methods, scheme, host: host_pattern(host)?, port, segments, deep })
    }

    /// Whether it means this host.
    #[must_use]
    pub fn reaches(&self, host: &Host) -> bool {
        match (&self.host, host) {
            (HostPattern::Exact(granted), host) => granted == host,
            (HostPattern::Below(above), Host::Name(name)) => {
                name.strip_suffix(above.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            (HostPattern::Below(_), Host::Address(_)) => false,
        }
    }

    /// Whether it means this path, which begins with `/` and has been checked to have no tricks in it.
    #[must_use]
    pub fn leads_to(&self, path: &str) -> bool {
        let mut parts = path.strip_prefix('/').unwrap_or(path).split('/');
        for segment in &self.segments {
            let fits = parts.next().is_some_and(|part| match segment {
                Segment::Exact(exact) => exact == part,
                Segment::Any => !part.is_empty(),
            });
            if !fits {
                return false;
            }
        }
        parts.next().is_some() == self.deep
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let methods: Vec<_> = self.methods.iter().map(|method| method.as_str()).collect();
        write!(f, "{} {}://", methods.join(","), self.scheme.as_str())?;
        match &self.host {
            HostPattern::Exact(host) => write!(f, "{host}")?,
            HostPattern::Below(name) => write!(f, "*.{name}")?,
        }
        if self.port != self.scheme.port() {
            write!(f, ":{}", self.port)?;
        }
        for segment in &self.segments {
            f.write_str("/")?;
            f.write_str(match segment {
                Segment::Exact(exact) => exact,
                Segment::Any => "*",
            })?;
        }
        f.write_str(if self.deep { "/**" } else { "" })
    }
}

fn methods(text: &str) -> Result<Vec<Method>, String> {
    let mut methods = Vec::new();
    for word in text.split(',') {
        let method = Method::parse(word).ok_or_else(|| {
            let names = || Method::ALL.into_iter().map(Method::as_str);
            match closest(word, names()) {
                Some(near) => format!("{} is not a method here; did you mean {near}?", quoted(word)),
                None => format!(
                    "{} is not a method here; there are {}",
                    quoted(word),
                    listed(&names().map(str::to_owned).collect::<Vec<_>>(), "and")
                ),
            }
        })?;
        methods.push(method);
    }
    methods.sort_unstable();
    methods.dedup();
    Ok(methods)
}

/// The host, and the port behind it.
pub(crate) fn split_port(authority: &str) -> Result<(&str, Option<u16>), String> {
    let bracket = authority.find(']').unwrap_or(0);
    let Some(colon) = authority.rfind(':').filter(|colon| *colon >= bracket) else { return Ok((authority, None)) };
    let (host, port) = authority.split_at(colon);
    if host.contains(':') && bracket == 0 {
        return Err("an IPv6 address stands in brackets".to_owned());
    }
    let digits = port.get(1..).unwrap_or_default();
    match digits.parse::<u16>() {
        Ok(number) if number > 0 && digits.bytes().all(|b| b.is_ascii_digit()) => Ok((host, Some(number))),
        _ if digits == "*" => Err("every port cannot be granted: write the one that is meant".to_owned()),
        _ => Err("a port is a number from 1 to 65535".to_owned()),
    }
}

fn host_pattern(text: &str) -> Result<HostPattern, String> {
    if text == "*" || text == "**" {
        return Err("every host cannot be granted: write the names that the plugin calls".to_owned());
    }
    let Some(above) = text.strip_prefix("*.") else {
        if text.contains('*') {
            return Err("a * stands for the first part of a name only, as in *.example.com".to_owned());
        }
        return Ok(HostPattern::Exact(Host::parse(text)?));
    };
    let name = match Host::parse(above)? {
        Host::Name(name) => name,
        Host::Address(_) => return Err("an address has no names below it".to_owned()),
    };
    let public = psl::suffix_str(&name).is_some_and(|suffix| suffix.len() == name.len());
    if !name.contains('.') || public {
        return Err(format!("anybody can have a name below {name}: write the names that the plugin calls, or *.example.{name}"));
    }
    Ok(HostPattern::Below(name))
}

fn path_pattern(path: &str) -> Result<(Vec<Segment>, bool), String> {
    check_path(path).map_err(str::to_owned)?;
    let (path, deep) = path.strip_suffix("/**").map_or((path, false), |path| (path, true));
    let mut segments = Vec::new();
    for part in path.split('/').skip(1) {
        segments.push(match part {
            "*" => Segment::Any,
            "**" => return Err("** stands at the end of a path only".to_owned()),
            part if part.contains('*') => return Err("a * stands for a whole part of a path: /v1/*/items".to_owned()),
            part => Segment::Exact(part.to_owned()),
        });
    }
    if path.contains("//") {
        return Err("leave out the empty part of the path".to_owned());
    }
    Ok((segments, deep))
}

/// Refuses paths that two readers may read in two ways: dot segments, and whatever is a `/`, a dot or a control character in disguise.
pub(crate) fn check_path(path: &str) -> Result<(), &'static str> {
    if path.bytes().any(|b| !(0x21..=0x7e).contains(&b) || matches!(b, b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')) {
        return Err("the path has a character that has to be percent-encoded");
    }
    let mut plain = path.to_ascii_lowercase();
    // Encoded twice is read as a slash by whoever decodes twice.
    for _ in 0..2 {
        plain = plain.replace("%25", "%").replace("%2e", ".").replace("%3b", ";");
    }
    if ["%2f", "%5c", "%00"].iter().any(|encoded| plain.contains(encoded)) {
        return Err("the path has an encoded slash");
    }
    // Some servers cut a part at its semicolon.
    let dots = |part: &str| matches!(part.split(';').next(), Some("." | ".."));
    if plain.split('/').any(dots) {
        return Err("the path has a part that is only dots");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
