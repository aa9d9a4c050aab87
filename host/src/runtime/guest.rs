//! One call of one guest, from an empty store to an outcome.

use super::imports::Linked;
use super::meter::{Meter, Metered};
use super::plain::{Plain, Sources};
use super::store::{CallState, CpuTimeUsedUp, GuestError, Limit};
use crate::auth::Principal;
use crate::caps::budget::{Budget, CallTag};
use crate::clock::Clock;
use crate::limits::CallLimits;
use crate::wit::cofferdam::mcp::types::{Caller, ClientAbilities, Context, Failure, Outcome};
use crate::wit::exports::cofferdam::mcp::{catalog, query, update};
use futures_util::FutureExt as _;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use wasmtime::{Store, UpdateDeadline};

/// A guest export that answers calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handler {
    /// Reads.
    Query,
    /// Writes.
    Update,
    /// A plain function of a component that was not made for us: nobody knows what it does.
    Plain,
}

/// A linked component and where its handlers are.
pub struct Guest {
    linked: Linked,
    clock: Clock,
    // One of these two.
    catalog: Option<catalog::GuestIndices>,
    plain: Option<Plain>,
    query: Option<query::GuestIndices>,
    update: Option<update::GuestIndices>,
}

/// What to run. Owns everything, since a call that takes long moves to another thread.
pub struct Job {
    /// Which export.
    pub handler: Handler,
    /// The operation.
    pub operation: Arc<str>,
    /// The arguments: a JSON object.
    pub arguments: String,
    /// Who is calling.
    pub caller: Arc<Principal>,
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
type CallResult = Result<Result<Outcome, Failure>, GuestError>;
/// A call that is ready to run.
type Call = Pin<Box<dyn Future<Output = CallResult> + Send>>;

impl Guest {
    /// Finds the handlers. In a component without `catalog`, which is none of ours, they are its plain functions; `sources` is what
    /// documents them.
    pub fn new(linked: Linked, clock: Clock, sources: Sources) -> Result<Self, String> {
        let pre = &linked.pre;
        let has = |interface: &str| pre.component().get_export_index(None, interface).is_some();
        let exported = |interface: &str| has(&format!("cofferdam:mcp/{interface}@0.1.0"));
        if !exported("catalog") {
            let plain = Plain::find(pre.component(), sources, linked.engine.limits())?;
            return Ok(Self { clock, catalog: None, plain: Some(plain), query: None, update: None, linked });
        }
        let misfit = |error: wasmtime::Error| format!("an export does not fit the contract: {error:#}");
        let catalog = Some(catalog::GuestIndices::new(pre).map_err(misfit)?);
        let query = exported("query").then(|| query::GuestIndices::new(pre)).transpose().map_err(misfit)?;
        let update = exported("update").then(|| update::GuestIndices::new(pre)).transpose().map_err(misfit)?;
        Ok(Self { clock, catalog, plain: None, query, update, linked })
    }

    /// Whether the component exports this handler.
    #[must_use]
    pub fn has(&self, handler: Handler) -> bool {
        match handler {
            Handler::Query => self.query.is_some(),
            Handler::Update => self.update.is_some(),
            Handler::Plain => self.plain.is_some(),
        }
    }

    /// What of the component is not offered, and why.
    #[must_use]
    pub fn skipped(&self) -> &[String] {
        self.plain.as_ref().map(Plain::skipped).unwrap_or_default()
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

    /// Prepares a call. Returns the meter that [`super::run_fair`] wants beside the call.
    pub fn call(self: &Arc<Self>, job: Job) -> (Arc<Meter>, Call) {
        let (guest, meter) = (Arc::clone(self), Meter::new());
        let deadline = job.deadline;
        let mut store = guest.store(job.tag.clone(), &job.limits, deadline, &meter);
        let run = async move {
            let result = guest.run(&mut store, &job).await;
            store.data_mut().log_output();
            result.map_err(|error| GuestError::from_wasmtime(&error, &store.data().limiter))
        };
        (Arc::clone(&meter), Box::pin(guarded(Box::pin(run), meter, deadline)))
    }

    async fn run(&self, store: &mut Store<CallState>, job: &Job) -> wasmtime::Result<Result<Outcome, Failure>> {
        let scopes: Vec<&str> = job.caller.scopes.iter().map(String::as_str).collect();
        let caller = Caller { tenant: job.caller.tenant.as_str(), subject: &job.caller.subject, scopes: &scopes };
        let client = ClientAbilities { elicitation_form: false, elicitation_url: false, sampling: false, roots: false };
        let context = Context { caller, client, meta: job.meta.as_deref(), round: None };
        let instance = self.linked.pre.instantiate_async(&mut *store).await?;
        let missing = || wasmtime::format_err!("the handler is not exported");
        match job.handler {
            Handler::Query => {
                let handler = self.query.as_ref().ok_or_else(missing)?.load(&mut *store, &instance)?;
                handler.call_handle(store, context, &job.operation, &job.arguments).await
            }
            Handler::Update => {
                let handler = self.update.as_ref().ok_or_else(missing)?.load(&mut *store, &instance)?;
                handler.call_handle(store, context, &job.operation, &job.arguments).await
            }
            Handler::Plain => {
                let plain = self.plain.as_ref().ok_or_else(missing)?;
                plain.call(store, &instance, &job.operation, &job.arguments, job.limits.output_bytes_max).await
            }
        }
    }

    /// A fresh store with every limit on.
    fn store(&self, tag: CallTag, limits: &CallLimits, deadline: Instant, meter: &Arc<Meter>) -> Store<CallState> {
        let engine = &self.linked.engine;
        let host = engine.limits();
        let budget = Budget::new(tag, deadline, host);
        let state = CallState::new(budget, limits.memory_bytes_max, Arc::clone(&self.linked.caps), self.clock.clone(), Arc::clone(host));
        let mut store = Store::new(engine.inner(), state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(host.hostcall_bytes_max);
        store.set_epoch_deadline(1);
        let (meter, cpu_time_max) = (Arc::clone(meter), limits.cpu_time_max);
        store.epoch_deadline_callback(move |_| {
            if meter.busy() >= cpu_time_max {
                return Err(CpuTimeUsedUp.into());
            }
            meter.note_yield();
            // tokio's own yield: a plain one is put in front of the tasks that wait.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        store
    }
}

/// Puts the walls around a call: its time, and panics of ours, which cost this call only.
async fn guarded<T>(
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
