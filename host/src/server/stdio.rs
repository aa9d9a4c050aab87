//! MCP on standard input and output: one message a line, both eras in one process (2026-07-28, stdio; 2025-11-25, transports).

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
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Notify, Semaphore, watch};

/// How much is read at once; many short messages come in one piece when the client has several in flight.
const READ_BYTES: usize = 64 << 10;

/// What the tasks of one connection share. Everything runs on one thread.
struct Shared {
    dispatch: Arc<Dispatch>,
    principal: Arc<Principal>,
    /// The session, once there was a handshake.
    session: RefCell<Option<Arc<Session>>>,
    out: Arc<Out>,
    /// True when the input has ended: nothing is left to listen for.
    ended: watch::Sender<bool>,
    /// Requests that run, by their id's JSON text, so that the client can cancel them.
    running: RefCell<HashMap<String, tokio::task::AbortHandle>>,
}

/// Messages that wait to be written. Guests that have moved to another thread put theirs in as well.
struct Out {
    waiting: Mutex<Vec<u8>>,
    written: Notify,
    bytes_max: usize,
}

impl Out {
    fn waiting(&self) -> MutexGuard<'_, Vec<u8>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, message: &[u8]) {
        let mut waiting = self.waiting();
        waiting.extend_from_slice(message);
        waiting.push(b'\n');
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
        self.written.notify_one();
    }
}

/// Serves until the input ends and every request that came before is answered. Has to run on a `LocalSet`.
pub async fn serve(
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + 'static,
    dispatch: Arc<Dispatch>,
) -> std::io::Result<()> {
    let bytes_max = dispatch.limits().outlet_bytes_max;
    let out = Arc::new(Out { waiting: Mutex::default(), written: Notify::new(), bytes_max });
    let shared = Rc::new(Shared {
        dispatch,
        principal: Principal::local(),
        session: RefCell::new(None),
        out,
        ended: watch::Sender::new(false),
        running: RefCell::default(),
    });
    let writer = tokio::task::spawn_local(write_answers(Rc::clone(&shared), output));
    let slots = Arc::new(Semaphore::new(shared.dispatch.limits().stdio_requests_max));
    read_messages(input, &shared, &slots).await?;
    // Nobody is there any more who could be told, or who could answer.
    shared.ended.send_replace(true);
    if let Some(session) = shared.session.borrow().as_ref() {
        session.hang_up();
    }
    // Whoever holds the last slot is the last request.
    let all = u32::try_from(shared.dispatch.limits().stdio_requests_max).unwrap_or(u32::MAX);
    let _ = slots.acquire_many(all).await;
    slots.close();
    shared.out.written.notify_one();
    drop(slots);
    drop(shared);
    writer.await.unwrap_or_else(|error| Err(std::io::Error::other(error)))
}

async fn read_messages(mut input: impl AsyncRead + Unpin, shared: &Rc<Shared>, slots: &Arc<Semaphore>) -> std::io::Result<()> {
    let most = shared.dispatch.limits().body_bytes_max;
    let mut buffer: Vec<u8> = Vec::with_capacity(READ_BYTES);
    let mut chunk = vec![0; READ_BYTES];
    let mut too_long = false;
    loop {
        let count = input.read(&mut chunk).await?;
        if count == 0 {
            return Ok(());
        }
        let mut rest = chunk.get(..count).unwrap_or_default();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            rest = after.get(1..).unwrap_or_default();
            if std::mem::take(&mut too_long) || buffer.len() + line.len() > most {
                let text = format!("the message is longer than {most} bytes");
                shared.out.answer(&write::error(None, code::INVALID_REQUEST, &text, None));
            } else if buffer.is_empty() {
                take(line, shared, slots).await;
            } else {
                buffer.extend_from_slice(line);
                take(&std::mem::take(&mut buffer), shared, slots).await;
            }
            buffer.clear();
        }
        if too_long || buffer.len() + rest.len() > most {
            too_long = true;
            buffer.clear();
        } else {
            buffer.extend_from_slice(rest);
        }
        if !shared.out.waiting().is_empty() {
            shared.out.written.notify_one();
        }
    }
}

/// Takes one line. Its request runs right here as far as it goes without waiting; the rest of it runs beside the lines to come.
async fn take(line: &[u8], shared: &Rc<Shared>, slots: &Arc<Semaphore>) {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return;
    }
    let Ok(slot) = Arc::clone(slots).acquire_owned().await else { return };
    let mut answer = Box::pin(answer(line.to_vec(), Rc::clone(shared)));
    let first = poll_fn(|cx| Poll::Ready(answer.as_mut().poll(cx))).await;
    match first {
        Poll::Ready(Some(message)) => shared.out.answer(&message),
        Poll::Ready(None) => {}
        Poll::Pending => {
            let (id, owner) = (request_id(line), Rc::clone(shared));
            let key = id.clone();
            let task = tokio::task::spawn_local(async move {
                let message = answer.await;
                if let Some(key) = key {
                    owner.running.borrow_mut().remove(&key);
                }
                if let Some(message) = message {
                    owner.out.answer(&message);
                    owner.out.written.notify_one();
                }
                drop(slot);
            });
            if let Some(id) = id.filter(|_| !task.is_finished()) {
                shared.running.borrow_mut().insert(id, task.abort_handle());
            }
        }
    }
}

