//! `POST /mcp/query` and `POST /mcp/update`: one call.

use super::super::body::Reply;
use super::super::respond::Problem;
use super::super::route::App;
use http::Response;
use http::request::Parts;
use hyper::body::Incoming;
use std::sync::Arc;

/// Answers a query.
pub(super) async fn query(_app: &Arc<App>, _head: &Parts, _body: Incoming) -> Result<Response<Reply>, Problem<'static>> {
    Err(Problem::NoPath)
}

/// Carries out an update.
pub(super) async fn update(_app: &Arc<App>, _head: &Parts, _body: Incoming) -> Result<Response<Reply>, Problem<'static>> {
    Err(Problem::NoPath)
}
