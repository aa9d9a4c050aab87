//! How much a schema makes of a value. A few lines of JSON Schema can ask 2^40 questions about one value, and a validator answers them all,
//! outside of any sandbox: so questions are counted before they are asked, as the validator would ask them at worst.

use serde_json::Value;
use std::collections::HashMap;

/// Schemas within schemas, references followed. Deeper ones would use up the stack.
const DEPTH_MAX: usize = 256;

/// Keywords with a schema for the value itself; in the second, those with a list of them; in the third, those with schemas by name.
const SAME_VALUE: [&str; 4] = ["not", "if", "then", "else"];
const SAME_VALUE_LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
const SAME_VALUE_NAMED: [&str; 2] = ["dependentSchemas", "dependencies"];
/// Keywords with a schema for each member or element.
const EVERY_MEMBER: [&str; 3] = ["additionalProperties", "unevaluatedProperties", "propertyNames"];
const EVERY_ELEMENT: [&str; 5] = ["items", "contains", "additionalItems", "unevaluatedItems", "prefixItems"];
const REFERENCES: [&str; 3] = ["$ref", "$dynamicRef", "$recursiveRef"];

/// What is known about a schema's questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Work {
    /// Schemas that are looked at for one value, when each that it has within is looked at once.
    steps: u64,
    recursive: bool,
}

impl Work {
    /// Looks at a schema. Refused is what asks too much of one value, or leads back to itself without end.
    pub(super) fn of(schema: &Value, steps_max: u64) -> Result<Self, String> {
        refuse_other_bases(schema, true)?;
        let mut counter = Counter { schemas: Schemas::new(schema), seen: HashMap::new(), recursive: false };
        counter.refuse_loops(schema, 0, &mut HashMap::new())?;
        let steps = counter.count(schema, 0)?;
        if steps > steps_max {
            return Err(format!("it looks at one value more than {steps_max} times (schema_steps_max)"));
        }
        Ok(Self { steps, recursive: counter.recursive })
    }

    /// Whether this value can be looked at by the schema within the limit.
    pub(super) fn fits(self, schema: &Value, value: &Value, steps_max: u64) -> bool {
        let values_max = steps_max / self.steps.max(1);
        // Nearly every call ends here: few values, and a schema with few questions.
        if !self.recursive && count_values(value, values_max) <= values_max {
            return true;
        }
        let mut left = steps_max;
        take_steps(&Schemas::new(schema), schema, value, &mut left, 0).is_some()
    }
}

/// A schema with what its references mean.
struct Schemas<'s> {
    root: &'s Value,
    anchors: HashMap<&'s str, &'s Value>,
}

impl<'s> Schemas<'s> {
    fn new(root: &'s Value) -> Self {
        let mut anchors = HashMap::new();
        find_anchors(root, &mut anchors);
        Self { root, anchors }
    }

    fn reference(&self, reference: &str) -> Option<&'s Value> {
        let fragment = reference.strip_prefix('#')?;
        if fragment.is_empty() || fragment.starts_with('/') {
            return self.root.pointer(&unescaped(fragment));
        }
        self.anchors.get(fragment).copied()
    }

    /// The schemas for the value itself.
    fn same_value(&self, schema: &'s Value) -> Vec<&'s Value> {
        if !schema.is_object() {
            return Vec::new();
        }
        let mut found: Vec<&Value> = SAME_VALUE.iter().filter_map(|keyword| schema.get(keyword)).collect();
        found.extend(SAME_VALUE_LISTS.iter().filter_map(|keyword| schema.get(keyword)?.as_array()).flatten());
        found.extend(SAME_VALUE_NAMED.iter().flat_map(|keyword| named(schema, keyword)).map(|(_, schema)| schema));
        found.extend(REFERENCES.iter().filter_map(|keyword| self.reference(schema.get(keyword)?.as_str()?)));
        found
    }

    /// Those for what the value has within.
    fn below(schema: &'s Value) -> Vec<&'s Value> {
        let mut found: Vec<&Value> = Vec::new();
        for value in EVERY_MEMBER.iter().chain(&EVERY_ELEMENT).filter_map(|keyword| schema.get(keyword)) {
            match value {
                Value::Array(by_place) => found.extend(by_place),
                value => found.push(value),
            }
        }
        found.extend(["properties", "patternProperties"].iter().flat_map(|keyword| named(schema, keyword)).map(|(_, schema)| schema));
        found
    }
}

/// The schemas by name of a keyword.
fn named<'s>(schema: &'s Value, keyword: &str) -> impl Iterator<Item = (&'s String, &'s Value)> {
    schema.get(keyword).and_then(Value::as_object).into_iter().flatten()
}

