//! Blocks of content, as replies and prompts are made of them.

use crate::Result;
use crate::bindings::imports::types;
use alloc::string::String;
use alloc::vec::Vec;
use serde::Serialize;

pub use types::{
    Annotations, BinaryContent, Body, Content, EmbeddedResource, Icon, IconTheme, Resource, ResourceContents, Role, TextContent,
};

impl Content {
    /// Text. So is a `String` or a `&str` wherever `impl Into<Content>` is taken.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(TextContent { text: text.into(), annotations: None, meta: None })
    }

    /// An image. The host does the base64.
    pub fn image(bytes: impl Into<Vec<u8>>, mime_type: impl Into<String>) -> Self {
        Self::Image(binary(bytes.into(), mime_type.into()))
    }

    /// A sound. The host does the base64.
    pub fn audio(bytes: impl Into<Vec<u8>>, mime_type: impl Into<String>) -> Self {
        Self::Audio(binary(bytes.into(), mime_type.into()))
    }

    /// A pointer to a resource, by its URI and a short name. For all that can be said about it, there is [`Resource`].
    pub fn resource_link(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Self::ResourceLink(Resource::new(uri, name))
    }

    /// A resource with its text.
    pub fn embedded_text(uri: impl Into<String>, mime_type: impl Into<String>, text: impl Into<String>) -> Self {
        embedded(uri.into(), mime_type.into(), Body::Text(text.into()))
    }

    /// A resource with its bytes. The host does the base64.
    pub fn embedded_blob(uri: impl Into<String>, mime_type: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        embedded(uri.into(), mime_type.into(), Body::Blob(bytes.into()))
    }

    /// Says whom the block is for, how much it matters, and how old it is.
    #[must_use]
    pub fn annotated(mut self, annotations: Annotations) -> Self {
        let slot = match &mut self {
            Self::Text(block) => &mut block.annotations,
            Self::Image(block) | Self::Audio(block) => &mut block.annotations,
            Self::ResourceLink(block) => &mut block.annotations,
            Self::Embedded(block) => &mut block.annotations,
        };
        *slot = Some(annotations);
        self
    }

    /// Sets `_meta` of the block; `value` has to be written as a JSON object.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn meta(mut self, value: &impl Serialize) -> Result<Self> {
        let slot = match &mut self {
            Self::Text(block) => &mut block.meta,
            Self::Image(block) | Self::Audio(block) => &mut block.meta,
            Self::ResourceLink(block) => &mut block.meta,
            Self::Embedded(block) => &mut block.meta,
        };
        *slot = Some(serde_json::to_string(value)?);
        Ok(self)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Resource> for Content {
    fn from(resource: Resource) -> Self {
        Self::ResourceLink(resource)
    }
}

impl Resource {
    /// A resource of which no more is known than its URI and a short name.
    pub fn new(uri: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            name: name.into(),
            title: None,
            description: None,
            mime_type: None,
            size_bytes: None,
            annotations: None,
            icons: Vec::new(),
            meta: None,
        }
    }
}

fn binary(data: Vec<u8>, mime_type: String) -> BinaryContent {
    BinaryContent { data, mime_type, annotations: None, meta: None }
}

fn embedded(uri: String, mime_type: String, body: Body) -> Content {
    let contents = ResourceContents { uri, mime_type: Some(mime_type), body, meta: None };
    Content::Embedded(EmbeddedResource { contents, annotations: None, meta: None })
}
