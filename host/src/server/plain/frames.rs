//! Messages of the plain interface on a WebSocket: JSON objects with a `type`, and an `id` of the client's choice that goes back with what
//! belongs to it.

use super::super::respond::{self, Problem};
use super::super::route::App;
use super::subscribe::{Asked, HOST_STOPS, notice};
use crate::dispatch::PlainKind;
use crate::limits::Limits;
use crate::mcp::bounds;
use crate::topics::{Delivery, Subscription};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::task::{Context, Poll};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// An id, in bytes.
const ID_BYTES_MAX: usize = 64;

/// What a client sent.
pub(super) enum Frame {
    /// A message of MCP, or several.
    Mcp,
    /// It wants events.
    Subscribe(Subscribe),
    /// A call: its kind, its id, and the members that it would have over plain HTTP.
    Call(PlainKind, String, String),
    /// It does not want those any more that it wanted under this id.
    Unsubscribe(String),
}

/// A subscription that is asked for.
pub(super) struct Subscribe {
    /// The client's name for it.
    pub(super) id: String,
    asked: Asked,
}

/// What every message is looked at for first.
#[derive(Deserialize)]
struct Kind {
    jsonrpc: Option<IgnoredAny>,
    #[serde(rename = "type")]
    kind: Option<Value>,
    id: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubscribeFrame<'a> {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    #[serde(rename = "id")]
    _id: IgnoredAny,
    topic: String,
    #[serde(borrow)]
    filters: Option<&'a RawValue>,
    after: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UnsubscribeFrame {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    #[serde(rename = "id")]
    _id: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallFrame<'a> {
    #[serde(rename = "type")]
    _kind: IgnoredAny,
    #[serde(rename = "id")]
    _id: IgnoredAny,
    #[serde(borrow)]
    query: Option<&'a RawValue>,
    #[serde(borrow)]
    parameters: Option<&'a RawValue>,
    #[serde(borrow)]
    target: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    validation: Option<&'a RawValue>,
}

impl CallFrame<'_> {
    /// The call as plain HTTP has it.
    fn members(&self) -> String {
        let Self { query, parameters, target, data, validation, .. } = self;
        let members = [("query", query), ("parameters", parameters), ("target", target), ("data", data), ("validation", validation)];
        let given: Vec<_> = members.iter().filter_map(|(name, raw)| raw.map(|raw| format!(r#""{name}":{raw}"#))).collect();
        format!("{{{}}}", given.join(","))
    }
}

/// What is wrong with a message, and its id where it could be read.
type Refused = (Option<String>, Problem<'static>);

/// Finds out what a message is.
pub(super) fn read(text: &str, limits: &Limits) -> Result<Frame, Refused> {
    bounds::check(text.as_bytes(), limits.json_depth_max, limits.json_values_max).map_err(|error| (None, error.into()))?;
    if text.trim_start().starts_with('[') {
        return Ok(Frame::Mcp);
    }
    let bad = |text: String| Problem::BadRequest(text);
    let kind: Kind = serde_json::from_str(text).map_err(|error| (None, bad(format!("a message is a JSON object: {error}"))))?;
    if kind.jsonrpc.is_some() {
        return Ok(Frame::Mcp);
    }
    let id = kind.id.as_ref().and_then(Value::as_str).filter(|id| (1..=ID_BYTES_MAX).contains(&id.len())).map(str::to_owned);
    let of_type = kind.kind.as_ref().and_then(Value::as_str);
    let refused = |text: String| (id.clone(), Problem::BadRequest(text));
    let needs_id = || refused(format!("`id` has to be a text of 1 to {ID_BYTES_MAX} bytes"));
    match of_type {
        Some("subscribe") => {
            let id = id.clone().ok_or_else(needs_id)?;
            let frame: SubscribeFrame<'_> = serde_json::from_str(text).map_err(|error| refused(format!("subscribe: {error}")))?;
            let asked = asked(&frame, limits).map_err(|problem| (Some(id.clone()), problem))?;
            Ok(Frame::Subscribe(Subscribe { id, asked }))
        }
        Some(of_type @ ("query" | "update")) => {
            let id = id.clone().ok_or_else(needs_id)?;
            let frame: CallFrame<'_> = serde_json::from_str(text).map_err(|error| refused(format!("{of_type}: {error}")))?;
            let kind = if of_type == "query" { PlainKind::Query } else { PlainKind::Update };
            Ok(Frame::Call(kind, id, frame.members()))
        }
        Some("unsubscribe") => {
            let id = id.clone().ok_or_else(needs_id)?;
            let _: UnsubscribeFrame = serde_json::from_str(text).map_err(|error| refused(format!("unsubscribe: {error}")))?;
            Ok(Frame::Unsubscribe(id))
        }
        _ => Err(refused("a message has `jsonrpc` (MCP), or the `type` subscribe, unsubscribe, query or update".to_owned())),
    }
}

fn asked(frame: &SubscribeFrame<'_>, limits: &Limits) -> Result<Asked, Problem<'static>> {
    let mut asked = Asked::default();
    asked.topic(&frame.topic, limits)?;
    if let Some(filters) = frame.filters {
        asked.filters_text(filters.get(), limits)?;
    }
    if let Some(after) = frame.after {
        asked.after("`after`", &after.to_string())?;
    }
    Ok(asked)
}

/// The answer to what could not be done.
pub(super) fn error(id: Option<&str>, problem: &Problem<'_>) -> String {
    let problem = respond::details_text(problem);
    let id = id.map(|id| format!(r#""id":{},"#, Value::from(id))).unwrap_or_default();
    one_line(&format!(r#"{{"type":"error",{id}"problem":{}}}"#, String::from_utf8_lossy(&problem)))
}

/// The answer to a call: the members of what plain HTTP answers, with those of every message before them.
pub(super) fn result(id: &str, answer: &[u8]) -> String {
    let answer = String::from_utf8_lossy(answer);
    let members = answer.trim_start().strip_prefix('{').unwrap_or("}");
    let comma = if members.trim_start().starts_with('}') { "" } else { "," };
    one_line(&format!(r#"{{"type":"result","id":{}{comma}{members}"#, Value::from(id)))
}

/// Line breaks may stand between the parts of a guest's JSON; messages that wait are told apart by them.
fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

/// The subscriptions of one WebSocket, and what of them was gathered to be written.
#[derive(Default)]
pub(super) struct Subscriptions {
    open: Vec<Open>,
    gathered: Vec<Utf8Bytes>,
    gathered_bytes: usize,
}

struct Open {
    id: String,
    /// What is before the event in each message.
    prefix: String,
    subscription: Subscription,
}

impl Subscriptions {
    /// Subscribes; returns what the client is told.
    pub(super) fn add(&mut self, app: &App, subscribe: Subscribe, draining: bool) -> Result<String, Problem<'static>> {
        let Subscribe { id, asked } = subscribe;
        if draining {
            return Err(Problem::Call(crate::dispatch::CallError::HostBusy));
        }
        if self.open.iter().any(|open| open.id == id) {
            return Err(Problem::BadRequest(format!("there is a subscription {id:?} already")));
        }
        let subscription = asked.subscribe(app)?;
        let answer = json!({ "type": "subscribed", "id": id }).to_string();
        let prefix = format!(r#"{{"type":"event","id":{},"event":"#, Value::from(id.as_str()));
        self.open.push(Open { id, prefix, subscription });
        Ok(answer)
    }

    /// Ends one; returns what the client is told.
    pub(super) fn remove(&mut self, id: &str) -> Result<String, Problem<'static>> {
        let before = self.open.len();
        self.open.retain(|open| open.id != id);
        if self.open.len() == before {
            return Err(Problem::NoSubscription(id.to_owned()));
        }
        Ok(json!({ "type": "unsubscribed", "id": id }).to_string())
    }

    /// Ends all of them, since the host stops.
    pub(super) fn end(&mut self) {
        for open in std::mem::take(&mut self.open) {
            self.gather(json!({ "type": "ended", "id": open.id, "reason": HOST_STOPS }).to_string());
        }
    }

    fn gather(&mut self, message: String) {
        self.gathered_bytes += message.len();
        self.gathered.push(message.into());
    }

    /// Gathers what waits, a piece of each in turn, as long as it is not too much. Ready when something was gathered.
    pub(super) fn poll_gather(&mut self, cx: &mut Context<'_>, bytes_max: usize) -> Poll<()> {
        let mut open = std::mem::take(&mut self.open);
        open.retain(|open| {
            while self.gathered_bytes < bytes_max {
                let Poll::Ready(delivery) = open.subscription.poll_next(cx) else { return true };
                let (message, goes_on) = open.message(delivery);
                self.gathered_bytes += message.as_ref().map_or(0, String::len);
                self.gathered.extend(message.map(Utf8Bytes::from));
                if !goes_on {
                    return false;
                }
            }
            true
        });
        // Whoever is last now is first the next time, when there was too much.
        if self.gathered_bytes >= bytes_max && open.len() > 1 {
            open.rotate_left(1);
        }
        self.open = open;
        if self.gathered.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// What was gathered.
    pub(super) fn take_gathered(&mut self) -> Vec<Utf8Bytes> {
        self.gathered_bytes = 0;
        std::mem::take(&mut self.gathered)
    }
}

impl Open {
    /// As the client sees it; and whether there is more to come.
    fn message(&self, delivery: Option<Delivery>) -> (Option<String>, bool) {
        let message = match delivery {
            Some(Delivery::Event(event)) => {
                let json = std::str::from_utf8(event.json()).unwrap_or("null");
                let mut message = String::with_capacity(self.prefix.len() + json.len() + 1);
                message.push_str(&self.prefix);
                message.push_str(json);
                message.push('}');
                message
            }
            Some(Delivery::Lagged(missed)) => json!({ "type": "lagged", "id": self.id, "missed": missed }).to_string(),
            Some(Delivery::Notice(what)) => {
                let mut message = notice(&what);
                message.insert("type".to_owned(), "notice".into());
                message.insert("id".to_owned(), self.id.as_str().into());
                Value::Object(message).to_string()
            }
            Some(Delivery::Ended(why)) => {
                return (Some(json!({ "type": "ended", "id": self.id, "reason": &*why }).to_string()), false);
            }
            None => return (None, false),
        };
        (Some(message), true)
    }
}