fn unescaped(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        let hex = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok());
        let decoded = if byte == b'%' { hex(rest.next()).zip(hex(rest.next())).map(|(high, low)| high * 16 + low) } else { None };
        bytes.push(decoded.unwrap_or(byte));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn find_anchors<'s>(schema: &'s Value, anchors: &mut HashMap<&'s str, &'s Value>) {
    for keyword in ["$anchor", "$dynamicAnchor"] {
        anchors.extend(schema.get(keyword).and_then(Value::as_str).map(|name| (name, schema)));
    }
    match schema {
        Value::Object(object) => object.values().for_each(|value| find_anchors(value, anchors)),
        Value::Array(items) => items.iter().for_each(|value| find_anchors(value, anchors)),
        _ => {}
    }
}

/// With another base in a part of it, references in there would mean something else.
fn refuse_other_bases(schema: &Value, root: bool) -> Result<(), String> {
    match schema {
        Value::Object(object) => {
            if !root && object.get("$id").is_some_and(Value::is_string) {
                return Err("an `$id` within the schema gives references another meaning; leave it out".to_owned());
            }
            let data = ["const", "default", "enum", "examples"];
            object.iter().filter(|(key, _)| !data.contains(&key.as_str())).try_for_each(|(_, value)| refuse_other_bases(value, false))
        }
        Value::Array(items) => items.iter().try_for_each(|value| refuse_other_bases(value, false)),
        _ => Ok(()),
    }
}

fn address(schema: &Value) -> usize {
    std::ptr::from_ref(schema).addr()
}

/// Counts what one value costs at most, each schema below once.
struct Counter<'s> {
    schemas: Schemas<'s>,
    /// What a schema costs; none while it is being counted.
    seen: HashMap<usize, Option<u64>>,
    recursive: bool,
}

impl<'s> Counter<'s> {
    fn count(&mut self, schema: &'s Value, depth: usize) -> Result<u64, String> {
        match self.seen.get(&address(schema)) {
            Some(Some(steps)) => return Ok(*steps),
            Some(None) => {
                self.recursive = true;
                return Ok(1);
            }
            None => {}
        }
        too_deep(depth)?;
        self.seen.insert(address(schema), None);
        let mut below = self.schemas.same_value(schema);
        below.extend(Schemas::below(schema));
        let mut steps = 1_u64;
        for schema in below {
            steps = steps.saturating_add(self.count(schema, depth + 1)?);
        }
        self.seen.insert(address(schema), Some(steps));
        Ok(steps)
    }

    /// A schema that looks at the same value again by itself never ends.
    fn refuse_loops(&self, schema: &'s Value, depth: usize, done: &mut HashMap<usize, bool>) -> Result<(), String> {
        too_deep(depth)?;
        match done.insert(address(schema), false) {
            Some(false) => return Err("a part of it refers to itself without end".to_owned()),
            Some(true) => {
                done.insert(address(schema), true);
                return Ok(());
            }
            None => {}
        }
        for below in self.schemas.same_value(schema) {
            self.refuse_loops(below, depth + 1, done)?;
        }
        done.insert(address(schema), true);
        match schema {
            Value::Object(object) => object.values().try_for_each(|value| self.refuse_loops_from(value, depth, done)),
            Value::Array(items) => items.iter().try_for_each(|value| self.refuse_loops_from(value, depth, done)),
            _ => Ok(()),
        }
    }

    fn refuse_loops_from(&self, schema: &'s Value, depth: usize, done: &mut HashMap<usize, bool>) -> Result<(), String> {
        if done.contains_key(&address(schema)) { Ok(()) } else { self.refuse_loops(schema, depth + 1, done) }
    }
}

fn too_deep(depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX { Err(format!("its references lead through more than {DEPTH_MAX} schemas")) } else { Ok(()) }
}

/// How many values there are, counted no further than needed.
fn count_values(value: &Value, most: u64) -> u64 {
    let add = |count: u64, value: &Value| if count > most { count } else { count.saturating_add(count_values(value, most - count)) };
    match value {
        Value::Array(items) => items.iter().fold(1, add),
        Value::Object(object) => object.values().fold(1, add),
        _ => 1,
    }
}

