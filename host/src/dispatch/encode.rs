//! Results as JSON, written into one buffer. What a guest hands over as JSON text is checked and spliced in, not parsed into a tree and
//! printed again; only where a schema has to be checked is it parsed.

use super::content;
use crate::mcp::{Id, Version, strict, write};
use crate::registry::catalog::Operation;
use crate::registry::pages::Page;
use crate::runtime::{GuestError, Limit};
use crate::wit::cofferdam::mcp::types::{CacheHint, Failure, Reply, Role};
use crate::wit::exports::cofferdam::mcp::{completion::Suggestions, prompts::FilledPrompt, resources::ResourceReply};
use serde::de::IgnoredAny;

/// How long lists may be kept by clients. They change only when a plugin is loaded.
const LIST_TTL_MS: u32 = 60_000;
/// How much of a failure's text a client gets.
const FAILURE_CHARS_MAX: usize = 4_096;
/// Keys of `_meta` with this prefix are the protocol's, not a guest's.
const RESERVED_META: &str = "io.modelcontextprotocol/";

/// `serverInfo`, as a JSON object.
#[must_use]
pub fn server_info() -> &'static str {
    concat!(r#"{"name":"cofferdam","title":"Cofferdam","version":""#, env!("CARGO_PKG_VERSION"), r#""}"#)
}

/// What this host offers, as a JSON object. It does not depend on what is loaded: that can change, and clients ask only once.
#[must_use]
pub fn capabilities(version: Version) -> &'static str {
    if version.is_legacy() {
        concat!(
            r#"{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"#,
            r#""completions":{},"logging":{}}"#
        )
    } else {
        concat!(
            r#"{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"subscribe":true,"listChanged":true},"#,
            r#""completions":{},"logging":{},"extensions":{"io.modelcontextprotocol/skills":{},"io.modelcontextprotocol/tasks":{}}}"#
        )
    }
}

/// Begins a result, up to its own members: it has those that every result of its era has.
fn begin(out: &mut Vec<u8>, id: Id<'_>, version: Version) {
    write::begin_result(out, id.as_json());
    if !version.is_legacy() {
        out.extend_from_slice(b"\"resultType\":\"complete\",");
    }
}

fn server_meta(out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"_meta\":{\"io.modelcontextprotocol/serverInfo\":");
    out.extend_from_slice(server_info().as_bytes());
}

/// What is listed is the same for everybody who may see it at all, so lists may be shared.
fn list_hint(out: &mut Vec<u8>) {
    cache_hint(out, Some(&CacheHint { ttl_ms: LIST_TTL_MS, shared: true }));
}

/// `_meta` of a result whose handler has nothing to say there.
fn own_meta(out: &mut Vec<u8>, version: Version) {
    if !version.is_legacy() {
        server_meta(out);
        out.extend_from_slice(b"},");
    }
}

/// Without a hint an answer is the caller's own, and stale at once.
fn cache_hint(out: &mut Vec<u8>, hint: Option<&CacheHint>) {
    let (ttl_ms, shared) = hint.map_or((0, false), |hint| (hint.ttl_ms, hint.shared));
    let scope = if shared { "public" } else { "private" };
    out.extend_from_slice(format!("\"ttlMs\":{ttl_ms},\"cacheScope\":\"{scope}\",").as_bytes());
}

/// The result of `server/discover`.
pub(super) fn discover(id: Id<'_>, instructions: Option<&str>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write::begin_result(&mut out, id.as_json());
    out.extend_from_slice(b"\"resultType\":\"complete\",\"supportedVersions\":[\"");
    out.extend_from_slice(Version::NEWEST.as_str().as_bytes());
    out.extend_from_slice(b"\"],\"capabilities\":");
    out.extend_from_slice(capabilities(Version::NEWEST).as_bytes());
    out.push(b',');
    if let Some(instructions) = instructions {
        out.extend_from_slice(b"\"instructions\":");
        write::json(&mut out, instructions);
        out.push(b',');
    }
    list_hint(&mut out);
    server_meta(&mut out);
    out.push(b'}');
    write::end_result(&mut out);
    out
}

/// A page of a list.
pub(super) fn list(id: Id<'_>, version: Version, name: &str, page: &Page) -> Vec<u8> {
    let mut out = Vec::with_capacity(page.members.len() + 256);
    begin(&mut out, id, version);
    if !version.is_legacy() {
        list_hint(&mut out);
        server_meta(&mut out);
        out.extend_from_slice(b"},");
    }
    write::json(&mut out, name);
    out.extend_from_slice(b":[");
    out.extend_from_slice(page.members.as_bytes());
    out.push(b']');
    if let Some(next) = &page.next {
        out.extend_from_slice(b",\"nextCursor\":");
        write::json(&mut out, next);
    }
    write::end_result(&mut out);
    out
}

