//! HTTP requests, as the plugin's manifest grants them.
//!
//! ```toml
//! # plugin.toml
//! [grants.http]
//! allow = ["GET,POST https://api.example.com/v1/**"]
//!
//! [grants.http.headers."api.example.com"]
//! authorization = "Bearer ${secret:example-token}"     # put in by the host; the plugin never sees it
//! ```
//!
//! ```no_run
//! use cofferdam_plugin::{http, prelude::*};
//!
//! #[derive(Deserialize)]
//! struct Ticket {
//!     title: String,
//! }
//!
//! fn tickets() -> Result<()> {
//!     let response = http::get("https://api.example.com/v1/tickets/7").header("accept", "application/json").send()?;
//!     let ticket: Ticket = response.error_for_status()?.json()?;
//!     let created = http::post("https://api.example.com/v1/tickets").json(&json!({"title": ticket.title})).send()?;
//!     log::info!("{} {:?}", created.status(), created.header("location"));
//!     Ok(())
//! }
//! ```
//!
//! Addresses, connections, TLS, retries, redirects and the cache are the host's, and what of it a plugin gets stands in its manifest.
//! Every status is a response. In a native build, as under `cargo test`, nobody answers: [`Request::send`] returns
//! [`Error::Unavailable`].

use crate::Failure;
use crate::bindings::imports::http as wit;
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use wit::Source;

/// A request that reads.
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

/// A request that does something.
pub fn post(url: impl Into<String>) -> Request {
    Request::new("POST", url)
}

/// A request in the making.
#[derive(Clone, Debug)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    request: wit::Request,
    wrong: Option<String>,
}

impl Request {
    /// A request with any method: `GET`, `HEAD`, `OPTIONS`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        let request = wit::Request { method: method.into(), url: url.into(), headers: Vec::new(), body: None, timeout_ms: None };
        Self { request, wrong: None }
    }

    /// Adds a header field.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.request.headers.push(wit::Header { name: name.into(), value: value.into() });
        self
    }

    /// Adds parameters to the query of the URL, percent-encoded.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        let url = &mut self.request.url;
        url.push(if url.contains('?') { '&' } else { '?' });
        for (part, after) in [(name, "="), (value, "")] {
            for byte in part.bytes() {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => url.push(char::from(byte)),
                    _ => url.push_str(&format!("%{byte:02X}")),
                }
            }
            url.push_str(after);
        }
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.request.body = Some(body.into());
        self
    }

    /// Sets the body to JSON, and says so in `Content-Type`.
    pub fn json(mut self, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => self.request.body = Some(body),
            Err(error) => self.wrong = Some(error.to_string()),
        }
        self.header("content-type", "application/json")
    }

    /// How long all of it may take. The grant's own limit holds as well.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.request.timeout_ms = Some(u32::try_from(time.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Makes the request and waits for the whole response.
    ///
    /// # Errors
    /// Why there is no response. A status such as 404 or 500 is a response: see [`Response::error_for_status`].
    pub fn send(self) -> Result<Response> {
        if let Some(wrong) = self.wrong {
            return Err(Error::Invalid(wrong));
        }
        #[cfg(target_family = "wasm")]
        return Ok(Response(wit::fetch(&self.request)?));
        #[cfg(not(target_family = "wasm"))]
        Err(Error::Unavailable(format!("{} is reached by the host, and this is a native build without one", self.request.url)))
    }
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Response(wit::Response);

impl Response {
    /// The status, such as 200.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.0.status
    }

    /// Whether the status says that all is well.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.0.status)
    }

    /// The response, if its status says that all is well.
    ///
    /// # Errors
    /// [`Error::Status`] when it does not.
    pub fn error_for_status(self) -> Result<Self> {
        if self.is_success() { Ok(self) } else { Err(Error::Status(self.0.status)) }
    }

    /// The value of a header field: the first one of this name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All header fields, names in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.headers.iter().map(|header| (header.name.as_str(), header.value.as_str()))
    }

    /// Whether the upstream was asked, or the host's cache had it.
    #[must_use]
    pub fn source(&self) -> Source {
        self.0.source
    }

    /// The body.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0.body
    }

    /// The body as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0.body)
    }

    /// The body, to be kept.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0.body
    }

    /// The body as JSON of a type.
    ///
    /// # Errors
    /// [`Error::Decode`] when it does not fit.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.0.body).map_err(|error| Error::Decode(error.to_string()))
    }
}

/// What the functions of this module return.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Why there is no response, or not the expected one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The grant does not allow it.
    Denied(String),
    /// The request is wrong.
    Invalid(String),
    /// Nobody answers there, or too much is asked at the same time.
    Unavailable(String),
    /// It took longer than it may.
    Timeout(String),
    /// A limit of size was reached.
    TooLarge(String),
    /// Anything else.
    Other(String),
    /// The status says that something is wrong.
    Status(u16),
    /// The body does not fit the type that it was to be read as.
    Decode(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(message) => write!(f, "not allowed: {message}"),
            Self::Invalid(message) => write!(f, "invalid request: {message}"),
            Self::Unavailable(message) => write!(f, "unavailable: {message}"),
            Self::Timeout(message) => write!(f, "took too long: {message}"),
            Self::TooLarge(message) => write!(f, "too large: {message}"),
            Self::Other(message) => write!(f, "request failed: {message}"),
            Self::Status(status) => write!(f, "the answer was status {status}"),
            Self::Decode(message) => write!(f, "unexpected answer: {message}"),
        }
    }
}

impl core::error::Error for Error {}

impl From<wit::Error> for Error {
    fn from(error: wit::Error) -> Self {
        match error {
            wit::Error::Denied(message) => Self::Denied(message),
            wit::Error::Invalid(message) => Self::Invalid(message),
            wit::Error::Unavailable(message) => Self::Unavailable(message),
            wit::Error::Timeout(message) => Self::Timeout(message),
            wit::Error::TooLarge(message) => Self::TooLarge(message),
            wit::Error::Other(message) => Self::Other(message),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Denied(_) => Self::denied(message),
            Error::Invalid(_) => Self::invalid(message),
            Error::Status(404 | 410) => Self::not_found(message),
            Error::Unavailable(_) | Error::Timeout(_) | Error::Status(429 | 502..=504) => Self::unavailable(message),
            Error::TooLarge(_) | Error::Other(_) | Error::Status(_) | Error::Decode(_) => Self::other(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_host_there_is_an_error_that_says_so() {
        let error = get("https://api.example.com").send().unwrap_err();
        assert!(error.to_string().contains("native build"), "{error}");
        assert_eq!(Failure::from(error).kind(), crate::FailureKind::Unavailable);
    }

    #[test]
    fn queries_are_encoded() {
        let request = get("https://a.example/").query("q", "a b&c=ä").query("r", "1");
        assert_eq!(request.request.url, "https://a.example/?q=a%20b%26c%3D%C3%A4&r=1");
    }

    #[test]
    fn a_response_is_read_as_what_it_is() {
        let headers = alloc::vec![wit::Header { name: "etag".into(), value: "x".into() }];
        let response = Response(wit::Response { status: 404, headers, body: b"[1]".to_vec(), source: Source::Upstream });
        assert_eq!((response.header("ETag"), response.json::<[u8; 1]>(), &*response.text()), (Some("x"), Ok([1]), "[1]"));
        assert!(matches!(response.json::<String>(), Err(Error::Decode(_))));
        assert_eq!(Failure::from(response.error_for_status().unwrap_err()).kind(), crate::FailureKind::NotFound);
    }
}
