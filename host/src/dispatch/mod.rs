//! The life of a request, from a decoded message to the bytes of its answer. Read `Dispatch::call_tool` first.
//!
//! Both eras and every transport end up here: `server`, `stdio` and `legacy` differ only in how a message comes in and how an answer goes
//! out. What a request needs of its client on the way, an [`Exchange`] has.

mod admit;
mod content;
mod encode;
mod error;
mod exchange;
mod listen;
mod params;
mod perform;
mod plain;
mod rounds;
mod seal;
mod task;
mod tied;
mod topic;

pub use encode::{capabilities, server_info};
pub use error::CallError;
pub use exchange::{AskError, Asked, Asking, Exchange, Live};
pub use listen::{Filter, Listen};
pub use plain::{PlainCall, PlainError, PlainKind, object as plain_object};
pub use topic::Hearing;

use crate::auth::Principal;
use crate::caps::client::{Outlet, Reported};
use crate::clock::Clock;
use crate::ids::CallRef;
use crate::limits::{CallLimits, Limits};
use crate::mcp::{Abilities, Id, Request, Version, headers, strict};
use crate::registry::{Binding, Found, Listed, Registry, Tool};
use crate::runtime::{Ask, Done, Export, GuestError, Reference};
use crate::tasks::Store;
use crate::wit::cofferdam::mcp::types::Failure;
use crate::wit::exports::cofferdam::mcp::completion::Suggestions;
use admit::Admission;
use rounds::{Ended, Handling};
use seal::Sealer;
use serde_json::Value;
use std::sync::Arc;
use task::{Mode, Tasks};

/// Answers requests.
pub struct Dispatch {
    registry: Arc<Registry>,
    admission: Arc<Admission>,
    tasks: Arc<Tasks>,
    sealer: Sealer,
    long_calls: tokio::runtime::Handle,
    limits: Arc<Limits>,
    clock: Clock,
}

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no randomness from the operating system")]
pub struct NoRandomness;

impl Dispatch {
    /// `long_calls` is the runtime that calls move to when they have used up their first tick, and that tasks run on; `store` keeps tasks.
    pub fn new(
        registry: Arc<Registry>,
        store: Arc<dyn Store>,
        long_calls: tokio::runtime::Handle,
        limits: Arc<Limits>,
        clock: Clock,
    ) -> Result<Self, NoRandomness> {
        let sealer = Sealer::new().ok_or(NoRandomness)?;
        let admission = Arc::new(Admission::new(&limits));
        let tasks = Tasks::new(store, Arc::clone(registry.changes()), Arc::clone(&limits), clock.clone());
        Ok(Self { registry, admission, tasks, sealer, long_calls, limits, clock })
    }