/// A result with nothing of its own.
pub(super) fn empty(id: Id<'_>, version: Version) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    begin(&mut out, id, version);
    if !version.is_legacy() {
        server_meta(&mut out);
        out.push(b'}');
    }
    write::end_result(&mut out);
    out
}

/// A result whose members, after those of every result, stand in `members`. Only for the stateless era.
pub(super) fn with_members(id: Id<'_>, result_type: &str, members: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(members.len() + 256);
    write::begin_result(&mut out, id.as_json());
    out.extend_from_slice(format!("\"resultType\":\"{result_type}\",").as_bytes());
    server_meta(&mut out);
    out.extend_from_slice(b"},");
    out.extend_from_slice(members.as_bytes());
    write::end_result(&mut out);
    out
}

/// The result of `prompts/get`.
pub(super) fn prompt(id: Id<'_>, version: Version, prompt: &FilledPrompt, output_bytes_max: usize) -> Result<Vec<u8>, GuestError> {
    let mut out = Vec::with_capacity(512);
    begin(&mut out, id, version);
    own_meta(&mut out, version);
    if let Some(description) = &prompt.description {
        out.extend_from_slice(b"\"description\":");
        write::json(&mut out, description);
        out.push(b',');
    }
    out.extend_from_slice(b"\"messages\":[");
    for (at, message) in prompt.messages.iter().enumerate() {
        let role = if message.role == Role::User { "user" } else { "assistant" };
        let comma = if at > 0 { "," } else { "" };
        out.extend_from_slice(format!("{comma}{{\"role\":\"{role}\",\"content\":").as_bytes());
        content::content(&mut out, version, &message.content)?;
        out.push(b'}');
    }
    out.push(b']');
    write::end_result(&mut out);
    within(out, output_bytes_max)
}

/// The result of `resources/read`.
pub(super) fn resource(id: Id<'_>, version: Version, reply: &ResourceReply, output_bytes_max: usize) -> Result<Vec<u8>, GuestError> {
    if reply.contents.is_empty() {
        return Err(GuestError::BadReply("the contents of a resource are empty; what does not exist is a failure".to_owned()));
    }
    let mut out = Vec::with_capacity(512);
    begin(&mut out, id, version);
    if !version.is_legacy() {
        cache_hint(&mut out, reply.cache.as_ref());
    }
    own_meta(&mut out, version);
    out.extend_from_slice(b"\"contents\":[");
    for (at, item) in reply.contents.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        content::resource_contents(&mut out, item)?;
    }
    out.push(b']');
    write::end_result(&mut out);
    within(out, output_bytes_max)
}

/// The result of `skills/get`; `entry` is a JSON object.
pub(super) fn skill(id: Id<'_>, entry: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(entry.len() + 256);
    begin(&mut out, id, Version::NEWEST);
    list_hint(&mut out);
    server_meta(&mut out);
    out.extend_from_slice(b"},\"skill\":");
    out.extend_from_slice(entry.as_bytes());
    write::end_result(&mut out);
    out
}

/// The result of `completion/complete` (2026-07-28, completion): at most 100 values.
pub(super) fn suggestions(id: Id<'_>, version: Version, suggestions: &Suggestions) -> Vec<u8> {
    const VALUES_MAX: usize = 100;
    let mut completion = serde_json::Map::new();
    let values = suggestions.values.iter().take(VALUES_MAX).map(String::as_str).collect::<Vec<_>>();
    completion.insert("hasMore".to_owned(), (suggestions.has_more || suggestions.values.len() > VALUES_MAX).into());
    completion.extend(suggestions.total.map(|total| ("total".to_owned(), total.into())));
    completion.insert("values".to_owned(), values.into());
    let mut out = Vec::with_capacity(256);
    begin(&mut out, id, version);
    own_meta(&mut out, version);
    out.extend_from_slice(b"\"completion\":");
    write::json(&mut out, &completion);
    write::end_result(&mut out);
    out
}

pub(super) fn within(out: Vec<u8>, output_bytes_max: usize) -> Result<Vec<u8>, GuestError> {
    if out.len() > output_bytes_max { Err(GuestError::Limit(Limit::Output)) } else { Ok(out) }
}

/// A result that tells the model what was wrong with its call.
pub(super) fn error_result(id: Id<'_>, version: Version, text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 256);
    begin(&mut out, id, version);
    own_meta(&mut out, version);
    out.extend_from_slice(b"\"content\":[{\"type\":\"text\",\"text\":");
    write::json(&mut out, text);
    out.extend_from_slice(b"}],\"isError\":true");
    write::end_result(&mut out);
    out
}

/// The result of `tools/call`.
pub(super) fn tool_result(
    id: Id<'_>,
    version: Version,
    operation: &Operation,
    reply: &Reply,
    output_bytes_max: usize,
) -> Result<Vec<u8>, GuestError> {
    let mut out = Vec::with_capacity(512);
    begin(&mut out, id, version);
    result_meta(&mut out, version, reply.meta.as_deref())?;
    tool_members(&mut out, version, operation, reply)?;
    write::end_result(&mut out);
    within(out, output_bytes_max)
}

