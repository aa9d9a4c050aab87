//! `POST /mcp/query` and `POST /mcp/update`: one call.

use super::super::body::Reply;
use super::super::post;
use super::super::respond::{self, Problem};
use super::super::route::App;
use crate::dispatch::{Freshness, PlainAnswer, PlainCall, PlainKind};
use http::{HeaderMap, HeaderValue, Response, header};
use hyper::body::Incoming;
use std::sync::Arc;

/// Answers a query, or carries out an update. A client that leaves cancels it.
pub(super) async fn answer(app: &Arc<App>, kind: PlainKind, body: Incoming) -> Result<Response<Reply>, Problem<'static>> {
    let body = post::read_body(body, app.limits()).await?;
    let text = post::text(&body, app.limits())?;
    let call = PlainCall::parse(text, Some(kind))?;
    let PlainAnswer { body, freshness, tag } = app.dispatch().plain(app.principal(), &call).await?;
    let mut response = respond::json(body);
    if kind == PlainKind::Query {
        reuse(response.headers_mut(), freshness, tag);
    }
    Ok(response)
}

/// What a client may do with the answer of a query. It is told in headers, and nothing comes of `If-None-Match`: a POST whose condition
/// fails is answered with 412, not with 304 (RFC 9110, 13.1.2), and the query would have run all the same.
fn reuse(headers: &mut HeaderMap, freshness: Option<Freshness>, tag: [u8; 16]) {
    let control = freshness.map_or_else(
        || "no-store".to_owned(),
        // Shared is for a tenant's callers, and caches between do not know tenants.
        |Freshness { lasts, .. }| format!("private, max-age={}", lasts.as_secs()),
    );
    let tag: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    let fields = [(header::CACHE_CONTROL, control), (header::ETAG, format!("W/\"{tag}\""))];
    headers.extend(fields.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::from_str(&value).ok()?))));
}
