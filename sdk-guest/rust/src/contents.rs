//! What a `#[resource]` answers.

use crate::bindings::imports::types::{Body, CacheHint, ResourceContents};
use crate::{Failure, Json, Result};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::Serialize;

/// What a resource may return, alone or as the `Ok` of a `Result`.
///
/// | type | the client sees |
/// |---|---|
/// | `String`, `&str` | text |
/// | `Vec<u8>`, `&[u8]` | bytes |
/// | [`Json<T>`] | the value as JSON text, `application/json` unless the attribute says otherwise |
/// | [`Contents`] | whatever you put in: several items, `_meta`, how long they stay good |
/// | `Option<T>` | as `T`, or that there is no such resource |
/// | `Result<T, E>` | as `T`, or a failure if `E` can become a [`Failure`] |
#[diagnostic::on_unimplemented(
    message = "a resource cannot return `{Self}`",
    label = "no contents of a resource",
    note = "return `String`, `Vec<u8>`, `Json<T>` with `T: Serialize`, `Contents`, or an `Option` or a `Result` of one of them"
)]
pub trait IntoContents {
    /// Makes the contents.
    ///
    /// # Errors
    /// Whatever the function failed with, or a value that is no JSON.
    fn into_contents(self) -> Result<Contents>;
}

impl IntoContents for String {
    fn into_contents(self) -> Result<Contents> {
        Ok(Contents::new().text(self))
    }
}

impl IntoContents for &str {
    fn into_contents(self) -> Result<Contents> {
        Ok(Contents::new().text(self))
    }
}

impl IntoContents for Vec<u8> {
    fn into_contents(self) -> Result<Contents> {
        Ok(Contents::new().blob(self))
    }
}

impl IntoContents for &[u8] {
    fn into_contents(self) -> Result<Contents> {
        Ok(Contents::new().blob(self))
    }
}

impl<T: Serialize> IntoContents for Json<T> {
    fn into_contents(self) -> Result<Contents> {
        Contents::new().json(&self.0)
    }
}

impl IntoContents for Contents {
    fn into_contents(self) -> Result<Contents> {
        Ok(self)
    }
}

impl<T: IntoContents> IntoContents for Option<T> {
    fn into_contents(self) -> Result<Contents> {
        self.map_or_else(|| Ok(Contents::new()), IntoContents::into_contents)
    }
}

impl<T: IntoContents, E: Into<Failure>> IntoContents for Result<T, E> {
    fn into_contents(self) -> Result<Contents> {
        self.map_err(Into::into)?.into_contents()
    }
}

/// The contents of a resource, item by item. An item has the URI that was asked for and the media type of the attribute, unless it says
/// otherwise.
///
/// ```
/// use cofferdam_plugin::Contents;
///
/// let page = Contents::new()
///     .text("<p>Hello</p>").mime_type("text/html")
///     .blob(vec![1, 2, 3]).uri("notes://1/attachment").mime_type("application/octet-stream")
///     .cache_ms(60_000);
/// assert_eq!(page.items().len(), 2);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// An item without a URI has that of the resource.
    items: Vec<ResourceContents>,
    cache: Option<CacheHint>,
    json: bool,
}

impl Contents {
    /// Nothing yet. A resource that stays without contents does not exist.
    #[must_use]
    pub const fn new() -> Self {
        Self { items: Vec::new(), cache: None, json: false }
    }

    /// Adds text.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        self.item(Body::Text(text.into()))
    }

    /// Adds bytes. The host does the base64.
    #[must_use]
    pub fn blob(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.item(Body::Blob(bytes.into()))
    }

    /// Adds a value as JSON text.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn json(self, value: &impl Serialize) -> Result<Self> {
        let first = self.items.is_empty();
        let mut contents = self.text(serde_json::to_string(value)?);
        // The attribute of the resource may still say otherwise, if this is all that there is.
        contents.json = first;
        Ok(if first { contents } else { contents.mime_type("application/json") })
    }

    fn item(mut self, body: Body) -> Self {
        self.items.push(ResourceContents { uri: String::new(), mime_type: None, body, meta: None });
        self
    }

    /// Sets the URI of the item added last: the resource's own, or one below it.
    #[must_use]
    pub fn uri(mut self, uri: impl Into<String>) -> Self {
        if let Some(last) = self.items.last_mut() {
            last.uri = uri.into();
        }
        self
    }

    /// Sets the media type of the item added last.
    #[must_use]
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        if let Some(last) = self.items.last_mut() {
            last.mime_type = Some(mime_type.into());
        }
        self
    }

    /// Sets `_meta` of the item added last; `value` has to be written as a JSON object.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn meta(mut self, value: &impl Serialize) -> Result<Self> {
        let text = serde_json::to_string(value)?;
        if let Some(last) = self.items.last_mut() {
            last.meta = Some(text);
        }
        Ok(self)
    }

    /// Says how long the contents stay good for this caller, in milliseconds.
    #[must_use]
    pub fn cache_ms(mut self, ttl_ms: u32) -> Self {
        let shared = self.cache.is_some_and(|cache| cache.shared);
        self.cache = Some(CacheHint { ttl_ms, shared });
        self
    }

    /// Says that the contents are the same for every caller of the tenant. Means something together with [`Contents::cache_ms`].
    #[must_use]
    pub fn cache_shared(mut self) -> Self {
        let ttl_ms = self.cache.map_or(0, |cache| cache.ttl_ms);
        self.cache = Some(CacheHint { ttl_ms, shared: true });
        self
    }

    /// The items, in order.
    #[must_use]
    pub fn items(&self) -> &[ResourceContents] {
        &self.items
    }

    /// The text of the first item that is text.
    #[must_use]
    pub fn first_text(&self) -> Option<&str> {
        self.items.iter().find_map(|item| match &item.body {
            Body::Text(text) => Some(text.as_str()),
            Body::Blob(_) => None,
        })
    }

    /// How long they stay good, if that was said.
    #[must_use]
    pub fn cache(&self) -> Option<CacheHint> {
        self.cache
    }

    pub(crate) fn into_parts(self) -> (Vec<ResourceContents>, Option<CacheHint>) {
        (self.items, self.cache)
    }
}

/// Fills in what the items leave to the resource.
///
/// # Errors
/// What the function failed with, or [`Failure::not_found`] when there are no contents.
pub fn contents(result: Result<Contents>, uri: &str, mime_type: Option<&str>, cache: Option<(u32, bool)>) -> Result<Contents> {
    let mut contents = result?;
    if contents.items.is_empty() {
        return Err(no_such_resource(uri));
    }
    let json = contents.json.then_some("application/json");
    for (at, item) in contents.items.iter_mut().enumerate() {
        if item.uri.is_empty() {
            item.uri = uri.into();
        }
        if item.mime_type.is_none() {
            item.mime_type = mime_type.or(json.filter(|_| at == 0)).map(ToString::to_string);
        }
    }
    contents.cache = contents.cache.or(cache.map(|(ttl_ms, shared)| CacheHint { ttl_ms, shared }));
    Ok(contents)
}

/// What the host is told about a URI that is nobody's.
#[cold]
#[must_use]
pub fn no_such_resource(uri: &str) -> Failure {
    Failure::not_found(format!("there is no resource {uri}"))
}