/// The members of a tool's result that are its own.
fn tool_members(out: &mut Vec<u8>, version: Version, operation: &Operation, reply: &Reply) -> Result<(), GuestError> {
    let structured = structured(reply, operation)?;
    content::contents(out, version, reply, structured.as_deref())?;
    // Before 2026-07-28 a structured result is an object; what is not stays in the text block.
    if let Some(structured) = structured.filter(|text| !version.is_legacy() || text.starts_with('{')) {
        out.extend_from_slice(b",\"structuredContent\":");
        out.extend_from_slice(structured.as_bytes());
    }
    if reply.is_error {
        out.extend_from_slice(b",\"isError\":true");
    }
    Ok(())
}

/// What a task has at its end: a tool's result without an envelope.
pub(super) fn task_result(operation: &Operation, reply: &Reply, output_bytes_max: usize) -> Result<String, GuestError> {
    let mut out = Vec::with_capacity(512);
    out.push(b'{');
    if let Some(meta) = reply.meta.as_deref() {
        out.extend_from_slice(b"\"_meta\":{");
        out.extend_from_slice(guest_meta(meta)?.as_bytes());
        out.extend_from_slice(b"},");
    }
    tool_members(&mut out, Version::NEWEST, operation, reply)?;
    out.push(b'}');
    let out = within(out, output_bytes_max)?;
    String::from_utf8(out).map_err(|_| GuestError::BadReply("the result is not UTF-8".to_owned()))
}

/// What a task has at its end when its handler failed.
pub(super) fn task_failure(text: &str) -> String {
    serde_json::json!({ "content": [{ "type": "text", "text": text }], "isError": true }).to_string()
}

/// A failure's text as a client gets it.
pub(super) fn failure_text(failure: Failure) -> String {
    let (Failure::Invalid(text) | Failure::NotFound(text) | Failure::Denied(text) | Failure::Unavailable(text) | Failure::Other(text)) =
        failure;
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).take(FAILURE_CHARS_MAX).collect()
}

/// The structured result as one line of JSON, checked against the operation's schema where there is one.
pub(super) fn structured(reply: &Reply, operation: &Operation) -> Result<Option<String>, GuestError> {
    let missing = || GuestError::BadReply("the operation has an output schema and the reply has no structured result".to_owned());
    let Some(text) = &reply.structured else {
        return if operation.output.is_some() && !reply.is_error { Err(missing()) } else { Ok(None) };
    };
    let Some(schema) = operation.output.as_ref().filter(|_| !reply.is_error) else { return one_line(text).map(Some) };
    let value = strict::parse(text).map_err(|error| GuestError::BadReply(format!("the structured result is not JSON: {error}")))?;
    match schema.problems(&value) {
        Some(problems) => Err(GuestError::BadReply(format!("the structured result breaks the output schema: {problems}"))),
        None => Ok(Some(without_line_breaks(text))),
    }
}

/// Checks that a text is JSON, and takes the line breaks out: they can only stand between tokens, and on stdio they end a message.
pub(super) fn one_line(text: &str) -> Result<String, GuestError> {
    serde_json::from_str::<IgnoredAny>(text).map_err(|error| GuestError::BadReply(format!("a part of the reply is not JSON: {error}")))?;
    Ok(without_line_breaks(text))
}

fn without_line_breaks(text: &str) -> String {
    if text.contains(['\n', '\r']) { text.trim().replace(['\n', '\r'], " ") } else { text.trim().to_owned() }
}

/// `_meta` of a result: ours in the stateless era, and the guest's without keys that are the protocol's.
fn result_meta(out: &mut Vec<u8>, version: Version, guest: Option<&str>) -> Result<(), GuestError> {
    let guest = guest.map(guest_meta).transpose()?.filter(|meta| !meta.is_empty());
    if version.is_legacy() && guest.is_none() {
        return Ok(());
    }
    if version.is_legacy() {
        out.extend_from_slice(b"\"_meta\":{");
    } else {
        server_meta(out);
    }
    if let Some(guest) = guest {
        if !version.is_legacy() {
            out.push(b',');
        }
        out.extend_from_slice(guest.as_bytes());
    }
    out.extend_from_slice(b"},");
    Ok(())
}

/// The members of a guest's `_meta` object.
pub(super) fn guest_meta(text: &str) -> Result<String, GuestError> {
    let bad = || GuestError::BadReply("`meta` is not a JSON object".to_owned());
    let serde_json::Value::Object(mut object) = strict::parse(text).map_err(|_| bad())? else { return Err(bad()) };
    object.retain(|key, _| !key.starts_with(RESERVED_META));
    let text = serde_json::Value::Object(object).to_string();
    Ok(text.get(1..text.len() - 1).unwrap_or_default().to_owned())
}
