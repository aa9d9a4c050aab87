//! `POST /mcp/batch`: several calls at once.

use super::super::body::Reply;
use super::super::respond::Problem;
use super::super::route::App;
use http::Response;
use http::request::Parts;
use hyper::body::Incoming;
use std::sync::Arc;

/// Answers it.
pub(super) async fn answer(_app: &Arc<App>, _head: &Parts, _body: Incoming) -> Result<Response<Reply>, Problem<'static>> {
    Err(Problem::NoPath)
}