    /// What is loaded.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Arc<Limits> {
        &self.limits
    }

    /// What a stateless request says about its client.
    pub fn stateless<'a>(
        &self,
        request: &Request<'_>,
        headers: Option<&'a http::HeaderMap>,
        outlet: Arc<dyn Outlet>,
    ) -> Result<Exchange<'a>, CallError> {
        let meta = request.params.meta.as_ref();
        let level = meta.and_then(|meta| meta.log_level.as_deref());
        let log_level = level.map(parse_level).transpose()?;
        Ok(Exchange {
            version: Version::NEWEST,
            headers,
            abilities: abilities(request),
            log_level,
            outlet,
            reported: Reported::default(),
            live: None,
        })
    }

    /// Answers one request with a whole JSON-RPC message. `subscriptions/listen` is not among them: see [`Dispatch::listen`].
    pub async fn answer(&self, principal: &Arc<Principal>, request: &Request<'_>, exchange: &Exchange<'_>) -> Result<Vec<u8>, CallError> {
        let stateless = !exchange.version.is_legacy();
        match request.method.as_ref() {
            "tools/call" => self.call_tool(principal, request, exchange).await,
            "tools/list" => self.list(Listed::Tools, request, exchange).await,
            "prompts/list" => self.list(Listed::Prompts, request, exchange).await,
            "prompts/get" => self.get_prompt(principal, request, exchange).await,
            "resources/list" => self.list(Listed::Resources, request, exchange).await,
            "resources/templates/list" => self.list(Listed::Templates, request, exchange).await,
            "resources/read" => self.read_resource(principal, request, exchange).await,
            "completion/complete" => self.complete(principal, request, exchange).await,
            "server/discover" if stateless => self.discover(request).await,
            "skills/list" if stateless => self.list(Listed::Skills, request, exchange).await,
            "skills/get" if stateless => self.get_skill(principal, request, exchange).await,
            "tasks/get" | "tasks/update" | "tasks/cancel" if stateless => self.about_task(principal, request, exchange).await,
            method => Err(CallError::NoMethod(method.chars().take(128).collect())),
        }
    }

    /// The life of a call. Dropping the future at any point gives everything back: a client that leaves cancels its call.
    async fn call_tool(&self, principal: &Arc<Principal>, request: &Request<'_>, exchange: &Exchange<'_>) -> Result<Vec<u8>, CallError> {
        // The set in force is read once; the tool pins its revision, whatever is loaded meanwhile.
        let snapshot = self.registry.snapshot().await;
        let name = request.params.name.as_deref().ok_or_else(|| CallError::Params("`name` is missing".to_owned()))?;
        let tool = visible(snapshot.tool(name), principal).ok_or_else(|| CallError::unknown("tool", name))?;
        let operation = tool.operation().ok_or_else(|| CallError::unknown("tool", name))?;

        // What was checked is what runs: the guest gets the very text, and text that two parsers could read differently is refused.
        let arguments = request.params.arguments.map_or("{}", |raw| raw.get());
        let value = strict::parse(arguments).map_err(|error| CallError::Params(format!("`arguments`: {error}")))?;
        if let Some(headers) = exchange.headers.filter(|_| !exchange.version.is_legacy()) {
            headers::check_params(headers, &operation.param_headers, &value)
                .map_err(|error| CallError::HeaderMismatch(error.to_string()))?;
        }
        let mode = Mode::of(operation.task, exchange)?;
        if let Some(problems) = argument_problems(&value, &operation.input) {
            return Ok(encode::error_result(request.id, exchange.version, &problems));
        }

        let ask = Ask::Operation { handler: operation.handler, name: Arc::clone(&operation.name), arguments: arguments.to_owned() };
        let handling = Handling {
            principal,
            binding: &tool.binding,
            method: &request.method,
            params: &request.params,
            exchange,
            name,
            ask: Arc::new(ask),
        };
        let ended = match mode {
            Mode::InPlace => self.perform(&handling, &tool, operation).await,
            Mode::MayBecomeTask => match self.run_or_become_task(&handling, &tool).await? {
                task::Began::Ended(ended) => Ok(ended),
                task::Began::Task(handle) => return Ok(encode::with_members(request.id, "task", &handle)),
            },
        };
        let unanswered = |error: &dyn std::fmt::Display| Ok(encode::error_result(request.id, exchange.version, &error.to_string()));
        match ended {
            Ok(Ended::Done(Done::Reply(reply), reference)) => {
                encode::tool_result(request.id, exchange.version, operation, &reply, tool.binding.limits.output_bytes_max)
                    .map_err(|error| failed(&tool.binding, &error, reference))
            }
            Ok(Ended::Failed(failure)) => Ok(encode::error_result(request.id, exchange.version, &encode::failure_text(failure))),
            Ok(Ended::Ask(members)) => Ok(encode::with_members(request.id, "input_required", &members)),
            Ok(Ended::NoAnswer(error)) => unanswered(&error),
            // A live client is told in a result, which its model reads; a stateless one can do something about the error itself.
            Err(error @ CallError::MissingCapability(_)) if exchange.version.is_legacy() => unanswered(&error),
            Ok(Ended::Done(_, reference)) => Err(failed(&tool.binding, &wrong_kind(), reference)),
            Err(error) => Err(error),
        }
    }

    async fn get_prompt(&self, principal: &Arc<Principal>, request: &Request<'_>, exchange: &Exchange<'_>) -> Result<Vec<u8>, CallError> {
        let snapshot = self.registry.snapshot().await;
        let name = request.params.name.as_deref().ok_or_else(|| CallError::Params("`name` is missing".to_owned()))?;
        let found = visible(snapshot.prompt(name), principal).ok_or_else(|| CallError::unknown("prompt", name))?;
        let prompt = found.prompt().ok_or_else(|| CallError::unknown("prompt", name))?;
        let ask = Ask::Prompt { name: Arc::clone(&prompt.name), arguments: params::prompt_arguments(&request.params, prompt)? };
        let handling = Handling {
            principal,
            binding: &found.binding,
            method: &request.method,
            params: &request.params,
            exchange,
            name,
            ask: Arc::new(ask),
        };
        match self.run(&handling).await? {
            Ended::Done(Done::Prompt(prompt), reference) => {
                encode::prompt(request.id, exchange.version, &prompt, found.binding.limits.output_bytes_max)
                    .map_err(|error| failed(&found.binding, &error, reference))
            }
            ended => self.not_done(ended, &handling, request.id),
        }
    }

    async fn read_resource(
        &self,
        principal: &Arc<Principal>,
        request: &Request<'_>,
        exchange: &Exchange<'_>,
    ) -> Result<Vec<u8>, CallError> {
        let snapshot = self.registry.snapshot().await;
        let uri = request.params.uri.as_deref().ok_or_else(|| CallError::Params("`uri` is missing".to_owned()))?;
        if uri.starts_with("topic://") {
            return self.read_topic(&snapshot, principal, request, exchange, uri);
        }
        let not_found = || CallError::no_resource(uri, exchange.version);
        let found = visible(snapshot.resource(uri), principal).ok_or_else(not_found)?;
        let ask = Ask::Resource { uri: uri.to_owned() };
        let handling = Handling {
            principal,
            binding: &found.binding,
            method: &request.method,
            params: &request.params,
            exchange,
            name: uri,
            ask: Arc::new(ask),
        };
        match self.run(&handling).await? {
            Ended::Done(Done::Resource(reply), reference) => {
                encode::resource(request.id, exchange.version, &reply, found.binding.limits.output_bytes_max)
                    .map_err(|error| failed(&found.binding, &error, reference))
            }
            Ended::Failed(Failure::NotFound(_)) => Err(not_found()),
            ended => self.not_done(ended, &handling, request.id),
        }
    }

    /// A handler that is no tool's did not end with what it is for.
    fn not_done(&self, ended: Ended, handling: &Handling<'_>, id: Id<'_>) -> Result<Vec<u8>, CallError> {
        match ended {
            Ended::Ask(members) => Ok(encode::with_members(id, "input_required", &members)),
            Ended::Failed(failure @ (Failure::Invalid(_) | Failure::NotFound(_))) => Err(CallError::Params(encode::failure_text(failure))),
            Ended::Failed(failure) => Err(CallError::Handler(encode::failure_text(failure))),
            Ended::NoAnswer(error) => Err(CallError::Handler(error.to_string())),
            Ended::Done(_, reference) => Err(failed(handling.binding, &wrong_kind(), reference)),
        }
    }

    async fn complete(&self, principal: &Arc<Principal>, request: &Request<'_>, exchange: &Exchange<'_>) -> Result<Vec<u8>, CallError> {
        let params::Completion { reference, argument, others } = params::completion(&request.params)?;
        let none = || Suggestions { values: Vec::new(), total: None, has_more: false };
        let snapshot = self.registry.snapshot().await;
        let (found, reference) = match &reference {
            params::Ref::Prompt { name } => {
                let found = visible(snapshot.prompt(name), principal).ok_or_else(|| CallError::unknown("prompt", name))?;
                let name = found.prompt().map(|prompt| Reference::Prompt(Arc::clone(&prompt.name)));
                (found, name)
            }
            params::Ref::Resource { uri } => {
                if snapshot.is_topic_template(uri) {
                    return Ok(encode::suggestions(request.id, exchange.version, &none()));
                }
                let by_text = visible(snapshot.template(uri), principal);
                let found = by_text.or_else(|| visible(snapshot.resource(uri), principal));
                let found = found.ok_or_else(|| CallError::no_resource(uri, exchange.version))?;
                let text = found.template().filter(|template| *template.text == **uri);
                let text = text.map(|template| Reference::Template(Arc::clone(&template.text)));
                (found, text)
            }
        };
        let Some(reference) = reference.filter(|_| found.binding.guest.has(Export::Completion)) else {
            return Ok(encode::suggestions(request.id, exchange.version, &none()));
        };
        let name = argument.0.clone();
        let ask = Ask::Completion { reference, argument, others };
        let handling = Handling {
            principal,
            binding: &found.binding,
            method: &request.method,
            params: &request.params,
            exchange,
            name: &name,
            ask: Arc::new(ask),
        };
        match self.run(&handling).await? {
            Ended::Done(Done::Suggestions(suggestions), _) => Ok(encode::suggestions(request.id, exchange.version, &suggestions)),
            ended => self.not_done(ended, &handling, request.id),
        }
    }

    async fn list(&self, listed: Listed, request: &Request<'_>, exchange: &Exchange<'_>) -> Result<Vec<u8>, CallError> {
        let snapshot = self.registry.snapshot().await;
        let page = snapshot.page(listed, exchange.version.is_legacy(), request.params.cursor.as_deref());
        let page = page.ok_or_else(|| CallError::Params("`cursor` is not one of this list, or no longer: list again".to_owned()))?;
        Ok(encode::list(request.id, exchange.version, listed.member(), page))
    }

    /// One entry of `skills/list` (SEP-2640); its file is read as a resource.
    async fn get_skill(&self, principal: &Arc<Principal>, request: &Request<'_>, exchange: &Exchange<'_>) -> Result<Vec<u8>, CallError> {
        let snapshot = self.registry.snapshot().await;
        let uri = request.params.uri.as_deref().ok_or_else(|| CallError::Params("`uri` is missing".to_owned()))?;
        let found = visible(snapshot.resource(uri), principal);
        let entry = found.as_ref().and_then(|found| found.skill(uri)).ok_or_else(|| CallError::no_resource(uri, exchange.version))?;
        Ok(encode::skill(request.id, entry))
    }

    async fn discover(&self, request: &Request<'_>) -> Result<Vec<u8>, CallError> {
        let snapshot = self.registry.snapshot().await;
        Ok(encode::discover(request.id, snapshot.instructions()))
    }
}

