//! `POST /mcp/query` and `POST /mcp/update`: one call.

use super::super::body::Reply;
use super::super::post;
use super::super::respond::{self, Problem};
use super::super::route::App;
use crate::dispatch::{PlainCall, PlainKind};
use http::Response;
use hyper::body::Incoming;
use std::sync::Arc;

/// Answers a query, or carries out an update. A client that leaves cancels it.
pub(super) async fn answer(app: &Arc<App>, kind: PlainKind, body: Incoming) -> Result<Response<Reply>, Problem<'static>> {
    let body = post::read_body(body, app.limits()).await?;
    let text = post::text(&body, app.limits())?;
    let call = PlainCall::parse(text, Some(kind))?;
    Ok(respond::json(app.dispatch().plain(app.principal(), &call).await?))
}
