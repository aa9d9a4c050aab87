//! The one request that every server gets, and what counts as its answer.

use std::borrow::Cow;

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A modern `tools/call`, rendered before the clock starts. Each connection, or place in the pipeline, has a text of its own, so
/// that an answer that went to the wrong one is noticed.
pub(crate) struct Call {
    id: u64,
    text: String,
    body: String,
}

impl Call {
    /// `slot` is below 1,000, which keeps every request as long as every other.
    pub(crate) fn new(tool: &str, slot: usize) -> Self {
        let id = FIRST_ID + slot as u64;
        let text = format!("call {slot:03} of the tide gauge");
        let body = format!(
            concat!(
                r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"text":"{text}"}},"#,
                r#""_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
                r#""io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
            ),
            id = id,
            tool = tool,
            text = text
        );
        Self { id, text, body }
    }

    /// The same call as a client with a session makes it (2025-11-25).
    pub(crate) fn in_session(tool: &str, slot: usize) -> Self {
        let Self { id, text, .. } = Self::new(tool, slot);
        let body =
            format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"{tool}","arguments":{{"text":"{text}"}}}}}}"#);
        Self { id, text, body }
    }

    /// The request in a session.
    pub(crate) fn http_in_session(&self, host: &str, session: &str) -> Vec<u8> {
        post(host, &format!("MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: {session}\r\n"), &self.body)
    }

    /// The request as it goes over a connection to `host`.
    pub(crate) fn http(&self, host: &str, tool: &str) -> Vec<u8> {
        post(host, &format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n"), &self.body)
    }

    /// The request as it goes into a server's stdin.
    pub(crate) fn line(&self) -> Vec<u8> {
        format!("{}\n", self.body).into_bytes()
    }

    /// Whether `body`, a JSON object or one in an SSE frame, is the right answer to this call.
    pub(crate) fn check(&self, body: &[u8]) -> anyhow::Result<()> {
        let body = str::from_utf8(body)?;
        let (Some(start), Some(end)) = (body.find('{'), body.rfind('}')) else { anyhow::bail!("no JSON object: {body}") };
        let answer: Answer = serde_json::from_str(&body[start..=end]).with_context(|| body.to_owned())?;
        let result = answer.result.with_context(|| format!("an error: {body}"))?;
        ensure!(answer.error.is_none() && !result.is_error, "an error: {body}");
        ensure!(answer.id == self.id, "the answer to another call than {}: {body}", self.id);
        ensure!(result.content.len() == 1 && result.content[0].text == self.text, "not an echo of {:?}: {body}", self.text);
        Ok(())
    }
}

/// The handshake of a session.
pub(crate) fn initialize(host: &str) -> Vec<u8> {
    let body = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"#,
        r#""clientInfo":{"name":"bench","version":"1"}}}"#
    );
    post(host, "", body)
}

fn post(host: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Ids of four digits.
const FIRST_ID: u64 = 1000;

/// Which call an answer belongs to, without reading all of it.
pub(crate) fn slot_of(answer: &[u8]) -> Option<usize> {
    let key = br#""id":"#;
    let after = answer.windows(key.len()).position(|window| window == key)? + key.len();
    let digits = answer.get(after..)?.iter().take_while(|byte| byte.is_ascii_digit());
    let id = digits.fold(0_usize, |id, digit| id * 10 + usize::from(digit - b'0'));
    id.checked_sub(FIRST_ID as usize)
}

#[derive(Deserialize)]
struct Answer<'a> {
    id: u64,
    #[serde(borrow)]
    result: Option<Outcome<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    #[serde(borrow)]
    content: Vec<Block<'a>>,
    #[serde(rename = "isError", default)]
    is_error: bool,
}

#[derive(Deserialize)]
struct Block<'a> {
    #[serde(borrow)]
    text: Cow<'a, str>,
}
