//! JSON-RPC messages with MCP's parameters, parsed in one pass. Everything borrows from the text of the message.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A request's id, exactly as the client wrote it. It goes back byte for byte, and is never a key outside its own request.
#[derive(Debug, Clone, Copy)]
pub struct Id<'a>(&'a str);

impl<'a> Id<'a> {
    /// A string of at most 1,024 bytes or an integer that fits 64 bits; no null, no fraction (2026-07-28, basic, "Requests").
    pub fn parse(raw: &'a str) -> Option<Self> {
        let good = match raw.as_bytes().first() {
            Some(b'"') => raw.len() <= 1024,
            Some(b'-' | b'0'..=b'9') => raw.parse::<i64>().is_ok(),
            _ => false,
        };
        good.then_some(Self(raw))
    }

    /// The id as JSON text.
    #[must_use]
    pub fn as_json(&self) -> &'a str {
        self.0
    }
}

/// One message from a client.
#[derive(Debug)]
pub enum Message<'a> {
    /// Wants an answer.
    Request(Request<'a>),
    /// Wants none.
    Notification {
        /// Its method.
        method: Cow<'a, str>,
        /// Its parameters.
        params: Params<'a>,
    },
    /// Answers a request of the host's.
    Response(Response<'a>),
}

/// A client's answer to a request of the host's (`initialize` era only).
#[derive(Debug, Clone, Copy)]
pub struct Response<'a> {
    /// The id that the host chose, as JSON text.
    pub id: &'a str,
    /// The result; none when the client failed.
    pub result: Option<&'a RawValue>,
}

/// A request.
#[derive(Debug)]
pub struct Request<'a> {
    /// Comes back with the answer.
    pub id: Id<'a>,
    /// What is asked.
    pub method: Cow<'a, str>,
    /// The parameters; empty when there were none.
    pub params: Params<'a>,
}

/// The parameters of every method that this host knows, in one struct, so that a message is parsed once. Unknown ones are ignored, as the
/// protocol wants it.
#[derive(Debug, Default, Deserialize)]
pub struct Params<'a> {
    /// `_meta`; none when it was not there.
    #[serde(borrow, default, rename = "_meta")]
    pub meta: Option<Meta<'a>>,
    /// `tools/call`, `prompts/get`: which one.
    #[serde(borrow, default)]
    pub name: Option<Cow<'a, str>>,
    /// `tools/call`: the arguments, raw.
    #[serde(borrow, default)]
    pub arguments: Option<&'a RawValue>,
    /// `*/list`: where to go on.
    #[serde(borrow, default)]
    pub cursor: Option<Cow<'a, str>>,
    /// `resources/read`, `resources/subscribe`: which one.
    #[serde(borrow, default)]
    pub uri: Option<Cow<'a, str>>,
    /// Answers to what the host asked in the round before: an object, raw.
    #[serde(borrow, default, rename = "inputResponses")]
    pub input_responses: Option<&'a RawValue>,
    /// What the host sent with the round before.
    #[serde(borrow, default, rename = "requestState")]
    pub request_state: Option<Cow<'a, str>>,
    /// `completion/complete`: what is being filled in, raw.
    #[serde(borrow, default, rename = "ref")]
    pub reference: Option<&'a RawValue>,
    /// `completion/complete`: the argument that is being typed, raw.
    #[serde(borrow, default)]
    pub argument: Option<&'a RawValue>,
    /// `completion/complete`: what is known already, raw.
    #[serde(borrow, default)]
    pub context: Option<&'a RawValue>,
    /// `subscriptions/listen`: what the client wants to hear of, raw.
    #[serde(borrow, default)]
    pub notifications: Option<&'a RawValue>,
    /// `tasks/*`: which one.
    #[serde(borrow, default, rename = "taskId")]
    pub task_id: Option<Cow<'a, str>>,
    /// `logging/setLevel`: the level.
    #[serde(borrow, default)]
    pub level: Option<Cow<'a, str>>,
    /// `initialize`: what the client can do, raw.
    #[serde(borrow, default)]
    pub capabilities: Option<&'a RawValue>,
    /// `initialize`: the revision that the client would like.
    #[serde(borrow, default, rename = "protocolVersion")]
    pub protocol_version: Option<Cow<'a, str>>,
    /// `notifications/cancelled`: which request.
    #[serde(borrow, default, rename = "requestId")]
    pub request_id: Option<&'a RawValue>,
}

