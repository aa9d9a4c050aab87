//! `cofferdam call`: one call from the shell, as a client would make it.

use super::start::{self, Host};
use super::{Options, USAGE, print, print_json, say};
use crate::auth::Principal;
use crate::caps::client::Nobody;
use crate::caps::host::escape;
use crate::config::{Config, TaskStore};
use crate::dispatch::CallError;
use crate::manifest::{closest, listed};
use crate::mcp::{Message, strict};
use crate::registry::{NoPlugin, Snapshot, State};
use anyhow::Context as _;
use serde_json::{Value, json};
use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The plugin
    plugin: String,
    /// The operation: its name in the plugin, or its tool's
    operation: String,
    /// The arguments, as a JSON object; - reads them from standard input
    #[arg(value_name = "JSON", default_value = "{}")]
    arguments: String,
    #[command(flatten)]
    options: Options,
    /// Print the structured result as JSON, or the content blocks when there is none
    #[arg(long)]
    json: bool,
}

/// Why there is no reply.
enum Failed {
    /// It was asked wrongly.
    Usage(String),
    /// It was asked rightly.
    Call(String),
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let mut config = start::config(&arguments.options)?;
    start::logging(&config);
    // A call from the shell has nobody who would come back for a task.
    config.tasks.store = TaskStore::Memory;
    let given = match given(&arguments.arguments, &config)? {
        Ok(given) => given,
        Err(problem) => return Ok(failed(&Failed::Usage(problem))),
    };
    let host = Host::new(&config)?;
    let reply = host.block_on(call(&host, &config, arguments, &given));
    host.shut_down();
    Ok(match reply {
        Ok(reply) => show(&reply, arguments.json),
        Err(failure) => failed(&failure),
    })
}

fn failed(failure: &Failed) -> ExitCode {
    let (Failed::Usage(text) | Failed::Call(text)) = failure;
    let _ = say(&format!("cofferdam: {text}\n"));
    if matches!(failure, Failed::Usage(_)) { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
}

/// The arguments as JSON text, checked to be an object.
fn given(argument: &str, config: &Config) -> anyhow::Result<Result<String, String>> {
    let mut text = argument.to_owned();
    if argument == "-" {
        text.clear();
        let most = u64::try_from(config.limits.body_bytes_max).unwrap_or(u64::MAX);
        std::io::stdin().lock().take(most).read_to_string(&mut text).context("the arguments cannot be read from standard input")?;
    }
    Ok(match strict::parse(&text) {
        Ok(Value::Object(_)) => Ok(text),
        Ok(_) => Err("the arguments have to be a JSON object, such as {\"name\": \"Ada\"}".to_owned()),
        Err(error) => Err(format!("the arguments are not JSON: {error}")),
    })
}

async fn call(host: &Host, config: &Config, arguments: &Arguments, given: &str) -> Result<Value, Failed> {
    let (snapshot, report) = host.loader.load_named(&config.plugins, &arguments.plugin).await.map_err(|error| match error {
        NoPlugin::Unknown { .. } => Failed::Usage(error.to_string()),
        NoPlugin::Folder(error) => Failed::Call(format!("{}: {error}", config.plugins.display())),
    })?;
    if let State::Refused { reason } = report.state {
        return Err(Failed::Call(format!("{} is not loaded: {reason}", report.name)));
    }
    let tool = tool(&snapshot, &arguments.operation).map_err(Failed::Usage)?;
    host.registry.swap(snapshot);
    ask(host, &tool, given).await
}

/// The tool of an operation.
fn tool(snapshot: &Snapshot, operation: &str) -> Result<String, String> {
    let operations = || snapshot.bindings().iter().flat_map(|binding| &binding.catalog.operations);
    let found = operations().find(|known| *known.name == *operation).or_else(|| operations().find(|known| known.tool == operation));
    found.map(|found| found.tool.clone()).ok_or_else(|| {
        let names: Vec<String> = operations().map(|known| known.name.to_string()).collect();
        let near = closest(operation, names.iter().map(String::as_str)).map(|near| format!("did you mean {near:?}?"));
        let known = || if names.is_empty() { "it has none".to_owned() } else { format!("there is {}", listed(&names, "and")) };
        format!("the plugin has no operation {operation:?}; {}", near.unwrap_or_else(known))
    })
}

/// Sends the request that a client without any ability would send.
async fn ask(host: &Host, tool: &str, given: &str) -> Result<Value, Failed> {
    let tool = json!(tool);
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":{tool},"arguments":{given},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    );
    let wrong = |error: &dyn std::fmt::Display| Failed::Call(format!("the request could not be made: {error}"));
    let Ok(Message::Request(request)) = Message::parse(&text) else { return Err(wrong(&"it is no message")) };
    let exchange = host.dispatch.stateless(&request, None, Arc::new(Nobody)).map_err(|error| wrong(&error))?;
    let answer = host.dispatch.answer(&Principal::local(), &request, &exchange).await.map_err(|error| match error {
        CallError::MissingCapability(needed) => Failed::Call(nobody_to_ask(&needed)),
        error => Failed::Call(error.to_string()),
    })?;
    let mut answer: Value = serde_json::from_slice(&answer).map_err(|error| wrong(&error))?;
    let reply = answer.get_mut("result").map(Value::take).ok_or_else(|| wrong(&"the answer has no result"))?;
    match reply.get("resultType").and_then(Value::as_str) {
        Some("input_required") => Err(Failed::Call(nobody_to_ask("an answer"))),
        _ => Ok(reply),
    }
}

fn nobody_to_ask(needed: &str) -> String {
    format!("the operation needs a client that it can ask ({needed}), and a shell is none: call it through an MCP client")
}

fn show(reply: &Value, as_json: bool) -> ExitCode {
    let is_error = reply.get("isError").is_some_and(|is_error| *is_error == true);
    let content = reply.get("content").unwrap_or(&Value::Null);
    if as_json {
        print_json(reply.get("structuredContent").unwrap_or(content));
    } else {
        let to_terminal = if is_error { std::io::stderr().is_terminal() } else { std::io::stdout().is_terminal() };
        let shown = |block: &Value| format!("{}\n", for_terminal(block_text(block), to_terminal));
        let text: String = content.as_array().into_iter().flatten().map(shown).collect();
        if is_error {
            let _ = say(&text);
        } else {
            print(&text);
        }
    }
    if is_error { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A terminal acts upon some of what a plugin may say; files and pipes get it as it is.
fn for_terminal(text: String, to_terminal: bool) -> String {
    if to_terminal { text.lines().map(escape).collect::<Vec<_>>().join("\n") } else { text }
}

/// A content block for people; what is not text is only named.
fn block_text(block: &Value) -> String {
    let text = |path: &str| block.pointer(path).and_then(Value::as_str);
    match (text("/type"), text("/text").or_else(|| text("/resource/text"))) {
        (_, Some(text)) => text.to_owned(),
        (Some("resource_link"), None) => format!("[link {}]", text("/uri").unwrap_or_default()),
        (Some("resource"), None) => format!("[resource {}]", text("/resource/uri").unwrap_or_default()),
        (what, None) => {
            let (what, mime_type) = (what.unwrap_or("content"), text("/mimeType").unwrap_or("of no type"));
            format!("[{what}, {mime_type}, {} characters of base64]", text("/data").unwrap_or_default().len())
        }
    }
}
