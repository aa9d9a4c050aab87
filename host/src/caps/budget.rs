//! What one call may still take from the host, all interfaces together.

use crate::ids::{CallRef, PluginName, TenantId};
use crate::limits::Limits;
use tokio::time::Instant;

/// Whose call it is; stands in every log record.
#[derive(Debug, Clone)]
pub struct CallTag {
    /// The call's reference.
    pub reference: CallRef,
    /// Whose data it works on.
    pub tenant: TenantId,
    /// Whose code runs.
    pub plugin: PluginName,
}

/// Spent by host functions. Running out of host calls ends the call; running out of log only cuts the log.
#[derive(Debug)]
pub struct Budget {
    /// Whose call it is.
    pub tag: CallTag,
    /// When the call has to be over.
    pub deadline: Instant,
    host_calls: u32,
    random_bytes: u32,
    client_messages: u32,
    log_bytes: usize,
    log_line_bytes_max: usize,
    log_cut: bool,
}

/// A budget is spent: protocol abuse, so the guest traps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// Too many host calls.
    #[error("the call made more host calls than its limit allows (host_calls_max)")]
    HostCalls,
    /// Too many random bytes.
    #[error("the call drew more random bytes than its limit allows (random_bytes_max)")]
    RandomBytes,
}

impl Budget {
    /// A whole budget.
    #[must_use]
    pub fn new(tag: CallTag, deadline: Instant, limits: &Limits) -> Self {
        Self {
            tag,
            deadline,
            host_calls: limits.host_calls_max,
            random_bytes: limits.random_bytes_max,
            client_messages: limits.client_messages_max,
            log_bytes: limits.log_bytes_max,
            log_line_bytes_max: limits.log_line_bytes_max,
            log_cut: false,
        }
    }

    /// Every host function charges itself first.
    pub fn charge_host_call(&mut self) -> Result<(), BudgetError> {
        self.host_calls = self.host_calls.checked_sub(1).ok_or(BudgetError::HostCalls)?;
        Ok(())
    }

    /// Charges random bytes.
    pub fn charge_random(&mut self, count: u32) -> Result<(), BudgetError> {
        self.random_bytes = self.random_bytes.checked_sub(count).ok_or(BudgetError::RandomBytes)?;
        Ok(())
    }

    /// Whether one more message may go to clients; the rest is dropped, since nobody asked for a flood.
    pub fn charge_client_message(&mut self) -> bool {
        let left = self.client_messages.checked_sub(1);
        self.client_messages = left.unwrap_or(0);
        left.is_some()
    }

    /// How much of a record may be written, and whether this is the record at which the log is cut off.
    pub fn charge_log(&mut self, bytes: usize) -> LogAllowance {
        let allowed = bytes.min(self.log_line_bytes_max).min(self.log_bytes);
        self.log_bytes -= allowed;
        if allowed > 0 {
            LogAllowance::Write(allowed)
        } else if bytes == 0 || std::mem::replace(&mut self.log_cut, true) {
            LogAllowance::Drop
        } else {
            LogAllowance::SayCut
        }
    }
}

/// What becomes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogAllowance {
    /// So many bytes of it are written.
    Write(usize),
    /// It is dropped, and the log says so, once.
    SayCut,
    /// It is dropped.
    Drop,
}