/// `_meta` of a request.
#[derive(Debug, Default)]
pub struct Meta<'a> {
    /// `io.modelcontextprotocol/protocolVersion`.
    pub protocol_version: Option<Cow<'a, str>>,
    /// `io.modelcontextprotocol/clientCapabilities`: a JSON object.
    pub client_capabilities: Option<&'a RawValue>,
    /// `io.modelcontextprotocol/logLevel`: from which level on the client wants log messages about this request.
    pub log_level: Option<Cow<'a, str>>,
    /// `progressToken`: a string or an integer, raw.
    pub progress_token: Option<&'a RawValue>,
    /// Everything that is not the protocol's own, in the client's order.
    pub rest: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl Meta<'_> {
    /// What guests get to see of `_meta`: a JSON object, or none when nothing is left.
    #[must_use]
    pub fn rest_json(&self) -> Option<String> {
        let mut text = String::from("{");
        for (key, value) in &self.rest {
            if text.len() > 1 {
                text.push(',');
            }
            text.push_str(&serde_json::to_string(key).unwrap_or_default());
            text.push(':');
            text.push_str(value.get());
        }
        text.push('}');
        (text.len() > 2).then_some(text)
    }
}

/// Keys of `_meta` that the host consumes; guests see the others.
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
const META_PROGRESS_TOKEN: &str = "progressToken";
const META_CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
/// A client has no use for more than a handful.
const META_KEYS_MAX: usize = 64;

impl<'de: 'a, 'a> Deserialize<'de> for Meta<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MetaVisitor;
        impl<'de> Visitor<'de> for MetaVisitor {
            type Value = Meta<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object in `_meta`")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Meta<'de>, A::Error> {
                let mut meta = Meta::default();
                let mut client_info = None;
                while let Some(Text(key)) = entries.next_key::<Text<'de>>()? {
                    let twice = || A::Error::custom(format_args!("the key {key:?} occurs twice in `_meta`"));
                    if key == META_VERSION {
                        let Text(version) = entries.next_value()?;
                        if meta.protocol_version.replace(version).is_some() {
                            return Err(twice());
                        }
                    } else if key == META_CAPABILITIES {
                        if meta.client_capabilities.replace(entries.next_value()?).is_some() {
                            return Err(twice());
                        }
                    } else if key == META_LOG_LEVEL {
                        let Text(level) = entries.next_value()?;
                        if meta.log_level.replace(level).is_some() {
                            return Err(twice());
                        }
                    } else if key == META_PROGRESS_TOKEN {
                        let token: &RawValue = entries.next_value()?;
                        if Id::parse(token.get()).is_none() {
                            return Err(A::Error::custom("`progressToken` is a string or an integer"));
                        }
                        if meta.progress_token.replace(token).is_some() {
                            return Err(twice());
                        }
                    } else if key == META_CLIENT_INFO {
                        if client_info.replace(entries.next_value::<IgnoredAny>()?).is_some() {
                            return Err(twice());
                        }
                    } else if meta.rest.iter().any(|(other, _)| *other == key) {
                        return Err(twice());
                    } else if meta.rest.len() == META_KEYS_MAX {
                        return Err(A::Error::custom(format_args!("`_meta` has more than {META_KEYS_MAX} keys")));
                    } else {
                        meta.rest.push((key, entries.next_value()?));
                    }
                }
                Ok(meta)
            }
        }
        deserializer.deserialize_map(MetaVisitor)
    }
}

