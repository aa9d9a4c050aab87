//! A client of the `initialize` era over HTTP.

use crate::client::{self, Answer};
use crate::events::EventStream;
use crate::host::TestHost;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// A session.
pub struct Session {
    /// Where its host is.
    pub address: SocketAddr,
    /// Its id.
    pub id: String,
    version: String,
}

/// `initialize` as a message.
#[must_use]
pub fn initialize(version: &str, capabilities: Value) -> Value {
    let params = json!({"protocolVersion": version, "capabilities": capabilities, "clientInfo": {"name": "t", "version": "1"}});
    json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})
}

/// `tools/call` as a message.
#[must_use]
pub fn tool_call(id: &Value, tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

impl Session {
    /// Begins a session of a client that can be asked nothing.
    #[must_use]
    pub fn open(host: &TestHost, version: &str) -> Self {
        Self::with(host, version, json!({}))
    }

    /// Begins a session of a client with these capabilities.
    #[must_use]
    pub fn with(host: &TestHost, version: &str, capabilities: Value) -> Self {
        let body = initialize(version, capabilities).to_string();
        let answer = client::raw(host.address, client::post_text("", &body).as_bytes());
        assert_eq!(answer.json()["result"]["protocolVersion"], version);
        let id = answer.header("mcp-session-id").expect("a session").to_owned();
        let session = Self { address: host.address, id, version: version.to_owned() };
        let initialized = session.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        assert_eq!((initialized.status, &*initialized.body), (202, ""));
        session
    }

    /// The header fields of every request in it, as whole lines.
    #[must_use]
    pub fn headers(&self) -> String {
        // Revisions before 2025-06-18 have no header for the version.
        let version = if &*self.version < "2025-06-18" { String::new() } else { format!("MCP-Protocol-Version: {}\r\n", self.version) };
        format!("Mcp-Session-Id: {}\r\n{version}", self.id)
    }

    /// A POST of this text, as text.
    #[must_use]
    pub fn post_text(&self, body: &str) -> String {
        client::post_text(&self.headers(), body)
    }

    /// Posts a message.
    #[must_use]
    pub fn post(&self, message: &Value) -> Answer {
        client::raw(self.address, self.post_text(&message.to_string()).as_bytes())
    }

    /// Posts a message that needs no answer.
    pub fn tell(&self, message: &Value) {
        let answer = self.post(message);
        assert_eq!((answer.status, &*answer.body), (202, ""), "{message}");
    }

    /// Posts a request, and gives its result.
    #[must_use]
    pub fn ask(&self, method: &str, params: Value) -> Value {
        let answer = self.post(&json!({"jsonrpc": "2.0", "id": "ask", "method": method, "params": params}));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["result"].clone()
    }

    /// Posts a request whose answer has to be an event stream.
    #[must_use]
    pub fn stream(&self, message: &Value) -> EventStream {
        EventStream::open(self.address, &self.post_text(&message.to_string()))
    }

    /// A GET as text, with these header fields as whole lines.
    #[must_use]
    pub fn get_text(&self, extra: &str) -> String {
        format!("GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n{}{extra}\r\n", self.headers())
    }

    /// The session's own stream.
    #[must_use]
    pub fn listen(&self) -> EventStream {
        EventStream::open(self.address, &self.get_text(""))
    }

    /// The rest of a stream whose connection was lost.
    #[must_use]
    pub fn resume(&self, last: &str) -> EventStream {
        EventStream::open(self.address, &self.get_text(&format!("Last-Event-ID: {last}\r\n")))
    }

    /// A GET that is refused, behind this event.
    #[must_use]
    pub fn resume_refused(&self, last: &str) -> Answer {
        client::raw(self.address, self.get_text(&format!("Last-Event-ID: {last}\r\n")).as_bytes())
    }

    /// Ends it.
    #[must_use]
    pub fn delete(&self) -> Answer {
        let text = format!("DELETE /mcp HTTP/1.1\r\nHost: localhost\r\n{}\r\n", self.headers());
        client::raw(self.address, text.as_bytes())
    }
}
