//! The only place where an error becomes a status code. The texts and JSON-RPC codes are the errors' own.

mod details;

pub(super) use details::{TYPE_PREFIX, details, details_text};

use super::body::Reply;
use crate::auth::guard::Refusal;
use crate::dispatch::{CallError, PlainError};
use crate::legacy::LegacyError;
use crate::mcp::bounds::BoundsError;
use crate::mcp::headers::HeaderError;
use crate::mcp::{MessageError, code, write};
use crate::topics::{FilterError, SubscribeError};
use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

/// How long a client that was told to come back later waits at least, in seconds.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("1");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// Why a request is not answered with a result.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem<'a> {
    /// Host or Origin.
    #[error(transparent)]
    Guard(#[from] Refusal),
    /// No such path.
    #[error("there is nothing at this path; MCP is at /mcp")]
    NoPath,
    /// The wrong verb.
    #[error("only POST is answered here, and GET and DELETE in a session")]
    Method,
    /// The wrong verb, where there is only one right one.
    #[error("the methods here are {0}")]
    PlainMethod(&'static str),
    /// More header than allowed, in fields or bytes.
    #[error("the head is larger than allowed")]
    HeadTooLarge,
    /// A target that is too long.
    #[error("the target is longer than allowed")]
    UriTooLong,
    /// A head that two parsers could read differently.
    #[error("the transfer encoding is not understood; only `chunked` is")]
    TransferEncoding,
    /// Not JSON, or compressed.
    #[error("the body has to be application/json, not compressed")]
    MediaType,
    /// The client takes neither form of answer.
    #[error("`Accept` has to name application/json and text/event-stream")]
    NotAcceptable,
    /// The client does not take an event stream.
    #[error("`Accept` has to name text/event-stream")]
    NoEventStream,
    /// Not a handshake of a WebSocket.
    #[error("{0}")]
    NoWebSocket(&'static str),
    /// A handshake of another version, or none.
    #[error("this is for WebSockets: send `Connection: Upgrade`, `Upgrade: websocket` and `Sec-WebSocket-Version: 13` over HTTP/1.1")]
    UpgradeRequired,
    /// A body over the limit.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// A body that did not come in time.
    #[error("the body did not arrive in time")]
    SlowRequest,
    /// The client went away while sending.
    #[error("the body ended early")]
    Incomplete,
    /// Text that is not UTF-8.
    #[error("the body is not UTF-8 text")]
    NotText,
    /// Too deep or too many values.
    #[error(transparent)]
    Bounds(#[from] BoundsError),
    /// Not a message.
    #[error("{0}")]
    Message(MessageError<'a>),
    /// A message that has no business here.
    #[error("{0}")]
    Unexpected(&'static str),
    /// Headers that are missing, malformed, or disagree with the body.
    #[error(transparent)]
    Headers(#[from] HeaderError),
    /// An empty batch, or one that is too long.
    #[error("a batch has 1 to {0} members")]
    Batch(usize),
    /// `_meta` lacks what it must have.
    #[error("{0}")]
    Meta(&'static str),
    /// Something in a plain request is not what it may be; the text says where and what to write.
    #[error("{0}")]
    BadRequest(String),
    /// The client takes no coding that an answer could have.
    #[error("`Accept-Encoding` refuses every coding that an answer here can have: gzip, br, zstd and identity")]
    NoCoding,
    /// A call without MCP.
    #[error(transparent)]
    Plain(#[from] PlainError),
    /// No subscription.
    #[error(transparent)]
    Subscribe(#[from] SubscribeError),
    /// Nothing was subscribed to under this id.
    #[error("there is no subscription {0:?}")]
    NoSubscription(String),
    /// A filter that is not one.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// A request of the stateless era.
    #[error(transparent)]
    Call(#[from] CallError),
    /// A request of the `initialize` era.
    #[error(transparent)]
    Legacy(#[from] LegacyError),
}

impl<'a> From<MessageError<'a>> for Problem<'a> {
    fn from(error: MessageError<'a>) -> Self {
        Self::Message(error)
    }
}

/// Status and JSON-RPC code; no code means that the body is plain text.
fn status(problem: &Problem<'_>) -> (StatusCode, Option<i64>) {
    match problem {
        Problem::Guard(Refusal::MalformedHost) | Problem::TransferEncoding | Problem::Incomplete => (StatusCode::BAD_REQUEST, None),
        Problem::Guard(_) => (StatusCode::FORBIDDEN, Some(code::INVALID_REQUEST)),
        Problem::NoPath => (StatusCode::NOT_FOUND, None),
        Problem::Method | Problem::PlainMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, None),
        Problem::BadRequest(_) | Problem::Filter(_) | Problem::Subscribe(SubscribeError::Name(_)) => (StatusCode::BAD_REQUEST, None),
        Problem::Subscribe(SubscribeError::UnknownTopic(_)) | Problem::NoSubscription(_) => (StatusCode::NOT_FOUND, None),
        Problem::Subscribe(_) => (StatusCode::TOO_MANY_REQUESTS, None),
        Problem::Plain(_) => (details::kind(problem).status, None),
        Problem::HeadTooLarge => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, None),
        Problem::UriTooLong => (StatusCode::URI_TOO_LONG, None),
        Problem::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, None),
        Problem::NotAcceptable | Problem::NoEventStream | Problem::NoCoding => (StatusCode::NOT_ACCEPTABLE, None),
        Problem::NoWebSocket(_) => (StatusCode::BAD_REQUEST, None),
        Problem::UpgradeRequired => (StatusCode::UPGRADE_REQUIRED, None),
        Problem::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, None),
        Problem::SlowRequest => (StatusCode::REQUEST_TIMEOUT, None),
        Problem::NotText | Problem::Bounds(_) | Problem::Message(MessageError::Parse(_)) => (StatusCode::BAD_REQUEST, Some(code::PARSE)),
        Problem::Message(MessageError::Malformed { .. }) | Problem::Unexpected(_) | Problem::Batch(_) => {
            (StatusCode::BAD_REQUEST, Some(code::INVALID_REQUEST))
        }
        Problem::Message(MessageError::Params { .. }) | Problem::Meta(_) => (StatusCode::BAD_REQUEST, Some(code::INVALID_PARAMS)),
        Problem::Headers(_) => (StatusCode::BAD_REQUEST, Some(code::HEADER_MISMATCH)),
        Problem::Call(error) => (call_status(error), Some(error.code())),
        Problem::Legacy(LegacyError::NoSession) => (StatusCode::BAD_REQUEST, Some(code::INVALID_REQUEST)),
        Problem::Legacy(LegacyError::UnknownEvent) => (StatusCode::BAD_REQUEST, Some(code::INVALID_REQUEST)),
        // Nothing is said any more about a request that was taken back.
        Problem::Legacy(LegacyError::Cancelled) => (StatusCode::ACCEPTED, None),
        Problem::Legacy(LegacyError::UnknownSession) => (StatusCode::NOT_FOUND, Some(code::INVALID_REQUEST)),
        Problem::Legacy(LegacyError::NoRandomness) => (StatusCode::INTERNAL_SERVER_ERROR, Some(code::INTERNAL)),
        // In that era a request that was understood is answered with 200, whatever came of it, unless a proxy should try again.
        Problem::Legacy(LegacyError::Call(error @ (CallError::TenantBusy | CallError::Subscriptions(_) | CallError::HostBusy))) => {
            (call_status(error), Some(error.code()))
        }
        Problem::Legacy(LegacyError::Call(error)) => (StatusCode::OK, Some(error.code())),
    }
}

fn call_status(error: &CallError) -> StatusCode {
    match error {
        CallError::Params(_) | CallError::NoTarget { .. } | CallError::NoResource { .. } => StatusCode::OK,
        CallError::Rounds(_) | CallError::Handler(_) => StatusCode::OK,
        CallError::HeaderMismatch(_) | CallError::Version(_) | CallError::MissingCapability(_) => StatusCode::BAD_REQUEST,
        CallError::NoMethod(_) => StatusCode::NOT_FOUND,
        CallError::TenantBusy | CallError::Subscriptions(_) => StatusCode::TOO_MANY_REQUESTS,
        CallError::HostBusy => StatusCode::SERVICE_UNAVAILABLE,
        CallError::Deadline { .. } => StatusCode::GATEWAY_TIMEOUT,
        CallError::PluginFailed { .. } => StatusCode::BAD_GATEWAY,
        CallError::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The response for a problem. `id` is the request's, as JSON text, where it is known.
pub(super) fn problem(problem: &Problem<'_>, id: Option<&str>) -> Response<Reply> {
    let (status, code) = status(problem);
    if status == StatusCode::ACCEPTED {
        return empty(status);
    }
    let id = id.or(match problem {
        Problem::Message(MessageError::Malformed { id, .. } | MessageError::Params { id, .. }) => id.map(|id| id.as_json()),
        _ => None,
    });
    let data = match problem {
        Problem::Call(error) | Problem::Legacy(LegacyError::Call(error)) => error.data(),
        _ => None,
    };
    let mut response = match code {
        Some(code) => json(write::error(id, code, &problem.to_string(), data.as_deref())),
        None => {
            let mut response = Response::new(Reply::new(format!("{problem}\n")));
            response.headers_mut().insert(header::CONTENT_TYPE, TEXT);
            response
        }
    };
    *response.status_mut() = status;
    finish(&mut response, problem);
    response
}

/// Headers that go with a status.
fn finish(response: &mut Response<Reply>, problem: &Problem<'_>) {
    let status = response.status();
    let headers = response.headers_mut();
    match status {
        StatusCode::METHOD_NOT_ALLOWED => {
            let methods = if let Problem::PlainMethod(methods) = problem { methods } else { "POST" };
            headers.insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        StatusCode::UPGRADE_REQUIRED => {
            headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => drop(headers.insert(header::RETRY_AFTER, RETRY_AFTER_S)),
        _ => {}
    }
    // After these the rest of the body may still be on its way; the connection cannot be used again.
    if matches!(problem, Problem::TooLarge(_) | Problem::SlowRequest | Problem::Incomplete | Problem::TransferEncoding) {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// A message that could not be understood, within a batch.
pub(super) fn message_error(error: &MessageError<'_>) -> Vec<u8> {
    let (code, id) = match error {
        MessageError::Parse(_) => (code::PARSE, &None),
        MessageError::Malformed { id, .. } => (code::INVALID_REQUEST, id),
        MessageError::Params { id, .. } => (code::INVALID_PARAMS, id),
    };
    write::error(id.as_ref().map(|id| id.as_json()), code, &error.to_string(), None)
}

/// A request of a session that failed, where there is no status to say so.
pub(super) fn legacy_error(id: &str, error: &LegacyError) -> Vec<u8> {
    let (code, data) = match error {
        LegacyError::Call(error) => (error.code(), error.data()),
        _ => (code::INVALID_REQUEST, None),
    };
    write::error(Some(id), code, &error.to_string(), data.as_deref())
}

/// A JSON body with status 200.
pub(super) fn json(body: impl Into<Bytes>) -> Response<Reply> {
    let mut response = Response::new(Reply::new(body));
    response.headers_mut().insert(header::CONTENT_TYPE, JSON);
    response
}

/// A status without a body.
pub(super) fn empty(status: StatusCode) -> Response<Reply> {
    let mut response = Response::new(Reply::new(Bytes::new()));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::CallRef;
    use crate::mcp::Version;
    use crate::runtime::Limit;
    use std::time::Duration;

    fn shown(problem: &Problem<'_>) -> (u16, Option<i64>) {
        let (status, code) = status(problem);
        (status.as_u16(), code)
    }

    #[test]
    fn the_table_of_problems() {
        for (problem, expected) in [
            (Problem::Guard(Refusal::MalformedHost), (400, None)),
            (Problem::Guard(Refusal::Host), (403, Some(-32600))),
            (Problem::Guard(Refusal::Origin), (403, Some(-32600))),
            (Problem::NoPath, (404, None)),
            (Problem::Method, (405, None)),
            (Problem::HeadTooLarge, (431, None)),
            (Problem::UriTooLong, (414, None)),
            (Problem::TransferEncoding, (400, None)),
            (Problem::MediaType, (415, None)),
            (Problem::NotAcceptable, (406, None)),
            (Problem::TooLarge(1), (413, None)),
            (Problem::SlowRequest, (408, None)),
            (Problem::Incomplete, (400, None)),
            (Problem::NotText, (400, Some(-32700))),
            (Problem::Bounds(BoundsError::Depth(1)), (400, Some(-32700))),
            (Problem::Message(MessageError::Parse(String::new())), (400, Some(-32700))),
            (Problem::Message(MessageError::Malformed { message: String::new(), id: None }), (400, Some(-32600))),
            (Problem::Message(MessageError::Params { message: String::new(), id: None }), (400, Some(-32602))),
            (Problem::Unexpected(""), (400, Some(-32600))),
            (Problem::Meta(""), (400, Some(-32602))),
            (Problem::Legacy(LegacyError::NoSession), (400, Some(-32600))),
            (Problem::Legacy(LegacyError::UnknownSession), (404, Some(-32600))),
            (Problem::Batch(1), (400, Some(-32600))),
            (Problem::Legacy(LegacyError::UnknownEvent), (400, Some(-32600))),
            (Problem::Legacy(LegacyError::Cancelled), (202, None)),
            (Problem::Legacy(LegacyError::NoRandomness), (500, Some(-32603))),
        ] {
            assert_eq!(shown(&problem), expected, "{problem:?}");
        }
    }

    #[test]
    fn the_table_of_calls_in_both_eras() {
        type Call = fn(CallRef) -> CallError;
        let reference = CallRef::next();
        let calls: [(Call, i64, u16, u16); 15] = [
            (|_| CallError::Params(String::new()), -32602, 200, 200),
            (|_| CallError::HeaderMismatch(String::new()), -32020, 400, 200),
            (|_| CallError::Version(String::new()), -32022, 400, 200),
            (|_| CallError::NoMethod(String::new()), -32601, 404, 200),
            (|_| CallError::unknown("tool", ""), -32602, 200, 200),
            (|_| CallError::no_resource("", Version::NEWEST), -32602, 200, 200),
            (|_| CallError::no_resource("", Version::NEWEST_LEGACY), -32002, 200, 200),
            (|_| CallError::MissingCapability("{}".into()), -32021, 400, 200),
            (|_| CallError::Rounds(1), 1005, 200, 200),
            (|_| CallError::Handler(String::new()), 1005, 200, 200),
            (|_| CallError::TenantBusy, 1001, 429, 429),
            (|_| CallError::HostBusy, 1002, 503, 503),
            (|reference| CallError::Deadline { of: Limit::CpuTime, limit: Duration::from_secs(1), reference }, 1003, 504, 200),
            (|reference| CallError::PluginFailed { reference }, 1004, 502, 200),
            (|reference| CallError::Internal { reference }, -32603, 500, 200),
        ];
        for (call, code, stateless, legacy) in calls {
            assert_eq!(shown(&Problem::Call(call(reference))), (stateless, Some(code)));
            assert_eq!(shown(&Problem::Legacy(call(reference).into())), (legacy, Some(code)));
        }
    }

    #[test]
    fn who_has_to_come_back_later_is_told_when() {
        for (call, status) in [(CallError::TenantBusy, 429), (CallError::HostBusy, 503)] {
            let response = problem(&Problem::Call(call), Some("7"));
            assert_eq!((response.status().as_u16(), response.headers()[header::RETRY_AFTER].to_str().unwrap()), (status, "1"));
        }
    }
}
