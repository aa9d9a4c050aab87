//! `GET /mcp/ws`: messages and events over a WebSocket (RFC 6455), in frames of text.
//!
//! A message with `jsonrpc` is MCP, as on standard input and output; one with `type` is of the plain interface: `frames` has those. What
//! cannot be understood is answered with an error, and the connection stays. Only what breaks the protocol itself closes it: 1002, 1003
//! for binary messages, 1007, 1009; and 1001 when the host stops, after everything that is in flight was answered.

use super::super::body::Reply;
use super::super::conversation::{self, Conversation};
use super::super::respond::{self, Problem};
use super::super::route::App;
use super::frames::{self, Frame, Subscriptions};
use crate::dispatch::{CallError, PlainCall, PlainKind};
use crate::limits::Limits;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, Version, header};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};

/// What is read at once; a larger message is put together of pieces.
const READ_BYTES: usize = 4 << 10;
/// How long a peer may take to read why it was closed.
const LINGER: Duration = Duration::from_secs(1);
/// The bytes of a handshake's key (RFC 6455, 4.1).
const KEY_BYTES: usize = 16;

/// Answers the handshake. When the answer is written, the connection is a WebSocket's.
pub(super) fn upgrade(head: &Parts) -> Result<Response<Reply>, Problem<'static>> {
    let headers = &head.headers;
    let version_is_13 = headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
    let wanted = has_token(headers, &header::CONNECTION, "upgrade") && has_token(headers, &header::UPGRADE, "websocket");
    if head.version != Version::HTTP_11 || !wanted || !version_is_13 {
        return Err(Problem::UpgradeRequired);
    }
    // What would come behind the head could be read as a body by one and as messages by another.
    if headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Problem::NoWebSocket("a handshake has no body"));
    }
    let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
    let key = keys.next().and_then(|key| key.to_str().ok()).filter(|_| keys.next().is_none()).unwrap_or_default();
    if STANDARD.decode(key).map_or(0, |bytes| bytes.len()) != KEY_BYTES {
        return Err(Problem::NoWebSocket("`Sec-WebSocket-Key` has to be 16 bytes in base64"));
    }
    let mut response = respond::empty(StatusCode::SWITCHING_PROTOCOLS);
    let answer = response.headers_mut();
    answer.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    answer.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    answer.extend(HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok().map(|key| (header::SEC_WEBSOCKET_ACCEPT, key)));
    Ok(response)
}

/// Whether a header lists a token, in whatever case.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let mut listed = headers.get_all(name).iter().flat_map(|value| value.to_str().unwrap_or_default().split(','));
    listed.any(|listed| listed.trim().eq_ignore_ascii_case(token))
}

/// One WebSocket.
struct Socket<S> {
    stream: WebSocketStream<S>,
    app: Arc<App>,
    conversation: Rc<Conversation>,
    slots: Arc<Semaphore>,
    subscriptions: Subscriptions,
    draining: bool,
    /// Since a ping nothing was heard.
    silent: bool,
}

/// What happens next on a WebSocket.
enum Next {
    Heard(Option<Result<Message, Error>>),
    Drain,
    Alive,
    Written,
    Answered,
}

/// Serves a connection whose handshake is answered, to its end. `read` came with the handshake.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: S, read: Bytes, app: Arc<App>, drain: watch::Receiver<bool>) {
    let limits = Arc::clone(app.limits());
    let stream = WebSocketStream::from_partially_read(stream, read.into(), Role::Server, Some(config(&limits))).await;
    let conversation = Conversation::new(app.shared_dispatch(), Arc::clone(app.principal()));
    let _ends = Ends(Rc::clone(&conversation));
    let slots = Arc::new(Semaphore::new(limits.ws_requests_max));
    let subscriptions = Subscriptions::default();
    let mut socket = Socket { stream, app, conversation: Rc::clone(&conversation), slots, subscriptions, draining: false, silent: false };
    if let Some(code) = socket.run(drain, &limits).await {
        // Whoever subscribed does so no longer, however long the peer takes to hear that.
        socket.subscriptions = Subscriptions::default();
        conversation.abort();
        socket.close(code).await;
    }
}

