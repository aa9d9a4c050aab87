//! One session: what its handshake said, what it listens to, and what the host has asked it.

use super::stream::Stream;
use crate::auth::Principal;
use crate::caps::client::Outlet;
use crate::dispatch::{AskError, Asked, Asking, CallError, Hearing, Live};
use crate::limits::Limits;
use crate::mcp::{Abilities, LogLevel, Response, Version, notice};
use crate::topics::{Change, Changes, Counted, Listener, Listening};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, RwLock, oneshot};

/// What the handshake said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Negotiated {
    /// The revision.
    pub version: Version,
    /// What the client can be asked.
    pub abilities: Abilities,
    /// From which level on it wants log messages; none until it says so.
    pub log_level: Option<LogLevel>,
}

/// A session. On stdio there is one for the process.
pub struct Session {
    /// Whose it is.
    pub principal: Arc<Principal>,
    negotiated: Mutex<Negotiated>,
    /// Where messages go that belong to no request.
    main: Arc<dyn Outlet>,
    /// The streams of a session over HTTP; its own one is number 0.
    streams: Mutex<HashMap<u32, Arc<Stream>>>,
    next_stream: AtomicU32,
    streams_max: usize,
    subscribed: Mutex<Subscribed>,
    subscribed_max: usize,
    topics_max: usize,
    listening: OnceLock<Listening>,
    /// Questions that wait for their answers; none when nobody is there any more who could answer.
    asked: Mutex<Option<HashMap<String, oneshot::Sender<Option<String>>>>>,
    next_ask: AtomicU64,
    ask_time_max: Duration,
    running: Mutex<HashMap<String, Arc<Notify>>>,
    /// Held for reading while a request is answered whose answer goes to the session's own stream.
    pub busy: Arc<RwLock<()>>,
}

/// The resources that a session wants to hear of. All together are one subscription of its caller's.
#[derive(Default)]
struct Subscribed {
    by_uri: HashMap<String, Hearing>,
    counted: Option<Counted>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// A session whose own messages go to `main`.
    #[must_use]
    pub fn new(principal: Arc<Principal>, negotiated: Negotiated, main: Arc<dyn Outlet>, limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            principal,
            negotiated: Mutex::new(negotiated),
            main,
            streams: Mutex::default(),
            next_stream: AtomicU32::new(1),
            streams_max: limits.session_streams_max,
            subscribed: Mutex::default(),
            subscribed_max: limits.listener_resources_max,
            topics_max: limits.subscription_topics_max,
            listening: OnceLock::new(),
            asked: Mutex::new(Some(HashMap::new())),
            next_ask: AtomicU64::new(1),
            ask_time_max: limits.ask_time_max,
            running: Mutex::default(),
            busy: Arc::default(),
        })
    }

    /// A session over HTTP, with a stream of its own.
    #[must_use]
    pub fn over_http(principal: Arc<Principal>, negotiated: Negotiated, limits: &Limits) -> Arc<Self> {
        let main = Stream::new(0, limits);
        let session = Self::new(principal, negotiated, Arc::<Stream>::clone(&main), limits);
        lock(&session.streams).insert(0, main);
        session
    }

    /// What the handshake said.
    #[must_use]
    pub fn negotiated(&self) -> Negotiated {
        *lock(&self.negotiated)
    }

    /// The handshake, where the session was there before it.
    pub fn negotiate(&self, negotiated: Negotiated) {
        *lock(&self.negotiated) = negotiated;
    }

    pub(super) fn set_log_level(&self, level: LogLevel) {
        lock(&self.negotiated).log_level = Some(level);
    }

    /// Hears from now on what changes. Once is enough.
    pub fn listen(self: &Arc<Self>, changes: &Arc<Changes>, listeners_max: usize) {
        if self.listening.get().is_none() && changes.listeners() < listeners_max {
            let listener: Arc<dyn Listener> = Arc::<Self>::clone(self);
            let _ = self.listening.set(changes.listen(&self.principal.tenant, Arc::downgrade(&listener)));
        }
    }

    /// Wants to hear of a resource. `count` makes the first one a subscription of the caller's.
    pub(super) fn subscribe(
        &self,
        uri: &str,
        hearing: Hearing,
        count: impl FnOnce() -> Result<Counted, CallError>,
    ) -> Result<(), CallError> {
        let mut subscribed = lock(&self.subscribed);
        if subscribed.by_uri.contains_key(uri) {
            return Ok(());
        }
        let most = self.subscribed_max;
        if subscribed.by_uri.len() >= most {
            return Err(CallError::Params(format!("the session listens to {most} resources already")));
        }
        let most = self.topics_max;
        if hearing.is_topic() && subscribed.by_uri.values().filter(|other| other.is_topic()).count() >= most {
            return Err(CallError::Params(format!("the session listens to {most} topics already (subscription_topics_max)")));
        }
        if subscribed.counted.is_none() {
            subscribed.counted = Some(count()?);
        }
        subscribed.by_uri.insert(uri.to_owned(), hearing);
        Ok(())
    }

    pub(super) fn unsubscribe(&self, uri: &str) {
        let mut subscribed = lock(&self.subscribed);
        subscribed.by_uri.remove(uri);
        if subscribed.by_uri.is_empty() {
            subscribed.counted = None;
        }
    }

    /// A new stream, for the answer to one request. The oldest that has ended goes first, when there are too many.
    #[must_use]
    pub fn open_stream(&self, limits: &Limits) -> Arc<Stream> {
        let stream = Stream::new(self.next_stream.fetch_add(1, Ordering::Relaxed), limits);
        let mut streams = lock(&self.streams);
        if streams.len() > self.streams_max {
            let oldest = streams.values().filter(|stream| stream.has_ended()).map(|stream| stream.number()).min();
            let oldest = oldest.or_else(|| streams.keys().copied().filter(|number| *number > 0).min());
            if let Some(stream) = oldest.and_then(|oldest| streams.remove(&oldest)) {
                stream.end();
            }
        }
        streams.insert(stream.number(), Arc::clone(&stream));
        stream
    }

    /// The stream of this number, if it is still remembered. Number 0 is the session's own.
    #[must_use]
    pub fn stream(&self, number: u32) -> Option<Arc<Stream>> {
        lock(&self.streams).get(&number).cloned()
    }

    /// The session is over: its streams end, and nobody waits for its client any more.
    pub fn close(&self) {
        // In this order, so that nothing is said any more about what ends with it.
        lock(&self.streams).values().for_each(|stream| stream.end());
        lock(&self.running).drain().for_each(|(_, cancelled)| cancelled.notify_one());
        std::mem::take(&mut *lock(&self.subscribed));
        self.hang_up();
    }

    /// The client answers no more questions; what it has asked for goes on.
    pub fn hang_up(&self) {
        lock(&self.asked).take();
    }

    /// Takes the client's answer to a request of the host's. One that nobody waits for is ignored.
    pub fn take_response(&self, response: &Response<'_>) {
        let waiting = lock(&self.asked).as_mut().and_then(|asked| asked.remove(response.id));
        if let Some(waiting) = waiting {
            let _ = waiting.send(response.result.map(|result| result.get().to_owned()));
        }
    }

    /// A request begins; what comes back tells when it is cancelled.
    pub(super) fn begin(self: &Arc<Self>, id: &str) -> InFlight {
        let cancelled = Arc::new(Notify::new());
        lock(&self.running).insert(id.to_owned(), Arc::clone(&cancelled));
        InFlight { session: Arc::clone(self), id: id.to_owned(), cancelled }
    }

    /// Cancels a request. One that does not run is ignored.
    pub fn cancel(&self, id: &str) {
        let cancelled = lock(&self.running).remove(id);
        if let Some(cancelled) = cancelled {
            cancelled.notify_one();
        }
    }
}