/// What a request says that its client can be asked.
fn abilities(request: &Request<'_>) -> Abilities {
    let declared = request.params.meta.as_ref().and_then(|meta| meta.client_capabilities);
    declared.map(|declared| Abilities::parse(declared.get())).unwrap_or_default()
}

/// The level of this name.
pub fn parse_level(level: &str) -> Result<crate::mcp::LogLevel, CallError> {
    let unknown = || {
        let known: Vec<_> = crate::mcp::LogLevel::ALL.iter().map(|level| level.as_str()).collect();
        CallError::Params(format!("{:?} is no log level; the levels are {}", level.chars().take(64).collect::<String>(), known.join(", ")))
    };
    crate::mcp::LogLevel::parse(level).ok_or_else(unknown)
}

/// What a principal may see of what there is: something of another tenant is like something that does not exist.
fn visible(found: Option<&Found>, principal: &Principal) -> Option<Found> {
    found.filter(|found| found.binding.tenant == principal.tenant).cloned()
}

fn argument_problems(arguments: &Value, schema: &crate::registry::schema::Schema) -> Option<String> {
    let problems = schema.problems(arguments)?;
    Some(format!("The arguments do not fit the tool's input schema:\n{problems}"))
}

fn wrong_kind() -> GuestError {
    GuestError::BadReply("the handler answered with something of another kind".to_owned())
}

/// Tells the log what happened and the client where to ask.
fn failed(binding: &Binding, error: &GuestError, reference: CallRef) -> CallError {
    failed_within(binding, &binding.limits, error, reference)
}

/// The same for a call that had other limits than its binding's.
fn failed_within(binding: &Binding, limits: &CallLimits, error: &GuestError, reference: CallRef) -> CallError {
    let (plugin, revision, tenant) = (&binding.plugin, binding.revision.short(), &binding.tenant);
    let inside = crate::caps::host::escape_within(&error.to_string(), Limits::default().log_line_bytes_max);
    if matches!(error, GuestError::HostPanic(_)) {
        tracing::error!(%reference, %plugin, %revision, %tenant, error = inside, "the host failed during a call");
    } else {
        tracing::warn!(%reference, %plugin, %revision, %tenant, error = inside, "a call failed");
    }
    CallError::from_guest(error, limits, reference)
}
