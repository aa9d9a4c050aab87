//! Batches, which 2025-03-26 has and no other revision (2025-03-26, basic, "Batching"). Their requests run side by side, and their answers
//! come back together.

use super::respond;
use crate::caps::client::Outlet;
use crate::dispatch::Dispatch;
use crate::legacy::{self, LegacyError, Session};
use crate::mcp::{Message, code, write};
use serde_json::value::RawValue;
use std::sync::Arc;

/// Answers a batch, in its order; none when nothing in it wants an answer.
pub(super) async fn answer(dispatch: &Dispatch, session: &Arc<Session>, batch: &[&RawValue], outlet: &Arc<dyn Outlet>) -> Option<Vec<u8>> {
    let answers = batch.iter().map(|raw| answer_member(dispatch, session, raw.get(), outlet));
    let answers: Vec<_> = futures_util::future::join_all(answers).await.into_iter().flatten().collect();
    (!answers.is_empty()).then(|| [b"[".as_slice(), &answers.join(&b','), b"]"].concat())
}

async fn answer_member(dispatch: &Dispatch, session: &Arc<Session>, text: &str, outlet: &Arc<dyn Outlet>) -> Option<Vec<u8>> {
    let message = match Message::parse(text) {
        Ok(message) => message,
        Err(error) => return Some(respond::message_error(&error)),
    };
    let Message::Request(request) = &message else {
        legacy::take(session, &message);
        return None;
    };
    let id = request.id.as_json();
    // A handshake stands alone (2025-03-26, lifecycle).
    if request.method == "initialize" {
        return Some(write::error(Some(id), code::INVALID_REQUEST, "`initialize` must not be part of a batch", None));
    }
    match legacy::answer(dispatch, session, request, Arc::clone(outlet)).await {
        Ok(answer) => Some(answer),
        Err(LegacyError::Cancelled) => None,
        Err(error) => Some(respond::legacy_error(id, &error)),
    }
}
