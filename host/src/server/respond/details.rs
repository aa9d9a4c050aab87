//! Problem details (RFC 9457), for those who do not speak JSON-RPC: the status says how it ended, and `type` why. Types are stable names,
//! so that scripts can tell problems apart without reading texts.

use super::super::body::Reply;
use super::Problem;
use crate::auth::guard::Refusal;
use crate::dispatch::{CallError, HookError, PlainError};
use crate::ids::CallRef;
use crate::legacy::LegacyError;
use crate::mcp::write;
use crate::topics::{PublishError, SubscribeError};
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value, json};

/// What every `type` begins with.
pub(in crate::server) const TYPE_PREFIX: &str = "urn:cofferdam:problem:";
/// What every `instance` begins with; the rest is the reference of the call, which finds it in the log.
const INSTANCE_PREFIX: &str = "urn:cofferdam:call:";
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// A type of problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) status: StatusCode,
    /// What `type` ends in.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
}

const fn of(status: StatusCode, name: &'static str, title: &'static str) -> Kind {
    Kind { status, name, title }
}

/// The table of problems. JSON-RPC has errors in answers with status 200; here the status says it all.
pub(super) fn kind(problem: &Problem<'_>) -> Kind {
    use StatusCode as S;
    match problem {
        Problem::Guard(Refusal::MalformedHost) => of(S::BAD_REQUEST, "malformed-host", "The Host header is malformed"),
        Problem::Guard(Refusal::Host) => of(S::FORBIDDEN, "host", "This host name is not served"),
        Problem::Guard(Refusal::Origin) => of(S::FORBIDDEN, "origin", "Pages of this origin may not call"),
        Problem::NoPath => of(S::NOT_FOUND, "no-path", "There is nothing at this path"),
        Problem::Method | Problem::PlainMethod(_) => of(S::METHOD_NOT_ALLOWED, "method", "The method is not answered here"),
        Problem::HeadTooLarge => of(S::REQUEST_HEADER_FIELDS_TOO_LARGE, "head-too-large", "The head is too large"),
        Problem::UriTooLong => of(S::URI_TOO_LONG, "uri-too-long", "The target is too long"),
        Problem::TransferEncoding => of(S::BAD_REQUEST, "transfer-encoding", "The transfer encoding is not understood"),
        Problem::MediaType => of(S::UNSUPPORTED_MEDIA_TYPE, "media-type", "The body has another type"),
        Problem::NotAcceptable | Problem::NoEventStream => {
            of(S::NOT_ACCEPTABLE, "not-acceptable", "The client takes no form that there is")
        }
        Problem::NoCoding => of(S::NOT_ACCEPTABLE, "no-coding", "The client takes no coding that there is"),
        Problem::TooLarge(_) => of(S::PAYLOAD_TOO_LARGE, "too-large", "The body is too large"),
        Problem::SlowRequest => of(S::REQUEST_TIMEOUT, "slow-request", "The body did not arrive in time"),
        Problem::Incomplete => of(S::BAD_REQUEST, "incomplete", "The body ended early"),
        Problem::Bounds(_) => of(S::BAD_REQUEST, "bounds", "The JSON is too deep, or has too many values"),
        Problem::Batch(_) => of(S::BAD_REQUEST, "batch", "The batch is empty, or too long"),
        Problem::Filter(_) => of(S::BAD_REQUEST, "filter", "The filter is not one"),
        Problem::Subscribe(SubscribeError::Name(_)) => of(S::BAD_REQUEST, "topic-name", "This is no name of a topic"),
        Problem::Subscribe(SubscribeError::UnknownTopic(_)) => of(S::NOT_FOUND, "unknown-topic", "There is no such topic"),
        Problem::NoSubscription(_) => of(S::NOT_FOUND, "unknown-subscription", "There is no such subscription"),
        Problem::NoWebSocket(_) => of(S::BAD_REQUEST, "handshake", "This is not the handshake of a WebSocket"),
        Problem::UpgradeRequired => of(S::UPGRADE_REQUIRED, "upgrade-required", "This is for WebSockets"),
        Problem::Subscribe(_) => of(S::TOO_MANY_REQUESTS, "subscriptions", "There are too many subscriptions"),
        Problem::Plain(error) => plain_kind(error),
        Problem::Hook(error) => hook_kind(error),
        Problem::Call(error) | Problem::Legacy(LegacyError::Call(error)) => call_kind(error),
        Problem::NotText
        | Problem::Message(_)
        | Problem::BadRequest(_)
        | Problem::Unexpected(_)
        | Problem::Meta(_)
        | Problem::Headers(_) => of(S::BAD_REQUEST, "malformed", "The request is not what it has to be"),
        Problem::Legacy(_) => of(S::BAD_REQUEST, "session", "The session is not there"),
    }
}

