//! `cofferdam:mcp/host`: log, clock, randomness. Every guest gets it.

use super::budget::{Budget, BudgetError, LogAllowance};
use super::log::{Admitted, LogRate};
use crate::clock::Clock;
use crate::wit::cofferdam::mcp::host as wit;
use wasmtime::component::{HasData, Linker};

/// One call's view.
pub struct HostView<'a> {
    /// What the call may still take.
    pub budget: &'a mut Budget,
    /// The time of day.
    pub clock: &'a Clock,
}

impl wit::Host for HostView<'_> {
    fn log(&mut self, level: wit::Level, message: String) -> wasmtime::Result<()> {
        self.budget.charge_host_call()?;
        write_log(self.budget, level, "log", message.as_bytes());
        Ok(())
    }

    fn now_ms(&mut self) -> wasmtime::Result<f64> {
        self.budget.charge_host_call()?;
        #[allow(clippy::cast_precision_loss, reason = "exact until the year 287396")]
        Ok(self.clock.since_epoch_ms() as f64)
    }

    fn random_bytes(&mut self, count: u32) -> wasmtime::Result<Vec<u8>> {
        self.budget.charge_host_call()?;
        self.budget.charge_random(count)?;
        let mut bytes = vec![0; usize::try_from(count).map_err(|_| BudgetError::RandomBytes)?];
        getrandom::fill(&mut bytes).map_err(|error| wasmtime::format_err!("no randomness from the operating system: {error}"))?;
        Ok(bytes)
    }
}

/// Writes guest text to the log: cut to the budget, control characters escaped, never as a format string. `from` is `log`, `stdout` or
/// `stderr`.
pub fn write_log(budget: &mut Budget, level: wit::Level, from: &'static str, message: &[u8]) {
    let message = &*budget.without_secrets(message);
    let (reference, tenant, plugin) = (budget.tag.reference, budget.tag.tenant.clone(), budget.tag.plugin.clone());
    let text = match budget.charge_log(message.len()) {
        LogAllowance::Write(bytes) => {
            let text = String::from_utf8_lossy(message.get(..bytes).unwrap_or(message));
            escape_within(&text, budget.log_line_bytes_max())
        }
        LogAllowance::SayCut => "the call logs more than its limit allows (log_bytes_max); the rest is dropped".to_owned(),
        LogAllowance::Drop => return,
    };
    let admitted = budget.log_rate().map(LogRate::admit);
    if let Some(Admitted { dropped: dropped @ 1.., .. }) = admitted {
        tracing::warn!(
            target: "cofferdam::guest", %tenant, dropped,
            "the tenant's plugins log faster than their limit allows (log_records_per_second_max); records were dropped"
        );
    }
    if admitted.is_some_and(|admitted| !admitted.write) {
        return;
    }
    macro_rules! record {
        ($level:ident) => {
            tracing::$level!(target: "cofferdam::guest", %tenant, %plugin, call = %reference, from, "{text}")
        };
    }
    match level {
        wit::Level::Trace => record!(trace),
        wit::Level::Debug => record!(debug),
        wit::Level::Info => record!(info),
        wit::Level::Warn => record!(warn),
        wit::Level::Error => record!(error),
    }
}

/// One line, whatever the guest wrote: no line breaks, no terminal sequences, no text that reorders what stands beside it.
#[must_use]
pub fn escape(text: &str) -> String {
    escape_within(text, usize::MAX)
}

/// The same, cut: an escape is several times as long as what it stands for.
#[must_use]
pub fn escape_within(text: &str, bytes_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(bytes_max));
    for c in text.trim_end().chars() {
        if out.len() >= bytes_max {
            break;
        }
        if c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}') {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

struct HasHost;

impl HasData for HasHost {
    type Data<'a> = HostView<'a>;
}

/// Links the interface.
pub fn link<T: Send + 'static>(linker: &mut Linker<T>, view: fn(&mut T) -> HostView<'_>) -> wasmtime::Result<()> {
    wit::add_to_linker::<T, HasHost>(linker, view)
}

#[cfg(test)]
mod tests {
    use super::{escape, escape_within};

    #[test]
    fn log_injection_stays_one_escaped_line() {
        for (text, expected) in [
            ("plain ä\n", "plain ä"),
            ("a\nERROR fake", "a\\nERROR fake"),
            ("\u{1b}[31mred\u{7}", "\\u{1b}[31mred\\u{7}"),
            ("a\u{202e}b\u{feff}", "a\\u{202e}b\\u{feff}"),
        ] {
            assert_eq!(escape(text), expected);
        }
    }

    #[test]
    fn escapes_do_not_make_a_record_longer_than_its_limit() {
        assert_eq!(escape_within(&"\u{1b}".repeat(8_192), 8_192).len(), 8_196);
        assert_eq!(escape_within("short", 8_192), "short");
    }
}
