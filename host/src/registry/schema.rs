//! JSON Schemas of operations: checked when a plugin is loaded, used at every call.

use super::schema_work::Work;
use crate::limits::Limits;
use crate::mcp::strict;
use jsonschema::{PatternOptions, Regex, Validator};
use serde_json::Value;

/// How many problems a client is told of at once.
const PROBLEMS_MAX: usize = 8;
/// How long one problem's text may be: a value that does not fit is quoted in it.
const PROBLEM_CHARS_MAX: usize = 300;

/// A schema that is ready to validate.
pub struct Schema {
    /// The schema as one line of JSON text, for clients.
    pub text: String,
    /// The schema as a value.
    pub value: Value,
    work: Work,
    steps_max: u64,
    validator: Validator,
}

impl Schema {
    /// Parses and checks a schema: valid by its dialect (2020-12 unless it names another one), no references to elsewhere, patterns that
    /// match in linear time.
    pub fn parse(text: &str, limits: &Limits) -> Result<Self, String> {
        check_size(text, limits.schema_bytes_max, "schema_bytes_max")?;
        Self::build(text, limits, PatternOptions::regex(), usize::MAX)
    }

    /// The same for the schema of somebody who calls: smaller, and with fewer and smaller patterns, since it is made for one call.
    pub fn parse_of_caller(text: &str, limits: &Limits) -> Result<Self, String> {
        check_size(text, limits.validation_bytes_max, "validation_bytes_max")?;
        let patterns =
            PatternOptions::regex().size_limit(limits.validation_pattern_bytes_max).dfa_size_limit(limits.validation_pattern_bytes_max);
        let value = strict::parse(text).map_err(|error| format!("the schema is not JSON: {error}"))?;
        let mut bytes = 0;
        check_pattern_texts(&value, &mut bytes, limits.validation_pattern_texts_bytes_max)?;
        Self::build(text, limits, patterns, limits.validation_patterns_max)
    }

    /// Whether a pattern of it is matched against anything.
    #[must_use]
    pub fn has_patterns(&self) -> bool {
        count_patterns(&self.value) > 0
    }

    fn build(text: &str, limits: &Limits, patterns: PatternOptions<Regex>, patterns_max: usize) -> Result<Self, String> {
        let steps_max = u64::from(limits.schema_steps_max);
        let value = strict::parse(text).map_err(|error| format!("the schema is not JSON: {error}"))?;
        if !value.is_object() && !value.is_boolean() {
            return Err("a JSON Schema is an object".to_owned());
        }
        refuse_remote_references(&value)?;
        if count_patterns(&value) > patterns_max {
            return Err(format!("the schema has more than {patterns_max} patterns (validation_patterns_max)"));
        }
        let work = Work::of(&value, steps_max)?;
        let validator = jsonschema::options()
            .offline()
            .with_pattern_options(patterns)
            .build(&value)
            .map_err(|error| format!("not a valid JSON Schema: {error} (at {:?})", error.instance_path().as_str()))?;
        Ok(Self { text: value.to_string(), value, work, steps_max, validator })
    }

    /// What is wrong with a value, in words for the one who made it; none when it fits.
    #[must_use]
    pub fn problems(&self, value: &Value) -> Option<String> {
        let problems = self.problem_list(value);
        let line = |SchemaProblem { path, message }: &SchemaProblem| {
            if path.is_empty() { message.clone() } else { format!("{path}: {message}") }
        };
        (!problems.is_empty()).then(|| problems.iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    /// The same one by one; empty when it fits.
    #[must_use]
    pub fn problem_list(&self, value: &Value) -> Vec<SchemaProblem> {
        if !self.work.fits(&self.value, value, self.steps_max) {
            let message =
                format!("the schema would be asked more than {} times about it (schema_steps_max): it is not looked at", self.steps_max);
            return vec![SchemaProblem { path: String::new(), message }];
        }
        if self.validator.is_valid(value) {
            return Vec::new();
        }
        let problem = |error: jsonschema::ValidationError<'_>| SchemaProblem {
            path: error.instance_path().to_string(),
            message: error.to_string().chars().take(PROBLEM_CHARS_MAX).collect(),
        };
        self.validator.iter_errors(value).take(PROBLEMS_MAX).map(problem).collect()
    }
}

/// One thing that is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaProblem {
    /// Where, as a JSON pointer into the value; empty for the value itself.
    pub path: String,
    /// What, in words.
    pub message: String,
}

