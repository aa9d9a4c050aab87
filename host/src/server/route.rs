//! One HTTP request: its head is checked, and it is given to what answers its method and path.

use super::body::Reply;
use super::connection::Drain;
use super::deadlines::InFlight;
use super::events::{self, Reading, Until};
use super::plain::compress::{Wanted, compressed};
use super::plain::{self, Plain, openapi};
use super::respond::{self, Problem};
use super::{cors, http_sse, post};
use crate::auth::Principal;
use crate::auth::guard::Guard;
use crate::dispatch::Dispatch;
use crate::legacy::stream::EventId;
use crate::legacy::{Legacy, LegacyError, Session};
use crate::limits::Limits;
use crate::mcp::{Version, headers};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use hyper::body::Incoming;
use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::watch;

/// Where MCP is.
pub const MCP_PATH: &str = "/mcp";

/// Everything that answers requests.
pub struct App {
    guard: Guard,
    dispatch: Arc<Dispatch>,
    legacy: Legacy,
    limits: Arc<Limits>,
    principal: Arc<Principal>,
    http_sse: bool,
    openapi: openapi::Kept,
}

impl App {
    /// Both eras over one dispatch. With `http_sse` also the transport of 2024-11-05, which had two endpoints.
    #[must_use]
    pub fn new(guard: Guard, dispatch: Arc<Dispatch>, limits: Arc<Limits>, http_sse: bool) -> Self {
        let legacy = Legacy::new(Arc::clone(&dispatch));
        Self { guard, dispatch, legacy, limits, principal: Principal::local(), http_sse, openapi: openapi::Kept::default() }
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    pub(super) fn dispatch(&self) -> &Dispatch {
        &self.dispatch
    }

    pub(super) fn shared_dispatch(&self) -> Arc<Dispatch> {
        Arc::clone(&self.dispatch)
    }

    pub(super) fn openapi(&self) -> &openapi::Kept {
        &self.openapi
    }

    pub(super) fn legacy(&self) -> &Legacy {
        &self.legacy
    }

    pub(super) fn principal(&self) -> &Arc<Principal> {
        &self.principal
    }

    /// Answers one request. The connection stays busy until the answer's body is gone.
    pub(super) async fn answer(
        self: Arc<Self>,
        request: hyper::Request<Incoming>,
        in_flight: InFlight,
        drain: Drain,
    ) -> Result<Response<Reply>, Infallible> {
        let (head, body) = request.into_parts();
        // Only origins that the guard has let through may read the answer.
        let origin = head.headers.get(header::ORIGIN).cloned().filter(|_| self.guard_passes(&head));
        let is_plain = Plain::find(head.uri.path()).is_some();
        let mut response = match self.check_head(&head) {
            Err(problem) if is_plain => respond::details(&problem),
            Err(problem) => respond::problem(&problem, None),
            Ok(Target::Plain(plain)) => plain::answer(self, plain, head, body, drain).await,
            Ok(Target::Options) => cors::preflight(&head.headers, Plain::find(head.uri.path()).map(|(plain, _)| plain.methods())),
            Ok(Target::Post) => {
                let wanted = Wanted::of(head.headers.get(header::ACCEPT_ENCODING));
                let limits = Arc::clone(&self.limits);
                compressed(post::answer(self, head.headers, body, drain).await, wanted, &limits).await
            }
            Ok(Target::Stream) => {
                Self::stream(&self, &head.headers, (*drain).clone()).unwrap_or_else(|problem| respond::problem(&problem, None))
            }
            Ok(Target::Delete) => self.delete(&head.headers).unwrap_or_else(|problem| respond::problem(&problem, None)),
            Ok(Target::OldStream) => http_sse::stream(&self, (*drain).clone()).unwrap_or_else(|problem| respond::problem(&problem, None)),
            Ok(Target::OldPost) => http_sse::post(self, &head, body).await,
        };
        if let Some(origin) = origin {
            cors::allow(&mut response, &origin);
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            in_flight.upgrades();
        }
        Ok(response.map(|reply| reply.keep(in_flight)))
    }

    fn guard_passes(&self, head: &http::request::Parts) -> bool {
        self.guard.check(head.version, &head.uri, &head.headers).is_ok()
    }

    /// Everything that can be refused before the body is looked at.
    fn check_head(&self, head: &http::request::Parts) -> Result<Target, Problem<'static>> {
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
        let target = self.target(head)?;
        let takes_json = match target {
            Target::Post | Target::OldPost => true,
            Target::Plain(plain) => plain.takes_json(),
            _ => false,
        };
        if takes_json && (!is_json(headers) || headers.contains_key(header::CONTENT_ENCODING)) {
            return Err(Problem::MediaType);
        }
        let accepted = match target {
            Target::Post => accepts(headers, true),
            Target::Stream | Target::OldStream => accepts(headers, false),
            Target::Options | Target::Delete | Target::OldPost | Target::Plain(_) => true,
        };
        if accepted { Ok(target) } else { Err(Problem::NotAcceptable) }
    }

