//! One HTTP request: its head is checked, its body read under limits, and its message given to the era that it belongs to.

use super::deadlines::InFlight;
use super::respond::{self, Problem, Reply};
use crate::auth::Principal;
use crate::auth::guard::Guard;
use crate::dispatch::{CallError, Dialect, Dispatch};
use crate::legacy::{Answer, Legacy};
use crate::limits::Limits;
use crate::mcp::{Message, Request, Version, bounds, headers};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use std::convert::Infallible;
use std::sync::Arc;

/// Where MCP is.
pub const MCP_PATH: &str = "/mcp";

/// Everything that answers requests.
pub struct App {
    guard: Guard,
    dispatch: Arc<Dispatch>,
    legacy: Legacy,
    limits: Arc<Limits>,
    principal: Arc<Principal>,
}

impl App {
    /// Both eras over one dispatch.
    #[must_use]
    pub fn new(guard: Guard, dispatch: Arc<Dispatch>, limits: Arc<Limits>) -> Self {
        let legacy = Legacy::new(Arc::clone(&dispatch));
        Self { guard, dispatch, legacy, limits, principal: Principal::local() }
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
    }

    /// Answers one request. The connection stays busy until the answer's body is gone.
    pub(super) async fn answer(&self, request: hyper::Request<Incoming>, in_flight: InFlight) -> Result<Response<Reply>, Infallible> {
        let (head, body) = request.into_parts();
        let response = match self.check_head(&head) {
            Err(problem) => respond::problem(&problem, None),
            Ok(()) if head.method == Method::DELETE => self.delete(&head.headers),
            Ok(()) => self.post(&head.headers, body).await,
        };
        Ok(response.map(|reply| reply.keep(in_flight)))
    }

    /// Everything that can be refused before the body is looked at.
    fn check_head(&self, head: &http::request::Parts) -> Result<(), Problem<'static>> {
        let (headers, limits) = (&head.headers, &self.limits);
        let field_bytes = |(name, value): (&http::HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
        let uri_bytes = head.uri.path_and_query().map_or(0, |path| path.as_str().len());
        if uri_bytes > limits.uri_bytes_max {
            return Err(Problem::UriTooLong);
        }
        if headers.len() > limits.headers_max || uri_bytes + headers.iter().map(field_bytes).sum::<usize>() > limits.head_bytes_max {
            return Err(Problem::HeadTooLarge);
        }
        self.guard.check(head.version, &head.uri, headers)?;
        let transfer_encodings = headers.get_all(header::TRANSFER_ENCODING);
        if transfer_encodings.iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"chunked")) {
            return Err(Problem::TransferEncoding);
        }
        if head.uri.path() != MCP_PATH {
            return Err(Problem::NoPath);
        }
        // Without a session there is nothing to delete: in the stateless era the verb does not exist.
        if head.method == Method::DELETE && headers.contains_key(headers::SESSION_ID) {
            return Ok(());
        }
        if head.method != Method::POST {
            return Err(Problem::Method);
        }
        if !is_json(headers) || headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Problem::MediaType);
        }
        if !accepts_answers(headers) { Err(Problem::NotAcceptable) } else { Ok(()) }
    }

    async fn post(&self, headers: &HeaderMap, body: Incoming) -> Response<Reply> {
        let body = match read_body(body, &self.limits).await {
            Ok(body) => body,
            Err(problem) => return respond::problem(&problem, None),
        };
        let message = match parse(&body, &self.limits) {
            Ok(message) => message,
            Err(problem) => return respond::problem(&problem, None),
        };
        let answered = self.route(headers, &message).await;
        answered.unwrap_or_else(|problem| {
            let id = if let Message::Request(request) = &message { Some(request.id.as_json()) } else { None };
            respond::problem(&problem, id)
        })
    }

    /// Which era a message belongs to (2026-07-28, versioning, "Dual-era servers"): `_meta` with a version, or a header with one that is
    /// not of the `initialize` era, is stateless; everything else leans on a handshake.
    async fn route<'m>(&self, headers: &HeaderMap, message: &Message<'m>) -> Result<Response<Reply>, Problem<'m>> {
        let params = match message {
            Message::Request(Request { params, .. }) | Message::Notification { params, .. } => Some(params),
            Message::Response => None,
        };
        let in_body = params.and_then(|params| params.meta.as_ref()).and_then(|meta| meta.protocol_version.as_deref());
        let in_header = headers::single(headers, &headers::PROTOCOL_VERSION)?;
        let header_is_legacy = in_header.is_none_or(|version| Version::parse(version).is_some_and(Version::is_legacy));
        if in_body.is_some() || !header_is_legacy {
            self.stateless(headers, message, in_header, in_body).await
        } else {
            self.with_session(headers, message).await
        }
    }

    async fn stateless<'m>(
        &self,
        headers: &HeaderMap,
        message: &Message<'m>,
        in_header: Option<&str>,
        in_body: Option<&str>,
    ) -> Result<Response<Reply>, Problem<'m>> {
        let request = match message {
            Message::Request(request) => request,
            Message::Notification { .. } => return Ok(respond::empty(StatusCode::ACCEPTED)),
            Message::Response => return Err(Problem::Unexpected("the host sends no requests, so there is nothing to respond to")),
        };
        check_meta(request)?;
        let version = agree(in_header, in_body)?;
        let params = &request.params;
        let name = match request.method.as_ref() {
            "tools/call" | "prompts/get" => params.name.as_deref(),
            "resources/read" => params.uri.as_deref(),
            _ => None,
        };
        headers::check_method(headers, &request.method, name)?;
        let dialect = Dialect { version, headers: Some(headers) };
        Ok(respond::json(self.dispatch.answer(&self.principal, request, dialect).await?))
    }

    async fn with_session<'m>(&self, headers: &HeaderMap, message: &Message<'m>) -> Result<Response<Reply>, Problem<'m>> {
        let session = headers::single(headers, &headers::SESSION_ID)?;
        match self.legacy.post(&self.principal, session, message).await? {
            Answer::Accepted => Ok(respond::empty(StatusCode::ACCEPTED)),
            Answer::Message { body, session } => {
                let mut response = respond::json(body);
                if let Some(session) = session.and_then(|id| HeaderValue::from_str(&id).ok()) {
                    response.headers_mut().insert(headers::SESSION_ID, session);
                }
                Ok(response)
            }
        }
    }

    fn delete(&self, headers: &HeaderMap) -> Response<Reply> {
        let ended = headers::single(headers, &headers::SESSION_ID).ok().flatten().is_some_and(|id| self.legacy.delete(&self.principal, id));
        respond::empty(if ended { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND })
    }
}

