//! One POST: its body is read, its message parsed, and given to the era that it belongs to.
//!
//! A request is answered with JSON when its answer comes soon and alone, and with a stream of events otherwise. When its client goes
//! away, a stateless request is dropped, and with it the call (2026-07-28, Streamable HTTP); one of a session goes on (2025-11-25).

use super::batch;
use super::body::Reply;
use super::connection::Drain;
use super::events::{self, Reading};
use super::queue::Queue;
use super::respond::{self, Problem};
use super::route::App;
use crate::caps::client::Outlet;
use crate::dispatch::CallError;
use crate::legacy::{self, Session};
use crate::limits::Limits;
use crate::mcp::{Message, Request, Version, bounds, headers, message};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::{Body, Incoming};
use serde_json::value::RawValue;
use std::cell::OnceCell;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What a POST brought, and where its messages go.
struct Posted {
    app: Arc<App>,
    headers: HeaderMap,
    body: Bytes,
    queue: Arc<Queue>,
    drain: Drain,
    /// The session that it belongs to, as soon as that is known.
    session: OnceCell<Arc<Session>>,
}

/// A request on its way.
struct Work {
    future: Option<Pin<Box<dyn Future<Output = Response<Reply>>>>>,
    posted: Rc<Posted>,
}

impl Future for Work {
    type Output = Response<Reply>;
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Response<Reply>> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // In a session a client that is gone has not cancelled anything.
        if let Some(future) = self.future.take().filter(|_| self.posted.session.get().is_some()) {
            tokio::task::spawn_local(async move {
                future.await;
            });
        }
    }
}

/// Answers a POST to the MCP endpoint.
pub(super) async fn answer(app: Arc<App>, headers: HeaderMap, body: Incoming, drain: Drain) -> Response<Reply> {
    let body = match read_body(body, app.limits()).await {
        Ok(body) => body,
        Err(problem) => return respond::problem(&problem, None),
    };
    let queue = Queue::new(app.limits());
    let posted = Rc::new(Posted { app, headers, body, queue: Arc::clone(&queue), drain, session: OnceCell::new() });
    let mut work = Work { future: Some(Box::pin(respond_to(Rc::clone(&posted)))), posted: Rc::clone(&posted) };

    let (limits, began) = (posted.app.limits(), tokio::time::Instant::now());
    let mut patience = pin!(tokio::time::sleep_until(began + limits.session_plain_answer_max.min(limits.plain_answer_max)));
    let first = poll_fn(|cx| {
        if let Poll::Ready(answer) = Pin::new(&mut work).poll(cx) {
            return Poll::Ready(Some(answer));
        }
        if queue.poll_some(cx).is_ready() {
            return Poll::Ready(None);
        }
        while patience.as_mut().poll(cx).is_ready() {
            let over = began + limits.plain_answer_max;
            if posted.session.get().is_some() || patience.deadline() >= over {
                return Poll::Ready(None);
            }
            patience.as_mut().reset(over);
        }
        Poll::Pending
    });
    match first.await {
        Some(answer) if queue.is_empty() => answer,
        Some(answer) => events::all_at_once(&queue, answer),
        None => match posted.session.get() {
            Some(session) => session_stream(session, work, queue, limits),
            None => events::until_answered(queue, work, limits),
        },
    }
}

/// An answer in a session that takes long: it goes on whoever reads it.
fn session_stream(session: &Session, work: Work, queue: Arc<Queue>, limits: &Limits) -> Response<Reply> {
    let stream = session.open_stream(limits);
    let reader = stream.read(0);
    let can_resume = session.negotiated().version >= Version::V2025_11_25;
    tokio::task::spawn_local(async move {
        let mut work = pin!(work);
        let answer = loop {
            tokio::select! {
                biased;
                message = queue.next() => drop(stream.push(&message, true)),
                answer = work.as_mut() => break answer,
            }
        };
        while let Some(message) = queue.take() {
            stream.push(&message, true);
        }
        if let Some(message) = answer.into_body().into_content().ok().filter(|message| !message.is_empty()) {
            stream.push(&message, true);
        }
        stream.end();
    });
    let first = can_resume.then(|| events::priming(reader.position(), limits));
    let time_max = can_resume.then_some(limits.session_stream_time_max);
    events::read(Reading { reader, first, time_max, until: None, touch: Rc::new(|| {}) }, limits)
}

async fn respond_to(posted: Rc<Posted>) -> Response<Reply> {
    let limits = posted.app.limits();
    let text = match text(&posted.body, limits) {
        Ok(text) => text,
        Err(problem) => return respond::problem(&problem, None),
    };
    if let Some(batch) = message::batch(text) {
        let answered = match batch {
            Ok(members) => answer_batch(&posted, &members).await,
            Err(error) => Err(error.into()),
        };
        return answered.unwrap_or_else(|problem| respond::problem(&problem, None));
    }
    let message = match Message::parse(text) {
        Ok(message) => message,
        Err(error) => return respond::problem(&error.into(), None),
    };
    let answered = route(&posted, &message).await;
    answered.unwrap_or_else(|problem| {
        let id = if let Message::Request(request) = &message { Some(request.id.as_json()) } else { None };
        respond::problem(&problem, id)
    })
}

pub(super) fn text<'a>(body: &'a [u8], limits: &Limits) -> Result<&'a str, Problem<'static>> {
    bounds::check(body, limits.json_depth_max, limits.json_values_max)?;
    std::str::from_utf8(body).map_err(|_| Problem::NotText)
}

