//! What a plugin says that it offers, checked, and rendered once for every client to come.

use super::offers::{self, Prompt, Resource, ResourceTemplate};
use super::schema::Schema;
use super::topics::{self, Topic};
use crate::caps::host::escape;
use crate::limits::Limits;
use crate::mcp::headers::{self, ParamHeader};
use crate::mcp::strict;
use crate::runtime::{Export, Handler};
use crate::topics::TopicPattern;
use crate::wit::cofferdam::mcp::types::{CacheHint, Icon, IconTheme};
use crate::wit::exports::cofferdam::mcp::catalog as wit;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// One operation of a plugin, as a tool.
pub struct Operation {
    /// Its name in the plugin.
    pub name: Arc<str>,
    /// Its name as a tool.
    pub tool: String,
    /// Which export answers it.
    pub handler: Handler,
    /// What the arguments have to fit.
    pub input: Schema,
    /// What the structured result has to fit.
    pub output: Option<Schema>,
    /// Arguments that clients repeat in headers.
    pub param_headers: Vec<ParamHeader>,
    /// Whether it can go on as a task.
    pub task: wit::TaskSupport,
    /// Topics that are published under when it succeeds.
    pub publishes: Vec<TopicPattern>,
    /// How long an answer stays good.
    pub cache: Option<CacheHint>,
    /// The tool as clients of every revision since 2025-06-18 see it: one JSON object.
    pub definition: String,
    /// The same for clients of the `initialize` era, which take no output schema that is not an object.
    pub definition_legacy: String,
}

/// A catalog that is in order.
pub struct Catalog {
    /// For the model.
    pub instructions: Option<String>,
    /// In the order of the plugin.
    pub operations: Vec<Operation>,
    /// What people can choose.
    pub prompts: Vec<Prompt>,
    /// What can be read.
    pub resources: Vec<Resource>,
    /// What can be read by pattern.
    pub templates: Vec<ResourceTemplate>,
    /// What can be subscribed to.
    pub topics: Vec<Topic>,
}

impl Catalog {
    /// Checks everything. `plugin` stands in the URIs of its topics, and `prefix` before every operation's name; `exports` tells which
    /// handlers there are.
    pub fn check(
        catalog: wit::Catalog,
        plugin: &str,
        prefix: &str,
        exports: impl Fn(Export) -> bool,
        limits: &Limits,
    ) -> Result<Self, String> {
        let writes = if exports(Export::Handler(Handler::Plain)) { Handler::Plain } else { Handler::Update };
        let handlers = [(Handler::Query, "query", catalog.queries), (writes, "update", catalog.updates)];
        let mut operations: Vec<Operation> = Vec::new();
        for (handler, export, list) in handlers {
            if !list.is_empty() && !exports(Export::Handler(handler)) {
                return Err(format!("the catalog lists {export} operations, but the component does not export cofferdam:mcp/{export}"));
            }
            for operation in list {
                let name = operation.name.clone();
                if operations.len() == limits.operations_max {
                    return Err(format!("the catalog lists more than {} operations (operations_max)", limits.operations_max));
                }
                let operation =
                    check_operation(operation, handler, prefix, limits).map_err(|error| format!("operation {name:?}: {error}"))?;
                if operations.iter().any(|other| other.tool == operation.tool) {
                    return Err(format!("operation {name:?} is listed twice"));
                }
                operations.push(operation);
            }
        }
        let not_exported =
            |what: &str, export: &str| Err(format!("the catalog lists {what}, but the component does not export cofferdam:mcp/{export}"));
        if !catalog.prompts.is_empty() && !exports(Export::Prompts) {
            return not_exported("prompts", "prompts");
        }
        let any_resource = !catalog.resources.is_empty() || !catalog.resource_templates.is_empty();
        if any_resource && !exports(Export::Resources) {
            return not_exported("resources", "resources");
        }
        let prompts = offers::check_prompts(catalog.prompts, prefix, limits)?;
        let resources = offers::check_resources(catalog.resources, limits)?;
        let templates = offers::check_templates(catalog.resource_templates, limits)?;
        let topics = topics::check_topics(catalog.topics, plugin, exports(Export::Subscribe), limits)?;
        check_published(&operations, &topics)?;
        if operations.is_empty() && prompts.is_empty() && resources.is_empty() && templates.is_empty() && topics.is_empty() {
            return Err("the catalog is empty: there is nothing to serve".to_owned());
        }
        let instructions = catalog.instructions.map(|text| prose(&text, limits)).transpose()?;
        Ok(Self { instructions, operations, prompts, resources, templates, topics })
    }
}

