//! What the attribute macro's output is made of: the traits that it implements, and the functions that it calls.

use crate::bindings::catalog;
use crate::bindings::imports::types::{self, Argument};
use crate::content::{Annotations, Icon, IconTheme, Resource, Role};
use crate::feeds::OpenFeed;
use crate::{Contents, Context, Failure, Others, Prompt, Reply, Result, Suggestions, Webhook, fields, schema};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use catalog::{CacheHint, Catalog, Hints, Operation, Overflow, PromptArgument, ResourceTemplate, TaskSupport, Topic};
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

/// A plugin with at least one `#[query(batch)]`.
pub trait Batches: Queries {
    /// Answers the query `name` once for each of the arguments, in their order.
    ///
    /// # Errors
    /// Whatever the handler fails with as a whole.
    fn batch(context: &Context, name: &str, arguments: &[String]) -> Result<Vec<Result<Reply>>>;
}

/// A plugin with at least one `#[update]`.
pub trait Updates: Describe {
    /// Carries out the update `target`.
    ///
    /// # Errors
    /// Arguments that do not fit, and whatever the handler fails with.
    fn update(context: &Context, target: &str, arguments: &str) -> Result<Reply>;
}

/// A plugin with at least one `#[prompt]`.
pub trait Prompts: Describe {
    /// Fills in the prompt `name`.
    ///
    /// # Errors
    /// Arguments that do not fit, and whatever the function fails with.
    fn prompt(context: &Context, name: &str, arguments: &[Argument]) -> Result<Prompt>;
}

/// A plugin with at least one `#[resource]`.
pub trait Resources: Describe {
    /// Reads a resource.
    ///
    /// # Errors
    /// A URI that is nobody's, and whatever the function fails with.
    fn read(context: &Context, uri: &str) -> Result<Contents>;
}

/// A plugin with at least one `#[complete]`.
pub trait Completions: Describe {
    /// Suggests values for an argument.
    ///
    /// # Errors
    /// Whatever the function fails with.
    fn complete(context: &Context, of: Of<'_>, argument: &str, value: &str, others: &Others) -> Result<Suggestions>;
}

/// A plugin with at least one `#[feed]`.
pub trait Feeds: Describe {
    /// Opens a feed of a topic.
    ///
    /// # Errors
    /// Filters that do not fit, a topic without a feed, and whatever the function fails with.
    fn open(context: &Context, topic: &str, filters: &str) -> Result<OpenFeed>;
}

/// A plugin with at least one `#[webhook]`.
pub trait Webhooks: Describe {
    /// Makes events of a request.
    ///
    /// # Errors
    /// Whatever the function fails with.
    fn transform(context: &Context, webhook: &Webhook) -> Result<Vec<types::Event>>;
}

/// Whose argument is completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of<'a> {
    /// That of a prompt, by its name.
    Prompt(&'a str),
    /// That of a resource template, by its URI template.
    Template(&'a str),
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

/// Reads the arguments of a prompt.
///
/// # Errors
/// [`Failure::invalid`] with the name and the reason.
pub fn prompt_arguments<T: DeserializeOwned>(given: &[Argument]) -> Result<T> {
    fields::read(given).map_err(|e| Failure::invalid(format!("{e}")))
}

/// The host calls only what the catalog offers; tests may err.
#[cold]
#[must_use]
pub fn no_such_operation(name: &str) -> Failure {
    Failure::not_found(format!("this plugin has no operation {name:?}"))
}

/// The host opens only feeds that the catalog offers; tests may err.
#[cold]
#[must_use]
pub fn no_such_feed(topic: &str) -> Failure {
    Failure::not_found(format!("this plugin has no feed of {topic:?}"))
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
    pub prompts: &'a [PromptSpec<'a>],
    pub resources: &'a [ResourceSpec<'a>],
    pub templates: &'a [ResourceSpec<'a>],
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
    pub icons: &'a [IconSpec<'a>],
    pub meta: Option<&'a str>,
}

