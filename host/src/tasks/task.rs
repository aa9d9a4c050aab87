//! One task: what is known of it, what may become of it, and how clients see it.

use crate::clock::rfc3339;
use crate::ids::{PluginName, TenantId};
use crate::limits::Limits;
use crate::mcp::write;
use base64::Engine as _;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Random bytes of an id: 144 bits, which are 24 letters without a remainder.
const ID_BYTES: usize = 18;

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no randomness from the operating system")]
pub struct NoRandomness;

/// A task's id. Nobody can guess it: where callers are not told apart it is all that keeps their tasks apart. It goes into a header as it is.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(Arc<str>);

impl TaskId {
    /// An id that nobody has seen.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bytes = [0; ID_BYTES];
        getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes).into()))
    }

    /// Takes what could be an id of ours. Anything else needs no look-up: there is no such task.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let in_id = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (text.len() == ID_BYTES * 4 / 3 && text.bytes().all(in_id)).then(|| Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Enough to find it in a log, too little to use it.
impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let begin: String = self.0.chars().take(6).collect();
        write!(f, "TaskId({begin}..)")
    }
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It runs.
    Working,
    /// It waits for answers of the client.
    InputRequired,
    /// It has a result, which may say that the tool failed.
    Completed,
    /// It ended with a JSON-RPC error.
    Failed,
    /// It was cancelled before it had a result.
    Cancelled,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Working, Self::InputRequired, Self::Completed, Self::Failed, Self::Cancelled];

    /// As it stands in messages.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it never changes any more.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// Whose task it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// The tenant.
    pub tenant: TenantId,
    /// The user or service; empty for nobody in particular.
    pub subject: String,
}

/// What a status comes with. Each is the text of a JSON object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The result of the call.
    Result(String),
    /// A JSON-RPC error object.
    Error(String),
    /// What the client is asked, by keys: all that is still open.
    Input(String),
}

impl Outcome {
    /// The JSON text.
    #[must_use]
    pub fn as_json(&self) -> &str {
        match self {
            Self::Result(json) | Self::Error(json) | Self::Input(json) => json,
        }
    }

    /// The member that it is on the wire.
    fn member(&self) -> &'static str {
        match self {
            Self::Result(_) => "result",
            Self::Error(_) => "error",
            Self::Input(_) => "inputRequests",
        }
    }
}

/// A call that is answered later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// What the client asks for it by.
    pub id: TaskId,
    /// Who may ask for it.
    pub owner: Owner,
    /// The plugin that was called.
    pub plugin: PluginName,
    /// The tool that was called, as the client named it.
    pub tool: String,
    /// Where it stands.
    pub status: Status,
    /// More about where it stands, for people.
    pub status_message: Option<String>,
    /// When it was created.
    pub created_ms: u64,
    /// When it changed last.
    pub updated_ms: u64,
    /// How long it is kept, from its creation.
    pub ttl_ms: u64,
    /// How often clients should ask for it.
    pub poll_interval_ms: u32,
    /// What its status comes with.
    pub outcome: Option<Outcome>,
}

impl Task {
    /// A task that begins to work now, and may work for as long as `run_time`. Its record outlives that, so that its result is there to be
    /// fetched also when it took all of its time.
    pub fn new(
        owner: Owner,
        plugin: PluginName,
        tool: String,
        now_ms: u64,
        run_time: Duration,
        limits: &Limits,
    ) -> Result<Self, NoRandomness> {
        Ok(Self {
            id: TaskId::random()?,
            owner,
            plugin,
            tool,
            status: Status::Working,
            status_message: None,
            created_ms: now_ms,
            updated_ms: now_ms,
            ttl_ms: to_ms(run_time.saturating_add(limits.task_ttl).min(limits.task_ttl_max)),
            poll_interval_ms: u32::try_from(to_ms(limits.task_poll_interval)).unwrap_or(u32::MAX),
            outcome: None,
        })
    }

    /// The last moment at which it is found.
    #[must_use]
    pub fn expires_ms(&self) -> u64 {
        self.created_ms.saturating_add(self.ttl_ms)
    }

    /// Whether its time is over. Both times were cut to whole milliseconds, so the last one counts as a whole.
    #[must_use]
    pub fn is_expired(&self, now_ms: u64) -> bool {
        now_ms > self.expires_ms()
    }

    /// Writes the members of a task as `tasks/get` and `notifications/tasks` have them, without braces: beside `resultType`, not below a
    /// member of their own.
    pub fn write_members(&self, out: &mut Vec<u8>) {
        self.write_handle(out);
        if let Some(outcome) = &self.outcome {
            out.extend_from_slice(format!(",\"{}\":", outcome.member()).as_bytes());
            out.extend_from_slice(outcome.as_json().as_bytes());
        }
    }

    /// Writes the members of a task as the answer that creates it has them: the same, without what the status comes with.
    pub fn write_handle(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"\"taskId\":");
        write::json(out, self.id.as_str());
        out.extend_from_slice(format!(",\"status\":\"{}\"", self.status.as_str()).as_bytes());
        if let Some(message) = &self.status_message {
            out.extend_from_slice(b",\"statusMessage\":");
            write::json(out, message);
        }
        let Self { ttl_ms, poll_interval_ms, .. } = self;
        let times = format!(
            ",\"createdAt\":\"{}\",\"lastUpdatedAt\":\"{}\",\"ttlMs\":{ttl_ms},\"pollIntervalMs\":{poll_interval_ms}",
            rfc3339(self.created_ms),
            rfc3339(self.updated_ms),
        );
        out.extend_from_slice(times.as_bytes());
    }
}

/// What becomes of a task. Made by one function for each status, so that every status has what it comes with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub(super) status: Status,
    pub(super) status_message: Option<String>,
    pub(super) outcome: Option<Outcome>,
}

impl Change {
    /// It runs, again or still.
    #[must_use]
    pub fn working() -> Self {
        Self { status: Status::Working, status_message: None, outcome: None }
    }

    /// It waits for answers to these requests, a JSON object by keys. They are all that is open, also when some of them were there before.
    #[must_use]
    pub fn input_required(requests: String) -> Self {
        Self { status: Status::InputRequired, status_message: None, outcome: Some(Outcome::Input(requests)) }
    }

    /// It has a result, the JSON text of what the call would have returned; a tool's own failure is one, too.
    #[must_use]
    pub fn completed(result: String) -> Self {
        Self { status: Status::Completed, status_message: None, outcome: Some(Outcome::Result(result)) }
    }

    /// It failed with a JSON-RPC error object. The host's own text: stores take it however full they are.
    #[must_use]
    pub fn failed(error: String) -> Self {
        Self { status: Status::Failed, status_message: None, outcome: Some(Outcome::Error(error)) }
    }

    /// It was cancelled.
    #[must_use]
    pub fn cancelled() -> Self {
        Self { status: Status::Cancelled, status_message: None, outcome: None }
    }

    /// With a message for people. A change without one takes away the one before, which was about another state.
    #[must_use]
    pub fn saying(mut self, message: impl Into<String>) -> Self {
        self.status_message = Some(message.into());
        self
    }
}

fn to_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
