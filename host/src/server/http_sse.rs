//! The transport of 2024-11-05, which had two endpoints (2024-11-05, transports, "HTTP with SSE"): off unless the operator wants it. A
//! stream is opened first; it says where to post, and every answer comes on it.

use super::body::Reply;
use super::events;
use super::post::read_body;
use super::queue::Queue;
use super::respond::{self, Problem};
use super::route::{App, drained};
use crate::legacy::{self, LegacyError, Negotiated, Session};
use crate::mcp::{Abilities, Message, Version, bounds};
use bytes::Bytes;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::watch;

/// Where the stream is.
pub(super) const STREAM_PATH: &str = "/sse";
/// Where messages are posted.
pub(super) const POST_PATH: &str = "/messages";
/// What stands before the session's id in the query.
const SESSION: &str = "session=";

/// Opens a session with its stream.
pub(super) fn stream(app: &Arc<App>, drain: watch::Receiver<bool>) -> Result<Response<Reply>, Problem<'static>> {
    let negotiated = Negotiated { version: Version::V2024_11_05, abilities: Abilities::default(), log_level: None };
    let (session, id) = app.legacy().open(app.principal(), negotiated)?;
    let touch = Rc::new({
        let (app, id) = (Arc::clone(app), id.clone());
        move || drop(app.legacy().find(app.principal(), Some(&id)))
    });
    let mut reading = app.main_stream(&session, drain.clone(), touch)?;
    // Here the answers come on this stream.
    let busy = Arc::clone(&session.busy);
    reading.until = Some(Box::pin(async move {
        drained(drain).await;
        drop(busy.write().await);
    }));
    reading.first = Some(Bytes::from(format!("event: endpoint\ndata: {POST_PATH}?{SESSION}{id}\n\n")));
    Ok(events::read(reading, app.limits()))
}

/// Takes a message; its answer comes on the stream.
pub(super) async fn post(app: Arc<App>, head: &http::request::Parts, body: Incoming) -> Response<Reply> {
    let limits = app.limits();
    let id = head.uri.query().and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix(SESSION)));
    let session = match app.legacy().find(app.principal(), id) {
        Ok(session) => session,
        Err(error) => return respond::problem(&error.into(), None),
    };
    let body = match read_body(body, limits).await {
        Ok(body) => body,
        Err(problem) => return respond::problem(&problem, None),
    };
    if let Err(error) = bounds::check(&body, limits.json_depth_max, limits.json_values_max) {
        return respond::problem(&error.into(), None);
    }
    let Ok(text) = std::str::from_utf8(&body) else { return respond::problem(&Problem::NotText, None) };
    match Message::parse(text) {
        Err(error) => return respond::problem(&error.into(), None),
        Ok(Message::Request(_)) => {}
        Ok(message) => {
            legacy::take(&session, &message);
            return respond::empty(StatusCode::ACCEPTED);
        }
    }
    let busy = Arc::clone(&session.busy).read_owned().await;
    // The client waits on its stream, not here.
    tokio::task::spawn_local(async move {
        let answer = answer(&app, &session, &body).await;
        if let (Some(answer), Some(stream)) = (answer, session.stream(0)) {
            stream.push(&answer, true);
        }
        drop(busy);
    });
    respond::empty(StatusCode::ACCEPTED)
}

async fn answer(app: &App, session: &Arc<Session>, body: &[u8]) -> Option<Vec<u8>> {
    let Ok(Message::Request(request)) = Message::parse(std::str::from_utf8(body).ok()?) else { return None };
    let answered = if request.method == "initialize" {
        let answered = legacy::initialize(app.dispatch(), request.id, &request.params).await;
        answered.map_err(LegacyError::from).map(|(negotiated, body)| {
            session.negotiate(negotiated);
            body
        })
    } else {
        answer_request(app, session, &request).await
    };
    match answered {
        Ok(answer) => Some(answer),
        Err(LegacyError::Cancelled) => None,
        Err(error) => Some(respond::legacy_error(request.id.as_json(), &error)),
    }
}

/// What belongs to the request goes on the stream as it comes.
async fn answer_request(app: &App, session: &Arc<Session>, request: &crate::mcp::Request<'_>) -> Result<Vec<u8>, LegacyError> {
    let queue = Queue::new(app.limits());
    let forward = async {
        loop {
            let message = queue.next().await;
            if let Some(stream) = session.stream(0) {
                stream.push(&message, true);
            }
        }
    };
    let answer = legacy::answer(app.dispatch(), session, request, Arc::<Queue>::clone(&queue));
    let answer = tokio::select! {
        biased;
        answer = answer => answer,
        () = forward => Err(LegacyError::Cancelled),
    };
    while let (Some(message), Some(stream)) = (queue.take(), session.stream(0)) {
        stream.push(&message, true);
    }
    answer
}