/// What an update publishes under has to be a topic of the same catalog, with variables that are arguments of the update.
fn check_published(operations: &[Operation], topics: &[Topic]) -> Result<(), String> {
    for operation in operations {
        for published in &operation.publishes {
            let (name, topic) = (&operation.name, published.as_str());
            if operation.handler == Handler::Query {
                return Err(format!("operation {name:?}: it publishes {topic:?}, but only updates publish"));
            }
            if !topics.iter().any(|offered| offered.declared.pattern == *published) {
                return Err(format!("operation {name:?}: it publishes {topic:?}, which is not among the catalog's topics"));
            }
            let properties = operation.input.value.get("properties");
            let unknown = published.variables().find(|variable| properties.and_then(|all| all.get(*variable)).is_none());
            if let Some(variable) = unknown {
                return Err(format!("operation {name:?}: {{{variable}}} of the topic {topic:?} is none of its arguments"));
            }
        }
    }
    Ok(())
}

fn check_operation(operation: wit::Operation, handler: Handler, prefix: &str, limits: &Limits) -> Result<Operation, String> {
    let tool = format!("{prefix}{}", operation.name);
    check_name(&operation.name, &tool)?;
    let input = Schema::parse(&operation.input_schema, limits).map_err(|error| format!("input schema: {error}"))?;
    if input.value.get("type").and_then(Value::as_str) != Some("object") {
        return Err("input schema: its `type` has to be \"object\"".to_owned());
    }
    let param_headers = headers::declared_in(&input.value).map_err(|error| format!("input schema: {error}"))?;
    let parse_output = |text: &String| Schema::parse(text, limits).map_err(|error| format!("output schema: {error}"));
    let output = operation.output_schema.as_ref().map(parse_output).transpose()?;
    let mut definition = definition(&operation, handler, &tool, limits)?;
    definition.insert("inputSchema".to_owned(), input.value.clone());
    let mut legacy = definition.clone();
    if let Some(output) = &output {
        definition.insert("outputSchema".to_owned(), output.value.clone());
        if output.value.get("type").and_then(Value::as_str) == Some("object") {
            legacy.insert("outputSchema".to_owned(), output.value.clone());
        }
    }
    let (definition, definition_legacy) = (Value::Object(definition).to_string(), Value::Object(legacy).to_string());
    let publishes = operation.publishes.iter().map(|topic| TopicPattern::parse(topic).map_err(|error| error.to_string()));
    let publishes = publishes.collect::<Result<_, _>>()?;
    if operation.cache.is_some() && handler != Handler::Query {
        return Err("only a query's answers can be given again (`cache`)".to_owned());
    }
    let (name, task, cache) = (Arc::from(operation.name), operation.task, operation.cache);
    Ok(Operation { name, tool, handler, input, output, param_headers, task, publishes, cache, definition, definition_legacy })
}

/// Tool names (2026-07-28, tools, "Tool Names"): 1 to 128 of a small alphabet; an operation leaves room for the prefix.
pub(super) fn check_name(name: &str, tool: &str) -> Result<(), String> {
    let legal = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
    };
    if legal(name, 64) && legal(tool, 128) {
        return Ok(());
    }
    Err("a name has 1 to 64 of A-Z, a-z, 0-9, _, - and .".to_owned())
}

fn definition(operation: &wit::Operation, handler: Handler, tool: &str, limits: &Limits) -> Result<Map<String, Value>, String> {
    let mut definition = Map::new();
    definition.insert("name".to_owned(), json!(tool));
    if let Some(title) = &operation.title {
        definition.insert("title".to_owned(), json!(prose(title, limits)?));
    }
    if let Some(description) = &operation.description {
        definition.insert("description".to_owned(), json!(prose(description, limits)?));
    }
    if handler != Handler::Plain {
        definition.insert("annotations".to_owned(), annotations(operation, handler));
    }
    definition.extend(icons(&operation.icons).map(|icons| ("icons".to_owned(), icons)));
    definition.extend(operation.meta.as_deref().map(meta).transpose()?.map(|meta| ("_meta".to_owned(), meta)));
    Ok(definition)
}

/// Whether it reads or writes is what the export says, not what the guest says.
fn annotations(operation: &wit::Operation, handler: Handler) -> Value {
    let mut annotations = json!({ "readOnlyHint": handler == Handler::Query });
    let hints = operation.hints.as_ref();
    let known = [
        ("destructiveHint", hints.and_then(|hints| hints.destructive)),
        ("idempotentHint", hints.and_then(|hints| hints.idempotent)),
        ("openWorldHint", hints.and_then(|hints| hints.open_world)),
    ];
    if let Some(object) = annotations.as_object_mut() {
        object.extend(known.into_iter().filter_map(|(key, hint)| hint.map(|hint| (key.to_owned(), json!(hint)))));
    }
    annotations
}

