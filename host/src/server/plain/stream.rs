//! `GET /mcp/stream`: events as server-sent events.

use super::super::body::Reply;
use super::super::respond::Problem;
use super::super::route::App;
use http::Response;
use http::request::Parts;
use std::sync::Arc;
use tokio::sync::watch;

/// Answers it.
pub(super) fn answer(_app: &Arc<App>, _head: &Parts, _drain: watch::Receiver<bool>) -> Result<Response<Reply>, Problem<'static>> {
    Err(Problem::NoPath)
}
