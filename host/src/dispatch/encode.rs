//! Results as JSON, written into one buffer. What a guest hands over as JSON text is checked and spliced in, not parsed into a tree and
//! printed again; only where a schema has to be checked is it parsed.

use crate::mcp::{Id, Version, strict, write};
use crate::registry::catalog::Operation;
use crate::runtime::{GuestError, Limit};
use crate::wit::cofferdam::mcp::types::{
    Annotations, BinaryContent, Body, Content, EmbeddedResource, Failure, Icon, Outcome, Reply, Resource, ResourceContents, Role,
};
use base64::Engine as _;
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

/// What this host offers, as a JSON object.
#[must_use]
pub fn capabilities() -> &'static str {
    r#"{"tools":{}}"#
}

/// Members of every result of the stateless era, up to its own members.
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

fn cache_hint(out: &mut Vec<u8>) {
    out.extend_from_slice(format!("\"ttlMs\":{LIST_TTL_MS},\"cacheScope\":\"public\",").as_bytes());
}

/// The members of `server/discover`'s result.
pub(super) fn discover(out: &mut Vec<u8>, instructions: Option<&str>) {
    out.extend_from_slice(b"\"resultType\":\"complete\",\"supportedVersions\":[\"");
    out.extend_from_slice(Version::NEWEST.as_str().as_bytes());
    out.extend_from_slice(b"\"],\"capabilities\":");
    out.extend_from_slice(capabilities().as_bytes());
    out.push(b',');
    if let Some(instructions) = instructions {
        out.extend_from_slice(b"\"instructions\":");
        write::json(out, instructions);
        out.push(b',');
    }
    cache_hint(out);
    server_meta(out);
    out.push(b'}');
}

/// A list result; `members` are the members of the array.
pub(super) fn list(id: Id<'_>, version: Version, name: &str, members: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(members.len() + 256);
    begin(&mut out, id, version);
    if !version.is_legacy() {
        cache_hint(&mut out);
        server_meta(&mut out);
        out.extend_from_slice(b"},");
    }
    write::json(&mut out, name);
    out.extend_from_slice(b":[");
    out.extend_from_slice(members.as_bytes());
    out.push(b']');
    write::end_result(&mut out);
    out
}

/// A result that tells the model what was wrong with its call.
pub(super) fn error_result(id: Id<'_>, version: Version, text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 256);
    begin(&mut out, id, version);
    if !version.is_legacy() {
        server_meta(&mut out);
        out.extend_from_slice(b"},");
    }
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
    outcome: Result<Outcome, Failure>,
    output_bytes_max: usize,
) -> Result<Vec<u8>, GuestError> {
    let reply = match outcome {
        Ok(Outcome::Complete(reply)) => reply,
        Ok(Outcome::InputRequired(_)) => {
            let text = "This tool has to ask you something first, which this version of the host does not support.";
            return Ok(error_result(id, version, text));
        }
        Err(failure) => return Ok(error_result(id, version, &failure_text(failure))),
    };
    let mut out = Vec::with_capacity(512);
    begin(&mut out, id, version);
    result_meta(&mut out, version, reply.meta.as_deref())?;
    let structured = structured(&reply, operation)?;
    contents(&mut out, &reply, structured.as_deref())?;
    // Before 2026-07-28 a structured result is an object; what is not stays in the text block.
    if let Some(structured) = structured.filter(|text| !version.is_legacy() || text.starts_with('{')) {
        out.extend_from_slice(b",\"structuredContent\":");
        out.extend_from_slice(structured.as_bytes());
    }
    if reply.is_error {
        out.extend_from_slice(b",\"isError\":true");
    }
    write::end_result(&mut out);
    if out.len() > output_bytes_max { Err(GuestError::Limit(Limit::Output)) } else { Ok(out) }
}

fn failure_text(failure: Failure) -> String {
    let (Failure::Invalid(text) | Failure::NotFound(text) | Failure::Denied(text) | Failure::Unavailable(text) | Failure::Other(text)) =
        failure;
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).take(FAILURE_CHARS_MAX).collect()
}

