//! What one call has in its store, and how a call can end badly.

use super::plain::TooLong;
use super::wasi::{self, Captured};
use crate::caps::budget::{Budget, BudgetError};
use crate::caps::changes::{ChangesCap, ChangesView};
use crate::caps::client::{ClientChannel, ClientView};
use crate::caps::config::{ConfigCap, ConfigView};
use crate::caps::events::{EventsCap, EventsView};
use crate::caps::files::{FilesCap, FilesView, Handles};
use crate::caps::host::{HostView, write_log};
use crate::caps::http::{self, CallQuota, HttpCap, HttpView};
use crate::caps::keyvalue::{KeyValueCap, KeyValueView};
use crate::caps::log::{LogRate, LogView};
use crate::caps::secrets::{SecretsCap, SecretsView};
use crate::caps::sql::{SqlCap, SqlView, Transactions};
use crate::clock::Clock;
use crate::limits::Limits;
use crate::secrets::CallSecrets;
use std::sync::Arc;
use wasmtime::component::ResourceTable;
use wasmtime::{PoolConcurrencyLimitError, ResourceLimiter, Trap};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView};

/// What a binding was granted, resolved: shared by all of its calls.
#[derive(Default)]
pub(super) struct Caps {
    pub(super) client: bool,
    pub(super) changes: Option<ChangesCap>,
    pub(super) events: Option<EventsCap>,
    pub(super) http: Option<Arc<HttpCap>>,
    pub(super) sql: Option<SqlCap>,
    pub(super) keyvalue: Option<KeyValueCap>,
    pub(super) files: Option<FilesCap>,
    pub(super) secrets: Option<SecretsCap>,
    pub(super) config: Option<ConfigCap>,
    pub(super) log_rate: Option<Arc<LogRate>>,
}

/// The data of one call's store.
pub(super) struct CallState {
    pub(super) limiter: Limiter,
    pub(super) budget: Budget,
    clock: Clock,
    caps: Arc<Caps>,
    client: Option<ClientChannel>,
    secrets: Option<CallSecrets>,
    // Made when the guest makes its first request.
    http: Option<Arc<CallQuota>>,
    wasi_http: Option<Box<(http::Hooks, WasiHttpCtx)>>,
    limits: Arc<Limits>,
    table: ResourceTable,
    files: Handles,
    transactions: Transactions,
    // Made when the guest first touches WASI, since most never do.
    wasi: Option<Box<Wasi>>,
}

struct Wasi {
    context: WasiCtx,
    stdout: Captured,
    stderr: Captured,
}

impl CallState {
    pub(super) fn new(budget: Budget, memory_bytes_max: usize, caps: Arc<Caps>, clock: Clock, limits: Arc<Limits>) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles_max);
        Self {
            limiter: Limiter { memory_bytes: 0, memory_bytes_max, table_elements_max: limits.table_elements_max, memory_refused: false },
            budget,
            clock,
            caps,
            client: None,
            secrets: None,
            http: None,
            wasi_http: None,
            limits,
            table,
            files: Handles::default(),
            transactions: Transactions::default(),
            wasi: None,
        }
    }

    pub(super) fn host(&mut self) -> HostView<'_> {
        HostView { budget: &mut self.budget, clock: &self.clock }
    }

    /// Tells where the messages of this call go.
    pub(super) fn connect(&mut self, client: Option<ClientChannel>) {
        self.client = client;
    }

    pub(super) fn client(&mut self) -> ClientView<'_> {
        ClientView { channel: self.client.as_mut(), budget: &mut self.budget }
    }

    pub(super) fn changes(&mut self) -> ChangesView<'_> {
        ChangesView { cap: self.caps.changes.as_ref(), budget: &mut self.budget }
    }

    pub(super) fn events(&mut self) -> EventsView<'_> {
        EventsView { cap: self.caps.events.as_ref(), budget: &mut self.budget }
    }

    /// What the call may still take of its grant, made when it is first needed.
    fn http_quota(&mut self) -> Option<(&Arc<HttpCap>, &Arc<CallQuota>)> {
        let cap = self.caps.http.as_ref()?;
        let budget = &self.budget;
        Some((cap, self.http.get_or_insert_with(|| Arc::new(cap.for_call(budget.tag.clone(), budget.deadline)))))
    }

    pub(super) fn http(&mut self) -> HttpView<'_> {
        self.http_quota();
        let cap = self.caps.http.as_deref().zip(self.http.as_deref());
        HttpView { cap, budget: &mut self.budget }
    }

    pub(super) fn wasi_http(&mut self) -> WasiHttpCtxView<'_> {
        if self.wasi_http.is_none() {
            let granted = self.http_quota().map(|(cap, quota)| (Arc::clone(cap), Arc::clone(quota)));
            let mut context = WasiHttpCtx::new();
            context.set_field_size_limit(self.limits.http_request_head_bytes_max);
            self.wasi_http = Some(Box::new((http::Hooks::new(granted), context)));
        }
        let (hooks, ctx) = &mut **self.wasi_http.get_or_insert_with(Default::default);
        WasiHttpCtxView { hooks, table: &mut self.table, ctx }
    }

    pub(super) fn sql(&mut self) -> SqlView<'_> {
        SqlView { cap: self.caps.sql.as_ref(), budget: &mut self.budget, table: &mut self.table, transactions: &mut self.transactions }
    }

    pub(super) fn keyvalue(&mut self) -> KeyValueView<'_> {
        KeyValueView { cap: self.caps.keyvalue.as_ref(), budget: &mut self.budget }
    }

    pub(super) fn files(&mut self) -> FilesView<'_> {
        FilesView { cap: self.caps.files.as_ref(), handles: &mut self.files, table: &mut self.table, budget: &mut self.budget }
    }

    pub(super) fn log(&mut self) -> LogView<'_> {
        LogView { budget: &mut self.budget }
    }

    pub(super) fn secrets(&mut self) -> SecretsView<'_> {
        SecretsView { cap: self.caps.secrets.as_ref(), seen: &mut self.secrets, budget: &mut self.budget }
    }

    pub(super) fn config(&mut self) -> ConfigView<'_> {
        ConfigView { cap: self.caps.config.as_ref(), budget: &mut self.budget }
    }

    /// Hands what the guest printed to the log.
    pub(super) fn log_output(&mut self) {
        use crate::wit::cofferdam::mcp::host::Level;
        let Some(wasi) = &self.wasi else { return };
        for (from, level, captured) in [("stdout", Level::Info, &wasi.stdout), ("stderr", Level::Warn, &wasi.stderr)] {
            for line in captured.take().split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                write_log(&mut self.budget, level, from, line);
            }
        }
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let wasi = self.wasi.get_or_insert_with(|| {
            let (stdout, stderr) = (Captured::default(), Captured::default());
            let context = wasi::context(&self.clock, self.limits.random_bytes_max, &stdout, &stderr);
            Box::new(Wasi { context, stdout, stderr })
        });
        WasiCtxView { ctx: &mut wasi.context, table: &mut self.table }
    }
}