fn plain_kind(error: &PlainError) -> Kind {
    use StatusCode as S;
    match error {
        PlainError::Malformed(_) => of(S::BAD_REQUEST, "malformed", "The request is not what it has to be"),
        PlainError::WrongKind { .. } => of(S::NOT_FOUND, "wrong-endpoint", "The operation belongs to another endpoint"),
        PlainError::Invalid { .. } => of(S::UNPROCESSABLE_ENTITY, "invalid", "The arguments do not fit"),
        PlainError::NotFound(_) => of(S::NOT_FOUND, "not-found", "What the operation was asked for does not exist"),
        PlainError::Denied(_) => of(S::FORBIDDEN, "denied", "The operation may not do this for its caller"),
        PlainError::Unavailable(_) => of(S::SERVICE_UNAVAILABLE, "unavailable", "Something that the operation needs does not answer"),
        PlainError::Failed { .. } => of(S::UNPROCESSABLE_ENTITY, "failed", "The operation failed"),
        PlainError::NeedsClient => of(S::UNPROCESSABLE_ENTITY, "needs-client", "The operation needs an MCP client"),
        PlainError::BatchOutput(_) => of(S::UNPROCESSABLE_ENTITY, "batch-output", "The answers of the batch are too large"),
        PlainError::NotBegun => of(S::SERVICE_UNAVAILABLE, "not-begun", "The time of the batch was over"),
        PlainError::Call(error) => call_kind(error),
    }
}

fn hook_kind(error: &HookError) -> Kind {
    use StatusCode as S;
    match error {
        HookError::Unknown | HookError::Publish(PublishError::UnknownTopic(_)) => {
            of(S::NOT_FOUND, "no-webhook", "There is no such webhook")
        }
        HookError::Refused => of(S::UNAUTHORIZED, "signature", "The request is not signed as it has to be"),
        HookError::NoEvent(_) => of(S::UNPROCESSABLE_ENTITY, "no-event", "The request is no event of the topic"),
        HookError::Publish(PublishError::TooLarge(_)) => of(S::PAYLOAD_TOO_LARGE, "event-too-large", "The event is too large"),
        HookError::Publish(PublishError::TooFast(_)) => of(S::TOO_MANY_REQUESTS, "too-fast", "Events come too fast"),
        HookError::Unverifiable | HookError::Unavailable(_) | HookError::Publish(_) => {
            of(S::SERVICE_UNAVAILABLE, "unavailable", "The webhook cannot take the request now")
        }
        HookError::Call(error) => call_kind(error),
    }
}

fn call_kind(error: &CallError) -> Kind {
    use StatusCode as S;
    match error {
        CallError::NoTarget { .. } | CallError::NoResource { .. } => of(S::NOT_FOUND, "unknown-operation", "There is no such operation"),
        CallError::Params(_) | CallError::HeaderMismatch(_) | CallError::Version(_) | CallError::NoMethod(_) => {
            of(S::BAD_REQUEST, "malformed", "The request is not what it has to be")
        }
        CallError::MissingCapability(_) | CallError::Rounds(_) => plain_kind(&PlainError::NeedsClient),
        CallError::Handler(_) => of(S::UNPROCESSABLE_ENTITY, "failed", "The operation failed"),
        CallError::TenantBusy => of(S::TOO_MANY_REQUESTS, "busy", "Too many calls are running"),
        CallError::Subscriptions(_) => of(S::TOO_MANY_REQUESTS, "subscriptions", "There are too many subscriptions"),
        CallError::HostBusy => of(S::SERVICE_UNAVAILABLE, "host-busy", "The host is busy"),
        CallError::Deadline { .. } => of(S::GATEWAY_TIMEOUT, "deadline", "The call did not end in time"),
        CallError::PluginFailed { .. } => of(S::BAD_GATEWAY, "plugin-failed", "The plugin failed"),
        CallError::Internal { .. } => of(S::INTERNAL_SERVER_ERROR, "internal", "The host failed"),
    }
}

