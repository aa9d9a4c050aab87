//! Components that were not made for us: every plain function that they export is a tool.
//!
//! Types and JSON, both ways. A schema says of what it describes all that JSON Schema can; the rest is checked when values are read.
//!
//! | WIT | JSON |
//! |---|---|
//! | `bool`, `string` | boolean, string |
//! | `s8` to `u32` | integer within the type's range |
//! | `s64`, `u64` | the same; arguments may be decimal digits in a string too, for parsers that stop at 2^53 |
//! | `f32`, `f64` | number; a result that is none becomes `"NaN"`, `"Infinity"` or `"-Infinity"` |
//! | `char` | string of one character |
//! | `list<u8>` | base64; arguments may be an array of integers too |
//! | `list<t>`, `tuple<a, b>` | array |
//! | `record` | object; fields that are options may be left out, and are left out when they are none |
//! | `option<t>` | null, or the value; in an `option<option<t>>` the inner one is `{"some": ...}` |
//! | `variant`, `result<t, e>` | `{"case": value}`, or `"case"` for a case without a value; the cases of a result are `ok` and `err` |
//! | `enum` | string |
//! | `flags` | array of strings |
//! | resources, streams, futures, maps, lists of fixed length | none: a function with such a type is not a tool |
//!
//! A function's arguments are an object with its parameters. Its result is the member `result` of the structured content, and text: a
//! string as it is, anything else as JSON. If it returns a `result`, an error is a result of the tool with `isError` and the error as text.

mod docs;
mod schema;
#[cfg(test)]
mod tests;
mod values;

pub use docs::Sources;
pub(super) use values::TooLong;

use super::store::CallState;
use crate::limits::Limits;
use crate::wit::cofferdam::mcp::types::{Content, Failure, Reply, TextContent};
use crate::wit::exports::cofferdam::mcp::catalog;
use docs::{Docs, Documented};
use schema::Bounds;
use std::collections::HashMap;
use values::{Reader, Writer};
use wasmtime::Store;
use wasmtime::component::types::{ComponentFunc, ComponentItem, ResourceType};
use wasmtime::component::{Component, ComponentExportIndex, Instance, Type, Val};

/// wasmtime counts a flag in a result as the bytes of its name, but it takes a string of its own: up to this many times as much.
const FLAG_FACTOR: usize = 16;

/// What a function that returns nothing says.
const DONE: &str = "done";
/// What a function says whose error has no value.
const FAILED: &str = "the function returned an error";

/// The functions of a component that are tools.
pub(super) struct Plain {
    functions: Vec<Function>,
    instructions: Option<String>,
    skipped: Vec<String>,
    hostcall_bytes_max: usize,
}

struct Function {
    /// The operation's name.
    name: String,
    index: ComponentExportIndex,
    params: Vec<(String, Type)>,
    result: Option<Type>,
    /// What the result may take of the host's memory, as wasmtime counts it.
    fuel: usize,
    description: Option<String>,
    input: String,
    output: Option<String>,
}

/// A function that a component exports.
struct Export {
    /// The name of the interface, empty for functions of the component itself.
    interface: String,
    function: String,
    ty: ComponentFunc,
    index: ComponentExportIndex,
}

impl Plain {
    /// Finds the functions. Those that cannot be tools are left out with a reason; the error says why none can.
    pub(super) fn find(component: &Component, sources: Sources, limits: &Limits) -> Result<Self, String> {
        let mut finder = Finder::default();
        finder.look(component)?;
        if finder.exports.len() > limits.operations_max {
            return Err(format!("the component exports more than {} functions (operations_max)", limits.operations_max));
        }
        let (docs, problem) = Docs::read(sources);
        let names = names(&finder.exports)?;
        let mut functions = Vec::new();
        for (export, name) in finder.exports.iter().zip(names) {
            match function(export, name, &docs, &finder.resources, limits) {
                Ok(function) => functions.push(function),
                Err(reason) => finder.skipped.push(format!("{}: {reason}", export.shown())),
            }
        }
        let mut skipped = finder.skipped;
        skipped.extend(problem);
        if functions.is_empty() {
            let reasons: String = skipped.iter().map(|reason| format!("\n{reason}")).collect();
            return Err(format!(
                "the component exports neither cofferdam:mcp/catalog@0.1.0, as one built against Cofferdam's contract does, nor a function \
                 that can be a tool{reasons}"
            ));
        }
        let hostcall_bytes_max = limits.hostcall_bytes_max;
        Ok(Self { functions, instructions: docs.instructions, skipped, hostcall_bytes_max })
    }

