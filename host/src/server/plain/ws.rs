//! `GET /mcp/ws`: messages and events over a WebSocket (RFC 6455).

use super::super::body::Reply;
use super::super::respond::Problem;
use super::super::route::App;
use http::Response;
use http::request::Parts;
use std::sync::Arc;
use tokio::sync::watch;

/// Answers the handshake.
pub(super) fn upgrade(_app: &Arc<App>, _head: Parts, _drain: watch::Receiver<bool>) -> Result<Response<Reply>, Problem<'static>> {
    Err(Problem::NoPath)
}
