//! What dispatch does in the stateless era (2026-07-28), over HTTP, with the plugins `conformance` and `curious`.

mod listen;
mod messages;
mod pages;
mod prompts;
mod resources;
mod rounds;
mod states;
mod tasks;

use serde_json::{Value, json};
use tests::client::{self, Answer, post_text};
use tests::events::EventStream;
use tests::host::{Plugins, TestHost};
use tests::stateless::Client;

/// Both plugins.
fn plugins() -> Plugins {
    Plugins::new().fixture("conformance").fixture("curious")
}

/// A host with both plugins, and a client that declares nothing.
fn start() -> (TestHost, Client) {
    started(plugins())
}

fn started(plugins: Plugins) -> (TestHost, Client) {
    let host = plugins.start();
    let client = Client::new(host.address);
    (host, client)
}

/// Status, code and `data` of an error.
fn error(answer: &Answer) -> (u16, i64, Value) {
    (answer.status, answer.code(), answer.json()["error"]["data"].clone())
}

/// A session of the `initialize` era, for what is told apart by era.
struct Session<'a> {
    host: &'a TestHost,
    id: String,
}

impl<'a> Session<'a> {
    fn open(host: &'a TestHost, capabilities: &Value) -> Self {
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params":
            {"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": {"name": "t", "version": "1"}}});
        let answer = client::raw(host.address, post_text("", &body.to_string()).as_bytes());
        Self { host, id: answer.header("mcp-session-id").expect("a session").to_owned() }
    }

    fn text(&self, message: &Value) -> String {
        post_text(&format!("Mcp-Session-Id: {}\r\n", self.id), &message.to_string())
    }

    fn send(&self, method: &str, params: &Value) -> Answer {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        client::raw(self.host.address, self.text(&message).as_bytes())
    }

    /// Sends a request whose answer is a stream, because the host asks something first.
    fn begin(&self, method: &str, params: &Value) -> EventStream {
        EventStream::open(self.host.address, &self.text(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})))
    }

    /// Answers a request of the host's.
    fn answer(&self, asked: &Value, result: &Value) {
        let message = json!({"jsonrpc": "2.0", "id": asked["id"], "result": result});
        assert_eq!(client::raw(self.host.address, self.text(&message).as_bytes()).status, 202, "{asked}");
    }
}

/// A form that was filled in.
fn accepted(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}
