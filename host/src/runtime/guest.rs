//! One call of one guest, from an empty store to an outcome.

use super::contract;
use super::imports::Linked;
use super::meter::{Meter, Metered};
use super::plain::{Plain, Sources};
use super::store::{CallState, CpuTimeUsedUp, GuestError, Limit, Misfit};
use crate::auth::Principal;
use crate::caps::budget::{Budget, CallTag};
use crate::caps::client::ClientChannel;
use crate::clock::Clock;
use crate::limits::CallLimits;
use crate::mcp::Abilities;
use crate::wit::cofferdam::mcp::types as wit;
use crate::wit::cofferdam::mcp::types::{Caller, Context, Failure, InputRequired, Outcome, Reply, Response};
use crate::wit::exports::cofferdam::mcp::{catalog, completion, prompts, query, query_batch, resources, subscribe, update, webhook};
use bytes::Bytes;
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wasmtime::component::Instance;
use wasmtime::{Store, UpdateDeadline};

/// A guest export that carries out operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handler {
    /// Reads.
    Query,
    /// Writes.
    Update,
    /// A plain function of a component that was not made for us: nobody knows what it does.
    Plain,
}

/// An interface that a component may export beside `catalog`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Export {
    /// Operations.
    Handler(Handler),
    /// Prompts.
    Prompts,
    /// Resources.
    Resources,
    /// Completion of arguments.
    Completion,
    /// Feeds.
    Subscribe,
    /// Several queries at once.
    QueryBatch,
    /// Webhooks made into events.
    Webhook,
}

/// What is asked of a guest.
#[derive(Debug)]
pub enum Ask {
    /// To carry out an operation.
    Operation {
        /// Which export.
        handler: Handler,
        /// The operation.
        name: Arc<str>,
        /// The arguments: a JSON object.
        arguments: String,
    },
    /// To fill in a prompt.
    Prompt {
        /// Which one.
        name: Arc<str>,
        /// Its arguments, by name.
        arguments: Vec<(String, String)>,
    },
    /// To read a resource.
    Resource {
        /// Which one.
        uri: String,
    },
    /// To complete an argument.
    Completion {
        /// What it is an argument of.
        reference: Reference,
        /// The argument's name, and what has been typed.
        argument: (String, String),
        /// What is known already.
        others: Vec<(String, String)>,
    },
    /// To answer several queries of one name.
    Batch {
        /// The operation.
        name: Arc<str>,
        /// The arguments of each: a JSON object.
        parameters: Vec<String>,
    },
    /// To make events of a webhook's request.
    Webhook {
        /// The topic, as the request names it.
        topic: String,
        /// Header fields, names in lower case.
        headers: Vec<(String, String)>,
        /// The body, whose signature was verified.
        body: Bytes,
    },
}

/// What an argument that is being completed belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// The prompt of this name.
    Prompt(Arc<str>),
    /// The template with this text.
    Template(Arc<str>),
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum Done {
    /// An operation is done.
    Reply(Reply),
    /// A prompt is filled in.
    Prompt(prompts::FilledPrompt),
    /// A resource was read.
    Resource(resources::ResourceReply),
    /// There are suggestions.
    Suggestions(completion::Suggestions),
    /// Several queries are done, in the order of their arguments.
    Batch(Vec<Result<Reply, Failure>>),
    /// A webhook's request was made into events.
    Events(Vec<wit::Event>),
    /// The client has to be asked first.
    InputRequired(InputRequired),
}

/// What the client has answered so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Round {
    /// By key; the values are JSON text.
    pub responses: Vec<(String, String)>,
    /// What the handler wanted back.
    pub state: Option<String>,
}

/// A linked component and where its handlers are.
pub struct Guest {
    pub(super) linked: Linked,
    clock: Clock,
    // One of these two.
    catalog: Option<catalog::GuestIndices>,
    plain: Option<Plain>,
    query: Option<query::GuestIndices>,
    update: Option<update::GuestIndices>,
    prompts: Option<prompts::GuestIndices>,
    resources: Option<resources::GuestIndices>,
    completion: Option<completion::GuestIndices>,
    pub(super) subscribe: Option<subscribe::GuestIndices>,
    query_batch: Option<query_batch::GuestIndices>,
    webhook: Option<webhook::GuestIndices>,
}

