//! The document itself.

use super::super::super::respond::TYPE_PREFIX;
use super::schemas::{moved, reference};
use crate::ids::TenantId;
use crate::limits::Limits;
use crate::registry::Snapshot;
use crate::registry::catalog::Operation;
use crate::runtime::Handler;
use serde_json::{Map, Value, json};

/// Statuses of problems that every POST can end with, by what they say.
const PROBLEMS: [(&str, &str); 14] = [
    ("400", "The request is not what it has to be"),
    ("403", "The Host or Origin is not allowed, or the operation may not do this for its caller"),
    ("404", "There is no such operation here, or what it was asked for does not exist"),
    ("405", "Another method"),
    ("406", "`Accept-Encoding` refuses every coding"),
    ("408", "The body did not arrive in time"),
    ("413", "The body is too large"),
    ("415", "The body is not application/json, or compressed"),
    ("422", "The arguments do not fit, the operation failed, or it needs an MCP client"),
    ("429", "Too many calls of the caller are running"),
    ("500", "The host failed"),
    ("502", "The plugin failed"),
    ("503", "The host is busy, or something that the operation needs does not answer"),
    ("504", "The call did not end in time"),
];
/// What an answer to a GET can be instead.
const GET_PROBLEMS: [&str; 6] = ["400", "403", "404", "405", "406", "429"];

/// The document for what a tenant can call.
pub(super) fn of(snapshot: &Snapshot, tenant: &TenantId, limits: &Limits) -> Value {
    let bindings = snapshot.bindings().iter().filter(|binding| binding.tenant == *tenant);
    let operations: Vec<&Operation> = bindings.flat_map(|binding| &binding.catalog.operations).collect();
    let text_bytes = |operation: &&Operation| operation.input.text.len() + operation.output.as_ref().map_or(0, |schema| schema.text.len());
    let with_schemas = operations.iter().map(text_bytes).sum::<usize>() <= limits.openapi_schemas_bytes_max;
    let mut components = fixed_components(limits);
    let (queries, updates): (Vec<&Operation>, Vec<&Operation>) =
        operations.into_iter().partition(|operation| operation.handler == Handler::Query);
    for (name, operations) in [("Query", &queries), ("Update", &updates)] {
        let (request, result) = calls(name, operations, with_schemas, &mut components);
        components.insert(format!("{name}Request"), request);
        components.insert(format!("{name}Result"), result);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Cofferdam",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
            "description": "The operations of the loaded plugins without MCP. Names are those that MCP clients see.",
        },
        "servers": [{ "url": "/" }],
        "paths": paths(),
        "components": { "schemas": components },
    })
}

/// The schemas of a kind's requests and of its results; those of single operations become components.
fn calls(kind: &str, operations: &[&Operation], with_schemas: bool, components: &mut Map<String, Value>) -> (Value, Value) {
    let (name_member, arguments_member) = if kind == "Query" { ("query", "parameters") } else { ("target", "data") };
    let (mut requests, mut results, mut any) = (Vec::new(), Vec::new(), false);
    for operation in operations {
        let arguments = if with_schemas {
            let name = format!("{}.input", operation.tool);
            let at = reference(&name);
            components.insert(name.clone(), moved(&operation.input.value, &name));
            json!({ "$ref": at })
        } else {
            json!({ "type": "object" })
        };
        match operation.output.as_ref().filter(|_| with_schemas) {
            Some(output) => {
                let name = format!("{}.output", operation.tool);
                results.push(json!({ "$ref": reference(&name) }));
                components.insert(name.clone(), moved(&output.value, &name));
            }
            None => any = true,
        }
        requests.push(request(operation, name_member, arguments_member, &arguments));
    }
    if any || results.is_empty() {
        results.push(json!({ "description": "Of operations that do not say what their result is; null when there is only content" }));
    }
    // Without an operation there is nothing that could be sent.
    let request = if requests.is_empty() { json!({ "not": {} }) } else { json!({ "oneOf": requests }) };
    (request, json!({ "anyOf": results }))
}