    /// What answers a method and a path.
    fn target(&self, head: &http::request::Parts) -> Result<Target, Problem<'static>> {
        let (method, path) = (&head.method, head.uri.path());
        let plain = Plain::find(path);
        let known = path == MCP_PATH || plain.is_some() || (self.http_sse && matches!(path, http_sse::STREAM_PATH | http_sse::POST_PATH));
        if !known {
            return Err(Problem::NoPath);
        }
        if method == Method::OPTIONS {
            return Ok(Target::Options);
        }
        if let Some((plain, verb)) = plain {
            // Who may get a document may ask for its head; of a stream there is no head without the rest.
            let answers = *method == verb || (*method == Method::HEAD && plain == Plain::OpenApi);
            return if answers { Ok(Target::Plain(plain)) } else { Err(Problem::PlainMethod(plain.methods())) };
        }
        if path != MCP_PATH {
            return match (path, method) {
                (http_sse::STREAM_PATH, &Method::GET) => Ok(Target::OldStream),
                (http_sse::POST_PATH, &Method::POST) => Ok(Target::OldPost),
                _ => Err(Problem::Method),
            };
        }
        // Without a session there is nothing to read or delete: in the stateless era the verbs do not exist.
        let in_session = head.headers.contains_key(headers::SESSION_ID) && !is_stateless(&head.headers);
        match *method {
            Method::POST => Ok(Target::Post),
            Method::GET if in_session => Ok(Target::Stream),
            Method::DELETE if in_session => Ok(Target::Delete),
            _ => Err(Problem::Method),
        }
    }

    /// What belongs to no request, or the rest of a stream whose connection was lost.
    fn stream(app: &Arc<Self>, headers: &HeaderMap, drain: watch::Receiver<bool>) -> Result<Response<Reply>, Problem<'static>> {
        let id = headers::single(headers, &headers::SESSION_ID)?.map(str::to_owned);
        let session = app.legacy.find(&app.principal, id.as_deref())?;
        let last = headers::single(headers, &headers::LAST_EVENT_ID)?;
        let touch = Rc::new({
            let app = Arc::clone(app);
            move || drop(app.legacy.find(&app.principal, id.as_deref()))
        });
        let reading = match last {
            Some(last) => {
                let last = EventId::parse(last).ok_or(LegacyError::UnknownEvent)?;
                let stream = session.stream(last.stream).filter(|stream| stream.has_sent(last.event)).ok_or(LegacyError::UnknownEvent)?;
                let until = (last.stream == 0).then(|| -> Until { Box::pin(drained(drain)) });
                Reading { reader: stream.read(last.event), first: None, time_max: None, until, touch }
            }
            None => app.main_stream(&session, drain, touch)?,
        };
        Ok(events::read(reading, &app.limits))
    }

    /// A session's own stream, from what nobody has read yet.
    pub(super) fn main_stream(
        &self,
        session: &Arc<Session>,
        drain: watch::Receiver<bool>,
        touch: Rc<dyn Fn()>,
    ) -> Result<Reading, Problem<'static>> {
        self.legacy.listen(session);
        let stream = session.stream(0).ok_or(LegacyError::UnknownSession)?;
        let reader = stream.read_on();
        let first = (session.negotiated().version >= Version::V2025_11_25).then(|| events::priming(reader.position(), &self.limits));
        Ok(Reading { reader, first, time_max: None, until: Some(Box::pin(drained(drain))), touch })
    }

    fn delete(&self, headers: &HeaderMap) -> Result<Response<Reply>, Problem<'static>> {
        self.legacy.delete(&self.principal, headers::single(headers, &headers::SESSION_ID)?)?;
        Ok(respond::empty(StatusCode::NO_CONTENT))
    }
}

/// Ready when the host drains.
pub(super) async fn drained(mut drain: watch::Receiver<bool>) {
    let _ = drain.wait_for(|drain| *drain).await;
}

/// What a request goes to.
#[derive(Clone, Copy)]
enum Target {
    /// A message.
    Post,
    /// A stream of a session.
    Stream,
    /// The end of a session.
    Delete,
    /// A browser asks whether it may.
    Options,
    /// The stream of the transport of 2024-11-05.
    OldStream,
    /// A message of that transport.
    OldPost,
    /// A call, a stream or a webhook without MCP.
    Plain(Plain),
}

/// Whether the head names a revision without sessions.
fn is_stateless(headers: &HeaderMap) -> bool {
    let version = headers.get(headers::PROTOCOL_VERSION).map(|version| version.to_str().unwrap_or_default().trim());
    version.is_some_and(|version| !Version::parse(version).is_some_and(Version::is_legacy))
}

/// Browsers can send other types without asking first, so nothing else is taken.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// Whether the client takes event streams, and where JSON can come as well, both, as it must (2026-07-28, Streamable HTTP).
pub(super) fn accepts(headers: &HeaderMap, with_json: bool) -> bool {
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
    any || (events && (json || !with_json))
}
