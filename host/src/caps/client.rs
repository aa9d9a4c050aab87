//! `cofferdam:mcp/client`: progress and log messages to the client of this call, as far as it asked for them.

use super::budget::Budget;
use crate::mcp::{LogLevel, notice, strict};
use crate::wit::cofferdam::mcp::client as wit;
use std::cell::OnceCell;
use std::sync::{Arc, Mutex, PoisonError};
use wasmtime::component::{HasData, Linker};

/// Takes messages on their way to a client. Never waits: a client that does not keep up misses messages.
pub trait Outlet: Send + Sync {
    /// Takes a whole JSON-RPC message; false when there is no room for it.
    fn send(&self, message: Vec<u8>) -> bool;

    /// Takes a message that somebody waits for, such as a question, however little room there is. There are few of these.
    fn deliver(&self, message: Vec<u8>);
}

/// Nobody listens: a shell, or a caller without MCP.
pub struct Nobody;

impl Outlet for Nobody {
    fn send(&self, _message: Vec<u8>) -> bool {
        true
    }

    fn deliver(&self, _message: Vec<u8>) {}
}

/// The last progress that was reported about a request: it has to grow, also when a handler runs again from the top.
#[derive(Debug, Clone, Default)]
pub struct Reported(OnceCell<LastProgress>);

/// The value itself, shared by the runs of a handler.
pub type LastProgress = Arc<Mutex<f64>>;

impl Reported {
    /// For one more run. Most requests never get here, and cost nothing.
    #[must_use]
    pub fn share(&self) -> LastProgress {
        Arc::clone(self.0.get_or_init(|| Arc::new(Mutex::new(f64::NEG_INFINITY))))
    }
}

/// What one call may tell its client.
pub struct ClientChannel {
    /// Where messages go.
    pub outlet: Arc<dyn Outlet>,
    /// What progress is reported under, as JSON text; none when the client did not ask for it.
    pub progress_token: Option<Box<str>>,
    /// From which level on the client wants log messages; none when it did not ask for any.
    pub log_level: Option<LogLevel>,
    /// The last progress that was reported.
    pub reported: LastProgress,
}

/// One call's view.
pub struct ClientView<'a> {
    /// None when nothing that the guest says would reach anybody.
    pub channel: Option<&'a mut ClientChannel>,
    /// What the call may still take.
    pub budget: &'a mut Budget,
}

impl wit::Host for ClientView<'_> {
    fn progress(&mut self, done: f64, total: Option<f64>, message: Option<String>) -> wasmtime::Result<()> {
        self.budget.charge_host_call()?;
        let Some(channel) = &mut self.channel else { return Ok(()) };
        let Some(token) = &channel.progress_token else { return Ok(()) };
        let mut reported = channel.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if !done.is_finite() || done <= *reported || !self.budget.charge_client_message() {
            return Ok(());
        }
        if channel.outlet.send(notice::progress(token, done, total.filter(|total| total.is_finite()), message.as_deref())) {
            *reported = done;
        }
        Ok(())
    }

    fn log(&mut self, level: wit::Level, logger: Option<String>, data: String) -> wasmtime::Result<()> {
        self.budget.charge_host_call()?;
        let level = level_of(level);
        let Some(channel) = &mut self.channel else { return Ok(()) };
        if channel.log_level.is_none_or(|wanted| level < wanted) || !self.budget.charge_client_message() {
            return Ok(());
        }
        // Text that is not JSON would break the message around it.
        let data = strict::parse(&data).map_err(|error| wasmtime::format_err!("client.log: `data` is not JSON: {error}"))?;
        channel.outlet.send(notice::log(level, logger.as_deref(), &data.to_string()));
        Ok(())
    }
}

fn level_of(level: wit::Level) -> LogLevel {
    match level {
        wit::Level::Debug => LogLevel::Debug,
        wit::Level::Info => LogLevel::Info,
        wit::Level::Notice => LogLevel::Notice,
        wit::Level::Warning => LogLevel::Warning,
        wit::Level::Error => LogLevel::Error,
        wit::Level::Critical => LogLevel::Critical,
        wit::Level::Alert => LogLevel::Alert,
        wit::Level::Emergency => LogLevel::Emergency,
    }
}

struct HasClient;

impl HasData for HasClient {
    type Data<'a> = ClientView<'a>;
}

/// Links the interface.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> ClientView<'_>) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasClient>(linker, view)
}
