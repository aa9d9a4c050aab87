//! Calls without MCP, for scripts and services: the same operations, found by the same names, under the same checks and limits. What is
//! different is that nobody can be asked or told anything before the answer.

use super::answers::{self, Freshness, Performed};
use super::exchange::Exchange;
use super::rounds::{Ended, Handling};
use super::{CallError, Dispatch, content, encode, failed, visible, wrong_kind};
use crate::auth::Principal;
use crate::caps::client::{Nobody, Reported};
use crate::clock::rfc3339;
use crate::ids::{CallRef, PluginName};
use crate::mcp::{Abilities, Params, Version, strict, write};
use crate::registry::catalog::Operation;
use crate::registry::schema::{Schema, SchemaProblem};
use crate::registry::{Snapshot, Tool};
use crate::runtime::{Ask, Done, GuestError, Handler, Limit};
use crate::wit::cofferdam::mcp::types::{Content, Failure, Reply};
use serde::Deserialize;
use serde::de::Deserializer;
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// How long the text of a failed operation may be in an error; its content has all of it.
const DETAIL_CHARS_MAX: usize = 1_024;

/// What a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainKind {
    /// It reads.
    Query,
    /// It writes, or nobody knows what it does.
    Update,
}

impl PlainKind {
    fn of(handler: Handler) -> Self {
        if handler == Handler::Query { Self::Query } else { Self::Update }
    }

    /// The member with the operation's name, that with its arguments, and the endpoint.
    fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Query => ("query", "parameters", "/mcp/query"),
            Self::Update => ("target", "data", "/mcp/update"),
        }
    }
}

impl std::fmt::Display for PlainKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::Query { "query" } else { "update" })
    }
}

/// One call as it was sent, read and not yet looked up.
#[derive(Debug)]
pub struct PlainCall<'a> {
    kind: PlainKind,
    name: Cow<'a, str>,
    arguments: Option<&'a RawValue>,
    validation: Option<&'a RawValue>,
}

/// An answer, with what its client may do with it.
#[derive(Debug)]
pub struct PlainAnswer {
    /// One JSON object.
    pub body: Vec<u8>,
    /// How long it may be used again; none when it may not.
    pub freshness: Option<Freshness>,
    /// The same for answers that say the same, whenever they were given.
    pub tag: [u8; 16],
}

/// Why a plain call is not answered with a result.
#[derive(Debug, thiserror::Error)]
pub enum PlainError {
    /// It is not what a call looks like; the text says what to write.
    #[error("{0}")]
    Malformed(String),
    /// There is such an operation, but of the other kind.
    #[error("{name:?} is {}: send it to POST {} as `{}`, with `{}`",
        if *.kind == PlainKind::Query { "a query" } else { "an update" }, .kind.words().2, .kind.words().0, .kind.words().1)]
    WrongKind {
        /// The operation.
        name: String,
        /// What it is.
        kind: PlainKind,
    },
    /// The arguments do not fit.
    #[error("{text}")]
    Invalid {
        /// What about them.
        text: String,
        /// One by one, with JSON pointers into the call, as far as a schema could tell.
        problems: Vec<SchemaProblem>,
    },
    /// What the operation was asked for does not exist.
    #[error("{0}")]
    NotFound(String),
    /// The caller may not do this.
    #[error("{0}")]
    Denied(String),
    /// Something that the operation needs does not answer.
    #[error("{0}")]
    Unavailable(String),
    /// The operation says that it failed.
    #[error("{text}")]
    Failed {
        /// Its own words.
        text: String,
        /// What it said in full: a JSON array of content blocks.
        content: Option<String>,
    },
    /// The operation wants to ask its client something, or to go on as a task.
    #[error("the operation needs a client that it can ask and tell about its work: call it through an MCP client, at /mcp")]
    NeedsClient,
    /// The answers of a batch are too large together.
    #[error("the answers of this batch have more than {0} bytes together: send this query in a request of its own")]
    BatchOutput(usize),
    /// The time of its batch was over before its turn came.
    #[error("the time of the batch was over before this was begun: nothing came of it, and it can be sent again")]
    NotBegun,
    /// What can happen to every call.
    #[error(transparent)]
    Call(CallError),
}

impl From<CallError> for PlainError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::MissingCapability(_) | CallError::Rounds(_) => Self::NeedsClient,
            error => Self::Call(error),
        }
    }
}