/// What finds the call in the log, where there is something to find.
fn reference(problem: &Problem<'_>) -> Option<CallRef> {
    match problem {
        Problem::Call(error) | Problem::Plain(PlainError::Call(error)) | Problem::Hook(HookError::Call(error)) => match error {
            CallError::Deadline { reference, .. } | CallError::PluginFailed { reference } | CallError::Internal { reference } => {
                Some(*reference)
            }
            _ => None,
        },
        _ => None,
    }
}

/// The response for a problem.
pub(in crate::server) fn details(problem: &Problem<'_>) -> Response<Reply> {
    let mut response = Response::new(Reply::new(details_text(problem)));
    *response.status_mut() = kind(problem).status;
    response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM_JSON);
    super::finish(&mut response, problem);
    response
}

/// The problem as a JSON object.
pub(in crate::server) fn details_text(problem: &Problem<'_>) -> Vec<u8> {
    let Kind { status, name, title } = kind(problem);
    let mut object = Map::new();
    object.insert("type".to_owned(), json!(format!("{TYPE_PREFIX}{name}")));
    object.insert("title".to_owned(), json!(title));
    object.insert("status".to_owned(), json!(status.as_u16()));
    object.insert("detail".to_owned(), json!(problem.to_string()));
    if let Some(reference) = reference(problem) {
        object.insert("instance".to_owned(), json!(format!("{INSTANCE_PREFIX}{reference}")));
        object.insert("reference".to_owned(), json!(reference.to_string()));
    }
    if let Problem::Plain(PlainError::Invalid { problems, .. }) = problem
        && !problems.is_empty()
    {
        let errors = problems.iter().map(|problem| json!({ "path": problem.path, "message": problem.message }));
        object.insert("errors".to_owned(), errors.collect());
    }
    let mut out = Vec::with_capacity(256);
    write::json(&mut out, &Value::Object(object));
    // What a guest said goes out as it was checked, without a detour.
    if let Problem::Plain(PlainError::Failed { content: Some(content), .. }) = problem {
        out.pop();
        out.extend_from_slice(b",\"content\":");
        out.extend_from_slice(content.as_bytes());
        out.push(b'}');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::PlainKind;
    use crate::mcp::bounds::BoundsError;
    use crate::registry::schema::SchemaProblem;
    use crate::runtime::Limit;
    use std::time::Duration;

    #[test]
    fn the_table_of_types_is_stable() {
        let plain = |error: PlainError| Problem::Plain(error);
        let call = |error: CallError| Problem::Plain(PlainError::Call(error));
        let reference = CallRef::next();
        for (problem, status, name) in [
            (Problem::Guard(Refusal::MalformedHost), 400, "malformed-host"),
            (Problem::Guard(Refusal::Host), 403, "host"),
            (Problem::Guard(Refusal::Origin), 403, "origin"),
            (Problem::NoPath, 404, "no-path"),
            (Problem::PlainMethod("POST, OPTIONS"), 405, "method"),
            (Problem::HeadTooLarge, 431, "head-too-large"),
            (Problem::UriTooLong, 414, "uri-too-long"),
            (Problem::TransferEncoding, 400, "transfer-encoding"),
            (Problem::MediaType, 415, "media-type"),
            (Problem::NotAcceptable, 406, "not-acceptable"),
            (Problem::NoCoding, 406, "no-coding"),
            (Problem::TooLarge(1), 413, "too-large"),
            (Problem::SlowRequest, 408, "slow-request"),
            (Problem::Incomplete, 400, "incomplete"),
            (Problem::NotText, 400, "malformed"),
            (Problem::Bounds(BoundsError::Depth(1)), 400, "bounds"),
            (Problem::BadRequest(String::new()), 400, "malformed"),
            (Problem::Batch(100), 400, "batch"),
            (plain(PlainError::Malformed(String::new())), 400, "malformed"),
            (plain(PlainError::WrongKind { name: String::new(), kind: PlainKind::Query }), 404, "wrong-endpoint"),
            (plain(PlainError::Invalid { text: String::new(), problems: Vec::new() }), 422, "invalid"),
            (plain(PlainError::NotFound(String::new())), 404, "not-found"),
            (plain(PlainError::Denied(String::new())), 403, "denied"),
            (plain(PlainError::Unavailable(String::new())), 503, "unavailable"),
            (plain(PlainError::Failed { text: String::new(), content: None }), 422, "failed"),
            (plain(PlainError::NeedsClient), 422, "needs-client"),
            (plain(PlainError::BatchOutput(1)), 422, "batch-output"),
            (plain(PlainError::NotBegun), 503, "not-begun"),
            (Problem::Hook(HookError::Unknown), 404, "no-webhook"),
            (Problem::Hook(HookError::Refused), 401, "signature"),
            (Problem::Hook(HookError::NoEvent(String::new())), 422, "no-event"),
            (Problem::Hook(HookError::Unverifiable), 503, "unavailable"),
            (Problem::Hook(HookError::Unavailable(String::new())), 503, "unavailable"),
            (Problem::Hook(PublishError::TooLarge(1).into()), 413, "event-too-large"),
            (Problem::Hook(PublishError::TooFast(1).into()), 429, "too-fast"),
            (Problem::Hook(PublishError::TooManyTopics(1).into()), 503, "unavailable"),
            (Problem::Hook(HookError::Call(CallError::TenantBusy)), 429, "busy"),
            (Problem::Hook(HookError::Call(CallError::PluginFailed { reference })), 502, "plugin-failed"),
            (call(CallError::unknown("query", "a")), 404, "unknown-operation"),
            (call(CallError::Params(String::new())), 400, "malformed"),
            (call(CallError::TenantBusy), 429, "busy"),
            (call(CallError::HostBusy), 503, "host-busy"),
            (call(CallError::Deadline { of: Limit::WallTime, limit: Duration::from_secs(1), reference }), 504, "deadline"),
            (call(CallError::PluginFailed { reference }), 502, "plugin-failed"),
            (call(CallError::Internal { reference }), 500, "internal"),
        ] {
            let object: Value = serde_json::from_slice(&details_text(&problem)).unwrap();
            assert_eq!(
                (object["status"].as_u64(), object["type"].as_str()),
                (Some(status), Some(&*format!("urn:cofferdam:problem:{name}")))
            );
            assert!(object["title"].as_str().is_some_and(|title| !title.is_empty()), "{object}");
            let response = details(&problem);
            assert_eq!((u64::from(response.status().as_u16()), &response.headers()[header::CONTENT_TYPE]), (status, &PROBLEM_JSON));
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), matches!(status, 429 | 503), "{object}");
            assert_eq!(response.headers().contains_key(header::ALLOW), status == 405, "{object}");
            assert_eq!(object.get("reference").is_some(), matches!(status, 500 | 502 | 504), "{object}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_one_by_one() {
        let problems = vec![SchemaProblem { path: "/data/a".to_owned(), message: "no \"a\"".to_owned() }];
        let text = details_text(&Problem::Plain(PlainError::Invalid { text: "x".to_owned(), problems }));
        let object: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(object["errors"], json!([{ "path": "/data/a", "message": "no \"a\"" }]));
        let content = Some(r#"[{"type":"text","text":"y"}]"#.to_owned());
        let text = details_text(&Problem::Plain(PlainError::Failed { text: "y".to_owned(), content }));
        let object: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!((object["detail"].as_str(), object["content"][0]["text"].as_str()), (Some("y"), Some("y")));
    }
}
