//! What a guest asks for, read once into what can be sent.

use super::HttpError;
use crate::grants::http::{Method, Target, belongs_to_the_host};
use crate::limits::Limits;
use crate::wit::cofferdam::mcp::http as wit;
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

/// A request that can be sent, if it is granted.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: Method,
    pub(super) target: Target,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) time_max: Option<Duration>,
    /// Whether the guest leaves it to the host how the response travels.
    pub(super) decompress: bool,
}

impl Asked {
    pub(super) fn read(request: wit::Request, limits: &Limits) -> Result<Self, HttpError> {
        let method = method(&request.method)?;
        if request.url.len() > limits.http_url_bytes_max {
            return Err(HttpError::TooLarge("the URL", limits.http_url_bytes_max));
        }
        let target = Target::parse(&request.url).map_err(|why| HttpError::Invalid(why.0))?;
        let mut headers = headers(&request.headers, limits)?;
        let body = Bytes::from(request.body.unwrap_or_default());
        if body.len() > limits.http_request_bytes_max {
            return Err(HttpError::TooLarge("the request's body", limits.http_request_bytes_max));
        }
        let decompress = !headers.contains_key(ACCEPT_ENCODING);
        if decompress {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if !headers.contains_key(USER_AGENT) {
            headers.insert(USER_AGENT, HeaderValue::from_static(concat!("cofferdam/", env!("CARGO_PKG_VERSION"))));
        }
        let time_max = request.timeout_ms.map(|ms| Duration::from_millis(ms.into()));
        Ok(Self { method, target, headers, body, time_max, decompress })
    }
}

fn method(text: &str) -> Result<Method, HttpError> {
    Method::parse(text).ok_or_else(|| {
        let known: Vec<_> = Method::ALL.iter().map(|method| method.as_str()).collect();
        HttpError::Invalid(format!("a method is one of {}", known.join(", ")))
    })
}

fn headers(fields: &[wit::Header], limits: &Limits) -> Result<HeaderMap, HttpError> {
    let bytes: usize = fields.iter().map(|field| field.name.len() + field.value.len()).sum();
    if bytes > limits.http_request_head_bytes_max || fields.len() > limits.http_headers_max {
        return Err(HttpError::TooLarge("the request's head", limits.http_request_head_bytes_max));
    }
    let mut headers = HeaderMap::new();
    for (at, field) in fields.iter().enumerate() {
        let bad = |what: &str| HttpError::Invalid(format!("the {what} of header field {} has characters that it must not have", at + 1));
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| bad("name"))?;
        if belongs_to_the_host(&name) {
            return Err(HttpError::Invalid(format!("the header {name} belongs to the connection, and the host writes it itself")));
        }
        headers.append(name, HeaderValue::from_str(&field.value).map_err(|_| bad("value"))?);
    }
    Ok(headers)
}