/// The members of both kinds of call: what does not belong together can be named.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members<'a> {
    #[serde(borrow, default)]
    query: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "given")]
    parameters: Option<&'a RawValue>,
    #[serde(borrow, default)]
    target: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "given")]
    data: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "given")]
    validation: Option<&'a RawValue>,
}

/// A value that is there, were it null.
fn given<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Reads an object. Serde alone would take an array of an object's values for it.
pub fn object<'a, T: Deserialize<'a>>(text: &'a str, what: &str) -> Result<T, PlainError> {
    let text = text.trim_start_matches([' ', '\t', '\r', '\n']);
    if !text.starts_with('{') {
        return Err(PlainError::Malformed(format!("{what} has to be a JSON object")));
    }
    serde_json::from_str(text).map_err(|error| {
        let wrong = if error.is_data() { "is wrong" } else { "is not JSON" };
        PlainError::Malformed(format!("{what} {wrong}: {error}"))
    })
}

impl<'a> PlainCall<'a> {
    /// Reads a call. In a batch its members tell which kind it is.
    pub fn parse(text: &'a str, kind: Option<PlainKind>) -> Result<Self, PlainError> {
        let members: Members<'a> = object(text, if kind.is_some() { "the body" } else { "a request" })?;
        let Members { query, parameters, target, data, validation } = members;
        let kind = match (kind, &query, &target) {
            (Some(kind), ..) => kind,
            (None, Some(_), None) => PlainKind::Query,
            (None, None, Some(_)) => PlainKind::Update,
            (None, ..) => {
                return Err(PlainError::Malformed("a request has either `query` and `parameters`, or `target` and `data`".to_owned()));
            }
        };
        let of_queries = [("query", query.is_some()), ("parameters", parameters.is_some())];
        let of_updates = [("target", target.is_some()), ("data", data.is_some()), ("validation", validation.is_some())];
        let mut foreign = match kind {
            PlainKind::Query => of_updates.iter(),
            PlainKind::Update => of_queries.iter(),
        };
        let (name_member, arguments_member, _) = kind.words();
        if let Some((member, _)) = foreign.find(|(_, is_there)| *is_there) {
            let other = if kind == PlainKind::Query { PlainKind::Update } else { PlainKind::Query };
            let text =
                format!("`{member}` belongs to a call of POST {}; here are `{name_member}` and `{arguments_member}`", other.words().2);
            return Err(PlainError::Malformed(text));
        }
        let name = if kind == PlainKind::Query { query } else { target };
        let missing = || PlainError::Malformed(format!("`{name_member}` is missing: the operation's name, such as `notes_search`"));
        let arguments = if kind == PlainKind::Query { parameters } else { data };
        Ok(Self { kind, name: name.ok_or_else(missing)?, arguments, validation })
    }
}

impl Dispatch {
    /// Answers a call with a JSON object. It takes as long as the call may; dropping the future gives everything back.
    pub async fn plain(&self, principal: &Arc<Principal>, call: &PlainCall<'_>) -> Result<PlainAnswer, PlainError> {
        let snapshot = self.registry.snapshot().await;
        let tool = find(&snapshot, principal, call)?;
        self.carry_out(principal, call, &tool).await
    }

    /// Answers several calls on one set of plugins: so many answers, in their order. They run side by side, and wait for one another
    /// rather than being refused for want of slots.
    pub async fn plain_batch(&self, principal: &Arc<Principal>, calls: &[&RawValue]) -> Vec<Result<Vec<u8>, PlainError>> {
        let snapshot = self.registry.snapshot().await;
        let batch = Batch::new(self);
        let mut by_plugin = HashMap::new();
        let found: Vec<_> = calls.iter().map(|raw| batch.find(&snapshot, principal, raw.get(), &mut by_plugin)).collect();
        let answers = found.into_iter().map(async |found| {
            let (call, tool, slots) = found?;
            // The narrowest first, as everywhere. Nobody closes them.
            let _of_plugin = slots.acquire().await;
            let _of_batch = batch.slots.acquire().await;
            // Schemas are checked on this thread: others on it get their turn in between.
            tokio::task::yield_now().await;
            // What has not begun by then does not begin: it would be given up at once, perhaps in the middle of what it does.
            if Instant::now() >= batch.deadline {
                return Err(PlainError::NotBegun);
            }
            match tokio::time::timeout_at(batch.deadline, self.carry_out(principal, &call, &tool)).await {
                Ok(answer) => batch.count(call.kind, answer, self.clock.since_epoch_ms()),
                Err(_) => Err(batch.out_of_time(&tool)),
            }
        });
        futures_util::future::join_all(answers).await
    }

