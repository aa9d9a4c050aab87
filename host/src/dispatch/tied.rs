//! Topics that a catalog ties to an update: when it has succeeded, the host publishes its result.

use crate::ids::CallRef;
use crate::mcp::strict;
use crate::registry::Binding;
use crate::registry::catalog::Operation;
use crate::runtime::{Ask, Done};
use crate::topics::{NewEvent, TopicPattern, Topics};
use crate::wit::cofferdam::mcp::types::{Content, Reply};
use serde_json::Value;

/// Publishes what the end of a handler is tied to. Whatever cannot be published is said in the log: the update has happened all the same.
pub(super) fn publish(topics: &Topics, binding: &Binding, operation: &Operation, ended: (&Ask, &Done), reference: CallRef) {
    let (Ask::Operation { arguments, .. }, Done::Reply(reply)) = ended else { return };
    if operation.publishes.is_empty() || reply.is_error {
        return;
    }
    let arguments = serde_json::from_str(arguments).unwrap_or_default();
    let data = data(operation, reply);
    for pattern in &operation.publishes {
        let published =
            data.as_ref().map_err(Clone::clone).and_then(|data| publish_one(topics, binding, operation, (pattern, &arguments), data));
        if let Err(error) = published {
            let (plugin, tenant, topic) = (&binding.plugin, &binding.tenant, pattern.as_str());
            let error = crate::caps::host::escape(&error);
            tracing::warn!(%reference, %plugin, %tenant, operation = &*operation.name, topic, error, "an update succeeded, and its event was not published");
        }
    }
}

fn publish_one(
    topics: &Topics,
    binding: &Binding,
    operation: &Operation,
    (pattern, arguments): (&TopicPattern, &Value),
    data: &str,
) -> Result<(), String> {
    let name = pattern.filled(|variable| value(arguments, variable));
    let name = name.ok_or("the arguments have no value for a variable of the topic, or one that a topic cannot have")?;
    let topic = binding.catalog.topics.iter().find(|topic| topic.declared.pattern == *pattern);
    if let Some(problems) = topic.and_then(|topic| topic.problems(data)) {
        return Err(problems);
    }
    let new = NewEvent { data: data.to_owned(), source: None, severity: None, kind: Some(operation.name.to_string()) };
    topics.publish(&binding.tenant, &binding.plugin, &name, new).map(drop).map_err(|error| error.to_string())
}

/// An argument as a segment of a topic.
fn value(arguments: &Value, name: &str) -> Option<String> {
    match arguments.get(name)? {
        Value::String(text) => Some(text.clone()),
        value @ (Value::Number(_) | Value::Bool(_)) => Some(value.to_string()),
        _ => None,
    }
}

/// The data of the event: the structured result, or else the first text of the reply. A result that the caller will not be given is not
/// published either.
fn data(operation: &Operation, reply: &Reply) -> Result<String, String> {
    if let Some(structured) = &reply.structured {
        let value = strict::parse(structured).map_err(|error| format!("its structured result is not JSON: {error}"))?;
        if let Some(problems) = operation.output.as_ref().and_then(|output| output.problems(&value)) {
            return Err(format!("its structured result does not fit its output schema: {problems}"));
        }
        if value.is_object() {
            return Ok(structured.clone());
        }
    }
    let text = reply.content.iter().find_map(|content| if let Content::Text(text) = content { Some(&text.text) } else { None });
    Ok(text.map_or_else(|| "{}".to_owned(), |text| serde_json::json!({ "text": text }).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Limits;
    use crate::registry::schema::Schema;
    use crate::runtime::Handler;
    use crate::wit::cofferdam::mcp::types::TextContent;
    use crate::wit::exports::cofferdam::mcp::catalog::TaskSupport;
    use serde_json::json;

    fn operation(output: Option<&str>) -> Operation {
        let schema = |text: &str| Schema::parse(text, &Limits::default()).unwrap();
        Operation {
            name: "add".into(),
            tool: "rooms_add".to_owned(),
            handler: Handler::Update,
            input: schema("{}"),
            output: output.map(schema),
            param_headers: Vec::new(),
            task: TaskSupport::Never,
            publishes: Vec::new(),
            cache: None,
            definition: String::new(),
            definition_legacy: String::new(),
        }
    }

    #[test]
    fn an_event_carries_the_result() {
        let check = |structured: Option<&str>, texts: &[&str], expected: Result<&str, &str>| {
            let text = |text: &&str| Content::Text(TextContent { text: (*text).to_owned(), annotations: None, meta: None });
            let structured = structured.map(str::to_owned);
            let reply = Reply { content: texts.iter().map(text).collect(), structured, is_error: false, meta: None };
            let given = data(&operation(Some(r#"{"properties": {"bad": false}}"#)), &reply);
            let given = given.as_deref().map_err(|error| &**error);
            assert!(given == expected || matches!((given, expected), (Err(given), Err(expected)) if given.contains(expected)), "{given:?}");
        };
        check(Some(r#"{"a": 1}"#), &["x"], Ok(r#"{"a": 1}"#));
        check(Some("[1]"), &["x", "y"], Ok(r#"{"text":"x"}"#));
        check(None, &["\"\n"], Ok(r#"{"text":"\"\n"}"#));
        check(None, &[], Ok("{}"));
        check(Some("7"), &[], Ok("{}"));
        check(Some(r#"{"a": 1, "a": 2}"#), &["x"], Err("not JSON"));
        check(Some(r#"{"bad": 1}"#), &["x"], Err("does not fit its output schema"));
    }

    #[test]
    fn arguments_become_segments() {
        let arguments = json!({"t": "a-b", "n": 7, "f": 1.5, "b": true, "z": null, "o": {}, "l": ["x"]});
        for (name, expected) in [("t", Some("a-b")), ("n", Some("7")), ("f", Some("1.5")), ("b", Some("true"))] {
            assert_eq!(value(&arguments, name).as_deref(), expected);
        }
        for name in ["z", "o", "l", "missing"] {
            assert_eq!(value(&arguments, name), None, "{name}");
        }
    }
}