/// Text that borrows where it can: serde's own `Cow` copies as a map key or a value of a visitor.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Why a text is not a message. Carries the request's id where it could be read, since an error has to be sent under it.
#[derive(Debug, thiserror::Error)]
pub enum MessageError<'a> {
    /// Not JSON.
    #[error("the body is not JSON: {0}")]
    Parse(String),
    /// JSON, but not a JSON-RPC message that may stand here.
    #[error("{message}")]
    Malformed {
        /// What is wrong.
        message: String,
        /// The id, if it could be read.
        id: Option<Id<'a>>,
    },
    /// A request whose parameters are wrong.
    #[error("{message}")]
    Params {
        /// What is wrong.
        message: String,
        /// The id, if it is a request and not a notification.
        id: Option<Id<'a>>,
    },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "object")]
    params: Option<Params<'a>>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// The envelope alone, for telling whose fault a failure is.
#[derive(Deserialize)]
struct Outline<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "jsonrpc")]
    _jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "method")]
    _method: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "params")]
    _params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present", rename = "result")]
    _result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present", rename = "error")]
    _error: Option<&'a RawValue>,
}

/// A member that is there even when it is null.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// Parameters by name. Left to itself, serde takes an array for a struct as well.
fn object<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Params<'a>>, D::Error> {
    struct ParamsVisitor<'a>(std::marker::PhantomData<&'a ()>);
    impl<'de: 'a, 'a> Visitor<'de> for ParamsVisitor<'a> {
        type Value = Params<'a>;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object in `params`")
        }
        fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Params<'a>, A::Error> {
            Params::deserialize(serde::de::value::MapAccessDeserializer::new(entries))
        }
    }
    deserializer.deserialize_map(ParamsVisitor(std::marker::PhantomData)).map(Some)
}

/// The messages of a batch (2025-03-26, basic, "Batching"), not yet parsed; none when the text is no array.
pub fn batch(text: &str) -> Option<Result<Vec<&RawValue>, MessageError<'_>>> {
    if !text.trim_start().starts_with('[') {
        return None;
    }
    Some(serde_json::from_str::<Vec<&RawValue>>(text).map_err(|error| MessageError::Parse(error.to_string())))
}

impl<'a> Message<'a> {
    /// Parses one message. Arrays (batches) are no message.
    pub fn parse(text: &'a str) -> Result<Self, MessageError<'a>> {
        // Before serde, which would take an array for the envelope's members in order.
        if text.trim_start().starts_with('[') {
            return Err(match serde_json::from_str::<IgnoredAny>(text) {
                Ok(_) => {
                    MessageError::Malformed { message: "batches are not spoken here: send one message at a time".to_owned(), id: None }
                }
                Err(error) => MessageError::Parse(error.to_string()),
            });
        }
        let envelope: Envelope<'a> = match serde_json::from_str(text) {
            Ok(envelope) => envelope,
            Err(error) => return Err(explain(text, &error)),
        };
        let id = envelope.id.map(RawValue::get);
        let malformed = |message: &str| MessageError::Malformed { message: message.to_owned(), id: id.and_then(Id::parse) };
        if envelope.jsonrpc.as_deref() != Some("2.0") {
            return Err(malformed("`jsonrpc` has to be \"2.0\""));
        }
        match (envelope.method, id) {
            (Some(_), _) if envelope.result.is_some() || envelope.error.is_some() => {
                Err(malformed("a message has either `method`, or `result` or `error`"))
            }
            (Some(method), Some(raw)) => {
                let id = Id::parse(raw).ok_or_else(|| malformed("`id` has to be a string of at most 1,024 bytes or a 64-bit integer"))?;
                Ok(Self::Request(Request { id, method, params: envelope.params.unwrap_or_default() }))
            }
            (Some(method), None) => Ok(Self::Notification { method, params: envelope.params.unwrap_or_default() }),
            (None, Some(id)) if envelope.result.is_some() != envelope.error.is_some() => {
                Ok(Self::Response(Response { id, result: envelope.result }))
            }
            (None, _) => Err(malformed("`method` is missing")),
        }
    }
}