/// Asks every question without answering it; none when there are more than are left.
fn take_steps<'s>(schemas: &Schemas<'s>, schema: &'s Value, value: &Value, left: &mut u64, depth: usize) -> Option<()> {
    *left = left.checked_sub(1).filter(|_| depth <= 16 * DEPTH_MAX)?;
    let mut take = |schema: &'s Value, value: &Value| take_steps(schemas, schema, value, left, depth + 1);
    schemas.same_value(schema).into_iter().try_for_each(|below| take(below, value))?;
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                schema.get("properties").and_then(|properties| properties.get(name)).map_or(Some(()), |below| take(below, member))?;
                named(schema, "patternProperties").try_for_each(|(_, below)| take(below, member))?;
                EVERY_MEMBER.iter().filter_map(|keyword| schema.get(keyword)).try_for_each(|below| take(below, member))?;
            }
        }
        Value::Array(elements) => {
            for (at, element) in elements.iter().enumerate() {
                for keyword in EVERY_ELEMENT {
                    match schema.get(keyword) {
                        Some(Value::Array(by_place)) => by_place.get(at).map_or(Some(()), |below| take(below, element))?,
                        Some(below) => take(below, element)?,
                        None => {}
                    }
                }
            }
        }
        _ => {}
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const MAX: u64 = 10_000;

    fn of(schema: &Value) -> Result<Work, String> {
        Work::of(schema, MAX)
    }

    #[test]
    fn what_is_asked_is_counted() {
        for (schema, steps, recursive) in [
            (json!({}), 1, false),
            (json!({"type": "object", "properties": {"a": {}, "b": {"items": {}}}}), 4, false),
            (json!({"allOf": [{}, {"not": {}}], "if": {}, "then": true}), 6, false),
            (
                json!({"properties": {"a": {"$ref": "#/$defs/a"}, "b": {"$ref": "#a"}}, "$defs": {"a": {"$anchor": "a", "items": {}}}}),
                7,
                false,
            ),
            (json!({"properties": {"next": {"$ref": "#"}}}), 3, true),
            (json!({"properties": {"a%b": {"$ref": "#/properties/a%25b/items"}}}), 2, false),
        ] {
            assert_eq!(of(&schema), Ok(Work { steps, recursive }), "{schema}");
        }
    }

    #[test]
    fn what_never_ends_or_asks_too_much_is_refused() {
        let chain: serde_json::Map<String, Value> =
            (0..300).map(|at| (format!("l{at}"), json!({"$ref": format!("#/$defs/l{}", at + 1)}))).collect();
        let doubling: serde_json::Map<String, Value> = (0..20)
            .map(|at| {
                (
                    format!("l{at}"),
                    json!({"items": {"$ref": format!("#/$defs/l{}", at + 1)}, "not": {"$ref": format!("#/$defs/l{}", at + 1)}}),
                )
            })
            .collect();
        for (schema, part) in [
            (json!({"$ref": "#"}), "refers to itself"),
            (json!({"properties": {"a": {"anyOf": [{}, {"$ref": "#/properties/a"}]}}}), "refers to itself"),
            (
                json!({"properties": {"x": {"$ref": "#/$defs/b"}}, "not": {"$ref": "#/$defs/b"}, "$defs": {"b": {"$ref": "#"}}}),
                "refers to itself",
            ),
            (json!({"$ref": "#/$defs/l0", "$defs": chain}), "more than 256 schemas"),
            (json!({"$ref": "#/$defs/l0", "$defs": doubling}), "schema_steps_max"),
            (json!({"properties": {"a": {"$id": "x"}}}), "`$id`"),
        ] {
            let error = of(&schema).unwrap_err();
            assert!(error.contains(part), "{schema}: {error}");
        }
        assert!(of(&json!({"properties": {"$id": {"type": "string"}}, "$id": "root"})).is_ok());
    }

    #[test]
    fn values_are_counted_only_as_far_as_the_limit() {
        let flat = json!({"items": {"type": "integer"}});
        let work = of(&flat).unwrap();
        assert!(work.fits(&flat, &json!(vec![1; 4_000]), MAX));
        assert!(!work.fits(&flat, &json!(vec![1; 10_000]), MAX));
        let twice = json!({"properties": {"x": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}});
        let work = of(&twice).unwrap();
        let nested = |levels: usize| (0..levels).fold(json!({}), |inner, _| json!({"x": inner}));
        assert!(work.fits(&twice, &nested(8), MAX) && !work.fits(&twice, &nested(60), MAX));
        // One question for each level.
        let list = json!({"properties": {"x": {"$ref": "#"}}});
        assert!(of(&list).unwrap().fits(&list, &nested(60), MAX));
    }
}