fn request_id(line: &[u8]) -> Option<String> {
    match Message::parse(std::str::from_utf8(line).ok()?).ok()? {
        Message::Request(request) => Some(request.id.as_json().to_owned()),
        _ => None,
    }
}

async fn answer(line: Vec<u8>, shared: Rc<Shared>) -> Option<Vec<u8>> {
    let limits = shared.dispatch.limits();
    if let Err(error) = bounds::check(&line, limits.json_depth_max, limits.json_values_max) {
        return Some(write::error(None, code::PARSE, &error.to_string(), None));
    }
    let Ok(text) = std::str::from_utf8(&line) else {
        return Some(write::error(None, code::PARSE, "the message is not UTF-8 text", None));
    };
    match message::batch(text) {
        None => answer_message(text, &shared).await,
        Some(Err(error)) => Some(respond::message_error(&error)),
        Some(Ok(members)) => answer_batch(&members, &shared).await,
    }
}

async fn answer_message(text: &str, shared: &Shared) -> Option<Vec<u8>> {
    let request = match Message::parse(text) {
        Ok(Message::Request(request)) => request,
        Ok(message) => {
            take_note(shared, &message);
            return None;
        }
        Err(error) => return Some(respond::message_error(&error)),
    };
    match respond_to(&request, shared).await {
        Ok(answer) => Some(answer),
        Err(LegacyError::Cancelled) => None,
        Err(error) => Some(respond::legacy_error(request.id.as_json(), &error)),
    }
}

async fn answer_batch(batch: &[&RawValue], shared: &Shared) -> Option<Vec<u8>> {
    let refused = |text: &str| Some(write::error(None, code::INVALID_REQUEST, text, None));
    let session = shared.session.borrow().clone().filter(|session| session.negotiated().version == Version::V2025_03_26);
    let Some(session) = session else { return refused("batches are not spoken here: send one message at a time") };
    let most = shared.dispatch.limits().batch_max;
    if batch.is_empty() || batch.len() > most {
        return refused(&format!("a batch has 1 to {most} messages"));
    }
    let outlet: Arc<dyn Outlet> = Arc::<Out>::clone(&shared.out);
    batch::answer(&shared.dispatch, &session, batch, &outlet).await
}

fn take_note(shared: &Shared, message: &Message<'_>) {
    if let Message::Notification { method, params } = message
        && method == "notifications/cancelled"
    {
        cancel(shared, params.request_id.map(|id| id.get()));
    } else if let Some(session) = shared.session.borrow().as_ref() {
        legacy::take(session, message);
    }
}

/// Which era a request belongs to: one with a version in `_meta` is stateless, whatever came before; the others lean on the handshake.
async fn respond_to(request: &Request<'_>, shared: &Shared) -> Result<Vec<u8>, LegacyError> {
    let (dispatch, principal) = (&shared.dispatch, &shared.principal);
    let outlet: Arc<dyn Outlet> = Arc::<Out>::clone(&shared.out);
    if let Some(meta) = request.params.meta.as_ref().filter(|meta| meta.protocol_version.is_some()) {
        check_stateless(meta)?;
        if request.method == "subscriptions/listen" {
            return Ok(listen(request, shared).await?);
        }
        let exchange = dispatch.stateless(request, None, outlet)?;
        return Ok(dispatch.answer(principal, request, &exchange).await?);
    }
    if request.method == "initialize" {
        let (negotiated, body) = legacy::initialize(dispatch, request.id, &request.params).await?;
        let session = Session::new(Arc::clone(principal), negotiated, outlet, dispatch.limits());
        session.listen(dispatch.registry().changes(), dispatch.limits().listeners_max);
        if let Some(before) = shared.session.replace(Some(session)) {
            // What the client sends from now on is not for that one.
            before.hang_up();
        }
        return Ok(body);
    }
    let session = shared.session.borrow().clone();
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
async fn listen(request: &Request<'_>, shared: &Shared) -> Result<Vec<u8>, CallError> {
    let listen = shared.dispatch.listen(&shared.principal, request).await?;
    let mut ended = shared.ended.subscribe();
    shared.out.deliver(listen.acknowledged().to_vec());
    loop {
        tokio::select! {
            // What has happened before the end is told before it.
            biased;
            message = listen.next() => drop(shared.out.send(message)),
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
fn cancel(shared: &Shared, id: Option<&str>) {
    let task = id.and_then(|id| shared.running.borrow_mut().remove(id));
    if let Some(task) = task {
        task.abort();
    } else if let (Some(id), Some(session)) = (id, shared.session.borrow().as_ref()) {
        // It may be one of a batch.
        session.cancel(id);
    }
}

/// Writes what has gathered, as one piece.
async fn write_answers(shared: Rc<Shared>, mut output: impl AsyncWrite + Unpin) -> std::io::Result<()> {
    loop {
        let out = std::mem::take(&mut *shared.out.waiting());
        if !out.is_empty() {
            output.write_all(&out).await?;
            output.flush().await?;
        } else if Rc::strong_count(&shared) == 1 {
            return Ok(());
        } else {
            shared.out.written.notified().await;
        }
    }
}