/// One operation's request.
fn request(operation: &Operation, name_member: &str, arguments_member: &str, arguments: &Value) -> Value {
    let definition: Value = serde_json::from_str(&operation.definition).unwrap_or_default();
    let mut properties = Map::new();
    properties.insert(name_member.to_owned(), json!({ "const": operation.tool }));
    properties.insert(arguments_member.to_owned(), arguments.clone());
    let mut required = vec![name_member];
    // Without arguments they are an empty object, which may be enough.
    if !operation.input.problem_list(&json!({})).is_empty() {
        required.push(arguments_member);
    }
    if name_member == "target" {
        let text = "A JSON Schema (2020-12) that the data has to fit as well; checked before anything is carried out";
        properties.insert("validation".to_owned(), json!({ "description": text, "type": ["object", "boolean"] }));
    }
    let mut request = json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    if let Some(object) = request.as_object_mut() {
        object.insert("title".to_owned(), definition.get("title").cloned().unwrap_or_else(|| json!(operation.tool)));
        object.extend(definition.get("description").cloned().map(|text| ("description".to_owned(), text)));
    }
    request
}

/// What every document has.
fn fixed_components(limits: &Limits) -> Map<String, Value> {
    let (batch_request, batch_answer, batch_error) = batch(limits);
    let event = json!({
        "type": "object",
        "properties": {
            "id": { "description": "Grows from event to event" },
            "topic": { "type": "string", "description": "<plugin>/<topic>" },
            "time": timestamp(),
            "source": text(), "severity": text(), "kind": text(),
            "data": { "type": "object" },
        },
    });
    [
        ("Content", content()),
        ("Problem", problem_details()),
        ("QueryAnswer", answer("QueryResult", false)),
        ("UpdateAnswer", answer("UpdateResult", true)),
        ("BatchRequest", batch_request),
        ("BatchAnswer", batch_answer),
        ("BatchError", batch_error),
        ("Event", event),
    ]
    .map(|(name, schema)| (name.to_owned(), schema))
    .into_iter()
    .collect()
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn timestamp() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

fn content() -> Value {
    json!({
        "description": "MCP content blocks",
        "type": "array",
        "items": {
            "type": "object",
            "properties": { "type": { "enum": ["text", "image", "audio", "resource_link", "resource"] } },
            "required": ["type"],
        },
    })
}

/// The answer of a call; `result` is the component of what it results in.
fn answer(result: &str, updated: bool) -> Value {
    let mut properties = Map::new();
    properties.insert("status".to_owned(), json!({ "const": "ok" }));
    if updated {
        properties.insert("updated".to_owned(), json!({ "const": true }));
    }
    properties.insert("timestamp".to_owned(), timestamp());
    properties.insert("result".to_owned(), json!({ "$ref": reference(result) }));
    properties.insert("content".to_owned(), json!({ "$ref": reference("Content") }));
    let required: Vec<String> = properties.keys().cloned().collect();
    if !updated {
        properties.insert("stale".to_owned(), json!({ "const": true, "description": "An old answer, because the operation failed" }));
    }
    json!({ "type": "object", "required": required, "properties": properties })
}

fn problem_details() -> Value {
    json!({
        "description": "Problem details (RFC 9457)",
        "type": "object",
        "properties": {
            "type": { "type": "string", "format": "uri", "pattern": format!("^{TYPE_PREFIX}") },
            "title": text(),
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": text(),
            "instance": { "type": "string", "format": "uri" },
            "reference": { "type": "string", "description": "Finds the call in the host's log" },
            "errors": {
                "description": "What is wrong with the arguments, with JSON pointers into the request",
                "type": "array",
                "items": { "type": "object", "properties": { "path": text(), "message": text() }, "required": ["path", "message"] },
            },
            "content": { "$ref": reference("Content") },
        },
        "required": ["type", "title", "status", "detail"],
    })
}

/// A batch: its request, its answer, and what stands in that for a call that failed.
fn batch(limits: &Limits) -> (Value, Value, Value) {
    let any_of = |names: &[&str]| -> Vec<Value> { names.iter().map(|name| json!({ "$ref": reference(name) })).collect() };
    let request = json!({
        "type": "object",
        "properties": {
            "requests": {
                "type": "array",
                "minItems": 1,
                "maxItems": limits.plain_batch_max,
                "items": { "anyOf": any_of(&["QueryRequest", "UpdateRequest"]) },
            },
        },
        "required": ["requests"],
        "additionalProperties": false,
    });
    let answer = json!({
        "type": "object",
        "properties": {
            "status": { "const": "ok" },
            "results": {
                "description": "As many as there were requests, in their order",
                "type": "array",
                "items": { "anyOf": any_of(&["QueryAnswer", "UpdateAnswer", "BatchError"]) },
            },
        },
        "required": ["status", "results"],
    });
    let error = json!({
        "type": "object",
        "properties": { "status": { "const": "error" }, "problem": { "$ref": reference("Problem") } },
        "required": ["status", "problem"],
    });
    (request, answer, error)
}

fn paths() -> Value {
    json!({
        "/mcp/query": { "post": post("query", "Answers a query", "QueryRequest", "QueryAnswer") },
        "/mcp/update": { "post": post("update", "Carries out an update", "UpdateRequest", "UpdateAnswer") },
        "/mcp/batch": { "post": post("batch", "Several calls at once, each with its own answer or problem", "BatchRequest", "BatchAnswer") },
        "/mcp/stream": { "get": stream("stream", true) },
        "/mcp/stream/{plugin}/{topic}": { "get": stream("streamTopic", false) },
        "/mcp/ws": { "get": web_socket() },
        "/hooks/{plugin}/{topic}": { "post": hook() },
        "/openapi.json": { "get": {
            "operationId": "openapi",
            "summary": "This document",
            "responses": {
                "200": { "description": "An OpenAPI 3.1 document", "content": { "application/json": { "schema": { "type": "object" } } } },
                "304": { "description": "The client has it already (`If-None-Match`)" },
                "403": problem("The Host or Origin is not allowed"),
                "405": problem("Another method"),
                "406": problem("`Accept-Encoding` refuses every coding"),
            },
        } },
    })
}

fn json_of(schema: &str) -> Value {
    json!({ "application/json": { "schema": { "$ref": reference(schema) } } })
}

fn problem(description: &str) -> Value {
    json!({ "description": description, "content": { "application/problem+json": { "schema": { "$ref": reference("Problem") } } } })
}

fn responses(success: (&str, Value), problems: impl Iterator<Item = (&'static str, &'static str)>) -> Value {
    let mut all: Map<String, Value> = problems.map(|(status, description)| (status.to_owned(), problem(description))).collect();
    all.insert(success.0.to_owned(), success.1);
    Value::Object(all)
}

fn get_problems() -> impl Iterator<Item = (&'static str, &'static str)> {
    PROBLEMS.into_iter().filter(|(status, _)| GET_PROBLEMS.contains(status))
}

fn post(id: &str, summary: &str, request: &str, answer: &str) -> Value {
    let success = json!({ "description": "It was carried out", "content": json_of(answer) });
    json!({
        "operationId": id,
        "summary": summary,
        "requestBody": { "required": true, "content": json_of(request) },
        "responses": responses(("200", success), PROBLEMS.into_iter()),
    })
}

fn parameter(place: &str, name: &str, required: bool, description: &str) -> Value {
    json!({ "in": place, "name": name, "required": required, "description": description, "schema": { "type": "string" } })
}

fn stream(id: &str, by_query: bool) -> Value {
    let mut parameters = vec![
        parameter("query", "filters", false, "Which events, as a JSON object: `source`, `severity`, `event_types`, `pattern` and paths"),
        parameter("header", "last-event-id", false, "Goes on after this event, as far as the topic still has what came then"),
    ];
    if by_query {
        parameters.push(parameter("query", "topic", true, "`<plugin>/<topic>`"));
    } else {
        parameters.push(parameter("path", "plugin", true, "The plugin's name"));
        parameters.push(parameter("path", "topic", true, "The topic's name, which may have slashes"));
    }
    let events = json!({
        "description": "Server-sent events, until the client leaves; the data of each is an Event",
        "content": { "text/event-stream": { "schema": { "type": "string" } } },
    });
    json!({
        "operationId": id,
        "summary": "Events as they happen",
        "parameters": parameters,
        "responses": responses(("200", events), get_problems()),
    })
}

fn web_socket() -> Value {
    let upgraded = json!({ "description": "From here on it is a WebSocket with messages of JSON text" });
    json!({
        "operationId": "webSocket",
        "summary": "Events and calls over a WebSocket (RFC 6455)",
        "responses": responses(("101", upgraded), get_problems()),
    })
}

fn hook() -> Value {
    let taken = json!({ "description": "It was taken" });
    json!({
        "operationId": "hook",
        "summary": "Events from others, whose signature is verified as the plugin's manifest says",
        "parameters": [parameter("path", "plugin", true, "The plugin's name"), parameter("path", "topic", true, "The topic's name")],
        "requestBody": { "required": true, "content": { "application/json": { "schema": {} } } },
        "responses": responses(("202", taken), PROBLEMS.into_iter().chain([("401", "The request is not signed as it has to be")])),
    })
}
