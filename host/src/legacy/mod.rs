//! The `initialize` era, 2024-11-05 to 2025-11-25: a handshake, then requests that lean on it. Sessions exist here and nowhere else; every
//! request ends in the same `dispatch` as those of the stateless era.

use crate::auth::Principal;
use crate::dispatch::{CallError, Dialect, Dispatch, capabilities, server_info};
use crate::mcp::{Id, Message, Params, Request, Version, write};
use base64::Engine as _;
use moka::sync::Cache;
use std::sync::Arc;

/// A handshake that was made over HTTP.
#[derive(Debug, Clone)]
struct Session {
    version: Version,
    principal: Arc<Principal>,
}

/// The sessions, and what they can ask.
pub struct Legacy {
    dispatch: Arc<Dispatch>,
    sessions: Cache<String, Session>,
}

/// What a POST is answered with.
#[derive(Debug)]
pub enum Answer {
    /// A JSON-RPC message.
    Message {
        /// The message.
        body: Vec<u8>,
        /// The id of a session that has just begun.
        session: Option<String>,
    },
    /// A notification was taken.
    Accepted,
}

/// Why a POST is not served.
#[derive(Debug, thiserror::Error)]
pub enum LegacyError {
    /// Neither a handshake nor a session.
    #[error(
        "begin with `initialize`, or send `MCP-Session-Id`; requests without a session carry `_meta` and MCP-Protocol-Version: 2026-07-28"
    )]
    NoSession,
    /// The session is not, or no longer, there; or it is somebody else's.
    #[error("the session does not exist: begin again with `initialize`")]
    UnknownSession,
    /// No randomness for a session id.
    #[error("no session can be made")]
    NoRandomness,
    /// The request itself failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Legacy {
    /// No sessions yet.
    #[must_use]
    pub fn new(dispatch: Arc<Dispatch>) -> Self {
        let limits = dispatch.limits();
        let sessions = Cache::builder().max_capacity(limits.sessions_max).time_to_idle(limits.session_idle_max).build();
        Self { dispatch, sessions }
    }

    /// Answers a message that came by HTTP. `session` is the value of `MCP-Session-Id`.
    pub async fn post(&self, principal: &Arc<Principal>, session: Option<&str>, message: &Message<'_>) -> Result<Answer, LegacyError> {
        if let Message::Request(request) = message
            && request.method == "initialize"
        {
            let (version, body) = initialize(&self.dispatch, request.id, &request.params).await?;
            let id = new_session_id().ok_or(LegacyError::NoRandomness)?;
            self.sessions.insert(id.clone(), Session { version, principal: Arc::clone(principal) });
            return Ok(Answer::Message { body, session: Some(id) });
        }
        let session = session.ok_or(LegacyError::NoSession)?;
        let session = self.find(principal, session).ok_or(LegacyError::UnknownSession)?;
        match message {
            Message::Request(request) => {
                let body = answer(&self.dispatch, principal, request, session.version).await?;
                Ok(Answer::Message { body, session: None })
            }
            Message::Notification { .. } | Message::Response => Ok(Answer::Accepted),
        }
    }

    /// Ends a session; false when there was none.
    #[must_use]
    pub fn delete(&self, principal: &Principal, session: &str) -> bool {
        let found = self.find(principal, session).is_some();
        if found {
            self.sessions.invalidate(session);
        }
        found
    }

    /// A session of another principal is like one that does not exist.
    fn find(&self, principal: &Principal, session: &str) -> Option<Session> {
        self.sessions.get(session).filter(|session| *session.principal == *principal)
    }
}

/// Answers `initialize` (2025-11-25, lifecycle): the client's revision where we speak it, else our newest.
pub async fn initialize(dispatch: &Dispatch, id: Id<'_>, params: &Params<'_>) -> Result<(Version, Vec<u8>), CallError> {
    let wanted = params.protocol_version.as_deref().ok_or_else(|| CallError::Params("`protocolVersion` is missing".to_owned()))?;
    let version = Version::parse(wanted).filter(|version| version.is_legacy()).unwrap_or(Version::NEWEST_LEGACY);
    let snapshot = dispatch.registry().snapshot().await;
    let mut out = Vec::with_capacity(512);
    write::begin_result(&mut out, id.as_json());
    let fixed = format!(r#""protocolVersion":"{version}","capabilities":{},"serverInfo":{}"#, capabilities(), server_info());
    out.extend_from_slice(fixed.as_bytes());
    if let Some(instructions) = snapshot.instructions() {
        out.extend_from_slice(b",\"instructions\":");
        write::json(&mut out, instructions);
    }
    write::end_result(&mut out);
    Ok((version, out))
}

/// Answers any other request of this era.
pub async fn answer(
    dispatch: &Dispatch,
    principal: &Arc<Principal>,
    request: &Request<'_>,
    version: Version,
) -> Result<Vec<u8>, CallError> {
    if request.method == "ping" {
        let mut out = Vec::with_capacity(64);
        write::begin_result(&mut out, request.id.as_json());
        write::end_result(&mut out);
        return Ok(out);
    }
    dispatch.answer(principal, request, Dialect { version, headers: None }).await
}

/// 256 random bits as visible ASCII.
fn new_session_id() -> Option<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}
