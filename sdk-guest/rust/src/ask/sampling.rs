//! Messages for the client's model.

use super::{Question, open_question};
use crate::bindings::imports::types::{KeyedRequest, Request};
use crate::{Context, Result};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// Asks the client's model (`sampling/createMessage`).
///
/// ```
/// use cofferdam_plugin::{ask::Sampling, prelude::*};
///
/// fn summary(cx: &Context, text: &str) -> Result<String> {
///     let question = Sampling::new("summary", text, 200).system("Summarise in two sentences.").temperature(0.2);
///     Ok(cx.ask(question)?.text().into())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Sampling {
    key: String,
    params: Value,
}

impl Sampling {
    /// Asks under a key with one message of the user's; the answer has at most `tokens_max` tokens.
    pub fn new(key: impl Into<String>, text: impl Into<String>, tokens_max: u32) -> Self {
        Self { key: key.into(), params: json!({"messages": [], "maxTokens": tokens_max}) }.user(text)
    }

    /// Asks under a key with params of your own: a JSON object as MCP defines it.
    pub fn with_params(key: impl Into<String>, params: Value) -> Self {
        Self { key: key.into(), params }
    }

    /// Adds a message of the user's.
    #[must_use]
    pub fn user(self, text: impl Into<String>) -> Self {
        self.message("user", &text.into())
    }

    /// Adds a message of the model's.
    #[must_use]
    pub fn assistant(self, text: impl Into<String>) -> Self {
        self.message("assistant", &text.into())
    }

    /// Sets the system prompt.
    #[must_use]
    pub fn system(self, text: impl Into<String>) -> Self {
        self.set("systemPrompt", Value::String(text.into()))
    }

    /// Sets the temperature.
    #[must_use]
    pub fn temperature(self, temperature: f64) -> Self {
        self.set("temperature", json!(temperature))
    }

    fn message(mut self, role: &str, text: &str) -> Self {
        if let Some(Value::Array(messages)) = self.params.get_mut("messages") {
            messages.push(json!({"role": role, "content": {"type": "text", "text": text}}));
        }
        self
    }

    fn set(mut self, name: &str, value: Value) -> Self {
        if let Value::Object(params) = &mut self.params {
            params.insert(name.into(), value);
        }
        self
    }
}

impl Question for Sampling {
    type Answer = Sampled;

    fn look_up(&self, cx: &Context, open: &mut Vec<KeyedRequest>) -> Result<Option<Sampled>> {
        let answer = cx.response_json(&self.key).and_then(Sampled::read);
        if answer.is_none() {
            open_question(open, &self.key, Request::Sampling(self.params.to_string()));
        }
        Ok(answer)
    }
}

/// What the client's model said.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    content: Vec<Value>,
    model: Option<String>,
    stop_reason: Option<String>,
}

impl Sampled {
    fn read(text: &str) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Message {
            content: Value,
            model: Option<String>,
            stop_reason: Option<String>,
        }
        let message: Message = serde_json::from_str(text).ok()?;
        let content = match message.content {
            Value::Array(blocks) => blocks,
            block => vec![block],
        };
        let typed = |block: &Value| block.as_object().is_some_and(|block: &Map<_, _>| block.get("type").is_some_and(Value::is_string));
        content.iter().all(typed).then_some(Self { content, model: message.model, stop_reason: message.stop_reason })
    }

    /// The first text in it; empty when there is none.
    #[must_use]
    pub fn text(&self) -> &str {
        self.content.iter().find_map(|block| block.get("text")?.as_str()).unwrap_or_default()
    }

    /// All blocks, as MCP writes them.
    #[must_use]
    pub fn content(&self) -> &[Value] {
        &self.content
    }

    /// Which model it was, if the client says so.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// Why the model stopped, such as `endTurn` or `maxTokens`, if the client says so.
    #[must_use]
    pub fn stop_reason(&self) -> Option<&str> {
        self.stop_reason.as_deref()
    }
}
