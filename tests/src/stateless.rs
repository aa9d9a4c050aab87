//! A client of the stateless era: every request says what the client can do.

use crate::client::{self, Answer};
use crate::events::EventStream;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// A client that declares the same capabilities with every request.
#[derive(Debug, Clone)]
pub struct Client {
    address: SocketAddr,
    capabilities: Value,
}

impl Client {
    /// A client that can do nothing for the host.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, capabilities: json!({}) }
    }

    /// The same with these capabilities.
    #[must_use]
    pub fn with(&self, capabilities: Value) -> Self {
        Self { address: self.address, capabilities }
    }

    /// The same, for a client that knows tasks, and can be asked by forms.
    #[must_use]
    pub fn with_tasks(&self) -> Self {
        self.with(json!({"elicitation": {}, "extensions": {"io.modelcontextprotocol/tasks": {}}}))
    }

    /// A request as text. `_meta` of the parameters is completed.
    #[must_use]
    pub fn text(&self, id: &Value, method: &str, mut params: Value) -> String {
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = self.capabilities.clone();
        let repeated = match method {
            "tools/call" | "prompts/get" => &params["name"],
            "resources/read" => &params["uri"],
            "tasks/get" | "tasks/update" | "tasks/cancel" => &params["taskId"],
            _ => &Value::Null,
        };
        let name = repeated.as_str().map(|name| format!("Mcp-Name: {name}\r\n")).unwrap_or_default();
        let extra = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}");
        client::post_text(&extra, &json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string())
    }

    /// Sends a request on a connection of its own.
    #[must_use]
    pub fn send(&self, method: &str, params: Value) -> Answer {
        client::raw(self.address, self.text(&json!(1), method, params).as_bytes())
    }

    /// Sends what [`text`](Self::text) gave, after a change.
    #[must_use]
    pub fn send_text(&self, text: &str) -> Answer {
        client::raw(self.address, text.as_bytes())
    }

    /// Sends a request that has to succeed: its result.
    #[must_use]
    pub fn result(&self, method: &str, params: Value) -> Value {
        let answer = self.send(method, params);
        let result = answer.json()["result"].clone();
        assert!(answer.status == 200 && result.is_object(), "{answer:?}");
        result
    }

    /// Calls a tool.
    #[must_use]
    pub fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.send("tools/call", json!({"name": tool, "arguments": arguments}))
    }

    /// Opens a subscription, and reads its acknowledgement.
    #[must_use]
    pub fn listen(&self, id: Value, notifications: Value) -> (EventStream, Value) {
        let text = self.text(&id, "subscriptions/listen", json!({"notifications": notifications}));
        let mut events = EventStream::open(self.address, &text);
        let acknowledged = events.message();
        assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged", "{acknowledged}");
        (events, acknowledged["params"].clone())
    }
}