/// The cold path: parses again, more loosely, to find out what is wrong and under which id to say so.
fn explain<'a>(text: &'a str, error: &serde_json::Error) -> MessageError<'a> {
    if !error.is_data() {
        return MessageError::Parse(error.to_string());
    }
    match serde_json::from_str::<Outline<'a>>(text) {
        Ok(outline) => {
            let id = outline.id.map(RawValue::get).and_then(Id::parse);
            MessageError::Params { message: format!("`params` are wrong: {error}"), id }
        }
        Err(error) => MessageError::Malformed { message: format!("not a JSON-RPC message: {error}"), id: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outline(text: &str) -> String {
        match Message::parse(text) {
            Ok(Message::Request(r)) => format!("request {} {}", r.id.as_json(), r.method),
            Ok(Message::Notification { method, .. }) => format!("notification {method}"),
            Ok(Message::Response(_)) => "response".to_owned(),
            Err(MessageError::Parse(_)) => "parse".to_owned(),
            Err(MessageError::Malformed { id, .. }) => format!("malformed {}", id.map_or("-", |id| id.as_json())),
            Err(MessageError::Params { id, .. }) => format!("params {}", id.map_or("-", |id| id.as_json())),
        }
    }

    #[test]
    fn messages_are_told_apart() {
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, "request 1 ping"),
            (r#"{"jsonrpc":"2.0","id":"a\u0041","method":"ping","params":{}}"#, r#"request "a\u0041" ping"#),
            (r#" {"method":"x","id":-9223372036854775808,"jsonrpc":"2.0","extra":[]} "#, "request -9223372036854775808 x"),
            (r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, "notification notifications/initialized"),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "response"),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#, "response"),
        ] {
            assert_eq!(outline(text), expected, "{text}");
        }
    }

    #[test]
    fn odd_ids() {
        for id in ["null", "1.0", "1e3", "true", "{}", "[]", "9223372036854775808", "123456789012345678901234567890"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            assert_eq!(outline(&text), "malformed -", "{id}");
        }
        let text = format!(r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#, "x".repeat(10_000));
        assert_eq!(outline(&text), "malformed -");
    }

    #[test]
    fn duplicate_keys() {
        for (text, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#, "malformed -"),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"a"}"#, "malformed -"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":"x","name":"y"}}"#, "params 1"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"progressToken":1,"progressToken":1}}}"#, "params 1"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"x":1,"x":1}}}"#, "params 1"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{},"_meta":{}}}"#, "params 1"),
        ] {
            assert_eq!(outline(text), expected, "{text}");
        }
    }

    #[test]
    fn malformed_text() {
        for (text, expected) in [
            ("", "parse"),
            ("{", "parse"),
            ("{} x", "parse"),
            ("\u{feff}{}", "parse"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a"}{"jsonrpc":"2.0","id":1,"method":"a"}"#, "parse"),
            ("[]", "malformed -"),
            (r#"["2.0",1,"ping"]"#, "malformed -"),
            ("[1,", "parse"),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, "malformed -"),
            ("1", "malformed -"),
            ("{}", "malformed -"),
            (r#"{"jsonrpc":"1.0","id":1,"method":"a"}"#, "malformed 1"),
            (r#"{"jsonrpc":"2.0","id":1}"#, "malformed 1"),
            (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, "malformed -"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","result":{}}"#, "malformed 1"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":[]}"#, "params 1"),
            (r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"name":7}}"#, "params 1"),
        ] {
            assert_eq!(outline(text), expected, "{text}");
        }
    }

    #[test]
    fn guests_see_what_is_left_of_meta() {
        let text = r#"{"jsonrpc":"2.0","id":1,"method":"a","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
            "io.modelcontextprotocol/clientCapabilities":{"x":{}},"progressToken":7,"traceparent":"00-1","acme/é":[1, 2]}}}"#;
        let Ok(Message::Request(request)) = Message::parse(text) else { panic!("no request") };
        let meta = request.params.meta.unwrap();
        assert_eq!(meta.protocol_version.as_deref(), Some("2026-07-28"));
        assert_eq!(meta.client_capabilities.map(RawValue::get), Some(r#"{"x":{}}"#));
        assert_eq!(meta.rest_json().as_deref(), Some(r#"{"traceparent":"00-1","acme/é":[1, 2]}"#));
    }
}
