//! `POST /mcp/batch`: several calls at once. Each has its own answer or its own problem, and the batch as a whole succeeds.

use super::super::body::Reply;
use super::super::post;
use super::super::respond::{self, Problem};
use super::super::route::App;
use crate::dispatch::plain_object;
use http::Response;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// The body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requests<'a> {
    #[serde(borrow)]
    requests: Vec<&'a RawValue>,
}

/// Answers it, in the order of its requests.
pub(super) async fn answer(app: &Arc<App>, body: Incoming) -> Result<Response<Reply>, Problem<'static>> {
    let body = post::read_body(body, app.limits()).await?;
    let text = post::text(&body, app.limits())?;
    let Requests { requests } = plain_object(text, "the body")?;
    let most = app.limits().plain_batch_max;
    if requests.is_empty() || requests.len() > most {
        return Err(Problem::Batch(most));
    }
    let answers = app.dispatch().plain_batch(app.principal(), &requests).await;
    let mut out = Vec::with_capacity(answers.iter().flatten().map(Vec::len).sum::<usize>() + 1_024);
    out.extend_from_slice(b"{\"status\":\"ok\",\"results\":[");
    for (at, answer) in answers.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match answer {
            Ok(answer) => out.extend_from_slice(&answer),
            Err(error) => {
                out.extend_from_slice(b"{\"status\":\"error\",\"problem\":");
                out.extend_from_slice(&respond::details_text(&Problem::Plain(error)));
                out.push(b'}');
            }
        }
    }
    out.extend_from_slice(b"]}");
    Ok(respond::json(out))
}
