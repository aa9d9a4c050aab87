//! Schemas of operations as components of an OpenAPI document: what they refer to within themselves is elsewhere in the document.

use serde_json::{Map, Value};

/// The dialect of OpenAPI 3.1, which need not be named.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A reference to a component.
pub(super) fn reference(name: &str) -> String {
    format!("#/components/schemas/{name}")
}

/// The schema under a component's name. References to `#` are to that component, and anchors, which have to differ within a document,
/// get the name in front.
pub(super) fn moved(schema: &Value, name: &str) -> Value {
    match schema {
        Value::Object(object) => {
            let mut moved = moved_members(object, name);
            // It has no address of its own any more.
            moved.remove("$id");
            if moved.get("$schema").and_then(Value::as_str).is_some_and(|dialect| dialect.trim_end_matches('#') == DIALECT) {
                moved.remove("$schema");
            }
            Value::Object(moved)
        }
        other => other.clone(),
    }
}

fn moved_members(object: &Map<String, Value>, name: &str) -> Map<String, Value> {
    let member = |(key, value): (&String, &Value)| {
        let value = match (key.as_str(), value) {
            ("$ref" | "$dynamicRef", Value::String(reference)) => moved_reference(reference, name).into(),
            ("$anchor" | "$dynamicAnchor", Value::String(anchor)) => anchor_of(anchor, name).into(),
            // Values that only look like schemas.
            ("const" | "enum" | "default" | "examples" | "example", value) => value.clone(),
            (_, value) => below(value, name),
        };
        (key.clone(), value)
    };
    object.iter().map(member).collect()
}

fn below(value: &Value, name: &str) -> Value {
    match value {
        Value::Object(object) => Value::Object(moved_members(object, name)),
        Value::Array(items) => items.iter().map(|item| below(item, name)).collect(),
        other => other.clone(),
    }
}

fn moved_reference(text: &str, name: &str) -> String {
    match text.strip_prefix('#') {
        Some(fragment) if fragment.is_empty() || fragment.starts_with('/') => format!("{}{fragment}", reference(name)),
        Some(anchor) => format!("#{}", anchor_of(anchor, name)),
        None => text.to_owned(),
    }
}

/// An anchor begins with a letter or an underscore, and names of tools need not.
fn anchor_of(anchor: &str, name: &str) -> String {
    format!("_{name}.{anchor}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_lead_into_the_component() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": "https://example.com/x",
            "$defs": {"a/b": {"$anchor": "here", "type": "object", "properties": {"$ref": {"$ref": "#"}}}},
            "properties": {"x": {"$ref": "#/$defs/a~1b"}, "y": {"anyOf": [{"$ref": "#here"}, {"const": {"$ref": "#"}}]}},
            "default": {"$ref": "#"},
        });
        let expected = json!({
            "$defs": {"a/b": {"$anchor": "_t.here", "type": "object", "properties": {"$ref": {"$ref": "#/components/schemas/t"}}}},
            "properties": {
                "x": {"$ref": "#/components/schemas/t/$defs/a~1b"},
                "y": {"anyOf": [{"$ref": "#_t.here"}, {"const": {"$ref": "#"}}]},
            },
            "default": {"$ref": "#"},
        });
        assert_eq!(moved(&schema, "t"), expected);
        assert_eq!(moved(&json!(true), "t"), json!(true));
        let other = json!({"$schema": "http://json-schema.org/draft-07/schema#"});
        assert_eq!(moved(&other, "t"), other);
    }
}
