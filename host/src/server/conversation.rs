//! MCP on a connection on which both sides write messages whenever they like: standard input and output, or a WebSocket. Both eras may be
//! spoken on one (2026-07-28, stdio; 2025-11-25, transports); the session of a handshake belongs to its connection.

use super::{batch, respond};
use crate::auth::Principal;
use crate::caps::client::Outlet;
use crate::dispatch::{CallError, Dispatch};
use crate::legacy::{self, LegacyError, Negotiated, Session};
use crate::mcp::{Abilities, Message, Meta, Request, Version, bounds, code, message, write};
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use tokio::sync::{Notify, OwnedSemaphorePermit, watch};
use tokio::task::{AbortHandle, JoinSet};

/// What the tasks of one connection share. Everything runs on one thread.
pub(super) struct Conversation {
    pub(super) dispatch: Arc<Dispatch>,
    principal: Arc<Principal>,
    /// The session, once there was a handshake.
    session: RefCell<Option<Arc<Session>>>,
    pub(super) out: Arc<Out>,
    /// True when nothing is left to listen for.
    ended: watch::Sender<bool>,
    /// Requests that run, by their id's JSON text, so that the client can cancel them.
    running: RefCell<HashMap<String, AbortHandle>>,
    tasks: RefCell<JoinSet<()>>,
}

/// Messages that wait to be written, each with a line break behind it; none has one within. Guests that have moved to another thread put
/// theirs in as well.
pub(super) struct Out {
    waiting: Mutex<Vec<u8>>,
    written: Notify,
    bytes_max: usize,
}

impl Out {
    fn waiting(&self) -> MutexGuard<'_, Vec<u8>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message in; whoever writes is told later.
    pub(super) fn answer(&self, message: &[u8]) {
        let mut waiting = self.waiting();
        waiting.extend_from_slice(message);
        waiting.push(b'\n');
    }

    /// Everything that waits.
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.waiting())
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }

    /// Tells whoever writes that something waits, or that nothing more will.
    pub(super) fn tell(&self) {
        self.written.notify_one();
    }

    /// Waits until told.
    pub(super) async fn told(&self) {
        self.written.notified().await;
    }
}

impl Outlet for Out {
    fn send(&self, message: Vec<u8>) -> bool {
        if self.waiting().len() + message.len() > self.bytes_max {
            return false;
        }
        self.deliver(message);
        true
    }

    fn deliver(&self, message: Vec<u8>) {
        self.answer(&message);
        self.tell();
    }
}

impl Conversation {
    /// With whoever is at the other end.
    pub(super) fn new(dispatch: Arc<Dispatch>, principal: Arc<Principal>) -> Rc<Self> {
        let bytes_max = dispatch.limits().outlet_bytes_max;
        let out = Arc::new(Out { waiting: Mutex::default(), written: Notify::new(), bytes_max });
        Rc::new(Self {
            dispatch,
            principal,
            session: RefCell::new(None),
            out,
            ended: watch::Sender::new(false),
            running: RefCell::default(),
            tasks: RefCell::default(),
        })
    }

    /// Nobody is there any more who could be told, or who could answer; or nobody will be soon.
    pub(super) fn hang_up(&self) {
        self.ended.send_replace(true);
        if let Some(session) = self.session.borrow().as_ref() {
            session.hang_up();
        }
    }

    /// Ends every request.
    pub(super) fn abort(&self) {
        self.hang_up();
        self.tasks.borrow_mut().abort_all();
    }
}

/// Takes one message of MCP.
pub(super) async fn take(message: &[u8], conversation: &Rc<Conversation>, slot: Option<OwnedSemaphorePermit>) {
    let answer = Box::pin(answer(message.to_vec(), Rc::clone(conversation)));
    run(answer, Some(message), conversation, slot).await;
}

/// What answers a message, or does not.
type Answer = Pin<Box<dyn Future<Output = Option<Vec<u8>>>>>;

/// Runs what answers a message right here as far as it goes without waiting; the rest of it runs beside the messages to come, and keeps the
/// slot as long. The client can cancel the request that is in `message`.
pub(super) async fn run(mut answer: Answer, message: Option<&[u8]>, conversation: &Rc<Conversation>, slot: Option<OwnedSemaphorePermit>) {
    let first = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await;
    match first {
        Poll::Ready(Some(message)) => conversation.out.answer(&message),
        Poll::Ready(None) => {}
        Poll::Pending => {
            let (id, owner) = (message.and_then(request_id), Rc::clone(conversation));
            let key = id.clone();
            let mut tasks = conversation.tasks.borrow_mut();
            while tasks.try_join_next().is_some() {}
            let task = tasks.spawn_local(async move {
                let message = answer.await;
                if let Some(key) = key {
                    owner.running.borrow_mut().remove(&key);
                }
                if let Some(message) = message {
                    owner.out.answer(&message);
                    owner.out.tell();
                }
                drop(slot);
            });
            if let Some(id) = id {
                conversation.running.borrow_mut().insert(id, task);
            }
        }
    }
}

/// The id of a request, as JSON text.
pub(super) fn request_id(message: &[u8]) -> Option<String> {
    match Message::parse(std::str::from_utf8(message).ok()?).ok()? {
        Message::Request(request) => Some(request.id.as_json().to_owned()),
        _ => None,
    }
}