/// What `#[prompt]` says.
#[derive(Debug)]
#[expect(missing_docs, reason = "the keys of the attribute")]
pub struct PromptSpec<'a> {
    pub name: &'a str,
    pub title: Option<&'a str>,
    pub description: Option<&'a str>,
    pub arguments: Option<fn() -> Vec<PromptArgument>>,
    pub icons: &'a [IconSpec<'a>],
    pub meta: Option<&'a str>,
}

/// What `#[resource]` says. `uri` may be a template.
#[derive(Debug)]
#[expect(missing_docs, reason = "the keys of the attribute")]
pub struct ResourceSpec<'a> {
    pub uri: &'a str,
    pub name: &'a str,
    pub title: Option<&'a str>,
    pub description: Option<&'a str>,
    pub mime: Option<&'a str>,
    pub size_bytes: Option<u32>,
    pub audience: &'a [&'a str],
    pub priority: Option<f64>,
    pub last_modified: Option<&'a str>,
    pub icons: &'a [IconSpec<'a>],
    pub meta: Option<&'a str>,
}

/// What `icon(...)` says.
#[derive(Debug)]
#[expect(missing_docs, reason = "the keys of the attribute")]
pub struct IconSpec<'a> {
    pub src: &'a str,
    pub mime: Option<&'a str>,
    pub sizes: &'a [&'a str],
    pub theme: Option<&'a str>,
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
    pub feed: bool,
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
        prompts: spec.prompts.iter().map(prompt).collect(),
        resources: spec.resources.iter().map(resource).collect(),
        resource_templates: spec.templates.iter().map(template).collect(),
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
        icons: icons(spec.icons),
        meta: owned(spec.meta),
    }
}

fn prompt(spec: &PromptSpec<'_>) -> catalog::Prompt {
    catalog::Prompt {
        name: spec.name.into(),
        title: owned(spec.title),
        description: owned(spec.description),
        arguments: spec.arguments.map_or_else(Vec::new, |arguments| arguments()),
        icons: icons(spec.icons),
        meta: owned(spec.meta),
    }
}

fn resource(spec: &ResourceSpec<'_>) -> Resource {
    Resource {
        uri: spec.uri.into(),
        name: spec.name.into(),
        title: owned(spec.title),
        description: owned(spec.description),
        mime_type: owned(spec.mime),
        size_bytes: spec.size_bytes,
        annotations: annotations(spec),
        icons: icons(spec.icons),
        meta: owned(spec.meta),
    }
}

fn template(spec: &ResourceSpec<'_>) -> ResourceTemplate {
    ResourceTemplate {
        uri_template: spec.uri.into(),
        name: spec.name.into(),
        title: owned(spec.title),
        description: owned(spec.description),
        mime_type: owned(spec.mime),
        annotations: annotations(spec),
        icons: icons(spec.icons),
        meta: owned(spec.meta),
    }
}

fn annotations(spec: &ResourceSpec<'_>) -> Option<Annotations> {
    let role = |&role: &&str| if role == "assistant" { Role::Assistant } else { Role::User };
    let audience: Vec<_> = spec.audience.iter().map(role).collect();
    let any = !audience.is_empty() || spec.priority.is_some() || spec.last_modified.is_some();
    any.then(|| Annotations { audience, priority: spec.priority, last_modified: owned(spec.last_modified) })
}

fn icons(specs: &[IconSpec<'_>]) -> Vec<Icon> {
    let theme = |theme: &str| if theme == "dark" { IconTheme::Dark } else { IconTheme::Light };
    let icon = |spec: &IconSpec<'_>| Icon {
        src: spec.src.into(),
        mime_type: owned(spec.mime),
        sizes: spec.sizes.iter().map(|&size| size.into()).collect(),
        theme: spec.theme.map(theme),
    };
    specs.iter().map(icon).collect()
}

fn topic(spec: &TopicSpec<'_>) -> Topic {
    Topic {
        name: spec.name.into(),
        title: owned(spec.title),
        description: owned(spec.description),
        event_schema: spec.event.map(|schema| schema()),
        retained: spec.retained,
        overflow: if spec.coalesce { Overflow::Coalesce } else { Overflow::DropOldest },
        feed: spec.feed,
    }
}

fn owned(text: Option<&str>) -> Option<String> {
    text.map(Into::into)
}