    async fn carry_out(&self, principal: &Arc<Principal>, call: &PlainCall<'_>, tool: &Tool) -> Result<PlainAnswer, PlainError> {
        let operation = operation(tool, call)?;
        let arguments = call.arguments.map_or("{}", |raw| raw.get());
        self.check(call, operation, arguments)?;
        let exchange = nobody();
        super::task::Mode::of(operation.task, &exchange)?;
        let params = Params { arguments: call.arguments, ..Params::default() };
        let ask = Ask::Operation { handler: operation.handler, name: Arc::clone(&operation.name), arguments: arguments.to_owned() };
        let handling = Handling {
            principal,
            binding: &tool.binding,
            method: call.kind.words().2,
            params: &params,
            exchange: &exchange,
            name: &call.name,
            ask: Arc::new(ask),
        };
        let ended = match self.perform(&handling, tool, operation).await? {
            Performed::Kept(kept) => {
                let failed = |error| PlainError::Call(failed(&tool.binding, &error, kept.reference));
                let freshness = Some(kept.freshness());
                return self
                    .answer_json(call.kind, operation, &kept.reply, freshness, tool.binding.limits.output_bytes_max)
                    .map_err(failed);
            }
            Performed::Ended(ended) => ended,
        };
        match ended {
            Ended::Done(Done::Reply(reply), reference) => {
                let output_bytes_max = tool.binding.limits.output_bytes_max;
                let failed = |error| PlainError::Call(failed(&tool.binding, &error, reference));
                if reply.is_error {
                    return Err(operation_failed(&reply, output_bytes_max).map_err(failed)?);
                }
                let freshness = self.freshness(operation).filter(|_| !answers::is_stale(&reply));
                self.answer_json(call.kind, operation, &reply, freshness, output_bytes_max).map_err(failed)
            }
            Ended::Failed(failure) => Err(refused(failure)),
            Ended::Ask(_) | Ended::NoAnswer(_) => Err(PlainError::NeedsClient),
            Ended::Done(_, reference) => Err(failed(&tool.binding, &wrong_kind(), reference).into()),
        }
    }

    /// The operation's own schema, and the caller's.
    fn check(&self, call: &PlainCall<'_>, operation: &Operation, arguments: &str) -> Result<(), PlainError> {
        let (_, member, _) = call.kind.words();
        let value = strict::parse(arguments).map_err(|error| PlainError::Malformed(format!("`{member}`: {error}")))?;
        let fits = |schema: &Schema, whose: &str| {
            let mut problems = schema.problem_list(&value);
            if problems.is_empty() {
                return Ok(());
            }
            problems.iter_mut().for_each(|problem| problem.path.insert_str(0, &format!("/{member}")));
            Err(PlainError::Invalid { text: format!("`{member}` does not fit {whose}"), problems })
        };
        fits(&operation.input, "the operation's input schema")?;
        let Some(validation) = call.validation else { return Ok(()) };
        let malformed = |error: &str| PlainError::Malformed(format!("`validation`: {error}"));
        let schema = Schema::parse_of_caller(validation.get(), &self.limits).map_err(|error| malformed(&error))?;
        let most = self.limits.filter_text_bytes_max;
        if schema.has_patterns() && arguments.len() > most {
            return Err(malformed(&format!("data of more than {most} bytes is not matched with patterns (filter_text_bytes_max)")));
        }
        fits(&schema, "the schema in `validation`")
    }

    /// The answer as one JSON object.
    fn answer_json(
        &self,
        kind: PlainKind,
        operation: &Operation,
        reply: &Reply,
        freshness: Option<Freshness>,
        output_bytes_max: usize,
    ) -> Result<PlainAnswer, GuestError> {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(b"{\"status\":\"ok\",");
        if kind == PlainKind::Update {
            out.extend_from_slice(b"\"updated\":true,");
        }
        if answers::is_stale(reply) {
            out.extend_from_slice(b"\"stale\":true,");
        }
        out.extend_from_slice(b"\"timestamp\":");
        write::json(&mut out, &rfc3339(self.clock.since_epoch_ms()));
        let said = out.len();
        out.extend_from_slice(b",\"result\":");
        match encode::structured(reply, operation)? {
            Some(structured) => out.extend_from_slice(structured.as_bytes()),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b',');
        content::contents(&mut out, Version::NEWEST, reply, None)?;
        out.push(b'}');
        let body = encode::within(out, output_bytes_max)?;
        let digest: [u8; 32] = Sha256::digest(body.get(said..).unwrap_or_default()).into();
        let tag = digest.first_chunk().copied().unwrap_or_default();
        Ok(PlainAnswer { body, freshness, tag })
    }
}

