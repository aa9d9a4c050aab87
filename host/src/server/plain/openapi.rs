//! `GET /openapi.json`: what can be called without MCP, as an OpenAPI 3.1 document made from the catalogs of what is loaded.

mod document;
mod schemas;

use super::super::body::Reply;
use super::super::respond::{self, Problem};
use super::super::route::App;
use crate::registry::Snapshot;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Kept by clients, and asked about every time: it changes whenever a plugin does.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("private, no-cache");
/// Bytes of the document's hash that stand in its tag.
const TAG_BYTES: usize = 16;

/// The document of the set of plugins that was last asked about.
#[derive(Default)]
pub(in crate::server) struct Kept(Mutex<Option<(Weak<Snapshot>, Document)>>);

/// A document with its tag.
#[derive(Clone)]
struct Document {
    json: Bytes,
    tag: HeaderValue,
}

/// Answers it, or says that the client has it already (RFC 9110, 13.1.2).
pub(super) async fn answer(app: &Arc<App>, head: &Parts) -> Result<Response<Reply>, Problem<'static>> {
    let snapshot = app.dispatch().registry().snapshot().await;
    let Document { json, tag } = current(app, &snapshot);
    let is_known = head.headers.get_all(header::IF_NONE_MATCH).iter().any(|known| lists(known, &tag));
    let length = HeaderValue::from(json.len());
    let mut response = if is_known { respond::empty(StatusCode::NOT_MODIFIED) } else { respond::json(json) };
    if head.method == Method::HEAD && !is_known {
        response = response.map(|_| Reply::new(Bytes::new()));
        response.headers_mut().insert(header::CONTENT_LENGTH, length);
    }
    response.headers_mut().insert(header::ETAG, tag);
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE_CONTROL);
    Ok(response)
}

fn current(app: &App, snapshot: &Arc<Snapshot>) -> Document {
    let mut kept = app.openapi().0.lock().unwrap_or_else(PoisonError::into_inner);
    // While the weak reference is there, no other set has the same address.
    if let Some((of, document)) = &*kept
        && Weak::ptr_eq(of, &Arc::downgrade(snapshot))
    {
        return document.clone();
    }
    let json = document::of(snapshot, &app.principal().tenant, app.limits()).to_string();
    let document = Document { tag: tag(json.as_bytes()), json: json.into() };
    *kept = Some((Arc::downgrade(snapshot), document.clone()));
    document
}

/// Weak, since the same document goes out in several codings.
fn tag(json: &[u8]) -> HeaderValue {
    let hash: String = Sha256::digest(json).iter().take(TAG_BYTES).map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("W/\"{hash}\"")).unwrap_or_else(|_| HeaderValue::from_static("W/\"\""))
}

/// Whether `If-None-Match` lists a tag, by weak comparison.
fn lists(known: &HeaderValue, tag: &HeaderValue) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let (Ok(known), Ok(tag)) = (known.to_str(), tag.to_str()) else { return false };
    known.trim() == "*" || known.split(',').any(|known| bare(known) == bare(tag))
}
