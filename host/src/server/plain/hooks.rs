//! `POST /hooks/{plugin}/{topic}`: events from others, whose signature is verified.

use super::super::body::Reply;
use super::super::post::read_body_within;
use super::super::respond::{self, Problem};
use super::super::route::App;
use super::HOOKS_PATH;
use crate::dispatch::{CallError, HookError, HookRequest};
use crate::ids::CallRef;
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::body::Incoming;
use serde_json::json;
use std::sync::Arc;

/// Answers it. A path without a webhook is answered before its body is read.
pub(super) async fn answer(app: &Arc<App>, head: &Parts, body: Incoming) -> Result<Response<Reply>, Problem<'static>> {
    // Names have only characters that nobody has to escape, so an escaped one is another one.
    let path = head.uri.path().strip_prefix(HOOKS_PATH).unwrap_or_default();
    let (plugin, topic) = path.split_once('/').ok_or(HookError::Unknown)?;
    let hook = app.dispatch().find_webhook(app.principal(), plugin, topic).await?;
    let limits = app.limits();
    let body = read_body_within(body, limits.webhook_body_bytes_max, limits).await?;
    let target = head.uri.path_and_query().map_or_else(|| head.uri.path(), |target| target.as_str());
    let (owned, method, target, headers) = (Arc::clone(app), head.method.clone(), target.to_owned(), head.headers.clone());
    // A sender that hangs up has handed over its event all the same: its signature is good only once.
    let work = tokio::task::spawn_local(async move {
        let request = HookRequest { method: &method, target: &target, headers: &headers, body };
        owned.dispatch().take_webhook(&hook, request).await
    });
    let taken = work.await.map_err(|_| CallError::Internal { reference: CallRef::next() })??;
    let mut accepted = json!({ "status": "accepted", "events": taken.ids.len(), "ids": taken.ids });
    if let Some(members) = accepted.as_object_mut().filter(|_| taken.dropped > 0) {
        members.insert("dropped".to_owned(), taken.dropped.into());
    }
    let mut response = respond::json(accepted.to_string().into_bytes());
    *response.status_mut() = StatusCode::ACCEPTED;
    Ok(response)
}