/// What to run. Owns everything, since a call that takes long moves to another thread.
pub struct Job {
    /// What is asked; shared with whoever asks again in the next round.
    pub ask: Arc<Ask>,
    /// What the client has answered; none on the first round.
    pub round: Option<Round>,
    /// Who is calling.
    pub caller: Arc<Principal>,
    /// What the client can be asked.
    pub abilities: Abilities,
    /// Where messages to the client go, if it wants any.
    pub client: Option<ClientChannel>,
    /// What is left of `_meta`.
    pub meta: Option<String>,
    /// Whose call it is, for the log.
    pub tag: CallTag,
    /// What it may take.
    pub limits: CallLimits,
    /// When it has to be over.
    pub deadline: Instant,
}

/// What comes out of a call.
pub(super) type CallResult = Result<Result<Done, Failure>, GuestError>;
/// A call that is ready to run.
pub type Call = Pin<Box<dyn Future<Output = CallResult> + Send>>;

impl Guest {
    /// Finds the handlers. In a component without `catalog`, which is none of ours, they are its plain functions; `sources` is what
    /// documents them.
    pub fn new(linked: Linked, clock: Clock, sources: Sources) -> Result<Self, String> {
        let pre = linked.pre.clone();
        let has = |interface: &str| pre.component().get_export_index(None, interface).is_some();
        let exported = |interface: &str| has(&format!("cofferdam:mcp/{interface}@0.1.0"));
        let mut found = Self {
            catalog: None,
            plain: None,
            query: None,
            update: None,
            prompts: None,
            resources: None,
            completion: None,
            subscribe: None,
            query_batch: None,
            webhook: None,
            clock,
            linked,
        };
        if !exported("catalog") {
            found.plain = Some(Plain::find(pre.component(), sources, found.linked.engine.limits())?);
            return Ok(found);
        }
        let misfit = |error: wasmtime::Error| format!("an export does not fit the contract: {error:#}");
        found.catalog = Some(catalog::GuestIndices::new(&pre).map_err(misfit)?);
        found.query = exported("query").then(|| query::GuestIndices::new(&pre)).transpose().map_err(misfit)?;
        found.update = exported("update").then(|| update::GuestIndices::new(&pre)).transpose().map_err(misfit)?;
        found.prompts = exported("prompts").then(|| prompts::GuestIndices::new(&pre)).transpose().map_err(misfit)?;
        found.resources = exported("resources").then(|| resources::GuestIndices::new(&pre)).transpose().map_err(misfit)?;
        found.completion = exported("completion").then(|| completion::GuestIndices::new(&pre)).transpose().map_err(misfit)?;
        found.subscribe = exported("subscribe").then(|| subscribe::GuestIndices::new(&pre)).transpose().map_err(misfit)?;
        found.query_batch = exported("query-batch").then(|| query_batch::GuestIndices::new(&pre)).transpose().map_err(misfit)?;
        found.webhook = exported("webhook").then(|| webhook::GuestIndices::new(&pre)).transpose().map_err(misfit)?;
        Ok(found)
    }

    /// Whether the component exports this interface.
    #[must_use]
    pub fn has(&self, export: Export) -> bool {
        match export {
            Export::Handler(Handler::Query) => self.query.is_some(),
            Export::Handler(Handler::Update) => self.update.is_some(),
            Export::Handler(Handler::Plain) => self.plain.is_some(),
            Export::Prompts => self.prompts.is_some(),
            Export::Resources => self.resources.is_some(),
            Export::Completion => self.completion.is_some(),
            Export::Subscribe => self.subscribe.is_some(),
            Export::QueryBatch => self.query_batch.is_some(),
            Export::Webhook => self.webhook.is_some(),
        }
    }