/// Memory of a call, all of its memories together.
pub(super) struct Limiter {
    memory_bytes: usize,
    memory_bytes_max: usize,
    table_elements_max: usize,
    memory_refused: bool,
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        let granted = total <= self.memory_bytes_max;
        if granted {
            self.memory_bytes = total;
        } else {
            self.memory_refused = true;
        }
        Ok(granted)
    }

    fn table_growing(&mut self, _current: usize, desired: usize, _maximum: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= self.table_elements_max)
    }
}

/// Which limit of a guest's was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// Time on the wall.
    #[error("wall time")]
    WallTime,
    /// Processor time.
    #[error("processor time")]
    CpuTime,
    /// Linear memory.
    #[error("memory")]
    Memory,
    /// The stack.
    #[error("stack depth")]
    Stack,
    /// Bytes handed to the host, or of the result.
    #[error("output size")]
    Output,
    /// Host calls, random bytes, handles.
    #[error("host calls")]
    HostCalls,
}

/// How a call ends without an outcome. The text is for the log, not for the client.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// A limit was reached.
    #[error("limit of {0} reached")]
    Limit(Limit),
    /// The guest died by a rule of WebAssembly.
    #[error("trap: {0}")]
    Trap(String),
    /// It returned what it must not: text that is not JSON, a result that breaks its own schema.
    #[error("bad reply: {0}")]
    BadReply(String),
    /// It does not export what it should.
    #[error("{0}")]
    Misfit(String),
    /// No slot is free for an instance.
    #[error("no instance slot is free")]
    NoSlot,
    /// The host panicked during the call.
    #[error("the host panicked: {0}")]
    HostPanic(String),
}

/// How wasmtime's private error for [`Limit::Output`] begins; a test with a guest that returns too much holds it.
const HOSTCALL_FUEL_EXHAUSTED: &str = "too much data is being copied";

/// An export has another type than the contract says.
#[derive(Debug, Clone, thiserror::Error)]
#[error("an export does not fit the contract{0}")]
pub(super) struct Misfit(pub(super) String);

/// Raised by the epoch callback.
#[derive(Debug, thiserror::Error)]
#[error("processor time is used up")]
pub(super) struct CpuTimeUsedUp;

impl GuestError {
    pub(super) fn from_wasmtime(error: &wasmtime::Error, limiter: &Limiter) -> Self {
        let trap = error.downcast_ref::<Trap>();
        if error.is::<CpuTimeUsedUp>() {
            Self::Limit(Limit::CpuTime)
        } else if let Some(misfit) = error.downcast_ref::<Misfit>() {
            Self::Misfit(misfit.to_string())
        } else if error.is::<BudgetError>() || error.is::<wasmtime::component::ResourceTableError>() {
            Self::Limit(Limit::HostCalls)
        } else if error.is::<TooLong>() || error.root_cause().to_string().starts_with(HOSTCALL_FUEL_EXHAUSTED) {
            Self::Limit(Limit::Output)
        } else if error.is::<PoolConcurrencyLimitError>() {
            Self::NoSlot
        } else if trap == Some(&Trap::StackOverflow) {
            Self::Limit(Limit::Stack)
        } else if limiter.memory_refused {
            Self::Limit(Limit::Memory)
        } else {
            Self::Trap(format!("{error:#}"))
        }
    }
}