/// Ends a conversation, whose requests know it, when its connection is gone for whatever reason.
struct Ends(Rc<Conversation>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn config(limits: &Limits) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(limits.subscriber_write_bytes_max)
        .max_message_size(Some(limits.body_bytes_max))
        .max_frame_size(Some(limits.body_bytes_max))
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Returns why it is to be closed; nothing when there is nobody to be told.
    async fn run(&mut self, mut drain: watch::Receiver<bool>, limits: &Limits) -> Option<CloseCode> {
        let mut drained = pin!(async move { drain.wait_for(|drain| *drain).await.is_ok() });
        let mut alive = tokio::time::interval_at(Instant::now() + limits.stream_alive_every, limits.stream_alive_every);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let all = u32::try_from(limits.ws_requests_max).unwrap_or(u32::MAX);
        loop {
            // What was heard waits until what is there for the peer is with it.
            self.write().await.ok()?;
            let bytes_max = limits.subscriber_write_bytes_max;
            let next = tokio::select! {
                biased;
                _ = &mut drained, if !self.draining => Next::Drain,
                heard = self.stream.next() => Next::Heard(heard),
                _ = alive.tick() => Next::Alive,
                () = self.conversation.out.told() => Next::Written,
                () = poll_fn(|cx| self.subscriptions.poll_gather(cx, bytes_max)) => Next::Written,
                _ = self.slots.acquire_many(all), if self.draining => Next::Answered,
            };
            match next {
                Next::Heard(Some(Ok(message))) => {
                    self.silent = false;
                    if let Err(code) = self.take(message).await {
                        return Some(code);
                    }
                }
                Next::Heard(Some(Err(error))) => return code(&error),
                Next::Heard(None) => return None,
                Next::Alive if self.silent => return None,
                Next::Alive => {
                    self.silent = true;
                    self.stream.send(Message::Ping(Bytes::new())).await.ok()?;
                }
                Next::Drain => {
                    self.draining = true;
                    self.subscriptions.end();
                    self.conversation.hang_up();
                }
                Next::Written => {}
                Next::Answered => {
                    self.write().await.ok()?;
                    return Some(CloseCode::Away);
                }
            }
        }
    }

    /// Writes what waits, and waits until the system has taken it.
    async fn write(&mut self) -> Result<(), Error> {
        let answers = self.conversation.out.take();
        let gathered = self.subscriptions.take_gathered();
        if answers.is_empty() && gathered.is_empty() {
            return Ok(());
        }
        for answer in answers.split(|byte| *byte == b'\n').filter(|answer| !answer.is_empty()) {
            // What is written here is JSON, which is text.
            let Ok(text) = Utf8Bytes::try_from(answer.to_vec()) else { continue };
            self.stream.feed(Message::Text(text)).await?;
        }
        for text in gathered {
            self.stream.feed(Message::Text(text)).await?;
        }
        self.stream.flush().await
    }

    /// Takes one message; the code is for closing.
    async fn take(&mut self, message: Message) -> Result<(), CloseCode> {
        match message {
            Message::Text(text) => self.take_text(text.as_str()).await,
            Message::Binary(_) => return Err(CloseCode::Unsupported),
            // Pings and closings are answered by the protocol's own implementation.
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            // Its answer goes out before anything else could be tried.
            Message::Close(_) => drop(tokio::time::timeout(LINGER, self.stream.flush()).await),
        }
        Ok(())
    }

    async fn take_text(&mut self, text: &str) {
        let frame = match frames::read(text, self.app.limits()) {
            Ok(frame) => frame,
            Err((id, problem)) => return self.refuse(id.as_deref(), &problem),
        };
        match frame {
            Frame::Mcp => self.take_mcp(text).await,
            Frame::Subscribe(subscribe) => {
                let id = subscribe.id.clone();
                match self.subscriptions.add(&self.app, subscribe, self.draining) {
                    Ok(answer) => self.conversation.out.answer(answer.as_bytes()),
                    Err(problem) => self.refuse(Some(&id), &problem),
                }
            }
            Frame::Call(kind, id, members) => self.call(kind, id, members).await,
            Frame::Unsubscribe(id) => match self.subscriptions.remove(&id) {
                Ok(answer) => self.conversation.out.answer(answer.as_bytes()),
                Err(problem) => self.refuse(Some(&id), &problem),
            },
        }
    }

    /// MCP. More requests than there are slots for are refused; whatever is no request needs no slot.
    async fn take_mcp(&self, text: &str) {
        let slot = self.slot();
        if slot.is_none() {
            if let Some(id) = conversation::request_id(text.as_bytes()) {
                return self.conversation.out.answer(&respond::legacy_error(&id, &CallError::TenantBusy.into()));
            }
            if text.trim_start().starts_with('[') {
                return self.refuse(None, &Problem::Call(CallError::TenantBusy));
            }
        }
        conversation::take(text.as_bytes(), &self.conversation, slot).await;
    }

    /// A call of the plain interface.
    async fn call(&self, kind: PlainKind, id: String, members: String) {
        let Some(slot) = self.slot() else { return self.refuse(Some(&id), &Problem::Call(CallError::TenantBusy)) };
        let app = Arc::clone(&self.app);
        let answer = async move {
            let answered = match PlainCall::parse(&members, Some(kind)) {
                Ok(call) => app.dispatch().plain(app.principal(), &call).await,
                Err(error) => Err(error),
            };
            Some(match answered {
                Ok(answer) => frames::result(&id, &answer.body).into_bytes(),
                Err(error) => frames::error(Some(&id), &Problem::Plain(error)).into_bytes(),
            })
        };
        conversation::run(Box::pin(answer), None, &self.conversation, Some(slot)).await;
    }

    /// A place for one more request.
    fn slot(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).try_acquire_owned().ok().filter(|_| !self.draining)
    }

    fn refuse(&self, id: Option<&str>, problem: &Problem<'_>) {
        self.conversation.out.answer(frames::error(id, problem).as_bytes());
    }

    /// Closes, and gives the peer a moment to read why: what it still sends is not looked at any more.
    async fn close(&mut self, code: CloseCode) {
        let told = async {
            self.stream.close(Some(CloseFrame { code, reason: Utf8Bytes::default() })).await.ok()?;
            let stream = self.stream.get_mut();
            stream.shutdown().await.ok()?;
            let mut rest = [0; 1024];
            while stream.read(&mut rest).await.ok()? > 0 {}
            Some(())
        };
        let _ = tokio::time::timeout(LINGER, told).await;
    }
}

/// How a connection is closed that broke the protocol; nothing when it is closed already.
fn code(error: &Error) -> Option<CloseCode> {
    match error {
        Error::Capacity(_) => Some(CloseCode::Size),
        Error::Utf8(_) => Some(CloseCode::Invalid),
        Error::Protocol(_) => Some(CloseCode::Protocol),
        _ => None,
    }
}
