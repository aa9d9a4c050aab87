//! `GET /mcp/stream`: events as server-sent events (HTML standard).
//!
//! Events are of the default type, so that a page's `onmessage` gets them, and carry their id, so that a client that comes back says how far
//! it got. What is not an event has a type of its own: `lagged` says how many are missing, `notice` that the source was started again,
//! `ended` that there will be no more, and why: the topic is gone, or the host stops. Then the stream ends.

use super::super::body::{Events, Frames, Reply};
use super::super::deadlines::Unread;
use super::super::events;
use super::super::respond::Problem;
use super::super::route::{App, accepts, drained};
use super::STREAM_PATH;
use super::subscribe::{Asked, HOST_STOPS, notice};
use crate::limits::Limits;
use crate::mcp::headers;
use crate::topics::{Delivery, Subscription};
use bytes::{Bytes, BytesMut};
use http::Response;
use http::request::Parts;
use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

/// Answers it.
pub(super) fn answer(app: &Arc<App>, head: &Parts, drain: watch::Receiver<bool>) -> Result<Response<Reply>, Problem<'static>> {
    if !accepts(&head.headers, false) {
        return Err(Problem::NoEventStream);
    }
    let mut asked = Asked::default();
    if let Some(name) = head.uri.path().strip_prefix(STREAM_PATH).and_then(|rest| rest.strip_prefix('/')) {
        asked.topic(name, app.limits())?;
    }
    read_query(head.uri.query().unwrap_or_default(), &mut asked, app.limits())?;
    // A client that comes back has the address that it first came to; how far it got since is in the head.
    if let Some(id) = headers::single(&head.headers, &headers::LAST_EVENT_ID)? {
        asked.after("Last-Event-ID", id)?;
    }
    let subscription = asked.subscribe(app)?;
    Ok(events::response(Reply::events(Events::asked(Stream::new(subscription, drain, app.limits())))))
}

fn read_query(query: &str, asked: &mut Asked, limits: &Limits) -> Result<(), Problem<'static>> {
    let mut seen: Vec<String> = Vec::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        if key != "topic" && seen.iter().any(|other| *other == key) {
            return Err(Problem::BadRequest(format!("the parameter `{}` occurs twice", shortened(&key))));
        }
        match &*key {
            "topic" => asked.topic(&value, limits)?,
            "filters" => asked.filters_text(&value, limits)?,
            "last_event_id" => asked.after("`last_event_id`", &value)?,
            other => {
                let text = "there is no parameter `{}`; there are `topic`, `filters` and `last_event_id`";
                return Err(Problem::BadRequest(text.replace("{}", &shortened(other))));
            }
        }
        seen.push(key.into_owned());
    }
    Ok(())
}

fn shortened(text: &str) -> String {
    text.chars().take(64).collect()
}

/// The body: made when the connection has room for it, everything that waits in one piece.
struct Stream {
    reader: Rc<Reader>,
    first: Option<Bytes>,
    write_bytes_max: usize,
    alive_every: Duration,
    alive: Pin<Box<Sleep>>,
    wrote: Instant,
    drained: Pin<Box<dyn Future<Output = ()>>>,
    over: bool,
}

struct Reader {
    subscription: Subscription,
    polled: Cell<Instant>,
}

impl Unread for Reader {
    fn lasted(&self) -> Duration {
        if self.subscription.has_waiting() { self.polled.get().elapsed() } else { Duration::ZERO }
    }
}

impl Stream {
    fn new(subscription: Subscription, drain: watch::Receiver<bool>, limits: &Limits) -> Self {
        let now = Instant::now();
        Self {
            reader: Rc::new(Reader { subscription, polled: Cell::new(now) }),
            // Bytes at once, so that a page knows that it is connected.
            first: Some(format!("retry: {}\n: events follow\n\n", limits.stream_retry.as_millis()).into()),
            write_bytes_max: limits.subscriber_write_bytes_max,
            alive_every: limits.stream_alive_every,
            alive: Box::pin(tokio::time::sleep(limits.stream_alive_every)),
            wrote: now,
            drained: Box::pin(drained(drain)),
            over: false,
        }
    }

    /// Everything that waits, as long as it is not too much. A single event is not copied.
    fn gather(&mut self, cx: &mut Context<'_>) -> Option<Bytes> {
        let mut single = None;
        let mut out = BytesMut::new();
        while out.len() < self.write_bytes_max && !self.over {
            let Poll::Ready(delivery) = self.reader.subscription.poll_next(cx) else { break };
            let next = match delivery {
                Some(Delivery::Event(event)) => event.frame().clone(),
                Some(Delivery::Lagged(missed)) => named("lagged", &serde_json::json!({ "missed": missed })),
                Some(Delivery::Notice(what)) => named("notice", &notice(&what).into()),
                Some(Delivery::Ended(why)) => {
                    self.over = true;
                    ended(&why)
                }
                None => {
                    self.over = true;
                    break;
                }
            };
            if let Some(before) = single.take() {
                out.extend_from_slice(&before as &Bytes);
                out.extend_from_slice(&next);
            } else if out.is_empty() && next.len() < self.write_bytes_max {
                single = Some(next);
            } else {
                out.extend_from_slice(&next);
            }
        }
        single.or_else(|| (!out.is_empty()).then(|| out.freeze()))
    }
}

fn named(name: &str, data: &serde_json::Value) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}

fn ended(why: &str) -> Bytes {
    named("ended", &serde_json::json!({ "reason": why }))
}

impl Frames for Stream {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        if self.over {
            return Poll::Ready(None);
        }
        let now = Instant::now();
        self.reader.polled.set(now);
        if let Some(frame) = self.gather(cx) {
            self.wrote = now;
            return Poll::Ready(Some(frame));
        }
        if self.over {
            return Poll::Ready(None);
        }
        if self.drained.as_mut().poll(cx).is_ready() {
            self.over = true;
            return Poll::Ready(Some(ended(HOST_STOPS)));
        }
        // Set anew only when it goes off: not for every event.
        while self.alive.as_mut().poll(cx).is_ready() {
            let due = self.wrote + self.alive_every;
            if due <= now {
                self.wrote = now;
                self.alive.as_mut().reset(now + self.alive_every);
                return Poll::Ready(Some(events::ALIVE));
            }
            self.alive.as_mut().reset(due);
        }
        Poll::Pending
    }

    fn unread(&self) -> Rc<dyn Unread> {
        Rc::<Reader>::clone(&self.reader) as Rc<dyn Unread>
    }
}