fn check_size(text: &str, bytes_max: usize, row: &str) -> Result<(), String> {
    if text.len() > bytes_max {
        return Err(format!("the schema has {} bytes; the limit is {bytes_max} ({row})", text.len()));
    }
    Ok(())
}

/// How many patterns a schema has, those counted too that only look like some.
fn count_patterns(schema: &Value) -> usize {
    match schema {
        Value::Object(object) => {
            let named = object.get("patternProperties").and_then(Value::as_object).map_or(0, serde_json::Map::len);
            let own = usize::from(object.get("pattern").is_some_and(Value::is_string));
            named + own + object.values().map(count_patterns).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(count_patterns).sum(),
        _ => 0,
    }
}

/// A pattern is compiled at a cost that grows with its text, and by far more when it is told to ignore case.
fn check_pattern_texts(schema: &Value, bytes: &mut usize, bytes_max: usize) -> Result<(), String> {
    let mut check = |pattern: &str| {
        *bytes += pattern.len();
        if *bytes > bytes_max {
            return Err(format!("its patterns have more than {bytes_max} bytes together (validation_pattern_texts_bytes_max)"));
        }
        let flags = pattern.match_indices("(?").any(|(at, _)| !pattern.get(at..).is_some_and(|rest| rest.starts_with("(?:")));
        if flags {
            Err(format!("the pattern {pattern:?} has flags or a name in a group, which is not taken here: write (?:...)"))
        } else {
            Ok(())
        }
    };
    match schema {
        Value::Object(object) => {
            object.get("pattern").and_then(Value::as_str).map_or(Ok(()), &mut check)?;
            let named = object.get("patternProperties").and_then(Value::as_object);
            named.into_iter().flat_map(|named| named.keys()).try_for_each(|pattern| check(pattern))?;
            object.values().try_for_each(|value| check_pattern_texts(value, bytes, bytes_max))
        }
        Value::Array(items) => items.iter().try_for_each(|item| check_pattern_texts(item, bytes, bytes_max)),
        _ => Ok(()),
    }
}

/// The validator would refuse them as well, but only when it cannot fetch them; we say what to do.
fn refuse_remote_references(schema: &Value) -> Result<(), String> {
    match schema {
        Value::Object(object) => {
            for (key, value) in object {
                let reference = value.as_str().filter(|_| key == "$ref" || key == "$dynamicRef");
                if let Some(reference) = reference.filter(|reference| !reference.starts_with('#')) {
                    return Err(format!("{key} {reference:?} points outside of the schema; put what it means under $defs"));
                }
                refuse_remote_references(value)?;
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(refuse_remote_references),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parse(schema: &Value) -> Result<Schema, String> {
        Schema::parse(&schema.to_string(), &Limits::default())
    }

    #[test]
    fn problems_name_path_and_reason() {
        let schema = parse(&json!({"type": "object", "properties": {"n": {"type": "integer", "maximum": 10}}, "required": ["t"]})).unwrap();
        assert_eq!(schema.problems(&json!({"t": 1, "n": 3})), None);
        let problems = schema.problems(&json!({"n": 11})).unwrap();
        assert!(
            problems.contains("/n: 11 is greater than the maximum of 10") && problems.contains("\"t\" is a required property"),
            "{problems}"
        );
    }

    #[test]
    fn bad_schemas_are_refused() {
        for (schema, expected) in [
            (json!({"type": "objekt"}), "not a valid JSON Schema"),
            (json!({"$ref": "http://example.com/x.json"}), "points outside"),
            (json!({"properties": {"a": {"$ref": "file:///etc/passwd"}}}), "points outside"),
            (json!({"properties": {"a": {"pattern": "("}}}), "not a valid JSON Schema"),
            (json!({"properties": {"a": {"pattern": "(?=x)"}}}), "not a valid JSON Schema"),
            (json!({"$schema": "http://example.com/dialect"}), "not a valid JSON Schema"),
            (json!([]), "is an object"),
        ] {
            let error = parse(&schema).err().unwrap_or_else(|| panic!("{schema} was accepted"));
            assert!(error.contains(expected), "{schema}: {error}");
        }
    }

    #[test]
    fn hostile_patterns_match_in_linear_time() {
        let schema = parse(&json!({"type": "string", "pattern": "^(a+)+$"})).unwrap();
        assert!(schema.problems(&json!(format!("{}!", "a".repeat(50_000)))).is_some());
    }
}
