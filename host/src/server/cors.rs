//! Pages in browsers that may call (Fetch standard, CORS protocol; 2026-07-28, Streamable HTTP): their origin has passed the guard by then.

use super::body::Reply;
use super::respond;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
/// Every header that a client sends; a star would not cover `authorization`.
const HEADERS: &str = "content-type, accept, authorization, mcp-protocol-version, mcp-method, mcp-name, mcp-session-id, last-event-id, \
                       if-none-match";
/// What pages may read of an answer, beside what they always may.
const EXPOSED: HeaderValue = HeaderValue::from_static("mcp-session-id, mcp-protocol-version, www-authenticate, retry-after, etag");
/// How long browsers keep the permission, in seconds: as long as they do.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
/// How many headers for arguments a page may announce.
const PARAMS_MAX: usize = 32;
const PARAM_PREFIX: &str = "mcp-param-";

/// Answers `OPTIONS`. `methods` are those of the path, where it is not MCP's.
pub(super) fn preflight(headers: &HeaderMap, methods: Option<&'static str>) -> Response<Reply> {
    let mut response = respond::empty(StatusCode::NO_CONTENT);
    let answer = response.headers_mut();
    answer.insert(header::ALLOW, HeaderValue::from_static(methods.unwrap_or("GET, POST, DELETE, OPTIONS")));
    if headers.contains_key(header::ORIGIN) {
        answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        answer.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        if let Ok(allowed) = HeaderValue::from_str(&allowed_headers(headers)) {
            answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
        }
    }
    response
}

/// The fixed list, and those headers for arguments that the page announces.
fn allowed_headers(headers: &HeaderMap) -> String {
    let announced = headers.get(header::ACCESS_CONTROL_REQUEST_HEADERS).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let params = announced.split(',').map(str::trim).filter(|name| name.to_ascii_lowercase().starts_with(PARAM_PREFIX));
    let params = params.filter_map(|name| HeaderName::from_bytes(name.as_bytes()).ok()).take(PARAMS_MAX);
    params.fold(HEADERS.to_owned(), |list, name| format!("{list}, {name}"))
}

/// Lets the page that asked read the answer.
pub(super) fn allow(response: &mut Response<Reply>, origin: &HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announced_arguments_are_allowed_and_nothing_else() {
        let allowed = |announced: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static(announced));
            allowed_headers(&headers)
        };
        assert_eq!(allowed("content-type, x-evil"), HEADERS);
        assert_eq!(allowed("content-type,Mcp-Param-Region, mcp-param-a b"), format!("{HEADERS}, mcp-param-region"));
    }
}
