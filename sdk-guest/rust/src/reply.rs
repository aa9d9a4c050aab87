//! What a handler answers.

use crate::bindings::imports::types;
use crate::{Failure, Result, schema};
use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use types::{Annotations, Content};

/// What a handler may return, alone or as the `Ok` of a `Result`.
///
/// | type | the client sees |
/// |---|---|
/// | `String`, `&str` | one block of text |
/// | [`Json<T>`] | the value as structured content, and its schema in the catalog |
/// | [`RawJson`] | JSON text of yours as structured content, without a schema |
/// | [`Reply`] | whatever you put in: several blocks, images, links, errors for the model |
/// | `()` | an empty reply |
/// | `Result<T, E>` | as `T`, or a failure if `E` can become a [`Failure`] |
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "not a reply",
    note = "return `String`, `Json<T>` with `T: Serialize + JsonSchema`, `RawJson`, `Reply`, `()`, or a `Result` of one of them"
)]
pub trait IntoReply {
    /// The JSON Schema of [`Reply::structured`] for the catalog, if the type has one.
    #[must_use]
    fn output_schema() -> Option<String> {
        None
    }

    /// Makes the reply.
    ///
    /// # Errors
    /// Whatever the handler failed with, or a value that is no JSON.
    fn into_reply(self) -> Result<Reply>;
}

impl IntoReply for () {
    fn into_reply(self) -> Result<Reply> {
        Ok(Reply::new())
    }
}

impl IntoReply for String {
    fn into_reply(self) -> Result<Reply> {
        Ok(Reply::new().text(self))
    }
}

impl IntoReply for &str {
    fn into_reply(self) -> Result<Reply> {
        Ok(Reply::new().text(self))
    }
}

impl IntoReply for Reply {
    fn into_reply(self) -> Result<Reply> {
        Ok(self)
    }
}

impl<T: IntoReply, E: Into<Failure>> IntoReply for Result<T, E> {
    fn output_schema() -> Option<String> {
        T::output_schema()
    }

    fn into_reply(self) -> Result<Reply> {
        self.map_err(Into::into)?.into_reply()
    }
}

/// A value of yours as the structured result. Its schema goes into the catalog when it describes an object, as MCP wants it; a list
/// is better wrapped in a struct.
///
/// ```
/// use cofferdam_plugin::prelude::*;
///
/// #[derive(Serialize, JsonSchema)]
/// struct Total {
///     /// In cents
///     amount: u64,
/// }
///
/// let reply = Json(Total { amount: 1250 }).into_reply()?;
/// assert_eq!(reply.structured_json(), Some(r#"{"amount":1250}"#));
/// # Ok::<(), Failure>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: Serialize + JsonSchema> IntoReply for Json<T> {
    fn output_schema() -> Option<String> {
        schema::output::<T>()
    }

    fn into_reply(self) -> Result<Reply> {
        Reply::new().structured(&self.0)
    }
}

/// JSON text that passes through without being taken apart.
///
/// As a reply it becomes the structured result, without a schema. As a field of a type of yours it takes whatever JSON is there
/// (`Deserialize`), and writes it again unchanged (`Serialize`). Rows of a database come as this.
///
/// ```
/// use cofferdam_plugin::{RawJson, IntoReply};
///
/// let reply = RawJson::from(String::from(r#"{"answer":42}"#)).into_reply()?;
/// assert_eq!(reply.structured_json(), Some(r#"{"answer":42}"#));
/// # Ok::<(), cofferdam_plugin::Failure>(())
/// ```
#[derive(Clone, Debug)]
pub struct RawJson(Raw);

#[derive(Clone, Debug)]
enum Raw {
    /// Known to be JSON.
    Valid(Box<RawValue>),
    /// Said to be JSON. The host checks replies; serialising it as a part of something checks it here.
    Text(String),
}

impl RawJson {
    /// Text that came from the host, which vouches for it.
    pub(crate) fn from_host(text: String) -> Self {
        // SAFETY: the contract says that `json` which the host hands out is valid, and the host trims it.
        #[expect(unsafe_code, reason = "reading megabytes of rows once more would cost more than the call")]
        Self(Raw::Valid(unsafe { RawValue::from_string_unchecked(text) }))
    }

