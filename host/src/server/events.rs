//! Event streams (HTML standard, server-sent events): answers that say something before they end.

use super::body::{Events, Reply};
use super::queue::Queue;
use crate::dispatch::Listen;
use crate::legacy::stream::{EventId, Reader};
use crate::limits::Limits;
use bytes::Bytes;
use http::{HeaderValue, Response, header};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// A sign of life, which clients skip.
pub(super) const ALIVE: Bytes = Bytes::from_static(b": alive\n\n");

/// One event with a message.
pub(super) fn frame(id: Option<EventId>, message: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(message.len() + 48);
    if let Some(id) = id {
        out.extend_from_slice(format!("id: {id}\n").as_bytes());
    }
    out.extend_from_slice(b"event: message\ndata: ");
    out.extend_from_slice(message);
    out.extend_from_slice(b"\n\n");
    out.into()
}

/// An answer with these events.
pub(super) fn response(reply: Reply) -> Response<Reply> {
    let mut response = Response::new(reply);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    // Proxies of a certain make gather answers unless they are told not to (2026-07-28, Streamable HTTP).
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn signs_of_life(limits: &Limits) -> Interval {
    let mut interval = tokio::time::interval_at(Instant::now() + limits.stream_alive_every, limits.stream_alive_every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// What a request says before its answer, and its answer. When nobody reads any more, the request is dropped, and with it the call.
pub(super) fn until_answered(queue: Arc<Queue>, work: impl Future<Output = Response<Reply>> + 'static, limits: &Limits) -> Response<Reply> {
    let mut alive = signs_of_life(limits);
    let make = move |frames: mpsc::Sender<Bytes>| async move {
        let mut work = std::pin::pin!(work);
        let answer = loop {
            let next = tokio::select! {
                biased;
                message = queue.next() => frame(None, &message),
                answer = work.as_mut() => break answer,
                _ = alive.tick() => ALIVE,
            };
            if frames.send(next).await.is_err() {
                return;
            }
        };
        while let Some(message) = queue.take() {
            if frames.send(frame(None, &message)).await.is_err() {
                return;
            }
        }
        match answer.into_body().into_content() {
            Ok(message) if message.is_empty() => {}
            Ok(message) => drop(frames.send(frame(None, &message)).await),
            Err(mut events) => {
                while let Some(next) = events.next().await {
                    if frames.send(next).await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    response(Reply::events(Events::new(make)))
}

/// An answer that was there at once, after what was said before it.
pub(super) fn all_at_once(queue: &Queue, answer: Response<Reply>) -> Response<Reply> {
    let mut out = Vec::new();
    while let Some(message) = queue.take() {
        out.extend_from_slice(&frame(None, &message));
    }
    match answer.into_body().into_content() {
        Ok(message) if message.is_empty() => {}
        Ok(message) => out.extend_from_slice(&frame(None, &message)),
        Err(events) => return response(Reply::events(events)),
    }
    response(Reply::new(out))
}

/// A subscription of the stateless era. It ends with a result when the host drains.
pub(super) fn listen(listen: Listen, mut drain: watch::Receiver<bool>, limits: &Limits) -> Response<Reply> {
    let mut alive = signs_of_life(limits);
    let make = move |frames: mpsc::Sender<Bytes>| async move {
        let mut next = frame(None, listen.acknowledged());
        while frames.send(next).await.is_ok() {
            next = tokio::select! {
                // What has happened before the end is told before it.
                biased;
                message = listen.next() => frame(None, &message),
                _ = alive.tick() => ALIVE,
                _ = drain.wait_for(|drain| *drain) => {
                    let _ = frames.send(frame(None, &listen.end())).await;
                    return;
                }
            };
        }
    };
    response(Reply::events(Events::new(make)))
}

/// When a stream ends.
pub(super) type Until = Pin<Box<dyn Future<Output = ()>>>;

/// How a stream of a session is read.
pub(super) struct Reading {
    /// What is read.
    pub(super) reader: Reader,
    /// What comes before the first event.
    pub(super) first: Option<Bytes>,
    /// After this the client has to come back for the rest, if it can.
    pub(super) time_max: Option<Duration>,
    /// Then it ends, whatever may still come: the host drains, and nothing is running that belongs to this stream.
    pub(super) until: Option<Until>,
    /// Says that the client is still there.
    pub(super) touch: Rc<dyn Fn()>,
}

/// The event that comes before all others (2025-11-25, transports): from now on the client can come back.
pub(super) fn priming(at: EventId, limits: &Limits) -> Bytes {
    format!("id: {at}\nretry: {}\ndata:\n\n", limits.session_stream_retry.as_millis()).into()
}

/// A stream of a session. When its connection is gone, what it waits for goes on, and can be read from another one.
pub(super) fn read(reading: Reading, limits: &Limits) -> Response<Reply> {
    let mut alive = signs_of_life(limits);
    let Reading { mut reader, first, time_max, until, touch } = reading;
    let over = time_max.map(|time_max| Instant::now() + time_max);
    let make = move |frames: mpsc::Sender<Bytes>| async move {
        if let Some(first) = first
            && frames.send(first).await.is_err()
        {
            return;
        }
        let over = async { if let Some(over) = over { tokio::time::sleep_until(over).await } else { std::future::pending().await } };
        let drained = async {
            match until {
                Some(until) => until.await,
                None => std::future::pending().await,
            }
        };
        let (mut over, mut drained) = (std::pin::pin!(over), std::pin::pin!(drained));
        loop {
            let next = tokio::select! {
                biased;
                next = reader.next() => next.map(|(id, message)| frame(Some(id), &message)),
                () = &mut over => None,
                () = &mut drained => break,
                _ = alive.tick() => {
                    touch();
                    Some(ALIVE)
                }
            };
            let Some(next) = next else { return };
            if frames.send(next).await.is_err() {
                return;
            }
        }
        while let Some((id, message)) = reader.take() {
            if frames.send(frame(Some(id), &message)).await.is_err() {
                return;
            }
        }
    };
    response(Reply::events(Events::new(make)))
}
