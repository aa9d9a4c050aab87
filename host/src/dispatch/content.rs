//! Blocks of content as JSON, as each revision knows them.

use super::encode::guest_meta;
use crate::mcp::{Version, write};
use crate::registry::catalog::icons;
use crate::registry::offers::annotations as annotations_json;
use crate::runtime::GuestError;
use crate::wit::cofferdam::mcp::types::{Annotations, BinaryContent, Body, Content, EmbeddedResource, Reply, Resource, ResourceContents};
use base64::Engine as _;

/// `"content":[...]` of a tool's result.
pub(super) fn contents(out: &mut Vec<u8>, version: Version, reply: &Reply, structured: Option<&str>) -> Result<(), GuestError> {
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
        content(out, version, block)?;
    }
    out.push(b']');
    Ok(())
}

/// One block of content. What a revision does not know yet becomes what it knows: a sound is a resource, a link is text.
pub(super) fn content(out: &mut Vec<u8>, version: Version, block: &Content) -> Result<(), GuestError> {
    match block {
        Content::Audio(binary) if version < Version::V2025_03_26 => audio_as_resource(out, binary),
        Content::ResourceLink(link) if version < Version::V2025_06_18 => link_as_text(out, link),
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

fn audio_as_resource(out: &mut Vec<u8>, binary: &BinaryContent) -> Result<(), GuestError> {
    let mut object = Object::begin(out, "resource");
    object.key("resource");
    object.out.extend_from_slice(b"{\"uri\":\"audio:\"");
    object.text("mimeType", &binary.mime_type);
    object.base64("blob", &binary.data);
    object.out.push(b'}');
    object.end(binary.annotations.as_ref(), None)
}

fn link_as_text(out: &mut Vec<u8>, link: &Resource) -> Result<(), GuestError> {
    let mut object = Object::begin(out, "text");
    object.text("text", &format!("{}: {}", link.title.as_ref().unwrap_or(&link.name), link.uri));
    object.end(link.annotations.as_ref(), None)
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
    if let Some(icons) = icons(&link.icons) {
        object.key("icons");
        write::json(object.out, &icons);
    }
    object.end(link.annotations.as_ref(), link.meta.as_deref())
}

fn embedded_resource(out: &mut Vec<u8>, embedded: &EmbeddedResource) -> Result<(), GuestError> {
    let mut object = Object::begin(out, "resource");
    object.key("resource");
    resource_contents(object.out, &embedded.contents)?;
    object.end(embedded.annotations.as_ref(), embedded.meta.as_deref())
}

/// One item of a resource's contents.
pub(super) fn resource_contents(out: &mut Vec<u8>, contents: &ResourceContents) -> Result<(), GuestError> {
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
            write::json(self.out, &annotations_json(annotations));
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
