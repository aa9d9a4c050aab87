//! The `initialize` era, 2024-11-05 to 2025-11-25: a handshake, then requests that lean on it. Sessions exist here and nowhere else; every
//! request ends in the same `dispatch` as those of the stateless era.

mod session;
pub mod stream;

pub use session::{Negotiated, Session};

use crate::auth::Principal;
use crate::caps::client::{Outlet, Reported};
use crate::dispatch::{CallError, Dispatch, Exchange, capabilities, parse_level, server_info};
use crate::limits::Limits;
use crate::mcp::{Abilities, Id, Message, Params, Request, Version, write};
use base64::Engine as _;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use session::LiveSession;
use std::sync::Arc;

/// The sessions over HTTP.
pub struct Legacy {
    dispatch: Arc<Dispatch>,
    sessions: Cache<String, Arc<Session>>,
}

/// Why a message is not served.
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
    /// The stream cannot be resumed from there.
    #[error("`Last-Event-ID` is not of this session, or too old")]
    UnknownEvent,
    /// No randomness for a session id.
    #[error("no session can be made")]
    NoRandomness,
    /// The client took its request back: nothing more is sent for it.
    #[error("the request was cancelled")]
    Cancelled,
    /// The request itself failed.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Legacy {
    /// No sessions yet.
    #[must_use]
    pub fn new(dispatch: Arc<Dispatch>) -> Self {
        let limits = dispatch.limits();
        let sessions = sessions(limits);
        Self { dispatch, sessions }
    }

    /// The handshake over HTTP: the answer, and the id of the session that begins.
    pub async fn initialize(&self, principal: &Arc<Principal>, request: &Request<'_>) -> Result<(Vec<u8>, String), LegacyError> {
        let (negotiated, body) = initialize(&self.dispatch, request.id, &request.params).await?;
        let id = self.open(principal, negotiated)?.1;
        Ok((body, id))
    }

    /// A session, and its id.
    pub fn open(&self, principal: &Arc<Principal>, negotiated: Negotiated) -> Result<(Arc<Session>, String), LegacyError> {
        let id = new_session_id().ok_or(LegacyError::NoRandomness)?;
        let session = Session::over_http(Arc::clone(principal), negotiated, self.dispatch.limits());
        self.sessions.insert(id.clone(), Arc::clone(&session));
        Ok((session, id))
    }

    /// A session of another principal is like one that does not exist.
    pub fn find(&self, principal: &Principal, id: Option<&str>) -> Result<Arc<Session>, LegacyError> {
        let id = id.ok_or(LegacyError::NoSession)?;
        let session = self.sessions.get(id).filter(|session| *session.principal == *principal);
        session.ok_or(LegacyError::UnknownSession)
    }

    /// Ends a session.
    pub fn delete(&self, principal: &Principal, id: Option<&str>) -> Result<(), LegacyError> {
        let session = self.find(principal, id)?;
        self.sessions.invalidate(id.unwrap_or_default());
        session.close();
        Ok(())
    }

    /// The host stops: clients cannot come any more to answer its questions.
    pub fn hang_up(&self) {
        self.sessions.iter().for_each(|(_, session)| session.hang_up());
    }

    /// Hears from now on what changes, for a session whose client is there to be told.
    pub fn listen(&self, session: &Arc<Session>) {
        session.listen(self.dispatch.registry().changes(), self.dispatch.limits().listeners_max);
    }
}

/// No sessions yet. Which of them goes when there are too many is decided by idleness alone: left to itself the cache would rather keep those
/// that are used often, and turn new ones away.
fn sessions(limits: &Limits) -> Cache<String, Arc<Session>> {
    Cache::builder()
        .max_capacity(limits.sessions_max)
        .eviction_policy(EvictionPolicy::lru())
        .time_to_idle(limits.session_idle_max)
        .eviction_listener(|_, session: Arc<Session>, _| session.close())
        .build()
}

