//! The life of a request, from a decoded message to the bytes of its answer. Read `Dispatch::call_tool` first.
//!
//! Both eras and every transport end up here: `server`, `stdio` and `legacy` differ only in how a message comes in and how an answer goes
//! out.

mod admit;
mod encode;
mod error;

pub use encode::{capabilities, server_info};
pub use error::CallError;

use crate::auth::Principal;
use crate::caps::budget::CallTag;
use crate::ids::CallRef;
use crate::limits::Limits;
use crate::mcp::{Params, Request, Version, headers, strict, write};
use crate::registry::{Registry, Tool};
use crate::runtime::{self, GuestError, Job};
use admit::Admission;
use http::HeaderMap;
use serde_json::Value;
use std::sync::Arc;
use tokio::time::Instant;

/// How the client speaks.
#[derive(Clone, Copy)]
pub struct Dialect<'a> {
    /// The revision of this request, or of its session.
    pub version: Version,
    /// The head of the HTTP request, where there is one: some of the arguments are repeated in it.
    pub headers: Option<&'a HeaderMap>,
}

/// Answers requests.
pub struct Dispatch {
    registry: Arc<Registry>,
    admission: Admission,
    long_calls: tokio::runtime::Handle,
    limits: Arc<Limits>,
}

impl Dispatch {
    /// `long_calls` is the runtime that calls move to when they have used up their first tick.
    #[must_use]
    pub fn new(registry: Arc<Registry>, long_calls: tokio::runtime::Handle, limits: Arc<Limits>) -> Self {
        Self { registry, admission: Admission::new(&limits), long_calls, limits }
    }

    /// What is loaded.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Answers one request with a whole JSON-RPC message.
    pub async fn answer(&self, principal: &Arc<Principal>, request: &Request<'_>, dialect: Dialect<'_>) -> Result<Vec<u8>, CallError> {
        match request.method.as_ref() {
            "tools/call" => self.call_tool(principal, request, dialect).await,
            "tools/list" => self.list_tools(request, dialect).await,
            "server/discover" if !dialect.version.is_legacy() => self.discover(request).await,
            method => Err(CallError::NoMethod(method.chars().take(128).collect())),
        }
    }

    /// The life of a call. Dropping the future at any point gives everything back: a client that leaves cancels its call.
    async fn call_tool(&self, principal: &Arc<Principal>, request: &Request<'_>, dialect: Dialect<'_>) -> Result<Vec<u8>, CallError> {
        // The set in force is read once; the tool pins its revision, whatever is loaded meanwhile.
        let snapshot = self.registry.snapshot().await;
        let tool = find(&snapshot, principal, &request.params)?;
        let operation = tool.operation().ok_or_else(|| CallError::NoTarget(String::new()))?;

        // What was checked is what runs: the guest gets the very text, and text that two parsers could read differently is refused.
        let arguments = request.params.arguments.map_or("{}", |raw| raw.get());
        let value = strict::parse(arguments).map_err(|error| CallError::Params(format!("`arguments`: {error}")))?;
        if let Some(headers) = dialect.headers.filter(|_| !dialect.version.is_legacy()) {
            headers::check_params(headers, &operation.param_headers, &value)
                .map_err(|error| CallError::HeaderMismatch(error.to_string()))?;
        }
        if let Some(problems) = argument_problems(&value, &operation.input) {
            return Ok(encode::error_result(request.id, dialect.version, &problems));
        }

        let slots = self.admission.admit(&tool.binding).await?;
        let reference = CallRef::next();
        let limits = tool.binding.limits.clone();
        let output_bytes_max = limits.output_bytes_max;
        let job = Job {
            handler: operation.handler,
            operation: Arc::clone(&operation.name),
            arguments: arguments.to_owned(),
            caller: Arc::clone(principal),
            meta: request.params.meta.as_ref().and_then(crate::mcp::Meta::rest_json),
            tag: CallTag { reference, tenant: principal.tenant.clone(), plugin: tool.binding.plugin.clone() },
            deadline: Instant::now() + limits.wall_time_max,
            limits,
        };
        let (meter, call) = tool.binding.guest.call(job);
        let outcome = runtime::run_fair(&self.long_calls, meter, call).await;
        drop(slots);

        let outcome = outcome.unwrap_or_else(|| Err(GuestError::HostPanic("the task ended early".to_owned())));
        let outcome = outcome.map_err(|error| failed(&tool, &error, reference))?;
        encode::tool_result(request.id, dialect.version, operation, outcome, output_bytes_max)
            .map_err(|error| failed(&tool, &error, reference))
    }

    async fn list_tools(&self, request: &Request<'_>, dialect: Dialect<'_>) -> Result<Vec<u8>, CallError> {
        no_cursor(&request.params)?;
        let snapshot = self.registry.snapshot().await;
        let tools = snapshot.tool_list(dialect.version.is_legacy());
        Ok(encode::list(request.id, dialect.version, "tools", tools))
    }

    async fn discover(&self, request: &Request<'_>) -> Result<Vec<u8>, CallError> {
        let snapshot = self.registry.snapshot().await;
        let mut out = Vec::with_capacity(512);
        write::begin_result(&mut out, request.id.as_json());
        encode::discover(&mut out, snapshot.instructions());
        write::end_result(&mut out);
        Ok(out)
    }
}

/// The tool that a request names, if this principal may see it. A tool of another tenant is like one that does not exist.
fn find(snapshot: &crate::registry::Snapshot, principal: &Principal, params: &Params<'_>) -> Result<Tool, CallError> {
    let name = params.name.as_deref().ok_or_else(|| CallError::Params("`name` is missing".to_owned()))?;
    let tool = snapshot.tool(name).filter(|tool| tool.binding.tenant == principal.tenant);
    tool.cloned().ok_or_else(|| CallError::NoTarget(name.chars().filter(|c| !c.is_control()).take(128).collect()))
}

fn argument_problems(arguments: &Value, schema: &crate::registry::schema::Schema) -> Option<String> {
    let problems = schema.problems(arguments)?;
    Some(format!("The arguments do not fit the tool's input schema:\n{problems}"))
}

/// Everything fits on one page so far, so no cursor was ever handed out.
fn no_cursor(params: &Params<'_>) -> Result<(), CallError> {
    match &params.cursor {
        Some(_) => Err(CallError::Params("`cursor` is not one that this host handed out".to_owned())),
        None => Ok(()),
    }
}

/// Tells the log what happened and the client where to ask.
fn failed(tool: &Tool, error: &GuestError, reference: CallRef) -> CallError {
    let (plugin, revision, tenant) = (&tool.binding.plugin, tool.binding.revision.short(), &tool.binding.tenant);
    let operation = tool.operation().map(|operation| operation.name.as_ref());
    let inside = crate::caps::host::escape(&error.to_string());
    if matches!(error, GuestError::HostPanic(_)) {
        tracing::error!(%reference, %plugin, %revision, %tenant, operation, error = inside, "the host failed during a call");
    } else {
        tracing::warn!(%reference, %plugin, %revision, %tenant, operation, error = inside, "a call failed");
    }
    CallError::from_guest(error, &tool.binding.limits, reference)
}