async fn answer(message: Vec<u8>, conversation: Rc<Conversation>) -> Option<Vec<u8>> {
    let limits = conversation.dispatch.limits();
    if let Err(error) = bounds::check(&message, limits.json_depth_max, limits.json_values_max) {
        return Some(write::error(None, code::PARSE, &error.to_string(), None));
    }
    let Ok(text) = std::str::from_utf8(&message) else {
        return Some(write::error(None, code::PARSE, "the message is not UTF-8 text", None));
    };
    match message::batch(text) {
        None => answer_message(text, &conversation).await,
        Some(Err(error)) => Some(respond::message_error(&error)),
        Some(Ok(members)) => answer_batch(&members, &conversation).await,
    }
}

async fn answer_message(text: &str, conversation: &Conversation) -> Option<Vec<u8>> {
    let request = match Message::parse(text) {
        Ok(Message::Request(request)) => request,
        Ok(message) => {
            take_note(conversation, &message);
            return None;
        }
        Err(error) => return Some(respond::message_error(&error)),
    };
    match respond_to(&request, conversation).await {
        Ok(answer) => Some(answer),
        Err(LegacyError::Cancelled) => None,
        Err(error) => Some(respond::legacy_error(request.id.as_json(), &error)),
    }
}

async fn answer_batch(batch: &[&RawValue], conversation: &Conversation) -> Option<Vec<u8>> {
    let refused = |text: &str| Some(write::error(None, code::INVALID_REQUEST, text, None));
    let session = conversation.session.borrow().clone().filter(|session| session.negotiated().version == Version::V2025_03_26);
    let Some(session) = session else { return refused("batches are not spoken here: send one message at a time") };
    let most = conversation.dispatch.limits().batch_max;
    if batch.is_empty() || batch.len() > most {
        return refused(&format!("a batch has 1 to {most} messages"));
    }
    let outlet: Arc<dyn Outlet> = Arc::<Out>::clone(&conversation.out);
    batch::answer(&conversation.dispatch, &session, batch, &outlet).await
}

fn take_note(conversation: &Conversation, message: &Message<'_>) {
    if let Message::Notification { method, params } = message
        && method == "notifications/cancelled"
    {
        cancel(conversation, params.request_id.map(|id| id.get()));
    } else if let Some(session) = conversation.session.borrow().as_ref() {
        legacy::take(session, message);
    }
}

/// Which era a request belongs to: one with a version in `_meta` is stateless, whatever came before; the others lean on the handshake.
async fn respond_to(request: &Request<'_>, conversation: &Conversation) -> Result<Vec<u8>, LegacyError> {
    let (dispatch, principal) = (&conversation.dispatch, &conversation.principal);
    let outlet: Arc<dyn Outlet> = Arc::<Out>::clone(&conversation.out);
    if let Some(meta) = request.params.meta.as_ref().filter(|meta| meta.protocol_version.is_some()) {
        check_stateless(meta)?;
        if request.method == "subscriptions/listen" {
            return Ok(listen(request, conversation).await?);
        }
        let exchange = dispatch.stateless(request, None, outlet)?;
        return Ok(dispatch.answer(principal, request, &exchange).await?);
    }
    if request.method == "initialize" {
        let (negotiated, body) = legacy::initialize(dispatch, request.id, &request.params).await?;
        let session = Session::new(Arc::clone(principal), negotiated, outlet, dispatch.limits());
        session.listen(dispatch.registry().changes(), dispatch.limits().listeners_max);
        if let Some(before) = conversation.session.replace(Some(session)) {
            // What the client sends from now on is not for that one.
            before.hang_up();
        }
        return Ok(body);
    }
    let session = conversation.session.borrow().clone();
    let session = match session {
        Some(session) => session,
        None if request.method == "ping" => {
            let negotiated = Negotiated { version: Version::NEWEST_LEGACY, abilities: Abilities::default(), log_level: None };
            Session::new(Arc::clone(principal), negotiated, Arc::clone(&outlet), dispatch.limits())
        }
        None => {
            let text = "begin with `initialize`, or send `params._meta` with io.modelcontextprotocol/protocolVersion";
            return Err(CallError::Params(text.to_owned()).into());
        }
    };
    legacy::answer(dispatch, &session, request, outlet).await
}

/// Tells what changes until the client cancels its request, or its input ends.
async fn listen(request: &Request<'_>, conversation: &Conversation) -> Result<Vec<u8>, CallError> {
    let listen = conversation.dispatch.listen(&conversation.principal, request).await?;
    let mut ended = conversation.ended.subscribe();
    conversation.out.deliver(listen.acknowledged().to_vec());
    loop {
        tokio::select! {
            // What has happened before the end is told before it.
            biased;
            message = listen.next() => drop(conversation.out.send(message)),
            _ = ended.wait_for(|ended| *ended) => return Ok(listen.end()),
        }
    }
}

fn check_stateless(meta: &Meta<'_>) -> Result<(), CallError> {
    let named = meta.protocol_version.as_deref().unwrap_or_default();
    if Version::parse(named).is_none_or(Version::is_legacy) {
        return Err(CallError::Version(named.chars().take(64).collect()));
    }
    if meta.client_capabilities.is_some_and(|capabilities| capabilities.get().starts_with('{')) {
        Ok(())
    } else {
        Err(CallError::Params("`params._meta` has to have io.modelcontextprotocol/clientCapabilities, an object".to_owned()))
    }
}

/// Nothing more is sent for a request that was cancelled; ids that are not running are ignored.
fn cancel(conversation: &Conversation, id: Option<&str>) {
    let task = id.and_then(|id| conversation.running.borrow_mut().remove(id));
    if let Some(task) = task {
        task.abort();
    } else if let (Some(id), Some(session)) = (id, conversation.session.borrow().as_ref()) {
        // It may be one of a batch.
        session.cancel(id);
    }
}