/// Answers `initialize` (2025-11-25, lifecycle): the client's revision where we speak it, else our newest.
pub async fn initialize(dispatch: &Dispatch, id: Id<'_>, params: &Params<'_>) -> Result<(Negotiated, Vec<u8>), CallError> {
    let wanted = params.protocol_version.as_deref().ok_or_else(|| CallError::Params("`protocolVersion` is missing".to_owned()))?;
    let version = Version::parse(wanted).filter(|version| version.is_legacy()).unwrap_or(Version::NEWEST_LEGACY);
    let abilities = params.capabilities.map(|declared| Abilities::parse(declared.get())).unwrap_or_default();
    let snapshot = dispatch.registry().snapshot().await;
    let mut out = Vec::with_capacity(512);
    write::begin_result(&mut out, id.as_json());
    let fixed = format!(r#""protocolVersion":"{version}","capabilities":{},"serverInfo":{}"#, capabilities(version), server_info());
    out.extend_from_slice(fixed.as_bytes());
    if let Some(instructions) = snapshot.instructions() {
        out.extend_from_slice(b",\"instructions\":");
        write::json(&mut out, instructions);
    }
    write::end_result(&mut out);
    Ok((Negotiated { version, abilities, log_level: None }, out))
}

/// Takes what needs no answer.
pub fn take(session: &Session, message: &Message<'_>) {
    match message {
        Message::Notification { method, params } if method == "notifications/cancelled" => {
            if let Some(id) = params.request_id {
                session.cancel(id.get());
            }
        }
        Message::Response(response) => session.take_response(response),
        Message::Notification { .. } | Message::Request(_) => {}
    }
}

/// Answers a request of a session. `outlet` takes what belongs to the request and comes before its answer.
pub async fn answer(
    dispatch: &Dispatch,
    session: &Arc<Session>,
    request: &Request<'_>,
    outlet: Arc<dyn Outlet>,
) -> Result<Vec<u8>, LegacyError> {
    match request.method.as_ref() {
        "ping" => return Ok(empty(request.id)),
        "logging/setLevel" => {
            let level = request.params.level.as_deref().ok_or_else(|| CallError::Params("`level` is missing".to_owned()))?;
            session.set_log_level(parse_level(level)?);
            return Ok(empty(request.id));
        }
        "resources/subscribe" | "resources/unsubscribe" => return Ok(subscribe(dispatch, session, request).await?),
        _ => {}
    }
    let Negotiated { version, abilities, log_level } = session.negotiated();
    let live = LiveSession { session, outlet: &outlet };
    // Tasks of this era were another thing, and are not spoken.
    let abilities = Abilities { tasks: false, ..abilities };
    let exchange = Exchange {
        version,
        headers: None,
        abilities,
        log_level,
        outlet: Arc::clone(&outlet),
        reported: Reported::default(),
        live: Some(&live),
    };
    let in_flight = session.begin(request.id.as_json());
    tokio::select! {
        biased;
        () = in_flight.cancelled() => Err(LegacyError::Cancelled),
        answered = dispatch.answer(&session.principal, request, &exchange) => Ok(answered?),
    }
}

/// `resources/subscribe` and `resources/unsubscribe`.
async fn subscribe(dispatch: &Dispatch, session: &Arc<Session>, request: &Request<'_>) -> Result<Vec<u8>, CallError> {
    let uri = request.params.uri.as_deref().ok_or_else(|| CallError::Params("`uri` is missing".to_owned()))?;
    if request.method == "resources/unsubscribe" {
        session.unsubscribe(uri);
        return Ok(empty(request.id));
    }
    let hearing = dispatch.hear(&session.principal, uri).await;
    let hearing = hearing.ok_or_else(|| CallError::no_resource(uri, session.negotiated().version))?;
    session.subscribe(uri, hearing, || Ok(dispatch.count_subscription(&session.principal)?))?;
    session.listen(dispatch.registry().changes(), dispatch.limits().listeners_max);
    Ok(empty(request.id))
}

fn empty(id: Id<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    write::begin_result(&mut out, id.as_json());
    write::end_result(&mut out);
    out
}

/// 256 random bits as visible ASCII.
fn new_session_id() -> Option<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::registry::Registry;
    use crate::tasks::MemoryStore;
    use crate::topics::{Changes, Topics};

    #[tokio::test]
    async fn a_session_of_somebody_else_is_like_none() {
        let limits = Arc::new(Limits::default());
        let topics = Topics::new(Changes::new(), Arc::clone(&limits), Clock::system());
        let (registry, tasks) = (Arc::new(Registry::new(Changes::new(), topics)), Arc::new(MemoryStore::new(&limits)));
        let dispatch = Dispatch::new(registry, tasks, tokio::runtime::Handle::current(), limits, Clock::system()).unwrap();
        let legacy = Legacy::new(Arc::new(dispatch));
        let (own, other) = (Principal::local(), Principal { subject: "other".to_owned(), ..(*Principal::local()).clone() });
        let negotiated = Negotiated { version: Version::NEWEST_LEGACY, abilities: Abilities::default(), log_level: None };
        let (_, id) = legacy.open(&own, negotiated).unwrap();
        assert!(matches!(legacy.find(&other, Some(&id)), Err(LegacyError::UnknownSession)));
        assert!(matches!(legacy.delete(&other, Some(&id)), Err(LegacyError::UnknownSession)));
        assert!(matches!(legacy.find(&own, None), Err(LegacyError::NoSession)));
        assert!(legacy.find(&own, Some(&id)).is_ok() && legacy.delete(&own, Some(&id)).is_ok());
        assert!(matches!(legacy.find(&own, Some(&id)), Err(LegacyError::UnknownSession)));
    }

    #[test]
    fn of_too_many_sessions_the_one_that_was_idle_longest_goes() {
        let limits = Limits { sessions_max: 2, ..Limits::default() };
        let sessions = sessions(&limits);
        let negotiated = Negotiated { version: Version::NEWEST_LEGACY, abilities: Abilities::default(), log_level: None };
        let open = |id: &str| sessions.insert(id.to_owned(), Session::over_http(Principal::local(), negotiated, &limits));
        open("old");
        open("used");
        for _ in 0..100 {
            assert!(sessions.get("old").is_some() && sessions.get("used").is_some());
        }
        open("new");
        sessions.run_pending_tasks();
        let left = ["old", "used", "new"].map(|id| sessions.contains_key(id));
        assert_eq!(left, [false, true, true]);
    }
}
