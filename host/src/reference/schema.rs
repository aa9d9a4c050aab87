//! JSON Schemas of the documents. They refuse what the reader's tables do not know; what only the reader can tell, such as whether a host
//! is a host, stays with it.

use super::{Document, named_below, section, value};
use crate::manifest::{Key, Kind, Section, Shape};
use serde_json::{Map, Value, json};

/// What editors know.
const DIALECT: &str = "http://json-schema.org/draft-07/schema#";

/// The schema of a document, as JSON text.
#[must_use]
pub fn schema(document: Document) -> String {
    let shape = document.shape();
    let mut whole = section(shape, "").map(|root| object(shape, root)).unwrap_or_default();
    whole.insert("$schema".to_owned(), DIALECT.into());
    whole.insert("title".to_owned(), document.file().into());
    format!("{:#}\n", Value::Object(whole))
}

/// A section with everything below it.
fn object(shape: &Shape, of: &Section) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("type".to_owned(), "object".into());
    object.insert("description".to_owned(), of.about.into());
    let named = named_below(shape, of.name);
    let others = match named {
        Some((below, _)) => Value::Object(self::object(shape, below)),
        None if of.open => json!({"type": "string"}),
        None => false.into(),
    };
    if let Some(pattern) = named.and_then(|(_, word)| name_pattern(word)) {
        object.insert("propertyNames".to_owned(), json!({"pattern": pattern}));
    }
    object.insert("additionalProperties".to_owned(), others);
    let properties: Map<_, _> = of.keys.iter().map(|key| (key.name.to_owned(), property(shape, of, key))).collect();
    if !properties.is_empty() {
        object.insert("properties".to_owned(), properties.into());
    }
    let required: Vec<_> = of.keys.iter().filter(|key| key.default.is_empty()).map(|key| key.name).collect();
    if !required.is_empty() {
        object.insert("required".to_owned(), required.into());
    }
    object
}

/// The names that can stand in the place of a word in `<>`, where they have a rule.
fn name_pattern(word: &str) -> Option<&'static str> {
    match word {
        // As `DATABASE_NAME` says it in words.
        "database" | "secret" => Some("^[a-z][a-z0-9_-]{0,47}$"),
        "plugin" => Some("^[a-z][a-z0-9-]{0,47}$"),
        _ => None,
    }
}

fn property(shape: &Shape, of: &Section, key: &Key) -> Value {
    let holds = match key.kind {
        Kind::Text => json!({"type": "string"}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Count => json!({"type": "integer", "minimum": 1, "maximum": u32::MAX}),
        Kind::Size => json!({"type": "string", "pattern": "^[0-9][0-9.]* ?[A-Za-z]+$"}),
        Kind::Duration => json!({"type": "string", "pattern": "^[0-9][0-9a-zA-Z. ]*[a-zA-Z]$"}),
        Kind::Choice(words) => json!({"enum": words}),
        Kind::Texts => json!({"type": "array", "items": {"type": "string"}}),
        Kind::Section => {
            let name = if of.name.is_empty() { key.name.to_owned() } else { format!("{}.{}", of.name, key.name) };
            return section(shape, &name).map(|below| Value::Object(object(shape, below))).unwrap_or_default();
        }
    };
    let Value::Object(mut property) = holds else { return holds };
    let about = match key.default {
        "" | "none" => key.about.to_owned(),
        default => format!("{} Default: {default}.", key.about),
    };
    property.insert("description".to_owned(), about.into());
    if let Some(example) = value(key.example) {
        property.insert("examples".to_owned(), json!([example]));
    }
    if let Some(default) = value(key.default) {
        property.insert("default".to_owned(), default);
    }
    property.into()
}