    /// The text.
    #[must_use]
    pub fn get(&self) -> &str {
        match &self.0 {
            Raw::Valid(value) => value.get(),
            Raw::Text(text) => text,
        }
    }

    /// Reads the text as a type of yours.
    ///
    /// # Errors
    /// When the text is not JSON, or does not fit the type.
    pub fn parse<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.get())
    }
}

/// The text is not checked here: if it is not JSON, the host refuses the reply.
impl From<String> for RawJson {
    fn from(text: String) -> Self {
        Self(Raw::Text(text))
    }
}

impl From<RawJson> for String {
    fn from(json: RawJson) -> Self {
        match json.0 {
            Raw::Valid(value) => Box::<str>::from(value).into(),
            Raw::Text(text) => text,
        }
    }
}

impl IntoReply for RawJson {
    fn into_reply(self) -> Result<Reply> {
        let mut reply = Reply::new();
        reply.0.structured = Some(self.into());
        Ok(reply)
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> core::result::Result<S::Ok, S::Error> {
        match &self.0 {
            Raw::Valid(value) => value.serialize(serializer),
            Raw::Text(text) => serde_json::from_str::<&RawValue>(text).map_err(serde::ser::Error::custom)?.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> core::result::Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|value| Self(Raw::Valid(value)))
    }
}

/// Any JSON.
impl JsonSchema for RawJson {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AnyValue".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }
}

/// A reply, block by block.
///
/// ```
/// use cofferdam_plugin::Reply;
///
/// let png = vec![0x89, b'P', b'N', b'G'];
/// let reply = Reply::new().text("A plot of the last hour:").image(png, "image/png").structured(&[1, 2, 3])?;
/// assert_eq!(reply.content().len(), 2);
/// assert_eq!(reply.first_text(), Some("A plot of the last hour:"));
/// assert_eq!(reply.structured_json(), Some("[1,2,3]"));
/// # Ok::<(), cofferdam_plugin::Failure>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Reply(types::Reply);

impl Default for Reply {
    fn default() -> Self {
        Self::new()
    }
}

impl Reply {
    /// An empty reply.
    #[must_use]
    pub const fn new() -> Self {
        Self(types::Reply { content: Vec::new(), structured: None, is_error: false, meta: None })
    }

    /// A reply that says that the operation failed, and why, in words for the model. A [`Failure`] is an error of the protocol's kind;
    /// this is a result that the model reads and may act upon.
    pub fn error(why: impl Into<String>) -> Self {
        let mut reply = Self::new().text(why);
        reply.0.is_error = true;
        reply
    }

    /// Adds a block of any kind.
    #[must_use]
    pub fn block(mut self, block: impl Into<Content>) -> Self {
        self.0.content.push(block.into());
        self
    }

    /// Adds text.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.block(Content::text(text))
    }

    /// Adds an image. The host does the base64.
    #[must_use]
    pub fn image(self, bytes: impl Into<Vec<u8>>, mime_type: impl Into<String>) -> Self {
        self.block(Content::image(bytes, mime_type))
    }

    /// Adds a sound. The host does the base64.
    #[must_use]
    pub fn audio(self, bytes: impl Into<Vec<u8>>, mime_type: impl Into<String>) -> Self {
        self.block(Content::audio(bytes, mime_type))
    }

    /// Adds a pointer to a resource, by its URI and a short name.
    #[must_use]
    pub fn resource_link(self, uri: impl Into<String>, name: impl Into<String>) -> Self {
        self.block(Content::resource_link(uri, name))
    }

    /// Adds a resource with its text.
    #[must_use]
    pub fn embedded_text(self, uri: impl Into<String>, mime_type: impl Into<String>, text: impl Into<String>) -> Self {
        self.block(Content::embedded_text(uri, mime_type, text))
    }

    /// Adds a resource with its bytes. The host does the base64.
    #[must_use]
    pub fn embedded_blob(self, uri: impl Into<String>, mime_type: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        self.block(Content::embedded_blob(uri, mime_type, bytes))
    }