    /// What is not a tool, and why.
    pub(super) fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// The equivalent of what a component of ours says. The functions are among the updates: nobody knows what they do.
    pub(super) fn catalog(&self) -> catalog::Catalog {
        let operation = |function: &Function| catalog::Operation {
            name: function.name.clone(),
            title: None,
            description: function.description.clone(),
            input_schema: function.input.clone(),
            output_schema: function.output.clone(),
            hints: None,
            publishes: Vec::new(),
            task: catalog::TaskSupport::Never,
            cache: None,
            icons: Vec::new(),
            meta: None,
        };
        catalog::Catalog {
            title: None,
            instructions: self.instructions.clone(),
            queries: Vec::new(),
            updates: self.functions.iter().map(operation).collect(),
            topics: Vec::new(),
            prompts: Vec::new(),
            resources: Vec::new(),
            resource_templates: Vec::new(),
        }
    }

    /// Calls a function. `arguments` is a JSON object.
    pub(super) async fn call(
        &self,
        store: &mut Store<CallState>,
        instance: &Instance,
        name: &str,
        arguments: &str,
        output_bytes_max: usize,
    ) -> wasmtime::Result<Result<Reply, Failure>> {
        let missing = || wasmtime::format_err!("the function {name:?} is not exported");
        let function = self.functions.iter().find(|function| function.name == name).ok_or_else(missing)?;
        let arguments = serde_json::from_str(arguments)?;
        let params = match Reader::new(self.hostcall_bytes_max).parameters(&function.params, &arguments) {
            Ok(params) => params,
            Err(problem) => return Ok(Err(Failure::Invalid(problem))),
        };
        let callee = instance.get_func(&mut *store, function.index).ok_or_else(missing)?;
        store.set_hostcall_fuel(function.fuel);
        let mut results = vec![Val::Bool(false); usize::from(function.result.is_some())];
        // Calls what follows a return, too.
        callee.call_async(&mut *store, &params, &mut results).await?;
        Ok(Ok(function.reply(results.pop(), output_bytes_max)?))
    }
}

impl Function {
    fn reply(&self, value: Option<Val>, bytes_max: usize) -> Result<Reply, TooLong> {
        let (value, ty) = match (value, &self.result) {
            (Some(Val::Result(Ok(value))), Some(Type::Result(result))) => (value.map(|value| *value), result.ok()),
            (Some(Val::Result(Err(error))), Some(Type::Result(result))) => {
                let text = match (error, result.err()) {
                    (Some(error), Some(ty)) => text(*error, &ty, bytes_max)?.0,
                    _ => FAILED.to_owned(),
                };
                return Ok(reply(text, None, true));
            }
            (value, ty) => (value, ty.clone()),
        };
        let (Some(value), Some(ty)) = (value, ty) else { return Ok(reply(DONE.to_owned(), None, false)) };
        let (text, json) = text(value, &ty, bytes_max)?;
        Ok(reply(text, Some(format!("{{\"result\":{json}}}")), false))
    }
}

/// A value as text for people and models, which is text as it is and anything else as JSON, and as JSON.
fn text(value: Val, ty: &Type, bytes_max: usize) -> Result<(String, String), TooLong> {
    let mut writer = Writer::new(bytes_max);
    writer.value(&value, ty)?;
    let json = writer.finish();
    let text = match value {
        Val::String(text) | Val::Enum(text) => text,
        Val::Char(one) => one.to_string(),
        _ => json.clone(),
    };
    Ok((text, json))
}

fn reply(text: String, structured: Option<String>, is_error: bool) -> Reply {
    let content = vec![Content::Text(TextContent { text, annotations: None, meta: None })];
    Reply { content, structured, is_error, meta: None }
}

/// Looks through the exports of a component.
#[derive(Default)]
struct Finder {
    exports: Vec<Export>,
    resources: Vec<(String, ResourceType)>,
    skipped: Vec<String>,
}

impl Finder {
    fn look(&mut self, component: &Component) -> Result<(), String> {
        let engine = component.engine();
        for (name, item) in component.component_type().exports(engine) {
            // One that has some of our contract was meant to have all of it.
            if name.starts_with("cofferdam:") {
                return Err(
                    "the component does not export cofferdam:mcp/catalog@0.1.0: it was not built against Cofferdam's contract".to_owned()
                );
            }
            match item.ty {
                ComponentItem::ComponentInstance(_) if name.starts_with("wasi:") => {
                    self.skipped.push(format!("{name}: not a tool, it is for runtimes of WASI"));
                }
                ComponentItem::ComponentInstance(instance) => {
                    let index = component.get_export_index(None, name);
                    for (inner, item) in instance.exports(engine) {
                        self.item(component, (index.as_ref(), name), inner, item.ty);
                    }
                }
                ty => self.item(component, (None, ""), name, ty),
            }
        }
        Ok(())
    }