/// What the calls of one batch share.
struct Batch {
    slots: Semaphore,
    slots_max: usize,
    deadline: Instant,
    time_max: std::time::Duration,
    output_bytes_max: usize,
    output_bytes: AtomicUsize,
}

impl Batch {
    fn new(dispatch: &Dispatch) -> Self {
        let limits = &dispatch.limits;
        let slots_max = limits.plain_batch_calls_max;
        Self {
            slots: Semaphore::new(slots_max),
            slots_max,
            deadline: Instant::now() + limits.plain_batch_time_max,
            time_max: limits.plain_batch_time_max,
            output_bytes_max: limits.plain_batch_output_bytes_max,
            output_bytes: AtomicUsize::new(0),
        }
    }

    /// Reads a call and finds its operation. A plugin that takes fewer calls at a time gets fewer.
    fn find<'a>(
        &self,
        snapshot: &Snapshot,
        principal: &Principal,
        text: &'a str,
        by_plugin: &mut HashMap<PluginName, Arc<Semaphore>>,
    ) -> Result<(PlainCall<'a>, Tool, Arc<Semaphore>), PlainError> {
        let call = PlainCall::parse(text, None)?;
        let tool = find(snapshot, principal, &call)?;
        let slots_max = self.slots_max.min(tool.binding.limits.concurrency_max);
        let slots = by_plugin.entry(tool.binding.plugin.clone()).or_insert_with(|| Arc::new(Semaphore::new(slots_max)));
        let slots = Arc::clone(slots);
        Ok((call, tool, slots))
    }

    fn out_of_time(&self, tool: &Tool) -> PlainError {
        let reference = CallRef::next();
        let plugin = &tool.binding.plugin;
        tracing::warn!(%reference, %plugin, "a call was given up: the time of its batch was over (plain_batch_time_max)");
        PlainError::Call(CallError::Deadline { of: Limit::WallTime, limit: self.time_max, reference })
    }

    /// Counts an answer, or what a failure has to say. What there is no room for is left out: an update was carried out all the same,
    /// and nobody may be told to send it again.
    fn count(&self, kind: PlainKind, answer: Result<PlainAnswer, PlainError>, now_ms: u64) -> Result<Vec<u8>, PlainError> {
        match answer {
            Ok(PlainAnswer { body, .. }) => match self.take(&body) {
                Ok(()) => Ok(body),
                Err(_) if kind == PlainKind::Update => {
                    let members = r#""status":"ok","updated":true,"omitted":true,"result":null,"content":[]"#;
                    Ok(format!(r#"{{{members},"timestamp":"{}"}}"#, rfc3339(now_ms)).into_bytes())
                }
                Err(error) => Err(error),
            },
            Err(PlainError::Failed { text, content: Some(content) }) => {
                let content = self.take(content.as_bytes()).is_ok().then_some(content);
                Err(PlainError::Failed { text, content })
            }
            Err(error) => Err(error),
        }
    }

    /// Counts bytes that go out.
    fn take(&self, answer: &[u8]) -> Result<(), PlainError> {
        let before = self.output_bytes.fetch_add(answer.len(), Ordering::Relaxed);
        if before.saturating_add(answer.len()) <= self.output_bytes_max {
            return Ok(());
        }
        // What does not go out takes no room from what still may.
        self.output_bytes.fetch_sub(answer.len(), Ordering::Relaxed);
        Err(PlainError::BatchOutput(self.output_bytes_max))
    }
}

/// The operation that a call names, if its caller may see it, and if it is of the call's kind.
fn find(snapshot: &Snapshot, principal: &Principal, call: &PlainCall<'_>) -> Result<Tool, PlainError> {
    let what = if call.kind == PlainKind::Query { "query" } else { "update" };
    let tool = visible(snapshot.tool(&call.name), principal).ok_or_else(|| CallError::unknown(what, &call.name))?;
    operation(&tool, call)?;
    Ok(tool)
}

fn operation<'t>(tool: &'t Tool, call: &PlainCall<'_>) -> Result<&'t Operation, PlainError> {
    let operation = tool.operation().ok_or_else(|| CallError::unknown("operation", &call.name))?;
    let kind = PlainKind::of(operation.handler);
    if kind == call.kind { Ok(operation) } else { Err(PlainError::WrongKind { name: operation.tool.clone(), kind }) }
}

/// A client that can be asked and told nothing.
fn nobody() -> Exchange<'static> {
    Exchange {
        version: Version::NEWEST,
        headers: None,
        abilities: Abilities::default(),
        log_level: None,
        outlet: Arc::new(Nobody),
        reported: Reported::default(),
        live: None,
    }
}