    /// Says whom the block added last is for, how much it matters, and how old it is.
    #[must_use]
    pub fn annotated(mut self, annotations: Annotations) -> Self {
        if let Some(last) = self.0.content.pop() {
            self.0.content.push(last.annotated(annotations));
        }
        self
    }

    /// Sets the structured result. When there is no other content, the host adds it as text for clients that read only text.
    ///
    /// # Errors
    /// When the value cannot be written as JSON, such as a map whose keys are not strings.
    pub fn structured(mut self, value: &impl Serialize) -> Result<Self> {
        self.0.structured = Some(serde_json::to_string(value)?);
        Ok(self)
    }

    /// Sets `_meta` of the result ([`Content::meta`] is that of a block); `value` has to be written as a JSON object.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn meta(mut self, value: &impl Serialize) -> Result<Self> {
        self.0.meta = Some(serde_json::to_string(value)?);
        Ok(self)
    }

    /// The blocks, in order.
    #[must_use]
    pub fn content(&self) -> &[Content] {
        &self.0.content
    }

    /// The text of the first block that is text.
    #[must_use]
    pub fn first_text(&self) -> Option<&str> {
        self.0.content.iter().find_map(|block| match block {
            Content::Text(block) => Some(block.text.as_str()),
            _ => None,
        })
    }

    /// The structured result as JSON text.
    #[must_use]
    pub fn structured_json(&self) -> Option<&str> {
        self.0.structured.as_deref()
    }

    /// The structured result as a type of yours, for tests.
    ///
    /// # Errors
    /// When there is none, or it does not fit the type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T> {
        Ok(serde_json::from_str(self.structured_json().ok_or("the reply has no structured result")?)?)
    }

    /// Whether it was made by [`Reply::error`].
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.0.is_error
    }
}

impl From<Reply> for types::Reply {
    fn from(reply: Reply) -> Self {
        reply.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Role;
    use alloc::vec;

    #[test]
    fn raw_json_is_spliced_into_a_larger_value() {
        #[derive(Serialize)]
        struct Rows {
            rows: RawJson,
            count: u32,
        }
        let rows = Rows { rows: RawJson::from_host("[[1,\"\\u00e4\"]]".into()), count: 1 };
        let reply = Reply::new().structured(&rows).unwrap();
        assert_eq!(reply.structured_json(), Some(r#"{"rows":[[1,"\u00e4"]],"count":1}"#));
    }

    #[test]
    fn raw_json_of_ones_own_is_checked_where_it_is_spliced() {
        let broken = RawJson::from(String::from("{\"a\":"));
        assert!(Reply::new().structured(&broken).is_err());
        let reply = broken.into_reply().unwrap();
        assert_eq!(reply.structured_json(), Some("{\"a\":")); // and by the host where it is not
    }

    #[test]
    fn raw_json_takes_any_argument() {
        #[derive(Deserialize)]
        struct Arguments {
            parameters: Option<RawJson>,
        }
        let read = |text| serde_json::from_str::<Arguments>(text).unwrap().parameters.map(String::from);
        assert_eq!(read("{}"), None);
        assert_eq!(read(r#"{"parameters": [1, {"a": null}] }"#).as_deref(), Some(r#"[1, {"a": null}]"#));
    }

    #[test]
    fn an_error_of_any_kind_becomes_a_failure() {
        let failed: Result<String, String> = Err("no".into());
        assert_eq!(failed.into_reply().unwrap_err(), Failure::other("no"));
        assert!(Reply::error("why").is_error());
    }

    #[test]
    fn annotations_go_to_the_last_block() {
        let annotations = Annotations { audience: vec![Role::User], priority: Some(1.0), last_modified: None };
        let reply = Reply::new().text("a").embedded_text("x:1", "text/plain", "b").annotated(annotations.clone());
        let [Content::Text(first), Content::Embedded(last)] = reply.content() else { unreachable!() };
        assert_eq!((&first.annotations, &last.annotations), (&None, &Some(annotations)));
    }
}