/// Which era a message belongs to (2026-07-28, versioning, "Dual-era servers"): `_meta` with a version, or a header with one that is not of
/// the `initialize` era, is stateless; everything else leans on a handshake.
async fn route<'m>(posted: &Posted, message: &Message<'m>) -> Result<Response<Reply>, Problem<'m>> {
    let params = match message {
        Message::Request(Request { params, .. }) | Message::Notification { params, .. } => Some(params),
        Message::Response(_) => None,
    };
    let in_body = params.and_then(|params| params.meta.as_ref()).and_then(|meta| meta.protocol_version.as_deref());
    let in_header = headers::single(&posted.headers, &headers::PROTOCOL_VERSION)?;
    if in_body.is_some() || !is_legacy(in_header) {
        stateless(posted, message, in_header, in_body).await
    } else {
        with_session(posted, message).await
    }
}

/// Whether the head leaves it to the handshake, or names a revision that has one.
fn is_legacy(in_header: Option<&str>) -> bool {
    in_header.is_none_or(|version| Version::parse(version).is_some_and(Version::is_legacy))
}

async fn stateless<'m>(
    posted: &Posted,
    message: &Message<'m>,
    in_header: Option<&str>,
    in_body: Option<&str>,
) -> Result<Response<Reply>, Problem<'m>> {
    let request = match message {
        Message::Request(request) => request,
        Message::Notification { .. } => return Ok(respond::empty(StatusCode::ACCEPTED)),
        Message::Response(_) => return Err(Problem::Unexpected("the host sends no requests, so there is nothing to respond to")),
    };
    check_meta(request)?;
    agree(in_header, in_body)?;
    headers::check_method(&posted.headers, &request.method, named(request))?;
    let (app, headers) = (&posted.app, Some(&posted.headers));
    let principal = app.principal();
    if request.method == "subscriptions/listen" {
        let listen = app.dispatch().listen(principal, request).await?;
        return Ok(events::listen(listen, (*posted.drain).clone(), app.limits()));
    }
    let exchange = app.dispatch().stateless(request, headers, Arc::<Queue>::clone(&posted.queue))?;
    Ok(respond::json(app.dispatch().answer(principal, request, &exchange).await?))
}

/// What `Mcp-Name` repeats.
fn named<'a>(request: &'a Request<'_>) -> Option<&'a str> {
    let params = &request.params;
    match request.method.as_ref() {
        "tools/call" | "prompts/get" => params.name.as_deref(),
        "resources/read" => params.uri.as_deref(),
        "tasks/get" | "tasks/update" | "tasks/cancel" => params.task_id.as_deref(),
        _ => None,
    }
}

async fn with_session<'m>(posted: &Posted, message: &Message<'m>) -> Result<Response<Reply>, Problem<'m>> {
    let app = &posted.app;
    if let Message::Request(request) = message
        && request.method == "initialize"
    {
        let (body, id) = app.legacy().initialize(app.principal(), request).await?;
        let mut response = respond::json(body);
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(headers::SESSION_ID, id);
        }
        return Ok(response);
    }
    let session = find_session(posted)?;
    match message {
        Message::Request(request) => {
            let outlet = Arc::<Queue>::clone(&posted.queue);
            Ok(respond::json(legacy::answer(app.dispatch(), &session, request, outlet).await?))
        }
        message => {
            legacy::take(&session, message);
            Ok(respond::empty(StatusCode::ACCEPTED))
        }
    }
}

fn find_session(posted: &Posted) -> Result<Arc<Session>, Problem<'static>> {
    let id = headers::single(&posted.headers, &headers::SESSION_ID)?;
    let session = posted.app.legacy().find(posted.app.principal(), id)?;
    let _ = posted.session.set(Arc::clone(&session));
    Ok(session)
}

/// A batch. Sessions belong to the `initialize` era, so one with the other era's version in its head has none.
async fn answer_batch(posted: &Posted, batch: &[&RawValue]) -> Result<Response<Reply>, Problem<'static>> {
    const NOT_SPOKEN: Problem<'static> = Problem::Unexpected("batches are not spoken here: send one message at a time");
    let in_header = headers::single(&posted.headers, &headers::PROTOCOL_VERSION)?;
    if !is_legacy(in_header) || !posted.headers.contains_key(headers::SESSION_ID) {
        return Err(NOT_SPOKEN);
    }
    let session = find_session(posted)?;
    if session.negotiated().version != Version::V2025_03_26 {
        return Err(NOT_SPOKEN);
    }
    let most = posted.app.limits().batch_max;
    if batch.is_empty() || batch.len() > most {
        return Err(Problem::Batch(most));
    }
    let outlet: Arc<dyn Outlet> = Arc::<Queue>::clone(&posted.queue);
    let answers = batch::answer(posted.app.dispatch(), &session, batch, &outlet).await;
    Ok(answers.map_or_else(|| respond::empty(StatusCode::ACCEPTED), respond::json))
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
fn agree(in_header: Option<&str>, in_body: Option<&str>) -> Result<(), Problem<'static>> {
    let mismatch = |text: &str| Problem::Call(CallError::HeaderMismatch(text.to_owned()));
    let in_header = in_header.ok_or_else(|| mismatch("the header MCP-Protocol-Version is missing"))?;
    if Some(in_header) != in_body {
        return Err(mismatch("MCP-Protocol-Version and `_meta` say different versions"));
    }
    match Version::parse(in_header) {
        Some(version) if !version.is_legacy() => Ok(()),
        _ => Err(Problem::Call(CallError::Version(in_header.chars().take(64).collect()))),
    }
}

/// Reads a body under its limits of size and time. A body that came with its head is not copied, and costs no timer.
pub(super) async fn read_body(mut body: Incoming, limits: &Limits) -> Result<Bytes, Problem<'static>> {
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
