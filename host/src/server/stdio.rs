//! MCP on standard input and output: one message a line, both eras in one process (2026-07-28, stdio; 2025-11-25, transports).

use crate::auth::Principal;
use crate::dispatch::{CallError, Dialect, Dispatch};
use crate::legacy;
use crate::mcp::{Message, MessageError, Meta, Request, Version, bounds, code, write};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Notify, Semaphore};

/// How much is read at once; many short messages come in one piece when the client has several in flight.
const READ_BYTES: usize = 64 << 10;

/// What the tasks of one connection share. Everything runs on one thread.
struct Shared {
    dispatch: Arc<Dispatch>,
    principal: Arc<Principal>,
    /// The revision of the handshake, once there was one.
    handshake: Cell<Option<Version>>,
    /// Answers that wait to be written.
    out: RefCell<Vec<u8>>,
    written: Notify,
    /// Requests that run, by their id's JSON text, so that the client can cancel them.
    running: RefCell<HashMap<String, tokio::task::AbortHandle>>,
}

impl Shared {
    fn send(&self, message: &[u8]) {
        let mut out = self.out.borrow_mut();
        out.extend_from_slice(message);
        out.push(b'\n');
    }
}

/// Serves until the input ends and every request that came before is answered. Has to run on a `LocalSet`.
pub async fn serve(
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + 'static,
    dispatch: Arc<Dispatch>,
) -> std::io::Result<()> {
    let shared = Rc::new(Shared {
        dispatch,
        principal: Principal::local(),
        handshake: Cell::new(None),
        out: RefCell::default(),
        written: Notify::new(),
        running: RefCell::default(),
    });
    let writer = tokio::task::spawn_local(write_answers(Rc::clone(&shared), output));
    let slots = Arc::new(Semaphore::new(shared.dispatch.limits().stdio_requests_max));
    read_messages(input, &shared, &slots).await?;
    // Whoever holds the last slot is the last request.
    let all = u32::try_from(shared.dispatch.limits().stdio_requests_max).unwrap_or(u32::MAX);
    let _ = slots.acquire_many(all).await;
    slots.close();
    shared.written.notify_one();
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
                shared.send(&write::error(None, code::INVALID_REQUEST, &text, None));
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
        if !shared.out.borrow().is_empty() {
            shared.written.notify_one();
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
        Poll::Ready(Some(message)) => shared.send(&message),
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
                    owner.send(&message);
                    owner.written.notify_one();
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
    let request = match Message::parse(text) {
        Ok(Message::Request(request)) => request,
        Ok(Message::Notification { method, params }) => {
            if method == "notifications/cancelled" {
                cancel(&shared, params.request_id.map(|id| id.get()));
            }
            return None;
        }
        Ok(Message::Response) => return None,
        Err(error) => return Some(message_error(&error)),
    };
    let answered = respond(&request, &shared).await;
    Some(
        answered
            .unwrap_or_else(|error| write::error(Some(request.id.as_json()), error.code(), &error.to_string(), error.data().as_deref())),
    )
}

/// Which era a request belongs to: one with a version in `_meta` is stateless, whatever came before; the others lean on the handshake.
async fn respond(request: &Request<'_>, shared: &Shared) -> Result<Vec<u8>, CallError> {
    if let Some(meta) = request.params.meta.as_ref().filter(|meta| meta.protocol_version.is_some()) {
        let version = stateless_version(meta)?;
        return shared.dispatch.answer(&shared.principal, request, Dialect { version, headers: None }).await;
    }
    if request.method == "initialize" {
        let (version, body) = legacy::initialize(&shared.dispatch, request.id, &request.params).await?;
        shared.handshake.set(Some(version));
        return Ok(body);
    }
    let missing =
        || CallError::Params("begin with `initialize`, or send `params._meta` with io.modelcontextprotocol/protocolVersion".to_owned());
    let version = match shared.handshake.get() {
        Some(version) => version,
        None if request.method == "ping" => Version::NEWEST_LEGACY,
        None => return Err(missing()),
    };
    legacy::answer(&shared.dispatch, &shared.principal, request, version).await
}

fn stateless_version(meta: &Meta<'_>) -> Result<Version, CallError> {
    let named = meta.protocol_version.as_deref().unwrap_or_default();
    let version = Version::parse(named).filter(|version| !version.is_legacy());
    let version = version.ok_or_else(|| CallError::Version(named.chars().take(64).collect()))?;
    if meta.client_capabilities.is_some_and(|capabilities| capabilities.get().starts_with('{')) {
        Ok(version)
    } else {
        Err(CallError::Params("`params._meta` has to have io.modelcontextprotocol/clientCapabilities, an object".to_owned()))
    }
}

/// Nothing more is sent for a request that was cancelled; ids that are not running are ignored.
fn cancel(shared: &Shared, id: Option<&str>) {
    let task = id.and_then(|id| shared.running.borrow_mut().remove(id));
    if let Some(task) = task {
        task.abort();
    }
}

fn message_error(error: &MessageError<'_>) -> Vec<u8> {
    let (code, id) = match error {
        MessageError::Parse(_) => (code::PARSE, &None),
        MessageError::Malformed { id, .. } => (code::INVALID_REQUEST, id),
        MessageError::Params { id, .. } => (code::INVALID_PARAMS, id),
    };
    write::error(id.as_ref().map(|id| id.as_json()), code, &error.to_string(), None)
}

/// Writes what has gathered, as one piece.
async fn write_answers(shared: Rc<Shared>, mut output: impl AsyncWrite + Unpin) -> std::io::Result<()> {
    loop {
        let out = std::mem::take(&mut *shared.out.borrow_mut());
        if !out.is_empty() {
            output.write_all(&out).await?;
            output.flush().await?;
        } else if Rc::strong_count(&shared) == 1 {
            return Ok(());
        } else {
            shared.written.notified().await;
        }
    }
}
