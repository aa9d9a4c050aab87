//! What the attribute macro's output is made of: the traits that it implements, and the functions that it calls.

use crate::bindings::imports::types;
use crate::bindings::{catalog, query, update};
use crate::{Context, Failure, Reply, Result, schema};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use catalog::{CacheHint, Catalog, Hints, Operation, Overflow, TaskSupport, Topic};
use serde::de::DeserializeOwned;

/// A plugin: `#[plugin]` implements this for the `Plugin` of its module.
pub trait Describe {
    /// Everything that the plugin offers.
    #[must_use]
    fn describe() -> Catalog;
}

/// A plugin with at least one `#[query]`.
pub trait Queries: Describe {
    /// Answers the query `name`.
    ///
    /// # Errors
    /// Arguments that do not fit, and whatever the handler fails with.
    fn query(context: &Context, name: &str, arguments: &str) -> Result<Reply>;
}

/// A plugin with at least one `#[update]`.
pub trait Updates: Describe {
    /// Carries out the update `target`.
    ///
    /// # Errors
    /// Arguments that do not fit, and whatever the handler fails with.
    fn update(context: &Context, target: &str, arguments: &str) -> Result<Reply>;
}

impl<P: Describe> catalog::Guest for P {
    fn describe() -> Catalog {
        <P as Describe>::describe()
    }
}

impl<P: Queries> query::Guest for P {
    fn handle(context: types::Context, name: String, parameters: String) -> Result<types::Outcome, types::Failure> {
        outcome(P::query(&context.into(), &name, &parameters))
    }
}

impl<P: Updates> update::Guest for P {
    fn handle(context: types::Context, target: String, data: String) -> Result<types::Outcome, types::Failure> {
        outcome(P::update(&context.into(), &target, &data))
    }
}

fn outcome(result: Result<Reply>) -> Result<types::Outcome, types::Failure> {
    match result {
        Ok(reply) => Ok(types::Outcome::Complete(reply.into())),
        Err(failure) => Err(failure.into()),
    }
}

/// Reads the arguments of a call.
///
/// # Errors
/// [`Failure::invalid`] with the place and the reason.
pub fn arguments<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| misfit(text, &e))
}

/// Not generic: one copy, however many inputs a plugin has.
#[cold]
fn misfit(text: &str, error: &serde_json::Error) -> Failure {
    Failure::invalid(schema::explain(text, error))
}

/// The host calls only what the catalog offers; tests may err.
#[cold]
#[must_use]
pub fn no_such_operation(name: &str) -> Failure {
    Failure::not_found(format!("this plugin has no operation {name:?}"))
}

// === the catalog, as constants of the plugin ===

/// What `#[plugin]` says.
#[derive(Debug)]
#[expect(missing_docs, reason = "the keys of the attribute")]
pub struct PluginSpec<'a> {
    pub title: Option<&'a str>,
    pub instructions: Option<&'a str>,
    pub queries: &'a [OperationSpec<'a>],
    pub updates: &'a [OperationSpec<'a>],
    pub topics: &'a [TopicSpec<'a>],
}

/// What `#[query]` or `#[update]` says.
#[derive(Debug)]
#[expect(missing_docs, reason = "the keys of the attribute")]
pub struct OperationSpec<'a> {
    pub name: &'a str,
    pub title: Option<&'a str>,
    pub description: Option<&'a str>,
    pub input: fn() -> String,
    pub output: fn() -> Option<String>,
    pub destructive: Option<bool>,
    pub idempotent: Option<bool>,
    pub open_world: Option<bool>,
    pub publishes: &'a [&'a str],
    pub task: TaskSupport,
    pub cache: Option<(u32, bool)>,
    pub meta: Option<&'a str>,
}

/// What `topic(...)` says.
#[derive(Debug)]
#[expect(missing_docs, reason = "the keys of the attribute")]
pub struct TopicSpec<'a> {
    pub name: &'a str,
    pub title: Option<&'a str>,
    pub description: Option<&'a str>,
    pub event: Option<fn() -> String>,
    pub retained: u32,
    pub coalesce: bool,
}

/// Makes the catalog.
#[must_use]
pub fn describe(spec: &PluginSpec<'_>) -> Catalog {
    Catalog {
        title: owned(spec.title),
        instructions: owned(spec.instructions),
        queries: spec.queries.iter().map(operation).collect(),
        updates: spec.updates.iter().map(operation).collect(),
        topics: spec.topics.iter().map(topic).collect(),
        prompts: Vec::new(),
        resources: Vec::new(),
        resource_templates: Vec::new(),
    }
}

fn operation(spec: &OperationSpec<'_>) -> Operation {
    let hints = Hints { destructive: spec.destructive, idempotent: spec.idempotent, open_world: spec.open_world };
    let any_hint = spec.destructive.or(spec.idempotent).or(spec.open_world).is_some();
    Operation {
        name: spec.name.into(),
        title: owned(spec.title),
        description: owned(spec.description),
        input_schema: (spec.input)(),
        output_schema: (spec.output)(),
        hints: any_hint.then_some(hints),
        publishes: spec.publishes.iter().map(|&topic| topic.into()).collect(),
        task: spec.task,
        cache: spec.cache.map(|(ttl_ms, shared)| CacheHint { ttl_ms, shared }),
        icons: Vec::new(),
        meta: owned(spec.meta),
    }
}

fn topic(spec: &TopicSpec<'_>) -> Topic {
    Topic {
        name: spec.name.into(),
        title: owned(spec.title),
        description: owned(spec.description),
        event_schema: spec.event.map(|schema| schema()),
        retained: spec.retained,
        overflow: if spec.coalesce { Overflow::Coalesce } else { Overflow::DropOldest },
        feed: false,
    }
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(Into::into)
}