    /// What of the component is not offered, and why.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        self.plain.as_ref().map(Plain::skipped).unwrap_or_default()
    }

    /// The interfaces that the component imports, with their versions.
    #[must_use]
    pub fn imports(&self) -> Vec<String> {
        let engine = self.linked.engine.inner();
        self.linked.pre.component().component_type().imports(engine).map(|(name, _)| name.to_owned()).collect()
    }

    /// Whether it was granted the `client` interface: without it, nothing of a call reaches the client before its answer.
    #[must_use]
    pub fn talks_to_client(&self) -> bool {
        self.linked.caps.client
    }

    /// What the component says that it offers.
    pub async fn describe(
        self: &Arc<Self>,
        tag: CallTag,
        cpu_time_max: Duration,
        wall_time_max: Duration,
    ) -> Result<catalog::Catalog, GuestError> {
        if let Some(plain) = &self.plain {
            return Ok(plain.catalog());
        }
        let limits = CallLimits { cpu_time_max, wall_time_max, ..self.linked.engine.limits().call() };
        let (guest, meter, deadline) = (Arc::clone(self), Meter::new(), Instant::now() + wall_time_max);
        let mut store = guest.store(tag, &limits, deadline, &meter);
        let run = async move {
            let result = async {
                let instance = guest.linked.pre.instantiate_async(&mut store).await?;
                guest.check_exports(&mut store, &instance)?;
                let exported = guest.catalog.as_ref().ok_or_else(|| wasmtime::format_err!("the catalog is not exported"))?;
                let exports = exported.load(&mut store, &instance)?;
                exports.call_describe(&mut store).await
            }
            .await;
            store.data_mut().log_output();
            result.map_err(|error| GuestError::from_wasmtime(&error, &store.data().limiter))
        };
        guarded(Box::pin(run), meter, deadline).await
    }

    /// Whether every handler has the type that it will be called by; otherwise each call of it would fail.
    fn check_exports(&self, store: &mut Store<CallState>, instance: &Instance) -> Result<(), Misfit> {
        let mut check = || {
            self.catalog.as_ref().map(|exported| exported.load(&mut *store, instance)).transpose()?;
            self.query.as_ref().map(|exported| exported.load(&mut *store, instance)).transpose()?;
            self.update.as_ref().map(|exported| exported.load(&mut *store, instance)).transpose()?;
            self.prompts.as_ref().map(|exported| exported.load(&mut *store, instance)).transpose()?;
            self.resources.as_ref().map(|exported| exported.load(&mut *store, instance)).transpose()?;
            self.completion.as_ref().map(|exported| exported.load(&mut *store, instance)).transpose()?;
            self.subscribe.as_ref().map(|exported| exported.load(&mut *store, instance)).transpose()?;
            self.query_batch.as_ref().map(|exported| exported.load(&mut *store, instance)).transpose()?;
            self.webhook.as_ref().map(|exported| exported.load(&mut *store, instance)).transpose()?;
            Ok(())
        };
        check().map_err(|error: wasmtime::Error| {
            let differences = contract::differences(&self.linked.engine, self.linked.pre.component());
            Misfit(if differences.is_empty() { format!(": {error:#}") } else { differences })
        })
    }

    /// Prepares a call. Returns the meter that [`super::run_fair`] wants beside the call.
    pub fn call(self: &Arc<Self>, mut job: Job) -> (Arc<Meter>, Call) {
        let (guest, meter) = (Arc::clone(self), Meter::new());
        let deadline = job.deadline;
        let mut store = guest.store(job.tag.clone(), &job.limits, deadline, &meter);
        store.data_mut().connect(job.client.take());
        let run = async move {
            let result = guest.run(&mut store, &job).await;
            store.data_mut().log_output();
            result.map_err(|error| GuestError::from_wasmtime(&error, &store.data().limiter))
        };
        (Arc::clone(&meter), Box::pin(guarded(Box::pin(run), meter, deadline)))
    }

    async fn run(&self, store: &mut Store<CallState>, job: &Job) -> wasmtime::Result<Result<Done, Failure>> {
        let scopes: Vec<&str> = job.caller.scopes.iter().map(String::as_str).collect();
        let round = job.round.as_ref();
        let responses: Vec<_> = round.iter().flat_map(|round| &round.responses).map(|(key, value)| Response { key, value }).collect();
        let context = Context {
            caller: Caller { tenant: job.caller.tenant.as_str(), subject: &job.caller.subject, scopes: &scopes },
            client: abilities(job.abilities),
            meta: job.meta.as_deref(),
            round: round.map(|round| wit::Round { responses: &responses, state: round.state.as_deref() }),
        };
        let instance = self.linked.pre.instantiate_async(&mut *store).await?;
        let missing = || wasmtime::format_err!("the handler is not exported");
        Ok(match &*job.ask {
            Ask::Operation { handler: Handler::Query, name, arguments } => {
                let handler = self.query.as_ref().ok_or_else(missing)?.load(&mut *store, &instance)?;
                handler.call_handle(store, context, name, arguments).await?.map(operation_done)
            }
            Ask::Operation { handler: Handler::Update, name, arguments } => {
                let handler = self.update.as_ref().ok_or_else(missing)?.load(&mut *store, &instance)?;
                handler.call_handle(store, context, name, arguments).await?.map(operation_done)
            }
            Ask::Operation { handler: Handler::Plain, name, arguments } => {
                let plain = self.plain.as_ref().ok_or_else(missing)?;
                plain.call(store, &instance, name, arguments, job.limits.output_bytes_max).await?.map(Done::Reply)
            }
            Ask::Prompt { name, arguments } => {
                let arguments: Vec<_> = arguments.iter().map(|(name, value)| prompts::Argument { name, value }).collect();
                let handler = self.prompts.as_ref().ok_or_else(missing)?.load(&mut *store, &instance)?;
                handler.call_get(store, context, name, &arguments).await?.map(prompt_done)
            }
            Ask::Resource { uri } => {
                let handler = self.resources.as_ref().ok_or_else(missing)?.load(&mut *store, &instance)?;
                handler.call_read(store, context, uri).await?.map(resource_done)
            }
            Ask::Completion { reference, argument, others } => {
                let others: Vec<_> = others.iter().map(|(name, value)| prompts::Argument { name, value }).collect();
                let argument = prompts::Argument { name: &argument.0, value: &argument.1 };
                let reference = match reference {
                    Reference::Prompt(name) => completion::Reference::Prompt(name),
                    Reference::Template(template) => completion::Reference::ResourceTemplate(template),
                };
                let handler = self.completion.as_ref().ok_or_else(missing)?.load(&mut *store, &instance)?;
                handler.call_complete(store, context, reference, argument, &others).await?.map(Done::Suggestions)
            }
            Ask::Batch { name, parameters } => {
                let parameters: Vec<_> = parameters.iter().map(String::as_str).collect();
                let handler = self.query_batch.as_ref().ok_or_else(missing)?.load(&mut *store, &instance)?;
                handler.call_handle(store, context, name, &parameters).await?.map(Done::Batch)
            }
            Ask::Webhook { topic, headers, body } => {
                let headers: Vec<_> = headers.iter().map(|(name, value)| webhook::Header { name, value }).collect();
                let handler = self.webhook.as_ref().ok_or_else(missing)?.load(&mut *store, &instance)?;
                handler.call_transform(store, context, topic, &headers, body).await?.map(Done::Events)
            }
        })
    }

    /// A fresh store with every limit on.
    pub(super) fn store(&self, tag: CallTag, limits: &CallLimits, deadline: Instant, meter: &Arc<Meter>) -> Store<CallState> {
        let engine = &self.linked.engine;
        let host = engine.limits();
        let budget = Budget::new(tag, deadline, host);
        let budget = match &self.linked.caps.log_rate {
            Some(rate) => budget.with_log_rate(Arc::clone(rate)),
            None => budget,
        };
        let state = CallState::new(budget, limits.memory_bytes_max, Arc::clone(&self.linked.caps), self.clock.clone(), Arc::clone(host));
        let mut store = Store::new(engine.inner(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(host.hostcall_bytes_max);
        allow_cpu_time(&mut store, limits.cpu_time_max, meter);
        store
    }
}

/// From now on the guest has this much processor time, by this meter, and gives way at every tick of the epoch.
pub(super) fn allow_cpu_time(store: &mut Store<CallState>, cpu_time_max: Duration, meter: &Arc<Meter>) {
    store.set_epoch_deadline(1);
    let meter = Arc::clone(meter);
    store.epoch_deadline_callback(move |_| {
        if meter.busy() >= cpu_time_max {
            return Err(CpuTimeUsedUp.into());
        }
        meter.note_yield();
        // tokio's own yield: a plain one is put in front of the tasks that wait.
        Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
    });
}

fn abilities(abilities: Abilities) -> wit::ClientAbilities {
    let Abilities { elicitation_form, elicitation_url, sampling, roots, tasks: _ } = abilities;
    wit::ClientAbilities { elicitation_form, elicitation_url, sampling, roots }
}

fn operation_done(outcome: Outcome) -> Done {
    match outcome {
        Outcome::Complete(reply) => Done::Reply(reply),
        Outcome::InputRequired(wanted) => Done::InputRequired(wanted),
    }
}

fn prompt_done(outcome: prompts::PromptOutcome) -> Done {
    match outcome {
        prompts::PromptOutcome::Complete(prompt) => Done::Prompt(prompt),
        prompts::PromptOutcome::InputRequired(wanted) => Done::InputRequired(wanted),
    }
}

fn resource_done(outcome: resources::ResourceOutcome) -> Done {
    match outcome {
        resources::ResourceOutcome::Complete(reply) => Done::Resource(reply),
        resources::ResourceOutcome::InputRequired(wanted) => Done::InputRequired(wanted),
    }
}

/// Puts the walls around a call: its time, and panics of ours, which cost this call only.
pub(super) async fn guarded<T>(
    run: Pin<Box<dyn Future<Output = Result<T, GuestError>> + Send>>,
    meter: Arc<Meter>,
    deadline: Instant,
) -> Result<T, GuestError> {
    let measured = Metered { future: AssertUnwindSafe(run).catch_unwind(), meter };
    match tokio::time::timeout_at(deadline, measured).await {
        Err(_) => Err(GuestError::Limit(Limit::WallTime)),
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(GuestError::HostPanic(panic_text(panic.as_ref()))),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "without a message".to_owned())
}
