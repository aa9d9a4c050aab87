//! JSON Schemas from types, and what went wrong where in arguments that do not fit.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// The schema of a handler without arguments.
#[must_use]
pub fn no_arguments() -> String {
    r#"{"type":"object","additionalProperties":false}"#.into()
}

/// The schema of arguments. The contract wants an object.
///
/// # Panics
/// When the type is written as something else: the host then refuses to load the plugin, and says why.
#[must_use]
pub fn input<T: JsonSchema>() -> String {
    let mut schema = of_input::<T>();
    match schema.get("type").map(|kind| kind == "object") {
        Some(true) => {}
        // An enum, say: alternatives, each of which says what it is.
        None => {
            schema.insert("type".into(), "object".into());
        }
        #[expect(clippy::panic, reason = "a mistake in the plugin's code; there is no call that could fail")]
        Some(false) => panic!("the arguments of a handler have to be an object, which `{}` is not", core::any::type_name::<T>()),
    }
    Value::Object(schema).to_string()
}

/// The schema of a structured result, if it is an object.
#[must_use]
pub(crate) fn output<T: JsonSchema>() -> Option<String> {
    let schema = derive::<T>(SchemaSettings::draft2020_12().for_serialize());
    (schema.get("type")? == "object").then(|| Value::Object(schema).to_string())
}

/// The schema of an event.
#[must_use]
pub fn event<T: JsonSchema>() -> String {
    Value::Object(derive::<T>(SchemaSettings::draft2020_12().for_serialize())).to_string()
}

/// The schema of a value that is read.
pub(crate) fn of_input<T: JsonSchema>() -> Map<String, Value> {
    derive::<T>(SchemaSettings::draft2020_12().for_deserialize())
}

/// Models read schemas: definitions stand where they are used, and there is no title that only repeats a type's name.
fn derive<T: JsonSchema>(settings: SchemaSettings) -> Map<String, Value> {
    let settings = settings.with(|settings| {
        settings.meta_schema = None;
        settings.inline_subschemas = true;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    if schema.get("title").and_then(Value::as_str) == Some(&T::schema_name()) {
        schema.remove("title");
    }
    core::mem::take(schema.ensure_object())
}

/// Says what is wrong in `text`, and where: `limit: invalid type: string "x", expected u32`.
pub(crate) fn explain(text: &str, error: &serde_json::Error) -> String {
    let full = error.to_string();
    let reason = full.rsplit_once(" at line ").map_or(full.as_str(), |(reason, _)| reason);
    match path_at(text, error.line(), error.column()) {
        path if path.is_empty() => reason.into(),
        path => format!("{path}: {reason}"),
    }
}

/// The path to the value around or just before a place in JSON text, such as `items[2].name`. The text is well-formed up to there.
fn path_at(text: &str, line: usize, column: usize) -> String {
    enum Step {
        Key(String),
        Index(usize),
    }
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let end = (before + column).min(text.len());
    let mut steps = Vec::new();
    let mut bytes = text.bytes().enumerate().take(end);
    let mut key_start = None; // where the string began that may be a key
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let mut escaped = false;
                let close = bytes.find(|&(_, byte)| {
                    let closes = byte == b'"' && !escaped;
                    escaped = byte == b'\\' && !escaped;
                    closes
                });
                key_start = close.map(|(close, _)| at + 1..close);
            }
            b':' => {
                let key = key_start.take().and_then(|range| text.get(range)).unwrap_or_default();
                if let Some(Step::Key(name)) = steps.last_mut() {
                    key.clone_into(name);
                }
            }
            b'{' => steps.push(Step::Key(String::new())),
            b'[' => steps.push(Step::Index(0)),
            b'}' | b']' => drop(steps.pop()),
            b',' => match steps.last_mut() {
                Some(Step::Index(index)) => *index += 1,
                Some(Step::Key(name)) => name.clear(),
                None => {}
            },
            _ => {}
        }
    }
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(name) if name.is_empty() => {}
            Step::Key(name) => {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&name);
            }
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, Deserialize, Serialize, JsonSchema)]
    struct Order {
        /// Who ordered
        customer: String,
        #[serde(default)]
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize, Serialize, JsonSchema)]
    struct Item {
        name: String,
        count: Option<u32>,
    }

    #[test]
    fn a_schema_is_one_short_object() {
        let expected = r#"{"properties":{"customer":{"description":"Who ordered","type":"string"},"items":{"default":[],"items":{"properties":{"count":{"format":"uint32","minimum":0,"type":["integer","null"]},"name":{"type":"string"}},"required":["name"],"type":"object"},"type":"array"}},"required":["customer"],"type":"object"}"#;
        assert_eq!(input::<Order>(), expected);
        assert!(output::<Order>().is_some());
        assert_eq!(output::<Vec<Order>>(), None);
        assert_eq!(output::<String>(), None);
    }

    #[test]
    fn alternatives_are_objects_too() {
        #[derive(Deserialize, JsonSchema)]
        #[serde(tag = "by")]
        #[expect(dead_code, reason = "read by the schema")]
        enum Find {
            Id { id: u32 },
            Name { name: String },
        }
        let schema: Value = serde_json::from_str(&input::<Find>()).unwrap();
        assert_eq!(schema.get("type").unwrap(), "object");
        assert_eq!(schema.get("oneOf").unwrap().as_array().unwrap().len(), 2);
    }

    #[test]
    fn an_explanation_names_the_place() {
        for (text, explanation) in [
            ("{}", "missing field `customer`"),
            (r#"{"customer": 1}"#, "customer: invalid type: integer `1`, expected a string"),
            (
                "{\"customer\": \"a\\\"}b\",\n \"items\": [{\"name\":\"x\"},\n {\"name\":\"y\",\"count\":\"z\"}]}",
                "items[1].count: invalid type: string \"z\", expected u32",
            ),
            (r#"{"customer":"a","items":[{}]}"#, "items[0]: missing field `name`"),
            (r#"{"customer":"a","items":[{"name":"x"},{"name":{"a":[1,2]}}]}"#, "items[1].name: invalid type: map, expected a string"),
            ("[1]", "invalid type: integer `1`, expected a string"),
        ] {
            let error = serde_json::from_str::<Order>(text).unwrap_err();
            let got = explain(text, &error);
            assert!(got == explanation || got.ends_with(explanation), "{got:?} is not {explanation:?}");
        }
    }
}