/// What a handler says for not doing it.
fn refused(failure: Failure) -> PlainError {
    let kind: fn(String) -> PlainError = match failure {
        Failure::Invalid(_) => |text| PlainError::Invalid { text, problems: Vec::new() },
        Failure::NotFound(_) => PlainError::NotFound,
        Failure::Denied(_) => PlainError::Denied,
        Failure::Unavailable(_) => PlainError::Unavailable,
        Failure::Other(_) => |text| PlainError::Failed { text, content: None },
    };
    kind(encode::failure_text(failure))
}

/// What a reply says that is no success: its first text in few words, and all of its content.
fn operation_failed(reply: &Reply, output_bytes_max: usize) -> Result<PlainError, GuestError> {
    let text = reply.content.iter().find_map(|block| if let Content::Text(text) = block { Some(&text.text) } else { None });
    let text = text.map_or("the operation failed", |text| text.as_str());
    let text = text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).take(DETAIL_CHARS_MAX).collect();
    let structured = reply.structured.as_deref().map(encode::one_line).transpose()?;
    let mut content = Vec::with_capacity(256);
    content.push(b'{');
    content::contents(&mut content, Version::NEWEST, reply, structured.as_deref())?;
    let content = encode::within(content, output_bytes_max)?;
    let array = content.strip_prefix(b"{\"content\":".as_slice()).unwrap_or_default();
    let content = String::from_utf8(array.to_vec()).map_err(|_| GuestError::BadReply("the result is not UTF-8".to_owned()))?;
    Ok(PlainError::Failed { text, content: Some(content) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_strictly() {
        use PlainKind::{Query, Update};
        for (kind, text, expected) in [
            (Some(Query), r#"{"query":"a"}"#, "query a"),
            (Some(Query), " \n{\"query\":\"a\",\"parameters\":{\"b\": 1}}", r#"query a {"b": 1}"#),
            (Some(Query), r#"{"query":"a","parameters":null}"#, "query a null"),
            (Some(Update), r#"{"target":"a","data":[],"validation":true}"#, "update a [] true"),
            (None, r#"{"query":"\u0061"}"#, "query a"),
            (None, r#"{"target":"a"}"#, "update a"),
            (Some(Query), "", "the body has to be a JSON object"),
            (Some(Query), r#"["a"]"#, "the body has to be a JSON object"),
            (Some(Query), r#"{"query":"a""#, "the body is not JSON: EOF"),
            (Some(Query), r#"{"query":"a"} {}"#, "the body is not JSON: trailing characters"),
            (Some(Query), r#"{"query":1}"#, "the body is wrong: invalid type: integer `1`, expected a string"),
            (Some(Query), r#"{"query":null}"#, "`query` is missing"),
            (Some(Query), r#"{}"#, "`query` is missing"),
            (Some(Update), r#"{"data":{}}"#, "`target` is missing"),
            (Some(Query), r#"{"query":"a","limit":1}"#, "the body is wrong: unknown field `limit`, expected one of `query`, `parameters`"),
            (Some(Query), r#"{"query":"a","query":"b"}"#, "the body is wrong: duplicate field `query`"),
            (Some(Query), r#"{"query":"a","data":{}}"#, "`data` belongs to a call of POST /mcp/update; here are `query` and `parameters`"),
            (Some(Query), r#"{"query":"a","validation":{}}"#, "`validation` belongs to a call of POST /mcp/update"),
            (Some(Update), r#"{"target":"a","parameters":{}}"#, "`parameters` belongs to a call of POST /mcp/query"),
            (None, r#"{"query":"a","target":"b"}"#, "a request has either"),
            (None, r#"{"parameters":{}}"#, "a request has either"),
            (None, "1", "a request has to be a JSON object"),
        ] {
            let read = match PlainCall::parse(text, kind) {
                Ok(PlainCall { kind, name, arguments, validation }) => {
                    let rest = [arguments, validation].into_iter().flatten().map(|raw| format!(" {}", raw.get())).collect::<String>();
                    format!("{kind} {name}{rest}")
                }
                Err(error) => error.to_string(),
            };
            assert!(read.starts_with(expected), "{text}: {read}");
        }
    }
}