/// What `_meta` must have (2026-07-28, basic, "_meta").
fn check_meta(request: &Request<'_>) -> Result<(), Problem<'static>> {
    let meta = request.params.meta.as_ref();
    if meta.is_none_or(|meta| meta.protocol_version.is_none()) {
        return Err(Problem::Meta("`params._meta` has to have io.modelcontextprotocol/protocolVersion"));
    }
    let capabilities = meta.and_then(|meta| meta.client_capabilities);
    if !capabilities.is_some_and(|capabilities| capabilities.get().starts_with('{')) {
        return Err(Problem::Meta("`params._meta` has to have io.modelcontextprotocol/clientCapabilities, an object"));
    }
    Ok(())
}

/// Header and body have to say the same before it matters whether we speak it.
fn agree(in_header: Option<&str>, in_body: Option<&str>) -> Result<Version, Problem<'static>> {
    let mismatch = |text: &str| Problem::Call(CallError::HeaderMismatch(text.to_owned()));
    let in_header = in_header.ok_or_else(|| mismatch("the header MCP-Protocol-Version is missing"))?;
    if Some(in_header) != in_body {
        return Err(mismatch("MCP-Protocol-Version and `_meta` say different versions"));
    }
    let version = Version::parse(in_header).filter(|version| !version.is_legacy());
    version.ok_or_else(|| Problem::Call(CallError::Version(in_header.chars().take(64).collect())))
}

fn parse<'a>(body: &'a [u8], limits: &Limits) -> Result<Message<'a>, Problem<'a>> {
    bounds::check(body, limits.json_depth_max, limits.json_values_max)?;
    let text = std::str::from_utf8(body).map_err(|_| Problem::NotText)?;
    Ok(Message::parse(text)?)
}

/// Reads a body under its limits of size and time. A body that came with its head is not copied, and costs no timer.
async fn read_body(mut body: Incoming, limits: &Limits) -> Result<Bytes, Problem<'static>> {
    let most = limits.body_bytes_max;
    if body.size_hint().lower() > most as u64 {
        return Err(Problem::TooLarge(most));
    }
    let read = async {
        let mut whole: Option<BytesMut> = None;
        let mut first = Bytes::new();
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame.map_err(|_| Problem::Incomplete)?.into_data() else { continue };
            if whole.as_ref().map_or(first.len(), BytesMut::len) + data.len() > most {
                return Err(Problem::TooLarge(most));
            }
            if let Some(whole) = &mut whole {
                whole.extend_from_slice(&data);
            } else if first.is_empty() {
                first = data;
            } else {
                whole.get_or_insert_with(|| BytesMut::from(first.as_ref())).extend_from_slice(&data);
            }
        }
        Ok(whole.map_or(first, BytesMut::freeze))
    };
    tokio::time::timeout(limits.body_time_max, read).await.map_err(|_| Problem::SlowRequest)?
}

/// Browsers can send other types without asking first, so nothing else is taken.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Whether the client takes JSON and event streams, as it must (2026-07-28, Streamable HTTP).
fn accepts_answers(headers: &HeaderMap) -> bool {
    let (mut json, mut events, mut any) = (false, false, true);
    for value in headers.get_all(header::ACCEPT) {
        any = false;
        for range in value.to_str().unwrap_or_default().split(',') {
            match range.split(';').next().unwrap_or_default().trim() {
                "*/*" => any = true,
                range if range.eq_ignore_ascii_case("application/json") || range == "application/*" => json = true,
                range if range.eq_ignore_ascii_case("text/event-stream") || range == "text/*" => events = true,
                _ => {}
            }
        }
        if any {
            return true;
        }
    }
    any || (json && events)
}