    fn item(&mut self, component: &Component, within: (Option<&ComponentExportIndex>, &str), name: &str, ty: ComponentItem) {
        let (instance, interface) = within;
        match ty {
            ComponentItem::ComponentFunc(ty) => {
                // What the component exports as it was imported is not a function of its own.
                let Some((ComponentItem::ComponentFunc(_), index)) = component.get_export(instance, name) else { return };
                self.exports.push(Export { interface: interface.to_owned(), function: name.to_owned(), ty, index });
            }
            ComponentItem::Resource(ty) => self.resources.push((name.to_owned(), ty)),
            ComponentItem::ComponentInstance(_) => {
                self.skipped.push(format!("{interface} {name}: not a tool, instances within instances are not looked into"));
            }
            _ => {}
        }
    }
}

impl Export {
    /// How people call it.
    fn shown(&self) -> String {
        if self.interface.is_empty() {
            format!("function {:?}", self.function)
        } else {
            format!("function {:?} of {}", self.function, self.interface)
        }
    }

    /// `add` of `docs:adder/add@0.1.0`.
    fn interface_name(&self) -> &str {
        let path = self.interface.split('@').next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }
}

/// The operations' names: a function's own if no other one has it, or with its interface before it.
fn names(exports: &[Export]) -> Result<Vec<String>, String> {
    let mut count: HashMap<&str, usize> = HashMap::new();
    for export in exports {
        *count.entry(&export.function).or_default() += 1;
    }
    let mut taken: HashMap<String, &Export> = HashMap::new();
    let mut names = Vec::new();
    for export in exports {
        let alone = export.interface.is_empty() || count.get(export.function.as_str()) == Some(&1);
        let name = if alone { export.function.clone() } else { format!("{}_{}", export.interface_name(), export.function) };
        if let Some(other) = taken.insert(name.clone(), export) {
            return Err(format!("{} and {} would both be the tool {name:?}", other.shown(), export.shown()));
        }
        names.push(name);
    }
    Ok(names)
}

/// What has to be known to offer a function; the error says why it cannot be offered.
fn function(export: &Export, name: String, docs: &Docs, resources: &[(String, ResourceType)], limits: &Limits) -> Result<Function, String> {
    if is_pythons_own(export) {
        return Err("componentize-py made it for itself".to_owned());
    }
    if name.contains('[') {
        return Err("it belongs to a resource, which has no form in JSON".to_owned());
    }
    if name.len() > 64 {
        return Err("its name has more than 64 characters".to_owned());
    }
    if export.ty.async_() {
        return Err("it is async, and only plain functions are called".to_owned());
    }
    let bounds = Bounds { bytes_max: limits.schema_bytes_max, depth_max: limits.type_depth_max };
    let params: Vec<_> = export.ty.params().map(|(name, ty)| (name.to_owned(), ty)).collect();
    let result = export.ty.results().next();
    let docs = docs.function(&export.interface, &export.function);
    let input = schema::input(&params, docs, resources, bounds)?;
    let (returned, in_ok) = match &result {
        Some(Type::Result(result)) => {
            result.err().map_or(Ok(()), |ty| schema::check(&ty, resources, bounds))?;
            (result.ok(), true)
        }
        other => (other.clone(), false),
    };
    let output = returned.map(|ty| schema::output(&ty, docs, in_ok, resources, bounds)).transpose()?;
    let fuel = limits.hostcall_bytes_max / if result.as_ref().is_some_and(has_flags) { FLAG_FACTOR } else { 1 };
    Ok(Function {
        name,
        index: export.index,
        params,
        result,
        fuel,
        description: docs.and_then(Documented::text),
        input: input.to_string(),
        output: output.map(|output| output.to_string()),
    })
}

/// What componentize-py exports beside the functions of the world, and needs only while it makes the component.
fn is_pythons_own(export: &Export) -> bool {
    let mut params: Vec<_> = export.ty.params().map(|(name, _)| name).collect();
    params.sort_unstable();
    export.function == "init" && params == ["app-name", "stub-wasi", "symbols"]
}

/// Whether a value of the type can have flags in it. To be asked of types that have a schema, which are of bounded size.
fn has_flags(ty: &Type) -> bool {
    match ty {
        Type::Flags(_) => true,
        Type::List(list) => has_flags(&list.ty()),
        Type::Option(option) => has_flags(&option.ty()),
        Type::Record(record) => record.fields().any(|field| has_flags(&field.ty)),
        Type::Tuple(tuple) => tuple.types().any(|ty| has_flags(&ty)),
        Type::Variant(variant) => variant.cases().any(|case| case.ty.as_ref().is_some_and(has_flags)),
        Type::Result(result) => [result.ok(), result.err()].iter().flatten().any(has_flags),
        _ => false,
    }
}