/// A request that runs.
pub(super) struct InFlight {
    session: Arc<Session>,
    id: String,
    cancelled: Arc<Notify>,
}

impl InFlight {
    pub(super) async fn cancelled(&self) {
        self.cancelled.notified().await;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut running = lock(&self.session.running);
        // Another request may have the same id by now.
        if running.get(&self.id).is_some_and(|running| Arc::ptr_eq(running, &self.cancelled)) {
            running.remove(&self.id);
        }
    }
}

impl Listener for Session {
    fn changed(&self, change: &Change) {
        let message = match change {
            Change::List(listing) => {
                format!(r#"{{"jsonrpc":"2.0","method":"notifications/{}/list_changed"}}"#, listing.as_str()).into_bytes()
            }
            Change::Resource(uri) if lock(&self.subscribed).by_uri.contains_key(&**uri) => {
                notice::notification("notifications/resources/updated", &format!("\"uri\":{}", serde_json::json!(uri)))
            }
            Change::Resource(_) | Change::Task { .. } => return,
        };
        self.main.send(message);
    }
}

/// Asks the client of a session while one of its requests waits: the question goes where the answer to that request will go.
pub(super) struct LiveSession<'a> {
    pub(super) session: &'a Arc<Session>,
    pub(super) outlet: &'a Arc<dyn Outlet>,
}

impl Live for LiveSession<'_> {
    fn ask(&self, asking: Asking) -> Asked<'_> {
        let id = format!("\"cofferdam-{}\"", self.session.next_ask.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        match lock(&self.session.asked).as_mut() {
            Some(asked) => drop(asked.insert(id.clone(), sender)),
            None => return Box::pin(std::future::ready(Err(AskError::Gone))),
        }
        let question = Question { session: self.session, outlet: self.outlet, id };
        Box::pin(async move {
            let params = params(&asking, self.session.negotiated().version, &question.id);
            self.outlet.deliver(notice::request(&question.id, asking.method, &params));
            match tokio::time::timeout(self.session.ask_time_max, receiver).await {
                Err(_) => Err(AskError::Timeout),
                Ok(Err(_)) => Err(AskError::Gone),
                Ok(Ok(answer)) => answer.filter(|answer| answer.starts_with('{')).ok_or(AskError::Failed(asking.method)),
            }
        })
    }
}

/// In these revisions an elicitation by URL has an id of its own (2025-11-25, elicitation).
fn params(asking: &Asking, version: Version, id: &str) -> String {
    let by_url = asking.method == "elicitation/create" && version == Version::V2025_11_25;
    let parsed = by_url.then(|| serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&asking.params).ok()).flatten();
    match parsed {
        Some(mut object) if object.get("mode").is_some_and(|mode| mode == "url") => {
            object.entry("elicitationId").or_insert_with(|| id.trim_matches('"').into());
            serde_json::Value::Object(object).to_string()
        }
        _ => asking.params.clone(),
    }
}

/// A question that waits for its answer; when it is dropped without one, it is taken back.
struct Question<'a> {
    session: &'a Arc<Session>,
    outlet: &'a Arc<dyn Outlet>,
    id: String,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        let waits = lock(&self.session.asked).as_mut().is_some_and(|asked| asked.remove(&self.id).is_some());
        if waits {
            self.outlet.deliver(notice::notification("notifications/cancelled", &format!("\"requestId\":{}", self.id)));
        }
    }
}
