//! Where a request goes, read once with the parser of the code that dials (`http::Uri`): what was checked is what is sent.

use std::fmt;

use http::Uri;
use http::uri::PathAndQuery;

use crate::manifest::{Host, Scheme, check_path, split_port};

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// To whom.
    pub origin: Origin,
    /// What is asked for, as it is sent.
    pub path_and_query: PathAndQuery,
}

/// Who answers a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The scheme.
    pub scheme: Scheme,
    /// The host.
    pub host: Host,
    /// The port.
    pub port: u16,
}

/// A URL that no request is made to, and why. Nothing of the URL is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadUrl(pub String);

impl Target {
    /// Reads a URL.
    pub fn parse(url: &str) -> Result<Self, BadUrl> {
        let bad = |why: &str| BadUrl(why.to_owned());
        // What a parser may skip, another may not.
        if url.bytes().any(|b| !(0x21..=0x7e).contains(&b) || b == b'\\') {
            return Err(bad("a URL has no spaces, no backslashes, and only ASCII"));
        }
        let uri: Uri = url.parse().map_err(|_| bad("this is not a URL such as https://api.example.com/v1"))?;
        Self::of(&uri)
    }

    /// Checks and takes a URL.
    pub fn of(uri: &Uri) -> Result<Self, BadUrl> {
        let bad = |why: &str| BadUrl(why.to_owned());
        let scheme = match uri.scheme_str() {
            Some("https") => Scheme::Https,
            Some("http") => Scheme::Http,
            Some(_) => return Err(bad("only https and http are spoken")),
            None => return Err(bad("a URL begins with https:// or http://")),
        };
        let authority = uri.authority().ok_or_else(|| bad("the host is missing"))?.as_str();
        if authority.contains('@') {
            return Err(bad("a URL has no user or password in it; credentials go into [grants.http.headers]"));
        }
        let (host, port) = split_port(authority).map_err(BadUrl)?;
        let host = Host::parse(host).map_err(bad)?;
        let path_and_query = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        check_path(path_and_query.path()).map_err(bad)?;
        if path_and_query.query().is_some_and(|query| query.bytes().any(|b| !(0x21..=0x7e).contains(&b))) {
            return Err(bad("the query has a character that has to be percent-encoded"));
        }
        Ok(Self { origin: Origin { scheme, host, port: port.unwrap_or(scheme.port()) }, path_and_query })
    }

    /// The path, without the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path_and_query.path()
    }

    /// Where a `Location` leads from here (RFC 3986, section 5.2, without dot segments).
    pub fn join(&self, location: &str) -> Result<Self, BadUrl> {
        let scheme = self.origin.scheme.as_str();
        let location = location.split('#').next().unwrap_or_default();
        let has_scheme = location.split_once(':').is_some_and(|(scheme, _)| !scheme.contains(['/', '?']));
        let base = self.path();
        let joined = if has_scheme {
            location.to_owned()
        } else if location.starts_with("//") {
            format!("{scheme}:{location}")
        } else if location.starts_with('/') {
            format!("{}{location}", self.origin)
        } else if location.is_empty() || location.starts_with('?') {
            let query = self.path_and_query.query().filter(|_| location.is_empty()).map(|query| format!("?{query}"));
            format!("{}{base}{}", self.origin, query.as_deref().unwrap_or(location))
        } else {
            let folder = base.rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{}{folder}/{location}", self.origin)
        };
        Self::parse(&joined)
    }
}

impl Origin {
    /// The value of `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.port() { self.host.to_string() } else { format!("{}:{}", self.host, self.port) }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.authority())
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin, self.path_and_query)
    }
}
