//! The same handlers without MCP, for scripts and services: calls over plain HTTP, events over SSE and WebSocket, webhooks.
//!
//! `dispatch` does the work; here are only the forms in which a request comes in and an answer goes out. Errors are problem details
//! (RFC 9457), which `respond` writes.

mod batch;
mod calls;
pub(super) mod compress;
mod frames;
mod hooks;
pub(super) mod openapi;
mod stream;
mod subscribe;
pub(super) mod ws;

use self::compress::Wanted;
use super::body::Reply;
use super::connection::Drain;
use super::respond::{self, Problem};
use super::route::App;
use crate::dispatch::PlainKind;
use http::request::Parts;
use http::{Method, Response};
use hyper::body::Incoming;
use std::sync::Arc;

/// What a request goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plain {
    /// One query.
    Query,
    /// One update.
    Update,
    /// Several of them.
    Batch,
    /// Events as an event stream.
    Stream,
    /// Messages and events over a WebSocket.
    WebSocket,
    /// A webhook.
    Hook,
    /// The description of all this.
    OpenApi,
}

/// Below this, the topic of a stream.
pub(super) const STREAM_PATH: &str = "/mcp/stream";
/// Below this, plugin and topic of a webhook.
pub(super) const HOOKS_PATH: &str = "/hooks/";

impl Plain {
    /// What answers a path, and the verb that it answers to.
    pub(super) fn find(path: &str) -> Option<(Self, Method)> {
        Some(match path {
            "/mcp/query" => (Self::Query, Method::POST),
            "/mcp/update" => (Self::Update, Method::POST),
            "/mcp/batch" => (Self::Batch, Method::POST),
            "/mcp/ws" => (Self::WebSocket, Method::GET),
            "/openapi.json" => (Self::OpenApi, Method::GET),
            STREAM_PATH => (Self::Stream, Method::GET),
            path if path.starts_with(STREAM_PATH) && path.as_bytes().get(STREAM_PATH.len()) == Some(&b'/') => (Self::Stream, Method::GET),
            path if path.starts_with(HOOKS_PATH) => (Self::Hook, Method::POST),
            _ => return None,
        })
    }

    /// Every method that it answers to, as `Allow` lists them.
    pub(super) fn methods(self) -> &'static str {
        match self {
            Self::Query | Self::Update | Self::Batch | Self::Hook => "POST, OPTIONS",
            Self::Stream | Self::WebSocket => "GET, OPTIONS",
            Self::OpenApi => "GET, HEAD, OPTIONS",
        }
    }

    /// Whether it takes a body of JSON. Browsers can send other types without asking first.
    pub(super) fn takes_json(self) -> bool {
        matches!(self, Self::Query | Self::Update | Self::Batch)
    }
}

/// Answers a request whose head is in order.
pub(super) async fn answer(app: Arc<App>, plain: Plain, head: Parts, body: Incoming, drain: Drain) -> Response<Reply> {
    let wanted = Wanted::of(head.headers.get(http::header::ACCEPT_ENCODING));
    if matches!(plain, Plain::Stream | Plain::WebSocket) {
        // While the host starts nobody is told that topics do not exist: they wait, as calls do.
        app.dispatch().registry().snapshot().await;
    }
    let answered = match plain {
        // Before anything is carried out.
        _ if wanted.is_nothing() => Err(Problem::NoCoding),
        Plain::Query => calls::answer(&app, PlainKind::Query, body).await,
        Plain::Update => calls::answer(&app, PlainKind::Update, body).await,
        Plain::Batch => batch::answer(&app, body).await,
        Plain::Stream => stream::answer(&app, &head, (*drain).clone()),
        Plain::WebSocket => ws::upgrade(&head),
        Plain::Hook => hooks::answer(&app, &head, body).await,
        Plain::OpenApi => openapi::answer(&app, &head).await,
    };
    let response = answered.unwrap_or_else(|problem: Problem<'static>| respond::details(&problem));
    compress::compressed(response, wanted, app.limits()).await
}
