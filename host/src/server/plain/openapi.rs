//! `GET /openapi.json`: what is loaded, as an OpenAPI 3.1 document.

use super::super::body::Reply;
use super::super::respond::Problem;
use super::super::route::App;
use http::Response;
use http::request::Parts;
use std::sync::Arc;

/// Answers it.
pub(super) async fn answer(_app: &Arc<App>, _head: &Parts) -> Result<Response<Reply>, Problem<'static>> {
    Err(Problem::NoPath)
}