/// The structured result as one line of JSON, checked against the operation's schema where there is one.
fn structured(reply: &Reply, operation: &Operation) -> Result<Option<String>, GuestError> {
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
fn one_line(text: &str) -> Result<String, GuestError> {
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
fn guest_meta(text: &str) -> Result<String, GuestError> {
    let bad = || GuestError::BadReply("`meta` is not a JSON object".to_owned());
    let serde_json::Value::Object(mut object) = strict::parse(text).map_err(|_| bad())? else { return Err(bad()) };
    object.retain(|key, _| !key.starts_with(RESERVED_META));
    let text = serde_json::Value::Object(object).to_string();
    Ok(text.get(1..text.len() - 1).unwrap_or_default().to_owned())
}

fn contents(out: &mut Vec<u8>, reply: &Reply, structured: Option<&str>) -> Result<(), GuestError> {
    out.extend_from_slice(b"\"content\":[");
    if let (true, Some(text)) = (reply.content.is_empty(), structured) {
        out.extend_from_slice(b"{\"type\":\"text\",\"text\":");
        write::json(out, text);
        out.push(b'}');
    }
    for (at, block) in reply.content.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        content(out, block)?;
    }
    out.push(b']');
    Ok(())
}

fn content(out: &mut Vec<u8>, block: &Content) -> Result<(), GuestError> {
    match block {
        Content::Text(text) => {
            let mut object = Object::begin(out, "text");
            object.text("text", &text.text);
            object.end(text.annotations.as_ref(), text.meta.as_deref())
        }
        Content::Image(binary) => binary_content(out, "image", binary),
        Content::Audio(binary) => binary_content(out, "audio", binary),
        Content::ResourceLink(link) => resource_link(out, link),
        Content::Embedded(embedded) => embedded_resource(out, embedded),
    }
}

fn binary_content(out: &mut Vec<u8>, kind: &str, binary: &BinaryContent) -> Result<(), GuestError> {
    let mut object = Object::begin(out, kind);
    object.base64("data", &binary.data);
    object.text("mimeType", &binary.mime_type);
    object.end(binary.annotations.as_ref(), binary.meta.as_deref())
}

fn resource_link(out: &mut Vec<u8>, link: &Resource) -> Result<(), GuestError> {
    let mut object = Object::begin(out, "resource_link");
    object.text("uri", &link.uri);
    object.text("name", &link.name);
    object.optional("title", link.title.as_deref());
    object.optional("description", link.description.as_deref());
    object.optional("mimeType", link.mime_type.as_deref());
    if let Some(size) = link.size_bytes {
        object.key("size");
        write::json(object.out, &size);
    }
    if !link.icons.is_empty() {
        object.key("icons");
        icons(object.out, &link.icons);
    }
    object.end(link.annotations.as_ref(), link.meta.as_deref())
}

fn icons(out: &mut Vec<u8>, icons: &[Icon]) {
    let icon = |icon: &Icon| {
        let mut value = serde_json::json!({ "src": icon.src, "sizes": icon.sizes });
        if let (Some(mime_type), Some(object)) = (&icon.mime_type, value.as_object_mut()) {
            object.insert("mimeType".to_owned(), mime_type.as_str().into());
        }
        value
    };
    write::json(out, &icons.iter().map(icon).collect::<Vec<_>>());
}

fn embedded_resource(out: &mut Vec<u8>, embedded: &EmbeddedResource) -> Result<(), GuestError> {
    let mut object = Object::begin(out, "resource");
    object.key("resource");
    resource_contents(object.out, &embedded.contents)?;
    object.end(embedded.annotations.as_ref(), embedded.meta.as_deref())
}

fn resource_contents(out: &mut Vec<u8>, contents: &ResourceContents) -> Result<(), GuestError> {
    out.extend_from_slice(b"{\"uri\":");
    write::json(out, &contents.uri);
    let mut object = Object { out };
    object.optional("mimeType", contents.mime_type.as_deref());
    match &contents.body {
        Body::Text(text) => object.text("text", text),
        Body::Blob(bytes) => object.base64("blob", bytes),
    }
    object.end(None, contents.meta.as_deref())
}

/// The members of a JSON object after the first one.
struct Object<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut Vec<u8>, kind: &str) -> Self {
        out.extend_from_slice(b"{\"type\":");
        write::json(out, kind);
        Self { out }
    }

    fn key(&mut self, key: &str) {
        self.out.push(b',');
        write::json(self.out, key);
        self.out.push(b':');
    }

    fn text(&mut self, key: &str, text: &str) {
        self.key(key);
        write::json(self.out, text);
    }

    fn optional(&mut self, key: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    fn base64(&mut self, key: &str, bytes: &[u8]) {
        self.text(key, &base64::engine::general_purpose::STANDARD.encode(bytes));
    }

    fn end(mut self, annotations: Option<&Annotations>, meta: Option<&str>) -> Result<(), GuestError> {
        if let Some(annotations) = annotations {
            self.key("annotations");
            write::json(self.out, &annotations_value(annotations));
        }
        if let Some(meta) = meta {
            let meta = guest_meta(meta)?;
            self.key("_meta");
            self.out.push(b'{');
            self.out.extend_from_slice(meta.as_bytes());
            self.out.push(b'}');
        }
        self.out.push(b'}');
        Ok(())
    }
}

fn annotations_value(annotations: &Annotations) -> serde_json::Value {
    let mut object = serde_json::Map::new();
    if !annotations.audience.is_empty() {
        let role = |role: &Role| if *role == Role::User { "user" } else { "assistant" };
        object.insert("audience".to_owned(), annotations.audience.iter().map(role).collect());
    }
    if let Some(priority) = annotations.priority {
        object.insert("priority".to_owned(), priority.clamp(0.0, 1.0).into());
    }
    if let Some(modified) = &annotations.last_modified {
        object.insert("lastModified".to_owned(), modified.as_str().into());
    }
    object.into()
}
