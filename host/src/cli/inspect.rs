//! `cofferdam inspect`.

use super::{print, print_json};
use crate::limits::Limits;
use crate::registry::catalog::{Catalog, Operation};
use crate::registry::{self, Import, Inspection};
use crate::runtime::{Engine, Handler};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The component
    #[arg(value_name = "FILE.wasm")]
    file: PathBuf,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Calls of an engine that looks at one component.
const CALLS: usize = 1;

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let limits = Arc::new(Limits { calls_max: CALLS, ..Limits::default() });
    let engine = Engine::new(&limits).map_err(|error| anyhow::anyhow!("{error:#}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let inspected = runtime.block_on(registry::inspect(&engine, &limits, &arguments.file));
    let inspection = inspected.map_err(|error| anyhow::anyhow!("{}: {error}", arguments.file.display()))?;
    if arguments.json {
        print_json(&json(&inspection));
    } else {
        print(&text(&inspection));
    }
    Ok(())
}

fn text(inspection: &Inspection) -> String {
    let Inspection { name, bytes, revision, imports, exports, manifest, offers, skipped } = inspection;
    let mut out = format!("{name}  revision {}  {bytes} bytes\n\nimports\n", revision.short());
    for Import { interface, grant, not_offered } in imports {
        let note = match (grant, not_offered) {
            (Some(grant), _) => format!("  needs {grant}"),
            (None, Some(reason)) => format!("  not offered: {reason}"),
            (None, None) => String::new(),
        };
        let _ = writeln!(out, "  {interface}{note}");
    }
    out += if imports.is_empty() { "  none\n\nexports\n" } else { "\nexports\n" };
    for exported in exports {
        let functions = if exported.functions.is_empty() { String::new() } else { format!("  {}", exported.functions.join(" ")) };
        let _ = writeln!(out, "  {}{functions}", exported.name);
    }
    out += "\nplugin.toml\n";
    for line in manifest.lines() {
        let _ = writeln!(out, "{}", format!("  {line}").trim_end());
    }
    out += "\noffers\n";
    match offers {
        Ok(catalog) => push_catalog(&mut out, catalog),
        Err(reason) => {
            let _ = writeln!(out, "  not known: {reason}");
        }
    }
    for reason in skipped {
        let _ = writeln!(out, "  not offered: {reason}");
    }
    out
}

fn push_catalog(out: &mut String, catalog: &Catalog) {
    for operation in &catalog.operations {
        let definition = definition(&operation.definition);
        let (kind, tool) = (kind(operation), &operation.tool);
        let _ = writeln!(out, "  {kind} {tool}{}", described(&definition));
        let _ = writeln!(out, "    input   {}", definition.get("inputSchema").unwrap_or(&Value::Null));
        if let Some(output) = definition.get("outputSchema") {
            let _ = writeln!(out, "    output  {output}");
        }
    }
    for prompt in &catalog.prompts {
        let _ = writeln!(out, "  prompt {}{}", prompt.shown, described(&definition(&prompt.definition)));
    }
    for resource in &catalog.resources {
        let _ = writeln!(out, "  resource {}{}", resource.uri, described(&definition(&resource.definition)));
    }
    for template in &catalog.templates {
        let _ = writeln!(out, "  template {}{}", template.text, described(&definition(&template.definition)));
    }
}

/// The first line of what it says about itself.
fn described(definition: &Value) -> String {
    let text = definition.get("description").or_else(|| definition.get("title")).and_then(Value::as_str);
    text.and_then(|text| text.lines().next()).map(|line| format!("  {line}")).unwrap_or_default()
}

fn kind(operation: &Operation) -> &'static str {
    match operation.handler {
        Handler::Query => "query",
        Handler::Update => "update",
        Handler::Plain => "function",
    }
}

fn definition(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn json(inspection: &Inspection) -> Value {
    let import = |import: &Import| json!({ "interface": import.interface, "grant": import.grant, "not_offered": import.not_offered });
    let offers = inspection.offers.as_ref().ok().map(|catalog| {
        let operation =
            |operation: &Operation| json!({ "kind": kind(operation), "name": &*operation.name, "tool": definition(&operation.definition) });
        json!({
            "instructions": catalog.instructions,
            "operations": catalog.operations.iter().map(operation).collect::<Vec<_>>(),
            "prompts": catalog.prompts.iter().map(|prompt| definition(&prompt.definition)).collect::<Vec<_>>(),
            "resources": catalog.resources.iter().map(|resource| definition(&resource.definition)).collect::<Vec<_>>(),
            "templates": catalog.templates.iter().map(|template| definition(&template.definition)).collect::<Vec<_>>(),
        })
    });
    json!({
        "name": inspection.name.as_str(),
        "bytes": inspection.bytes,
        "revision": inspection.revision.to_string(),
        "imports": inspection.imports.iter().map(import).collect::<Vec<_>>(),
        "exports": inspection.exports.iter().map(|e| json!({ "name": e.name, "functions": e.functions })).collect::<Vec<_>>(),
        "manifest": inspection.manifest,
        "offers": offers,
        "problem": inspection.offers.as_ref().err(),
        "skipped": inspection.skipped,
    })
}