/// `icons` as clients see them; none when there are none.
pub fn icons(icons: &[Icon]) -> Option<Value> {
    let icon = |icon: &Icon| {
        let mut object = Map::new();
        object.insert("src".to_owned(), json!(icon.src));
        object.extend(icon.mime_type.as_ref().map(|mime_type| ("mimeType".to_owned(), json!(mime_type))));
        object.extend((!icon.sizes.is_empty()).then(|| ("sizes".to_owned(), json!(icon.sizes))));
        let theme = |theme| if theme == IconTheme::Light { "light" } else { "dark" };
        object.extend(icon.theme.map(|given| ("theme".to_owned(), json!(theme(given)))));
        Value::Object(object)
    };
    (!icons.is_empty()).then(|| Value::Array(icons.iter().map(icon).collect()))
}

/// A guest's `_meta` for something in its catalog: passed on as it is.
pub(super) fn meta(text: &str) -> Result<Value, String> {
    strict::parse(text).ok().filter(Value::is_object).ok_or_else(|| "`meta` has to be a JSON object".to_owned())
}

/// Text for people and models: bounded, and without characters that hide or reorder what is said.
pub(super) fn prose(text: &str, limits: &Limits) -> Result<String, String> {
    if text.len() > limits.description_bytes_max {
        return Err(format!("a text has {} bytes; the limit is {} (description_bytes_max)", text.len(), limits.description_bytes_max));
    }
    Ok(text.lines().map(escape).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operation(name: &str, input: &str) -> wit::Operation {
        wit::Operation {
            name: name.to_owned(),
            title: None,
            description: Some("Does\u{202e} it.\u{1b}[0m\nWell.".to_owned()),
            input_schema: input.to_owned(),
            output_schema: Some(r#"{"type":"array"}"#.to_owned()),
            hints: Some(wit::Hints { destructive: Some(false), idempotent: None, open_world: Some(true) }),
            publishes: Vec::new(),
            task: wit::TaskSupport::Never,
            cache: None,
            icons: Vec::new(),
            meta: None,
        }
    }

    fn check(updates: Vec<wit::Operation>) -> Result<Catalog, String> {
        let catalog = wit::Catalog {
            title: None,
            instructions: None,
            queries: Vec::new(),
            updates,
            topics: Vec::new(),
            prompts: Vec::new(),
            resources: Vec::new(),
            resource_templates: Vec::new(),
        };
        Catalog::check(catalog, "p", "p_", |export| export == Export::Handler(Handler::Update), &Limits::default())
    }

    #[test]
    fn a_tool_is_rendered_once() {
        let catalog = check(vec![operation("do", r#"{ "type": "object" }"#)]).unwrap();
        let tool = &catalog.operations[0];
        assert_eq!(
            tool.definition,
            r#"{"annotations":{"destructiveHint":false,"openWorldHint":true,"readOnlyHint":false},"description":"Does\\u{202e} it.\\u{1b}[0m\nWell.","inputSchema":{"type":"object"},"name":"p_do","outputSchema":{"type":"array"}}"#
        );
        assert!(!tool.definition_legacy.contains("outputSchema"));
    }

    #[test]
    fn bad_catalogs_are_refused() {
        let object = r#"{"type":"object"}"#;
        for (operations, expected) in [
            (vec![], "nothing to serve"),
            (vec![operation("", object)], "a name has"),
            (vec![operation("a b", object)], "a name has"),
            (vec![operation("../x", object)], "a name has"),
            (vec![operation(&"x".repeat(65), object)], "a name has"),
            (vec![operation("a", object), operation("a", object)], "listed twice"),
            (vec![operation("a", r#"{"type":"string"}"#)], "has to be \"object\""),
            (vec![operation("a", "{")], "not JSON"),
            (vec![operation("a", r#"{"type":"object","type":"object"}"#)], "occurs twice"),
            (vec![operation("a", r#"{"type":"object","properties":{"x":{"type":"number","x-mcp-header":"X"}}}"#)], "x-mcp-header"),
        ] {
            let error = check(operations).err().unwrap_or_else(|| panic!("{expected}: accepted"));
            assert!(error.contains(expected), "{expected}: {error}");
        }
    }
}
